/* The world's time. Virtual by default: it advances by a fixed amount per event and jumps when every task is asleep, so
 * that time is a function of what the guest did. `real` passes the host's clock: it is looked at when a call is asked for and when a
 * sleep ends, and stands still in between, so that a record that has the time of each event has all of it. All values are nanoseconds.
 * One heap holds every deadline of the world (sleeps, timeouts, itimers, timerfds). */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_timer;

struct clock {
    bool real;                       /* pass the host's clock */
    int64_t epoch;                   /* CLOCK_REALTIME when the world began */
    int64_t boot;                    /* CLOCK_MONOTONIC and CLOCK_BOOTTIME when the world began */
    int64_t elapsed;                 /* since the world began; real: when it was looked at last */
    int64_t per_event;               /* virtual: what one trapped call costs */
    int64_t host_start;              /* host's CLOCK_MONOTONIC at the beginning */
    int64_t (*again)(void *context); /* real, of a replay: elapsed time as it was recorded; NULL: the host is asked */
    void *again_context;
    struct clock_timer **heap; /* by deadline, then by sequence */
    size_t count, room;
    struct clock_timer **slots; /* by the low half of a handle; a free one is kept for reuse */
    struct clock_timer *unused;
    size_t slot_count, slot_room;
    uint64_t sequence; /* the order among equal deadlines */
};

void clock_init(struct clock *c, bool real, int64_t epoch, int64_t per_event);
void clock_destroy(struct clock *c);
/* clock_id: CLOCK_REALTIME[_COARSE], MONOTONIC*, BOOTTIME*, TAI. Others (CPU clocks): -1. */
int64_t clock_read(const struct clock *c, int clock_id);
/* A time of clock_id as the world's elapsed time, the heap's unit, and back. */
int64_t clock_to_elapsed(const struct clock *c, int clock_id, int64_t when);
int64_t clock_elapsed(const struct clock *c);
void clock_event(struct clock *c);              /* one trapped call happened */
int64_t clock_now(const struct clock *c);       /* real: what the elapsed time would be if it was looked at now */
void clock_look(struct clock *c, int64_t most); /* real: it is, but no later than that */

/* Calls fire(argument) once when elapsed time reaches `when`. Returns a handle, 0 when memory ran out. */
uint64_t clock_arm(struct clock *c, int64_t when, void (*fire)(void *argument), void *argument);
void clock_disarm(struct clock *c, uint64_t handle); /* harmless when it fired or never was */
int64_t clock_next(const struct clock *c);           /* the earliest deadline, or INT64_MAX */
void clock_run(struct clock *c);                     /* fire everything that is due */
void clock_jump(struct clock *c, int64_t elapsed);   /* the world slept until then; never back */

#endif
