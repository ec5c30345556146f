/* From a path to a dentry: path_resolution(7), and the RESOLVE_* flags of openat2(2).
 *
 * One loop over components, no recursion: what is left of a path when a symlink is followed waits on a small stack, as
 * in the kernel's link_path_walk (fs/namei.c). Names that were looked up before cost a hash probe; nothing is
 * allocated. */
#include "vfs/node.h"

#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>

struct walker {
    const struct place *at;
    unsigned flags;
    uint64_t resolve;
    struct dentry *root;               /* where ".." stops and "/" starts */
    struct dentry *here;               /* referenced */
    const char *path;                  /* what is left of the current text */
    const char *rest[VFS_SYMLINK_MAX]; /* what is left of the texts around it; never empty ones */
    char *owned[VFS_SYMLINK_MAX];      /* link texts made for this walk */
    int depth, texts, links;
    bool slash; /* the last component must be a directory: a slash follows it */
};

static void move_to(struct walker *w, struct dentry *to)
{
    dentry_get(to);
    dentry_put(w->here);
    w->here = to;
}

static int go_to_root(struct walker *w)
{
    if (w->resolve & RESOLVE_BENEATH)
        return -EXDEV;
    if (w->resolve & RESOLVE_NO_XDEV && w->here->node->fs != w->root->node->fs)
        return -EXDEV;
    move_to(w, w->root);
    return 0;
}

static int go_up(struct walker *w)
{
    if (w->here == w->root)
        return w->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
    struct dentry *up = w->here->parent;
    if (!up)
        return 0;
    if (w->resolve & RESOLVE_NO_XDEV && up->node->fs != w->here->node->fs)
        return -EXDEV;
    move_to(w, up);
    return 0;
}

/* A magic link leads to an object, not to a text (proc(5), /proc/PID/fd). 1: there is none here. */
static int follow_magic(struct walker *w, struct node *link, struct file **open_file)
{
    struct dentry *to = NULL;
    if (!link->ops->magic)
        return 1;
    int error = link->ops->magic(link, w->at->cred, &to, open_file);
    if (error == -EOPNOTSUPP)
        return 1;
    if (!error && w->resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        error = w->resolve & RESOLVE_NO_MAGICLINKS ? -ELOOP : -EXDEV;
    if (!error && to && w->resolve & RESOLVE_NO_XDEV && to->node->fs != link->fs)
        error = -EXDEV;
    if (error) {
        dentry_put(to);
        file_put(*open_file);
        *open_file = NULL;
        return error;
    }
    if (to) {
        dentry_put(w->here);
        w->here = to;
    }
    return 0;
}

/* Continue with a symlink's text; what follows the link in the current text waits. */
static int follow_text(struct walker *w, struct node *link, const char *rest)
{
    const char *target;
    char *owned;
    int error = node_readlink(link, w->at->cred, &target, &owned);
    if (error)
        return error;
    if (owned)
        w->owned[w->texts++] = owned;
    if (!*target)
        return -ENOENT;
    if (*rest)
        w->rest[w->depth++] = rest;
    w->path = target;
    return *target == '/' ? go_to_root(w) : 0;
}

static void name_of(struct walked *out, const char *name, size_t length, uint32_t hash)
{
    memcpy(out->name, name, length);
    out->name[length] = 0;
    out->length = (uint8_t)length;
    out->hash = hash;
}

static bool follows_last(const struct walker *w)
{
    if (w->flags & WALK_PARENT)
        return w->flags & WALK_FOLLOW_LAST &&
               !w->slash; /* open(2) with O_CREAT: a slash is EISDIR before anything else */
    return w->slash || !(w->flags & WALK_NOFOLLOW);
}

/* One component that is a name. 0: go on; 1: the walk has ended, out says where; -errno. */
static int step(struct walker *w, const char *name, size_t length, const char *rest, bool final, struct walked *out)
{
    struct dentry *child;
    uint32_t hash = name_hash(w->at->vfs, name, length);
    int error = dentry_child(w->here, name, length, hash, &child, NULL);
    if (error)
        return error;
    if (child && w->resolve & RESOLVE_NO_XDEV && child->flags & DENTRY_MOUNT) {
        dentry_put(child);
        return -EXDEV;
    }
    if (child && node_is(child->node, S_IFLNK) && (!final || follows_last(w))) {
        if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > VFS_SYMLINK_MAX) {
            dentry_put(child);
            return -ELOOP;
        }
        struct file *open_file = NULL;
        error = follow_magic(w, child->node, &open_file);
        if (error == 1) {
            error = follow_text(w, child->node, rest);
            dentry_put(child);
            return error;
        }
        dentry_put(child);
        if (error)
            return error;
        out->open_file = open_file;
        w->path = rest;
        if (final) {
            out->last = LAST_ROOT; /* a jump: there is no name to create or remove */
            return 1;
        }
        return open_file ? -ENOTDIR : 0;
    }
    if (final && w->flags & WALK_PARENT) {
        name_of(out, name, length, hash);
        out->last = LAST_NAME;
        dentry_get(w->here);
        out->parent = w->here;
        out->dentry = child;
        return 1;
    }
    if (!child)
        return -ENOENT;
    dentry_put(w->here);
    w->here = child;
    w->path = rest;
    return final;
}

static int run(struct walker *w, struct walked *out)
{
    out->last = LAST_ROOT;
    for (;;) {
        out->steady = out->steady && w->here->node->fs->ops->steady;
        while (*w->path == '/')
            w->path++;
        if (!*w->path) {
            if (w->depth == 0)
                return 0; /* "/", or a link to it at the end */
            w->path = w->rest[--w->depth];
            continue;
        }
        const char *name = w->path, *end = strchrnul(name, '/'), *rest = end;
        size_t length = (size_t)(end - name);
        while (*rest == '/')
            rest++;
        bool final = !*rest && w->depth == 0;
        if (final && *end)
            w->slash = true;
        if (!node_is(w->here->node, S_IFDIR))
            return -ENOTDIR;
        int error = node_permission(w->here->node, w->at->cred, MAY_EXECUTE);
        if (error)
            return error;
        if (length > VFS_NAME_MAX)
            return -ENAMETOOLONG;
        if (name[0] == '.' && length == 1) {
            out->last = LAST_DOT;
            w->path = rest;
        } else if (name[0] == '.' && name[1] == '.' && length == 2) {
            out->last = LAST_DOTDOT;
            w->path = rest;
            error = go_up(w);
        } else {
            out->last = LAST_NAME;
            error = step(w, name, length, rest, final, out);
            out->steady = out->steady && w->here->node->fs->ops->steady;
            if (error > 0)
                return 0;
        }
        if (error)
            return error;
    }
}

int walk(const struct place *at, const char *path, unsigned flags, uint64_t resolve, struct walked *out)
{
    struct walker w;
    w.at = at;
    w.flags = flags;
    w.resolve = resolve;
    w.root = resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH) ? at->start : at->root;
    w.here = at->start;
    w.path = path;
    w.depth = w.texts = w.links = 0;
    w.slash = false;
    out->parent = out->dentry = NULL;
    out->open_file = NULL;
    out->length = 0;
    out->steady = true;
    out->name[0] = 0;
    if (!*path && !(flags & WALK_EMPTY_PATH))
        return -ENOENT;
    if (strnlen(path, VFS_PATH_MAX) >= VFS_PATH_MAX)
        return -ENAMETOOLONG;
    dentry_get(w.here);
    int error = *path == '/' ? go_to_root(&w) : 0;
    if (!error)
        error = run(&w, out);
    out->slash = w.slash;
    if (!error && !out->parent && !out->open_file) {
        out->dentry = w.here;
        w.here = NULL;
    }
    if (!error && !(flags & WALK_PARENT) && (w.slash || flags & WALK_DIRECTORY) &&
        (out->open_file || !node_is(out->dentry->node, S_IFDIR)))
        error = -ENOTDIR;
    dentry_put(w.here);
    for (int i = 0; i < w.texts; i++)
        free(w.owned[i]);
    if (error)
        walked_release(out);
    return error;
}

void walked_release(struct walked *w)
{
    dentry_put(w->parent);
    dentry_put(w->dentry);
    file_put(w->open_file);
    w->parent = w->dentry = NULL;
    w->open_file = NULL;
}

int vfs_walk(const struct place *at, const char *path, unsigned flags, struct dentry **out)
{
    struct walked w;
    int error = walk(at, path, flags & ~(unsigned)(WALK_PARENT | WALK_FOLLOW_LAST), 0, &w);
    if (error)
        return error;
    if (w.open_file) { /* a pipe or socket behind /proc/PID/fd: there is no dentry to give */
        walked_release(&w);
        return -ENXIO;
    }
    *out = w.dentry;
    return 0;
}
