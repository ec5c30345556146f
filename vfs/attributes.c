/* What a node says of itself and who may change it: stat(2), access(2), chmod(2), chown(2), utimensat(2), truncate(2),
 * statfs(2). Extended attributes are in vfs/xattr.c. */
#include "vfs/node.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static int walk_to(const struct place *at, const char *path, unsigned flags, struct walked *w)
{
    return walk(at, path, flags & (WALK_NOFOLLOW | WALK_EMPTY_PATH | WALK_DIRECTORY), 0, w);
}

/* A node whose attributes change: on a mount that can be written. Files without a node have none to change. */
static int walk_to_change(const struct place *at, const char *path, unsigned flags, struct walked *w)
{
    int error = walk_to(at, path, flags, w);
    if (error)
        return error;
    if (w->open_file)
        error = -EPERM;
    else
        error = node_writable(w->dentry->node);
    if (error)
        walked_release(w);
    return error;
}

static void changed(struct dentry *d)
{
    d->node->flags |= NODE_ATTRIBUTES;
    node_touch(d->node, false);
    node_event(d, node_is(d->node, S_IFDIR) ? IN_ATTRIB | IN_ISDIR : IN_ATTRIB);
}

int vfs_stat_steady(const struct place *at, const char *path, unsigned walk_flags, struct statx *out, bool *steady)
{
    struct walked w;
    int error = walk_to(at, path, walk_flags, &w);
    *steady = false;
    if (error)
        return error;
    if (w.open_file) {
        error = file_stat(w.open_file, out);
    } else {
        const struct node *n = w.dentry->node;
        *steady = w.steady && (node_is(n, S_IFDIR) || node_is(n, S_IFREG)) && (n->flags & NODE_MAPPED) == 0;
        node_stat(n, out);
        out->stx_attributes_mask |= STATX_ATTR_MOUNT_ROOT;
        if (w.dentry->flags & DENTRY_MOUNT)
            out->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
    }
    walked_release(&w);
    return error;
}

int vfs_stat(const struct place *at, const char *path, unsigned walk_flags, struct statx *out)
{
    bool steady;
    return vfs_stat_steady(at, path, walk_flags, out, &steady);
}

int vfs_access(const struct place *at, const char *path, int mode, unsigned walk_flags)
{
    struct walked w;
    if (mode & ~(MAY_READ | MAY_WRITE | MAY_EXECUTE))
        return -EINVAL;
    int error = walk_to(at, path, walk_flags, &w);
    if (error)
        return error;
    const struct node *n = w.open_file ? w.open_file->node : w.dentry->node;
    if (n) {
        error = node_permission(n, at->cred, mode);
        if (!error && mode & MAY_WRITE && (node_is(n, S_IFREG) || node_is(n, S_IFDIR) || node_is(n, S_IFLNK)))
            error = node_writable(n);
    } else if (mode & MAY_EXECUTE) {
        error = -EACCES;
    }
    walked_release(&w);
    return error;
}

int vfs_chmod(const struct place *at, const char *path, unsigned walk_flags, uint32_t mode)
{
    struct walked w;
    int error = walk_to_change(at, path, walk_flags, &w);
    if (error)
        return error;
    struct node *n = w.dentry->node;
    if (node_is(n, S_IFLNK)) {
        error = -EOPNOTSUPP;
    } else if (!cred_owns(at->cred, n)) {
        error = -EPERM;
    } else {
        mode &= 07777;
        if (!cred_in_group(at->cred, n->gid) && !cred_has(at->cred, CAP_FSETID))
            mode &= ~(uint32_t)S_ISGID;
        if (memfd_execution_sealed(n) && (n->mode ^ mode) & 0111)
            error = -EPERM;
        else
            n->mode = (n->mode & S_IFMT) | mode;
        if (!error)
            changed(w.dentry);
    }
    walked_release(&w);
    return error;
}

static int may_chown(const struct node *n, const struct cred *c, uint32_t uid, uint32_t gid)
{
    if (cred_has(c, CAP_CHOWN))
        return 0;
    if (uid != UINT32_MAX && (c->fsuid != n->uid || uid != n->uid))
        return -EPERM;
    if (gid != UINT32_MAX && (c->fsuid != n->uid || (gid != n->gid && !cred_in_group(c, gid))))
        return -EPERM;
    return 0;
}

int vfs_chown(const struct place *at, const char *path, unsigned walk_flags, uint32_t uid, uint32_t gid)
{
    struct walked w;
    int error = walk_to_change(at, path, walk_flags, &w);
    if (error)
        return error;
    struct node *n = w.dentry->node;
    error = may_chown(n, at->cred, uid, gid);
    if (!error) {
        if (uid != UINT32_MAX)
            n->uid = uid;
        if (gid != UINT32_MAX)
            n->gid = gid;
        node_drop_privileges(n); /* chown(2): also when the superuser does it */
        changed(w.dentry);
    }
    walked_release(&w);
    return error;
}

/* Times are kept as nanoseconds in 64 bits, 1677 to 2262; what lies beyond is clamped, as filesystems do. */
static int64_t clamp_time(const struct timespec *t)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)t->tv_sec, (int64_t)1000000000, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
        return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static void set_time(int64_t *time, const struct timespec *to, int64_t now)
{
    if (!to || to->tv_nsec == UTIME_NOW)
        *time = now;
    else if (to->tv_nsec != UTIME_OMIT)
        *time = clamp_time(to);
}

int vfs_utimens(const struct place *at, const char *path, unsigned walk_flags, const struct timespec times[2])
{
    struct walked w;
    bool all_now = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
    for (int i = 0; times && i < 2; i++) {
        long ns = times[i].tv_nsec;
        if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns > 999999999))
            return -EINVAL;
    }
    if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return 0; /* the file need not even exist: utimensat(2) */
    int error = walk_to_change(at, path, walk_flags, &w);
    if (error)
        return error;
    struct node *n = w.dentry->node;
    if (!cred_owns(at->cred, n))
        error = !all_now ? -EPERM : node_permission(n, at->cred, MAY_WRITE);
    if (!error) {
        int64_t now = vfs_now(at->vfs);
        set_time(&n->atime, times ? &times[0] : NULL, now);
        set_time(&n->mtime, times ? &times[1] : NULL, now);
        changed(w.dentry);
    }
    walked_release(&w);
    return error;
}

int vfs_truncate(const struct place *at, const char *path, uint64_t size, struct dentry **waits)
{
    struct walked w;
    if (size > INT64_MAX)
        return -EINVAL;
    int error = walk_to(at, path, 0, &w);
    if (error)
        return error;
    struct node *n = w.open_file ? NULL : w.dentry->node;
    if (!n || !node_is(n, S_IFREG))
        error = n && node_is(n, S_IFDIR) ? -EISDIR : -EINVAL;
    else
        error = node_writable(n);
    if (!error)
        error = node_permission(n, at->cred, MAY_WRITE);
    if (!error && n->writers < 0)
        error = -ETXTBSY;
    if (!error && lease_break(n, O_WRONLY)) {
        error = -EWOULDBLOCK;
        if (waits) {
            *waits = w.dentry;
            dentry_get(w.dentry);
            n->writers++;
        }
    }
    if (!error)
        error = node_truncate(n, size);
    if (!error) {
        if (!cred_has(at->cred, CAP_FSETID))
            node_drop_privileges(n);
        node_event(w.dentry, IN_MODIFY);
    }
    walked_release(&w);
    return error;
}

/* Room as the quotas say; a world without one shows a round number, never the machine's memory. */
static void fill_room(const struct fs *fs, struct vfs_statfs *out)
{
    const struct vfs *v = fs->vfs;
    uint64_t total = v->unlimited ? 1ull << 40 : v->config.quota_bytes;
    uint64_t left = total > v->usage.bytes ? total - v->usage.bytes : 0;
    if (fs->quota_bytes && fs->quota_bytes < total) {
        uint64_t own = fs->quota_bytes > fs->bytes ? fs->quota_bytes - fs->bytes : 0;
        total = fs->quota_bytes;
        left = own < left ? own : left;
    }
    uint64_t nodes = v->config.quota_nodes ? v->config.quota_nodes : 1ull << 32;
    out->blocks = total / out->bsize;
    out->bfree = out->bavail = fs->read_only ? 0 : left / out->bsize;
    out->files = nodes;
    out->ffree = nodes > v->usage.nodes ? nodes - v->usage.nodes : 0;
}

int vfs_statfs(const struct place *at, const char *path, unsigned walk_flags, struct vfs_statfs *out)
{
    enum { VALID = 0x20, RELATIME = 0x1000, READ_ONLY = 1 }; /* statfs(2): ST_* */
    struct walked w;
    int error = walk_to(at, path, walk_flags, &w);
    if (error)
        return error;
    const struct fs *fs = w.dentry ? w.dentry->node->fs : at->vfs->anonymous;
    memset(out, 0, sizeof *out);
    out->type = fs->ops->magic;
    out->bsize = out->frsize = 4096;
    out->namelen = VFS_NAME_MAX;
    out->flags = VALID | RELATIME | (fs->read_only ? READ_ONLY : 0);
    out->fsid = minor(fs->dev);
    (void)vfs_recount(at->vfs, SIZE_MAX); /* what mappings filled, now and not when somebody looked last */
    fill_room(fs, out);
    walked_release(&w);
    return 0;
}
