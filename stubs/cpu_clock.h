/* CPU clocks (clock_getcpuclockid(3)): how much a process or a thread has computed. */
#ifndef STUBS_CPU_CLOCK_H
#define STUBS_CPU_CLOCK_H

#include "kernel/world.h"

/* What a CPU clock id names; `thread` NULL: the whole process. */
struct cpu_clock {
    struct process *process;
    struct task *thread;
};

/* An id of the kind that stands for a descriptor (clock_gettime(2), "Dynamic clocks"): the world has none of these. */
static inline bool clock_is_dynamic(int clock_id)
{
    return clock_id < 0 && (clock_id & 7) == 3;
}

/* CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, and the negative ids made from pids and tids. 0; -EINVAL: no CPU clock,
 * or nobody has it. */
int cpu_clock_find(struct task *caller, int clock_id, struct cpu_clock *out);
/* Whether one can have timers of it, and sleep by it: 0, or the errno. *on_cpu: it is a CPU clock. */
int clock_can_wait(struct task *caller, int clock_id, bool *on_cpu);
/* Nanoseconds: the world's, or the real ones when the policy says `clock: real`. */
int64_t cpu_clock_read(const struct cpu_clock *c);

#endif
