/* The bare stop: what one trapped call costs on this machine when the tracer does nothing but answer it.
 *
 * A child under SECCOMP_RET_TRACE makes N getppid calls; its tracer, pinned to the same CPU, answers each in one stop (GETREGS,
 * SETREGS, CONT). Prints nanoseconds per call. No supervisor can be faster than this by the same means. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 50000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void child(int go)
{
    char byte;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    if (read(go, &byte, 1) != 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        _exit(1);
    for (int i = 0; i < CALLS; i++)
        if (syscall(SYS_getppid) != 42)
            _exit(2);
    _exit(0);
}

int main(void)
{
    cpu_set_t one;
    int go[2], status;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0 || pipe(go) < 0)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        child(go[0]);
    if (pid < 0 || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0 ||
        write(go[1], "", 1) != 1)
        return 1;
    double begin = 0;
    for (;;) {
        struct user_regs_struct r;
        if (waitpid(pid, &status, __WALL) < 0 || WIFEXITED(status) || WIFSIGNALED(status))
            break;
        if (begin == 0)
            begin = now();
        ptrace(PTRACE_GETREGS, pid, 0, &r);
        r.orig_rax = (unsigned long long)-1;
        r.rax = 42;
        ptrace(PTRACE_SETREGS, pid, 0, &r);
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return 1;
    printf("%.0f\n", (now() - begin) / CALLS);
    return 0;
}
