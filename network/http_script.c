/* `http:`: the answers of a scripted server. The first rule that matches a request answers it; what matches none gets 404.
 * A handler is shared by all connections to the rule, so `times` counts over all of them. */
#include "network/http.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_FILE = 64 << 20, MOST_JSON_DEPTH = 64 };

struct script_rule {
    const struct policy_http_rule *said;
    json_t *json; /* what the body must hold; NULL */
    char *file;   /* the bytes of `file:` */
    size_t file_size;
    uint64_t answered;
};

struct http_script {
    struct http_handler handler;
    struct script_rule *rules;
    size_t count;
};

/* ---- does a request match? ------------------------------------------------------------------------------------------------ */

static bool header_matches(const struct http_request *q, const struct policy_pair *p)
{
    for (size_t i = 0; i < q->header_count; i++)
        if (strcasecmp(q->headers[i].name, p->name) == 0 &&
            pattern_matches(&p->pattern, q->headers[i].value, strlen(q->headers[i].value)))
            return true;
    return false;
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded: + is a blank, what is no escape stands for itself. `to` has room for n. */
static size_t unescape(const char *from, size_t n, char *to)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (from[i] == '%' && i + 2 < n && digit(from[i + 1]) >= 0 && digit(from[i + 2]) >= 0) {
            to[size++] = (char)(digit(from[i + 1]) << 4 | digit(from[i + 2]));
            i += 2;
        } else {
            to[size++] = from[i] == '+' ? ' ' : from[i];
        }
    }
    return size;
}

/* One field of "a=b&c=d". buffer: n bytes. */
static bool field_matches(const char *text, size_t n, const struct policy_pair *p, char *buffer)
{
    size_t name_size = strlen(p->name);
    while (n > 0) {
        const char *end = memchr(text, '&', n);
        size_t field = end != NULL ? (size_t)(end - text) : n;
        const char *equals = memchr(text, '=', field);
        size_t name = equals != NULL ? (size_t)(equals - text) : field, value = equals != NULL ? name + 1 : field;
        if (unescape(text, name, buffer) == name_size && memcmp(buffer, p->name, name_size) == 0 &&
            pattern_matches(&p->pattern, buffer, unescape(text + value, field - value, buffer)))
            return true;
        text += field + (end != NULL);
        n -= field + (end != NULL);
    }
    return false;
}

static bool fields_match(const char *text, size_t n, const struct policy_pair *pairs, size_t count)
{
    if (count == 0)
        return true;
    char *buffer = malloc(n + 1);
    bool all = buffer != NULL;
    for (size_t i = 0; all && i < count; i++)
        all = field_matches(text, n, &pairs[i], buffer);
    free(buffer);
    return all;
}

/* multipart/form-data by its parts: each begins with the boundary, its name stands in Content-Disposition. */
static bool part_matches(const struct http_request *q, const char *boundary, const struct policy_pair *p)
{
    const char *at = q->body, *end = q->body + q->body_size;
    char mark[128], name[160];
    int mark_size = snprintf(mark, sizeof mark, "--%s", boundary);
    snprintf(name, sizeof name, "name=\"%.100s\"", p->name);
    while ((at = memmem(at, (size_t)(end - at), mark, (size_t)mark_size)) != NULL) {
        at += mark_size;
        const char *next = memmem(at, (size_t)(end - at), mark, (size_t)mark_size);
        if (next == NULL)
            break;
        /* Within the part: who writes borders without number must not have all of the body read at each. */
        const char *head = memmem(at, (size_t)(next - at), "\r\n\r\n", 4);
        if (head == NULL || head + 4 > next - 2)
            continue;
        if (memmem(at, (size_t)(head - at), name, strlen(name)) != NULL &&
            pattern_matches(&p->pattern, head + 4, (size_t)(next - 2 - (head + 4))))
            return true;
    }
    return false;
}

static bool form_matches(const struct http_request *q, const struct policy_http_rule *r)
{
    if (r->form_count == 0)
        return true;
    const char *type = http_header(q, "content-type"), *at = type != NULL ? strcasestr(type, "boundary=") : NULL;
    if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0)
        return fields_match(q->body, q->body_size, r->form, r->form_count);
    char boundary[80];
    if (at == NULL)
        return false;
    at += 9;
    at += *at == '"';
    size_t n = strcspn(at, "\";, ");
    if (n == 0 || n >= sizeof boundary)
        return false;
    memcpy(boundary, at, n);
    boundary[n] = '\0';
    for (size_t i = 0; i < r->form_count; i++)
        if (!part_matches(q, boundary, &r->form[i]))
            return false;
    return true;
}

/* Does `there` hold what is wanted: of objects at least these keys, of texts a pattern with *, of lists each item. */
static bool json_holds(const json_t *wanted, const json_t *there, int depth)
{
    if (depth > MOST_JSON_DEPTH)
        return false;
    if (json_is_string(wanted)) {
        const struct policy_pattern glob = {PATTERN_GLOB, (char *)json_string_value(wanted), json_string_length(wanted),
                                            NULL};
        return json_is_string(there) && pattern_matches(&glob, json_string_value(there), json_string_length(there));
    }
    if (json_is_object(wanted)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)wanted, key, value)
        {
            const json_t *other = json_object_get(there, key);
            if (other == NULL || !json_holds(value, other, depth + 1))
                return false;
        }
        return json_is_object(there);
    }
    if (json_is_array(wanted)) {
        if (!json_is_array(there) || json_array_size(wanted) != json_array_size(there))
            return false;
        for (size_t i = 0; i < json_array_size(wanted); i++)
            if (!json_holds(json_array_get(wanted, i), json_array_get(there, i), depth + 1))
                return false;
        return true;
    }
    if (json_is_number(wanted))
        return json_is_number(there) && json_number_value(wanted) == json_number_value(there);
    return json_equal(wanted, there);
}

static bool json_matches(const struct http_request *q, const json_t *wanted)
{
    if (wanted == NULL)
        return true;
    json_t *body = json_loadb(q->body, q->body_size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool holds = body != NULL && json_holds(wanted, body, 0);
    json_decref(body);
    return holds;
}

static bool matches(const struct script_rule *s, const struct http_request *q)
{
    const struct policy_http_rule *r = s->said;
    if (r->times > 0 && s->answered >= r->times)
        return false;
    bool head_for_get = r->method != NULL && strcmp(r->method, "GET") == 0 && strcmp(q->method, "HEAD") == 0;
    if (r->method != NULL && strcmp(r->method, q->method) != 0 && !head_for_get)
        return false;
    if (!pattern_matches(&r->path, q->path, strlen(q->path)))
        return false;
    for (size_t i = 0; i < r->header_count; i++)
        if (!header_matches(q, &r->headers[i]))
            return false;
    const char *query = q->query != NULL ? q->query : "";
    size_t end;
    return fields_match(query, strlen(query), r->query, r->query_count) && form_matches(q, r) &&
           pattern_finds(&r->body, q->body, q->body_size, &end, NULL) && json_matches(q, s->json);
}

/* ---- what it is answered --------------------------------------------------------------------------------------------------- */

static void answer(struct http_handler *h, const struct http_request *q, struct http_answer *a)
{
    struct http_script *s = (struct http_script *)h;
    size_t i = 0;
    while (i < s->count && !matches(&s->rules[i], q))
        i++;
    if (i == s->count) {
        snprintf(a->rule, sizeof a->rule, "no answer of the script matches");
        return http_answer_status(a, 404);
    }
    const struct policy_http_rule *r = s->rules[i].said;
    s->rules[i].answered++;
    snprintf(a->rule, sizeof a->rule, "%.200s:%d:%d", r->origin.file, r->origin.line, r->origin.column);
    a->status = (int)r->status;
    for (size_t k = 0; k < r->answer_header_count; k++)
        http_answer_header(a, r->answer_headers[k].name, "%s", r->answer_headers[k].pattern.bytes);
    a->bytes = r->file != NULL ? s->rules[i].file : r->answer.bytes;
    a->size = r->file != NULL ? s->rules[i].file_size : r->answer.size;
    if (a->size > 0 && http_answer_find(a, "content-type") == NULL)
        http_answer_header(a, "Content-Type", "%s",
                           r->content_type != NULL ? r->content_type
                           : r->file != NULL       ? http_type_of(r->file)
                                                   : "text/plain; charset=utf-8");
    a->delay = r->delay;
    a->chunk = r->chunk;
    a->close = r->close;
    a->reset = r->reset;
    a->talk = r->talk;
}

static void release(struct http_handler *h)
{
    struct http_script *s = (struct http_script *)h;
    for (size_t i = 0; i < s->count; i++) {
        json_decref(s->rules[i].json);
        free(s->rules[i].file);
    }
    free(s->rules);
    free(s);
}

struct http_handler *http_script_new(struct contents *cs, const struct policy_content *c, char *why, size_t size)
{
    struct http_script *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->handler = (struct http_handler){answer, release};
    s->rules = calloc(c->http_count + 1, sizeof *s->rules);
    s->count = s->rules != NULL ? c->http_count : 0;
    for (size_t i = 0; i < s->count; i++) {
        struct script_rule *r = &s->rules[i];
        r->said = &c->http[i];
        if (r->said->json != NULL)
            r->json = json_loads(r->said->json, JSON_DECODE_ANY, NULL);
        if (r->said->file != NULL)
            r->file = contents_read_file(cs, r->said->file, MOST_FILE, &r->file_size, why, size);
        if ((r->said->json != NULL && r->json == NULL) || (r->said->file != NULL && r->file == NULL)) {
            release(&s->handler);
            return NULL;
        }
    }
    return &s->handler;
}
