/* CPU, wall clock and memory, looked at every tick (10 ms of real time, or 50: supervisor/tick.c, `calm`) and when a process ends. CPU
 * time of a virtual clock is counted (calls, and an interpreter's checks at their nominal speed: docs/counting.md), and ends the run
 * at an exact place; real CPU time is what stands behind it. What is counted in calls (output, processes, open files, bytes of
 * files) is counted where it happens, by the stubs and the VFS.
 *
 * Memory is what was touched: anonymous pages of every process (proc_pid_statm(5): resident less shared), what memory files,
 * memfds, shared anonymous memory and queues of sockets hold, and page tables, which reading one byte in every 2 MiB of a reserved stretch makes
 * out of nothing. Pages that fork(2) shares are counted once: when the cheap sum is over the limit, smaps_rollup's
 * proportional share decides, which takes a walk through the page tables of everybody (shares_now). Between two looks a guest can touch what 10 ms suffice to touch: about 40 MiB, or 100 MiB in huge
 * pages.
 *
 * Where the host's /proc is not mounted, waitpid(2)'s own account stands in: the most that the process ever had in memory, with
 * its libraries and what it shares with its relatives. That is never less than what was touched, and it is looked at more
 * often than the guest may like: a task that computes is stopped at every tick for it. */
#include "supervisor/limits.h"

#include "supervisor/ceilings.h"
#include "supervisor/fast_clock.h"
#include "supervisor/inspect/inspect.h"
#include "supervisor/recording.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    CEILING = 3
}; /* times the limit, of real CPU time, for what is counted: a machine may be slower than the nominal one */
static const uint64_t ceiling_more = 1000000000;
enum {
    RECOUNT_MOST = 1024,           /* memory files looked at in one tick */
    LOOK_EVERY = 80 * 1000 * 1000, /* ns from one look at memory to the next, when no limit is set */
};

struct limits {
    int64_t started;    /* CLOCK_MONOTONIC */
    int64_t cpu_before; /* of children that ended before this world */
    struct limits_usage usage;
    /* The last look at shares: 0 bytes: there was none since the cheap sum was within the limit. */
    uint64_t shares, sum_low; /* what they came to; the least that the cheap sum was since then */
    int64_t shares_at, shares_cost;
    int64_t looked;    /* when limits_over last did */
    int64_t next_look; /* ns of ticks until memory that nobody limited is looked at again */
};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Guest processes are the supervisor's own children: those that ended are in its account. */
static int64_t cpu_of_ended(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

int limits_new(struct holder *h)
{
    h->limits = calloc(1, sizeof *h->limits);
    if (h->limits == NULL)
        return -ENOMEM;
    h->limits->started = now();
    h->limits->cpu_before = cpu_of_ended();
    h->no_proc = access("/proc/self/statm", R_OK) != 0;
    return 0;
}

void limits_of_caller(struct world *w)
{
    static const struct {
        const char *why;
        int resource;
        bool stays; /* it bounds what terrarium writes to the host, too */
    } of[] = {
        {"limits: the caller's on address space (ulimit -v) bounds the run too", RLIMIT_AS, false},
        {"limits: the caller's on data (ulimit -d) bounds the run too", RLIMIT_DATA, false},
        {"limits: the caller's on the size of files (ulimit -f) bounds the run too", RLIMIT_FSIZE, true},
        {"limits: the caller's on CPU time (ulimit -t) bounds the run too", RLIMIT_CPU, false},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)of[i].resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
            continue;
        limit.rlim_cur = limit.rlim_max;
        if (of[i].stays || setrlimit((__rlimit_resource_t)of[i].resource, &limit) < 0 ||
            limit.rlim_max != RLIM_INFINITY)
            world_not_reproducible(w, of[i].why);
    }
}

void limits_free(struct holder *h)
{
    free(h->limits);
    h->limits = NULL;
}

static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got = read(fd, buf, n - 1);
    close(fd);
    buf[got > 0 ? got : 0] = '\0';
    return got;
}

static uint64_t touched(pid_t pid)
{
    char text[128];
    unsigned long long size, resident, shared;
    if (read_proc(pid, "statm", text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3)
        return 0;
    return resident > shared ? (resident - shared) * 4096 : 0;
}

/* The process's share of its anonymous pages, each divided by how many map it. */
static uint64_t touched_share(pid_t pid)
{
    char text[4096];
    if (read_proc(pid, "smaps_rollup", text, sizeof text) <= 0)
        return touched(pid);
    const char *line = strstr(text, "Pss_Anon:");
    return line == NULL ? touched(pid) : strtoull(line + strlen("Pss_Anon:"), NULL, 10) * 1024;
}

/* Who /proc tells the process's memory of: of a leader that left before its threads it tells none. */
static const struct tracee *somebody(const struct process *p)
{
    for (const struct task *t = p->threads; t != NULL; t = t->next_thread)
        if (t->machine != NULL && ((const struct tracee *)t->machine)->where != TRACEE_GONE)
            return t->machine;
    return NULL;
}

/* Only the process whose turn it is can have grown its page tables, or asked for its pages to be put out; of the others it is remembered. */
static void look_at_page_tables(const struct holder *h)
{
    const struct task *t = h->world->current;
    struct tracee *leader = t != NULL ? t->process->machine : NULL;
    const struct tracee *alive = t != NULL ? somebody(t->process) : NULL;
    char text[4096];
    if (leader == NULL || alive == NULL || read_proc(alive->real, "status", text, sizeof text) <= 0)
        return;
    static const char *const lines[] = {"\nVmPTE:",
                                        "\nVmSwap:"}; /* a machine with swap may have put some of its pages there */
    leader->page_tables = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *line = strstr(text, lines[i]);
        if (line != NULL)
            leader->page_tables += strtoull(line + strlen(lines[i]), NULL, 10) * 1024;
    }
}

/* Without /proc. */
static uint64_t sum_most(const struct holder *h)
{
    uint64_t sum = 0;
    for (const struct process *p = h->world->processes; p != NULL; p = p->next)
        if (p->machine != NULL && ((const struct tracee *)p->machine)->where != TRACEE_GONE)
            sum += ((const struct tracee *)p->machine)->most;
    struct vfs_usage files;
    vfs_usage(h->world->vfs, &files);
    return sum + files.bytes + files.queued;
}

static uint64_t sum_memory(const struct holder *h, uint64_t (*of)(pid_t))
{
    uint64_t sum = 0;
    for (const struct process *p = h->world->processes; p != NULL; p = p->next) {
        const struct tracee *leader = p->machine, *alive = somebody(p);
        if (alive != NULL)
            sum += of(alive->real) + (leader != NULL ? leader->page_tables : 0);
    }
    struct vfs_usage files;
    vfs_usage(h->world->vfs, &files);
    return sum + files.bytes + files.anonymous + files.queued;
}

/* Files that nobody maps any more, though munmap(2) was not seen, go. */
static void prune_maps(struct holder *h)
{
    for (struct process *p = h->world->processes; p != NULL; p = p->next)
        for (struct task *t = p->threads; t != NULL; t = t->next_thread)
            if (t->machine != NULL && t->mm != NULL) {
                shared_map_prune(t);
                break; /* the others have the same address space */
            }
}

static uint64_t measure_shares(struct holder *h)
{
    struct limits *l = h->limits;
    int64_t begun = now();
    uint64_t shares = sum_memory(h, touched_share);
    l->shares_at = now();
    l->shares_cost = l->shares_at - begun;
    return shares;
}

/* Memory in use where the cheap sum says more than `allowed`. Memory that is new shows in that sum; what does not is a page written to that
 * was shared until then, and looks at shares may take longer than the time between two ticks. So they are taken when the new memory could be too
 * much, and else as often as makes them a fifth of the time. */
static uint64_t shares_now(struct holder *h, uint64_t sum, uint64_t allowed)
{
    struct limits *l = h->limits;
    int64_t since = now() - l->shares_at;
    if (l->shares != 0) {
        l->sum_low = sum < l->sum_low ? sum : l->sum_low;
        bool could_be_over = l->shares + (sum - l->sum_low) > allowed;
        if (since < (could_be_over ? 1 : 4) * l->shares_cost)
            return l->shares;
    }
    prune_maps(h);
    (void)vfs_recount(h->world->vfs, SIZE_MAX);
    l->shares = measure_shares(h);
    l->sum_low = sum;
    return l->shares;
}

/* For the report: the cheap sum would be a new peak, but is of processes that may share. */
static uint64_t peak_now(struct holder *h, uint64_t sum)
{
    struct limits *l = h->limits;
    if (h->world->process_count < 2 || sum <= l->usage.memory_peak)
        return sum;
    return now() - l->shares_at < 20 * l->shares_cost ? l->usage.memory_peak : measure_shares(h);
}

bool limits_take_memory(struct holder *h, uint64_t allowed)
{
    struct limits *l = h->limits;
    (void)vfs_recount(h->world->vfs, RECOUNT_MOST);
    l->next_look -= tick_period();
    if (allowed == 0 && l->next_look > 0) {
        /* A look opens files of /proc, the dearest thing in a tick: without a limit it is for the report alone. */
    } else if (h->no_proc) {
        l->next_look = LOOK_EVERY;
        l->usage.memory = sum_most(h);
    } else {
        l->next_look = LOOK_EVERY;
        look_at_page_tables(h);
        l->usage.memory = sum_memory(h, touched);
        if (allowed != 0 && l->usage.memory > allowed) {
            l->usage.memory = shares_now(h, l->usage.memory, allowed);
        } else {
            l->usage.memory = peak_now(h, l->usage.memory);
            l->shares = 0;
        }
    }
    if (l->usage.memory > l->usage.memory_peak)
        l->usage.memory_peak = l->usage.memory;
    return allowed != 0 && l->usage.memory > allowed;
}

static void check_memory(struct holder *h)
{
    const struct policy_limits *allowed = &h->world->policy->limits;
    struct vfs_usage files;
    bool over = limits_take_memory(h, allowed->memory);
    vfs_usage(h->world->vfs, &files);
    if (over)
        world_end(h->world, VERDICT_MEMORY);
    if (allowed->files != 0 && files.bytes > allowed->files) /* by a mapping, which asks nobody */
        world_end(h->world, VERDICT_FILES);
}

uint64_t limits_take_cpu(struct holder *h)
{
    struct limits *l = h->limits;
    int64_t cpu = cpu_of_ended() - l->cpu_before;
    for (struct process *p = h->world->processes; p != NULL; p = p->next)
        cpu += h->world->machine->cpu_time(p);
    if (cpu > l->usage.cpu)
        l->usage.cpu = cpu;
    return (uint64_t)l->usage.cpu;
}

static void check_cpu(struct holder *h)
{
    uint64_t cpu = limits_take_cpu(h), allowed = h->world->policy->limits.cpu;
    bool counted = h->world->checks != 0 && fast_clock_counts(h);
    if (allowed == 0 || cpu <= (counted ? allowed * CEILING + ceiling_more : allowed))
        return;
    world_not_reproducible(h->world, "limits: the run was ended by real CPU time");
    world_end(h->world, VERDICT_CPU);
}

void limits_count(struct holder *h)
{
    struct world *w = h->world;
    recording_computed(h->recording);
    if (!w->clock.real && w->policy->limits.cpu != 0 && (uint64_t)w->cpu >= w->policy->limits.cpu)
        world_end(w, VERDICT_CPU);
}

/* Who only computes is not stopped for the record's sake: how far it is stands in the clock page. */
static void look_at_recording(struct holder *h)
{
    const struct task *t = h->world->current;
    struct tracee *running = t != NULL ? t->machine : NULL;
    if (h->recording == NULL)
        return;
    if (running != NULL && running->where == TRACEE_RUNNING)
        fast_clock_fold(running);
    recording_computed(h->recording);
}

void limits_check(struct holder *h)
{
    if (h->limits == NULL || h->world->ending)
        return;
    if (h->world->again != NULL) { /* what ended the run then ends it now */
        if (h->inspection != NULL)
            inspection_tick(h->inspection, h);
        if (!replaying_over(h->world->again))
            ceilings_check(h);
        return;
    }
    look_at_recording(h);
    check_cpu(h);
    check_memory(h);
    if (limits_wall_left(h) == 0)
        world_end(h->world, VERDICT_WALL);
}

bool limits_over(struct holder *h)
{
    struct limits *l = h->limits;
    uint64_t memory = h->world->policy->limits.memory;
    if (h->world->ending || l == NULL || h->world->again != NULL || now() - l->looked < TICK_NS)
        return h->world->ending;
    check_cpu(h);
    uint64_t sum = memory != 0 && !h->no_proc ? sum_memory(h, touched) : 0;
    if (sum > memory) {
        l->usage.memory = shares_now(h, sum, memory);
        if (l->usage.memory > l->usage.memory_peak)
            l->usage.memory_peak = l->usage.memory;
        if (l->usage.memory > memory)
            world_end(h->world, VERDICT_MEMORY);
    }
    if (limits_wall_left(h) == 0)
        world_end(h->world, VERDICT_WALL);
    l->looked = now();
    return h->world->ending;
}

int64_t limits_wall_left(const struct holder *h)
{
    uint64_t allowed = h->world->policy->limits.wall;
    if (allowed == 0 || h->world->again != NULL)
        return -1;
    int64_t used = now() - h->limits->started;
    return (uint64_t)used >= allowed ? 0 : (int64_t)(allowed - (uint64_t)used);
}

int64_t limits_tick(const struct holder *h, int64_t most)
{
    enum { LEAST = 1000 * 1000 };
    int64_t left = limits_wall_left(h);
    return left < 0 || left > most ? most : left < LEAST ? LEAST : left;
}

void limits_usage(const struct holder *h, struct limits_usage *out)
{
    *out = h->limits->usage;
    out->counted = h->world->clock.real ? 0 : h->world->cpu;
    out->wall = now() - h->limits->started;
    out->processes_peak = h->world->process_peak;
}
