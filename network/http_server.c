/* The end of one HTTP connection: one request at a time is read, answered and sent; what the guest pipelines behind it
 * waits in the guest's own queue, because it is not taken. */
#include "network/http.h"

#include "network/websocket.h"
#include "vfs/vfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    PIECE = 64 << 10, /* of a body in a file, read at a time */
    MOST_OUT = 1 << 20,
    MOST_REQUESTS = 1000000, /* on one connection */
};

struct http_server {
    struct far_end end;
    struct contents *contents;
    struct http_handler *handler; /* borrowed */
    struct conversation *conversation;
    bool tls;
    char host[256];
    struct http_parse *parse;
    struct http_answer answer;
    struct buffer out; /* heads, chunk frames, pieces of files: sent before anything else */
    size_t sent;       /* of the answer's body */
    enum { READING, DELAYED, SENDING, WEBSOCKET, OVER } state;
    bool keep_alive, head, finished; /* the guest has sent its FIN */
    bool chunked;
    int64_t started;
    uint32_t requests;
    struct websocket *websocket;
};

static struct http_server *of(struct far_end *e)
{
    return (struct http_server *)e;
}

/* The guest has no more to ask: what was sent was all. */
static void close_it(struct http_server *s)
{
    s->state = OVER;
    far_finish(&s->end);
}

static bool flush(struct http_server *s)
{
    if (s->out.size > 0) {
        size_t n = far_send(&s->end, buffer_bytes(&s->out), s->out.size);
        buffer_drop(&s->out, n);
    }
    return s->out.size == 0;
}

/* ---- the answer ----------------------------------------------------------------------------------------------------- */

static void tell_head(struct http_server *s)
{
    const struct http_request *q = http_parse_request(s->parse);
    char version[16];
    snprintf(version, sizeof version, "HTTP/%d.%d", q->major, q->minor);
    const struct http_exchange x = {
        .method = q->method,
        .scheme = s->tls ? "https" : "http",
        .host = q->host != NULL ? q->host : s->host,
        .target = q->target,
        .version = version,
        .headers = q->headers,
        .header_count = q->header_count,
        .body = q->body,
        .body_size = q->body_size,
        .status = s->answer.status,
        .reason = http_reason(s->answer.status),
        .answer_headers = s->answer.headers,
        .answer_header_count = s->answer.header_count,
        .started = s->started,
        .answered = contents_now(s->contents),
        .rule = s->answer.rule,
    };
    CONVERSATION_TELL(s->conversation, http, &x);
}

static void write_head(struct http_server *s)
{
    struct http_answer *a = &s->answer;
    char date[HTTP_DATE_ROOM];
    bool websocket = s->websocket != NULL;
    bool bodiless = a->status == 204 || a->status == 304 || websocket;
    s->chunked = a->chunk > 0 && !a->no_body && http_parse_request(s->parse)->minor >= 1 && !bodiless;
    if (http_answer_find(a, "date") == NULL)
        http_answer_header(a, "Date", "%s", http_date(contents_now(s->contents), date));
    if (s->chunked)
        http_answer_header(a, "Transfer-Encoding", "chunked");
    else if (!bodiless)
        http_answer_header(a, "Content-Length", "%zu", a->size);
    if (!websocket)
        http_answer_header(a, "Connection", "%s", s->keep_alive ? "keep-alive" : "close");
    bool fits = buffer_format(&s->out, "HTTP/1.1 %d %s\r\n", a->status, http_reason(a->status));
    for (size_t i = 0; i < a->header_count; i++)
        fits = fits && buffer_format(&s->out, "%s: %s\r\n", a->headers[i].name, a->headers[i].value);
    fits = fits && buffer_add(&s->out, "\r\n", 2);
    tell_head(s);
    if (!fits) {
        s->state = OVER;
        far_reset(&s->end);
    }
    if (a->no_body || bodiless)
        s->sent = a->size;
}

/* The next stretch of the body: its bytes and how many. 0: there is none, or the file does not give it. */
static size_t next_piece(struct http_server *s, char *buffer, const char **bytes)
{
    struct http_answer *a = &s->answer;
    size_t n = a->size - s->sent;
    if (s->chunked && n > a->chunk)
        n = a->chunk;
    if (a->file == NULL) {
        *bytes = a->bytes + s->sent;
        return n;
    }
    if (n > PIECE)
        n = PIECE;
    struct io io = io_over_buffer(buffer, n);
    uint64_t at = a->offset + s->sent;
    ssize_t got = file_read(a->file, &io, &at);
    *bytes = buffer;
    return got > 0 ? (size_t)got : 0;
}

/* Sends what the guest has room for. True when all of the body is gone. */
static bool send_body(struct http_server *s)
{
    struct http_answer *a = &s->answer;
    char buffer[PIECE];
    while (s->sent < a->size) {
        const char *bytes;
        if (!flush(s))
            return false;
        size_t n = next_piece(s, buffer, &bytes), gone;
        if (n == 0) { /* a fixture that shrank: the length was promised, so the connection breaks */
            s->state = OVER;
            far_reset(&s->end);
            return false;
        }
        if (s->chunked) {
            if (n > MOST_OUT - 64)
                n = MOST_OUT - 64;
            if (!buffer_format(&s->out, "%zx\r\n", n) || !buffer_add(&s->out, bytes, n) ||
                !buffer_add(&s->out, "\r\n", 2)) {
                s->state = OVER;
                far_reset(&s->end);
                return false;
            }
            gone = n;
        } else {
            gone = far_send(&s->end, bytes, n);
        }
        CONVERSATION_TELL(s->conversation, http_body, bytes, gone);
        s->sent += gone;
        if (gone < n)
            return false;
    }
    if (s->chunked) {
        s->chunked = false;
        if (!buffer_add(&s->out, "0\r\n\r\n", 5)) {
            s->state = OVER;
            far_reset(&s->end);
            return false;
        }
    }
    return flush(s);
}

static void answer_done(struct http_server *s)
{
    CONVERSATION_TELL(s->conversation, http_done);
    http_answer_release(&s->answer);
    if (s->websocket != NULL) {
        s->state = WEBSOCKET;
        websocket_start(s->websocket);
    } else if (!s->keep_alive) {
        close_it(s);
    } else {
        s->state = READING;
    }
}

/* From a room or a timer on: the answer goes out, then the next request is asked for. */
static void go_on(struct http_server *s)
{
    if (s->state == SENDING && send_body(s))
        answer_done(s);
    if (s->state == READING || s->state == WEBSOCKET || s->state == OVER)
        far_pull(&s->end);
}

static void begin_answer(struct http_server *s)
{
    if (s->answer.reset) {
        tell_head(s);
        CONVERSATION_TELL(s->conversation, http_done);
        s->state = OVER;
        far_reset(&s->end);
        return;
    }
    s->state = SENDING;
    s->sent = 0;
    write_head(s);
    if (s->state == SENDING && send_body(s))
        answer_done(s);
}

static void decide(struct http_server *s)
{
    struct http_request *q = http_parse_request(s->parse);
    struct http_answer *a = &s->answer;
    q->started = s->started;
    http_answer_init(a, &s->contents->account);
    s->head = strcmp(q->method, "HEAD") == 0;
    s->handler->answer(s->handler, q, a);
    if (a->talk != NULL) {
        s->websocket = websocket_new(s->contents, &s->end, a, q);
        if (s->websocket == NULL) {
            a->talk = NULL;
            http_answer_status(a, 400);
        }
    }
    if (s->head)
        a->no_body = true;
    else if (s->websocket == NULL)
        http_answer_compress(a, q);
    s->keep_alive = http_parse_keep_alive(s->parse) && !a->close && ++s->requests < MOST_REQUESTS;
    if (a->delay > 0) {
        s->state = DELAYED;
        far_arm(&s->end, a->delay);
    } else {
        begin_answer(s);
    }
}

static void refuse(struct http_server *s)
{
    http_answer_init(&s->answer, &s->contents->account);
    http_answer_status(&s->answer, http_parse_status(s->parse));
    snprintf(s->answer.rule, sizeof s->answer.rule, "what came is not HTTP, or beyond a limit");
    s->keep_alive = false;
    struct http_request *q = http_parse_request(s->parse);
    if (q->method == NULL) /* it did not come so far */
        *q = (struct http_request){.method = "", .target = "", .path = "", .major = 1, .minor = 1};
    begin_answer(s);
}

/* ---- the far end's operations ---------------------------------------------------------------------------------------- */

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct http_server *s = of(e);
    size_t taken = 0;
    if (s->state == WEBSOCKET)
        return websocket_received(s->websocket, bytes, n);
    if (s->state == OVER)
        return n;
    while (taken < n && s->state == READING) {
        size_t used;
        if (!http_parse_begun(s->parse))
            s->started = contents_now(s->contents);
        enum http_parsed parsed = http_parse_feed(s->parse, (const char *)bytes + taken, n - taken, &used);
        taken += used;
        if (parsed == HTTP_WHOLE)
            decide(s);
        else if (parsed == HTTP_WRONG)
            refuse(s);
        else if (http_parse_wants_continue(s->parse) && buffer_format(&s->out, "HTTP/1.1 100 Continue\r\n\r\n"))
            flush(s);
    }
    return s->state == OVER ? n : taken;
}

static void finished(struct far_end *e)
{
    struct http_server *s = of(e);
    s->finished = true;
    if (s->state == WEBSOCKET)
        websocket_finished(s->websocket);
    else if (s->state == READING)
        close_it(s);
    else
        s->keep_alive = false; /* the answer is still wanted: the guest closed its half alone */
}

static void room(struct far_end *e)
{
    struct http_server *s = of(e);
    if (s->state == WEBSOCKET)
        websocket_room(s->websocket);
    else if (flush(s))
        go_on(s);
}

static void timer(struct far_end *e)
{
    struct http_server *s = of(e);
    if (s->state == WEBSOCKET) {
        websocket_timer(s->websocket);
    } else if (s->state == DELAYED) {
        begin_answer(s);
        go_on(s);
    }
}

static void gone(struct far_end *e)
{
    struct http_server *s = of(e);
    if (s->state == SENDING || s->state == DELAYED)
        CONVERSATION_TELL(s->conversation, http_done);
    websocket_free(s->websocket);
    http_answer_release(&s->answer);
    buffer_clear(&s->out);
    http_parse_free(s->parse);
    s->contents->ends--;
    free(s);
}

static const struct far_end_ops ops = {
    .received = received,
    .finished = finished,
    .room = room,
    .timer = timer,
    .gone = gone,
};

struct far_end *http_server_new(struct contents *cs, struct http_handler *h, const struct content_peer *peer)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct http_server){
        .end.ops = &ops, .contents = cs, .handler = h, .conversation = peer->conversation, .tls = peer->tls};
    snprintf(s->host, sizeof s->host, "%s", peer->host);
    http_answer_init(&s->answer, &cs->account);
    buffer_init(&s->out, &cs->account, MOST_OUT + (256 << 10));
    s->parse = http_parse_new(&cs->account);
    if (s->parse == NULL) {
        free(s);
        return NULL;
    }
    cs->ends++;
    return &s->end;
}
