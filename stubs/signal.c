/* What a thread does about its own signals: handlers, masks, waiting for them (signal(7), sigwaitinfo(2)). Model: the
 * kernel's kernel/signal.c. Masks and handlers are the real kernel's, which builds the frames; the world keeps its own
 * copy of the handlers to decide who gets what. */
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "stubs/timeouts.h"

enum { MASK_SIZE = sizeof(uint64_t) };

#define UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

/* ---- handlers ---- */

int64_t stub_rt_sigaction(struct call *c)
{
    int signal = (int)c->arg[0];
    struct process *p = c->task->process;
    struct signal_action new;
    if (c->arg[3] != MASK_SIZE)
        return -EINVAL;
    if (c->arg[1] != 0 && call_read(c, c->arg[1], &new, sizeof new) < 0)
        return -EFAULT;
    if (signal < 1 || signal > SIGNALS)
        return -EINVAL;
    struct signal_action *action = &p->handlers->action[signal];
    if (c->arg[1] == 0)
        return c->arg[2] == 0 ? 0 : call_write(c, c->arg[2], action, sizeof *action);
    if ((SIGNAL_BIT(signal) & UNBLOCKABLE) != 0)
        return -EINVAL;
    bool was_ignored = signal_ignored(p, signal);
    new.mask &= ~UNBLOCKABLE;
    *action = new;
    if (signal_ignored(p, signal))
        signal_discard(p, SIGNAL_BIT(signal));
    else if (was_ignored)
        process_timers_heard(p, signal);
    return CALL_NATIVE; /* nobody else runs before the kernel reads the same bytes; it writes the old action, which is
                           ours too */
}

/* Trapped only when everything is: the kernel keeps these. */
int64_t stub_rt_sigprocmask(struct call *c)
{
    return CALL_NATIVE;
}

int64_t stub_rt_sigreturn(struct call *c)
{
    return CALL_NATIVE;
}

int64_t stub_sigaltstack(struct call *c)
{
    return CALL_NATIVE;
}

int64_t stub_rt_sigpending(struct call *c)
{
    uint64_t size = c->arg[1];
    uint64_t pending = signal_pending(c->task) & c->world->machine->blocked(c->task);
    if (size > MASK_SIZE)
        return -EINVAL;
    return call_write(c, c->arg[0], &pending, size);
}

/* ---- waiting ---- */

int64_t stub_pause(struct call *c)
{
    return call_block(c, -1, -CALL_RESTART_NOHAND);
}

int64_t stub_rt_sigsuspend(struct call *c)
{
    if (c->arg[1] != MASK_SIZE)
        return -EINVAL;
    int error = c->arg[0] == 0 ? -EFAULT : mask_argument(c, c->arg[0], c->arg[1]);
    return error < 0 ? error : call_block(c, -1, -CALL_RESTART_NOHAND);
}

/* What was taken cannot be put back: a bad pointer loses the signal, as in Linux. */
static int64_t give(struct call *c, const siginfo_t *info)
{
    if (c->arg[1] != 0 && call_write(c, c->arg[1], info, sizeof *info) < 0)
        return -EFAULT;
    return info->si_signo;
}

int64_t stub_rt_sigtimedwait(struct call *c)
{
    uint64_t *set = &c->keep[0];
    int64_t timeout;
    siginfo_t info;
    if (c->arg[3] != MASK_SIZE)
        return -EINVAL;
    if (!c->again) {
        if (call_read(c, c->arg[0], set, sizeof *set) < 0)
            return -EFAULT;
        *set &= ~UNBLOCKABLE;
    }
    int error = timespec_argument(c, c->arg[2], &timeout);
    if (error < 0)
        return error;
    if (signal_dequeue(c->task, *set, &info))
        return give(c, &info);
    if (timeout == 0 && !c->again)
        return -EAGAIN;
    call_wait_on(c, &c->task->process->signal_wait);
    int64_t result = sleep_or_end(c, timeout, -EINTR);
    return result == 0 ? -EAGAIN : result;
}
