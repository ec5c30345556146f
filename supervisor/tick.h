/* What wakes the supervisor while a task runs: a timer of real time, and signals of whoever called terrarium. */
#ifndef SUPERVISOR_TICK_H
#define SUPERVISOR_TICK_H

#include "supervisor/tracee.h"

#include <signal.h>

enum {
    TICK_NS = 10 * 1000 * 1000,
    CALM_TICK_NS = 50 * 1000 * 1000,
    STUCK_NS = 1000 * 1000 * 1000, /* CPU time without a check, in an interpreter whose checks are counted */
};

void tick_start(void);        /* installs handlers; the timer runs until tick_stop */
void tick_stop(void);         /* puts the old handlers back */
void tick_pause(bool paused); /* an idle world has no ticks */
int64_t tick_period(void);
bool tick_came(void);
void tick_hold(
    sigset_t *mask_before); /* no signal of the caller's arrives until tick_let_go, or a ppoll(2) with mask_before */
void tick_let_go(const sigset_t *mask_before);
/* Acts on what came: checks limits, passes ^C and its like on to the guest's foreground, ends the world on SIGTERM. */
void tick_take(struct holder *h);
/* ^Z was passed on, and the first program stopped of it: then the caller's shell must see its job stop. What a shell of the
 * world keeps to itself (one of its own jobs stops), or a program catches, stops nobody outside. */
void tick_suspend(struct holder *h);
bool tick_suspends(const struct holder *h); /* tick_suspend would */
/* The task has computed through a whole tick. True: it must stop, because others wait or a deadline passed. */
bool tick_computing(struct holder *h, struct tracee *t);

#endif
