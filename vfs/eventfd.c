/* eventfd(2): a 64-bit counter. Behaviour follows Linux's fs/eventfd.c. */
#include "vfs/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct eventfd {
    uint64_t count; /* at most UINT64_MAX - 1 */
    bool semaphore;
    struct waitq wait;
};

static ssize_t counter_read(struct file *f, struct io *io, uint64_t *position)
{
    struct eventfd *e = f->private;
    if (io->left < sizeof e->count)
        return -EINVAL;
    if (!e->count)
        return -EAGAIN;
    uint64_t value = e->semaphore ? 1 : e->count;
    e->count -= value; /* before the copy, as Linux: a fault loses it */
    waitq_wake(&e->wait, EPOLLOUT);
    ssize_t put = io_put(io, &value, sizeof value);
    return put == sizeof value ? put : -EFAULT;
}

static ssize_t counter_write(struct file *f, struct io *io, uint64_t *position)
{
    struct eventfd *e = f->private;
    uint64_t value;
    if (io->left != sizeof value) /* kernels before 6.9 took longer buffers too */
        return -EINVAL;
    if (io_get(io, &value, sizeof value) != sizeof value)
        return -EFAULT;
    if (value == UINT64_MAX)
        return -EINVAL;
    if (UINT64_MAX - e->count <= value)
        return -EAGAIN;
    e->count += value;
    waitq_wake(&e->wait, EPOLLIN);
    return sizeof value;
}

static uint32_t counter_poll(struct file *f, struct poll_table *t)
{
    struct eventfd *e = f->private;
    poll_on(t, &e->wait);
    return (e->count > 0 ? EPOLLIN : 0) | (e->count == UINT64_MAX ? EPOLLERR : 0) |
           (e->count < UINT64_MAX - 1 ? EPOLLOUT : 0);
}

static void counter_release(struct file *f)
{
    struct eventfd *e = f->private;
    waitq_destroy(&e->wait);
    free(e);
}

static const struct file_ops eventfd_ops = {
    .kind = "eventfd",
    .seek_ignored = true,
    .read = counter_read,
    .write = counter_write,
    .poll = counter_poll,
    .release = counter_release,
};

struct file *eventfd_new(struct vfs *v, uint64_t initial, int flags)
{
    struct eventfd *e = calloc(1, sizeof *e);
    struct file *f = e ? file_new(v, &eventfd_ops, O_RDWR | (flags & EFD_NONBLOCK), e) : NULL;
    if (!f) {
        free(e);
        return NULL;
    }
    e->count = initial;
    e->semaphore = flags & EFD_SEMAPHORE;
    waitq_init(&e->wait);
    return f;
}
