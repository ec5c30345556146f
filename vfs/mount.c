/* What the policy puts into the tree before the guest runs: mounts, inline files, absences. While it speaks,
 * vfs->giving is set: what is made is given, not created by the guest, and costs no quota. */
#include "vfs/node.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct fs_ops memory_fs_ops = {.type = "tmpfs", .magic = TMPFS_MAGIC, .steady = true};

void vfs_mount_quota(struct vfs *v, const char *at, uint64_t bytes)
{
    struct fs *last = NULL;
    for (struct fs *fs = v->filesystems; fs; fs = fs->next)
        if (fs->at && !strcmp(fs->at, at))
            last = fs;
    if (last)
        last->quota_bytes = bytes;
}

/* A dentry that mounts hang below must be found again by its name: synthetic ones are put into the table. */
static int keep_in_table(struct dentry *d)
{
    if (!d->parent || d->flags & DENTRY_HASHED)
        return 0;
    d->flags |= DENTRY_GIVEN;
    return dentry_attach(d);
}

/* One directory down, made when there is none. */
static int enter(struct vfs *v, struct dentry **here, const char *name, size_t length, bool make)
{
    struct dentry *child;
    uint32_t hash = name_hash(v, name, length);
    int error = dentry_child(*here, name, length, hash, &child, NULL);
    if (error)
        return error;
    if (!child) {
        struct node *n;
        error = make ? node_create((*here)->node->fs, &directory_ops, S_IFDIR | 0755, 0, 0, &n) : -ENOENT;
        if (!error)
            error = dentry_create(*here, name, length, hash, n, &child);
        if (error)
            return error;
        node_link_directory((*here)->node, 1);
    } else if (node_is(child->node, S_IFLNK)) {
        char copy[VFS_NAME_MAX + 1];
        struct place at = {.vfs = v, .root = v->root, .start = *here};
        dentry_put(child);
        memcpy(copy, name, length);
        copy[length] = 0;
        error = vfs_walk(&at, copy, WALK_DIRECTORY, &child);
        if (error)
            return error;
    }
    if (!node_is(child->node, S_IFDIR))
        error = -ENOTDIR;
    if (!error)
        error = keep_in_table(child);
    if (error) {
        dentry_put(child);
        return error;
    }
    dentry_put(*here);
    *here = child;
    return 0;
}

/* The directory of `path` (referenced) and its last name; *length is 0 for "/". */
static int enter_parent(struct vfs *v, const char *path, bool make, struct dentry **parent, const char **name,
                        size_t *length)
{
    if (*path != '/' || strnlen(path, VFS_PATH_MAX) >= VFS_PATH_MAX)
        return *path != '/' ? -EINVAL : -ENAMETOOLONG;
    struct dentry *here = v->root;
    int error = 0;
    *name = path;
    *length = 0;
    if (here)
        dentry_get(here);
    for (const char *at = path, *end; !error; at = end) {
        while (*at == '/')
            at++;
        if (!*at)
            break;
        end = strchrnul(at, '/');
        size_t n = (size_t)(end - at);
        if (n == 1 && at[0] == '.')
            continue;
        if (n > VFS_NAME_MAX || (n == 2 && at[0] == '.' && at[1] == '.'))
            error = n > VFS_NAME_MAX ? -ENAMETOOLONG : -EINVAL;
        else if (*length)
            error = enter(v, &here, *name, *length, make);
        *name = at;
        *length = n;
    }
    if (error) {
        dentry_put(here);
        return error;
    }
    *parent = here;
    return 0;
}

/* A tree that was made apart (an archive's) becomes that of d. */
static void adopt_children(struct dentry *d, struct dentry *from)
{
    struct directory *c = d->children = from->children;
    from->children = NULL;
    for (uint32_t i = 0; c && i <= c->mask; i++) {
        for (struct dentry *child = c->table[i]; child; child = child->hash_next) {
            dentry_get(d);
            child->parent = d;
            dentry_put(from);
        }
    }
}

/* Put a node where a name is, whatever was there. Takes the node's reference over. */
static int place_node(struct vfs *v, const char *path, struct node *n, uint16_t flags, struct dentry *tree)
{
    struct dentry *parent, *old, *d = NULL;
    const char *name;
    size_t length;
    bool was_giving = v->giving;
    v->giving = true;
    int error = enter_parent(v, path, true, &parent, &name, &length);
    if (error) {
        node_put(n);
        v->giving = was_giving;
        return error;
    }
    uint32_t hash = name_hash(v, name, length);
    if (!length) {
        /* The root itself: a new tree. */
        d = dentry_new(NULL, "", 0, 0, n);
        if (d) {
            d->flags |= (uint16_t)(DENTRY_GIVEN | flags);
            if (tree)
                adopt_children(d, tree);
            if (v->root) {
                directory_clear(v->root);
                dentry_put(v->root);
            }
            v->root = d;
        } else {
            node_put(n);
            error = -ENOMEM;
        }
    } else {
        /* What the mount below has by that name must not be asked for later: a node in the table hides it. */
        old = dentry_cached(parent, name, length, hash);
        bool was_directory = old && !(old->flags & DENTRY_LISTED) && old->node && node_is(old->node, S_IFDIR);
        if (old && dentry_positive(old) && !(old->flags & DENTRY_LISTED) && old->children)
            directory_clear(old);
        bool directory = node_is(n, S_IFDIR);
        error = dentry_create(parent, name, length, hash, n, &d);
        if (!error) {
            d->flags |= flags;
            if (tree)
                adopt_children(d, tree);
            node_link_directory(parent->node, directory - was_directory);
            dentry_put(d);
        }
    }
    dentry_put(parent);
    v->giving = was_giving;
    return error;
}

static int mount_node(struct vfs *v, const char *at, struct fs *fs, struct node *root, struct dentry *tree, char *why,
                      size_t n)
{
    fs->at = strdup(at);
    int error = root && fs->at ? place_node(v, at, root, DENTRY_MOUNT, tree) : -ENOMEM;
    if (error) {
        free(fs->at);
        fs->at = NULL;
        snprintf(why, n, "cannot mount at %s: %s", at,
                 error == -EINVAL ? "not an absolute path without \"..\"" : strerror(-error));
    }
    return error;
}

int vfs_mount_fs(struct vfs *v, const char *at, struct fs *fs, char *why, size_t n)
{
    struct node *root = fs->root;
    fs->root = NULL;
    return mount_node(v, at, fs, root, NULL, why, n);
}

int mount_tree(struct vfs *v, const char *at, struct fs *fs, struct dentry *tree, char *why, size_t n)
{
    node_get(tree->node);
    int error = mount_node(v, at, fs, tree->node, tree, why, n);
    directory_clear(tree); /* what was not adopted */
    dentry_put(tree);
    return error;
}

int vfs_mount_memory(struct vfs *v, const char *at, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t quota_bytes,
                     char *why, size_t n)
{
    struct fs *fs = fs_new(v, &memory_fs_ops, NULL);
    if (fs) {
        fs->quota_bytes = quota_bytes;
        fs->root = node_new(fs, &directory_ops, S_IFDIR | (mode & 07777), uid, gid);
    }
    if (!fs || !fs->root) {
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    fs->root->flags |= NODE_GIVEN;
    return vfs_mount_fs(v, at, fs, why, n);
}

/* The filesystem a path lies in: what is put there belongs to it. */
static int fs_at(struct vfs *v, const char *path, struct fs **out)
{
    struct dentry *parent;
    const char *name;
    size_t length;
    bool was_giving = v->giving;
    v->giving = true;
    int error = enter_parent(v, path, true, &parent, &name, &length);
    v->giving = was_giving;
    if (error)
        return error;
    *out = parent->node->fs;
    dentry_put(parent);
    return length ? 0 : -EEXIST;
}

static int put_node(struct vfs *v, const char *path, const struct node_ops *ops, uint32_t mode, uint32_t uid,
                    uint32_t gid, struct node **out)
{
    struct fs *fs;
    int error = fs_at(v, path, &fs);
    if (error)
        return error;
    struct node *n = node_new(fs, ops, mode, uid, gid);
    if (!n)
        return -ENOMEM;
    n->flags |= NODE_GIVEN;
    *out = n;
    return 0;
}

int vfs_put_file(struct vfs *v, const char *path, const void *bytes, size_t size, uint32_t mode, uint32_t uid,
                 uint32_t gid)
{
    struct node *n;
    int error = put_node(v, path, &memory_ops, S_IFREG | (mode & 07777), uid, gid, &n);
    if (error)
        return error;
    bool was_giving = v->giving;
    v->giving = true;
    error = memory_set(n, bytes, size);
    v->giving = was_giving;
    if (error) {
        node_put(n);
        return error;
    }
    return place_node(v, path, n, 0, NULL);
}

int vfs_put_dir(struct vfs *v, const char *path, uint32_t mode, uint32_t uid, uint32_t gid)
{
    /* A directory that is there keeps what it holds and gets these attributes. */
    struct place at = {.vfs = v, .root = v->root, .start = v->root};
    struct dentry *d;
    if (*path == '/' && !vfs_walk(&at, path, WALK_DIRECTORY, &d)) {
        d->node->mode = S_IFDIR | (mode & 07777);
        d->node->uid = uid;
        d->node->gid = gid;
        dentry_put(d);
        return 0;
    }
    struct node *n;
    int error = put_node(v, path, &directory_ops, S_IFDIR | (mode & 07777), uid, gid, &n);
    return error ? error : place_node(v, path, n, 0, NULL);
}

int vfs_put_symlink(struct vfs *v, const char *path, const char *target)
{
    struct node *n;
    if (!*target || strnlen(target, VFS_PATH_MAX) >= VFS_PATH_MAX)
        return *target ? -ENAMETOOLONG : -ENOENT;
    int error = put_node(v, path, &link_ops, S_IFLNK | 0777, 0, 0, &n);
    if (error)
        return error;
    n->size = strlen(target);
    n->target = strdup(target);
    if (!n->target) {
        node_put(n);
        return -ENOMEM;
    }
    return place_node(v, path, n, 0, NULL);
}

int vfs_put_absent(struct vfs *v, const char *path)
{
    struct dentry *parent;
    const char *name;
    size_t length;
    int error = enter_parent(v, path, false, &parent, &name, &length);
    if (error == -ENOENT)
        return 0;
    if (!error && !length) {
        dentry_put(parent);
        error = -EBUSY;
    }
    if (error)
        return error;
    uint32_t hash = name_hash(v, name, length);
    struct dentry *d = dentry_new(parent, name, length, hash, NULL), *old = dentry_cached(parent, name, length, hash);
    if (d) {
        d->flags |= DENTRY_WHITEOUT | DENTRY_HIDDEN;
        error = dentry_attach(d);
        if (!error && old) {
            dentry_get(old);
            if (!(old->flags & DENTRY_LISTED) && old->node && node_is(old->node, S_IFDIR))
                node_link_directory(parent->node, -1);
            dentry_detach(old);
            directory_clear(old);
            dentry_put(old);
        }
        dentry_put(d);
    } else {
        error = -ENOMEM;
    }
    dentry_put(parent);
    return error;
}

int vfs_each_mount(struct vfs *v,
                   int (*each)(void *context, const char *device, const char *at, const char *type,
                               const char *options),
                   void *context)
{
    for (const struct fs *fs = v->filesystems; fs; fs = fs->next) {
        if (!fs->at)
            continue;
        const char *type = fs->type ? fs->type : fs->ops->type;
        int stop =
            each(context, fs->device ? fs->device : type, fs->at, type, fs->read_only ? "ro,relatime" : "rw,relatime");
        if (stop)
            return stop;
    }
    return 0;
}
