/* A process that somebody may still speak of after it is gone: what a pidfd holds (pidfd_open(2)). */
#ifndef KERNEL_HANDLE_H
#define KERNEL_HANDLE_H

#include "vfs/wait.h"

#include <stdint.h>

struct process;

struct process_handle {
    uint32_t references;     /* the process's own, and one for each open file */
    struct process *process; /* NULL: it was waited for */
    struct waitq wait;       /* it became a zombie */
};

struct process_handle *process_handle_get(struct process *p); /* a reference; NULL: out of memory */
void process_handle_put(struct process_handle *h);
void process_handle_ended(struct process *p);  /* a zombie now: wake who polls */
void process_handle_forget(struct process *p); /* its number is free again */

#endif
