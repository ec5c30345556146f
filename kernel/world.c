/* A world's beginning and end. */
#include "kernel/owner.h"
#include "vfs/far_end.h"
#include "kernel/recorder.h"

#include <stdlib.h>
#include <string.h>

enum { PID_FIRST = 2 }; /* pid 1 is the reaper, which has no task */

void exec_arguments_free(struct exec_arguments *a)
{
    free(a->bytes);
    *a = (struct exec_arguments){0};
}

/* ---- hooks: what the VFS asks of the world ------------------------------------------------------------------------- */

static int64_t hook_now(void *context)
{
    return clock_read(&((struct world *)context)->clock, CLOCK_REALTIME);
}

static int64_t timer_now(void *context, int clock_id)
{
    return clock_read(&((struct world *)context)->clock, clock_id);
}

static uint64_t timer_arm(void *context, int clock_id, int64_t when, void (*fire)(void *), void *argument)
{
    struct clock *c = &((struct world *)context)->clock;
    return clock_arm(c, clock_to_elapsed(c, clock_id, when), fire, argument);
}

static void timer_disarm(void *context, uint64_t handle)
{
    clock_disarm(&((struct world *)context)->clock, handle);
}

/* What the limit still allows is written, and then the run ends. */
static ssize_t stream_output(void *context, int stream, const void *bytes, size_t n)
{
    struct world *w = context;
    uint64_t allowed = w->policy->limits.output;
    if (allowed != 0 && n > allowed - w->output_bytes) {
        n = allowed - w->output_bytes;
        world_end(w, VERDICT_OUTPUT);
    }
    if (n == 0)
        return -ENOSPC;
    bool over = w->ending;
    w->output_bytes += n;
    record(w, stream, stream, bytes, n);
    return w->ending == over ? (ssize_t)n : -ENOSPC; /* whoever was told of it ended the run before it */
}

static void stream_input(void *context, const void *bytes, size_t n)
{
    struct world *w = context;
    record(w, stream, 0, bytes, n);
}

static bool stream_pieces(void *context, bool nothing_yet)
{
    struct world *w = context;
    if (nothing_yet && w->task_count <= 1)
        return false;
    world_not_reproducible(w, "stdin: it came in pieces, and when they came was seen");
    return true;
}

static void stream_looked(void *context, int stream, uint32_t events)
{
    struct world *w = context;
    record(w, ready, stream, events);
}

static void tty_signal_group(void *context, int32_t pgrp, int signal)
{
    siginfo_t info;
    signal_kernel_info(&info, signal);
    (void)signal_send_group(context, pgrp, &info);
}

static struct process *caller(void *context)
{
    struct world *w = context;
    return w->current != NULL ? w->current->process : w->init;
}

static int32_t tty_caller_pgrp(void *context)
{
    return caller(context)->pgid;
}

static int32_t tty_caller_session(void *context)
{
    return caller(context)->sid;
}

static bool tty_caller_is_leader(void *context)
{
    return caller(context)->sid == caller(context)->pid;
}

static bool tty_caller_ignores(void *context, int signal)
{
    struct world *w = context;
    const struct process *p = caller(context);
    return p->handlers->action[signal].handler == 1 ||
           (w->current != NULL && (w->machine->blocked(w->current) & SIGNAL_BIT(signal)) != 0);
}

static bool tty_pgrp_in_session(void *context, int32_t pgrp, int32_t session)
{
    for (const struct process *p = ((struct world *)context)->processes; p != NULL; p = p->next)
        if (p->pgid == pgrp && p->sid == session && !p->zombie)
            return true;
    return false;
}

static bool tty_pgrp_is_orphaned(void *context, int32_t pgrp)
{
    return process_group_orphaned(context, pgrp);
}

static void tty_set_controlling(void *context, int32_t session, void *tty)
{
    for (struct process *p = ((struct world *)context)->processes; p != NULL; p = p->next)
        if (p->sid == session)
            p->tty = tty;
}

static void *dev_controlling_tty(void *context)
{
    return caller(context)->tty;
}

static void dev_random(void *context, void *bytes, size_t n)
{
    random_bytes(&((struct world *)context)->random, RANDOM_GUEST, bytes, n);
}

static void set_hooks(struct world *w)
{
    w->timer_clock = (struct timer_clock){timer_now, timer_arm, timer_disarm, w};
    w->streams = (struct host_stream_hooks){
        .output = stream_output, .input = stream_input, .pieces = stream_pieces, .looked = stream_looked, .context = w};
    w->tty = (struct tty_hooks){
        .signal_group = tty_signal_group,
        .caller_pgrp = tty_caller_pgrp,
        .caller_session = tty_caller_session,
        .caller_is_leader = tty_caller_is_leader,
        .caller_ignores = tty_caller_ignores,
        .pgrp_in_session = tty_pgrp_in_session,
        .pgrp_is_orphaned = tty_pgrp_is_orphaned,
        .set_controlling = tty_set_controlling,
        .context = w,
    };
    w->dev = (struct dev_hooks){.random = dev_random, .controlling_tty = dev_controlling_tty, .context = w};
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------ */

/* A limit of the run ends it, whoever reaches it; where the policy says `none`, a full disk is no more than that. */
static void end_of_room(void *context, enum vfs_quota which)
{
    struct world *w = context;
    const struct policy_limits *l = &w->policy->limits;
    const struct {
        uint64_t limit;
        enum verdict verdict;
    } by[] = {[VFS_BYTES] = {l->files, VERDICT_FILES},
              [VFS_NODES] = {l->file_count, VERDICT_FILE_COUNT},
              [VFS_ANONYMOUS] = {l->memory, VERDICT_MEMORY}};
    if (by[which].limit != 0)
        world_end(w, by[which].verdict);
}

struct world *world_new(const struct policy *p, const struct machine *m, void *machine_context)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->policy = p;
    w->machine = m;
    w->machine_context = machine_context;
    w->next_pid = PID_FIRST;
    clock_init(&w->clock, p->clock.real, p->clock.start, p->clock.per_event);
    random_init(&w->random, p->seed);
    process_reaper_init(w);
    sched_explore(w, p->schedule_seed);
    set_hooks(w);
    const struct vfs_config config = {
        .now = hook_now,
        .context = w,
        .quota_bytes = p->limits.files,
        .quota_anonymous = p->limits.memory,
        .quota_nodes = p->limits.file_count,
        .guest_uid = p->user.uid,
        .guest_gid = p->user.gid,
        .io_signal = owner_signal,
        .exceeded = end_of_room,
    };
    w->vfs = vfs_new(&config);
    w->futexes = futex_table_new();
    const struct net_hooks network = {.clock = &w->timer_clock}; /* nothing is beyond, but time passes */
    if (w->vfs == NULL || w->futexes == NULL || vfs_set_network(w->vfs, &network) < 0) {
        world_free(w);
        return NULL;
    }
    if (w->clock.real)
        world_not_reproducible(w, "clock: real, by the policy");
    return w;
}

void world_free(struct world *w)
{
    if (w == NULL)
        return;
    w->ending = true;
    process_free_all(w);
    if (w->sysv != NULL)
        w->sysv_release(w->sysv);
    if (w->shm != NULL)
        w->shm_release(w->shm);
    for (int i = 0; i < 3; i++)
        file_put(w->stdio[i]);
    for (size_t i = 0; i < w->denial_count; i++)
        free(w->denials[i].example);
    free(w->denials);
    if (w->futexes != NULL)
        futex_table_free(w->futexes);
    if (w->vfs != NULL)
        vfs_free(w->vfs);
    clock_destroy(&w->clock);
    free(w);
}

void world_end(struct world *w, enum verdict v)
{
    if (w->ending)
        return;
    w->verdict = v;
    w->ending = true;
}

void world_not_reproducible(struct world *w, const char *why)
{
    for (size_t i = 0; i < w->not_reproducible_count; i++)
        if (w->not_reproducible[i] == why)
            return;
    if (w->not_reproducible_count < sizeof w->not_reproducible / sizeof *w->not_reproducible)
        w->not_reproducible[w->not_reproducible_count++] = why;
    record(w, real, why);
}
