/* A socket that is none: what a far end sends is kept, what it takes is counted, its queue has a limit, its timer a moment. */
#ifndef TESTS_UNIT_FAR_FIXTURE_H
#define TESTS_UNIT_FAR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "network/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HAS(text, part)                                                                                                \
    do {                                                                                                               \
        if (strstr((text), (part)) == NULL)                                                                            \
            fail_msg("'%s' is not in:\n%s", (part), (text));                                                           \
    } while (0)

struct wire {
    struct far_end *end;
    char sent[1 << 20];      /* by the far end, not yet looked at */
    size_t sent_size, limit; /* limit: so much fits */
    char kept[1 << 18];      /* of the guest's bytes that were not taken */
    size_t kept_size;
    int64_t armed; /* -1: no timer */
    bool finished, reset, inside, pull, gone;
};

static inline size_t wire_send(struct far_end *e, const void *bytes, size_t n)
{
    struct wire *w = e->carrier;
    assert_false(w->reset || w->finished);
    if (n > w->limit - w->sent_size)
        n = w->limit - w->sent_size;
    memcpy(w->sent + w->sent_size, bytes, n);
    w->sent_size += n;
    return n;
}

/* The guest sends; what is not taken waits for a pull. */
static inline void wire_give(struct wire *w, const void *bytes, size_t n)
{
    assert_true(w->kept_size + n <= sizeof w->kept);
    memcpy(w->kept + w->kept_size, bytes, n);
    w->kept_size += n;
    if (w->inside) {
        w->pull = true;
        return;
    }
    do {
        w->pull = false;
        w->inside = true;
        size_t taken = w->kept_size > 0 && !w->reset ? w->end->ops->received(w->end, w->kept, w->kept_size) : 0;
        w->inside = false;
        assert_true(taken <= w->kept_size);
        memmove(w->kept, w->kept + taken, w->kept_size - taken);
        w->kept_size -= taken;
    } while (w->pull && w->kept_size > 0);
}

static inline void wire_pull(struct far_end *e)
{
    wire_give(e->carrier, "", 0);
}

static inline void wire_finish(struct far_end *e)
{
    struct wire *w = e->carrier;
    w->finished = true;
}

static inline void wire_reset(struct far_end *e)
{
    ((struct wire *)e->carrier)->reset = true;
}

static inline void wire_arm(struct far_end *e, int64_t delay)
{
    ((struct wire *)e->carrier)->armed = delay;
}

static const struct far_link wire_link = {
    .send = wire_send, .pull = wire_pull, .finish = wire_finish, .reset = wire_reset, .arm = wire_arm};

static inline struct wire *wire_new(struct far_end *e)
{
    struct wire *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_non_null(e);
    w->end = e;
    w->limit = sizeof w->sent;
    w->armed = -1;
    e->link = &wire_link;
    e->carrier = w;
    if (e->ops->opened != NULL)
        e->ops->opened(e);
    return w;
}

static inline void wire_free(struct wire *w)
{
    w->end->ops->gone(w->end);
    free(w);
}

/* Everything sent so far, as a text, and forgotten. */
static inline const char *wire_take(struct wire *w)
{
    static char text[sizeof w->sent + 1];
    memcpy(text, w->sent, w->sent_size);
    text[w->sent_size] = '\0';
    w->sent_size = 0;
    return text;
}

static inline const char *wire_ask(struct wire *w, const char *text)
{
    wire_give(w, text, strlen(text));
    return wire_take(w);
}

static inline void wire_timer(struct wire *w)
{
    assert_true(w->armed >= 0);
    w->armed = -1;
    w->end->ops->timer(w->end);
}

static inline void wire_room(struct wire *w)
{
    if (w->end->ops->room != NULL)
        w->end->ops->room(w->end);
}

static inline void wire_end_of_input(struct wire *w)
{
    if (w->end->ops->finished != NULL)
        w->end->ops->finished(w->end);
}

/* What was told of a conversation, as text. */
struct hearing {
    struct conversation conversation;
    char text[1 << 16];
};

static inline void hear(struct conversation *c, const char *format, ...)
{
    struct hearing *h = (struct hearing *)c;
    size_t n = strlen(h->text);
    va_list list;
    va_start(list, format);
    vsnprintf(h->text + n, sizeof h->text - n, format, list);
    va_end(list);
}

static inline void hear_plain(struct conversation *c, bool from_guest, const void *bytes, size_t n)
{
    hear(c, "%c%zu ", from_guest ? '>' : '<', n);
}

static inline void hear_tls(struct conversation *c, const struct tls_facts *f)
{
    hear(c, "tls[%s %s %s %s %s%s] ", f->server_name, f->version, f->alpn, f->ja4, f->failure,
         *f->client_certificate ? " certificate" : "");
}

static inline void hear_key(struct conversation *c, const char *line)
{
    hear(c, "key[%.13s] ", line);
}

static inline void hear_http(struct conversation *c, const struct http_exchange *x)
{
    hear(c, "http[%s %s://%s%s body=%zu %d] ", x->method, x->scheme, x->host, x->target, x->body_size, x->status);
}

static inline void hear_body(struct conversation *c, const void *bytes, size_t n)
{
    hear(c, "body%zu ", n);
}

static inline void hear_done(struct conversation *c)
{
    hear(c, "done ");
}

static inline void hear_kept(struct conversation *c, const struct kept *k)
{
    hear(c, "%s[%s|%s|%.*s] ", k->kind, k->name, k->note, (int)k->size, (const char *)k->bytes);
}

static inline void hear_serves(struct conversation *c, const char *what)
{
    hear(c, "serves[%s] ", what);
}

static const struct conversation_ops hearing_ops = {hear_plain, hear_tls,  hear_key,    hear_http, hear_body,
                                                    hear_done,  hear_kept, hear_serves, NULL};

/* ---- a world of contents, from YAML -------------------------------------------------------------------------------------- */

#include "policy/internal.h"

static inline int64_t fixed_now(void *context)
{
    return INT64_C(1704067200) * 1000000000; /* 2024-01-01 */
}

struct stage {
    struct contents *contents;
    struct policy *policy;
    struct policy_content *content;
    struct hearing *hearing;
    struct sockaddr_storage to;
};

static inline void stage_open(struct stage *s, enum content_kind kind, const char *yaml, uint64_t seed)
{
    static const char *const none[] = {NULL};
    struct policy_error error;
    struct node *root;
    struct node_memory *memory;
    struct node_problem problem;
    char why[256] = "";
    const struct contents_config config = {.seed = seed, .now = fixed_now};
    *s = (struct stage){.contents = contents_new(&config)};
    s->hearing = calloc(1, sizeof *s->hearing);
    s->hearing->conversation.ops = &hearing_ops;
    assert_non_null(s->contents);
    assert_int_equal(policy_load(NULL, none, &s->policy, &error), 0);
    if (nodes_read(yaml, strlen(yaml), &root, &memory, &problem) < 0)
        fail_msg("%s", problem.text);
    struct reader r = {.policy = s->policy, .error = &error, .file = "p.yaml"};
    if (content_read(&r, root, kind, "network[0]", &s->content) < 0)
        fail_msg("%s", error.text);
    nodes_free(memory);
    if (contents_prepare(s->contents, s->content, why, sizeof why) < 0)
        fail_msg("%s", why);
    struct sockaddr_in *in = (struct sockaddr_in *)&s->to;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(21)};
    in->sin_addr.s_addr = htonl(0xc0000205);
}

static inline struct wire *stage_connect(struct stage *s, bool tls)
{
    const struct content_peer peer = {
        .to = &s->to, .host = "api.example.com", .port = 80, .tls = tls, .conversation = &s->hearing->conversation};
    return wire_new(contents_open(s->contents, s->content, &peer));
}

/* A stage with one connection, in the clear: what most tests want. */
static inline struct wire *stage_begin(struct stage *s, enum content_kind kind, const char *yaml)
{
    stage_open(s, kind, yaml, 1);
    return stage_connect(s, false);
}

static inline void stage_close(struct stage *s)
{
    contents_free(s->contents);
    policy_free(s->policy);
    free(s->hearing);
}

static inline void stage_end(struct stage *s, struct wire *w)
{
    wire_free(w);
    stage_close(s);
}

#endif
