/* The run loop. One task of the world runs at a time; it goes on until it blocks, dies, or others have waited long enough.
 * Shape: strace's `while (dispatch_event(next_event()))`, but that here the next event is chosen, not awaited. */
#include "supervisor/loop.h"

#include "kernel/recorder.h"
#include "supervisor/count/patch.h"
#include "supervisor/ends.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/glass.h"
#include "supervisor/idle.h"
#include "supervisor/lending.h"
#include "supervisor/limits.h"
#include "supervisor/inspect/inspect.h"
#include "supervisor/network.h"
#include "supervisor/recording.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"
#include "supervisor/tsc.h"

#include <asm/prctl.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

/* ---- what a stop means -------------------------------------------------------------------------------------------- */

/* The interrupted call becomes rt_sigsuspend(2) with the call's own mask: the real kernel puts the old mask into the
 * handler's frame, and finds the bell that is waiting. */
static void end_as_suspend(struct tracee *t)
{
    t->suspend = false;
    if (tracee_write(t, GLASS_DATA, &t->suspend_mask, sizeof t->suspend_mask) != sizeof t->suspend_mask) {
        tracee_answer(t, -EINTR);
        return;
    }
    const uint64_t argument[6] = {GLASS_DATA, sizeof t->suspend_mask};
    tracee_rewrite(t, SYS_rt_sigsuspend, argument);
}

static bool rewritten(const struct tracee *t, const struct call *c)
{
    const struct user_regs_struct *r = &t->regs;
    const uint64_t trapped[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
    return c->nr != r->orig_rax || memcmp(c->arg, trapped, sizeof trapped) != 0;
}

/* The kernel is to run the call. With a recorder its result must be seen, so it is injected; but what returns to another
 * place than behind the call, or sleeps, cannot be. */
static int64_t run_seen(struct tracee *t, struct call *c)
{
    int64_t result = CALL_NATIVE;
    if (c->world->recorder == NULL)
        return result;
    if (c->nr != SYS_rt_sigreturn && c->nr != SYS_rt_sigsuspend)
        result = tracee_inject(t, (long)c->nr, c->arg);
    /* What it changed is a register, and those are about to be put back. */
    if (c->nr == SYS_arch_prctl && result == 0 && (int)c->arg[0] == ARCH_SET_FS)
        t->regs.fs_base = c->arg[1];
    if (c->nr == SYS_arch_prctl && result == 0 && (int)c->arg[0] == ARCH_SET_GS)
        t->regs.gs_base = c->arg[1];
    record(c->world, ended, c, result, true);
    return result;
}

/* The call is answered: what the registers become. False: the task does not go on now. */
static bool finish(struct tracee *t, int64_t result)
{
    struct task *task = t->task;
    struct call *c = &task->call;
    if (result == CALL_BLOCK) {
        tracee_sleeps(t);
        return false;
    }
    if (result == CALL_NATIVE)
        result = run_seen(t, c);
    if (result == CALL_NATIVE) {
        if (t->where != TRACEE_AT_CALL || rewritten(t, c))
            tracee_rewrite(t, c->nr, c->arg);
    } else if (result == CALL_GONE) {
        t->changed = true;
    } else if (t->suspend) {
        end_as_suspend(t);
    } else if (result <= -CALL_RESTART_SYS && result >= -CALL_RESTART_NOHAND) {
        t->restart = (int)-result;
        t->restart_nr = c->nr;
        tracee_answer(t, -EINTR);
    } else {
        tracee_answer(t, result);
    }
    t->suspend = false;
    call_end(c);
    task->in_call = false;
    return true;
}

/* A call was asked for. False: the task does not go on now. */
static bool at_call(struct holder *h, struct tracee *t)
{
    struct task *task = t->task;
    uint64_t nr, argument[6];
    if (tracee_asked(t, &nr, argument) < 0)
        return true; /* it died at this moment: resuming tells */
    int64_t now = clock_elapsed(&h->world->clock);
    /* A check takes its cost before it stops: where the clock stands since the last one, it is none, but a call like any. */
    if ((uint32_t)nr == GLASS_COUNT && now > t->counted_at && t->where == TRACEE_AT_CALL &&
        patch_is_count(task->mm, t->regs.rip)) {
        h->count_stops++; /* nothing was asked: the clock has moved, and the loop looks what is due */
        t->counted_at = now;
        tracee_answer(t, 0);
        return true;
    }
    task->in_call = true;
    lending_at_call(t, (uint32_t)nr, argument);
    /* The kernel looks at eax alone, and so do we: arch/x86/entry/common.c, do_syscall_64. */
    call_begin(&task->call, task, (uint32_t)nr, argument);
    int64_t result = dispatch(task);
    lending_after_call(t, (uint32_t)nr, argument, result);
    return finish(t, result);
}

/* After a bell was heard: the call that it interrupted ends with EINTR, or begins again. */
static void settle_restart(struct tracee *t, int delivered)
{
    int kind = t->restart;
    t->restart = 0;
    if (kind == 0 || tracee_load_registers(t) < 0)
        return;
    uint64_t flags = delivered != 0 ? t->task->process->handlers->action[delivered].flags : 0;
    bool again =
        delivered == 0 || kind == CALL_RESTART_NOINTR || (kind == CALL_RESTART_SYS && (flags & SA_RESTART) != 0);
    if (!again)
        return;
    t->regs.rax = t->restart_nr;
    t->regs.rip -= 2; /* the `syscall` instruction */
    t->changed = true;
}

/* int 0x80, x32: the filter turned it into a SIGSYS. It never ran. */
static void refuse_foreign(struct tracee *t)
{
    t->task->world->foreign_calls++;
    if (tracee_load_registers(t) < 0)
        return;
    t->regs.rax = (uint64_t)-ENOSYS;
    t->regs.orig_rax = (uint64_t)-1;
    t->changed = true;
}

static void at_signal(struct tracee *t)
{
    siginfo_t real, seen;
    if (ptrace(PTRACE_GETSIGINFO, t->real, 0, &real) < 0)
        return; /* a group-stop does not come with PTRACE_CONT in it: nothing to deliver */
    if (t->signal == SIGSYS && real.si_code == 1 /* SYS_SECCOMP */) {
        refuse_foreign(t);
        return;
    }
    if (t->signal == SIGSEGV && real.si_code == SI_KERNEL && tsc_emulate(t))
        return;
    if ((t->signal == SIGSEGV || t->signal == SIGBUS) && real.si_code > 0 && lending_fault(t))
        return;
    seen = real;
    int deliver = signal_claim(t->task, t->signal, &real, &seen);
    /* One began as a copy of the other, padding and all. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*) */
    if (deliver != 0 && memcmp(&real, &seen, sizeof seen) != 0)
        (void)ptrace(PTRACE_SETSIGINFO, t->real, 0, &seen);
    if (deliver != 0)
        record(t->task->world, signalled, t->task, &seen);
    if (deliver != 0)
        (void)tracee_load_registers(t); /* a call that was interrupted before anybody knew of it begins again */
    t->deliver = deliver;
    settle_restart(t, deliver);
}

/* ---- one task's turn ---------------------------------------------------------------------------------------------- */

/* The supervisor was woken while the task ran on: look at limits and timers. True: the task must stop for it. */
static bool on_tick(struct holder *h, struct tracee *t)
{
    struct world *w = h->world;
    tick_take(h);
    while (tracee_wait_any(h, false) == 0) /* whoever died unasked */
        ;
    if (w->ending || t->where != TRACEE_RUNNING)
        return true;
    return tick_outside(h, t) || tick_computing(h, t) || h->no_proc;
}

/* Resume and wait for the next stop of this task, whatever else is going on. */
static void go_on(struct holder *h, struct tracee *t)
{
    int64_t forwards = network_limit(h), outside = tick_limit(h);
    h->look_at = forwards != 0 && forwards < outside ? forwards : outside;
    lending_before_run(t);
    fast_clock_publish(t);
    int error = tracee_resume(t);
    while (error == -EINTR && t->where == TRACEE_RUNNING) {
        bool must_stop = on_tick(h, t);
        if (h->world->ending) /* no waiting for a stop: it may be in a call that fills memory for a minute */
            return;
        if (must_stop)
            tracee_interrupt(t);
        if (t->where == TRACEE_RUNNING)
            error = tracee_wait(t);
    }
    fast_clock_fold(t);
}

/* True: it stopped and may be resumed. */
static bool handle_stop(struct holder *h, struct tracee *t)
{
    switch (t->where) {
    case TRACEE_AT_CALL:
    case TRACEE_AT_NOTICE:
        return at_call(h, t);
    case TRACEE_AT_SIGNAL:
        at_signal(t);
        return !t->task->process->stopped;
    case TRACEE_GONE:
        lending_end(h);
        ends_died(h, t);
        return false;
    default:
        return true;
    }
}

/* A task in a call that blocked runs its stub again. False: it sleeps on. */
static bool pick_up(struct tracee *t)
{
    return !t->task->in_call || finish(t, dispatch(t->task));
}

static bool must_yield(struct holder *h, struct tracee *t)
{
    struct world *w = h->world;
    if (w->ending || h->any_killed || h->gone != NULL || t->task->process->stopped)
        return true;
    bool waited = t->task->calls >= t->until || clock_elapsed(&w->clock) >= t->turn_end || t->yields;
    t->yields = false;
    return waited && sched_others_ready(w);
}

static void begin_turn(struct tracee *t)
{
    struct world *w = t->holder->world;
    struct turn turn = sched_turn(w);
    int64_t end;
    t->until = t->task->calls + turn.calls;
    record(w, picked, t->task, turn.calls);
    t->turn_end = __builtin_add_overflow(clock_elapsed(&w->clock), turn.ns, &end) ? INT64_MAX : end;
}

/* The turn is over and nobody else is ready: perhaps somebody is, once time has passed. */
static void look_for_others(struct tracee *t)
{
    struct world *w = t->holder->world;
    if (!sched_preempts(w) || clock_elapsed(&w->clock) < t->turn_end || sched_others_ready(w))
        return;
    sched_stall(w);
    if (!sched_others_ready(w))
        begin_turn(t);
}

/* A replay is where it was to stop: whoever looks at it may let it go on. */
static void stand(struct holder *h)
{
    struct replaying *again = h->world->again;
    if (again != NULL && !h->world->ending && replaying_stopped(again) &&
        (h->inspection == NULL || !inspection_stop(h->inspection, h)))
        replaying_finish(again);
}

static void run_task(struct holder *h, struct task *task)
{
    struct world *w = h->world;
    struct tracee *t = task->machine;
    w->current = task;
    lending_before_run(t); /* a call that wakes goes on here */
    begin_turn(t);
    stand(h);
    bool goes_on = !w->ending && pick_up(t);
    stand(h);
    while (goes_on) {
        if (t->exiting) {
            ends_let_exit(h, t);
            break;
        }
        look_for_others(t);
        if (must_yield(h, t)) {
            if (!task->process->stopped)
                sched_ready(task);
            break;
        }
        go_on(h, t);
        bool gone = t->where == TRACEE_GONE, can_pass = !gone && tick_stands(h, t);
        goes_on = handle_stop(h, t);
        if (gone)
            w->current = NULL; /* its memory too */
        stand(h);
        if (clock_next(&w->clock) <= clock_elapsed(&w->clock))
            clock_run(&w->clock);
        limits_count(h);
        if (can_pass)
            tick_pass_on(h);
        if (tick_came()) {
            tick_take(h);
            network_pump(h);
        } else if (w->again != NULL) {
            network_pump(h);
        }
    }
    w->current = NULL;
}

void loop_run(struct holder *h)
{
    struct world *w = h->world;
    while (!w->ending) {
        ends_collect(h);
        if (w->ending)
            break;
        tick_take(h);
        tick_pass_on(h);
        tick_suspend(h);
        clock_run(&w->clock);
        network_pump(h);
        struct task *t = sched_pick(w);
        if (t != NULL)
            run_task(h, t);
        else
            idle_wait(h);
        stand(h);
    }
    if (h->inspection != NULL)
        inspection_end(h->inspection, h);
    lending_end(h);
    recording_stop(h->recording);
    ends_kill_all(h);
}
