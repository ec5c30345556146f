/* Who is told of what a file became ready for: F_SETOWN's process, thread or group (fcntl(2), "Managing signals"). Linux's
 * fs/fcntl.c, send_sigio and send_sigurg. */
#include "kernel/owner.h"

#include "kernel/world.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* sigio_perm: by the ids of whoever set the owner. */
static bool may_signal(const struct file *f, const struct process *p)
{
    const struct task *t = p->threads;
    return f->owner_euid == 0 || (t != NULL && (f->owner_euid == t->cred.suid || f->owner_euid == t->cred.uid ||
                                                f->owner_uid == t->cred.suid || f->owner_uid == t->cred.uid));
}

/* A queue that is full says so by the plain signal. */
static void send(const struct file *f, struct process *p, struct task *t, const siginfo_t *info)
{
    siginfo_t plain;
    if (!may_signal(f, p))
        return;
    if ((t != NULL ? signal_send_task(t, info) : signal_send_process(p, info)) >= 0 || info->si_signo == SIGURG)
        return;
    signal_kernel_info(&plain, SIGIO);
    (void)(t != NULL ? signal_send_task(t, &plain) : signal_send_process(p, &plain));
}

static void send_to_owner(struct world *w, const struct file *f, const siginfo_t *info)
{
    if (f->owner_pid < 0) {
        for (struct process *p = w->processes; p != NULL; p = p->next)
            if (p->pgid == -f->owner_pid && !p->zombie)
                send(f, p, NULL, info);
        return;
    }
    struct task *t = f->owner_type == F_OWNER_TID ? task_find(w, f->owner_pid) : NULL;
    struct process *p = t != NULL ? t->process : f->owner_type == F_OWNER_PID ? process_find(w, f->owner_pid) : NULL;
    if (p != NULL && !p->zombie)
        send(f, p, t, info);
}

void owner_signal(void *world, const struct file *f, int fd, int reason)
{
    static const long bands[] = {[POLL_IN] = POLLIN | POLLRDNORM,
                                 [POLL_OUT] = POLLOUT | POLLWRNORM | POLLWRBAND,
                                 [POLL_MSG] = POLLIN | POLLRDNORM | POLLMSG,
                                 [POLL_ERR] = POLLERR,
                                 [POLL_PRI] = POLLPRI | POLLRDBAND,
                                 [POLL_HUP] = POLLHUP | POLLERR};
    siginfo_t info;
    if (f->owner_pid == 0)
        return;
    if (reason == OWNER_URGENT || f->owner_signal == 0) {
        signal_kernel_info(&info, reason == OWNER_URGENT ? SIGURG : SIGIO);
    } else {
        memset(&info, 0, sizeof info);
        info.si_signo = f->owner_signal;
        info.si_code = reason;
        info.si_band = bands[reason];
        info.si_fd = fd;
    }
    send_to_owner(world, f, &info);
}
