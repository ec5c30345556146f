/* Birth: clone(2), fork(2), vfork(2), unshare(2). The world's side of a new task is made first (process_clone), then
 * the machine is asked for a real one. Model: the kernel's kernel/fork.c, kernel_clone.
 *
 * clone3 is ENOSYS: its flags stand behind a pointer, and every C library then takes clone. */
#include "kernel/recorder.h"
#include "stubs/pidfd.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <sched.h>

/* Threads of the whole world, for each process that the policy allows: a bound on what they cost the supervisor, far
 * above what thread pools ask for. Reached, it is what RLIMIT_NPROC is to a program: EAGAIN. */
enum { THREADS_A_PROCESS = 32, TASKS_LEAST = 1024, TASKS_MOST = 16384 };

#define NEW_NAMESPACES                                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* ---- how many ---------------------------------------------------------------------------------------------------- */

static uint32_t tasks_of(const struct world *w, uint32_t uid)
{
    uint32_t count = 0;
    for (const struct process *p = w->processes; p != NULL; p = p->next)
        for (const struct task *t = p->threads; t != NULL; t = t->next_thread)
            count += t->cred.uid == uid;
    return count;
}

static uint32_t tasks_allowed(const struct world *w)
{
    uint64_t processes = w->policy->limits.processes;
    uint64_t tasks = processes == 0 || processes > TASKS_MOST ? TASKS_MOST : processes * THREADS_A_PROCESS;
    return tasks < TASKS_LEAST ? TASKS_LEAST : tasks > TASKS_MOST ? TASKS_MOST : (uint32_t)tasks;
}

/* The policy's limit ends the world, whoever reaches it: a bomb is a verdict. The guest's own limit is an errno. */
static int check_limits(const struct task *t, uint64_t flags)
{
    struct world *w = t->world;
    uint64_t allowed = w->policy->limits.processes;
    if ((flags & CLONE_THREAD) == 0 && allowed != 0 && w->process_count >= allowed) {
        world_end(w, VERDICT_PROCESSES);
        return -EAGAIN;
    }
    uint64_t own = t->process->limits[RLIMIT_NPROC].rlim_cur;
    uint64_t exempt = UINT64_C(1) << CAP_SYS_RESOURCE | UINT64_C(1) << CAP_SYS_ADMIN;
    if (w->task_count >= tasks_allowed(w))
        return -EAGAIN;
    if (own != RLIM64_INFINITY && t->cred.uid != 0 && (t->cred.capabilities & exempt) == 0 &&
        tasks_of(w, t->cred.uid) >= own)
        return -EAGAIN;
    return 0;
}

/* ---- clone ------------------------------------------------------------------------------------------------------- */

struct birth {
    uint64_t flags; /* CLONE_*, and the exit signal in the low byte */
    uint64_t stack, tls;
    uint64_t parent_tid, child_tid; /* guest addresses */
};

static int check_flags(uint64_t flags)
{
    if ((flags & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS) ||
        (flags & (CLONE_NEWUSER | CLONE_FS)) == (CLONE_NEWUSER | CLONE_FS))
        return -EINVAL;
    if ((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0)
        return -EINVAL;
    if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0)
        return -EINVAL;
    if ((flags & CLONE_THREAD) != 0 && (flags & (CLONE_NEWUSER | CLONE_NEWPID)) != 0)
        return -EINVAL;
    /* The pidfd is written where the parent's tid would be. */
    if ((flags & CLONE_PIDFD) != 0 && (flags & (CLONE_DETACHED | CLONE_PARENT_SETTID | CLONE_THREAD)) != 0)
        return -EINVAL;
    return (flags & NEW_NAMESPACES) != 0 ? -EPERM : 0;
}

/* The descriptor's number stands where the parent's tid would, and in keep[1]. */
static int give_pidfd(struct call *c, struct process *p, uint64_t address)
{
    int64_t fd = pidfd_install(c, p, 0);
    int32_t number = (int32_t)fd;
    if (fd < 0)
        return number;
    c->keep[1] = (uint64_t)fd;
    if (call_write(c, address, &number, sizeof number) == 0)
        return 0;
    (void)fdtable_close(c->task->fds, number, c->task->fds);
    return -EFAULT;
}

static int conceive(struct call *c, const struct birth *b, uint64_t flags, struct task **child)
{
    int error = check_flags(flags);
    if (error == 0)
        error = check_limits(c->task, flags);
    if (error == 0)
        error = process_clone(c->task, flags, child);
    if (error < 0 || (flags & CLONE_PIDFD) == 0)
        return error;
    error = give_pidfd(c, (*child)->process, b->parent_tid);
    if (error < 0)
        task_abandon(*child);
    return error;
}

static void miscarry(struct call *c, struct task *child, uint64_t flags)
{
    if ((flags & CLONE_PIDFD) != 0)
        (void)fdtable_close(c->task->fds, (int)c->keep[1], c->task->fds);
    task_abandon(child);
}

/* The child lives. A tid that cannot be written is no error (kernel/fork.c). */
static void announce(struct call *c, struct task *child, const struct birth *b)
{
    const struct machine *m = c->world->machine;
    record(c->world, born, child, c->task, b->flags);
    if ((b->flags & CLONE_PARENT_SETTID) != 0)
        (void)call_write(c, b->parent_tid, &child->tid, sizeof child->tid);
    if ((b->flags & CLONE_CHILD_SETTID) != 0 && m->write(child, b->child_tid, &child->tid, sizeof child->tid) > 0)
        record(c->world, wrote, child, b->child_tid, &child->tid, sizeof child->tid);
    if ((b->flags & CLONE_CHILD_CLEARTID) != 0)
        child->clear_child_tid = b->child_tid;
    sched_ready(child);
}

/* Nothing but death interrupts a parent that waits for its vfork child (kernel/fork.c, wait_for_vfork_done). */
static int64_t await_vfork(struct call *c)
{
    return c->task->vfork_waiting ? call_block(c, -1, CALL_BLOCK) : (int64_t)c->keep[0];
}

static int64_t give_birth(struct call *c, const struct birth *b)
{
    if (c->again)
        return await_vfork(c);
    struct task *child;
    uint64_t flags = b->flags;
    if ((flags & 0xff) > SIGNALS) /* no such signal: a child that tells nobody */
        flags &= ~UINT64_C(0xff);
    int error = conceive(c, b, flags, &child);
    if (error < 0)
        return error;
    error = c->world->machine->clone(c->task, child, flags, b->stack, b->tls);
    if (error < 0) {
        miscarry(c, child, flags);
        return error;
    }
    announce(c, child, b);
    c->keep[0] = (uint64_t)child->tid;
    if ((flags & CLONE_VFORK) == 0)
        return child->tid;
    child->vfork_parent = c->task;
    c->task->vfork_waiting = true;
    return await_vfork(c);
}

int64_t stub_clone(struct call *c)
{
    const struct birth b = {.flags = c->arg[0] & UINT32_MAX,
                            .stack = c->arg[1],
                            .parent_tid = c->arg[2],
                            .child_tid = c->arg[3],
                            .tls = c->arg[4]};
    return give_birth(c, &b);
}

int64_t stub_fork(struct call *c)
{
    return give_birth(c, &(const struct birth){.flags = SIGCHLD});
}

int64_t stub_vfork(struct call *c)
{
    return give_birth(c, &(const struct birth){.flags = CLONE_VFORK | CLONE_VM | SIGCHLD});
}

/* ---- unshare ----------------------------------------------------------------------------------------------------- */

static int own_files(struct task *t)
{
    struct fdtable *own = fdtable_copy(t->fds);
    if (own == NULL)
        return -ENOMEM;
    fdtable_put(t->fds);
    t->fds = own;
    return 0;
}

static int own_place(struct task *t)
{
    struct fs_context *own = fs_context_copy(t->fs);
    if (own == NULL)
        return -ENOMEM;
    fs_context_put(t->fs);
    t->fs = own;
    return 0;
}

/* Namespaces as where unprivileged user namespaces are switched off. Of what threads share, only what can be given up.
 */
int64_t stub_unshare(struct call *c)
{
    struct task *t = c->task;
    uint64_t flags = c->arg[0];
    const uint64_t memory = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    if ((flags & ~(memory | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | NEW_NAMESPACES | CLONE_NEWTIME)) != 0)
        return -EINVAL;
    if ((flags & memory) != 0 && t->process->thread_count > 1)
        return -EINVAL;
    if ((flags & CLONE_VM) != 0 && t->mm->references > 1)
        return -EINVAL;
    if ((flags & (NEW_NAMESPACES | CLONE_NEWTIME)) != 0)
        return -EPERM;
    int error = (flags & CLONE_FS) != 0 ? own_place(t) : 0;
    if (error == 0 && (flags & CLONE_FILES) != 0)
        error = own_files(t);
    return error;
}
