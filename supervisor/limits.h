/* Limits: what was used, what is allowed, and the end of the world when it is more. */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include "supervisor/tracee.h"

struct limits_usage {             /* for the report */
    int64_t cpu, wall;            /* ns, real */
    int64_t counted;              /* ns of CPU time of a virtual clock: calls and checks; 0: the clock is real */
    uint64_t memory, memory_peak; /* bytes touched by guest processes and held by memory files */
    uint64_t processes_peak;
};

int limits_new(struct holder *h); /* h->limits; the wall clock starts. -ENOMEM */
void limits_free(struct holder *h);
/* The caller's own limits (ulimit) that would be the guest's too, and no input of the run: lifted where that may be, and else said.
 * Before any process of the guest's is made. */
void limits_of_caller(struct world *w);
void limits_count(struct holder *h); /* the same for CPU time of a virtual clock, at the place where it passes */
void limits_check(struct holder *h); /* ends the world with the verdict of a limit that is passed */
/* What the guest took so far, for whoever judges it by something else than the policy: CPU time, ns; is its memory more than `allowed`? */
uint64_t limits_take_cpu(struct holder *h);
bool limits_take_memory(struct holder *h, uint64_t allowed); /* 0: no limit */
/* The same in the middle of a call, where nothing may change but that the run is over: true. Cheap when asked too early. */
bool limits_over(struct holder *h);
/* ns until the next tick, which is at `most`: that of the wall clock's end is not late. */
int64_t limits_tick(const struct holder *h, int64_t most);
int64_t limits_wall_left(const struct holder *h); /* ns, 0 when passed, -1: no limit */
void limits_usage(const struct holder *h, struct limits_usage *out);

#endif
