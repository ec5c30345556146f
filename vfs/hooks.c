/* What a vfs without pipes, locks, leases, watches and epoll answers. Each is weak: the object that has more to say
 * (vfs/pipe.c, lock.c, lease.c, inotify.c, epoll.c) defines it for good, and a unit test may link without them. */
#include "vfs/node.h"
#include "vfs/objects.h"

__attribute__((weak)) int fifo_open(struct vfs *v, struct node *n, int flags, struct file **out)
{
    return -ENXIO;
}

__attribute__((weak)) bool file_is_pipe(const struct file *f)
{
    return false;
}

__attribute__((weak)) int host_stream_fd(const struct file *f)
{
    return -1;
}

__attribute__((weak)) int pipe_open_again(struct file *f, int flags, const struct cred *c, struct file **out)
{
    return -ENXIO;
}

__attribute__((weak)) bool fifo_open_waits(struct file *f, struct poll_table *t)
{
    return false;
}

__attribute__((weak)) void lock_file_closed(struct file *f, void *owner)
{
}

__attribute__((weak)) void lock_file_released(struct file *f)
{
}

__attribute__((weak)) void lock_node_released(struct node *n)
{
}

__attribute__((weak)) struct waitq *lease_break(struct node *n, int flags)
{
    return NULL;
}

__attribute__((weak)) bool lease_open_waits(struct file *f, struct poll_table *t)
{
    return false;
}

__attribute__((weak)) void lease_file_released(struct file *f)
{
}

__attribute__((weak)) void lease_node_released(struct node *n)
{
}

__attribute__((weak)) int file_count_open(struct file *f)
{
    return 0;
}

__attribute__((weak)) void file_count_closed(struct file *f)
{
}

__attribute__((weak)) void inotify_event(struct dentry *d, uint32_t mask, uint32_t move)
{
}

__attribute__((weak)) void inotify_self_event(struct node *n, uint32_t mask)
{
}

__attribute__((weak)) void inotify_node_released(struct node *n)
{
}

__attribute__((weak)) void file_async_released(struct file *f)
{
}

__attribute__((weak)) void epoll_file_released(struct file *f)
{
}
