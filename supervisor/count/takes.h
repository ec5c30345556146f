/* Where a C library takes and gives a semaphore: the instructions of sem_wait(3), its kin and sem_post(3) that change its value. CPython's
 * locks are semaphores (Python/thread_pthread.h), and nothing in one says who took it; but of sem_t's 32 bytes the library uses 16. So when
 * an interpreter runs, whoever takes one leaves his name in the next 8, and whoever gives it removes it: a dead-lock can be told
 * with names (supervisor/deadlock.c). */
#ifndef SUPERVISOR_COUNT_TAKES_H
#define SUPERVISOR_COUNT_TAKES_H

#include "supervisor/count/sites.h"

enum { TAKES_MAX = 16, TAKES_NAME = 16 /* where in a semaphore the name stands */ };
/* The name: the thread's number, and this above it. */
#define TAKES_MARK (UINT64_C(0x74616b65) << 32)

struct code_takes {
    uint32_t count;
    struct code_site site[TAKES_MAX]; /* each `lock cmpxchg %reg, (%base)`, and nothing else; ascending */
    bool gives[TAKES_MAX];
};

/* 0; -ENOENT: the file has no semaphores; -ENOTSUP: it has, and how they are taken is not understood; -ELIBACC: Zydis is not where it was. */
int takes_learn(struct code_file *f, struct code_takes *out);

#endif
