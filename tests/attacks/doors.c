/* Calls by which a process gets at others, at the kernel, at its own tracer or at descriptors that are not its own: each says
 * `name result`. What they do natively is compared where it is harmless. */
#include "attack.h"
#include <asm/prctl.h>
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <ucontext.h>

/* ---- refused: nothing of this exists, or nobody has the privilege ---------------------------------------------------- */

static void refused(void)
{
    static char area[65536];
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    struct iovec vec = {area, 16};
    int pid = getpid(), number = 0;
    SAY("clone3", RAW(SYS_clone3, area, 88));
    SAY("seccomp-strict", RAW(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0));
    SAY("seccomp-filter", RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    SAY("seccomp-notify", RAW(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    SAY("prctl-seccomp", RAW(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    SAY("prctl-seccomp-strict", RAW(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    SAY("user-dispatch", RAW(SYS_prctl, 59, 1, 0, 0, 0));
    SAY("prctl-tsc", RAW(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV));
    SAY("prctl-mm", RAW(SYS_prctl, PR_SET_MM, PR_SET_MM_START_CODE, 0x400000));
    SAY("prctl-ptracer", RAW(SYS_prctl, PR_SET_PTRACER, -1));
    SAY("arch-cpuid", RAW(SYS_arch_prctl, ARCH_SET_CPUID, 0));
    SAY("arch-map-vdso", RAW(SYS_arch_prctl, ARCH_MAP_VDSO_64, 0x30000000));
    SAY("arch-map-vdso32", RAW(SYS_arch_prctl, ARCH_MAP_VDSO_32, 0x30000000));
    SAY("arch-tagged-addresses", RAW(SYS_arch_prctl, 0x4002, 6)); /* LAM: tags would hide an address from the filter */
    SAY("arch-xcomp", RAW(SYS_arch_prctl, 0x1023, 18));
    SAY("arch-shadow-stack", RAW(SYS_arch_prctl, 0x5001, 1));
    SAY("ptrace-me", RAW(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
    SAY("ptrace-attach", RAW(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0));
    SAY("ptrace-seize", RAW(SYS_ptrace, PTRACE_SEIZE, 1, 0, 0));
    SAY("ptrace-regs", RAW(SYS_ptrace, PTRACE_GETREGS, pid, 0, area));
    SAY("io_uring_setup", RAW(SYS_io_uring_setup, 8, area));
    SAY("io_uring_enter", RAW(SYS_io_uring_enter, 3, 1, 1, 0, 0, 0));
    SAY("io_uring_register", RAW(SYS_io_uring_register, 3, 0, area, 1));
    SAY("io_setup", RAW(SYS_io_setup, 8, area));
    SAY("io_submit", RAW(SYS_io_submit, 0, 1, area));
    SAY("process_vm_readv", RAW(SYS_process_vm_readv, getppid(), &vec, 1, &vec, 1, 0));
    SAY("process_vm_writev", RAW(SYS_process_vm_writev, getppid(), &vec, 1, &vec, 1, 0));
    SAY("process_madvise", RAW(SYS_process_madvise, 3, &vec, 1, MADV_PAGEOUT, 0));
    SAY("process_mrelease", RAW(SYS_process_mrelease, 3, 0));
    SAY("kcmp", RAW(SYS_kcmp, pid, pid, 0, 0, 1));
    SAY("move_pages", RAW(SYS_move_pages, pid, 1, area, area, area, 0));
    SAY("migrate_pages", RAW(SYS_migrate_pages, pid, 8, area, area));
    SAY("open_by_handle_at", RAW(SYS_open_by_handle_at, AT_FDCWD, area, O_RDONLY));
    SAY("name_to_handle_at", RAW(SYS_name_to_handle_at, AT_FDCWD, "/etc/passwd", area, &number, 0));
    SAY("userfaultfd", RAW(SYS_userfaultfd, 1));
    SAY("memfd_secret", RAW(447, 0));
    SAY("map_shadow_stack", RAW(453, 0, 4096, 0));
    SAY("modify_ldt", RAW(SYS_modify_ldt, 0, area, 100));
    SAY("set_thread_area", RAW(SYS_set_thread_area, area));
    SAY("rseq", RAW(SYS_rseq, area, 32, 0, 0x53053053));
    SAY("bpf", RAW(SYS_bpf, 5, area, 64));
    SAY("perf_event_open", RAW(SYS_perf_event_open, area, 0, -1, -1, 0));
    SAY("fanotify_init", RAW(SYS_fanotify_init, 0, 0));
    SAY("mount", RAW(SYS_mount, "none", "/tmp", "tmpfs", 0, 0));
    SAY("umount", RAW(SYS_umount2, "/proc", 0));
    SAY("open_tree", RAW(SYS_open_tree, AT_FDCWD, "/", 1));
    SAY("fsopen", RAW(SYS_fsopen, "proc", 0));
    SAY("unshare-user", RAW(SYS_unshare, CLONE_NEWUSER));
    SAY("clone-newuser", RAW(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    SAY("setns", RAW(SYS_setns, 0, 0));
    SAY("pivot_root", RAW(SYS_pivot_root, "/", "/"));
    SAY("chroot", RAW(SYS_chroot, "/tmp"));
    SAY("iopl", RAW(SYS_iopl, 3));
    SAY("ioperm", RAW(SYS_ioperm, 0x80, 1, 1));
    SAY("keyctl", RAW(SYS_keyctl, 0, -3, 0, 0, 0));
    SAY("add_key", RAW(SYS_add_key, "user", "x", "y", 1, -3));
    SAY("kexec_load", RAW(SYS_kexec_load, 0, 0, 0, 0));
    SAY("init_module", RAW(SYS_init_module, area, 1, ""));
    SAY("swapon", RAW(SYS_swapon, "/x", 0));
    SAY("reboot", RAW(SYS_reboot, 0, 0, 0, 0));
    SAY("syslog", RAW(SYS_syslog, 3, area, 100));
    SAY("acct", RAW(SYS_acct, "/tmp/x"));
    SAY("quotactl", RAW(SYS_quotactl, 0x800003 << 8, "/", 0, area));
    SAY("sethostname", RAW(SYS_sethostname, "x", 1));
    SAY("settimeofday", RAW(SYS_settimeofday, area, 0));
    SAY("vhangup", RAW(SYS_vhangup, 0));
    SAY("landlock", RAW(444, 0, 0, 1));
    SAY("lookup_dcookie", RAW(SYS_lookup_dcookie, 0, area, 100));
    SAY("remap_file_pages", RAW(SYS_remap_file_pages, area, 4096, 0, 0, 0));
    SAY("uselib", RAW(SYS_uselib, "/bin/true"));
    SAY("listmount", RAW(458, area, area, 1, 0));
}

/* ---- hidden: the descriptors that the real process has besides the guest's ------------------------------------------- */

static void hidden(void)
{
    int got = 0, passed = 0, ends[2];
    char byte;
    struct stat st;
    int proc = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    fflush(stdout);
    /* What the guest itself has: 0 to 2 and the directory. Everything else must be nothing at all. */
    for (int fd = 0; fd < 300; fd++) {
        char name[64];
        if (fd <= 2 || fd == proc)
            continue;
        got += RAW(SYS_fstat, fd, &st) == 0;
        got += RAW(SYS_dup, fd) >= 0;
        got += RAW(SYS_fcntl, fd, F_GETFD) >= 0;
        got += RAW(SYS_close, fd) == 0;
        got += RAW(SYS_read, fd, &byte, 1) >= 0;
        got += RAW(SYS_pidfd_getfd, fd, 0, 0) >= 0;
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        got += open(name, O_RDONLY) >= 0;
        got += readlink(name, (char[64]){0}, 64) >= 0;
    }
    printf("descriptors %d\n", got);
    /* Over the numbers that the real ones have: ours come, theirs stay. */
    for (int fd = 0; fd < 64; fd++)
        if (fd > 2)
            RAW(SYS_dup2, 1, fd);
    RAW(SYS_close_range, 3, ~0U, 0);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
    union {
        struct cmsghdr header;
        char space[256];
    } control = {0};
    struct iovec vec = {&byte, 1};
    for (int fd = 0; fd < 100; fd++) {
        if (fd <= 2 || fd == ends[0] || fd == ends[1])
            continue;
        struct msghdr message = {
            .msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof fd)};
        control.header =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        passed += sendmsg(ends[0], &message, MSG_DONTWAIT) >= 0;
    }
    printf("passed %d\n", passed);
    int self = (int)RAW(SYS_pidfd_open, getpid(), 0);
    int through = 0;
    for (int fd = 3; fd < 100; fd++)
        if (fd != ends[0] && fd != ends[1] && fd != self)
            through += RAW(SYS_pidfd_getfd, self, fd, 0) >= 0;
    printf("pidfd_getfd %d\n", through);
    /* And the supervisor can still hand files over. */
    int fd = open("/etc/passwd", O_RDONLY);
    char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("maps %d\n", map != MAP_FAILED && memcmp(map, "root:", 5) == 0);
}

/* ---- outside: processes that are not of this world --------------------------------------------------------------------- */

static void outside(void)
{
    int seen = 0, signalled = 0, looked = 0, pids = 0;
    struct rlimit64 limit;
    struct timespec interval;
    for (int pid = 1; pid < 66000; pid += pid < 2000 ? 1 : 61) {
        if (pid == getpid() || pid == getppid())
            continue;
        signalled += RAW(SYS_kill, pid, 0) == 0;
        looked += RAW(SYS_prlimit64, pid, RLIMIT_NOFILE, 0, &limit) == 0;
        looked += RAW(SYS_sched_getscheduler, pid) >= 0;
        looked += RAW(SYS_sched_setaffinity, pid, 8, &(uint64_t){1}) == 0;
        looked += RAW(SYS_getpriority, PRIO_PROCESS, pid) >= 0;
        seen += RAW(SYS_pidfd_open, pid, 0) >= 0;
        pids++;
    }
    printf("tried %d signalled %d looked %d opened %d\n", pids > 2000, signalled, looked, seen);
    /* All that may be signalled: this world's. */
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    signal(SIGTERM, SIG_IGN);
    printf("everyone %s\n", word(RAW(SYS_kill, -1, SIGTERM)));
    int status;
    waitpid(child, &status, 0);
    printf("child %d\n", WTERMSIG(status));
    printf("group %s\n", word(RAW(SYS_kill, 0, 0)));
    printf("reaper %s\n", word(RAW(SYS_kill, 1, SIGKILL)));
    printf("thread %s\n", word(RAW(SYS_tgkill, 1, 1, SIGKILL)));
}

/* ---- escapes: children that nobody traces ---------------------------------------------------------------------------- */

static void say_where(const char *name)
{
    char host[64] = "?";
    int fd = (int)RAW(SYS_openat, AT_FDCWD, "/etc/hostname", O_RDONLY);
    long n = fd < 0 ? fd : RAW(SYS_read, fd, host, 63);
    host[n > 0 ? n : 0] = '\0';
    if (n > 0 && host[n - 1] == '\n')
        host[n - 1] = '\0';
    printf("%s %s\n", name, n < 0 ? word(n) : host);
}

static void escapes(void)
{
    static const struct {
        const char *name;
        uint64_t flags;
    } ways[] = {
        {"fork", SIGCHLD},
        {"untraced", 0x00800000 | SIGCHLD}, /* CLONE_UNTRACED */
        {"ptrace", 0x00002000 | SIGCHLD},   /* CLONE_PTRACE */
        {"parent", 0x00008000 | SIGCHLD},   /* CLONE_PARENT */
        {"untraced-vfork", 0x00800000 | 0x00004000 | SIGCHLD},
        {"detached", 0x00400000 | 0x00800000 | SIGCHLD},
        {"no-signal", 0x00800000},
        {"odd-signal", 0x00800000 | SIGUSR1},
        {"high-half", UINT64_C(0xffffffff00000000) | 0x00800000 | SIGCHLD},
        {"clear-sighand", UINT64_C(0x100000000) | SIGCHLD},
        {"into-cgroup", UINT64_C(0x200000000) | SIGCHLD},
    };
    signal(SIGUSR1, SIG_IGN);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        long pid = RAW(SYS_clone, ways[i].flags, 0, 0, 0, 0);
        if (pid == 0) {
            say_where(ways[i].name);
            RAW(SYS_exit_group, 0);
        }
        if (pid < 0)
            printf("%s %s\n", ways[i].name, word(pid));
        else
            waitpid((pid_t)pid, NULL, __WALL);
    }
}

/* ---- frames: rt_sigreturn(2) with what no kernel ever wrote ------------------------------------------------------------ */

static void landed(void)
{
    RAW(SYS_exit_group, getppid() > 0 ? 3 : 4); /* a call works afterwards */
}

static int frame_with(int register_index, uint64_t value, int from_signal)
{
    pid_t pid = fork();
    if (pid == 0) {
        static char stack[65536] __attribute__((aligned(64)));
        static struct {
            uint64_t return_address;
            struct ucontext_t context;
        } __attribute__((aligned(16))) frame;
        ucontext_t now;
        alarm(5);
        getcontext(&now);
        frame.context = now;
        frame.context.uc_mcontext.fpregs = NULL;
        frame.context.uc_flags = 0;
        frame.context.uc_mcontext.gregs[REG_RIP] = (long)landed;
        frame.context.uc_mcontext.gregs[REG_RSP] = (long)(stack + sizeof stack / 2 + 8);
        frame.context.uc_mcontext.gregs[REG_CSGSFS] = 0x33 | (UINT64_C(0x2b) << 48);
        frame.context.uc_mcontext.gregs[REG_EFL] = 0x202;
        if (register_index >= 0)
            frame.context.uc_mcontext.gregs[register_index] = (long)value;
        else
            memset(&frame.context, (int)value, sizeof frame.context);
        __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" : : "r"(&frame.context) : "memory");
        _exit(9);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void frames(void)
{
    static const struct {
        const char *name;
        int index;
        uint64_t value;
    } junk[] = {
        {"plain", REG_RAX, 0},
        {"rip-kernel", REG_RIP, UINT64_C(0xffffffff81000000)},
        {"rip-noncanonical", REG_RIP, UINT64_C(0x8000000000000000)},
        {"rip-zero", REG_RIP, 0},
        {"rsp-kernel", REG_RSP, UINT64_C(0xffff888000000000)},
        {"cs-zero", REG_CSGSFS, 0},
        {"cs-kernel", REG_CSGSFS, 0x10 | (UINT64_C(0x18) << 48)},
        {"cs-32", REG_CSGSFS, 0x23 | (UINT64_C(0x2b) << 48)},
        {"ss-junk", REG_CSGSFS, 0x33 | (UINT64_C(0xffff) << 48)},
        {"flags-all", REG_EFL, UINT64_C(0xffffffffffffffff) & ~UINT64_C(0x40100)},
        {"flags-nested", REG_EFL, 0x202 | 0x4000},
        {"flags-iopl", REG_EFL, 0x202 | 0x3000},
        {"flags-trap", REG_EFL, 0x202 | 0x100},
        {"orig-rax", REG_RAX, UINT64_C(0xfffffffffffffe00)}, /* -ERESTARTSYS */
        {"zeros", -1, 0},
        {"ones", -1, 0xff},
        {"fours", -1, 0x41},
    };
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++)
        printf("%s %d\n", junk[i].name, frame_with(junk[i].index, junk[i].value, 0));
}

/* ---- vsyscall: the kernel's own page of entries (arch/x86/entry/vsyscall) ----------------------------------------------- */

static void vsyscalls(void)
{
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            static long buffer[64];
            long (*entry)(void *, void *, void *) = (void *)(UINT64_C(0xffffffffff600000) + (uint64_t)i * 1024);
            signal(SIGSEGV, SIG_DFL);
            signal(SIGSYS, SIG_DFL);
            long result = entry(buffer, NULL, NULL);
            _exit(i == 1 ? (result > 1000 ? 0 : 1) : result == 0 ? 0 : 1);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        printf("entry%d %d\n", i, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    }
}

/* ---- own: what is done to oneself, and works -------------------------------------------------------------------------- */

static int shared_value;
static void *executes(void *unused)
{
    char *argv[] = {"/bin/echo", "from-a-thread", NULL};
    execv(argv[0], argv);
    return NULL;
}

static void own(void)
{
    /* A program in memory, executed by its descriptor. */
    int source = open("/bin/echo", O_RDONLY), memory = (int)RAW(SYS_memfd_create, "x", 0);
    char buffer[65536];
    ssize_t n;
    while ((n = read(source, buffer, sizeof buffer)) > 0)
        write(memory, buffer, (size_t)n);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {"echo", "from-memory", NULL}, *envp[] = {NULL};
        RAW(SYS_execveat, memory, "", argv, envp, AT_EMPTY_PATH);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    /* vfork(2): the same memory, and the parent waits. */
    pid = vfork();
    if (pid == 0) {
        shared_value = 42;
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    printf("vfork %d\n", shared_value);
    /* execve from a thread that is not the leader, while others run. */
    pid = fork();
    if (pid == 0) {
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, executes, NULL);
        for (;;)
            sched_yield();
    }
    waitpid(pid, NULL, 0);
    /* SIGKILL at a process that is stopped in a call, and one that runs. */
    for (int i = 0; i < 20; i++) {
        int status, ends[2];
        pipe(ends);
        pid = fork();
        if (pid == 0)
            for (;;)
                i % 2 ? (void)read(ends[0], buffer, 1) : (void)RAW(SYS_getppid, 0);
        for (int k = 0; k < i; k++)
            sched_yield();
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            printf("not killed\n");
        close(ends[0]), close(ends[1]);
    }
    printf("killed\n");
    /* Into a terminal's input: only one's own controlling terminal's, and there is none here. */
    SAY("tiocsti", ioctl(0, TIOCSTI, "x") < 0 ? -errno : 0);
    /* Its own memory through /proc. */
    int value = 1, mem = open("/proc/self/mem", O_RDWR);
    long put = mem < 0 ? -errno : pwrite(mem, &(int){2}, sizeof value, (off_t)&value);
    printf("mem %d\n", put == 4 ? value : 0);
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];
    setvbuf(stdout, NULL, _IONBF, 0);
    if (IS("refused")) {
        catch_faults();
        refused();
    } else if (IS("hidden"))
        hidden();
    else if (IS("outside"))
        outside();
    else if (IS("escapes"))
        escapes();
    else if (IS("frames"))
        frames();
    else if (IS("vsyscall"))
        vsyscalls();
    else if (IS("own"))
        own();
    return 0;
}
