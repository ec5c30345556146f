// rooms: kernel stubs vfs policy
/* Time: what the clocks say, sleeping, and timers that end in a signal. One call costs 10 us of the world's time. */
#include "tests/unit/fake_machine.h"

#include <limits.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/timex.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SECOND INT64_C(1000000000)
#define EVENT INT64_C(10000)
enum { CPU_OF_PID = 2, CPU_OF_TID = 6, HERE = 512, THERE = 1024 };

static uint64_t cpu_clock(int32_t id, int kind)
{
    return (uint32_t)(~(uint32_t)id << 3 | (uint32_t)kind);
}

static uint64_t put_time(struct fake_machine *f, size_t offset, int64_t seconds, int64_t ns)
{
    const struct timespec t = {.tv_sec = seconds, .tv_nsec = ns};
    memcpy(fake_bytes(f, offset), &t, sizeof t);
    return fake_at(offset);
}

static int64_t get_time(struct fake_machine *f, size_t offset)
{
    struct timespec t;
    memcpy(&t, fake_bytes(f, offset), sizeof t);
    assert_in_range(t.tv_nsec, 0, SECOND - 1);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int64_t now(struct fake_machine *f, uint64_t clock_id)
{
    assert_int_equal(fake_call(f, SYS_clock_gettime, clock_id, fake_at(HERE)), 0);
    return get_time(f, HERE);
}

static int64_t elapsed(struct fake_machine *f)
{
    return clock_elapsed(&f->world->clock);
}

/* ---- the heap -------------------------------------------------------------------------------------------------------- */

struct firing {
    int order[16];
    int count;
};
struct one {
    struct firing *all;
    int number;
};

static void fired(void *argument)
{
    struct one *o = argument;
    o->all->order[o->all->count++] = o->number;
}

static void test_heap_order(void **state)
{
    static const int64_t when[] = {50, 10, 30, 10, 90, 30, 0, -5};
    static const int expected[] = {7, 6, 1, 3, 2, 5, 0, 4};
    struct firing all = {0};
    struct one each[COUNT(when)];
    struct clock c;
    clock_init(&c, false, 0, 1);
    for (size_t i = 0; i < COUNT(when); i++) {
        each[i] = (struct one){&all, (int)i};
        assert_int_not_equal(clock_arm(&c, when[i], fired, &each[i]), 0);
    }
    uint64_t gone = clock_arm(&c, 20, fired, &each[0]);
    clock_disarm(&c, gone);
    clock_disarm(&c, gone); /* harmless */
    clock_disarm(&c, 0);
    while (clock_next(&c) != INT64_MAX) {
        clock_jump(&c, clock_next(&c));
        clock_run(&c);
    }
    assert_int_equal(all.count, COUNT(when));
    for (int i = 0; i < all.count; i++)
        assert_int_equal(all.order[i], expected[i]);
    clock_jump(&c, 5); /* never back */
    assert_int_equal(clock_elapsed(&c), 90);
    clock_destroy(&c);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void test_clocks(void **state)
{
    static const int realtime[] = {CLOCK_REALTIME, CLOCK_TAI, CLOCK_REALTIME_ALARM};
    static const int monotonic[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME_ALARM};
    struct fake_machine *f = *state;
    const int64_t epoch = f->world->clock.epoch, boot = f->world->clock.boot;
    int64_t before = elapsed(f), told; /* a call costs time */
    for (size_t i = 0; i < COUNT(realtime); i++, before += EVENT)
        assert_int_equal(now(f, (uint64_t)realtime[i]), epoch + before + EVENT);
    for (size_t i = 0; i < COUNT(monotonic); i++, before += EVENT)
        assert_int_equal(now(f, (uint64_t)monotonic[i]), boot + before + EVENT);
    assert_int_equal(now(f, CLOCK_REALTIME_COARSE) % 4000000, 0);
    assert_int_equal(fake_call(f, SYS_time, fake_at(HERE)), epoch / SECOND);
    struct timeval tv;
    assert_int_equal(fake_call(f, SYS_gettimeofday, fake_at(HERE), fake_at(THERE)), 0);
    memcpy(&tv, fake_bytes(f, HERE), sizeof tv);
    assert_int_equal(tv.tv_usec, elapsed(f) / 1000);
    clock_jump(&f->world->clock, 14 * 86400 * SECOND);
    assert_int_equal(fake_call(f, SYS_time, 0), epoch / SECOND + 14 * 86400);
    told = fake_call(f, SYS_times, 0);
    assert_int_equal(told, (boot + elapsed(f)) / (SECOND / 100));
}

static void test_cpu_clocks(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f);
    int64_t before = now(f, CLOCK_PROCESS_CPUTIME_ID);
    clock_jump(&f->world->clock, elapsed(f) + SECOND); /* asleep: no CPU time */
    assert_int_equal(now(f, CLOCK_PROCESS_CPUTIME_ID) - before, EVENT);
    for (int i = 0; i < 5; i++)
        assert_int_equal(fake_call_as(t, SYS_getpid, (const uint64_t[6]){0}), f->process->pid);
    assert_int_equal(now(f, CLOCK_PROCESS_CPUTIME_ID) - before, 7 * EVENT);
    assert_int_equal(now(f, cpu_clock(0, CPU_OF_PID)) - before, 8 * EVENT);
    assert_int_equal(now(f, cpu_clock(f->process->pid, CPU_OF_PID)) - before, 9 * EVENT);
    assert_int_equal(now(f, cpu_clock(t->tid, CPU_OF_TID)), 5 * EVENT);
    int64_t own = now(f, CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(own, f->task->cpu);
    assert_int_equal(now(f, CLOCK_PROCESS_CPUTIME_ID), own + 6 * EVENT);
}

static void test_clock_errors(void **state)
{
    struct fake_machine *f = *state;
    const uint64_t good = put_time(f, HERE, 1, 0), bad = put_time(f, THERE, 1, SECOND), self = fake_at(4096);
    const struct {
        long nr;
        uint64_t a, b, c;
        int64_t result;
    } cases[] = {
        {SYS_clock_gettime, 10, good, 0, -EINVAL},
        {SYS_clock_gettime, 99, good, 0, -EINVAL},
        {SYS_clock_gettime, cpu_clock(9999, CPU_OF_PID), good, 0, -EINVAL},
        {SYS_clock_gettime, cpu_clock(9999, CPU_OF_TID), good, 0, -EINVAL},
        {SYS_clock_gettime, cpu_clock(3, 3), good, 0, -EINVAL}, /* behind a descriptor */
        {SYS_clock_gettime, CLOCK_REALTIME, 8, 0, -EFAULT},
        {SYS_clock_getres, CLOCK_REALTIME, 0, 0, 0},
        {SYS_clock_getres, 99, 0, 0, -EINVAL},
        {SYS_clock_settime, CLOCK_REALTIME, good, 0, -EPERM},
        {SYS_clock_settime, CLOCK_REALTIME, bad, 0, -EINVAL},
        {SYS_clock_settime, CLOCK_MONOTONIC, good, 0, -EINVAL},
        {SYS_clock_settime, CLOCK_REALTIME, 8, 0, -EFAULT},
        {SYS_settimeofday, good, 0, 0, -EPERM},
        {SYS_settimeofday, 8, 0, 0, -EFAULT},
        {SYS_gettimeofday, 8, 0, 0, -EFAULT},
        {SYS_gettimeofday, 0, 8, 0, -EFAULT},
        {SYS_gettimeofday, 0, 0, 0, 0},
        {SYS_time, 8, 0, 0, -EFAULT},
        {SYS_adjtimex, self, 0, 0, TIME_ERROR},
        {SYS_adjtimex, 8, 0, 0, -EFAULT},
        {SYS_clock_adjtime, CLOCK_MONOTONIC, self, 0, -EOPNOTSUPP},
        {SYS_clock_adjtime, 99, self, 0, -EINVAL},
        {SYS_nanosleep, bad, 0, 0, -EINVAL},
        {SYS_nanosleep, 8, 0, 0, -EFAULT},
        {SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, good, -EOPNOTSUPP},
        {SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, good, -EOPNOTSUPP},
        {SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, good, -EOPNOTSUPP},
        {SYS_clock_nanosleep, CLOCK_BOOTTIME_ALARM, 0, good, -EPERM},
        {SYS_clock_nanosleep, 99, 0, good, -EINVAL},
        {SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, bad, -EINVAL},
        {SYS_timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0, 0, -EINVAL},
        {SYS_timerfd_create, CLOCK_MONOTONIC, 1, 0, -EINVAL},
        {SYS_timerfd_create, CLOCK_REALTIME_ALARM, 0, 0, -EPERM},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(fake_call(f, (uint64_t)cases[i].nr, cases[i].a, cases[i].b, cases[i].c), cases[i].result);
    struct timex t = {.modes = ADJ_FREQUENCY};
    memcpy(fake_bytes(f, 4096), &t, sizeof t);
    assert_int_equal(fake_call(f, SYS_adjtimex, self), -EPERM);
}

/* ---- sleeping --------------------------------------------------------------------------------------------------------------- */

static void test_sleeps(void **state)
{
    struct fake_machine *f = *state;
    const int64_t epoch = f->world->clock.epoch, boot = f->world->clock.boot;
    const struct {
        int clock_id, flags;
        int64_t seconds, elapsed; /* elapsed: when it ends, if not relative */
    } cases[] = {
        {-1, 0, 3, -1},
        {CLOCK_REALTIME, 0, 14 * 86400, -1},
        {CLOCK_MONOTONIC, 0, 1, -1},
        {CLOCK_MONOTONIC, TIMER_ABSTIME, boot / SECOND + 3000000, 3000000 * SECOND},
        {CLOCK_REALTIME, TIMER_ABSTIME, epoch / SECOND + 4000000, 4000000 * SECOND},
        {CLOCK_REALTIME, TIMER_ABSTIME, 1, -2}, /* long past */
        {CLOCK_MONOTONIC, TIMER_ABSTIME, 0, -2},
        {-1, 0, 0, -2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t time = put_time(f, HERE, cases[i].seconds, 0);
        int64_t begun = elapsed(f) + EVENT;
        int64_t result = cases[i].clock_id < 0 ? fake_call(f, SYS_nanosleep, time, 0)
                                               : fake_call(f, SYS_clock_nanosleep, (uint64_t)cases[i].clock_id,
                                                           (uint64_t)cases[i].flags, time, 0);
        assert_int_equal(result, CALL_BLOCK); /* others have their turn in any case */
        fake_jump(f);
        assert_int_equal(fake_again(f->task), 0);
        int64_t expected = cases[i].elapsed == -1   ? begun + cases[i].seconds * SECOND
                           : cases[i].elapsed == -2 ? begun
                                                    : cases[i].elapsed;
        assert_int_equal(elapsed(f), expected);
    }
}

static void test_interrupted_sleep(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(fake_call(f, SYS_nanosleep, put_time(f, HERE, 10, 0), fake_at(THERE)), CALL_BLOCK);
    clock_jump(&f->world->clock, elapsed(f) + 4 * SECOND);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_NOHAND);
    assert_int_equal(get_time(f, THERE), 6 * SECOND);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX); /* nothing is left behind */
}

/* ---- interval timers ---------------------------------------------------------------------------------------------------------- */

static void put_itimer(struct fake_machine *f, int64_t value_us, int64_t interval_us)
{
    const struct itimerval v = {{interval_us / 1000000, interval_us % 1000000},
                                {value_us / 1000000, value_us % 1000000}};
    memcpy(fake_bytes(f, HERE), &v, sizeof v);
}

static int64_t left_us(struct fake_machine *f, int which)
{
    struct itimerval v;
    assert_int_equal(fake_call(f, SYS_getitimer, (uint64_t)which, fake_at(THERE)), 0);
    memcpy(&v, fake_bytes(f, THERE), sizeof v);
    return v.it_value.tv_sec * 1000000 + v.it_value.tv_usec;
}

static bool take(struct fake_machine *f, int signal, siginfo_t *info)
{
    return signal_dequeue(f->task, SIGNAL_BIT(signal), info);
}

static void catch (struct fake_machine *f, int signal)
{
    f->process->handlers->action[signal].handler = 0x1234;
}

static void test_alarm(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    catch (f, SIGALRM);
    assert_int_equal(fake_call(f, SYS_alarm, 10), 0);
    assert_int_equal(fake_call(f, SYS_alarm, 5), 10);
    assert_int_equal(left_us(f, ITIMER_REAL), 5000000 - 10);
    clock_jump(&f->world->clock, elapsed(f) + 4 * SECOND + SECOND / 4 * 3);
    assert_int_equal(fake_call(f, SYS_alarm, 1), 1); /* less than a second is not 0 */
    assert_int_equal(fake_call(f, SYS_pause), CALL_BLOCK);
    fake_jump(f);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_NOHAND);
    assert_true(take(f, SIGALRM, &info));
    assert_int_equal(info.si_code, SI_KERNEL);
    assert_int_equal(fake_call(f, SYS_alarm, 3), 0);
    assert_int_equal(fake_call(f, SYS_alarm, 0), 3);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX);
}

static void test_interval_begins_when_the_signal_is_taken(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    catch (f, SIGALRM);
    put_itimer(f, 1000000, 1); /* then every microsecond */
    assert_int_equal(fake_call(f, SYS_setitimer, ITIMER_REAL, fake_at(HERE), 0), 0);
    fake_jump(f);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX); /* a million a second would cost a million */
    clock_jump(&f->world->clock, elapsed(f) + SECOND);
    assert_true(take(f, SIGALRM, &info));
    assert_false(take(f, SIGALRM, &info));
    assert_int_equal(clock_next(&f->world->clock), elapsed(f) + 1000);
}

static void test_setitimer(void **state)
{
    struct fake_machine *f = *state;
    struct itimerval old;
    put_itimer(f, 3000000, 2000000);
    assert_int_equal(fake_call(f, SYS_setitimer, ITIMER_REAL, fake_at(HERE), 0), 0);
    put_itimer(f, 0, 0);
    assert_int_equal(fake_call(f, SYS_setitimer, ITIMER_REAL, fake_at(HERE), fake_at(THERE)), 0);
    memcpy(&old, fake_bytes(f, THERE), sizeof old);
    assert_int_equal(old.it_value.tv_sec, 2);
    assert_int_equal(old.it_interval.tv_sec, 2);
    assert_int_equal(left_us(f, ITIMER_REAL), 0);
    assert_int_equal(fake_call(f, SYS_setitimer, 3, fake_at(HERE), 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getitimer, 3, fake_at(HERE)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_setitimer, 0, 8, 0), -EFAULT);
    put_itimer(f, -1, 0);
    assert_int_equal(fake_call(f, SYS_setitimer, 0, fake_at(HERE), 0), -EINVAL);
}

static void test_cpu_interval_timers(void **state)
{
    static const struct {
        int which, signal;
    } cases[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
    struct fake_machine *f = *state;
    siginfo_t info;
    for (size_t i = 0; i < COUNT(cases); i++) {
        catch (f, cases[i].signal);
        put_itimer(f, 1000, 500); /* 100 calls, then every 50 */
        assert_int_equal(fake_call(f, SYS_setitimer, (uint64_t)cases[i].which, fake_at(HERE), 0), 0);
        clock_jump(&f->world->clock, elapsed(f) + 60 * SECOND); /* sleep is no CPU time */
        clock_run(&f->world->clock);
        assert_false(take(f, cases[i].signal, &info));
        for (int round = 0; round < 3; round++) {
            int calls = 0;
            while (!take(f, cases[i].signal, &info) && calls < 1000) {
                fake_call(f, SYS_getpid);
                calls++;
            }
            assert_in_range(calls, round == 0 ? 99 : 49, round == 0 ? 101 : 51);
        }
        put_itimer(f, 0, 0);
        assert_int_equal(fake_call(f, SYS_setitimer, (uint64_t)cases[i].which, fake_at(HERE), 0), 0);
        assert_int_equal(f->process->cpu_alarm, 0);
    }
}

/* ---- POSIX timers --------------------------------------------------------------------------------------------------------------- */

struct event {
    int64_t value;
    int32_t signal, notify, tid, rest[11];
};

static int new_timer(struct fake_machine *f, int clock_id, const struct event *e)
{
    int id = -1;
    if (e != NULL)
        memcpy(fake_bytes(f, HERE), e, sizeof *e);
    int64_t result = fake_call(f, SYS_timer_create, (uint64_t)clock_id, e != NULL ? fake_at(HERE) : 0, fake_at(THERE));
    memcpy(&id, fake_bytes(f, THERE), sizeof id);
    return result < 0 ? (int)result : id;
}

static int64_t set_timer(struct fake_machine *f, int id, int flags, int64_t value, int64_t interval)
{
    put_time(f, HERE, interval / SECOND, interval % SECOND);
    put_time(f, HERE + 16, value / SECOND, value % SECOND);
    return fake_call(f, SYS_timer_settime, (uint64_t)id, (uint64_t)flags, fake_at(HERE), fake_at(THERE));
}

static int64_t timer_left(struct fake_machine *f, int id)
{
    assert_int_equal(fake_call(f, SYS_timer_gettime, (uint64_t)id, fake_at(HERE)), 0);
    return get_time(f, HERE + 16);
}

static void test_posix_timer(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    const struct event e = {.value = 77, .signal = SIGUSR1, .notify = SIGEV_SIGNAL};
    catch (f, SIGUSR1);
    int id = new_timer(f, CLOCK_MONOTONIC, &e);
    assert_int_equal(id, 0);
    assert_int_equal(timer_left(f, id), 0);
    assert_int_equal(set_timer(f, id, 0, SECOND, SECOND / 10), 0);
    assert_int_equal(timer_left(f, id), SECOND - EVENT);
    fake_jump(f);
    clock_jump(&f->world->clock, elapsed(f) + SECOND / 2 + 1); /* five more went by */
    assert_true(take(f, SIGUSR1, &info));
    assert_int_equal(info.si_code, SI_TIMER);
    assert_int_equal(info.si_timerid, id);
    assert_int_equal(info.si_int, 77);
    assert_int_equal(info.si_overrun, 5);
    assert_int_equal(fake_call(f, SYS_timer_getoverrun, (uint64_t)id), 5);
    assert_false(take(f, SIGUSR1, &info));
    fake_jump(f);
    assert_true(take(f, SIGUSR1, &info)); /* and on it goes */
    assert_int_equal(info.si_overrun, 0);
    assert_int_equal(fake_call(f, SYS_timer_delete, (uint64_t)id), 0);
    assert_int_equal(fake_call(f, SYS_timer_delete, (uint64_t)id), -EINVAL);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX);
}

static void test_posix_timer_at_a_date(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    int id = new_timer(f, CLOCK_REALTIME, NULL); /* SIGALRM, with its number as value */
    catch (f, SIGALRM);
    assert_int_equal(set_timer(f, id, TIMER_ABSTIME, f->world->clock.epoch + 5 * SECOND, 0), 0);
    fake_jump(f);
    assert_int_equal(elapsed(f), 5 * SECOND);
    assert_true(take(f, SIGALRM, &info));
    assert_int_equal(info.si_int, id);
    assert_int_equal(timer_left(f, id), 0);
    assert_int_equal(set_timer(f, id, TIMER_ABSTIME, SECOND, 0), 0); /* past */
    clock_run(&f->world->clock);
    assert_true(take(f, SIGALRM, &info));
}

static void test_ignored_timer_sleeps(void **state)
{
    struct fake_machine *f = *state;
    siginfo_t info;
    const struct event e = {.signal = SIGUSR1, .notify = SIGEV_SIGNAL};
    f->process->handlers->action[SIGUSR1].handler = 1;
    int id = new_timer(f, CLOCK_MONOTONIC, &e);
    assert_int_equal(set_timer(f, id, 0, 1000, 1000), 0);
    fake_jump(f);
    assert_int_equal(clock_next(&f->world->clock), INT64_MAX);
    const struct signal_action heard = {.handler = 0x1234};
    memcpy(fake_bytes(f, HERE), &heard, sizeof heard);
    assert_int_equal(fake_call(f, SYS_rt_sigaction, SIGUSR1, fake_at(HERE), 0, 8), CALL_NATIVE);
    fake_jump(f);
    assert_true(take(f, SIGUSR1, &info));
}

static void test_timer_to_a_thread(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f);
    siginfo_t info;
    catch (f, SIGUSR1);
    struct event e = {.signal = SIGUSR1, .notify = SIGEV_THREAD_ID, .tid = t->tid};
    int id = new_timer(f, CLOCK_MONOTONIC, &e);
    assert_int_equal(set_timer(f, id, 0, 1000, 0), 0);
    fake_jump(f);
    assert_false(signal_dequeue(f->task, UINT64_MAX, &info));
    assert_true(signal_dequeue(t, UINT64_MAX, &info));
    assert_int_equal(set_timer(f, id, 0, 1000, 1000), 0);
    task_exited(t, 0);
    fake_jump(f); /* nobody to tell */
    assert_false(signal_dequeue(f->task, UINT64_MAX, &info));
}

static void test_timers_of_cpu_clocks(void **state)
{
    struct fake_machine *f = *state;
    struct task *t = fake_thread(f);
    siginfo_t info;
    const struct event e = {.signal = SIGUSR1, .notify = SIGEV_SIGNAL};
    catch (f, SIGUSR1);
    int id = new_timer(f, CLOCK_THREAD_CPUTIME_ID, &e);
    assert_int_equal(set_timer(f, id, 0, 100 * EVENT, 0), 0);
    for (int i = 0; i < 500; i++)
        fake_call_as(t, SYS_getpid, (const uint64_t[6]){0}); /* another thread's time */
    assert_false(take(f, SIGUSR1, &info));
    int calls = 0;
    while (!take(f, SIGUSR1, &info) && calls < 1000) {
        fake_call(f, SYS_getpid);
        calls++;
    }
    assert_in_range(calls, 99, 101);
}

static void test_timer_errors(void **state)
{
    static const struct {
        int clock_id;
        struct event e;
        int result;
    } cases[] = {
        {99, {.signal = SIGUSR1}, -EINVAL},
        {CLOCK_MONOTONIC_COARSE, {.signal = SIGUSR1}, -EOPNOTSUPP},
        {CLOCK_REALTIME_ALARM, {.signal = SIGUSR1}, -EPERM},
        {CLOCK_MONOTONIC, {.signal = 65}, -EINVAL},
        {CLOCK_MONOTONIC, {.signal = 0}, -EINVAL},
        {CLOCK_MONOTONIC, {.signal = SIGUSR1, .notify = 9}, -EINVAL},
        {CLOCK_MONOTONIC, {.signal = SIGUSR1, .notify = SIGEV_THREAD_ID, .tid = 9999}, -EINVAL},
        {CLOCK_MONOTONIC, {.signal = 0, .notify = SIGEV_NONE}, 0},
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(new_timer(f, cases[i].clock_id, &cases[i].e), cases[i].result);
    assert_int_equal(set_timer(f, 5, 0, SECOND, 0), -EINVAL);
    assert_int_equal(set_timer(f, 0, 0, -1, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_timer_settime, 0, 0, 0, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_timer_settime, 0, 0, 8, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_timer_gettime, 5, fake_at(HERE)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_timer_gettime, 0, 8), -EFAULT);
    assert_int_equal(fake_call(f, SYS_timer_getoverrun, 5), -EINVAL);
    for (int i = 0; i < SIGNAL_QUEUE_MAX - 1; i++)
        assert_true(new_timer(f, CLOCK_MONOTONIC, NULL) > 0);
    assert_int_equal(new_timer(f, CLOCK_MONOTONIC, NULL), -EAGAIN);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_heap_order),
        CASE(test_clocks),
        CASE(test_cpu_clocks),
        CASE(test_clock_errors),
        CASE(test_sleeps),
        CASE(test_interrupted_sleep),
        CASE(test_alarm),
        CASE(test_interval_begins_when_the_signal_is_taken),
        CASE(test_setitimer),
        CASE(test_cpu_interval_timers),
        CASE(test_posix_timer),
        CASE(test_posix_timer_at_a_date),
        CASE(test_ignored_timer_sleeps),
        CASE(test_timer_to_a_thread),
        CASE(test_timers_of_cpu_clocks),
        CASE(test_timer_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
