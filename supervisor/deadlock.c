/* Every task sleeps without a deadline, and nothing outside is waited for: natively such a program hangs. With a wall limit, or when
 * schedules are explored, the run ends here, and says who waits for what, and who holds it: a pthread mutex says so
 * (glibc, struct __pthread_mutex_s: lock, count, owner), of Python's locks see supervisor/inspect/python_locks.h. */
#include "supervisor/deadlock.h"

#include "kernel/sysent.h"
#include "supervisor/inspect/python_locks.h"
#include "supervisor/limits.h"

#include <stdio.h>
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

static void look_at_python(struct process *p, struct waiting *waiting, size_t count)
{
    struct python_wait *waits = calloc(count + 1, sizeof *waits);
    for (size_t i = 0; waits != NULL && i < count; i++)
        waits[i] = (struct python_wait){
            .task = task_find(p->world, waiting[i].tid), .futex = waiting[i].futex, .held_by = waiting[i].held_by};
    if (waits != NULL)
        python_waits(p, waits, count);
    for (size_t i = 0; waits != NULL && i < count; i++) {
        waiting[i].held_by = waits[i].held_by;
        waiting[i].holder_gone = waits[i].holder_gone;
        waiting[i].stack = waits[i].stack;
    }
    free(waits);
}

static void look(struct holder *h)
{
    size_t count = 0;
    if (h->deadlock != NULL)
        return;
    h->deadlock = calloc(WAITING_MOST, sizeof *h->deadlock);
    for (struct process *p = h->world->processes; h->deadlock != NULL && p != NULL; p = p->next) {
        size_t first = count;
        for (struct task *t = p->threads; t != NULL && count < WAITING_MOST; t = t->next_thread)
            if (t->state == TASK_BLOCKED && t->in_call)
                note(&h->deadlock[count++], t);
        look_at_python(p, h->deadlock + first, count - first);
    }
    h->deadlock_count = count;
}

const char *deadlock_place(const struct waiting *w, size_t *n)
{
    const char *line = w->stack, *end;
    for (; line != NULL; line = *end != '\0' ? end + 1 : NULL) {
        end = strchrnul(line, '\n');
        const char *colon = memchr(line, ':', (size_t)(end - line));
        static const char own[] = "/threading.py";
        bool of_threading = colon != NULL && (size_t)(colon - line) >= sizeof own - 1 &&
                            memcmp(colon - (sizeof own - 1), own, sizeof own - 1) == 0;
        *n = (size_t)(end - line);
        if (!of_threading)
            return line;
    }
    return NULL;
}

void deadlock_tell(const struct holder *h, char *text, size_t size)
{
    size_t at = strlen(text), n;
    for (size_t i = 0; i < h->deadlock_count && at < size; i++) {
        const struct waiting *w = &h->deadlock[i];
        const char *place = deadlock_place(w, &n);
        at += (size_t)snprintf(text + at, size - at, "; thread %d waits in %s", w->tid, w->call);
        if (place != NULL && at < size)
            at += (size_t)snprintf(text + at, size - at, " at %.*s", (int)strcspn(place, " \n"), place);
        if (w->held_by != 0 && at < size)
            at += (size_t)snprintf(text + at, size - at, " for what thread %d %s", w->held_by,
                                   w->holder_gone ? "took, which is not in its process any more" : "holds");
    }
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
    for (size_t i = 0; i < h->deadlock_count; i++)
        free(h->deadlock[i].stack);
    free(h->deadlock);
    h->deadlock = NULL;
    h->deadlock_count = 0;
}
