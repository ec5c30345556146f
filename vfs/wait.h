/* Waiting without knowing who waits.
 *
 * An object that can become ready (a pipe, an eventfd, a lock) owns a `waitq`. Whoever wants to hear of
 * it (a blocked call, an epoll item) owns a `waiter` and hangs it on the queue. When the object's state
 * changes it calls `waitq_wake` with the poll(2) events that may now hold. A wake is a hint, never a
 * promise: the waiter looks again. Model: the kernel's wait_queue_head_t and poll_table.
 *
 * Nothing here blocks, and nothing here knows tasks: blocking is the supervisor's business. */
#ifndef VFS_WAIT_H
#define VFS_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiter;

/* A list head; zero-initialised by waitq_init. Destroying a queue with waiters wakes and unlinks them. */
struct waitq {
    struct waiter *first;
    struct waiter *last;
};

/* One listener on one queue. `wake` runs inside waitq_wake; it may unlink this waiter or any other. */
struct waiter {
    struct waiter *next;
    struct waiter *prev;
    struct waitq *queue; /* NULL when on no queue */
    void (*wake)(struct waiter *w, uint32_t events);
    void *context; /* the owner's */
};

void waitq_init(struct waitq *q);
void waitq_destroy(struct waitq *q);                     /* wakes with EPOLLHUP, then unlinks all */
void waitq_add(struct waitq *q, struct waiter *w);       /* w->wake and w->context set by the caller */
void waitq_add_first(struct waitq *q, struct waiter *w); /* woken before all others: Linux's order for poll and epoll */
void waiter_remove(struct waiter *w);                    /* harmless on a waiter that is on no queue */
void waitq_wake(struct waitq *q, uint32_t events);       /* events: EPOLL* bits, as poll(2) */
bool waitq_empty(const struct waitq *q);

/* Handed to a file's poll operation: it calls poll_on for every queue whose wake could change the answer.
 * A NULL table, or one with a NULL `add`, only asks for the events that hold now. */
struct poll_table {
    void (*add)(struct poll_table *t, struct waitq *q);
    void *context;
    bool
        arrivals; /* of something new alone (O_ASYNC): files of the host, which are asked again and again, tell them apart */
};
void poll_on(struct poll_table *t, struct waitq *q);

#endif
