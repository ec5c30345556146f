/* epoll(7). Behaviour follows Linux's fs/eventpoll.c.
 *
 * An item (a target under a descriptor number) listens on every queue its target's poll names. A wake-up puts it on the
 * ready list; collecting asks the target again, and a level-triggered item that is still ready goes to the list's end,
 * so that whoever collects few events at a time hears of all. Targets are not referenced: when a target's last
 * reference goes, its items go (epoll_file_released).
 *
 * Epolls may watch epolls, at most five deep and never in a circle; a wake-up passes each of them once. */
#include "vfs/node.h"
#include "vfs/objects.h"

#include <stdlib.h>
#include <sys/epoll.h>

enum {
    MAX_NESTING = 5,    /* epolls in a chain: EP_MAX_NESTS + 1 */
    MAX_ITEMS = 400000, /* of a world: /proc/sys/fs/epoll/max_user_watches of a small machine */
    INLINE_WAITERS = 2, /* most files have one queue, some two */
};

/* What stays of an item's events when EPOLLONESHOT disables it. */
static const uint32_t PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
static const uint32_t EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

struct epoll;

struct epoll_item {
    struct epoll *epoll;
    struct file *target; /* borrowed */
    int fd;
    struct epoll_event event;
    struct epoll_item *hash_next;
    struct epoll_item *ready_next, *ready_prev;   /* valid when `ready` */
    struct epoll_item *target_next, *target_prev; /* all items of the same target */
    struct epoll_item *nested_next, *nested_prev; /* items of the same epoll whose target is an epoll */
    struct epoll_item *taken_before; /* of those that epoll_collect gave last: it, and what it listened to */
    uint32_t taken_events;
    bool ready;
    uint32_t waiter_count;
    struct waiter **more; /* beyond the inline ones; owned, as each of them is */
    struct waiter waiters[INLINE_WAITERS];
};

struct epoll {
    struct file *file;
    struct waitq wait;
    struct epoll_item **table; /* by descriptor and target; NULL while empty */
    uint32_t table_size, items;
    struct epoll_item *ready_first, *ready_last;
    uint32_t ready_count;
    struct epoll_item *nested;
    struct epoll_item *taken; /* the last that epoll_collect gave; good until anything else happens */
    uint64_t wave;            /* the last wake-up it passed on */
    uint64_t visit;           /* and the last check for loops that came by, with what it found */
    int depth;
};

static const struct file_ops epoll_ops;

bool file_is_epoll(const struct file *f)
{
    return f->ops == &epoll_ops;
}

/* ---- the ready list ---- */

/* Between these two, of which one or both are NULL. */
static void ready_put(struct epoll_item *i, struct epoll_item *after, struct epoll_item *before)
{
    struct epoll *e = i->epoll;
    i->ready = true;
    i->ready_next = before;
    i->ready_prev = after;
    *(after ? &after->ready_next : &e->ready_first) = i;
    *(before ? &before->ready_prev : &e->ready_last) = i;
    e->ready_count++;
}

static void ready_add(struct epoll_item *i)
{
    ready_put(i, i->epoll->ready_last, NULL);
}

static void ready_remove(struct epoll_item *i)
{
    struct epoll *e = i->epoll;
    if (!i->ready)
        return;
    *(i->ready_prev ? &i->ready_prev->ready_next : &e->ready_first) = i->ready_next;
    *(i->ready_next ? &i->ready_next->ready_prev : &e->ready_last) = i->ready_prev;
    i->ready = false;
    e->ready_count--;
}

/* Tells who waits for this epoll. Each epoll hears of one wake-up once, however many ways lead to it: a guest could
 * otherwise build a lattice of epolls in which one byte makes millions of calls. */
static void pass_on(struct epoll *e)
{
    struct objects *o = &e->file->vfs->objects;
    if (!o->epoll_depth)
        o->epoll_wave++;
    else if (e->wave == o->epoll_wave)
        return;
    e->wave = o->epoll_wave;
    o->epoll_depth++;
    waitq_wake(&e->wait, EPOLLIN | EPOLLRDNORM);
    o->epoll_depth--;
}

static void item_woken(struct waiter *w, uint32_t events)
{
    struct epoll_item *i = w->context;
    if (!(i->event.events & ~PRIVATE_BITS)) /* EPOLLONESHOT has fired */
        return;
    if (events && !(events & i->event.events))
        return;
    if (!i->ready)
        ready_add(i);
    pass_on(i->epoll);
}

/* ---- items ---- */

struct arming {
    struct poll_table table;
    struct epoll_item *item;
    bool failed;
};

static struct waiter *waiter_of(struct epoll_item *i, uint32_t n)
{
    return n < INLINE_WAITERS ? &i->waiters[n] : i->more[n - INLINE_WAITERS];
}

static void arm(struct poll_table *t, struct waitq *q)
{
    struct arming *a = t->context;
    struct epoll_item *i = a->item;
    if (i->waiter_count >= INLINE_WAITERS) {
        uint32_t extra = i->waiter_count - INLINE_WAITERS;
        struct waiter **more = realloc(i->more, (extra + 1) * sizeof *more);
        if (more)
            i->more = more;
        if (!more || !(more[extra] = calloc(1, sizeof **more))) {
            a->failed = true;
            return;
        }
    }
    struct waiter *w = waiter_of(i, i->waiter_count++);
    w->wake = item_woken;
    w->context = i;
    /* As add_wait_queue and its exclusive sister: who came last is told first, and so leads the ready lists. */
    if (i->event.events & EPOLLEXCLUSIVE)
        waitq_add(q, w);
    else
        waitq_add_first(q, w);
}

static uint32_t hash(const struct epoll *e, const struct file *target, int fd)
{
    uint64_t key = ((uint64_t)target->id << 20) ^ (uint32_t)fd;
    return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32) & (e->table_size - 1);
}

static int table_grow(struct epoll *e)
{
    uint32_t old_size = e->table_size;
    struct epoll_item **old = e->table, **table = calloc(old_size ? old_size * 2 : 8, sizeof(struct epoll_item *));
    if (!table)
        return -ENOMEM;
    e->table = table;
    e->table_size = old_size ? old_size * 2 : 8;
    for (uint32_t n = 0; n < old_size; n++) {
        for (struct epoll_item *i = old[n], *next; i; i = next) {
            struct epoll_item **at = &table[hash(e, i->target, i->fd)];
            next = i->hash_next;
            i->hash_next = *at;
            *at = i;
        }
    }
    free(old);
    return 0;
}

static struct epoll_item *find(const struct epoll *e, const struct file *target, int fd)
{
    struct epoll_item *i = e->table ? e->table[hash(e, target, fd)] : NULL;
    while (i && (i->target != target || i->fd != fd))
        i = i->hash_next;
    return i;
}

static void item_free(struct epoll_item *i)
{
    for (uint32_t n = 0; n < i->waiter_count; n++) {
        waiter_remove(waiter_of(i, n));
        if (n >= INLINE_WAITERS)
            free(waiter_of(i, n));
    }
    free(i->more);
    free(i);
}

static void remove_item(struct epoll_item *i)
{
    struct epoll *e = i->epoll;
    struct epoll_item **at = &e->table[hash(e, i->target, i->fd)];
    while (*at != i)
        at = &(*at)->hash_next;
    *at = i->hash_next;
    *(i->target_prev ? &i->target_prev->target_next : &i->target->epoll_items) = i->target_next;
    if (i->target_next)
        i->target_next->target_prev = i->target_prev;
    if (file_is_epoll(i->target)) {
        *(i->nested_prev ? &i->nested_prev->nested_next : &e->nested) = i->nested_next;
        if (i->nested_next)
            i->nested_next->nested_prev = i->nested_prev;
    }
    ready_remove(i);
    e->items--;
    e->file->vfs->objects.epoll_items--;
    item_free(i);
}

void epoll_file_released(struct file *f)
{
    while (f->epoll_items)
        remove_item(f->epoll_items);
}

/* ---- epolls that watch epolls ---- */

/* Longest chain of epolls that starts here and goes down to what is watched. `forbidden` on the way makes it too long:
 * that would be a circle. Every epoll is looked at once per check. */
static int depth_below(struct epoll *e, const struct epoll *forbidden, uint64_t visit)
{
    if (e == forbidden)
        return MAX_NESTING + 1;
    if (e->visit == visit)
        return e->depth;
    int deepest = 0;
    e->visit = visit;
    e->depth = 0;
    for (struct epoll_item *i = e->nested; i && deepest < MAX_NESTING; i = i->nested_next) {
        int depth = depth_below(i->target->private, forbidden, visit);
        deepest = depth > deepest ? depth : deepest;
    }
    return e->depth = deepest + 1;
}

static int depth_above(struct epoll *e, uint64_t visit)
{
    if (e->visit == visit)
        return e->depth;
    int highest = 0;
    e->visit = visit;
    e->depth = 0;
    for (struct epoll_item *i = e->file->epoll_items; i && highest < MAX_NESTING; i = i->target_next) {
        int depth = depth_above(i->epoll, visit);
        highest = depth > highest ? depth : highest;
    }
    return e->depth = highest + 1;
}

static bool too_deep(struct epoll *e, struct file *target)
{
    uint64_t *visit = &e->file->vfs->objects.epoll_wave; /* any number never used before */
    int below = depth_below(target->private, e, ++*visit);
    return below > MAX_NESTING || depth_above(e, ++*visit) + below > MAX_NESTING;
}

/* ---- epoll_ctl ---- */

static uint32_t item_events(const struct epoll_item *i)
{
    return file_poll(i->target, NULL) & i->event.events;
}

static void look_at(struct epoll_item *i, uint32_t events)
{
    if ((events & i->event.events) && !i->ready) {
        ready_add(i);
        pass_on(i->epoll);
    }
}

static int add_item(struct epoll *e, int fd, struct file *target, const struct epoll_event *event)
{
    struct objects *o = &e->file->vfs->objects;
    if (o->epoll_items >= MAX_ITEMS)
        return -ENOSPC;
    if (e->items >= e->table_size && table_grow(e))
        return -ENOMEM;
    struct epoll_item *i = calloc(1, sizeof *i);
    if (!i)
        return -ENOMEM;
    *i = (struct epoll_item){.epoll = e, .target = target, .fd = fd, .event = *event};
    i->event.events |= EPOLLERR | EPOLLHUP;
    struct epoll_item **at = &e->table[hash(e, target, fd)];
    i->hash_next = *at;
    *at = i;
    i->target_next = target->epoll_items;
    if (i->target_next)
        i->target_next->target_prev = i;
    target->epoll_items = i;
    if (file_is_epoll(target)) {
        i->nested_next = e->nested;
        if (i->nested_next)
            i->nested_next->nested_prev = i;
        e->nested = i;
    }
    e->items++;
    o->epoll_items++;
    struct arming a = {.table = {.add = arm}, .item = i};
    a.table.context = &a;
    uint32_t events = file_poll(target, &a.table);
    if (a.failed) {
        remove_item(i);
        return -ENOMEM;
    }
    look_at(i, events);
    return 0;
}

static int change_item(struct epoll_item *i, const struct epoll_event *event)
{
    if ((i->event.events | event->events) & EPOLLEXCLUSIVE)
        return -EINVAL;
    i->event = *event;
    i->event.events |= EPOLLERR | EPOLLHUP;
    look_at(i, file_poll(i->target, NULL));
    return 0;
}

int epoll_control(struct file *epoll, int operation, int fd, struct file *target, const struct epoll_event *event)
{
    if (!target->ops->poll)
        return -EPERM;
    if (epoll == target || !file_is_epoll(epoll))
        return -EINVAL;
    struct epoll *e = epoll->private;
    bool adds = operation == EPOLL_CTL_ADD;
    if (adds && (event->events & EPOLLEXCLUSIVE) && (file_is_epoll(target) || (event->events & ~EXCLUSIVE_OK)))
        return -EINVAL;
    if (adds && file_is_epoll(target) && too_deep(e, target))
        return -ELOOP;
    struct epoll_item *i = find(e, target, fd);
    switch (operation) {
    case EPOLL_CTL_ADD:
        return i ? -EEXIST : add_item(e, fd, target, event);
    case EPOLL_CTL_DEL:
        if (i)
            remove_item(i);
        return i ? 0 : -ENOENT;
    case EPOLL_CTL_MOD:
        if (i)
            return change_item(i, event);
        return event->events & EPOLLEXCLUSIVE ? -EINVAL : -ENOENT;
    default:
        return -EINVAL;
    }
}

/* ---- epoll_wait ---- */

int epoll_collect(struct file *epoll, struct epoll_event *events, int max)
{
    struct epoll *e = epoll->private;
    int n = 0;
    e->taken = NULL;
    /* Only what is on the list now: what is put back at its end has had its turn. */
    for (uint32_t left = e->ready_count; left && n < max; left--) {
        struct epoll_item *i = e->ready_first;
        ready_remove(i);
        uint32_t happened = item_events(i);
        if (!happened)
            continue;
        events[n].events = happened;
        events[n++].data = i->event.data;
        i->taken_before = e->taken;
        i->taken_events = i->event.events;
        e->taken = i;
        if (i->event.events & EPOLLONESHOT)
            i->event.events &= PRIVATE_BITS;
        else if (!(i->event.events & EPOLLET))
            ready_add(i);
    }
    return n;
}

void epoll_return(struct file *epoll, int n)
{
    struct epoll *e = epoll->private;
    for (struct epoll_item *i = e->taken; i && n > 0; i = i->taken_before, n--) {
        i->event.events = i->taken_events;
        ready_remove(i); /* one that is level-triggered went to the end */
        ready_put(i, NULL, e->ready_first);
    }
    e->taken = NULL;
}

static uint32_t epoll_poll(struct file *f, struct poll_table *t)
{
    struct epoll *e = f->private;
    poll_on(t, &e->wait);
    while (e->ready_first) {
        if (item_events(e->ready_first))
            return EPOLLIN | EPOLLRDNORM;
        ready_remove(e->ready_first);
    }
    return 0;
}

static void epoll_release(struct file *f)
{
    struct epoll *e = f->private;
    for (uint32_t n = 0; n < e->table_size; n++)
        while (e->table[n])
            remove_item(e->table[n]); /* NOLINT(clang-analyzer-unix.Malloc): which takes it out of the table */
    waitq_destroy(&e->wait);
    free(e->table);
    free(e);
}

static const struct file_ops epoll_ops = {
    .kind = "eventpoll",
    .seek_ignored = true,
    .poll = epoll_poll,
    .release = epoll_release,
};

struct file *epoll_new(struct vfs *v, int flags)
{
    struct epoll *e = calloc(1, sizeof *e);
    struct file *f = e ? file_new(v, &epoll_ops, O_RDWR, e) : NULL;
    if (!f) {
        free(e);
        return NULL;
    }
    e->file = f;
    waitq_init(&e->wait);
    return f;
}
