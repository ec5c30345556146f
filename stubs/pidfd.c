/* pidfd_open(2): a file that becomes readable when its process ends. Waiting by one is in stubs/wait.c. */
#include "stubs/pidfd.h"

#include "kernel/handle.h"
#include "stubs/places.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <sys/epoll.h>

static uint32_t pidfd_poll(struct file *f, struct poll_table *t)
{
    struct process_handle *h = f->private;
    poll_on(t, &h->wait);
    return h->process == NULL || h->process->zombie ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pidfd_release(struct file *f)
{
    process_handle_put(f->private);
}

static const struct file_ops pidfd_ops = {.kind = "pidfd", .poll = pidfd_poll, .release = pidfd_release};

int pidfd_process(const struct file *f, struct process **p)
{
    if (f == NULL || f->ops != &pidfd_ops)
        return -EBADF;
    *p = ((const struct process_handle *)f->private)->process;
    return 0;
}

int64_t pidfd_install(struct call *c, struct process *p, int flags)
{
    struct process_handle *h = process_handle_get(p);
    if (h == NULL)
        return -ENOMEM;
    struct file *f = file_new(c->world->vfs, &pidfd_ops, O_RDWR | flags, h);
    if (f == NULL) {
        process_handle_put(h);
        return -ENOMEM;
    }
    return install_file(c, f, 0, true);
}

int64_t stub_pidfd_open(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    uint64_t flags = c->arg[1] & UINT32_MAX;
    if ((flags & ~(uint64_t)O_NONBLOCK) != 0 || pid <= 0)
        return -EINVAL;
    struct process *p = process_of_id(c->world, pid);
    if (p == NULL)
        return -ESRCH;
    return p->pid == pid ? pidfd_install(c, p, (int)flags) : -EINVAL;
}
