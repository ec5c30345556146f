/* Signals of the world (signal(7)). The kernel builds frames and keeps masks and handlers for us; which signal reaches whom,
 * and when, is decided here. A signal is queued here with its siginfo, and a real signal is rung as a bell (machine->ring); the
 * task then stops for it, and signal_claim says what the real kernel is to deliver. */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "vfs/wait.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct task;
struct process;
struct world;

enum { SIGNALS = 64, SIGNAL_QUEUE_MAX = 1024 };

#define SIGNAL_BIT(n) (UINT64_C(1) << ((n)-1))

/* struct kernel_sigaction of x86-64 */
struct signal_action {
    uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

struct signal_handlers { /* shared by CLONE_SIGHAND */
    uint32_t references;
    struct signal_action action[SIGNALS + 1];
};

struct signal_entry {
    struct signal_entry *next;
    siginfo_t info;
    uint64_t timer; /* the POSIX timer that sent it (struct posix_timer, serial), 0: none */
    int32_t rung;   /* the tid whose bell was rung for it, 0: whoever unblocks it first */
};

struct signal_queue {
    uint64_t pending; /* mask of what is queued */
    struct signal_entry *first, **last;
    uint32_t count;
};

void signal_queue_init(struct signal_queue *q);
void signal_queue_clear(struct signal_queue *q);
/* Takes one queued signal of `set` out (lowest number first; synchronous ones first). False: none. */
bool signal_dequeue(struct task *t, uint64_t set, siginfo_t *info);
uint64_t signal_pending(const struct task *t); /* the task's and its process's, together */

/* Send. info->si_signo is the signal; si_code, si_pid … as the receiver shall see them. 0, or -EAGAIN when the queue is full. */
int signal_send_process(struct process *p, const siginfo_t *info);
int signal_send_task(struct task *t, const siginfo_t *info);
/* A POSIX timer expired: to `t`, or to the process when t is NULL. process_timers_taken (kernel/world.h) is told when the signal
 * leaves the queue. 1: the signal is ignored and was dropped; 0; -EAGAIN. */
int signal_send_timer(struct process *p, struct task *t, const siginfo_t *info, uint64_t timer);
int signal_send_group(struct world *w, int32_t pgid, const siginfo_t *info); /* every process of it; -ESRCH when none */
void signal_kernel_info(siginfo_t *info, int signal);                        /* si_code SI_KERNEL */
void signal_user_info(siginfo_t *info, int signal, const struct task *sender); /* si_code SI_USER */

/* The task stopped for real signal `signal`; real is what the kernel says of it. Returns the signal to deliver, with *info
 * what its handler shall see, or 0: swallow it. A stop signal stops the process here and returns 0. */
int signal_claim(struct task *t, int signal, const siginfo_t *real, siginfo_t *info);
/* True when a signal that is unblocked and not ignored waits for the task: a blocking call must not sleep. Its bell is then
 * sure to be heard by this task. */
bool signal_deliverable(struct task *t, uint64_t blocked);

bool signal_default_ignored(int signal);
bool signal_default_stops(int signal);
bool signal_ignored(const struct process *p, int signal); /* by SIG_IGN, or by default */
void signal_discard(struct process *p, uint64_t set); /* forget what is queued, for the process and for its threads */
void signal_exec(struct process *p);                  /* handlers back to default, as execve(2) says */
/* A thread ends: what its process's queue holds and this thread was to hear of is rung for another one. */
void signal_task_ended(struct task *t);

#endif
