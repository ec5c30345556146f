/* The page that the supervisor shares with every process of a world whose clock is virtual: the world's time, read there by
 * the vDSO (vdso.c) without a stop. The guest may write it, so the supervisor believes one word of it, `now`, and that only
 * as far as the vDSO could have moved it (supervisor/fast_clock.c). Read by both, and by nothing else. */
#ifndef SUPERVISOR_CLOCK_PAGE_H
#define SUPERVISOR_CLOCK_PAGE_H

#include <stdint.h>

enum { CLOCK_PAGE_SIZE = 4096 };

struct clock_page {    /* all in ns */
    int64_t now;       /* elapsed time; a read moves it by per_event, in one step, and answers what it has become */
    int64_t limit;     /* what a read may not make of it: then something else happens, and the call must be made */
    int64_t per_event; /* what a trapped call costs, and a read as well: kernel/clock.h */
    int64_t epoch;     /* CLOCK_REALTIME when `now` was 0 */
    int64_t boot;      /* CLOCK_MONOTONIC when `now` was 0 */
};

#endif
