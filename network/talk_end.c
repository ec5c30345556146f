/* A script at the far end of a connection. */
#include "network/talk.h"

#include "network/tls.h"

#include <stdlib.h>

struct talk_end {
    struct far_end end;
    struct contents *contents;
    struct talk *talk;
};

static struct talk_end *of(struct far_end *e)
{
    return (struct talk_end *)e;
}

static size_t say(void *context, const char *bytes, size_t n)
{
    return far_send(context, bytes, n);
}

static void close_it(void *context)
{
    far_finish(context);
}

static void reset(void *context)
{
    far_reset(context);
}

static void delay(void *context, int64_t ns)
{
    far_arm(context, ns);
}

static void starttls(void *context)
{
    tls_begin(context);
}

static const struct talk_out out = {
    .send = say,
    .close = close_it,
    .reset = reset,
    .delay = delay,
    .starttls = starttls,
};

static void opened(struct far_end *e)
{
    talk_go(of(e)->talk);
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    return talk_input(of(e)->talk, bytes, n);
}

static void finished(struct far_end *e)
{
    far_finish(e);
}

static void room(struct far_end *e)
{
    talk_go(of(e)->talk);
    far_pull(e);
}

static void timer(struct far_end *e)
{
    talk_timer(of(e)->talk);
    far_pull(e);
}

static void gone(struct far_end *e)
{
    talk_free(of(e)->talk);
    of(e)->contents->ends--;
    free(e);
}

static const struct far_end_ops ops = {opened, received, finished, room, timer, gone};

struct far_end *talk_end_new(struct contents *cs, const struct policy_talk *script, const struct content_peer *peer)
{
    struct talk_end *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->end.ops = &ops;
    t->contents = cs;
    t->talk = talk_new(&cs->account, script, &out, &t->end);
    if (t->talk == NULL) {
        free(t);
        return NULL;
    }
    cs->ends++;
    return &t->end;
}
