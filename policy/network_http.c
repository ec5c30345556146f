/* `http:`: a scripted server as a list of what it is asked and what it answers, first match first. */
#include "policy/network_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "policy/schema.h"
#include "policy/units.h"

#define AT(member) offsetof(struct policy_http_rule, member)

static const struct schema_key rule_keys[] = {
    /* what it is asked */
    {.name = "method", .type = SCHEMA_TEXT, .offset = AT(method)},
    {.name = "path", .type = SCHEMA_OTHER},
    {.name = "query", .type = SCHEMA_OTHER},
    {.name = "match", .type = SCHEMA_OTHER},
    {.name = "times", .type = SCHEMA_NUMBER, .offset = AT(times)},
    /* what it answers */
    {.name = "status", .type = SCHEMA_OTHER},
    {.name = "headers", .type = SCHEMA_OTHER},
    {.name = "body", .type = SCHEMA_OTHER},
    {.name = "json", .type = SCHEMA_OTHER},
    {.name = "file", .type = SCHEMA_HOST_PATH, .offset = AT(file)},
    {.name = "redirect", .type = SCHEMA_OTHER},
    {.name = "websocket", .type = SCHEMA_OTHER},
    {.name = "delay", .type = SCHEMA_DURATION, .offset = AT(delay)},
    {.name = "chunked", .type = SCHEMA_SIZE, .offset = AT(chunk)},
    {.name = "close", .type = SCHEMA_BOOL, .offset = AT(close)},
    {.name = "reset", .type = SCHEMA_BOOL, .offset = AT(reset)},
    {.name = NULL},
};

static const struct schema_key match_keys[] = {
    {.name = "headers", .type = SCHEMA_OTHER},
    {.name = "body", .type = SCHEMA_OTHER},
    {.name = "json", .type = SCHEMA_OTHER},
    {.name = "form", .type = SCHEMA_OTHER},
    {.name = NULL},
};

/* A token of RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`|~", *text) == NULL)
            return false;
    return true;
}

static int read_match(struct reader *r, const struct node *value, const char *where, struct policy_http_rule *out)
{
    if (schema_read(r, value, where, match_keys, out) < 0)
        return -1;
    char there[160];
    const struct node *headers = schema_find(value, "headers", NULL), *form = schema_find(value, "form", NULL),
                      *body = schema_find(value, "body", NULL), *json = schema_find(value, "json", NULL);
    snprintf(there, sizeof there, "%.100s.headers", where);
    if (headers != NULL && pairs_read(r, headers, there, false, &out->headers, &out->header_count) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.form", where);
    if (form != NULL && pairs_read(r, form, there, false, &out->form, &out->form_count) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.body", where);
    if (body != NULL && pattern_read(r, body, there, &out->body) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.json", where);
    return json != NULL ? json_read(r, json, there, &out->json) : 0;
}

static int read_status(struct reader *r, const struct node *value, const char *where, struct policy_http_rule *out)
{
    uint64_t status = 0;
    const char *why;
    if (value->kind != NODE_SCALAR || !value->plain || units_read_number(value->text, &status, &why) < 0 ||
        status < 200 || status > 599)
        return reader_fail(r, value, "%s.status: expected a number from 200 to 599", where);
    out->status = (uint32_t)status;
    return 0;
}

/* Names a server would refuse to write, and what would break the message's frame: lengths and line ends. */
static int check_headers(struct reader *r, const struct node *value, const char *where,
                         const struct policy_http_rule *rule)
{
    for (size_t i = 0; i < rule->answer_header_count; i++) {
        const struct policy_pair *h = &rule->answer_headers[i];
        if (!is_token(h->name))
            return reader_fail(r, value->items[2 * i], "%s.headers: '%.100s' is no header's name", where, h->name);
        if (strcasecmp(h->name, "content-length") == 0 || strcasecmp(h->name, "transfer-encoding") == 0 ||
            strcasecmp(h->name, "connection") == 0)
            return reader_fail(r, value->items[2 * i], "%s.headers: %s is written by the server (chunked, close)",
                               where, h->name);
        if (strlen(h->pattern.bytes) != h->pattern.size || strpbrk(h->pattern.bytes, "\r\n") != NULL)
            return reader_fail(r, value->items[2 * i + 1], "%s.headers.%.60s: a line's end or a NUL byte in it", where,
                               h->name);
    }
    return 0;
}

static int add_header(struct reader *r, struct policy_http_rule *rule, char *name, const struct policy_bytes *value)
{
    size_t count = rule->answer_header_count;
    struct policy_pair *all = policy_allocate(r->policy, (count + 1) * sizeof *all);
    if (all == NULL)
        return reader_out_of_memory(r);
    if (count > 0)
        memcpy(all, rule->answer_headers, count * sizeof *all);
    all[count] = (struct policy_pair){name, {PATTERN_TEXT, value->bytes, value->size, NULL}};
    rule->answer_headers = all;
    rule->answer_header_count++;
    return 0;
}

/* body, json, file, redirect, websocket: at most one. */
static int read_answer(struct reader *r, const struct node *item, const char *where, struct policy_http_rule *out)
{
    static const char *const forms[] = {"body", "json", "file", "redirect", "websocket", NULL};
    const struct node *value = NULL;
    int form = -1;
    for (int i = 0; forms[i] != NULL; i++) {
        const struct node *key, *v = schema_find(item, forms[i], &key);
        if (v == NULL)
            continue;
        if (form >= 0)
            return reader_fail(r, key, "%s: both '%s' and '%s'", where, forms[form], forms[i]);
        form = i;
        value = v;
    }
    char there[128], *json;
    snprintf(there, sizeof there, "%.100s.%s", where, form < 0 ? "" : forms[form]);
    switch (form) {
    case 0:
        return bytes_read(r, value, there, &out->answer);
    case 1:
        if (json_read(r, value, there, &json) < 0)
            return -1;
        out->answer = (struct policy_bytes){json, strlen(json)};
        out->content_type = "application/json";
        return 0;
    case 3: {
        struct policy_bytes to = {0};
        static char location[] = "Location";
        if (bytes_read(r, value, there, &to) < 0)
            return -1;
        if (strlen(to.bytes) != to.size || strpbrk(to.bytes, "\r\n") != NULL)
            return reader_fail(r, value, "%s: a line's end or a NUL byte in it", there);
        if (schema_find(item, "status", NULL) == NULL)
            out->status = 302;
        return add_header(r, out, location, &to);
    }
    case 4:
        out->talk = policy_allocate(r->policy, sizeof *out->talk);
        if (out->talk == NULL)
            return reader_out_of_memory(r);
        out->status = 101;
        return talk_read(r, value, there, out->talk);
    }
    return 0;
}

static int read_rule(struct reader *r, const struct node *item, const char *where, struct policy_http_rule *out)
{
    *out = (struct policy_http_rule){.status = 200, .origin = reader_origin(r, item)};
    if (schema_read(r, item, where, rule_keys, out) < 0)
        return -1;
    char there[128];
    const struct node *path = schema_find(item, "path", NULL), *query = schema_find(item, "query", NULL),
                      *match = schema_find(item, "match", NULL), *status = schema_find(item, "status", NULL),
                      *headers = schema_find(item, "headers", NULL);
    if (out->method != NULL && !is_token(out->method))
        return reader_fail(r, schema_find(item, "method", NULL), "%s.method: expected a method such as GET", where);
    const struct node *pieces = schema_find(item, "chunked", NULL);
    if (pieces != NULL && out->chunk == 0)
        return reader_fail(r, pieces, "%s.chunked: expected the size of a piece, such as 1KiB", where);
    snprintf(there, sizeof there, "%.100s.path", where);
    if (path != NULL && pattern_read(r, path, there, &out->path) < 0)
        return -1;
    if (path != NULL && out->path.kind != PATTERN_REGEX && out->path.bytes[0] != '/' && out->path.bytes[0] != '*')
        return reader_fail(r, path, "%s: expected a path such as /v1/items/*", there);
    if (out->path.kind == PATTERN_TEXT && strchr(out->path.bytes, '?') != NULL)
        return reader_fail(r, path, "%s: a path is without its query (query: {name: value})", there);
    snprintf(there, sizeof there, "%.100s.query", where);
    if (query != NULL && pairs_read(r, query, there, false, &out->query, &out->query_count) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.match", where);
    if (match != NULL && read_match(r, match, there, out) < 0)
        return -1;
    if (status != NULL && read_status(r, status, where, out) < 0)
        return -1;
    snprintf(there, sizeof there, "%.100s.headers", where);
    if (headers != NULL && (pairs_read(r, headers, there, true, &out->answer_headers, &out->answer_header_count) < 0 ||
                            check_headers(r, headers, where, out) < 0))
        return -1;
    return read_answer(r, item, where, out);
}

int http_read(struct reader *r, const struct node *value, const char *where, struct policy_content *out)
{
    if (value->kind != NODE_SEQUENCE)
        return reader_fail(r, value, "%s: expected a list of {path: ..., body: ...}", where);
    if (value->count > MOST_RULES)
        return reader_fail(r, value, "%s: more than %d answers", where, MOST_RULES);
    out->http = policy_allocate(r->policy, (value->count + 1) * sizeof *out->http);
    if (out->http == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < value->count; i++) {
        char there[128];
        snprintf(there, sizeof there, "%.100s[%zu]", where, i);
        if (read_rule(r, value->items[i], there, &out->http[i]) < 0)
            return -1;
    }
    out->http_count = value->count;
    return 0;
}
