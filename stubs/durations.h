/* Nanoseconds as the guest writes them. Times too large to count are for ever. */
#ifndef STUBS_DURATIONS_H
#define STUBS_DURATIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

enum { NS_A_SECOND = 1000000000 };

static inline bool timespec_valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < NS_A_SECOND;
}

static inline int64_t timespec_ns(const struct timespec *t) /* of a valid one */
{
    return t->tv_sec > INT64_MAX / NS_A_SECOND - 1 ? INT64_MAX : t->tv_sec * NS_A_SECOND + t->tv_nsec;
}

static inline struct timespec ns_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_A_SECOND, .tv_nsec = ns % NS_A_SECOND};
}

static inline bool timeval_valid(const struct timeval *t)
{
    return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

static inline int64_t timeval_ns(const struct timeval *t) /* of a valid one */
{
    return t->tv_sec > INT64_MAX / NS_A_SECOND - 1 ? INT64_MAX : t->tv_sec * NS_A_SECOND + t->tv_usec * 1000;
}

static inline struct timeval ns_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / NS_A_SECOND, .tv_usec = ns % NS_A_SECOND / 1000};
}

static inline int64_t ns_after(int64_t start, int64_t ns) /* start + ns, both >= 0 */
{
    return ns > INT64_MAX - start ? INT64_MAX : start + ns;
}

#endif
