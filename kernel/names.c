/* The tables of kernel/names.h: include/uapi of Linux, as the C library's headers give it. */
#include "kernel/names.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define N(x)                                                                                                           \
    {                                                                                                                  \
        (uint64_t)(x), #x, 0                                                                                           \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        0, NULL, 0                                                                                                     \
    }

const struct name names_access_modes[] = {N(O_RDONLY), N(O_WRONLY), N(O_RDWR), END};

#define LARGEFILE 0100000 /* the kernel's; the C library's is 0 on a 64-bit machine */
const struct name names_open_flags[] = {
    N(O_TMPFILE),   N(O_CREAT),    N(O_EXCL),    N(O_NOCTTY),  N(O_TRUNC),  N(O_APPEND),
    N(O_NONBLOCK),  N(O_SYNC),     N(O_DSYNC),   N(O_ASYNC),   N(O_DIRECT), {LARGEFILE, "O_LARGEFILE", 0},
    N(O_DIRECTORY), N(O_NOFOLLOW), N(O_NOATIME), N(O_CLOEXEC), N(O_PATH),   END,
};

const struct name names_at_flags[] = {
    N(AT_SYMLINK_NOFOLLOW),
    N(AT_SYMLINK_FOLLOW),
    N(AT_NO_AUTOMOUNT),
    N(AT_EMPTY_PATH),
    {AT_EACCESS, "AT_EACCESS|AT_REMOVEDIR", 0}, /* one bit, two meanings */
    N(AT_STATX_FORCE_SYNC),
    N(AT_STATX_DONT_SYNC),
    END,
};

const struct name names_access[] = {N(R_OK), N(W_OK), N(X_OK), END};

const struct name names_protection[] = {N(PROT_READ),      N(PROT_WRITE),   N(PROT_EXEC),
                                        N(PROT_GROWSDOWN), N(PROT_GROWSUP), END};

const struct name names_map_flags[] = {
    {MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE", MAP_TYPE},
    {MAP_SHARED, "MAP_SHARED", MAP_TYPE},
    {MAP_PRIVATE, "MAP_PRIVATE", MAP_TYPE},
    N(MAP_FIXED),
    N(MAP_ANONYMOUS),
    N(MAP_32BIT),
    N(MAP_FIXED_NOREPLACE),
    N(MAP_GROWSDOWN),
    N(MAP_DENYWRITE),
    N(MAP_EXECUTABLE),
    N(MAP_LOCKED),
    N(MAP_NORESERVE),
    N(MAP_POPULATE),
    N(MAP_NONBLOCK),
    N(MAP_STACK),
    N(MAP_HUGETLB),
    N(MAP_SYNC),
    END,
};

const struct name names_clone_flags[] = {
    N(CLONE_VM),
    N(CLONE_FS),
    N(CLONE_FILES),
    N(CLONE_SIGHAND),
    N(CLONE_PIDFD),
    N(CLONE_PTRACE),
    N(CLONE_VFORK),
    N(CLONE_PARENT),
    N(CLONE_THREAD),
    N(CLONE_NEWNS),
    N(CLONE_SYSVSEM),
    N(CLONE_SETTLS),
    N(CLONE_PARENT_SETTID),
    N(CLONE_CHILD_CLEARTID),
    N(CLONE_DETACHED),
    N(CLONE_UNTRACED),
    N(CLONE_CHILD_SETTID),
    N(CLONE_NEWCGROUP),
    N(CLONE_NEWUTS),
    N(CLONE_NEWIPC),
    N(CLONE_NEWUSER),
    N(CLONE_NEWPID),
    N(CLONE_NEWNET),
    N(CLONE_IO),
    END,
};

const struct name names_whence[] = {N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE), END};

const struct name names_fcntl[] = {
    N(F_DUPFD),         N(F_GETFD),       N(F_SETFD),       N(F_GETFL),
    N(F_SETFL),         N(F_GETLK),       N(F_SETLK),       N(F_SETLKW),
    N(F_SETOWN),        N(F_GETOWN),      N(F_SETSIG),      N(F_GETSIG),
    N(F_SETOWN_EX),     N(F_GETOWN_EX),   N(F_OFD_GETLK),   N(F_OFD_SETLK),
    N(F_OFD_SETLKW),    N(F_SETLEASE),    N(F_GETLEASE),    N(F_NOTIFY),
    N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ),  N(F_GETPIPE_SZ),  N(F_ADD_SEALS),
    N(F_GET_SEALS),     N(F_GET_RW_HINT), N(F_SET_RW_HINT), END,
};

const struct name names_clocks[] = {
    N(CLOCK_REALTIME),          N(CLOCK_MONOTONIC),     N(CLOCK_PROCESS_CPUTIME_ID),
    N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE),
    N(CLOCK_MONOTONIC_COARSE),  N(CLOCK_BOOTTIME),      N(CLOCK_REALTIME_ALARM),
    N(CLOCK_BOOTTIME_ALARM),    N(CLOCK_TAI),           END,
};

const struct name names_futex[] = {
    N(FUTEX_WAIT),           N(FUTEX_WAKE),        N(FUTEX_FD),
    N(FUTEX_REQUEUE),        N(FUTEX_CMP_REQUEUE), N(FUTEX_WAKE_OP),
    N(FUTEX_LOCK_PI),        N(FUTEX_UNLOCK_PI),   N(FUTEX_TRYLOCK_PI),
    N(FUTEX_WAIT_BITSET),    N(FUTEX_WAKE_BITSET), N(FUTEX_WAIT_REQUEUE_PI),
    N(FUTEX_CMP_REQUEUE_PI), N(FUTEX_LOCK_PI2),    END,
};

const struct name names_signals[] = {
    N(SIGHUP),  N(SIGINT),    N(SIGQUIT), N(SIGILL),   N(SIGTRAP), N(SIGABRT), N(SIGBUS),  N(SIGFPE),
    N(SIGKILL), N(SIGUSR1),   N(SIGSEGV), N(SIGUSR2),  N(SIGPIPE), N(SIGALRM), N(SIGTERM), N(SIGSTKFLT),
    N(SIGCHLD), N(SIGCONT),   N(SIGSTOP), N(SIGTSTP),  N(SIGTTIN), N(SIGTTOU), N(SIGURG),  N(SIGXCPU),
    N(SIGXFSZ), N(SIGVTALRM), N(SIGPROF), N(SIGWINCH), N(SIGIO),   N(SIGPWR),  N(SIGSYS),  END,
};

const struct name names_ioctl[] = {
    N(TCGETS),     N(TCSETS),     N(TCSETSW),    N(TCSETSF),   N(TCSBRK),    N(TCXONC),   N(TCFLSH),
    N(TIOCEXCL),   N(TIOCNXCL),   N(TIOCSCTTY),  N(TIOCGPGRP), N(TIOCSPGRP), N(TIOCOUTQ), N(TIOCSTI),
    N(TIOCGWINSZ), N(TIOCSWINSZ), N(FIONREAD),   N(FIONBIO),   N(TIOCNOTTY), N(TIOCSETD), N(TIOCGETD),
    N(TIOCGSID),   N(TIOCGPTN),   N(TIOCSPTLCK), N(FIONCLEX),  N(FIOCLEX),   N(FIOASYNC), END,
};

const char *name_of(const struct name *list, uint64_t value)
{
    for (; list->name; list++)
        if (list->value == value)
            return list->name;
    return NULL;
}
