/* calls NAME N: one system call, made N times with nothing around it. What it costs is the time of a run less that of one with N 0,
 * taken from outside, since the clock inside is virtual. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct stat st;
    struct timespec now;
    char byte;
    int fd = open("/proc/self/exe", O_RDONLY);
    long n = argc == 3 ? atol(argv[2]) : -1;
    if (fd < 0 || n < 0)
        return 1;
    for (long i = 0; i < n; i++) {
        if (strcmp(argv[1], "getppid") == 0)
            syscall(SYS_getppid);
        else if (strcmp(argv[1], "fstat") == 0)
            syscall(SYS_fstat, fd, &st);
        else if (strcmp(argv[1], "read") == 0)
            syscall(SYS_pread64, fd, &byte, 1, 0);
        else if (strcmp(argv[1], "clock_gettime") == 0)
            syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        else if (strcmp(argv[1], "clock") == 0)
            clock_gettime(CLOCK_MONOTONIC, &now);
        else
            return 1;
    }
    return 0;
}
