/* The run queue. Every choice of who runs next, and for how long, is made here, so that fixing it by a seed is one change. */
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

struct task *sched_pick(struct world *w)
{
    struct task *t = w->run_first; /* who became ready first */
    if (t != NULL)
        sched_remove(t);
    return t;
}

bool sched_others_ready(const struct world *w)
{
    return w->run_first != NULL;
}

/* A slice of fixed length can stop a loop at the same place of each turn, for ever: a thread that writes and writes would
 * always be stopped with the interpreter's lock in its hands, and nobody else had it. So slices differ, by the seed. */
uint64_t sched_slice(struct world *w)
{
    enum { SHORTEST = 32 };
    uint8_t more;
    random_bytes(&w->random, RANDOM_SCHEDULE, &more, sizeof more);
    return SHORTEST + more;
}
