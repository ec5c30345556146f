/* What the two halves of futex(2) share: queues (kernel/futex.c) and words with owners (kernel/futex_pi.c). */
#ifndef KERNEL_FUTEX_QUEUE_H
#define KERNEL_FUTEX_QUEUE_H

#include "kernel/world.h"

#include <linux/futex.h>

enum { FUTEX_BUCKETS = 256 };

struct futex_bucket {
    struct futex_waiter *first, *last;
};

struct futex_table {
    struct futex_bucket bucket[FUTEX_BUCKETS];
    uint32_t pi_waiters;
};

struct futex_arguments { /* of one futex(2) */
    struct call *call;
    struct futex_table *table;
    struct futex_key key, key2; /* key2 only where the operation has a second word */
    uint64_t address, address2;
    uint32_t value, value2, value3;
    bool has_timeout, realtime, private;
    int64_t deadline; /* elapsed, or -1 */
};

/* -EINVAL: not aligned; -EFAULT: no user address. */
int futex_find_key(const struct task *t, uint64_t address, bool private, struct futex_key *key);
bool futex_same_key(const struct futex_key *a, const struct futex_key *b);
/* The first that waits at the key, at or after `from`; and of all. NULL: none. */
struct futex_waiter *futex_next_at(struct futex_waiter *from, const struct futex_key *key);
struct futex_waiter *futex_first_at(struct futex_table *f, const struct futex_key *key);
struct futex_waiter *futex_last_in_bucket(struct futex_table *f, const struct futex_key *key);
void futex_wake_one(struct futex_waiter *w);
/* The waiter, queued at key, goes to the end of key2's queue as `kind`. */
void futex_move(struct futex_arguments *a, struct futex_waiter *w, enum futex_kind kind);
/* Queues the calling task at a->key. Its later runs say futex_wait_on: 0 woken, -ETIMEDOUT, or what call_block says. */
struct futex_waiter *futex_wait_at(struct futex_arguments *a, enum futex_kind kind, uint32_t bitset);
int64_t futex_wait_on(struct futex_arguments *a, int64_t when_interrupted);
int futex_get_word(struct task *t, uint64_t address, uint32_t *word); /* 0 or -EFAULT */
int futex_put_word(struct task *t, uint64_t address, uint32_t word);

int64_t futex_lock_pi(struct futex_arguments *a, bool only_try);
int64_t futex_unlock_pi(struct futex_arguments *a);
int64_t futex_wait_requeue_pi(struct futex_arguments *a);
int64_t futex_requeue_pi(struct futex_arguments *a);

#endif
