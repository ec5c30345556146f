/* epoll(7) and inotify(7): objects that collect events, and the calls that read them out. */
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "stubs/timeouts.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { EVENTS_INLINE = 512, EVENTS_MOST = 1 << 16 }; /* epoll_wait may give fewer than are ready: the rest stays */

static int64_t create(struct call *c, uint32_t flags)
{
    if (flags & ~(uint32_t)EPOLL_CLOEXEC)
        return -EINVAL;
    struct file *f = epoll_new(c->world->vfs, 0);
    return f ? install_file(c, f, 0, flags & EPOLL_CLOEXEC) : -ENOMEM;
}

int64_t stub_epoll_create(struct call *c)
{
    return (int)c->arg[0] <= 0 ? -EINVAL : create(c, 0);
}

int64_t stub_epoll_create1(struct call *c)
{
    return create(c, (uint32_t)c->arg[0]);
}

int64_t stub_epoll_ctl(struct call *c)
{
    struct epoll_event event = {0};
    int operation = (int)c->arg[1];
    if (operation != EPOLL_CTL_DEL && call_read(c, c->arg[3], &event, sizeof event))
        return -EFAULT;
    struct file *epoll = file_argument(c, 0), *target = file_argument(c, 2);
    if (!epoll || !target)
        return -EBADF;
    if (!target->ops->poll && !file_is_epoll(target))
        return -EPERM;
    if (epoll == target || !file_is_epoll(epoll))
        return -EINVAL;
    return epoll_control(epoll, operation, (int)c->arg[2], target, &event);
}

/* What cannot be written stays (fs/eventpoll.c, ep_send_events): how many could, or -EFAULT. */
static int hand_out(struct call *c, struct file *epoll, const struct epoll_event *events, int n)
{
    int written = 0;
    if (call_write(c, c->arg[1], events, (size_t)n * sizeof *events) == 0)
        return n;
    while (written < n &&
           call_write(c, c->arg[1] + (uint64_t)written * sizeof *events, events + written, sizeof *events) == 0)
        written++;
    epoll_return(epoll, n - written);
    return written > 0 ? written : -EFAULT;
}

static int64_t wait_for_events(struct call *c, int64_t ns)
{
    struct epoll_event here[EVENTS_INLINE], *events = here;
    int most = (int)c->arg[2];
    if (most <= 0 || most > (int)(INT_MAX / sizeof here[0]))
        return -EINVAL;
    if (!call_range(c->arg[1], (uint64_t)most * sizeof here[0]))
        return -EFAULT;
    struct file *epoll = file_argument(c, 0);
    if (!epoll)
        return -EBADF;
    if (!file_is_epoll(epoll))
        return -EINVAL;
    int room = most < EVENTS_MOST ? most : EVENTS_MOST;
    if (room > EVENTS_INLINE && (events = malloc((size_t)room * sizeof *events)) == NULL)
        return -ENOMEM;
    int n = epoll_collect(epoll, events, room);
    if (n > 0)
        n = hand_out(c, epoll, events, n);
    if (events != here)
        free(events);
    if (n != 0)
        return n;
    file_poll(epoll, call_poll_table(c));
    return sleep_or_end(c, ns, -EINTR);
}

static int64_t milliseconds(struct call *c)
{
    int32_t given = (int32_t)c->arg[3];
    return given < 0 ? -1 : given * INT64_C(1000000);
}

int64_t stub_epoll_wait(struct call *c)
{
    return wait_for_events(c, milliseconds(c));
}

int64_t stub_epoll_pwait(struct call *c)
{
    int error = mask_argument(c, c->arg[4], c->arg[5]);
    return error ? error : wait_for_events(c, milliseconds(c));
}

int64_t stub_epoll_pwait2(struct call *c)
{
    int64_t ns;
    int error = timespec_argument(c, c->arg[3], &ns);
    if (!error)
        error = mask_argument(c, c->arg[4], c->arg[5]);
    return error ? error : wait_for_events(c, ns);
}

/* ---- inotify ---- */

static int64_t make_inotify(struct call *c, uint32_t flags)
{
    if (flags & ~(uint32_t)(IN_CLOEXEC | IN_NONBLOCK))
        return -EINVAL;
    struct file *f;
    int error = inotify_new(c->world->vfs, (int)(flags & IN_NONBLOCK), &f);
    return error ? error : install_file(c, f, 0, flags & IN_CLOEXEC);
}

int64_t stub_inotify_init(struct call *c)
{
    return make_inotify(c, 0);
}

int64_t stub_inotify_init1(struct call *c)
{
    return make_inotify(c, (uint32_t)c->arg[0]);
}

int64_t stub_inotify_add_watch(struct call *c)
{
    const uint32_t known = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW |
                           IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT;
    uint32_t mask = (uint32_t)c->arg[2];
    struct place at;
    const char *text;
    struct dentry *d;
    if (mask & ~known || !mask)
        return -EINVAL;
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    if ((mask & IN_MASK_ADD && mask & IN_MASK_CREATE) || !file_is_inotify(f))
        return -EINVAL;
    int error = path_argument(c, NO_DIRFD, 1, &at, &text);
    if (error)
        return error;
    unsigned flags = (mask & IN_DONT_FOLLOW ? WALK_NOFOLLOW : 0) | (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0);
    error = vfs_walk(&at, text, flags, &d);
    if (error)
        return error;
    at.start = d;
    error = vfs_access(&at, "", R_OK, WALK_EMPTY_PATH);
    if (!error)
        error = inotify_add(f, d, mask);
    dentry_put(d);
    return error;
}

int64_t stub_inotify_rm_watch(struct call *c)
{
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    return file_is_inotify(f) ? inotify_remove(f, (int)c->arg[1]) : -EINVAL;
}
