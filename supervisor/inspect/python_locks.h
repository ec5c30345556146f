/* Who holds the lock of Python's that somebody waits for. */
#ifndef SUPERVISOR_INSPECT_PYTHON_LOCKS_H
#define SUPERVISOR_INSPECT_PYTHON_LOCKS_H

#include "kernel/world.h"

struct python_wait {
    struct task *task;
    uint64_t futex;   /* where it waits; 0: in another call */
    int32_t held_by;  /* the thread that holds it; 0: not known */
    bool holder_gone; /* it ended, or is of the process that this one was forked from */
    char *stack;      /* "file:line  function", a line each, innermost first; malloc'ed; NULL: it runs no Python */
};

/* Those who wait in one process, whose tasks all stand still. held_by is left as it is where nothing is found. */
void python_waits(struct process *process, struct python_wait *waits, size_t count);

#endif
