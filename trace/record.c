/* Writing a record (trace/record.h). */
#include "trace/record.h"

#include "trace/format.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3 };

struct block_entry {
    uint64_t offset, first;
    int64_t time;
};

struct record {
    int fd;
    int error;                       /* the first -errno; nothing is written after it */
    uint64_t bytes;                  /* written */
    uint64_t events, events_written; /* added; in the file */
    uint8_t chain[EVENT_DIGEST];     /* after the last event */
    uint8_t before[EVENT_DIGEST];    /* … before the block being filled */
    uint64_t first;                  /* event of the block being filled */
    int64_t first_time;
    struct event_buffer block;
    ZSTD_CCtx *zstd;
    uint8_t *chunk;                 /* a chunk being put together */
    uint8_t machine[EVENT_DIGEST];  /* hash of the machine's facts, zero: none */
    uint8_t manifest[EVENT_DIGEST]; /* hash of its chunks, zero: none */
    struct block_entry *index;
    size_t block_count, block_room;
};

_Static_assert((int)RECORD_BLOCK_MOST <= (int)EVENT_PIECE_SIZE, "one buffer serves blocks and pieces");

static size_t chunk_room(void)
{
    return RECORD_CHUNK_HEADER + RECORD_BLOCK_HEADER + ZSTD_compressBound(EVENT_PIECE_SIZE);
}

static int fail(struct record *r, int error)
{
    if (r->error == 0)
        r->error = error;
    return r->error;
}

static int put(struct record *r, const uint8_t *bytes, size_t n)
{
    if (r->error != 0 || r->fd < 0) {
        r->bytes += r->error == 0 ? n : 0;
        return r->error;
    }
    while (n > 0) {
        ssize_t done = write(r->fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail(r, done < 0 ? -errno : -ENOSPC);
        bytes += done;
        n -= (size_t)done;
        r->bytes += (size_t)done;
    }
    return 0;
}

/* Sends r->chunk, whose payload of n bytes is in place. */
static int put_chunk(struct record *r, const char *type, size_t n)
{
    memcpy(r->chunk, type, 4);
    record_put_number(r->chunk + 4, n, 4);
    return put(r, r->chunk, RECORD_CHUNK_HEADER + n);
}

struct record *record_begin(int fd)
{
    struct record *r = calloc(1, sizeof *r);
    uint8_t header[RECORD_HEADER] = RECORD_MAGIC;
    if (r == NULL || (r->chunk = malloc(chunk_room())) == NULL || (r->zstd = ZSTD_createCCtx()) == NULL) {
        if (r != NULL)
            free(r->chunk);
        free(r);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    r->fd = fd;
    ZSTD_CCtx_setParameter(r->zstd, ZSTD_c_compressionLevel, LEVEL);
    crypto_generichash(r->chain, sizeof r->chain, (const uint8_t *)RECORD_CHAIN_START, strlen(RECORD_CHAIN_START), NULL,
                       0);
    memcpy(r->before, r->chain, sizeof r->before);
    record_put_number(header + RECORD_MAGIC_SIZE, RECORD_VERSION, 2);
    (void)put(r, header, sizeof header);
    return r;
}

int record_machine(struct record *r, const void *map, size_t n)
{
    if (n > EVENT_MOST)
        return fail(r, -E2BIG);
    crypto_generichash(r->machine, sizeof r->machine, map, n, NULL, 0);
    memcpy(r->chunk + RECORD_CHUNK_HEADER, map, n);
    return put_chunk(r, "MACH", n);
}

/* after = BLAKE2b-256(before, the event's bytes) */
static void chain_event(struct record *r, const uint8_t *bytes, size_t n)
{
    crypto_generichash_state s;
    crypto_generichash_init(&s, NULL, 0, EVENT_DIGEST);
    crypto_generichash_update(&s, r->chain, EVENT_DIGEST);
    crypto_generichash_update(&s, bytes, n);
    crypto_generichash_final(&s, r->chain, EVENT_DIGEST);
}

int record_add(struct record *r, struct event *e)
{
    size_t before = r->block.size;
    if (r->error != 0)
        return r->error;
    e->index = r->events;
    if (event_pack(&r->block, e) < 0)
        return fail(r, -ENOMEM);
    size_t n = r->block.size - before;
    if (n > EVENT_MOST) {
        r->block.size = before;
        return fail(r, -E2BIG);
    }
    if (before == 0)
        r->first_time = e->time;
    chain_event(r, r->block.bytes + before, n);
    r->events++;
    return r->block.size >= RECORD_BLOCK_TARGET ? record_flush(r) : 0;
}

static int remember_block(struct record *r)
{
    if (r->block_count == r->block_room) {
        size_t room = r->block_room == 0 ? 64 : r->block_room * 2;
        struct block_entry *more = realloc(r->index, room * sizeof *more);
        if (more == NULL)
            return fail(r, -ENOMEM);
        r->index = more;
        r->block_room = room;
    }
    r->index[r->block_count++] = (struct block_entry){r->bytes, r->first, r->first_time};
    return 0;
}

int record_flush(struct record *r)
{
    if (r->error != 0 || r->block.size == 0)
        return r->error;
    uint8_t *at = r->chunk + RECORD_CHUNK_HEADER;
    record_put_number(at, r->first, 8);
    record_put_number(at + 8, r->events - r->first, 4);
    record_put_number(at + 12, r->block.size, 4);
    memcpy(at + 16, r->before, EVENT_DIGEST);
    memcpy(at + 48, r->chain, EVENT_DIGEST);
    size_t room = chunk_room() - RECORD_CHUNK_HEADER - RECORD_BLOCK_HEADER;
    size_t n = ZSTD_compress2(r->zstd, at + RECORD_BLOCK_HEADER, room, r->block.bytes, r->block.size);
    if (ZSTD_isError(n))
        return fail(r, -ENOMEM);
    if (remember_block(r) < 0 || put_chunk(r, "EVTS", RECORD_BLOCK_HEADER + n) < 0)
        return r->error;
    r->block.size = 0;
    r->first = r->events_written = r->events;
    memcpy(r->before, r->chain, EVENT_DIGEST);
    return 0;
}

int record_content(struct record *r, const uint8_t digest[EVENT_DIGEST], const void *bytes, size_t n)
{
    if (n > EVENT_PIECE_SIZE)
        return fail(r, -E2BIG);
    uint8_t *at = r->chunk + RECORD_CHUNK_HEADER;
    memcpy(at, digest, EVENT_DIGEST);
    record_put_number(at + EVENT_DIGEST, n, 8);
    size_t room = chunk_room() - RECORD_CHUNK_HEADER - RECORD_CONTENT_HEADER;
    size_t stored = ZSTD_compress2(r->zstd, at + RECORD_CONTENT_HEADER, room, bytes, n);
    if (ZSTD_isError(stored))
        return fail(r, -ENOMEM);
    return put_chunk(r, "CONT", RECORD_CONTENT_HEADER + stored);
}

int record_manifest(struct record *r, const void *bytes, size_t n)
{
    uint8_t *at = r->chunk + RECORD_CHUNK_HEADER;
    crypto_generichash_state hash;
    if (n > RECORD_MANIFEST_MOST)
        return fail(r, -E2BIG);
    crypto_generichash_init(&hash, NULL, 0, EVENT_DIGEST);
    for (size_t done = 0, part; done < n && r->error == 0; done += part) {
        part = n - done < EVENT_PIECE_SIZE ? n - done : EVENT_PIECE_SIZE;
        record_put_number(at, part, 8);
        size_t room = chunk_room() - RECORD_CHUNK_HEADER - RECORD_MANIFEST_HEADER;
        size_t stored = ZSTD_compress2(r->zstd, at + RECORD_MANIFEST_HEADER, room, (const uint8_t *)bytes + done, part);
        if (ZSTD_isError(stored))
            return fail(r, -ENOMEM);
        crypto_generichash_update(&hash, at, RECORD_MANIFEST_HEADER + stored);
        (void)put_chunk(r, "MANI", RECORD_MANIFEST_HEADER + stored);
    }
    if (n > 0)
        crypto_generichash_final(&hash, r->manifest, sizeof r->manifest);
    return r->error;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static int put_index(struct record *r)
{
    uint8_t header[RECORD_CHUNK_HEADER] = "INDX", entry[RECORD_INDEX_ENTRY];
    if (r->block_count > UINT32_MAX / RECORD_INDEX_ENTRY)
        return fail(r, -E2BIG);
    record_put_number(header + 4, r->block_count * RECORD_INDEX_ENTRY, 4);
    int error = put(r, header, sizeof header);
    for (size_t i = 0; i < r->block_count && error == 0; i++) {
        record_put_number(entry, r->index[i].offset, 8);
        record_put_number(entry + 8, r->index[i].first, 8);
        record_put_number(entry + 16, (uint64_t)r->index[i].time, 8);
        error = put(r, entry, sizeof entry);
    }
    return error;
}

static int put_signature(struct record *r, const uint8_t *secret)
{
    uint8_t text[RECORD_SIGNED_SIZE], *at = r->chunk + RECORD_CHUNK_HEADER;
    record_signed_text(text, r->chain, r->events, r->machine, r->manifest);
    crypto_sign_ed25519_sk_to_pk(at, secret);
    crypto_sign_detached(at + crypto_sign_PUBLICKEYBYTES, NULL, text, sizeof text, secret);
    return put_chunk(r, "SIGN", RECORD_SIGNATURE);
}

int record_finish(struct record *r, const uint8_t *secret)
{
    int error = record_flush(r);
    uint64_t index = r->bytes;
    if (error == 0)
        error = put_index(r);
    if (error == 0 && secret != NULL)
        error = put_signature(r, secret);
    if (error != 0)
        return error;
    uint8_t *at = r->chunk + RECORD_CHUNK_HEADER;
    record_put_number(at, index, 8);
    record_put_number(at + 8, r->events, 8);
    memcpy(at + 16, r->chain, EVENT_DIGEST);
    record_put_number(at + 48, r->bytes, 8);
    memcpy(at + 56, RECORD_MAGIC, RECORD_MAGIC_SIZE);
    return put_chunk(r, "TAIL", RECORD_TAIL);
}

int record_error(const struct record *r)
{
    return r->error;
}

uint64_t record_events(const struct record *r)
{
    return r->events;
}

uint64_t record_written(const struct record *r)
{
    return r->events_written;
}

uint64_t record_bytes(const struct record *r)
{
    return r->bytes;
}

const uint8_t *record_head(const struct record *r)
{
    return r->chain;
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    event_buffer_free(&r->block);
    ZSTD_freeCCtx(r->zstd);
    free(r->chunk);
    free(r->index);
    free(r);
}
