/* mlock(2) and its kin. The world has no swap, so memory stays where it is, locked or not; what is kept is which stretches are, for
 * RLIMIT_MEMLOCK speaks of their sum (mm/mlock.c). munmap(2) is not seen: when the limit seems to be reached, what is mapped no
 * more is forgotten. Plain anonymous mmap(2) is not either, so that MCL_FUTURE, which would have it locked, does nothing for it. */
#include "stubs/memory_lock.h"

#include "kernel/mappings.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE UINT64_C(4096)
#define PAGE_UP(x) (((x) + PAGE - 1) & ~(PAGE - 1))

/* ---- stretches, in order and apart from each other -------------------------------------------------------------------- */

/* All of [start, end) is in the list afterwards, or nothing of it. */
static int set_locked(struct mm *mm, uint64_t start, uint64_t end, bool on)
{
    struct locked_range *made = malloc((mm->locked_count + 2) * sizeof *made);
    uint32_t n = 0;
    bool placed = !on;
    if (made == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < mm->locked_count; i++) {
        struct locked_range r = mm->locked[i];
        if (on && r.start <= end && r.end >= start) { /* it becomes part of the new one */
            start = r.start < start ? r.start : start;
            end = r.end > end ? r.end : end;
            continue;
        }
        if (!placed && r.start > end) {
            made[n++] = (struct locked_range){start, end};
            placed = true;
        }
        if (on || r.end <= start || r.start >= end) {
            made[n++] = r;
            continue;
        }
        if (r.start < start)
            made[n++] = (struct locked_range){r.start, start};
        if (r.end > end)
            made[n++] = (struct locked_range){end, r.end};
    }
    if (!placed)
        made[n++] = (struct locked_range){start, end};
    if (n > SHARED_MAPS_MOST) { /* as many as there can be mappings */
        free(made);
        return -ENOMEM;
    }
    free(mm->locked);
    mm->locked = made;
    mm->locked_count = n;
    return 0;
}

static uint64_t locked_within(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < mm->locked_count; i++) {
        uint64_t a = mm->locked[i].start, b = mm->locked[i].end;
        a = a > start ? a : start;
        b = b < end ? b : end;
        sum += a < b ? b - a : 0;
    }
    return sum;
}

uint64_t memory_locked(const struct mm *mm)
{
    return locked_within(mm, 0, UINT64_MAX);
}

struct pruning {
    struct mm *mm;
    uint64_t seen_to;
};

static int keep(void *context, const struct memory_map *m)
{
    struct pruning *p = context;
    int error = m->start > p->seen_to ? set_locked(p->mm, p->seen_to, m->start, false) : 0;
    p->seen_to = m->end;
    return error;
}

/* What is mapped no more goes. */
static void prune(struct call *c)
{
    struct pruning p = {.mm = c->task->mm};
    if (p.mm->locked_count > 0 && mappings_each(c->task, false, keep, &p) == 0)
        (void)set_locked(p.mm, p.seen_to, UINT64_MAX, false);
}

/* ---- the limit ---------------------------------------------------------------------------------------------------------- */

static uint64_t limit_of(const struct call *c)
{
    bool may = (c->task->cred.capabilities >> CAP_IPC_LOCK & 1) != 0;
    return may ? UINT64_MAX : c->task->process->limits[RLIMIT_MEMLOCK].rlim_cur;
}

static bool fits(const struct call *c, uint64_t start, uint64_t length)
{
    const struct mm *mm = c->task->mm;
    uint64_t limit = limit_of(c), others = memory_locked(mm) - locked_within(mm, start, start + length);
    return limit == UINT64_MAX || (length <= limit && others <= limit - length);
}

int memory_lock_room(struct call *c, uint64_t length)
{
    const uint64_t nowhere = UINT64_MAX - length; /* where nothing is locked yet */
    if (limit_of(c) == 0)
        return -EPERM;
    if (!fits(c, nowhere, length))
        prune(c);
    return fits(c, nowhere, length) ? 0 : -EAGAIN;
}

void memory_lock_mapped(struct call *c, uint64_t start, uint64_t length)
{
    (void)set_locked(c->task->mm, start, start + PAGE_UP(length), true);
}

/* ---- the calls ------------------------------------------------------------------------------------------------------------ */

static int64_t lock_range(struct call *c, bool lock)
{
    uint64_t start = c->arg[0] & ~(PAGE - 1), length = PAGE_UP(c->arg[1] + c->arg[0] % PAGE);
    if (lock && limit_of(c) == 0)
        return -EPERM;
    if (lock && !fits(c, start, length)) {
        prune(c);
        if (!fits(c, start, length))
            return -ENOMEM;
    }
    if (start + length < start)
        return -EINVAL;
    if (length == 0)
        return 0;
    /* It must be there: what msync(2) says without doing anything. */
    int64_t there = start < MEMORY_LOWEST ? -ENOMEM : call_native(c, SYS_msync, start, length, MS_ASYNC, 0, 0, 0);
    return there < 0 ? there : set_locked(c->task->mm, start, start + length, lock);
}

int64_t stub_mlock(struct call *c)
{
    return lock_range(c, true);
}

int64_t stub_mlock2(struct call *c)
{
    return ((uint32_t)c->arg[2] & ~1u) != 0 ? -EINVAL : lock_range(c, true);
}

int64_t stub_munlock(struct call *c)
{
    return lock_range(c, false);
}

struct all {
    struct mm *mm;
    uint64_t bytes;
    bool lock;
};

static int each_mapping(void *context, const struct memory_map *m)
{
    struct all *a = context;
    a->bytes += m->end - m->start;
    return a->lock ? set_locked(a->mm, m->start, m->end, true) : 0;
}

int64_t stub_mlockall(struct call *c)
{
    uint32_t flags = (uint32_t)c->arg[0];
    struct all all = {.mm = c->task->mm};
    if (flags == 0 || (flags & ~7u) != 0 || flags == MCL_ONFAULT)
        return -EINVAL;
    if (limit_of(c) == 0)
        return -EPERM;
    if ((flags & MCL_CURRENT) == 0)
        return 0;
    (void)mappings_each(c->task, false, each_mapping, &all);
    if (all.bytes > limit_of(c))
        return -ENOMEM;
    all.lock = true;
    (void)mappings_each(c->task, false, each_mapping, &all);
    return 0;
}

int64_t stub_munlockall(struct call *c)
{
    return set_locked(c->task->mm, 0, UINT64_MAX, false);
}
