/* Nobody is ready: jump the clock, or wait for the caller's streams. */
#ifndef SUPERVISOR_IDLE_H
#define SUPERVISOR_IDLE_H

#include "supervisor/tracee.h"

void idle_wait(struct holder *h);

#endif
