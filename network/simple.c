/* Far ends that say nothing (network/simple.h). */
#include "network/simple.h"

#include <stdlib.h>

struct simple {
    struct far_end end; /* first */
    uint64_t left;
};

static void reset_opened(struct far_end *e)
{
    far_reset(e);
}

static void close_opened(struct far_end *e)
{
    if (((struct simple *)e)->left == 0)
        far_finish(e);
}

/* Like a server that read what it wanted and closed: more bytes meet an RST. */
static size_t close_received(struct far_end *e, const void *bytes, size_t n)
{
    struct simple *s = (struct simple *)e;
    if (s->left == 0) {
        far_reset(e);
        return n;
    }
    size_t taken = n < s->left ? n : (size_t)s->left;
    s->left -= taken;
    if (s->left == 0)
        far_finish(e);
    return taken;
}

static void close_finished(struct far_end *e)
{
    far_finish(e);
}

static void gone(struct far_end *e)
{
    free(e);
}

static const struct far_end_ops reset_ops = {.opened = reset_opened, .gone = gone};
static const struct far_end_ops close_ops = {
    .opened = close_opened, .received = close_received, .finished = close_finished, .gone = gone};

static struct far_end *make(const struct far_end_ops *ops, uint64_t bytes)
{
    struct simple *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->end.ops = ops;
    s->left = bytes;
    return &s->end;
}

struct far_end *simple_reset(void)
{
    return make(&reset_ops, 0);
}

struct far_end *simple_close_after(uint64_t bytes)
{
    return make(&close_ops, bytes);
}
