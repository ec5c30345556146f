/* The page of the clock that the vDSO reads (docs/security.md): written, holed, moved, shrunk, made unreadable. What is left of the
 * time is the guest's own affair; everybody else's must stay as it was. Prints what came of it. */
#include "attack.h"

#include <time.h>

/* [vvar] and [vdso] of /proc/self/maps. */
static uint64_t find(const char *name)
{
    char line[512];
    unsigned long at = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strstr(line, name) != NULL)
            sscanf(line, "%lx", &at);
    if (f != NULL)
        fclose(f);
    return at;
}

static int64_t by_call(void)
{
    struct timespec t = {0};
    RAW(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t by_read(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The world's time goes on as if nothing had been: by a few events of 10 us. */
static void check(int64_t before)
{
    int64_t now = by_call();
    printf("time %s\n", now > before && now - before < 10000000 ? "goes on" : "jumped");
    usleep(1000);
    printf("slept %s\n", by_call() - now >= 1000000 && by_call() - now < 10000000 ? "well" : "badly");
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];
    setvbuf(stdout, NULL, _IONBF, 0);
    catch_faults();
    volatile int64_t *page = (volatile int64_t *)find("[vvar]"); /* left, end, per_event, epoch, boot, reads */
    uint64_t code = find("[vdso]");
    int64_t before = by_call();
    if (IS("back"))
        page[0] += 1000000;
    else if (IS("far"))
        page[0] = INT64_MIN + 1;
    else if (IS("odd"))
        page[0] -= 10001;
    else if (IS("end"))
        page[1] = INT64_MAX, by_read();
    else if (IS("end-and-far"))
        page[1] += 10000L * 1000000000, page[0] += 10000L * 1000000000, by_read();
    else if (IS("step"))
        page[2] = 0;
    else if (IS("epoch"))
        page[3] = page[4] = 7;
    else if (IS("reads"))
        page[5] += 1000;
    else if (IS("unread"))
        page[5] -= 1000;
    else if (IS("all"))
        memset((void *)page, 0xff, 4096);
    else if (IS("hole"))
        SAY("madvise", madvise((void *)page, 4096, MADV_REMOVE));
    else if (IS("unmap"))
        SAY("munmap", munmap((void *)page, 4096)), SAY("read", (by_read(), 0));
    else if (IS("protect"))
        SAY("mprotect", mprotect((void *)page, 4096, PROT_NONE)), SAY("read", (by_read(), 0));
    else if (IS("over"))
        SAY("mmap", mmap((void *)page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                            MAP_FAILED
                        ? -errno
                        : 0);
    else if (IS("grow")) { /* what follows the page in its file: the page that says what is lent */
        char *more = mremap((void *)page, 4096, 8192, MREMAP_MAYMOVE);
        SAY("mremap", more == MAP_FAILED ? -errno : 0);
        SAY("store", (more[4096] = 1, 0));
    } else if (IS("code")) { /* its own copy, and nobody else's */
        int status;
        fflush(stdout);
        if (fork() == 0) {
            SAY("mprotect", mprotect((void *)code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
            SAY("store", (memset((char *)code + 64, 0xcc, 4000), 0));
            _exit(0);
        }
        wait(&status);
        SAY("read", (by_read(), 0));
    } else if (IS("threads")) { /* written all the time while another process looks */
        if (fork() == 0) {
            for (long i = 0; i < 30000; i++)
                page[i % 6] = i * 0x9e3779b97f4a7c15;
            _exit(0);
        }
        for (int i = 0; i < 200; i++)
            sched_yield(), by_read();
        wait(NULL);
    }
    check(before);
    return 0;
}
