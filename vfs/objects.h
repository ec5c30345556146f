/* Open files that no path leads to. Each constructor gives a referenced file or NULL (out of memory) / -errno. */
#ifndef VFS_OBJECTS_H
#define VFS_OBJECTS_H

#include "vfs/vfs.h"

#include <time.h>

/* pipe(7): ends[0] reads, ends[1] writes. flags: O_NONBLOCK, O_DIRECT (packets). Writes up to PIPE_BUF are atomic. */
int pipe_new(struct vfs *v, int flags, struct file *ends[2]);
int pipe_capacity(struct file *f);                                      /* F_GETPIPE_SZ; -EBADF when not a pipe */
int pipe_set_capacity(struct file *f, uint32_t bytes, bool privileged); /* F_SETPIPE_SZ: the new size; EBUSY, EPERM */
bool file_is_pipe(const struct file *f);
bool pipe_is_broken(const struct file *f); /* its writing end, and nobody reads */
/* splice(2), tee(2), sendfile(2), copy_file_range(2): move up to n bytes between two open files without the guest.
 * Offsets NULL: the files' own. Returns bytes moved, 0 at end, -EAGAIN when it would block. */
ssize_t file_move(struct file *from, uint64_t *from_position, struct file *to, uint64_t *to_position, size_t n);
ssize_t pipe_tee(struct file *from, struct file *to, size_t n);

struct file *eventfd_new(struct vfs *v, uint64_t initial, int flags); /* EFD_SEMAPHORE, EFD_NONBLOCK */

/* timerfd(2). Time comes from `clock`: the world's. The world calls timers_expire when its clock has moved, and asks
 * timers_next for the earliest deadline so that it can jump. */
struct timer_clock {
    int64_t (*now)(void *context, int clock_id); /* nanoseconds of that clock; clock_id: CLOCK_* */
    /* Ask to be told: run `fire(arg)` once when clock_id reaches `when` (ns). Returns a handle > 0. */
    uint64_t (*arm)(void *context, int clock_id, int64_t when, void (*fire)(void *arg), void *arg);
    void (*disarm)(void *context, uint64_t handle); /* harmless when it has fired */
    void *context;
};
struct file *timerfd_new(struct vfs *v, const struct timer_clock *clock, int clock_id, int flags);
bool file_is_timerfd(const struct file *f);
int timerfd_set(struct file *f, int flags, const struct itimerspec *value,
                struct itimerspec *old); /* old may be NULL */
int timerfd_get(struct file *f, struct itimerspec *value);

/* Leases: fcntl(2), F_SETLEASE (type: F_RDLCK, F_WRLCK, F_UNLCK) and F_GETLEASE. fd is for the signal that tells of its breaking, time
 * comes from `clock`. */
int lease_set(struct file *f, int fd, int type, const struct cred *c, const struct timer_clock *clock);
int lease_get(const struct file *f);

/* epoll(7): level, edge, oneshot, EPOLLEXCLUSIVE, nested (ELOOP at 5 and on cycles). */
struct epoll_event; /* <sys/epoll.h> */
struct file *epoll_new(struct vfs *v, int flags);
bool file_is_epoll(const struct file *f);
int epoll_control(struct file *epoll, int operation, int fd, struct file *target, const struct epoll_event *event);
int epoll_collect(struct file *epoll, struct epoll_event *events,
                  int max); /* 0 when nothing is ready: poll the epoll file itself */
/* Right after it: the last n events did not reach whoever waits, and are there again. */
void epoll_return(struct file *epoll, int n);

/* memfd_create(2): a memory file with seals. name is shown as "/memfd:NAME (deleted)". */
struct file *memfd_new(struct vfs *v, const char *name, unsigned flags);
struct file *
memfd_shared_anonymous(struct vfs *v); /* mmap(2), MAP_SHARED | MAP_ANONYMOUS: "/dev/zero (deleted)"; size 0 */
int memfd_seals(struct file *f);       /* F_GET_SEALS; -EINVAL when the file has none */
int memfd_add_seals(struct file *f,
                    int seals); /* F_ADD_SEALS; -EPERM once F_SEAL_SEAL is set, -EBUSY with writable maps */

/* inotify(7) */
int inotify_new(struct vfs *v, int flags,
                struct file **out); /* IN_NONBLOCK. -EMFILE: a world has 128, as a user of Linux; -ENOMEM */
bool file_is_inotify(const struct file *f);
int inotify_add(struct file *inotify, struct dentry *d, uint32_t mask); /* the watch descriptor or -errno */
int inotify_remove(struct file *inotify, int wd);

/* Record locks. owner: identifies the process (POSIX) or is NULL for OFD locks, which belong to the file.
 * wait_on: on -EAGAIN, where to wait for a change (the caller hangs a waiter there, then asks again). */
struct flock; /* <fcntl.h>, 64-bit */
int lock_get(struct file *f, struct flock *lock, void *owner, int32_t pid);
int lock_check(const struct file *f, const struct flock *lock); /* what lock_set says before it looks for others */
int lock_set(struct file *f, const struct flock *lock, void *owner, int32_t pid, bool would_wait,
             struct waitq **wait_on);                                  /* -EDEADLK */
int lock_flock(struct file *f, int operation, struct waitq **wait_on); /* flock(2): LOCK_SH, LOCK_EX, LOCK_UN */
void lock_wait_ended(struct vfs *v,
                     void *owner); /* an F_SETLKW stopped waiting: forget its edge in the deadlock graph */

/* Pseudo-terminals: ptmx and pts, with line discipline (termios(3), ioctl_tty(2)). Job-control signals go through hooks. */
struct tty_hooks {
    void (*signal_group)(void *context, int32_t pgrp, int signal); /* ^C, ^\, ^Z, SIGWINCH, SIGHUP */
    /* The caller of the current operation: its process group and session, whether it ignores or blocks `signal`, whether
     * its group is orphaned: enough for TIOCSPGRP, TIOCSCTTY and background read/write (SIGTTIN, SIGTTOU, EIO). */
    int32_t (*caller_pgrp)(void *context);
    int32_t (*caller_session)(void *context);
    bool (*caller_is_leader)(void *context);
    bool (*caller_ignores)(void *context, int signal);
    bool (*pgrp_in_session)(void *context, int32_t pgrp, int32_t session);
    bool (*pgrp_is_orphaned)(void *context, int32_t pgrp);
    /* Set or clear (tty NULL) the controlling terminal of a session. */
    void (*set_controlling)(void *context, int32_t session, void *tty);
    void *context;
};
/* A terminal as the hooks know it (`tty`), borrowed: it lives as long as a file of it is open, and set_controlling(NULL)
 * tells of its end. Operations that a background process may not do return -EIO, or -ERESTARTSYS (512) after SIGTTIN or
 * SIGTTOU was sent through the hooks. */
void *file_tty(const struct file *f);        /* of a pts file or a host stream on a terminal; else NULL */
struct file *tty_open(void *tty, int flags); /* what opening /dev/tty gives: referenced; NULL: it hung up (EIO) */
void tty_attach(void *tty, int32_t session, int32_t foreground); /* at the start of a world: it controls that session */
void tty_detach(void *tty);              /* the session's leader ended: SIGHUP to the foreground, hang up */
void tty_signal(void *tty, int signal);  /* to the foreground group, if any: ^C or SIGWINCH of the host's terminal */
int32_t tty_session(const void *tty);    /* 0: controls none */
int32_t tty_foreground(const void *tty); /* 0: none */
/* VTIME (termios(3)). Nanoseconds after which a read of f that said -EAGAIN is over, or -1: no limit, and for every file
 * that is no terminal. When they have passed, say tty_read_expired and read again: it gives what there is, or 0. */
int64_t tty_read_timeout(const struct file *f);
void tty_read_expired(struct file *f);
uint64_t tty_bytes(const struct file *f); /* of such a terminal: how many wait to be read, lines or not */
enum { PTY_MAX = 1024 };                  /* pairs of a world at once: their numbers are below it */
/* posix_openpt(3). ptmx_new: the master of a new pair, or NULL (out of memory, or too many: ENOSPC). pts_open: the slave
 * by its number: -ENOENT, -EIO (locked, see unlockpt(3)). pts_exists, pts_next: for the directory /dev/pts. */
struct file *ptmx_new(struct vfs *v, const struct tty_hooks *hooks, int flags, const struct cred *owner);
int pts_open(struct vfs *v, uint32_t number, int flags, struct file **out);
bool pts_exists(struct vfs *v, uint32_t number, uint32_t *mode, uint32_t *uid, uint32_t *gid); /* outputs may be NULL */
int pts_next(struct vfs *v, uint32_t from); /* the lowest number >= from in use, or -1 */

/* The world's own streams: a host descriptor of the caller of terrarium (its stdin, stdout, stderr), as a pipe, a
 * file or a terminal. Reads never block: -EAGAIN, and poll says when the host has something (the supervisor watches
 * the descriptor with `host_stream_fd` when the world is idle). Bytes out are counted by the hook, which may refuse. */
/* What a stream was in a run that is run again: it has no descriptor then, and hooks stand for the host. */
struct host_stream_past {
    bool open;     /* else the caller had closed it */
    uint32_t type; /* S_IF* */
    bool is_tty;
    int flags;             /* access mode, O_APPEND, O_NONBLOCK */
    uint64_t size, offset; /* of a regular file, at the start */
    uint64_t rdev;
};
struct host_stream_hooks {
    /* Stream 1 or 2: how many of these bytes are to be written on; fewer than n, 0 or -errno: no more than that. */
    ssize_t (*output)(void *context, int stream, const void *bytes, size_t n);
    void (*input)(void *context, const void *bytes, size_t n); /* these were taken from stream 0; NULL: nobody asks */
    /* What the guest sees of its input depends on when it came; nothing_yet: it waits for the first byte, and that is
     * harmless when nobody else can run meanwhile. True: there is no use in waiting for the rest any more. NULL: never.
     */
    bool (*pieces)(void *context, bool nothing_yet);
    /* Asked while input is waited for: is there no time any more, since a limit was reached or a signal came? NULL: never. */
    bool (*over)(void *context);
    /* What poll(2) was found to say of a stream, each time that is another answer than before; NULL: nobody asks. */
    void (*looked)(void *context, int stream, uint32_t events);
    /* Again, in the host's place: the next bytes of stream 0 (0: it ends), and what poll(2) says. */
    ssize_t (*again_input)(void *context, void *to, size_t n);
    uint32_t (*again_look)(void *context, int stream, uint32_t before);
    /* What the terminal answered to the call that is being made: its result, and n bytes when it was 0. */
    int64_t (*again_ioctl)(void *context, void *to, size_t n);
    void *context;
};
/* The host descriptor stays the caller's and must outlive the file. flags: O_APPEND, O_NONBLOCK, and the access mode
 * asked for; the file never gets more than the host descriptor's own mode allows. Stream 2 is host_fd 2, everything else
 * is 1. The process must ignore SIGPIPE. NULL: no memory, or the caller had closed it (one of O_PATH counts as closed). */
struct file *host_stream_new(struct vfs *v, int host_fd, int flags, const struct host_stream_hooks *hooks,
                             const struct tty_hooks *tty);
/* A stream of a run that is run again, and what one is now. */
struct file *host_stream_again(struct vfs *v, int number, const struct host_stream_past *past,
                               const struct host_stream_hooks *hooks, const struct tty_hooks *tty);
void host_stream_describe(int host_fd, struct host_stream_past *out);
int host_stream_fd(const struct file *f);                /* -1 when it is none */
bool host_stream_waited(const struct file *f);           /* somebody waits for it to become ready */
short host_stream_waits_for(const struct file *f);       /* POLLIN, POLLOUT: a terminal's streams go both ways */
void host_stream_ready(struct file *f, uint32_t events); /* the supervisor saw the host descriptor become ready */

#endif
