/* The two pages at 0x10000 that the supervisor works in: writing, unmapping, moving, covering them, jumping into them. */
#include "attack.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define CODE UINT64_C(0x10000)
#define DATA UINT64_C(0x11000)
#define SYSCALL_INSTRUCTION (CODE + 7)

/* Both must be there and as they were: the supervisor injects a call (a mapping of a file) through them. */
static void still_works(void)
{
    int fd = open("/etc/passwd", O_RDONLY);
    char *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("works %d\n", m != MAP_FAILED && memcmp(m, "root:", 5) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    int status = 0;
    waitpid(pid, &status, 0);
    printf("forks %d\n", WEXITSTATUS(status));
    close(fd);
}

static void by_calls(void)
{
    char *mine = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    int fd = open("/etc/passwd", O_RDONLY);
    SAY("mmap", RAW(SYS_mmap, CODE, 8192, PROT_READ | PROT_WRITE, fixed, -1, 0));
    SAY("mmap-data", RAW(SYS_mmap, DATA, 4096, PROT_READ | PROT_WRITE, fixed, -1, 0));
    SAY("mmap-from-below", RAW(SYS_mmap, CODE - 4096, 65536, PROT_READ, fixed, -1, 0));
    SAY("mmap-file", RAW(SYS_mmap, CODE, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0));
    SAY("mmap-shared", RAW(SYS_mmap, CODE, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    SAY("mmap-grows", RAW(SYS_mmap, DATA, 4096, PROT_READ, fixed | MAP_GROWSDOWN, -1, 0));
    SAY("mmap-junk", RAW(SYS_mmap, CODE, 4096, PROT_READ, UINT64_C(0xffffffff00000000) | fixed, -1, 0));
    SAY("munmap", RAW(SYS_munmap, CODE, 4096));
    SAY("munmap-data", RAW(SYS_munmap, DATA, 4096));
    SAY("munmap-all", RAW(SYS_munmap, 0, UINT64_C(1) << 46));
    SAY("munmap-wrap", RAW(SYS_munmap, 0x20000, UINT64_MAX - 0xffff + 1));
    SAY("mprotect", RAW(SYS_mprotect, CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    SAY("mprotect-data", RAW(SYS_mprotect, DATA, 4096, PROT_NONE));
    SAY("mprotect-grows", RAW(SYS_mprotect, DATA, 4096, PROT_NONE | PROT_GROWSDOWN));
    SAY("pkey_mprotect", RAW(SYS_pkey_mprotect, CODE, 4096, PROT_NONE, -1));
    SAY("mremap-away", RAW(SYS_mremap, CODE, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, mine));
    SAY("mremap-grow", RAW(SYS_mremap, DATA, 4096, 8192, MREMAP_MAYMOVE));
    SAY("mremap-over", RAW(SYS_mremap, mine, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, CODE));
    SAY("mremap-across", RAW(SYS_mremap, mine, 4096, 65536, MREMAP_MAYMOVE | MREMAP_FIXED, CODE - 8192));
    SAY("madvise-dontneed", RAW(SYS_madvise, DATA, 4096, MADV_DONTNEED));
    SAY("madvise-code", RAW(SYS_madvise, CODE, 4096, MADV_DONTNEED));
    SAY("madvise-dontfork", RAW(SYS_madvise, CODE, 8192, MADV_DONTFORK));
    SAY("madvise-wipe", RAW(SYS_madvise, DATA, 4096, MADV_WIPEONFORK));
    SAY("madvise-remove", RAW(SYS_madvise, CODE, 4096, MADV_REMOVE));
    SAY("remap_file_pages", RAW(SYS_remap_file_pages, CODE, 4096, 0, 1, 0));
    int id = shmget(IPC_PRIVATE, 8192, 0600 | IPC_CREAT);
    SAY("shmat", RAW(SYS_shmat, id, CODE, SHM_REMAP));
    SAY("shmat-rnd", RAW(SYS_shmat, id, CODE + 12, SHM_REMAP | SHM_RND));
    shmctl(id, IPC_RMID, NULL);
    SAY("read-into-code", RAW(SYS_pread64, fd, CODE, 16, 0));
    SAY("getcwd-into-code", RAW(SYS_getcwd, CODE + 16, 64));
    SAY("sigaction-into-code", RAW(SYS_rt_sigaction, SIGUSR1, 0, CODE, 8));
    SAY("sigprocmask-into-code", RAW(SYS_rt_sigprocmask, SIG_BLOCK, 0, CODE, 8));
    uint64_t before = (uint64_t)sbrk(0);
    printf("brk %d\n", (uint64_t)RAW(SYS_brk, CODE) == before && (uint64_t)RAW(SYS_brk, 0x12000) == before);
    int mem = open("/proc/self/mem", O_RDWR);
    SAY("mem-open", mem < 0 ? -errno : 0);
    SAY("mem-write", mem < 0 ? -errno : RAW(SYS_pwrite64, mem, "\xcc", 1, CODE + 9));
    still_works();
}

/* Writes into the code page fault; the scratch page may be scribbled on as one likes, it is filled anew for every call. */
static void by_stores(void)
{
    if (TRY) {
        *(volatile char *)CODE = 0x90;
        printf("written\n");
    } else
        printf("fault %d\n", caught);
    if (TRY) {
        memset((void *)DATA, 0xff, 4096);
        printf("scribbled\n");
    } else
        printf("fault %d\n", caught);
    still_works();
}

/* Jump to the syscall instruction of the glass page with registers of our own. What is asked for there is a call like any other. */
static void jump(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
    __asm__ volatile("jmp *%5"
                     :
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(SYSCALL_INSTRUCTION), "r"(r8)
                     : "memory", "rcx", "r11");
}

static void in_child(const char *name, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t flags)
{
    pid_t pid = fork();
    if (pid == 0) {
        ualarm(20000, 0); /* the page's own loop never ends: the clock moves with every call */
        if (flags)
            __asm__ volatile("pushfq; orq %0, (%%rsp); popfq" : : "r"(flags) : "memory", "cc");
        jump(nr, a, b, c);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%s %s%d\n", name, WIFSIGNALED(status) ? "signal " : "exit ",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void by_jumps(void)
{
    char *argv[] = {"/bin/true", NULL};
    in_child("exit_group", SYS_exit_group, 7, 0, 0, 0);
    in_child("openat", SYS_openat, AT_FDCWD, (uint64_t) "/etc/shadow", 0, 0);
    in_child("execve", SYS_execve, (uint64_t)argv[0], (uint64_t)argv, 0, 0);
    in_child("execveat", SYS_execveat, 1, CODE + 0x40, CODE + 0x48, 0); /* just what the supervisor injects */
    in_child("recvmsg", SYS_recvmsg, 0, DATA, 0x40, 0);
    in_child("mark", 0x1f7f, 0, 0, 0, 0);
    in_child("mmap-over", SYS_mmap, CODE, 8192, 7, 0);
    in_child("fork", SYS_fork, 0, 0, 0, 0);
    in_child("rt_sigreturn", SYS_rt_sigreturn, 0, 0, 0, 0);
    in_child("in-the-middle", 0, 0, 0, 0, 0);
    still_works();
}

/* Stepping through our own code up to a call must not step through the supervisor's. */
static volatile int steps;
static void on_step(int signal)
{
    steps++;
}
static void by_steps(void)
{
    signal(SIGTRAP, on_step);
    int fd = open("/etc/passwd", O_RDONLY);
    void *m;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
    m = (void *)RAW(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    long pid = RAW(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        RAW(SYS_exit_group, 4);
    int status = 0;
    RAW(SYS_wait4, pid, &status, 0, 0);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
    printf("stepped %d mapped %d child %d\n", steps > 10, memcmp(m, "root:", 5) == 0, WEXITSTATUS(status));
    still_works();
}

static void on_signal(int signal)
{
    (void)signal;
}

static void by_stacks(void)
{
    /* An alternate stack that ends in the pages; the kernel writes the frame below it. */
    stack_t over = {.ss_sp = (void *)(CODE - 0x1000), .ss_size = 0x3000};
    SAY("sigaltstack", sigaltstack(&over, NULL) < 0 ? -errno : 0);
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, NULL);
        raise(SIGUSR1);
        int fd = open("/etc/passwd", O_RDONLY);
        char *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        _exit(m != MAP_FAILED && m[0] == 'r' ? 6 : 7);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("handler %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 6 ? "fine"
                           : WIFSIGNALED(status)                         ? "killed"
                                                                         : "odd");

    /* A stack pointer inside, during a call and a signal. */
    pid = fork();
    if (pid == 0) {
        struct sigaction act = {.sa_handler = on_signal};
        sigaction(SIGALRM, &act, NULL);
        ualarm(20000, 0);
        __asm__ volatile("mov %0, %%rsp; 1: mov $39, %%eax; syscall; jmp 1b"
                         :
                         : "r"(CODE + 0x800)
                         : "rax", "rcx", "r11", "memory");
    }
    waitpid(pid, &status, 0);
    printf("stack %s\n", WIFSIGNALED(status) ? "killed" : "odd");

    /* A child whose stack is the scratch page, and one whose stack is the code page. */
    for (uint64_t top = DATA + 4096; top >= CODE + 4096; top -= 4096) {
        long tid = RAW(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, top, 0, 0, 0);
        if (tid == 0)
            RAW(SYS_exit_group, 9);
        RAW(SYS_wait4, tid, &status, 0, 0);
        printf("clone %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    }
    still_works();
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!IS("jumps") && !IS("stacks") && !IS("steps"))
        catch_faults();
    if (IS("calls"))
        by_calls();
    else if (IS("stores"))
        by_stores();
    else if (IS("jumps"))
        by_jumps();
    else if (IS("stacks"))
        by_stacks();
    else if (IS("steps"))
        by_steps();
    return 0;
}
