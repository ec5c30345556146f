/* The page that the supervisor shares with every process of a world whose clock is virtual: the world's time, read there by
 * the vDSO (vdso.c) without a stop, and moved by an interpreter whose checks are counted (supervisor/count/). The elapsed time is
 * now + (armed - left). The guest may write it, so the supervisor believes what moves in it, and that only as far as the vDSO and the
 * checks could have moved it (supervisor/fast_clock.c). Read by these, and by nothing else. */
#ifndef SUPERVISOR_CLOCK_PAGE_H
#define SUPERVISOR_CLOCK_PAGE_H

#include <stdint.h>

enum {
    CLOCK_PAGE_SIZE = 4096,
    CLOCK_CHECK_NS =
        50, /* what a check of an interpreter costs: the nominal speed (docs/counting.md). One byte, signed */
};

struct clock_page {    /* all in ns */
    int64_t now;       /* elapsed time; a read moves it by per_event, in one step, and answers what it has become */
    int64_t limit;     /* what a read may not make of it: then something else happens, and the call must be made */
    int64_t per_event; /* what a trapped call costs, and a read as well: kernel/clock.h */
    int64_t epoch;     /* CLOCK_REALTIME when `now` was 0 */
    int64_t boot;      /* CLOCK_MONOTONIC when `now` was 0 */
    int64_t armed;     /* what `left` was when the task was resumed, less what reads took from both */
    int64_t left;      /* until the limit; each check takes CLOCK_CHECK_NS, and stops when nothing is left */
};

#endif
