/* Scheduling as it looks from inside (sched(7)): one processor, number 0, one task at a time. Policies and priorities
 * are kept and told; who runs next is the world's choice alone (kernel/sched.c). */
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stddef.h>
#include <string.h>

enum {
    MASK_BYTES = 8, /* the kernel's cpumask for up to 64 processors */
    REALTIME_MOST = 99,
    NICE_LEAST = -20,
    NICE_MOST = 19,
    CLASS_SHIFT = 13, /* ioprio_set(2) */
    LEVELS = 8,
};

static bool has(const struct cred *c, int capability)
{
    return (c->capabilities >> capability & 1) != 0;
}

/* kernel/sched/core.c, check_same_owner. */
static bool may_change(const struct cred *self, const struct cred *other)
{
    return self->euid == other->uid || self->euid == other->euid || has(self, CAP_SYS_NICE);
}

/* Whom a call would change: never the world's reaper. */
static struct task *task_argument(struct call *c, int *error)
{
    int32_t tid = (int32_t)c->arg[0];
    struct task *t = tid == 0 ? c->task : tid > 0 ? task_find(c->world, tid) : NULL;
    *error = t != NULL ? 0 : tid == REAPER_PID ? -EPERM : -ESRCH;
    return t;
}

/* Whom a call asks about: the reaper, too, which is an ordinary task to look at. */
static const struct task *asked_about(struct call *c, int *error)
{
    static const struct process reaper_process;
    static const struct task reaper = {.process = (struct process *)&reaper_process};
    return (int32_t)c->arg[0] == REAPER_PID ? &reaper : task_argument(c, error);
}

/* ---- turns and processors ---------------------------------------------------------------------------------------- */

/* To the end of the queue: the call sleeps and is awake already, and returns when its turn comes again. */
int64_t stub_sched_yield(struct call *c)
{
    if (c->again || !sched_others_ready(c->world))
        return 0;
    c->woken = true;
    return CALL_BLOCK;
}

int64_t stub_getcpu(struct call *c)
{
    static const uint32_t zero;
    for (int i = 0; i < 2; i++)
        if (c->arg[i] != 0 && call_write(c, c->arg[i], &zero, sizeof zero) < 0)
            return -EFAULT;
    return 0;
}

int64_t stub_sched_getaffinity(struct call *c)
{
    static const uint64_t mask = 1;
    uint32_t size = (uint32_t)c->arg[1];
    int error;
    if (size < sizeof mask || size % sizeof mask != 0)
        return -EINVAL;
    if (asked_about(c, &error) == NULL)
        return error;
    return call_write(c, c->arg[2], &mask, sizeof mask) < 0 ? -EFAULT : (int64_t)sizeof mask;
}

int64_t stub_sched_setaffinity(struct call *c)
{
    uint64_t mask = 0;
    uint32_t size = (uint32_t)c->arg[1];
    int error;
    if (call_read(c, c->arg[2], &mask, size < MASK_BYTES ? size : MASK_BYTES) < 0)
        return -EFAULT;
    const struct task *t = task_argument(c, &error);
    if (t == NULL)
        return error;
    if (!may_change(&c->task->cred, &t->cred))
        return -EPERM;
    return (mask & 1) != 0 ? 0 : -EINVAL;
}

/* ---- policies ---------------------------------------------------------------------------------------------------- */

static bool realtime(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool known(int policy)
{
    return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || realtime(policy);
}

/* kernel/sched/syscalls.c, __sched_setscheduler and user_check_sched_setscheduler. */
static int64_t set_policy(struct call *c, struct task *t, int policy, int priority, bool reset)
{
    const struct cred *self = &c->task->cred;
    const uint64_t allowed = t->process->limits[RLIMIT_RTPRIO].rlim_cur;
    if (!known(policy))
        return policy == SCHED_DEADLINE ? -EPERM : -EINVAL;
    if (priority < 0 || priority > REALTIME_MOST || realtime(policy) != (priority != 0))
        return -EINVAL;
    if (!has(self, CAP_SYS_NICE)) {
        if (realtime(policy) && ((policy != t->policy && allowed == 0) ||
                                 (priority > t->realtime_priority && (uint64_t)priority > allowed)))
            return -EPERM;
        /* Leaving idleness is a rise to one's nice value: who may not have that now stays. */
        if (t->policy == SCHED_IDLE && policy != SCHED_IDLE &&
            (uint64_t)(NICE_MOST + 1 - t->process->nice) > t->process->limits[RLIMIT_NICE].rlim_cur)
            return -EPERM;
        if (!may_change(self, &t->cred) || (t->reset_on_fork && !reset))
            return -EPERM;
    }
    t->policy = policy;
    t->realtime_priority = priority;
    t->reset_on_fork = reset;
    return 0;
}

/* policy -1: as it is. */
static int64_t set_scheduler(struct call *c, int policy, uint64_t address)
{
    int32_t priority;
    int error;
    if (address == 0 || (int32_t)c->arg[0] < 0)
        return -EINVAL;
    if (call_read(c, address, &priority, sizeof priority) < 0)
        return -EFAULT;
    struct task *t = task_argument(c, &error);
    if (t == NULL)
        return error;
    if (policy >= 0 && (policy & ~SCHED_RESET_ON_FORK) == SCHED_DEADLINE)
        return -EINVAL; /* its parameters are not said this way */
    bool reset = policy < 0 ? t->reset_on_fork : (policy & SCHED_RESET_ON_FORK) != 0;
    return set_policy(c, t, policy < 0 ? t->policy : policy & ~SCHED_RESET_ON_FORK, priority, reset);
}

int64_t stub_sched_setscheduler(struct call *c)
{
    int policy = (int)c->arg[1];
    return policy < 0 ? -EINVAL : set_scheduler(c, policy, c->arg[2]);
}

int64_t stub_sched_setparam(struct call *c)
{
    return set_scheduler(c, -1, c->arg[1]);
}

int64_t stub_sched_getscheduler(struct call *c)
{
    int error;
    if ((int32_t)c->arg[0] < 0)
        return -EINVAL;
    const struct task *t = asked_about(c, &error);
    return t == NULL ? error : t->policy | (t->reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

int64_t stub_sched_getparam(struct call *c)
{
    int error;
    if (c->arg[1] == 0 || (int32_t)c->arg[0] < 0)
        return -EINVAL;
    const struct task *t = asked_about(c, &error);
    return t == NULL ? error : call_write(c, c->arg[1], &t->realtime_priority, sizeof t->realtime_priority);
}

static int64_t priority_bound(struct call *c, int of_realtime)
{
    int policy = (int)c->arg[0];
    if (realtime(policy))
        return of_realtime;
    return known(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

int64_t stub_sched_get_priority_max(struct call *c)
{
    return priority_bound(c, REALTIME_MOST);
}

int64_t stub_sched_get_priority_min(struct call *c)
{
    return priority_bound(c, 1);
}

int64_t stub_sched_rr_get_interval(struct call *c)
{
    int error;
    if ((int32_t)c->arg[0] < 0)
        return -EINVAL;
    const struct task *t = asked_about(c, &error);
    if (t == NULL)
        return error;
    const struct timespec slice = {.tv_nsec = t->policy == SCHED_RR     ? 100000000
                                              : t->policy == SCHED_FIFO ? 0
                                                                        : 4000000};
    return call_write(c, c->arg[1], &slice, sizeof slice);
}

/* A size the kernel does not know is told what it knows (sched_setattr(2), E2BIG). */
static int64_t read_attributes(struct call *c, struct sched_attr *a)
{
    static const uint32_t ours = sizeof *a;
    uint32_t size;
    uint8_t bytes[4096];
    if (call_read(c, c->arg[1], &size, sizeof size) < 0)
        return -EFAULT;
    if (size == 0)
        size = SCHED_ATTR_SIZE_VER0;
    bool good = size >= SCHED_ATTR_SIZE_VER0 && size <= sizeof bytes;
    memcpy(bytes, &size, sizeof size); /* read, and not to be read again */
    if (good && call_read(c, c->arg[1] + sizeof size, bytes + sizeof size, size - sizeof size) < 0)
        return -EFAULT;
    for (uint32_t i = sizeof *a; good && i < size; i++)
        good = bytes[i] == 0;
    if (!good)
        return call_write(c, c->arg[1], &ours, sizeof ours) < 0 ? -EFAULT : -E2BIG;
    memset(a, 0, sizeof *a);
    memcpy(a, bytes, size < sizeof *a ? size : sizeof *a);
    a->size = size;
    return 0;
}

static int nice_allowed(const struct cred *self, const struct process *p, int nice)
{
    uint64_t allowed = p->limits[RLIMIT_NICE].rlim_cur;
    return nice >= p->nice || has(self, CAP_SYS_NICE) || (uint64_t)(20 - nice) <= allowed;
}

int64_t stub_sched_setattr(struct call *c)
{
    struct sched_attr a;
    int error;
    if (c->arg[1] == 0 || (int32_t)c->arg[0] < 0 || (uint32_t)c->arg[2] != 0)
        return -EINVAL;
    int64_t result = read_attributes(c, &a);
    if (result < 0)
        return result;
    if ((int32_t)a.sched_policy < 0)
        return -EINVAL;
    struct task *t = task_argument(c, &error);
    if (t == NULL)
        return error;
    if ((a.sched_flags & ~(uint64_t)SCHED_FLAG_ALL) != 0)
        return -EINVAL;
    bool fair = a.sched_policy == SCHED_NORMAL || a.sched_policy == SCHED_BATCH;
    int nice = a.sched_nice < NICE_LEAST ? NICE_LEAST : a.sched_nice > NICE_MOST ? NICE_MOST : a.sched_nice;
    if (fair && !nice_allowed(&c->task->cred, t->process, nice))
        return -EPERM;
    result =
        set_policy(c, t, (int)a.sched_policy, (int)a.sched_priority, (a.sched_flags & SCHED_FLAG_RESET_ON_FORK) != 0);
    if (result == 0 && fair)
        t->process->nice = nice;
    return result;
}

int64_t stub_sched_getattr(struct call *c)
{
    uint32_t size = (uint32_t)c->arg[2];
    int error;
    if (c->arg[1] == 0 || (int32_t)c->arg[0] < 0 || size < SCHED_ATTR_SIZE_VER0 || size > 4096 ||
        (uint32_t)c->arg[3] != 0)
        return -EINVAL;
    const struct task *t = asked_about(c, &error);
    if (t == NULL)
        return error;
    const struct sched_attr a = {
        .size = size < sizeof a ? size : sizeof a,
        .sched_policy = (uint32_t)t->policy,
        .sched_flags = t->reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
        .sched_nice = realtime(t->policy) ? 0 : t->process->nice,
        .sched_priority = (uint32_t)t->realtime_priority,
        .sched_util_max = 1024,
    };
    return call_write(c, c->arg[1], &a, a.size);
}

/* ---- nice, and the priority of input and output ------------------------------------------------------------------ */

/* The processes that `which` and `who` name, one after the other; `after` NULL: the first. */
static struct process *next_named(struct call *c, int which, struct process *after)
{
    int who = (int)c->arg[1];
    const struct process *self = c->task->process;
    for (struct process *p = after == NULL ? c->world->processes : after->next; p != NULL; p = p->next) {
        if (p->zombie)
            continue;
        if (which == PRIO_PROCESS && p == (who == 0 ? self : process_of_id(c->world, who)))
            return p;
        if (which == PRIO_PGRP && p->pgid == (who == 0 ? self->pgid : who))
            return p;
        if (which == PRIO_USER && p->threads->cred.uid == (who == 0 ? c->task->cred.uid : (uint32_t)who))
            return p;
    }
    return NULL;
}

/* 20 less the nice value, so that no result looks like an error (getpriority(2), "C library/kernel differences"). */
int64_t stub_getpriority(struct call *c)
{
    int64_t best = -ESRCH;
    if ((uint32_t)c->arg[0] > PRIO_USER)
        return -EINVAL;
    if ((int)c->arg[0] == PRIO_PROCESS && (int)c->arg[1] == REAPER_PID)
        return 20;
    for (struct process *p = next_named(c, (int)c->arg[0], NULL); p != NULL; p = next_named(c, (int)c->arg[0], p))
        if (20 - p->nice > best)
            best = 20 - p->nice;
    return best;
}

int64_t stub_setpriority(struct call *c)
{
    const struct cred *self = &c->task->cred;
    int nice = (int)c->arg[2];
    int64_t result = -ESRCH;
    if ((uint32_t)c->arg[0] > PRIO_USER)
        return -EINVAL;
    nice = nice < NICE_LEAST ? NICE_LEAST : nice > NICE_MOST ? NICE_MOST : nice;
    for (struct process *p = next_named(c, (int)c->arg[0], NULL); p != NULL; p = next_named(c, (int)c->arg[0], p)) {
        const struct cred *cred = &p->threads->cred;
        if (cred->uid != self->euid && cred->euid != self->euid && !has(self, CAP_SYS_NICE)) {
            result = -EPERM;
        } else if (!nice_allowed(self, p, nice)) {
            result = -EACCES;
        } else {
            p->nice = nice;
            if (result == -ESRCH)
                result = 0;
        }
    }
    return result;
}

enum { IO_PROCESS = 1, IO_GROUP, IO_USER };
enum { IO_NONE, IO_REALTIME, IO_BEST_EFFORT, IO_IDLE };

static int check_io_priority(const struct cred *self, int value)
{
    int class = value >> CLASS_SHIFT, level = value & ((1 << CLASS_SHIFT) - 1);
    switch (class) {
    case IO_NONE:
        return level == 0 ? 0 : -EINVAL;
    case IO_REALTIME:
        if (!has(self, CAP_SYS_ADMIN) && !has(self, CAP_SYS_NICE))
            return -EPERM;
        return level < LEVELS ? 0 : -EINVAL;
    case IO_BEST_EFFORT:
        return level < LEVELS ? 0 : -EINVAL;
    case IO_IDLE:
        return 0;
    default:
        return -EINVAL;
    }
}

/* `which` counts from 1 here, and from 0 in getpriority(2). */
static int io_named(struct call *c)
{
    int which = (int)c->arg[0];
    return which < IO_PROCESS || which > IO_USER ? -EINVAL : which - IO_PROCESS + PRIO_PROCESS;
}

int64_t stub_ioprio_set(struct call *c)
{
    const struct cred *self = &c->task->cred;
    int value = (int)c->arg[2];
    int which = io_named(c);
    int64_t result = check_io_priority(self, value);
    if (result < 0 || which < 0)
        return result < 0 ? result : which;
    result = -ESRCH;
    for (struct process *p = next_named(c, which, NULL); p != NULL; p = next_named(c, which, p)) {
        const struct cred *cred = &p->threads->cred;
        if (cred->uid != self->euid && cred->uid != self->uid && !has(self, CAP_SYS_NICE))
            return -EPERM;
        p->io_priority = value;
        result = 0;
    }
    return result;
}

int64_t stub_ioprio_get(struct call *c)
{
    int which = io_named(c);
    if (which < 0)
        return which;
    int64_t best = -ESRCH;
    for (struct process *p = next_named(c, which, NULL); p != NULL; p = next_named(c, which, p))
        if (best < 0 || p->io_priority < best) /* lower is better */
            best = p->io_priority;
    return best;
}
