/* struct machine, implemented by tracees. Each function is one small step; what they mean is in kernel/machine.h. */
#include "supervisor/machine.h"

#include "supervisor/exec.h"
#include "supervisor/glass/glass.h"
#include "supervisor/limits.h"
#include "supervisor/maps.h"
#include "supervisor/tracee.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct tracee *of(const struct task *t)
{
    return t->machine;
}

static ssize_t machine_read(struct task *t, uint64_t address, void *to, size_t n)
{
    return of(t) == NULL ? -EFAULT : tracee_read(of(t), address, to, n);
}

static ssize_t machine_write(struct task *t, uint64_t address, const void *from, size_t n)
{
    return of(t) == NULL ? -EFAULT : tracee_write(of(t), address, from, n);
}

static int64_t machine_native(struct task *t, long nr, const uint64_t arguments[6])
{
    return tracee_inject(of(t), nr, arguments);
}

static int64_t machine_map(struct task *t, uint64_t address, uint64_t length, int protection, int flags,
                           const struct file_mapping *m, struct file *f)
{
    return tracee_map(of(t), address, length, protection, flags, m, f);
}

/* ---- clone ------------------------------------------------------------------------------------------------------- */

/* What the real kernel is asked for. Everything else (tids written, vfork's wait, namespaces, tracing) is the world's. The guest's
 * processes are the supervisor's own children (CLONE_PARENT), so that no real zombie waits for an emulated wait4. */
static uint64_t native_flags(uint64_t asked)
{
    uint64_t flags = asked & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS | CLONE_SYSVSEM);
    if ((asked & CLONE_VM) != 0)
        flags |= CLONE_FILES; /* descriptors handed over belong to the address space */
    if ((asked & CLONE_THREAD) == 0)
        flags |= CLONE_PARENT | SIGCHLD;
    return flags;
}

/* The child's registers: its parent's at the call, but for the result and what the kernel set for it. */
static void set_child_registers(struct tracee *child, const struct tracee *parent, uint64_t stack)
{
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, child->real, 0, &now) < 0)
        return;
    child->regs = parent->regs;
    child->regs.fs_base = now.fs_base;
    child->regs.gs_base = now.gs_base;
    child->regs.fs = now.fs;
    child->regs.gs = now.gs;
    child->regs.rax = 0;
    child->regs.orig_rax = (uint64_t)-1;
    if (stack != 0)
        child->regs.rsp = stack;
    child->regs_known = child->changed = true;
}

static int machine_clone(struct task *parent, struct task *child, uint64_t flags, uint64_t stack, uint64_t tls)
{
    struct tracee *p = of(parent);
    struct handed_table *table = NULL;
    if (child->mm != parent->mm) {
        table = handed_table_copy(parent->mm->machine);
        if (table == NULL)
            return -ENOMEM;
        child->mm->machine = table;
        child->mm->machine_release = handed_table_release;
    }
    p->born = 0;
    const uint64_t arguments[6] = {native_flags(flags), stack, 0, 0, tls};
    int64_t result = tracee_inject(p, SYS_clone, arguments);
    if (result < 0 || p->born == 0) {
        if (p->born != 0) /* the parent was killed in the middle */
            kill(p->born, SIGKILL);
        tracee_kill_unborn(p->holder);
        return result < 0 ? (int)result : -EAGAIN;
    }
    struct tracee *c = tracee_born(p->holder, p->born, child);
    tracee_kill_unborn(p->holder);
    if (c == NULL) {
        kill(p->born, SIGKILL);
        return -ENOMEM;
    }
    child->machine = c;
    if ((flags & CLONE_THREAD) == 0)
        child->process->machine = c;
    if (parent->process->machine != NULL)
        c->page_tables = ((struct tracee *)parent->process->machine)->page_tables;
    while (c->where == TRACEE_RUNNING && tracee_wait(c) == -EINTR)
        ;
    if (c->where != TRACEE_GONE)
        set_child_registers(c, p, stack);
    return 0; /* killed already, perhaps: the loop hears of it as of any other death */
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void machine_exit(struct task *t, int status, bool group)
{
    struct tracee *tracee = of(t);
    tracee->exiting = true;
    tracee->exiting_group = group;
    tracee->exit_code = status;
}

static void machine_kill(struct process *p)
{
    struct tracee *any = NULL;
    for (struct task *t = p->threads; t != NULL; t = t->next_thread) {
        if (of(t) == NULL)
            continue;
        any = of(t);
        any->killed = true;
    }
    if (any == NULL)
        return;
    any->holder->any_killed = true;
    struct tracee *leader = p->machine;
    kill(leader->real, SIGKILL);
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static bool stopped(struct tracee *t)
{
    return t->where != TRACEE_AT_NOTICE || tracee_load_registers(t) == 0;
}

/* The kernel shows masks of the stopped alone. */
static uint64_t machine_blocked(struct task *t)
{
    uint64_t mask = 0;
    if (of(t) != NULL && stopped(of(t)))
        (void)ptrace(PTRACE_GETSIGMASK, of(t)->real, sizeof mask, &mask);
    return mask;
}

static void machine_set_blocked(struct task *t, uint64_t mask)
{
    if (of(t) != NULL && stopped(of(t)))
        (void)ptrace(PTRACE_SETSIGMASK, of(t)->real, sizeof mask, &mask);
}

static void machine_ring(struct process *p, struct task *t, int signal)
{
    const struct tracee *leader = p->machine;
    if (leader == NULL)
        return;
    if (t == NULL)
        kill(leader->real, signal);
    else if (of(t) != NULL)
        syscall(SYS_tgkill, leader->real, of(t)->real, signal);
}

static void machine_suspend_with(struct task *t, uint64_t temporary)
{
    of(t)->suspend = true;
    of(t)->suspend_mask = temporary;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Never above what the real process has already: the supervisor's own caller set that. The hard limit goes down for CPU alone,
 * where the kernel acts on it (SIGKILL); for the others the world's hard limit is a rule of prlimit(2)'s and nothing more. */
static int machine_limit(struct process *p, int resource, const struct rlimit64 *limit)
{
    const struct tracee *leader = p->machine;
    struct rlimit64 now;
    if (leader == NULL)
        return 0;
    if (resource == RLIMIT_STACK) {
        struct task *self = p->world->current;
        return self != NULL && self->process == p && self->in_call ? exec_raise_stack(self) : 0;
    }
    if (prlimit64(leader->real, resource, NULL, &now) < 0)
        return -errno;
    uint64_t soft = limit->rlim_cur;
    uint64_t uncounted = p->threads != NULL ? exec_uncounted(p->threads->mm, resource) : 0;
    if (soft < RLIM64_INFINITY - uncounted)
        soft += uncounted;
    now.rlim_cur = least(soft, now.rlim_max);
    if (resource == RLIMIT_CPU)
        now.rlim_max = least(limit->rlim_max, now.rlim_max);
    return prlimit64(leader->real, resource, &now, NULL) < 0 ? -errno : 0;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static int64_t machine_cpu_time(struct process *p)
{
    const struct tracee *leader = p->machine;
    struct timespec now;
    /* clock_getcpuclockid(3)'s number, without its question whether the process is there. */
    if (leader == NULL || clock_gettime((clockid_t)(~(unsigned)leader->real << 3 | 2), &now) < 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t machine_instruction(struct task *t)
{
    return of(t) != NULL && tracee_load_registers(of(t)) == 0 ? of(t)->regs.rip : 0;
}

static uint64_t machine_stack(struct task *t)
{
    return of(t) != NULL && tracee_load_registers(of(t)) == 0 ? of(t)->regs.rsp : 0;
}

static bool machine_over(struct task *t)
{
    return of(t) != NULL && limits_over(of(t)->holder);
}

const struct machine ptrace_machine = {
    .read = machine_read,
    .write = machine_write,
    .native = machine_native,
    .map = machine_map,
    .clone = machine_clone,
    .exec = exec_program,
    .exit = machine_exit,
    .kill = machine_kill,
    .blocked = machine_blocked,
    .set_blocked = machine_set_blocked,
    .ring = machine_ring,
    .suspend_with = machine_suspend_with,
    .cpu_time = machine_cpu_time,
    .limit = machine_limit,
    .over = machine_over,
    .maps = maps_each,
    .resident = maps_resident,
    .instruction = machine_instruction,
    .stack = machine_stack,
};
