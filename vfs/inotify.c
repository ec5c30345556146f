/* inotify(7). Behaviour follows Linux's fs/notify/inotify.
 *
 * A watch hangs on two lists: its node's, where events find it, and its instance's table, where its descriptor finds
 * it. It holds the node, so that a watched file cannot be forgotten and found again as another. What is not read waits
 * in the instance's queue, bounded; the same event twice in a row is one. */
#include "vfs/node.h"
#include "vfs/objects.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

enum {
    MAX_QUEUED = 16384,     /* /proc/sys/fs/inotify/max_queued_events */
    MAX_INSTANCES = 128,    /* of a world; /proc/sys/fs/inotify/max_user_instances */
    MAX_WATCHES = 65536,    /* of a world; /proc/sys/fs/inotify/max_user_watches */
    WORLD_QUEUED = 1 << 17, /* in all queues, which are the supervisor's memory; Linux has its memory cgroup for it */
    TABLE_SIZE = 64,        /* of a new instance; a power of two */
};

/* Told to who watches the parent directory alone, or the node alone; all others to both. */
static const uint32_t PARENT_ONLY = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
static const uint32_t SELF_ONLY = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

struct event {
    struct event *next;
    int32_t wd;
    uint32_t mask, cookie;
    uint32_t length; /* of the name, without its NUL */
    char name[];
};

struct watch {
    struct inotify *instance;
    struct node *node; /* borrowed: a node that goes ends its watches */
    int32_t wd;
    uint32_t mask;
    struct watch *node_next;  /* of the same node */
    struct watch *table_next; /* of the same instance, same slot */
};

struct inotify {
    struct vfs *vfs;
    struct waitq wait;
    struct event *first, *last;
    uint32_t queued;
    bool overflowed; /* the overflow itself stands in the queue */
    uint64_t bytes;  /* that a read of everything would give */
    int32_t next_wd;
    struct watch **table; /* by wd */
    uint32_t table_size, count;
};

static const struct file_ops inotify_ops;

bool file_is_inotify(const struct file *f)
{
    return f->ops == &inotify_ops;
}

/* ---- the queue ---- */

static size_t padded_name(const struct event *e)
{
    size_t unit = sizeof(struct inotify_event);
    return e->length ? (e->length + 1 + unit - 1) / unit * unit : 0;
}

static size_t event_size(const struct event *e)
{
    return sizeof(struct inotify_event) + padded_name(e);
}

static bool repeats(const struct event *e, int32_t wd, uint32_t mask, const char *name, size_t length)
{
    return e && !(e->mask & IN_IGNORED) && e->wd == wd && e->mask == mask && e->length == length &&
           !memcmp(e->name, name, length);
}

static void queue_event(struct inotify *n, int32_t wd, uint32_t mask, uint32_t cookie, const char *name)
{
    name = name ? name : "";
    size_t length = strlen(name);
    if (repeats(n->last, wd, mask, name, length))
        return;
    uint32_t *all = &n->vfs->objects.inotify_queued;
    if (n->queued >= MAX_QUEUED || *all >= WORLD_QUEUED) {
        if (n->overflowed)
            return;
        n->overflowed = true;
        wd = -1;
        mask = IN_Q_OVERFLOW;
        cookie = 0;
        length = 0;
    }
    struct event *e = malloc(sizeof *e + length + 1);
    if (!e) /* as when the kernel has no memory: the event is lost, and the reader is told so when it can be */
        return;
    *e = (struct event){.wd = wd, .mask = mask, .cookie = cookie, .length = (uint32_t)length};
    if (length)
        memcpy(e->name, name, length);
    e->name[length] = 0;
    *(n->last ? &n->last->next : &n->first) = e;
    n->last = e;
    n->queued++;
    ++*all;
    n->bytes += event_size(e);
    waitq_wake(&n->wait, EPOLLIN | EPOLLRDNORM);
}

static void drop_first(struct inotify *n)
{
    struct event *e = n->first;
    n->first = e->next;
    if (!n->first)
        n->last = NULL;
    n->queued--;
    n->vfs->objects.inotify_queued--;
    n->bytes -= event_size(e);
    if (e->mask & IN_Q_OVERFLOW)
        n->overflowed = false;
    free(e);
}

static ssize_t inotify_read(struct file *f, struct io *io, uint64_t *position)
{
    struct inotify *n = f->private;
    size_t done = 0;
    if (!n->first)
        return -EAGAIN;
    while (n->first && event_size(n->first) <= io->left) {
        char bytes[sizeof(struct inotify_event) + VFS_NAME_MAX + 1 + sizeof(struct inotify_event)] = {0};
        const struct event *e = n->first;
        struct inotify_event head = {
            .wd = e->wd, .mask = e->mask, .cookie = e->cookie, .len = (uint32_t)padded_name(e)};
        memcpy(bytes, &head, sizeof head);
        memcpy(bytes + sizeof head, e->name, e->length);
        size_t size = event_size(e);
        ssize_t put = io_put(io, bytes, size);
        if (put != (ssize_t)size)
            return done ? (ssize_t)done : -EFAULT;
        drop_first(n);
        done += size;
    }
    return done ? (ssize_t)done : -EINVAL;
}

static uint32_t inotify_poll(struct file *f, struct poll_table *t)
{
    struct inotify *n = f->private;
    poll_on(t, &n->wait);
    return n->first ? EPOLLIN | EPOLLRDNORM : 0;
}

static int64_t inotify_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                             const struct cred *c)
{
    const struct inotify *n = f->private;
    int bytes = (int)n->bytes;
    return command == FIONREAD ? m->write(m, argument, &bytes, sizeof bytes) : -ENOTTY;
}

/* ---- watches ---- */

static struct watch **slot(const struct inotify *n, int32_t wd)
{
    return &n->table[(uint32_t)wd & (n->table_size - 1)];
}

static struct watch *find(const struct inotify *n, int32_t wd)
{
    struct watch *w = *slot(n, wd);
    while (w && w->wd != wd)
        w = w->table_next;
    return w;
}

static void table_grow(struct inotify *n)
{
    struct watch **old = n->table, **table = calloc(n->table_size * 2, sizeof(struct watch *));
    uint32_t old_size = n->table_size;
    if (!table) /* slower, not wrong */
        return;
    n->table = table;
    n->table_size *= 2;
    for (uint32_t i = 0; i < old_size; i++) {
        for (struct watch *w = old[i], *next; w; w = next) {
            next = w->table_next;
            w->table_next = *slot(n, w->wd);
            *slot(n, w->wd) = w;
        }
    }
    free(old);
}

static struct watch *watches_of(const struct node *node)
{
    return node->extra ? node->extra->watches : NULL;
}

static void remove_watch(struct watch *w)
{
    struct watch *first = watches_of(w->node), **at = &first;
    while (*at != w) /* NOLINT(clang-analyzer-core.NullDereference): a watch is in its node's list */
        at = &(*at)->node_next;
    *at = w->node_next;
    w->node->extra->watches = first;
    for (at = slot(w->instance, w->wd); *at != w; at = &(*at)->table_next) {
    }
    *at = w->table_next;
    w->instance->count--;
    w->instance->vfs->watches--;
    free(w);
}

static void end_watch(struct watch *w)
{
    struct inotify *n = w->instance;
    int32_t wd = w->wd;
    remove_watch(w);
    queue_event(n, wd, IN_IGNORED, 0, NULL);
}

static int new_watch(struct inotify *n, struct node *node, uint32_t mask)
{
    struct node_extra *extra = node_extra(node);
    struct watch *w = extra ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return -ENOMEM;
    if (n->vfs->watches >= MAX_WATCHES) {
        free(w);
        return -ENOSPC;
    }
    if (n->count >= n->table_size)
        table_grow(n);
    do /* cyclic, as idr_alloc_cyclic: a number comes again only after all others */
        n->next_wd = n->next_wd == INT32_MAX ? 1 : n->next_wd + 1;
    while (find(n, n->next_wd));
    *w = (struct watch){.instance = n, .node = node, .wd = n->next_wd, .mask = mask};
    w->node_next = extra->watches;
    extra->watches = w;
    w->table_next = *slot(n, w->wd);
    *slot(n, w->wd) = w;
    n->count++;
    n->vfs->watches++;
    return w->wd;
}

int inotify_add(struct file *inotify, struct dentry *d, uint32_t mask)
{
    const uint32_t kept = IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK;
    struct inotify *n = inotify->private;
    if (!file_is_inotify(inotify))
        return -EINVAL;
    struct node *node = dentry_node(d);
    if ((mask & IN_ONLYDIR) && !node_is(node, S_IFDIR))
        return -ENOTDIR;
    for (struct watch *w = watches_of(node); w; w = w->node_next) {
        if (w->instance != n)
            continue;
        if (mask & IN_MASK_CREATE)
            return -EEXIST;
        w->mask = (mask & IN_MASK_ADD ? w->mask : 0) | (mask & kept);
        return w->wd;
    }
    return new_watch(n, node, mask & kept);
}

int inotify_remove(struct file *inotify, int wd)
{
    if (!file_is_inotify(inotify))
        return -EINVAL;
    struct watch *w = find(inotify->private, wd);
    if (!w)
        return -EINVAL;
    end_watch(w);
    return 0;
}

/* ---- events ---- */

static void tell(struct node *node, uint32_t mask, uint32_t cookie, const char *name, bool unlinked)
{
    for (struct watch *w = watches_of(node), *next; w; w = next) {
        next = w->node_next;
        if (!(w->mask & mask & IN_ALL_EVENTS) || (unlinked && (w->mask & IN_EXCL_UNLINK)))
            continue;
        queue_event(w->instance, w->wd, mask, cookie, name);
        if (w->mask & IN_ONESHOT)
            end_watch(w);
    }
}

void inotify_event(struct dentry *d, uint32_t mask, uint32_t move)
{
    struct node *node = dentry_node(d), *parent = d->parent ? dentry_node(d->parent) : NULL;
    if (parent && !(mask & SELF_ONLY))
        tell(parent, mask, move, d->name, (d->flags & DENTRY_UNLINKED) && !(mask & PARENT_ONLY));
    if (!node || (mask & PARENT_ONLY))
        return;
    if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
        mask &= ~(uint32_t)IN_ISDIR;
    tell(node, mask, 0, NULL, false);
}

void inotify_self_event(struct node *n, uint32_t mask)
{
    tell(n, mask | (node_is(n, S_IFDIR) ? IN_ISDIR : 0), 0, NULL, false);
}

void inotify_node_released(struct node *n)
{
    if (n->nlink == 0)
        tell(n, IN_DELETE_SELF, 0, NULL, false);
    while (watches_of(n))
        end_watch(watches_of(n));
}

/* ---- instances ---- */

static void inotify_release(struct file *f)
{
    struct inotify *n = f->private;
    for (uint32_t i = 0; i < n->table_size; i++)
        while (n->table[i])
            remove_watch(n->table[i]); /* NOLINT(clang-analyzer-unix.Malloc): which takes it out of the table */
    while (n->first)
        drop_first(n);
    waitq_destroy(&n->wait);
    n->vfs->objects.inotify_instances--;
    free(n->table);
    free(n);
}

static const struct file_ops inotify_ops = {
    .kind = "inotify",
    .seek_ignored = true,
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
};

int inotify_new(struct vfs *v, int flags, struct file **out)
{
    if (v->objects.inotify_instances >= MAX_INSTANCES)
        return -EMFILE;
    struct inotify *n = calloc(1, sizeof *n);
    struct watch **table = calloc(TABLE_SIZE, sizeof *table);
    struct file *f = n && table ? file_new(v, &inotify_ops, O_RDONLY | (flags & O_NONBLOCK), n) : NULL;
    if (!f) {
        free(n);
        free(table);
        return -ENOMEM;
    }
    v->objects.inotify_instances++;
    n->vfs = v;
    n->table = table;
    n->table_size = TABLE_SIZE;
    waitq_init(&n->wait);
    *out = f;
    return 0;
}
