/* The processor's time stamp counter, as the guest may read it: the world's monotonic clock in nanoseconds. */
#ifndef SUPERVISOR_TSC_H
#define SUPERVISOR_TSC_H

#include "supervisor/tracee.h"

/* In the guest's first process, before its program: RDTSC and RDTSCP were made to raise SIGSEGV (prctl(2), PR_SET_TSC), in it and in
 * all that it forks and executes. Tries one, so that the supervisor sees whether this machine does what its kernel says: under
 * some hypervisors the counter can be read all the same. */
void tsc_try(void);
/* At a SIGSEGV of it. No event of the world's, which must not depend on the machine. False: it was something else. */
bool tsc_tried(struct tracee *t);

/* At the first mark: what was tried has shown by now. Where the machine answers all the same, forbidding it is taken back; where it
 * faults, it is forbidden in the supervisor, too (supervisor/tsc_own.h). */
void tsc_settle(struct tracee *t);

/* At a SIGSEGV: if it was one of the two instructions, answer it and step over it. False: it was something else. */
bool tsc_emulate(struct tracee *t);

#endif
