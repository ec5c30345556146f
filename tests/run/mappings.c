/* What mappings of files show and what may be done with them, printed so that it is the same natively and inside. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RW = PROT_READ | PROT_WRITE,
    PAGE = 4096,
    EXECUTION = 0x20 /* F_SEAL_EXEC */,
    NO_EXECUTION = 8 /* MFD_NOEXEC_SEAL */
};
static sigjmp_buf back;
static char *base;
static volatile int code;
static char *volatile place;

static void fault(int number, siginfo_t *info, void *context)
{
    code = info->si_code;
    place = info->si_addr;
    siglongjmp(back, number);
}

#define FAULTS(what)                                                                                                   \
    do {                                                                                                               \
        int number = sigsetjmp(back, 1);                                                                               \
        if (number == 0) {                                                                                             \
            what;                                                                                                      \
            puts(#what ": fine");                                                                                      \
        } else {                                                                                                       \
            printf(#what ": signal %d, code %d, at %td\n", number, code, place - base);                                \
        }                                                                                                              \
    } while (0)
#define SHOW(what)                                                                                                     \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long result = (long)(what);                                                                                    \
        printf(#what ": %ld %s\n", result, result < 0 ? strerror(errno) : "");                                         \
    } while (0)
#define MAPPED(what)                                                                                                   \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        printf(#what ": %s\n", (what) == MAP_FAILED ? strerror(errno) : "mapped");                                     \
    } while (0)

static char at(int fd, off_t offset)
{
    char c = '?';
    return pread(fd, &c, 1, offset) == 1 ? c : '?';
}

static void coherence(void)
{
    int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    char text[10000];
    volatile char got;
    memset(text, 'a', sizeof text);
    (void)!write(fd, text, sizeof text);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0), *own = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    base = shared;
    shared[5] = 'S';
    own[6] = 'P';
    printf("%c %c %c\n", own[5], shared[6], at(fd, 5));
    (void)!pwrite(fd, "W", 1, 5000);
    printf("a page that nobody copied yet: %c %c\n", shared[5000], own[5000]);
    FAULTS(shared[3 * PAGE] = 1);
    (void)!ftruncate(fd, PAGE);
    FAULTS(shared[5000] = 1);
    base = own;
    FAULTS(got = own[5000]);
    FAULTS(got = own[6]);
    base = shared;
    (void)!ftruncate(fd, 3 * PAGE);
    FAULTS(got = shared[5000]);
    if (fork() == 0) {
        shared[100] = 'c';
        own[100] = 'd';
        _exit(0);
    }
    wait(NULL);
    printf("%c %c\n", shared[100], own[100]);
    char *larger = base = mremap(shared, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    FAULTS(larger[5 * PAGE] = 1);
    (void)!ftruncate(fd, 8 * PAGE);
    larger[5 * PAGE] = 'm';
    printf("%c\n", at(fd, 5 * PAGE));
    char *twice = mremap(larger, 0, PAGE, MREMAP_MAYMOVE);
    twice[7] = 't';
    printf("%c\n", larger[7]);
}

static void read_only(void)
{
    int reading = open("reading", O_CREAT | O_RDONLY, 0600), both = open("reading", O_RDWR);
    (void)!ftruncate(both, PAGE);
    MAPPED(mmap(NULL, PAGE, RW, MAP_SHARED, reading, 0));
    char *p = base = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reading, 0);
    SHOW(mprotect(p, PAGE, RW));
    FAULTS(p[0] = 'x');
    (void)!pwrite(both, "y", 1, 0);
    printf("%c\n", p[0]);
    MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, reading, 0));
    MAPPED(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, reading, 0));
}

static void sealed(void)
{
    struct stat st;
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    (void)!ftruncate(fd, PAGE);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    MAPPED(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    SHOW(mprotect(p, PAGE, RW));
    fd = memfd_create("executed", MFD_ALLOW_SEALING);
    SHOW(fcntl(fd, F_ADD_SEALS, EXECUTION));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(fchmod(fd, 0666));
    SHOW(fchmod(fd, 0711));
    fd = memfd_create("not executed", NO_EXECUTION);
    if (fd >= 0 && fstat(fd, &st) == 0)
        printf("%o\n", st.st_mode);
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(fchmod(fd, 0755));
    SHOW(fchmod(fd, 0600));
}

static void zeros(void)
{
    int fd = open("/dev/zero", O_RDWR);
    char *own = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), *shared = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    if (fork() == 0) {
        own[0] = shared[0] = 'x';
        _exit(0);
    }
    wait(NULL);
    printf("%d %d\n", own[0], shared[0]);
    MAPPED(mmap(own, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0));
    MAPPED(mmap(NULL, PAGE, RW, MAP_SHARED, open("/dev/zero", O_RDONLY), 0));
    MAPPED(mmap(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/null", O_RDWR), 0));
}

/* An ordinary user's locked memory is what its limit says, in sum. */
static void locked(void)
{
    enum { MOST = 16 * PAGE };
    const struct rlimit most = {MOST, MOST}, none = {0, 0};
    char *p = mmap(NULL, 2 * MOST, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (geteuid() == 0 && setuid(65534) < 0)
        _exit(1);
    setrlimit(RLIMIT_MEMLOCK, &most);
    SHOW(mlock(p, PAGE));
    SHOW(mlock(p + 4 * PAGE, MOST));
    SHOW(mlock(p + 1, MOST - 1));
    SHOW(mlock(p + 3, MOST - 1));
    SHOW(mlock(p + MOST, 1));
    MAPPED(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
    SHOW(munlock(p + 8 * PAGE, PAGE));
    SHOW(mlock(p + MOST, PAGE));
    SHOW(mlock(p + 8 * PAGE, 1));
    munmap(p, 4 * PAGE);
    SHOW(mlock(p + MOST + PAGE, 4 * PAGE));
    SHOW(mlock(p, PAGE));
    SHOW(mlockall(MCL_CURRENT));
    if (fork() == 0) {
        SHOW(mlock(p + 4 * PAGE, MOST)); /* nothing of it is inherited */
        _exit(0);
    }
    wait(NULL);
    SHOW(munlockall());
    char *q = mmap(NULL, MOST, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    SHOW(mlock(p + 4 * PAGE, PAGE));
    SHOW(munlock(q, PAGE));
    SHOW(mlock(p + 4 * PAGE, PAGE));
    setrlimit(RLIMIT_MEMLOCK, &none);
    SHOW(mlock(p + 4 * PAGE, PAGE));
    SHOW(mlockall(MCL_CURRENT));
    MAPPED(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    coherence();
    read_only();
    sealed();
    zeros();
    locked();
    return 0;
}
