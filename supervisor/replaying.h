/* Running a run again, out of its record: the world is made of what the record kept (supervisor/bundle.h), the guest runs in it, and each
 * event is compared with the recorded one as it happens. What came from outside (input, what poll(2) said, real time) is
 * answered from the record. */
#ifndef SUPERVISOR_REPLAYING_H
#define SUPERVISOR_REPLAYING_H

#include "supervisor/bundle.h"
#include "trace/reader.h"

struct holder;
struct replaying;

/* Where to stop, instead of at the end; all zero: nowhere. */
struct replaying_until {
    bool by_event, by_time;
    uint64_t event; /* behind the event of that index */
    int64_t time;   /* at the first event at or after that time */
    uint64_t call;  /* behind the Nth call of that number … */
    uint64_t count; /* … when not 0 */
};

/* "1200", "1.5s", "20ms", "openat#3". 0, or -EINVAL with one sentence in why. */
int replaying_until_parse(const char *text, struct replaying_until *out, char *why, size_t n);

/* Both are borrowed. NULL: out of memory. */
struct replaying *replaying_new(struct reader *events, struct bundled *b, const struct replaying_until *until);
void replaying_free(struct replaying *r); /* NULL is allowed */
struct bundled *replaying_bundled(const struct replaying *r);

void replaying_begin(struct replaying *r, struct world *w);   /* before its first event */
void replaying_watch(void *replaying, const struct event *e); /* run_request.watch */

/* The record ends here though the guest goes on: a limit or a signal from outside ended the run. True: the world ends now. */
bool replaying_over(struct replaying *r);
/* Every task sleeps, and so they did in the recorded run until a stream was ready (true) or a deadline passed (false). */
bool replaying_wakes_streams(struct replaying *r);
/* The task that runs was stopped there in real time, for another one or for a deadline. */
bool replaying_preempts(struct replaying *r);
bool replaying_jumps(struct replaying *r);
/* A piece of a given file is named here, and no end came before it was hashed. */
bool replaying_names(struct replaying *r);
bool replaying_wakes(struct replaying *r);                  /* … and now somebody had a turn */
int64_t replaying_time(struct replaying *r);                /* of the event that comes next */
int64_t replaying_told(struct replaying *r, uint32_t what); /* what the machine told (EVENT_TOLD); 0: nothing, here */

/* What came of a real connection at this point, of those that come while `tid` has its turn (0: nobody has). NULL: nothing.
 * Its event is compared when it is told again: until then it stays. */
const struct event *replaying_forward(struct replaying *r, int32_t tid);
int64_t replaying_forward_time(struct replaying *r); /* when the next of them comes; INT64_MAX: it is not next */

/* The signal that came from outside at this point, while `tid` had its turn (0: nobody had). 0: none. Its event is compared like a
 * forward's. */
int replaying_outside(struct replaying *r, int32_t tid);
/* The elapsed time at which the task that runs must stop, though nothing of the world is due then: what was recorded next came from
 * outside, or is a read of the clock that was a call because something from outside was about to come. INT64_MAX: none. */
int64_t replaying_limit(struct replaying *r);

void replaying_refuse(struct replaying *r, const char *why); /* it ends here: it takes more than it may */
void replaying_interrupt(struct replaying *r);               /* it stops behind the next event, wherever it was to go */
bool replaying_stopped(const struct replaying *r);           /* where `until` said */
/* How it went, at the end. diverged, or the record was cut off: one sentence in text. events: compared. */
bool replaying_diverged(const struct replaying *r, char *text, size_t n);
uint64_t replaying_events(const struct replaying *r);
uint64_t replaying_index(const struct replaying *r); /* the record's number of the last event */
int32_t replaying_tid(const struct replaying *r);    /* whose the last event was; 0: nobody's */
/* It stands where `until` said: on to another place (all zero: the run's end). 0; or -EINVAL with one sentence: it is behind. */
int replaying_go_on(struct replaying *r, const struct replaying_until *until, char *why, size_t n);
/* It stands, and the world ends here: what comes now is no part of the run. */
void replaying_finish(struct replaying *r);

#endif
