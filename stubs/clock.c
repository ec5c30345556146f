/* What time it is, and sleeping: clock_gettime(2), nanosleep(2), time(2), times(2) … Model: the kernel's kernel/time/.
 * Most questions are answered without coming here, with the same values: supervisor/fast_clock.h. Nothing can set the world's
 * time. */
#include "stubs/cpu_clock.h"
#include "stubs/durations.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include "kernel/recorder.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/times.h>
#include <sys/timex.h>

enum {
    TICK = 4 * 1000 * 1000,        /* ns: what coarse clocks advance by (CONFIG_HZ=250) */
    USER_TICK = NS_A_SECOND / 100, /* ns: sysconf(_SC_CLK_TCK) is 100 */
};

/* ---- CPU clocks ---- */

int cpu_clock_find(struct task *caller, int clock_id, struct cpu_clock *out)
{
    struct world *w = caller->world;
    *out = (struct cpu_clock){.process = caller->process};
    if (clock_id == CLOCK_PROCESS_CPUTIME_ID)
        return 0;
    if (clock_id == CLOCK_THREAD_CPUTIME_ID) {
        out->thread = caller;
        return 0;
    }
    /* include/linux/posix-timers.h: ~pid in the upper bits, 4 for a thread, below it PROF, VIRT or SCHED; 3 is another
     * kind of clock, behind a descriptor, of which the world has none. */
    int32_t id = (int32_t) ~(clock_id >> 3);
    if (clock_id >= 0 || (clock_id & 3) == 3)
        return -EINVAL;
    if ((clock_id & 4) != 0) {
        out->thread = id == 0 ? caller : task_find(w, id);
        return out->thread != NULL && out->thread->process == caller->process ? 0 : -EINVAL;
    }
    out->process = id == 0 ? caller->process : process_of_id(w, id);
    return out->process != NULL ? 0 : -EINVAL;
}

int64_t cpu_clock_read(const struct cpu_clock *c)
{
    struct world *w = c->process->world;
    /* The machine knows of whole processes; a lone thread is one. */
    if (w->clock.real && (c->thread == NULL || c->process->thread_count == 1)) {
        int64_t ns = w->cpu_again != NULL ? w->cpu_again(w) : w->machine->cpu_time(c->process);
        record(w, told, TOLD_CPU, ns);
        return ns;
    }
    return c->thread != NULL ? c->thread->cpu : process_cpu(c->process);
}

/* ---- reading ---- */

/* ns, or -1: no such clock. */
static int64_t read_clock(struct call *c, int clock_id)
{
    struct cpu_clock cpu;
    int64_t now = clock_read(&c->world->clock, clock_id);
    if (now >= 0) {
        bool coarse = clock_id == CLOCK_REALTIME_COARSE || clock_id == CLOCK_MONOTONIC_COARSE;
        return coarse ? now - now % TICK : now;
    }
    return cpu_clock_find(c->task, clock_id, &cpu) < 0 ? -1 : cpu_clock_read(&cpu);
}

int64_t stub_clock_gettime(struct call *c)
{
    int64_t now = read_clock(c, (int)c->arg[0]);
    if (now < 0)
        return -EINVAL;
    const struct timespec t = ns_timespec(now);
    return call_write(c, c->arg[1], &t, sizeof t);
}

int64_t stub_clock_getres(struct call *c)
{
    int clock_id = (int)c->arg[0];
    bool coarse = clock_id == CLOCK_REALTIME_COARSE || clock_id == CLOCK_MONOTONIC_COARSE;
    const struct timespec resolution = {.tv_nsec = coarse ? TICK : 1};
    if (read_clock(c, clock_id) < 0)
        return -EINVAL;
    return c->arg[1] == 0 ? 0 : call_write(c, c->arg[1], &resolution, sizeof resolution);
}

int64_t stub_gettimeofday(struct call *c)
{
    const struct timeval now = ns_timeval(clock_read(&c->world->clock, CLOCK_REALTIME));
    const struct timezone zone = {0};
    if (c->arg[0] != 0 && call_write(c, c->arg[0], &now, sizeof now) < 0)
        return -EFAULT;
    return c->arg[1] == 0 ? 0 : call_write(c, c->arg[1], &zone, sizeof zone);
}

int64_t stub_time(struct call *c)
{
    int64_t now = clock_read(&c->world->clock, CLOCK_REALTIME) / NS_A_SECOND;
    if (c->arg[0] != 0 && call_write(c, c->arg[0], &now, sizeof now) < 0)
        return -EFAULT;
    return now;
}

int64_t stub_times(struct call *c)
{
    struct process *p = c->task->process;
    const struct tms t = {
        .tms_utime = cpu_clock_read(&(const struct cpu_clock){.process = p}) / USER_TICK,
        .tms_cutime = p->children_cpu / USER_TICK,
    };
    if (c->arg[0] != 0 && call_write(c, c->arg[0], &t, sizeof t) < 0)
        return -EFAULT;
    return clock_read(&c->world->clock, CLOCK_BOOTTIME) / USER_TICK;
}

/* ---- setting: nobody may ---- */

int64_t stub_clock_settime(struct call *c)
{
    struct timespec t;
    int clock_id = (int)c->arg[0];
    if (clock_id > CLOCK_REALTIME)
        return -EINVAL; /* Linux sets no other clock for anybody */
    if (call_read(c, c->arg[1], &t, sizeof t) < 0)
        return -EFAULT;
    bool good = clock_id == CLOCK_REALTIME ? timespec_valid(&t) : read_clock(c, clock_id) >= 0;
    return good ? -EPERM : -EINVAL;
}

int64_t stub_settimeofday(struct call *c)
{
    struct timeval t = {0};
    struct timezone zone;
    if (c->arg[0] != 0 && call_read(c, c->arg[0], &t, sizeof t) < 0)
        return -EFAULT;
    if (c->arg[0] != 0 && (t.tv_usec < 0 || t.tv_usec > 1000000))
        return -EINVAL;
    if (c->arg[1] != 0 && call_read(c, c->arg[1], &zone, sizeof zone) < 0)
        return -EFAULT;
    return c->arg[0] != 0 && !timeval_valid(&t) ? -EINVAL : -EPERM;
}

/* A clock that nobody ever synchronised (adjtimex(2)). */
static int64_t adjust(struct call *c, uint64_t address)
{
    struct timex t;
    if (call_read(c, address, &t, sizeof t) < 0)
        return -EFAULT;
    if (t.modes != 0 && t.modes != ADJ_OFFSET_SS_READ)
        return -EPERM;
    uint32_t modes = t.modes;
    memset(&t, 0, sizeof t);
    t.modes = modes;
    t.status = STA_UNSYNC;
    t.tick = 10000;
    t.precision = 1;
    t.maxerror = t.esterror = 16000000;
    t.constant = 2;
    t.tolerance = 32768000;
    t.time = ns_timeval(clock_read(&c->world->clock, CLOCK_REALTIME));
    return call_write(c, address, &t, sizeof t) < 0 ? -EFAULT : TIME_ERROR;
}

int64_t stub_adjtimex(struct call *c)
{
    return adjust(c, c->arg[0]);
}

int64_t stub_clock_adjtime(struct call *c)
{
    int clock_id = (int)c->arg[0];
    struct timex t;
    if (clock_id == CLOCK_REALTIME)
        return adjust(c, c->arg[1]);
    if (call_read(c, c->arg[1], &t, sizeof t) < 0)
        return -EFAULT;
    bool none = clock_is_dynamic(clock_id) || (clock_id >= 0 && read_clock(c, clock_id) < 0);
    return none ? -EINVAL : -EOPNOTSUPP;
}

/* ---- sleeping ---- */

/* Sleep until the deadline, which is elapsed time. What is left is written when a signal ends a relative sleep. A time
 * that has come already gives way to others too, once: asking what time it was can have cost more than a short sleep is
 * long, and a program that waits for another one by short sleeps must not keep it from running. */
static int64_t sleep_until(struct call *c, int64_t deadline, uint64_t left_to)
{
    int64_t interrupted = -CALL_RESTART_NOHAND;
    if (c->timed_out)
        return 0;
    int64_t result = call_block(c, deadline < 0 ? 0 : deadline, interrupted);
    if (result != interrupted || left_to == 0)
        return result;
    int64_t left = deadline - clock_elapsed(&c->world->clock);
    const struct timespec t = ns_timespec(left > 0 ? left : 0);
    return call_write(c, left_to, &t, sizeof t) < 0 ? -EFAULT : result;
}

static int64_t sleep_for(struct call *c, uint64_t time, uint64_t left_to)
{
    struct timespec t = {0};
    if (!c->again) {
        if (call_read(c, time, &t, sizeof t) < 0)
            return -EFAULT;
        if (!timespec_valid(&t))
            return -EINVAL;
    }
    return sleep_until(c, call_deadline_in(c, timespec_ns(&t)), left_to);
}

int64_t stub_nanosleep(struct call *c)
{
    return sleep_for(c, c->arg[0], c->arg[1]);
}

int clock_can_wait(struct task *caller, int clock_id, bool *on_cpu)
{
    struct cpu_clock cpu;
    *on_cpu = false;
    switch (clock_id) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
        return 0;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        return (caller->cred.capabilities >> CAP_WAKE_ALARM & 1) != 0 ? 0 : -EPERM;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    default:
        if (clock_is_dynamic(clock_id))
            return -EOPNOTSUPP;
        *on_cpu = true;
        return cpu_clock_find(caller, clock_id, &cpu);
    }
}

/* A CPU clock that others make go: looked at again after as long as it could take at least. */
static int64_t sleep_by_cpu(struct call *c, int clock_id, const struct timespec *t, bool absolute)
{
    struct cpu_clock cpu;
    if (cpu_clock_find(c->task, clock_id, &cpu) < 0)
        return c->again ? 0 : -EINVAL;
    if (cpu.thread == c->task)
        return -EINVAL;
    int64_t now = cpu_clock_read(&cpu), elapsed = clock_elapsed(&c->world->clock);
    if (!c->again)
        c->keep[0] = (uint64_t)(absolute ? timespec_ns(t) : ns_after(now, timespec_ns(t)));
    int64_t left = (int64_t)c->keep[0] - now;
    if (left <= 0)
        return 0;
    c->timed_out = false;
    return call_block(c, ns_after(elapsed, left), -CALL_RESTART_NOHAND);
}

int64_t stub_clock_nanosleep(struct call *c)
{
    int clock_id = (int)c->arg[0];
    bool absolute = ((int)c->arg[1] & TIMER_ABSTIME) != 0, by_cpu;
    struct timespec t = {0};
    int error = clock_id == CLOCK_THREAD_CPUTIME_ID ? -EOPNOTSUPP : clock_can_wait(c->task, clock_id, &by_cpu);
    if (error == -EINVAL && clock_id < 0 && !c->again && call_read(c, c->arg[2], &t, sizeof t) < 0)
        return -EFAULT; /* whose clock it is is asked last */
    if (error < 0)
        return error;
    if (!absolute && !by_cpu)
        return sleep_for(c, c->arg[2], c->arg[3]);
    if (!c->again) {
        if (call_read(c, c->arg[2], &t, sizeof t) < 0)
            return -EFAULT;
        if (!timespec_valid(&t))
            return -EINVAL;
    }
    if (by_cpu)
        return sleep_by_cpu(c, clock_id, &t, absolute);
    if (!c->again) {
        int64_t ns = timespec_ns(&t);
        c->keep[0] = (uint64_t)(ns == INT64_MAX ? ns : clock_to_elapsed(&c->world->clock, clock_id, ns));
    }
    return sleep_until(c, (int64_t)c->keep[0], 0);
}
