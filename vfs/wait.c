/* Wait queues: a doubly linked list that can be walked while its members come and go.
 *
 * A callback may unlink any waiter, add new ones, or destroy the queue itself. So the walk keeps no pointer to a
 * waiter across a callback: it keeps two bookmarks, members of the list like any other but without a `wake`. One
 * stands after the waiter being woken, one at the tail as it was when the walk began (a waiter that hangs itself on
 * again is not woken twice). Model: WQ_FLAG_BOOKMARK of Linux 4.14, kernel/sched/wait.c. */
#include "vfs/wait.h"

#include <sys/epoll.h>

void waitq_init(struct waitq *q)
{
    q->first = NULL;
    q->last = NULL;
}

static void insert_after(struct waitq *q, struct waiter *before, struct waiter *w)
{
    struct waiter *after = before ? before->next : q->first;
    w->queue = q;
    w->prev = before;
    w->next = after;
    *(before ? &before->next : &q->first) = w;
    *(after ? &after->prev : &q->last) = w;
}

void waitq_add(struct waitq *q, struct waiter *w)
{
    insert_after(q, q->last, w);
}

void waitq_add_first(struct waitq *q, struct waiter *w)
{
    insert_after(q, NULL, w);
}

void waiter_remove(struct waiter *w)
{
    struct waitq *q = w->queue;
    if (!q)
        return;
    *(w->prev ? &w->prev->next : &q->first) = w->next;
    *(w->next ? &w->next->prev : &q->last) = w->prev;
    w->next = NULL;
    w->prev = NULL;
    w->queue = NULL;
}

void waitq_wake(struct waitq *q, uint32_t events)
{
    struct waiter here = {0}, end = {0};
    if (!q->first)
        return;
    waitq_add(q, &end);
    for (struct waiter *w = q->first; w != &end;) {
        insert_after(q, w, &here);
        if (w->wake)
            w->wake(w, events);
        if (!here.queue) /* the queue was destroyed under us, and it unlinked our bookmarks */
            return;
        w = here.next;
        waiter_remove(&here);
    }
    waiter_remove(&end);
}

void waitq_destroy(struct waitq *q)
{
    waitq_wake(q, EPOLLHUP);
    while (q->first)
        waiter_remove(q->first);
}

bool waitq_empty(const struct waitq *q)
{
    return !q->first;
}

void poll_on(struct poll_table *t, struct waitq *q)
{
    if (t && t->add)
        t->add(t, q);
}
