/* One event of the world in the guest's own address space: what a trapped call is to the world's time, without the stop. For the vDSO
 * (vdso.c) and for calls about a lent file (lent.c). */
#ifndef SUPERVISOR_GLASS_EVENT_H
#define SUPERVISOR_GLASS_EVENT_H

#include "supervisor/glass/clock_page.h"

/* The elapsed time after it; -1: it must be a call. The supervisor may stop the task anywhere here, let others run, and
 * show another time and limit: what is taken is taken from what is left at that moment, and the time is that of one moment after it. */
static inline int64_t clock_page_event(struct clock_page *p)
{
    int64_t left = __atomic_load_n(&p->left, __ATOMIC_RELAXED), after, end, elapsed;
    do {
        if (__builtin_sub_overflow(left, p->per_event, &after) || after <= 0)
            return -1;
    } while (!__atomic_compare_exchange_n(&p->left, &left, after, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    __asm__ volatile("incq %0" : "+m"(p->reads)); /* one instruction: all tasks of a world are on one processor */
    do {
        end = __atomic_load_n(&p->end, __ATOMIC_RELAXED);
        after = __atomic_load_n(&p->left, __ATOMIC_RELAXED);
    } while (end != __atomic_load_n(&p->end, __ATOMIC_RELAXED));
    return __builtin_sub_overflow(end, after, &elapsed) ? -1 : elapsed;
}

#endif
