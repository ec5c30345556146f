/* The run loop: one task at a time, until the world is over. */
#ifndef SUPERVISOR_LOOP_H
#define SUPERVISOR_LOOP_H

#include "supervisor/tracee.h"

/* Runs the world from its first ready task until its first process ended, or a limit, or a signal to the supervisor. Nothing of the
 * guest is running when it returns. */
void loop_run(struct holder *h);

#endif
