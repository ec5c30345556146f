/* Which stretches of an address space are files of this world's memory. Futexes that processes share are keyed by them, and
 * a file that nobody has open any more lives, and is charged for, as long as one of them shows it.
 *
 * The list is short for honest programs. A guest can make it long only by mapping much; SHARED_MAPS_MOST bounds it, and since
 * munmap(2) runs in the kernel unseen, what is stale is looked for whenever the list has doubled. */
#include "kernel/mappings.h"

#include <stdlib.h>

enum { PRUNE_FIRST = 256 };

static void drop(struct mm *m, struct shared_map **link)
{
    struct shared_map *s = *link;
    *link = s->next;
    m->shared_count--;
    file_put(s->file);
    free(s);
}

/* A copy of `what` at the head of the list. */
static bool insert(struct mm *m, const struct shared_map *what)
{
    struct shared_map *s = malloc(sizeof *s);
    if (s == NULL)
        return false;
    *s = *what;
    file_get(s->file);
    s->next = m->shared;
    m->shared = s;
    m->shared_count++;
    return true;
}

void shared_map_remove(struct mm *m, uint64_t start, uint64_t length)
{
    uint64_t end = length > UINT64_MAX - start ? UINT64_MAX : start + length;
    for (struct shared_map **link = &m->shared; *link != NULL;) {
        struct shared_map *s = *link;
        if (s->end <= start || s->start >= end) {
            link = &s->next;
            continue;
        }
        if (s->start < start && s->end > end) { /* a hole in the middle */
            struct shared_map tail = *s;
            tail.offset += end - s->start;
            tail.start = end;
            s->end = start;
            (void)insert(m, &tail);
            return;
        }
        if (s->start < start) {
            s->end = start;
            link = &s->next;
        } else if (s->end > end) {
            s->offset += end - s->start;
            s->start = end;
            link = &s->next;
        } else {
            drop(m, link);
        }
    }
}

void shared_map_add(struct task *t, const struct shared_map *what)
{
    shared_map_remove(t->mm, what->start, what->end - what->start);
    (void)insert(t->mm, what); /* out of memory: a futex there is private to the process; what it protects is not */
}

int shared_map_copy(struct mm *to, const struct mm *from)
{
    for (const struct shared_map *s = from->shared; s != NULL; s = s->next)
        if (!insert(to, s))
            return -ENOMEM;
    return 0;
}

const struct shared_map *shared_map_find(const struct mm *m, uint64_t address)
{
    for (const struct shared_map *s = m->shared; s != NULL; s = s->next)
        if (address >= s->start && address < s->end && !s->is_private)
            return s;
    return NULL;
}

bool shared_map_overlaps(const struct mm *m, uint64_t start, uint64_t length)
{
    for (const struct shared_map *s = m->shared; s != NULL; s = s->next)
        if (s->start < start + (length == 0 ? 1 : length) && s->end > start)
            return true;
    return false;
}

/* What part of s, seen from `from`, becomes. False: nothing of it. */
static bool moved(const struct shared_map *s, uint64_t from, uint64_t from_length, uint64_t to, uint64_t length,
                  struct shared_map *out)
{
    uint64_t until = from + (from_length == 0 ? 1 : from_length);
    if (s->start >= until || s->end <= from)
        return false;
    uint64_t a = s->start > from ? s->start : from, b = s->end < until ? s->end : until;
    if (from_length == 0)
        b = from + length;
    else if (b == until && length > from_length)
        b += length - from_length;
    if (b > from + length)
        b = from + length;
    if (a >= b)
        return false;
    *out = *s;
    out->offset += a - s->start;
    out->start = to + (a - from);
    out->end = to + (b - from);
    return true;
}

void shared_map_move(struct task *t, uint64_t from, uint64_t from_length, uint64_t to, uint64_t length, bool keep_old)
{
    struct mm *m = t->mm, made = {0};
    for (const struct shared_map *s = m->shared; s != NULL; s = s->next) {
        struct shared_map at;
        if (moved(s, from, from_length, to, length, &at))
            (void)insert(&made, &at);
    }
    if (from_length != 0 && !keep_old)
        shared_map_remove(m, from, from_length);
    shared_map_remove(m, to, length);
    while (made.shared != NULL) {
        (void)insert(m, made.shared);
        drop(&made, &made.shared);
    }
}

/* ---- what is stale ------------------------------------------------------------------------------------------------ */

struct pruning {
    struct mm *mm;
    uint64_t seen_to;
};

/* Entries of that kind which touch [start, end) are gone, whatever else they cover is not. */
static void remove_kind(struct mm *m, uint64_t start, uint64_t end, bool is_private)
{
    for (struct shared_map **link = &m->shared; *link != NULL;) {
        struct shared_map *s = *link;
        if (s->is_private == is_private && s->start >= start && s->end <= end)
            drop(m, link);
        else
            link = &s->next;
    }
}

static int look_at(void *context, const struct memory_map *map)
{
    struct pruning *p = context;
    if (map->start > p->seen_to)
        shared_map_remove(p->mm, p->seen_to, map->start - p->seen_to);
    if (!map->backed)
        shared_map_remove(p->mm, map->start, map->end - map->start);
    else
        remove_kind(p->mm, map->start, map->end, map->shared);
    p->seen_to = map->end;
    return 0;
}

static void forget_rest(const struct pruning *p)
{
    shared_map_remove(p->mm, p->seen_to, UINT64_MAX - p->seen_to);
}

void shared_map_prune(struct task *t)
{
    const struct machine *machine = t->world->machine;
    struct pruning p = {.mm = t->mm};
    if (t->mm != NULL && t->mm->shared != NULL && machine->maps != NULL && machine->maps(t, false, look_at, &p) == 0)
        forget_rest(&p);
}

/* Whether there is anything to forget is a matter of real time, for limits prune too: it must not decide whether the machine is asked.
 * A process may have tens of thousands of mappings, and there may be many: a limit that has ended the run meanwhile ends this, too. */
void shared_maps_settle(struct task *for_whom)
{
    const struct world *w = for_whom->world;
    for (struct process *process = w->processes; process != NULL; process = process->next) {
        struct task *t = process->threads;
        if (w->machine->over != NULL && w->machine->over(for_whom))
            return;
        while (t != NULL && (t->state == TASK_DEAD || t->mm == NULL))
            t = t->next_thread;
        struct pruning p = {.mm = t != NULL ? t->mm : NULL};
        if (t != NULL && mappings_each(t, false, look_at, &p) == 0)
            forget_rest(&p);
    }
}

bool shared_map_full(struct task *t)
{
    struct mm *m = t->mm;
    if (m->shared_prune_at == 0)
        m->shared_prune_at = PRUNE_FIRST;
    if (m->shared_count < m->shared_prune_at)
        return false;
    shared_map_prune(t);
    m->shared_prune_at = m->shared_count > PRUNE_FIRST / 2 ? m->shared_count * 2 : PRUNE_FIRST;
    return m->shared_count >= SHARED_MAPS_MOST;
}
