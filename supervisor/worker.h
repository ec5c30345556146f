/* A second thread of the supervisor, on another processor than the guest's, that does in order what need not be done at once. It knows no
 * world and no guest: ptrace(2) belongs to the thread that launched the guest, and jobs touch nothing that the run goes on with. */
#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H

#include <sched.h>

struct worker;

/* allowed: where this process could run before it was pinned to `cpu`. NULL: there is no other processor, or no thread.
 * Before confine_self(), whose seccomp program then goes for both threads. */
struct worker *worker_new(const cpu_set_t *allowed, int cpu);
/* Later, behind everything that was given before; waits while too much is in line. w NULL: now. */
void worker_do(struct worker *w, void (*job)(void *context), void *context);
/* Everything that was given is done. w NULL: it is. */
void worker_wait(struct worker *w);
void worker_free(struct worker *w); /* when everything is done; NULL is allowed */

#endif
