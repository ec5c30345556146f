/* Ticks and the caller's signals. A signal handler can only reach memory of the process, so this one file has a variable that
 * belongs to no world: signals arrive at a process, not at a world. */
#include "supervisor/tick.h"

#include "kernel/recorder.h"
#include "supervisor/count/patch.h"
#include "supervisor/fast_clock.h"
#include "supervisor/limits.h"
#include "supervisor/notice.h"
#include "supervisor/replaying.h"
#include "vfs/terminal.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t arrived[SIGNALS + 1];
static volatile sig_atomic_t any_arrived;

static const int listened[] = {SIGALRM, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH, SIGCONT, SIGUSR1, SIGUSR2};
enum { LISTENED = sizeof listened / sizeof *listened };
static struct sigaction before[LISTENED];

static struct sigaction before_children;
static bool hears_children;
static sigset_t mask_before;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)info;
    arrived[signal] = 1;
    any_arrived = 1;
    notice_interrupt(context);
}

static void on_child(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    notice_child();
    notice_interrupt(context);
}

static int64_t period; /* of the timer now, which is a process's like its signal; 0: it stands still */

static void set_timer(int64_t ns)
{
    if (ns == period)
        return;
    period = ns;
    const struct timeval time = {.tv_usec = ns / 1000};
    const struct itimerval timer = {time, time};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void tick_start(void)
{
    memset((void *)arrived, 0, sizeof arrived);
    const struct sigaction action = {.sa_sigaction = on_signal,
                                     .sa_flags = SA_SIGINFO}; /* no SA_RESTART: waitpid must return */
    for (int i = 0; i < LISTENED; i++) {
        sigaction(listened[i], NULL, &before[i]);
        /* What the caller had ignored (nohup, a background job of sh) stays ignored. */
        if (before[i].sa_handler != SIG_IGN || listened[i] == SIGALRM)
            sigaction(listened[i], &action, NULL);
    }
    sigset_t needed; /* the caller may have left them blocked */
    sigemptyset(&needed);
    sigaddset(&needed, SIGALRM);
    sigaddset(&needed, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &needed, &mask_before);
    set_timer(TICK_NS);
}

void tick_stop(void)
{
    set_timer(0);
    for (int i = 0; i < LISTENED; i++)
        sigaction(listened[i], &before[i], NULL);
    if (hears_children)
        sigaction(SIGCHLD, &before_children, NULL);
    hears_children = false;
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void tick_hear_children(void)
{
    const struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
    hears_children = true;
    sigaction(SIGCHLD, &action, &before_children);
}

void tick_pause(bool paused)
{
    set_timer(paused ? 0 : TICK_NS);
}

void tick_hold(sigset_t *before_hold)
{
    sigset_t all;
    sigemptyset(&all);
    for (int i = 0; i < LISTENED; i++)
        sigaddset(&all, listened[i]);
    sigaddset(&all, SIGCHLD);
    sigprocmask(SIG_BLOCK, &all, before_hold);
}

void tick_let_go(const sigset_t *before_hold)
{
    sigprocmask(SIG_SETMASK, before_hold, NULL);
}

int64_t tick_period(void)
{
    return period;
}

bool tick_came(void)
{
    return any_arrived != 0;
}

bool tick_signalled(void)
{
    for (int i = 0; i < LISTENED; i++)
        if (listened[i] != SIGALRM && arrived[listened[i]] != 0)
            return true;
    return false;
}

bool tick_terminated(void)
{
    return arrived[SIGTERM] != 0 || arrived[SIGHUP] != 0;
}

/* What somebody does at a terminal whose input the world waits for is input, as what they type there is: that it came while nothing else
 * went on says when. */
static bool is_input(const struct holder *h, const struct terminal *tty, int signal)
{
    return tty != NULL && (h->outside_idle & SIGNAL_BIT(signal)) != 0 &&
           (signal == SIGINT || signal == SIGQUIT || signal == SIGTSTP || signal == SIGWINCH || signal == SIGCONT);
}

/* To whoever would have got it from the terminal. */
static void pass_on(struct holder *h, int signal)
{
    struct world *w = h->world;
    const struct terminal *tty = w->stdio[0] != NULL ? host_stream_terminal(w->stdio[0]) : NULL;
    if (w->again == NULL && !is_input(h, tty, signal))
        world_not_reproducible(w, "signal: one came from outside, and was passed on to the program");
    record(w, outside, signal);
    if (signal == SIGTSTP && w->again == NULL)
        h->suspended = true;
    int32_t group = tty != NULL && tty->foreground != 0 ? tty->foreground : w->init->pgid;
    siginfo_t info;
    signal_kernel_info(&info, signal);
    (void)signal_send_group(w, group, &info);
}

/* A tick costs a computing guest nearly a percent, so there are fewer while it is counted and nothing of the host can come up meanwhile:
 * enough for limits of time, which may be late by 100 ms. */
static bool calm(const struct holder *h)
{
    const struct world *w = h->world;
    return w->policy->limits.memory == 0 && !h->no_proc && h->internet == NULL && h->computed == 0 &&
           w->current != NULL && patch_counts(w->current->mm) && fast_clock_counts(h);
}

/* The run is that of the record: whoever called cannot reach it, but end it. For who looks at it by a prompt
 * ^C is what brings that back. */
static void take_of_replay(struct holder *h, int signal)
{
    if (signal == SIGTSTP) {
        tick_pause(true);
        raise(SIGSTOP);
        tick_pause(false);
    } else if (h->inspection != NULL && signal == SIGINT) {
        replaying_interrupt(h->world->again);
    } else if (h->inspection == NULL && (signal == SIGINT || signal == SIGQUIT)) {
        h->world->init_status = signal;
        world_end(h->world, VERDICT_KILLED);
    }
}

void tick_take(struct holder *h)
{
    if (!any_arrived)
        return;
    any_arrived = 0;
    for (int i = 0; i < LISTENED; i++) {
        int signal = listened[i];
        if (!arrived[signal])
            continue;
        arrived[signal] = 0;
        switch (signal) {
        case SIGALRM:
            limits_check(h);
            set_timer(limits_tick(h, calm(h) ? CALM_TICK_NS : TICK_NS));
            break;
        case SIGTERM:
        case SIGHUP:
            world_not_reproducible(h->world, "signal: one came from outside, and ended the run");
            h->world->init_status = signal;
            world_end(h->world, VERDICT_KILLED);
            break;
        default:
            if (h->world->again != NULL)
                take_of_replay(h, signal);
            else
                h->outside |= SIGNAL_BIT(signal);
        }
    }
}

void tick_pass_on(struct holder *h)
{
    struct world *w = h->world;
    const struct task *t = w->current;
    if (w->again != NULL) {
        int signal;
        while (!w->ending && (signal = replaying_outside(w->again, t != NULL ? t->tid : 0)) != 0)
            pass_on(h, signal);
        return;
    }
    for (int i = 0; h->outside != 0 && i < LISTENED && !w->ending; i++) {
        if ((h->outside & SIGNAL_BIT(listened[i])) == 0)
            continue;
        h->outside &= ~SIGNAL_BIT(listened[i]);
        pass_on(h, listened[i]);
    }
    h->outside_idle = 0;
    h->outside_ticks = 0;
}

/* Its checks are counted, and it was not in C code for long: it comes to one. */
static bool will_check(const struct holder *h, const struct tracee *t)
{
    return h->outside_ticks < CHECKS_WITHIN && patch_counts(t->task->mm) && fast_clock_counts(h);
}

bool tick_outside(struct holder *h, const struct tracee *t)
{
    if (h->outside == 0)
        return false;
    h->outside_ticks++;
    return h->outside_ticks == 1 || !will_check(h, t);
}

bool tick_stands(const struct holder *h, const struct tracee *t)
{
    return t->where != TRACEE_AT_EVENT || !will_check(h, t);
}

int64_t tick_limit(const struct holder *h)
{
    const struct world *w = h->world;
    if (w->again != NULL)
        return replaying_limit(w->again);
    int64_t now = clock_elapsed(&w->clock);
    return h->outside == 0 ? INT64_MAX : now > 0 ? now : 1;
}

bool tick_suspends(const struct holder *h)
{
    const struct process *init = h->world->init;
    return h->suspended && init != NULL && init->stopped;
}

void tick_suspend(struct holder *h)
{
    if (!tick_suspends(h))
        return;
    h->suspended = false;
    tick_pause(true);
    raise(SIGSTOP); /* the shell gets its terminal back; it continues us with SIGCONT */
    tick_pause(false);
}

/* A task whose checks are counted makes none, nor a call: it is in C code. That ends by itself, mostly, and where it does everything
 * stays exact; only what may be waiting for somebody else for ever is interrupted. */
static bool stuck(struct holder *h, const struct tracee *t)
{
    int64_t cpu = h->world->machine->cpu_time(t->task->process);
    if (fast_clock_moves(h) || h->moved_task != t->task || h->moved_calls != t->task->calls) {
        h->moved_task = t->task;
        h->moved_calls = t->task->calls;
        h->moved_cpu = cpu;
    }
    if (cpu - h->moved_cpu < STUCK_NS)
        return false;
    if (h->computed < cpu - h->moved_cpu)
        h->computed = cpu - h->moved_cpu;
    return true;
}

/* The elapsed time at which something is due for a task that computes: a deadline, or a timer of its process's CPU time, which passes
 * as fast. */
static int64_t next_due(const struct task *t)
{
    const struct process *p = t->process;
    const struct clock *clock = &t->world->clock;
    int64_t next = clock_next(clock);
    if (clock->real || p->cpu_alarm == 0)
        return next;
    int64_t alarm = clock_elapsed(clock) + (p->cpu < p->cpu_alarm ? p->cpu_alarm - p->cpu : 0);
    return alarm < next ? alarm : next;
}

/* Its computing took the time until then. */
static void pass_time(struct task *t, int64_t until)
{
    struct world *w = t->world;
    int64_t from = clock_elapsed(&w->clock);
    clock_jump(&w->clock, until);
    record(w, jumped, from);
    if (w->clock.real)
        return;
    task_charge(t, clock_elapsed(&w->clock) - from, 0);
    if (t->process->cpu_alarm != 0 && t->process->cpu >= t->process->cpu_alarm)
        process_timers_cpu(t->process);
}

bool tick_computing(struct holder *h, struct tracee *t)
{
    struct world *w = h->world;
    if (patch_counts(t->task->mm) && fast_clock_counts(h) && !stuck(h, t))
        return false;   /* it will stop by itself, at the check where something is due */
    fast_clock_fold(t); /* it runs on, and what it reads from now on is of the next look */
    bool same = h->tick_task == t->task && h->tick_calls == t->task->calls;
    /* It may have stood still itself, on a busy machine: only what it computed counts. */
    int64_t cpu = w->machine->cpu_time(t->task->process);
    bool whole = same && cpu - h->tick_cpu >= TICK_NS;
    h->tick_task = t->task;
    h->tick_calls = t->task->calls;
    if (whole || !same)
        h->tick_cpu = cpu;
    if (!whole)
        return false;
    bool jumped = false;    /* then it must stop, to be shown another time */
    if (w->again != NULL) { /* where it was stopped is in the record */
        if (replaying_jumps(w->again) && next_due(t->task) != INT64_MAX) {
            pass_time(t->task, w->clock.real ? replaying_time(w->again) : next_due(t->task));
            clock_run(&w->clock);
            jumped = true;
        }
        t->yields = sched_others_ready(w) && replaying_preempts(w->again);
        return jumped || t->yields;
    }
    if (w->clock.real && clock_next(&w->clock) <= clock_now(&w->clock)) {
        int64_t from = clock_elapsed(&w->clock);
        clock_look(&w->clock, INT64_MAX);
        record(w, jumped, from);
    } else if (!w->clock.real && next_due(t->task) != INT64_MAX) {
        /* Time passes only by calls, and this task makes none: a deadline that its computing has outlasted is honoured. */
        h->computed += TICK_NS;
        if (h->computed >= next_due(t->task) - clock_elapsed(&w->clock)) {
            h->computed = 0;
            world_not_reproducible(w, "clock: a deadline passed while a task computed without a call, by real time");
            pass_time(t->task, next_due(t->task));
            jumped = true;
        }
    }
    clock_run(&w->clock);
    if (sched_others_ready(w)) {
        world_not_reproducible(w, "order: a task that computed without a call was preempted by real time");
        t->yields = true;
    }
    return jumped || t->yields;
}
