/* Registers, stops and injected calls: the only file that knows how ptrace(2) answers. */
#include "supervisor/tracee.h"

#include "supervisor/glass/glass.h"
#include "supervisor/tick.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRAP_FLAG = 1 << 8 }; /* of rflags */

struct tracee *tracee_new(struct holder *h, pid_t real, struct task *t)
{
    struct tracee *tracee = calloc(1, sizeof *tracee);
    if (tracee == NULL)
        return NULL;
    tracee->real = real;
    tracee->task = t;
    tracee->holder = h;
    tracee->where = TRACEE_RUNNING;
    struct tracee **bucket = &h->by_real[(uint32_t)real % HOLDER_BUCKETS];
    tracee->next = *bucket;
    *bucket = tracee;
    return tracee;
}

struct tracee *tracee_find(struct holder *h, pid_t real)
{
    struct tracee *t = h->by_real[(uint32_t)real % HOLDER_BUCKETS];
    while (t != NULL && t->real != real)
        t = t->next;
    return t;
}

struct tracee *tracee_born(struct holder *h, pid_t real, struct task *t)
{
    struct tracee *tracee = tracee_find(h, real);
    if (tracee == NULL)
        return tracee_new(h, real, t);
    tracee->task = t;
    tracee->unborn = false;
    return tracee;
}

void tracee_kill_unborn(struct holder *h)
{
    if (!h->any_unborn)
        return;
    h->any_unborn = false;
    for (int bucket = 0; bucket < HOLDER_BUCKETS; bucket++)
        for (struct tracee *t = h->by_real[bucket]; t != NULL; t = t->next)
            if (t->unborn)
                kill(t->real, SIGKILL);
}

void tracee_free(struct tracee *t)
{
    struct tracee **link = &t->holder->by_real[(uint32_t)t->real % HOLDER_BUCKETS];
    while (*link != NULL && *link != t)
        link = &(*link)->next;
    if (*link == t)
        *link = t->next;
    free(t);
}

static void tracee_rename(struct tracee *t, pid_t real)
{
    struct tracee **link = &t->holder->by_real[(uint32_t)t->real % HOLDER_BUCKETS];
    while (*link != NULL && *link != t)
        link = &(*link)->next;
    if (*link == t)
        *link = t->next;
    t->real = real;
    link = &t->holder->by_real[(uint32_t)real % HOLDER_BUCKETS];
    t->next = *link;
    *link = t;
}

void tracee_stopped(struct tracee *t, int status)
{
    t->holder->stops++;
    t->regs_known = false;
    t->foreign = false;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        t->where = TRACEE_GONE;
        t->wait_status = status;
        return;
    }
    int event = status >> 16;
    if (event == PTRACE_EVENT_SECCOMP) {
        t->where = TRACEE_AT_CALL;
    } else if (event == PTRACE_EVENT_EXEC) {
        t->where = TRACEE_AT_EXEC;
    } else if (event != 0) {
        t->where = TRACEE_AT_EVENT;
        t->event = event;
    } else {
        t->where = TRACEE_AT_SIGNAL;
        t->signal = WSTOPSIG(status);
    }
}

/* A dead tracee is put by until the loop tells the world; of a leader that left before its threads it was told. */
static void put_by(struct tracee *t)
{
    if (t->task == NULL) {
        for (struct process *p = t->holder->world->processes; p != NULL; p = p->next)
            if (p->machine == t)
                p->machine = NULL;
        tracee_free(t);
        return;
    }
    t->next_gone = t->holder->gone;
    t->holder->gone = t;
}

void tracee_take_back(struct tracee *t)
{
    struct tracee **link = &t->holder->gone;
    while (*link != NULL && *link != t)
        link = &(*link)->next_gone;
    if (*link == t)
        *link = t->next_gone;
}

/* Where /proc cannot be asked: of whoever stopped. */
static void note_usage(struct tracee *t, const struct rusage *u)
{
    struct tracee *leader = t->task != NULL ? t->task->process->machine : NULL;
    if (t->holder->no_proc && leader != NULL)
        leader->most = (uint64_t)u->ru_maxrss * 1024;
}

int tracee_wait_any(struct holder *h, bool block)
{
    int status;
    struct rusage usage = {0};
    pid_t pid = wait4(-1, &status, __WALL | (block ? 0 : WNOHANG), h->no_proc ? &usage : NULL);
    if (pid < 0)
        return errno == EINTR ? -EINTR : -ECHILD;
    if (pid == 0)
        return -ECHILD;
    struct tracee *who = tracee_find(h, pid);
    if (who == NULL) { /* a clone's child, before the parent's own stop was seen, if it lived to come to that */
        if (!WIFSTOPPED(status))
            return 0;
        who = tracee_new(h, pid, NULL);
        if (who == NULL) {
            kill(pid, SIGKILL);
            return 0;
        }
        who->unborn = h->any_unborn = true;
    }
    note_usage(who, &usage);
    tracee_stopped(who, status);
    if (who->where == TRACEE_GONE)
        put_by(who);
    return 0;
}

/* A leader is reported dead only after its other threads were reaped, so when this one may be about to die, all are listened
 * to; else only it, which costs least. */
int tracee_wait(struct tracee *t)
{
    if (t->exiting || t->listening_to_all) {
        while (t->where == TRACEE_RUNNING) {
            int error = tracee_wait_any(t->holder, true);
            if (error == -EINTR)
                return -EINTR;
            if (error == -ECHILD)
                break;
        }
        if (t->where == TRACEE_GONE)
            tracee_take_back(t);
        if (t->where != TRACEE_RUNNING)
            return 0;
    }
    int status;
    struct rusage usage = {0};
    pid_t pid = wait4(t->real, &status, __WALL, t->holder->no_proc ? &usage : NULL);
    if (pid < 0) {
        if (errno == EINTR)
            return -EINTR;
        t->where = TRACEE_GONE; /* ECHILD: it was reaped already */
        t->wait_status = SIGKILL;
        return 0;
    }
    note_usage(t, &usage);
    tracee_stopped(t, status);
    return 0;
}

int tracee_load_registers(struct tracee *t)
{
    if (t->regs_known)
        return 0;
    if (ptrace(PTRACE_GETREGS, t->real, 0, &t->regs) < 0)
        return -errno;
    t->regs_known = true;
    return 0;
}

static void ring_again(struct tracee *t)
{
    for (int signal = 1; t->bells != 0 && signal <= SIGNALS; signal++) {
        if (t->bells & SIGNAL_BIT(signal)) {
            t->bells &= ~SIGNAL_BIT(signal);
            syscall(SYS_tgkill, ((struct tracee *)t->task->process->machine)->real, t->real, signal);
        }
    }
}

void tracee_let_go(struct tracee *t)
{
    if (t->bells != 0)
        ring_again(t);
    if (t->changed || t->injecting) {
        t->changed = t->injecting = false;
        (void)ptrace(PTRACE_SETREGS, t->real, 0, &t->regs); /* it may be dead: then its end is what comes next */
    }
    int signal = t->deliver;
    t->deliver = 0;
    t->listening_to_all = signal != 0 || t->killed;
    t->where = TRACEE_RUNNING;
    t->regs_known = false;
    (void)ptrace(PTRACE_CONT, t->real, 0, (long)signal);
}

int tracee_resume(struct tracee *t)
{
    tracee_let_go(t);
    return tracee_wait(t);
}

void tracee_interrupt(struct tracee *t)
{
    (void)ptrace(PTRACE_INTERRUPT, t->real, 0, 0);
}

void tracee_answer(struct tracee *t, int64_t result)
{
    t->regs.orig_rax = (uint64_t)-1;
    t->regs.rax = (uint64_t)result;
    t->changed = true;
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
    set_call(&t->regs, nr, argument);
    t->changed = true;
}

/* Woken while an injected call runs: it may be filling gigabytes, so limits are looked at meanwhile. Or it was killed from outside:
 * of a leader nothing is heard before its other threads were. */
static void tick_while_injecting(struct tracee *t)
{
    tick_take(t->holder);
    if (t->holder->world->ending)
        kill(t->real, SIGKILL); /* even such a call ends for that */
    while (t->where == TRACEE_RUNNING && tracee_wait_any(t->holder, false) == 0)
        ;
    if (t->where == TRACEE_GONE)
        tracee_take_back(t);
}

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

/* Wait through everything that may come between an injected call and the mark after it. */
static int64_t await_mark(struct tracee *t)
{
    for (;;) {
        while (t->where == TRACEE_RUNNING && tracee_wait(t) == -EINTR)
            tick_while_injecting(t);
        switch (t->where) {
        case TRACEE_GONE:
            return -ESRCH;
        case TRACEE_AT_CALL: {
            int64_t result;
            int error = at_mark(t, &result);
            if (error != -EAGAIN)
                return error < 0 ? error : result;
            break;
        }
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
        t->where = TRACEE_RUNNING; /* tracee_wait would take the old stop for a new one */
        (void)ptrace(PTRACE_CONT, t->real, 0, 0);
    }
}

static int start_injection(struct tracee *t, long nr, const uint64_t argument[6])
{
    if (tracee_load_registers(t) < 0)
        return -ESRCH;
    struct user_regs_struct injected = t->regs;
    set_call(&injected, (uint64_t)nr, argument);
    injected.rip = GLASS_AFTER;
    injected.eflags &= ~(uint64_t)TRAP_FLAG; /* a guest may single-step itself, but not us */
    if (ptrace(PTRACE_SETREGS, t->real, 0, &injected) < 0)
        return -ESRCH;
    t->injecting = true;
    t->holder->injected++;
    t->where = TRACEE_RUNNING;
    (void)ptrace(PTRACE_CONT, t->real, 0, 0);
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
            if (t->where == TRACEE_GONE)
                return -ESRCH;
            int64_t result;
            int error = t->where == TRACEE_AT_CALL ? at_mark(t, &result) : -EAGAIN;
            if (error != -EAGAIN) /* back at the mark of the old program: it failed */
                return error < 0 ? error : (int)result;
            if (t->where == TRACEE_AT_SIGNAL)
                t->bells |= SIGNAL_BIT(t->signal);
            t->where = TRACEE_RUNNING;
            (void)ptrace(PTRACE_CONT, t->real, 0, 0);
        } else if (who->where == TRACEE_GONE && (who->task == NULL || who->task->process != t->task->process)) {
            put_by(who); /* killed from outside, meanwhile */
        }
    }
}

int tracee_to_mark(struct tracee *t)
{
    if (t->where != TRACEE_AT_EVENT)
        return -ESRCH;
    t->changed = false;
    t->where = TRACEE_RUNNING;
    (void)ptrace(PTRACE_CONT, t->real, 0, 0);
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
    t->where = TRACEE_RUNNING;
    (void)ptrace(PTRACE_CONT, t->real, 0, 0);
    int64_t mark = await_mark(t);
    if (mark < 0)
        return -ESRCH;
    if (ptrace(PTRACE_GETREGS, t->real, 0, &t->regs) < 0)
        return -ESRCH;
    t->fresh = true;
    return 0;
}

ssize_t tracee_read(struct tracee *t, uint64_t address, void *to, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)address, n};
    ssize_t got = process_vm_readv(t->real, &local, 1, &remote, 1, 0);
    return got < 0 || (got == 0 && n > 0) ? -EFAULT : got;
}

ssize_t tracee_write(struct tracee *t, uint64_t address, const void *from, size_t n)
{
    struct iovec local = {(void *)(uintptr_t)from, n}, remote = {(void *)(uintptr_t)address, n};
    ssize_t put = process_vm_writev(t->real, &local, 1, &remote, 1, 0);
    return put < 0 || (put == 0 && n > 0) ? -EFAULT : put;
}
