/* Files that stand for a process (pidfd_open(2)). */
#ifndef STUBS_PIDFD_H
#define STUBS_PIDFD_H

#include "kernel/call.h"
#include "kernel/world.h"

/* A descriptor for p in the caller's table, close-on-exec. flags: O_NONBLOCK. The number, or -errno. */
int64_t pidfd_install(struct call *c, struct process *p, int flags);
/* The process behind a file: 0 and *p, NULL when it was waited for; -EBADF: no pidfd. */
int pidfd_process(const struct file *f, struct process **p);

#endif
