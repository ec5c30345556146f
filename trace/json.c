/* Events as JSON (trace/json.h). Written as it goes, so that any number of them costs no memory. */
#include "trace/json.h"

#include "kernel/sysent.h"
#include "policy/policy.h"
#include "trace/cursor.h"
#include "trace/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void trace_json_text(FILE *to, const char *text, size_t n)
{
    fputc('"', to);
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b == '"' || b == '\\')
            fprintf(to, "\\%c", b);
        else if (b == '\n')
            fputs("\\n", to);
        else if (b < ' ' || b > '~' || b == '<') /* '<': so that a page may hold it in a script element */
            fprintf(to, "\\u%04x", b);
        else
            fputc(b, to);
    }
    fputc('"', to);
}

static void text(FILE *to, const char *key, const struct event_text *t)
{
    fprintf(to, ",\"%s\":", key);
    trace_json_text(to, t->text, t->size);
}

static void number(FILE *to, const char *key, int64_t value)
{
    fprintf(to, ",\"%s\":%" PRId64, key, value);
}

static void unsigned_number(FILE *to, const char *key, uint64_t value)
{
    fprintf(to, ",\"%s\":%" PRIu64, key, value);
}

static void hexadecimal(FILE *to, const char *key, const uint8_t *bytes, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    fprintf(to, ",\"%s\":\"", key);
    for (size_t i = 0; i < n; i++) {
        fputc(digit[bytes[i] >> 4], to);
        fputc(digit[bytes[i] & 15], to);
    }
    fputc('"', to);
}

static void segments(FILE *to, const struct event *e)
{
    if (e->segment_count == 0)
        return;
    fputs(",\"memory\":[", to);
    for (uint32_t i = 0; i < e->segment_count; i++) {
        const struct event_segment *s = &e->segment[i];
        fprintf(to, "%s{\"%s\":\"0x%" PRIx64 "\"", i > 0 ? "," : "", s->written ? "written" : "read", s->address);
        unsigned_number(to, "size", s->size);
        if (s->kind == SEGMENT_BYTES) {
            hexadecimal(to, "bytes", s->bytes, (size_t)s->size);
        } else if (s->kind == SEGMENT_HASH) {
            hexadecimal(to, "hash", s->bytes, EVENT_DIGEST);
        } else {
            unsigned_number(to, "file", s->file);
            unsigned_number(to, "offset", s->offset);
        }
        fputc('}', to);
    }
    fputc(']', to);
}

/* What an argument says in words, through a stream of its own, because its text must be escaped. */
static void argument_text(FILE *to, struct trace_context *c, const struct event *e, int i)
{
    char *words = NULL;
    size_t n = 0;
    FILE *m = open_memstream(&words, &n);
    if (m == NULL) {
        fputs("null", to);
        return;
    }
    bool said = decode_argument(m, c, e, i);
    if (fclose(m) == 0 && said)
        trace_json_text(to, words, n);
    else
        fputs("null", to);
    free(words);
}

static void call(FILE *to, struct trace_context *c, const struct event *e)
{
    const struct sysent *s = sysent_get(e->call.nr);
    if (s != NULL)
        fprintf(to, ",\"call\":\"%s\"", s->name);
    unsigned_number(to, "nr", e->call.nr);
    fputs(",\"arguments\":[", to);
    for (int i = 0; i < e->call.argument_count; i++)
        fprintf(to, "%s\"0x%" PRIx64 "\"", i > 0 ? "," : "", e->call.argument[i]);
    fputs("],\"words\":[", to);
    for (int i = 0; i < e->call.argument_count; i++) {
        fputs(i > 0 ? "," : "", to);
        argument_text(to, c, e, i);
    }
    fputc(']', to);
}

static void outcome(FILE *to, struct trace_context *c, const struct event *e)
{
    const char *error = e->call.has_result && e->call.result < 0 && e->call.result >= -4095
                            ? policy_errno_name((int)-e->call.result)
                            : NULL;
    const char *name = NULL;
    if (e->call.has_result)
        number(to, "result", e->call.result);
    else
        fputs(",\"result\":null", to);
    if (error != NULL)
        fprintf(to, ",\"error\":\"%s\"", error);
    for (unsigned i = 0; i < e->call.open_count; i++) {
        if ((name = trace_open_name(c, e->call.open[i].id)) == NULL)
            continue;
        if (e->call.open[i].argument == EVENT_OPEN_RESULT)
            fputs(",\"opened\":", to);
        else
            fprintf(to, ",\"file%u\":", e->call.open[i].argument);
        trace_json_text(to, name, strlen(name));
    }
    if (e->call.began != e->time)
        number(to, "began", e->call.began);
    if (e->call.rule != 0)
        unsigned_number(to, "rule", e->call.rule - 1);
    if ((e->call.flags & EVENT_NATIVE) != 0)
        fputs(",\"native\":true", to);
    if ((e->call.flags & EVENT_GONE) != 0)
        fputs(",\"gone\":true", to);
    segments(to, e);
}

static void thing(FILE *to, struct cursor *c, int depth);

static void things(FILE *to, struct cursor *c, bool map, int depth)
{
    uint32_t n = map ? cursor_map(c) : cursor_array(c);
    fputc(map ? '{' : '[', to);
    for (uint32_t i = 0; i < n && !c->bad; i++) {
        fputs(i > 0 ? "," : "", to);
        if (map) {
            size_t length;
            const char *key = cursor_text(c, &length);
            trace_json_text(to, key, length);
            fputc(':', to);
        }
        thing(to, c, depth + 1);
    }
    fputc(map ? '}' : ']', to);
}

static void thing(FILE *to, struct cursor *c, int depth)
{
    enum { DEEPEST = 8 };
    size_t n;
    enum cursor_type type = depth > DEEPEST ? CURSOR_OTHER : cursor_type(c);
    if (type == CURSOR_TEXT) {
        const char *t = cursor_text(c, &n);
        trace_json_text(to, t, n);
    } else if (type == CURSOR_UNSIGNED) {
        fprintf(to, "%" PRIu64, cursor_unsigned(c));
    } else if (type == CURSOR_SIGNED) {
        fprintf(to, "%" PRId64, cursor_signed(c));
    } else if (type == CURSOR_BOOL) {
        fputs(cursor_bool(c) ? "true" : "false", to);
    } else if (type == CURSOR_MAP || type == CURSOR_ARRAY) {
        things(to, c, type == CURSOR_MAP, depth);
    } else {
        cursor_skip(c);
        fputs("null", to);
    }
}

static void body(FILE *to, struct trace_context *c, const struct event *e)
{
    struct cursor map;
    switch (e->kind) {
    case EVENT_RUN:
        map = cursor_over(e->run.map, e->run.size);
        fputs(",\"run\":", to);
        thing(to, &map, 0);
        break;
    case EVENT_CALL:
        call(to, c, e);
        outcome(to, c, e);
        break;
    case EVENT_BLOCK:
        call(to, c, e);
        if (e->call.has_result)
            number(to, "deadline", e->call.result);
        break;
    case EVENT_DATA:
        segments(to, e);
        break;
    case EVENT_SIGNAL:
        number(to, "signal", e->signal.number);
        number(to, "code", e->signal.code);
        number(to, "from_pid", e->signal.pid);
        unsigned_number(to, "from_uid", e->signal.uid);
        unsigned_number(to, "value", e->signal.value);
        break;
    case EVENT_BORN:
        number(to, "parent", e->born.parent);
        unsigned_number(to, "flags", e->born.flags);
        break;
    case EVENT_EXEC:
        text(to, "program", &e->exec.program);
        break;
    case EVENT_DIED:
        number(to, "status", e->died.status);
        fprintf(to, ",\"last\":%s", e->died.last ? "true" : "false");
        break;
    case EVENT_SCHEDULE:
        unsigned_number(to, "slice", e->schedule.slice);
        break;
    case EVENT_STREAM:
        unsigned_number(to, "stream", e->stream.number);
        hexadecimal(to, "bytes", e->stream.bytes, e->stream.size);
        break;
    case EVENT_OPEN:
        unsigned_number(to, "id", e->open.id);
        text(to, "name", &e->open.name);
        break;
    case EVENT_FILE:
        unsigned_number(to, "id", e->file.id);
        text(to, "path", &e->file.path);
        unsigned_number(to, "size", e->file.size);
        fprintf(to, ",\"secret\":%s", e->file.secret ? "true" : "false");
        break;
    case EVENT_PIECE:
        unsigned_number(to, "file", e->piece.file);
        unsigned_number(to, "number", e->piece.number);
        unsigned_number(to, "size", e->piece.size);
        hexadecimal(to, "hash", e->piece.digest, EVENT_DIGEST);
        break;
    case EVENT_RULE:
        unsigned_number(to, "rule", e->rule.index);
        unsigned_number(to, "line", e->rule.line);
        text(to, "action", &e->rule.action);
        text(to, "text", &e->rule.text);
        text(to, "note", &e->rule.note);
        break;
    case EVENT_REAL:
        text(to, "what", &e->real.what);
        break;
    case EVENT_JUMP:
        number(to, "from", e->jump.from);
        break;
    case EVENT_FORWARD:
        unsigned_number(to, "connection", e->forward.number);
        unsigned_number(to, "what", e->forward.what);
        unsigned_number(to, "value", e->forward.value);
        hexadecimal(to, "bytes", e->forward.bytes, e->forward.size);
        break;
    case EVENT_OUTSIDE:
        number(to, "number", e->outside.number);
        break;
    case EVENT_TOLD:
        unsigned_number(to, "what", e->told.what);
        number(to, "value", e->told.value);
        break;
    case EVENT_MAPPINGS:
        fprintf(to, ",\"goes_on\":%s", e->mappings.goes_on ? "true" : "false");
        text(to, "lines", &e->mappings.lines);
        break;
    case EVENT_READY:
        unsigned_number(to, "stream", e->ready.number);
        unsigned_number(to, "events", e->ready.events);
        break;
    case EVENT_END:
        text(to, "verdict", &e->end.verdict);
        number(to, "status", e->end.status);
        number(to, "wait_status", e->end.wait_status);
        break;
    default:
        break;
    }
}

void trace_json_event(FILE *to, struct trace_context *c, const struct event *e)
{
    fprintf(to, "{\"index\":%" PRIu64 ",\"kind\":\"%s\",\"time\":%" PRId64, e->index, event_kind_name(e->kind),
            e->time);
    if (e->tid != 0) {
        number(to, "tid", e->tid);
        number(to, "pid", trace_pid(c, e->tid));
    }
    body(to, c, e);
    fputc('}', to);
}
