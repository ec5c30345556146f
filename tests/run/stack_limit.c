/* Guest program of test_memory.py: stack_limit LIMIT DEPTH, in KiB. Its stack's limit is set to LIMIT (-1: none; 0: as it is) and it
 * recurses as deep as DEPTH. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int deeper(long kib)
{
    volatile char frame[4096];
    memset((char *)frame, 1, sizeof frame);
    return kib <= 4 ? 0 : deeper(kib - 4) + frame[kib % sizeof frame] - 1;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    long wanted = argc == 3 ? atol(argv[1]) : 0;
    getrlimit(RLIMIT_STACK, &limit);
    if (wanted != 0)
        limit.rlim_cur = wanted < 0 ? RLIM_INFINITY : (rlim_t)wanted * 1024;
    if (setrlimit(RLIMIT_STACK, &limit) < 0)
        perror("setrlimit");
    printf("%d\n", deeper(argc == 3 ? atol(argv[2]) : 0));
    return 0;
}
