/* Timers that end in a signal: alarm(2), setitimer(2), timer_create(2). Model: the kernel's kernel/time/itimer.c and
 * posix-timers.c.
 *
 * As there, a periodic timer is not started again before its signal has left the queue: the periods that went by are
 * then counted as overruns, so that an interval of one nanosecond costs what one of an hour does. Timers of the world's
 * clock stand in its heap. Timers of CPU clocks are looked at when the process has computed for long enough
 * (process->cpu_alarm). */
#include "stubs/cpu_clock.h"
#include "stubs/durations.h"
#include "stubs/stubs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    CPU_LOOK = 10 * 1000 * 1000, /* ns: with real clocks, how often a CPU timer is looked at */
};

struct posix_timer {
    struct posix_timer *next;
    struct process *process;
    int id;
    uint64_t serial; /* never reused: what a queued signal knows it by; another one after each timer_settime */
    bool on_cpu;     /* of a CPU clock: cpu_clock_id; else of the world's time */
    int clock_id;
    int32_t tid; /* SIGEV_THREAD_ID: to this thread; 0: to the process */
    int notify, signal;
    union sigval value;
    bool active;      /* `when` is a time that is to come */
    bool waits;       /* its signal is in the queue */
    bool unheard;     /* its signal was ignored: it sleeps until somebody listens */
    int64_t when;     /* elapsed time, or time of the CPU clock */
    int64_t interval; /* ns, 0: once */
    uint64_t armed;   /* in the world's heap */
    int overrun;      /* of the last signal that was taken */
    uint64_t missed;  /* expirations while the signal waits */
};

/* ---- CPU clocks' timers ---- */

static int64_t process_cpu_now(struct process *p)
{
    return cpu_clock_read(&(const struct cpu_clock){.process = p});
}

/* False: the clock's owner is gone, the timer will never expire. */
static bool timer_now(const struct posix_timer *t, int64_t *now)
{
    struct cpu_clock clock;
    if (!t->on_cpu) {
        *now = clock_elapsed(&t->process->world->clock);
        return true;
    }
    if (t->process->threads == NULL || cpu_clock_find(t->process->threads, t->clock_id, &clock) < 0)
        return false;
    *now = cpu_clock_read(&clock);
    return true;
}

static void least(int64_t *left, int64_t when, int64_t now)
{
    int64_t more = when > now ? when - now : 0;
    if (more < *left)
        *left = more;
}

static void look_later(void *process)
{
    struct process *p = process;
    p->cpu_look = 0;
    process_timers_cpu(p);
}

/* When the process's CPU timers must be looked at next. Its own CPU time advances at least as fast as any of its
 * threads'; another process's clock is looked at now and then. */
static void plan_cpu(struct process *p)
{
    struct clock *clock = &p->world->clock;
    int64_t left = INT64_MAX, now = process_cpu_now(p), timer;
    for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++)
        if (p->itimer_when[which] != 0)
            least(&left, p->itimer_when[which], now);
    for (const struct posix_timer *t = p->timers; t != NULL; t = t->next)
        if (t->on_cpu && t->active && !t->waits && !t->unheard && timer_now(t, &timer))
            least(&left, t->when, timer);
    clock_disarm(clock, p->cpu_look);
    p->cpu_look = 0;
    p->cpu_alarm = 0;
    if (left == INT64_MAX)
        return;
    if (clock->real)
        p->cpu_look =
            clock_arm(clock, ns_after(clock_elapsed(clock), left < CPU_LOOK ? CPU_LOOK : left), look_later, p);
    else
        p->cpu_alarm = ns_after(p->cpu > 0 ? p->cpu : 1, left);
}

static void expire(struct posix_timer *t);

void process_timers_cpu(struct process *p)
{
    static const int signals[] = {[ITIMER_VIRTUAL] = SIGVTALRM, [ITIMER_PROF] = SIGPROF};
    int64_t now = process_cpu_now(p), timer;
    siginfo_t info;
    p->cpu_alarm = 0;
    for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
        if (p->itimer_when[which] == 0 || p->itimer_when[which] > now)
            continue;
        p->itimer_when[which] = p->itimer_interval[which] != 0 ? ns_after(now, p->itimer_interval[which]) : 0;
        signal_kernel_info(&info, signals[which]);
        (void)signal_send_process(p, &info);
    }
    for (struct posix_timer *t = p->timers; t != NULL; t = t->next)
        if (t->on_cpu && t->active && !t->waits && !t->unheard && timer_now(t, &timer) && t->when <= timer)
            expire(t);
    plan_cpu(p);
}

/* ---- interval timers ---- */

static void alarm_rings(void *process)
{
    struct process *p = process;
    siginfo_t info;
    p->itimer[ITIMER_REAL] = 0;
    signal_kernel_info(&info, SIGALRM);
    (void)signal_send_process(p, &info);
}

static void arm_alarm(struct process *p, int64_t when)
{
    p->itimer_when[ITIMER_REAL] = when;
    p->itimer[ITIMER_REAL] = clock_arm(&p->world->clock, when, alarm_rings, p);
}

static void set_itimer(struct process *p, int which, int64_t value, int64_t interval)
{
    struct clock *clock = &p->world->clock;
    p->itimer_interval[which] = interval;
    p->itimer_when[which] = 0;
    if (which == ITIMER_REAL) {
        clock_disarm(clock, p->itimer[which]);
        p->itimer[which] = 0;
        if (value != 0)
            arm_alarm(p, ns_after(clock_elapsed(clock), value));
        return;
    }
    if (value != 0)
        p->itimer_when[which] = ns_after(process_cpu_now(p), value);
    plan_cpu(p);
}

/* What is left; a timer that runs is never at zero (kernel/time/itimer.c, itimer_get_remtime). */
static int64_t itimer_left(struct process *p, int which)
{
    if (which == ITIMER_REAL ? p->itimer[which] == 0 : p->itimer_when[which] == 0)
        return 0;
    int64_t now = which == ITIMER_REAL ? clock_elapsed(&p->world->clock) : process_cpu_now(p);
    int64_t left = p->itimer_when[which] - now;
    return left < 1000 ? 1000 : left;
}

static int give_itimer(struct call *c, int which, uint64_t to)
{
    struct process *p = c->task->process;
    const struct itimerval value = {ns_timeval(p->itimer_interval[which]), ns_timeval(itimer_left(p, which))};
    return call_write(c, to, &value, sizeof value);
}

int64_t stub_getitimer(struct call *c)
{
    int which = (int)c->arg[0];
    return which < ITIMER_REAL || which > ITIMER_PROF ? -EINVAL : give_itimer(c, which, c->arg[1]);
}

int64_t stub_setitimer(struct call *c)
{
    int which = (int)c->arg[0];
    struct itimerval new = {0}; /* a NULL pointer stops the timer: a kindness of Linux to old programs */
    struct process *p = c->task->process;
    if (c->arg[1] != 0 && call_read(c, c->arg[1], &new, sizeof new) < 0)
        return -EFAULT;
    if (which < ITIMER_REAL || which > ITIMER_PROF || !timeval_valid(&new.it_value) || !timeval_valid(&new.it_interval))
        return -EINVAL;
    struct itimerval old = {ns_timeval(p->itimer_interval[which]), ns_timeval(itimer_left(p, which))};
    set_itimer(p, which, timeval_ns(&new.it_value), timeval_ns(&new.it_interval));
    return c->arg[2] == 0 ? 0 : call_write(c, c->arg[2], &old, sizeof old);
}

int64_t stub_alarm(struct call *c)
{
    struct process *p = c->task->process;
    int64_t left = itimer_left(p, ITIMER_REAL);
    set_itimer(p, ITIMER_REAL, (int64_t)(uint32_t)c->arg[0] * NS_A_SECOND, 0);
    /* To the nearest second, but never 0 while the alarm was set (alarm_setitimer). */
    int64_t seconds = left / NS_A_SECOND, rest = left % NS_A_SECOND;
    return seconds + ((seconds == 0 && rest > 0) || rest >= NS_A_SECOND / 2);
}

/* ---- POSIX timers ---- */

static struct posix_timer *timer_of(struct process *p, int id)
{
    struct posix_timer *t = p->timers;
    while (t != NULL && t->id != id)
        t = t->next;
    return t;
}

static void expired_by_clock(void *timer)
{
    struct posix_timer *t = timer;
    t->armed = 0;
    expire(t);
}

static void start(struct posix_timer *t)
{
    if (t->on_cpu)
        plan_cpu(t->process);
    else if (t->notify != SIGEV_NONE) /* one that tells nobody is computed when it is asked about */
        t->armed = clock_arm(&t->process->world->clock, t->when, expired_by_clock, t);
}

static void stop(struct posix_timer *t)
{
    clock_disarm(&t->process->world->clock, t->armed);
    t->armed = 0;
    t->active = false;
}

static void expire(struct posix_timer *t)
{
    struct process *p = t->process;
    siginfo_t info;
    if (t->notify == SIGEV_NONE)
        return;
    memset(&info, 0, sizeof info);
    info.si_signo = t->signal;
    info.si_code = SI_TIMER;
    info.si_timerid = t->id;
    info.si_value = t->value;
    struct task *to = t->tid != 0 ? task_find(p->world, t->tid) : NULL;
    if (t->tid != 0 && (to == NULL || to->process != p)) {
        t->active = false; /* the thread it told is gone */
        return;
    }
    int sent = signal_send_timer(p, to, &info, t->serial);
    t->waits = sent == 0;
    t->unheard = sent == 1;
    if (t->interval == 0)
        t->active = false;
}

/* To the first expiry that is to come: how many went by, with the one that fired. */
static uint64_t forward(struct posix_timer *t)
{
    int64_t now;
    if (!timer_now(t, &now) || t->when > now)
        return 0;
    uint64_t periods = (uint64_t)(now - t->when) / (uint64_t)t->interval + 1;
    t->when = ns_after(t->when, (int64_t)(periods * (uint64_t)t->interval));
    return periods;
}

static void go_on(struct posix_timer *t, siginfo_t *info)
{
    t->waits = t->unheard = false;
    t->overrun = 0;
    if (t->interval == 0 || !t->active)
        return;
    uint64_t periods = forward(t), missed = periods > 0 ? periods - 1 : 0;
    t->overrun = missed > INT_MAX ? INT_MAX : (int)missed;
    if (info != NULL)
        info->si_overrun = t->overrun;
    start(t);
}

void process_timers_taken(struct process *p, uint64_t timer, siginfo_t *info)
{
    if (timer == 0) { /* SIGALRM: the interval timer's, or as good as it (dequeue_signal) */
        int64_t interval = p->itimer_interval[ITIMER_REAL], when = p->itimer_when[ITIMER_REAL];
        int64_t now = clock_elapsed(&p->world->clock);
        if (interval == 0 || when == 0 || p->itimer[ITIMER_REAL] != 0)
            return;
        int64_t periods = now > when ? (now - when) / interval + 1 : 1;
        arm_alarm(p, ns_after(when, periods * interval));
        return;
    }
    for (struct posix_timer *t = p->timers; t != NULL; t = t->next)
        if (t->serial == timer)
            go_on(t, info);
}

void process_timers_heard(struct process *p, int signal)
{
    siginfo_t info;
    if (signal == SIGALRM && p->itimer[ITIMER_REAL] == 0)
        process_timers_taken(p, 0, &info);
    for (struct posix_timer *t = p->timers; t != NULL; t = t->next)
        if ((t->unheard || t->waits) && t->signal == signal) /* what waited was thrown away when it was ignored */
            go_on(t, NULL);
}

/* struct sigevent as the kernel has it */
struct event {
    union sigval value;
    int signal, notify;
    int32_t tid;
    int32_t rest[11];
};

static int check_event(const struct task *t, const struct event *e)
{
    if (e->notify == SIGEV_NONE)
        return 0;
    if ((e->notify & ~(SIGEV_THREAD | SIGEV_THREAD_ID)) != SIGEV_SIGNAL || e->signal < 1 || e->signal > SIGNALS)
        return -EINVAL;
    if ((e->notify & SIGEV_THREAD_ID) != 0) {
        const struct task *to = task_find(t->world, e->tid);
        if (to == NULL || to->process != t->process)
            return -EINVAL;
    }
    return 0;
}

int64_t stub_timer_create(struct call *c)
{
    struct process *p = c->task->process;
    struct event event = {.signal = SIGALRM, .notify = SIGEV_SIGNAL};
    bool on_cpu;
    uint64_t count = 0, most = p->limits[RLIMIT_SIGPENDING].rlim_cur;
    int id = 0;
    if (c->arg[1] != 0 && call_read(c, c->arg[1], &event, sizeof event) < 0)
        return -EFAULT;
    int clock_error = clock_can_wait(c->task, (int)c->arg[0], &on_cpu);
    bool told_last =
        clock_error == -EINVAL && (int)c->arg[0] < 0; /* whose clock it is is asked when all else is good */
    int error = clock_error < 0 && !told_last ? clock_error : check_event(c->task, &event);
    if (error < 0)
        return error;
    for (const struct posix_timer *t = p->timers; t != NULL; t = t->next, count++)
        id = t->id >= id ? t->id + 1 : id;
    struct posix_timer *t = count >= SIGNAL_QUEUE_MAX || count >= most || id < 0 ? NULL : calloc(1, sizeof *t);
    if (t == NULL)
        return -EAGAIN;
    if (c->arg[1] == 0)
        event.value.sival_int = id;
    *t = (struct posix_timer){.next = p->timers,
                              .process = p,
                              .id = id,
                              .on_cpu = on_cpu,
                              .clock_id = (int)c->arg[0],
                              .signal = event.signal,
                              .notify = event.notify,
                              .value = event.value,
                              .tid =
                                  (event.notify & SIGEV_THREAD_ID) != 0 && event.notify != SIGEV_NONE ? event.tid : 0};
    error = call_write(c, c->arg[2], &id, sizeof id) < 0 ? -EFAULT : clock_error;
    if (error < 0) {
        free(t);
        return error;
    }
    if (on_cpu && t->clock_id == CLOCK_THREAD_CPUTIME_ID) /* the creator's, whoever looks */
        t->clock_id = (int)(~(uint32_t)c->task->tid << 3 | 4 | 2);
    t->serial = ++p->world->next_id;
    p->timers = t;
    return 0;
}

static void timer_report(struct posix_timer *t, struct itimerspec *out)
{
    int64_t now, left = 0;
    *out = (struct itimerspec){.it_interval = ns_timespec(t->interval)};
    if (!t->active || !timer_now(t, &now))
        return;
    int64_t when = t->when;
    if (t->interval != 0 && when <= now) /* its signal waits, or it has none: when it would fire next */
        when = ns_after(when, (now - when) / t->interval * t->interval + t->interval);
    left = when > now ? when - now : t->notify == SIGEV_NONE ? 0 : 1;
    out->it_value = ns_timespec(left);
}

int64_t stub_timer_gettime(struct call *c)
{
    struct posix_timer *t = timer_of(c->task->process, (int)c->arg[0]);
    struct itimerspec value;
    if (t == NULL)
        return -EINVAL;
    timer_report(t, &value);
    return call_write(c, c->arg[1], &value, sizeof value);
}

/* The point in the timer's own time at which it expires first. */
static int64_t first_expiry(struct posix_timer *t, int64_t value, bool absolute)
{
    int64_t now = 0;
    if (absolute && t->on_cpu)
        return value;
    if (absolute) {
        int64_t when = value == INT64_MAX ? value : clock_to_elapsed(&t->process->world->clock, t->clock_id, value);
        return when < 0 ? 0 : when;
    }
    (void)timer_now(t, &now);
    return ns_after(now, value);
}

int64_t stub_timer_settime(struct call *c)
{
    struct posix_timer *t = timer_of(c->task->process, (int)c->arg[0]);
    struct itimerspec new, old;
    if (c->arg[2] == 0)
        return -EINVAL;
    if (call_read(c, c->arg[2], &new, sizeof new) < 0)
        return -EFAULT;
    if (t == NULL || !timespec_valid(&new.it_value) || !timespec_valid(&new.it_interval))
        return -EINVAL;
    timer_report(t, &old);
    stop(t);
    t->serial = ++c->world->next_id;
    t->waits = t->unheard = false;
    t->overrun = 0;
    t->interval = timespec_ns(&new.it_interval);
    int64_t value = timespec_ns(&new.it_value);
    if (value != 0) {
        t->when = first_expiry(t, value, ((int)c->arg[1] & TIMER_ABSTIME) != 0);
        t->active = true;
        start(t);
    } else {
        t->interval = 0;
    }
    return c->arg[3] == 0 ? 0 : call_write(c, c->arg[3], &old, sizeof old);
}

int64_t stub_timer_getoverrun(struct call *c)
{
    const struct posix_timer *t = timer_of(c->task->process, (int)c->arg[0]);
    return t == NULL ? -EINVAL : t->overrun;
}

static void forget(struct process *p, struct posix_timer *t)
{
    struct posix_timer **link = &p->timers;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    stop(t);
    free(t);
}

int64_t stub_timer_delete(struct call *c)
{
    struct posix_timer *t = timer_of(c->task->process, (int)c->arg[0]);
    if (t == NULL)
        return -EINVAL;
    forget(c->task->process, t);
    return 0;
}

/* ---- ends
 * -------------------------------------------------------------------------------------------------------------------
 */

void process_timers_exec(struct process *p)
{
    while (p->timers != NULL)
        forget(p, p->timers);
    plan_cpu(p);
}

void process_timers_free(struct process *p)
{
    struct clock *clock = &p->world->clock;
    while (p->timers != NULL)
        forget(p, p->timers);
    clock_disarm(clock, p->itimer[ITIMER_REAL]);
    clock_disarm(clock, p->cpu_look);
    p->itimer[ITIMER_REAL] = p->cpu_look = 0;
    p->cpu_alarm = 0;
    memset(p->itimer_when, 0, sizeof p->itimer_when);
}
