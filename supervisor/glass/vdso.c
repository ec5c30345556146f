/* The world's vDSO (vdso(7)): what libc calls for the time, in the guest's own address space. It answers from the clock page
 * below it, and is to the guest exactly what the calls are: each read is an event of the world, moves its time by as much,
 * and gives the same value. At the page's limit (a deadline, the end of the task's turn) it makes the call, so that the
 * supervisor sees it. A clock it does not know is asked for by the call as well. Nothing here is trusted. */
#include "supervisor/glass/event.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

extern struct clock_page clock_page __attribute__((visibility("hidden"))); /* vdso.ld: the page before this image */

enum {
    SECOND = 1000000000,
    COARSE = 4000000, /* ns that coarse clocks advance by: stubs/clock.c, TICK */
};

static inline long call(long nr, const void *a, const void *b, const void *c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static inline int64_t event(void)
{
    return clock_page_event(&clock_page);
}

/* ns of a clock whose beginning is `start`, after one event; negative: it must be a call. */
static inline int64_t read_clock(const int64_t *start)
{
    int64_t elapsed, now;
    if (*start < 0 || (elapsed = event()) < 0)
        return -1;
    return __builtin_add_overflow(elapsed, *start, &now) ? INT64_MAX : now;
}

static inline const int64_t *start_of(int id)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        return &clock_page.epoch;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        return &clock_page.boot;
    default:
        return NULL;
    }
}

static inline int is_coarse(int id)
{
    return id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
}

int __vdso_clock_gettime(clockid_t id, struct timespec *to);
int __vdso_clock_gettime(clockid_t id, struct timespec *to)
{
    const int64_t *start = start_of(id);
    int64_t now = start != NULL ? read_clock(start) : -1;
    if (now < 0)
        return (int)call(SYS_clock_gettime, (void *)(long)id, to, NULL);
    if (is_coarse(id))
        now -= now % COARSE;
    to->tv_sec = now / SECOND;
    to->tv_nsec = now % SECOND;
    return 0;
}

int __vdso_gettimeofday(struct timeval *to, struct timezone *zone);
int __vdso_gettimeofday(struct timeval *to, struct timezone *zone)
{
    int64_t now = read_clock(&clock_page.epoch);
    if (now < 0)
        return (int)call(SYS_gettimeofday, to, zone, NULL);
    if (to != NULL) {
        to->tv_sec = now / SECOND;
        to->tv_usec = now % SECOND / 1000;
    }
    if (zone != NULL)
        *zone = (struct timezone){0};
    return 0;
}

time_t __vdso_time(time_t *to);
time_t __vdso_time(time_t *to)
{
    int64_t now = read_clock(&clock_page.epoch);
    if (now < 0)
        return call(SYS_time, to, NULL, NULL);
    if (to != NULL)
        *to = now / SECOND;
    return now / SECOND;
}

int __vdso_clock_getres(clockid_t id, struct timespec *to);
int __vdso_clock_getres(clockid_t id, struct timespec *to)
{
    const int64_t *start = start_of(id);
    if (start == NULL || read_clock(start) < 0)
        return (int)call(SYS_clock_getres, (void *)(long)id, to, NULL);
    if (to != NULL)
        *to = (struct timespec){.tv_nsec = is_coarse(id) ? COARSE : 1};
    return 0;
}

/* The world has one processor. */
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    if (event() < 0)
        return call(SYS_getcpu, cpu, node, unused);
    if (cpu != NULL)
        *cpu = 0;
    if (node != NULL)
        *node = 0;
    return 0;
}
