// rooms: kernel stubs vfs policy
/* poll(2), select(2), epoll(7): readiness, time, masks, and what is written back. */
#include "tests/unit/fake_machine.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

enum { PAGE = FAKE_PAGE, MS = 1000000 };

static int with_pipe(void **state)
{
    struct fake_machine *f = fake_machine_with(fake_policy());
    *state = f;
    return fake_call(f, SYS_pipe2, fake_at(63 * PAGE), 0) == 0 ? 0 : -1; /* 0 reads, 1 writes */
}

static void put_pollfds(struct fake_machine *f, const struct pollfd *fds, size_t n)
{
    memcpy(fake_bytes(f, 0), fds, n * sizeof *fds);
}

static short revents(struct fake_machine *f, size_t i)
{
    struct pollfd p;
    memcpy(&p, fake_bytes(f, i * sizeof p), sizeof p);
    return p.revents;
}

static void fill_pipe(struct fake_machine *f, struct task *t)
{
    assert_int_equal(fake_call_as(t, SYS_write, (const uint64_t[6]){1, fake_at(10 * PAGE), 5}), 5);
}

static void poll_at_once(void **state)
{
    struct fake_machine *f = *state;
    put_pollfds(f, (struct pollfd[]){{0, POLLIN, 9}, {1, POLLOUT, 9}, {-1, POLLIN, 9}, {50, POLLIN, 9}}, 4);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), 4, (uint64_t)-1), 2);
    assert_int_equal(revents(f, 0), 0);
    assert_int_equal(revents(f, 1), POLLOUT);
    assert_int_equal(revents(f, 2), 0);
    assert_int_equal(revents(f, 3), POLLNVAL);
    put_pollfds(f, (struct pollfd[]){{0, POLLIN, 9}}, 1);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), 1, 0), 0);
    assert_int_equal(revents(f, 0), 0);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), 1025, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_poll, 8, 1, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_poll, 0, 0, 0), 0);
}

static void poll_sleeps(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    put_pollfds(f, (struct pollfd[]){{0, POLLIN, 9}}, 1);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), 1, (uint64_t)-1), CALL_BLOCK);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX);
    memset(fake_bytes(f, 0), 0xff, 4); /* the guest's array is not read again */
    fill_pipe(f, other);
    assert_int_equal(fake_again(f->task), 1);
    assert_int_equal(revents(f, 0), POLLIN);
}

static void poll_times_out(void **state)
{
    struct fake_machine *f = *state;
    put_pollfds(f, (struct pollfd[]){{0, POLLIN, 9}}, 1);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), 1, 20), CALL_BLOCK);
    int64_t before = clock_elapsed(&f->world->clock);
    fake_jump(f);
    assert_int_equal(clock_elapsed(&f->world->clock) - before, 20 * MS);
    assert_int_equal(fake_again(f->task), 0);
    assert_int_equal(revents(f, 0), 0);
    assert_int_equal(fake_call(f, SYS_poll, 0, 0, 20), CALL_BLOCK); /* a plain sleep */
    fake_jump(f);
    assert_int_equal(fake_again(f->task), 0);
}

/* More files than stand on the stack, and more waiters than stand in the call. */
static void poll_many(void **state)
{
    enum { N = 200 };
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    struct pollfd fds[N];
    for (int i = 0; i < N; i++)
        fds[i] = (struct pollfd){0, POLLIN, 0};
    put_pollfds(f, fds, N);
    assert_int_equal(fake_call(f, SYS_poll, fake_at(0), N, (uint64_t)-1), CALL_BLOCK);
    fill_pipe(f, other);
    assert_int_equal(fake_again(f->task), N);
}

static void ppoll_masks(void **state)
{
    struct fake_machine *f = *state;
    struct timespec limit = {1, 500}, left;
    uint64_t mask = SIGNAL_BIT(SIGUSR2);
    put_pollfds(f, (struct pollfd[]){{0, POLLIN, 0}}, 1);
    memcpy(fake_bytes(f, PAGE), &limit, sizeof limit);
    memcpy(fake_bytes(f, 2 * PAGE), &mask, sizeof mask);
    f->blocked = SIGNAL_BIT(SIGUSR1);
    assert_int_equal(fake_call(f, SYS_ppoll, fake_at(0), 1, fake_at(PAGE), fake_at(2 * PAGE), 7), -EINVAL);
    assert_int_equal(fake_call(f, SYS_ppoll, fake_at(0), 1, fake_at(PAGE), fake_at(2 * PAGE), 8), CALL_BLOCK);
    fake_signal(f, SIGUSR1); /* blocked outside, not while the call sleeps */
    assert_int_equal(fake_again(f->task), -CALL_RESTART_NOHAND);
    assert_true(f->suspended);
    assert_int_equal(f->suspended_mask, mask);
    assert_false(f->task->restore_mask);
    memcpy(&left, fake_bytes(f, PAGE), sizeof left);
    assert_in_range(left.tv_sec, 0, 1);
    /* a pending signal wins over a time of zero; ready files win over both */
    limit = (struct timespec){0, 0};
    memcpy(fake_bytes(f, PAGE), &limit, sizeof limit);
    assert_int_equal(fake_call(f, SYS_ppoll, fake_at(0), 1, fake_at(PAGE), fake_at(2 * PAGE), 8), -CALL_RESTART_NOHAND);
    f->suspended = false;
    fill_pipe(f, f->task);
    assert_int_equal(fake_call(f, SYS_ppoll, fake_at(0), 1, fake_at(PAGE), fake_at(2 * PAGE), 8), 1);
    assert_false(f->suspended);
    limit = (struct timespec){0, 1000000000};
    memcpy(fake_bytes(f, PAGE), &limit, sizeof limit);
    assert_int_equal(fake_call(f, SYS_ppoll, fake_at(0), 1, fake_at(PAGE), 0, 0), -EINVAL);
}

static void set_bit(struct fake_machine *f, size_t offset, int fd)
{
    ((uint8_t *)fake_bytes(f, offset))[fd / 8] |= (uint8_t)(1 << fd % 8);
}

static void selects(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    struct timeval limit = {0, 20000};
    set_bit(f, 0, 0);
    set_bit(f, 128, 1);
    assert_int_equal(fake_call(f, SYS_select, 2, fake_at(0), fake_at(128), 0, 0), 1);
    assert_int_equal(*(uint8_t *)fake_bytes(f, 0), 0);
    assert_int_equal(*(uint8_t *)fake_bytes(f, 128), 2);
    /* waits, and the time that is left comes back */
    set_bit(f, 0, 0);
    memcpy(fake_bytes(f, PAGE), &limit, sizeof limit);
    assert_int_equal(fake_call(f, SYS_select, 1, fake_at(0), 0, 0, fake_at(PAGE)), CALL_BLOCK);
    clock_jump(&f->world->clock, clock_elapsed(&f->world->clock) + 5 * MS);
    fill_pipe(f, other);
    assert_int_equal(fake_again(f->task), 1);
    memcpy(&limit, fake_bytes(f, PAGE), sizeof limit);
    assert_in_range(limit.tv_usec, 14000, 15000);
    /* a closed descriptor, a bad count, bits beyond the count */
    set_bit(f, 0, 40);
    assert_int_equal(fake_call(f, SYS_select, 41, fake_at(0), 0, 0, 0), -EBADF);
    assert_int_equal(fake_call(f, SYS_select, 40, fake_at(0), 0, 0, 0), 1);
    assert_int_equal(fake_call(f, SYS_select, (uint64_t)-1, 0, 0, 0, 0), -EINVAL);
}

/* Descriptors beyond FD_SETSIZE, and a count beyond the table, which the kernel cuts. */
static void large_selects(void **state)
{
    struct fake_machine *f = *state;
    f->process->limits[RLIMIT_NOFILE].rlim_cur = 4096;
    fdtable_set_limit(f->task->fds, 4096);
    fill_pipe(f, f->task);
    assert_int_equal(fake_call(f, SYS_dup2, 0, 2000), 2000);
    set_bit(f, 0, 2000);
    assert_int_equal(fake_call(f, SYS_select, 2001, fake_at(0), 0, 0, 0), 1);
    assert_int_equal(((uint8_t *)fake_bytes(f, 0))[250], 1);
    fake_call(f, SYS_close, 2000);
    memset(fake_bytes(f, 0), 0, PAGE);
    set_bit(f, PAGE - 32, 0); /* a set of 256 bits at the end of memory */
    fake_unmap(f, 1);
    assert_int_equal(fake_call(f, SYS_select, INT32_MAX, fake_at(PAGE - 32), 0, 0, 0), 1);
}

static void pselect_packs_its_mask(void **state)
{
    struct fake_machine *f = *state;
    uint64_t mask = 0, packed[2] = {fake_at(2 * PAGE), 8};
    memcpy(fake_bytes(f, 2 * PAGE), &mask, sizeof mask);
    memcpy(fake_bytes(f, 3 * PAGE), packed, sizeof packed);
    f->blocked = SIGNAL_BIT(SIGUSR1);
    assert_int_equal(fake_call(f, SYS_pselect6, 0, 0, 0, 0, 0, fake_at(3 * PAGE)), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_NOHAND);
    assert_true(f->suspended);
}

static void epoll(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 42};
    int epoll_fd = (int)fake_call(f, SYS_epoll_create1, 0);
    memcpy(fake_bytes(f, 0), &e, sizeof e);
    assert_int_equal(fake_call(f, SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, 0, fake_at(0)), 0);
    assert_int_equal(fake_call(f, SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, 0, fake_at(0)), -EEXIST);
    assert_int_equal(fake_call(f, SYS_epoll_ctl, epoll_fd, EPOLL_CTL_ADD, epoll_fd, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_epoll_ctl, 0, EPOLL_CTL_ADD, 1, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_epoll_wait, epoll_fd, fake_at(PAGE), 8, 0), 0);
    assert_int_equal(fake_call(f, SYS_epoll_wait, epoll_fd, fake_at(PAGE), 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_epoll_wait, epoll_fd, fake_at(PAGE), 8, 10), CALL_BLOCK);
    fake_jump(f);
    assert_int_equal(fake_again(f->task), 0);
    assert_int_equal(fake_call(f, SYS_epoll_wait, epoll_fd, fake_at(PAGE), 8, (uint64_t)-1), CALL_BLOCK);
    fill_pipe(f, other);
    assert_int_equal(fake_again(f->task), 1);
    memcpy(&e, fake_bytes(f, PAGE), sizeof e);
    assert_int_equal(e.data.u64, 42);
    assert_int_equal(e.events, EPOLLIN);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 100), 5);
    assert_int_equal(fake_call(f, SYS_epoll_wait, epoll_fd, fake_at(PAGE), 8, (uint64_t)-1), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -EINTR); /* epoll_wait(2) is never restarted: signal(7) */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, with_pipe, fake_teardown)
    const struct CMUnitTest tests[] = {
        CASE(poll_at_once), CASE(poll_sleeps),   CASE(poll_times_out),         CASE(poll_many), CASE(ppoll_masks),
        CASE(selects),      CASE(large_selects), CASE(pselect_packs_its_mask), CASE(epoll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
