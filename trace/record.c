/* Writing a record (trace/record.h). Events are packed where they happen; what a block costs besides (its hash chain, its compression, the
 * file) may be done elsewhere, a block at a time: everything of struct record that such a job touches is touched by jobs alone. */
#include "trace/record.h"

#include "trace/format.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3 };

struct block_entry {
    uint64_t offset, first;
    int64_t time;
};

struct digest_place { /* of a piece whose hash was not known yet when its event was packed */
    size_t at;
    const uint8_t *digest;
};

struct filling { /* a block: its events, and where each ends */
    struct record *record;
    struct event_buffer events, ends;
    struct digest_place *places;
    size_t place_count, place_room;
    uint64_t first;
    uint32_t count;
    int64_t first_time;
};

struct record {
    int fd;
    _Atomic int error; /* the first -errno; nothing is written after it */
    uint64_t events;   /* added */
    uint64_t packed;   /* bytes of them */
    struct filling *block;
    struct record_elsewhere elsewhere;

    /* Of jobs, and of anybody when all are done. */
    uint64_t bytes, events_written; /* in the file */
    uint8_t chain[EVENT_DIGEST];    /* after the last event of it */
    uint8_t machine[EVENT_DIGEST];  /* hash of the machine's facts, zero: none */
    bool has_manifest;
    crypto_generichash_state manifest; /* of its chunks */
    uint64_t manifest_bytes;           /* uncompressed */
    ZSTD_CCtx *zstd;
    uint8_t *chunk; /* a chunk being put together */
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
    int none = 0;
    (void)atomic_compare_exchange_strong(&r->error, &none, error);
    return r->error;
}

static void free_block(struct filling *b)
{
    if (b == NULL)
        return;
    event_buffer_free(&b->events);
    event_buffer_free(&b->ends);
    free(b->places);
    free(b);
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

void record_set_elsewhere(struct record *r, const struct record_elsewhere *e)
{
    r->elsewhere = *e;
}

void record_settle(struct record *r)
{
    if (r->elsewhere.wait != NULL)
        r->elsewhere.wait(r->elsewhere.context);
}

/* ---- a block ------------------------------------------------------------------------------------------------------ */

/* after = BLAKE2b-256(before, the event's bytes) */
static void chain_event(struct record *r, const uint8_t *bytes, size_t n)
{
    crypto_generichash_state s;
    crypto_generichash_init(&s, NULL, 0, EVENT_DIGEST);
    crypto_generichash_update(&s, r->chain, EVENT_DIGEST);
    crypto_generichash_update(&s, bytes, n);
    crypto_generichash_final(&s, r->chain, EVENT_DIGEST);
}

static int remember_block(struct record *r, const struct filling *b)
{
    if (r->block_count == r->block_room) {
        size_t room = r->block_room == 0 ? 64 : r->block_room * 2;
        struct block_entry *more = realloc(r->index, room * sizeof *more);
        if (more == NULL)
            return fail(r, -ENOMEM);
        r->index = more;
        r->block_room = room;
    }
    r->index[r->block_count++] = (struct block_entry){r->bytes, b->first, b->first_time};
    return 0;
}

static void chain_block(struct record *r, const struct filling *b)
{
    size_t from = 0, end;
    for (size_t i = 0; i < b->place_count; i++)
        memcpy(b->events.bytes + b->places[i].at, b->places[i].digest, EVENT_DIGEST);
    for (uint32_t i = 0; i < b->count; i++, from = end) {
        memcpy(&end, b->ends.bytes + i * sizeof end, sizeof end);
        chain_event(r, b->events.bytes + from, end - from);
    }
}

static void put_block(struct record *r, const struct filling *b)
{
    uint8_t *at = r->chunk + RECORD_CHUNK_HEADER;
    record_put_number(at, b->first, 8);
    record_put_number(at + 8, b->count, 4);
    record_put_number(at + 12, b->events.size, 4);
    memcpy(at + 16, r->chain, EVENT_DIGEST);
    chain_block(r, b);
    memcpy(at + 48, r->chain, EVENT_DIGEST);
    size_t room = chunk_room() - RECORD_CHUNK_HEADER - RECORD_BLOCK_HEADER;
    size_t n = ZSTD_compress2(r->zstd, at + RECORD_BLOCK_HEADER, room, b->events.bytes, b->events.size);
    if (ZSTD_isError(n))
        fail(r, -ENOMEM);
    else if (remember_block(r, b) == 0 && put_chunk(r, "EVTS", RECORD_BLOCK_HEADER + n) == 0)
        r->events_written = b->first + b->count;
}

static void write_block(void *block)
{
    struct filling *b = block;
    if (b->record->error == 0)
        put_block(b->record, b);
    free_block(b);
}

void record_close_block(struct record *r)
{
    struct filling *b = r->block;
    if (r->error != 0 || b == NULL || b->count == 0)
        return;
    r->block = NULL;
    r->packed += b->events.size;
    if (r->elsewhere.before_block != NULL)
        r->elsewhere.before_block(r->elsewhere.context);
    if (r->elsewhere.later != NULL)
        r->elsewhere.later(r->elsewhere.context, write_block, b);
    else
        write_block(b);
}

static struct filling *open_block(struct record *r)
{
    if (r->block == NULL && (r->block = calloc(1, sizeof *r->block)) != NULL) {
        r->block->record = r;
        r->block->first = r->events;
    }
    return r->block;
}

/* The digest is the last field of its event. */
static int remember_place(struct filling *b, const uint8_t *digest)
{
    if (b->place_count == b->place_room) {
        size_t room = b->place_room == 0 ? 16 : b->place_room * 2;
        struct digest_place *more = realloc(b->places, room * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        b->places = more;
        b->place_room = room;
    }
    b->places[b->place_count++] = (struct digest_place){b->events.size - EVENT_DIGEST, digest};
    return 0;
}

/* The first blocks are short: of a run that is killed early there is something, too. */
static size_t block_target(const struct record *r)
{
    return r->packed < RECORD_BLOCK_FIRST    ? RECORD_BLOCK_FIRST
           : r->packed < RECORD_BLOCK_TARGET ? (size_t)r->packed
                                             : RECORD_BLOCK_TARGET;
}

int record_add(struct record *r, struct event *e)
{
    if (r->error != 0)
        return r->error;
    struct filling *b = open_block(r);
    size_t before = b != NULL ? b->events.size : 0;
    e->index = r->events;
    if (b == NULL || event_pack(&b->events, e) < 0)
        return fail(r, -ENOMEM);
    size_t end = b->events.size;
    if (end - before > EVENT_MOST) {
        b->events.size = before;
        return fail(r, -E2BIG);
    }
    if (event_buffer_append(&b->ends, &end, sizeof end) < 0 ||
        (e->kind == EVENT_PIECE && e->piece.later && remember_place(b, e->piece.digest) < 0))
        return fail(r, -ENOMEM);
    if (b->count++ == 0)
        b->first_time = e->time;
    r->events++;
    if (end >= block_target(r))
        record_close_block(r);
    return r->error;
}

int record_flush(struct record *r)
{
    record_close_block(r);
    record_settle(r);
    return r->error;
}

/* ---- what is kept besides events ---------------------------------------------------------------------------------- */

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
    if (n > RECORD_MANIFEST_MOST - r->manifest_bytes)
        return fail(r, -E2BIG);
    if (n > 0 && !r->has_manifest)
        crypto_generichash_init(&r->manifest, NULL, 0, EVENT_DIGEST);
    r->has_manifest |= n > 0;
    r->manifest_bytes += n;
    for (size_t done = 0, part; done < n && r->error == 0; done += part) {
        part = n - done < EVENT_PIECE_SIZE ? n - done : EVENT_PIECE_SIZE;
        record_put_number(at, part, 8);
        size_t room = chunk_room() - RECORD_CHUNK_HEADER - RECORD_MANIFEST_HEADER;
        size_t stored = ZSTD_compress2(r->zstd, at + RECORD_MANIFEST_HEADER, room, (const uint8_t *)bytes + done, part);
        if (ZSTD_isError(stored))
            return fail(r, -ENOMEM);
        crypto_generichash_update(&r->manifest, at, RECORD_MANIFEST_HEADER + stored);
        (void)put_chunk(r, "MANI", RECORD_MANIFEST_HEADER + stored);
    }
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
    uint8_t text[RECORD_SIGNED_SIZE], manifest[EVENT_DIGEST] = {0}, *at = r->chunk + RECORD_CHUNK_HEADER;
    if (r->has_manifest)
        crypto_generichash_final(&r->manifest, manifest, sizeof manifest);
    record_signed_text(text, r->chain, r->events, r->machine, manifest);
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
    free_block(r->block);
    ZSTD_freeCCtx(r->zstd);
    free(r->chunk);
    free(r->index);
    free(r);
}
