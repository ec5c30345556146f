/* rename(2), renameat2(2). The checks come in the kernel's order (fs/namei.c, do_renameat2 and vfs_rename); everything
 * that can fail for want of memory happens before the first name moves. */
#include "vfs/node.h"

#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

static bool is_directory(const struct dentry *d)
{
    return node_is(d->node, S_IFDIR);
}

static bool is_above(const struct dentry *above, const struct dentry *d)
{
    for (; d; d = d->parent) {
        if (d == above)
            return true;
    }
    return false;
}

static int check_names(const struct walked *from, const struct walked *to, unsigned flags)
{
    const struct dentry *old = from->dentry, *new = to->dentry;
    if (!old)
        return -ENOENT;
    if (flags & RENAME_NOREPLACE && new)
        return -EEXIST;
    if (flags & RENAME_EXCHANGE && !new)
        return -ENOENT;
    if (flags & RENAME_EXCHANGE && !is_directory(new) && to->slash)
        return -ENOTDIR;
    if (!is_directory(old) && (from->slash || (!(flags & RENAME_EXCHANGE) && to->slash)))
        return -ENOTDIR;
    if (is_above(old, to->parent))
        return -EINVAL;
    if (new &&is_above(new, from->parent))
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int check_permission(const struct walked *from, const struct walked *to, unsigned flags, const struct cred *c)
{
    const struct dentry *old = from->dentry, *new = to->dentry;
    int error = may_delete(from->parent, from->dentry, c);
    if (error)
        return error;
    if (!new)
        error = may_create(to->parent, c);
    else
        error = may_delete(to->parent, to->dentry, c);
    if (error)
        return error;
    if (new && !(flags & RENAME_EXCHANGE) && is_directory(old) != is_directory(new))
        return is_directory(old) ? -ENOTDIR : -EISDIR;
    if (from->parent != to->parent) {
        /* A directory that moves is written to: its ".." changes. */
        if (is_directory(old))
            error = node_permission(old->node, c, MAY_WRITE);
        if (!error && flags & RENAME_EXCHANGE && is_directory(new))
            error = node_permission(new->node, c, MAY_WRITE);
        if (error)
            return error;
    }
    if ((old->flags | (new ? new->flags : 0)) & DENTRY_MOUNT)
        return -EBUSY;
    if (!(old->flags & DENTRY_HASHED) || directory_is_closed(from->parent->node) ||
        directory_is_closed(to->parent->node))
        return -EPERM;
    if (new && !(flags & RENAME_EXCHANGE) && is_directory(new) && !directory_empty(to->dentry))
        return -ENOTEMPTY;
    return 0;
}

static const uint16_t place_flags = DENTRY_GIVEN | DENTRY_HIDDEN; /* these belong to the place, not to what is there */

static void put_at(struct dentry *d, struct dentry *parent, char *name, size_t length, uint32_t hash, uint16_t flags,
                   uint8_t type)
{
    dentry_rename(d, parent, name, length, hash);
    d->flags = (uint16_t)((d->flags & ~(place_flags | DENTRY_REPLACED)) | (flags & place_flags) | DENTRY_REPLACED);
    d->type = type;
    dentry_attach(d); /* room was reserved */
}

/* Of what is, or was, where d is now. */
static void tell_of(struct dentry *d, const struct dentry *what, uint32_t mask, uint32_t move)
{
    if (node_vfs(d->node)->watches)
        inotify_event(d, mask | (is_directory(what) && mask != IN_MOVE_SELF && mask != IN_DELETE_SELF ? IN_ISDIR : 0),
                      move);
}

static void tell(struct dentry *d, uint32_t mask, uint32_t move)
{
    tell_of(d, d, mask, move);
}

static void touch_parents(const struct walked *from, const struct walked *to)
{
    node_touch(from->parent->node, true);
    node_touch(to->parent->node, true);
}

static int exchange(struct walked *from, struct walked *to)
{
    struct dentry *a = from->dentry, *b = to->dentry;
    char *a_name = strdup(to->name), *b_name = strdup(from->name);
    if (!a_name || !b_name || directory_reserve(from->parent, 2) || directory_reserve(to->parent, 2)) {
        free(a_name);
        free(b_name);
        return -ENOMEM;
    }
    uint16_t a_place = a->flags, b_place = b->flags;
    uint8_t a_type = dentry_given_type(a), b_type = dentry_given_type(b);
    uint32_t first = ++node_vfs(a->node)->next_move, second = ++node_vfs(a->node)->next_move;
    tell(a, IN_MOVED_FROM, first);
    dentry_detach(a);
    dentry_detach(b);
    put_at(a, to->parent, a_name, to->length, to->hash, b_place, b_type);
    put_at(b, from->parent, b_name, from->length, from->hash, a_place, a_type);
    node_link_directory(from->parent->node, is_directory(b) - is_directory(a));
    node_link_directory(to->parent->node, is_directory(a) - is_directory(b));
    node_touch(a->node, false);
    node_touch(b->node, false);
    touch_parents(from, to);
    tell(a, IN_MOVED_TO, first); /* one move after the other: fs/namei.c, vfs_rename */
    tell(a, IN_MOVE_SELF, 0);
    tell_of(a, b, IN_MOVED_FROM, second);
    tell(b, IN_MOVED_TO, second);
    tell(b, IN_MOVE_SELF, 0);
    return 0;
}

static int move(struct walked *from, struct walked *to)
{
    struct dentry *old = from->dentry, *new = to->dentry;
    struct dentry *there = dentry_cached(to->parent, to->name, to->length, to->hash); /* new, or a negative one */
    uint16_t from_place = old->flags, to_place = there ? there->flags : 0;
    uint8_t from_type = dentry_given_type(old), to_type = there ? dentry_given_type(there) : 0;
    struct dentry *absent = dentry_new(from->parent, old->name, old->length, old->hash, NULL);
    char *name = strdup(to->name);
    if (!absent || !name || directory_reserve(to->parent, 1)) {
        dentry_put(absent);
        free(name);
        return -ENOMEM;
    }
    uint32_t cookie = ++node_vfs(old->node)->next_move;
    bool directory = is_directory(old);
    tell(old, IN_MOVED_FROM, cookie);
    dentry_detach(old);
    if (there)
        dentry_detach(there); /* when it is negative, that was its end */
    if (new) {
        new->flags |= DENTRY_UNLINKED;
        directory_clear(new);
        if (is_directory(new))
            new->node->nlink = 0;
        else
            node_unlinked(new->node);
        node_touch(new->node, false);
    }
    put_at(old, to->parent, name, to->length, to->hash, to_place, to_type);
    absent->type = from_type;
    if (from_place & place_flags)
        absent->flags = (uint16_t)(DENTRY_WHITEOUT | (from_place & place_flags));
    if (from_place & place_flags || !from->parent->children->complete)
        dentry_attach(absent); /* negative, into a table that stands */
    dentry_put(absent);
    node_link_directory(from->parent->node, -directory);
    node_link_directory(to->parent->node, directory - (new &&is_directory(new)));
    node_touch(old->node, false);
    touch_parents(from, to);
    tell(old, IN_MOVED_TO, cookie);
    if (new && !is_directory(new))
        inotify_self_event(new->node, IN_ATTRIB);
    tell(old, IN_MOVE_SELF, 0);
    return 0;
}

static const struct fs *filesystem_of(const struct walked *w)
{
    const struct dentry *d = w->parent ? w->parent : w->dentry;
    return d ? d->node->fs : NULL;
}

static int rename_walked(const struct place *at, struct walked *from, struct walked *to, unsigned flags)
{
    if (filesystem_of(from) != filesystem_of(to))
        return -EXDEV;
    if (!from->parent || !to->parent) {
        const struct walked *bad = from->parent ? to : from;
        return bad == to && flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    }
    int error = node_writable(from->parent->node);
    if (!error)
        error = check_names(from, to, flags);
    if (error)
        return error;
    if (to->dentry && to->dentry->node == from->dentry->node)
        return 0; /* two names of one file: rename(2) does nothing */
    error = check_permission(from, to, flags, at->cred);
    if (error)
        return error;
    return flags & RENAME_EXCHANGE ? exchange(from, to) : move(from, to);
}

int vfs_rename(const struct place *from, const char *oldpath, const struct place *to, const char *newpath,
               unsigned flags)
{
    struct walked old, new;
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int error = walk(from, oldpath, WALK_PARENT, 0, &old);
    if (error)
        return error;
    error = walk(to, newpath, WALK_PARENT, 0, &new);
    if (!error) {
        error = rename_walked(from, &old, &new, flags);
        walked_release(&new);
    }
    walked_release(&old);
    return error;
}
