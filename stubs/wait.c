/* wait4(2), waitid(2): what became of a child. Model: the kernel's kernel/exit.c, do_wait. */
#include "stubs/pidfd.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

struct wanted {
    idtype_t type; /* P_ALL, P_PID, P_PGID */
    int32_t id;
    int options;
    bool try_again; /* nothing yet is EAGAIN */
};

/* What was found: pid 0 for nothing yet. */
struct found {
    int32_t pid;
    uint32_t uid;
    int code, status; /* CLD_*, and si_status */
    int word;         /* wait(2)'s status */
    struct rusage usage;
};

static bool eligible(const struct process *p, const struct wanted *w)
{
    if ((w->type == P_PID && p->pid != w->id) || (w->type == P_PGID && p->pgid != w->id))
        return false;
    /* A "clone child" tells its parent by another signal than SIGCHLD, or by none. */
    return (w->options & __WALL) != 0 || (p->exit_signal != SIGCHLD) == ((w->options & __WCLONE) != 0);
}

static void describe(struct found *f, const struct process *p, int code, int status, int word)
{
    *f = (struct found){.pid = p->pid, .code = code, .status = status, .word = word};
    f->uid = p->threads != NULL && !p->zombie ? p->threads->cred.uid : p->uid;
    fill_rusage(&f->usage, process_cpu(p) + p->children_cpu);
}

/* True: this child is the answer. It may be gone after this. */
static bool take(struct process *p, const struct wanted *w, struct found *f)
{
    bool keep = (w->options & WNOWAIT) != 0;
    if (p->zombie) {
        int word = p->wait_status;
        if (WIFEXITED(word))
            describe(f, p, CLD_EXITED, WEXITSTATUS(word), word);
        else
            describe(f, p, WCOREDUMP(word) ? CLD_DUMPED : CLD_KILLED, WTERMSIG(word), word);
        if (!keep)
            process_reap(p);
        return true;
    }
    if ((w->options & WSTOPPED) != 0 && p->stopped && !p->stop_reported) {
        describe(f, p, CLD_STOPPED, p->stop_signal, p->stop_signal << 8 | 0x7f);
        p->stop_reported = !keep;
        return true;
    }
    if ((w->options & WCONTINUED) != 0 && p->continued) {
        describe(f, p, CLD_CONTINUED, SIGCONT, 0xffff);
        p->continued = keep;
        return true;
    }
    return false;
}

/* 0 with found->pid set; 0 without: WNOHANG and nobody changed; -ECHILD; or what a sleep returns. */
static int64_t wait_for(struct call *c, const struct wanted *w, struct found *f)
{
    struct process *self = c->task->process;
    bool any = false;
    *f = (struct found){0};
    for (struct process *p = c->world->processes, *next; p != NULL; p = next) {
        next = p->next;
        if (p->parent != self || !eligible(p, w) || (p->zombie && (w->options & WEXITED) == 0))
            continue;
        if (take(p, w, f))
            return 0;
        any = true;
    }
    if (!any)
        return -ECHILD;
    if ((w->options & WNOHANG) != 0)
        return 0;
    call_wait_on(c, &self->child_wait);
    return call_block(c, -1, -CALL_RESTART_SYS);
}

/* A child that was found is reaped, also when its parent's pointers are bad: as Linux. */
int64_t stub_wait4(struct call *c)
{
    int32_t pid = (int32_t)c->arg[0];
    int options = (int)c->arg[2];
    struct found f;
    if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) != 0)
        return -EINVAL;
    if (pid == INT_MIN)
        return -ESRCH;
    struct wanted w = {.type = P_ALL, .options = options | WEXITED};
    if (pid > 0)
        w.type = P_PID, w.id = pid;
    else if (pid != -1)
        w.type = P_PGID, w.id = pid == 0 ? c->task->process->pgid : -pid;
    int64_t result = wait_for(c, &w, &f);
    if (result != 0 || f.pid == 0)
        return result;
    if (c->arg[1] != 0 && call_write(c, c->arg[1], &f.word, sizeof f.word) < 0)
        return -EFAULT;
    if (c->arg[3] != 0 && call_write(c, c->arg[3], &f.usage, sizeof f.usage) < 0)
        return -EFAULT;
    return f.pid;
}

/* Only the fields that mean something are written, zeros when there is nothing to tell (kernel/exit.c). */
static int write_info(struct call *c, const struct found *f)
{
    if (c->arg[2] == 0)
        return 0;
    const int32_t head[3] = {f->pid != 0 ? SIGCHLD : 0, 0, f->code};
    const int32_t rest[3] = {f->pid, (int32_t)f->uid, f->status};
    if (call_write(c, c->arg[2], head, sizeof head) < 0)
        return -EFAULT;
    return call_write(c, c->arg[2] + offsetof(siginfo_t, si_pid), rest, sizeof rest);
}

/* A non-blocking pidfd makes the wait non-blocking, and then "nothing yet" is EAGAIN (kernel/exit.c, kernel_waitid). */
static int wanted_pidfd(struct call *c, struct wanted *w)
{
    const struct file *f = call_file(c, w->id);
    struct process *p;
    int error = pidfd_process(f, &p);
    if (error < 0)
        return error;
    if ((f->flags & O_NONBLOCK) != 0 && (w->options & WNOHANG) == 0) {
        w->options |= WNOHANG;
        w->try_again = true;
    }
    w->type = P_PID;
    w->id = p != NULL ? p->pid : 0; /* waited for: nobody's number */
    return 0;
}

static int wanted_id(struct call *c, struct wanted *w)
{
    w->type = (idtype_t)c->arg[0];
    w->id = (int32_t)c->arg[1];
    switch (w->type) {
    case P_ALL:
        return 0;
    case P_PID:
        return w->id <= 0 ? -EINVAL : 0;
    case P_PGID:
        if (w->id == 0)
            w->id = c->task->process->pgid;
        return w->id < 0 ? -EINVAL : 0;
    case P_PIDFD:
        return w->id < 0 ? -EINVAL : wanted_pidfd(c, w);
    default:
        return -EINVAL;
    }
}

int64_t stub_waitid(struct call *c)
{
    struct wanted w = {.options = (int)c->arg[3]};
    struct found f = {0};
    bool known =
        (w.options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) == 0 &&
        (w.options & (WEXITED | WSTOPPED | WCONTINUED)) != 0;
    int64_t result = known ? wanted_id(c, &w) : -EINVAL;
    if (result == 0)
        result = wait_for(c, &w, &f);
    if (result == CALL_BLOCK)
        return result;
    if (result == 0 && f.pid == 0 && w.try_again)
        result = -EAGAIN;
    if (f.pid != 0 && c->arg[4] != 0 && call_write(c, c->arg[4], &f.usage, sizeof f.usage) < 0)
        return -EFAULT;
    int error = write_info(c, &f);
    return error < 0 ? error : result;
}
