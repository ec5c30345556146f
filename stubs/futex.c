/* futex(2) and what goes with it: robust lists, membarrier(2). The work is in kernel/futex.c. */
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>

int64_t stub_futex(struct call *c)
{
    return futex_call(c);
}

int64_t stub_futex_waitv(struct call *c)
{
    return futex_waitv_call(c);
}

int64_t stub_set_robust_list(struct call *c)
{
    if (c->arg[1] != sizeof(struct robust_list_head))
        return -EINVAL;
    c->task->robust_list = c->arg[0];
    return 0;
}

int64_t stub_get_robust_list(struct call *c)
{
    int32_t tid = (int32_t)c->arg[0];
    const struct task *t = tid == 0 ? c->task : task_find(c->world, tid);
    uint64_t length = sizeof(struct robust_list_head);
    if (t == NULL)
        return -ESRCH;
    const struct cred *self = &c->task->cred, *other = &t->cred;
    if (t->process != c->task->process && (self->capabilities >> CAP_SYS_PTRACE & 1) == 0 &&
        (self->uid != other->uid || self->uid != other->euid || self->uid != other->suid))
        return -EPERM;
    if (call_write(c, c->arg[2], &length, sizeof length) < 0)
        return -EFAULT;
    return call_write(c, c->arg[1], &t->robust_list, sizeof t->robust_list);
}

/* One thread of the world runs at a time, and another one only after the supervisor switched to it: every thread has
 * passed a barrier since the caller last ran. What is left are the rules of who may ask (kernel/sched/membarrier.c). */
int64_t stub_membarrier(struct call *c)
{
    enum {
        REGISTERS = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
        KNOWN = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | REGISTERS,
    };
    uint32_t command = (uint32_t)c->arg[0];
    struct mm *mm = c->task->mm;
    if ((uint32_t)c->arg[1] != 0)
        return -EINVAL;
    switch (command) {
    case MEMBARRIER_CMD_QUERY:
        return KNOWN;
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        return 0;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
        mm->membarrier |= command;
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
        return (mm->membarrier & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0 ? 0 : -EPERM;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
        return (mm->membarrier & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) != 0 ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}
