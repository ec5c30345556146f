/* Tasks and processes: their numbers, what they share, birth by clone(2), and what execve(2) leaves. Model: the kernel's fork.c; the
 * real processes are the machine's business, this is what the guest is told of them. Their end is in kernel/exit.c. */
#include "kernel/process.h"

#include "kernel/handle.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { POPULATE_ONE = 2 << 20, POPULATE_MOST = 8 << 20 }; /* bytes: at once, and of one process */
enum { PID_LIMIT = 32768, PID_FIRST = 2, REAPER = 1, OPEN_FILES = 1024 };

/* ---- numbers ------------------------------------------------------------------------------------------------------------ */

struct process *process_find(struct world *w, int32_t pid)
{
    struct process *p = w->processes;
    while (p != NULL && p->pid < pid)
        p = p->next;
    return p != NULL && p->pid == pid ? p : NULL;
}

struct task *task_find(struct world *w, int32_t tid)
{
    struct process *leader = process_find(w, tid);
    if (leader != NULL && leader->threads != NULL && leader->threads->tid == tid)
        return leader->threads->state != TASK_DEAD ? leader->threads : NULL;
    for (struct process *p = w->processes; p != NULL; p = p->next)
        for (struct task *t = p->threads; t != NULL; t = t->next_thread)
            if (t->tid == tid)
                return t->state != TASK_DEAD ? t : NULL;
    return NULL;
}

/* A pid is taken while any task, process, group or session has it (kernel/pid.c). */
static bool number_taken(const struct world *w, int32_t pid)
{
    for (const struct process *p = w->processes; p != NULL; p = p->next) {
        if (p->pid == pid || p->pgid == pid || p->sid == pid)
            return true;
        for (const struct task *t = p->threads; t != NULL; t = t->next_thread)
            if (t->tid == pid)
                return true;
    }
    return false;
}

static int32_t next_number(struct world *w)
{
    for (int tries = 0; tries < PID_LIMIT; tries++) {
        int32_t pid = w->next_pid++;
        if (w->next_pid >= PID_LIMIT)
            w->next_pid = PID_FIRST;
        if (w->task_count < 2 || !number_taken(w, pid))
            return pid;
    }
    return -1;
}

/* ---- what tasks share ----------------------------------------------------------------------------------------------------- */

struct mm *mm_new(struct world *w)
{
    struct mm *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->references = 1;
    m->id = ++w->next_id;
    return m;
}

void mm_put(struct mm *m)
{
    if (m == NULL || --m->references > 0)
        return;
    shared_map_remove(m, 0, UINT64_MAX);
    if (m->machine_release != NULL)
        m->machine_release(m);
    free(m->locked);
    free(m);
}

int mm_populate(struct mm *m, uint64_t length)
{
    if (length > POPULATE_ONE || length > POPULATE_MOST - m->populated)
        return 0;
    m->populated += length;
    return MAP_POPULATE;
}

static struct mm *mm_copy(struct world *w, const struct mm *from)
{
    struct mm *m = mm_new(w);
    if (m == NULL)
        return NULL;
    uint64_t id = m->id;
    *m = *from;
    m->id = id;
    m->references = 1;
    m->shared = NULL;
    m->locked = NULL; /* fork(2): memory locks are not inherited */
    m->locked_count = 0;
    m->machine = NULL;
    m->machine_release = NULL;
    m->shared_count = m->shared_prune_at = 0;
    if (shared_map_copy(m, from) < 0) {
        mm_put(m);
        return NULL;
    }
    return m;
}

struct fs_context *fs_context_copy(const struct fs_context *from)
{
    struct fs_context *f = malloc(sizeof *f);
    if (f == NULL)
        return NULL;
    *f = *from;
    f->references = 1;
    dentry_get(f->root);
    dentry_get(f->cwd);
    return f;
}

void fs_context_put(struct fs_context *f)
{
    if (f == NULL || --f->references > 0)
        return;
    dentry_put(f->root);
    dentry_put(f->cwd);
    free(f);
}

static void handlers_put(struct signal_handlers *h)
{
    if (h != NULL && --h->references == 0)
        free(h);
}

/* ---- processes -------------------------------------------------------------------------------------------------------------- */

uint64_t world_open_files(const struct world *w)
{
    uint64_t allowed = w->policy->limits.open_files;
    return allowed == 0 || allowed > OPEN_FILES_MOST ? OPEN_FILES_MOST : allowed;
}

/* Of descriptors a program has what it has on most systems, and may raise it, with setrlimit(2), to what the policy allows. */
static void set_default_limits(struct process *p)
{
    for (int i = 0; i < RLIM_NLIMITS; i++)
        p->limits[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
    uint64_t open_files = world_open_files(p->world);
    p->limits[RLIMIT_STACK].rlim_cur = 8 << 20;
    p->limits[RLIMIT_CORE].rlim_cur = 0;
    p->limits[RLIMIT_NOFILE] = (struct rlimit64){open_files < OPEN_FILES ? open_files : OPEN_FILES, open_files};
    p->limits[RLIMIT_MEMLOCK] = (struct rlimit64){8 << 20, 8 << 20};
    p->limits[RLIMIT_SIGPENDING] = (struct rlimit64){SIGNAL_QUEUE_MAX, SIGNAL_QUEUE_MAX};
    p->limits[RLIMIT_MSGQUEUE] = (struct rlimit64){819200, 819200};
    p->limits[RLIMIT_NICE] = p->limits[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
}

struct process *process_new(struct world *w, struct process *parent)
{
    struct process *p = calloc(1, sizeof *p);
    int32_t pid = p != NULL ? next_number(w) : -1;
    if (pid < 0) {
        free(p);
        return NULL;
    }
    p->world = w;
    p->pid = pid;
    p->parent = parent;
    p->exit_signal = SIGCHLD;
    p->start_time = clock_elapsed(&w->clock);
    signal_queue_init(&p->signals);
    waitq_init(&p->signal_wait);
    waitq_init(&p->child_wait);
    set_default_limits(p);
    struct process **link = &w->processes;
    while (*link != NULL && (*link)->pid < pid)
        link = &(*link)->next;
    p->next = *link;
    *link = p;
    if (++w->process_count > w->process_peak)
        w->process_peak = w->process_count;
    return p;
}

void process_reaper_init(struct world *w)
{
    struct process *p = &w->reaper;
    p->world = w;
    p->pid = p->pgid = p->sid = 1;
    p->exit_signal = SIGCHLD;
    p->thread_count = 1;
    signal_queue_init(&p->signals);
    waitq_init(&p->signal_wait);
    waitq_init(&p->child_wait);
    set_default_limits(p);
}

void process_set_program(struct process *p, struct dentry *d)
{
    struct dentry *before = p->program_dentry;
    p->program_dentry = d != NULL && vfs_execute(d) == 0 ? d : NULL;
    if (before != NULL)
        vfs_executed(before);
}

void process_free(struct process *p)
{
    struct world *w = p->world;
    struct process **link = &w->processes;
    while (*link != NULL && *link != p)
        link = &(*link)->next;
    if (*link == p)
        *link = p->next;
    w->process_count--;
    process_timers_free(p);
    process_handle_forget(p);
    signal_queue_clear(&p->signals);
    waitq_destroy(&p->signal_wait);
    waitq_destroy(&p->child_wait);
    handlers_put(p->handlers);
    process_set_program(p, NULL);
    free(p->program);
    free(p);
}

static void task_init(struct task *t, struct process *p, int32_t tid)
{
    t->world = p->world;
    t->process = p;
    t->tid = tid;
    t->state = TASK_READY;
    t->dumpable = true;
    t->timer_slack = 50000;
    signal_queue_init(&t->signals);
    struct task **link = &p->threads;
    while (*link != NULL)
        link = &(*link)->next_thread;
    *link = t;
    p->thread_count++;
    p->world->task_count++;
}

/* The first task of a world: nobody to inherit from. */
struct task *task_new(struct process *p, int32_t tid)
{
    struct world *w = p->world;
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    p->handlers = calloc(1, sizeof *p->handlers);
    t->fds = fdtable_new((uint32_t)p->limits[RLIMIT_NOFILE].rlim_cur);
    t->fs = calloc(1, sizeof *t->fs);
    if (p->handlers == NULL || t->fds == NULL || t->fs == NULL) {
        if (t->fds != NULL)
            fdtable_put(t->fds);
        free(t->fs);
        free(t);
        return NULL;
    }
    p->handlers->references = 1;
    *t->fs = (struct fs_context){.references = 1, .root = vfs_root(w->vfs), .cwd = vfs_root(w->vfs), .umask = 022};
    dentry_get(t->fs->root);
    dentry_get(t->fs->cwd);
    task_init(t, p, tid != 0 ? tid : next_number(w));
    return t;
}

void task_release_shared(struct task *t)
{
    if (t->fds != NULL)
        fdtable_put(t->fds);
    fs_context_put(t->fs);
    mm_put(t->mm);
    t->fds = NULL;
    t->fs = NULL;
    t->mm = NULL;
}

void task_free(struct task *t)
{
    struct process *p = t->process;
    struct task **link = &p->threads;
    while (*link != NULL && *link != t)
        link = &(*link)->next_thread;
    if (*link == t)
        *link = t->next_thread;
    sched_remove(t);
    call_end(&t->call);
    task_release_shared(t);
    signal_queue_clear(&t->signals);
    if (p->world->current == t)
        p->world->current = NULL;
    p->world->task_count--;
    free(t);
}

void process_free_all(struct world *w)
{
    while (w->processes != NULL) {
        struct process *p = w->processes;
        while (p->threads != NULL)
            task_free(p->threads);
        process_free(p);
    }
    w->init = NULL;
}

/* ---- clone(2) ------------------------------------------------------------------------------------------------------------------ */

#define NEW_NAMESPACES                                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80)

static int check_flags(uint64_t flags)
{
    if ((flags & NEW_NAMESPACES & ~UINT64_C(0xff)) != 0)
        return -EPERM;
    if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0)
        return -EINVAL;
    if ((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0)
        return -EINVAL;
    if ((flags & 0xff) > SIGNALS)
        return -EINVAL;
    return 0;
}

static struct process *clone_process(struct task *parent, uint64_t flags)
{
    struct process *from = parent->process;
    struct process *father = (flags & CLONE_PARENT) != 0 ? from->parent : from;
    struct process *p = process_new(parent->world, father);
    if (p == NULL)
        return NULL;
    if ((flags & CLONE_SIGHAND) != 0) {
        p->handlers = from->handlers;
        p->handlers->references++;
    } else if ((p->handlers = malloc(sizeof *p->handlers)) != NULL) {
        *p->handlers = *from->handlers;
        p->handlers->references = 1;
    }
    p->program = from->program != NULL ? strdup(from->program) : NULL;
    if (p->handlers == NULL || (from->program != NULL && p->program == NULL)) {
        process_free(p);
        return NULL;
    }
    process_set_program(p, from->program_dentry);
    p->pgid = from->pgid;
    p->sid = from->sid;
    p->tty = from->tty;
    p->exit_signal = (flags & CLONE_PARENT) != 0 ? from->exit_signal : (int32_t)(flags & 0xff);
    p->personality = from->personality;
    p->nice = parent->reset_on_fork && from->nice < 0 ? 0 : from->nice;
    p->io_priority = from->io_priority;
    memcpy(p->limits, from->limits, sizeof p->limits);
    return p;
}

static bool share_or_copy(struct task *t, struct task *parent, uint64_t flags)
{
    if ((flags & CLONE_VM) != 0) {
        t->mm = parent->mm;
        t->mm->references++;
    } else {
        t->mm = mm_copy(parent->world, parent->mm);
    }
    if ((flags & CLONE_FILES) != 0) {
        t->fds = parent->fds;
        fdtable_get(t->fds);
    } else {
        t->fds = fdtable_copy(parent->fds);
    }
    if ((flags & CLONE_FS) != 0) {
        t->fs = parent->fs;
        t->fs->references++;
    } else {
        t->fs = fs_context_copy(parent->fs);
    }
    return t->mm != NULL && t->fds != NULL && t->fs != NULL;
}

int process_clone(struct task *parent, uint64_t flags, struct task **child)
{
    int error = check_flags(flags);
    if (error < 0)
        return error;
    struct task *t = calloc(1, sizeof *t);
    struct process *p = t == NULL ? NULL : (flags & CLONE_THREAD) != 0 ? parent->process : clone_process(parent, flags);
    int32_t tid = p == NULL ? -1 : p != parent->process ? p->pid : next_number(parent->world);
    if (tid < 0) {
        free(t);
        return -EAGAIN;
    }
    task_init(t, p, tid);
    t->cred = parent->cred;
    t->dumpable = parent->dumpable;
    t->no_new_privs = parent->no_new_privs;
    t->timer_slack = parent->timer_slack;
    if (!parent->reset_on_fork) {
        t->policy = parent->policy;
        t->realtime_priority = parent->realtime_priority;
    }
    memcpy(t->comm, parent->comm, sizeof t->comm);
    if ((flags & CLONE_VM) == 0 || (flags & CLONE_VFORK) != 0)
        t->altstack.size = parent->altstack.size, t->altstack.stack = parent->altstack.stack;
    if (!share_or_copy(t, parent, flags)) {
        task_abandon(t);
        return -ENOMEM;
    }
    *child = t;
    return 0;
}

void task_abandon(struct task *child)
{
    struct process *p = child->process;
    task_free(child);
    p->thread_count--;
    if (p->threads == NULL)
        process_free(p);
}

/* ---- execve's side of the model ------------------------------------------------------------------------------------------------ */

static void unshare_for_exec(struct task *t)
{
    struct process *p = t->process;
    if (p->handlers->references > 1) {
        struct signal_handlers *own = malloc(sizeof *own);
        if (own != NULL) {
            *own = *p->handlers;
            own->references = 1;
            handlers_put(p->handlers);
            p->handlers = own;
        }
    }
    struct fdtable *fds =
        fdtable_shared(t->fds) ? fdtable_copy(t->fds) : NULL; /* the table owns POSIX locks: they stay */
    if (fds != NULL) {
        fdtable_put(t->fds);
        t->fds = fds;
    }
}

void process_exec_done(struct task *t)
{
    struct process *p = t->process;
    if (p->threads != t) { /* it takes the leader's place and number */
        struct task *leader = p->threads;
        struct task **link = &leader->next_thread;
        while (*link != t)
            link = &(*link)->next_thread;
        *link = t->next_thread;
        t->next_thread = leader->next_thread;
        leader->next_thread = t;
        task_free(leader);
        t->tid = p->pid;
    }
    p->executed = true;
    unshare_for_exec(t);
    fdtable_close_on_exec(t->fds, t->fds);
    signal_exec(p);
    t->clear_child_tid = t->robust_list = 0;
    memset(&t->altstack, 0, sizeof t->altstack);
    t->dumpable = true;
    process_timers_exec(p);
    task_release_vfork(t);
}
