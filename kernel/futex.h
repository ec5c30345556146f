/* futex(2), answered by the world: waiters are queued here by key, in order, and only the supervisor wakes. */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include "vfs/wait.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct task;
struct world;
struct futex_table;
struct futex_bucket;

/* What a word is known by: a private one by address space and address, one in shared memory by file and offset, so that
 * processes which map it at different addresses meet. */
struct futex_key {
    uint64_t space, offset;
    bool shared;
};

enum futex_kind {
    FUTEX_KIND_PLAIN,
    FUTEX_KIND_PI,         /* waits to own the word (FUTEX_LOCK_PI) */
    FUTEX_KIND_REQUEUE_PI, /* waits to be moved to a word it will own (FUTEX_WAIT_REQUEUE_PI) */
};

/* One who waits. A task has one of its own, so that a wait allocates nothing; futex_waitv(2) brings an array. */
struct futex_waiter {
    struct futex_waiter *next, *prev;
    struct futex_bucket *bucket;      /* NULL: not queued */
    struct futex_key key, target;     /* target: of FUTEX_KIND_REQUEUE_PI */
    uint64_t address, target_address; /* of the words, in the waiting task's memory */
    struct task *task;
    uint32_t bitset;
    enum futex_kind kind;
    bool woken; /* by a wake, not by time or signal */
};

struct futex_table *futex_table_new(void);
void futex_table_free(struct futex_table *f);

int64_t futex_call(struct call *c);       /* the whole of futex(2) */
int64_t futex_waitv_call(struct call *c); /* futex_waitv(2) */
/* Wake n waiters of the word at `address` in the task's memory (clear_child_tid at exit). */
int futex_wake_address(struct task *t, uint64_t address, int n);
/* A dying thread's robust list (set_robust_list(2)): mark and wake what it owned. Bounded; every pointer is hostile. */
void futex_exit_robust(struct task *t);

#endif
