/* Lending files and names to the guest: calls about one open regular file at a time are answered by code in the guest's own address space, from bytes
 * that the supervisor put there (supervisor/glass/lent_page.h). To the guest it is as if it had made the calls: each moves the world's
 * time as a trapped one, and what it did is done to the file before anything else happens in the world: at the task's next call of
 * almost any kind, before another task runs, when it dies, and at the world's end.
 *
 * Nothing is lent when a run is recorded or run again (a record has every call), with `trap: all`, when a rule of the policy speaks of one of
 * the calls that would be answered so, and where the world's clock is not in the guest's reach (supervisor/fast_clock.h).
 *
 * What a guest gains by writing into the page or the window is what it may do to that file anyway: move its position, append to it up to
 * a room that was found free, close it, and count the calls wrong that the report tells of. */
#ifndef SUPERVISOR_LENDING_H
#define SUPERVISOR_LENDING_H

#include "supervisor/tracee.h"

/* page: LENT_PAGE_SIZE bytes and the window behind them, shared with the guest (supervisor/fast_clock.h); NULL: nothing is lent. 0 or
 * -ENOMEM. */
int lending_new(struct holder *h, void *page);
void lending_free(struct holder *h);
bool lending_possible(const struct holder *h);

/* The task stands at call nr: what was done with the file that is lent is done to it, and unless the call has to do with no file, it is
 * lent no more. */
void lending_at_call(struct tracee *t, uint64_t nr, const uint64_t argument[6]);
/* The call that it made was answered with `result`: lend what it will ask for next. */
void lending_after_call(struct tracee *t, uint64_t nr, const uint64_t argument[6], int64_t result);
/* t is about to run: whatever is lent to another task is lent no more, and what stands in the window of another address space goes. */
void lending_before_run(struct tracee *t);
/* Nothing is lent any more. */
void lending_end(struct holder *h);
/* A fault of the code that answers, at `rip` in a guest's address space, where it moves bytes: it goes on behind the instruction. */
bool lending_fault(struct tracee *t);

#endif
