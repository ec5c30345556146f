/* What the stubs of the process calls share. */
#ifndef STUBS_PROCESSES_H
#define STUBS_PROCESSES_H

#include "kernel/call.h"
#include "kernel/world.h"

enum { REAPER_PID = 1 }; /* the world's reaper: it has a pid, and no task behind it */

int32_t parent_pid(const struct process *p);
/* The process that a pid or the tid of one of its living threads names, zombies included; NULL: ESRCH. */
struct process *process_of_id(struct world *w, int32_t id);
/* Virtual CPU time: of the living and the ended threads, without children. ns. */
int64_t process_cpu(const struct process *p);
/* A process's resources as getrusage(2) tells them: CPU time and nothing that only the host knows. */
void fill_rusage(struct rusage *usage, int64_t cpu);
/* How much memory the guest is told its machine has: what the policy allows. Bytes. */
uint64_t machine_memory(const struct world *w);

#endif
