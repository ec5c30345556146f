/* Every task sleeps without a deadline, and nothing outside is waited for: natively such a program hangs. With a wall limit, or when
 * schedules are explored, the run ends here, and says who waits for what. A semaphore, which is what CPython's locks are
 * made of, does not say who took it; a pthread mutex does (glibc, struct __pthread_mutex_s: lock, count, owner). */
#include "supervisor/deadlock.h"

#include "kernel/sysent.h"
#include "supervisor/limits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAITING_MOST = 256 };

static int32_t holder_of(struct task *t, uint64_t futex)
{
    enum { CONTENDED = 2 }; /* lowlevellock.h */
    int32_t word[3];
    if (t->world->machine->read(t, futex, word, sizeof word) != (ssize_t)sizeof word || word[0] != CONTENDED)
        return 0;
    const struct task *owner = word[2] > 0 ? task_find(t->world, word[2]) : NULL;
    return owner != NULL && owner->mm == t->mm ? owner->tid : 0;
}

static void note(struct waiting *w, struct task *t)
{
    const struct sysent *entry = sysent_get(t->call.nr);
    *w = (struct waiting){.pid = t->process->pid, .tid = t->tid, .call = entry != NULL ? entry->name : ""};
    memcpy(w->name, t->comm, sizeof w->name);
    w->name[sizeof w->name - 1] = '\0';
    if (t->call.nr == SYS_futex) {
        w->futex = t->call.arg[0];
        w->held_by = holder_of(t, w->futex);
    }
}

static void look(struct holder *h)
{
    size_t count = 0;
    if (h->deadlock != NULL)
        return;
    h->deadlock = calloc(WAITING_MOST, sizeof *h->deadlock);
    for (struct process *p = h->world->processes; h->deadlock != NULL && p != NULL; p = p->next)
        for (struct task *t = p->threads; t != NULL && count < WAITING_MOST; t = t->next_thread)
            if (t->state == TASK_BLOCKED && t->in_call)
                note(&h->deadlock[count++], t);
    h->deadlock_count = count;
}

bool deadlock_found(struct holder *h)
{
    bool explored = h->world->exploration.on;
    if (!explored && (limits_wall_left(h) < 0 || isatty(STDIN_FILENO)))
        return false;
    look(h);
    world_end(h->world, explored ? VERDICT_DEADLOCK : VERDICT_WALL);
    return true;
}

void deadlock_forget(struct holder *h)
{
    free(h->deadlock);
    h->deadlock = NULL;
    h->deadlock_count = 0;
}
