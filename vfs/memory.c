/* Sparse bytes: the pages of memory files. A file up to 64 KiB is one allocation that grows by doubling; beyond that
 * 64 KiB chunks hang in a radix tree. Which pages of a chunk hold data is a bitmap, so that holes, SEEK_HOLE and
 * st_blocks have the granularity programs know from tmpfs(5), and so has the quota (a file below a page is charged what
 * it takes).
 *
 * Invariants. Bytes of a present page beyond the file's size are zero; bytes of an absent page are anything (and so is
 * never shown). Nothing here knows offsets beyond INT64_MAX. */
#include "vfs/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BRANCH_BITS = 6, BRANCH_SLOTS = 1 << BRANCH_BITS, CAPACITY_FIRST = 64 };

struct branch {
    uint32_t used;
    void *slot[BRANCH_SLOTS]; /* branches, or chunks in the lowest level */
};

struct memory *memory_of(struct node *n)
{
    if (!n->memory) {
        n->memory = calloc(1, sizeof *n->memory);
        if (n->memory) {
            n->memory->fd = n->memory->fd_read_only = -1;
            n->memory->node = n;
        }
    }
    return n->memory;
}

/* ---- the account ---------------------------------------------------------------------------------------------- */

int memory_charge(struct node *n, uint64_t bytes)
{
    if (node_vfs(n)->giving || !bytes)
        return 0;
    int error = fs_charge(n->fs, bytes);
    if (!error)
        n->memory->charged += bytes;
    return error;
}

void memory_charge_all(struct node *n, uint64_t bytes)
{
    fs_charge_all(n->fs, bytes);
    n->memory->charged += bytes;
}

void memory_refund(struct node *n, uint64_t bytes)
{
    if (bytes > n->memory->charged)
        bytes = n->memory->charged; /* given bytes were free */
    n->memory->charged -= bytes;
    fs_refund(n->fs, bytes);
}

/* ---- the radix tree ------------------------------------------------------------------------------------------- */

static uint32_t slot_at(uint64_t index, uint32_t level)
{
    return index >> (level * BRANCH_BITS) & (BRANCH_SLOTS - 1);
}

static bool reaches(const struct memory *m, uint64_t index)
{
    return m->height * BRANCH_BITS >= 64 || index >> (m->height * BRANCH_BITS) == 0;
}

static struct chunk *chunk_find(const struct memory *m, uint64_t index)
{
    if (index == 0)
        return m->first;
    if (!m->tree || !reaches(m, index))
        return NULL;
    const struct branch *b = m->tree;
    for (uint32_t level = m->height - 1; level > 0 && b; level--)
        b = b->slot[slot_at(index, level)];
    return b ? b->slot[slot_at(index, 0)] : NULL;
}

static struct branch *branch_new(void)
{
    return calloc(1, sizeof(struct branch));
}

/* Where the chunk of that index hangs; branches are made. NULL: out of memory. */
static void **chunk_place(struct memory *m, uint64_t index, struct branch **holder)
{
    while (!m->tree || !reaches(m, index)) {
        struct branch *top = branch_new();
        if (!top)
            return NULL;
        if (m->tree) {
            top->slot[0] = m->tree;
            top->used = 1;
        }
        m->tree = top;
        m->height++;
    }
    struct branch *b = m->tree;
    for (uint32_t level = m->height - 1; level > 0; level--) {
        void **slot = &b->slot[slot_at(index, level)];
        if (!*slot) {
            *slot = branch_new();
            if (!*slot)
                return NULL;
            b->used++;
        }
        b = *slot;
    }
    *holder = b;
    return &b->slot[slot_at(index, 0)];
}

/* The first chunk at or after `index` that exists. */
static struct chunk *branch_next(const struct branch *b, uint32_t level, uint64_t index, uint64_t *found)
{
    for (uint32_t i = slot_at(index, level); i < BRANCH_SLOTS; i++) {
        uint64_t span = 1ull << (level * BRANCH_BITS);
        uint64_t start = (index & ~(span * BRANCH_SLOTS - 1)) | i * span;
        uint64_t from = start > index ? start : index;
        if (!b->slot[i])
            continue;
        if (level == 0) {
            *found = from;
            return b->slot[i];
        }
        struct chunk *c = branch_next(b->slot[i], level - 1, from, found);
        if (c)
            return c;
    }
    return NULL;
}

static struct chunk *chunk_next(const struct memory *m, uint64_t index, uint64_t *found)
{
    if (index == 0 && m->first) {
        *found = 0;
        return m->first;
    }
    if (!m->tree || !reaches(m, index))
        return NULL;
    return branch_next(m->tree, m->height - 1, index, found);
}

static void chunk_free(struct chunk *c)
{
    if (c && c->bytes != (uint8_t *)(c + 1))
        free(c->bytes);
    free(c);
}

/* Drops the chunk of that index, and every branch that becomes empty. */
static void chunk_drop(struct memory *m, uint64_t index)
{
    if (index == 0) {
        chunk_free(m->first);
        m->first = NULL;
        return;
    }
    struct branch *path[12];
    struct branch *b = m->tree;
    for (uint32_t level = m->height; level-- > 0;) {
        path[level] = b;
        if (level > 0)
            b = b->slot[slot_at(index, level)];
    }
    chunk_free(b->slot[slot_at(index, 0)]);
    for (uint32_t level = 0; level < m->height; level++) {
        path[level]->slot[slot_at(index, level)] = NULL;
        if (--path[level]->used > 0)
            return;
        free(path[level]);
    }
    m->tree = NULL;
    m->height = 0;
}

static void branch_free(struct branch *b, uint32_t level)
{
    for (uint32_t i = 0; i < BRANCH_SLOTS; i++) {
        if (level > 0 && b->slot[i])
            branch_free(b->slot[i], level - 1);
        else
            chunk_free(b->slot[i]);
    }
    free(b);
}

static void drop_all_chunks(struct memory *m)
{
    chunk_free(m->first);
    m->first = NULL;
    if (m->tree)
        branch_free(m->tree, m->height - 1);
    m->tree = NULL;
    m->height = 0;
}

void memory_forget(struct node *n)
{
    drop_all_chunks(n->memory);
    n->memory->pages = 0;
}

void memory_free(struct node *n)
{
    struct memory *m = n->memory;
    if (!m)
        return;
    drop_all_chunks(m);
    memory_refund(n, m->charged);
    memory_close(m);
    free(m);
    n->memory = NULL;
}

/* ---- chunks --------------------------------------------------------------------------------------------------- */

/* What a chunk is charged: its pages, or the little that a file below one page takes. */
static uint64_t footprint(uint32_t capacity, uint16_t present)
{
    uint64_t pages = (uint64_t)__builtin_popcount(present) * PAGE;
    return capacity < PAGE && present ? capacity : pages;
}

/* The first chunk is as large as it must be, by doubling; all others are whole. */
static uint32_t wanted_capacity(uint64_t index, uint32_t end)
{
    if (index > 0)
        return CHUNK;
    uint32_t capacity = CAPACITY_FIRST;
    while (capacity < end)
        capacity *= 2;
    return capacity;
}

/* A chunk of capacity CHUNK, with what stands in c, which is gone then unless NULL is returned. c may be NULL. */
static struct chunk *chunk_whole(struct chunk *c)
{
    struct chunk *whole = calloc(1, sizeof *whole);
    if (whole)
        whole->bytes = aligned_alloc(PAGE, CHUNK); /* so that single pages can be given back */
    if (!whole || !whole->bytes) {
        free(whole);
        return NULL;
    }
    if (c) {
        whole->capacity = c->capacity;
        whole->present = c->present;
        whole->written = c->written;
        memcpy(whole->bytes, c->bytes, c->capacity);
        free(c);
    }
    return whole;
}

/* c with that capacity, or a new one. NULL: out of memory. */
static struct chunk *chunk_grow(struct chunk *c, uint32_t capacity)
{
    if (capacity == CHUNK)
        return chunk_whole(c);
    struct chunk *larger = realloc(c, sizeof *c + capacity);
    if (!larger)
        return NULL;
    if (!c)
        *larger = (struct chunk){0};
    larger->bytes = (uint8_t *)(larger + 1);
    return larger;
}

/* The chunk of `index` with room for [from, to), the pages it touches charged but not yet marked. */
static int chunk_prepare(struct node *n, uint64_t index, uint32_t from, uint32_t to, struct chunk **out)
{
    struct memory *m = n->memory;
    struct chunk *c = chunk_find(m, index);
    uint32_t capacity = wanted_capacity(index, to);
    if (c && c->capacity > capacity)
        capacity = c->capacity;
    uint16_t touched = (uint16_t)(((1u << ((to + PAGE - 1) / PAGE)) - 1) & ~((1u << (from / PAGE)) - 1));
    uint64_t before = c ? footprint(c->capacity, c->present) : 0;
    uint64_t after = footprint(capacity, (c ? c->present : 0) | touched);
    int error = after > before ? memory_charge(n, after - before) : 0;
    if (error)
        return error;
    if (c && c->capacity == capacity) {
        *out = c;
        return 0;
    }
    struct branch *holder = NULL;
    void **place = index == 0 ? (void **)&m->first : chunk_place(m, index, &holder);
    struct chunk *larger = place ? chunk_grow(c, capacity) : NULL;
    if (!larger) {
        if (after > before)
            memory_refund(n, after - before);
        return -ENOMEM;
    }
    if (!c) {
        if (holder)
            holder->used++;
    } else if (larger->present & 1 && larger->capacity < PAGE) {
        /* Page 0 was shorter than a page: the rest of it reads as zeros. */
        uint32_t end = capacity < PAGE ? capacity : PAGE;
        memset(larger->bytes + larger->capacity, 0, end - larger->capacity);
    }
    larger->capacity = capacity;
    *place = larger;
    *out = larger;
    return 0;
}

static uint32_t page_end(const struct chunk *c, uint32_t page)
{
    uint32_t end = (page + 1) * PAGE;
    return end < c->capacity ? end : c->capacity;
}

static void page_mark(struct memory *m, struct chunk *c, uint32_t page, bool written)
{
    c->written |= (uint16_t)(written << page);
    if (!(c->present >> page & 1)) {
        c->present |= (uint16_t)(1u << page);
        m->pages++;
    }
}

/* After [from, to) of a prepared chunk was written: pages that were absent are completed with zeros and marked. */
static void chunk_written(struct memory *m, struct chunk *c, uint32_t from, uint32_t to)
{
    for (uint32_t page = from / PAGE; page * PAGE < to; page++) {
        uint32_t start = page * PAGE, end = page_end(c, page);
        bool fresh = !(c->present >> page & 1);
        if (fresh && start < from)
            memset(c->bytes + start, 0, from - start);
        if (fresh && to < end)
            memset(c->bytes + to, 0, end - to);
        page_mark(m, c, page, true);
    }
}

ssize_t memory_write(struct node *n, struct io *io, uint64_t offset)
{
    uint64_t index = offset / CHUNK;
    uint32_t from = (uint32_t)(offset % CHUNK);
    uint32_t room = CHUNK - from;
    uint32_t length = io->left < room ? (uint32_t)io->left : room;
    struct chunk *c;
    int error = chunk_prepare(n, index, from, from + length, &c);
    if (error == -ENOSPC && from / PAGE != (from + length - 1) / PAGE) {
        length = PAGE - from % PAGE; /* near the quota: as much as fits */
        error = chunk_prepare(n, index, from, from + length, &c);
    }
    if (error)
        return error;
    uint16_t touched = (uint16_t)(((1u << ((from + length + PAGE - 1) / PAGE)) - 1) & ~((1u << (from / PAGE)) - 1));
    uint64_t charged = footprint(c->capacity, c->present | touched);
    ssize_t got = io_get(io, c->bytes + from, length);
    if (got > 0)
        chunk_written(n->memory, c, from, from + (uint32_t)got);
    uint64_t after = footprint(c->capacity, c->present);
    if (charged > after) /* a fault came first: some pages were not needed after all */
        memory_refund(n, charged - after);
    if (!c->present)
        chunk_drop(n->memory, index);
    return got;
}

ssize_t memory_read(struct node *n, struct io *io, uint64_t offset, size_t length)
{
    const struct memory *m = n->memory;
    size_t done = 0;
    while (done < length) {
        uint64_t at = offset + done;
        uint32_t from = (uint32_t)(at % CHUNK);
        size_t left = length - done;
        const struct chunk *c = m ? chunk_find(m, at / CHUNK) : NULL;
        uint32_t to = left < CHUNK - from ? from + (uint32_t)left : CHUNK;
        bool data = c && from < c->capacity && c->present >> (from / PAGE) & 1;
        uint32_t end = from;
        if (data) {
            while (end < to && end < c->capacity && c->present >> (end / PAGE) & 1)
                end = (end / PAGE + 1) * PAGE;
            end = end < c->capacity ? end : c->capacity;
        } else if (c) {
            while (end < to && (end >= c->capacity || !(c->present >> (end / PAGE) & 1)))
                end = (end / PAGE + 1) * PAGE;
        } else {
            end = to;
        }
        end = end < to ? end : to;
        ssize_t put = data ? io_put(io, c->bytes + from, end - from) : io_put_zero(io, end - from);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        if ((size_t)put < end - from)
            break;
    }
    return (ssize_t)done;
}

/* Pages that are the file's no longer, and so in nobody's account, shall not stay in memory. None between them is present. */
static void give_back(struct chunk *c, uint16_t gone)
{
    uint32_t first = (uint32_t)__builtin_ctz(gone), end = 32 - (uint32_t)__builtin_clz(gone);
    (void)madvise(c->bytes + first * PAGE, (end - first) * PAGE, MADV_DONTNEED);
}

/* Zeros in [from, to) of one chunk: whole pages become absent. */
static void chunk_punch(struct node *n, struct chunk *c, uint64_t index, uint32_t from, uint32_t to)
{
    struct memory *m = n->memory;
    uint64_t before = footprint(c->capacity, c->present);
    uint16_t gone = 0;
    for (uint32_t page = from / PAGE; page * PAGE < to && page * PAGE < c->capacity; page++) {
        uint32_t start = page * PAGE, end = page_end(c, page);
        if (!(c->present >> page & 1))
            continue;
        if (from <= start && to >= start + PAGE) {
            c->present &= (uint16_t) ~(1u << page);
            c->written &= c->present;
            m->pages--;
            gone |= (uint16_t)(1u << page);
        } else {
            uint32_t a = from > start ? from : start, b = to < end ? to : end;
            if (a < b) /* a small first chunk may end before the hole begins */
                memset(c->bytes + a, 0, b - a);
        }
    }
    uint64_t after = footprint(c->capacity, c->present);
    if (before > after)
        memory_refund(n, before - after);
    if (!c->present)
        chunk_drop(m, index);
    else if (gone && c->capacity == CHUNK)
        give_back(c, gone);
}

int memory_punch(struct node *n, uint64_t from, uint64_t to)
{
    struct memory *m = n->memory;
    if (!m || from >= to)
        return 0;
    if (from == 0 && to == MEMORY_END) {
        memory_forget(n);
        memory_refund(n, m->charged);
        return 0;
    }
    uint64_t index = from / CHUNK, found;
    for (struct chunk *c; (c = chunk_next(m, index, &found)) && found <= (to - 1) / CHUNK; index = found + 1) {
        uint64_t start = found * CHUNK;
        uint32_t a = from > start ? (uint32_t)(from - start) : 0;
        uint32_t b = to - start < CHUNK ? (uint32_t)(to - start) : CHUNK;
        chunk_punch(n, c, found, a, b);
    }
    return 0;
}

/* How many pages of [from, to) hold data. */
static uint64_t present_pages(const struct memory *m, uint64_t from, uint64_t to)
{
    uint64_t pages = 0, found;
    const struct chunk *c;
    for (uint64_t i = from / CHUNK_PAGES; (c = chunk_next(m, i, &found)) && found * CHUNK_PAGES < to; i = found + 1) {
        for (uint32_t page = 0; page < CHUNK_PAGES; page++) {
            uint64_t number = found * CHUNK_PAGES + page;
            pages += number >= from && number < to && c->present >> page & 1;
        }
    }
    return pages;
}

int memory_reserve(struct node *n, uint64_t from, uint64_t to)
{
    struct memory *m = memory_of(n);
    if (!m)
        return -ENOMEM;
    /* All or nothing, as tmpfs: the quota is asked for what is missing before the first page is made. */
    uint64_t missing = (to + PAGE - 1) / PAGE - from / PAGE - present_pages(m, from / PAGE, (to + PAGE - 1) / PAGE);
    int refused = node_vfs(n)->giving ? 0 : fs_charge(n->fs, missing * PAGE);
    if (refused)
        return refused;
    if (!node_vfs(n)->giving)
        fs_refund(n->fs, missing * PAGE);
    while (from < to) {
        uint64_t index = from / CHUNK;
        uint32_t a = (uint32_t)(from % CHUNK);
        uint32_t b = to - from < CHUNK - a ? a + (uint32_t)(to - from) : CHUNK;
        struct chunk *c;
        int error = chunk_prepare(n, index, a, b, &c);
        if (error)
            return error;
        for (uint32_t page = a / PAGE; page * PAGE < b; page++) {
            bool there =
                c->present >> page & 1; /* what was reserved before becomes data: shmem_get_folio, SGP_FALLOC */
            if (!there)
                memset(c->bytes + page * PAGE, 0, page_end(c, page) - page * PAGE);
            page_mark(m, c, page, there);
        }
        from += b - a;
    }
    return 0;
}

int64_t memory_seek(const struct node *n, uint64_t offset, bool hole)
{
    const struct memory *m = n->memory;
    uint64_t at = offset;
    while (at < n->size) {
        uint64_t found = 0;
        const struct chunk *c = m ? chunk_next(m, at / CHUNK, &found) : NULL;
        if (!c)
            return hole ? (int64_t)at : -ENXIO;
        if (found > at / CHUNK) {
            if (hole)
                return (int64_t)at;
            at = found * CHUNK;
        }
        for (uint32_t page = at % CHUNK / PAGE; page < CHUNK_PAGES && at < n->size; page++) {
            bool data = c->written >> page & 1;
            if (data != hole)
                return (int64_t)at;
            at = (at / PAGE + 1) * PAGE;
        }
    }
    return hole ? (int64_t)n->size : -ENXIO;
}

bool memory_stretch(const struct node *n, bool written, uint64_t *from, uint64_t *to)
{
    const struct chunk *c;
    for (uint64_t index = *from / CHUNK, found; (c = chunk_next(n->memory, index, &found)); index = found + 1) {
        uint16_t wanted = (uint16_t)(c->present & (written ? c->written : ~c->written));
        uint32_t page = found == *from / CHUNK ? (uint32_t)(*from % CHUNK / PAGE) : 0;
        while (page < CHUNK_PAGES && !(wanted >> page & 1))
            page++;
        if (page == CHUNK_PAGES)
            continue;
        *from = found * CHUNK + page * PAGE;
        while (page < CHUNK_PAGES && wanted >> page & 1)
            page++;
        *to = found * CHUNK + page * PAGE;
        return true;
    }
    return false;
}
