/* The virtual filesystem: what the guest's file calls act on.
 *
 * One world has one `vfs`: a tree of directory entries (`dentry`), each naming a `node` (Linux: inode) of some
 * filesystem (`fs`: memory, host, tar, proc, dev). Mounts are made by the policy before the guest starts and never
 * by the guest, so a mount is a dentry that was grafted into the tree: ".." crosses it by its parent pointer,
 * st_dev and EXDEV come from dentry->node->fs.
 *
 * An open file description (`file`) is refcounted, shared by dup(2), fork(2) and SCM_RIGHTS, and owns offset and
 * status flags. Descriptor tables are in vfs/fdtable.h.
 *
 * Rules. Errors are negative errno values; the semantics are Linux's (man-pages 2 and 7, path_resolution(7)).
 * This room knows nothing of tasks, registers or ptrace; it links into a unit test alone. It has no globals:
 * everything hangs off `struct vfs`. It never blocks: what cannot proceed returns -EAGAIN and is polled.
 * Every count and length may come from a hostile guest; what one call can cost is bounded (VFS_* below). */
#ifndef VFS_VFS_H
#define VFS_VFS_H

#include "vfs/io.h"
#include "vfs/wait.h"

#include <linux/stat.h> /* struct statx */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    VFS_PATH_MAX = 4096, /* with the NUL, as Linux: longer is ENAMETOOLONG */
    VFS_NAME_MAX = 255,
    VFS_SYMLINK_MAX = 40,       /* ELOOP beyond */
    VFS_IO_MAX = 0x7ffff000,    /* one read or write transfers no more (read(2)) */
    KERNEL_LARGEFILE = 0100000, /* what F_GETFL shows of every file a 64-bit program opened; the C library's is 0 */
};

struct vfs;
struct view;
struct fs;
struct node;
struct dentry;
struct file;

/* ---- the world as the filesystem sees it ------------------------------------------------------------------ */

/* Who asks. Owned by the caller; only read here. Model: credentials(7). */
struct cred {
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint32_t ngroups;
    uint32_t groups[32];
    uint64_t capabilities; /* the effective set: CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_CHOWN, CAP_FSETID, CAP_MKNOD … */
    uint64_t permitted, inheritable, bounding, ambient; /* capabilities(7): not looked at here */
    uint32_t securebits;
};

bool cred_in_group(const struct cred *c, uint32_t gid); /* fsgid, or one of the groups */

enum vfs_quota { VFS_BYTES, VFS_NODES, VFS_ANONYMOUS };

struct vfs_config {
    int64_t (*now)(void *context); /* CLOCK_REALTIME of the world, nanoseconds since the epoch; for timestamps */
    void *context;
    uint64_t quota_bytes; /* bytes all memory (and copy-on-write) files may hold together; beyond: ENOSPC. 0: half of
                             * the machine's memory, as tmpfs(5) */
    uint64_t quota_anonymous; /* the same for what is no file of any directory: memfds, shared anonymous memory */
    uint64_t quota_nodes;     /* nodes that the guest may create; 0 = unlimited; beyond: ENOSPC */
    /* Host ids are never shown: host uid 0 stays 0, the supervisor's own uid becomes guest_uid (also 0, in a mount that is copied
     * on write), all others 65534. */
    uint32_t guest_uid, guest_gid;
    /* f's owner (F_SETOWN) is to hear of it: POLL_* of siginfo, or OWNER_URGENT (SIGURG). fd: where O_ASYNC was set. May be NULL. */
    void (*io_signal)(void *context, const struct file *f, int fd, int reason);
    /* The guest asked for more than the whole tree may hold, and is about to get ENOSPC (a mount's own quota is that mount's
     * affair, as a full disk). May be NULL. */
    void (*exceeded)(void *context, enum vfs_quota which);
};
enum { OWNER_URGENT = 0 };

/* A memfd of the host's, written and from now on nobody's to change, through whatever mapping. Takes fd, also on failure; returns a
 * descriptor that only reads, as a file of the host was opened: older kernels map a write-sealed memfd shared from no other. Or -errno. */
int memfd_sealed(int fd);

struct vfs *vfs_new(const struct vfs_config *config); /* an empty tree: a memory filesystem, root:root 0755 */
void vfs_began(struct vfs *v);                        /* the clock was set since vfs_new: the root is of this moment */
void vfs_free(struct vfs *v);                         /* after every file, dentry and descriptor table of it was put */
/* Before the first mount: whom the host mounts ask, or tell (vfs/view.h). Borrowed. Trees that share a view count their mounts
 * and inodes from different `first`s, so that they are not mistaken for each other. */
void vfs_set_view(struct vfs *v, struct view *w, uint32_t first);
struct dentry *vfs_root(struct vfs *v); /* borrowed */

/* What was used and whether a quota was ever hit: the report's `files`, `file_count` and `open_files`. */
struct vfs_usage {
    uint64_t bytes, bytes_peak, nodes, nodes_peak;
    uint64_t anonymous;        /* bytes of memfds and shared anonymous memory; not in `bytes` */
    uint64_t queued;           /* bytes that sockets hold for whoever will receive them */
    uint64_t descriptors_peak; /* most in one table */
    bool quota_hit;
};
void vfs_usage(const struct vfs *v, struct vfs_usage *out);
/* Memory files that are mapped grow unasked: look at up to `most` of them and put what they hold on the account, also beyond
 * the quota. Returns how many there are. */
size_t vfs_recount(struct vfs *v, size_t most);

/* ---- mounts: made from the policy, before the guest runs --------------------------------------------------- */

enum mount_mode { MOUNT_READ_ONLY, MOUNT_COPY_ON_WRITE };

/* Each mounts something at `at` (absolute; missing parent directories are made, root:root 0755). 0 or -errno; on
 * error `why` (size n) gets one sentence. A later mount may sit inside an earlier one, or replace it.
 * vfs_mount_host: `source` may be a directory or one regular file; it is opened now, and everything below is reached
 * from that descriptor by openat2(2) with RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS (no symlink of the host is followed by
 * the host kernel: the walk does it, inside the world). The host is never written. */
int vfs_mount_memory(struct vfs *v, const char *at, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t quota_bytes,
                     char *why, size_t n);
int vfs_mount_host(struct vfs *v, const char *at, const char *source, enum mount_mode mode, char *why, size_t n);
/* vfs_mount_tar: read once, now. Names stay below `at` (".." is refused, a leading "/" dropped), the last of two equal names
 * counts, and number of names (a million, with the directories above them), data (half of the memory) and declared sizes (1 TiB) are bounded. */
int vfs_mount_tar(struct vfs *v, const char *at, const char *archive, enum mount_mode mode, char *why, size_t n);
/* What was mounted at `at` last may take so many bytes of its own; 0: no bound. */
void vfs_mount_quota(struct vfs *v, const char *at, uint64_t bytes);
/* A filesystem made elsewhere (proc, dev): takes the reference to `fs` over. */
int vfs_mount_fs(struct vfs *v, const char *at, struct fs *fs, char *why, size_t n);

/* Files the policy declares inline. They count as given, not as created by the guest. */
int vfs_put_file(struct vfs *v, const char *path, const void *bytes, size_t size, uint32_t mode, uint32_t uid,
                 uint32_t gid);
int vfs_put_dir(struct vfs *v, const char *path, uint32_t mode, uint32_t uid, uint32_t gid);
int vfs_put_symlink(struct vfs *v, const char *path, const char *target);
int vfs_put_absent(struct vfs *v, const char *path); /* hides what a mount has there */

/* One line per mount for /proc/mounts: device, directory, type, options. Order: as mounted. */
int vfs_each_mount(struct vfs *v,
                   int (*each)(void *context, const char *device, const char *at, const char *type,
                               const char *options),
                   void *context);

/* ---- paths ------------------------------------------------------------------------------------------------- */

/* Where a walk starts and as whom. Borrowed pointers, one per call. */
struct place {
    struct vfs *vfs;
    const struct cred *cred;
    struct dentry *root;  /* the process's root directory */
    struct dentry *start; /* its working directory, or the directory of a dirfd */
};

enum walk_flags {
    WALK_NOFOLLOW = 1,   /* do not follow a final symlink (AT_SYMLINK_NOFOLLOW, O_NOFOLLOW) */
    WALK_EMPTY_PATH = 2, /* "" means `start` itself (AT_EMPTY_PATH) */
    WALK_DIRECTORY = 4,  /* the result must be a directory: ENOTDIR */
};

/* All of them: 0 or -errno. A dentry given out is referenced: dentry_put it. */
int vfs_walk(const struct place *at, const char *path, unsigned flags, struct dentry **out);
/* The path of a dentry as the process with that root sees it (getcwd(2), readlink of /proc/self/fd/N): NUL-terminated
 * into buf. Returns its length, -ERANGE when n is too small. Unlinked: " (deleted)" is appended; outside the root:
 * "(unreachable)" is put before. */
ssize_t dentry_path(const struct dentry *d, const struct dentry *root, char *buf, size_t n);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);                /* NULL is allowed */
struct node *dentry_node(const struct dentry *d); /* borrowed */

/* open(2), openat2(2). flags: O_*; mode: already without the umask; resolve: RESOLVE_* of openat2. Creates, truncates,
 * checks permissions, O_TMPFILE, O_PATH, O_DIRECTORY, O_NOFOLLOW, O_EXCL. *out is referenced: file_put it.
 * A FIFO's other end may be missing: see file_open_waits. */
int vfs_open(const struct place *at, const char *path, int flags, uint32_t mode, uint64_t resolve, struct file **out);
/* As vfs_open on a dentry already walked to (exec, /proc/self/fd/N, fexecve): no path, never creates. */
int vfs_open_dentry(const struct place *at, struct dentry *d, int flags, struct file **out);

int vfs_stat(const struct place *at, const char *path, unsigned walk_flags, struct statx *out);
/* The same. *steady: it will be said until vfs_changes() says something else, or there is a call that changes a name, an owner, a mode or a
 * mapping, or who asks; and to ask once more has no effect. Only of directories and regular files. */
int vfs_stat_steady(const struct place *at, const char *path, unsigned walk_flags, struct statx *out, bool *steady);
uint64_t vfs_changes(const struct vfs *v);
int vfs_access(const struct place *at, const char *path, int mode,
               unsigned walk_flags); /* uses cred->fsuid: the caller sets it */
int vfs_mkdir(const struct place *at, const char *path, uint32_t mode);
int vfs_mknod(const struct place *at, const char *path, uint32_t mode, uint64_t rdev);
int vfs_symlink(const struct place *at, const char *target, const char *path);
int vfs_link(const struct place *from, const char *oldpath, unsigned walk_flags, const struct place *to,
             const char *newpath);
int vfs_link_file(struct file *f, const struct place *to, const char *newpath); /* AT_EMPTY_PATH, O_TMPFILE */
int vfs_unlink(const struct place *at, const char *path);
int vfs_rmdir(const struct place *at, const char *path);
int vfs_rename(const struct place *from, const char *oldpath, const struct place *to, const char *newpath,
               unsigned flags); /* RENAME_* */
ssize_t vfs_readlink(const struct place *at, const char *path, unsigned walk_flags, char *buf, size_t n);
int vfs_chmod(const struct place *at, const char *path, unsigned walk_flags, uint32_t mode);
int vfs_chown(const struct place *at, const char *path, unsigned walk_flags, uint32_t uid,
              uint32_t gid); /* (uint32_t)-1: leave */
/* times: [0] access, [1] modification, with UTIME_NOW and UTIME_OMIT in tv_nsec; NULL: both now. utimensat(2). */
int vfs_utimens(const struct place *at, const char *path, unsigned walk_flags, const struct timespec times[2]);
/* -EWOULDBLOCK: somebody has a lease on the file. Whoever waits for it (waits may be NULL: nobody) counts as one who writes until
 * vfs_truncate_waited, and vfs_leases is woken when one is given up. */
int vfs_truncate(const struct place *at, const char *path, uint64_t size, struct dentry **waits);
void vfs_truncate_waited(struct dentry *d);
struct waitq *vfs_leases(const struct dentry *d);
/* A process runs the file at d, which is referenced until vfs_executed: nobody may write to it meanwhile. -ETXTBSY: somebody may. */
int vfs_execute(struct dentry *d);
void vfs_executed(struct dentry *d);
struct vfs_statfs {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags, fsid;
};
int vfs_statfs(const struct place *at, const char *path, unsigned walk_flags, struct vfs_statfs *out);
/* xattr(7). size 0 asks for the length. */
ssize_t vfs_getxattr(const struct place *at, const char *path, unsigned walk_flags, const char *name, void *value,
                     size_t size);
int vfs_setxattr(const struct place *at, const char *path, unsigned walk_flags, const char *name, const void *value,
                 size_t size, int flags);
ssize_t vfs_listxattr(const struct place *at, const char *path, unsigned walk_flags, char *list, size_t size);
int vfs_removexattr(const struct place *at, const char *path, unsigned walk_flags, const char *name);
/* Every call above that takes a path takes "" with WALK_EMPTY_PATH and start = the dentry of an open file: that is how
 * fchmod, fchown, fstatfs, fgetxattr … are said. For files without a dentry (pipes, sockets) use file_stat. */

/* inotify(7): events on a node and on its children's names are told to watchers by vfs/inotify.c. */

/* ---- open file descriptions --------------------------------------------------------------------------------- */

struct
    dirent_sink { /* getdents64(2): returns 0 to go on, 1 when this entry no longer fits (it is asked again next time) */
    int (*emit)(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next_cookie);
    void *context;
};

/* A stretch of a file that can be mapped: a host descriptor that stays open as long as the file's node. */
struct file_mapping {
    int fd; /* borrowed; a host file opened read-only, or a memfd: of this file alone, for a mapping can reach beyond its end */
    uint64_t offset; /* as it was asked for */
    bool writable;   /* fd may be mapped MAP_SHARED with PROT_WRITE */
    bool
        read_only; /* fd is open for reading alone: no mapping of it, shared ones either, can be made writable by mprotect(2) */
    uint64_t key; /* identifies the node (for futexes in shared mappings and for fd caches); never reused */
    bool lasting; /* the bytes are there anyway (the host's, or the policy's): fd may be kept beyond the mapping. Else
                         * a descriptor kept anywhere keeps memory that is on nobody's account */
};

/* The operations of one kind of open file. NULL: what Linux answers for a file without it (EINVAL, ESPIPE, ENOTTY …). */
struct file_ops {
    const char *
        kind; /* "regular", "pipe", "eventfd" …: what /proc/self/fd and the report call it: pipe:[ino], anon_inode:[eventfd] */
    /* position: NULL for a file without offsets, else in and out. Short and -EAGAIN as read(2) with O_NONBLOCK. */
    ssize_t (*read)(struct file *f, struct io *io, uint64_t *position);
    ssize_t (*write)(struct file *f, struct io *io, uint64_t *position);
    int64_t (*seek)(struct file *f, int64_t offset, int whence);
    bool owned;        /* O_ASYNC means something: pipes, sockets, terminals */
    bool maps_zeros;   /* mapping it is mapping nothing: anonymous memory */
    bool seek_ignored; /* no offsets, but lseek(2) is no error: the kernel's noop_llseek */
    uint32_t (*poll)(struct file *f, struct poll_table *t); /* EPOLL* events that hold now */
    int64_t (*ioctl)(struct file *f, uint32_t command, uint64_t argument, const struct umem *m, const struct cred *c);
    int (*getdents)(struct file *f, struct dirent_sink *s);
    int (*truncate)(struct file *f, uint64_t size);
    int (*allocate)(struct file *f, int mode, uint64_t offset, uint64_t length); /* fallocate(2) */
    int (*map)(struct file *f, uint64_t offset, uint64_t length, bool shared, struct file_mapping *out);
    int (*sync)(struct file *f);
    int (*stat)(struct file *f, struct statx *out); /* files without a node */
    int (*set_flags)(struct file *f, int flags);    /* F_SETFL has a say */
    void (*closed)(struct file *f,
                   void *owner);     /* each close(2) of a descriptor (not the last put): POSIX locks, epoll */
    void (*release)(struct file *f); /* the last reference went */
};

struct file {
    const struct file_ops *ops;
    struct vfs *vfs;
    struct dentry *dentry; /* referenced; NULL for pipes, sockets, eventfd … made by no path */
    struct node *node;     /* borrowed from the dentry, or referenced by the file where there is none; may be NULL */
    uint64_t position;
    uint64_t id; /* of this description, from the vfs's own sequence; the ino of anonymous files */
    int flags;   /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH …; O_CLOEXEC belongs to the descriptor */
    uint32_t references;
    bool counted;  /* among its node's readers or writers (vfs/lease.c) */
    int opening;   /* not 0: the open waits for leases; then O_TRUNC is still to do, if asked */
    void *private; /* the kind's own */
    /* F_SETOWN, F_SETSIG: kept here, used by the signal side of the kernel. */
    int32_t owner_pid;  /* >0 process, <0 process group */
    int32_t owner_type; /* F_OWNER_* */
    int32_t owner_signal;
    uint32_t owner_uid, owner_euid; /* of whoever set the owner */
    struct file_async *async;       /* vfs/async.c; NULL: O_ASYNC is not set */
    struct epoll_item *epoll_items; /* private to vfs/epoll.c */
};

struct file *file_new(struct vfs *v, const struct file_ops *ops, int flags,
                      void *private); /* references = 1; NULL: out of memory */
void file_get(struct file *f);
void file_put(struct file *f); /* NULL is allowed */

/* Check access mode and O_PATH (EBADF), clamp to VFS_IO_MAX, keep the offset. position: NULL uses and moves the file's
 * own (read, write), else pread/pwrite (ESPIPE where there are no offsets). -EAGAIN means "would block" whether or not
 * O_NONBLOCK is set: the caller decides to wait, with file_poll. A write to a pipe may be short: the caller goes on.
 * -EPIPE from a write: the caller raises SIGPIPE. */
ssize_t file_read(struct file *f, struct io *io, uint64_t *position);
ssize_t file_write(struct file *f, struct io *io, uint64_t *position);
int64_t file_seek(struct file *f, int64_t offset, int whence);
uint32_t file_poll(struct file *f, struct poll_table *t);
int64_t file_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m, const struct cred *c);
int file_getdents(struct file *f, struct dirent_sink *s);
int file_truncate(struct file *f, uint64_t size);
int file_allocate(struct file *f, int mode, uint64_t offset, uint64_t length);
int file_allocate_check(const struct file *f, int mode, uint64_t offset,
                        uint64_t length); /* what it says before it acts */
int file_map(struct file *f, uint64_t offset, uint64_t length, bool shared, struct file_mapping *out);
int file_sync(struct file *f);
int file_stat(struct file *f, struct statx *out);
struct stat; /* <sys/stat.h> */
void statx_to_stat(const struct statx *x,
                   struct stat *out); /* the kernel's struct stat of x86-64, which is the C library's too */
int file_set_flags(struct file *f,
                   int flags); /* F_SETFL: O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME, O_ASYNC; others ignored */
int file_set_async(struct file *f, int fd, bool on); /* what F_SETFL's O_ASYNC brings about. -ENOMEM */
/* True while an opened FIFO waits for its other end (fifo(7)), or an opened file for whoever has a lease on it to give it up: poll the
 * file; when it is false the open is complete. */
bool file_open_waits(struct file *f, struct poll_table *t);
/* Text of /proc/self/fd/N: a path, or "pipe:[7]", "anon_inode:[eventfd]". Returns its length or -errno. */
ssize_t file_name(struct file *f, const struct dentry *root, char *buf, size_t n);

/* ---- given bytes --------------------------------------------------------------------------------------------- */

/* The bytes of a regular file that are there without the guest (a mount's, or the policy's), unchanged so far: a record
 * names them by their hash. False: it is no such file. ino: the same for every description and name of it. */
struct file_given {
    uint64_t ino, size;
};
bool file_given(const struct file *f, struct file_given *out);
/* Reads them, as if nobody did: no time and no offset changes. Bytes read or -errno. */
ssize_t file_given_read(struct file *f, uint64_t offset, void *to, size_t n);
/* The bytes of a regular file by its path, without opening it: nobody in the world hears of it. Bytes read or -errno; -EINVAL: no regular
 * file, or one that is made as it is read. */
ssize_t vfs_peek(const struct place *at, const char *path, uint64_t offset, void *to, size_t n);
/* The ino of the regular file that f is open on, whoever made it; 0: it is on none. */
uint64_t file_ino(const struct file *f);

/* ---- what changed ------------------------------------------------------------------------------------------- */

enum change_kind { CHANGE_CREATED, CHANGE_MODIFIED, CHANGE_DELETED, CHANGE_READ };
/* Every path the run created, changed (bytes or attributes), deleted or read, in path order, but for those of PATH_MAX bytes and
 * more; for the report and the export. `each` returning nonzero stops. st is NULL for what was deleted. A path that was both changed and read is told
 * twice. A directory that was deleted is told once, without what it held; a name whose thing is of another type now, or is
 * a new directory, is told as deleted and then as created. */
int vfs_each_change(struct vfs *v,
                    int (*each)(void *context, enum change_kind kind, const char *path, const struct statx *st),
                    void *context);
/* Writes what was created or changed to a directory (made if missing), or to a tar when the name ends in .tar, .tar.gz,
 * .tgz, .tar.zst or .tar.xz. What was deleted is listed in a file `.deleted` at its root, if there is any: one path a line,
 * relative to the world's root, "\\" for a backslash and "\n" for a newline in a name; to apply an export, delete these,
 * then copy the rest. (Should the guest have made /.deleted, the list is `.deleted~`.) A directory keeps modes without
 * setuid and setgid, times and hard links, and belongs to the caller; a tar keeps everything. Never follows a symlink below
 * `to`. 0 or -errno with one sentence in why. (vfs/export.c) */
/* more: files that are no nodes of the world, in a directory of the export beside what is (NULL: none). `each` calls put for
 * every one, with its path below that directory. */
struct export_more {
    const char *directory;
    int (*each)(void *context, int (*put)(void *to, const char *path, const void *bytes, size_t n), void *to);
    void *context;
};
int vfs_export(struct vfs *v, const char *to, const struct export_more *more, char *why, size_t n);
/* Before vfs_export into an archive when the program is confined by then; mounts do it themselves. 0, -ELIBACC: libarchive is not
 * where it was. */
int vfs_load_archives(void);

#endif
