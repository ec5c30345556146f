/* Resource limits and usage (getrlimit(2), getrusage(2)). Model: the kernel's kernel/sys.c, do_prlimit.
 *
 * Who is held to a limit, and by whom: NOFILE by the descriptor table; FSIZE, NPROC, MEMLOCK, NICE, SIGPENDING by the
 * stubs; AS, DATA and CPU by the real kernel, which is told of them (machine->limit); STACK when a program is executed, and when
 * a process raises its own. One that is lowered while the program runs takes nothing away.
 * The others are remembered. */
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <string.h>

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static bool may_limit(const struct cred *self, const struct cred *other)
{
    return (self->uid == other->uid && self->uid == other->euid && self->uid == other->suid &&
            self->gid == other->gid && self->gid == other->egid && self->gid == other->sgid) ||
           (self->capabilities >> CAP_SYS_RESOURCE & 1) != 0;
}

static int check_limit(struct call *c, unsigned resource, const struct rlimit64 *old, const struct rlimit64 *new)
{
    if (new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (resource == RLIMIT_NOFILE && new->rlim_max > world_open_files(c->world))
        return -EPERM;
    if (new->rlim_max > old->rlim_max && (c->task->cred.capabilities >> CAP_SYS_RESOURCE & 1) == 0)
        return -EPERM;
    return 0;
}

static void apply_limit(struct process *p, unsigned resource)
{
    const struct rlimit64 *limit = &p->limits[resource];
    switch (resource) {
    case RLIMIT_NOFILE:
        for (struct task *t = p->threads; t != NULL; t = t->next_thread)
            if (t->fds != NULL)
                fdtable_set_limit(t->fds, (uint32_t)limit->rlim_cur);
        break;
    case RLIMIT_AS:
    case RLIMIT_DATA:
    case RLIMIT_CPU:
    case RLIMIT_STACK:
        (void)p->world->machine->limit(p, (int)resource, limit);
        break;
    default:
        break;
    }
}

static int change_limit(struct call *c, struct process *p, unsigned resource, const struct rlimit64 *new)
{
    int error = check_limit(c, resource, &p->limits[resource], new);
    if (error < 0)
        return error;
    p->limits[resource] = *new;
    apply_limit(p, resource);
    return 0;
}

int64_t stub_prlimit64(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    unsigned resource = (unsigned)c->arg[1];
    struct rlimit64 new, old;
    if (c->arg[2] != 0 && call_read(c, c->arg[2], &new, sizeof new) < 0)
        return -EFAULT;
    struct process *p = pid == 0 ? c->task->process : process_of_id(c->world, pid);
    if (p == NULL)
        return pid == REAPER_PID ? -EPERM : -ESRCH;
    if (p->zombie)
        return -ESRCH;
    if (p != c->task->process && !may_limit(&c->task->cred, &p->threads->cred))
        return -EPERM;
    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    old = p->limits[resource];
    if (c->arg[2] != 0) {
        int error = change_limit(c, p, resource, &new);
        if (error < 0)
            return error;
    }
    return c->arg[3] != 0 ? call_write(c, c->arg[3], &old, sizeof old) : 0;
}

int64_t stub_getrlimit(struct call *c)
{
    unsigned resource = (unsigned)c->arg[0];
    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    const struct rlimit64 *limit = &c->task->process->limits[resource];
    return call_write(c, c->arg[1], limit, sizeof *limit);
}

int64_t stub_setrlimit(struct call *c)
{
    unsigned resource = (unsigned)c->arg[0];
    struct rlimit64 new;
    if (call_read(c, c->arg[1], &new, sizeof new) < 0)
        return -EFAULT;
    return resource < RLIM_NLIMITS ? change_limit(c, c->task->process, resource, &new) : -EINVAL;
}

/* ---- usage ------------------------------------------------------------------------------------------------------- */

int64_t process_cpu(const struct process *p)
{
    int64_t sum = p->cpu_ended;
    for (const struct task *t = p->threads; t != NULL; t = t->next_thread)
        if (t->state != TASK_DEAD)
            sum += t->cpu;
    return sum;
}

/* Page faults, context switches and the peak of memory are the host's affair and not the same twice: 0, as getrusage(2)
 * has it for what a system does not maintain. */
void fill_rusage(struct rusage *usage, int64_t cpu)
{
    memset(usage, 0, sizeof *usage);
    usage->ru_utime.tv_sec = cpu / 1000000000;
    usage->ru_utime.tv_usec = cpu % 1000000000 / 1000;
}

int64_t stub_getrusage(struct call *c)
{
    const struct process *p = c->task->process;
    struct rusage usage;
    switch ((int)c->arg[0]) {
    case RUSAGE_SELF:
        fill_rusage(&usage, process_cpu(p));
        break;
    case RUSAGE_CHILDREN:
        fill_rusage(&usage, p->children_cpu);
        break;
    case RUSAGE_THREAD:
        fill_rusage(&usage, c->task->cpu);
        break;
    default:
        return -EINVAL;
    }
    return call_write(c, c->arg[1], &usage, sizeof usage);
}
