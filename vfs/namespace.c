/* Names that come and go: mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2), readlink(2). rename(2) has a
 * file of its own. The order of the checks is the kernel's (fs/namei.c), because the errno a program sees depends on
 * it. */
#include "vfs/node.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

enum { LINK_MOST = 65000 };

/* The place of a new name: the kernel's filename_create. On success w holds the parent, and nothing has that name. */
static int place_for_new(const struct place *at, const char *path, bool directory, struct walked *w)
{
    int error = walk(at, path, WALK_PARENT, 0, w);
    if (error)
        return error;
    if (!w->parent || w->dentry)
        error = -EEXIST;
    else if (w->slash && !directory)
        error = -ENOENT;
    else if (directory_is_closed(w->parent->node))
        error = -EPERM; /* the world's own filesystems take no new names */
    else
        error = may_create(w->parent, at->cred);
    if (error)
        walked_release(w);
    return error;
}

/* Makes the node and names it. *out is referenced. */
static int make(const struct place *at, const struct walked *w, const struct node_ops *ops, uint32_t mode,
                struct dentry **out)
{
    struct node *n;
    uint32_t gid;
    node_inherit(w->parent->node, at->cred, S_ISDIR(mode), &mode, &gid);
    int error = node_create(w->parent->node->fs, ops, mode, at->cred->fsuid, gid, &n);
    if (!error)
        error = dentry_create(w->parent, w->name, w->length, w->hash, n, out);
    if (error)
        return error;
    node_touch(w->parent->node, true);
    if (S_ISDIR(mode))
        node_link_directory(w->parent->node, 1);
    return 0;
}

int vfs_mkdir(const struct place *at, const char *path, uint32_t mode)
{
    struct walked w;
    struct dentry *d;
    int error = place_for_new(at, path, true, &w);
    if (error)
        return error;
    error = make(at, &w, &directory_ops, S_IFDIR | (mode & 01777), &d);
    walked_release(&w);
    if (error)
        return error;
    node_event(d, IN_CREATE | IN_ISDIR);
    dentry_put(d);
    return 0;
}

int vfs_mknod(const struct place *at, const char *path, uint32_t mode, uint64_t rdev)
{
    struct walked w;
    struct dentry *d;
    uint32_t type = mode & S_IFMT;
    if (type == S_IFDIR)
        return -EPERM;
    if (type == 0)
        type = S_IFREG;
    bool device = type == S_IFCHR || type == S_IFBLK;
    if (!device && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK)
        return -EINVAL;
    int error = place_for_new(at, path, false, &w);
    if (error)
        return error;
    if (device && !cred_has(at->cred, CAP_MKNOD))
        error = -EPERM;
    else
        error = make(at, &w, type == S_IFREG ? &memory_ops : &special_ops, type | (mode & 07777), &d);
    walked_release(&w);
    if (error)
        return error;
    if (device)
        d->node->rdev = rdev;
    node_event(d, IN_CREATE);
    dentry_put(d);
    return 0;
}

int vfs_symlink(const struct place *at, const char *target, const char *path)
{
    struct walked w;
    struct dentry *d;
    size_t length = strnlen(target, VFS_PATH_MAX);
    if (length == 0 || length >= VFS_PATH_MAX)
        return length ? -ENAMETOOLONG : -ENOENT;
    int error = place_for_new(at, path, false, &w);
    if (error)
        return error;
    struct fs *fs = w.parent->node->fs;
    uint64_t charge = link_bytes(length);
    char *copy = strdup(target);
    error = !copy ? -ENOMEM : charge ? fs_charge(fs, charge) : 0;
    if (!error) {
        error = make(at, &w, &link_ops, S_IFLNK | 0777, &d);
        if (error && charge)
            fs_refund(fs, charge);
    }
    walked_release(&w);
    if (error) {
        free(copy);
        return error;
    }
    d->node->flags |= charge ? NODE_LINK_CHARGED : 0;
    d->node->target = copy;
    d->node->size = length;
    node_event(d, IN_CREATE);
    dentry_put(d);
    return 0;
}

/* One more name for n. nameless: it may have none yet (O_TMPFILE). */
static int link_node(struct dentry *old, const struct place *to, const char *newpath, bool nameless)
{
    struct walked w;
    struct node *n = old->node;
    struct dentry *d;
    int error = place_for_new(to, newpath, false, &w);
    if (error)
        return error;
    if (w.parent->node->fs != n->fs)
        error = -EXDEV;
    else if (node_is(n, S_IFDIR))
        error = -EPERM;
    else if (n->nlink == 0 &&
             (!nameless || !(n->flags & NODE_LINKABLE) || n->flags & NODE_NO_LINK || old->flags & DENTRY_FLOATING))
        error = -ENOENT;
    else if (n->nlink >= LINK_MOST)
        error = -EMLINK;
    bool first = n->nlink == 0; /* O_TMPFILE: the node itself was counted */
    if (!error && !first)
        error = node_charge(to->vfs);
    if (!error) {
        node_get(n);
        error = dentry_create(w.parent, w.name, w.length, w.hash, n, &d);
        if (error && !first)
            to->vfs->usage.nodes--;
    }
    if (!error) {
        d->flags |= first ? 0 : DENTRY_CHARGED;
        n->flags &= ~(uint32_t)NODE_LINKABLE;
        n->nlink++;
        node_touch(n, false);
        node_touch(w.parent->node, true);
        inotify_self_event(n, IN_ATTRIB);
        node_event(d, IN_CREATE);
        dentry_put(d);
    }
    walked_release(&w);
    return error;
}

int vfs_link(const struct place *from, const char *oldpath, unsigned walk_flags, const struct place *to,
             const char *newpath)
{
    struct walked w;
    int error = walk(from, oldpath, walk_flags & (WALK_NOFOLLOW | WALK_EMPTY_PATH), 0, &w);
    if (error)
        return error;
    /* A magic link (/proc/self/fd/N) and AT_EMPTY_PATH may lead to a file without a name: that is how it gets one. */
    error = w.dentry ? link_node(w.dentry, to, newpath, w.dentry->flags & DENTRY_UNLINKED) : -EXDEV;
    walked_release(&w);
    return error;
}

int vfs_link_file(struct file *f, const struct place *to, const char *newpath)
{
    return f->dentry ? link_node(f->dentry, to, newpath, true) : -EXDEV;
}

static void lost_name(struct dentry *d, struct dentry *dir, uint32_t is_directory)
{
    node_touch(dir->node, true);
    node_touch(d->node, false);
    if (!node_vfs(d->node)->watches)
        return;
    if (!is_directory) /* its count of links changed; IN_DELETE_SELF comes when nobody has it open any more */
        inotify_self_event(d->node, IN_ATTRIB);
    /* Nobody but this walk holds it: its own end comes before its name's, as d_delete has it. */
    if (d->node->nlink == 0 && d->references == 1 && d->node->references == 1 && d->node->extra)
        inotify_node_released(d->node);
    inotify_event(d, IN_DELETE | is_directory, 0);
}

static int may_unlink(const struct walked *w, const struct cred *c)
{
    struct dentry *d = w->dentry;
    if (!w->parent)
        return -EISDIR;
    if (!d)
        return -ENOENT; /* before the mount is asked: see vfs/perm.c, may_delete */
    bool directory = node_is(d->node, S_IFDIR);
    int error = node_writable(w->parent->node);
    if (!error && w->slash)
        error = directory ? -EISDIR : -ENOTDIR;
    if (!error)
        error = may_delete(w->parent, d, c);
    if (error)
        return error;
    if (directory)
        return -EISDIR;
    if (d->flags & DENTRY_MOUNT)
        return -EBUSY;
    return d->flags & DENTRY_HASHED ? 0 : -EPERM; /* synthetic */
}

int vfs_unlink(const struct place *at, const char *path)
{
    struct walked w;
    int error = walk(at, path, WALK_PARENT, 0, &w);
    if (error)
        return error;
    error = may_unlink(&w, at->cred);
    if (!error)
        error = dentry_remove(w.dentry);
    if (!error) {
        node_unlinked(w.dentry->node);
        lost_name(w.dentry, w.parent, 0);
    }
    walked_release(&w);
    return error;
}

static int may_rmdir(const struct walked *w, const struct place *at)
{
    static const int refusals[] = {[LAST_ROOT] = -EBUSY, [LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY};
    struct dentry *d = w->dentry;
    if (!w->parent)
        return refusals[w->last];
    if (!d)
        return -ENOENT; /* before the mount is asked: see vfs/perm.c, may_delete */
    int error = node_writable(w->parent->node);
    if (!error)
        error = may_delete(w->parent, d, at->cred);
    if (error)
        return error;
    if (!node_is(d->node, S_IFDIR))
        return -ENOTDIR;
    if (d->flags & DENTRY_MOUNT || d == at->vfs->root)
        return -EBUSY;
    if (!(d->flags & DENTRY_HASHED) || d->node->ops->list)
        return -EPERM;
    return directory_empty(d) ? 0 : -ENOTEMPTY;
}

int vfs_rmdir(const struct place *at, const char *path)
{
    struct walked w;
    int error = walk(at, path, WALK_PARENT, 0, &w);
    if (error)
        return error;
    struct dentry *d = w.dentry;
    error = may_rmdir(&w, at);
    if (!error)
        error = dentry_remove(d);
    if (!error) {
        directory_clear(d); /* what was cached as absent below */
        d->node->nlink = 0;
        node_link_directory(w.parent->node, -1);
        lost_name(d, w.parent, IN_ISDIR);
    }
    walked_release(&w);
    return error;
}

ssize_t vfs_readlink(const struct place *at, const char *path, unsigned walk_flags, char *buf, size_t n)
{
    struct walked w;
    const char *target;
    char *owned = NULL;
    if (n == 0)
        return -EINVAL;
    int error = walk(at, path, (walk_flags & WALK_EMPTY_PATH) | WALK_NOFOLLOW, 0, &w);
    if (error)
        return error;
    ssize_t length = -EINVAL;
    if (w.dentry && !*path && !node_is(w.dentry->node, S_IFLNK))
        length = -ENOENT; /* readlinkat(2) with an empty path */
    else if (w.dentry && node_is(w.dentry->node, S_IFLNK)) {
        length = node_readlink(w.dentry->node, at->cred, &target, &owned);
        if (length == 0) {
            length = (ssize_t)strlen(target);
            length = (size_t)length < n ? length : (ssize_t)n;
            memcpy(buf, target, (size_t)length);
            if (!node_vfs(w.dentry->node)->giving && !w.dentry->node->ops->magic)
                node_accessed(w.dentry->node);
        }
    }
    free(owned);
    walked_release(&w);
    return length;
}
