/* Between kernel/process.c, which makes tasks and processes, and kernel/exit.c, which ends them. Everybody else knows kernel/world.h. */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include "kernel/world.h"

void task_free(struct task *t);           /* off its process's list and the scheduler's; frees what it has */
void task_release_shared(struct task *t); /* its descriptors, directories and memory, for it has ended */
void task_release_vfork(struct task *t);  /* its parent waits no longer: it executed a program, or ended */
void process_free(struct process *p);     /* off the world's list; it has no task any more */

#endif
