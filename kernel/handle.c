/* Handles of processes: made when the first pidfd is, so that processes without one pay a pointer. */
#include "kernel/handle.h"

#include "kernel/world.h"

#include <stdlib.h>
#include <sys/epoll.h>

struct process_handle *process_handle_get(struct process *p)
{
    struct process_handle *h = p->handle;
    if (h == NULL) {
        h = calloc(1, sizeof *h);
        if (h == NULL)
            return NULL;
        h->references = 1;
        h->process = p;
        waitq_init(&h->wait);
        p->handle = h;
    }
    h->references++;
    return h;
}

void process_handle_put(struct process_handle *h)
{
    if (h == NULL || --h->references > 0)
        return;
    waitq_destroy(&h->wait);
    free(h);
}

void process_handle_ended(struct process *p)
{
    if (p->handle != NULL)
        waitq_wake(&p->handle->wait, EPOLLIN);
}

void process_handle_forget(struct process *p)
{
    struct process_handle *h = p->handle;
    if (h == NULL)
        return;
    p->handle = NULL;
    h->process = NULL;
    waitq_wake(&h->wait, EPOLLIN | EPOLLHUP);
    process_handle_put(h);
}
