/* The page that the supervisor shares with every process of a world whose clock is virtual: the world's time, read there by
 * the vDSO (vdso.c) without a stop, and moved by an interpreter whose checks are counted (supervisor/count/). The elapsed time is
 * end - left: one word moves, in one instruction, so that the guest can be stopped anywhere and the time is right. The guest may write
 * the page, so the supervisor believes what moves in it, and that only as far as the vDSO and the checks could have moved it
 * (supervisor/fast_clock.c). Read by these, and by nothing else. */
#ifndef SUPERVISOR_CLOCK_PAGE_H
#define SUPERVISOR_CLOCK_PAGE_H

#include <stdint.h>

enum {
    CLOCK_PAGE_SIZE = 4096,
    CLOCK_CHECK_NS =
        50, /* what a check of an interpreter costs: the nominal speed (docs/counting.md). One byte, signed */
};

/* All in ns, but for `reads` and `name`. Until the limit, where something else happens than reading, there is `left`: a read takes per_event, and is
 * made as a call where it would leave nothing; each check takes CLOCK_CHECK_NS, and stops when nothing is left. */
struct clock_page {
    int64_t left;
    int64_t end;       /* the elapsed time at the limit */
    int64_t per_event; /* what a trapped call costs, and a read as well: kernel/clock.h */
    int64_t epoch;     /* CLOCK_REALTIME when the elapsed time was 0 */
    int64_t boot;      /* CLOCK_MONOTONIC when the elapsed time was 0 */
    int64_t reads;     /* how many were made; each is counted a moment after it was taken from `left` */
    uint64_t name;     /* of the task that runs, to be left in what it takes (supervisor/count/takes.h) */
};

#endif
