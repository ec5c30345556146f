/* Reads the time as fast as it can for so many virtual seconds: whatever stops it falls in the middle of a read, often. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    struct timespec t = {0}, before = {0};
    long backwards = 0, reads = 0;
    for (time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 1); t.tv_sec < end; reads++) {
        clock_gettime(CLOCK_REALTIME, &t);
        backwards += t.tv_sec < before.tv_sec || (t.tv_sec == before.tv_sec && t.tv_nsec <= before.tv_nsec);
        before = t;
    }
    printf("%ld reads, %ld of them backwards\n", reads, backwards);
    return 0;
}
