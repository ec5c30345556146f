/* What a call moves (supervisor/recording_inner.h) is kept beside it until it ends, then becomes one event. Files that the policy calls secret
 * are only ever named. */
#include "supervisor/recording_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MOST = 256 << 10, /* bytes of one call; more is told before it ends */
    DESCRIBED_MOST = 512,  /* bytes of a name of an open file */
};

static void asked(struct recorder *recorder, struct call *c)
{
    struct recording *r = recording_of(recorder);
    struct kept *k = r->spare;
    if (k != NULL)
        r->spare = k->next;
    else
        k = calloc(1, sizeof *k);
    if (k == NULL) {
        recording_failed(r, -ENOMEM);
        return;
    }
    k->segment_count = 0;
    k->size = 0;
    k->rule = 0;
    k->open_count = 0;
    k->source = NULL;
    k->began = clock_elapsed(&r->world->clock);
    k->previous = NULL;
    k->next = r->kept;
    if (r->kept != NULL)
        r->kept->previous = k;
    r->kept = k;
    c->recorded = k;
}

static void drop(struct recording *r, struct call *c)
{
    struct kept *k = c->recorded;
    c->recorded = NULL;
    *(k->previous != NULL ? &k->previous->next : &r->kept) = k->next;
    if (k->next != NULL)
        k->next->previous = k->previous;
    k->next = r->spare;
    r->spare = k;
}

static void add_segments(struct event *e, struct kept *k)
{
    memcpy(e->segment, k->segment, k->segment_count * sizeof *k->segment);
    e->segment_count = k->segment_count;
    for (uint32_t i = 0; i < k->segment_count; i++)
        if (e->segment[i].kind != SEGMENT_GIVEN)
            e->segment[i].bytes = k->bytes + e->segment[i].offset;
    k->segment_count = 0;
    k->size = 0;
}

static void tell_data(struct recording *r, struct call *c)
{
    struct event *e = recording_event(r, EVENT_DATA, c->task->tid);
    add_segments(e, c->recorded);
    recording_tell(r, e);
}

static bool make_room(struct recording *r, struct kept *k, size_t n)
{
    if (k->size + n <= k->room)
        return true;
    size_t room = k->room == 0 ? 4096 : k->room;
    while (room < k->size + n)
        room *= 2;
    uint8_t *more = realloc(k->bytes, room);
    if (more == NULL) {
        recording_failed(r, -ENOMEM);
        return false;
    }
    k->bytes = more;
    k->room = room;
    return true;
}

/* A stub that runs again reads its arguments again; what is the same is kept once. */
static bool read_before(const struct call *c, const struct kept *k, uint64_t address, const uint8_t *bytes, size_t n)
{
    if (!c->again)
        return false;
    for (uint32_t i = 0; i < k->segment_count; i++) {
        const struct event_segment *s = &k->segment[i];
        if (!s->written && s->kind == SEGMENT_BYTES && s->address == address && s->size == n &&
            memcmp(k->bytes + s->offset, bytes, n) == 0)
            return true;
    }
    return false;
}

static struct event_segment *keep_segment(struct recording *r, struct call *c, bool written, uint64_t address, size_t n)
{
    struct kept *k = c->recorded;
    if (k->segment_count == EVENT_SEGMENTS || k->size + n > KEPT_MOST)
        tell_data(r, c);
    struct event_segment *s = &k->segment[k->segment_count++];
    *s = (struct event_segment){.written = written, .address = address, .size = n};
    return s;
}

static void keep_bytes(struct recording *r, struct call *c, bool written, uint64_t address, const uint8_t *bytes,
                       size_t n)
{
    struct kept *k = c->recorded;
    struct event_segment *s = keep_segment(r, c, written, address, n);
    if (!make_room(r, k, n)) {
        k->segment_count--;
        return;
    }
    s->offset = k->size;
    memcpy(k->bytes + k->size, bytes, n);
    k->size += n;
}

static void keep_hash(struct recording *r, struct call *c, uint64_t address, const void *bytes, size_t n)
{
    struct kept *k = c->recorded;
    struct event_segment *s = keep_segment(r, c, true, address, n);
    if (!make_room(r, k, EVENT_DIGEST)) {
        k->segment_count--;
        return;
    }
    s->kind = SEGMENT_HASH;
    s->offset = k->size;
    crypto_generichash(k->bytes + k->size, EVENT_DIGEST, bytes, n, NULL, 0);
    k->size += EVENT_DIGEST;
}

static void keep_given(struct recording *r, struct call *c, uint64_t address, size_t n)
{
    struct kept *k = c->recorded;
    recording_name_pieces(r, c->task, k->source, &k->given, k->source_at, n);
    struct event_segment *last = k->segment_count > 0 ? &k->segment[k->segment_count - 1] : NULL;
    if (last != NULL && last->kind == SEGMENT_GIVEN && last->address + last->size == address &&
        last->file == k->given.ino && last->offset + last->size == k->source_at) {
        last->size += n;
        return;
    }
    struct event_segment *s = keep_segment(r, c, true, address, n);
    s->kind = SEGMENT_GIVEN;
    s->file = k->given.ino;
    s->offset = k->source_at;
}

static void memory(struct recorder *recorder, struct call *c, bool written, uint64_t address, const void *bytes,
                   size_t n)
{
    struct recording *r = recording_of(recorder);
    struct kept *k = c->recorded;
    if (k == NULL || n == 0)
        return;
    if (written && k->source != NULL) {
        if (k->is_given)
            keep_given(r, c, address, n);
        else if (k->is_secret)
            keep_hash(r, c, address, bytes, n);
        k->source_at += n;
        if (k->is_given || k->is_secret)
            return;
    }
    if (!written && read_before(c, k, address, bytes, n))
        return;
    for (size_t at = 0; at < n; at += EVENT_SEGMENT_MOST)
        keep_bytes(r, c, written, address + at, (const uint8_t *)bytes + at,
                   n - at < EVENT_SEGMENT_MOST ? n - at : EVENT_SEGMENT_MOST);
}

static void source(struct recorder *recorder, struct call *c, struct file *f, uint64_t position)
{
    struct kept *k = c->recorded;
    if (k == NULL)
        return;
    k->source = f;
    k->source_at = position;
    if (f == NULL)
        return;
    k->is_given = file_given(f, &k->given);
    k->is_secret = recording_is_secret(recording_of(recorder), file_ino(f));
    if (!k->is_given && !k->is_secret)
        k->source = NULL;
}

static void name_open(struct recording *r, const struct task *t, struct file *f)
{
    char name[DESCRIBED_MOST];
    int fresh = number_set_add(&r->opens, f->id + 1);
    if (fresh < 0)
        recording_failed(r, fresh);
    if (fresh <= 0)
        return;
    ssize_t n = file_name(f, vfs_root(r->world->vfs), name, sizeof name);
    struct event *e = recording_event(r, EVENT_OPEN, t->tid);
    e->open.id = f->id;
    e->open.name = (struct event_text){name, n < 0 ? 0 : (size_t)n};
    recording_tell(r, e);
}

/* Which of the arguments the descriptor is, by its kind. Descriptors in arrays (poll) are none. */
static void note_open(struct recording *r, struct call *c, int argument, struct file *f)
{
    struct kept *k = c->recorded;
    for (unsigned i = 0; i < k->open_count; i++)
        if (k->open[i].argument == argument)
            return;
    if (k->open_count == EVENT_OPENS)
        return;
    name_open(r, c->task, f);
    k->open[k->open_count].argument = (uint8_t)argument;
    k->open[k->open_count++].id = f->id;
}

static void descriptor(struct recorder *recorder, struct call *c, int fd, struct file *f)
{
    const struct sysent *s = sysent_get(c->nr);
    for (int i = 0; c->recorded != NULL && s != NULL && i < s->argument_count; i++)
        if ((s->argument[i] == ARG_FD || s->argument[i] == ARG_DIRFD) && (int)c->arg[i] == fd)
            note_open(recording_of(recorder), c, i, f);
}

static bool gives_descriptor(const struct call *c)
{
    switch (c->nr) {
    case SYS_fcntl:
        return c->arg[1] == F_DUPFD || c->arg[1] == F_DUPFD_CLOEXEC;
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
    case SYS_socket:
    case SYS_accept:
    case SYS_accept4:
    case SYS_epoll_create:
    case SYS_epoll_create1:
    case SYS_eventfd:
    case SYS_eventfd2:
    case SYS_signalfd:
    case SYS_signalfd4:
    case SYS_timerfd_create:
    case SYS_inotify_init:
    case SYS_inotify_init1:
    case SYS_memfd_create:
    case SYS_pidfd_open:
    case SYS_pidfd_getfd:
        return true;
    default:
        return false;
    }
}

static void decided(struct recorder *recorder, struct call *c, const struct policy_rule *rule)
{
    static const char *const action[] = {
        [POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_ANSWER] = "answer",
        [POLICY_LOG] = "log",     [POLICY_KILL] = "kill",
    };
    struct recording *r = recording_of(recorder);
    struct kept *k = c->recorded;
    int fresh = number_set_add(&r->rules, (uint64_t)rule->index + 1);
    if (fresh < 0)
        recording_failed(r, fresh);
    if (fresh > 0) { /* the line, not the file: where the policy lay on the host is nobody's business */
        struct event *e = recording_event(r, EVENT_RULE, c->task->tid);
        e->rule.index = (uint32_t)rule->index;
        e->rule.line = rule->origin.line > 0 ? (uint32_t)rule->origin.line : 0;
        e->rule.action = recording_text(action[rule->action], 16);
        e->rule.text = recording_text(rule->text != NULL ? rule->text : "", EVENT_TEXT_MOST);
        e->rule.note = recording_text(rule->note != NULL ? rule->note : "", EVENT_TEXT_MOST);
        recording_tell(r, e);
    }
    if (k != NULL)
        k->rule = (uint32_t)rule->index + 1;
}

static struct event *call_event(struct recording *r, const struct call *c, enum event_kind kind)
{
    struct event *e = recording_event(r, kind, c->task->tid);
    const struct sysent *s = sysent_get(c->nr);
    e->call.nr = c->nr;
    e->call.argument_count = s != NULL ? s->argument_count : EVENT_ARGUMENTS;
    memcpy(e->call.argument, c->arg, sizeof e->call.argument);
    e->call.began = e->time;
    return e;
}

static void blocked(struct recorder *recorder, struct call *c)
{
    struct recording *r = recording_of(recorder);
    struct event *e = call_event(r, c, EVENT_BLOCK);
    e->call.has_result = c->timer != 0;
    e->call.result = c->deadline;
    recording_tell(r, e);
}

static void ended(struct recorder *recorder, struct call *c, int64_t result, bool native)
{
    struct recording *r = recording_of(recorder);
    struct kept *k = c->recorded;
    if (k == NULL)
        return;
    if (result == -ESRCH &&
        r->world->ending) { /* ended from outside while the guest's kernel made it: it came to nothing */
        drop(r, c);
        return;
    }
    if (result >= 0 && gives_descriptor(c)) {
        struct file *f = fdtable_file(c->task->fds, (int)result);
        if (f != NULL)
            note_open(r, c, EVENT_OPEN_RESULT, f);
    }
    struct event *e = call_event(r, c, EVENT_CALL);
    e->call.began = k->began;
    e->call.rule = k->rule;
    e->call.has_result = result != CALL_NATIVE && result != CALL_GONE;
    e->call.result = result;
    e->call.flags = (native ? EVENT_NATIVE : 0U) | (result == CALL_GONE ? EVENT_GONE : 0U);
    e->call.open_count = k->open_count;
    for (unsigned i = 0; i < k->open_count; i++) {
        e->call.open[i].argument = k->open[i].argument;
        e->call.open[i].id = k->open[i].id;
    }
    add_segments(e, k);
    recording_tell(r, e);
    drop(r, c);
}

void recording_calls_tell(struct recorder *to)
{
    to->asked = asked;
    to->memory = memory;
    to->source = source;
    to->descriptor = descriptor;
    to->decided = decided;
    to->blocked = blocked;
    to->ended = ended;
}

static void free_kept(struct kept *k)
{
    while (k != NULL) {
        struct kept *next = k->next;
        free(k->bytes);
        free(k);
        k = next;
    }
}

void recording_calls_free(struct recording *r)
{
    free_kept(r->kept);
    free_kept(r->spare);
}
