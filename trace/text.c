/* Events as strace(1)'s lines (trace/text.h). */
#include "trace/text.h"

#include "kernel/describe.h"
#include "kernel/sysent.h"
#include "trace/decode.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

static void begin_line(const struct trace_text *t, const struct event *e)
{
    fprintf(t->to, "%-5d ", e->tid);
    if (t->times)
        fprintf(t->to, "%" PRId64 ".%06" PRId64 " ", e->time / 1000000000, e->time % 1000000000 / 1000);
}

static void print_arguments(const struct trace_text *t, const struct event *e, int from, int to)
{
    for (int i = from; i < to; i++) {
        int next = i + 1;
        if (i > 0 && !(i == from && from > 0))
            fputs(", ", t->to);
        if (!decode_argument(t->to, t->context, e, i) && next < to)
            i = next;
    }
}

/* A comma before an argument that says nothing would stand alone: those are only ever last. */
static int argument_end(const struct event *e)
{
    const struct sysent *s = sysent_get(e->call.nr);
    int n = e->call.argument_count;
    bool silent_mode = s != NULL && n > 1 && s->argument[n - 1] == ARG_MODE && s->argument[n - 2] == ARG_OPEN_FLAGS &&
                       (e->call.argument[n - 2] & 020200100) == 0; /* O_CREAT, __O_TMPFILE */
    return silent_mode ? n - 1 : n;
}

static void print_blocked(struct trace_text *t)
{
    const struct event *e = &t->blocked;
    begin_line(t, e);
    decode_name(t->to, e->call.nr);
    fputc('(', t->to);
    int end = decode_first_memory(e) < argument_end(e) ? decode_first_memory(e) : argument_end(e);
    print_arguments(t, e, 0, end);
    fputs(end < argument_end(e) && end > 0 ? ", <unfinished ...>\n" : " <unfinished ...>\n", t->to);
    t->has_blocked = false;
}

static void print_rule(const struct trace_text *t, const struct event *e)
{
    const struct trace_rule *r = trace_rule(t->context, e->call.rule);
    if (r == NULL)
        return;
    fprintf(t->to, "  <%s", r->action);
    if (r->line != 0)
        fprintf(t->to, ", line %u", r->line);
    if (r->note[0] != '\0') {
        fputs(": ", t->to);
        decode_text(t->to, (const uint8_t *)r->note, strlen(r->note), 256, false);
    }
    fputc('>', t->to);
}

static void print_call(struct trace_text *t, const struct event *e)
{
    /* Whoever slept, and was not told of yet because nothing came between, is one line. */
    bool same = t->has_blocked && t->blocked.tid == e->tid;
    bool resumed = e->call.began != e->time && !same;
    if (t->has_blocked && !same)
        print_blocked(t);
    t->has_blocked = false;
    begin_line(t, e);
    int from = 0, end = argument_end(e);
    if (resumed && (e->call.flags & EVENT_GONE) == 0) {
        fputs("<... ", t->to);
        decode_name(t->to, e->call.nr);
        fputs(" resumed>", t->to);
        from = decode_first_memory(e) < end ? decode_first_memory(e) : end;
    } else {
        decode_name(t->to, e->call.nr);
        fputc('(', t->to);
    }
    print_arguments(t, e, from, end);
    fputs(") = ", t->to);
    decode_result(t->to, t->context, e);
    print_rule(t, e);
    fputc('\n', t->to);
}

static void print_signal(const struct trace_text *t, const struct event *e)
{
    char name[32];
    describe_value(ARG_SIGNAL, (uint64_t)e->signal.number, name, sizeof name);
    begin_line(t, e);
    fprintf(t->to, "--- %s {si_signo=%s, si_code=%d", name, name, e->signal.code);
    if (e->signal.pid != 0 || e->signal.uid != 0)
        fprintf(t->to, ", si_pid=%d, si_uid=%u", e->signal.pid, e->signal.uid);
    else if (e->signal.value != 0)
        fprintf(t->to, ", si_addr=%#" PRIx64, e->signal.value);
    fputs("} ---\n", t->to);
}

static void print_death(const struct trace_text *t, const struct event *e)
{
    char name[32];
    begin_line(t, e);
    if (WIFSIGNALED(e->died.status)) {
        describe_value(ARG_SIGNAL, (uint64_t)WTERMSIG(e->died.status), name, sizeof name);
        fprintf(t->to, "+++ killed by %s +++\n", name);
    } else {
        fprintf(t->to, "+++ exited with %d +++\n", WEXITSTATUS(e->died.status));
    }
}

void trace_text_event(struct trace_text *t, const struct event *e)
{
    switch (e->kind) {
    case EVENT_CALL:
        print_call(t, e);
        return;
    case EVENT_BLOCK:
        if (t->has_blocked)
            print_blocked(t);
        t->blocked = *e;
        t->has_blocked = true;
        return;
    case EVENT_SIGNAL:
    case EVENT_DIED:
    case EVENT_REAL:
    case EVENT_OUTSIDE:
    case EVENT_END:
        break;
    default:
        return;
    }
    if (t->has_blocked)
        print_blocked(t);
    if (e->kind == EVENT_SIGNAL) {
        print_signal(t, e);
    } else if (e->kind == EVENT_DIED) {
        print_death(t, e);
    } else if (e->kind == EVENT_REAL) {
        begin_line(t, e);
        fprintf(t->to, "--- not reproducible from here: ");
        decode_text(t->to, (const uint8_t *)e->real.what.text, e->real.what.size, 256, false);
        fputs(" ---\n", t->to);
    } else if (e->kind == EVENT_OUTSIDE) {
        char name[32];
        describe_value(ARG_SIGNAL, (uint64_t)e->outside.number, name, sizeof name);
        begin_line(t, e);
        fprintf(t->to, "--- %s from outside ---\n", name);
    } else if (e->end.status == 124 || e->end.status == 125) {
        fputs("      --- the run was ended: ", t->to);
        decode_text(t->to, (const uint8_t *)e->end.verdict.text, e->end.verdict.size, 64, false);
        fputs(" ---\n", t->to);
    }
}

void trace_text_end(struct trace_text *t)
{
    if (t->has_blocked)
        print_blocked(t);
}
