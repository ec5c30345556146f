/* See coding.h. By the libraries that put them on (network/http_answer.c). */
#include "network/coding.h"

#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum { FIRST_ROOM = 64 << 10, ZLIB_OR_GZIP = 15 + 32 };

struct out {
    char *bytes;
    size_t size, room, most;
};

/* Room for more; false: there is as much as may be, or no memory. */
static bool widen(struct out *o)
{
    if (o->size < o->room)
        return true;
    size_t room = o->room == 0 ? FIRST_ROOM : o->room * 2;
    room = room < o->most ? room : o->most;
    char *bytes = room > o->room ? realloc(o->bytes, room) : NULL;
    if (bytes == NULL)
        return false;
    o->bytes = bytes;
    o->room = room;
    return true;
}

static void inflate_all(struct out *o, const void *bytes, size_t n)
{
    z_stream z = {.next_in = (Bytef *)bytes, .avail_in = (uInt)n};
    int state = inflateInit2(&z, ZLIB_OR_GZIP);
    if (state != Z_OK)
        return;
    while (state == Z_OK && widen(o)) {
        z.next_out = (Bytef *)o->bytes + o->size;
        z.avail_out = (uInt)(o->room - o->size);
        state = inflate(&z, Z_NO_FLUSH);
        o->size = o->room - z.avail_out;
        if (z.avail_in == 0 && z.avail_out > 0)
            break;
    }
    inflateEnd(&z);
}

static void unzstd_all(struct out *o, const void *bytes, size_t n)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {.src = bytes, .size = n};
    size_t left = z != NULL ? 1 : 0;
    while (left != 0 && !ZSTD_isError(left) && widen(o)) {
        ZSTD_outBuffer out = {.dst = o->bytes, .size = o->room, .pos = o->size};
        left = ZSTD_decompressStream(z, &out, &in);
        o->size = out.pos;
        if (in.pos == in.size && out.pos < out.size)
            break;
    }
    ZSTD_freeDStream(z);
}

char *coding_remove(const char *name, const void *bytes, size_t n, size_t most, size_t *size)
{
    struct out o = {.most = most};
    if (strcasecmp(name, "gzip") == 0 || strcasecmp(name, "deflate") == 0)
        inflate_all(&o, bytes, n);
    else if (strcasecmp(name, "zstd") == 0)
        unzstd_all(&o, bytes, n);
    *size = o.size;
    if (o.size > 0)
        return o.bytes;
    free(o.bytes);
    return NULL;
}
