/* Who holds a lock of CPython's (3.11 to 3.13). Neither its semaphore nor the object says who took it, but whoever is within `with lock:` has
 * the method that will release it, bound to the lock, on the stack of the frame (Python/bytecodes.c, BEFORE_WITH). An RLock names its owner.
 * A lock taken by acquire() is on no stack: its holder stays unknown. The guest's memory may say anything: at worst the report is wrong about
 * what the guest itself made up. */
#include "supervisor/inspect/python_locks.h"

#include "supervisor/inspect/python_inner.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAME_VALUES = 72, /* struct _PyInterpreterFrame: localsplus, in 3.11, 3.12 and 3.13 */
    VALUES_MOST = 128, /* locals and stack of a frame that are looked at */
    SHOWN_FRAMES = 16,
    EXITS_MOST = 64,           /* of one lock */
    METHOD_SELF = 24,          /* PyCFunctionObject: m_self */
    LOCK_SEMAPHORE = 16,       /* lockobject, rlockobject: lock_lock, which is a sem_t's address (thread_pthread.h) */
    RLOCK_OWNER = 24,          /* rlockobject: pthread_self() of who holds it */
    REFERENCES_MOST = 1 << 20, /* more of them, or none: the memory is free, and was something else */
};

struct search {
    struct python python;
    struct process *process;
    uint64_t futex;
    uint64_t owner; /* what an RLock said */
    struct exit {
        const struct task *task; /* NULL: it waits, and does not hold */
        uint64_t object;
    } exit[EXITS_MOST];
    size_t count;
};

static bool is_lock(struct search *s, uint64_t object)
{
    if (object == 0 || object % 8 != 0 || guest_word(&s->python.memory, object + LOCK_SEMAPHORE) != s->futex)
        return false;
    uint64_t owner = guest_word(&s->python.memory, object + RLOCK_OWNER);
    if (owner != 0)
        s->owner = owner;
    return true;
}

static void add(struct search *s, const struct task *t, uint64_t object)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->exit[i].task == t && s->exit[i].object == object)
            return; /* a place of the stack that is not in use any more may have it too */
    if (s->count < EXITS_MOST)
        s->exit[s->count++] = (struct exit){t, object};
}

/* What releases the lock, on the stack of a frame; the top first. */
static void look_in(struct search *s, const struct task *t, uint64_t frame)
{
    struct guest_memory *g = &s->python.memory;
    uint64_t value[VALUES_MOST], code = guest_word(g, frame + s->python.layout.frame_code);
    int32_t size[3] = {0}; /* PyCodeObject: co_stacksize, co_firstlineno, co_nlocalsplus */
    if (!guest_read(g, code + s->python.layout.code_line - sizeof *size, size, sizeof size) || size[0] < 0 ||
        size[2] < 0 || size[0] > VALUES_MOST || size[2] > VALUES_MOST - size[0])
        return;
    size_t n = (size_t)size[0] + (size_t)size[2];
    if (n == 0 || !guest_read(g, frame + FRAME_VALUES, value, n * sizeof *value))
        return;
    while (n-- > 0) {
        uint64_t head[METHOD_SELF / 8 + 1];
        if (value[n] == 0 || value[n] % 8 != 0 || is_lock(s, value[n]) || !guest_read(g, value[n], head, sizeof head))
            continue;
        uint32_t references = (uint32_t)head[0];
        if (head[1] == s->python.method_type && references > 0 && references < REFERENCES_MOST &&
            is_lock(s, head[METHOD_SELF / 8]))
            add(s, t, value[n]);
    }
}

static void look_at(struct search *s, struct task *t)
{
    const char *why;
    uint64_t frame = python_first_frame(&s->python, t, &why);
    for (unsigned i = 0; frame != 0 && i < FRAMES_MOST && s->python.memory.reads_left > 0; i++) {
        if (python_frame_is_code(&s->python, frame))
            look_in(s, t, frame);
        frame = guest_word(&s->python.memory, frame + s->python.layout.frame_previous);
    }
}

static bool waits_there(const struct search *s, const struct task *t, const struct python_wait *waits, size_t count)
{
    size_t i = 0;
    while (i < count && waits[i].task != t)
        i++;
    return i < count && waits[i].futex == s->futex;
}

static bool has_another(const struct search *s, const struct exit *e)
{
    size_t i = 0;
    while (i < s->count && (s->exit[i].object != e->object || s->exit[i].task == NULL || s->exit[i].task == e->task))
        i++;
    return i < s->count;
}

/* Who waits in `with lock:` does not hold it. In 3.11 he has what will release it on the stack already: the first that was found of his. And
 * what is on the stacks of two was left on that of the one who waits. */
static void take_out_waits(struct search *s, const struct python_wait *waits, size_t count)
{
    const struct task *seen = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct exit *e = &s->exit[i];
        const struct task *t = e->task; /* each one's stand together */
        bool first = t != seen;
        seen = t;
        if (waits_there(s, t, waits, count) && ((first && s->python.layout.minor == 11) || has_another(s, e)))
            e->task = NULL;
    }
}

static int32_t holder_of(struct search *s, const struct python_wait *waits, size_t count)
{
    const struct task *holder = NULL;
    bool one = true;
    s->owner = 0;
    s->count = 0;
    for (struct task *t = s->process->threads; t != NULL; t = t->next_thread)
        look_at(s, t);
    take_out_waits(s, waits, count);
    for (size_t i = 0; i < s->count; i++) {
        if (s->exit[i].task == NULL)
            continue;
        one = one && (holder == NULL || holder == s->exit[i].task);
        holder = s->exit[i].task;
    }
    for (const struct task *t = s->process->threads; s->owner != 0 && t != NULL; t = t->next_thread) {
        struct tracee *stopped = t->machine;
        if (stopped != NULL && tracee_load_registers(stopped) == 0 && stopped->regs.fs_base == s->owner)
            return t->tid;
    }
    return holder != NULL && one ? holder->tid : 0;
}

static char *stack_of(struct python *p, struct task *t)
{
    const char *why;
    char *text = NULL;
    size_t size;
    uint64_t frame = python_first_frame(p, t, &why);
    FILE *out = frame != 0 ? open_memstream(&text, &size) : NULL;
    if (out == NULL)
        return NULL;
    for (unsigned shown = 0, i = 0; frame != 0 && shown < SHOWN_FRAMES && i < FRAMES_MOST; i++) {
        if (python_frame_is_code(p, frame)) {
            if (shown++ > 0)
                fputc('\n', out);
            python_put_frame(p, out, frame);
        }
        frame = guest_word(&p->memory, frame + p->layout.frame_previous);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void python_waits(struct process *process, struct python_wait *waits, size_t count)
{
    struct search s = {.process = process};
    const char *why;
    struct tracee *any = guest_stopped(process);
    if (any == NULL || !python_find(&s.python, any, &why))
        return;
    for (size_t i = 0; i < count; i++) {
        waits[i].stack = stack_of(&s.python, waits[i].task);
        s.futex = waits[i].futex;
        if (s.futex != 0 && waits[i].held_by == 0 && s.python.layout.minor >= 11 && s.python.method_type != 0)
            waits[i].held_by = holder_of(&s, waits, count);
    }
}
