/* futex(2): waiters by key, first come first served. Model: the kernel's kernel/futex/.
 *
 * Every task is stopped while this runs, so reading a word, deciding and queueing are one atomic step. Words are in the
 * guest's memory and say what the guest likes; what a call can cost is bounded by the number of waiters, that is of
 * tasks. */
#include "kernel/futex_queue.h"
#include "kernel/recorder.h"

#include <stdlib.h>
#include <time.h>

enum { WAITV_MOST = FUTEX_WAITV_MAX };

#define USER_END (UINT64_C(1) << 47)

struct futex_table *futex_table_new(void)
{
    return calloc(1, sizeof(struct futex_table));
}

void futex_table_free(struct futex_table *f)
{
    free(f);
}

/* ---- keys and queues ---- */

static struct futex_key key_in(const struct mm *mm, uint64_t address, bool private)
{
    const struct shared_map *s = private ? NULL : shared_map_find(mm, address);
    if (s == NULL)
        return (struct futex_key){.space = mm->id, .offset = address};
    return (struct futex_key){.space = s->key, .offset = s->offset + (address - s->start), .shared = true};
}

int futex_find_key(const struct task *t, uint64_t address, bool private, struct futex_key *key)
{
    if (address % sizeof(uint32_t) != 0)
        return -EINVAL;
    if (address >= USER_END)
        return -EFAULT;
    *key = key_in(t->mm, address, private);
    return 0;
}

bool futex_same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->offset == b->offset && a->space == b->space && a->shared == b->shared;
}

static struct futex_bucket *bucket_of(struct futex_table *f, const struct futex_key *key)
{
    uint64_t h = (key->space * UINT64_C(0x9e3779b97f4a7c15)) ^ (key->offset >> 2);
    h *= UINT64_C(0xff51afd7ed558ccd);
    return &f->bucket[h >> 56];
}

struct futex_waiter *futex_last_in_bucket(struct futex_table *f, const struct futex_key *key)
{
    return bucket_of(f, key)->last;
}

static void enter(struct futex_table *f, struct futex_waiter *w)
{
    struct futex_bucket *b = bucket_of(f, &w->key);
    w->bucket = b;
    w->next = NULL;
    w->prev = b->last;
    *(b->last != NULL ? &b->last->next : &b->first) = w;
    b->last = w;
    if (w->kind == FUTEX_KIND_PI)
        f->pi_waiters++;
}

static void leave(struct futex_waiter *w)
{
    struct futex_bucket *b = w->bucket;
    if (b == NULL)
        return;
    *(w->prev != NULL ? &w->prev->next : &b->first) = w->next;
    *(w->next != NULL ? &w->next->prev : &b->last) = w->prev;
    w->bucket = NULL;
    if (w->kind == FUTEX_KIND_PI)
        w->task->world->futexes->pi_waiters--;
}

static void release_waiter(void *kept)
{
    leave(kept);
}

void futex_wake_one(struct futex_waiter *w)
{
    leave(w);
    w->woken = true;
    task_wake(w->task);
}

/* The first that waits at the key, at or after `from`. */
struct futex_waiter *futex_next_at(struct futex_waiter *from, const struct futex_key *key)
{
    while (from != NULL && !futex_same_key(&from->key, key))
        from = from->next;
    return from;
}

struct futex_waiter *futex_first_at(struct futex_table *f, const struct futex_key *key)
{
    return futex_next_at(bucket_of(f, key)->first, key);
}

/* At least one is woken if there is one, whatever n says (futex_wake). */
static int64_t wake(struct futex_table *f, const struct futex_key *key, int n, uint32_t bitset)
{
    int64_t woken = 0;
    for (struct futex_waiter *w = futex_first_at(f, key), *next; w != NULL; w = next) {
        next = futex_next_at(w->next, key);
        if (w->kind != FUTEX_KIND_PLAIN)
            return -EINVAL;
        if ((w->bitset & bitset) == 0)
            continue;
        futex_wake_one(w);
        if (++woken >= n)
            break;
    }
    return woken;
}

int futex_wake_address(struct task *t, uint64_t address, int n)
{
    struct futex_key key;
    int error = futex_find_key(t, address, false, &key);
    if (error < 0)
        return error;
    int64_t woken = wake(t->world->futexes, &key, n, FUTEX_BITSET_MATCH_ANY);
    if (!key.shared)
        return (int)woken;
    /* A word in shared memory may also be waited for as a private one of this address space. */
    key = key_in(t->mm, address, true);
    int64_t more = woken < n ? wake(t->world->futexes, &key, n - (int)woken, FUTEX_BITSET_MATCH_ANY) : 0;
    return (int)(woken + more);
}

/* ---- words ---- */

int futex_get_word(struct task *t, uint64_t address, uint32_t *word)
{
    return t->world->machine->read(t, address, word, sizeof *word) == sizeof *word ? 0 : -EFAULT;
}

int futex_put_word(struct task *t, uint64_t address, uint32_t word)
{
    if (t->world->machine->write(t, address, &word, sizeof word) != sizeof word)
        return -EFAULT;
    record(t->world, wrote, t, address, &word, sizeof word);
    return 0;
}

/* ---- the arguments of futex(2) ---- */

static bool takes_timeout(int operation)
{
    return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
           operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI;
}

static bool takes_second_word(int operation)
{
    return operation == FUTEX_REQUEUE || operation == FUTEX_CMP_REQUEUE || operation == FUTEX_WAKE_OP ||
           operation == FUTEX_WAIT_REQUEUE_PI || operation == FUTEX_CMP_REQUEUE_PI;
}

/* FUTEX_WAIT's is relative, all others are points in time. In a later run the deadline stands already. */
static int find_deadline(struct call *c, uint64_t address, int clock_id, bool relative, int64_t *deadline)
{
    struct timespec t;
    *deadline = -1;
    if (address == 0)
        return 0;
    if (c->again) {
        *deadline = c->deadline;
        return 0;
    }
    if (call_read(c, address, &t, sizeof t) < 0)
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= 1000000000)
        return -EINVAL;
    int64_t ns = t.tv_sec > INT64_MAX / 1000000000 - 1 ? INT64_MAX : t.tv_sec * 1000000000 + t.tv_nsec;
    if (relative) {
        *deadline = call_deadline_in(c, ns);
        return 0;
    }
    int64_t when = ns == INT64_MAX ? ns : clock_to_elapsed(&c->world->clock, clock_id, ns);
    *deadline = when < 0 ? 0 : when;
    return 0;
}

/* ---- waiting ---- */

/* With a timeout the kernel's restart block says EINTR to a handler whatever SA_RESTART says (signal(7)). */
static int64_t interrupted(const struct futex_arguments *a)
{
    return a->has_timeout ? -CALL_RESTART_NOHAND : -CALL_RESTART_SYS;
}

struct futex_waiter *futex_wait_at(struct futex_arguments *a, enum futex_kind kind, uint32_t bitset)
{
    struct call *c = a->call;
    struct futex_waiter *w = &c->task->futex;
    *w = (struct futex_waiter){.key = a->key, .address = a->address, .task = c->task, .bitset = bitset, .kind = kind};
    c->kept = w;
    c->release = release_waiter;
    enter(a->table, w);
    return w;
}

/* A later run of a wait: the end of it, or CALL_BLOCK. */
int64_t futex_wait_on(struct futex_arguments *a, int64_t when_interrupted)
{
    struct call *c = a->call;
    if (c->task->futex.woken)
        return 0;
    if (c->timed_out)
        return -ETIMEDOUT;
    return call_block(c, a->deadline, when_interrupted);
}

static int64_t futex_wait(struct futex_arguments *a, uint32_t bitset)
{
    struct call *c = a->call;
    uint32_t word;
    if (bitset == 0)
        return -EINVAL;
    if (c->again)
        return futex_wait_on(a, interrupted(a));
    if (futex_get_word(c->task, a->address, &word) < 0)
        return -EFAULT;
    if (word != a->value)
        return -EAGAIN;
    futex_wait_at(a, FUTEX_KIND_PLAIN, bitset);
    return call_block(c, a->deadline, interrupted(a));
}

/* ---- moving waiters ---- */

void futex_move(struct futex_arguments *a, struct futex_waiter *w, enum futex_kind kind)
{
    leave(w);
    w->key = a->key2;
    w->kind = kind;
    enter(a->table, w);
}

static int64_t requeue(struct futex_arguments *a, bool compare)
{
    uint32_t word;
    int most_woken = (int)a->value, most_moved = (int)a->value2;
    if (most_woken < 0 || most_moved < 0)
        return -EINVAL;
    if (compare && futex_get_word(a->call->task, a->address, &word) < 0)
        return -EFAULT;
    if (compare && word != a->value3)
        return -EAGAIN;
    int64_t woken = 0, moved = 0;
    struct futex_waiter *last =
        futex_last_in_bucket(a->table, &a->key); /* who moves into the same bucket is behind it */
    for (struct futex_waiter *w = futex_first_at(a->table, &a->key), *next; w != NULL; w = next) {
        next = w == last ? NULL : futex_next_at(w->next, &a->key);
        if (w->kind != FUTEX_KIND_PLAIN)
            return -EINVAL;
        if (woken < most_woken) {
            futex_wake_one(w);
            woken++;
        } else if (moved < most_moved) {
            moved++;
            if (!futex_same_key(&a->key, &a->key2))
                futex_move(a, w, FUTEX_KIND_PLAIN);
        } else {
            break;
        }
    }
    return woken + moved;
}

/* The operation on the second word that FUTEX_WAKE_OP encodes (futex(2)). */
static int apply_operation(uint32_t encoded, uint32_t old, uint32_t *new, bool *holds)
{
    uint32_t operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
    int32_t argument = (int32_t)(encoded << 8) >> 20, compared = (int32_t)(encoded << 20) >> 20;
    if ((encoded >> 28 & FUTEX_OP_OPARG_SHIFT) != 0)
        argument = (int32_t)(UINT32_C(1) << (argument & 31));
    uint32_t value = (uint32_t)argument;
    switch (operation) {
    case FUTEX_OP_SET:
        *new = value;
        break;
    case FUTEX_OP_ADD:
        *new = old + value;
        break;
    case FUTEX_OP_OR:
        *new = old | value;
        break;
    case FUTEX_OP_ANDN:
        *new = old & ~value;
        break;
    case FUTEX_OP_XOR:
        *new = old ^ value;
        break;
    default:
        return -ENOSYS;
    }
    int32_t was = (int32_t)old;
    switch (comparison) {
    case FUTEX_OP_CMP_EQ:
        *holds = was == compared;
        break;
    case FUTEX_OP_CMP_NE:
        *holds = was != compared;
        break;
    case FUTEX_OP_CMP_LT:
        *holds = was < compared;
        break;
    case FUTEX_OP_CMP_GE:
        *holds = was >= compared;
        break;
    case FUTEX_OP_CMP_LE:
        *holds = was <= compared;
        break;
    case FUTEX_OP_CMP_GT:
        *holds = was > compared;
        break;
    default:
        return -ENOSYS;
    }
    return 0;
}

static int64_t wake_operation(struct futex_arguments *a)
{
    struct task *t = a->call->task;
    uint32_t old, new;
    bool holds;
    if (futex_get_word(t, a->address2, &old) < 0)
        return -EFAULT;
    int error = apply_operation(a->value3, old, &new, &holds);
    if (error < 0)
        return error;
    if (futex_put_word(t, a->address2, new) < 0)
        return -EFAULT;
    int64_t woken = wake(a->table, &a->key, (int)a->value, FUTEX_BITSET_MATCH_ANY);
    if (woken < 0 || !holds)
        return woken;
    int64_t more = wake(a->table, &a->key2, (int)a->value2, FUTEX_BITSET_MATCH_ANY);
    return more < 0 ? more : woken + more;
}

/* ---- the calls ---- */

static int64_t act(struct futex_arguments *a, int operation)
{
    switch (operation) {
    case FUTEX_WAIT:
        return futex_wait(a, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return futex_wait(a, a->value3);
    case FUTEX_WAKE:
        return wake(a->table, &a->key, (int)a->value, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return a->value3 == 0 ? -EINVAL : wake(a->table, &a->key, (int)a->value, a->value3);
    case FUTEX_REQUEUE:
        return requeue(a, false);
    case FUTEX_CMP_REQUEUE:
        return requeue(a, true);
    case FUTEX_WAKE_OP:
        return wake_operation(a);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return futex_lock_pi(a, false);
    case FUTEX_TRYLOCK_PI:
        return futex_lock_pi(a, true);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(a);
    case FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(a);
    case FUTEX_CMP_REQUEUE_PI:
        return futex_requeue_pi(a);
    default:
        return -ENOSYS;
    }
}

/* What is judged before the words are looked for. */
static int check_operation(const struct futex_arguments *a, int operation)
{
    switch (operation) {
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAKE_BITSET:
        return a->value3 == 0 ? -EINVAL : 0;
    case FUTEX_WAIT_REQUEUE_PI:
        return a->address == a->address2 ? -EINVAL : 0;
    case FUTEX_CMP_REQUEUE_PI:
        if (a->address == a->address2 || a->value != 1)
            return -EINVAL;
        return (int)a->value2 < 0 ? -EINVAL : 0;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        return (int)a->value < 0 || (int)a->value2 < 0 ? -EINVAL : 0;
    default:
        return operation > FUTEX_LOCK_PI2 || operation == FUTEX_FD ? -ENOSYS : 0;
    }
}

/* A word that processes may share is found by its page, which must be there (get_futex_key); a private one by its address alone. */
static int check_shared(const struct futex_arguments *a, const struct futex_key *key, uint64_t address)
{
    uint32_t word;
    return a->private || key->shared || a->call->again ? 0 : futex_get_word(a->call->task, address, &word);
}

static int find_word(const struct futex_arguments *a, uint64_t address, struct futex_key *key)
{
    int error = futex_find_key(a->call->task, address, a->private, key);
    return error == 0 ? check_shared(a, key, address) : error;
}

/* Who waits to be moved names first where to (futex_wait_requeue_pi). */
static int find_words(struct futex_arguments *a, int operation)
{
    int error = operation == FUTEX_WAIT_REQUEUE_PI ? find_word(a, a->address2, &a->key2) : 0;
    if (error == 0)
        error = find_word(a, a->address, &a->key);
    if (error == 0 && operation != FUTEX_WAIT_REQUEUE_PI && takes_second_word(operation))
        error = find_word(a, a->address2, &a->key2);
    return error;
}

int64_t futex_call(struct call *c)
{
    uint32_t flags = (uint32_t)c->arg[1];
    int operation = (int)(flags & (uint32_t)FUTEX_CMD_MASK);
    struct futex_arguments a = {
        .call = c,
        .table = c->world->futexes,
        .address = c->arg[0],
        .address2 = c->arg[4],
        .value = (uint32_t)c->arg[2],
        .value2 = (uint32_t)c->arg[3],
        .value3 = (uint32_t)c->arg[5],
        .private = (flags & FUTEX_PRIVATE_FLAG) != 0,
        .realtime = (flags & FUTEX_CLOCK_REALTIME) != 0,
        .deadline = -1,
    };
    if (takes_timeout(operation)) {
        bool realtime = a.realtime || operation == FUTEX_LOCK_PI;
        int error = find_deadline(c, c->arg[3], realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, operation == FUTEX_WAIT,
                                  &a.deadline);
        if (error < 0)
            return error;
        a.has_timeout = a.deadline >= 0;
    }
    if (a.realtime && operation != FUTEX_WAIT_BITSET && operation != FUTEX_WAIT_REQUEUE_PI &&
        operation != FUTEX_LOCK_PI2)
        return -ENOSYS;
    int error = check_operation(&a, operation);
    if (error == 0)
        error = find_words(&a, operation);
    return error < 0 ? error : act(&a, operation);
}

/* ---- futex_waitv(2) ---- */

struct many {
    uint32_t count;
    struct futex_waiter waiter[WAITV_MOST];
};

static void release_many(void *kept)
{
    struct many *m = kept;
    for (uint32_t i = 0; i < m->count; i++)
        leave(&m->waiter[i]);
    free(m);
}

static int64_t woken_of(const struct many *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->waiter[i].woken)
            return i;
    return -1;
}

static int64_t enter_many(struct call *c, struct many *m, const struct futex_waitv *asked, uint32_t count)
{
    struct task *t = c->task;
    for (uint32_t i = 0; i < count; i++) {
        struct futex_waiter *w = &m->waiter[i];
        uint32_t word;
        *w = (struct futex_waiter){.task = t, .address = asked[i].uaddr, .bitset = FUTEX_BITSET_MATCH_ANY};
        int error = futex_find_key(t, asked[i].uaddr, (asked[i].flags & FUTEX_PRIVATE_FLAG) != 0, &w->key);
        if (error < 0)
            return error;
        if (futex_get_word(t, w->address, &word) < 0)
            return -EFAULT;
        if (word != (uint32_t)asked[i].val)
            return -EAGAIN;
    }
    for (uint32_t i = 0; i < count; i++)
        enter(c->world->futexes, &m->waiter[i]);
    m->count = count;
    return 0;
}

static int check_many(const struct futex_waitv *asked, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if ((asked[i].flags & ~(uint32_t)(FUTEX_32 | FUTEX_PRIVATE_FLAG)) != 0 || (asked[i].flags & FUTEX_32) == 0 ||
            asked[i].__reserved != 0 || asked[i].val > UINT32_MAX)
            return -EINVAL;
    return 0;
}

int64_t futex_waitv_call(struct call *c)
{
    uint32_t count = (uint32_t)c->arg[1];
    int clock_id = (int)c->arg[4];
    int64_t deadline;
    if ((uint32_t)c->arg[2] != 0 || count == 0 || count > WAITV_MOST || c->arg[0] == 0 ||
        (c->arg[3] != 0 && clock_id != CLOCK_REALTIME && clock_id != CLOCK_MONOTONIC))
        return -EINVAL;
    int64_t error = find_deadline(c, c->arg[3], clock_id, false, &deadline);
    if (error < 0)
        return error;
    if (!c->again) {
        struct futex_waitv asked[WAITV_MOST];
        if (call_read(c, c->arg[0], asked, count * sizeof *asked) < 0)
            return -EFAULT;
        if (check_many(asked, count) < 0)
            return -EINVAL;
        struct many *m = calloc(1, sizeof *m);
        if (m == NULL)
            return -ENOMEM;
        c->kept = m;
        c->release = release_many;
        error = enter_many(c, m, asked, count);
        if (error < 0)
            return error;
    }
    int64_t woken = woken_of(c->kept);
    if (woken >= 0)
        return woken;
    if (c->timed_out)
        return -ETIMEDOUT;
    return call_block(c, deadline, -CALL_RESTART_SYS);
}
