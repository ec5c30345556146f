/* Death, zombies and who hears of them; being stopped and continued, which the parent hears of too. Model: the kernel's exit.c, and
 * do_notify_parent and its sister in signal.c. */
#include "kernel/process.h"

#include "kernel/handle.h"
#include "kernel/recorder.h"
#include "vfs/terminal.h"

#include <string.h>
#include <sys/wait.h>

/* ---- death --------------------------------------------------------------------------------------------------------------------- */

static void fill_child_info(siginfo_t *info, const struct process *p, int code, int status)
{
    memset(info, 0, sizeof *info);
    info->si_signo = SIGCHLD;
    info->si_code = code;
    info->si_pid = p->pid;
    info->si_uid = p->threads != NULL ? p->threads->cred.uid : p->uid;
    info->si_status = status;
    info->si_utime = p->cpu / 10000000; /* clock ticks of 10 ms */
}

static void notify_parent(struct process *p)
{
    struct process *parent = p->parent;
    int status = p->wait_status;
    if (parent == NULL) { /* the world's reaper waits for everyone at once */
        process_reap(p);
        return;
    }
    waitq_wake(&parent->child_wait, 1);
    const struct signal_action *a = &parent->handlers->action[SIGCHLD];
    bool unwanted = p->exit_signal == SIGCHLD && (a->handler == 1 || (a->flags & SA_NOCLDWAIT) != 0);
    if (p->exit_signal != 0 && !(p->exit_signal == SIGCHLD && a->handler == 1)) {
        siginfo_t info;
        int code = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
        fill_child_info(&info, p, code, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        info.si_signo = p->exit_signal;
        (void)signal_send_process(parent, &info);
    }
    if (unwanted)
        process_reap(p);
}

/* A group with nobody left who could continue its stopped members (exit.c, kill_orphaned_pgrp). */
bool process_group_orphaned(struct world *w, int32_t pgid)
{
    for (const struct process *p = w->processes; p != NULL; p = p->next) {
        if (p->pgid != pgid || p->zombie)
            continue;
        if (p == w->init) /* whoever started the world is its parent, and of its session */
            return false;
        if (p->parent != NULL && p->parent->pgid != pgid && p->parent->sid == p->sid)
            return false;
    }
    return true;
}

static bool group_has_stopped(const struct world *w, int32_t pgid)
{
    for (const struct process *p = w->processes; p != NULL; p = p->next)
        if (p->pgid == pgid && p->stopped && !p->zombie)
            return true;
    return false;
}

static void hang_up_group(struct world *w, int32_t pgid)
{
    if (!group_has_stopped(w, pgid) || !process_group_orphaned(w, pgid))
        return;
    siginfo_t info;
    signal_kernel_info(&info, SIGHUP);
    (void)signal_send_group(w, pgid, &info);
    signal_kernel_info(&info, SIGCONT);
    (void)signal_send_group(w, pgid, &info);
}

/* prctl(2), PR_SET_CHILD_SUBREAPER: the nearest ancestor that asked; else the world's reaper. */
static struct process *new_parent_for_children(struct process *p)
{
    for (struct process *a = p->parent; a != NULL; a = a->parent)
        if (a->child_subreaper && !a->zombie)
            return a;
    return NULL;
}

static void death_signal(struct process *child)
{
    for (struct task *t = child->threads; t != NULL; t = t->next_thread) {
        if (t->parent_death_signal == 0 || t->state == TASK_DEAD)
            continue;
        siginfo_t info;
        signal_kernel_info(&info, t->parent_death_signal);
        (void)signal_send_process(child, &info);
        return;
    }
}

static void orphan_children(struct process *dead)
{
    struct world *w = dead->world;
    struct process *heir = new_parent_for_children(dead), *next;
    for (struct process *p = w->processes; p != NULL; p = next) {
        next = p->next;
        if (p->parent != dead)
            continue;
        p->parent = heir;
        death_signal(p);
        p->exit_signal = SIGCHLD;
        if (p->zombie) {
            if (heir == NULL)
                process_reap(p);
            else
                notify_parent(p);
        } else if (p->pgid != dead->pgid && p->sid == dead->sid) {
            hang_up_group(w, p->pgid);
        }
    }
}

static void tty_lost(struct world *w, int32_t session)
{
    for (struct process *p = w->processes; p != NULL; p = p->next)
        if (p->sid == session)
            p->tty = NULL;
}

static void process_ended(struct process *p, int status)
{
    struct world *w = p->world;
    p->zombie = true;
    process_set_program(p, NULL);
    if (p->world->sysv)
        p->world->sysv_process_ended(p->world->sysv, p);
    p->stopped = false;
    p->wait_status = status;
    process_handle_ended(p);
    process_timers_free(p);
    orphan_children(p);
    if (p->sid == p->pid && p->tty != NULL) { /* a session leader's terminal hangs up */
        siginfo_t info;
        struct terminal *tty = p->tty;
        signal_kernel_info(&info, SIGHUP);
        (void)signal_send_group(w, tty->foreground, &info);
        signal_kernel_info(&info, SIGCONT);
        (void)signal_send_group(w, tty->foreground, &info);
        tty->session = tty->foreground = 0;
        tty_lost(w, p->sid);
    }
    if (p->parent != NULL && p->parent->pgid != p->pgid && p->parent->sid == p->sid)
        hang_up_group(w, p->pgid);
    notify_parent(p);
}

void task_release_memory(struct task *t)
{
    static const int32_t zero;
    if (t->state == TASK_DEAD)
        return;
    futex_exit_robust(t);
    if (t->clear_child_tid != 0 && t->mm != NULL && t->mm->references > 1) {
        if (t->world->machine->write(t, t->clear_child_tid, &zero, sizeof zero) > 0)
            record(t->world, wrote, t, t->clear_child_tid, &zero, sizeof zero);
        (void)futex_wake_address(t, t->clear_child_tid, 1);
    }
    t->clear_child_tid = 0;
}

void task_release_vfork(struct task *t)
{
    struct task *parent = t->vfork_parent;
    t->vfork_parent = NULL;
    if (parent == NULL)
        return;
    parent->vfork_waiting = false;
    task_wake(parent);
}

void task_exited(struct task *t, int status)
{
    struct process *p = t->process;
    struct world *w = t->world;
    if (t->state == TASK_DEAD)
        return;
    t->state = TASK_DEAD;
    sched_remove(t);
    call_end(&t->call);
    record(w, died, t, status, p->thread_count == 1);
    /* Nobody waits for a child that shares this task's fate: its vfork parent may be gone too. */
    for (struct process *o = w->processes; o != NULL; o = o->next)
        for (struct task *child = o->threads; child != NULL; child = child->next_thread)
            if (child->vfork_parent == t)
                child->vfork_parent = NULL;
    task_release_vfork(t);
    lock_wait_ended(w->vfs, t->fds);
    p->uid = t->cred.uid;
    task_release_shared(t);
    signal_queue_clear(&t->signals);
    signal_task_ended(t);
    p->cpu_ended += t->cpu;
    p->thread_count--;
    if (t != p->threads) /* the leader's entry stays until the process is waited for */
        task_free(t);
    if (p->thread_count == 0)
        process_ended(p, p->group_exit ? p->group_exit_status : status);
}

void process_reap(struct process *p)
{
    struct process *parent = p->parent;
    if (parent != NULL) {
        parent->children_cpu += p->cpu_ended + p->children_cpu;
    }
    while (p->threads != NULL)
        task_free(p->threads);
    process_free(p);
}

/* ---- stop and continue -------------------------------------------------------------------------------------------------------- */

static void tell_parent_state(struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    if (parent == NULL)
        return;
    waitq_wake(&parent->child_wait, 1);
    if ((parent->handlers->action[SIGCHLD].flags & SA_NOCLDSTOP) != 0)
        return;
    siginfo_t info;
    fill_child_info(&info, p, code, status);
    (void)signal_send_process(parent, &info);
}

void process_stop(struct process *p, int signal)
{
    if (p->stopped || p->zombie)
        return;
    p->stopped = true;
    p->continued = false;
    p->stop_signal = signal;
    p->stop_reported = false;
    for (struct task *t = p->threads; t != NULL; t = t->next_thread) {
        sched_remove(t);
        t->call.stopped |= t->state == TASK_BLOCKED && t->call.ends_by_stop;
    }
    tell_parent_state(p, CLD_STOPPED, signal);
}

void process_continue(struct process *p)
{
    if (!p->stopped)
        return;
    p->stopped = false;
    p->continued = true;
    for (struct task *t = p->threads; t != NULL; t = t->next_thread) {
        sched_ready(t);
        if (t->call.stopped)
            task_wake(t);
    }
    tell_parent_state(p, CLD_CONTINUED, SIGCONT);
}
