/* The copies alone: what moving 64 KiB blocks between another process and a memfd costs on this machine, when nobody stops for it.
 *
 * A child sleeps with a block in its memory; its parent, pinned to one CPU, copies the block out and appends it to a memfd
 * (process_vm_readv, pwrite), then the file back into the child (pread, process_vm_writev), as the supervisor does for a file of the
 * world. Prints nanoseconds of processor time per block written, and per block read, the end of the memfd with the latter. No
 * supervisor can be faster than this and a stop by the same means. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
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

static int copy(pid_t child)
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
    printf("%.0f %.0f\n", (written - begin) / BLOCKS, (now() - written) / BLOCKS);
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
        failed = copy(child);
    if (child > 0 && kill(child, SIGKILL) == 0)
        waitpid(child, NULL, 0);
    return failed;
}
