#include "vfs/slab.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
    SLAB = 2 << 20,
    UNITS = SLAB / CHUNK,
    IDLE_MOST = 64,     /* chunks: 4 MiB */
    HOLLOW_MOST = 1024, /* pages: 4 MiB */
    /* Nanoseconds of processor time for a slab's pages. A kernel that has them at hand takes 100,000 to 200,000, most of it for zeroing;
     * one that must compact memory, or a virtual machine that must ask its host for them, some millions: more than a memfd's pages. */
    SLOW = 1500000,
};

/* The first unit holds this, the others are the chunks' bytes. */
struct slab {
    struct slab *next, **link; /* among those with a free unit; link NULL: it has none */
    uint32_t unused, resident; /* a bit per unit */
    struct chunk chunk[UNITS];
};
_Static_assert(sizeof(struct slab) <= CHUNK, "the first unit is for a slab's own use");
_Static_assert(UNITS == 32, "a bit of uint32_t per unit");
static const uint32_t all_units = ~UINT32_C(1);

static struct slab *slab_of(struct chunk *c)
{
    return (struct slab *)((uintptr_t)c & ~(uintptr_t)(SLAB - 1));
}

static void enlist(struct slabs *s, struct slab *b)
{
    b->next = s->open;
    b->link = &s->open;
    if (b->next)
        b->next->link = &b->next;
    s->open = b;
}

static void delist(struct slab *b)
{
    *b->link = b->next;
    if (b->next)
        b->next->link = b->link;
    b->link = NULL;
}

static void *map_aligned(void)
{
    char *p = mmap(NULL, SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || (uintptr_t)p % SLAB == 0)
        return p == MAP_FAILED ? NULL : p;
    munmap(p, SLAB);
    p = mmap(NULL, (size_t)2 * SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = SLAB - (uintptr_t)p % SLAB;
    munmap(p, before);
    if (before < SLAB)
        munmap(p + before + SLAB, SLAB - before);
    return p + before;
}

static int64_t processor_time(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) ? 0 : (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Touches one page of it; whether the kernel gave them all with it, and at once. */
static bool fill(char *p)
{
    int64_t begin = processor_time();
    unsigned char last = 0;
    if (madvise(p, SLAB, MADV_HUGEPAGE))
        return false;
    *(volatile char *)p = 0;
    return !mincore(p + SLAB - PAGE, PAGE, &last) && last & 1 && processor_time() - begin <= SLOW;
}

/* Where the kernel is slow to give huge pages, or gives none, it is not asked again. */
static struct slab *slab_new(struct slabs *s)
{
    struct slab *b = s->refused ? NULL : map_aligned();
    if (!b)
        return NULL;
    if (!fill((char *)b)) {
        s->refused = true;
        munmap(b, SLAB);
        return NULL;
    }
    b->unused = b->resident = all_units;
    s->idle += UNITS - 1;
    enlist(s, b);
    return b;
}

struct chunk *slab_take(struct slabs *s)
{
    struct slab *b = s->open ? s->open : slab_new(s);
    if (!b)
        return NULL;
    uint32_t ready = b->unused & b->resident;
    int unit = __builtin_ctz(ready ? ready : b->unused);
    uint32_t bit = UINT32_C(1) << unit;
    if (ready)
        s->idle--;
    if (b == s->spare)
        s->spare = NULL;
    b->unused &= ~bit;
    b->resident |= bit;
    if (!b->unused)
        delist(b);
    s->hollow += CHUNK_PAGES;
    struct chunk *c = &b->chunk[unit];
    *c = (struct chunk){.capacity = CHUNK, .in_slab = true, .bytes = (uint8_t *)b + (size_t)unit * CHUNK};
    return c;
}

void slab_give_back(struct slabs *s, struct chunk *c)
{
    struct slab *b = slab_of(c);
    uint32_t bit = UINT32_C(1) << (c - b->chunk);
    s->hollow -= (unsigned)(CHUNK_PAGES - __builtin_popcount(c->present));
    if (!b->link)
        enlist(s, b);
    b->unused |= bit;
    s->idle++;
    if (b->unused == all_units && s->spare) {
        s->idle -= (unsigned)__builtin_popcount(b->resident & all_units);
        delist(b);
        munmap(b, SLAB);
    } else if (b->unused == all_units) {
        s->spare = b;
    } else if (s->idle > IDLE_MOST) {
        (void)madvise(c->bytes, CHUNK, MADV_DONTNEED);
        b->resident &= ~bit;
        s->idle--;
    }
}

void slab_filled(struct slabs *s)
{
    s->hollow--;
}

void slab_emptied(struct slabs *s, struct chunk *c, uint32_t page)
{
    if (++s->hollow > HOLLOW_MOST)
        (void)madvise(c->bytes + (size_t)page * PAGE, PAGE, MADV_DONTNEED);
}

bool slabs_ready(const struct slabs *s)
{
    return !s->refused && s->hollow <= HOLLOW_MOST;
}

void slabs_free(struct slabs *s)
{
    while (s->open) {
        struct slab *b = s->open;
        delist(b);
        munmap(b, SLAB);
    }
}
