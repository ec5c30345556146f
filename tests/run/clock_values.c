/* Asks for the time as a C library does, many times; prints the last values. Built against glibc and musl by test_fast_clock.py. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

int main(void)
{
    struct timespec t, before = {0};
    struct timeval v;
    for (int i = 0; i < 1000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        if (t.tv_sec < before.tv_sec || (t.tv_sec == before.tv_sec && t.tv_nsec <= before.tv_nsec))
            return 1;
        before = t;
    }
    gettimeofday(&v, NULL);
    printf("%d %ld.%09ld %ld.%06ld %ld\n", getauxval(AT_SYSINFO_EHDR) != 0, (long)t.tv_sec, t.tv_nsec, (long)v.tv_sec,
           (long)v.tv_usec, (long)time(NULL));
    return 0;
}
