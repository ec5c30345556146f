/* Injected calls: what the kernel is asked for in a task's name, from the glass program's page, and the task's way there and back. */
#include "supervisor/glass/glass.h"
#include "supervisor/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { TRAP_FLAG = 1 << 8 }; /* of rflags */

/* A fault of the injected code itself: its pages are not as they were. There is no way back, for the process. */
static bool is_fault(const struct tracee *t)
{
    siginfo_t info;
    if ((SIGNAL_BIT(t->signal) & (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) |
                                  SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))) == 0)
        return false;
    return ptrace(PTRACE_GETSIGINFO, t->real, 0, &info) == 0 && info.si_code > 0;
}

/* The task asks for a call: for the mark, or once more for the injected one, which a bell interrupted and the kernel begins
 * again (clone(2), say: ERESTARTNOINTR in kernel/fork.c, copy_process). */
static int at_mark(struct tracee *t, int64_t *result)
{
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, t->real, 0, &now) < 0)
        return -ESRCH;
    if ((uint32_t)now.orig_rax != GLASS_MARK)
        return -EAGAIN;
    t->where = TRACEE_AT_MARK;
    t->regs_known = true; /* of the guest: untouched by the injection */
    *result = (int64_t)now.rdi;
    return 0;
}

/* Wait through everything that may come between an injected call and the mark after it. -ESRCH: it died; whoever does not resume it, for
 * it sleeps or was just made, need not tell the loop. */
static int64_t await_mark(struct tracee *t)
{
    for (;;) {
        tracee_await(t);
        switch (t->where) {
        case TRACEE_GONE:
            tracee_put_by(t);
            return -ESRCH;
        case TRACEE_AT_CALL: {
            int64_t result;
            int error = at_mark(t, &result);
            if (error != -EAGAIN)
                return error < 0 ? error : result;
            break;
        }
        case TRACEE_AT_NOTICE: /* no call that is injected notifies: its registers are not what they were set to */
            kill(t->real, SIGKILL);
            break;
        case TRACEE_AT_SIGNAL: /* a bell: heard again when the guest goes on */
            if (is_fault(t))
                kill(t->real, SIGKILL);
            else
                t->bells |= SIGNAL_BIT(t->signal);
            break;
        case TRACEE_AT_EVENT: {
            unsigned long born;
            if (t->event != PTRACE_EVENT_STOP && ptrace(PTRACE_GETEVENTMSG, t->real, 0, &born) == 0)
                t->born = (pid_t)born;
            break;
        }
        default:
            break;
        }
        tracee_go(t, 0);
    }
}

/* The task comes to where calls are injected from, if it is not at a ptrace stop of its own call. 0, or -ESRCH: it is dead. */
static int hold(struct tracee *t)
{
    if (t->where != TRACEE_AT_NOTICE && t->where != TRACEE_PARKED)
        return 0;
    if (tracee_load_registers(t) < 0)
        return -ESRCH;
    struct user_regs_struct glass = t->regs;
    glass.orig_rax = (uint64_t)-1;
    glass.rax = 0;
    glass.rip = GLASS_AFTER;
    glass.eflags &= ~(uint64_t)TRAP_FLAG;
    if (ptrace(PTRACE_SETREGS, t->real, 0, &glass) < 0)
        return -ESRCH;
    t->injecting = true;
    tracee_go(t, 0);
    return await_mark(t) < 0 ? -ESRCH : 0;
}

static void set_call(struct user_regs_struct *regs, uint64_t nr, const uint64_t argument[6])
{
    regs->orig_rax = nr;
    regs->rax = (uint64_t)-ENOSYS;
    regs->rdi = argument[0];
    regs->rsi = argument[1];
    regs->rdx = argument[2];
    regs->r10 = argument[3];
    regs->r8 = argument[4];
    regs->r9 = argument[5];
}

void tracee_rewrite(struct tracee *t, uint64_t nr, const uint64_t argument[6])
{
    if (hold(t) < 0) /* dead: its end is what comes next */
        return;
    set_call(&t->regs, nr, argument);
    t->changed = true;
}

static int start_injection(struct tracee *t, long nr, const uint64_t argument[6])
{
    if (hold(t) < 0 || tracee_load_registers(t) < 0)
        return -ESRCH;
    struct user_regs_struct injected = t->regs;
    set_call(&injected, (uint64_t)nr, argument);
    injected.rip = GLASS_AFTER;
    injected.eflags &= ~(uint64_t)TRAP_FLAG; /* a guest may single-step itself, but not us */
    if (ptrace(PTRACE_SETREGS, t->real, 0, &injected) < 0)
        return -ESRCH;
    t->injecting = true;
    t->holder->injected++;
    tracee_go(t, 0);
    return 0;
}

int64_t tracee_inject(struct tracee *t, long nr, const uint64_t argument[6])
{
    int error = start_injection(t, nr, argument);
    return error < 0 ? error : await_mark(t);
}

/* While an execve replaces a process, its other threads die, and only their tracer's wait lets it go on (ptrace(2), "execve(2)
 * under ptrace"). Nobody else runs, so whatever comes is of this process. */
static int await_exec(struct tracee *t)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return -ESRCH;
        struct tracee *who = tracee_find(t->holder, pid);
        if (status >> 16 == PTRACE_EVENT_EXEC) {
            if (who != NULL && who != t)
                tracee_free(who); /* the leader's place was taken */
            t->task->process->machine = t;
            tracee_rename(t, pid);
            tracee_stopped(t, status);
            return 0;
        }
        if (who == NULL)
            continue;
        tracee_stopped(who, status);
        if (who == t) {
            if (t->where == TRACEE_GONE) {
                tracee_put_by(t);
                return -ESRCH;
            }
            int64_t result;
            int error = t->where == TRACEE_AT_CALL ? at_mark(t, &result) : -EAGAIN;
            if (error != -EAGAIN) /* back at the mark of the old program: it failed */
                return error < 0 ? error : (int)result;
            if (t->where == TRACEE_AT_SIGNAL)
                t->bells |= SIGNAL_BIT(t->signal);
            tracee_go(t, 0);
        } else if (who->where == TRACEE_GONE && (who->task == NULL || who->task->process != t->task->process)) {
            tracee_put_by(who); /* killed from outside, meanwhile */
        }
    }
}

int tracee_to_mark(struct tracee *t)
{
    if (t->where != TRACEE_AT_EVENT)
        return -ESRCH;
    t->changed = false;
    tracee_go(t, 0);
    if (await_mark(t) < 0)
        return -ESRCH;
    t->injecting = true;
    return 0;
}

int tracee_execute(struct tracee *t)
{
    const uint64_t argument[6] = {GLASS_PROGRAM, GLASS_EMPTY_STRING, GLASS_ARGV, GLASS_ENVP, AT_EMPTY_PATH};
    int error = start_injection(t, SYS_execveat, argument);
    if (error == 0)
        error = await_exec(t);
    if (error < 0)
        return error;
    t->regs_known = true; /* nothing of the old program's is worth keeping */
    tracee_go(t, 0);
    int64_t mark = await_mark(t);
    if (mark < 0)
        return -ESRCH;
    if (ptrace(PTRACE_GETREGS, t->real, 0, &t->regs) < 0)
        return -ESRCH;
    t->fresh = true;
    return 0;
}
