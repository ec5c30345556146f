/* Comparing a run with its record while it happens (supervisor/replaying.h). The record is read one event ahead: what comes next in it
 * says what came from outside at this point. */
#include "supervisor/replaying.h"

#include "kernel/describe.h"
#include "kernel/recorder.h"
#include "kernel/sysent.h"
#include "kernel/world.h"
#include "policy/network.h"
#include "supervisor/fast_clock.h"
#include "trace/cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 512 };        /* more than there are numbers of calls */
enum { STALLS_MOST = 1000 }; /* turns without an event before it is said that the record does not go on */
#define LOOKED_BYTES (UINT32_C(1) << 31)

struct replaying {
    struct reader *reader;
    struct bundled *bundled;
    struct world *world;
    struct replaying_until until;
    struct event next;                /* of the record, not compared yet */
    bool has_next, ended;             /* ended: there is none any more */
    bool cut;                         /* … though the run went on */
    char why[256];                    /* … because */
    struct event_buffer ours, theirs; /* both, packed */
    uint64_t compared, calls_seen[CALLS];
    uint64_t index; /* of the last event … */
    int64_t time;
    int32_t tid; /* … and whose */
    unsigned stalls;
    bool stopped, diverged;
    bool at_cut;    /* stopped, because there is no more of the record */
    bool finishing; /* stopped, and nothing more is compared: the world is taken down */
    char text[1024];
};

struct replaying *replaying_new(struct reader *events, struct bundled *b, const struct replaying_until *until)
{
    struct replaying *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->reader = events;
        r->bundled = b;
        r->until = *until;
    }
    return r;
}

void replaying_free(struct replaying *r)
{
    if (r == NULL)
        return;
    event_buffer_free(&r->ours);
    event_buffer_free(&r->theirs);
    free(r);
}

struct bundled *replaying_bundled(const struct replaying *r)
{
    return r->bundled;
}

/* ---- what differs ----------------------------------------------------------------------------------------------------------- */

static void end_world(struct replaying *r, enum verdict v)
{
    if (r->world != NULL)
        world_end(r->world, v);
}

/* An event in words, short. */
static void describe(char *to, size_t n, const struct event *e)
{
    size_t at = (size_t)snprintf(to, n, "%s of %d at %" PRId64 " ns", event_kind_name(e->kind), e->tid, e->time);
    if (at >= n)
        return;
    if (e->kind == EVENT_CALL || e->kind == EVENT_BLOCK) {
        const struct sysent *s = sysent_get(e->call.nr);
        at += (size_t)snprintf(to + at, n - at, ": %s(", s != NULL ? s->name : "?");
        for (uint8_t i = 0; i < e->call.argument_count && at < n; i++)
            at += (size_t)snprintf(to + at, n - at, "%s%#" PRIx64, i > 0 ? ", " : "", e->call.argument[i]);
        if (at < n && e->call.has_result)
            (void)snprintf(to + at, n - at, ") = %" PRId64, e->call.result);
        else if (at < n)
            (void)snprintf(to + at, n - at, ")");
    } else if (e->kind == EVENT_SIGNAL) {
        (void)snprintf(to + at, n - at, ": signal %d", e->signal.number);
    } else if (e->kind == EVENT_OUTSIDE) {
        (void)snprintf(to + at, n - at, ": signal %d", e->outside.number);
    } else if (e->kind == EVENT_OPEN) {
        (void)snprintf(to + at, n - at, ": %" PRIu64 " is %.*s", e->open.id,
                       (int)(e->open.name.size < 100 ? e->open.name.size : 100), e->open.name.text);
    } else if (e->kind == EVENT_PIECE) {
        (void)snprintf(to + at, n - at, ": piece %" PRIu64 " of file %" PRIu64, e->piece.number, e->piece.file);
    } else if (e->kind == EVENT_STREAM) {
        (void)snprintf(to + at, n - at, ": %zu bytes of stream %u", e->stream.size, e->stream.number);
    }
}

/* Two calls that look the same: what they read or wrote is not. */
static void describe_segments(char *to, size_t n, const struct event *a, const struct event *b)
{
    for (uint32_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        const struct event_segment *x = &a->segment[i], *y = &b->segment[i];
        if (x->written == y->written && x->kind == y->kind && x->address == y->address && x->size == y->size &&
            (x->kind == SEGMENT_GIVEN
                 ? x->file == y->file && x->offset == y->offset
                 : memcmp(x->bytes, y->bytes, x->kind == SEGMENT_HASH ? EVENT_DIGEST : x->size) == 0))
            continue;
        size_t at = 0;
        if (x->kind == SEGMENT_BYTES && y->kind == SEGMENT_BYTES)
            while (at < x->size && at < y->size && x->bytes[at] == y->bytes[at])
                at++;
        (void)snprintf(to, n, "; the bytes it %s at %#" PRIx64 " differ from byte %zu on",
                       x->written ? "was given" : "gave", x->address, at);
        return;
    }
    if (a->segment_count != b->segment_count)
        (void)snprintf(to, n, "; it moved %u stretches of memory, not %u", b->segment_count, a->segment_count);
}

/* What is not in the record cannot be given again. */
static void say_secrets(struct replaying *r)
{
    const struct policy *p = r->world != NULL ? r->world->policy : NULL;
    size_t at = strlen(r->text), i = 0;
    while (p != NULL && i < p->file_count && !p->files[i].secret)
        i++;
    if (p != NULL && i < p->file_count)
        (void)snprintf(r->text + at, sizeof r->text - at, "; %s is secret: its bytes are not in the record",
                       p->files[i].path);
}

static void diverge(struct replaying *r, const struct event *got)
{
    char expected[256], came[256], more[128] = "";
    if (r->diverged)
        return;
    r->diverged = true;
    describe(came, sizeof came, got);
    if (r->has_next) {
        describe(expected, sizeof expected, &r->next);
        if (got->kind == r->next.kind && (got->kind == EVENT_CALL || got->kind == EVENT_DATA))
            describe_segments(more, sizeof more, &r->next, got);
        (void)snprintf(r->text, sizeof r->text, "the replay diverges at event %" PRIu64 ": expected %s, got %s%s",
                       r->next.index, expected, came, more);
        say_secrets(r);
    } else {
        (void)snprintf(r->text, sizeof r->text, "the replay goes on behind the record's %" PRIu64 " events with %s: %s",
                       r->compared, came, r->why);
    }
    end_world(r, VERDICT_INTERNAL);
}

/* ---- the record, one ahead ---------------------------------------------------------------------------------------------------- */

/* Without what only says that the world's outside was seen: a replay has no outside. */
static bool peek(struct replaying *r)
{
    while (!r->has_next && !r->ended) {
        enum reader_result got = reader_next(r->reader, &r->next);
        if (got != READER_EVENT) {
            r->ended = true;
            r->cut = got == READER_CUT;
            (void)snprintf(r->why, sizeof r->why, "%s", got == READER_END ? "it ended there" : reader_why(r->reader));
            if (got == READER_DAMAGED && !r->diverged) {
                r->diverged = true;
                (void)snprintf(r->text, sizeof r->text, "the record is damaged: %s", r->why);
                end_world(r, VERDICT_INTERNAL);
            }
        } else if (r->next.kind != EVENT_REAL) {
            r->has_next = true;
        }
    }
    return r->has_next;
}

static bool next_is(struct replaying *r, enum event_kind kind)
{
    return peek(r) && r->next.kind == kind;
}

/* Where to stop: behind the event that was just compared. */
static void look_for_end(struct replaying *r, const struct event *e)
{
    const struct replaying_until *u = &r->until;
    r->index = e->index;
    r->time = e->time;
    r->tid = e->tid;
    if (e->kind == EVENT_CALL && e->call.nr < CALLS)
        r->calls_seen[e->call.nr]++;
    if ((u->by_event && e->index >= u->event) || (u->by_time && e->time >= u->time) ||
        (u->count != 0 && r->calls_seen[u->call] == u->count)) {
        r->stopped = true;
        r->until = (struct replaying_until){0}; /* what else comes of this step of the world is compared, too */
    }
}

/* There is no more of the record, but was of the run: it stands behind the last event that there is. */
static void stop_at_cut(struct replaying *r, const struct event *last)
{
    char what[256];
    if (r->stopped)
        return;
    r->stopped = r->at_cut = true;
    if (last == NULL) {
        (void)snprintf(r->text, sizeof r->text, "the record stops before the first event: it %s", r->why);
        return;
    }
    describe(what, sizeof what, last);
    (void)snprintf(r->text, sizeof r->text,
                   "the record stops before the run's end, behind event %" PRIu64 ", %s; it %s", last->index, what,
                   r->why);
}

/* An end that no call and no count leads to: it came by real time, or because nothing else could come. */
static bool from_outside(const struct event *end, enum verdict *verdict)
{
    static const struct {
        const char *name;
        enum verdict verdict;
    } outside[] = {
        {"cpu", VERDICT_CPU},       {"wall", VERDICT_WALL},         {"memory", VERDICT_MEMORY},
        {"killed", VERDICT_KILLED}, {"deadlock", VERDICT_DEADLOCK},
    };
    const struct event_text *v = &end->end.verdict;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        if (strlen(outside[i].name) != v->size || memcmp(outside[i].name, v->text, v->size) != 0)
            continue;
        *verdict = outside[i].verdict;
        return true;
    }
    return false;
}

/* Real time is seen at ticks: an end that it brought may come a little later in the world's. */
static bool same_end(const struct event *ours, const struct event *theirs)
{
    enum verdict a, b;
    return ours->kind == EVENT_END && theirs->kind == EVENT_END && from_outside(ours, &a) && from_outside(theirs, &b) &&
           a == b && ours->time >= theirs->time && ours->end.status == theirs->end.status;
}

void replaying_watch(void *replaying, const struct event *e)
{
    struct replaying *r = replaying;
    if (e->kind == EVENT_REAL || r->diverged || r->finishing || r->at_cut)
        return;
    r->stalls = 0;
    if (!peek(r)) {
        if (r->cut && r->compared == 0)
            stop_at_cut(r, NULL);
        else if (!r->diverged && !r->cut) /* else it was to stop there, and what it does on the way is in no record */
            diverge(r, e);
        return;
    }
    /* The end came by real time while a task was on its way to this: it has come a little further now. */
    if (e->kind != EVENT_END && replaying_over(r))
        return;
    r->ours.size = r->theirs.size = 0;
    if (event_pack(&r->ours, e) < 0 || event_pack(&r->theirs, &r->next) < 0 ||
        (!same_end(e, &r->next) &&
         (r->ours.size != r->theirs.size || memcmp(r->ours.bytes, r->theirs.bytes, r->ours.size) != 0))) {
        diverge(r, e);
        return;
    }
    r->has_next = false;
    r->compared++;
    look_for_end(r, &r->next);
    struct event_buffer last = r->theirs; /* its bytes, for the next is read over them */
    const char *why;
    static const struct event none;
    if (!peek(r) && r->cut) {
        r->next = none;
        (void)event_unpack(last.bytes, last.size, &r->next, &why);
        r->next.index = r->index;
        stop_at_cut(r, &r->next);
    }
}

/* ---- the outside ---------------------------------------------------------------------------------------------------------------- */

static struct replaying *of_world(void *context);

/* The STREAM event that recorded this is compared when the hook tells of the same bytes: it is looked at, not taken. A call that blocked
 * found nothing, and what its READY event tells came a moment later, when it was about to sleep. */
static ssize_t input(void *context, void *to, size_t n)
{
    struct replaying *r = of_world(context);
    if (!next_is(r, EVENT_STREAM) || r->next.stream.number != 0)
        return next_is(r, EVENT_BLOCK) ? -EAGAIN : 0;
    size_t size = r->next.stream.size < n ? r->next.stream.size : n;
    memcpy(to, r->next.stream.bytes, size);
    return (ssize_t)size;
}

/* READY events are taken here: nobody makes them in a replay. before with the top bit: the bytes that wait are asked for. */
static uint32_t look(void *context, int stream, uint32_t before)
{
    struct replaying *r = of_world(context);
    bool bytes = before == LOOKED_BYTES;
    while (next_is(r, EVENT_READY) && r->next.ready.number == (uint32_t)stream &&
           ((r->next.ready.events & LOOKED_BYTES) == 0 || bytes)) {
        before = r->next.ready.events;
        r->has_next = false;
        r->compared++;
    }
    return before == UINT32_MAX ? 0 : before;
}

/* What the caller's terminal said: its answer is in the event of the call that is being made, which is compared when it ends. */
static int64_t terminal_said(void *context, void *to, size_t n)
{
    struct replaying *r = of_world(context);
    if (!next_is(r, EVENT_CALL) || !r->next.call.has_result)
        return -ENOTTY;
    for (uint32_t i = 0; i < r->next.segment_count; i++) {
        const struct event_segment *s = &r->next.segment[i];
        if (s->written && s->kind == SEGMENT_BYTES && s->size == n)
            memcpy(to, s->bytes, n);
    }
    return r->next.call.result;
}

/* The lines that rules had, and the digest: the policy was read back from another text than the run's. */
static void restore_policy(struct replaying *r, struct policy *p)
{
    for (size_t i = 0; i < policy_rule_count(p); i++)
        policy_rule_at(p, i)->origin.line = bundled_rule_line(r->bundled, false, i);
    for (size_t i = 0; p->network != NULL && i < p->network->rule_count; i++)
        p->network->rules[i]->origin.line = bundled_rule_line(r->bundled, true, i);
    if (!next_is(r, EVENT_RUN))
        return;
    struct cursor c = cursor_over(r->next.run.map, r->next.run.size);
    size_t n;
    const char *digest = cursor_find(&c, "policy") ? cursor_text(&c, &n) : NULL;
    if (digest != NULL && !c.bad && p->digest != NULL && strlen(p->digest) == n)
        memcpy(p->digest, digest, n);
}

static int64_t cpu_again(struct world *w)
{
    return replaying_told(w->again, TOLD_CPU);
}

static uint64_t resident_again(struct world *w)
{
    return (uint64_t)replaying_told(w->again, TOLD_RESIDENT);
}

static const char *mappings_again(struct world *w, size_t *n, bool *more)
{
    struct replaying *r = w->again;
    bool there = next_is(r, EVENT_MAPPINGS);
    *n = there ? r->next.mappings.lines.size : 0;
    *more = there && r->next.mappings.goes_on;
    return there ? r->next.mappings.lines.text : NULL;
}

static int64_t time_again(void *context)
{
    return replaying_time(of_world(context));
}

/* The host's clock, as it was. */
static void restore_clock(struct replaying *r, struct clock *c)
{
    if (!c->real || !next_is(r, EVENT_RUN))
        return;
    struct cursor start = cursor_over(r->next.run.map, r->next.run.size), boot = start;
    c->epoch = cursor_find(&start, "start") ? cursor_signed(&start) : 0;
    c->boot = cursor_find(&boot, "boot") ? cursor_signed(&boot) : 0;
    c->again = time_again;
    c->again_context = r->world;
    r->world->cpu_again = cpu_again;
    vfs_began(r->world->vfs);
}

void replaying_begin(struct replaying *r, struct world *w)
{
    r->world = w;
    w->streams.again_input = input;
    w->streams.again_look = look;
    w->streams.again_ioctl = terminal_said;
    w->streams.looked = NULL;
    w->resident_again = resident_again;
    w->mappings_again = mappings_again;
    restore_policy(r, (struct policy *)w->policy);
    restore_clock(r, &w->clock);
}

static struct replaying *of_world(void *context)
{
    const struct world *w = context;
    return w->again;
}

bool replaying_over(struct replaying *r)
{
    enum verdict verdict;
    /* While the world computes, its counted checks bring it there: what a count can end, ends by its count. */
    if (!next_is(r, EVENT_END) || !from_outside(&r->next, &verdict) || clock_elapsed(&r->world->clock) < r->next.time)
        return false;
    r->world->init_status = r->next.end.wait_status;
    world_end(r->world, verdict);
    return true;
}

/* Nothing happens any more, over and over: the record cannot be followed. */
static void stall(struct replaying *r)
{
    char expected[256];
    if (++r->stalls < STALLS_MOST || r->diverged)
        return;
    r->diverged = true;
    if (r->has_next)
        describe(expected, sizeof expected, &r->next);
    (void)snprintf(r->text, sizeof r->text,
                   "the replay diverges at event %" PRIu64 ": expected %s, got nothing: every task sleeps", r->compared,
                   r->has_next ? expected : "nothing more");
    end_world(r, VERDICT_INTERNAL);
}

bool replaying_wakes_streams(struct replaying *r)
{
    if (next_is(r, EVENT_JUMP))
        return false;
    stall(r);
    return true;
}

bool replaying_preempts(struct replaying *r)
{
    return next_is(r, EVENT_SCHEDULE);
}

bool replaying_jumps(struct replaying *r)
{
    return next_is(r, EVENT_JUMP);
}

bool replaying_wakes(struct replaying *r)
{
    return next_is(r, EVENT_SCHEDULE) || next_is(r, EVENT_READY);
}

int64_t replaying_time(struct replaying *r)
{
    return peek(r) ? r->next.time : clock_elapsed(&r->world->clock);
}

int64_t replaying_told(struct replaying *r, uint32_t what)
{
    return next_is(r, EVENT_TOLD) && r->next.told.what == what ? r->next.told.value : 0;
}

bool replaying_names(struct replaying *r)
{
    return next_is(r, EVENT_FILE) || next_is(r, EVENT_PIECE);
}

int64_t replaying_forward_time(struct replaying *r)
{
    return next_is(r, EVENT_FORWARD) ? r->next.time : INT64_MAX;
}

const struct event *replaying_forward(struct replaying *r, int32_t tid)
{
    bool now = !r->diverged && !r->stopped && replaying_forward_time(r) <= clock_elapsed(&r->world->clock);
    return now && r->next.tid == tid ? &r->next : NULL;
}

int replaying_outside(struct replaying *r, int32_t tid)
{
    bool now = !r->diverged && !r->stopped && next_is(r, EVENT_OUTSIDE) && r->next.tid == tid &&
               r->next.time <= clock_elapsed(&r->world->clock);
    return now && r->next.outside.number >= 1 && r->next.outside.number <= SIGNALS ? r->next.outside.number : 0;
}

int64_t replaying_limit(struct replaying *r)
{
    bool stops =
        next_is(r, EVENT_OUTSIDE) || (r->has_next && r->next.kind == EVENT_CALL && fast_clock_answers(r->next.call.nr));
    return stops ? r->next.time : INT64_MAX;
}

void replaying_refuse(struct replaying *r, const char *why)
{
    if (r->diverged)
        return;
    r->diverged = true;
    (void)snprintf(r->text, sizeof r->text, "the replay is ended behind event %" PRIu64 ": %s", r->index, why);
    end_world(r, VERDICT_INTERNAL);
}

void replaying_interrupt(struct replaying *r)
{
    if (!r->stopped)
        r->until = (struct replaying_until){.by_event = true};
}

bool replaying_stopped(const struct replaying *r)
{
    return r->stopped;
}

bool replaying_diverged(const struct replaying *r, char *text, size_t n)
{
    if (r->diverged || r->at_cut)
        (void)snprintf(text, n, "%s", r->text);
    return r->diverged || r->at_cut;
}

uint64_t replaying_events(const struct replaying *r)
{
    return r->compared;
}

uint64_t replaying_index(const struct replaying *r)
{
    return r->index;
}

int32_t replaying_tid(const struct replaying *r)
{
    return r->tid;
}

int replaying_go_on(struct replaying *r, const struct replaying_until *until, char *why, size_t n)
{
    if (r->at_cut || (r->ended && r->cut)) {
        snprintf(why, n, "the record stops here: it %s", r->why);
        return -EINVAL;
    }
    if ((until->by_event && until->event <= r->index) || (until->by_time && until->time <= r->time) ||
        (until->count != 0 && until->count <= r->calls_seen[until->call])) {
        snprintf(why, n, "that is behind us: this is behind event %" PRIu64 ", at %" PRId64 " ns", r->index, r->time);
        return -EINVAL;
    }
    r->until = *until;
    r->stopped = false;
    return 0;
}

void replaying_finish(struct replaying *r)
{
    r->finishing = true;
    end_world(r, VERDICT_KILLED);
}

/* ---- where ----------------------------------------------------------------------------------------------------------------------- */

static int say(char *why, size_t n, const char *text, const char *what)
{
    snprintf(why, n, "'%s': %s", text, what);
    return -EINVAL;
}

static int parse_call(const char *text, const char *hash, struct replaying_until *out, char *why, size_t n)
{
    char name[64], *end;
    snprintf(name, sizeof name, "%.*s", (int)(hash - text), text);
    int nr = sysent_number(name);
    if (nr < 0 || nr >= CALLS)
        return snprintf(why, n, "no system call is named '%s'", name), -EINVAL;
    out->call = (uint64_t)nr;
    out->count = strtoull(hash + 1, &end, 10);
    return *end == '\0' && out->count > 0 ? 0 : say(why, n, text, "expected a number behind '#'");
}

int replaying_until_parse(const char *text, struct replaying_until *out, char *why, size_t n)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    *out = (struct replaying_until){0};
    const char *hash = strchr(text, '#');
    char *end;
    if (hash != NULL)
        return parse_call(text, hash, out, why, n);
    double number = strtod(text, &end);
    if (end != text && *end == '\0' && strspn(text, "0123456789") == strlen(text)) {
        out->by_event = true;
        out->event = strtoull(text, NULL, 10);
        return 0;
    }
    for (size_t i = 0; end != text && number >= 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0 || number * units[i].ns > 9e18)
            continue;
        out->by_time = true;
        out->time = (int64_t)(number * units[i].ns);
        return 0;
    }
    return say(why, n, text, "expected the number of an event, a time such as 1.5s, or CALL#N");
}
