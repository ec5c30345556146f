/* What wakes the supervisor while a task runs: a timer of real time, and signals of whoever called terrarium. */
#ifndef SUPERVISOR_TICK_H
#define SUPERVISOR_TICK_H

#include "supervisor/tracee.h"

#include <signal.h>

enum {
    TICK_NS = 10 * 1000 * 1000,
    CALM_TICK_NS = 50 * 1000 * 1000,
    CHECKS_WITHIN = 20,            /* ticks in which a counted task is waited for, when a signal came from outside */
    STUCK_NS = 1000 * 1000 * 1000, /* CPU time without a check, in an interpreter whose checks are counted */
};

void tick_start(void);         /* installs handlers; the timer runs until tick_stop */
void tick_stop(void);          /* puts the old handlers back */
void tick_hear_children(void); /* SIGCHLD too ends a wait for notices (supervisor/notice.h), until tick_stop */
void tick_pause(bool paused);  /* an idle world has no ticks */
int64_t tick_period(void);
bool tick_came(void);
bool tick_signalled(void);  /* a signal came, and was not taken yet */
bool tick_terminated(void); /* what came, and was not taken yet, ends terrarium: SIGTERM, SIGHUP */
/* No signal of the caller's, and no word of a tracee's, arrives until tick_let_go, or a ppoll(2) with *before. */
void tick_hold(sigset_t *before);
void tick_let_go(const sigset_t *before);
/* Acts on what came: checks limits, ends the world on SIGTERM, keeps ^C and its like in holder->outside until tick_pass_on. */
void tick_take(struct holder *h);
/* Signals from outside go to the guest's foreground; in a replay those that the record says came here. Where it is called, world->current
 * stands, so that the place has a time in the record. */
void tick_pass_on(struct holder *h);
/* A tick came while the task runs: it must stop, because a signal from outside waits, and the task does not know of the stop at its
 * next check yet, or comes to none. */
bool tick_outside(struct holder *h, const struct tracee *t);
bool tick_stands(const struct holder *h,
                 const struct tracee *t);   /* it stopped where a signal from outside can be passed on */
int64_t tick_limit(const struct holder *h); /* elapsed time at which a task must stop for them; INT64_MAX: never */
/* ^Z was passed on, and the first program stopped of it: then the caller's shell must see its job stop. What a shell of the
 * world keeps to itself (one of its own jobs stops), or a program catches, stops nobody outside. */
void tick_suspend(struct holder *h);
bool tick_suspends(const struct holder *h); /* tick_suspend would */
/* The task has computed through a whole tick. True: it must stop, because others wait or a deadline passed. */
bool tick_computing(struct holder *h, struct tracee *t);

#endif
