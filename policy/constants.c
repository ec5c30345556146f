/* The kernel's constants by name (policy/constants.h). Values are the system headers' own. */
#include "policy/constants.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "kernel/sysent.h"

/* A negative one (AT_FDCWD) keeps the bits an int has in a register's low half. */
#define C(name)                                                                                                        \
    {                                                                                                                  \
#name, (uint64_t)(uint32_t)(name)                                                                              \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }

static const struct constant open_set[] = {
    C(O_RDONLY),    C(O_WRONLY),   C(O_RDWR),     C(O_ACCMODE), C(O_CREAT), C(O_EXCL),    C(O_NOCTTY),
    C(O_TRUNC),     C(O_APPEND),   C(O_NONBLOCK), C(O_DSYNC),   C(O_SYNC),  C(O_ASYNC),   C(O_DIRECT),
    C(O_DIRECTORY), C(O_NOFOLLOW), C(O_NOATIME),  C(O_CLOEXEC), C(O_PATH),  C(O_TMPFILE), END};
static const struct constant at_set[] = {
    C(AT_SYMLINK_NOFOLLOW), C(AT_SYMLINK_FOLLOW), C(AT_EMPTY_PATH), C(AT_REMOVEDIR),
    C(AT_EACCESS),          C(AT_NO_AUTOMOUNT),   C(AT_RECURSIVE),  END};
static const struct constant directory_set[] = {C(AT_FDCWD), END};
static const struct constant mode_set[] = {C(S_IFMT),  C(S_IFREG),  C(S_IFDIR), C(S_IFLNK), C(S_IFCHR), C(S_IFBLK),
                                           C(S_IFIFO), C(S_IFSOCK), C(S_ISUID), C(S_ISGID), C(S_ISVTX), C(S_IRWXU),
                                           C(S_IRUSR), C(S_IWUSR),  C(S_IXUSR), C(S_IRWXG), C(S_IRGRP), C(S_IWGRP),
                                           C(S_IXGRP), C(S_IRWXO),  C(S_IROTH), C(S_IWOTH), C(S_IXOTH), END};
static const struct constant access_set[] = {C(F_OK), C(R_OK), C(W_OK), C(X_OK), END};
static const struct constant whence_set[] = {C(SEEK_SET), C(SEEK_CUR), C(SEEK_END), C(SEEK_DATA), C(SEEK_HOLE), END};
static const struct constant control_set[] = {
    C(F_DUPFD),  C(F_DUPFD_CLOEXEC), C(F_GETFD),      C(F_SETFD),     C(F_GETFL),     C(F_SETFL),
    C(F_GETLK),  C(F_SETLK),         C(F_SETLKW),     C(F_OFD_GETLK), C(F_OFD_SETLK), C(F_OFD_SETLKW),
    C(F_GETOWN), C(F_SETOWN),        C(F_GETSIG),     C(F_SETSIG),    C(F_GETLEASE),  C(F_SETLEASE),
    C(F_NOTIFY), C(F_GETPIPE_SZ),    C(F_SETPIPE_SZ), C(F_ADD_SEALS), C(F_GET_SEALS), END};
static const struct constant protection_set[] = {
    C(PROT_NONE), C(PROT_READ), C(PROT_WRITE), C(PROT_EXEC), C(PROT_GROWSDOWN), C(PROT_GROWSUP), END};
static const struct constant map_set[] = {C(MAP_SHARED),
                                          C(MAP_PRIVATE),
                                          C(MAP_SHARED_VALIDATE),
                                          C(MAP_FIXED),
                                          C(MAP_FIXED_NOREPLACE),
                                          C(MAP_ANONYMOUS),
                                          C(MAP_GROWSDOWN),
                                          C(MAP_HUGETLB),
                                          C(MAP_LOCKED),
                                          C(MAP_NORESERVE),
                                          C(MAP_POPULATE),
                                          C(MAP_STACK),
                                          C(MAP_SYNC),
                                          END};
static const struct constant clone_set[] = {C(CLONE_VM),
                                            C(CLONE_FS),
                                            C(CLONE_FILES),
                                            C(CLONE_SIGHAND),
                                            C(CLONE_PIDFD),
                                            C(CLONE_PTRACE),
                                            C(CLONE_VFORK),
                                            C(CLONE_PARENT),
                                            C(CLONE_THREAD),
                                            C(CLONE_NEWNS),
                                            C(CLONE_SYSVSEM),
                                            C(CLONE_SETTLS),
                                            C(CLONE_PARENT_SETTID),
                                            C(CLONE_CHILD_CLEARTID),
                                            C(CLONE_UNTRACED),
                                            C(CLONE_CHILD_SETTID),
                                            C(CLONE_NEWCGROUP),
                                            C(CLONE_NEWUTS),
                                            C(CLONE_NEWIPC),
                                            C(CLONE_NEWUSER),
                                            C(CLONE_NEWPID),
                                            C(CLONE_NEWNET),
                                            C(CLONE_IO),
                                            END};
static const struct constant signal_set[] = {
    C(SIGHUP),  C(SIGINT),    C(SIGQUIT), C(SIGILL),   C(SIGTRAP), C(SIGABRT), C(SIGBUS),  C(SIGFPE),
    C(SIGKILL), C(SIGUSR1),   C(SIGSEGV), C(SIGUSR2),  C(SIGPIPE), C(SIGALRM), C(SIGTERM), C(SIGSTKFLT),
    C(SIGCHLD), C(SIGCONT),   C(SIGSTOP), C(SIGTSTP),  C(SIGTTIN), C(SIGTTOU), C(SIGURG),  C(SIGXCPU),
    C(SIGXFSZ), C(SIGVTALRM), C(SIGPROF), C(SIGWINCH), C(SIGIO),   C(SIGPWR),  C(SIGSYS),  END};
static const struct constant clock_set[] = {
    C(CLOCK_REALTIME),          C(CLOCK_MONOTONIC),     C(CLOCK_PROCESS_CPUTIME_ID),
    C(CLOCK_THREAD_CPUTIME_ID), C(CLOCK_MONOTONIC_RAW), C(CLOCK_REALTIME_COARSE),
    C(CLOCK_MONOTONIC_COARSE),  C(CLOCK_BOOTTIME),      C(CLOCK_REALTIME_ALARM),
    C(CLOCK_BOOTTIME_ALARM),    C(CLOCK_TAI),           END};
static const struct constant futex_set[] = {
    C(FUTEX_WAIT),        C(FUTEX_WAKE),         C(FUTEX_REQUEUE),         C(FUTEX_CMP_REQUEUE),
    C(FUTEX_WAKE_OP),     C(FUTEX_LOCK_PI),      C(FUTEX_UNLOCK_PI),       C(FUTEX_TRYLOCK_PI),
    C(FUTEX_WAIT_BITSET), C(FUTEX_WAKE_BITSET),  C(FUTEX_WAIT_REQUEUE_PI), C(FUTEX_CMP_REQUEUE_PI),
    C(FUTEX_LOCK_PI2),    C(FUTEX_PRIVATE_FLAG), C(FUTEX_CLOCK_REALTIME),  END};
static const struct constant domain_set[] = {C(AF_UNSPEC),  C(AF_UNIX),   C(AF_LOCAL), C(AF_INET),  C(AF_INET6),
                                             C(AF_NETLINK), C(AF_PACKET), C(AF_ALG),   C(AF_VSOCK), C(AF_BLUETOOTH),
                                             C(AF_CAN),     C(AF_TIPC),   C(AF_XDP),   END};
static const struct constant socket_set[] = {C(SOCK_STREAM),   C(SOCK_DGRAM),     C(SOCK_RAW),
                                             C(SOCK_RDM),      C(SOCK_SEQPACKET), C(SOCK_PACKET),
                                             C(SOCK_NONBLOCK), C(SOCK_CLOEXEC),   END};
static const struct constant protocol_set[] = {C(IPPROTO_IP),   C(IPPROTO_ICMP),   C(IPPROTO_TCP), C(IPPROTO_UDP),
                                               C(IPPROTO_IPV6), C(IPPROTO_ICMPV6), C(IPPROTO_RAW), END};
static const struct constant level_set[] = {C(SOL_SOCKET),  C(IPPROTO_IP),   C(IPPROTO_TCP),
                                            C(IPPROTO_UDP), C(IPPROTO_IPV6), END};
static const struct constant message_set[] = {C(MSG_OOB),        C(MSG_PEEK),     C(MSG_DONTROUTE),    C(MSG_CTRUNC),
                                              C(MSG_TRUNC),      C(MSG_DONTWAIT), C(MSG_EOR),          C(MSG_WAITALL),
                                              C(MSG_CONFIRM),    C(MSG_ERRQUEUE), C(MSG_NOSIGNAL),     C(MSG_MORE),
                                              C(MSG_WAITFORONE), C(MSG_FASTOPEN), C(MSG_CMSG_CLOEXEC), END};
static const struct constant terminal_set[] = {
    C(TCGETS),    C(TCSETS),   C(TCSETSW),    C(TCSETSF),      C(TIOCSCTTY), C(TIOCGPGRP),
    C(TIOCSPGRP), C(TIOCSTI),  C(TIOCGWINSZ), C(TIOCSWINSZ),   C(TIOCNOTTY), C(TIOCSETD),
    C(TIOCLINUX), C(TIOCGPTN), C(TIOCSPTLCK), C(FIONREAD),     C(FIONBIO),   C(FIOCLEX),
    C(FIONCLEX),  C(FIOASYNC), C(FICLONE),    C(FICLONERANGE), END};
static const struct constant process_set[] = {C(PR_SET_PDEATHSIG),
                                              C(PR_GET_PDEATHSIG),
                                              C(PR_GET_DUMPABLE),
                                              C(PR_SET_DUMPABLE),
                                              C(PR_GET_KEEPCAPS),
                                              C(PR_SET_KEEPCAPS),
                                              C(PR_SET_NAME),
                                              C(PR_GET_NAME),
                                              C(PR_GET_SECCOMP),
                                              C(PR_SET_SECCOMP),
                                              C(PR_CAPBSET_READ),
                                              C(PR_CAPBSET_DROP),
                                              C(PR_GET_TSC),
                                              C(PR_SET_TSC),
                                              C(PR_GET_SECUREBITS),
                                              C(PR_SET_SECUREBITS),
                                              C(PR_SET_TIMERSLACK),
                                              C(PR_GET_TIMERSLACK),
                                              C(PR_SET_CHILD_SUBREAPER),
                                              C(PR_GET_CHILD_SUBREAPER),
                                              C(PR_SET_NO_NEW_PRIVS),
                                              C(PR_GET_NO_NEW_PRIVS),
                                              C(PR_GET_TID_ADDRESS),
                                              C(PR_SET_THP_DISABLE),
                                              C(PR_GET_THP_DISABLE),
                                              C(PR_CAP_AMBIENT),
                                              C(PR_SET_PTRACER),
                                              C(PR_SET_MM),
                                              C(PR_SET_VMA),
                                              C(PR_SET_SYSCALL_USER_DISPATCH),
                                              END};
static const struct constant trace_set[] = {C(PTRACE_TRACEME),
                                            C(PTRACE_PEEKTEXT),
                                            C(PTRACE_PEEKDATA),
                                            C(PTRACE_PEEKUSER),
                                            C(PTRACE_POKETEXT),
                                            C(PTRACE_POKEDATA),
                                            C(PTRACE_POKEUSER),
                                            C(PTRACE_CONT),
                                            C(PTRACE_KILL),
                                            C(PTRACE_SINGLESTEP),
                                            C(PTRACE_GETREGS),
                                            C(PTRACE_SETREGS),
                                            C(PTRACE_ATTACH),
                                            C(PTRACE_DETACH),
                                            C(PTRACE_SYSCALL),
                                            C(PTRACE_SEIZE),
                                            C(PTRACE_INTERRUPT),
                                            C(PTRACE_LISTEN),
                                            END};
static const struct constant advice_set[] = {C(MADV_NORMAL),         C(MADV_RANDOM),
                                             C(MADV_SEQUENTIAL),     C(MADV_WILLNEED),
                                             C(MADV_DONTNEED),       C(MADV_FREE),
                                             C(MADV_REMOVE),         C(MADV_DONTFORK),
                                             C(MADV_DOFORK),         C(MADV_MERGEABLE),
                                             C(MADV_UNMERGEABLE),    C(MADV_HUGEPAGE),
                                             C(MADV_NOHUGEPAGE),     C(MADV_DONTDUMP),
                                             C(MADV_DODUMP),         C(MADV_WIPEONFORK),
                                             C(MADV_KEEPONFORK),     C(MADV_COLD),
                                             C(MADV_PAGEOUT),        C(MADV_POPULATE_READ),
                                             C(MADV_POPULATE_WRITE), END};
static const struct constant rename_set[] = {C(RENAME_NOREPLACE), C(RENAME_EXCHANGE), C(RENAME_WHITEOUT), END};
static const struct constant memory_file_set[] = {C(MFD_CLOEXEC), C(MFD_ALLOW_SEALING), C(MFD_HUGETLB), END};
static const struct constant random_set[] = {C(GRND_NONBLOCK), C(GRND_RANDOM), C(GRND_INSECURE), END};
static const struct constant resource_set[] = {C(RLIMIT_CPU),
                                               C(RLIMIT_FSIZE),
                                               C(RLIMIT_DATA),
                                               C(RLIMIT_STACK),
                                               C(RLIMIT_CORE),
                                               C(RLIMIT_RSS),
                                               C(RLIMIT_NPROC),
                                               C(RLIMIT_NOFILE),
                                               C(RLIMIT_MEMLOCK),
                                               C(RLIMIT_AS),
                                               C(RLIMIT_LOCKS),
                                               C(RLIMIT_SIGPENDING),
                                               C(RLIMIT_MSGQUEUE),
                                               C(RLIMIT_NICE),
                                               C(RLIMIT_RTPRIO),
                                               C(RLIMIT_RTTIME),
                                               END};
static const struct constant lock_set[] = {C(LOCK_SH), C(LOCK_EX), C(LOCK_UN), C(LOCK_NB), END};
static const struct constant wait_set[] = {C(WNOHANG), C(WUNTRACED), C(WCONTINUED), C(WEXITED), C(WSTOPPED),
                                           C(WNOWAIT), END};
static const struct constant mount_set[] = {C(MS_RDONLY),  C(MS_NOSUID), C(MS_NODEV),  C(MS_NOEXEC),
                                            C(MS_REMOUNT), C(MS_BIND),   C(MS_MOVE),   C(MS_REC),
                                            C(MS_PRIVATE), C(MS_SLAVE),  C(MS_SHARED), END};
static const struct constant poll_set[] = {C(EPOLL_CTL_ADD), C(EPOLL_CTL_MOD), C(EPOLL_CTL_DEL), END};

static const struct constant *const by_kind[] = {
    [ARG_OPEN_FLAGS] = open_set,   [ARG_AT_FLAGS] = at_set,        [ARG_DIRFD] = directory_set,
    [ARG_MODE] = mode_set,         [ARG_ACCESS_MODE] = access_set, [ARG_WHENCE] = whence_set,
    [ARG_FCNTL] = control_set,     [ARG_PROT] = protection_set,    [ARG_MAP_FLAGS] = map_set,
    [ARG_CLONE_FLAGS] = clone_set, [ARG_SIGNAL] = signal_set,      [ARG_CLOCK] = clock_set,
    [ARG_FUTEX_OP] = futex_set,
};

/* Arguments whose kind in the table (int, hex) says less than the call does. */
static const struct {
    const char *call;
    int index;
    const struct constant *set;
} by_call[] = {
    {"socket", 0, domain_set},
    {"socket", 1, socket_set},
    {"socket", 2, protocol_set},
    {"socketpair", 0, domain_set},
    {"socketpair", 1, socket_set},
    {"accept4", 3, socket_set},
    {"setsockopt", 1, level_set},
    {"getsockopt", 1, level_set},
    {"sendto", 3, message_set},
    {"recvfrom", 3, message_set},
    {"sendmsg", 2, message_set},
    {"recvmsg", 2, message_set},
    {"sendmmsg", 3, message_set},
    {"recvmmsg", 3, message_set},
    {"ioctl", 1, terminal_set},
    {"prctl", 0, process_set},
    {"ptrace", 0, trace_set},
    {"madvise", 2, advice_set},
    {"process_madvise", 3, advice_set},
    {"renameat2", 4, rename_set},
    {"memfd_create", 1, memory_file_set},
    {"getrandom", 2, random_set},
    {"getrlimit", 0, resource_set},
    {"setrlimit", 0, resource_set},
    {"prlimit64", 1, resource_set},
    {"flock", 1, lock_set},
    {"wait4", 2, wait_set},
    {"waitid", 3, wait_set},
    {"mount", 3, mount_set},
    {"epoll_ctl", 1, poll_set},
    {"pipe2", 1, open_set},
    {"dup3", 2, open_set},
    {"newfstatat", 3, at_set},
    {"unlinkat", 2, at_set},
    {"linkat", 4, at_set},
    {"fchownat", 4, at_set},
    {"utimensat", 3, at_set},
    {"statx", 2, at_set},
    {"name_to_handle_at", 4, at_set},
    {"unshare", 0, clone_set},
    {"setns", 1, clone_set},
};

void constants_for(int nr, int index, const struct constant *sets[2])
{
    const struct sysent *s = sysent_get((uint64_t)nr);
    sets[0] = sets[1] = NULL;
    if (s == NULL || index < 0 || index >= s->argument_count)
        return;
    if (s->argument[index] < sizeof by_kind / sizeof *by_kind)
        sets[0] = by_kind[s->argument[index]];
    for (size_t i = 0; i < sizeof by_call / sizeof *by_call; i++)
        if (by_call[i].index == index && strcmp(by_call[i].call, s->name) == 0)
            sets[1] = by_call[i].set;
}
