/* The copies alone: what moving 64 KiB blocks into a memfd and out of it by way of a window costs on this machine, when nobody stops for it.
 *
 * Pinned to one CPU, a block is copied into a window of 256 KiB, and the window, when it is full, written to a memfd; then the window is read
 * from the file, and each block copied out of it: as the guest and the supervisor do for a file of the world that is lent
 * (supervisor/lending.h). Prints nanoseconds of processor time per block written, and per block read, the end of the memfd with the
 * latter. No supervisor can be faster than this by the same means. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, BLOCKS = 600, WINDOW = 4 * BLOCK };

static char block[BLOCK];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int copy(char *window)
{
    int fd = memfd_create("blocks", MFD_CLOEXEC);
    double begin = now();
    for (int i = 0; i < BLOCKS; i++) {
        memcpy(window + i % 4 * BLOCK, block, BLOCK);
        if (i % 4 == 3 && pwrite(fd, window, WINDOW, (off_t)(i - 3) * BLOCK) != WINDOW)
            return 1;
    }
    double written = now();
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 4 == 0 && pread(fd, window, WINDOW, (off_t)i * BLOCK) != WINDOW)
            return 1;
        memcpy(block, window + i % 4 * BLOCK, BLOCK);
    }
    close(fd);
    printf("%.0f %.0f\n", (written - begin) / BLOCKS, (now() - written) / BLOCKS);
    return 0;
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    char *window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (sched_setaffinity(0, sizeof one, &one) < 0 || window == MAP_FAILED)
        return 1;
    memset(block, 1, sizeof block);
    return copy(window);
}
