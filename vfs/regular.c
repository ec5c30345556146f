/* An open regular file: offsets, appending, seeking, mapping. The bytes are the node's business. */
#include "vfs/node.h"

#include <linux/fs.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

static ssize_t regular_read(struct file *f, struct io *io, uint64_t *position)
{
    struct node *n = f->node;
    ssize_t got = 0;
    if (*position < n->size && io->left > 0)
        got = n->ops->read ? n->ops->read(n, io, *position) : -EIO;
    if (got < 0)
        return got;
    *position += (uint64_t)got;
    if (f->flags & O_NOATIME)
        n->flags |= NODE_READ;
    else
        node_accessed(n);
    if (got > 0)
        node_event(f->dentry, IN_ACCESS);
    return got;
}

/* The largest file, as the kernel's MAX_LFS_FILESIZE: writing at it is EFBIG, before it short. */
static int clamp_to_largest(struct io *io, uint64_t position)
{
    if (position >= INT64_MAX)
        return -EFBIG;
    if (io->left > INT64_MAX - position)
        io->left = INT64_MAX - position;
    return 0;
}

static ssize_t regular_write(struct file *f, struct io *io, uint64_t *position)
{
    struct node *n = f->node;
    if (!io->left)
        return 0;
    if (f->flags & O_APPEND) /* also pwrite(2): "BUGS" */
        *position = n->size;
    int error = clamp_to_largest(io, *position);
    if (!error)
        error = node_promote(n, n->size);
    if (error)
        return error;
    if (!n->ops->write)
        return -EIO;
    if (n->mode & (S_ISUID | S_ISGID) && !f->private)
        node_drop_privileges(n);
    ssize_t put = n->ops->write(n, io, *position);
    if (put <= 0)
        return put;
    *position += (uint64_t)put;
    n->flags |= NODE_DATA;
    node_touch(n, true);
    node_event(f->dentry, IN_MODIFY);
    return put;
}

static int64_t regular_seek(struct file *f, int64_t offset, int whence)
{
    struct node *n = f->node;
    int64_t base;
    switch (whence) {
    case SEEK_SET:
        base = 0;
        break;
    case SEEK_CUR:
        base = (int64_t)f->position;
        break;
    case SEEK_END:
        base = (int64_t)n->size;
        break;
    case SEEK_DATA:
    case SEEK_HOLE:
        if (offset < 0 || (uint64_t)offset >= n->size)
            return -ENXIO;
        base = 0;
        if (n->ops->seek_data)
            offset = n->ops->seek_data(n, (uint64_t)offset, whence == SEEK_HOLE);
        else if (whence == SEEK_HOLE)
            offset = (int64_t)n->size;
        if (offset < 0)
            return offset;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, offset, &base) || base < 0) /* vfs_setpos */
        return -EINVAL;
    f->position = (uint64_t)base;
    return base;
}

static int regular_truncate(struct file *f, uint64_t size)
{
    int error = node_truncate(f->node, size);
    if (!error) {
        if (!f->private)
            node_drop_privileges(f->node);
        node_event(f->dentry, IN_MODIFY);
    }
    return error;
}

static int regular_allocate(struct file *f, int mode, uint64_t offset, uint64_t length)
{
    struct node *n = f->node;
    int error = node_promote(n, n->size);
    if (!error)
        error = n->ops->allocate ? n->ops->allocate(n, mode, offset, length) : -EOPNOTSUPP;
    if (error)
        return error;
    if (!f->private)
        node_drop_privileges(n);
    n->flags |= NODE_DATA;
    node_touch(n, true);
    node_event(f->dentry, IN_MODIFY);
    return 0;
}

static int regular_map(struct file *f, uint64_t offset, uint64_t length, bool shared, struct file_mapping *out)
{
    struct node *n = f->node;
    bool writable = shared && (f->flags & O_ACCMODE) == O_RDWR;
    int error = writable ? node_promote(n, n->size) : 0;
    if (error)
        return error;
    if (!n->ops->map)
        return -ENODEV;
    error = n->ops->map(n, offset, length, writable, out);
    if (error)
        return error;
    if (n->ops->write && (n->flags & NODE_MAPPED) == 0) {
        n->flags |= NODE_MAPPED;
        node_vfs(n)->changes++; /* from here on its blocks may change unasked */
    }
    if (shared && !out->writable)
        out->read_only = (fcntl(out->fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
    if (out->writable)
        n->flags |= NODE_DATA; /* what the guest does there is not seen */
    node_accessed(n);
    return 0;
}

static int regular_sync(struct file *f)
{
    return 0; /* there is nothing more lasting than memory here */
}

/* The few ioctls every regular file knows: ioctl_fs(2), ioctl_fionread(2). */
static int64_t regular_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                             const struct cred *c)
{
    if (command == FIONREAD) {
        int64_t left = f->node->size > f->position ? (int64_t)(f->node->size - f->position) : 0;
        int value = left > INT32_MAX ? INT32_MAX : (int)left;
        return m->write(m, argument, &value, sizeof value);
    }
    return -ENOTTY;
}

static void regular_release(struct file *f)
{
    node_event(f->dentry, (f->flags & O_ACCMODE) == O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE);
}

const struct file_ops regular_file_ops = {
    .kind = "regular",
    .read = regular_read,
    .write = regular_write,
    .seek = regular_seek,
    .truncate = regular_truncate,
    .allocate = regular_allocate,
    .map = regular_map,
    .sync = regular_sync,
    .ioctl = regular_ioctl,
    .release = regular_release,
};
