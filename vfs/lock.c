/* Advisory locks: record locks of processes and of open file descriptions (fcntl_locking(2)), and flock(2). Behaviour
 * follows Linux's fs/locks.c.
 *
 * A node keeps its locks from the first one until it dies (node->extra->locks). What has no node (pipes, sockets, anonymous inodes) is
 * told apart by its inode number; its locks are in a list of the world as long as there are any. Nothing waits here: who may not have
 * its lock is given the node's queue, which is woken whenever a lock there is given up. Waiting owners of process locks
 * stand in a graph of the world, so that a circle is found before it closes. */
#include "vfs/node.h"
#include "vfs/objects.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>

enum { MAX_LOCKS = 65536 /* of a world: ENOLCK beyond */ };

struct record { /* one stretch of one owner; stretches of an owner never overlap, and touch only with different types */
    struct record *next;
    const void *owner; /* a process's descriptor table, or, with ofd, the file itself */
    bool ofd;
    int16_t type; /* F_RDLCK, F_WRLCK */
    int32_t pid;
    int64_t start, end; /* inclusive; INT64_MAX is the end of the file, wherever that is */
};

struct whole { /* flock(2) */
    struct whole *next;
    const struct file *file;
    bool exclusive;
};

struct locks {
    struct locks *next; /* of the world's loose_locks, else NULL */
    uint64_t ino;
    struct record *records;
    struct whole *wholes;
    struct waitq changed;
};

struct lock_edge { /* waiter cannot go on before holder does */
    struct lock_edge *next;
    const void *waiter, *holder;
};

/* Both ends of a pipe are one inode, and all anonymous inodes (eventfd, epoll …) are one. */
static uint64_t loose_inode(struct file *f)
{
    struct statx st;
    return f->ops->stat && f->ops->stat(f, &st) == 0 ? st.stx_ino : 0;
}

static struct locks *locks_of(struct file *f)
{
    if (f->node)
        return f->node->extra ? f->node->extra->locks : NULL;
    struct locks *l = f->vfs->objects.loose_locks;
    for (uint64_t ino = l ? loose_inode(f) : 0; l && l->ino != ino;)
        l = l->next;
    return l;
}

static struct locks *locks_made(struct file *f)
{
    struct node_extra *extra = f->node ? node_extra(f->node) : NULL;
    struct locks *l = locks_of(f);
    if (l || (f->node && !extra) || !(l = calloc(1, sizeof *l)))
        return l;
    waitq_init(&l->changed);
    if (extra) {
        extra->locks = l;
    } else {
        l->ino = loose_inode(f);
        l->next = f->vfs->objects.loose_locks;
        f->vfs->objects.loose_locks = l;
    }
    return l;
}

/* Whoever still waits there looks again, and finds none. */
static void free_if_loose_and_empty(const struct file *f, struct locks *l)
{
    if (f->node || l->records || l->wholes)
        return;
    struct locks **at = &f->vfs->objects.loose_locks;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    waitq_destroy(&l->changed);
    free(l);
}

/* ---- ranges ---- */

/* The stretch a struct flock means: flock64_to_posix_lock. */
static int range_of(const struct file *f, const struct flock *lock, int64_t *start, int64_t *end)
{
    int64_t base = 0;
    if (lock->l_whence == SEEK_CUR)
        base = (int64_t)f->position;
    else if (lock->l_whence == SEEK_END)
        base = f->node ? (int64_t)f->node->size : 0;
    else if (lock->l_whence != SEEK_SET)
        return -EINVAL;
    if (lock->l_start > INT64_MAX - base)
        return -EOVERFLOW;
    *start = base + lock->l_start;
    if (*start < 0)
        return -EINVAL;
    if (lock->l_len > 0) {
        if (lock->l_len - 1 > INT64_MAX - *start)
            return -EOVERFLOW;
        *end = *start + lock->l_len - 1;
    } else if (lock->l_len < 0) {
        if (*start + lock->l_len < 0)
            return -EINVAL;
        *end = *start - 1;
        *start += lock->l_len;
    } else {
        *end = INT64_MAX;
    }
    return 0;
}

static bool same_owner(const struct record *r, const void *owner, bool ofd)
{
    return r->ofd == ofd && r->owner == owner;
}

static const struct record *conflict(const struct locks *l, const struct record *wanted)
{
    const struct record *r = l ? l->records : NULL;
    for (; r; r = r->next)
        if (!same_owner(r, wanted->owner, wanted->ofd) && r->start <= wanted->end && r->end >= wanted->start &&
            (r->type == F_WRLCK || wanted->type == F_WRLCK))
            return r;
    return NULL;
}

static void wake(struct locks *l)
{
    waitq_wake(&l->changed, EPOLLIN | EPOLLOUT);
}

static void drop_record(struct vfs *v, struct record **at)
{
    struct record *r = *at;
    *at = r->next;
    v->objects.lock_records--;
    free(r);
}

/* Beside the others of its owner, in order: the first that is in somebody's way is the one told (F_GETLK). */
static void add_record(struct vfs *v, struct locks *l, struct record *r)
{
    struct record **at = &l->records;
    while (*at && !same_owner(*at, r->owner, r->ofd))
        at = &(*at)->next;
    while (*at && same_owner(*at, r->owner, r->ofd) && (*at)->start < r->start)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    v->objects.lock_records++;
}

/* Puts `wanted` (type F_UNLCK: nothing) in the place of what its owner holds there. `spare`, and the record that
 * becomes wanted's own, are made before, so that this cannot fail half way. Says whether anything was given up. */
static bool replace(struct vfs *v, struct locks *l, struct record *wanted, struct record **spare)
{
    bool freed = false;
    for (struct record **at = &l->records, *r; (r = *at);) {
        bool overlaps = r->start <= wanted->end && r->end >= wanted->start;
        bool touches =
            (wanted->start > 0 && r->end == wanted->start - 1) || (r->start > 0 && r->start - 1 == wanted->end);
        if (!same_owner(r, wanted->owner, wanted->ofd) || (!overlaps && !(touches && r->type == wanted->type))) {
            at = &r->next;
            continue;
        }
        if (r->type == wanted->type) { /* one stretch from here on */
            wanted->start = r->start < wanted->start ? r->start : wanted->start;
            wanted->end = r->end > wanted->end ? r->end : wanted->end;
            drop_record(v, at);
            continue;
        }
        freed |= r->type == F_WRLCK || wanted->type == F_UNLCK;
        if (r->start < wanted->start && r->end > wanted->end) { /* cut in two */
            struct record *right = *spare;
            *spare = NULL;
            *right = *r;
            right->start = wanted->end + 1;
            r->end = wanted->start - 1;
            add_record(v, l, right);
            break;
        }
        if (r->start < wanted->start)
            r->end = wanted->start - 1;
        else if (r->end > wanted->end)
            r->start = wanted->end + 1;
        else {
            drop_record(v, at);
            continue;
        }
        at = &r->next;
    }
    return freed;
}

/* ---- who waits for whom ---- */

void lock_wait_ended(struct vfs *v, void *owner)
{
    for (struct lock_edge **at = &v->objects.lock_edges, *e; (e = *at);) {
        if (e->waiter != owner) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        free(e);
    }
}

/* Does somebody who waits for `owner`, at whatever distance, include `holder`? An owner whose tasks wait for several is
 * followed through the last of them, and no chain further than Linux follows it (MAX_DEADLK_ITERATIONS). */
static bool would_close_circle(const struct vfs *v, const void *owner, const void *holder)
{
    for (int i = 0; i < 10 && holder; i++) {
        const struct lock_edge *e = v->objects.lock_edges;
        while (e && e->waiter != holder)
            e = e->next;
        holder = e ? e->holder : NULL;
        if (holder == owner)
            return true;
    }
    return false;
}

static int start_waiting(struct vfs *v, const struct record *wanted, const struct record *other)
{
    if (wanted->ofd || other->ofd) /* fcntl_locking(2): no deadlock detection for these */
        return -EAGAIN;
    if (would_close_circle(v, wanted->owner, other->owner))
        return -EDEADLK;
    struct lock_edge *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    *e = (struct lock_edge){.next = v->objects.lock_edges, .waiter = wanted->owner, .holder = other->owner};
    v->objects.lock_edges = e;
    return -EAGAIN;
}

/* ---- fcntl(2) ---- */

int lock_get(struct file *f, struct flock *lock, void *owner, int32_t pid)
{
    struct record wanted = {.owner = owner ? owner : f, .ofd = !owner, .type = lock->l_type};
    if (f->flags & O_PATH)
        return -EBADF;
    if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK)
        return -EINVAL;
    int error = range_of(f, lock, &wanted.start, &wanted.end);
    if (error)
        return error;
    const struct record *r = conflict(locks_of(f), &wanted);
    if (!r) {
        lock->l_type = F_UNLCK;
        return 0;
    }
    *lock = (struct flock){
        .l_type = r->type,
        .l_whence = SEEK_SET,
        .l_start = r->start,
        .l_len = r->end == INT64_MAX ? 0 : r->end - r->start + 1,
        .l_pid = r->ofd ? -1 : r->pid,
    };
    return 0;
}

int lock_check(const struct file *f, const struct flock *lock)
{
    int64_t start, end;
    int mode = f->flags & O_ACCMODE;
    if (f->flags & O_PATH)
        return -EBADF;
    int error = range_of(f, lock, &start, &end);
    if (error)
        return error;
    if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK && lock->l_type != F_UNLCK)
        return -EINVAL;
    return (lock->l_type == F_RDLCK && mode == O_WRONLY) || (lock->l_type == F_WRLCK && mode == O_RDONLY) ? -EBADF : 0;
}

int lock_set(struct file *f, const struct flock *lock, void *owner, int32_t pid, bool would_wait,
             struct waitq **wait_on)
{
    struct record wanted = {.owner = owner ? owner : f, .ofd = !owner, .type = lock->l_type, .pid = pid};
    int error = lock_check(f, lock);
    if (error)
        return error;
    (void)range_of(f, lock, &wanted.start, &wanted.end);
    if (owner)
        lock_wait_ended(f->vfs, owner);
    struct locks *l = lock->l_type == F_UNLCK ? locks_of(f) : locks_made(f);
    if (!l)
        return lock->l_type == F_UNLCK ? 0 : -ENOLCK;
    const struct record *other = lock->l_type == F_UNLCK ? NULL : conflict(l, &wanted);
    if (other) {
        if (wait_on)
            *wait_on = &l->changed;
        return would_wait ? start_waiting(f->vfs, &wanted, other) : -EAGAIN;
    }
    bool unlocks = wanted.type == F_UNLCK;
    if (!unlocks && f->vfs->objects.lock_records >= MAX_LOCKS) {
        free_if_loose_and_empty(f, l);
        return -ENOLCK;
    }
    struct record *spare = calloc(1, sizeof *spare), *own = unlocks ? NULL : calloc(1, sizeof *own);
    if (!spare || (!own && !unlocks)) {
        free(spare);
        free(own);
        free_if_loose_and_empty(f, l);
        return -ENOLCK;
    }
    bool freed = replace(f->vfs, l, &wanted, &spare);
    if (own) {
        *own = wanted;
        add_record(f->vfs, l, own);
    }
    free(spare);
    if (freed)
        wake(l);
    free_if_loose_and_empty(f, l);
    return 0;
}

/* ---- flock(2) ---- */

static bool drop_whole(struct locks *l, const struct file *f)
{
    for (struct whole **at = &l->wholes, *w; (w = *at); at = &w->next) {
        if (w->file == f) {
            *at = w->next;
            free(w);
            return true;
        }
    }
    return false;
}

int lock_flock(struct file *f, int operation, struct waitq **wait_on)
{
    bool exclusive = operation == LOCK_EX;
    if (f->flags & O_PATH)
        return -EBADF;
    if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
        return -EINVAL;
    struct locks *l = operation == LOCK_UN ? locks_of(f) : locks_made(f);
    if (!l)
        return operation == LOCK_UN ? 0 : -ENOLCK;
    for (const struct whole *w = l->wholes; w; w = w->next)
        if (w->file == f && operation != LOCK_UN && w->exclusive == exclusive)
            return 0;
    /* A conversion gives the old lock up first, and may so lose it: flock(2). */
    if (drop_whole(l, f))
        wake(l);
    if (operation == LOCK_UN) {
        free_if_loose_and_empty(f, l);
        return 0;
    }
    for (const struct whole *w = l->wholes; w; w = w->next) {
        if (w->file != f && (w->exclusive || exclusive)) {
            if (wait_on)
                *wait_on = &l->changed;
            return -EAGAIN;
        }
    }
    struct whole *w = calloc(1, sizeof *w);
    if (!w) {
        free_if_loose_and_empty(f, l);
        return -ENOLCK;
    }
    *w = (struct whole){.next = l->wholes, .file = f, .exclusive = exclusive};
    l->wholes = w;
    return 0;
}

/* ---- ends
 * ---------------------------------------------------------------------------------------------------------------------
 */

static bool drop_owner(struct vfs *v, struct locks *l, const void *owner, bool ofd)
{
    bool any = false;
    for (struct record **at = &l->records; *at;) {
        if (same_owner(*at, owner, ofd)) {
            drop_record(v, at);
            any = true;
        } else {
            at = &(*at)->next;
        }
    }
    return any;
}

void lock_file_closed(struct file *f, void *owner)
{
    struct locks *l = locks_of(f);
    if (!l || !owner)
        return;
    if (drop_owner(f->vfs, l, owner, false))
        wake(l);
    free_if_loose_and_empty(f, l);
}

void lock_file_released(struct file *f)
{
    struct locks *l = locks_of(f);
    if (!l)
        return;
    bool any = drop_owner(f->vfs, l, f, true);
    any |= drop_whole(l, f);
    if (any)
        wake(l);
    free_if_loose_and_empty(f, l);
}

void lock_node_released(struct node *n)
{
    struct locks *l = n->extra->locks;
    waitq_destroy(&l->changed);
    while (l->records)
        drop_record(node_vfs(n), &l->records);
    while (l->wholes)
        drop_whole(l, l->wholes->file);
    free(l);
    n->extra->locks = NULL;
}
