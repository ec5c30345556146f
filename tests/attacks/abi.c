/* Calls by other doors: int 0x80 (32-bit numbers), x32 numbers, 32-bit code segments, junk in the upper halves. */
#include "attack.h"

static long int80(uint32_t nr, uint32_t a, uint32_t b, uint32_t c)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "0"((uint64_t)nr), "b"((uint64_t)a), "c"((uint64_t)b), "d"((uint64_t)c)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int32_t)result;
}

/* A page below 4 GiB, for 32-bit pointers and code. */
static char *low_page(void)
{
    return mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

static void by_int80(void)
{
    char *low = low_page();
    strcpy(low, "/etc/passwd");
    SAY("getpid", int80(20, 0, 0, 0));
    SAY("open", int80(5, (uint32_t)(uintptr_t)low, 0, 0));
    /* 11: execve there, munmap here. 59: oldolduname there, execve here. 257: remap_file_pages there, openat here. */
    SAY("nr11", int80(11, 0, 0, 0));
    SAY("nr59", int80(59, (uint32_t)(uintptr_t)low, 0, 0));
    SAY("nr257", int80(257, 0xffffff9c, (uint32_t)(uintptr_t)low, 0));
    SAY("fork", int80(2, 0, 0, 0) == 0 ? (_exit(0), 0) : 0);
    printf("exit\n");
    fflush(stdout);
    if (TRY)
        int80(1, 33, 0, 0);
    printf("lives\n");
}

/* The same with every signal blocked: SIGSYS cannot be used against the supervisor. */
static void by_int80_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    SAY("getpid", int80(20, 0, 0, 0));
    signal(SIGSYS, SIG_IGN);
    SAY("getpid", int80(20, 0, 0, 0));
}

static void by_x32(void)
{
    const uint64_t x32 = 0x40000000;
    char path[] = "/etc/passwd";
    SAY("getpid", RAW(x32 | SYS_getpid, 0));
    SAY("openat", RAW(x32 | SYS_openat, AT_FDCWD, path, 0));
    SAY("nr512", RAW(x32 | 512, 11, 0, 0));
    SAY("nr520", RAW(x32 | 520, path, 0, 0)); /* execve */
    SAY("minus1", RAW(-1, 0));
    SAY("huge", RAW(0x7fffffff, 0));
    SAY("mark", RAW(0x1f7f, 0)); /* what the supervisor's own page announces itself with */
}

static void with_junk(void)
{
    const uint64_t junk = UINT64_C(0xdeadbeef00000000);
    int fd = open("/etc/passwd", O_RDONLY);
    char buffer[16];
    printf("nr %d\n", RAW(junk | SYS_getpid, 0) == getpid());
    printf("read %ld\n", RAW(SYS_read, junk | fd, buffer, 4));
    printf("openat %d\n", RAW(SYS_openat, junk | (uint32_t)AT_FDCWD, "/etc/passwd", junk | O_RDONLY) >= 0);
    printf("dup2 %ld\n", RAW(SYS_dup2, junk | fd, junk | 50));
    printf("fcntl %ld\n", RAW(SYS_fcntl, junk | fd, junk | F_GETFD, 0));
    printf("madvise %s\n", word(RAW(SYS_madvise, low_page(), 4096, junk | MADV_DONTNEED)));
    printf("kill %s\n", word(RAW(SYS_kill, junk | getpid(), junk | 0)));
    printf("close %s\n", word(RAW(SYS_close, junk | 50)));
    printf("mmap %s\n", word(RAW(SYS_mmap, 0, 4096, PROT_READ, junk | MAP_PRIVATE | MAP_ANONYMOUS, junk, 0)));
    printf("exit\n");
    fflush(stdout);
    RAW(SYS_exit_group, junk | 7);
}

/* 32-bit code, reached by a far return to the 32-bit user segment: __USER32_CS is 0x23. */
static void in_compat_mode(void)
{
    char *low = low_page();
    const unsigned char code[] = {
        0xb8, 20,   0,    0, 0, /* mov $20, %eax: getpid */
        0xcd, 0x80,             /* int $0x80 */
        0x89, 0xc6,             /* mov %eax, %esi */
        0xb8, 24,   0,    0, 0, /* mov $24, %eax: getuid there, sched_yield here */
        0xcd, 0x80,             /* int $0x80; `syscall` is no instruction of this mode on every processor */
        0x6a, 0x33,             /* push $0x33 */
        0xe8, 0,    0,    0, 0, /* call next */
        0x83, 0x04, 0x24, 5,    /* addl $5, (%esp) */
        0xcb,                   /* lret */
        0xbf, 5,    0,    0, 0, /* 64-bit again: mov $5, %edi */
        0xb8, 231,  0,    0, 0, /* mov $231, %eax: exit_group */
        0x0f, 0x05,
    };
    memcpy(low, code, sizeof code);
    if (!TRY) {
        printf("fault\n");
        return;
    }
    const uint64_t stack = (uint64_t)(uintptr_t)low + 60000, at = (uint64_t)(uintptr_t)low;
    __asm__ volatile("mov %0, %%rsp\n"
                     "push $0x23\n"
                     "push %1\n"
                     "lretq\n"
                     :
                     : "a"(stack), "d"(at)
                     : "memory");
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];
    catch_faults();
    if (IS("int80"))
        by_int80();
    else if (IS("int80-blocked"))
        by_int80_blocked();
    else if (IS("x32"))
        by_x32();
    else if (IS("junk"))
        with_junk();
    else if (IS("compat"))
        in_compat_mode();
    return 0;
}
