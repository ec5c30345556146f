/* Reading a record (trace/reader.h). At the opening every chunk's header is looked at, so that what is there is known
 * before any of it is used; a block's bytes are read when one of its events is wanted, and its whole hash chain is checked
 * before the first event of it is given out. */
#include "trace/reader.h"

#include "trace/cursor.h"
#include "trace/format.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { WHY_ROOM = 256 };

struct block {
    uint64_t offset; /* of its payload */
    uint64_t first;
    uint32_t size, events, bytes;
    uint8_t before[EVENT_DIGEST], after[EVENT_DIGEST];
    int64_t time; /* of its first event, as the index says */
};

struct content {
    uint8_t digest[EVENT_DIGEST];
    uint64_t offset;
    uint32_t size, bytes;
};

struct part { /* of the manifest */
    uint64_t offset;
    uint32_t size, bytes;
};

struct reader {
    int fd;
    uint64_t size; /* of the file */
    struct block *blocks;
    size_t block_count, block_room;
    struct content *contents; /* sorted by digest once the file was looked through */
    size_t content_count, content_room;
    struct part *parts;
    size_t part_count, part_room;
    uint8_t *machine;
    size_t machine_size;
    uint8_t signature[RECORD_SIGNATURE];
    bool has_signature, whole;
    /* How what is there ends: END, CUT or DAMAGED behind the last block. */
    enum reader_result ends;
    char ends_why[WHY_ROOM];
    uint8_t start[EVENT_DIGEST]; /* the chain's value before the first event */
    uint64_t index_at;           /* where the index was found; 0: nowhere */

    ZSTD_DCtx *zstd;
    uint8_t *stored, *bytes; /* a chunk's payload; a block's events */
    size_t stored_room, bytes_room;
    size_t loaded; /* which block is in `bytes`; block_count: none */
    size_t at;     /* the next event in it */
    uint64_t next; /* its index */
    char why[WHY_ROOM];
};

/* ---- the file's bytes --------------------------------------------------------------------------------------------- */

static bool read_at(const struct reader *r, uint64_t offset, void *to, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(r->fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* The array behind *items with room for one more. */
static void *grown(void *items, size_t count, size_t *room, size_t each)
{
    if (count < *room)
        return items;
    size_t wanted = *room == 0 ? 16 : *room * 2;
    void *more = realloc(items, wanted * each);
    if (more != NULL)
        *room = wanted;
    return more;
}

/* ---- looking through ---------------------------------------------------------------------------------------------- */

static bool ends(struct reader *r, enum reader_result how, const char *what)
{
    uint64_t events = reader_events(r);
    r->ends = how;
    snprintf(r->ends_why, sizeof r->ends_why, "%s %zu (%s event %" PRIu64 "): %s",
             how == READER_CUT ? "ends in block" : "block", r->block_count, events > 0 ? "behind" : "before",
             events > 0 ? events - 1 : 0, what);
    return false;
}

static bool scan_block(struct reader *r, uint64_t offset, uint32_t size)
{
    uint8_t header[RECORD_BLOCK_HEADER];
    if (size < sizeof header)
        return ends(r, READER_DAMAGED, "shorter than its header");
    if (!read_at(r, offset, header, sizeof header))
        return ends(r, READER_DAMAGED, "cannot be read");
    struct block b = {.offset = offset + sizeof header,
                      .first = record_number(header, 8),
                      .events = (uint32_t)record_number(header + 8, 4),
                      .bytes = (uint32_t)record_number(header + 12, 4),
                      .size = size - (uint32_t)sizeof header};
    memcpy(b.before, header + 16, EVENT_DIGEST);
    memcpy(b.after, header + 48, EVENT_DIGEST);
    if (b.first != reader_events(r))
        return ends(r, READER_DAMAGED, "its events do not follow those before");
    if (b.events == 0 || b.bytes > RECORD_BLOCK_MOST || b.events > b.bytes / 4)
        return ends(r, READER_DAMAGED, "its header cannot be");
    if (memcmp(b.before, reader_head(r), EVENT_DIGEST) != 0)
        return ends(r, READER_DAMAGED, "the hash chain does not go on from the block before");
    struct block *more = grown(r->blocks, r->block_count, &r->block_room, sizeof *more);
    if (more == NULL)
        return ends(r, READER_DAMAGED, "out of memory");
    r->blocks = more;
    r->blocks[r->block_count++] = b;
    return true;
}

static bool scan_content(struct reader *r, uint64_t offset, uint32_t size)
{
    uint8_t header[RECORD_CONTENT_HEADER];
    if (size < sizeof header || !read_at(r, offset, header, sizeof header))
        return ends(r, READER_DAMAGED, "kept content that is shorter than its header");
    uint64_t bytes = record_number(header + EVENT_DIGEST, 8);
    if (bytes > EVENT_PIECE_SIZE)
        return ends(r, READER_DAMAGED, "kept content that is longer than a piece");
    struct content *more = grown(r->contents, r->content_count, &r->content_room, sizeof *more);
    if (more == NULL)
        return ends(r, READER_DAMAGED, "out of memory");
    r->contents = more;
    struct content *c = &more[r->content_count++];
    *c = (struct content){
        .offset = offset + sizeof header, .size = size - (uint32_t)sizeof header, .bytes = (uint32_t)bytes};
    memcpy(c->digest, header, EVENT_DIGEST);
    return true;
}

static bool scan_manifest(struct reader *r, uint64_t offset, uint32_t size)
{
    uint8_t header[RECORD_MANIFEST_HEADER];
    if (size < sizeof header || !read_at(r, offset, header, sizeof header))
        return ends(r, READER_DAMAGED, "a part of the manifest that is shorter than its header");
    uint64_t bytes = record_number(header, 8);
    if (bytes == 0 || bytes > EVENT_PIECE_SIZE)
        return ends(r, READER_DAMAGED, "a part of the manifest whose length cannot be");
    struct part *more = grown(r->parts, r->part_count, &r->part_room, sizeof *more);
    if (more == NULL)
        return ends(r, READER_DAMAGED, "out of memory");
    r->parts = more;
    r->parts[r->part_count++] = (struct part){offset + sizeof header, size - (uint32_t)sizeof header, (uint32_t)bytes};
    return true;
}

static bool scan_machine(struct reader *r, uint64_t offset, uint32_t size)
{
    if (r->machine != NULL || r->block_count != 0)
        return ends(r, READER_DAMAGED, "facts about the machine out of place");
    r->machine = malloc(size + 1U);
    if (r->machine == NULL || !read_at(r, offset, r->machine, size))
        return ends(r, READER_DAMAGED, "facts about the machine cannot be read");
    r->machine_size = size;
    return true;
}

static bool scan_index(struct reader *r, uint64_t offset, uint32_t size)
{
    uint8_t entry[RECORD_INDEX_ENTRY];
    if (r->index_at != 0 || size != r->block_count * RECORD_INDEX_ENTRY)
        return ends(r, READER_DAMAGED, "the index is not of these blocks");
    for (size_t i = 0; i < r->block_count; i++) {
        const struct block *b = &r->blocks[i];
        if (!read_at(r, offset + i * sizeof entry, entry, sizeof entry))
            return ends(r, READER_DAMAGED, "the index cannot be read");
        if (record_number(entry, 8) != b->offset - RECORD_BLOCK_HEADER - RECORD_CHUNK_HEADER ||
            record_number(entry + 8, 8) != b->first)
            return ends(r, READER_DAMAGED, "the index is not of these blocks");
        r->blocks[i].time = (int64_t)record_number(entry + 16, 8);
    }
    r->index_at = offset - RECORD_CHUNK_HEADER;
    return true;
}

static bool scan_signature(struct reader *r, uint64_t offset, uint32_t size)
{
    if (r->has_signature || size != RECORD_SIGNATURE || !read_at(r, offset, r->signature, size))
        return ends(r, READER_DAMAGED, "a signature of another length, or a second one");
    r->has_signature = true;
    return true;
}

static bool scan_tail(struct reader *r, uint64_t offset, uint32_t size)
{
    uint8_t tail[RECORD_TAIL];
    if (size != sizeof tail || !read_at(r, offset, tail, sizeof tail))
        return ends(r, READER_DAMAGED, "a tail of another length");
    if (record_number(tail, 8) != r->index_at || r->index_at == 0 || record_number(tail + 8, 8) != reader_events(r) ||
        memcmp(tail + 16, reader_head(r), EVENT_DIGEST) != 0 ||
        record_number(tail + 48, 8) != offset - RECORD_CHUNK_HEADER ||
        memcmp(tail + 56, RECORD_MAGIC, RECORD_MAGIC_SIZE) != 0)
        return ends(r, READER_DAMAGED, "the tail does not fit what stands before it");
    if (offset + size != r->size)
        return ends(r, READER_DAMAGED, "there is something behind the tail");
    r->whole = true;
    r->ends = READER_END;
    return false;
}

static bool scan_chunk(struct reader *r, const uint8_t *type, uint64_t offset, uint32_t size)
{
    static const struct {
        char type[5];
        bool bounded; /* by RECORD_CHUNK_MOST */
        bool (*scan)(struct reader *, uint64_t, uint32_t);
    } chunks[] = {
        {"EVTS", true, scan_block},    {"CONT", true, scan_content}, {"MACH", true, scan_machine},
        {"MANI", true, scan_manifest}, {"INDX", false, scan_index},  {"SIGN", false, scan_signature},
        {"TAIL", false, scan_tail},
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        if (memcmp(type, chunks[i].type, 4) != 0)
            continue;
        if (chunks[i].bounded && size > RECORD_CHUNK_MOST)
            return ends(r, READER_DAMAGED, "longer than a chunk may be");
        return chunks[i].scan(r, offset, size);
    }
    return ends(r, READER_DAMAGED, "a chunk of no known type");
}

static void scan(struct reader *r)
{
    uint64_t at = RECORD_HEADER;
    uint8_t header[RECORD_CHUNK_HEADER];
    for (;;) {
        if (at == r->size) {
            ends(r, READER_CUT, "the file stops without the record's end");
            return;
        }
        if (r->size - at < sizeof header) {
            ends(r, READER_CUT, "the file stops in the middle of a chunk");
            return;
        }
        if (!read_at(r, at, header, sizeof header)) {
            ends(r, READER_DAMAGED, "cannot be read");
            return;
        }
        uint32_t size = (uint32_t)record_number(header + 4, 4);
        at += sizeof header;
        if (size > r->size - at) {
            ends(r, READER_CUT, "the file stops in the middle of a chunk");
            return;
        }
        if (!scan_chunk(r, header, at, size))
            return;
        at += size;
    }
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const struct content *)a)->digest, ((const struct content *)b)->digest, EVENT_DIGEST);
}

static bool begin(struct reader *r, char *why, size_t n)
{
    uint8_t header[RECORD_HEADER];
    struct stat st;
    if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        snprintf(why, n, "not a regular file");
        return false;
    }
    r->size = (uint64_t)st.st_size;
    if (r->size < sizeof header || !read_at(r, 0, header, sizeof header) ||
        memcmp(header, RECORD_MAGIC, RECORD_MAGIC_SIZE) != 0) {
        snprintf(why, n, "not a record");
        return false;
    }
    if (record_number(header + RECORD_MAGIC_SIZE, 2) != RECORD_VERSION) {
        snprintf(why, n, "a record of format %u; this terrarium reads format %d",
                 (unsigned)record_number(header + RECORD_MAGIC_SIZE, 2), RECORD_VERSION);
        return false;
    }
    r->zstd = ZSTD_createDCtx();
    if (r->zstd == NULL) {
        snprintf(why, n, "out of memory");
        return false;
    }
    return true;
}

struct reader *reader_open(int fd, char *why, size_t n)
{
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        snprintf(why, n, "out of memory");
        close(fd);
        return NULL;
    }
    r->fd = fd;
    if (!begin(r, why, n)) {
        reader_close(r);
        return NULL;
    }
    crypto_generichash(r->start, sizeof r->start, (const uint8_t *)RECORD_CHAIN_START, strlen(RECORD_CHAIN_START), NULL,
                       0);
    scan(r);
    if (r->content_count != 0)
        qsort(r->contents, r->content_count, sizeof *r->contents, by_digest);
    r->loaded = r->block_count;
    return r;
}

void reader_close(struct reader *r)
{
    if (r == NULL)
        return;
    close(r->fd);
    ZSTD_freeDCtx(r->zstd);
    free(r->stored);
    free(r->bytes);
    free(r->blocks);
    free(r->contents);
    free(r->parts);
    free(r->machine);
    free(r);
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

static enum reader_result damaged(struct reader *r, size_t block, uint64_t event, const char *what)
{
    snprintf(r->why, sizeof r->why, "block %zu, event %" PRIu64 ": %s", block, event, what);
    r->loaded = r->block_count;
    return READER_DAMAGED;
}

/* The buffer *place with room for n bytes at least. */
static bool has_room(uint8_t **place, size_t *room, size_t n)
{
    if (n <= *room)
        return true;
    uint8_t *more = realloc(*place, n);
    if (more == NULL)
        return false;
    *place = more;
    *room = n;
    return true;
}

/* n bytes from a zstd frame, exactly. Both sizes were checked. */
static bool unpacked(struct reader *r, uint64_t offset, uint32_t size, uint8_t *to, size_t n)
{
    if (!has_room(&r->stored, &r->stored_room, size) || !read_at(r, offset, r->stored, size) ||
        ZSTD_getFrameContentSize(r->stored, size) != n)
        return false;
    return ZSTD_decompressDCtx(r->zstd, to, n, r->stored, size) == n;
}

/* The hash chain over a block's events, which only says whether they are what was written. */
static bool chain_fits(const struct block *b, const uint8_t *bytes)
{
    uint8_t chain[EVENT_DIGEST];
    struct cursor c = cursor_over(bytes, b->bytes);
    memcpy(chain, b->before, sizeof chain);
    for (uint32_t i = 0; i < b->events; i++) {
        const uint8_t *from = c.at;
        cursor_skip(&c);
        if (c.bad)
            return false;
        crypto_generichash_state s;
        crypto_generichash_init(&s, NULL, 0, EVENT_DIGEST);
        crypto_generichash_update(&s, chain, EVENT_DIGEST);
        crypto_generichash_update(&s, from, (size_t)(c.at - from));
        crypto_generichash_final(&s, chain, EVENT_DIGEST);
    }
    return c.at == c.end && memcmp(chain, b->after, sizeof chain) == 0;
}

static bool time_fits(const struct reader *r, const struct block *b)
{
    struct cursor c = cursor_over(r->bytes, b->bytes);
    cursor_array(&c);
    cursor_unsigned(&c); /* the kind */
    return r->index_at == 0 || cursor_signed(&c) == b->time || c.bad;
}

/* The block's events into r->bytes, and on to event r->next, which is one of them. */
static enum reader_result load(struct reader *r, size_t i)
{
    const struct block *b = &r->blocks[i];
    if (!has_room(&r->bytes, &r->bytes_room, b->bytes))
        return damaged(r, i, b->first, "out of memory");
    if (!unpacked(r, b->offset, b->size, r->bytes, b->bytes))
        return damaged(r, i, b->first, "its compressed bytes are not what was written");
    if (!chain_fits(b, r->bytes))
        return damaged(r, i, b->first, "the hash chain does not fit its events");
    if (!time_fits(r, b))
        return damaged(r, i, b->first, "the index gives it another time");
    struct cursor c = cursor_over(r->bytes, b->bytes);
    for (uint64_t skip = r->next - b->first; skip > 0; skip--)
        cursor_skip(&c);
    r->loaded = i;
    r->at = (size_t)(c.at - r->bytes);
    return READER_EVENT;
}

/* The block that holds an event that is there. */
static size_t block_of(const struct reader *r, uint64_t event)
{
    size_t low = 0, high = r->block_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (r->blocks[middle].first <= event)
            low = middle;
        else
            high = middle;
    }
    return low;
}

enum reader_result reader_next(struct reader *r, struct event *e)
{
    const char *what;
    if (r->next >= reader_events(r)) {
        snprintf(r->why, sizeof r->why, "%s", r->ends_why);
        return r->ends;
    }
    size_t i = r->loaded;
    if (i == r->block_count || r->next < r->blocks[i].first || r->next - r->blocks[i].first >= r->blocks[i].events) {
        i = block_of(r, r->next);
        enum reader_result result = load(r, i);
        if (result != READER_EVENT)
            return result;
    }
    e->index = r->next;
    size_t n = event_unpack(r->bytes + r->at, r->blocks[i].bytes - r->at, e, &what);
    if (n == 0)
        return damaged(r, i, r->next, what);
    r->at += n;
    r->next++;
    return READER_EVENT;
}

bool reader_seek(struct reader *r, uint64_t index)
{
    if (index > reader_events(r))
        return false;
    r->next = index;
    r->loaded = r->block_count;
    return true;
}

const char *reader_why(const struct reader *r)
{
    return r->why;
}

uint64_t reader_events(const struct reader *r)
{
    const struct block *last = r->block_count > 0 ? &r->blocks[r->block_count - 1] : NULL;
    return last != NULL ? last->first + last->events : 0;
}

uint64_t reader_blocks(const struct reader *r)
{
    return r->block_count;
}

bool reader_whole(const struct reader *r)
{
    return r->whole;
}

const uint8_t *reader_head(const struct reader *r)
{
    return r->block_count > 0 ? r->blocks[r->block_count - 1].after : r->start;
}

const uint8_t *reader_machine(const struct reader *r, size_t *n)
{
    *n = r->machine_size;
    return r->machine;
}

/* Of all parts of the manifest as they stand in the file. False: they cannot be read. */
static bool hash_manifest(const struct reader *r, uint8_t digest[EVENT_DIGEST])
{
    crypto_generichash_state s;
    uint8_t bytes[16384];
    crypto_generichash_init(&s, NULL, 0, EVENT_DIGEST);
    for (size_t i = 0; i < r->part_count; i++) {
        uint64_t at = r->parts[i].offset - RECORD_MANIFEST_HEADER,
                 left = r->parts[i].size + (uint64_t)RECORD_MANIFEST_HEADER;
        for (size_t n; left > 0; at += n, left -= n) {
            n = left < sizeof bytes ? (size_t)left : sizeof bytes;
            if (!read_at(r, at, bytes, n))
                return false;
            crypto_generichash_update(&s, bytes, n);
        }
    }
    if (r->part_count > 0)
        crypto_generichash_final(&s, digest, EVENT_DIGEST);
    return true;
}

enum signature reader_signature(const struct reader *r, uint8_t key[32])
{
    uint8_t machine[EVENT_DIGEST] = {0}, manifest[EVENT_DIGEST] = {0}, text[RECORD_SIGNED_SIZE];
    if (!r->has_signature)
        return SIGNATURE_NONE;
    if (r->machine != NULL)
        crypto_generichash(machine, sizeof machine, r->machine, r->machine_size, NULL, 0);
    memcpy(key, r->signature, crypto_sign_PUBLICKEYBYTES);
    if (!hash_manifest(r, manifest))
        return SIGNATURE_BAD;
    record_signed_text(text, reader_head(r), reader_events(r), machine, manifest);
    return r->whole && crypto_sign_verify_detached(r->signature + crypto_sign_PUBLICKEYBYTES, text, sizeof text,
                                                   r->signature) == 0
               ? SIGNATURE_GOOD
               : SIGNATURE_BAD;
}

/* ---- kept content ------------------------------------------------------------------------------------------------- */

static const struct content *find(const struct reader *r, const uint8_t *digest)
{
    struct content wanted = {0};
    memcpy(wanted.digest, digest, EVENT_DIGEST);
    return r->content_count == 0 ? NULL : bsearch(&wanted, r->contents, r->content_count, sizeof wanted, by_digest);
}

uint64_t reader_contents(const struct reader *r)
{
    return r->content_count;
}

bool reader_has_content(const struct reader *r, const uint8_t digest[EVENT_DIGEST], size_t *size)
{
    const struct content *c = find(r, digest);
    *size = c != NULL ? c->bytes : 0;
    return c != NULL;
}

ssize_t reader_content(struct reader *r, const uint8_t digest[EVENT_DIGEST], void *to)
{
    const struct content *c = find(r, digest);
    uint8_t got[EVENT_DIGEST];
    if (c == NULL)
        return -ENOENT;
    if (!unpacked(r, c->offset, c->size, to, c->bytes))
        return -EBADMSG;
    crypto_generichash(got, sizeof got, to, c->bytes, NULL, 0);
    return memcmp(got, digest, sizeof got) == 0 ? (ssize_t)c->bytes : -EBADMSG;
}

const uint8_t *reader_damaged_content(struct reader *r, void *room)
{
    for (size_t i = 0; i < r->content_count; i++)
        if (reader_content(r, r->contents[i].digest, room) < 0)
            return r->contents[i].digest;
    return NULL;
}

/* Each part is at least a thousandth of what it claims (zstd's best on zeros is less than that, and no manifest is zeros), so what
 * is reserved is bounded by what the file really holds; and all together by what a manifest may be. */
int reader_manifest(struct reader *r, uint8_t **bytes, size_t *n)
{
    size_t total = 0, at = 0;
    if (r->part_count == 0)
        return -ENOENT;
    for (size_t i = 0; i < r->part_count; i++) {
        if (r->parts[i].bytes / 1024 > r->parts[i].size || r->parts[i].bytes > RECORD_MANIFEST_MOST - total)
            return -EBADMSG;
        total += r->parts[i].bytes;
    }
    uint8_t *all = malloc(total);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < r->part_count; at += r->parts[i++].bytes) {
        if (unpacked(r, r->parts[i].offset, r->parts[i].size, all + at, r->parts[i].bytes))
            continue;
        free(all);
        return -EBADMSG;
    }
    *bytes = all;
    *n = total;
    return 0;
}
