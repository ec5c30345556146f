/* Timeouts and signal masks of the calls that wait for files. */
#ifndef STUBS_TIMEOUTS_H
#define STUBS_TIMEOUTS_H

#include "kernel/call.h"

/* A relative time behind a pointer, in ns; -1: NULL, for ever. In a later run of the call the deadline stands already
 * and the guest's memory is not looked at. 0, -EFAULT, -EINVAL. */
int timespec_argument(struct call *c, uint64_t address, int64_t *ns);
int timeval_argument(struct call *c, uint64_t address, int64_t *ns);
/* The mask that is in force while the call sleeps (struct task, restore_mask). NULL: none. */
int mask_argument(struct call *c, uint64_t address, uint64_t size);
/* Nothing is ready: 0 when the time is over, else what call_block says. A signal wins over an ended time (fs/select.c,
 * do_poll). */
int64_t sleep_or_end(struct call *c, int64_t ns, int64_t interrupted);

#endif
