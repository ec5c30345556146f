/* A world in which every task sleeps for ever: who waits for what. */
#ifndef SUPERVISOR_DEADLOCK_H
#define SUPERVISOR_DEADLOCK_H

#include "supervisor/tracee.h"

struct waiting { /* one task */
    int32_t pid, tid;
    char name[16];    /* as prctl(PR_SET_NAME) gave it */
    const char *call; /* the one it sleeps in */
    uint64_t futex;   /* the address it waits at; 0: it sleeps in another call */
    int32_t held_by;  /* the thread that holds what stands there (a pthread mutex, a lock of Python's); 0: not known */
    bool holder_gone; /* it ended, or is of the process that this one was forked from */
    char *stack;      /* of Python, "file:line  function" a line, innermost first; owned; NULL: it runs none */
};

/* Nothing can happen any more. Notes who waits, in h->deadlock, while memory is still there. True: the world has ended by it. */
bool deadlock_found(struct holder *h);
void deadlock_forget(struct holder *h);
/* The line of its own program that it waits at: the first behind threading.py's. NULL: not known. *n: its length. */
const char *deadlock_place(const struct waiting *w, size_t *n);
/* In words: who waits where, for what whom holds. */
void deadlock_tell(const struct holder *h, char *text, size_t size);

#endif
