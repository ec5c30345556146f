/* The first process: forked, seized, confined, executing the glass program. */
#ifndef SUPERVISOR_LAUNCH_H
#define SUPERVISOR_LAUNCH_H

#include "supervisor/supervisor.h"
#include "supervisor/tracee.h"

/* Makes `first` (already in the world's tables) a real process that stands at the glass program's mark, ready for
 * machine->exec. 0, or -1 with *e filled: what is missing on this machine, and what to do. */
int launch_first(struct holder *h, struct task *first, struct run_error *e);

/* Options every tracee is seized with. */
long launch_ptrace_options(void);

#endif
