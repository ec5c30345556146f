/* Signals: who gets which, and when (signal(7); the kernel's kernel/signal.c is the model).
 *
 * The real kernel holds masks and handlers and builds the frames; the queues here hold what was sent. For each signal
 * number that is queued somewhere, one real signal, a bell, is on its way to a real thread: it is rung when the first
 * of that number is queued, and again when one was taken and more are left. A task that stops for a bell asks
 * signal_claim what it is for. A bell may find nothing (sigtimedwait(2) or signalfd(2) took the signal before): then it
 * is swallowed. The other way round would be wrong: whoever is told that a signal waits (signal_deliverable) must hear
 * a bell. */
#include "kernel/world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { HANDLER_DEFAULT = 0, HANDLER_IGNORE = 1, REALTIME_FIRST = 32 /* the kernel's SIGRTMIN; glibc keeps two */ };

#define STOPS (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))
#define IGNORED_BY_DEFAULT (SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGURG))
/* What a program does to itself: told before anything else. */
#define SYNCHRONOUS                                                                                                    \
    (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) |        \
     SIGNAL_BIT(SIGSYS))

static bool in(uint64_t set, int signal)
{
    return signal >= 1 && signal <= SIGNALS && (set & SIGNAL_BIT(signal)) != 0;
}

bool signal_default_ignored(int signal)
{
    return in(IGNORED_BY_DEFAULT, signal);
}

bool signal_default_stops(int signal)
{
    return in(STOPS, signal);
}

bool signal_ignored(const struct process *p, int signal)
{
    uint64_t handler = p->handlers->action[signal].handler;
    return handler == HANDLER_IGNORE || (handler == HANDLER_DEFAULT && signal_default_ignored(signal));
}

static bool is_default(const struct process *p, int signal)
{
    return p->handlers->action[signal].handler == HANDLER_DEFAULT;
}

void signal_kernel_info(siginfo_t *info, int signal)
{
    memset(info, 0, sizeof *info);
    info->si_signo = signal;
    info->si_code = SI_KERNEL;
}

void signal_user_info(siginfo_t *info, int signal, const struct task *sender)
{
    memset(info, 0, sizeof *info);
    info->si_signo = signal;
    info->si_code = SI_USER;
    info->si_pid = sender->process->pid;
    info->si_uid = sender->cred.uid;
}

/* ---- queues ---- */

void signal_queue_init(struct signal_queue *q)
{
    *q = (struct signal_queue){.last = &q->first};
}

static void unlink_entry(struct signal_queue *q, struct signal_entry **link)
{
    struct signal_entry *e = *link;
    *link = e->next;
    if (e->next == NULL)
        q->last = link;
    q->count--;
}

static struct signal_entry *find_entry(const struct signal_queue *q, int signal)
{
    struct signal_entry *e = q->first;
    while (e != NULL && e->info.si_signo != signal)
        e = e->next;
    return e;
}

static void discard(struct signal_queue *q, uint64_t set)
{
    if ((q->pending & set) == 0)
        return;
    for (struct signal_entry **link = &q->first; *link != NULL;) {
        struct signal_entry *e = *link;
        if (!in(set, e->info.si_signo)) {
            link = &e->next;
            continue;
        }
        unlink_entry(q, link);
        free(e);
    }
    q->pending &= ~set;
}

void signal_queue_clear(struct signal_queue *q)
{
    discard(q, UINT64_MAX);
}

void signal_discard(struct process *p, uint64_t set)
{
    discard(&p->signals, set);
    for (struct task *t = p->threads; t != NULL; t = t->next_thread)
        discard(&t->signals, set);
}

static int enqueue(struct process *p, struct signal_queue *q, const siginfo_t *info, uint64_t timer)
{
    int signal = info->si_signo;
    bool realtime = signal >= REALTIME_FIRST;
    uint64_t most = p->limits[RLIMIT_SIGPENDING].rlim_cur;
    if (most > SIGNAL_QUEUE_MAX)
        most = SIGNAL_QUEUE_MAX;
    /* A standard signal always finds room, there can be only one of each; and a timer's, whose number is limited. */
    struct signal_entry *e = realtime && timer == 0 && q->count >= most ? NULL : malloc(sizeof *e);
    if (e == NULL)
        return -EAGAIN;
    *e = (struct signal_entry){.info = *info, .timer = timer};
    *q->last = e;
    q->last = &e->next;
    q->count++;
    q->pending |= SIGNAL_BIT(signal);
    return 0;
}

/* The first of `signal` out of q. */
static bool take(struct process *p, struct signal_queue *q, int signal, siginfo_t *info)
{
    struct signal_entry **link = &q->first;
    while (*link != NULL && (*link)->info.si_signo != signal)
        link = &(*link)->next;
    struct signal_entry *e = *link;
    if (e == NULL)
        return false;
    uint64_t timer = e->timer;
    *info = e->info;
    unlink_entry(q, link);
    free(e);
    if (find_entry(q, signal) == NULL)
        q->pending &= ~SIGNAL_BIT(signal);
    if (timer != 0 || (signal == SIGALRM && q == &p->signals))
        process_timers_taken(p, timer, info);
    return true;
}

static int first_of(uint64_t set)
{
    if ((set & SYNCHRONOUS) != 0)
        set &= SYNCHRONOUS;
    return set == 0 ? 0 : __builtin_ctzll(set) + 1;
}

bool signal_dequeue(struct task *t, uint64_t set, siginfo_t *info)
{
    struct signal_queue *own = &t->signals, *shared = &t->process->signals;
    if ((own->pending & set) != 0)
        return take(t->process, own, first_of(own->pending & set), info);
    return (shared->pending & set) != 0 && take(t->process, shared, first_of(shared->pending & set), info);
}

uint64_t signal_pending(const struct task *t)
{
    return t->signals.pending | t->process->signals.pending;
}

/* ---- bells ---- */

/* What keeps signals from the task now, or for as long as the call it sleeps in. */
static uint64_t blocked_now(struct task *t)
{
    return t->restore_mask ? t->temporary_mask : t->world->machine->blocked(t);
}

static bool takes(struct task *t, int signal)
{
    return t->state != TASK_DEAD && !in(blocked_now(t), signal);
}

/* The kernel's complete_signal: the leader if it can, else the first thread that can. */
static struct task *chosen(struct process *p, int signal)
{
    for (struct task *t = p->threads; t != NULL; t = t->next_thread)
        if (takes(t, signal))
            return t;
    return NULL;
}

/* t NULL: nobody can take it now. */
static void ring(struct process *p, struct task *t, struct signal_queue *q, int signal)
{
    for (struct signal_entry *e = q->first; e != NULL; e = e->next)
        if (e->info.si_signo == signal)
            e->rung = t != NULL ? t->tid : 0;
    p->world->machine->ring(p, t, signal);
    /* Only a handler or an end interrupts: vfork(2)'s wait for the child is not a sleep that signals end. */
    if (t != NULL && t->state == TASK_BLOCKED && !t->vfork_waiting)
        task_interrupt(t);
}

/* One signal was taken from q: what is left of its number needs a bell of its own. */
static void ring_for_rest(struct process *p, struct task *owner, struct signal_queue *q, int signal)
{
    if (in(q->pending, signal))
        ring(p, owner != NULL ? owner : chosen(p, signal), q, signal);
}

bool signal_deliverable(struct task *t, uint64_t blocked)
{
    struct process *p = t->process;
    uint64_t waiting = signal_pending(t) & ~blocked;
    for (uint64_t set = waiting; set != 0; set &= set - 1) {
        int signal = __builtin_ctzll(set) + 1;
        if (signal_ignored(p, signal))
            waiting &= ~SIGNAL_BIT(signal);
    }
    for (uint64_t set = waiting & p->signals.pending & ~t->signals.pending; set != 0; set &= set - 1) {
        int signal = __builtin_ctzll(set) + 1;
        struct signal_entry *e = find_entry(&p->signals, signal);
        if (e != NULL && e->rung != 0 && e->rung != t->tid) { /* somebody else's, who has not run since */
            e->rung = t->tid;
            p->world->machine->ring(p, t, signal);
        }
    }
    return waiting != 0;
}

void signal_task_ended(struct task *t)
{
    struct process *p = t->process;
    if (p->zombie || p->signals.pending == 0)
        return;
    for (struct signal_entry *e = p->signals.first; e != NULL; e = e->next)
        if (e->rung == t->tid)
            ring(p, chosen(p, e->info.si_signo), &p->signals, e->info.si_signo);
}

/* ---- ends, stops and continues ---- */

static bool fatal(const struct process *p, int signal)
{
    return is_default(p, signal) && !signal_default_ignored(signal) && !signal_default_stops(signal);
}

/* The process is about to die of a signal: nobody else will look after the locks its threads hold. */
static void leave_locks(struct process *p)
{
    for (struct task *t = p->threads; t != NULL; t = t->next_thread)
        task_release_memory(t);
}

static void kill_process(struct process *p)
{
    leave_locks(p);
    p->world->machine->kill(p);
}

/* A stop signal takes its default action. Of an orphaned group only SIGSTOP stops anybody (get_signal). */
static void stop_process(struct process *p, int signal)
{
    if (signal == SIGSTOP || !process_group_orphaned(p->world, p->pgid))
        process_stop(p, signal);
}

/* The kernel's prepare_signal: stop signals and SIGCONT undo each other whether or not they are then received. */
static void undo_opposite(struct process *p, int signal)
{
    if (signal_default_stops(signal)) {
        signal_discard(p, SIGNAL_BIT(SIGCONT));
    } else if (signal == SIGCONT) {
        signal_discard(p, STOPS);
        process_continue(p);
    }
}

/* ---- sending ---- */

/* True when the signal needs no queue: it was ignored, or acted on at once. A blocked one is never ignored, for its
 * handler may be another one when it is unblocked. */
static bool done_at_once(struct process *p, struct task *t, int signal, int *result)
{
    *result = 0;
    if (signal == SIGKILL) {
        kill_process(p);
        return true;
    }
    undo_opposite(p, signal);
    struct task *looked_at = t != NULL ? t : p->threads;
    bool blocked = looked_at == NULL || !takes(looked_at, signal);
    if (signal_ignored(p, signal) && !blocked) {
        *result = 1;
        return true;
    }
    if (signal == SIGSTOP || (signal_default_stops(signal) && is_default(p, signal) &&
                              (t != NULL ? takes(t, signal) : chosen(p, signal) != NULL))) {
        stop_process(p, signal);
        return true;
    }
    return false;
}

static int deliver(struct process *p, struct task *t, const siginfo_t *info, uint64_t timer)
{
    int signal = info->si_signo, result;
    if (signal < 1 || signal > SIGNALS)
        return -EINVAL;
    if (p->zombie || p->thread_count == 0 || (t != NULL && t->state == TASK_DEAD))
        return 0;
    if (done_at_once(p, t, signal, &result))
        return result;
    struct signal_queue *q = t != NULL ? &t->signals : &p->signals;
    bool first = !in(q->pending, signal);
    if (!first && signal < REALTIME_FIRST && timer == 0) /* a timer's is counted by its timer */
        return 0;
    if (enqueue(p, q, info, timer) < 0) /* kill(2) of a real-time signal loses what it cannot queue, if one is there */
        return !first && info->si_code == SI_USER ? 0 : -EAGAIN;
    if (first) {
        struct task *hears = t == NULL ? chosen(p, signal) : t;
        if (t != NULL && !takes(t, signal))
            p->world->machine->ring(p, t, signal);
        else
            ring(p, hears, q, signal);
    }
    waitq_wake(&p->signal_wait, EPOLLIN);
    return 0;
}

int signal_send_process(struct process *p, const siginfo_t *info)
{
    int result = deliver(p, NULL, info, 0);
    return result > 0 ? 0 : result;
}

int signal_send_task(struct task *t, const siginfo_t *info)
{
    int result = deliver(t->process, t, info, 0);
    return result > 0 ? 0 : result;
}

int signal_send_timer(struct process *p, struct task *t, const siginfo_t *info, uint64_t timer)
{
    return deliver(p, t, info, timer);
}

int signal_send_group(struct world *w, int32_t pgid, const siginfo_t *info)
{
    int result = -ESRCH;
    bool sent = false;
    for (struct process *p = w->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->pgid != pgid)
            continue;
        result = signal_send_process(p, info);
        sent = sent || result == 0;
    }
    return sent ? 0 : result;
}

/* ---- receiving ---- */

/* What the kernel itself raised: a fault of the program's own, or its CPU limit. Signals that were sent have codes <=
 * 0. */
static bool raised_by_kernel(int signal, const siginfo_t *real)
{
    return real->si_code > 0 && (in(SYNCHRONOUS, signal) || signal == SIGXCPU || signal == SIGXFSZ);
}

/* As the real kernel is about to do on delivery, in the model. */
static void delivered(struct process *p, int signal)
{
    struct signal_action *a = &p->handlers->action[signal];
    if (fatal(p, signal))
        leave_locks(p);
    else if ((a->flags & SA_RESETHAND) != 0)
        a->handler = HANDLER_DEFAULT;
}

static int pass_fault(struct task *t, int signal, const siginfo_t *real, siginfo_t *info)
{
    struct process *p = t->process;
    *info = *real;
    /* A bell of the same number was merged with it, or waits behind it: the queued signal gets another. */
    ring_for_rest(p, t, &t->signals, signal);
    ring_for_rest(p, NULL, &p->signals, signal);
    if (p->handlers->action[signal].handler <= HANDLER_IGNORE)
        leave_locks(p);
    delivered(p, signal);
    return signal;
}

int signal_claim(struct task *t, int signal, const siginfo_t *real, siginfo_t *info)
{
    struct process *p = t->process;
    if (signal < 1 || signal > SIGNALS)
        return 0;
    if (raised_by_kernel(signal, real))
        return pass_fault(t, signal, real, info);
    if (in(t->signals.pending, signal)) {
        (void)take(p, &t->signals, signal, info);
        ring_for_rest(p, t, &t->signals, signal);
    } else if (in(p->signals.pending, signal)) {
        (void)take(p, &p->signals, signal, info);
        ring_for_rest(p, NULL, &p->signals, signal);
    } else {
        return 0;
    }
    if (signal_ignored(p, signal))
        return 0;
    if (signal_default_stops(signal) && is_default(p, signal)) {
        stop_process(p, signal);
        return 0;
    }
    delivered(p, signal);
    return signal;
}

/* execve(2): what was caught is back at its default, what was ignored stays so, what is pending stays pending. The
 * bells of threads that are gone are lost: they are rung anew. */
void signal_exec(struct process *p)
{
    for (int signal = 1; signal <= SIGNALS; signal++) {
        struct signal_action *a = &p->handlers->action[signal];
        uint64_t handler = a->handler == HANDLER_IGNORE ? HANDLER_IGNORE : HANDLER_DEFAULT;
        *a = (struct signal_action){.handler = handler};
        if (in(p->signals.pending, signal))
            ring(p, chosen(p, signal), &p->signals, signal);
    }
}
