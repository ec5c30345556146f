/* The world's time, and the one heap of its deadlines (kernel/clock.h says what each function promises).
 *
 * A handle is a slot number and the generation of that slot, so that disarming costs O(log n) however many timers a
 * guest has made, and a stale handle is recognised. */
#include "kernel/clock.h"

#include <stdlib.h>
#include <time.h>

enum { FIRST_ROOM = 16 };
static const int64_t second = 1000000000;

struct clock_timer {
    int64_t when;
    uint64_t sequence;
    size_t place; /* in the heap, when armed */
    uint32_t slot;
    uint32_t generation;
    bool armed;
    struct clock_timer *next_unused;
    void (*fire)(void *argument);
    void *argument;
};

static int64_t host_time(int clock_id)
{
    struct timespec t;
    if (clock_gettime(clock_id, &t) < 0)
        return 0;
    return (int64_t)t.tv_sec * second + t.tv_nsec;
}

static int64_t sum(int64_t a, int64_t b)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return b < 0 ? INT64_MIN : INT64_MAX;
    return r;
}

void clock_init(struct clock *c, bool real, int64_t epoch, int64_t per_event)
{
    *c = (struct clock){.real = real, .epoch = epoch, .per_event = per_event > 0 ? per_event : 0};
    c->boot = 100 * second; /* a machine that booted a little while ago */
    c->host_start = host_time(CLOCK_MONOTONIC);
    if (real) {
        c->epoch = host_time(CLOCK_REALTIME);
        c->boot = c->host_start;
    }
}

void clock_destroy(struct clock *c)
{
    for (size_t i = 0; i < c->slot_count; i++)
        free(c->slots[i]);
    free(c->slots);
    free(c->heap);
    c->slots = c->heap = NULL;
    c->unused = NULL;
    c->slot_count = c->slot_room = c->count = c->room = 0;
}

int64_t clock_elapsed(const struct clock *c)
{
    return c->elapsed;
}

int64_t clock_read(const struct clock *c, int clock_id)
{
    switch (clock_id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: /* no one told this kernel of leap seconds: clock_getres(2) */
        return sum(c->epoch, c->elapsed);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return sum(c->boot, clock_elapsed(c));
    default:
        return -1;
    }
}

int64_t clock_to_elapsed(const struct clock *c, int clock_id, int64_t when)
{
    int64_t now = clock_read(c, clock_id);
    if (now < 0)
        return INT64_MAX;
    return sum(clock_elapsed(c), sum(when, -now));
}

int64_t clock_now(const struct clock *c)
{
    return !c->real           ? c->elapsed
           : c->again != NULL ? c->again(c->again_context)
                              : host_time(CLOCK_MONOTONIC) - c->host_start;
}

void clock_look(struct clock *c, int64_t most)
{
    int64_t now = clock_now(c);
    if (now > most)
        now = most;
    if (now > c->elapsed)
        c->elapsed = now;
}

void clock_event(struct clock *c)
{
    if (c->real)
        clock_look(c, INT64_MAX);
    else
        c->elapsed = sum(c->elapsed, c->per_event);
}

/* ---- the heap ------------------------------------------------------------------------------------------------- */

static bool before(const struct clock_timer *a, const struct clock_timer *b)
{
    return a->when != b->when ? a->when < b->when : a->sequence < b->sequence;
}

static void put(struct clock *c, size_t place, struct clock_timer *t)
{
    c->heap[place] = t;
    t->place = place;
}

static void rise(struct clock *c, size_t place)
{
    struct clock_timer *t = c->heap[place];
    while (place > 0 && before(t, c->heap[(place - 1) / 2])) {
        put(c, place, c->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(c, place, t);
}

static void sink(struct clock *c, size_t place)
{
    struct clock_timer *t = c->heap[place];
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= c->count)
            break;
        if (child + 1 < c->count && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], t))
            break;
        put(c, place, c->heap[child]);
        place = child;
    }
    put(c, place, t);
}

static void take_out(struct clock *c, struct clock_timer *t)
{
    size_t place = t->place;
    struct clock_timer *last = c->heap[--c->count];
    if (last != t) {
        put(c, place, last);
        rise(c, place);
        sink(c, last->place);
    }
    t->armed = false;
    t->generation++;
    t->next_unused = c->unused;
    c->unused = t;
}

static bool grow(void **array, size_t *room, size_t count)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : FIRST_ROOM;
    void *bigger = reallocarray(*array, more, sizeof(void *));
    if (!bigger)
        return false;
    *array = bigger;
    *room = more;
    return true;
}

static struct clock_timer *new_timer(struct clock *c)
{
    struct clock_timer *t = c->unused;
    if (t) {
        c->unused = t->next_unused;
        return t;
    }
    if (c->slot_count >= UINT32_MAX || !grow((void **)&c->slots, &c->slot_room, c->slot_count))
        return NULL;
    t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->slot = (uint32_t)c->slot_count;
    t->generation = 1;
    c->slots[c->slot_count++] = t;
    return t;
}

uint64_t clock_arm(struct clock *c, int64_t when, void (*fire)(void *argument), void *argument)
{
    if (!grow((void **)&c->heap, &c->room, c->count))
        return 0;
    struct clock_timer *t = new_timer(c);
    if (!t)
        return 0;
    t->when = when;
    t->sequence = c->sequence++;
    t->fire = fire;
    t->argument = argument;
    t->armed = true;
    put(c, c->count++, t);
    rise(c, t->place);
    return (uint64_t)t->generation << 32 | t->slot;
}

void clock_disarm(struct clock *c, uint64_t handle)
{
    uint32_t slot = (uint32_t)handle;
    if (slot >= c->slot_count)
        return;
    struct clock_timer *t = c->slots[slot];
    if (t->armed && t->generation == (uint32_t)(handle >> 32))
        take_out(c, t);
}

int64_t clock_next(const struct clock *c)
{
    return c->count ? c->heap[0]->when : INT64_MAX;
}

void clock_run(struct clock *c)
{
    if (!c->count)
        return;
    int64_t now = clock_elapsed(c);
    /* What fires may arm again; a deadline armed in the past waits for the next run, so that this one ends. */
    for (size_t budget = c->count; budget && c->count && c->heap[0]->when <= now; budget--) {
        struct clock_timer *t = c->heap[0];
        void (*fire)(void *) = t->fire;
        void *argument = t->argument;
        take_out(c, t);
        fire(argument);
    }
}

void clock_jump(struct clock *c, int64_t elapsed)
{
    if (elapsed > c->elapsed && elapsed != INT64_MAX)
        c->elapsed = elapsed;
}
