/* See talk.h. The script is walked by a stack of places, so that nothing recurses; each step is taken when the one before it
 * is through: a send when its last byte was taken, an expect when it was found. */
#include "network/talk.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_INPUT = 64 << 10, /* what waits to be recognised: beyond, the older half is forgotten */
    MOST_REPLY = 256 << 10,
    DEEPEST = 32, /* the policy's own depth is less */
};

struct talk {
    const struct talk_out *out;
    void *context;
    struct buffer input;
    struct place_in_talk {
        const struct policy_talk *talk;
        size_t at;
        bool leave; /* these are a choice's steps, and the `any` below is over with them */
    } stack[DEEPEST];
    int depth; /* 0: the script is over */
    const char *sending;
    size_t sending_size;
    struct buffer reply;  /* a reply being sent */
    struct buffer groups; /* the bytes of the last regex match, and where its groups are */
    size_t group[20];
    bool waiting, closed, running;
};

struct talk *talk_new(struct account *account, const struct policy_talk *script, const struct talk_out *out,
                      void *context)
{
    struct talk *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->out = out;
    t->context = context;
    buffer_init(&t->input, account, MOST_INPUT);
    buffer_init(&t->reply, account, MOST_REPLY);
    buffer_init(&t->groups, account, MOST_INPUT);
    t->stack[0] = (struct place_in_talk){.talk = script};
    t->depth = 1;
    return t;
}

void talk_free(struct talk *t)
{
    if (t == NULL)
        return;
    buffer_clear(&t->input);
    buffer_clear(&t->reply);
    buffer_clear(&t->groups);
    free(t);
}

/* A match was found: it and what stood before it are read. */
static void consume(struct talk *t, size_t end, const size_t groups[20], bool regex)
{
    if (regex) {
        buffer_clear(&t->groups);
        memcpy(t->group, groups, sizeof t->group);
        if (!buffer_add(&t->groups, buffer_bytes(&t->input), end))
            memset(t->group, 0, sizeof t->group);
    }
    buffer_drop(&t->input, end);
}

static bool met(struct talk *t, const struct policy_pattern *p)
{
    size_t end, groups[20];
    if (t->input.size == 0 || !pattern_finds(p, buffer_bytes(&t->input), t->input.size, &end, groups))
        return false;
    consume(t, end, groups, p->kind == PATTERN_REGEX);
    return true;
}

/* Of several that are met, the one that ends first: pipelined commands are answered in their order. An empty match is
 * none, or the guest could keep us here. */
static const struct policy_choice *choose(struct talk *t, const struct policy_step *s)
{
    const struct policy_choice *best = NULL;
    size_t best_end = 0, best_groups[20], groups[20], end;
    for (size_t i = 0; t->input.size > 0 && i < s->choice_count; i++) {
        const struct policy_choice *c = &s->choices[i];
        if (!pattern_finds(&c->expect, buffer_bytes(&t->input), t->input.size, &end, groups) || end == 0)
            continue;
        if (best == NULL || end < best_end) {
            best = c;
            best_end = end;
            memcpy(best_groups, groups, sizeof groups);
        }
    }
    if (best != NULL)
        consume(t, best_end, best_groups, best->expect.kind == PATTERN_REGEX);
    return best;
}

static void make_reply(struct talk *t, const struct policy_bytes *text)
{
    buffer_clear(&t->reply);
    for (size_t i = 0; i < text->size; i++) {
        char c = text->bytes[i], next = i + 1 < text->size ? text->bytes[i + 1] : '\0';
        if (c == '$' && next >= '1' && next <= '9') {
            const size_t *g = &t->group[2 * (next - '0')];
            if (g[1] > g[0] && g[1] <= t->groups.size)
                buffer_add(&t->reply, buffer_bytes(&t->groups) + g[0], g[1] - g[0]);
            i++;
        } else {
            buffer_add(&t->reply, &c, 1);
            i += c == '$' && next == '$';
        }
    }
    t->sending = t->reply.size > 0 ? buffer_bytes(&t->reply) : "";
    t->sending_size = t->reply.size;
}

/* False: it waits for something. */
static bool take_step(struct talk *t)
{
    struct place_in_talk *place = &t->stack[t->depth - 1];
    if (place->at == place->talk->count) {
        bool leave = place->leave;
        t->depth--;
        if (leave)
            t->stack[t->depth - 1].at++;
        return true;
    }
    const struct policy_step *s = &place->talk->steps[place->at];
    const struct policy_choice *choice;
    switch (s->kind) {
    case STEP_EXPECT:
        if (!met(t, &s->pattern))
            return false;
        break;
    case STEP_SEND:
        t->sending = s->bytes.bytes;
        t->sending_size = s->bytes.size;
        break;
    case STEP_REPLY:
        make_reply(t, &s->bytes);
        break;
    case STEP_DELAY:
        t->waiting = true;
        t->out->delay(t->context, s->delay);
        break;
    case STEP_CLOSE:
        t->closed = true;
        t->out->close(t->context);
        break;
    case STEP_RESET:
        t->closed = true;
        t->out->reset(t->context);
        break;
    case STEP_STARTTLS:
        if (t->out->starttls != NULL) {
            buffer_clear(&t->input); /* what was said in the clear behind the command does not count */
            t->out->starttls(t->context);
        }
        break;
    case STEP_ANY:
        choice = t->depth < DEEPEST ? choose(t, s) : NULL;
        if (choice == NULL)
            return false;
        t->stack[t->depth++] = (struct place_in_talk){.talk = &choice->then, .leave = choice->leave};
        return true;
    }
    place->at++;
    return true;
}

void talk_go(struct talk *t)
{
    if (t->running) /* an operation of ours came back to us */
        return;
    t->running = true;
    while (!t->closed) {
        if (t->sending_size > 0) {
            size_t n = t->out->send(t->context, t->sending, t->sending_size);
            t->sending += n;
            t->sending_size -= n;
            if (t->sending_size > 0)
                break;
        }
        if (t->waiting || t->depth == 0 || !take_step(t))
            break;
    }
    t->running = false;
}

size_t talk_input(struct talk *t, const char *bytes, size_t n)
{
    size_t taken = 0;
    while (taken < n) {
        if (t->closed || t->depth == 0) /* nobody listens any more */
            return n;
        size_t before = t->input.size, room = MOST_INPUT - before, some = n - taken < room ? n - taken : room;
        if (some > 0 && !buffer_add(&t->input, bytes + taken, some))
            return taken;
        taken += some;
        talk_go(t);
        if (t->waiting || t->sending_size > 0 || t->running) {
            if (t->input.size == MOST_INPUT)
                return taken;
        } else if (t->input.size == MOST_INPUT) {
            buffer_drop(&t->input, MOST_INPUT / 2);
        }
    }
    return taken;
}

void talk_timer(struct talk *t)
{
    t->waiting = false;
    talk_go(t);
}

bool talk_has_starttls(const struct policy_talk *script)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct policy_step *s = &script->steps[i];
        if (s->kind == STEP_STARTTLS)
            return true;
        for (size_t k = 0; k < s->choice_count; k++)
            if (talk_has_starttls(&s->choices[k].then))
                return true;
    }
    return false;
}
