/* The fast clock: the world's virtual time in a page that the guest's vDSO reads without a stop (supervisor/glass/vdso.c).
 *
 * A read is an event like any trapped call: it moves the clock by clock.per_event, is charged to the task, and counts for its turn.
 * So time has the same values with and without the page. What a read may not do alone (pass a deadline, end a turn while others are
 * ready, reach a CPU timer) it leaves to the call: the page's limit says from where on.
 *
 * A recorder keeps, per event, how far world->clock_reads moved since the event before. A replay that publishes the same elapsed
 * time and limit before each resume gets the same reads from the guest, and the same number of them.
 *
 * There is no fast clock, and no vDSO in the guest, when the clock is real, when calls cost no time, with `trap: all`, or when a rule of
 * the policy speaks of one of the calls it would answer. */
#ifndef SUPERVISOR_FAST_CLOCK_H
#define SUPERVISOR_FAST_CLOCK_H

#include "supervisor/tracee.h"

/* The page, before the supervisor is confined. 0 or -errno. */
int fast_clock_new(struct holder *h);
void fast_clock_free(struct holder *h);
bool fast_clock_answers(uint64_t nr); /* the call is one that the page answers, when there is time left in it */
bool fast_clock_works(const struct holder *h);
/* Whether time moves by an interpreter's checks (supervisor/count/): with every virtual clock, unless the page was tampered with. */
bool fast_clock_counts(const struct holder *h);
/* The task runs: whether its checks moved the page since the last question. */
bool fast_clock_moves(struct holder *h);
void *fast_clock_behind(
    const struct holder *h); /* what follows the page, for files that are lent (supervisor/lending.h); or NULL */
int fast_clock_descriptor(const struct holder *h); /* of the page, for the guest's table: there is always one */

/* The task ran, or runs: what it read since the last fold is put into the world's clock and on the task's account. Before
 * anything looks at either. A page that says what no reading can have made of it is not believed, and not used any more. */
void fast_clock_fold(struct tracee *t);
/* The task stands, and is about to run: the page shows the world's time, and how far it may go. */
void fast_clock_publish(struct tracee *t);
/* Whether a mapping of the guest's with this device and inode is the page. */
bool fast_clock_is(const struct holder *h, dev_t device, ino_t inode);

#endif
