// rooms: vfs
/* Wait queues under callbacks that unlink, add and destroy; and the io helpers. */
#include "vfs/io.h"
#include "vfs/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

struct member {
    struct waiter waiter;
    int woken;
    uint32_t events;
    struct member *victim; /* unlinked by our wake */
    struct waitq *again;   /* hung on again by our wake */
    struct waitq *destroy;
};

static void woken(struct waiter *w, uint32_t events)
{
    struct member *m = w->context;
    m->woken++;
    m->events |= events;
    if (m->victim)
        waiter_remove(&m->victim->waiter);
    if (m->again) {
        waiter_remove(w);
        waitq_add(m->again, w);
    }
    if (m->destroy) {
        struct waitq *q = m->destroy;
        m->destroy = NULL;
        waitq_destroy(q);
    }
}

static void join(struct waitq *q, struct member *m)
{
    m->waiter.wake = woken;
    m->waiter.context = m;
    waitq_add(q, &m->waiter);
}

static void wakes_everyone_in_order(void **state)
{
    struct waitq q;
    struct member m[3] = {0};
    waitq_init(&q);
    assert_true(waitq_empty(&q));
    waitq_wake(&q, EPOLLIN);
    for (int i = 0; i < 3; i++)
        join(&q, &m[i]);
    waitq_wake(&q, EPOLLIN);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(m[i].woken, 1);
        assert_int_equal(m[i].events, EPOLLIN);
    }
    waiter_remove(&m[1].waiter);
    waiter_remove(&m[1].waiter);
    waitq_wake(&q, EPOLLOUT);
    assert_int_equal(m[1].woken, 1);
    assert_int_equal(m[2].woken, 2);
    waitq_destroy(&q);
    assert_int_equal(m[0].events, EPOLLIN | EPOLLOUT | EPOLLHUP);
    assert_null(m[0].waiter.queue);
    assert_true(waitq_empty(&q));
}

static void a_wake_may_unlink_the_next(void **state)
{
    struct waitq q;
    struct member m[3] = {0};
    waitq_init(&q);
    for (int i = 0; i < 3; i++)
        join(&q, &m[i]);
    m[0].victim = &m[1];
    m[2].victim = &m[0];
    waitq_wake(&q, EPOLLIN);
    assert_int_equal(m[0].woken, 1);
    assert_int_equal(m[1].woken, 0);
    assert_int_equal(m[2].woken, 1);
    assert_ptr_equal(q.first, &m[2].waiter);
    assert_ptr_equal(q.last, &m[2].waiter);
}

static void a_waiter_that_returns_is_woken_once(void **state)
{
    struct waitq q;
    struct member m[2] = {0};
    waitq_init(&q);
    for (int i = 0; i < 2; i++) {
        join(&q, &m[i]);
        m[i].again = &q;
    }
    waitq_wake(&q, EPOLLIN);
    assert_int_equal(m[0].woken, 1);
    assert_int_equal(m[1].woken, 1);
    assert_ptr_equal(q.first, &m[0].waiter);
    assert_ptr_equal(q.last, &m[1].waiter);
}

static void a_wake_may_destroy_the_queue(void **state)
{
    struct waitq *q = malloc(sizeof *q);
    struct member m[3] = {0};
    waitq_init(q);
    for (int i = 0; i < 3; i++)
        join(q, &m[i]);
    m[1].destroy = q;
    waitq_wake(q, EPOLLIN);
    assert_int_equal(m[0].woken, 2); /* the wake, and the destruction's EPOLLHUP */
    assert_int_equal(m[2].woken, 1);
    assert_int_equal(m[2].events, EPOLLHUP);
    for (int i = 0; i < 3; i++)
        assert_null(m[i].waiter.queue);
    free(q);
}

static void note_queue(struct poll_table *t, struct waitq *q)
{
    *(struct waitq **)t->context = q;
}

static void poll_on_takes_empty_tables(void **state)
{
    struct waitq q, *seen = NULL;
    struct poll_table none = {0}, some = {.add = note_queue, .context = &seen};
    waitq_init(&q);
    poll_on(NULL, &q);
    poll_on(&none, &q);
    poll_on(&some, &q);
    assert_ptr_equal(seen, &q);
}

static void io_over_a_buffer(void **state)
{
    char bytes[8] = "........", out[8] = {0};
    struct io io = io_over_buffer(bytes, sizeof bytes);
    assert_int_equal(io_put(&io, "abc", 3), 3);
    assert_int_equal(io_put_zero(&io, 2), 2);
    assert_int_equal(io_put(&io, "defgh", 5), 3); /* clamped */
    assert_int_equal(io_put(&io, "x", 1), 0);
    assert_memory_equal(bytes, "abc\0\0def", 8);
    io = io_over_buffer(bytes, sizeof bytes);
    assert_int_equal(io_get(&io, out, 3), 3);
    assert_int_equal(io.left, 5);
    assert_int_equal(io_get(&io, out + 3, 100), 5);
    assert_memory_equal(out, bytes, 8);
}

static void io_from_a_descriptor(void **state)
{
    enum { SIZE = 150000 };
    char *from = malloc(SIZE), *to = calloc(1, SIZE);
    int fd = memfd_create("io", 0);
    for (int i = 0; i < SIZE; i++)
        from[i] = (char)(i * 7 + i / 251);
    assert_int_equal(write(fd, from, SIZE), SIZE);
    struct io io = io_over_buffer(to, SIZE);
    assert_int_equal(io_put_fd(&io, fd, 0, 100000), 100000);
    assert_int_equal(io_put_fd(&io, fd, 100000, SIZE), SIZE - 100000);
    assert_memory_equal(from, to, SIZE);
    io = io_over_buffer(to, SIZE);
    assert_int_equal(io_put_fd(&io, fd, SIZE - 10, 100), 10);
    assert_int_equal(io_put_fd(&io, fd, SIZE, 100), 0);
    close(fd);
    assert_int_equal(io_put_fd(&io, fd, 0, 100), -EBADF);
    free(from);
    free(to);
}

/* Guest memory that ends after `*context` more bytes. */
static ssize_t put_until_fault(struct io *io, const void *from, size_t n)
{
    size_t *room = io->context;
    n = n < *room ? n : *room;
    *room -= n;
    io->left -= n;
    return n ? (ssize_t)n : -EFAULT;
}

static void io_stops_at_a_fault(void **state)
{
    size_t room = 20000;
    struct io io = {.put = put_until_fault, .left = 100000, .context = &room};
    assert_int_equal(io_put_zero(&io, 100000), 20000);
    assert_int_equal(io.left, 80000);
    assert_int_equal(io_put_zero(&io, 1), -EFAULT);
    room = 16384; /* the fault lies exactly between two chunks */
    assert_int_equal(io_put_zero(&io, 50000), 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_everyone_in_order),
        cmocka_unit_test(a_wake_may_unlink_the_next),
        cmocka_unit_test(a_waiter_that_returns_is_woken_once),
        cmocka_unit_test(a_wake_may_destroy_the_queue),
        cmocka_unit_test(poll_on_takes_empty_tables),
        cmocka_unit_test(io_over_a_buffer),
        cmocka_unit_test(io_from_a_descriptor),
        cmocka_unit_test(io_stops_at_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
