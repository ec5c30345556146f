/* The values below a `connect:` rule that say who answers: talks, services, programs, trees and recordings
 * (policy/network_content.h; docs/policy.md). A scripted HTTP is network_http.c's. */
#include "policy/network_internal.h"

#include <stdio.h>
#include <string.h>

#include "policy/schema.h"
#include "policy/units.h"

const char *const content_names[] = {
    [CONTENT_RESPOND] = "respond",   [CONTENT_HTTP] = "http",
    [CONTENT_TALK] = "talk",         [CONTENT_SERVICE] = "service",
    [CONTENT_PROGRAM] = "program",   [CONTENT_SERVE] = "serve",
    [CONTENT_EXCHANGE] = "exchange", NULL,
};

const char *const service_names[] = {
    [SERVICE_SMTP] = "smtp", [SERVICE_FTP] = "ftp",
    [SERVICE_IRC] = "irc",   [SERVICE_NTP] = "ntp",
    [SERVICE_ECHO] = "echo", [SERVICE_DISCARD] = "discard",
    [SERVICE_SINK] = "sink", [SERVICE_TLS_SINK] = "tls-sink",
    [SERVICE_DNS] = "dns",   NULL,
};

/* ---- talk ---------------------------------------------------------------------------------------------------------- */

static const char *const step_names[] = {
    [STEP_EXPECT] = "expect",     [STEP_SEND] = "send",   [STEP_REPLY] = "reply",
    [STEP_DELAY] = "delay",       [STEP_CLOSE] = "close", [STEP_RESET] = "reset",
    [STEP_STARTTLS] = "starttls", [STEP_ANY] = "any",     NULL,
};

static int must_be_true(struct reader *r, const struct node *value, const char *where)
{
    if (value->kind != NODE_SCALAR || !value->plain || strcmp(value->text, "true") != 0)
        return reader_fail(r, value, "%s: expected true", where);
    return 0;
}

static int read_delay(struct reader *r, const struct node *value, const char *where, int64_t *out)
{
    static const struct schema_key delay = {.name = "delay", .type = SCHEMA_DURATION};
    return schema_read_value(r, value, where, &delay, out);
}

static int read_any(struct reader *r, const struct node *value, const char *where, struct policy_step *out);

/* One key and its value is a step; what a mapping says in its order are the steps of that order. */
static int read_step(struct reader *r, const struct node *name, const struct node *value, const char *where,
                     struct policy_step *out)
{
    char there[128];
    snprintf(there, sizeof there, "%.100s.%.20s", where, name->text);
    out->origin = reader_origin(r, name);
    int kind = 0;
    while (step_names[kind] != NULL && strcmp(step_names[kind], name->text) != 0)
        kind++;
    if (step_names[kind] == NULL) {
        char near[128];
        return reader_fail(r, name, "unknown key '%.100s' in %s%s", name->text, where,
                           reader_suggest(name->text, step_names, near));
    }
    out->kind = (enum step_kind)kind;
    switch (out->kind) {
    case STEP_EXPECT:
        return pattern_read(r, value, there, &out->pattern);
    case STEP_SEND:
    case STEP_REPLY:
        return bytes_read(r, value, there, &out->bytes);
    case STEP_DELAY:
        return read_delay(r, value, where, &out->delay);
    case STEP_CLOSE:
    case STEP_RESET:
    case STEP_STARTTLS:
        return must_be_true(r, value, there);
    case STEP_ANY:
        return read_any(r, value, there, out);
    }
    return 0;
}

/* The steps of one mapping behind those that are there; `expect` and `leave` of a choice are not its steps. */
static int add_steps(struct reader *r, const struct node *item, const char *where, bool choice, struct policy_talk *out,
                     size_t *room)
{
    for (size_t i = 0; i + 1 < item->count; i += 2) {
        const char *name = item->items[i]->text;
        if (choice && (strcmp(name, "expect") == 0 || strcmp(name, "leave") == 0))
            continue;
        if (out->count >= MOST_STEPS)
            return reader_fail(r, item, "%s: more than %d steps", where, MOST_STEPS);
        if (policy_grow(r->policy, &out->steps, out->count, room, sizeof *out->steps) < 0)
            return reader_out_of_memory(r);
        out->steps[out->count] = (struct policy_step){.kind = STEP_EXPECT};
        if (read_step(r, item->items[i], item->items[i + 1], where, &out->steps[out->count]) < 0)
            return -1;
        out->count++;
    }
    return 0;
}

static int read_choice(struct reader *r, const struct node *item, const char *where, struct policy_choice *out)
{
    if (item->kind != NODE_MAPPING)
        return reader_fail(r, item, "%s: expected keys and values", where);
    const struct node *expect = schema_find(item, "expect", NULL), *leave = schema_find(item, "leave", NULL);
    char there[128];
    snprintf(there, sizeof there, "%.100s.expect", where);
    if (expect == NULL)
        return reader_fail(r, item, "%s: the key 'expect' is missing", where);
    if (pattern_read(r, expect, there, &out->expect) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.leave", where);
    if (leave != NULL && must_be_true(r, leave, there) < 0)
        return -1;
    out->leave = leave != NULL;
    size_t room = 0;
    return add_steps(r, item, where, true, &out->then, &room);
}

static int read_any(struct reader *r, const struct node *value, const char *where, struct policy_step *out)
{
    if (value->kind != NODE_SEQUENCE || value->count == 0)
        return reader_fail(r, value, "%s: expected a list of {expect: ..., send: ...}", where);
    if (value->count > MOST_STEPS)
        return reader_fail(r, value, "%s: more than %d of them", where, MOST_STEPS);
    out->choices = policy_allocate(r->policy, value->count * sizeof *out->choices);
    if (out->choices == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < value->count; i++) {
        char there[128];
        snprintf(there, sizeof there, "%.100s[%zu]", where, i);
        if (read_choice(r, value->items[i], there, &out->choices[i]) < 0)
            return -1;
    }
    out->choice_count = value->count;
    return 0;
}

int talk_read(struct reader *r, const struct node *value, const char *where, struct policy_talk *out)
{
    if (value->kind != NODE_SEQUENCE)
        return reader_fail(r, value, "%s: expected a list of steps", where);
    size_t room = 0;
    for (size_t i = 0; i < value->count; i++) {
        char there[128];
        snprintf(there, sizeof there, "%.100s[%zu]", where, i);
        if (value->items[i]->kind != NODE_MAPPING)
            return reader_fail(r, value->items[i], "%s: expected a step such as {send: \"hello\"}", there);
        if (add_steps(r, value->items[i], there, false, out, &room) < 0)
            return -1;
    }
    return 0;
}

/* ---- the others ---------------------------------------------------------------------------------------------------- */

static int read_service(struct reader *r, const struct node *value, const char *where, struct policy_content *out)
{
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s: expected a service's name", where);
    for (int i = 0; service_names[i] != NULL; i++)
        if (strcmp(service_names[i], value->text) == 0) {
            out->service = (enum policy_service)i;
            return 0;
        }
    char near[128];
    return reader_fail(r, value,
                       "%s: '%.100s' is no service: smtp, ftp, irc, dns, ntp, echo, discard, sink, tls-sink%s", where,
                       value->text, reader_suggest(value->text, service_names, near));
}

static int read_arguments(struct reader *r, const struct node *value, const char *where, struct policy_content *out)
{
    if (value->kind != NODE_SEQUENCE || value->count == 0)
        return reader_fail(r, value, "%s: expected a list: the program and its arguments", where);
    out->arguments = policy_allocate(r->policy, (value->count + 1) * sizeof *out->arguments);
    if (out->arguments == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < value->count; i++) {
        const struct node *v = value->items[i];
        if (v->kind != NODE_SCALAR || strlen(v->text) != v->size)
            return reader_fail(r, v, "%s[%zu]: expected a text", where, i);
        out->arguments[i] = policy_duplicate(r->policy, v->text, v->size);
        if (out->arguments[i] == NULL)
            return reader_out_of_memory(r);
    }
    if (out->arguments[0][0] == '\0')
        return reader_fail(r, value->items[0], "%s[0]: expected a program of the world", where);
    return 0;
}

int content_read(struct reader *r, const struct node *value, enum content_kind kind, const char *where,
                 struct policy_content **out)
{
    static const struct schema_key path = {.type = SCHEMA_HOST_PATH, .offset = offsetof(struct policy_content, path)};
    struct policy_content *c = policy_allocate(r->policy, sizeof *c);
    if (c == NULL)
        return reader_out_of_memory(r);
    c->kind = kind;
    c->origin = reader_origin(r, value);
    char there[128];
    snprintf(there, sizeof there, "%.100s.%s", where, content_names[kind]);
    int result = 0;
    struct schema_key named = path;
    switch (kind) {
    case CONTENT_RESPOND:
    case CONTENT_EXCHANGE:
        named.name = content_names[kind];
        result = schema_read_value(r, value, where, &named, c);
        break;
    case CONTENT_HTTP:
        result = http_read(r, value, there, c);
        break;
    case CONTENT_TALK:
        result = talk_read(r, value, there, &c->talk);
        break;
    case CONTENT_SERVICE:
        result = read_service(r, value, there, c);
        break;
    case CONTENT_PROGRAM:
    case CONTENT_SERVE:
        result = read_arguments(r, value, there, c);
        break;
    }
    *out = c;
    return result;
}

char *content_describe(struct policy *p, const struct policy_content *c)
{
    switch (c->kind) {
    case CONTENT_RESPOND:
        return policy_format(p, "respond: %s", c->path);
    case CONTENT_EXCHANGE:
        return policy_format(p, "exchange: %s", c->path);
    case CONTENT_HTTP:
        return policy_format(p, "http: %zu answer%s", c->http_count, c->http_count == 1 ? "" : "s");
    case CONTENT_TALK:
        return policy_format(p, "talk: %zu step%s", c->talk.count, c->talk.count == 1 ? "" : "s");
    case CONTENT_SERVICE:
        return policy_format(p, "service: %s", service_names[c->service]);
    case CONTENT_PROGRAM:
    case CONTENT_SERVE:
        return policy_format(p, "%s: %s%s", content_names[c->kind], c->arguments[0], c->arguments[1] ? " ..." : "");
    }
    return NULL;
}
