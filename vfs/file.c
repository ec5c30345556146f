/* Open file descriptions: their life, and the checks every operation needs before its kind is asked. The kinds
 * themselves (regular files, directories, pipes …) are elsewhere. Semantics: read(2), lseek(2), fallocate(2), fcntl(2).
 */
#include "vfs/node.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct file *file_new(struct vfs *v, const struct file_ops *ops, int flags, void *private)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->ops = ops;
    f->vfs = v;
    f->flags = flags & ~(O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
    f->private = private;
    f->references = 1;
    f->id = v->next_file++;
    return f;
}

void file_get(struct file *f)
{
    f->references++;
}

void file_put(struct file *f)
{
    if (!f || --f->references > 0)
        return;
    if (f->async)
        file_async_released(f);
    if (f->epoll_items)
        epoll_file_released(f);
    if (f->node || f->vfs->objects.loose_locks)
        lock_file_released(f);
    if (f->node && f->node->extra && f->node->extra->leases)
        lease_file_released(f);
    if (f->counted)
        file_count_closed(f);
    if (f->ops->release)
        f->ops->release(f);
    if (!f->dentry)
        node_put(f->node);
    dentry_put(f->dentry);
    free(f);
}

static bool is_path(const struct file *f)
{
    return f->flags & O_PATH;
}

static bool may_read(const struct file *f)
{
    return !is_path(f) && (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct file *f)
{
    int mode = f->flags & O_ACCMODE;
    return !is_path(f) && (mode == O_WRONLY || mode == O_RDWR);
}

/* Which offset a transfer uses. A file that cannot seek has none: pread(2) on it is ESPIPE. */
static int choose_position(struct file *f, uint64_t **position)
{
    if (!f->ops->seek) {
        if (*position)
            return -ESPIPE;
    } else if (!*position) {
        *position = &f->position;
    } else if (**position > INT64_MAX) {
        return -EINVAL;
    }
    return 0;
}

static void clamp(struct io *io)
{
    if (io->left > VFS_IO_MAX)
        io->left = VFS_IO_MAX;
}

ssize_t file_read(struct file *f, struct io *io, uint64_t *position)
{
    if (!may_read(f))
        return -EBADF;
    int error = choose_position(f, &position);
    if (error)
        return error;
    if (!f->ops->read)
        return -EINVAL;
    clamp(io);
    return f->ops->read(f, io, position);
}

ssize_t file_write(struct file *f, struct io *io, uint64_t *position)
{
    if (!may_write(f))
        return -EBADF;
    int error = choose_position(f, &position);
    if (error)
        return error;
    if (!f->ops->write)
        return -EINVAL;
    clamp(io);
    return f->ops->write(f, io, position);
}

int64_t file_seek(struct file *f, int64_t offset, int whence)
{
    if (is_path(f))
        return -EBADF;
    if (!f->ops->seek)
        return f->ops->seek_ignored ? 0 : -ESPIPE;
    return f->ops->seek(f, offset, whence);
}

uint32_t file_poll(struct file *f, struct poll_table *t)
{
    if (is_path(f))
        return 0x20; /* POLLNVAL */
    /* The kernel's DEFAULT_POLLMASK: what cannot be waited for is always ready. */
    return f->ops->poll ? f->ops->poll(f, t) : EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

int64_t file_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m, const struct cred *c)
{
    if (is_path(f))
        return -EBADF;
    return f->ops->ioctl ? f->ops->ioctl(f, command, argument, m, c) : -ENOTTY;
}

int file_getdents(struct file *f, struct dirent_sink *s)
{
    if (is_path(f))
        return -EBADF;
    return f->ops->getdents ? f->ops->getdents(f, s) : -ENOTDIR;
}

int file_truncate(struct file *f, uint64_t size)
{
    if (is_path(f))
        return -EBADF;
    if (size > INT64_MAX || !may_write(f) || !f->ops->truncate)
        return -EINVAL;
    return f->ops->truncate(f, size);
}

/* The kernel's vfs_fallocate: which modes may be said together. */
static int check_allocate_mode(int mode)
{
    const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
                      FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
    if (mode & ~known)
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_COLLAPSE_RANGE) && mode != FALLOC_FL_COLLAPSE_RANGE)
        return -EINVAL;
    if ((mode & FALLOC_FL_INSERT_RANGE) && mode != FALLOC_FL_INSERT_RANGE)
        return -EINVAL;
    if ((mode & FALLOC_FL_UNSHARE_RANGE) && (mode & ~(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE)))
        return -EINVAL;
    return 0;
}

int file_allocate_check(const struct file *f, int mode, uint64_t offset, uint64_t length)
{
    if (offset > INT64_MAX || length > INT64_MAX || length == 0)
        return -EINVAL;
    int error = check_allocate_mode(mode);
    if (error)
        return error;
    if (!may_write(f))
        return -EBADF;
    if (!f->ops->allocate) {
        if (!f->node)
            return !strcmp(f->ops->kind, "pipe") ? -ESPIPE : -ENODEV;
        return node_is(f->node, S_IFIFO) ? -ESPIPE : node_is(f->node, S_IFDIR) ? -EISDIR : -ENODEV;
    }
    return offset + length > INT64_MAX ? -EFBIG : 0;
}

int file_allocate(struct file *f, int mode, uint64_t offset, uint64_t length)
{
    int error = file_allocate_check(f, mode, offset, length);
    return error ? error : f->ops->allocate(f, mode, offset, length);
}

int file_map(struct file *f, uint64_t offset, uint64_t length, bool shared, struct file_mapping *out)
{
    if (is_path(f))
        return -EBADF;
    if (!may_read(f)) /* mmap(2): every mapping asks for a file open for reading */
        return -EACCES;
    if (!f->ops->map)
        return -ENODEV;
    if (offset > INT64_MAX || length > INT64_MAX || offset + length > INT64_MAX)
        return -EOVERFLOW;
    return f->ops->map(f, offset, length, shared, out);
}

int file_sync(struct file *f)
{
    if (is_path(f))
        return -EBADF;
    return f->ops->sync ? f->ops->sync(f) : -EINVAL;
}

enum { ANONYMOUS_INO = 1 }; /* on its device nothing else has it: the root of the tree took that number */

int file_stat(struct file *f, struct statx *out)
{
    if (f->node) {
        node_stat(f->node, out);
        return 0;
    }
    if (f->ops->stat)
        return f->ops->stat(f, out);
    /* As the kernel's anonymous inode, which all of them are: mode 0600 and no type. */
    memset(out, 0, sizeof *out);
    out->stx_mask = STATX_BASIC_STATS;
    out->stx_mode = 0600;
    out->stx_nlink = 1;
    out->stx_ino = ANONYMOUS_INO;
    out->stx_blksize = 4096;
    out->stx_dev_minor = minor(f->vfs->anonymous->dev);
    return 0;
}

void statx_to_stat(const struct statx *x, struct stat *out)
{
    memset(out, 0, sizeof *out); /* also what lies between the fields */
    out->st_dev = makedev(x->stx_dev_major, x->stx_dev_minor);
    out->st_ino = x->stx_ino;
    out->st_nlink = x->stx_nlink;
    out->st_mode = x->stx_mode;
    out->st_uid = x->stx_uid;
    out->st_gid = x->stx_gid;
    out->st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor);
    out->st_size = (off_t)x->stx_size;
    out->st_blksize = x->stx_blksize;
    out->st_blocks = (blkcnt_t)x->stx_blocks;
    out->st_atim = (struct timespec){x->stx_atime.tv_sec, x->stx_atime.tv_nsec};
    out->st_mtim = (struct timespec){x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec};
    out->st_ctim = (struct timespec){x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec};
}

int file_set_flags(struct file *f, int flags)
{
    const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC;
    if (is_path(f))
        return -EBADF;
    flags = (f->flags & ~settable) | (flags & settable);
    if (f->ops->set_flags) {
        int error = f->ops->set_flags(f, flags);
        if (error)
            return error;
    }
    f->flags = flags;
    return 0;
}

bool file_open_waits(struct file *f, struct poll_table *t)
{
    if (f->opening)
        return lease_open_waits(f, t);
    return f->node && node_is(f->node, S_IFIFO) && !is_path(f) && fifo_open_waits(f, t);
}

ssize_t file_name(struct file *f, const struct dentry *root, char *buf, size_t n)
{
    if (f->dentry)
        return dentry_path(f->dentry, root, buf, n);
    f = file_behind(f);
    const char *kind = f->ops->kind;
    int length;
    if (!strcmp(kind, "pipe") || !strcmp(kind, "socket"))
        length = snprintf(buf, n, "%s:[%lu]", kind, (unsigned long)(f->node ? f->node->ino : f->id));
    else if (!strcmp(kind, "inotify")) /* the one anonymous inode whose name has no brackets */
        length = snprintf(buf, n, "anon_inode:inotify");
    else
        length = snprintf(buf, n, "anon_inode:[%s]", kind);
    return (size_t)length < n ? length : -ERANGE;
}
