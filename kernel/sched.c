/* The run queue. Every choice of who runs next, and for how long, is made here.
 *
 * The ordinary schedule is fair and plain. A schedule with a seed of its own (`--schedule seed=N`) is one of the others that a real
 * machine might have chosen: whoever is ready may be next, turns end anywhere, and now and then the processor is away for some
 * milliseconds, so that timeouts pass which computing alone would never have reached. CPython's threads change hands by such a
 * timeout: who waits for the interpreter's lock asks for it after 5 ms. */
#include "kernel/recorder.h"
#include "kernel/world.h"

void sched_ready(struct task *t)
{
    struct world *w = t->world;
    if (t->queued || t->state != TASK_READY || t->process->stopped || w->ending)
        return;
    t->queued = true;
    t->run_next = NULL;
    t->run_prev = w->run_last;
    if (w->run_last != NULL)
        w->run_last->run_next = t;
    else
        w->run_first = t;
    w->run_last = t;
}

void sched_remove(struct task *t)
{
    struct world *w = t->world;
    if (!t->queued)
        return;
    if (t->run_prev != NULL)
        t->run_prev->run_next = t->run_next;
    else
        w->run_first = t->run_next;
    if (t->run_next != NULL)
        t->run_next->run_prev = t->run_prev;
    else
        w->run_last = t->run_prev;
    t->queued = false;
    t->run_next = t->run_prev = NULL;
}

/* Evenly from 0 to n - 1, near enough. */
static uint64_t below(struct exploration *e, uint64_t n)
{
    uint64_t chance;
    random_bytes(&e->random, RANDOM_SCHEDULE, &chance, sizeof chance);
    return chance % n;
}

/* Anyone of them. */
static struct task *any_ready(struct world *w)
{
    uint64_t count = 0, n;
    struct task *t;
    for (t = w->run_first; t != NULL; t = t->run_next)
        count++;
    n = count > 1 ? below(&w->exploration, count) : 0;
    for (t = w->run_first; n > 0; n--)
        t = t->run_next;
    return t;
}

struct task *sched_pick(struct world *w)
{
    struct task *t = w->exploration.on ? any_ready(w) : w->run_first; /* else who became ready first */
    if (t != NULL)
        sched_remove(t);
    return t;
}

bool sched_others_ready(const struct world *w)
{
    return w->run_first != NULL;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------ */

/* A seed cuts finely or coarsely: what depends on two preemptions in a row, and what depends on none for long, are both found by some
 * seed. From 250 ns (5 checks) to 1 ms. What runs long is cut less and less, or it would not end. */
enum {
    FINEST = 250,
    DOUBLINGS = 12,        /* FINEST << DOUBLINGS is the coarsest at first */
    BEFORE_COARSER = 2000, /* preemptions */
    COARSEST = 1000000000,
    STALL = 10000000, /* ns: more than CPython's switch interval */
};

void sched_explore(struct world *w, uint64_t seed)
{
    struct exploration *e = &w->exploration;
    e->on = seed != 0;
    if (!e->on)
        return;
    random_init(&e->random, seed);
    e->mean = (int64_t)FINEST << below(e, DOUBLINGS + 1);
}

bool sched_preempts(const struct world *w)
{
    return w->exploration.on && w->task_count > 1;
}

void sched_stall(struct world *w)
{
    int64_t next = clock_next(&w->clock);
    if (next == INT64_MAX || next - clock_elapsed(&w->clock) > STALL)
        return;
    int64_t from = clock_elapsed(&w->clock);
    clock_jump(&w->clock, next);
    record(w, jumped, from);
    clock_run(&w->clock);
}

static struct turn explored_turn(struct exploration *e)
{
    if (++e->preemptions == BEFORE_COARSER) {
        e->preemptions = 0;
        e->mean = e->mean < COARSEST ? e->mean * 2 : COARSEST;
    }
    return (struct turn){.calls = UINT64_MAX / 2, .ns = 1 + (int64_t)below(e, 2 * (uint64_t)e->mean)};
}

/* A slice of fixed length can stop a loop at the same place of each turn, for ever: a thread that writes and writes would
 * always be stopped with the interpreter's lock in its hands, and nobody else had it. So slices differ, by the seed. Who computes
 * without a call has as long as the calls would have taken. */
struct turn sched_turn(struct world *w)
{
    enum { SHORTEST = 32 };
    uint8_t more;
    if (w->exploration.on && !w->clock.real && w->clock.per_event > 0)
        return explored_turn(&w->exploration);
    random_bytes(&w->random, RANDOM_SCHEDULE, &more, sizeof more);
    struct turn turn = {.calls = SHORTEST + (uint64_t)more};
    if (w->clock.real || w->clock.per_event == 0 ||
        __builtin_mul_overflow((int64_t)turn.calls, w->clock.per_event, &turn.ns))
        turn.ns = INT64_MAX;
    return turn;
}
