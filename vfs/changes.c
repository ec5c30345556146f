/* What the run created, changed, deleted or read, told by walking the tree: every dentry knows whether its name was
 * given, every node whether it was touched.
 *
 * Rules. A name that was not given is created, and so is everything below it (also what a renamed host directory
 * brought along: it is looked up now). A given name whose file is another one now, or was written to, or has other
 * attributes, is modified; if what stands there is of another type, or a new directory, it is deleted, then created. A
 * directory that was deleted is told once, without what it held. What lies so deep that no call can name its whole path (PATH_MAX) is left
 * out: paths of what goes on downwards without end would be longer than all else together. */
#include "vfs/node.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct frame {
    struct dentry **children; /* sorted by name; owned, each referenced */
    uint32_t count, next;
    size_t path_length; /* of the directory itself */
    bool created;       /* everything here is */
};

struct walk_state {
    int (*each)(void *context, enum change_kind kind, const char *path, struct dentry *d);
    void *context;
    struct frame *frames;
    size_t depth, room;
    char *path;
    size_t path_room;
};

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct dentry *const *)a)->name, (*(struct dentry *const *)b)->name);
}

/* A directory's frame. created: what is only listed is part of it, else it was never touched. */
static int enter(struct walk_state *s, struct dentry *dir, size_t path_length, bool created)
{
    if (created && !dir->node->ops->list) {
        int error = directory_populate(dir);
        if (error)
            return error;
    }
    if (s->depth == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct frame *frames = reallocarray(s->frames, room, sizeof *frames);
        if (!frames)
            return -ENOMEM;
        s->frames = frames;
        s->room = room;
    }
    const struct directory *c = dir->children;
    struct frame *f = &s->frames[s->depth];
    *f = (struct frame){.path_length = path_length, .created = created};
    f->children = calloc(c && c->count ? c->count : 1, sizeof *f->children);
    if (!f->children)
        return -ENOMEM;
    for (uint32_t i = 0; c && i <= c->mask; i++) {
        for (struct dentry *d = c->table[i]; d; d = d->hash_next) {
            bool told = dentry_positive(d) ? created || !(d->flags & DENTRY_LISTED)
                                           : d->flags & DENTRY_WHITEOUT && d->flags & DENTRY_GIVEN;
            if (told) {
                dentry_get(d);
                f->children[f->count++] = d;
            }
        }
    }
    qsort(f->children, f->count, sizeof *f->children, by_name);
    s->depth++;
    return 0;
}

static void leave(struct walk_state *s)
{
    struct frame *f = &s->frames[--s->depth];
    for (uint32_t i = f->next; i < f->count; i++)
        dentry_put(f->children[i]);
    free(f->children);
}

static int set_path(struct walk_state *s, size_t at, const struct dentry *d)
{
    size_t need = at + d->length + 2;
    if (need > s->path_room) {
        char *path = realloc(s->path, need * 2);
        if (!path)
            return -ENOMEM;
        s->path = path;
        s->path_room = need * 2;
    }
    s->path[at] = '/';
    memcpy(s->path + at + 1, d->name, (size_t)d->length + 1);
    return 0;
}

/* What is to be said of one name. *created: so is all that lies below. */
static int tell(struct walk_state *s, struct dentry *d, bool *created)
{
    if (!dentry_positive(d))
        return *created ? 0 : s->each(s->context, CHANGE_DELETED, s->path, NULL);
    const struct node *n = d->node;
    bool directory = node_is(n, S_IFDIR);
    int stop = 0;
    if (*created || !(d->flags & DENTRY_GIVEN)) {
        *created = true;
        return s->each(s->context, CHANGE_CREATED, s->path, d);
    }
    if (d->flags & DENTRY_REPLACED) {
        if (!directory && d->type == (n->mode & S_IFMT) >> 12)
            return s->each(s->context, CHANGE_MODIFIED, s->path, d);
        *created = true;
        stop = s->each(s->context, CHANGE_DELETED, s->path, NULL);
        return stop ? stop : s->each(s->context, CHANGE_CREATED, s->path, d);
    }
    if (n->flags & (NODE_DATA | NODE_ATTRIBUTES))
        stop = s->each(s->context, CHANGE_MODIFIED, s->path, d);
    if (!stop && n->flags & NODE_READ && !directory)
        stop = s->each(s->context, CHANGE_READ, s->path, d);
    return stop;
}

int changes_walk(struct vfs *v, int (*each)(void *context, enum change_kind kind, const char *path, struct dentry *d),
                 void *context)
{
    struct walk_state s = {.each = each, .context = context};
    int stop = enter(&s, v->root, 0, false);
    while (!stop && s.depth > 0) {
        struct frame *f = &s.frames[s.depth - 1];
        if (f->next == f->count) {
            leave(&s);
            continue;
        }
        struct dentry *d = f->children[f->next++];
        bool created = f->created;
        size_t length = f->path_length + 1 + d->length;
        if (length >= VFS_PATH_MAX) {
            dentry_put(d);
            continue;
        }
        stop = set_path(&s, f->path_length, d);
        if (!stop)
            stop = dentry_resolve(d);
        if (!stop)
            stop = tell(&s, d, &created);
        if (!stop && d->node && node_is(d->node, S_IFDIR) && !d->node->fs->ops->create)
            stop = enter(&s, d, length, created);
        dentry_put(d);
    }
    while (s.depth > 0)
        leave(&s);
    free(s.frames);
    free(s.path);
    return stop;
}

struct public_each {
    int (*each)(void *context, enum change_kind kind, const char *path, const struct statx *st);
    void *context;
};

static int with_stat(void *context, enum change_kind kind, const char *path, struct dentry *d)
{
    const struct public_each *p = context;
    struct statx st;
    if (d)
        node_stat(d->node, &st);
    return p->each(p->context, kind, path, d ? &st : NULL);
}

int vfs_each_change(struct vfs *v,
                    int (*each)(void *context, enum change_kind kind, const char *path, const struct statx *st),
                    void *context)
{
    struct public_each p = {.each = each, .context = context};
    return changes_walk(v, with_stat, &p);
}
