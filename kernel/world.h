/* Everything a run owns hangs off one `struct world`; several can live in one supervisor. No globals anywhere. */
#ifndef KERNEL_WORLD_H
#define KERNEL_WORLD_H

#include "kernel/call.h"
#include "kernel/clock.h"
#include "kernel/futex.h"
#include "kernel/random.h"
#include "kernel/signal.h"
#include "kernel/sysent.h"
#include "policy/policy.h"
#include "vfs/fdtable.h"
#include "vfs/objects.h"
#include "vfs/synthetic.h"
#include "vfs/vfs.h"

#include <sys/resource.h>

struct exec_arguments { /* of one execve, copied out of the guest; owned by whoever made it (exec_arguments_free) */
    char *bytes;        /* argv strings, then envp strings, each NUL-terminated, one after the other */
    size_t size;
    uint32_t argc, envc;
};
void exec_arguments_free(struct exec_arguments *a);

#include "kernel/machine.h"

/* What tasks made with CLONE_FS share. */
struct fs_context {
    uint32_t references;
    struct dentry *root, *cwd; /* referenced */
    uint32_t umask;
};

/* A mapped stretch of a file whose bytes are memory of this world: what a futex in it is keyed by, and what keeps the file's
 * pages on its account as long as they are mapped. munmap(2) is the kernel's own business (it is not trapped), so an entry may
 * outlive its mapping: shared_map_prune. */
struct shared_map {
    struct shared_map *next;
    uint64_t start, end;  /* guest addresses */
    uint64_t key, offset; /* file_mapping.key, and the offset of `start` in that file */
    struct file *file;    /* referenced */
    bool is_private;      /* MAP_PRIVATE: no futex is shared through it, but its pages are the file's */
};

/* A stretch that mlock(2) was asked for. */
struct locked_range {
    uint64_t start, end;
};

/* One address space. Shared by threads, and by a vfork child until it executes. */
struct mm {
    uint32_t references;
    uint64_t id; /* never reused: private futex keys */
    uint64_t brk_start, brk;
    uint64_t stack_top, stack_bottom; /* of the initial stack: as far as it may grow */
    int stack_protection;             /* PROT_* of its pages */
    uint64_t arg_start, arg_end, env_start, env_end;
    uint64_t auxv[64];
    uint32_t auxv_words; /* /proc/PID/auxv */
    uint64_t text_start, text_end, entry;
    struct shared_map *shared;
    uint32_t shared_count, shared_prune_at;
    struct locked_range *locked; /* stubs/memory_lock.c */
    uint32_t locked_count;
    uint32_t membarrier; /* commands registered for (membarrier(2)) */
    uint64_t populated;  /* bytes: mm_populate */
    void *machine;       /* the supervisor's: descriptors handed over */
    void (*machine_release)(struct mm *m);
};

enum task_state {
    TASK_READY,   /* may be resumed */
    TASK_BLOCKED, /* in a call that said call_block */
    TASK_DEAD,    /* its exit was seen, or it runs its own exit */
};

/* A thread. */
struct task {
    struct world *world;
    struct process *process;
    struct task *next_thread; /* in process->threads */
    struct task *run_next, *run_prev;
    bool queued; /* the run queue */
    int32_t tid;
    enum task_state state;
    struct call call; /* the one in progress */
    bool in_call;     /* it is stopped in `call`, not yet answered */
    int64_t result;   /* READY with in_call: what the call returns, when `has_result` */
    bool has_result;
    struct cred cred;
    struct mm *mm;
    struct fdtable *fds;
    struct fs_context *fs;
    struct signal_queue signals; /* directed at this thread */
    bool restore_mask;
    uint64_t temporary_mask; /* sigsuspend, ppoll …: in force while blocked */
    uint64_t clear_child_tid, robust_list;
    struct futex_waiter futex; /* its place in a futex's queue */
    char comm[16];
    struct {
        uint64_t stack;
        uint64_t size;
        int flags;
    } altstack;
    int64_t cpu;               /* virtual CPU time, ns */
    uint64_t calls;            /* trapped so far */
    struct task *vfork_parent; /* resumes when this task executes or exits */
    bool vfork_waiting;        /* this one waits for its child */
    int32_t parent_death_signal;
    bool no_new_privs, dumpable;
    uint64_t timer_slack;
    int32_t policy, realtime_priority;
    bool reset_on_fork; /* sched(7): kept and told, nothing more */
    void *machine;      /* the supervisor's view: real tid, registers */
};

struct posix_timer;

/* A thread group. */
struct process {
    struct world *world;
    struct process *next; /* in world->processes, by pid */
    int32_t pid, pgid, sid;
    struct process *parent; /* NULL: the world's reaper */
    struct task *threads;   /* leader first */
    uint32_t thread_count;  /* living */
    struct signal_handlers *handlers;
    struct signal_queue signals; /* directed at the process */
    struct waitq signal_wait;    /* sigtimedwait, signalfd */
    struct waitq child_wait;     /* wait4 of this process: a child changed */
    int32_t exit_signal;
    struct process_handle *handle; /* what pidfds hold; NULL until there is one */
    bool zombie, stopped, executed;
    int32_t wait_status; /* wait(2)'s word, when zombie */
    int32_t stop_signal;
    bool stop_reported, continued; /* for WUNTRACED, WCONTINUED */
    bool group_exit;
    int32_t group_exit_status;
    struct rlimit64 limits[RLIM_NLIMITS];
    uint64_t itimer[3];
    int64_t itimer_interval[3], itimer_when[3]; /* clock handles: ITIMER_REAL, VIRTUAL, PROF */
    struct posix_timer *timers;
    int64_t cpu_alarm; /* when `cpu` reaches this, look at its CPU clocks' timers; 0: there are none */
    uint64_t cpu_look; /* clock handle: the same, with real clocks */
    struct rusage usage, children_usage;
    int64_t cpu, children_cpu;     /* virtual, ns: of its living threads' calls, and of children waited for */
    int64_t cpu_ended;             /* of threads that ended */
    uint32_t uid;                  /* the real uid of its last thread, once that ended: SIGCHLD's si_uid */
    char *program;                 /* guest path of the executable, for /proc/PID/exe */
    struct dentry *program_dentry; /* process_set_program; NULL of a zombie */
    bool child_subreaper;
    uint64_t personality;
    int32_t nice, io_priority;
    int64_t start_time;    /* elapsed */
    int32_t oom_score_adj; /* /proc/PID/oom_score_adj: remembered, nothing more */
    void *tty;             /* controlling terminal, by set_controlling; NULL: none */
    void *machine;
};

struct call_counter {
    uint64_t calls, denied, failed, answered_in_kernel;
};

struct denial { /* what one rule did (any action but allow), for the report; sorted by rule->index */
    const struct policy_rule *rule;
    uint64_t count;
    char *example; /* the first, pretty-printed */
};

enum verdict {
    VERDICT_OK,
    VERDICT_EXIT,
    VERDICT_SIGNAL,
    VERDICT_CPU,
    VERDICT_WALL,
    VERDICT_MEMORY,
    VERDICT_OUTPUT,
    VERDICT_PROCESSES,
    VERDICT_FILES,
    VERDICT_FILE_COUNT,
    VERDICT_DEADLOCK,
    VERDICT_KILLED,
    VERDICT_INTERNAL
};

/* An order of tasks that differs from the ordinary one, by a seed: kernel/sched.c. */
struct exploration {
    bool on;
    struct random random;
    int64_t mean;         /* of a turn, ns: how finely this seed cuts */
    uint64_t preemptions; /* since the mean was changed */
};

/* What a task may use before others have their turn; whichever comes first. */
struct turn {
    uint64_t calls; /* trapped ones */
    int64_t ns;     /* elapsed; INT64_MAX: calls alone count */
};

struct replaying;

struct world {
    const struct policy *policy;
    const struct machine *machine;
    void *machine_context;
    struct vfs *vfs;
    struct clock clock;
    struct random random;
    struct exploration exploration;
    struct futex_table *futexes;
    struct process reaper;     /* pid 1: not among `processes`, without tasks; only /proc/1 shows it */
    struct process *processes; /* sorted by pid; pid 1 is the world's reaper and has no tasks */
    struct process *init;      /* the first program */
    int32_t next_pid;
    uint32_t task_count, process_count, process_peak;
    uint64_t next_id;                  /* mm ids, anonymous shared keys */
    struct task *run_first, *run_last; /* ready, in the order they became so */
    struct task *current;
    struct tty_hooks tty;
    struct timer_clock timer_clock;
    struct host_stream_hooks streams;
    struct dev_hooks dev;
    struct file *stdio[3]; /* the caller's stdin, stdout, stderr: referenced */
    struct sysv *sysv;     /* System V semaphores and message queues: stubs/sysv.c; NULL until used */
    void (*sysv_release)(struct sysv *s);
    void (*sysv_process_ended)(struct sysv *s, struct process *p); /* SEM_UNDO */
    struct shm_table *shm; /* System V shared memory: stubs/shm.c; NULL until used */
    void (*shm_release)(struct shm_table *t);
    uint64_t output_bytes;
    uint64_t events; /* trapped calls */
    /* Questions for the time that the guest's vDSO answered, and calls about lent files, as far as they were heard of
     * (supervisor/fast_clock.h): each moved the clock as a trapped call does. What a record must keep of them is how many there were since the event before. */
    uint64_t clock_reads;
    uint64_t lent_calls; /* of these, calls about lent files (supervisor/lending.h); none where there is a recorder */
    uint64_t checks;     /* looks of interpreters at their eval breaker, counted as above */
    int64_t cpu;         /* virtual CPU time of all its tasks, ns: calls, reads of the clock and checks */
    struct call_counter counters[SYSENT_COUNT];
    uint64_t unknown_calls; /* numbers outside the table */
    uint64_t foreign_calls; /* int 0x80, x32 */
    struct denial *denials;
    size_t denial_count;
    enum verdict verdict; /* VERDICT_OK while nothing ended the run */
    bool ending;          /* the world is being torn down */
    int init_status;      /* wait(2)'s word of the first program, once it ended */
    bool verbose;
    bool unstarted_told;                         /* that a program of network: could not be started */
    int64_t (*cpu_again)(struct world *w);       /* clock: real, of a replay: the CPU time that the machine told then */
    uint64_t (*resident_again)(struct world *w); /* of a replay; the same of memory … */
    /* … and of mappings (struct recorder): the lines, good until the recorder is told of them. NULL: it told nothing here. */
    const char *(*mappings_again)(struct world *w, size_t *n, bool *more);
    struct replaying *again;   /* whoever runs it again knows it by this (supervisor/replaying.h); NULL: a run */
    struct recorder *recorder; /* told of everything (kernel/recorder.h); NULL: nobody is */
    bool addresses_vary;       /* the kernel randomises what it chooses itself: personality(2) was refused */
    const char *not_reproducible[16];
    size_t not_reproducible_count; /* static strings */
};

struct world *world_new(const struct policy *p, const struct machine *m, void *machine_context);
void world_free(struct world *w);
void world_end(struct world *w, enum verdict v);  /* a limit: the first verdict stays */
enum { OPEN_FILES_MOST = 65536 };                 /* /proc/sys/fs/nr_open: what a table may cost the supervisor */
uint64_t world_open_files(const struct world *w); /* what the policy allows a process: no limit is raised above it */
void world_not_reproducible(struct world *w, const char *why); /* why: a literal; told once */

/* ---- tasks and processes (kernel/process.c) ----------------------------------------------------------------- */
/* The file that p runs, which nobody writes to meanwhile; NULL: none. */
void process_set_program(struct process *p, struct dentry *d);
struct process *process_new(struct world *w, struct process *parent); /* a pid, no threads yet; NULL: ENOMEM */
void process_reaper_init(struct world *w);
struct task *task_new(struct process *p, int32_t tid);      /* tid 0: the next pid */
struct process *process_find(struct world *w, int32_t pid); /* living or zombie; NULL */
struct task *task_find(struct world *w, int32_t tid);       /* living */
/* clone(2) on the model: shares or copies as flags say. The machine has not been asked yet. 0 or -errno. */
int process_clone(struct task *parent, uint64_t flags, struct task **child);
void task_abandon(struct task *child); /* process_clone's result whose machine clone failed */
/* The machine saw the thread end. status: wait(2)'s word of the real kernel, used when it was the last one. */
void task_exited(struct task *t, int status);
void process_free_all(struct world *w); /* the end of the world: nothing is told to anyone */
void process_reap(struct process *p);   /* a zombie was waited for: forget it */
void process_stop(struct process *p, int signal);
void process_continue(struct process *p);
void process_exec_done(struct task *t);      /* after the machine's exec: the model's side */
void process_timers_free(struct process *p); /* timer_create(2), setitimer(2), alarm(2): stubs/timers.c */
void process_timers_exec(struct process *p); /* execve: POSIX timers go, interval timers stay */
/* A signal left the queue: a timer's (its serial), or 0 and SIGALRM. Its next period begins; info gets the overruns. */
void process_timers_taken(struct process *p, uint64_t timer, siginfo_t *info);
void process_timers_cpu(struct process *p); /* cpu_alarm was reached */
void process_timers_heard(struct process *p,
                          int signal); /* the signal is no longer ignored: timers that slept over it go on */
bool process_group_orphaned(struct world *w, int32_t pgid);
void mm_put(struct mm *m);
struct mm *mm_new(struct world *w);
/* Memory about to be mapped that programs write to nearly all of, and soon: MAP_POPULATE if it is to come with its pages, or 0. A fault
 * for each of them costs as much as a trapped call. They count as touched, so there is an end to it. */
int mm_populate(struct mm *m, uint64_t length);
enum {
    MM_ARENA = 1 << 20
}; /* how CPython asks for room for its small objects, from 3.10 on (obmalloc.c, ARENA_SIZE) */
void fs_context_put(struct fs_context *f);
struct fs_context *fs_context_copy(const struct fs_context *from); /* NULL: out of memory */

/* ---- mapped memory files (kernel/shared_map.c) ---------------------------------------------------------------- */
enum { SHARED_MAPS_MOST = 65530 }; /* vm.max_map_count: what one address space can hold at all */
void shared_map_add(struct task *t,
                    const struct shared_map *what); /* [what->start, what->end), instead of what was there */
void shared_map_remove(struct mm *m, uint64_t start, uint64_t length);          /* munmap, or something mapped over */
int shared_map_copy(struct mm *to, const struct mm *from);                      /* fork(2). -ENOMEM */
const struct shared_map *shared_map_find(const struct mm *m, uint64_t address); /* MAP_SHARED ones alone */
bool shared_map_overlaps(const struct mm *m, uint64_t start, uint64_t length);  /* also private ones */
/* mremap(2) gave [to, to + length) for [from, from + from_length); 0: a second view of what is at `from`. */
void shared_map_move(struct task *t, uint64_t from, uint64_t from_length, uint64_t to, uint64_t length, bool keep_old);
/* Forget what the real address space no longer has: munmap(2) is not seen. At moments of real time, which no record is told of … */
void shared_map_prune(struct task *t);
/* … and of every process, at an event: for whoever asks how much room there is. */
void shared_maps_settle(struct task *for_whom);
/* No more may be added, even after pruning: mmap(2) is -ENOMEM. */
bool shared_map_full(struct task *t);

/* ---- the run queue (kernel/sched.c): every choice of who runs, and for how long, is made there ---------------- */
void sched_ready(struct task *t); /* at the end of the queue */
void sched_remove(struct task *t);
struct task *sched_pick(struct world *w); /* NULL: nobody is ready */
bool sched_others_ready(const struct world *w);
struct turn sched_turn(struct world *w); /* of the task picked */
/* Another schedule than the ordinary one. seed 0: the ordinary one. */
void sched_explore(struct world *w, uint64_t seed);
/* A task's turn may end though nobody else is ready: somebody may be made ready by the time it takes. */
bool sched_preempts(const struct world *w);
/* The turn of a task that computes ended, and nobody is ready: it is as if the processor had been busy elsewhere for some
 * milliseconds. Deadlines of so little pass. */
void sched_stall(struct world *w);

/* ---- calls (kernel/dispatch.c) ----------------------------------------------------------------------------------- */
/* Judge and answer the call in t->call; what to do next is in the return value, as a stub's. Counts, asks the policy, moves
 * the clock by one event. CALL_BLOCK: the task is TASK_BLOCKED (or ready again already); when sched_pick gives it out with
 * in_call set, dispatch it again. A rule may have ended the world: look at world->ending. */
int64_t dispatch(struct task *t);
/* CPU time that the task used, and how many of its events it was. */
void task_charge(struct task *t, int64_t ns, uint64_t events);
/* One event of the task's, such as a call: what it costs passes, is its CPU time, and may be what a CPU timer waited for. */
void task_event(struct task *t);
/* The task leaves its memory, by an end or an execve, and can still reach it: what others wait for there is told (the kernel's mm_release). */
void task_release_memory(struct task *t);
/* A blocked task's object changed, its deadline passed, or a signal came: make it ready; its stub runs again. */
void task_wake(struct task *t);
void task_interrupt(struct task *t);

#endif
