// rooms: kernel stubs vfs policy
/* futex(2): who waits where, who is woken, and what words say of their owners. */
#include "tests/unit/fake_machine.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define WORD(n) fake_at(64 + 4 * (n))
enum { PRIVATE = FUTEX_PRIVATE_FLAG, THREADS = 4, TIMES = 1024, MARK = 0x1000 };
enum { RESTART_SYS = -CALL_RESTART_SYS, RESTART_NOHAND = -CALL_RESTART_NOHAND, RESTART_NOINTR = -CALL_RESTART_NOINTR };

static uint32_t word(struct fake_machine *f, unsigned n)
{
    uint32_t value;
    memcpy(&value, fake_bytes(f, 64 + 4 * n), sizeof value);
    return value;
}

static void set_word(struct fake_machine *f, unsigned n, uint32_t value)
{
    memcpy(fake_bytes(f, 64 + 4 * n), &value, sizeof value);
}

static uint64_t put_time(struct fake_machine *f, int64_t ns)
{
    const struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    memcpy(fake_bytes(f, TIMES), &t, sizeof t);
    return fake_at(TIMES);
}

#define futex(t, ...) fake_call_as((t), SYS_futex, (const uint64_t[6]){__VA_ARGS__})

/* Threads that all wait at word 0, in order. */
static void waiting(struct fake_machine *f, struct task *t[THREADS], uint64_t flags)
{
    for (int i = 0; i < THREADS; i++) {
        t[i] = fake_thread(f);
        assert_int_equal(futex(t[i], WORD(0), FUTEX_WAIT | flags, 0), CALL_BLOCK);
    }
}

static void assert_woken(struct task *const t[THREADS], const char *expected)
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(t[i]->state == TASK_READY, expected[i] == 'w');
}

/* ---- wait and wake ---- */

static void test_errors(void **state)
{
    struct fake_machine *f = *state;
    static const struct {
        uint64_t address, operation, value, timeout, address2, value3;
        int64_t result;
    } cases[] = {
        {FAKE_BASE + 1, FUTEX_WAIT, 0, 0, 0, 0, -EINVAL},
        {FAKE_BASE + 2, FUTEX_WAKE, 1, 0, 0, 0, -EINVAL},
        {FAKE_BASE, FUTEX_WAIT, 1, 0, 0, 0, -EAGAIN},
        {8, FUTEX_WAIT, 0, 0, 0, 0, -EFAULT},
        {UINT64_C(1) << 47, FUTEX_WAKE, 1, 0, 0, 0, -EFAULT},
        {FAKE_BASE, FUTEX_WAKE, 1, 0, 0, 0, 0},
        {FAKE_BASE, FUTEX_WAIT, 0, 8, 0, 0, -EFAULT},
        {FAKE_BASE, FUTEX_WAIT_BITSET, 0, 0, 0, 0, -EINVAL},
        {FAKE_BASE, FUTEX_WAKE_BITSET, 1, 0, 0, 0, -EINVAL},
        {FAKE_BASE, FUTEX_REQUEUE, UINT32_MAX, 0, FAKE_BASE + 8, 0, -EINVAL},
        {FAKE_BASE, FUTEX_REQUEUE, 1, UINT32_MAX, FAKE_BASE + 8, 0, -EINVAL},
        {FAKE_BASE, FUTEX_CMP_REQUEUE, 1, 1, FAKE_BASE + 8, 5, -EAGAIN},
        {FAKE_BASE, FUTEX_CMP_REQUEUE, 1, 1, FAKE_BASE + 9, 0, -EINVAL},
        {FAKE_BASE, FUTEX_WAKE_OP, 1, 1, 8, 0, -EFAULT},
        {FAKE_BASE, FUTEX_WAKE_OP, 1, 1, FAKE_BASE + 8, UINT64_C(0x70000000), -ENOSYS},
        {FAKE_BASE, FUTEX_WAKE_OP, 1, 1, FAKE_BASE + 8, UINT64_C(0x0f000000), -ENOSYS},
        {FAKE_BASE, FUTEX_FD, 0, 0, 0, 0, -ENOSYS},
        {FAKE_BASE, 77, 0, 0, 0, 0, -ENOSYS},
        {FAKE_BASE, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, 0, 0, 0, -ENOSYS},
        {FAKE_BASE, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0, -ENOSYS},
        {FAKE_BASE, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0, -ENOSYS},
        {FAKE_BASE, FUTEX_UNLOCK_PI, 0, 0, 0, 0, -EPERM},
        {FAKE_BASE, FUTEX_CMP_REQUEUE_PI, 2, 1, FAKE_BASE + 8, 0, -EINVAL},
        {FAKE_BASE, FUTEX_CMP_REQUEUE_PI, 1, 1, FAKE_BASE, 0, -EINVAL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(futex(f->task, cases[i].address, cases[i].operation, cases[i].value, cases[i].timeout,
                               cases[i].address2, cases[i].value3),
                         cases[i].result);
        assert_int_equal(futex(f->task, cases[i].address, cases[i].operation | PRIVATE, cases[i].value,
                               cases[i].timeout, cases[i].address2, cases[i].value3),
                         cases[i].result);
    }
    /* What may be shared is found by its page; what is private by its address. */
    assert_int_equal(futex(f->task, 8, FUTEX_WAKE, 1), -EFAULT);
    assert_int_equal(futex(f->task, 8, FUTEX_WAKE | PRIVATE, 1), 0);
    const struct timespec wrong = {.tv_nsec = 1000000000};
    memcpy(fake_bytes(f, TIMES), &wrong, sizeof wrong);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAIT, 0, fake_at(TIMES)), -EINVAL);
}

static void test_wake_in_order(void **state)
{
    static const struct {
        int count;
        int64_t woken;
        const char *who;
    } cases[] = {{1, 1, "w..."}, {0, 1, "w..."}, {-1, 1, "w..."}, {2, 2, "ww.."}, {INT32_MAX, 4, "wwww"}};
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct task *t[THREADS];
        waiting(f, t, PRIVATE);
        assert_int_equal(futex(f->task, WORD(1), FUTEX_WAKE | PRIVATE, INT32_MAX), 0); /* another word */
        assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE | PRIVATE, (uint32_t)cases[i].count), cases[i].woken);
        assert_woken(t, cases[i].who);
        for (int n = 0; n < THREADS; n++) {
            if (t[n]->state == TASK_READY)
                assert_int_equal(fake_again(t[n]), 0);
            task_exited(t[n], 0); /* the others die waiting */
        }
        assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE | PRIVATE, INT32_MAX), 0);
    }
}

static void test_bitset(void **state)
{
    struct fake_machine *f = *state;
    struct task *t[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        t[i] = fake_thread(f);
        assert_int_equal(futex(t[i], WORD(0), FUTEX_WAIT_BITSET, 0, 0, 0, 1 << i), CALL_BLOCK);
    }
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE_BITSET, 9, 0, 0, 0xa), 2);
    assert_woken(t, ".w.w");
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE, 9), 2);
}

static void test_timeouts(void **state)
{
    struct fake_machine *f = *state;
    struct clock *clock = &f->world->clock;
    const int64_t second = 1000000000;
    const struct {
        uint64_t operation;
        int64_t base; /* what the time is counted from */
    } cases[] = {
        {FUTEX_WAIT, 0},
        {FUTEX_WAIT_BITSET, clock_read(clock, CLOCK_MONOTONIC)},
        {FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, clock_read(clock, CLOCK_REALTIME)},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t begun = clock_elapsed(clock);
        uint64_t when = put_time(f, cases[i].base == 0 ? second : cases[i].base + begun + second);
        assert_int_equal(futex(f->task, WORD(0), cases[i].operation, 0, when, 0, 1), CALL_BLOCK);
        fake_jump(f);
        assert_in_range(clock_elapsed(clock) - begun, second, second + 20000);
        assert_int_equal(fake_again(f->task), -ETIMEDOUT);
        assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE, 1), 0);
    }
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAIT_BITSET, 0, put_time(f, 1), 0, 1), CALL_BLOCK); /* long past */
    clock_run(clock);
    assert_int_equal(fake_again(f->task), -ETIMEDOUT);
    /* Woken and timed out: woken. */
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAIT, 0, put_time(f, second)), CALL_BLOCK);
    struct task *other = fake_thread(f);
    assert_int_equal(futex(other, WORD(0), FUTEX_WAKE, 1), 1);
    fake_jump(f);
    assert_int_equal(fake_again(f->task), 0);
}

static void test_interrupted(void **state)
{
    struct fake_machine *f = *state;
    static const struct {
        uint64_t operation;
        bool timed;
        int64_t result;
    } cases[] = {{FUTEX_WAIT, false, RESTART_SYS},
                 {FUTEX_WAIT, true, RESTART_NOHAND},
                 {FUTEX_WAIT_BITSET, false, RESTART_SYS},
                 {FUTEX_LOCK_PI, false, RESTART_NOINTR}};
    struct task *other = fake_thread(f);
    siginfo_t info;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool pi = cases[i].operation == FUTEX_LOCK_PI;
        set_word(f, 0, pi ? (uint32_t)other->tid : 0);
        uint64_t when = cases[i].timed ? put_time(f, 1000000000) : 0;
        assert_int_equal(futex(f->task, WORD(0), cases[i].operation, 0, when, 0, 1), CALL_BLOCK);
        fake_signal(f, SIGUSR1);
        assert_int_equal(fake_again(f->task), cases[i].result);
        assert_true(signal_dequeue(f->task, UINT64_MAX, &info));
        assert_int_equal(futex(other, WORD(0), FUTEX_WAKE, 1), 0); /* it waits no longer */
    }
}

static void test_private_and_shared(void **state)
{
    struct fake_machine *f = *state;
    struct task *t[THREADS], *child = NULL;
    assert_int_equal(process_clone(f->task, SIGCHLD, &child), 0);
    waiting(f, t, PRIVATE);
    assert_int_equal(futex(child, WORD(0), FUTEX_WAKE, 9), 0); /* another address space */
    assert_int_equal(futex(child, WORD(0), FUTEX_WAKE | PRIVATE, 9), 0);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE, 9), 4); /* nothing is shared there: the same */
    for (int i = 0; i < THREADS; i++)
        task_exited(t[i], 0);
    /* The same file at two addresses: page 0 of one process, page 2 of the other. */
    struct file *file = eventfd_new(f->world->vfs, 0, 0);
    struct shared_map map = {.start = FAKE_BASE, .end = FAKE_BASE + 4096, .key = 77, .offset = 8192, .file = file};
    shared_map_add(f->task, &map);
    map.start += 8192;
    map.end += 8192;
    shared_map_add(child, &map);
    file_put(file);
    waiting(f, t, 0);
    assert_int_equal(futex(child, WORD(0), FUTEX_WAKE, 9), 0);
    assert_int_equal(futex(child, WORD(0) + 8192, FUTEX_WAKE | PRIVATE, 9), 0);
    assert_int_equal(futex(child, WORD(1) + 8192, FUTEX_WAKE, 9), 0);
    assert_int_equal(futex(child, WORD(0) + 8192, FUTEX_WAKE, 2), 2);
    assert_woken(t, "ww..");
    for (int i = 0; i < THREADS; i++)
        task_exited(t[i], 0);
}

/* ---- requeue ---- */

static void test_requeue(void **state)
{
    static const struct {
        uint64_t operation, woken, moved;
        int64_t result;
        const char *who;   /* woken by it */
        int64_t at_second; /* then woken at the second word */
    } cases[] = {
        {FUTEX_REQUEUE, 1, 2, 3, "w...", 2},      {FUTEX_CMP_REQUEUE, 1, 2, 3, "w...", 2},
        {FUTEX_CMP_REQUEUE, 0, 1, 1, "....", 1},  {FUTEX_CMP_REQUEUE, 2, 0, 2, "ww..", 0},
        {FUTEX_CMP_REQUEUE, 1, 99, 4, "w...", 3},
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct task *t[THREADS];
        waiting(f, t, PRIVATE);
        assert_int_equal(
            futex(f->task, WORD(0), cases[i].operation | PRIVATE, cases[i].woken, cases[i].moved, WORD(1), 0),
            cases[i].result);
        assert_woken(t, cases[i].who);
        assert_int_equal(futex(f->task, WORD(1), FUTEX_WAKE | PRIVATE, 99), cases[i].at_second);
        for (int n = 0; n < THREADS; n++)
            task_exited(t[n], 0);
    }
    /* To itself: nobody moves, and it ends. */
    struct task *t[THREADS];
    waiting(f, t, PRIVATE);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_CMP_REQUEUE | PRIVATE, 1, 99, WORD(0), 0), 4);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE | PRIVATE, 99), 3);
}

static void test_wake_op(void **state)
{
    static const struct {
        uint32_t encoded, before, after;
        int64_t woken; /* at both words, one waiter each */
    } cases[] = {
        {FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 5), 5, 7, 2},
        {FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 5), 6, 7, 1},
        {FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 1), 1, 2, 1},
        {FUTEX_OP(FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_LT, 0), 0, UINT32_MAX, 1}, /* -1 */
        {FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_GE, 1), 1, 7, 2},
        {FUTEX_OP(FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_NE, 7), 7, 4, 1},
        {FUTEX_OP(FUTEX_OP_XOR, 5, FUTEX_OP_CMP_LE, 7), 7, 2, 2},
        {FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 31, FUTEX_OP_CMP_EQ, 0), 0, UINT32_C(1) << 31, 2},
        {FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_LT, 0), UINT32_MAX, 0, 2}, /* compared as signed */
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct task *a = fake_thread(f), *b = fake_thread(f);
        set_word(f, 0, 0);
        set_word(f, 1, cases[i].before);
        assert_int_equal(futex(a, WORD(0), FUTEX_WAIT, 0), CALL_BLOCK);
        assert_int_equal(futex(b, WORD(1), FUTEX_WAIT, cases[i].before), CALL_BLOCK);
        assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE_OP, 1, 1, WORD(1), cases[i].encoded), cases[i].woken);
        assert_int_equal(word(f, 1), cases[i].after);
        task_exited(a, 0);
        task_exited(b, 0);
    }
}

/* ---- owners ---- */

static void test_pi(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f), *u = fake_thread(f);
    uint32_t self = (uint32_t)f->task->tid, second = (uint32_t)t->tid, third = (uint32_t)u->tid;
    assert_int_equal(futex(f->task, WORD(0), FUTEX_LOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), self);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_LOCK_PI, 0), -EDEADLK);
    assert_int_equal(futex(t, WORD(0), FUTEX_TRYLOCK_PI, 0), -EAGAIN);
    assert_int_equal(futex(t, WORD(0), FUTEX_UNLOCK_PI, 0), -EPERM);
    assert_int_equal(futex(t, WORD(0), FUTEX_LOCK_PI, 0), CALL_BLOCK);
    assert_int_equal(word(f, 0), self | FUTEX_WAITERS);
    assert_int_equal(futex(u, WORD(0), FUTEX_LOCK_PI2, 0), CALL_BLOCK);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE, 1), -EINVAL); /* no word for that */
    assert_int_equal(futex(f->task, WORD(0), FUTEX_UNLOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), second | FUTEX_WAITERS);
    assert_int_equal(fake_again(t), 0);
    assert_int_equal(u->state, TASK_BLOCKED);
    assert_int_equal(futex(t, WORD(0), FUTEX_UNLOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), third | FUTEX_WAITERS);
    assert_int_equal(fake_again(u), 0);
    assert_int_equal(futex(u, WORD(0), FUTEX_UNLOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), 0);
    set_word(f, 0, 4242); /* nobody */
    assert_int_equal(futex(t, WORD(0), FUTEX_LOCK_PI, 0), -ESRCH);
    set_word(f, 0, FUTEX_OWNER_DIED);
    assert_int_equal(futex(t, WORD(0), FUTEX_TRYLOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), second | FUTEX_OWNER_DIED);
}

static void test_pi_timeout_is_a_date(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f);
    set_word(f, 0, (uint32_t)t->tid);
    int64_t now = clock_read(&f->world->clock, CLOCK_REALTIME);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_LOCK_PI, 0, put_time(f, now + 1000000000)), CALL_BLOCK);
    fake_jump(f);
    assert_int_equal(clock_read(&f->world->clock, CLOCK_REALTIME), now + 1000000000);
    assert_int_equal(fake_again(f->task), -ETIMEDOUT);
    assert_int_equal(futex(t, WORD(0), FUTEX_UNLOCK_PI, 0), 0);
    assert_int_equal(word(f, 0), 0);
}

static void test_requeue_pi(void **state)
{
    struct fake_machine *f = *state;
    struct task *t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = fake_thread(f);
        assert_int_equal(futex(t[i], WORD(0), FUTEX_WAIT_REQUEUE_PI, 0, 0, WORD(1), FUTEX_BITSET_MATCH_ANY),
                         CALL_BLOCK);
    }
    assert_int_equal(futex(f->task, WORD(0), FUTEX_CMP_REQUEUE_PI, 1, 9, WORD(2), 0), -EINVAL); /* they want word 1 */
    assert_int_equal(futex(f->task, WORD(0), FUTEX_CMP_REQUEUE_PI, 1, 9, WORD(1), 3), -EAGAIN);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_WAKE, 1), -EINVAL);
    assert_int_equal(futex(f->task, WORD(0), FUTEX_CMP_REQUEUE_PI, 1, 9, WORD(1), 0), 3);
    for (int i = 0; i < 3; i++) { /* each owns word 1 in turn */
        assert_int_equal(word(f, 1), (uint32_t)t[i]->tid | FUTEX_WAITERS);
        assert_int_equal(fake_again(t[i]), 0);
        assert_int_equal(futex(t[i], WORD(1), FUTEX_UNLOCK_PI, 0), 0);
    }
    assert_int_equal(word(f, 1), 0);
}

/* ---- ends ---- */

/* A robust list in guest memory: entries at MARK, words 0.. by the offset. */
static void make_list(struct fake_machine *f, struct task *t, unsigned entries, unsigned pending, uint64_t flags)
{
    const uint64_t head = fake_at(MARK), first = fake_at(64) - fake_at(MARK + 64);
    uint64_t links[3] = {entries > 0 ? (head + 64) | flags : head, first,
                         pending ? (head + 64 + 4 * (pending - 1)) | flags : 0};
    memcpy(fake_bytes(f, MARK), links, sizeof links);
    /* Entries overlap words of 4 bytes only when there is one; several use a list of 8-byte steps. */
    for (unsigned i = 0; i < entries; i++) {
        uint64_t next = i + 1 < entries ? (head + 64 + 8 * (i + 1)) | flags : head;
        memcpy(fake_bytes(f, MARK + 64 + 8 * i), &next, sizeof next);
    }
    assert_int_equal(fake_call_as(t, SYS_set_robust_list, (const uint64_t[6]){head, 24}), 0);
}

static void test_robust_list(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f), *waiter = fake_thread(f);
    uint32_t tid = (uint32_t)t->tid;
    set_word(f, 0, tid | FUTEX_WAITERS);
    set_word(f, 2, tid);
    set_word(f, 4, 77); /* not its own */
    assert_int_equal(futex(waiter, WORD(0), FUTEX_WAIT, tid | FUTEX_WAITERS), CALL_BLOCK);
    make_list(f, t, 3, 0, 0);
    futex_exit_robust(t);
    assert_int_equal(word(f, 0), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    assert_int_equal(word(f, 2), FUTEX_OWNER_DIED);
    assert_int_equal(word(f, 4), 77);
    assert_int_equal(fake_again(waiter), 0);
    set_word(f, 2, tid);
    futex_exit_robust(t); /* once */
    assert_int_equal(word(f, 2), tid);
}

static void test_robust_pending(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f), *waiter = fake_thread(f);
    set_word(f, 0, 0);
    assert_int_equal(futex(waiter, WORD(0), FUTEX_WAIT, 0), CALL_BLOCK);
    make_list(f, t, 0, 1, 0); /* it had unlocked, and not woken yet */
    futex_exit_robust(t);
    assert_int_equal(word(f, 0), 0);
    assert_int_equal(fake_again(waiter), 0);
}

static void test_owner_of_pi_dies(void **state)
{
    struct fake_machine *f = *state;
    for (int robust = 0; robust < 2; robust++) {
        struct task *t = fake_thread(f), *waiter = fake_thread(f);
        set_word(f, 0, (uint32_t)t->tid);
        assert_int_equal(futex(waiter, WORD(0), FUTEX_LOCK_PI, 0), CALL_BLOCK);
        if (robust)
            make_list(f, t, 1, 0, 1);
        futex_exit_robust(t);
        assert_int_equal(word(f, 0), (uint32_t)waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED);
        assert_int_equal(fake_again(waiter), 0);
    }
}

static void test_hostile_lists(void **state)
{
    struct fake_machine *f = *state;
    const uint64_t head = fake_at(MARK);
    static const uint64_t ends[] = {0, 8, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, FAKE_BASE + 1};
    for (size_t i = 0; i < COUNT(ends); i++)
        for (size_t k = 0; k < COUNT(ends); k++) {
            const uint64_t links[3] = {ends[i], ends[k], ends[(i + k) % COUNT(ends)]};
            memcpy(fake_bytes(f, MARK), links, sizeof links);
            f->task->robust_list = head;
            futex_exit_robust(f->task);
        }
    const uint64_t circle[4] = {head + 24, 0, 0, head + 24}; /* an entry that is its own next: 2048 steps, no more */
    memcpy(fake_bytes(f, MARK), circle, sizeof circle);
    f->task->robust_list = head;
    f->reads = 0;
    futex_exit_robust(f->task);
    assert_in_range(f->reads, 2048, 3 * 2048);
    f->task->robust_list = 8;
    futex_exit_robust(f->task);
}

static void test_robust_list_calls(void **state)
{
    struct fake_machine *f = *state;
    uint64_t got[2];
    assert_int_equal(fake_call(f, SYS_set_robust_list, 0x5000, 23), -EINVAL);
    assert_int_equal(fake_call(f, SYS_set_robust_list, 0x5000, 24), 0);
    assert_int_equal(fake_call(f, SYS_get_robust_list, 0, fake_at(0), fake_at(8)), 0);
    memcpy(got, fake_bytes(f, 0), sizeof got);
    assert_int_equal(got[0], 0x5000);
    assert_int_equal(got[1], 24);
    assert_int_equal(fake_call(f, SYS_get_robust_list, 9999, fake_at(0), fake_at(8)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_get_robust_list, 0, 8, fake_at(8)), -EFAULT);
}

/* ---- futex_waitv ---- */

static void test_waitv(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    struct futex_waitv v[3];
    for (unsigned i = 0; i < 3; i++)
        v[i] = (struct futex_waitv){.uaddr = WORD(i), .flags = FUTEX_32 | PRIVATE};
    memcpy(fake_bytes(f, MARK), v, sizeof v);
    const uint64_t list = fake_at(MARK);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 0, 0, 0), CALL_BLOCK);
    assert_int_equal(futex(other, WORD(2), FUTEX_WAKE | PRIVATE, 9), 1);
    assert_int_equal(futex(other, WORD(1), FUTEX_WAKE | PRIVATE, 9), 1);
    assert_int_equal(fake_again(f->task), 1); /* the first of those woken */
    assert_int_equal(futex(other, WORD(0), FUTEX_WAKE | PRIVATE, 9), 0);
    uint64_t when = put_time(f, clock_read(&f->world->clock, CLOCK_MONOTONIC) + 1000000);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 0, when, CLOCK_MONOTONIC), CALL_BLOCK);
    fake_jump(f);
    assert_int_equal(fake_again(f->task), -ETIMEDOUT);
    set_word(f, 1, 1);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 0, 0, 0), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 0, 0, 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 129, 0, 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 1, 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 0, when, CLOCK_BOOTTIME), -EINVAL);
    assert_int_equal(fake_call(f, SYS_futex_waitv, 8, 3, 0, 0, 0), -EFAULT);
    v[2].flags = PRIVATE; /* no size */
    memcpy(fake_bytes(f, MARK), v, sizeof v);
    assert_int_equal(fake_call(f, SYS_futex_waitv, list, 3, 0, 0, 0), -EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_errors),
        CASE(test_wake_in_order),
        CASE(test_bitset),
        CASE(test_timeouts),
        CASE(test_interrupted),
        CASE(test_private_and_shared),
        CASE(test_requeue),
        CASE(test_wake_op),
        CASE(test_pi),
        CASE(test_pi_timeout_is_a_date),
        CASE(test_requeue_pi),
        CASE(test_robust_list),
        CASE(test_robust_pending),
        CASE(test_owner_of_pi_dies),
        CASE(test_hostile_lists),
        CASE(test_robust_list_calls),
        CASE(test_waitv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
