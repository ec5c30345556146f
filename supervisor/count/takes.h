/* Where a C library takes and gives a semaphore, and where it makes the calls that may be answered without one.
 *
 * A semaphore: the instructions of sem_wait(3), its kin and sem_post(3) that change its value. CPython's
 * locks are semaphores (Python/thread_pthread.h), and nothing in one says who took it; but of sem_t's 32 bytes the library uses 16. So when
 * an interpreter runs, whoever takes one leaves his name in the next 8, and whoever gives it removes it: a dead-lock can be told
 * with names (supervisor/deadlock.c).
 *
 * A call: the `syscall` instructions of read(3), write, lseek, fstatat, tcgetattr, ioctl and close, for files that are lent (supervisor/lending.h).
 * Of each function only the first, by address: where others follow they are for processes of several threads, whose calls are points
 * at which a thread may be cancelled, and an unwinder knows nothing of trampolines. */
#ifndef SUPERVISOR_COUNT_TAKES_H
#define SUPERVISOR_COUNT_TAKES_H

#include "supervisor/count/sites.h"

enum { TAKES_MAX = 32, TAKES_NAME = 16 /* where in a semaphore the name stands */ };
/* The name: the thread's number, and this above it. */
#define TAKES_MARK (UINT64_C(0x74616b65) << 32)

enum takes_kind { TAKES_TAKE, TAKES_GIVE, TAKES_CALL };

struct code_takes {
    uint32_t count;
    /* Ascending. Of a semaphore `lock cmpxchg %reg, (%base)`, and nothing else; of a call `syscall` and what follows it. */
    struct code_site site[TAKES_MAX];
    uint8_t kind[TAKES_MAX]; /* enum takes_kind */
};

/* 0; -ENOENT: the file has no semaphores; -ENOTSUP: it has, and how they are taken is not understood; -ELIBACC: Zydis is not where it was. */
int takes_learn(struct code_file *f, struct code_takes *out);

#endif
