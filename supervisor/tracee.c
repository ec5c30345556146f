/* Registers and stops: how ptrace(2) answers. Injected calls are in injection.c. */
#include "supervisor/tracee.h"

#include "kernel/sysent.h"
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
    notice_child(); /* it may have stopped while its parent was waited for */
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

/* Where it was at a notice, it is there no longer. */
static void close_notice(const struct tracee *t)
{
    if (t->where == TRACEE_AT_NOTICE)
        t->holder->open_notices--;
}

void tracee_free(struct tracee *t)
{
    close_notice(t);
    struct tracee **link = &t->holder->by_real[(uint32_t)t->real % HOLDER_BUCKETS];
    while (*link != NULL && *link != t)
        link = &(*link)->next;
    if (*link == t)
        *link = t->next;
    free(t);
}

void tracee_rename(struct tracee *t, pid_t real)
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
    close_notice(t);
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
void tracee_put_by(struct tracee *t)
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
        tracee_put_by(who);
    return 0;
}

/* From any stop. It may be dead: then its end is what comes next, or was there before. */
void tracee_go(struct tracee *t, int signal)
{
    close_notice(t);
    t->where = TRACEE_RUNNING; /* tracee_wait would take the old stop for a new one */
    if (ptrace(PTRACE_CONT, t->real, 0, (long)signal) < 0)
        notice_child();
}

/* Wait for this one alone. 0, -EINTR. options: WNOHANG, or 0. */
static int wait_stop(struct tracee *t, int options)
{
    int status;
    struct rusage usage = {0};
    pid_t pid = wait4(t->real, &status, __WALL | options, t->holder->no_proc ? &usage : NULL);
    if (pid == 0)
        return 0;
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

/* Somebody stopped or died. */
static void look_for_stop(struct tracee *t)
{
    if (t->exiting || t->listening_to_all) {
        while (t->where == TRACEE_RUNNING && tracee_wait_any(t->holder, false) == 0)
            ;
        if (t->where == TRACEE_GONE)
            tracee_take_back(t);
    }
    if (t->where == TRACEE_RUNNING)
        (void)wait_stop(t, WNOHANG);
}

static void take_notice(struct tracee *t, const struct notice *n)
{
    struct holder *h = t->holder;
    struct tracee *who = tracee_find(h, n->real);
    if (who == NULL || who->where != TRACEE_RUNNING) { /* only one runs: this one was killed, or is nobody's */
        if (n->real > 0)
            kill(n->real, SIGKILL);
        return;
    }
    h->stops++;
    h->notices++;
    h->open_notices++;
    who->notice = *n;
    who->answer = 0;
    who->where = TRACEE_AT_NOTICE;
    who->regs_known = false;
}

/* A leader is reported dead only after its other threads were reaped, so when this one may be about to die, all are listened
 * to; else only it, which costs least. */
static int wait_for_stop(struct tracee *t)
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
    return wait_stop(t, 0);
}

/* The same, where it may be a notice that comes. */
static int wait_noticing(struct tracee *t)
{
    while (t->where == TRACEE_RUNNING) {
        struct notice n;
        notice_look_around();
        if (notice_child_came())
            look_for_stop(t);
        if (t->where != TRACEE_RUNNING)
            break;
        int error = notice_wait(t->holder->listener, &n);
        if (error == 0)
            take_notice(t, &n);
        else if (tick_came())
            return -EINTR;
        else if (error != -EINTR) /* nobody is left who could ask: they are on their way out */
            return wait_for_stop(t);
    }
    return 0;
}

int tracee_wait(struct tracee *t)
{
    return t->holder->listener >= 0 ? wait_noticing(t) : wait_for_stop(t);
}

/* A call that would come as a notice was interrupted before the notice was received: the supervisor knows nothing of it, and it
 * begins again, whatever the handler that runs first was installed with. (kernel/seccomp.c, seccomp_do_user_notification:
 * -ERESTARTSYS.) */
static void begin_again(struct tracee *t)
{
    struct user_regs_struct *r = &t->regs;
    const struct sysent *call = sysent_get((uint32_t)r->orig_rax);
    if ((int64_t)r->rax != -CALL_RESTART_SYS || call == NULL || call->kernel != KERNEL_NOTICE)
        return;
    r->rax = r->orig_rax;
    r->orig_rax = (uint64_t)-1;
    r->rip -= 2; /* the `syscall` instruction */
    t->changed = true;
}

/* Woken while a stop is waited for that must come. An injected call may be filling gigabytes, so limits are looked at meanwhile. Or it was killed from outside:
 * of a leader nothing is heard before its other threads were. */
static void tick_while_awaited(struct tracee *t)
{
    tick_take(t->holder);
    if (t->holder->world->ending)
        kill(t->real, SIGKILL); /* even such a call ends for that */
    while (t->where == TRACEE_RUNNING && tracee_wait_any(t->holder, false) == 0)
        ;
    if (t->where == TRACEE_GONE)
        tracee_take_back(t);
}

void tracee_await(struct tracee *t)
{
    while (t->where == TRACEE_RUNNING && tracee_wait(t) == -EINTR)
        tick_while_awaited(t);
}

/* From a notice to a stop: it is interrupted, and then told something, so that it stops on its way out of the call. */
static int park(struct tracee *t)
{
    (void)ptrace(PTRACE_INTERRUPT, t->real, 0, 0);
    close_notice(t);
    (void)notice_answer(t->holder->listener, t->notice.id,
                        t->answer); /* which it may have already; else it is set behind the call */
    t->where = TRACEE_RUNNING;
    for (;;) {
        tracee_await(t);
        if (t->where == TRACEE_GONE) {
            tracee_put_by(t); /* it may be asleep, and nobody else would hear of it */
            return -ESRCH;
        }
        if (t->where == TRACEE_AT_EVENT && t->event == PTRACE_EVENT_STOP) {
            t->where = TRACEE_PARKED;
            return 0;
        }
        if (t->where == TRACEE_AT_SIGNAL) /* a bell: heard again when it goes on */
            t->bells |= SIGNAL_BIT(t->signal);
        tracee_go(t, 0);
    }
}

int tracee_load_registers(struct tracee *t)
{
    if (t->regs_known)
        return 0;
    if (t->where == TRACEE_AT_NOTICE && park(t) < 0)
        return -ESRCH;
    if (ptrace(PTRACE_GETREGS, t->real, 0, &t->regs) < 0)
        return -errno;
    t->regs_known = true;
    if (t->holder->listener >= 0 && (t->where == TRACEE_AT_EVENT || t->where == TRACEE_AT_SIGNAL))
        begin_again(t);
    return 0;
}

void tracee_sleeps(struct tracee *t)
{
    if (t->where == TRACEE_AT_NOTICE && t->holder->open_notices > NOTICES_MOST)
        (void)tracee_load_registers(t);
}

int tracee_asked(struct tracee *t, uint64_t *nr, uint64_t argument[6])
{
    if (t->where == TRACEE_AT_NOTICE) {
        *nr = t->notice.nr;
        memcpy(argument, t->notice.arg, sizeof t->notice.arg);
        return 0;
    }
    int error = tracee_load_registers(t);
    const struct user_regs_struct *r = &t->regs;
    const uint64_t asked[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
    *nr = r->orig_rax;
    memcpy(argument, asked, sizeof asked);
    return error;
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

/* Its answer is all that it needs. */
static void let_go_on(struct tracee *t)
{
    close_notice(t);
    t->listening_to_all = t->killed;
    t->where = TRACEE_RUNNING;
    if (notice_answer(t->holder->listener, t->notice.id, t->answer) < 0)
        notice_child(); /* it dies, or is dead: its end is what comes next, or was there before */
}

void tracee_let_go(struct tracee *t)
{
    if (t->bells != 0)
        ring_again(t);
    if (t->where == TRACEE_AT_NOTICE) {
        let_go_on(t);
        return;
    }
    if (t->changed || t->injecting) {
        t->changed = t->injecting = false;
        (void)ptrace(PTRACE_SETREGS, t->real, 0, &t->regs); /* it may be dead: then its end is what comes next */
    }
    int signal = t->deliver;
    t->deliver = 0;
    t->listening_to_all = signal != 0 || t->killed;
    t->regs_known = false;
    tracee_go(t, signal);
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
    t->answer = result;
    if (t->where == TRACEE_AT_NOTICE)
        return;
    t->regs.orig_rax = (uint64_t)-1;
    t->regs.rax = (uint64_t)result;
    t->changed = true;
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
