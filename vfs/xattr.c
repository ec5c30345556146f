/* Extended attributes: xattr(7). A list per node, bounded as the kernel bounds it, charged to the filesystem. The
 * host's own attributes are not shown. */
#include "vfs/node.h"

#include <linux/capability.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/xattr.h>

enum { VALUE_MOST = 65536, LIST_MOST = 65536, OVERHEAD = 64 };

struct xattr {
    struct xattr *next;
    char *name;
    size_t size;
    uint64_t charged;
    struct fs *fs;
    uint8_t value[];
};

static void one_free(struct xattr *x)
{
    fs_refund(x->fs, x->charged);
    free(x->name);
    free(x);
}

void xattr_free(struct node_extra *extra)
{
    for (struct xattr *x = extra->xattrs, *next; x; x = next) {
        next = x->next;
        one_free(x);
    }
    extra->xattrs = NULL;
}

static struct xattr **find(struct node *n, const char *name)
{
    struct xattr **link = &n->extra->xattrs;
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static bool has_prefix(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* xattr_resolve_name: which names somebody keeps. */
static int resolve(const char *name)
{
    static const char *const kept[] = {"trusted.", "security.", "user."};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (has_prefix(name, kept[i]))
            return name[strlen(kept[i])] ? 0 : -EINVAL;
    return -EOPNOTSUPP;
}

/* The kernel's xattr_permission (fs/xattr.c). missing: what a reader is told where the namespace is closed. */
static int permitted(const struct node *n, const struct cred *c, const char *name, bool write)
{
    if (!*name || strnlen(name, XATTR_NAME_MAX + 1) > XATTR_NAME_MAX)
        return -ERANGE;
    if (write && node_writable(n))
        return -EROFS;
    if (has_prefix(name, "system."))
        return -EOPNOTSUPP;
    if (has_prefix(name, "trusted."))
        return cred_has(c, CAP_SYS_ADMIN) ? resolve(name) : write ? -EPERM : -ENODATA;
    if (has_prefix(name, "security."))
        return !write || cred_has(c, CAP_SYS_ADMIN) ? resolve(name) : -EPERM;
    if (has_prefix(name, "user.")) {
        if (!node_is(n, S_IFREG) && !node_is(n, S_IFDIR))
            return write ? -EPERM : -ENODATA;
        if (write && node_is(n, S_IFDIR) && n->mode & S_ISVTX && !cred_owns(c, n))
            return -EPERM;
    }
    int error = node_permission(n, c, write ? MAY_WRITE : MAY_READ);
    return error ? error : resolve(name);
}

static int find_node(const struct place *at, const char *path, unsigned flags, struct walked *w)
{
    int error = walk(at, path, flags & (WALK_NOFOLLOW | WALK_EMPTY_PATH), 0, w);
    if (!error && !w->dentry) {
        walked_release(w);
        error = -EOPNOTSUPP;
    }
    return error;
}

static ssize_t get(struct node *n, const struct cred *c, const char *name, void *value, size_t size)
{
    int error = permitted(n, c, name, false);
    if (error)
        return error;
    const struct xattr *x = n->extra ? *find(n, name) : NULL;
    if (!x)
        return -ENODATA;
    if (size == 0)
        return (ssize_t)x->size;
    if (size < x->size)
        return -ERANGE;
    memcpy(value, x->value, x->size);
    return (ssize_t)x->size;
}

static int set(struct node *n, const struct cred *c, const char *name, const void *value, size_t size, int flags)
{
    if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    if (size > VALUE_MOST)
        return -E2BIG;
    int error = permitted(n, c, name, true);
    if (error)
        return error;
    if (!node_extra(n))
        return -ENOMEM;
    struct xattr **link = find(n, name), *old = *link;
    if (old && flags & XATTR_CREATE)
        return -EEXIST;
    if (!old && flags & XATTR_REPLACE)
        return -ENODATA;
    size_t names = strlen(name) + 1, total = size + names;
    for (const struct xattr *x = n->extra->xattrs; x; x = x->next)
        total += x == old ? 0 : x->size + strlen(x->name) + 1;
    if (total > LIST_MOST * 2)
        return -ENOSPC;
    bool giving = node_vfs(n)->giving;
    uint64_t charge = giving ? 0 : size + names + OVERHEAD;
    error = fs_charge(n->fs, charge);
    if (error)
        return error;
    struct xattr *x = malloc(sizeof *x + size);
    char *copy = strdup(name);
    if (!x || !copy) {
        free(x);
        free(copy);
        fs_refund(n->fs, charge);
        return -ENOMEM;
    }
    *x = (struct xattr){.name = copy, .size = size, .charged = charge, .fs = n->fs, .next = old ? old->next : NULL};
    if (size)
        memcpy(x->value, value, size);
    *link = x;
    if (old)
        one_free(old);
    return 0;
}

static void changed(struct dentry *d)
{
    if (!node_vfs(d->node)->giving)
        d->node->flags |= NODE_ATTRIBUTES;
    node_touch(d->node, false);
    node_event(d, node_is(d->node, S_IFDIR) ? IN_ATTRIB | IN_ISDIR : IN_ATTRIB);
}

ssize_t vfs_getxattr(const struct place *at, const char *path, unsigned walk_flags, const char *name, void *value,
                     size_t size)
{
    struct walked w;
    int error = find_node(at, path, walk_flags, &w);
    if (error)
        return error;
    ssize_t got = get(w.dentry->node, at->cred, name, value, size);
    walked_release(&w);
    return got;
}

int vfs_setxattr(const struct place *at, const char *path, unsigned walk_flags, const char *name, const void *value,
                 size_t size, int flags)
{
    struct walked w;
    int error = find_node(at, path, walk_flags, &w);
    if (error)
        return error;
    error = set(w.dentry->node, at->cred, name, value, size, flags);
    if (!error)
        changed(w.dentry);
    walked_release(&w);
    return error;
}

ssize_t vfs_listxattr(const struct place *at, const char *path, unsigned walk_flags, char *list, size_t size)
{
    struct walked w;
    size_t total = 0;
    int error = find_node(at, path, walk_flags, &w);
    if (error)
        return error;
    const struct node_extra *extra = w.dentry->node->extra;
    for (const struct xattr *x = extra ? extra->xattrs : NULL; x && !error; x = x->next) {
        size_t length = strlen(x->name) + 1;
        if (has_prefix(x->name, "trusted.") && !cred_has(at->cred, CAP_SYS_ADMIN))
            continue;
        if (size > 0 && total + length > size)
            error = -ERANGE;
        else if (size > 0)
            memcpy(list + total, x->name, length);
        total += length;
    }
    walked_release(&w);
    return error ? error : (ssize_t)total;
}

int vfs_removexattr(const struct place *at, const char *path, unsigned walk_flags, const char *name)
{
    struct walked w;
    int error = find_node(at, path, walk_flags, &w);
    if (error)
        return error;
    struct node *n = w.dentry->node;
    error = permitted(n, at->cred, name, true);
    struct xattr **link = !error && n->extra ? find(n, name) : NULL;
    if (!error && (!link || !*link))
        error = -ENODATA;
    if (!error) {
        struct xattr *x = *link;
        *link = x->next;
        one_free(x);
        changed(w.dentry);
    }
    walked_release(&w);
    return error;
}

int xattr_give(struct node *n, const char *name, const void *value, size_t size)
{
    return set(n, NULL, name, value, size, 0);
}

int xattr_each(const struct node *n, int (*each)(void *context, const char *name, const void *value, size_t size),
               void *context)
{
    for (const struct xattr *x = n->extra ? n->extra->xattrs : NULL; x; x = x->next) {
        int stop = each(context, x->name, x->value, x->size);
        if (stop)
            return stop;
    }
    return 0;
}
