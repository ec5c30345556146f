/* timerfd_create(2): a timer that is read. Behaviour follows Linux's fs/timerfd.c.
 *
 * As there, a periodic timer that has fired is not started again before somebody looks: the periods that went by are
 * computed when it is read, so that an interval of one nanosecond costs what one of an hour does. */
#include "vfs/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { NANOSECONDS = 1000000000 };

struct timerfd {
    const struct timer_clock *clock;
    int clock_id;
    uint64_t armed;   /* the clock's handle; 0: not running */
    int64_t deadline; /* of the running or the last firing, in nanoseconds of clock_id */
    int64_t interval; /* nanoseconds; 0: fires once */
    uint64_t ticks;   /* firings not yet read */
    bool fired;       /* since the last look: periods after `deadline` are not counted yet */
    struct waitq wait;
};

static int64_t nanoseconds(const struct timespec *t)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)t->tv_sec, (int64_t)NANOSECONDS, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
        return INT64_MAX;
    return ns;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NANOSECONDS, .tv_nsec = ns % NANOSECONDS};
}

static int64_t now(const struct timerfd *t)
{
    return t->clock->now(t->clock->context, t->clock_id);
}

static void fire(void *arg)
{
    struct timerfd *t = arg;
    t->armed = 0;
    t->fired = true;
    t->ticks++;
    waitq_wake(&t->wait, EPOLLIN);
}

static void stop(struct timerfd *t)
{
    if (t->armed)
        t->clock->disarm(t->clock->context, t->armed);
    t->armed = 0;
}

static void start(struct timerfd *t)
{
    t->armed = t->clock->arm(t->clock->context, t->clock_id, t->deadline, fire, t);
}

/* Bring `ticks` and `deadline` up to the present. */
static void look(struct timerfd *t)
{
    int64_t present = now(t);
    if (t->armed && t->deadline <= present) { /* due, and the clock has not come round to telling us */
        stop(t);
        fire(t);
    }
    if (!t->fired || !t->interval)
        return;
    t->fired = false;
    int64_t late = present > t->deadline ? present - t->deadline : 0;
    int64_t periods = late / t->interval, ahead; /* periods: beyond the one that fired */
    t->ticks += (uint64_t)periods;
    if (__builtin_mul_overflow(periods + 1, t->interval, &ahead) ||
        __builtin_add_overflow(t->deadline, ahead, &t->deadline))
        t->deadline = INT64_MAX;
    start(t);
}

static ssize_t timerfd_read(struct file *f, struct io *io, uint64_t *position)
{
    struct timerfd *t = f->private;
    if (io->left < sizeof t->ticks)
        return -EINVAL;
    look(t);
    uint64_t ticks = t->ticks;
    if (!ticks)
        return -EAGAIN;
    t->ticks = 0;
    t->fired = false;
    return io_put(io, &ticks, sizeof ticks) == sizeof ticks ? (ssize_t)sizeof ticks : -EFAULT;
}

static uint32_t timerfd_poll(struct file *f, struct poll_table *p)
{
    struct timerfd *t = f->private;
    poll_on(p, &t->wait);
    return t->ticks ? EPOLLIN : 0;
}

static void timerfd_release(struct file *f)
{
    struct timerfd *t = f->private;
    stop(t);
    waitq_destroy(&t->wait);
    free(t);
}

static const struct file_ops timerfd_ops = {
    .kind = "timerfd",
    .seek_ignored = true,
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
};

struct file *timerfd_new(struct vfs *v, const struct timer_clock *clock, int clock_id, int flags)
{
    struct timerfd *t = calloc(1, sizeof *t);
    struct file *f = t ? file_new(v, &timerfd_ops, O_RDWR | (flags & TFD_NONBLOCK), t) : NULL;
    if (!f) {
        free(t);
        return NULL;
    }
    t->clock = clock;
    t->clock_id = clock_id == CLOCK_REALTIME_ALARM   ? CLOCK_REALTIME
                  : clock_id == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME
                                                     : clock_id;
    waitq_init(&t->wait);
    return f;
}

bool file_is_timerfd(const struct file *f)
{
    return f->ops == &timerfd_ops;
}

static void report(struct timerfd *t, struct itimerspec *out)
{
    int64_t left = t->armed ? t->deadline - now(t) : 0;
    out->it_value = timespec_of(left > 0 ? left : 0);
    out->it_interval = timespec_of(t->interval);
}

int timerfd_get(struct file *f, struct itimerspec *value)
{
    if (!file_is_timerfd(f))
        return -EINVAL;
    look(f->private);
    report(f->private, value);
    return 0;
}

static bool valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < NANOSECONDS;
}

int timerfd_set(struct file *f, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || !valid(&value->it_value) ||
        !valid(&value->it_interval) || !file_is_timerfd(f))
        return -EINVAL;
    struct timerfd *t = f->private;
    look(t);
    if (old)
        report(t, old);
    stop(t);
    t->ticks = 0;
    t->fired = false;
    t->interval = nanoseconds(&value->it_interval);
    t->deadline = nanoseconds(&value->it_value);
    if (!t->deadline)
        return 0;
    int64_t present = now(t);
    if (!(flags & TFD_TIMER_ABSTIME) && __builtin_add_overflow(t->deadline, present, &t->deadline))
        t->deadline = INT64_MAX;
    if (t->deadline <= present)
        fire(t);
    else
        start(t);
    return 0;
}
