/* What happens besides calls (supervisor/recording_inner.h): tasks, signals, time, the caller's streams, and what the world writes to a
 * guest's memory by itself. */
#include "supervisor/recording_inner.h"

#include <signal.h>
#include <string.h>

static void wrote(struct recorder *recorder, struct task *t, uint64_t address, const void *bytes, size_t n)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_DATA, t->tid);
    e->segment[0] = (struct event_segment){.written = true, .address = address, .size = n, .bytes = bytes};
    e->segment_count = 1;
    recording_tell(r, e);
}

static void mapped(struct recorder *recorder, struct task *t, struct file *f, uint64_t offset, uint64_t length)
{
    struct file_given g;
    if (file_given(f, &g))
        recording_name_pieces(recording_of(recorder), t, f, &g, offset, length);
}

static void signalled(struct recorder *recorder, struct task *t, const siginfo_t *info)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_SIGNAL, t->tid);
    bool fault = info->si_code > 0 && (info->si_signo == SIGSEGV || info->si_signo == SIGBUS ||
                                       info->si_signo == SIGILL || info->si_signo == SIGFPE);
    e->signal.number = info->si_signo;
    e->signal.code = info->si_code;
    if (fault) {
        e->signal.value = (uint64_t)(uintptr_t)info->si_addr;
    } else {
        e->signal.pid = info->si_pid;
        e->signal.uid = info->si_uid;
        e->signal.value = info->si_signo == SIGCHLD && info->si_code > 0 ? (uint32_t)info->si_status
                                                                         : (uint64_t)(uintptr_t)info->si_ptr;
    }
    recording_tell(r, e);
}

static void born(struct recorder *recorder, struct task *child, const struct task *parent, uint64_t flags)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_BORN, child->tid);
    e->born.pid = child->process->pid;
    e->born.parent = parent != NULL ? parent->tid : 0;
    e->born.flags = flags;
    recording_tell(r, e);
}

static void executed(struct recorder *recorder, struct task *t, const char *program)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_EXEC, t->tid);
    e->exec.pid = t->process->pid;
    e->exec.program = recording_text(program != NULL ? program : "", EVENT_TEXT_MOST);
    recording_tell(r, e);
}

static void died(struct recorder *recorder, struct task *t, int status, bool last)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_DIED, t->tid);
    e->died.pid = t->process->pid;
    e->died.status = status;
    e->died.last = last;
    recording_tell(r, e);
}

static void picked(struct recorder *recorder, struct task *t, uint64_t slice)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_SCHEDULE, t->tid);
    e->schedule.slice = slice;
    recording_tell(r, e);
}

/* Of the task whose turn it is, or, between two turns, of the world. */
static struct event *event_now(struct recording *r, enum event_kind kind)
{
    const struct task *t = r->world->current;
    return recording_event(r, kind, t != NULL ? t->tid : 0);
}

static void stream(struct recorder *recorder, int number, const void *bytes, size_t n)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_STREAM);
    e->stream.number = (uint32_t)number;
    e->stream.bytes = bytes;
    e->stream.size = n;
    recording_tell(r, e);
}

static void real(struct recorder *recorder, const char *what)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_REAL);
    e->real.what = recording_text(what, EVENT_TEXT_MOST);
    recording_tell(r, e);
}

static void waits(struct recorder *recorder)
{
    struct recording *r = recording_of(recorder);
    int error = r->error == 0 && r->record != NULL ? record_flush(r->record) : 0;
    if (error < 0)
        recording_failed(r, error);
}

static void ready(struct recorder *recorder, int stream, uint32_t events)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_READY);
    e->ready.number = (uint32_t)stream;
    e->ready.events = events;
    recording_tell(r, e);
}

static void forwarded(struct recorder *recorder, uint32_t number, uint32_t what, uint64_t value, const void *bytes,
                      size_t n)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_FORWARD);
    e->forward.number = number;
    e->forward.what = what;
    e->forward.value = value;
    e->forward.bytes = n > 0 ? bytes : (const void *)"";
    e->forward.size = n;
    recording_tell(r, e);
}

static void outside(struct recorder *recorder, int signal)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_OUTSIDE);
    e->outside.number = signal;
    recording_tell(r, e);
}

static void told(struct recorder *recorder, enum told what, int64_t value)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_TOLD);
    e->told.what = what;
    e->told.value = value;
    recording_tell(r, e);
}

static void mappings(struct recorder *recorder, bool more, const char *lines, size_t n)
{
    struct recording *r = recording_of(recorder);
    struct event *e = event_now(r, EVENT_MAPPINGS);
    e->mappings.goes_on = more;
    e->mappings.lines = (struct event_text){lines, n};
    recording_tell(r, e);
}

static void jumped(struct recorder *recorder, int64_t from)
{
    struct recording *r = recording_of(recorder);
    struct event *e = recording_event(r, EVENT_JUMP, 0);
    e->jump.from = from;
    recording_tell(r, e);
}

void recording_events_tell(struct recorder *to)
{
    to->wrote = wrote;
    to->mapped = mapped;
    to->signalled = signalled;
    to->born = born;
    to->executed = executed;
    to->died = died;
    to->picked = picked;
    to->stream = stream;
    to->real = real;
    to->waits = waits;
    to->ready = ready;
    to->outside = outside;
    to->told = told;
    to->mappings = mappings;
    to->jumped = jumped;
    to->forwarded = forwarded;
}
