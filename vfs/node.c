/* Nodes: what a name leads to, whatever filesystem it is of. Their life, their times, what stat(2) says of them. */
#include "vfs/node.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { BLOCK = 4096 };

uint64_t link_bytes(uint64_t length)
{
    enum { SHORT = 128 }; /* with its NUL: stands in the inode (mm/shmem.c, SHORT_SYMLINK_LEN) */
    return length >= SHORT ? BLOCK : 0;
}

static uint64_t link_blocks(const struct node *n)
{
    return link_bytes(n->size) / 512;
}

static void link_release(struct node *n)
{
    if (n->flags & NODE_LINK_CHARGED)
        fs_refund(n->fs, link_bytes(n->size));
    free(n->target);
}

static int link_readlink(struct node *n, const struct cred *c, const char **target, char **owned)
{
    *target = n->target;
    return 0;
}

const struct node_ops directory_ops = {.name = "directory"};
const struct node_ops link_ops = {
    .name = "symlink", .readlink = link_readlink, .blocks = link_blocks, .release = link_release};
const struct node_ops special_ops = {.name = "special"};

struct node *node_new(struct fs *fs, const struct node_ops *ops, uint32_t mode, uint32_t uid, uint32_t gid)
{
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->ops = ops;
    n->fs = fs;
    n->references = 1;
    n->mode = mode;
    n->uid = uid;
    n->gid = gid;
    n->nlink = S_ISDIR(mode) ? 2 : 1;
    n->size = S_ISDIR(mode) ? BLOCK : 0;
    n->ino = fs->vfs->next_ino++;
    n->atime = n->mtime = n->ctime = n->btime = vfs_now(fs->vfs);
    fs->nodes++;
    return n;
}

int node_charge(struct vfs *v)
{
    struct vfs_usage *u = &v->usage;
    if (v->config.quota_nodes && u->nodes >= v->config.quota_nodes)
        return vfs_exceed(v, VFS_NODES);
    if (++u->nodes > u->nodes_peak)
        u->nodes_peak = u->nodes;
    return 0;
}

int node_create(struct fs *fs, const struct node_ops *ops, uint32_t mode, uint32_t uid, uint32_t gid, struct node **out)
{
    struct vfs *v = fs->vfs;
    int error = v->giving ? 0 : node_charge(v);
    if (error)
        return error;
    struct node *n = node_new(fs, ops, mode, uid, gid);
    if (n)
        n->flags |= v->giving ? NODE_GIVEN : NODE_CHARGED;
    else if (!v->giving)
        v->usage.nodes--;
    *out = n;
    return n ? 0 : -ENOMEM;
}

void node_get(struct node *n)
{
    n->references++;
}

void node_put(struct node *n)
{
    if (!n || --n->references > 0)
        return;
    struct node_extra *extra = n->extra;
    if (extra) {
        if (extra->watches)
            inotify_node_released(n);
        if (extra->locks)
            lock_node_released(n);
        if (extra->leases)
            lease_node_released(n);
        xattr_free(extra);
        free(extra);
    }
    if (n->ops->release)
        n->ops->release(n);
    if (n->flags & NODE_CHARGED)
        node_vfs(n)->usage.nodes--;
    n->fs->nodes--;
    free(n);
}

struct node_extra *node_extra(struct node *n)
{
    if (!n->extra)
        n->extra = calloc(1, sizeof *n->extra);
    return n->extra;
}

static struct statx_timestamp timestamp(int64_t ns)
{
    int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return (struct statx_timestamp){.tv_sec = seconds, .tv_nsec = (uint32_t)rest};
}

void node_stat(const struct node *n, struct statx *out)
{
    memset(out, 0, sizeof *out);
    out->stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    out->stx_blksize = BLOCK;
    out->stx_nlink = n->nlink;
    out->stx_uid = n->uid;
    out->stx_gid = n->gid;
    out->stx_mode = (uint16_t)n->mode;
    out->stx_ino = n->ino;
    out->stx_size = n->size;
    if (n->ops->blocks)
        out->stx_blocks = n->ops->blocks(n);
    else if (node_is(n, S_IFREG) || node_is(n, S_IFDIR))
        out->stx_blocks = (n->size / BLOCK + (n->size % BLOCK != 0)) * (BLOCK / 512);
    out->stx_atime = timestamp(n->atime);
    out->stx_btime = timestamp(n->btime);
    out->stx_ctime = timestamp(n->ctime);
    out->stx_mtime = timestamp(n->mtime);
    out->stx_rdev_major = major(n->rdev);
    out->stx_rdev_minor = minor(n->rdev);
    out->stx_dev_major = major(n->fs->dev);
    out->stx_dev_minor = minor(n->fs->dev);
}

int node_readlink(struct node *n, const struct cred *c, const char **target, char **owned)
{
    *owned = NULL;
    return n->ops->readlink ? n->ops->readlink(n, c, target, owned) : -EINVAL;
}

int node_writable(const struct node *n)
{
    return n->fs->read_only ? -EROFS : 0;
}

int node_promote(struct node *n, uint64_t keep)
{
    int error = node_writable(n);
    if (error || !n->ops->promote)
        return error;
    return n->ops->promote(n, keep < n->size ? keep : n->size);
}

int node_truncate(struct node *n, uint64_t size)
{
    int error = node_promote(n, size);
    if (error)
        return error;
    if (!n->ops->resize)
        return -EINVAL;
    error = n->ops->resize(n, size);
    if (error)
        return error;
    n->flags |= NODE_DATA;
    node_touch(n, true);
    return 0;
}

void node_touch(struct node *n, bool mtime)
{
    node_vfs(n)->changes++;
    n->ctime = vfs_now(node_vfs(n));
    if (mtime)
        n->mtime = n->ctime;
}

bool node_access_shows(const struct node *n, int64_t now)
{
    const int64_t day = INT64_C(86400) * 1000000000;
    return !n->fs->read_only && (n->atime <= n->mtime || n->atime <= n->ctime || now - n->atime >= day);
}

void node_accessed(struct node *n)
{
    n->flags |= NODE_READ;
    int64_t now = vfs_now(node_vfs(n));
    if (!node_access_shows(n, now))
        return;
    node_vfs(n)->changes++;
    n->atime = now;
}

void node_link_directory(struct node *n, int change)
{
    if (n->nlink >= 2) /* a host directory says 1: its subdirectories are not counted */
        n->nlink = (uint32_t)((int64_t)n->nlink + change);
}

void node_inherit(const struct node *dir, const struct cred *c, bool directory, uint32_t *mode, uint32_t *gid)
{
    *gid = c->fsgid;
    if (!(dir->mode & S_ISGID))
        return;
    *gid = dir->gid;
    if (directory)
        *mode |= S_ISGID;
    else if ((*mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !cred_in_group(c, *gid) &&
             !cred_has(c, CAP_FSETID))
        *mode &= ~(uint32_t)S_ISGID;
}

void node_drop_privileges(struct node *n)
{
    if (node_is(n, S_IFDIR))
        return;
    uint32_t drop = n->mode & S_ISUID;
    if ((n->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) /* setgid without group execute is something else */
        drop |= S_ISGID;
    if (drop) {
        n->mode &= ~drop;
        n->flags |= NODE_ATTRIBUTES;
    }
}
