/* Launching: clone, PTRACE_SEIZE with EXITKILL, no_new_privs, no capabilities, the seccomp program, then the glass program
 * from a memfd. Every step happens in the child before anything of the guest's is there. */
#include "supervisor/launch.h"

#include "supervisor/descriptor.h"
#include "supervisor/fast_clock.h"
#include "supervisor/filter.h"
#include "supervisor/glass/glass.h"
#include "supervisor/notice.h"
#include "supervisor/tick.h"
#include "supervisor/tsc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char glass_image[], glass_image_end[], vdso_image[], vdso_image_end[];

enum {
    NATIVE_DESCRIPTORS = 256, /* room for GLASS_* and HANDED_MAX, whatever the guest's own limit says */
    NATIVE_STACK = 8 << 20,
    CHILD_STACK = 32 << 10,
};

/* Where the child failed, told over its pipe. */
enum step { STEP_SETUP, STEP_FILTER, STEP_EXEC, STEP_MEMORY, STEP_ADDRESSES /* told, and no failure */ };
struct failure {
    enum step step;
    int error;
};

long launch_ptrace_options(void)
{
    return PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
           PTRACE_O_TRACEEXEC;
}

static int glass_memfd(void)
{
    int fd = memfd_create("terrarium", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    size_t size = (size_t)(glass_image_end - glass_image), vdso_size = (size_t)(vdso_image_end - vdso_image);
    if (write(fd, glass_image, size) != (ssize_t)size ||
        pwrite(fd, vdso_image, vdso_size, GLASS_VDSO_OFFSET) != (ssize_t)vdso_size ||
        ftruncate(fd, GLASS_VDSO_OFFSET + GLASS_VDSO_SIZE) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* ---- the child -------------------------------------------------------------------------------------------------------- */

/* It shares our memory until it executes, for a copy of page tables, and the faults after it, cost milliseconds. So errno is ours, and it
 * makes its calls bare. -errno. */
static long bare(long nr, long a, long b, long c, long d, long e)
{
    long result = nr;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return result;
}

struct birth {
    int go[2];    /* it waits for a byte from here: it was seized */
    int failures; /* it tells them here */
    int socket, program, clock;
    struct sock_fprog *filter;
    bool notices; /* the program notifies, where the kernel lets it */
};

/* What comes as notices is heard of by a descriptor that is made here and belongs to the supervisor. The program is in force
 * already, so a call that sends it is made of a mark's stop (to_the_mark). Where there can be no notices, the same program stops. */
static long install_filter(const struct birth *b)
{
    long listener = -ENOSYS;
    if (b->notices)
        listener = bare(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (long)notice_flags(), (long)b->filter, 0, 0);
    if (listener < 0) { /* an older kernel, or another listener is above us */
        notices_use(b->filter, false);
        return bare(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)b->filter, 0, 0);
    }
    char byte = 0;
    struct descriptor_message carrier;
    descriptor_put(&carrier, &byte, 1, (int)listener);
    struct mmsghdr message = {.msg_hdr = carrier.header};
    long sent = bare(GLASS_MARK, GLASS_SOCKET, (long)&message, 1, 0, 0);
    if (sent >= 0)
        (void)bare(GLASS_MARK, 0, 0, 0, 0, 0); /* and now it is taken: what is called from here on is heard */
    return sent < 0 ? sent : 0;
}

static void tell(int to, enum step step, long error)
{
    struct failure f = {step, (int)-error};
    (void)bare(SYS_write, to, (long)&f, sizeof f, 0, 0);
}

__attribute__((noreturn)) static void fail(int to, enum step step, long error)
{
    tell(to, step, error);
    for (;;)
        (void)bare(SYS_exit_group, 125, 0, 0, 0, 0);
}

static void drop_capabilities(void)
{
    /* As root: without these even uid 0 is an ordinary user to the host, and stays one. */
    (void)bare(SYS_prctl, PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
    for (long c = 0; c <= CAP_LAST_CAP + 8; c++)
        (void)bare(SYS_prctl, PR_CAPBSET_DROP, c, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    (void)bare(SYS_capset, (long)&header, (long)&none, 0, 0, 0);
}

static void set_limit(int resource, rlim_t soft)
{
    struct rlimit limit = {0};
    if (bare(SYS_prlimit64, 0, resource, 0, (long)&limit, 0) < 0)
        return;
    limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
    (void)bare(SYS_prlimit64, 0, resource, (long)&limit, 0, 0);
}

static void reset_signals(void)
{
    static const uint64_t none, as_default[4]; /* the kernel's sigset_t and struct sigaction */
    (void)bare(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0);
    for (int signal = 1; signal < NSIG; signal++)
        (void)bare(SYS_rt_sigaction, signal, (long)as_default, 0, sizeof none, 0);
}

/* The descriptors where they belong, by way of numbers that nothing else has, and no others. */
static long place_descriptors(const struct birth *b)
{
    const int from[] = {b->socket, b->program, b->clock, b->failures},
              to[] = {GLASS_SOCKET, GLASS_PROGRAM, GLASS_CLOCK, GLASS_FIRST_FREE};
    long between[4], error;
    for (int i = 0; i < 4; i++)
        if ((between[i] = bare(SYS_fcntl, from[i], F_DUPFD, 10, 0, 0)) < 0)
            return between[i];
    for (int i = 0; i < 4; i++)
        if ((error = bare(SYS_dup3, between[i], to[i], to[i] == GLASS_FIRST_FREE ? O_CLOEXEC : 0, 0, 0)) < 0)
            return error;
    if (bare(SYS_close_range, GLASS_FIRST_FREE + 1, ~0U, 0, 0, 0) < 0)
        for (int fd = GLASS_FIRST_FREE + 1; fd < 1024; fd++)
            (void)bare(SYS_close, fd, 0, 0, 0, 0);
    return 0;
}

/* Between clone and the glass program. */
static int child(void *context)
{
    const struct birth *b = context;
    char byte;
    long error;
    (void)bare(SYS_close, b->go[1], 0, 0, 0,
               0); /* or a supervisor that was killed before it seized us would be waited for for ever */
    if (bare(SYS_read, b->go[0], (long)&byte, 1, 0, 0) != 1)
        fail(b->failures, STEP_SETUP, -ECHILD); /* the supervisor gave up */
    (void)bare(SYS_setsid, 0, 0, 0, 0, 0);      /* ^C on the user's terminal is the supervisor's to pass on */
    reset_signals();
    if ((error = bare(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) < 0)
        fail(b->failures, STEP_SETUP, error);
    /* A container's profile (Docker's allows five values, not this one) may refuse it. */
    if ((error = bare(SYS_personality, ADDR_NO_RANDOMIZE, 0, 0, 0, 0)) < 0)
        tell(b->failures, STEP_ADDRESSES, error);
    if (bare(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0)
        tsc_try();
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_STACK, NATIVE_STACK);
    drop_capabilities();
    if ((error = place_descriptors(b)) < 0)
        fail(b->failures, STEP_SETUP, error);
    set_limit(RLIMIT_NOFILE, NATIVE_DESCRIPTORS); /* not before: the supervisor's own may be more */
    if ((error = install_filter(b)) < 0)
        fail(GLASS_FIRST_FREE, STEP_FILTER, error);
    char *argv[] = {"", NULL}, *envp[] = {NULL};
    error = bare(SYS_execveat, GLASS_PROGRAM, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
    fail(GLASS_FIRST_FREE, STEP_EXEC, error);
}

/* ---- the parent ------------------------------------------------------------------------------------------------------- */

/* One sentence for what the child, or the kernel, refused. */
static int explain(struct run_error *e, const struct failure *f)
{
    static const char *const what[] = {
        [STEP_SETUP] = "cannot set up the guest's process",
        [STEP_FILTER] = "the kernel refuses the guest's seccomp program (seccomp(2) is needed: a container's profile "
                        "must allow it)",
        [STEP_EXEC] = "cannot execute from a memfd (is vm.memfd_noexec set to 2?)",
        [STEP_MEMORY] = "cannot reach the guest's memory (process_vm_readv(2) and process_vm_writev(2) are needed: a "
                        "container's profile must allow them)",
    };
    snprintf(e->text, sizeof e->text, "%s: %s; `terrarium doctor` tells what this machine offers", what[f->step],
             strerror(f->error));
    return -1;
}

/* What the child told, the last thing first that counts. True: it told of a failure. */
static bool read_failure(struct holder *h, int failures, struct failure *f)
{
    while (read(failures, f, sizeof *f) == (ssize_t)sizeof *f) {
        if (f->step != STEP_ADDRESSES)
            return true;
        h->world->addresses_vary = true;
    }
    return false;
}

/* Our ends of what leads to the child. */
struct ends {
    int go, failures, socket;
};

/* The child has sent the listener, if it made one. */
static void take_listener(struct holder *h, int socket)
{
    char byte;
    struct descriptor_message message;
    descriptor_room(&message, &byte, 1);
    int fd = recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) == 1 ? descriptor_taken(&message) : -1;
    if (fd < 0)
        return;
    h->listener = fd;
    tick_hear_children();
    notice_begin(h->listener);
}

static bool reaches_memory(struct tracee *t)
{
    uint64_t word;
    return tracee_read(t, GLASS_DATA, &word, sizeof word) == (ssize_t)sizeof word &&
           tracee_write(t, GLASS_DATA, &word, sizeof word) == (ssize_t)sizeof word;
}

/* Drive the seized child through its execve to the glass program's first mark. */
static int to_the_mark(struct tracee *t, const struct ends *ends, struct run_error *e)
{
    struct failure f = {STEP_SETUP, ECHILD};
    int failures = ends->failures;
    for (;;) {
        while (tracee_wait(t) == -EINTR)
            ;
        if (t->where == TRACEE_GONE) {
            if (!read_failure(t->holder, failures, &f))
                f = (struct failure){STEP_SETUP, ECHILD};
            return explain(e, &f);
        }
        if (t->where == TRACEE_AT_NOTICE) { /* it tells of a failure, or dies of it */
            if (tracee_read(t, t->notice.arg[1], &f, sizeof f) != (ssize_t)sizeof f || f.step > STEP_EXEC)
                f = (struct failure){STEP_SETUP, ECHILD};
            return explain(e, &f);
        }
        if (t->where == TRACEE_AT_CALL && tracee_load_registers(t) == 0 && t->regs.orig_rax == GLASS_MARK) {
            if (t->regs.rip < GLASS_END) {
                (void)read_failure(t->holder, failures, &f); /* its end of the pipe was closed by the execve */
                t->where = TRACEE_AT_MARK;
                t->injecting = true;
                t->fresh = true;
                tsc_settle(t);
                if (reaches_memory(t))
                    return 0;
                f = (struct failure){STEP_MEMORY, errno};
                return explain(e, &f);
            }
            if (t->regs.rsi == 0)
                take_listener(t->holder, ends->socket);
            t->regs.orig_rax = t->regs.rsi != 0 ? SYS_sendmmsg : (uint64_t)-1; /* install_filter */
            t->changed = true;
        }
        if (t->where == TRACEE_AT_SIGNAL && t->signal == SIGSEGV && !tsc_tried(t)) { /* and would again, for ever */
            f = (struct failure){STEP_MEMORY, errno};
            return explain(e, &f);
        }
        tracee_let_go(t);
    }
}

static int seize_and_go(struct holder *h, struct task *first, pid_t pid, const struct ends *ends, struct run_error *e)
{
    if (ptrace(PTRACE_SEIZE, pid, 0, launch_ptrace_options()) < 0) {
        snprintf(
            e->text, sizeof e->text,
            "cannot trace the guest: %s (ptrace(2) is needed: is it itself being traced, or does a container's seccomp "
            "profile or kernel.yama.ptrace_scope=3 forbid it?)",
            strerror(errno));
        return -1;
    }
    struct tracee *t = tracee_new(h, pid, first);
    if (t == NULL) {
        snprintf(e->text, sizeof e->text, "out of memory");
        return -1;
    }
    first->machine = t;
    first->process->machine = t;
    if (write(ends->go, "", 1) != 1) {
        snprintf(e->text, sizeof e->text, "the guest's first process ended early");
        return -1;
    }
    return to_the_mark(t, ends, e);
}

int launch_first(struct holder *h, struct task *first, struct run_error *e)
{
    struct sock_fprog filter = {0};
    _Alignas(16) char stack[CHILD_STACK]; /* in use until it executes or is dead: it is waited for below */
    int sockets[2] = {-1, -1}, go[2] = {-1, -1}, failures[2] = {-1, -1}, result = -1;
    int program = glass_memfd();
    int error = program < 0 ? program : filter_guest(h->world->policy, &filter);
    struct stat st;
    if (error == 0 && fstat(program, &st) < 0)
        error = -errno;
    if (error == 0) {
        h->glass_device = st.st_dev;
        h->glass_inode = st.st_ino;
    }
    if (error == 0 && (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 || pipe2(go, O_CLOEXEC) < 0 ||
                       pipe2(failures, O_CLOEXEC) < 0))
        error = -errno;
    if (error < 0) {
        snprintf(e->text, sizeof e->text, "cannot prepare the guest: %s", strerror(-error));
        goto out;
    }
    /* Without /proc it is stops that tell what is in memory (tracee.c, note_usage). */
    struct birth birth = {.go = {go[0], go[1]},
                          .failures = failures[1],
                          .socket = sockets[1],
                          .program = program,
                          .clock = fast_clock_descriptor(h),
                          .filter = &filter,
                          .notices = !h->no_proc && notice_possible()};
    notices_use(&filter, birth.notices);
    pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, &birth);
    if (pid < 0) {
        snprintf(e->text, sizeof e->text, "cannot make a process: %s", strerror(errno));
        goto out;
    }
    close(failures[1]); /* so that a read ends when the child does */
    failures[1] = -1;
    const struct ends ends = {go[1], failures[0], sockets[0]};
    result = seize_and_go(h, first, pid, &ends, e);
    if (result < 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    } else {
        h->socket = sockets[0];
        sockets[0] = -1;
    }
out:
    free(filter.filter);
    int all[] = {program, sockets[0], sockets[1], go[0], go[1], failures[0], failures[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
    return result;
}
