/* O_ASYNC: a file tells its owner by a signal that it became ready (fcntl(2), "Managing signals"). It listens on the file's own
 * wait queues, as an epoll does; who the owner is, and what the signal says, is the kernel's side (vfs_config.io_signal).
 * Model: Linux's fasync_helper and kill_fasync. */
#include "vfs/node.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { QUEUES = 4 /* of one file */ };

struct file_async {
    struct file *file;
    int fd; /* for siginfo: the descriptor that O_ASYNC was set on */
    uint32_t count;
    struct waiter waiters[QUEUES];
};

static void wake(struct waiter *w, uint32_t events)
{
    const struct file_async *a = w->context;
    const struct vfs_config *c = &a->file->vfs->config;
    int reason = events & EPOLLPRI                   ? POLL_PRI
                 : events & (EPOLLIN | EPOLLRDNORM)  ? POLL_IN
                 : events & (EPOLLHUP | EPOLLRDHUP)  ? POLL_HUP
                 : events & (EPOLLOUT | EPOLLWRNORM) ? POLL_OUT
                                                     : POLL_ERR;
    if (c->io_signal)
        c->io_signal(c->context, a->file, a->fd, reason);
}

static void listen_on(struct poll_table *t, struct waitq *q)
{
    struct file_async *a = t->context;
    if (a->count == QUEUES)
        return;
    struct waiter *w = &a->waiters[a->count++];
    w->wake = wake;
    w->context = a;
    waitq_add(q, w);
}

int file_set_async(struct file *f, int fd, bool on)
{
    if (!on) {
        if (f->async)
            file_async_released(f);
        return 0;
    }
    if (f->async || !f->ops->owned || !f->ops->poll)
        return 0;
    struct file_async *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    struct poll_table table = {.add = listen_on, .context = a, .arrivals = true};
    a->file = f;
    a->fd = fd;
    f->async = a;
    (void)f->ops->poll(f, &table);
    return 0;
}

void file_async_released(struct file *f)
{
    struct file_async *a = f->async;
    for (uint32_t i = 0; i < a->count; i++)
        waiter_remove(&a->waiters[i]);
    free(a);
    f->async = NULL;
}
