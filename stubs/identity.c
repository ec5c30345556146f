/* Who a task is among others: pids, process groups, sessions (credentials(7), setpgid(2), setsid(2)). Model: the
 * kernel's kernel/sys.c. */
#include "stubs/processes.h"
#include "stubs/stubs.h"

int32_t parent_pid(const struct process *p)
{
    if (p->pid == REAPER_PID)
        return 0;
    return p->parent != NULL ? p->parent->pid : REAPER_PID;
}

struct process *process_of_id(struct world *w, int32_t id)
{
    struct process *p = process_find(w, id);
    const struct task *t = p == NULL ? task_find(w, id) : NULL;
    return t != NULL ? t->process : p;
}

int64_t stub_getpid(struct call *c)
{
    return c->task->process->pid;
}

int64_t stub_gettid(struct call *c)
{
    return c->task->tid;
}

int64_t stub_getppid(struct call *c)
{
    return parent_pid(c->task->process);
}

int64_t stub_set_tid_address(struct call *c)
{
    c->task->clear_child_tid = c->arg[0];
    return c->task->tid;
}

/* ---- process groups and sessions --------------------------------------------------------------------------------- */

static int64_t group_of(struct call *c, int32_t pid)
{
    if (pid == 0)
        return c->task->process->pgid;
    if (pid == REAPER_PID)
        return REAPER_PID;
    const struct process *p = process_of_id(c->world, pid);
    return p != NULL ? p->pgid : -ESRCH;
}

int64_t stub_getpgrp(struct call *c)
{
    return group_of(c, 0);
}

int64_t stub_getpgid(struct call *c)
{
    return group_of(c, (int32_t)c->arg[0]);
}

int64_t stub_getsid(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    if (pid == 0)
        return c->task->process->sid;
    if (pid == REAPER_PID)
        return REAPER_PID;
    const struct process *p = process_of_id(c->world, pid);
    return p != NULL ? p->sid : -ESRCH;
}

/* Zombies count: a group lives until its last member was waited for. */
static bool group_in_session(const struct world *w, int32_t pgid, int32_t sid)
{
    for (const struct process *p = w->processes; p != NULL; p = p->next)
        if (p->pgid == pgid)
            return p->sid == sid;
    return false;
}

int64_t stub_setpgid(struct call *c)
{
    struct process *self = c->task->process;
    int32_t pid = (int32_t)c->arg[0], pgid = (int32_t)c->arg[1];
    if (pid == 0)
        pid = self->pid;
    if (pgid == 0)
        pgid = pid;
    if (pgid < 0)
        return -EINVAL;
    struct process *p = process_of_id(c->world, pid);
    if (p == NULL)
        return -ESRCH;
    if (p->pid != pid)
        return -EINVAL; /* a thread that is not the leader */
    if (p->parent == self) {
        if (p->sid != self->sid)
            return -EPERM;
        if (p->executed)
            return -EACCES;
    } else if (p != self) {
        return -ESRCH;
    }
    if (p->sid == p->pid)
        return -EPERM;
    if (pgid != pid && !group_in_session(c->world, pgid, self->sid))
        return -EPERM;
    p->pgid = pgid;
    return 0;
}

int64_t stub_setsid(struct call *c)
{
    struct process *self = c->task->process;
    if (self->sid == self->pid)
        return -EPERM;
    for (const struct process *p = c->world->processes; p != NULL; p = p->next)
        if (p->pgid == self->pid)
            return -EPERM;
    self->sid = self->pgid = self->pid;
    self->tty = NULL;
    return self->pid;
}
