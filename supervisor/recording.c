/* Recording a run (supervisor/recording.h).
 *
 * What a call moves is kept beside it until it ends, then becomes one event. Bytes of given files (a mount's, the policy's,
 * unchanged) are not kept but named: file and offset, once the piece of the file that they are in was named by its hash.
 * Files that the policy calls secret are only ever named. */
#include "supervisor/recording.h"

#include "kernel/recorder.h"
#include "supervisor/bundle.h"
#include "trace/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    KEPT_MOST = 256 << 10, /* bytes of one call; more is told before it ends */
    DESCRIBED_MOST = 512,  /* bytes of a name of an open file */
};

/* A set of numbers. */
struct seen {
    uint64_t *slot; /* 0: free */
    size_t count, room;
};

/* What is kept of a call in progress: call->recorded. */
struct kept {
    struct kept *next, *previous;                 /* in recording->kept */
    struct event_segment segment[EVENT_SEGMENTS]; /* BYTES, HASH: `offset` is into bytes until they are told */
    uint32_t segment_count;
    uint8_t *bytes;
    size_t size, room;
    int64_t began;
    uint32_t rule;
    struct {
        uint8_t argument;
        uint64_t id;
    } open[EVENT_OPENS];
    uint8_t open_count;
    struct file *source; /* what is written to the guest comes from there; NULL: who knows */
    uint64_t source_at;
    struct file_given given;
    bool is_given, is_secret;
};

struct recording {
    struct recorder recorder; /* first: the world knows this */
    struct world *world;
    struct record *record;
    char *path;
    bool to_file;
    int error; /* the first; the run ends of it */
    void (*watch)(void *context, const struct event *e);
    void *watch_context;
    struct kept *kept, *spare;
    struct seen opens, files, pieces, rules;
    struct bundle *bundle; /* borrowed; NULL: the record does not stand alone */
    uint64_t *secrets;     /* inos */
    size_t secret_count;
    uint8_t *piece;      /* room for one */
    struct event event;  /* the one being made */
    const uint8_t *sign; /* Ed25519 secret key, or NULL */
};

static struct recording *of(struct recorder *r)
{
    return (struct recording *)r;
}

/* ---- sets --------------------------------------------------------------------------------------------------------- */

static size_t place(const struct seen *s, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (s->room - 1);
    while (s->slot[at] != 0 && s->slot[at] != key)
        at = (at + 1) & (s->room - 1);
    return at;
}

/* 1: it was not in the set before; 0: it was; -ENOMEM. key is not 0. */
static int see(struct seen *s, uint64_t key)
{
    if (s->room > 0) {
        size_t at = place(s, key);
        if (s->slot[at] == key)
            return 0;
    }
    if (s->count * 2 >= s->room) {
        struct seen more = {.room = s->room == 0 ? 64 : s->room * 2, .count = s->count};
        more.slot = calloc(more.room, sizeof *more.slot);
        if (more.slot == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < s->room; i++)
            if (s->slot[i] != 0)
                more.slot[place(&more, s->slot[i])] = s->slot[i];
        free(s->slot);
        *s = more;
    }
    s->slot[place(s, key)] = key;
    s->count++;
    return 1;
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

/* A record that cannot go on ends the run: a run whose evidence is lost is not what was asked for. */
static void failed(struct recording *r, int error)
{
    if (r->error == 0)
        r->error = error;
    world_end(r->world, VERDICT_INTERNAL);
}

static struct event *event(struct recording *r, enum event_kind kind, int32_t tid)
{
    struct event *e = &r->event;
    memset(e, 0, offsetof(struct event, segment));
    e->kind = kind;
    e->time = clock_elapsed(&r->world->clock);
    e->tid = tid;
    return e;
}

static void tell(struct recording *r, struct event *e)
{
    int error = r->error != 0 ? 0 : record_add(r->record, e);
    if (error < 0)
        failed(r, error);
    else if (r->watch != NULL)
        r->watch(r->watch_context, e);
}

static struct event_text text_of(const char *text, size_t most)
{
    return (struct event_text){text, strnlen(text, most)};
}

/* ---- given files -------------------------------------------------------------------------------------------------- */

static bool secret(const struct recording *r, uint64_t ino)
{
    for (size_t i = 0; i < r->secret_count; i++)
        if (r->secrets[i] == ino)
            return true;
    return false;
}

static void name_file(struct recording *r, const struct task *t, struct file *f, const struct file_given *g)
{
    char path[VFS_PATH_MAX];
    int fresh = see(&r->files, g->ino);
    if (fresh < 0)
        failed(r, fresh);
    if (fresh <= 0)
        return;
    if (f->dentry == NULL || dentry_path(f->dentry, vfs_root(r->world->vfs), path, sizeof path) < 0)
        path[0] = '\0';
    struct event *e = event(r, EVENT_FILE, t->tid);
    e->file.id = g->ino;
    e->file.size = g->size;
    e->file.path = text_of(path, sizeof path);
    e->file.secret = secret(r, g->ino);
    tell(r, e);
}

static void name_piece(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                       uint64_t number)
{
    uint8_t digest[EVENT_DIGEST];
    int fresh = see(&r->pieces, (g->ino << 24 | (number & 0xffffff)) + 1);
    if (fresh <= 0) {
        if (fresh < 0)
            failed(r, fresh);
        return;
    }
    name_file(r, t, f, g);
    ssize_t n = file_given_read(f, number * EVENT_PIECE_SIZE, r->piece, EVENT_PIECE_SIZE);
    if (n < 0)
        n = 0; /* unreadable now: the guest meets the same error, and has no bytes of it */
    crypto_generichash(digest, sizeof digest, r->piece, (size_t)n, NULL, 0);
    struct event *e = event(r, EVENT_PIECE, t->tid);
    e->piece.file = g->ino;
    e->piece.number = number;
    e->piece.size = (uint64_t)n;
    e->piece.digest = digest;
    tell(r, e);
}

static void name_pieces(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                        uint64_t offset, uint64_t length)
{
    uint64_t end = length > g->size - (offset < g->size ? offset : g->size) ? g->size : offset + length;
    for (uint64_t at = offset / EVENT_PIECE_SIZE; at * EVENT_PIECE_SIZE < end; at++)
        name_piece(r, t, f, g, at);
}

static void mapped(struct recorder *recorder, struct task *t, struct file *f, uint64_t offset, uint64_t length)
{
    struct file_given g;
    if (file_given(f, &g))
        name_pieces(of(recorder), t, f, &g, offset, length);
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

static void asked(struct recorder *recorder, struct call *c)
{
    struct recording *r = of(recorder);
    struct kept *k = r->spare;
    if (k != NULL)
        r->spare = k->next;
    else
        k = calloc(1, sizeof *k);
    if (k == NULL) {
        failed(r, -ENOMEM);
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
    struct event *e = event(r, EVENT_DATA, c->task->tid);
    add_segments(e, c->recorded);
    tell(r, e);
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
        failed(r, -ENOMEM);
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
    name_pieces(r, c->task, k->source, &k->given, k->source_at, n);
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
    struct recording *r = of(recorder);
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
    k->is_secret = secret(of(recorder), file_ino(f));
    if (!k->is_given && !k->is_secret)
        k->source = NULL;
}

static void name_open(struct recording *r, const struct task *t, struct file *f)
{
    char name[DESCRIBED_MOST];
    int fresh = see(&r->opens, f->id + 1);
    if (fresh < 0)
        failed(r, fresh);
    if (fresh <= 0)
        return;
    ssize_t n = file_name(f, vfs_root(r->world->vfs), name, sizeof name);
    struct event *e = event(r, EVENT_OPEN, t->tid);
    e->open.id = f->id;
    e->open.name = (struct event_text){name, n < 0 ? 0 : (size_t)n};
    tell(r, e);
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
            note_open(of(recorder), c, i, f);
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
    struct recording *r = of(recorder);
    struct kept *k = c->recorded;
    int fresh = see(&r->rules, (uint64_t)rule->index + 1);
    if (fresh < 0)
        failed(r, fresh);
    if (fresh > 0) { /* the line, not the file: where the policy lay on the host is nobody's business */
        struct event *e = event(r, EVENT_RULE, c->task->tid);
        e->rule.index = (uint32_t)rule->index;
        e->rule.line = rule->origin.line > 0 ? (uint32_t)rule->origin.line : 0;
        e->rule.action = text_of(action[rule->action], 16);
        e->rule.text = text_of(rule->text != NULL ? rule->text : "", EVENT_TEXT_MOST);
        e->rule.note = text_of(rule->note != NULL ? rule->note : "", EVENT_TEXT_MOST);
        tell(r, e);
    }
    if (k != NULL)
        k->rule = (uint32_t)rule->index + 1;
}

static struct event *call_event(struct recording *r, const struct call *c, enum event_kind kind)
{
    struct event *e = event(r, kind, c->task->tid);
    const struct sysent *s = sysent_get(c->nr);
    e->call.nr = c->nr;
    e->call.argument_count = s != NULL ? s->argument_count : EVENT_ARGUMENTS;
    memcpy(e->call.argument, c->arg, sizeof e->call.argument);
    e->call.began = e->time;
    return e;
}

static void blocked(struct recorder *recorder, struct call *c)
{
    struct recording *r = of(recorder);
    struct event *e = call_event(r, c, EVENT_BLOCK);
    e->call.has_result = c->timer != 0;
    e->call.result = c->deadline;
    tell(r, e);
}

static void ended(struct recorder *recorder, struct call *c, int64_t result, bool native)
{
    struct recording *r = of(recorder);
    struct kept *k = c->recorded;
    if (k == NULL)
        return;
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
    tell(r, e);
    drop(r, c);
}

static void wrote(struct recorder *recorder, struct task *t, uint64_t address, const void *bytes, size_t n)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_DATA, t->tid);
    e->segment[0] = (struct event_segment){.written = true, .address = address, .size = n, .bytes = bytes};
    e->segment_count = 1;
    tell(r, e);
}

/* ---- tasks, signals, time ------------------------------------------------------------------------------------------ */

static void signalled(struct recorder *recorder, struct task *t, const siginfo_t *info)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_SIGNAL, t->tid);
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
    tell(r, e);
}

static void born(struct recorder *recorder, struct task *child, const struct task *parent, uint64_t flags)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_BORN, child->tid);
    e->born.pid = child->process->pid;
    e->born.parent = parent != NULL ? parent->tid : 0;
    e->born.flags = flags;
    tell(r, e);
}

static void executed(struct recorder *recorder, struct task *t, const char *program)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_EXEC, t->tid);
    e->exec.pid = t->process->pid;
    e->exec.program = text_of(program != NULL ? program : "", EVENT_TEXT_MOST);
    tell(r, e);
}

static void died(struct recorder *recorder, struct task *t, int status, bool last)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_DIED, t->tid);
    e->died.pid = t->process->pid;
    e->died.status = status;
    e->died.last = last;
    tell(r, e);
}

static void picked(struct recorder *recorder, struct task *t, uint64_t slice)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_SCHEDULE, t->tid);
    e->schedule.slice = slice;
    tell(r, e);
}

static void stream(struct recorder *recorder, int number, const void *bytes, size_t n)
{
    struct recording *r = of(recorder);
    const struct task *t = r->world->current;
    struct event *e = event(r, EVENT_STREAM, t != NULL ? t->tid : 0);
    e->stream.number = (uint32_t)number;
    e->stream.bytes = bytes;
    e->stream.size = n;
    tell(r, e);
}

static void real(struct recorder *recorder, const char *what)
{
    struct recording *r = of(recorder);
    const struct task *t = r->world->current;
    struct event *e = event(r, EVENT_REAL, t != NULL ? t->tid : 0);
    e->real.what = text_of(what, EVENT_TEXT_MOST);
    tell(r, e);
}

static void waits(struct recorder *recorder)
{
    struct recording *r = of(recorder);
    int error = r->error == 0 ? record_flush(r->record) : 0;
    if (error < 0)
        failed(r, error);
}

static void ready(struct recorder *recorder, int stream, uint32_t events)
{
    struct recording *r = of(recorder);
    const struct task *t = r->world->current;
    struct event *e = event(r, EVENT_READY, t != NULL ? t->tid : 0);
    e->ready.number = (uint32_t)stream;
    e->ready.events = events;
    tell(r, e);
}

static void jumped(struct recorder *recorder, int64_t from)
{
    struct recording *r = of(recorder);
    struct event *e = event(r, EVENT_JUMP, 0);
    e->jump.from = from;
    tell(r, e);
}

/* ---- beginning and end --------------------------------------------------------------------------------------------- */

static const struct recorder told = {
    .asked = asked,
    .memory = memory,
    .source = source,
    .descriptor = descriptor,
    .decided = decided,
    .blocked = blocked,
    .ended = ended,
    .wrote = wrote,
    .mapped = mapped,
    .signalled = signalled,
    .born = born,
    .executed = executed,
    .died = died,
    .picked = picked,
    .stream = stream,
    .real = real,
    .waits = waits,
    .ready = ready,
    .jumped = jumped,
};

/* Which nodes hold what the policy calls secret. The guest may rename them: their ino stays. */
static int find_secrets(struct recording *r)
{
    const struct policy *p = r->world->policy;
    struct cred root = {.capabilities = UINT64_MAX};
    const struct place at = {r->world->vfs, &root, vfs_root(r->world->vfs), vfs_root(r->world->vfs)};
    r->secrets = calloc(p->file_count + 1, sizeof *r->secrets);
    if (r->secrets == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < p->file_count; i++) {
        struct file *f;
        if (!p->files[i].secret || vfs_open(&at, p->files[i].path, O_RDONLY, 0, 0, &f) < 0)
            continue;
        uint64_t ino = file_ino(f);
        if (ino != 0)
            r->secrets[r->secret_count++] = ino;
        file_put(f);
    }
    return 0;
}

int recording_open(struct world *w, const struct run_request *request, struct recording **out, struct run_error *e)
{
    *out = NULL;
    if (request->record == NULL && request->watch == NULL)
        return 0;
    int fd = -1;
    if (request->record != NULL && (fd = open(request->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0) {
        snprintf(e->text, sizeof e->text, "record %s: %s", request->record, strerror(errno));
        return -1;
    }
    struct recording *r = calloc(1, sizeof *r);
    struct record *record = record_begin(fd);
    if (r != NULL) {
        *r = (struct recording){.recorder = told,
                                .world = w,
                                .record = record,
                                .to_file = request->record != NULL,
                                .watch = request->watch,
                                .watch_context = request->watch_context,
                                .sign = request->sign};
        r->piece = malloc(EVENT_PIECE_SIZE);
        r->path = request->record != NULL ? strdup(request->record) : NULL;
    }
    if (r == NULL || record == NULL || r->piece == NULL || find_secrets(r) < 0) {
        snprintf(e->text, sizeof e->text, "out of memory");
        if (r == NULL)
            record_free(record);
        recording_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

/* A line of /proc/cpuinfo, behind its colon; owned by the caller, NULL: not there. */
static char *cpu_fact(const char *name)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL, *found = NULL;
    size_t room = 0;
    while (f != NULL && found == NULL && getline(&line, &room, f) > 0) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) != 0 || colon == NULL)
            continue;
        colon += 1 + strspn(colon + 1, " ");
        colon[strcspn(colon, "\n")] = '\0';
        found = strdup(colon);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return found;
}

/* What of the machine a run may depend on without the world's doing; no part of what makes two runs the same. */
static void machine_facts(struct recording *r)
{
    struct utsname u;
    struct facts f;
    char *model = cpu_fact("model name"), *features = cpu_fact("flags");
    facts_begin(&f);
    facts_text(&f, "cpu", model);
    facts_text(&f, "features", features);
    facts_text(&f, "kernel", uname(&u) == 0 ? u.release : NULL);
    facts_end(&f);
    int error = f.error < 0 ? f.error : record_machine(r->record, f.buffer.bytes, f.buffer.size);
    if (error < 0)
        failed(r, error);
    event_buffer_free(&f.buffer);
    free(model);
    free(features);
}

/* What the run is, as far as its own outcome depends on it. */
static void run_facts(struct facts *f, const struct world *w, const struct run_request *request, const char *program,
                      const struct exec_arguments *a)
{
    const struct policy *p = w->policy;
    size_t n = (size_t)a->argc + a->envc, at = 0;
    const char **words = calloc(n + 1, sizeof *words);
    if (words == NULL) {
        f->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        words[i] = a->bytes + at;
        at += strlen(words[i]) + 1;
    }
    facts_text(f, "terrarium", TERRARIUM_VERSION);
    facts_text(f, "policy", p->digest);
    facts_text(f, "program", program);
    facts_texts(f, "argv", a->argc, words);
    facts_texts(f, "environment", a->envc, words + a->argc);
    facts_text(f, "cwd", p->cwd);
    facts_unsigned(f, "seed", p->seed);
    facts_number(f, "start", p->clock.start);
    facts_number(f, "per_event", p->clock.per_event);
    facts_text(f, "clock", p->clock.real ? "real" : "virtual");
    facts_text(f, "script",
               request->script == NULL                 ? NULL
               : strrchr(request->script, '/') != NULL ? strrchr(request->script, '/') + 1
                                                       : request->script);
    free(words);
}

static bool is_secret(void *context, uint64_t ino)
{
    return secret(context, ino);
}

void recording_bundles(struct recording *r, struct bundle *b)
{
    r->bundle = b;
}

void recording_begin(struct recording *r, const struct run_request *request, const char *program,
                     const struct exec_arguments *arguments, const struct task *first)
{
    if (r == NULL)
        return;
    struct world *w = r->world;
    struct facts f;
    machine_facts(r);
    facts_begin(&f);
    run_facts(&f, w, request, program, arguments);
    facts_end(&f);
    if (f.error < 0) {
        failed(r, f.error);
    } else {
        struct event *e = event(r, EVENT_RUN, 0);
        e->run.map = f.buffer.bytes;
        e->run.size = f.buffer.size;
        tell(r, e);
    }
    event_buffer_free(&f.buffer);
    w->recorder = &r->recorder;
    if (r->bundle != NULL)
        bundle_begin(r->bundle, r->record, is_secret, r);
    for (size_t i = 0; i < w->not_reproducible_count; i++)
        real(&r->recorder, w->not_reproducible[i]);
    born(&r->recorder, (struct task *)first, NULL, 0);
}

void recording_stop(struct recording *r)
{
    if (r == NULL)
        return;
    r->world->recorder = NULL;
    for (struct process *p = r->world->processes; p != NULL; p = p->next)
        for (struct task *t = p->threads; t != NULL; t = t->next_thread)
            t->call.recorded = NULL;
}

int recording_finish(struct recording *r, const char *verdict, int status, struct run_error *e)
{
    if (r == NULL)
        return 0;
    struct event *end = event(r, EVENT_END, 0);
    end->end.verdict = text_of(verdict, 32);
    end->end.status = status;
    end->end.wait_status = r->world->init_status;
    tell(r, end);
    if (r->error == 0 && r->bundle != NULL)
        r->error = bundle_finish(r->bundle);
    if (r->error == 0 && r->to_file)
        r->error = record_finish(r->record, r->sign);
    if (r->error == 0)
        return 0;
    snprintf(e->text, sizeof e->text, "record %s: %s; it holds the first %llu events of the run",
             r->path != NULL ? r->path : "", strerror(-r->error), (unsigned long long)record_written(r->record));
    return -1;
}

const struct record *recording_file(const struct recording *r)
{
    return r != NULL && r->to_file ? r->record : NULL;
}

bool recording_signed(const struct recording *r)
{
    return r->sign != NULL;
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

void recording_free(struct recording *r)
{
    if (r == NULL)
        return;
    if (r->world->recorder == &r->recorder)
        recording_stop(r);
    free_kept(r->kept);
    free_kept(r->spare);
    free(r->opens.slot);
    free(r->files.slot);
    free(r->pieces.slot);
    free(r->rules.slot);
    free(r->secrets);
    free(r->piece);
    free(r->path);
    record_free(r->record);
    free(r);
}
