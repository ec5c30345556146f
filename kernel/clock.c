/* The world's clocks and its one heap of deadlines. */
#include "kernel/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

struct clock_timer {
    int64_t when;
    uint64_t handle;
    void (*fire)(void *argument);
    void *argument;
    size_t at; /* in the heap */
};

/* A machine that was switched on this long before the world began: programs divide by uptimes. */
#define BOOT_BEFORE (INT64_C(1000) * 1000000000)

static int64_t host_now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clock_init(struct clock *c, bool real, int64_t epoch, int64_t per_event)
{
    *c = (struct clock){.real = real, .epoch = epoch, .boot = BOOT_BEFORE, .per_event = per_event};
    c->host_start = host_now(CLOCK_MONOTONIC);
    if (real) {
        c->epoch = host_now(CLOCK_REALTIME);
        c->boot = host_now(CLOCK_BOOTTIME);
    }
}

void clock_destroy(struct clock *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->heap[i]);
    free(c->heap);
    c->heap = NULL;
    c->count = c->room = 0;
}

int64_t clock_elapsed(const struct clock *c)
{
    return c->real ? host_now(CLOCK_MONOTONIC) - c->host_start : c->elapsed;
}

static int64_t origin(const struct clock *c, int clock_id)
{
    switch (clock_id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        return c->epoch;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return c->boot;
    default:
        return -1;
    }
}

int64_t clock_read(const struct clock *c, int clock_id)
{
    int64_t start = origin(c, clock_id);
    return start < 0 ? -1 : start + clock_elapsed(c);
}

int64_t clock_to_elapsed(const struct clock *c, int clock_id, int64_t when)
{
    int64_t start = origin(c, clock_id), elapsed;
    if (start < 0 || __builtin_sub_overflow(when, start, &elapsed))
        return when < 0 ? INT64_MIN : INT64_MAX;
    return elapsed;
}

void clock_event(struct clock *c)
{
    c->elapsed += c->per_event;
}

/* ---- the heap: by deadline, and in the order of arming among equals ---------------------------------------------- */

static bool before(const struct clock_timer *a, const struct clock_timer *b)
{
    return a->when != b->when ? a->when < b->when : a->handle < b->handle;
}

static void place(struct clock *c, struct clock_timer *t, size_t at)
{
    c->heap[at] = t;
    t->at = at;
}

static void sift_up(struct clock *c, struct clock_timer *t, size_t at)
{
    for (; at > 0 && before(t, c->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(c, c->heap[(at - 1) / 2], at);
    place(c, t, at);
}

static void sift_down(struct clock *c, struct clock_timer *t, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= c->count)
            break;
        if (child + 1 < c->count && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], t))
            break;
        place(c, c->heap[child], at);
        at = child;
    }
    place(c, t, at);
}

static void take_out(struct clock *c, size_t at)
{
    struct clock_timer *last = c->heap[--c->count];
    if (at == c->count)
        return;
    if (at > 0 && before(last, c->heap[(at - 1) / 2]))
        sift_up(c, last, at);
    else
        sift_down(c, last, at);
}

uint64_t clock_arm(struct clock *c, int64_t when, void (*fire)(void *argument), void *argument)
{
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 16 : c->room * 2;
        struct clock_timer **heap = realloc(c->heap, room * sizeof(*heap));
        if (heap == NULL)
            return 0;
        c->heap = heap;
        c->room = room;
    }
    struct clock_timer *t = malloc(sizeof *t);
    if (t == NULL)
        return 0;
    *t = (struct clock_timer){.when = when, .handle = ++c->sequence, .fire = fire, .argument = argument};
    sift_up(c, t, c->count++);
    return t->handle;
}

void clock_disarm(struct clock *c, uint64_t handle)
{
    for (size_t i = 0; handle != 0 && i < c->count; i++) {
        struct clock_timer *t = c->heap[i];
        if (t->handle == handle) {
            take_out(c, i);
            free(t);
            return;
        }
    }
}

int64_t clock_next(const struct clock *c)
{
    return c->count > 0 ? c->heap[0]->when : INT64_MAX;
}

void clock_run(struct clock *c)
{
    if (c->count == 0)
        return;
    /* What firing arms anew for a time already past waits for the next round: a timer of no length cannot hang the world. */
    uint64_t newest = c->sequence;
    int64_t now = clock_elapsed(c);
    while (c->count > 0 && c->heap[0]->when <= now && c->heap[0]->handle <= newest) {
        struct clock_timer *t = c->heap[0];
        take_out(c, 0);
        t->fire(t->argument);
        free(t);
    }
}

void clock_jump(struct clock *c, int64_t elapsed)
{
    if (!c->real && elapsed > c->elapsed)
        c->elapsed = elapsed;
}
