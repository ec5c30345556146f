/* The copies alone: what moving 64 KiB blocks between another process and a file costs on this machine, when nobody stops for it.
 *
 * A child sleeps with a block in its memory; its parent, pinned to one CPU, copies it into huge pages of its own (process_vm_readv) and
 * back into the child (process_vm_writev), as the supervisor does for a large file of the world (vfs/slab.h); then the same through a
 * memfd (process_vm_readv, pwrite; pread, process_vm_writev), as it does where there are no huge pages. Prints nanoseconds of processor
 * time per block written, and per block read, the end of the memory with the latter: four numbers. No supervisor can be faster than this
 * and a stop by the same means. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, BLOCKS = 600 };

static char ours[BLOCK], theirs[BLOCK];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int through_memfd(pid_t child)
{
    struct iovec local = {ours, BLOCK}, remote = {theirs, BLOCK};
    int fd = memfd_create("blocks", MFD_CLOEXEC);
    double begin = now();
    for (int i = 0; i < BLOCKS; i++)
        if (process_vm_readv(child, &local, 1, &remote, 1, 0) != BLOCK ||
            pwrite(fd, ours, BLOCK, (off_t)i * BLOCK) != BLOCK)
            return 1;
    double written = now();
    for (int i = 0; i < BLOCKS; i++)
        if (pread(fd, ours, BLOCK, (off_t)i * BLOCK) != BLOCK ||
            process_vm_writev(child, &local, 1, &remote, 1, 0) != BLOCK)
            return 1;
    close(fd);
    printf(" %.0f %.0f\n", (written - begin) / BLOCKS, (now() - written) / BLOCKS);
    return 0;
}

static int in_huge_pages(pid_t child)
{
    enum { HUGE = 2 << 20, ALL = (BLOCK * BLOCKS + HUGE - 1) / HUGE * HUGE };
    struct iovec remote = {theirs, BLOCK};
    double begin = now();
    char *memory = mmap(NULL, ALL + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    char *first = memory + (HUGE - (uintptr_t)memory % HUGE) % HUGE;
    (void)madvise(first, ALL, MADV_HUGEPAGE);
    for (size_t i = 0; i < BLOCKS; i++)
        if (process_vm_readv(child, &(struct iovec){first + i * BLOCK, BLOCK}, 1, &remote, 1, 0) != BLOCK)
            return 1;
    double written = now();
    for (size_t i = 0; i < BLOCKS; i++)
        if (process_vm_writev(child, &(struct iovec){first + i * BLOCK, BLOCK}, 1, &remote, 1, 0) != BLOCK)
            return 1;
    munmap(memory, ALL + HUGE);
    printf("%.0f %.0f", (written - begin) / BLOCKS, (now() - written) / BLOCKS);
    return 0;
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    int ready[2], failed = 1;
    if (sched_setaffinity(0, sizeof one, &one) < 0 || pipe(ready) < 0)
        return 1;
    pid_t child = fork();
    char byte;
    if (child == 0) {
        memset(theirs, 1, sizeof theirs);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    memset(ours, 1, sizeof ours);
    if (child > 0 && read(ready[0], &byte, 1) == 1)
        failed = in_huge_pages(child) || through_memfd(child);
    if (child > 0 && kill(child, SIGKILL) == 0)
        waitpid(child, NULL, 0);
    return failed;
}
