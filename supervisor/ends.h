/* How tasks and processes end, and how the whole world does. */
#ifndef SUPERVISOR_ENDS_H
#define SUPERVISOR_ENDS_H

#include "supervisor/tracee.h"

void ends_died(struct holder *h, struct tracee *t); /* its death was just waited for: t is gone after this */
void ends_let_exit(struct holder *h,
                   struct tracee *t); /* it asked for exit or exit_group: let it, and hear the end of it */
void ends_collect(struct holder *h);  /* tell the world of everyone who was killed or died meanwhile */
void ends_kill_all(struct holder *h); /* SIGKILL to every guest process; waits until none is left */

#endif
