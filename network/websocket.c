/* See websocket.h. Each send of the script is one message: text when it is UTF-8, else binary. */
#include "network/websocket.h"

#include "network/talk.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

enum { MOST_MESSAGE = 1 << 20, MOST_ANSWERS = 16 /* frames that wait for the guest to read: no more is taken */ };

struct websocket {
    struct far_end *end;
    wslay_event_context_ptr frames;
    struct talk *talk;
    struct buffer message; /* as much of one as has come */
    const uint8_t *input;  /* what is being received, during websocket_received alone */
    size_t input_size;
    bool control; /* the frame that comes is one of control */
    bool too_much;
    bool over;
};

static void push(struct websocket *w)
{
    if (w->over)
        return;
    int failed = wslay_event_send(w->frames);
    if (failed != 0 || (!wslay_event_want_read(w->frames) && !wslay_event_want_write(w->frames))) {
        w->over = true;
        far_finish(w->end);
    }
}

/* ---- what wslay asks of us -------------------------------------------------------------------------------------------- */

static ssize_t give(wslay_event_context_ptr frames, uint8_t *to, size_t n, int flags, void *user)
{
    struct websocket *w = user;
    if (n > w->input_size)
        n = w->input_size;
    if (n == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, w->input, n);
    w->input += n;
    w->input_size -= n;
    return (ssize_t)n;
}

static ssize_t take(wslay_event_context_ptr frames, const uint8_t *bytes, size_t n, int flags, void *user)
{
    struct websocket *w = user;
    size_t sent = far_send(w->end, bytes, n);
    if (sent > 0)
        return (ssize_t)sent;
    wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static void frame_begins(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *f,
                         void *user)
{
    ((struct websocket *)user)->control = wslay_is_ctrl_frame(f->opcode);
}

/* Not kept by the library, which asks no account. */
static void frame_goes_on(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_chunk_arg *f,
                          void *user)
{
    struct websocket *w = user;
    if (!w->control && !buffer_add(&w->message, f->data, f->data_length))
        w->too_much = true;
}

static void message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    struct websocket *w = user;
    if (m->opcode != WSLAY_TEXT_FRAME && m->opcode != WSLAY_BINARY_FRAME)
        return;
    if (!w->too_much && w->message.size > 0)
        talk_input(w->talk, buffer_bytes(&w->message), w->message.size);
    buffer_clear(&w->message);
}

/* ---- what the script asks of us ---------------------------------------------------------------------------------------- */

static size_t say(void *context, const char *bytes, size_t n)
{
    struct websocket *w = context;
    if (wslay_event_want_write(w->frames)) /* one at a time: the guest's reading sets the pace */
        push(w);
    if (w->over)
        return n;
    if (wslay_event_want_write(w->frames))
        return 0;
    json_t *text = json_stringn(bytes, n); /* jansson takes UTF-8 alone */
    const struct wslay_event_msg m = {text != NULL ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, (const uint8_t *)bytes, n};
    json_decref(text);
    if (wslay_event_queue_msg(w->frames, &m) != 0)
        return n; /* closing: what is said now is said to nobody */
    push(w);
    return n;
}

static void close_it(void *context)
{
    struct websocket *w = context;
    wslay_event_queue_close(w->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    push(w);
}

static void reset(void *context)
{
    struct websocket *w = context;
    w->over = true;
    far_reset(w->end);
}

static void delay(void *context, int64_t ns)
{
    far_arm(((struct websocket *)context)->end, ns);
}

static const struct talk_out out = {.send = say, .close = close_it, .reset = reset, .delay = delay};

/* ---- the connection ---------------------------------------------------------------------------------------------------- */

/* RFC 6455, 4.2.2: the key and a constant, SHA-1, base64. room: at least 32. */
static bool accept_key(const char *key, char *text)
{
    char both[128];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (strlen(key) > 64)
        return false;
    snprintf(both, sizeof both, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (EVP_Digest(both, strlen(both), digest, &size, EVP_sha1(), NULL) != 1 || size != 20)
        return false;
    EVP_EncodeBlock((unsigned char *)text, digest, (int)size);
    return true;
}

struct websocket *websocket_new(struct contents *cs, struct far_end *end, struct http_answer *a,
                                const struct http_request *q)
{
    const char *upgrade = http_header(q, "upgrade"), *key = http_header(q, "sec-websocket-key"),
               *version = http_header(q, "sec-websocket-version"), *protocol = http_header(q, "sec-websocket-protocol");
    char accept[40];
    if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0 ||
        !http_list_has(http_header(q, "connection"), "upgrade") || key == NULL || version == NULL ||
        strcmp(version, "13") != 0 || strcmp(q->method, "GET") != 0 || !accept_key(key, accept))
        return NULL;
    static const struct wslay_event_callbacks callbacks = {.recv_callback = give,
                                                           .send_callback = take,
                                                           .on_frame_recv_start_callback = frame_begins,
                                                           .on_frame_recv_chunk_callback = frame_goes_on,
                                                           .on_msg_recv_callback = message};
    struct websocket *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->end = end;
    buffer_init(&w->message, &cs->account, MOST_MESSAGE);
    w->talk = talk_new(&cs->account, a->talk, &out, w);
    if (w->talk == NULL || wslay_event_context_server_init(&w->frames, &callbacks, w) != 0) {
        websocket_free(w);
        return NULL;
    }
    wslay_event_config_set_no_buffering(w->frames, 1);
    wslay_event_config_set_max_recv_msg_length(w->frames, MOST_MESSAGE);
    http_answer_header(a, "Upgrade", "websocket");
    http_answer_header(a, "Connection", "Upgrade");
    http_answer_header(a, "Sec-WebSocket-Accept", "%s", accept);
    if (protocol != NULL && http_answer_find(a, "sec-websocket-protocol") == NULL) /* the first it offers */
        http_answer_header(a, "Sec-WebSocket-Protocol", "%.*s", (int)strcspn(protocol, ", "), protocol);
    return w;
}

void websocket_free(struct websocket *w)
{
    if (w == NULL)
        return;
    if (w->frames != NULL)
        wslay_event_context_free(w->frames);
    talk_free(w->talk);
    buffer_clear(&w->message);
    free(w);
}

void websocket_start(struct websocket *w)
{
    talk_go(w->talk);
}

size_t websocket_received(struct websocket *w, const void *bytes, size_t n)
{
    push(w);
    if (w->over)
        return n;
    if (wslay_event_get_queued_msg_count(w->frames) > MOST_ANSWERS) /* a pong for each ping, and nobody reads them */
        return 0;
    w->input = bytes;
    w->input_size = n;
    int failed = wslay_event_recv(w->frames);
    w->input_size = 0;
    push(w);
    if ((failed != 0 || w->too_much) && !w->over) {
        w->over = true;
        far_finish(w->end);
    }
    return n;
}

void websocket_finished(struct websocket *w)
{
    if (!w->over)
        far_finish(w->end);
    w->over = true;
}

void websocket_room(struct websocket *w)
{
    push(w);
    if (!w->over)
        talk_go(w->talk);
    far_pull(w->end);
}

void websocket_timer(struct websocket *w)
{
    if (!w->over)
        talk_timer(w->talk);
}
