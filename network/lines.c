/* See lines.h. */
#include "network/lines.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE = 8 << 10, MOST_OUT = 256 << 10, ENOUGH = 64 << 10 /* of answers wait: read no more */ };

static struct lines *of(struct far_end *e)
{
    return (struct lines *)e;
}

static void flush(struct lines *l)
{
    if (l->out.size > 0)
        buffer_drop(&l->out, far_send(&l->end, buffer_bytes(&l->out), l->out.size));
    if (l->out.size == 0 && l->over)
        far_finish(&l->end);
}

void lines_say(struct lines *l, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text - 2, format, list);
    va_end(list);
    if (n < 0)
        return;
    size_t end = strlen(text);
    snprintf(text + end, sizeof text - end, "\r\n");
    buffer_add(&l->out, text, end + 2);
    if (!l->busy)
        flush(l);
}

void lines_close(struct lines *l)
{
    l->over = true;
    if (!l->busy)
        flush(l);
}

static bool may_read(const struct lines *l)
{
    return !l->over && !l->waiting && l->out.size < ENOUGH;
}

/* What of the lines in `in` can be answered now. */
static void answer_lines(struct lines *l)
{
    const char *end;
    while (may_read(l) && !l->raw && l->in.size > 0 && (end = memchr(buffer_bytes(&l->in), '\n', l->in.size)) != NULL) {
        char line[MOST_LINE + 1];
        size_t n = (size_t)(end - buffer_bytes(&l->in)), taken = n + 1;
        memcpy(line, buffer_bytes(&l->in), n);
        buffer_drop(&l->in, taken);
        if (n > 0 && line[n - 1] == '\r')
            n--;
        for (size_t i = 0; i < n; i++)
            if (line[i] == '\0')
                line[i] = ' ';
        line[n] = '\0';
        l->ops->line(l, line, n);
        flush(l);
    }
}

static size_t take(struct lines *l, const char *bytes, size_t n)
{
    size_t taken = 0;
    while (taken < n && may_read(l)) {
        if (l->raw) {
            if (l->in.size > 0) { /* what came behind the command belongs to it */
                size_t some = l->ops->raw(l, buffer_bytes(&l->in), l->in.size);
                buffer_drop(&l->in, some);
                flush(l);
                continue;
            }
            size_t some = l->ops->raw(l, bytes + taken, n - taken);
            taken += some;
            flush(l);
            if (some == 0 && l->raw)
                break;
            continue;
        }
        const char *end = memchr(bytes + taken, '\n', n - taken);
        size_t some = end != NULL ? (size_t)(end - (bytes + taken)) + 1 : n - taken;
        if (l->in.size + some > MOST_LINE || !buffer_add(&l->in, bytes + taken, some)) {
            lines_say(l, "500 Line too long");
            l->over = true;
            flush(l);
            break;
        }
        taken += some;
        answer_lines(l);
    }
    return l->over ? n : taken;
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct lines *l = of(e);
    l->busy = true;
    size_t taken = take(l, bytes, n);
    l->busy = false;
    return taken;
}

void lines_go_on(struct lines *l)
{
    l->waiting = false;
    if (l->busy) /* it is read on anyway */
        return;
    flush(l);
    far_pull(&l->end);
}

static void opened(struct far_end *e)
{
    struct lines *l = of(e);
    if (l->ops->opened != NULL)
        l->ops->opened(l);
}

static void finished(struct far_end *e)
{
    lines_close(of(e));
}

static void room(struct far_end *e)
{
    struct lines *l = of(e);
    flush(l);
    if (may_read(l))
        far_pull(e);
}

static void gone(struct far_end *e)
{
    struct lines *l = of(e);
    buffer_clear(&l->in);
    buffer_clear(&l->out);
    l->contents->ends--;
    l->ops->free(l);
}

static const struct far_end_ops ops = {
    .opened = opened, .received = received, .finished = finished, .room = room, .gone = gone};

void lines_init(struct lines *l, const struct lines_ops *own, struct contents *cs, const struct content_peer *peer)
{
    l->end.ops = &ops;
    l->ops = own;
    l->contents = cs;
    l->conversation = peer->conversation;
    buffer_init(&l->in, &cs->account, MOST_LINE);
    buffer_init(&l->out, &cs->account, MOST_OUT);
    cs->ends++;
}

void lines_command(char *line, char *word, size_t n, char **rest)
{
    size_t size = strcspn(line, " \t");
    for (size_t i = 0; i < size && i + 1 < n; i++)
        word[i] = (char)toupper((unsigned char)line[i]);
    word[size < n ? size : n - 1] = '\0';
    *rest = line + size + strspn(line + size, " \t");
}
