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

struct futex_table *futex_table_new(void);
void futex_table_free(struct futex_table *f);

int64_t futex_call(struct call *c);       /* the whole of futex(2) */
int64_t futex_waitv_call(struct call *c);  /* futex_waitv(2) */
/* Wake n waiters of the word at `address` in the task's memory (clear_child_tid at exit). */
int futex_wake_address(struct task *t, uint64_t address, int n);
/* A dying thread's robust list (set_robust_list(2)): mark and wake what it owned. Bounded; every pointer is hostile. */
void futex_exit_robust(struct task *t);

#endif
