/* pidfd_open(2): a file that becomes readable when its process ends, and a way to send signals that cannot reach
 * another process of the same number. Waiting by one is in stubs/wait.c. */
#include "stubs/pidfd.h"

#include "kernel/handle.h"
#include "stubs/kill.h"
#include "stubs/places.h"
#include "stubs/proc/proc.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <linux/capability.h>
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

/* Of an open file, for a call that acts on the process. 0, -EBADF, -ESRCH: it was waited for. */
static int process_argument(struct call *c, int i, struct process **p)
{
    int error = pidfd_process(call_file(c, (int)c->arg[i]), p);
    return error < 0 ? error : *p == NULL ? -ESRCH : 0;
}

int64_t stub_pidfd_send_signal(struct call *c)
{
    int signal = (int)c->arg[1];
    struct process *p;
    siginfo_t info;
    if ((uint32_t)c->arg[3] != 0)
        return -EINVAL;
    const struct file *f = call_file(c, (int)c->arg[0]);
    int error = pidfd_process(f, &p);
    if (error == -EBADF && f != NULL && (f->flags & O_PATH) == 0)
        error = proc_pidfd(f, &p);
    if (error < 0)
        return error;
    signal_user_info(&info, signal, c->task);
    if (c->arg[2] != 0) {
        if (call_read(c, c->arg[2], &info, sizeof info) < 0)
            return -EFAULT;
        if (info.si_signo != signal)
            return -EINVAL;
        if (p != c->task->process && (info.si_code >= 0 || info.si_code == SI_TKILL))
            return -EPERM;
    }
    return p == NULL ? -ESRCH : send_checked(c, p, &info);
}

/* Whoever may trace the process may take its files (kernel/pid.c, ptrace(2), "Ptrace access mode checking"). */
static bool may_trace(const struct cred *self, const struct task *t)
{
    const struct cred *other = &t->cred;
    bool same = self->uid == other->uid && self->uid == other->euid && self->uid == other->suid &&
                self->gid == other->gid && self->gid == other->egid && self->gid == other->sgid;
    return (same && t->dumpable) || (self->capabilities >> CAP_SYS_PTRACE & 1) != 0;
}

int64_t stub_pidfd_getfd(struct call *c)
{
    struct process *p;
    if ((uint32_t)c->arg[2] != 0)
        return -EINVAL;
    int error = process_argument(c, 0, &p);
    if (error < 0)
        return error;
    struct task *t = p->threads;
    while (t != NULL && t->fds == NULL) /* a leader that left before its threads */
        t = t->next_thread;
    if (t == NULL)
        return -ESRCH;
    if (p != c->task->process && !may_trace(&c->task->cred, t))
        return -EPERM;
    struct file *f = fdtable_file(t->fds, (int)c->arg[1]);
    if (f == NULL)
        return -EBADF;
    file_get(f);
    return install_file(c, f, 0, true);
}
