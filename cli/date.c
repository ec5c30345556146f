/* The machine's date, as everything in this process reads it, also the libraries: time(2), gettimeofday(2) and clock_gettime(2), moved by as
 * many seconds as `terrarium verify` says in the environment. What is to be the same at another time of day is so run at one; and whoever
 * lets the date in, shows it. */
#include "cli/date.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t moved_by(void)
{
    const char *seconds = getenv(DATE_VARIABLE);
    return seconds != NULL ? (time_t)strtoll(seconds, NULL, 10) : 0;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's */
int clock_gettime(clockid_t id, struct timespec *to)
{
    int result = (int)syscall(SYS_clock_gettime, id, to);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI))
        to->tv_sec += moved_by();
    return result;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, to, zone);
    if (result == 0)
        to->tv_sec += moved_by();
    return result;
}

time_t time(time_t *to)
{
    time_t now = (time_t)syscall(SYS_time, NULL) + moved_by();
    if (to != NULL)
        *to = now;
    return now;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
