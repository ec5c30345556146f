/* Self-confinement: no_new_privs, no capabilities, not dumpable, Landlock where the kernel has it (landlock(7)), and a
 * seccomp program of its own: an allow-list of what a supervisor does between launch and report. It cannot execute, fork,
 * open sockets (supervisor/connector.h) or open anything for writing but the export. */
#include "supervisor/confine.h"

#include "supervisor/seccomp_program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the run loop, the VFS, libc's allocator and the report need. */
static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_readlink,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_access,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fstatfs,
    SYS_statfs,
    SYS_openat2,
    SYS_getcwd,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_llistxattr,
    SYS_listxattr,
    SYS_fadvise64,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_memfd_create,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fcntl,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_copy_file_range,
    SYS_sendfile,
    SYS_wait4,
    SYS_waitid,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tgkill,
    SYS_rt_tgsigqueueinfo,
    SYS_sendmsg,
    SYS_poll,
    SYS_ppoll,
    SYS_setitimer,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_restart_syscall,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_time,
    SYS_getrusage,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getppid,
    SYS_getpgrp,
    SYS_getpgid,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_yield,
    SYS_getrandom,
    SYS_futex,
    SYS_exit,
    SYS_exit_group,
    SYS_umask,
    SYS_prlimit64,
    SYS_sysinfo,
    SYS_uname,
    SYS_ioctl,
    SYS_pause,
    SYS_close_range,
    SYS_fsync,
    SYS_fdatasync,
#ifdef __SANITIZE_ADDRESS__
    SYS_sigaltstack, /* at the end of a thread */
#endif
};

/* What writing an export takes, besides opening for writing. */
static const int exporting[] = {
    SYS_mkdirat,   SYS_mkdir,     SYS_unlinkat,  SYS_unlink,   SYS_symlinkat, SYS_linkat, SYS_mknodat,
    SYS_renameat,  SYS_renameat2, SYS_rename,    SYS_fchmod,   SYS_fchmodat,  SYS_fchown, SYS_fchownat,
    SYS_utimensat, SYS_fsetxattr, SYS_lsetxattr, SYS_setxattr, SYS_rmdir,
};

static int allow_list(scmp_filter_ctx ctx, const int *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 0);
        if (error < 0)
            return error;
    }
    return 0;
}

/* The tracees it has are seized already; it takes no others. */
static int allow_ptrace(scmp_filter_ctx ctx)
{
    static const int requests[] = {PTRACE_CONT,       PTRACE_GETREGS,     PTRACE_SETREGS,    PTRACE_GETSIGINFO,
                                   PTRACE_SETSIGINFO, PTRACE_GETEVENTMSG, PTRACE_GETSIGMASK, PTRACE_SETSIGMASK,
                                   PTRACE_INTERRUPT,  PTRACE_SYSCALL,     PTRACE_PEEKUSER,   PTRACE_POKEUSER,
                                   PTRACE_GETREGSET,  PTRACE_SETREGSET};
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof requests / sizeof *requests; i++)
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_ptrace, 1, SCMP_A0(SCMP_CMP_EQ, (uint64_t)requests[i]));
    return error;
}

static int allow_open(scmp_filter_ctx ctx, int nr, unsigned flags_at, bool writing)
{
    if (writing)
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
    const struct scmp_arg_cmp reading = SCMP_CMP(flags_at, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, 0);
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, reading);
}

/* What a real connection takes, once it was made by another process: no socket of its own, none connected. */
static int allow_forwarding(scmp_filter_ctx ctx, int connector)
{
    int error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_recvmsg, 1, SCMP_A0(SCMP_CMP_EQ, (uint64_t)connector));
    if (error == 0) /* recv(2): of no address */
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_recvfrom, 1, SCMP_A4(SCMP_CMP_EQ, 0));
    if (error == 0)
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_shutdown, 1, SCMP_A1(SCMP_CMP_EQ, SHUT_WR));
    if (error == 0)
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_getsockopt, 2, SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                 SCMP_A2(SCMP_CMP_EQ, SO_ERROR));
    if (error == 0)
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_setsockopt, 2, SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                 SCMP_A2(SCMP_CMP_EQ, SO_LINGER));
    return error;
}

/* supervisor/tsc_own.c */
static int allow_counter(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_prctl, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_TSC));
}

int confine_program(bool writing, int connector, struct sock_fprog *out)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL)
        return -ENOMEM;
    /* No process of its own any more, and none of anyone else's. */
    static const int never[] = {SYS_execve, SYS_execveat, SYS_fork,    SYS_vfork,
                                SYS_clone3, SYS_socket,   SYS_connect, SYS_bpf};
    int error = allow_list(ctx, allowed, sizeof allowed / sizeof *allowed);
    if (error == 0 && writing)
        error = allow_list(ctx, exporting, sizeof exporting / sizeof *exporting);
    if (error == 0 && connector >= 0)
        error = allow_forwarding(ctx, connector);
    if (error == 0)
        error = allow_ptrace(ctx);
    if (error == 0)
        error = allow_counter(ctx);
    if (error == 0)
        error = allow_open(ctx, SYS_openat, 2, writing);
    if (error == 0)
        error = allow_open(ctx, SYS_open, 1, writing);
    for (size_t i = 0; error == 0 && i < sizeof never / sizeof *never; i++)
        error = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, never[i], 0);
    if (error == 0)
        error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: these calls are made at every stop */
    if (error == 0)
        error = seccomp_program_export(ctx, out);
    seccomp_release(ctx);
    return error;
}

static int load_seccomp(bool writing, int connector)
{
    struct sock_fprog program = {0};
    int error = -ENOENT;
    if (connector < 0)
        error = seccomp_program_known(writing ? SECCOMP_SUPERVISOR_EXPORTING : SECCOMP_SUPERVISOR, &program);
    if (error == -ENOENT)
        error = confine_program(writing, connector, &program);
    if (error < 0)
        return error;
    /* Of every thread: one that cannot be made to follow is told by its id. */
    long refused = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (refused != 0)
        error = refused < 0 ? -errno : -ESRCH;
    free(program.filter);
    return error;
}

/* Reading stays possible wherever the VFS's mounts lie; writing only where the export goes. */
static int load_landlock(const char *writable)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    const uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                            LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    const struct landlock_ruleset_attr rules = {.handled_access_fs = writes | LANDLOCK_ACCESS_FS_EXECUTE};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (ruleset < 0)
        return 0;
    if (writable != NULL) {
        struct landlock_path_beneath_attr beneath = {.allowed_access = writes};
        beneath.parent_fd = open(writable, O_PATH | O_CLOEXEC);
        if (beneath.parent_fd >= 0) {
            struct stat st;
            if (fstat(beneath.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
                beneath.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE;
            (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
            close(beneath.parent_fd);
        }
    }
    int result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return result == 0 ? abi : 0;
}

static bool drop_capabilities(uint32_t but)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2], kept[2] = {{0}};
    if (syscall(SYS_capget, &header, now) < 0)
        return false;
    kept[0].permitted = kept[0].effective = now[0].permitted & but;
    return syscall(SYS_capset, &header, kept) == 0;
}

void confine_files(const char *writable, struct confinement *done)
{
    *done = (struct confinement){0};
    done->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    done->landlock_abi = load_landlock(writable);
}

void confine_thread(void)
{
    (void)drop_capabilities(0);
}

int confine_self(bool writes, int connector, struct confinement *done, struct run_error *e)
{
    /* As root one stays: reading what a mount shows, whoever owns it. */
    done->no_capabilities = drop_capabilities(1U << CAP_DAC_READ_SEARCH);
    done->not_dumpable = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
    int error = load_seccomp(writes, connector);
    done->seccomp = error == 0;
    if (error == 0)
        return 0;
    snprintf(e->text, sizeof e->text, "the supervisor cannot confine itself: seccomp: %s", strerror(-error));
    return -1;
}
