/* POSIX message queues: mq_open(3), mq_send(3), mq_receive(3), mq_notify(3) and what they ask of the kernel. The queues are in
 * vfs/mqueue.c; here is who waits, and who is told. Model: ipc/mqueue.c. */
#include "stubs/durations.h"
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "vfs/socket.h"
#include "vfs/mqueue.h"

#include <mqueue.h>
#include <stdlib.h>
#include <string.h>

static struct file *queue_argument(struct call *c)
{
    struct file *f = file_argument(c, 0);
    return f && file_is_mqueue(f) ? f : NULL;
}

int64_t stub_mq_open(struct call *c)
{
    struct task *t = c->task;
    struct mq_attr asked = {0};
    struct file *f;
    const char *name;
    int flags = (int)c->arg[1];
    if (c->arg[3] && call_read(c, c->arg[3], &asked, sizeof asked))
        return -EFAULT;
    int error = call_path(c, 0, &name);
    if (error)
        return error;
    const struct mqueue_request request = {.given = c->arg[3],
                                           .most = asked.mq_maxmsg,
                                           .size = asked.mq_msgsize,
                                           .limit = t->process->limits[RLIMIT_MSGQUEUE].rlim_cur};
    error =
        mqueue_open(c->world->vfs, &t->cred, name, flags, (uint32_t)c->arg[2] & 07777 & ~t->fs->umask, &request, &f);
    return error ? error : install_file(c, f, 0, true);
}

int64_t stub_mq_unlink(struct call *c)
{
    const char *name;
    int error = call_path(c, 0, &name);
    return error ? error : mqueue_unlink(c->world->vfs, &c->task->cred, name);
}

int64_t stub_mq_getsetattr(struct call *c)
{
    struct mq_attr in = {0}, out;
    if (c->arg[1]) {
        if (call_read(c, c->arg[1], &in, sizeof in))
            return -EFAULT;
        if (in.mq_flags & ~(long)O_NONBLOCK)
            return -EINVAL;
    }
    struct file *f = queue_argument(c);
    if (!f)
        return -EBADF;
    struct mqueue_state s = mqueue_state(f);
    memset(&out, 0, sizeof out);
    out.mq_flags = f->flags & O_NONBLOCK;
    out.mq_maxmsg = s.most;
    out.mq_msgsize = s.size;
    out.mq_curmsgs = s.count;
    if (c->arg[1])
        f->flags = (f->flags & ~O_NONBLOCK) | (int)(in.mq_flags & O_NONBLOCK);
    return c->arg[2] && call_write(c, c->arg[2], &out, sizeof out) ? -EFAULT : 0;
}

/* ---- sending and receiving ---------------------------------------------------------------------------------------- */

/* When the call gives up: a time of CLOCK_REALTIME (argument 4); c->keep[0] has it as elapsed time, and 1 added, once
 * it was read. */
static int read_timeout(struct call *c)
{
    struct timespec t;
    if (c->again || !c->arg[4])
        return 0;
    if (call_read(c, c->arg[4], &t, sizeof t))
        return -EFAULT;
    if (!timespec_valid(&t))
        return -EINVAL;
    int64_t when = clock_to_elapsed(&c->world->clock, CLOCK_REALTIME, timespec_ns(&t));
    c->keep[0] = (uint64_t)(when < 0 ? 0 : when == INT64_MAX ? when - 1 : when) + 1;
    return 0;
}

static int64_t sleep_on(struct call *c, struct file *f)
{
    if (c->timed_out)
        return -ETIMEDOUT;
    file_poll(f, call_poll_table(c));
    return call_block(c, (int64_t)c->keep[0] - 1, -CALL_RESTART_SYS);
}

/* Somebody asked to be told that the queue is no longer empty: once. */
static void tell(struct call *c, struct file *f)
{
    struct mqueue_notice n;
    if (!mqueue_told(f, &n) || n.notify != SIGEV_SIGNAL || n.signal == 0)
        return;
    struct process *p = process_find(c->world, n.pid);
    if (!p || p->zombie)
        return;
    siginfo_t info;
    signal_user_info(&info, n.signal, c->task);
    info.si_code = SI_MESGQ;
    info.si_value.sival_ptr = (void *)(uintptr_t)n.value;
    signal_send_process(p, &info);
}

static int64_t read_message(struct call *c, struct file *f)
{
    size_t size = c->arg[2];
    if (!f || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (size > (uint64_t)mqueue_state(f).size)
        return -EMSGSIZE;
    struct mqueue_message *m = malloc(sizeof *m + size);
    if (!m)
        return -ENOMEM;
    m->priority = (uint32_t)c->arg[3];
    m->size = size;
    c->kept = m;
    c->release = free;
    return call_read(c, c->arg[1], m->bytes, size);
}

int64_t stub_mq_timedsend(struct call *c)
{
    bool first;
    int64_t error = read_timeout(c);
    if (!error && (uint32_t)c->arg[3] >= MQUEUE_PRIORITIES)
        error = -EINVAL;
    struct file *f = error ? NULL : queue_argument(c);
    if (!error && !c->kept)
        error = read_message(c, f);
    if (error)
        return error;
    error = mqueue_put(f, c->kept, &first);
    if (error == -EAGAIN && !nonblocking(f))
        return sleep_on(c, f);
    if (error)
        return error;
    c->kept = NULL;
    if (first)
        tell(c, f);
    return 0;
}

/* While it sleeps for a message, nobody is told of one. */
static void stop_receiving(void *kept)
{
    mqueue_receivers(kept, -1);
    file_put(kept);
}

static int64_t give(struct call *c, const struct mqueue_message *m)
{
    if (c->arg[3] && call_write(c, c->arg[3], &m->priority, sizeof m->priority))
        return -EFAULT;
    return call_write(c, c->arg[1], m->bytes, m->size) ? -EFAULT : (int64_t)m->size;
}

int64_t stub_mq_timedreceive(struct call *c)
{
    int64_t result = read_timeout(c);
    if (result)
        return result;
    struct file *f = queue_argument(c);
    if (!f || (f->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (c->arg[2] < (uint64_t)mqueue_state(f).size)
        return -EMSGSIZE;
    struct mqueue_message *m = mqueue_take(f);
    if (m) {
        result = give(c, m);
        free(m);
        return result;
    }
    if (nonblocking(f))
        return -EAGAIN;
    result = sleep_on(c, f);
    if (result == CALL_BLOCK && !c->kept) {
        file_get(f);
        mqueue_receivers(f, 1);
        c->kept = f;
        c->release = stop_receiving;
    }
    return result;
}

/* ---- being told ------------------------------------------------------------------------------------------------------- */

/* What is asked for, in the kernel's order (ipc/mqueue.c, do_mq_notify): the queue itself is looked at after it. */
static int64_t read_notice(struct call *c, struct mqueue_notice *notice)
{
    struct sigevent e;
    if (call_read(c, c->arg[1], &e, sizeof e))
        return -EFAULT;
    if (e.sigev_notify != SIGEV_NONE && e.sigev_notify != SIGEV_SIGNAL && e.sigev_notify != SIGEV_THREAD)
        return -EINVAL;
    if (e.sigev_notify == SIGEV_SIGNAL && (e.sigev_signo < 0 || e.sigev_signo > SIGNALS))
        return -EINVAL;
    *notice = (struct mqueue_notice){.owner = c->task->fds,
                                     .pid = c->task->process->pid,
                                     .notify = e.sigev_notify,
                                     .signal = e.sigev_signo,
                                     .value = (uint64_t)(uintptr_t)e.sigev_value.sival_ptr};
    if (e.sigev_notify != SIGEV_THREAD)
        return 0;
    /* libc's side of it is a netlink socket, in sigev_signo, that a thread of its own listens at for a cookie. */
    if (call_read(c, notice->value, notice->cookie, sizeof notice->cookie))
        return -EFAULT;
    notice->channel = call_file(c, e.sigev_signo);
    return !notice->channel || notice->channel->flags & O_PATH ? -EBADF : netlink_tell(notice->channel, NULL, 0);
}

int64_t stub_mq_notify(struct call *c)
{
    struct mqueue_notice notice;
    int64_t error = c->arg[1] ? read_notice(c, &notice) : 0;
    if (error)
        return error;
    struct file *f = queue_argument(c);
    if (!f)
        return -EBADF;
    if (c->arg[1])
        return mqueue_register(f, &notice);
    mqueue_unregister(f, c->task->fds);
    return 0;
}
