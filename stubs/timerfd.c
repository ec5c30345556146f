/* timerfd_create(2) and its kin. The file is vfs/timerfd.c's. */
#include "stubs/durations.h"
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <sys/timerfd.h>

int64_t stub_timerfd_create(struct call *c)
{
    int clock_id = (int)c->arg[0], flags = (int)c->arg[1];
    if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) != 0)
        return -EINVAL;
    switch (clock_id) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        break;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        if (!capable(c, CAP_WAKE_ALARM))
            return -EPERM;
        break;
    default:
        return -EINVAL;
    }
    struct file *f = timerfd_new(c->world->vfs, &c->world->timer_clock, clock_id, flags);
    return f == NULL ? -ENOMEM : install_file(c, f, 0, (flags & TFD_CLOEXEC) != 0);
}

static int timerfd_argument(struct call *c, struct file **f)
{
    *f = file_argument(c, 0);
    if (*f == NULL)
        return -EBADF;
    return file_is_timerfd(*f) ? 0 : -EINVAL;
}

int64_t stub_timerfd_settime(struct call *c)
{
    struct itimerspec new, old;
    struct file *f;
    if (call_read(c, c->arg[2], &new, sizeof new) < 0)
        return -EFAULT;
    if ((uint32_t)c->arg[1] & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
        !timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
        return -EINVAL;
    int error = timerfd_argument(c, &f);
    if (error == 0)
        error = timerfd_set(f, (int)c->arg[1], &new, &old);
    if (error < 0 || c->arg[3] == 0)
        return error;
    return call_write(c, c->arg[3], &old, sizeof old);
}

int64_t stub_timerfd_gettime(struct call *c)
{
    struct itimerspec value;
    struct file *f;
    int error = timerfd_argument(c, &f);
    if (error == 0)
        error = timerfd_get(f, &value);
    return error < 0 ? error : call_write(c, c->arg[1], &value, sizeof value);
}
