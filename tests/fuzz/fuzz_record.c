/* A record may be anybody's bytes: the reader, the text, JSON, the page's rows and filters over whatever it says. What must hold
 * besides: events that were read pack into bytes that are read as the same events.
 * Build and run: make fuzz-record. */
#include "trace/context.h"
#include "trace/cursor.h"
#include "trace/filter.h"
#include "trace/html.h"
#include "trace/json.h"
#include "trace/reader.h"
#include "trace/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void words(struct trace_context *c, const struct event *e, FILE *to)
{
    static struct trace_text t;
    static struct trace_filter *filters[4];
    char why[512];
    static const char *const expressions[] = {"path=/**/x* or call=%file", "not (result=error and pid=2)",
                                              "time>=1s or rule=any", "kind=call and event<3"};
    t.to = to;
    t.context = c;
    trace_text_event(&t, e);
    trace_json_event(to, c, e);
    for (int i = 0; i < 4; i++) {
        if (filters[i] == NULL)
            filters[i] = trace_filter_parse(expressions[i], why, sizeof why);
        (void)trace_filter_takes(filters[i], c, e);
    }
}

static void same_again(const struct event *e)
{
    static struct event again;
    static struct event_buffer one, two;
    const char *why;
    one.size = two.size = 0;
    if (event_pack(&one, e) < 0)
        abort();
    if (event_unpack(one.bytes, one.size, &again, &why) != one.size || event_pack(&two, &again) < 0)
        abort();
    if (one.size != two.size || memcmp(one.bytes, two.bytes, one.size) != 0)
        abort();
}

/* One event's bytes alone: no hash chain stands before the parser. */
static void event_alone(struct trace_context *c, const uint8_t *bytes, size_t n, FILE *to)
{
    static struct event e;
    const char *why;
    for (size_t at = 0, used; at < n; at += used) {
        used = event_unpack(bytes + at, n - at, &e, &why);
        if (used == 0)
            break;
        if (used > n - at)
            abort();
        same_again(&e);
        if (trace_context_see(c, &e) == 0)
            words(c, &e, to);
    }
}

static void whole_file(struct trace_context *c, const uint8_t *bytes, size_t n, FILE *to)
{
    static struct event e;
    static uint8_t piece[EVENT_PIECE_SIZE];
    uint8_t key[32];
    char why[512];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    struct reader *r = reader_open(fd, why, sizeof why);
    if (r == NULL)
        return;
    while (reader_next(r, &e) == READER_EVENT) {
        same_again(&e);
        if (trace_context_see(c, &e) == 0)
            words(c, &e, to);
        if (e.kind == EVENT_PIECE)
            (void)reader_content(r, e.piece.digest, piece);
    }
    (void)reader_signature(r, key);
    if (reader_seek(r, reader_events(r) / 2))
        (void)reader_next(r, &e);
    reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static FILE *to;
    if (to == NULL) {
        to = fopen("/dev/null", "w");
        if (to == NULL || sodium_init() < 0)
            abort();
    }
    struct trace_context *c = trace_context_new();
    whole_file(c, bytes, n, to);
    event_alone(c, bytes, n, to);
    trace_context_free(c);
    char text[512], why[512];
    size_t length = n < sizeof text ? n : sizeof text - 1;
    memcpy(text, bytes, length);
    text[length] = '\0';
    trace_filter_free(trace_filter_parse(text, why, sizeof why));
    struct cursor at = cursor_over(bytes, n);
    while (!at.bad && at.at < at.end)
        cursor_skip(&at);
    return 0;
}
