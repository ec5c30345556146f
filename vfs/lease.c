/* Leases (fcntl(2), F_SETLEASE): an open file description is told, by a signal, before somebody opens its file in a way that
 * conflicts, and whoever opens waits until the lease is given up or its time is over. Behaviour follows Linux's fs/locks.c
 * (generic_add_lease, __break_lease).
 *
 * Who has a regular file open, and how, is counted at its node: a lease is only for who is alone with the file, and a
 * program that runs is not written to (ETXTBSY). */
#include "vfs/node.h"
#include "vfs/objects.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>

#define BREAK_TIME (45 * INT64_C(1000000000)) /* /proc/sys/fs/lease-break-time */

struct lease {
    struct lease *next;
    struct leases *of;
    struct file *file;               /* not referenced: its release ends the lease */
    int fd;                          /* for siginfo */
    int type;                        /* F_RDLCK, F_WRLCK */
    int64_t unlock_at, downgrade_at; /* CLOCK_MONOTONIC; 0: nobody asked */
    uint64_t timer;
};

struct leases {
    struct lease *first;
    struct waitq changed;
    const struct timer_clock *clock;
};

static struct leases *leases_of(const struct node *n)
{
    return n->extra ? n->extra->leases : NULL;
}

static bool wants_write(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY;
}

/* ---- who has it open ----------------------------------------------------------------------------------------- */

int file_count_open(struct file *f)
{
    struct node *n = f->node;
    int mode = f->flags & O_ACCMODE;
    if (f->ops != &regular_file_ops)
        return 0;
    if (mode == O_WRONLY || mode == O_RDWR) {
        if (n->writers < 0)
            return -ETXTBSY;
        n->writers++;
        f->counted = true;
    } else if (mode == O_RDONLY) {
        n->readers++;
        f->counted = true;
    }
    return 0;
}

void file_count_closed(struct file *f)
{
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        f->node->readers--;
    else
        f->node->writers--;
}

int vfs_execute(struct dentry *d)
{
    if (d->node->writers > 0)
        return -ETXTBSY;
    d->node->writers--;
    dentry_get(d);
    return 0;
}

void vfs_executed(struct dentry *d)
{
    d->node->writers++;
    dentry_put(d);
}

void vfs_truncate_waited(struct dentry *d)
{
    d->node->writers--;
    dentry_put(d);
}

struct waitq *vfs_leases(const struct dentry *d)
{
    return &leases_of(d->node)->changed;
}

/* ---- the life of a lease --------------------------------------------------------------------------------------- */

static void due(void *lease);

static void arm(struct lease *l)
{
    const struct timer_clock *clock = l->of->clock;
    int64_t when = l->unlock_at;
    if (l->downgrade_at && (!when || l->downgrade_at < when))
        when = l->downgrade_at;
    if (l->timer)
        clock->disarm(clock->context, l->timer);
    l->timer = when ? clock->arm(clock->context, CLOCK_MONOTONIC, when, due, l) : 0;
}

/* lease_modify: another type, or none. */
static void change(struct lease *l, int type)
{
    struct leases *all = l->of;
    l->type = type;
    l->downgrade_at = 0;
    if (type == F_UNLCK) {
        struct lease **at = &all->first;
        while (*at != l)
            at = &(*at)->next;
        *at = l->next;
        l->unlock_at = 0;
        arm(l);
        l->file->owner_pid = 0;
        l->file->owner_signal = 0;
        free(l);
    } else {
        arm(l);
    }
    waitq_wake(&all->changed, EPOLLIN | EPOLLOUT);
}

/* Its holder took too long. */
static void due(void *lease)
{
    struct lease *l = lease;
    l->timer = 0;
    int64_t now = l->of->clock->now(l->of->clock->context, CLOCK_MONOTONIC);
    if (l->unlock_at && l->unlock_at <= now)
        change(l, F_UNLCK);
    else if (l->downgrade_at && l->downgrade_at <= now)
        change(l, F_RDLCK);
    else
        arm(l);
}

static struct lease *held_by(const struct file *f)
{
    const struct leases *all = f->node ? leases_of(f->node) : NULL;
    struct lease *l = all ? all->first : NULL;
    while (l && l->file != f)
        l = l->next;
    return l;
}

void lease_file_released(struct file *f)
{
    struct lease *l = held_by(f);
    if (l)
        change(l, F_UNLCK);
}

void lease_node_released(struct node *n)
{
    waitq_destroy(&leases_of(n)->changed);
    free(n->extra->leases);
    n->extra->leases = NULL;
}

/* ---- fcntl(2) ---------------------------------------------------------------------------------------------------- */

int lease_get(const struct file *f)
{
    const struct lease *l = held_by(f);
    return !l || l->unlock_at ? F_UNLCK : l->downgrade_at ? F_RDLCK : l->type;
}

/* check_conflicting_open: nobody writes, or, for a lease to write, nobody else has it open at all. */
static bool somebody_is_in_the_way(const struct file *f, int type)
{
    const struct node *n = f->node;
    if (type == F_RDLCK)
        return n->writers > 0;
    int mode = f->flags & O_ACCMODE;
    bool writes = mode == O_WRONLY || mode == O_RDWR; /* a memfd does not count, and so is never alone */
    return n->writers != writes || n->readers != (mode == O_RDONLY);
}

int lease_set(struct file *f, int fd, int type, const struct cred *c, const struct timer_clock *clock)
{
    struct node *n = f->node;
    if (n && node_is(n, S_IFDIR))
        return -EINVAL;
    if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
        return -EINVAL;
    if (n && n->uid != c->fsuid && !cred_has(c, CAP_LEASE))
        return -EACCES;
    if (!n || f->ops != &regular_file_ops)
        return -EINVAL;
    struct lease *own = held_by(f);
    if (type == F_UNLCK) {
        if (own)
            change(own, F_UNLCK);
        return own ? 0 : -EAGAIN;
    }
    if (somebody_is_in_the_way(f, type))
        return -EAGAIN;
    struct node_extra *extra = node_extra(n);
    struct leases *all = extra ? extra->leases : NULL;
    for (const struct lease *l = all ? all->first : NULL; l; l = l->next)
        if (l != own && (type == F_WRLCK || l->unlock_at))
            return -EAGAIN;
    if (own) {
        change(own, type);
        return 0;
    }
    if (extra && !all && (all = calloc(1, sizeof *all))) {
        waitq_init(&all->changed);
        all->clock = clock;
        extra->leases = all;
    }
    struct lease *l = all ? malloc(sizeof *l) : NULL;
    if (!l)
        return -ENOMEM;
    *l = (struct lease){.next = all->first, .of = all, .file = f, .fd = fd, .type = type};
    all->first = l;
    return 0;
}

/* ---- who comes to the file ----------------------------------------------------------------------------------------- */

static bool conflicts(const struct lease *l, int flags)
{
    return l->type == F_WRLCK || wants_write(flags);
}

static bool any_conflicts(const struct leases *all, int flags)
{
    for (const struct lease *l = all->first; l; l = l->next)
        if (conflicts(l, flags))
            return true;
    return false;
}

struct waitq *lease_break(struct node *n, int flags)
{
    struct leases *all = leases_of(n);
    if (!all || !any_conflicts(all, flags))
        return NULL;
    int64_t when = all->clock->now(all->clock->context, CLOCK_MONOTONIC) + BREAK_TIME;
    const struct vfs_config *config = &node_vfs(n)->config;
    for (struct lease *l = all->first; l; l = l->next) {
        if (!conflicts(l, flags) || l->unlock_at || (!wants_write(flags) && l->downgrade_at))
            continue;
        *(wants_write(flags) ? &l->unlock_at : &l->downgrade_at) = when;
        arm(l);
        if (config->io_signal)
            config->io_signal(config->context, l->file, l->fd, POLL_MSG);
    }
    return &all->changed;
}

bool lease_open_waits(struct file *f, struct poll_table *t)
{
    struct leases *all = leases_of(f->node);
    if (all && any_conflicts(all, f->flags)) {
        poll_on(t, &all->changed);
        return true;
    }
    bool truncates = f->opening & O_TRUNC;
    f->opening = 0;
    if (truncates)
        (void)file_truncate_opened(f); /* to nothing: that takes no room */
    node_event(f->dentry, IN_OPEN);
    return false;
}
