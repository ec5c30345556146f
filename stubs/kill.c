/* kill(2), tkill(2), tgkill(2), rt_sigqueueinfo(2), rt_tgsigqueueinfo(2): inside the world only, for there are no other
 * pids. Model: the kernel's kernel/signal.c. */
#include "stubs/kill.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <limits.h>
#include <linux/capability.h>
#include <string.h>

static bool capable_of_kill(const struct cred *self)
{
    return (self->capabilities >> CAP_KILL & 1) != 0;
}

int may_signal(const struct call *c, const struct process *target, int signal)
{
    const struct process *p = c->task->process;
    const struct cred *self = &c->task->cred;
    if (p == target || capable_of_kill(self) || (signal == SIGCONT && p->sid == target->sid))
        return 0;
    if (target->threads == NULL)
        return -EPERM;
    const struct cred *other = &target->threads->cred;
    bool same =
        self->euid == other->suid || self->euid == other->uid || self->uid == other->suid || self->uid == other->uid;
    return same ? 0 : -EPERM;
}

static bool is_signal(int signal)
{
    return signal >= 0 && signal <= SIGNALS;
}

int64_t send_checked(struct call *c, struct process *target, const siginfo_t *info)
{
    if (!is_signal(info->si_signo))
        return -EINVAL;
    int error = may_signal(c, target, info->si_signo);
    if (error < 0 || info->si_signo == 0)
        return error;
    return signal_send_process(target, info);
}

/* ---- kill ---- */

static int64_t send_group(struct call *c, int32_t pgid, const siginfo_t *info)
{
    int64_t result = -ESRCH;
    bool sent = false;
    for (struct process *p = c->world->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->pgid != pgid)
            continue;
        result = send_checked(c, p, info);
        sent = sent || result == 0;
    }
    return sent ? 0 : result;
}

/* Everyone but the reaper and the caller; that some may not be signalled is no error when there are others. */
static int64_t send_all(struct call *c, const siginfo_t *info)
{
    int64_t result = -ESRCH;
    for (struct process *p = c->world->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p == c->task->process)
            continue;
        int64_t error = send_checked(c, p, info);
        if (error != -EPERM)
            result = error;
        else if (result == -ESRCH)
            result = 0;
    }
    return result;
}

/* The world's reaper has no handlers, and a pid 1 without a handler gets no signal. */
static int64_t send_reaper(struct call *c)
{
    return capable_of_kill(&c->task->cred) || c->task->cred.euid == 0 ? 0 : -EPERM;
}

int64_t stub_kill(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    int signal = (int)c->arg[1];
    siginfo_t info;
    if (pid == INT_MIN)
        return -ESRCH;
    signal_user_info(&info, signal, c->task);
    if (pid == -1)
        return send_all(c, &info);
    if (pid <= 0)
        return send_group(c, pid == 0 ? c->task->process->pgid : -pid, &info);
    if (pid == REAPER_PID)
        return is_signal(signal) ? send_reaper(c) : -EINVAL;
    struct process *p = process_of_id(c->world, pid);
    return p == NULL ? -ESRCH : send_checked(c, p, &info);
}

/* ---- one thread ---- */

/* tgid 0: whatever process the thread is of. */
static int64_t send_thread(struct call *c, int32_t tgid, int32_t tid, const siginfo_t *info)
{
    struct task *t = task_find(c->world, tid);
    if (t == NULL) { /* a zombie leader is still there to be asked about */
        const struct process *p = process_find(c->world, tid);
        if (p == NULL || (tgid != 0 && tgid != tid))
            return -ESRCH;
        return is_signal(info->si_signo) ? may_signal(c, p, info->si_signo) : -EINVAL;
    }
    if (tgid != 0 && t->process->pid != tgid)
        return -ESRCH;
    if (!is_signal(info->si_signo))
        return -EINVAL;
    int error = may_signal(c, t->process, info->si_signo);
    if (error < 0 || info->si_signo == 0)
        return error;
    return signal_send_task(t, info);
}

int64_t stub_tkill(struct call *c)
{
    int32_t tid = (int32_t)c->arg[0];
    siginfo_t info;
    if (tid <= 0)
        return -EINVAL;
    signal_user_info(&info, (int)c->arg[1], c->task);
    info.si_code = SI_TKILL;
    return send_thread(c, 0, tid, &info);
}

int64_t stub_tgkill(struct call *c)
{
    int32_t tgid = (int32_t)c->arg[0], tid = (int32_t)c->arg[1];
    siginfo_t info;
    if (tid <= 0 || tgid <= 0)
        return -EINVAL;
    signal_user_info(&info, (int)c->arg[2], c->task);
    info.si_code = SI_TKILL;
    return send_thread(c, tgid, tid, &info);
}

/* ---- with a siginfo of the sender's own ---- */

int read_siginfo(struct call *c, uint64_t address, int signal, bool self, siginfo_t *info)
{
    if (call_read(c, address, info, sizeof *info) < 0)
        return -EFAULT;
    info->si_signo = signal;
    return (info->si_code >= 0 || info->si_code == SI_TKILL) && !self ? -EPERM : 0;
}

int64_t stub_rt_sigqueueinfo(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    siginfo_t info;
    int error = read_siginfo(c, c->arg[2], (int)c->arg[1], pid == c->task->process->pid, &info);
    if (error < 0)
        return error;
    if (pid == REAPER_PID)
        return is_signal(info.si_signo) ? send_reaper(c) : -EINVAL;
    struct process *p = process_of_id(c->world, pid);
    return p == NULL ? -ESRCH : send_checked(c, p, &info);
}

int64_t stub_rt_tgsigqueueinfo(struct call *c)
{
    int32_t tgid = (int32_t)c->arg[0], tid = (int32_t)c->arg[1];
    siginfo_t info;
    int error = read_siginfo(c, c->arg[3], (int)c->arg[2], tid == c->task->tid, &info);
    if (error != -EFAULT && (tid <= 0 || tgid <= 0))
        return -EINVAL;
    return error < 0 ? error : send_thread(c, tgid, tid, &info);
}
