// rooms: kernel stubs vfs policy
/* The call seam: strings at the edge of memory, paths copied once, waiters that move, deadlines, what survives a block.
 */
#include "tests/unit/fake_machine.h"

#include <sys/syscall.h>
#include <time.h>

enum { PAGE = FAKE_PAGE };

static struct call *begin(struct fake_machine *f, uint64_t a, uint64_t b)
{
    call_begin(&f->task->call, f->task, SYS_getpid, (const uint64_t[6]){a, b});
    f->task->in_call = true;
    return &f->task->call;
}

static void strings(void **state)
{
    struct fake_machine *f = *state;
    struct call *c = begin(f, 0, 0);
    char text[16];
    fake_string(f, PAGE - 4, "abc"); /* its terminator is the page's last byte */
    fake_unmap(f, 1);
    assert_int_equal(call_string(c, fake_at(PAGE - 4), text, sizeof text, -E2BIG), 3);
    assert_string_equal(text, "abc");
    memcpy(fake_bytes(f, PAGE - 4), "abcd", 4); /* runs into the hole */
    assert_int_equal(call_string(c, fake_at(PAGE - 4), text, sizeof text, -E2BIG), -EFAULT);
    assert_int_equal(call_string(c, 0, text, sizeof text, -E2BIG), -EFAULT);
    assert_int_equal(call_string(c, UINT64_MAX, text, sizeof text, -E2BIG), -EFAULT);
    fake_string(f, 0, "123456789012345");
    assert_int_equal(call_string(c, fake_at(0), text, sizeof text, -E2BIG), 15);
    fake_string(f, 0, "1234567890123456");
    assert_int_equal(call_string(c, fake_at(0), text, sizeof text, -E2BIG), -E2BIG);
}

static void paths(void **state)
{
    struct fake_machine *f = *state;
    const char *path;
    char *longest = fake_bytes(f, PAGE / 2); /* across a page boundary */
    memset(longest, 'p', VFS_PATH_MAX);
    longest[VFS_PATH_MAX - 1] = '\0';
    struct call *c = begin(f, fake_at(PAGE / 2), fake_at(10 * PAGE));
    assert_int_equal(call_path(c, 0, &path), 0);
    assert_int_equal(strlen(path), VFS_PATH_MAX - 1);
    fake_string(f, 10 * PAGE, "second");
    assert_int_equal(call_path(c, 1, &path), 0);
    /* copied once: what the guest writes there now is not seen */
    fake_string(f, 10 * PAGE, "changed");
    unsigned reads = f->reads;
    assert_int_equal(call_path(c, 1, &path), 0);
    assert_string_equal(path, "second");
    assert_int_equal(f->reads, reads);
    longest[VFS_PATH_MAX - 1] = 'p';
    longest[VFS_PATH_MAX] = '\0';
    c = begin(f, fake_at(PAGE / 2), 0);
    assert_int_equal(call_path(c, 0, &path), -ENAMETOOLONG);
    assert_int_equal(call_path(c, 1, &path), -EFAULT);
}

/* More waiters than stand in the call: each stays on its queue, in its turn. */
static void waiters_move(void **state)
{
    enum { N = 50 };
    struct fake_machine *f = *state;
    struct waitq q[N];
    struct waiter outsider = {0};
    struct call *c = begin(f, 0, 0);
    for (int i = 0; i < N; i++) {
        waitq_init(&q[i]);
        call_wait_on(c, &q[i]);
        if (i == 0)
            waitq_add(&q[0], &outsider);
    }
    call_wait_on(c, &q[0]);
    for (int i = 0; i < N; i++) {
        assert_false(waitq_empty(&q[i]));
        assert_ptr_equal(q[i].first, &c->waiters[i]);
    }
    assert_ptr_equal(q[0].first->next, &outsider);
    assert_ptr_equal(q[0].last, &c->waiters[N]);
    assert_int_equal(call_block(c, -1, -EINTR), CALL_BLOCK);
    f->task->state = TASK_BLOCKED;
    waitq_wake(&q[N - 1], 1);
    assert_int_equal(f->task->state, TASK_READY);
    waiter_remove(&outsider);
    call_rerun(c);
    for (int i = 0; i < N; i++)
        assert_true(waitq_empty(&q[i]));
}

static void deadlines(void **state)
{
    struct fake_machine *f = *state;
    struct call *c = begin(f, 0, 0);
    assert_int_equal(call_deadline_in(c, -1), -1);
    int64_t deadline = call_deadline_in(c, 1000);
    clock_jump(&f->world->clock, clock_elapsed(&f->world->clock) + 500);
    assert_int_equal(call_deadline_in(c, 1000), deadline); /* a later run does not put it off */
    assert_int_equal(call_block(c, deadline, -EINTR), CALL_BLOCK);
    f->task->state = TASK_BLOCKED;
    fake_jump(f);
    assert_true(c->timed_out);
    assert_int_equal(f->task->state, TASK_READY);
    c = begin(f, 0, 0);
    assert_int_equal(call_deadline_in(c, INT64_MAX), INT64_MAX);
    /* a call that ends takes its timer along */
    assert_int_equal(call_block(c, clock_elapsed(&f->world->clock) + 10, -EINTR), CALL_BLOCK);
    assert_true(clock_next(&f->world->clock) != INT64_MAX);
    call_end(c);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX);
}

/* What changes between registering and sleeping is not lost. */
static void a_wake_before_the_sleep(void **state)
{
    struct fake_machine *f = *state;
    struct waitq q;
    waitq_init(&q);
    struct call *c = begin(f, 0, 0);
    call_wait_on(c, &q);
    assert_false(c->woken);
    waitq_wake(&q, 1);
    assert_true(c->woken);
    call_rerun(c);
    assert_false(c->woken);
    assert_true(waitq_empty(&q));
}

static int released;
static void release(void *kept)
{
    released++;
    free(kept);
}

static void what_is_kept_is_released(void **state)
{
    struct fake_machine *f = *state;
    struct call *c = begin(f, 0, 0);
    c->kept = malloc(1);
    c->release = release;
    released = 0;
    call_end(c);
    call_end(c);
    assert_int_equal(released, 1);
}

static void places(void **state)
{
    struct fake_machine *f = *state;
    struct place at;
    assert_int_equal(vfs_put_dir(f->world->vfs, "/dir", 0755, 0, 0), 0);
    assert_int_equal(fake_call(f, SYS_open, fake_string(f, 0, "/dir"), O_RDONLY), 0);
    assert_int_equal(fake_call(f, SYS_pipe2, fake_at(100), 0), 0);
    struct call *c = begin(f, 0, 0);
    assert_int_equal(call_place(c, AT_FDCWD, &at), 0);
    assert_ptr_equal(at.start, f->task->fs->cwd);
    assert_int_equal(call_place(c, 0, &at), 0);
    assert_ptr_equal(at.start, fdtable_file(f->task->fds, 0)->dentry);
    assert_int_equal(call_place(c, 1, &at), -ENOTDIR);
    assert_int_equal(call_place(c, 9, &at), -EBADF);
    assert_int_equal(call_place(c, -2, &at), -EBADF);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        CASE(strings),
        CASE(paths),
        CASE(waiters_move),
        CASE(deadlines),
        CASE(a_wake_before_the_sleep),
        CASE(what_is_kept_is_released),
        CASE(places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
