/* The things `terrarium doctor` tries (supervisor/probes.h). Each does what a run would do, not what a version number
 * promises: a container's seccomp profile, Yama or a sysctl may forbid what the kernel can do. */
#include "supervisor/probes.h"

#include "supervisor/glass/glass.h"
#include "supervisor/interpreter.h"
#include "supervisor/notice.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static void say(struct probe_outcome *out, bool there, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(out->detail, sizeof out->detail, format, list);
    va_end(list);
    out->there = there;
}

static void say_error(struct probe_outcome *out, const char *what)
{
    say(out, false, "%s: %s", what, strerror(errno));
}

/* A number from a file of /proc/sys; -1: not to be read. */
static long read_setting(const char *path)
{
    long value = -1;
    char text[32], *end;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return value;
    if (fgets(text, sizeof text, f) != NULL) {
        value = strtol(text, &end, 10);
        if (end == text)
            value = -1;
    }
    fclose(f);
    return value;
}

static void probe_kernel(struct probe_outcome *out)
{
    struct utsname u;
    uname(&u);
    say(out, strcmp(u.machine, "x86_64") == 0 && strcmp(u.sysname, "Linux") == 0, "%.40s %.60s on %.20s", u.sysname,
        u.release, u.machine);
}

static void probe_libseccomp(struct probe_outcome *out)
{
    const struct scmp_version *v = seccomp_version();
    say(out, v != NULL && (v->major > 2 || (v->major == 2 && v->minor >= 5)), "libseccomp %u.%u.%u", v ? v->major : 0,
        v ? v->minor : 0, v ? v->micro : 0);
}

/* A child that stops itself, seized. -1 with *out filled. */
static pid_t seized_child(struct probe_outcome *out, long options, void (*child)(void))
{
    int ready[2], go[2];
    char byte;
    if (pipe(ready) < 0 || pipe(go) < 0) {
        say_error(out, "pipe");
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(1);
        child();
        _exit(0);
    }
    if (pid < 0 || read(ready[0], &byte, 1) != 1 || ptrace(PTRACE_SEIZE, pid, 0, options) < 0) {
        say_error(out, pid < 0 ? "fork" : "PTRACE_SEIZE");
        return -1;
    }
    close(go[1]);
    return pid;
}

static void stop_here(void)
{
    raise(SIGSTOP);
}

static void probe_ptrace(struct probe_outcome *out)
{
    int status;
    long yama = read_setting("/proc/sys/kernel/yama/ptrace_scope");
    pid_t pid = seized_child(out, PTRACE_O_EXITKILL, stop_here);
    if (pid < 0) {
        if (yama == 3)
            say(out, false, "forbidden by kernel.yama.ptrace_scope = 3");
        return;
    }
    struct user_regs_struct registers;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) {
        say_error(out, "a seized process did not stop");
        return;
    }
    if (yama < 0)
        say(out, true, "a child can be seized and looked at (no Yama, or no /proc)");
    else
        say(out, true, "a child can be seized and looked at (Yama's scope is %ld)", yama);
}

enum { MADE_UP = 4242 };

/* A filter that traces getppid; then asks for it, and ends with whether the answer was the made-up one. Loaded by
 * seccomp(2) as a run's is: seccomp_load() would fall back on prctl(2) where a container forbids that call alone. */
static void ask_getppid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        _exit(2);
    _exit(syscall(SYS_getppid) == MADE_UP ? 0 : 3);
}

static void probe_seccomp(struct probe_outcome *out)
{
    int status;
    struct user_regs_struct registers;
    pid_t pid = seized_child(out, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP, ask_getppid);
    if (pid < 0)
        return;
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
            ptrace(PTRACE_GETREGS, pid, 0, &registers);
            registers.orig_rax = (unsigned long long)-1;
            registers.rax = MADE_UP;
            ptrace(PTRACE_SETREGS, pid, 0, &registers);
        }
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        say(out, true, "a call was trapped and answered in one stop");
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        say(out, false, "a seccomp program cannot be loaded");
    else
        say(out, false, "a trapped call was not answered as told");
}

static uint64_t looked_at = 0x7465727261726975;

/* A program that notifies, as a run's: no more than that the kernel takes it, for who could answer is shown by every run. */
static void probe_notices(struct probe_outcome *out)
{
    int status;
    pid_t pid = notice_possible() ? fork() : -1;
    if (pid == 0) {
        struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
        bool there = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, notice_flags(), &program) >= 0;
        _exit(there ? 0 : errno);
    }
    if (pid < 0)
        say(out, false, "the kernel has none that is known here");
    else if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        say(out, false, "the process that tried died");
    else if (WEXITSTATUS(status) == 0)
        say(out, true, "calls arrive by SECCOMP_RET_USER_NOTIF");
    else
        say(out, false, "seccomp: %s%s", strerror(WEXITSTATUS(status)),
            WEXITSTATUS(status) == EBUSY ? " (the container's own listener)" : "");
}

static void probe_memory(struct probe_outcome *out)
{
    int status;
    pid_t pid = seized_child(out, PTRACE_O_EXITKILL, stop_here);
    if (pid < 0)
        return;
    waitpid(pid, &status, __WALL);
    uint64_t there = 0, written = 7;
    struct iovec ours = {&there, sizeof there}, theirs = {&looked_at, sizeof looked_at},
                 new = {&written, sizeof written};
    if (process_vm_readv(pid, &ours, 1, &theirs, 1, 0) != sizeof there || there != looked_at ||
        process_vm_writev(pid, &new, 1, &theirs, 1, 0) != sizeof written)
        say_error(out, "process_vm_readv or process_vm_writev");
    else
        say(out, true, "a traced process's memory can be read and written");
}

/* The smallest ELF program: exit_group(0). */
static const unsigned char tiny_program[] = {
    0x7f, 'E',  'L',  'F', 2,    1, 1, 0, 0,    0,    0,    0,    0,    0, 0,    0, /* ELF64, little-endian */
    2,    0,    0x3e, 0,   1,    0, 0, 0,                                           /* ET_EXEC, EM_X86_64 */
    0x78, 0,    0x40, 0,   0,    0, 0, 0,                                           /* entry 0x400078 */
    0x40, 0,    0,    0,   0,    0, 0, 0,                                           /* program headers at 64 */
    0,    0,    0,    0,   0,    0, 0, 0, 0,    0,    0,    0,    0x40, 0, 0x38, 0,    1,    0, 0,    0,
    0,    0,    0,    0,   1,    0, 0, 0, 5,    0,    0,    0, /* PT_LOAD, read and execute */
    0,    0,    0,    0,   0,    0, 0, 0, 0,    0,    0x40, 0,    0,    0, 0,    0,    0,    0, 0x40, 0,
    0,    0,    0,    0,   0x81, 0, 0, 0, 0,    0,    0,    0,    0x81, 0, 0,    0,    0,    0, 0,    0,
    0,    0x10, 0,    0,   0,    0, 0, 0, 0x31, 0xff, 0xb8, 0xe7, 0,    0, 0,    0x0f, 0x05, /* xor edi, edi; mov eax,
                                                                                                231; syscall */
};

static void probe_memfd(struct probe_outcome *out)
{
    int fd = memfd_create("terrarium", MFD_CLOEXEC), status;
    if (fd < 0 || write(fd, tiny_program, sizeof tiny_program) != sizeof tiny_program) {
        say_error(out, "memfd_create");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char *const nothing[] = {NULL};
        syscall(SYS_execveat, fd, "", nothing, nothing, AT_EMPTY_PATH);
        _exit(errno == EACCES ? 2 : 3);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        say(out, true, "a program in memory can be executed");
    else
        say(out, false, "a program in memory cannot be executed (vm.memfd_noexec is %ld)",
            read_setting("/proc/sys/vm/memfd_noexec"));
}

/* What keeps host mounts from being left: a path that leads out is refused. */
static void probe_openat2(struct probe_outcome *out)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        say_error(out, "/");
    else if (syscall(SYS_openat2, root, ".", &how, sizeof how) < 0 && errno == ENOSYS)
        say(out, true, "no openat2: paths are followed one component at a time (vfs/hostfd.c), which is slower");
    else if (syscall(SYS_openat2, root, ".", &how, sizeof how) < 0)
        say_error(out, "openat2");
    else if (syscall(SYS_openat2, root, "/", &how, sizeof how) >= 0)
        say(out, false, "openat2 takes no notice of RESOLVE_BENEATH");
    else
        say(out, true, "a path can be kept beneath a directory");
}

/* The glass program is linked to one address, which vm.mmap_min_addr may forbid. */
static void probe_low_pages(struct probe_outcome *out)
{
    void *at = (void *)(uintptr_t)GLASS_CODE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap(at, GLASS_END - GLASS_CODE, PROT_READ, flags, -1, 0) != at)
        say(out, false, "nothing can be mapped at %#x: %s (vm.mmap_min_addr is %ld)", GLASS_CODE, strerror(errno),
            read_setting("/proc/sys/vm/mmap_min_addr"));
    else
        say(out, true, "pages at %#x can be mapped", GLASS_CODE);
}

static void probe_pinning(struct probe_outcome *out)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) < 0) {
        say_error(out, "sched_getaffinity");
        return;
    }
    int cpu = 0;
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &all))
        cpu++;
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        say_error(out, "sched_setaffinity");
    else
        say(out, true, "a process can be pinned to one of %d CPUs", CPU_COUNT(&all));
}

static void probe_proc(struct probe_outcome *out)
{
    if (access("/proc/self/statm", R_OK) != 0)
        say_error(out, "/proc");
    else
        say(out, true, "mounted");
}

static void probe_addresses(struct probe_outcome *out)
{
    if (personality(ADDR_NO_RANDOMIZE) < 0)
        say(out, true,
            "randomisation cannot be switched off (%s): the supervisor leaves the kernel no choice but MAP_32BIT's",
            strerror(errno));
    else
        say(out, true, "address randomisation can be switched off");
}

/* Whether an instruction ends its process with SIGSEGV, as it must where it is trapped. */
static bool faults(void (*instruction)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        instruction();
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void read_counter(void)
{
    unsigned low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
}

static void ask_processor(void)
{
    unsigned a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void probe_tsc(struct probe_outcome *out)
{
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0)
        say_error(out, "PR_SET_TSC");
    else
        say(out, faults(read_counter), "rdtsc %s",
            faults(read_counter) ? "can be trapped" : "runs on although it was forbidden");
}

static void probe_cpuid(struct probe_outcome *out)
{
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) < 0)
        say_error(out, "ARCH_SET_CPUID");
    else
        say(out, faults(ask_processor), "cpuid %s",
            faults(ask_processor) ? "can be trapped" : "runs on although it was forbidden");
}

static void probe_perf(struct probe_outcome *out)
{
    long paranoid = read_setting("/proc/sys/kernel/perf_event_paranoid");
    struct perf_event_attr instructions = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof instructions,
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    if (syscall(SYS_perf_event_open, &instructions, 0, -1, -1, 0) < 0)
        say(out, false, "perf_event_paranoid is %ld, instructions cannot be counted: %s", paranoid, strerror(errno));
    else
        say(out, true, "instructions can be counted (perf_event_paranoid is %ld)", paranoid);
}

static void probe_namespaces(struct probe_outcome *out)
{
    if (unshare(CLONE_NEWUSER) < 0)
        say_error(out, "unshare(CLONE_NEWUSER)");
    else
        say(out, true, "user namespaces can be made");
}

static void probe_landlock(struct probe_outcome *out)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        say_error(out, "landlock_create_ruleset");
    else
        say(out, true, "ABI %ld", abi);
}

static void probe_python(struct probe_outcome *out)
{
    struct interpreter found;
    struct run_error error;
    if (interpreter_find(NULL, &found, &error) < 0) {
        say(out, false, "no python3 on PATH");
        return;
    }
    say(out, true, "%.150s", found.path);
    interpreter_free(&found);
}

const struct probe probes[] = {
    {"kernel", true, "only Linux on x86-64", probe_kernel},
    {"libseccomp", true, "2.5 or newer is needed", probe_libseccomp},
    {"ptrace", true,
     "the guest cannot be held (a container needs SYS_PTRACE or kernel 4.8 with Docker's default profile)",
     probe_ptrace},
    {"seccomp", true, "calls cannot be trapped", probe_seccomp},
    {"notices", false, "each call costs a third more", probe_notices},
    {"guest memory", true, "calls cannot be answered", probe_memory},
    {"memfd", true, "the guest's first program cannot be started", probe_memfd},
    {"host files", true, "no file of the host can be shown (a container's profile must allow openat2)", probe_openat2},
    {"low pages", true, "there is no room for the calls the guest makes for the supervisor", probe_low_pages},
    {"fixed addresses", false, "", probe_addresses},
    {"python3", false, "runs need --python, or an image with one", probe_python},
    {"one CPU", false, "each call costs 4 to 6 times as much", probe_pinning},
    {"/proc", false, "the memory limit counts the most that each process ever had, libraries and shared pages too",
     probe_proc},
    {"rdtsc", false, "a program that reads the CPU's counter sees real time: not reproducible", probe_tsc},
    {"cpuid", false, "what programs choose by the kind of CPU is theirs: another CPU may compute other last digits",
     probe_cpuid},
    {"perf counters", false, "to stop a thread that never calls at an exact place, something else must be counted",
     probe_perf},
    {"user namespaces", false, "one layer of confinement less; runs do not need it", probe_namespaces},
    {"Landlock", false, "one layer of the supervisor's own confinement less; runs do not need it", probe_landlock},
};

const size_t probe_count = sizeof probes / sizeof *probes;
