/* One trapped system call: the seam between whoever holds the guest and the stubs that answer.
 *
 * A stub is `int64_t stub_NAME(struct call *c)`. It copies its arguments in once, acts on VFS and kernel objects, writes
 * results out and returns the value for the guest: a result or -errno. Or it returns
 *   call_block(...)   nothing can be said yet: the task sleeps until an object it registered on changes, or the deadline
 *                     passes, or a signal comes; then the stub runs again from its start, with c->again set
 *   CALL_NATIVE       let the kernel run c->nr with c->arg (which the stub may have rewritten) instead; its result is the
 *                     guest's. Nothing of a judged pointer may be left in c->arg
 *   CALL_GONE         the task does not return from this call (exit, a successful execve)
 * What must survive from one run of a blocking stub to the next stands in `progress`, `deadline` and `keep`.
 *
 * Every effect on the guest passes through here: recording is one hook, replay another implementation. */
#ifndef KERNEL_CALL_H
#define KERNEL_CALL_H

#include "vfs/io.h"
#include "vfs/vfs.h"
#include "vfs/wait.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

struct task;
struct world;
struct process;

#define CALL_BLOCK INT64_MIN
#define CALL_NATIVE (INT64_MIN + 1)
#define CALL_GONE (INT64_MIN + 2)

/* Kernel-internal results (include/linux/errno.h): what an interrupted call becomes depends on the handler. */
enum {
    CALL_RESTART_SYS = 512,    /* -ERESTARTSYS: again with SA_RESTART, else EINTR */
    CALL_RESTART_NOINTR = 513, /* -ERESTARTNOINTR: again, always */
    CALL_RESTART_NOHAND = 514, /* -ERESTARTNOHAND: EINTR when a handler ran, else again */
};

enum { CALL_WAITERS_INLINE = 4, CALL_PATHS = 2, CALL_FILES = 2, CALL_VEC_INLINE = 8 };

struct call {
    struct world *world;
    struct task *task;
    uint64_t nr;
    uint64_t arg[6]; /* as trapped; never read from registers again */

    /* The paths among the arguments, copied once (call_path). */
    struct {
        int argument;
        char *text;
    } path[CALL_PATHS];

    /* Blocking. Cleared when a new call begins. */
    bool begun;       /* dispatch saw it: counted and judged */
    bool again;       /* this run follows a block */
    bool interrupted; /* a signal is waiting: do what can be done at once, call_block will not sleep */
    bool timed_out;   /* the deadline given to call_block passed */
    int64_t deadline; /* in elapsed time of the world's clock (kernel/clock.h) */
    bool has_deadline;
    uint64_t progress; /* bytes or items already transferred */
    uint64_t keep[4];  /* the stub's own */
    void *kept;        /* the stub's own; freed by release (below) when the call ends in any way */
    void (*release)(void *kept);
    uint64_t timer;         /* clock handle of the deadline */
    struct waiter *waiters; /* registered; an array of `waiter_count` */
    size_t waiter_count, waiter_room;
    struct waiter waiter_inline[CALL_WAITERS_INLINE];
    struct poll_table table; /* call_poll_table's */
    bool waiters_failed;     /* memory ran out while registering: sleeping could be for ever */
    bool
        ends_by_stop; /* it sleeps in a call that a stop of the process ends with EINTR, without a handler (signal(7)) … */
    bool stopped; /* … and was stopped */
    bool woken;   /* something registered on changed before the task slept */

    /* What call_file found, so that the same file is seen after a block; referenced from the first block on. */
    struct {
        int fd;
        struct file *file;
    } held[CALL_FILES];
    uint8_t held_count;
    bool held_referenced;

    /* The iovec array of the call, copied once (call_io_vector). */
    struct iovec *vec; /* vec_inline or allocated; NULL: not copied yet */
    size_t vec_count;
    struct iovec vec_inline[CALL_VEC_INLINE];

    bool steady; /* stat(2): what was said of the path stays so (vfs_stat_steady) */

    void *recorded; /* the recorder's: what is kept of this call until it ends */
};

typedef int64_t (*stub_function)(struct call *c);
extern const stub_function stub_table[]; /* by number, SYSENT_COUNT entries; NULL: ENOSYS (stubs/table.c) */

/* ---- guest memory: each byte is read once ------------------------------------------------------------------ */
int call_read(struct call *c, uint64_t address, void *to, size_t n);          /* all or -EFAULT */
int call_write(struct call *c, uint64_t address, const void *from, size_t n); /* all or -EFAULT */
ssize_t call_write_some(struct call *c, uint64_t address, const void *from,
                        size_t n); /* short at the first bad page; none: -EFAULT */
/* Whether a stretch could be a guest's at all: the kernel's access_ok(), which comes before any byte is touched. */
bool call_range(uint64_t address, uint64_t n);
/* A NUL-terminated string of at most room-1 bytes. Its length, -EFAULT, or `too_long` (a negative errno). */
ssize_t call_string(struct call *c, uint64_t address, char *to, size_t room, int too_long);
/* The path that argument i points to, copied once per call and kept by it: 0 and *path, -EFAULT, -ENAMETOOLONG. */
int call_path(struct call *c, int i, const char **path);
/* An io over guest memory: bytes go straight to machine->read and machine->write. Short at the first bad page.
 * A stub that runs again starts from its call_io again, then skips what is already done (call_io_restart).
 * vector: the iovec array is copied in, once per call (a call has one); count <= IOV_MAX, lengths are checked and
 * clamped to VFS_IO_MAX together (readv(2)). -EINVAL, -EFAULT (also for a piece outside call_range), -ENOMEM. */
struct call_io {
    struct io io;
    struct call *call;
    const struct iovec *vec; /* guest addresses; belongs to the call */
    size_t count, index, offset, total;
    struct iovec single;
};
void call_io_single(struct call *c, struct call_io *out, uint64_t address, size_t n);
int call_io_vector(struct call *c, struct call_io *out, uint64_t vector, uint64_t count);
/* To the beginning, less the first n bytes: what was transferred. A file may have fetched more than it then took. */
void call_io_restart(struct call_io *io, uint64_t n);
struct umem call_umem(struct call *c); /* for ioctl; valid during the call */

/* ---- descriptors and places --------------------------------------------------------------------------------- */
struct file *call_file(struct call *c, int fd); /* borrowed until the call ends (kept across blocks); NULL: -EBADF */
/* Where a *at call starts. 0, -EBADF, -ENOTDIR. fd: AT_FDCWD or a descriptor. The place is valid during the call. */
int call_place(struct call *c, int dirfd, struct place *out);

/* ---- blocking ------------------------------------------------------------------------------------------------ */
void call_wait_on(struct call *c, struct waitq *q);
struct poll_table *call_poll_table(struct call *c); /* registers this call on whatever a file's poll names */
/* Sleep. deadline < 0: none; else elapsed time. When a signal is waiting it returns `interrupted` instead (for instance
 * -CALL_RESTART_SYS or -EINTR). Register on queues before. */
int64_t call_block(struct call *c, int64_t deadline, int64_t interrupted);
bool call_interrupted(struct call *c); /* a signal waits: what could only sleep must end. Cheap when none is pending */
/* deadline from a relative guest timeout; saturates. ns < 0 means none. */
int64_t call_deadline_in(struct call *c, int64_t ns);

/* ---- the native kernel ---------------------------------------------------------------------------------------- */
int64_t call_native(struct call *c, long nr, uint64_t a, uint64_t b, uint64_t d, uint64_t e, uint64_t f,
                    uint64_t g); /* run now, see its result */

/* A call's life. The machine says call_begin at the trap, then runs dispatch (kernel/world.h) until it returns something
 * other than CALL_BLOCK; dispatch has then dropped what could keep other objects alive (call_settle). Paths and vectors stay
 * readable, for a trace, until call_end or the next call_begin. A task that dies in a call: call_end.
 * `c` is zeroed before its first call_begin. */
void call_begin(struct call *c, struct task *t, uint64_t nr, const uint64_t arg[6]);
void call_rerun(struct call *c);  /* before the stub of a blocked call runs again */
void call_settle(struct call *c); /* drops waiters, timer, files, kept */
/* kept and release, instead of what was kept before, which is released; of a file, whose reference is taken. */
void call_keep(struct call *c, void *kept, void (*release)(void *kept));
void call_keep_file(struct call *c, struct file *f);
void call_end(struct call *c); /* call_settle, paths, vectors; harmless twice */

#endif
