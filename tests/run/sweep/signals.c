/* Calls on signals, timers and time. No signal comes whose default is to end the program, and nobody sleeps. */
#include "sweep.h"

#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static struct value timers[5];

static void again(long result, const long *a);

#define RESULTS                                                                                                        \
    {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE},                                                                   \
    {                                                                                                                  \
        "read only", READ_ONLY                                                                                         \
    }
LIST(outs, RESULTS);
LIST(few_outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(signals, {"0", 0}, {"URG", SIGURG}, {"KILL", SIGKILL}, {"STOP", SIGSTOP}, {"64", 64}, {"65", 65}, {"-1", -1},
     {"URG with junk above", SIGURG | 1L << 32});
#define ACTIONS (IN + 0x100)
LIST(actions, {"ignore", ACTIONS}, {"with unknown flags", ACTIONS + 32}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(set_sizes, {"8", 8}, {"0", 0}, {"4", 4}, {"16", 16}, {"128", 128}, {"-1", -1});
LIST(pending_sizes, {"8", 8}, {"0", 0}, {"4", 4}, {"9", 9}, {"128", 128}, {"-1", -1});
LIST(hows, {"BLOCK", SIG_BLOCK}, {"UNBLOCK", SIG_UNBLOCK}, {"SETMASK", SIG_SETMASK}, {"3", 3}, {"-1", -1},
     {"BLOCK with junk above", 1L << 32});
#define SETS (IN + 0x200)
LIST(sets, {"none", IN}, {"all", SETS}, {"NULL", 0}, {"nowhere", NOWHERE});
#define SPANS (IN + 0x280)
LIST(spans, {"0", SPANS}, {"bad nanoseconds", SPANS + 16}, {"negative", SPANS + 32}, {"nowhere", NOWHERE});
LIST(bad_sets, {"none", IN}, {"nowhere", NOWHERE});
LIST(bad_sizes, {"0", 0}, {"16", 16}, {"-1", -1});
LIST(nowhere, {"nowhere", NOWHERE}, {"NULL", 0});
LIST(eight, {"8", 8});
#define STACKS (IN + 0x300)
LIST(stacks, {"good", STACKS}, {"too small", STACKS + 24}, {"of unknown flags", STACKS + 48}, {"disabled", STACKS + 72},
     {"of ONSTACK", STACKS + 96}, {"of AUTODISARM", STACKS + 120}, {"NULL", 0}, {"nowhere", NOWHERE});

LIST(clocks, {"REALTIME", 0}, {"MONOTONIC", 1}, {"PROCESS", 2}, {"THREAD", 3}, {"RAW", 4}, {"REALTIME_COARSE", 5},
     {"MONOTONIC_COARSE", 6}, {"BOOTTIME", 7}, {"10", 10}, {"11", 11}, {"16", 16}, {"99", 99}, {"-1", -1},
     {"of nobody", ~0x3fffffL << 3 | 2}, {"of descriptor 99", ~99L << 3 | 3}, {"of kind 7", -1 << 3 | 7},
     {"REALTIME with junk above", 1L << 32});
#define EVENTS (IN + 0x400)
LIST(events, {"NULL", 0}, {"none", EVENTS}, {"signal 0", EVENTS + 64}, {"signal 65", EVENTS + 128},
     {"signal URG", EVENTS + 192}, {"kind 9", EVENTS + 256}, {"to thread 1", EVENTS + 320}, {"nowhere", NOWHERE});
LIST(settime_flags, {"0", 0}, {"ABSTIME", 1}, {"2", 2}, {"-1", -1}, {"ABSTIME with junk above", 1 | 1L << 32});
#define TIMES (IN + 0x600)
LIST(times, {"disarmed", TIMES}, {"far", TIMES + 32}, {"bad nanoseconds", TIMES + 64}, {"negative", TIMES + 96},
     {"bad interval", TIMES + 128}, {"farther than time", TIMES + 160}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(which, {"REAL", 0}, {"VIRTUAL", 1}, {"PROF", 2}, {"3", 3}, {"-1", -1}, {"REAL with junk above", 1L << 32});
#define VALUES (IN + 0x700)
LIST(values, {"disarmed", VALUES}, {"bad microseconds", VALUES + 32}, {"negative", VALUES + 64},
     {"bad interval", VALUES + 96}, {"far", VALUES + 128}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(sleep_flags, {"0", 0}, {"ABSTIME", 1}, {"2", 2}, {"-1", -1});
#define CLOCK_VALUES (IN + 0x800)
LIST(clock_values, {"good", CLOCK_VALUES}, {"bad", CLOCK_VALUES + 16}, {"negative", CLOCK_VALUES + 32}, {"NULL", 0},
     {"nowhere", NOWHERE});
LIST(adjustments, {"none", OUT}, {"of the time", IN + 0x900}, {"nowhere", NOWHERE}, {"NULL", 0});

static void set_memory(void)
{
    const long actions[] = {(long)SIG_IGN, 0, 0, 0, (long)SIG_IGN, 0x00400000, 0, 0};
    memcpy((void *)ACTIONS, actions, sizeof actions);
    memset((void *)SETS, -1, 16);
    const struct timespec spans[] = {{0, 0}, {0, 1000000000}, {-1, 0}};
    memcpy((void *)SPANS, spans, sizeof spans);
    const stack_t stacks[] = {{(void *)OUT, 0, 8192},          {(void *)OUT, 0, 100},
                              {(void *)OUT, 8, 8192},          {NULL, SS_DISABLE, 0},
                              {(void *)OUT, SS_ONSTACK, 8192}, {(void *)OUT, (int)(1U << 31), 8192}};
    memcpy((void *)STACKS, stacks, sizeof stacks);
    const struct sigevent events[] = {{.sigev_notify = SIGEV_NONE},
                                      {.sigev_notify = SIGEV_SIGNAL},
                                      {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65},
                                      {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG},
                                      {.sigev_notify = 9, .sigev_signo = SIGURG},
                                      {.sigev_notify = 4, .sigev_signo = SIGURG}};
    memcpy((void *)EVENTS, events, sizeof events);
    *(int *)(EVENTS + 320 + 16) = 0x3fffffff; /* the thread */
    const struct itimerspec times[] = {{{0, 0}, {0, 0}},  {{0, 0}, {1 << 20, 0}},  {{0, 0}, {5, 1000000000}},
                                       {{0, 0}, {-5, 0}}, {{5, -1}, {1 << 20, 0}}, {{0, 0}, {INT64_MAX, 0}}};
    memcpy((void *)TIMES, times, sizeof times);
    const struct itimerval values[] = {
        {{0, 0}, {0, 0}}, {{0, 0}, {5, 1000000}}, {{0, 0}, {-5, 0}}, {{5, -1}, {5, 0}}, {{0, 0}, {1 << 20, 0}}};
    memcpy((void *)VALUES, values, sizeof values);
    const struct timespec clock_values[] = {{1 << 30, 0}, {1 << 30, 1000000000}, {-1, 0}};
    memcpy((void *)CLOCK_VALUES, clock_values, sizeof clock_values);
    memset((void *)OUT, 0, sizeof(struct timex));
    ((struct timex *)(IN + 0x900))->modes = ADJ_SETOFFSET;
}

static void again(long result, const long *a)
{
    const unsigned long none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    syscall(SYS_sigaltstack, &(stack_t){.ss_flags = SS_DISABLE}, NULL);
    for (int i = 0; i < 3; i++)
        setitimer(i, &(struct itimerval){0}, NULL);
    set_memory();
}

static void timer_made(long result, const long *a)
{
    syscall(SYS_timer_delete, *(int *)a[2]);
}

static void timer_set(long result, const long *a)
{
    syscall(SYS_timer_settime, timers[0].v, 0, TIMES, NULL);
    set_memory();
}

static const struct row rows[] = {
    {ROW(rt_sigaction, signals, actions, outs, set_sizes), SHOW, again},
    {ROW(rt_sigprocmask, hows, sets, outs, set_sizes), SHOW | ALWAYS, again},
    {ROW(rt_sigpending, outs, pending_sizes), SHOW, NULL},
    {ROW(rt_sigtimedwait, sets, outs, spans, set_sizes), SHOW, NULL},
    {ROW(rt_sigsuspend, bad_sets, bad_sizes), SHOW, NULL},
    {ROW(rt_sigsuspend, nowhere, eight), SHOW, NULL},
    {ROW(sigaltstack, stacks, outs), SHOW, again},
    {ROW(timer_create, clocks, events, few_outs), SHOW, timer_made},
    {ROW(timer_settime, timers, settime_flags, times, outs), SHOW, timer_set},
    {ROW(timer_gettime, timers, outs), SHOW, NULL},
    {ROW(timer_getoverrun, timers), SHOW, NULL},
    {ROW(getitimer, which, outs), SHOW, NULL},
    {ROW(setitimer, which, values, outs), SHOW | ALWAYS, again},
    {ROW(clock_gettime, clocks, outs), SHOW, NULL},
    {ROW(clock_getres, clocks, outs), SHOW, NULL},
    {ROW(clock_settime, clocks, clock_values), SHOW, NULL},
    {ROW(clock_nanosleep, clocks, sleep_flags, spans, outs), SHOW, NULL},
    {ROW(nanosleep, spans, outs), SHOW, NULL},
    {ROW(gettimeofday, few_outs, few_outs), SHOW, NULL},
    {ROW(time, nowhere), HIDE, NULL},
    {ROW(settimeofday, values, few_outs), SHOW, NULL},
    {ROW(adjtimex, adjustments), HIDE, again},
    {ROW(clock_adjtime, clocks, adjustments), HIDE, again},
};

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    signal(SIGURG, SIG_IGN);
    set_memory();
    int id;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, EVENTS, &id))
        return 3;
    memcpy(timers,
           (struct value[]){{"a timer", id}, {"absent", 0x7ffffff}, {"-1", -1}, {"with junk above", id | 1L << 32}},
           4 * sizeof *timers);
    SWEEP(rows);
    return fflush(stdout);
}
