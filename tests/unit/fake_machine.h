/* A world for unit tests of kernel/ and stubs/: a machine whose guest memory is an array, and calls made by hand.
 *
 * The guest's memory is FAKE_PAGES pages from FAKE_BASE on; pages may be taken away (fake_unmap). fake_call runs a call
 * through dispatch as the supervisor does. Nothing here runs a process. */
#ifndef TESTS_UNIT_FAKE_MACHINE_H
#define TESTS_UNIT_FAKE_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_BASE UINT64_C(0x10000)
enum { FAKE_PAGE = 4096, FAKE_PAGES = 64 };

struct fake_machine {
    struct policy policy;
    struct policy *loaded; /* freed with the machine when a test put one here */
    struct world *world;
    struct process *process;
    struct task *task;
    uint8_t memory[FAKE_PAGES * FAKE_PAGE];
    bool gone[FAKE_PAGES];
    unsigned reads, writes; /* calls of the machine: what one stop costs */
    uint64_t blocked;       /* the thread's signal mask */
    bool suspended;         /* suspend_with was called, with this mask */
    uint64_t suspended_mask;
    int rung;               /* the last signal rung */
    unsigned rings;         /* how often */
    struct task *rung_task; /* for whom; NULL: whoever unblocks it */
    int clone_error;        /* what machine->clone answers */
    unsigned clones;
    bool exiting, exiting_group; /* machine->exit was called, with this status */
    int exit_status;
    unsigned killed; /* machine->kill */
    int limited;     /* the last resource given to machine->limit */
    struct rlimit64 limit;
};

static inline struct fake_machine *fake_of(struct task *t)
{
    return t->world->machine_context;
}

/* Bytes from `address` on that are there, at most n. */
static inline size_t fake_reachable(struct fake_machine *f, uint64_t address, size_t n)
{
    size_t ok = 0;
    if (address < FAKE_BASE)
        return 0;
    while (ok < n) {
        uint64_t page = (address + ok - FAKE_BASE) / FAKE_PAGE;
        if (page >= FAKE_PAGES || f->gone[page])
            break;
        ok += FAKE_PAGE - (address + ok) % FAKE_PAGE;
    }
    return ok < n ? ok : n;
}

static inline ssize_t fake_read(struct task *t, uint64_t address, void *to, size_t n)
{
    struct fake_machine *f = fake_of(t);
    size_t ok = fake_reachable(f, address, n);
    f->reads++;
    if (!ok)
        return -EFAULT;
    memcpy(to, f->memory + (address - FAKE_BASE), ok);
    return (ssize_t)ok;
}

static inline ssize_t fake_write(struct task *t, uint64_t address, const void *from, size_t n)
{
    struct fake_machine *f = fake_of(t);
    size_t ok = fake_reachable(f, address, n);
    f->writes++;
    if (!ok)
        return -EFAULT;
    memcpy(f->memory + (address - FAKE_BASE), from, ok);
    return (ssize_t)ok;
}

/* t->machine may point to a mask of the thread's own. */
static inline uint64_t fake_blocked(struct task *t)
{
    return t->machine != NULL ? *(const uint64_t *)t->machine : fake_of(t)->blocked;
}

static inline void fake_set_blocked(struct task *t, uint64_t mask)
{
    *(t->machine != NULL ? (uint64_t *)t->machine : &fake_of(t)->blocked) = mask;
}

static inline void fake_ring(struct process *p, struct task *t, int signal)
{
    struct fake_machine *f = p->world->machine_context;
    f->rung = signal;
    f->rung_task = t;
    f->rings++;
}

static inline void fake_suspend(struct task *t, uint64_t mask)
{
    fake_of(t)->suspended = true;
    fake_of(t)->suspended_mask = mask;
}

static inline int64_t fake_native(struct task *t, long nr, const uint64_t arguments[6])
{
    return -ENOSYS;
}

static inline int64_t fake_cpu_time(struct process *p)
{
    return 0;
}

static inline int fake_clone(struct task *parent, struct task *child, uint64_t flags, uint64_t stack, uint64_t tls)
{
    fake_of(parent)->clones++;
    return fake_of(parent)->clone_error;
}

static inline void fake_exit(struct task *t, int status, bool group)
{
    struct fake_machine *f = fake_of(t);
    f->exiting = true;
    f->exiting_group = group;
    f->exit_status = status;
}

static inline void fake_kill(struct process *p)
{
    ((struct fake_machine *)p->world->machine_context)->killed++;
}

static inline int fake_limit(struct process *p, int resource, const struct rlimit64 *limit)
{
    struct fake_machine *f = p->world->machine_context;
    f->limited = resource;
    f->limit = *limit;
    return 0;
}

static const struct machine fake_operations = {
    .read = fake_read,
    .write = fake_write,
    .native = fake_native,
    .clone = fake_clone,
    .exit = fake_exit,
    .kill = fake_kill,
    .limit = fake_limit,
    .blocked = fake_blocked,
    .set_blocked = fake_set_blocked,
    .ring = fake_ring,
    .suspend_with = fake_suspend,
    .cpu_time = fake_cpu_time,
};

/* One process with one task, root of an empty tree, as uid 1000. policy NULL: an empty one
 * that was never compiled, for tests that stand in for policy/. */
static inline struct fake_machine *fake_machine_with(struct policy *policy)
{
    struct fake_machine *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->policy.hostname = (char *)"test";
    f->policy.user.uid = f->policy.user.gid = 1000;
    f->policy.clock.per_event = 10000;
    f->policy.clock.start = INT64_C(1704067200) * 1000000000;
    f->loaded = policy;
    f->world = world_new(policy ? policy : &f->policy, &fake_operations, f);
    assert_non_null(f->world);
    f->process = process_new(f->world, NULL);
    assert_non_null(f->process);
    f->process->pgid = f->process->sid = f->process->pid;
    f->task = task_new(f->process, f->process->pid);
    assert_non_null(f->task);
    f->task->mm = mm_new(f->world);
    assert_non_null(f->task->mm);
    f->world->init = f->process;
    f->world->current = f->task;
    f->task->cred = (struct cred){
        .uid = 1000, .euid = 1000, .suid = 1000, .fsuid = 1000, .gid = 1000, .egid = 1000, .sgid = 1000, .fsgid = 1000};
    return f;
}

/* The built-in policy, as when none is given. Tests that stand in for policy/ themselves do without. */
static inline struct policy *fake_policy(void)
{
    struct policy *p = NULL;
    struct policy_error error;
    assert_int_equal(policy_load(NULL, NULL, &p, &error), 0);
    assert_int_equal(policy_compile(p, &error), 0);
    return p;
}

static inline int fake_setup(void **state)
{
    *state = fake_machine_with(fake_policy());
    return 0;
}

static inline int fake_teardown(void **state)
{
    struct fake_machine *f = *state;
    world_free(f->world);
    if (f->loaded)
        policy_free(f->loaded);
    free(f);
    return 0;
}

static inline void fake_unmap(struct fake_machine *f, unsigned page)
{
    f->gone[page] = true;
}

/* The address of byte `offset` of the memory, and the byte itself. */
static inline uint64_t fake_at(size_t offset)
{
    return FAKE_BASE + offset;
}

static inline void *fake_bytes(struct fake_machine *f, size_t offset)
{
    return f->memory + offset;
}

static inline uint64_t fake_string(struct fake_machine *f, size_t offset, const char *text)
{
    strcpy(fake_bytes(f, offset), text);
    return fake_at(offset);
}

/* A second task of the same process. */
static inline struct task *fake_thread(struct fake_machine *f)
{
    struct task *t = NULL;
    const uint64_t flags =
        0x00000100 | 0x00000200 | 0x00000400 | 0x00000800 | 0x00010000; /* VM FS FILES SIGHAND THREAD */
    assert_int_equal(process_clone(f->task, flags, &t), 0);
    return t;
}

static inline int64_t fake_call_as(struct task *t, uint64_t nr, const uint64_t arg[6])
{
    call_begin(&t->call, t, nr, arg);
    t->in_call = true;
    int64_t result = dispatch(t);
    if (result != CALL_BLOCK)
        t->in_call = false;
    return result;
}

/* A call of the first task: fake_call(f, SYS_read, 0, address, 10). Missing arguments are 0. */
#define fake_call(f, nr, ...) fake_call_as((f)->task, nr, (const uint64_t[6]){__VA_ARGS__})

/* The task was made ready: run its call again. */
static inline int64_t fake_again(struct task *t)
{
    assert_int_equal(t->state, TASK_READY);
    sched_remove(t);
    int64_t result = dispatch(t);
    if (result != CALL_BLOCK)
        t->in_call = false;
    return result;
}

/* Sleep until the earliest deadline, as the supervisor does when nobody is ready. */
static inline void fake_jump(struct fake_machine *f)
{
    int64_t next = clock_next(&f->world->clock);
    assert_true(next != INT64_MAX);
    clock_jump(&f->world->clock, next);
    clock_run(&f->world->clock);
}

static inline void fake_signal(struct fake_machine *f, int signal)
{
    siginfo_t info;
    signal_user_info(&info, signal, f->task);
    f->process->handlers->action[signal].handler = 0x1234;
    signal_send_task(f->task, &info);
    task_interrupt(f->task);
}

static inline void fake_leave_queue(struct fake_machine *f)
{
    while (sched_pick(f->world) != NULL)
        ;
}

/* A child by fork(2). */
static inline struct task *fake_child_of(struct task *parent, uint64_t flags)
{
    struct fake_machine *f = fake_of(parent);
    int64_t pid = fake_call_as(parent, SYS_clone, (const uint64_t[6]){flags});
    assert_true(pid > 0);
    struct task *t = task_find(f->world, (int32_t)pid);
    assert_non_null(t);
    fake_leave_queue(f);
    return t;
}

#endif
