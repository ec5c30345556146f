/* The guest's threads as ptrace(2) shows them: registers, stops, injected calls. Nothing above this file says PTRACE_.
 *
 * A tracee is either running or in one of its stops. At PTRACE_EVENT_SECCOMP (`TRACEE_AT_CALL`) a call has been asked for
 * and not begun: it is answered by setting orig_rax to -1 and rax to the result (one stop, no exit stop), or rewritten. Where the
 * kernel lets us most calls come as notices instead; whoever then needs registers, a mask or an injected call gets a stop made for it.
 * Only one tracee of a world runs at a time. */
#ifndef SUPERVISOR_TRACEE_H
#define SUPERVISOR_TRACEE_H

#include "kernel/world.h"
#include "supervisor/confine.h"
#include "supervisor/notice.h"

#include <sched.h>
#include <stdio.h>
#include <sys/user.h>

enum tracee_where {
    TRACEE_AT_CALL,   /* PTRACE_EVENT_SECCOMP */
    TRACEE_AT_NOTICE, /* not stopped: it waits in the kernel for the answer to its notice (supervisor/notice.h) */
    TRACEE_PARKED,    /* PTRACE_EVENT_STOP behind a call that came as a notice, and whose result is to be set */
    TRACEE_AT_MARK,   /* the same, of the glass program's own announcement: calls are being injected */
    TRACEE_AT_SIGNAL, /* signal-delivery-stop */
    TRACEE_AT_EVENT,  /* PTRACE_EVENT_STOP: interrupted, or new */
    TRACEE_AT_EXEC,   /* PTRACE_EVENT_EXEC */
    TRACEE_RUNNING,
    TRACEE_GONE,
};

struct tracee {
    pid_t real; /* the host kernel's tid */
    struct task *task;
    struct holder *holder;
    struct tracee *next; /* in the holder's table of real tids */
    enum tracee_where where;
    struct user_regs_struct regs; /* the guest's, at its stop; kept while calls are injected */
    bool regs_known;              /* read at this stop */
    bool changed;                 /* the tracee's registers are to become `regs` when it is resumed */
    uint64_t most;        /* a leader's, without /proc: bytes its process ever had in memory, as of its last stop */
    uint64_t page_tables; /* a leader's: bytes, and those swapped out, when its process was last looked at (limits.c) */
    struct notice notice; /* AT_NOTICE: what was asked … */
    int64_t answer;       /* … and what is to be told it, when it is resumed */
    bool injecting;       /* regs are the guest's, but the tracee stands in the glass page */
    int event;            /* AT_EVENT: PTRACE_EVENT_* */
    pid_t born;           /* the real tid of the task that an injected clone made, or 0 */
    bool unborn;          /* it stopped, and the clone that made it was not heard of yet: no task's */
    bool fresh;           /* stands at the mark of a glass program that nothing was mapped into yet */
    bool foreign;         /* AT_SIGNAL: SIGSYS, a call by another ABI */
    int signal;           /* AT_SIGNAL: which */
    uint64_t bells;       /* signals whose stop came during an injection: rung again at the resume */
    int deliver;          /* to hand the guest when it is resumed; its siginfo is set already */
    int restart;         /* CALL_RESTART_*: the last call was interrupted; what it becomes shows at the signal's stop */
    uint64_t restart_nr; /* which call that was */
    bool listening_to_all;    /* running, and it may die of what it was given */
    bool killed;              /* SIGKILL was sent to its process */
    int64_t turn_end;         /* the same in elapsed time, for a task that computes without a call */
    uint64_t until;           /* its turn: when task->calls reaches this, others that are ready have theirs */
    int64_t counted_at;       /* elapsed time of its last stop at a check */
    bool yields;              /* its turn is over: others wait, and it computes */
    struct tracee *next_gone; /* in holder->gone: died while another one was waited for */
    bool suspend;             /* the interrupted call ends as sigsuspend(suspend_mask) */
    uint64_t suspend_mask;
    bool exiting, exiting_group; /* it runs exit or exit_group when resumed */
    int exit_code;
    int wait_status; /* GONE: as wait(2) gave it */
};

/* A file whose descriptor stands in the guest's kernel table, so that it can be mapped again without being handed over. */
struct handed {
    uint64_t key;
    uint64_t last_use;
};
enum { HANDED_MAX = 48 };

enum { PATCHED_MAX = 4 };

struct handed_table { /* mm->machine: descriptors go with the address space (CLONE_FILES is set wherever CLONE_VM is) */
    struct handed entry[HANDED_MAX]; /* descriptor GLASS_FIRST_FREE + index; key 0: free */
    uint64_t clock;
    struct { /* what was patched (supervisor/count/patch.c), and where its trampolines are */
        uint64_t trampolines;
        uint64_t length;  /* bytes, whole pages */
        uint64_t answers; /* code for lent files behind them, or 0 */
        uint32_t count;   /* of trampolines, which stand one behind the other … */
        bool counts;      /* … and count an interpreter's checks */
    } patched[PATCHED_MAX];
    uint32_t patched_count;
    bool interprets; /* an interpreter is mapped */
    bool lent; /* files may be lent: a library was patched for it, and the window is mapped (supervisor/lending.c) … */
    bool lent_whole; /* … all of it */
};

enum {
    HOLDER_BUCKETS = 256,
    NOTICES_MOST = 64, /* open at a time: the kernel looks through all for the one it is told of (kernel/seccomp.c) */
};

/* What the supervisor owns of one world: world->machine_context. */
struct holder {
    struct world *world;
    struct tracee *by_real[HOLDER_BUCKETS];
    int socket;   /* our end of the descriptor hand-over */
    int listener; /* of notices; -1: all calls are ptrace stops */
    dev_t glass_device;
    ino_t glass_inode;                /* the glass program's file, which holds the vDSO too */
    struct tracee *gone;              /* dead, and the world not told yet */
    bool any_unborn;                  /* some tracee has `unborn` set */
    uint64_t outside;                 /* signals from outside that were not passed on yet … */
    uint64_t outside_idle;            /* … of them, those that came while the world waited for the caller */
    unsigned outside_ticks;           /* ticks since the first of them came while a task ran */
    bool suspended;                   /* ^Z came from the caller's terminal (tick_suspend) */
    bool any_killed;                  /* some tracee has `killed` set */
    int cpu;                          /* the one both sides are pinned to, or -1 */
    cpu_set_t cpus;                   /* where the supervisor could run before */
    struct limits *limits;            /* supervisor/limits.c */
    struct ceilings *ceilings;        /* supervisor/ceilings.h; of a replay */
    bool no_proc;                     /* the host's /proc is not mounted: stops tell what is in memory */
    struct fast_clock *fast_clock;    /* supervisor/fast_clock.c */
    struct lending *lending;          /* supervisor/lending.c */
    struct learned *learned;          /* supervisor/count/patch.c: of each file that was mapped to be executed */
    struct untrapped_file *untrapped; /* supervisor/untrapped.h; owned */
    uint32_t count_sites;             /* checks of the interpreter patched last */
    struct waiting *deadlock;         /* supervisor/deadlock.c: who waits, when everybody does; or NULL */
    size_t deadlock_count;
    uint64_t count_stops; /* stops at a check */
    struct confinement confinement;
    struct mapped_name *names; /* supervisor/maps.c */
    size_t name_count;
    struct internet *internet;     /* supervisor/network.c; NULL: nothing is beyond the world, and nothing is drawn */
    struct connector *connector;   /* supervisor/connector.h; NULL: no connection leaves the world */
    struct forwards *forwards;     /* of the internet; NULL: no rule says `forward:` */
    int64_t look_at;               /* elapsed time at which the running task must stop for them; 0: never */
    FILE *report;                  /* open for writing, or NULL */
    struct recording *recording;   /* supervisor/recording.h; NULL: the run is not recorded */
    struct secrets *secrets;       /* supervisor/setup.h */
    struct inputs *inputs;         /* supervisor/inputs.h; filled when there is a report */
    struct inspection *inspection; /* supervisor/inspect/; borrowed; NULL: nobody looks */
    uint64_t tick_calls;
    const struct task *tick_task; /* whose turn it was at the last tick, and how many calls it had made */
    int64_t tick_cpu; /* CPU time of its process, ns, when it was last found to have computed, or made a call */
    const struct task *moved_task; /* the same for checks and calls: the last tick at which it had made one */
    uint64_t moved_calls;
    int64_t moved_cpu;
    int64_t computed;      /* ns that tasks computed while something waited for time to pass */
    bool tsc_answered;     /* RDTSC was seen to be trapped (supervisor/tsc.h) */
    uint64_t stops;        /* ptrace stops and notices seen, for the report and bench/ */
    uint64_t notices;      /* of them, notices */
    uint64_t open_notices; /* not answered yet */
    uint64_t injected;     /* injected calls */
};

struct tracee *tracee_new(struct holder *h, pid_t real, struct task *t);
/* Who was made by an injected clone, whether its first stop came before its parent's or comes yet. NULL: no memory. */
struct tracee *tracee_born(struct holder *h, pid_t real, struct task *t);
void tracee_kill_unborn(
    struct holder *h); /* after a clone: their parents were killed in the middle, nobody will ask for them */
struct tracee *tracee_find(struct holder *h, pid_t real);
void tracee_free(struct tracee *t); /* leaves the table */

/* Resume, with the registers in t->regs when they were changed, delivering t->deliver, and wait for this tracee's next
 * stop. Returns 0, or -EINTR: a signal of the supervisor's came and it still runs (call tracee_wait again). Others that die
 * meanwhile are put on holder->gone. */
int tracee_resume(struct tracee *t);
int tracee_wait(struct tracee *t);
void tracee_await(struct tracee *t);          /* until it does not run any more, whatever ticks come meanwhile */
void tracee_go(struct tracee *t, int signal); /* from any ptrace stop, as it stands */
void tracee_put_by(struct tracee *t);         /* it is dead: onto holder->gone, or, if it is nobody's any more, away */
void tracee_rename(struct tracee *t, pid_t real); /* execve(2) gave it its leader's tid */
void tracee_take_back(struct tracee *t); /* off holder->gone, if it is there: the caller has its death in hand */
/* Wait for whatever comes of any tracee; dead ones go on holder->gone. block false: only what is there already. 0, -EINTR, or -ECHILD:
 * there is nothing (more). */
int tracee_wait_any(struct holder *h, bool block);
void tracee_let_go(struct tracee *t);    /* resume, and do not wait */
void tracee_interrupt(struct tracee *t); /* it runs: it will stop soon (TRACEE_AT_EVENT, or whatever came first) */
int tracee_load_registers(
    struct tracee *t); /* into t->regs, once per stop; 0 or -errno: it is dead. A notice becomes a stop */
void tracee_sleeps(struct tracee *t); /* its call blocks: it may be long until it is answered */
/* What was asked, at a call of either kind. 0, or -errno: it is dead. */
int tracee_asked(struct tracee *t, uint64_t *nr, uint64_t argument[6]);
/* Take the word of waitpid(2) about a tracee. */
void tracee_stopped(struct tracee *t, int status);

/* The tracee is at a call or a mark: run this native call now. Its result; -ESRCH when the tracee died of it. */
int64_t tracee_inject(struct tracee *t, long nr, const uint64_t argument[6]);
/* The same for execveat(2): every other thread of the process dies of it, and a thread that is not the leader takes the
 * leader's tid, and its place (process->machine). 0 when the new glass program stands at its mark; -errno when the program is still the old one; -ESRCH. */
int tracee_execute(struct tracee *t);
/* A child just born goes on to where calls can be injected, without having run anything of the guest's. 0 or -ESRCH. */
int tracee_to_mark(struct tracee *t);
/* At a stop: the next resume answers the trapped call with `result`. */
void tracee_answer(struct tracee *t, int64_t result);
/* At a stop: the next resume runs this call of the kernel's in place of the trapped one. */
void tracee_rewrite(struct tracee *t, uint64_t nr, const uint64_t argument[6]);

ssize_t tracee_read(struct tracee *t, uint64_t address, void *to, size_t n);
ssize_t tracee_write(struct tracee *t, uint64_t address, const void *from, size_t n);

/* Map a stretch of an open file: its descriptor is handed over through the hidden socket, unless it already was. */
int64_t tracee_map(struct tracee *t, uint64_t address, uint64_t length, int protection, int flags,
                   const struct file_mapping *m, struct file *f);
struct handed_table *handed_table_copy(const struct handed_table *from); /* fork(2); NULL from: a new, empty one */
void handed_table_release(struct mm *m);                                 /* mm->machine_release */

#endif
