/* Ends. A real thread's death is heard by waitpid(2) in some order of the kernel's; the world is told in the order that Linux
 * programs see: threads first, their process when the last of them is gone. */
#include "supervisor/ends.h"

#include "kernel/recorder.h"
#include "supervisor/lending.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool last_thread(const struct task *t)
{
    for (const struct task *o = t->process->threads; o != NULL; o = o->next_thread)
        if (o != t && o->state != TASK_DEAD)
            return false;
    return true;
}

/* The world's view of one death. The first program's end is the world's. */
static void tell(struct holder *h, struct tracee *t)
{
    struct task *task = t->task;
    struct process *p = task->process;
    int status = t->wait_status;
    bool last = last_thread(task);
    lending_end(h); /* while there is a table of descriptors */
    task->machine = NULL;
    if (p->machine == t)
        p->machine = NULL;
    tracee_free(t);
    if (task->in_call)
        call_end(&task->call);
    task->in_call = false;
    if (last && p == h->world->init) {
        record(h->world, died, task, status, true);
        h->world->init_status = status;
        world_end(h->world, VERDICT_OK);
        return;
    }
    task_exited(task, status);
}

/* Everyone of the process dies: hear it of each. */
static void await_process(struct holder *h, struct process *p)
{
    for (;;) {
        bool waiting = false;
        for (const struct task *o = p->threads; o != NULL; o = o->next_thread)
            if (o->machine != NULL && ((struct tracee *)o->machine)->where != TRACEE_GONE)
                waiting = true;
        if (!waiting || tracee_wait_any(h, true) == -ECHILD)
            break;
    }
}

/* A leader that left before its threads is still the process to the real kernel, until the process is over. */
static void forget_left_leader(struct process *p)
{
    const struct tracee *leader = p->machine;
    if (leader != NULL && leader->task == NULL)
        p->machine = NULL;
}

void ends_died(struct holder *h, struct tracee *t)
{
    struct process *p = t->task->process;
    tracee_take_back(t); /* its death may have been heard of while all were listened to */
    bool whole = WIFSIGNALED(t->wait_status) || t->exiting_group;
    if (whole) {
        forget_left_leader(p);
        t->next_gone = h->gone;
        h->gone = t;
        await_process(h, p);
        ends_collect(h);
        return;
    }
    struct tracee *leader = p->machine;
    bool last = last_thread(t->task);
    if (last)
        forget_left_leader(p);
    tell(h, t);
    /* A leader that left before its threads is heard of now. */
    if (last && leader != NULL && leader != t && !h->world->ending) {
        while (waitpid(leader->real, NULL, __WALL) < 0 && errno == EINTR)
            ;
        tracee_free(leader);
    }
}

void ends_let_exit(struct holder *h, struct tracee *t)
{
    struct task *task = t->task;
    const uint64_t argument[6] = {(uint64_t)t->exit_code};
    bool leader_alone = !t->exiting_group && task->process->machine == t && !last_thread(task);
    if (task->in_call) {
        call_end(&task->call);
        task->in_call = false;
    }
    if (tracee_load_registers(t) == 0)
        tracee_rewrite(t, t->exiting_group ? SYS_exit_group : SYS_exit, argument);
    if (leader_alone && t->where != TRACEE_GONE) { /* the kernel reports it only after its threads */
        tracee_let_go(t);
        t->task = NULL;
        task->machine = NULL;
        task_exited(task, (t->exit_code & 0xff) << 8);
        return;
    }
    t->killed = true; /* listen to all: a leader is reported after its threads */
    int error = tracee_resume(t);
    while (t->where != TRACEE_GONE) {
        if (error == 0) /* a bell, or an interrupt: it goes on to its end */
            tracee_let_go(t);
        error = tracee_wait(t);
    }
    ends_died(h, t);
}

/* Processes that were sent SIGKILL die where they stand. */
static void await_killed(struct holder *h)
{
    h->any_killed = false;
    for (struct process *p = h->world->processes; p != NULL; p = p->next) {
        bool killed = false;
        for (const struct task *o = p->threads; o != NULL; o = o->next_thread)
            if (o->machine != NULL && ((struct tracee *)o->machine)->killed)
                killed = true;
        if (!killed)
            continue;
        forget_left_leader(p);
        await_process(h, p);
    }
}

/* By tid: in which order the kernel told of them is no part of the world. */
static void sort_gone(struct holder *h)
{
    struct tracee *sorted = NULL;
    for (struct tracee *t = h->gone, *next; t != NULL; t = next) {
        struct tracee **link = &sorted;
        next = t->next_gone;
        while (*link != NULL && (*link)->task->tid < t->task->tid)
            link = &(*link)->next_gone;
        t->next_gone = *link;
        *link = t;
    }
    h->gone = sorted;
}

void ends_collect(struct holder *h)
{
    if (h->any_killed)
        await_killed(h);
    sort_gone(h);
    /* Leaders last, so that a process is told of when it is over. */
    for (int leaders = 0; leaders < 2; leaders++) {
        struct tracee **link = &h->gone;
        while (*link != NULL && !h->world->ending) {
            struct tracee *t = *link;
            if (leaders == 0 && t->task->process->machine == t) {
                link = &t->next_gone;
                continue;
            }
            *link = t->next_gone;
            tell(h, t);
            link = &h->gone;
            if (leaders == 0) { /* the list changed under us: from the start, past the leaders */
                while (*link != NULL && (*link)->task->process->machine == *link)
                    link = &(*link)->next_gone;
            }
        }
    }
}

void ends_kill_all(struct holder *h)
{
    for (int bucket = 0; bucket < HOLDER_BUCKETS; bucket++)
        for (struct tracee *t = h->by_real[bucket]; t != NULL; t = t->next)
            if (t->where != TRACEE_GONE) {
                /* What they held is given back on every processor at once. */
                (void)sched_setaffinity(t->real, sizeof h->cpus, &h->cpus);
                kill(t->real, SIGKILL);
            }
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno != EINTR)
            break;
        /* Born while its parent was killed in the middle of the clone: nobody has heard of it, and it waits for its tracer. */
        if (pid > 0 && WIFSTOPPED(status))
            kill(pid, SIGKILL);
    }
    for (int bucket = 0; bucket < HOLDER_BUCKETS; bucket++)
        while (h->by_real[bucket] != NULL) {
            struct tracee *t = h->by_real[bucket];
            if (t->task != NULL) {
                if (t->task->in_call)
                    call_end(&t->task->call);
                t->task->in_call = false;
                t->task->machine = NULL;
                if (t->task->process->machine == t)
                    t->task->process->machine = NULL;
            }
            tracee_free(t);
        }
    h->gone = NULL;
}
