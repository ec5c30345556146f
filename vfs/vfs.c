/* The life of a vfs, its filesystems and its quotas. */
#include "vfs/inet.h"
#include "vfs/node.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct fs_ops anonymous_fs_ops = {.type = "tmpfs", .magic = TMPFS_MAGIC};

uint64_t vfs_changes(const struct vfs *v)
{
    return v->changes;
}

int64_t vfs_now(const struct vfs *v)
{
    if (v->moment != 0)
        return v->moment;
    return v->config.now ? v->config.now(v->config.context) : 0;
}

struct fs *fs_new(struct vfs *v, const struct fs_ops *ops, void *private)
{
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return NULL;
    fs->ops = ops;
    fs->vfs = v;
    fs->private = private;
    fs->dev = makedev(0, v->next_minor++);
    *v->filesystems_end = fs;
    v->filesystems_end = &fs->next;
    return fs;
}

/* tmpfs(5) lets a filesystem without a size take half of the machine's memory; so does a vfs without a quota. */
static uint64_t default_quota(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / 2 * (uint64_t)size : UINT64_MAX;
}

struct vfs *vfs_new(const struct vfs_config *config)
{
    struct vfs *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->config = *config;
    v->unlimited = !config->quota_bytes;
    if (v->unlimited)
        v->config.quota_bytes = default_quota();
    if (!v->config.quota_anonymous)
        v->config.quota_anonymous = default_quota();
    v->filesystems_end = &v->filesystems;
    v->next_ino = v->next_file = v->next_key = v->next_minor = 1;
    v->host_uid = geteuid();
    v->host_gid = getegid();
    if (getrandom(v->hash_key, sizeof v->hash_key, GRND_NONBLOCK) != sizeof v->hash_key)
        v->hash_key[0] = (uint64_t)(uintptr_t)v; /* a guest could slow itself down, nothing more */
    v->anonymous = fs_new(v, &anonymous_fs_ops, NULL);
    char why[64];
    if (!v->anonymous || vfs_mount_memory(v, "/", 0755, 0, 0, 0, why, sizeof why)) {
        vfs_free(v);
        return NULL;
    }
    return v;
}

void vfs_began(struct vfs *v)
{
    struct node *n = v->root->node;
    n->atime = n->mtime = n->ctime = n->btime = vfs_now(v);
}

void vfs_free(struct vfs *v)
{
    if (!v)
        return;
    mqueue_let_go(v);
    if (v->root) {
        directory_clear(v->root);
        dentry_put(v->root);
    }
    for (struct fs *fs = v->filesystems, *next; fs; fs = next) {
        next = fs->next;
        node_put(fs->root);
        if (fs->ops->release)
            fs->ops->release(fs);
        free(fs->device);
        free(fs->at);
        free(fs->type);
        free(fs);
    }
    objects_release(v);
    free(v);
}

void vfs_set_view(struct vfs *v, struct view *w, uint32_t first)
{
    v->view = w;
    v->host_mounts += first;
    v->next_ino += first;
}

struct dentry *vfs_root(struct vfs *v)
{
    return v->root;
}

void vfs_usage(const struct vfs *v, struct vfs_usage *out)
{
    *out = v->usage;
    out->queued += v->objects.inet != NULL ? v->objects.inet->bytes : 0;
}

int vfs_exceed(struct vfs *v, enum vfs_quota which)
{
    v->usage.quota_hit = true;
    if (!v->giving && v->config.exceeded != NULL)
        v->config.exceeded(v->config.context, which);
    return -ENOSPC;
}

static bool fits(uint64_t used, uint64_t quota, uint64_t bytes)
{
    return bytes <= quota && used <= quota - bytes;
}

/* The tree's quota that the bytes of fs are on. */
static bool tree_has_room(const struct fs *fs, uint64_t bytes)
{
    const struct vfs *v = fs->vfs;
    return fs == v->anonymous ? fits(v->usage.anonymous, v->config.quota_anonymous, bytes)
                              : fits(v->usage.bytes, v->config.quota_bytes, bytes);
}

static bool own_has_room(const struct fs *fs, uint64_t bytes)
{
    return fs == fs->vfs->anonymous || fs->quota_bytes == 0 || fits(fs->bytes, fs->quota_bytes, bytes);
}

bool fs_has_room(const struct fs *fs, uint64_t bytes)
{
    return tree_has_room(fs, bytes) && own_has_room(fs, bytes);
}

int fs_charge(struct fs *fs, uint64_t bytes)
{
    struct vfs *v = fs->vfs;
    if (!tree_has_room(fs, bytes))
        return vfs_exceed(v, fs == v->anonymous ? VFS_ANONYMOUS : VFS_BYTES);
    if (!own_has_room(fs, bytes)) {
        v->usage.quota_hit = true;
        return -ENOSPC;
    }
    fs_charge_all(fs, bytes);
    return 0;
}

void fs_charge_all(struct fs *fs, uint64_t bytes)
{
    struct vfs *v = fs->vfs;
    if (fs == v->anonymous) {
        v->usage.anonymous += bytes;
        return;
    }
    fs->bytes += bytes;
    v->usage.bytes += bytes;
    if (v->usage.bytes > v->usage.bytes_peak)
        v->usage.bytes_peak = v->usage.bytes;
}

void fs_refund(struct fs *fs, uint64_t bytes)
{
    if (fs == fs->vfs->anonymous) {
        fs->vfs->usage.anonymous -= bytes;
        return;
    }
    fs->bytes -= bytes;
    fs->vfs->usage.bytes -= bytes;
}
