/* Futex words that say who owns them: priority inheritance (futex(2), FUTEX_LOCK_PI), and what a dying thread leaves
 * behind (get_robust_list(2)). Model: the kernel's kernel/futex/pi.c, requeue.c and core.c.
 *
 * A word always tells the truth about its owner: an unlock writes the next owner into it before that one runs.
 * Priorities are nobody's here: who came first is next. */
#include "kernel/futex_queue.h"

enum { ROBUST_MOST = 2048 /* ROBUST_LIST_LIMIT */ };

static uint32_t owner_of(uint32_t word)
{
    return word & FUTEX_TID_MASK;
}

static bool pi_waited(struct futex_table *f, const struct futex_key *key)
{
    struct futex_waiter *w = futex_first_at(f, key);
    while (w != NULL && w->kind != FUTEX_KIND_PI)
        w = futex_next_at(w->next, key);
    return w != NULL;
}

/* Takes a word that nobody owns for `t`. 0: it is its; 1: somebody owns it. */
static int try_own(struct task *t, struct task *writer, uint64_t address, const struct futex_key *key)
{
    uint32_t word;
    if (futex_get_word(writer, address, &word) < 0)
        return -EFAULT;
    if (owner_of(word) == (uint32_t)t->tid)
        return -EDEADLK;
    if (owner_of(word) == 0) {
        uint32_t waiters = pi_waited(t->world->futexes, key) ? FUTEX_WAITERS : 0;
        return futex_put_word(writer, address, (uint32_t)t->tid | (word & FUTEX_OWNER_DIED) | waiters);
    }
    if (task_find(t->world, (int32_t)owner_of(word)) == NULL)
        return -ESRCH;
    return 1;
}

static int mark_waited(struct task *t, uint64_t address)
{
    uint32_t word;
    if (futex_get_word(t, address, &word) < 0)
        return -EFAULT;
    return futex_put_word(t, address, word | FUTEX_WAITERS);
}

int64_t futex_lock_pi(struct futex_arguments *a, bool only_try)
{
    struct call *c = a->call;
    if (c->again)
        return futex_wait_on(a, -CALL_RESTART_NOINTR);
    int owned = try_own(c->task, c->task, a->address, &a->key);
    if (owned <= 0)
        return owned;
    if (only_try)
        return -EAGAIN;
    int error = mark_waited(c->task, a->address);
    if (error < 0)
        return error;
    futex_wait_at(a, FUTEX_KIND_PI, FUTEX_BITSET_MATCH_ANY);
    return call_block(c, a->deadline, -CALL_RESTART_NOINTR);
}

/* The word goes to the first that waits for it; `more`: bits that it shall see. False: nobody waits. */
static bool hand_over(struct futex_table *f, struct task *writer, uint64_t address, const struct futex_key *key,
                      uint32_t more)
{
    struct futex_waiter *w = futex_first_at(f, key);
    while (w != NULL && w->kind != FUTEX_KIND_PI)
        w = futex_next_at(w->next, key);
    if (w == NULL)
        return false;
    (void)futex_put_word(writer, address, (uint32_t)w->task->tid | FUTEX_WAITERS | more);
    futex_wake_one(w);
    return true;
}

int64_t futex_unlock_pi(struct futex_arguments *a)
{
    struct task *t = a->call->task;
    uint32_t word;
    if (futex_get_word(t, a->address, &word) < 0)
        return -EFAULT;
    if (owner_of(word) != (uint32_t)t->tid)
        return -EPERM;
    struct futex_waiter *first = futex_first_at(a->table, &a->key);
    if (first != NULL && first->kind != FUTEX_KIND_PI)
        return -EINVAL;
    if (hand_over(a->table, t, a->address, &a->key, 0))
        return 0;
    return futex_put_word(t, a->address, 0);
}

int64_t futex_wait_requeue_pi(struct futex_arguments *a)
{
    struct call *c = a->call;
    struct futex_waiter *w = &c->task->futex;
    uint32_t word;
    if (futex_same_key(&a->key, &a->key2))
        return -EINVAL;
    if (c->again)
        return futex_wait_on(a, w->kind == FUTEX_KIND_PI ? -EAGAIN : -CALL_RESTART_NOINTR);
    if (futex_get_word(c->task, a->address, &word) < 0)
        return -EFAULT;
    if (word != a->value)
        return -EAGAIN;
    futex_wait_at(a, FUTEX_KIND_REQUEUE_PI, FUTEX_BITSET_MATCH_ANY);
    w->target = a->key2;
    w->target_address = a->address2;
    return call_block(c, a->deadline, -CALL_RESTART_NOINTR);
}

int64_t futex_requeue_pi(struct futex_arguments *a)
{
    struct task *t = a->call->task;
    uint32_t word;
    if (a->value != 1 || (int)a->value2 < 0 || futex_same_key(&a->key, &a->key2))
        return -EINVAL;
    if (futex_get_word(t, a->address, &word) < 0)
        return -EFAULT;
    if (word != a->value3)
        return -EAGAIN;
    int64_t woken = 0, moved = 0;
    struct futex_waiter *last = futex_last_in_bucket(a->table, &a->key);
    for (struct futex_waiter *w = futex_first_at(a->table, &a->key), *next; w != NULL; w = next) {
        next = w == last ? NULL : futex_next_at(w->next, &a->key);
        if (w->kind != FUTEX_KIND_REQUEUE_PI || !futex_same_key(&w->target, &a->key2))
            return -EINVAL;
        int owned = woken + moved == 0 ? try_own(w->task, t, a->address2, &a->key2) : 1;
        if (owned < 0)
            return owned;
        if (owned == 0) {
            futex_wake_one(w);
            woken++;
            continue;
        }
        if (moved >= (int64_t)(int)a->value2)
            break;
        int error = mark_waited(t, a->address2);
        if (error < 0)
            return error;
        w->address = w->target_address;
        futex_move(a, w, FUTEX_KIND_PI);
        moved++;
    }
    if (woken > 0 && moved > 0)
        (void)mark_waited(t, a->address2);
    return woken + moved;
}

/* ---- the ends of threads ---- */

/* handle_futex_death: a word that the dead thread owns is marked, and one who waits is woken to see it. */
static void owner_died(struct task *t, uint64_t address, bool pi, bool pending)
{
    struct futex_table *f = t->world->futexes;
    struct futex_key key;
    uint32_t word;
    if (futex_find_key(t, address, false, &key) < 0 || futex_get_word(t, address, &word) < 0)
        return;
    if (pending && !pi && word == 0) { /* it died between unlocking and waking */
        (void)futex_wake_address(t, address, 1);
        return;
    }
    if (owner_of(word) != (uint32_t)t->tid)
        return;
    if (futex_put_word(t, address, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) < 0 || (word & FUTEX_WAITERS) == 0)
        return;
    if (pi)
        (void)hand_over(f, t, address, &key, FUTEX_OWNER_DIED);
    else
        (void)futex_wake_address(t, address, 1);
}

/* exit_pi_state_list: whoever waits for a word of the dead thread's gets it, in a robust list or not. */
static void pass_on_owned(struct task *t)
{
    struct futex_table *f = t->world->futexes;
    for (size_t i = 0; i < FUTEX_BUCKETS && f->pi_waiters > 0; i++) {
        for (struct futex_waiter *w = f->bucket[i].first, *next; w != NULL; w = next) {
            uint32_t word;
            next = w->next;
            if (w->kind == FUTEX_KIND_PI && w->task != t && futex_get_word(w->task, w->address, &word) == 0 &&
                owner_of(word) == (uint32_t)t->tid && hand_over(f, w->task, w->address, &w->key, FUTEX_OWNER_DIED))
                next = f->bucket[i].first; /* the list changed; this word has another owner now */
        }
    }
}

static bool read_entry(struct task *t, uint64_t address, uint64_t *entry, bool *pi)
{
    if (t->world->machine->read(t, address, entry, sizeof *entry) != sizeof *entry)
        return false;
    *pi = (*entry & 1) != 0;
    *entry &= ~UINT64_C(1);
    return true;
}

static void walk_robust_list(struct task *t, uint64_t head)
{
    uint64_t entry, next, pending, offset;
    bool pi, next_pi, pending_pi;
    if (!read_entry(t, head, &entry, &pi) ||
        t->world->machine->read(t, head + 8, &offset, sizeof offset) != sizeof offset ||
        !read_entry(t, head + 16, &pending, &pending_pi))
        return;
    for (int n = 0; entry != head && n < ROBUST_MOST; n++) {
        bool more = read_entry(t, entry, &next, &next_pi); /* before the entry may be reused */
        if (entry != pending)
            owner_died(t, entry + offset, pi, false);
        if (!more)
            return;
        entry = next;
        pi = next_pi;
    }
    if (pending != 0)
        owner_died(t, pending + offset, pending_pi, true);
}

void futex_exit_robust(struct task *t)
{
    uint64_t head = t->robust_list;
    t->robust_list = 0;
    if (t->mm == NULL)
        return;
    if (head != 0)
        walk_robust_list(t, head);
    if (t->world->futexes->pi_waiters > 0)
        pass_on_owned(t);
}
