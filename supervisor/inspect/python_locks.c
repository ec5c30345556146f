/* Who holds a lock of CPython's. The lock is a semaphore, and who took it left his name there (supervisor/count/takes.h). Where there are no
 * names (the clock is real, or the C library another one), from 3.11 on whoever is within `with lock:` has the method that will release it, bound to
 * the lock, on the stack of the frame (Python/bytecodes.c, BEFORE_WITH), and an RLock names its owner; a lock that was taken by acquire() is
 * on no stack. The guest's memory may say anything: at worst the report is wrong about what the guest itself made up. */
#include "supervisor/inspect/python_locks.h"

#include "supervisor/count/takes.h"
#include "supervisor/inspect/python_inner.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAME_VALUES = 72, /* struct _PyInterpreterFrame: localsplus, in 3.11, 3.12 and 3.13 */
    VALUES_MOST = 128, /* locals and stack of a frame that are looked at */
    SHOWN_FRAMES = 16,
    EXITS_MOST = 64,           /* of one lock */
    METHOD_SELF = 24,          /* PyCFunctionObject: m_self */
    TYPE_NAME = 24,            /* PyTypeObject: tp_name */
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

/* Until 3.10 a frame is an object of so many values, and the first of them is the end of what all frames have. */
static size_t values_of_object(struct python *p, uint64_t frame, uint64_t value[VALUES_MOST])
{
    enum { OBJECT_SIZE = 16, TYPE_BASIC_SIZE = 32, BASIC_MOST = 1024 };
    uint64_t n = guest_word(&p->memory, frame + OBJECT_SIZE);
    uint64_t basic = guest_word(&p->memory, guest_word(&p->memory, frame + p->layout.object_type) + TYPE_BASIC_SIZE);
    if (n == 0 || n > VALUES_MOST || basic < sizeof *value || basic > BASIC_MOST)
        return 0;
    return guest_read(&p->memory, frame + basic - sizeof *value, value, n * sizeof *value) ? n : 0;
}

/* The locals and the stack of a frame: how many. */
static size_t values_of(struct python *p, uint64_t frame, uint64_t value[VALUES_MOST])
{
    if (p->layout.minor < 11)
        return values_of_object(p, frame, value);
    uint64_t code = guest_word(&p->memory, frame + p->layout.frame_code);
    int32_t size[3] = {0}; /* PyCodeObject: co_stacksize, co_firstlineno, co_nlocalsplus */
    if (!guest_read(&p->memory, code + p->layout.code_line - sizeof *size, size, sizeof size) || size[0] < 0 ||
        size[2] < 0 || size[0] > VALUES_MOST || size[2] > VALUES_MOST - size[0])
        return 0;
    size_t n = (size_t)size[0] + (size_t)size[2];
    return n > 0 && guest_read(&p->memory, frame + FRAME_VALUES, value, n * sizeof *value) ? n : 0;
}

/* What releases the lock, on the stack of a frame; the top first. */
static void look_in(struct search *s, const struct task *t, uint64_t frame)
{
    struct guest_memory *g = &s->python.memory;
    uint64_t value[VALUES_MOST];
    size_t n = values_of(&s->python, frame, value);
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

/* ---- what is no lock ---------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t length = strlen(end);
    return n >= length && memcmp(text + n - length, end, length) == 0;
}

/* Whoever holds it is not who is waited for: Condition.wait() of threading takes a lock that it made twice, to be woken by who gives it;
 * importlib's locks of modules do the like, and a full Queue of multiprocessing's waits for who takes something out. */
static bool waits_for_a_word(const struct python_wait *w)
{
    const char *file = w->stack != NULL ? w->stack : "";
    size_t n = strcspn(file, ":\n");
    return (ends_with(file, n, "/threading.py") && w->held_by == w->task->tid) ||
           ends_with(file, n, "<frozen importlib._bootstrap>") || ends_with(file, n, "/multiprocessing/queues.py");
}

/* What the thread waits for, as an object: it, or a method of its, is on the stack of who waits. 0: it is not found. */
static uint64_t object_of(struct python *p, const struct python_wait *w)
{
    uint64_t value[VALUES_MOST] = {0};
    const char *why;
    size_t n = 0;
    uint64_t frame = python_first_frame(p, w->task, &why);
    for (unsigned i = 0; frame != 0 && i < FRAMES_MOST && !python_frame_is_code(p, frame); i++)
        frame = guest_word(&p->memory, frame + p->layout.frame_previous);
    if (frame != 0)
        n = values_of(p, frame, value);
    while (n > 0) {
        uint64_t object = value[--n];
        for (int method = 0; method < 2 && object != 0 && object % 8 == 0; method++) {
            if (guest_word(&p->memory, object + LOCK_SEMAPHORE) == w->futex)
                return object;
            object = guest_word(&p->memory, object + METHOD_SELF);
        }
    }
    return 0;
}

/* Between processes. */
static bool is_shared(struct search *s)
{
    enum { PRIVATE = 8 }; /* glibc, struct new_sem */
    return (uint32_t)guest_word(&s->python.memory, s->futex + PRIVATE) != 0;
}

static bool is_a(struct python *p, uint64_t object, const char *type)
{
    char name[32] = "";
    uint64_t at = guest_word(&p->memory, guest_word(&p->memory, object + p->layout.object_type) + TYPE_NAME);
    return guest_read(&p->memory, at, name, strlen(type) + 1) && strcmp(name, type) == 0;
}

/* A SimpleQueue that is empty has its lock taken; a semaphore of multiprocessing's is a lock when it lets one in. Of one between processes more
 * must be known than that it is one. */
static bool may_be_held(struct search *s, const struct python_wait *w)
{
    enum { MOST = 36 }; /* SemLockObject: maxvalue */
    struct python *p = &s->python;
    uint64_t object = object_of(p, w);
    if (object == 0)
        return !is_shared(s);
    if (is_a(p, object, "_multiprocessing.SemLock"))
        return (uint32_t)guest_word(&p->memory, object + MOST) == 1;
    return !is_a(p, object, "_queue.SimpleQueue");
}

/* Who took it last, when nobody gave it since; or 0. */
static int32_t name_in(struct python *p, uint64_t futex)
{
    uint64_t word[TAKES_NAME / 8 + 1]; /* glibc, struct new_sem: the value, and above it the number of waiters */
    if (!guest_read(&p->memory, futex, word, sizeof word) || (uint32_t)word[0] != 0)
        return 0;
    uint64_t name = word[TAKES_NAME / 8];
    return (name ^ (uint32_t)name) == TAKES_MARK && (int32_t)name > 0 ? (int32_t)name : 0;
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
        if (s.futex == 0 || waits[i].held_by != 0)
            continue;
        waits[i].held_by = name_in(&s.python, s.futex);
        if (waits_for_a_word(&waits[i]) || !may_be_held(&s, &waits[i]))
            waits[i].held_by = 0;
        else if (waits[i].held_by == 0 && s.python.layout.minor >= 11 && s.python.method_type != 0)
            waits[i].held_by = holder_of(&s, waits, count);
        const struct task *holder = task_find(process->world, waits[i].held_by);
        waits[i].holder_gone =
            waits[i].held_by != 0 && (holder == NULL || (holder->process != process && !is_shared(&s)));
    }
}
