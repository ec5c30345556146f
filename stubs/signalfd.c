/* signalfd(2): a file whose reads take signals out of the reader's queue. Which process that is shows when it is read,
 * not when it was made, as in Linux (fs/signalfd.c): a child reads its own signals from a descriptor it inherited. */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

struct signalfd {
    struct world *world;
    uint64_t set;
};

static void fill(struct signalfd_siginfo *to, const siginfo_t *info)
{
    memset(to, 0, sizeof *to);
    to->ssi_signo = (uint32_t)info->si_signo;
    to->ssi_errno = info->si_errno;
    to->ssi_code = info->si_code;
    if (info->si_code == SI_TIMER) {
        to->ssi_tid = (uint32_t)info->si_timerid;
        to->ssi_overrun = (uint32_t)info->si_overrun;
        to->ssi_ptr = (uint64_t)(uintptr_t)info->si_ptr;
        to->ssi_int = info->si_int;
        return;
    }
    if (info->si_code > 0 && (info->si_signo == SIGIO)) {
        to->ssi_band = (uint32_t)info->si_band;
        to->ssi_fd = info->si_fd;
        return;
    }
    to->ssi_pid = (uint32_t)info->si_pid;
    to->ssi_uid = info->si_uid;
    if (info->si_signo == SIGCHLD && info->si_code > 0) {
        to->ssi_status = info->si_status;
        to->ssi_utime = (uint64_t)info->si_utime;
        to->ssi_stime = (uint64_t)info->si_stime;
    } else if (info->si_code < 0) {
        to->ssi_ptr = (uint64_t)(uintptr_t)info->si_ptr;
        to->ssi_int = info->si_int;
    }
}

/* The reader, if it is the guest that reads. */
static struct task *reader(const struct signalfd *s)
{
    return s->world->current;
}

static ssize_t signalfd_read(struct file *f, struct io *io, uint64_t *position)
{
    const struct signalfd *s = f->private;
    struct signalfd_siginfo one;
    siginfo_t info;
    ssize_t done = 0;
    if (io->left < sizeof one)
        return -EINVAL;
    while (io->left >= sizeof one && reader(s) != NULL && signal_dequeue(reader(s), s->set, &info)) {
        fill(&one, &info);
        if (io_put(io, &one, sizeof one) != sizeof one)
            return done > 0 ? done : -EFAULT;
        done += (ssize_t)sizeof one;
    }
    return done > 0 ? done : -EAGAIN;
}

static uint32_t signalfd_poll(struct file *f, struct poll_table *t)
{
    const struct signalfd *s = f->private;
    struct task *who = reader(s);
    if (who == NULL)
        return 0;
    poll_on(t, &who->process->signal_wait);
    return (signal_pending(who) & s->set) != 0 ? EPOLLIN : 0;
}

static void signalfd_release(struct file *f)
{
    free(f->private);
}

static const struct file_ops signalfd_ops = {
    .kind = "signalfd",
    .seek_ignored = true,
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
};

static int64_t change_set(struct call *c, uint64_t set)
{
    struct file *f = file_argument(c, 0);
    if (f == NULL)
        return -EBADF;
    if (f->ops != &signalfd_ops)
        return -EINVAL;
    ((struct signalfd *)f->private)->set = set;
    waitq_wake(&c->task->process->signal_wait, EPOLLIN);
    return (int)c->arg[0];
}

static int64_t make(struct call *c, int flags)
{
    uint64_t set;
    if (c->arg[2] != sizeof set)
        return -EINVAL;
    if (call_read(c, c->arg[1], &set, sizeof set) < 0)
        return -EFAULT;
    if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) != 0)
        return -EINVAL;
    set &= ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    if ((int)c->arg[0] != -1)
        return change_set(c, set);
    struct signalfd *s = malloc(sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    *s = (struct signalfd){.world = c->world, .set = set};
    struct file *f = file_new(c->world->vfs, &signalfd_ops, O_RDWR | (flags & SFD_NONBLOCK), s);
    if (f == NULL) {
        free(s);
        return -ENOMEM;
    }
    return install_file(c, f, 0, (flags & SFD_CLOEXEC) != 0);
}

int64_t stub_signalfd(struct call *c)
{
    return make(c, 0);
}

int64_t stub_signalfd4(struct call *c)
{
    return make(c, (int)c->arg[3]);
}
