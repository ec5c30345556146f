// rooms: vfs
/* timerfd against a clock that moves when told. */
#include "tests/unit/files.h"

#include <limits.h>
#include <sys/timerfd.h>

enum { SLOTS = 4 };
static const int64_t SECOND = 1000000000;

struct test_clock {
    int64_t time;
    struct {
        uint64_t handle;
        int64_t when;
        void (*fire)(void *arg);
        void *arg;
    } slot[SLOTS];
    uint64_t next;
    unsigned arms;
};

static int64_t clock_now(void *context, int clock_id)
{
    struct test_clock *c = context;
    return clock_id == CLOCK_REALTIME ? c->time + 1000 * SECOND : c->time;
}

static uint64_t clock_arm(void *context, int clock_id, int64_t when, void (*fire)(void *arg), void *arg)
{
    struct test_clock *c = context;
    int i = 0;
    c->arms++;
    if (clock_id == CLOCK_REALTIME)
        when -= 1000 * SECOND;
    while (c->slot[i].handle)
        assert_true(++i < SLOTS);
    c->slot[i].handle = ++c->next;
    c->slot[i].when = when;
    c->slot[i].fire = fire;
    c->slot[i].arg = arg;
    return c->next;
}

static void clock_disarm(void *context, uint64_t handle)
{
    struct test_clock *c = context;
    for (int i = 0; i < SLOTS; i++)
        if (c->slot[i].handle == handle)
            c->slot[i].handle = 0;
}

static void advance(struct test_clock *c, int64_t ns)
{
    c->time += ns;
    for (int i = 0; i < SLOTS; i++) {
        if (c->slot[i].handle && c->slot[i].when <= c->time) {
            c->slot[i].handle = 0;
            c->slot[i].fire(c->slot[i].arg);
        }
    }
}

static unsigned armed(const struct test_clock *c)
{
    unsigned n = 0;
    for (int i = 0; i < SLOTS; i++)
        n += c->slot[i].handle != 0;
    return n;
}

#define WITH_TIMER(id)                                                                                                 \
    struct test_clock c = {.time = 5 * SECOND};                                                                        \
    struct timer_clock clock = {clock_now, clock_arm, clock_disarm, &c};                                               \
    struct vfs *v = test_vfs();                                                                                        \
    struct file *f = timerfd_new(v, &clock, id, TFD_NONBLOCK);                                                         \
    uint64_t ticks = 0;                                                                                                \
    (void)ticks

static void end(struct vfs *v, struct file *f, struct test_clock *c)
{
    file_put(f);
    assert_int_equal(armed(c), 0);
    vfs_free(v);
}

static void fires_once(void **state)
{
    WITH_TIMER(CLOCK_MONOTONIC);
    struct itimerspec set = {.it_value = {2, 500000000}}, now;
    struct listener l;
    assert_int_equal(timerfd_set(f, 0, &set, NULL), 0);
    assert_int_equal(get(f, &ticks, 8), -EAGAIN);
    assert_int_equal(get(f, &ticks, 7), -EINVAL);
    advance(&c, SECOND);
    assert_int_equal(timerfd_get(f, &now), 0);
    assert_int_equal(now.it_value.tv_sec, 1);
    assert_int_equal(now.it_value.tv_nsec, 500000000);
    assert_int_equal(listen_to(&l, f), 0);
    advance(&c, 2 * SECOND);
    assert_int_equal(l.woken, 1);
    listen_end(&l);
    assert_int_equal(file_poll(f, NULL), EPOLLIN);
    timerfd_get(f, &now);
    assert_int_equal(now.it_value.tv_sec + now.it_value.tv_nsec, 0);
    assert_int_equal(get(f, &ticks, 16), 8);
    assert_int_equal(ticks, 1);
    assert_int_equal(get(f, &ticks, 8), -EAGAIN);
    end(v, f, &c);
}

static void counts_the_periods_that_went_by(void **state)
{
    WITH_TIMER(CLOCK_MONOTONIC);
    struct itimerspec set = {.it_value = {1, 0}, .it_interval = {0, 100000000}}, now;
    timerfd_set(f, 0, &set, NULL);
    advance(&c, SECOND);
    advance(&c, SECOND / 4); /* 1.0 1.1 1.2 */
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 3);
    timerfd_get(f, &now);
    assert_int_equal(now.it_value.tv_nsec, 50000000);
    assert_int_equal(now.it_interval.tv_nsec, 100000000);
    advance(&c, SECOND / 20);
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 1);
    end(v, f, &c);
}

static void a_tiny_period_costs_nothing(void **state)
{
    WITH_TIMER(CLOCK_MONOTONIC);
    struct itimerspec set = {.it_value = {0, 1}, .it_interval = {0, 1}};
    timerfd_set(f, 0, &set, NULL);
    for (int i = 0; i < 10; i++)
        advance(&c, 10 * SECOND);
    assert_true(c.arms <= 2);
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 100 * SECOND);
    end(v, f, &c);
}

static void absolute_times(void **state)
{
    WITH_TIMER(CLOCK_REALTIME);
    struct itimerspec set = {.it_value = {1007, 0}}, past = {.it_value = {3, 0}, .it_interval = {2, 0}}, old;
    timerfd_set(f, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &set, NULL);
    advance(&c, 2 * SECOND - 1);
    assert_int_equal(file_poll(f, NULL), 0);
    advance(&c, 1);
    assert_int_equal(file_poll(f, NULL), EPOLLIN);
    assert_int_equal(timerfd_set(f, TFD_TIMER_ABSTIME, &past, &old), 0); /* forgets what was not read */
    assert_int_equal(old.it_value.tv_sec, 0);
    assert_int_equal(file_poll(f, NULL), EPOLLIN);
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 1 + (1007 - 3) / 2);
    set.it_value.tv_sec = 0;
    timerfd_set(f, 0, &set, &old);
    assert_int_equal(old.it_value.tv_sec, 2);
    assert_int_equal(old.it_interval.tv_sec, 2);
    assert_int_equal(armed(&c), 0);
    end(v, f, &c);
}

static void refusals_and_extremes(void **state)
{
    WITH_TIMER(CLOCK_BOOTTIME);
    struct itimerspec set = {.it_value = {1, 1000000000}};
    assert_int_equal(timerfd_set(f, 0, &set, NULL), -EINVAL);
    set.it_value.tv_nsec = -1;
    assert_int_equal(timerfd_set(f, 0, &set, NULL), -EINVAL);
    set.it_value = (struct timespec){-1, 0};
    assert_int_equal(timerfd_set(f, 0, &set, NULL), -EINVAL);
    set.it_value = (struct timespec){LONG_MAX, 999999999};
    set.it_interval = set.it_value;
    assert_int_equal(timerfd_set(f, 4, &set, NULL), -EINVAL);
    assert_int_equal(timerfd_set(f, 0, &set, NULL), 0);
    advance(&c, 1000000 * SECOND);
    assert_int_equal(get(f, &ticks, 8), -EAGAIN);
    set.it_value = (struct timespec){0, 1};
    assert_int_equal(timerfd_set(f, 0, &set, NULL), 0);
    advance(&c, 1);
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(get(f, &ticks, 8), -EAGAIN);
    struct file *pipe[2];
    pipe_new(v, 0, pipe);
    assert_int_equal(timerfd_set(pipe[0], 0, &set, NULL), -EINVAL);
    assert_int_equal(timerfd_get(pipe[0], &set), -EINVAL);
    file_put(pipe[0]);
    file_put(pipe[1]);
    end(v, f, &c);
}

/* A clock that has jumped by centuries: the next firing is beyond what a number holds, and so never. */
static void a_period_beyond_all_time(void **state)
{
    WITH_TIMER(CLOCK_MONOTONIC);
    struct itimerspec set = {.it_value = {0, 1}, .it_interval = {5000000000, 0}};
    assert_int_equal(timerfd_set(f, 0, &set, NULL), 0);
    advance(&c, 9000000000 * SECOND);
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 2);
    assert_int_equal(timerfd_get(f, &set), 0);
    assert_true(set.it_value.tv_sec > 0);
    advance(&c, SECOND);
    assert_int_equal(get(f, &ticks, 8), -EAGAIN);
    end(v, f, &c);
}

static void a_late_clock_is_not_believed(void **state)
{
    WITH_TIMER(CLOCK_MONOTONIC);
    struct itimerspec set = {.it_value = {1, 0}};
    timerfd_set(f, 0, &set, NULL);
    c.time += 2 * SECOND; /* moved, and nobody was told */
    assert_int_equal(get(f, &ticks, 8), 8);
    assert_int_equal(ticks, 1);
    end(v, f, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once),
        cmocka_unit_test(counts_the_periods_that_went_by),
        cmocka_unit_test(a_tiny_period_costs_nothing),
        cmocka_unit_test(absolute_times),
        cmocka_unit_test(refusals_and_extremes),
        cmocka_unit_test(a_period_beyond_all_time),
        cmocka_unit_test(a_late_clock_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
