/* open(2) and openat2(2): from a path to an open file description. */
#include "vfs/node.h"
#include "vfs/objects.h"

#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

enum {
    TMPFILE = 020000000, /* the bit of O_TMPFILE beside O_DIRECTORY */
};

static int access_wanted(int flags)
{
    static const int wanted[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
    return wanted[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

int node_open(struct node *n, struct dentry *d, int flags, const struct cred *c, struct file **out)
{
    struct vfs *v = node_vfs(n);
    struct file *f = NULL;
    int error = 0;
    if (flags & O_PATH)
        f = file_new(v, &path_file_ops, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), NULL);
    else if (n->ops->open)
        error = n->ops->open(n, flags, c, &f);
    else if (node_is(n, S_IFREG))
        f = file_new(v, &regular_file_ops, flags | KERNEL_LARGEFILE, NULL);
    else if (node_is(n, S_IFDIR))
        f = file_new(v, &directory_file_ops, flags | KERNEL_LARGEFILE, NULL);
    else if (node_is(n, S_IFIFO))
        error = fifo_open(v, n, flags, &f);
    else
        error = node_is(n, S_IFLNK) ? -ELOOP : -ENXIO; /* devices without a driver, sockets: open(2) ENXIO */
    if (error)
        return error;
    if (!f)
        return -ENOMEM;
    if (!f->dentry && !f->node && f->references == 1) {
        f->node = n;
        if (d)
            dentry_get(d);
        else
            node_get(n);
        f->dentry = d;
    }
    if (f->ops == &regular_file_ops && cred_has(c, CAP_FSETID))
        f->private = f; /* writes leave setuid and setgid alone */
    error = file_count_open(f);
    if (error)
        file_put(f);
    else
        *out = f;
    return error;
}

int file_truncate_opened(struct file *f)
{
    int error = node_truncate(f->node, 0);
    if (error)
        return error;
    if (!f->private)
        node_drop_privileges(f->node);
    node_event(f->dentry, IN_MODIFY);
    return 0;
}

/* The kernel's may_open: what kind of node, then who asks. */
static int may_open(const struct dentry *d, int flags, const struct cred *c)
{
    const struct node *n = d->node;
    bool writes = access_wanted(flags) & MAY_WRITE;
    if (flags & O_PATH)
        return 0;
    if (node_is(n, S_IFLNK))
        return -ELOOP;
    if (node_is(n, S_IFDIR) && (writes || flags & O_CREAT))
        return -EISDIR;
    int error = node_permission(n, c, access_wanted(flags));
    if (!error && writes && node_is(n, S_IFREG))
        error = node_writable(n);
    if (!error && flags & O_NOATIME && !cred_owns(c, n))
        error = -EPERM;
    return error;
}

static int open_existing(const struct place *at, struct dentry *d, int flags, struct file **out)
{
    int error = may_open(d, flags, at->cred);
    if (!error && flags & O_DIRECTORY && !node_is(d->node, S_IFDIR))
        error = -ENOTDIR;
    if (error)
        return error;
    bool regular = node_is(d->node, S_IFREG) && !d->node->ops->open && !(flags & O_PATH);
    if (regular && access_wanted(flags) & MAY_WRITE && d->node->writers < 0)
        return -ETXTBSY;
    bool broken = regular && lease_break(d->node, flags);
    if (broken && flags & O_NONBLOCK)
        return -EWOULDBLOCK;
    error = node_open(d->node, d, flags, at->cred, out);
    if (!error && broken) {
        (*out)->opening = (flags & O_TRUNC) | 1; /* file_open_waits does the rest */
        return 0;
    }
    if (!error && regular && flags & O_TRUNC) {
        error = file_truncate_opened(*out);
        if (error)
            file_put(*out);
    }
    if (!error && !(flags & O_PATH))
        node_event(d, node_is(d->node, S_IFDIR) ? IN_OPEN | IN_ISDIR : IN_OPEN);
    return error;
}

int vfs_open_dentry(const struct place *at, struct dentry *d, int flags, struct file **out)
{
    return open_existing(at, d, flags & ~(O_CREAT | O_EXCL), out);
}

/* O_PATH of what has no path (private: the file, referenced): it says what it is, and does nothing. */
static int pathless_stat(struct file *f, struct statx *out)
{
    return file_stat(f->private, out);
}

static void pathless_release(struct file *f)
{
    file_put(f->private);
}

static const struct file_ops pathless_ops = {.kind = "path", .stat = pathless_stat, .release = pathless_release};

struct file *file_behind(struct file *f)
{
    return f->ops == &pathless_ops ? f->private : f;
}

/* What /proc/self/fd/N opens when there is no path behind it: a pipe again, and a stream of the caller's by its own description. */
static int open_again(struct file *f, int flags, const struct cred *c, struct file **out)
{
    f = file_behind(f);
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if (flags & O_PATH) {
        *out = file_new(f->vfs, &pathless_ops, flags & (O_PATH | O_NOFOLLOW), f);
        if (*out)
            file_get(f);
        return *out ? 0 : -ENOMEM;
    }
    if (f->node)
        return node_open(f->node, NULL, flags, c, out);
    if (file_is_pipe(f))
        return pipe_open_again(f, flags, c, out);
    if (host_stream_fd(f) < 0) /* a socket, an anonymous inode: no_open */
        return -ENXIO;
    int have = f->flags & O_ACCMODE, want = flags & O_ACCMODE;
    if (have != O_RDWR && have != want)
        return -EACCES;
    file_get(f);
    *out = f;
    return 0;
}

static int create(const struct place *at, const struct walked *w, int flags, uint32_t mode, struct file **out)
{
    struct dentry *dir = w->parent, *d;
    struct node *n;
    uint32_t gid;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): of what is absent there is a parent (vfs/walk.c, step) */
    int error = dir->node->ops->list ? -EACCES : may_create(dir, at->cred);
    if (error)
        return error;
    node_inherit(dir->node, at->cred, false, &mode, &gid);
    if (dir->node->fs->ops->create)
        error = dir->node->fs->ops->create(dir->node->fs, at->cred, mode, gid, &n);
    else
        error = node_create(dir->node->fs, &memory_ops, S_IFREG | mode, at->cred->fsuid, gid, &n);
    if (!error)
        error = dentry_create(dir, w->name, w->length, w->hash, n, &d);
    if (error)
        return error;
    node_touch(dir->node, true);
    node_event(d, IN_CREATE);
    /* Whatever its mode, who creates a file has it open as asked. */
    error = node_open(n, d, flags, at->cred, out);
    if (!error)
        node_event(d, IN_OPEN);
    dentry_put(d);
    return error;
}

/* The kernel's may_create_in_sticky, with fs.protected_regular and fs.protected_fifos at 0: O_CREAT does not open
 * another user's symlink or device in a sticky directory everybody writes to. */
static int may_open_in_sticky(const struct walked *w, const struct cred *c)
{
    const struct node *dir = w->parent ? w->parent->node : NULL, *n = w->dentry->node;
    if (!dir || !(dir->mode & S_ISVTX) || !(dir->mode & S_IWOTH) || node_is(n, S_IFREG) || node_is(n, S_IFIFO))
        return 0;
    return n->uid == dir->uid || n->uid == c->fsuid || node_is(n, S_IFDIR) ? 0 : -EACCES;
}

static int open_or_create(const struct place *at, const char *path, int flags, uint32_t mode, uint64_t resolve,
                          struct file **out)
{
    struct walked w;
    unsigned follow = flags & (O_EXCL | O_NOFOLLOW) ? 0 : WALK_FOLLOW_LAST;
    int error = walk(at, path, WALK_PARENT | follow, resolve, &w);
    if (error)
        return error;
    if (w.slash && w.parent)
        error = -EISDIR;
    else if (w.open_file)
        error = flags & O_EXCL ? -EEXIST : open_again(w.open_file, flags, at->cred, out);
    else if (w.dentry && flags & O_EXCL)
        error = -EEXIST;
    else if (w.dentry) {
        error = may_open_in_sticky(&w, at->cred);
        if (!error)
            error = open_existing(at, w.dentry, flags, out);
    } else
        error = create(at, &w, flags, mode, out);
    walked_release(&w);
    return error;
}

/* O_TMPFILE: a file in that directory's filesystem, with no name until linkat(2) gives it one. */
static int open_nameless(const struct place *at, struct dentry *dir, int flags, uint32_t mode, struct file **out)
{
    struct node *n;
    uint32_t gid;
    char name[32];
    int error = directory_is_closed(dir->node) ? -EOPNOTSUPP : node_writable(dir->node);
    if (!error) /* a directory that was removed will do: no name is made in it */
        error = node_permission(dir->node, at->cred, MAY_WRITE | MAY_EXECUTE);
    if (error)
        return error;
    node_inherit(dir->node, at->cred, false, &mode, &gid);
    error = node_create(dir->node->fs, &memory_ops, S_IFREG | mode, at->cred->fsuid, gid, &n);
    if (error)
        return error;
    n->nlink = 0;
    n->flags |= flags & O_EXCL ? NODE_NO_LINK : NODE_LINKABLE;
    int length = snprintf(name, sizeof name, "#%lu", (unsigned long)n->ino);
    struct dentry *d = dentry_new(dir, name, (size_t)length, 0, n);
    if (!d) {
        node_put(n);
        return -ENOMEM;
    }
    d->flags |= DENTRY_UNLINKED;
    error = node_open(n, d, flags, at->cred, out);
    if (!error)
        (*out)->flags |= O_TMPFILE; /* F_GETFL shows it */
    dentry_put(d);
    return error;
}

int vfs_open(const struct place *at, const char *path, int flags, uint32_t mode, uint64_t resolve, struct file **out)
{
    const uint64_t known = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
                           RESOLVE_IN_ROOT | RESOLVE_CACHED;
    if (resolve & ~known || (resolve & RESOLVE_BENEATH && resolve & RESOLVE_IN_ROOT))
        return -EINVAL;
    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    bool nameless = flags & TMPFILE;
    if (nameless && (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY || flags & O_CREAT))
        return -EINVAL;
    if (!nameless && flags & O_CREAT && flags & O_DIRECTORY)
        return -EINVAL;
    mode &= 07777;
    if (flags & O_CREAT)
        return open_or_create(at, path, flags, mode, resolve, out);
    struct walked w;
    unsigned how = (flags & O_NOFOLLOW ? WALK_NOFOLLOW : 0) | (flags & O_DIRECTORY ? WALK_DIRECTORY : 0);
    int error = walk(at, path, how, resolve, &w);
    if (error)
        return error;
    if (w.open_file)
        error = open_again(w.open_file, flags, at->cred, out);
    else if (nameless)
        error = open_nameless(at, w.dentry, flags & ~(O_DIRECTORY | TMPFILE), mode, out);
    else
        error = open_existing(at, w.dentry, flags, out);
    walked_release(&w);
    return error;
}
