/* `exchange: FILE`: the answers of a recorded exchange given again: a HAR (HTTP Archive 1.2), as browsers, mitmproxy and
 * `--har` write it. A request is answered by the first entry of its method, host and target that was not given yet; when all
 * were, by the last of them. What was not recorded is 404. */
#include "network/http.h"

#include "policy/units.h"

#include <http_parser.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct entry {
    const char *method;
    char *host, *target; /* "/a?b" */
    int status;
    const json_t *headers; /* of the answer */
    char *body;
    size_t size;
    bool given;
};

struct http_recording {
    struct http_handler handler;
    json_t *har;
    char *name;
    struct entry *entries;
    size_t count;
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "";
}

/* Host and target of an absolute URL. */
static bool split(struct entry *e, const char *url)
{
    struct http_parser_url u;
    size_t n = strlen(url);
    http_parser_url_init(&u);
    if (n > UINT16_MAX || http_parser_parse_url(url, n, 0, &u) != 0 || !(u.field_set & 1 << UF_HOST))
        return false;
    e->host = strndup(url + u.field_data[UF_HOST].off, u.field_data[UF_HOST].len);
    size_t from = u.field_set & 1 << UF_PATH ? u.field_data[UF_PATH].off : n;
    size_t to = u.field_set & 1 << UF_FRAGMENT ? (size_t)u.field_data[UF_FRAGMENT].off - 1 : n;
    if (asprintf(&e->target, "%s%.*s", from < n ? "" : "/", from < to ? (int)(to - from) : 0, url + from) < 0)
        e->target = NULL;
    return e->host != NULL && e->target != NULL;
}

static bool read_body(struct entry *e, const json_t *content)
{
    const json_t *text = json_object_get(content, "text");
    const char *bytes = json_string_value(text), *why;
    size_t n = json_string_length(text);
    if (bytes == NULL)
        return true;
    if (strcmp(text_of(content, "encoding"), "base64") == 0)
        return units_read_base64(bytes, n, &e->body, &e->size, &why) == 0;
    e->body = malloc(n + 1);
    e->size = n;
    if (e->body != NULL)
        memcpy(e->body, bytes, n);
    return e->body != NULL;
}

static bool read_entry(struct entry *e, const json_t *from)
{
    const json_t *request = json_object_get(from, "request"), *response = json_object_get(from, "response");
    e->method = text_of(request, "method");
    e->status = (int)json_integer_value(json_object_get(response, "status"));
    e->headers = json_object_get(response, "headers");
    return *e->method != '\0' && e->status >= 200 && e->status < 600 && split(e, text_of(request, "url")) &&
           read_body(e, json_object_get(response, "content"));
}

static bool same_host(const char *recorded, const char *asked)
{
    size_t n = strcspn(asked, ":");
    if (asked[0] == '[') { /* an IPv6 address stands without brackets in a parsed URL */
        asked++;
        n = strcspn(asked, "]");
    }
    return strlen(recorded) == n && strncasecmp(recorded, asked, n) == 0;
}

static struct entry *find(struct http_recording *r, const struct http_request *q)
{
    struct entry *last = NULL;
    const char *target = strstr(q->target, "://");
    target = target != NULL && q->target[0] != '/' ? strchr(target + 3, '/') : q->target;
    for (size_t i = 0; target != NULL && i < r->count; i++) {
        struct entry *e = &r->entries[i];
        bool head = strcmp(q->method, "HEAD") == 0 && strcmp(e->method, "GET") == 0;
        if ((!head && strcmp(e->method, q->method) != 0) || strcmp(e->target, target) != 0 ||
            (q->host != NULL && !same_host(e->host, q->host)))
            continue;
        last = e;
        if (!e->given)
            break;
    }
    return last;
}

/* What the server writes itself, or what no longer holds: the recorded body is without its codings. */
static bool is_framing(const char *name)
{
    static const char *const names[] = {"content-length",   "transfer-encoding", "content-encoding",
                                        "connection",       "keep-alive",        "vary",
                                        "proxy-connection", "upgrade",           NULL};
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_token(const char *text)
{
    return *text != '\0' && text[strcspn(text, " \t\r\n:()<>@,;\\\"/[]?={}")] == '\0';
}

static void answer(struct http_handler *h, const struct http_request *q, struct http_answer *a)
{
    struct http_recording *r = (struct http_recording *)h;
    struct entry *e = find(r, q);
    if (e == NULL) {
        snprintf(a->rule, sizeof a->rule, "%.200s has no such request", r->name);
        return http_answer_status(a, 404);
    }
    e->given = true;
    snprintf(a->rule, sizeof a->rule, "%.200s entry %zu", r->name, (size_t)(e - r->entries) + 1);
    a->status = e->status;
    for (size_t i = 0; i < json_array_size(e->headers); i++) {
        const json_t *header = json_array_get(e->headers, i);
        const char *name = text_of(header, "name");
        if (is_token(name) && !is_framing(name))
            http_answer_header(a, name, "%s", text_of(header, "value"));
    }
    a->bytes = e->body != NULL ? e->body : "";
    a->size = e->size;
}

static void release(struct http_handler *h)
{
    struct http_recording *r = (struct http_recording *)h;
    for (size_t i = 0; i < r->count; i++) {
        free(r->entries[i].host);
        free(r->entries[i].target);
        free(r->entries[i].body);
    }
    free(r->entries);
    free(r->name);
    json_decref(r->har);
    free(r);
}

struct http_handler *http_exchange_new(const char *file, const char *text, size_t n, char *why, size_t size)
{
    json_error_t error;
    struct http_recording *r = calloc(1, sizeof *r);
    json_t *har = json_loadb(text, n, JSON_ALLOW_NUL, &error);
    const json_t *entries = json_object_get(json_object_get(har, "log"), "entries");
    if (r == NULL || har == NULL || !json_is_array(entries)) {
        if (har == NULL)
            snprintf(why, size, "%.200s: no capture, and no HAR: line %d: %.150s", file, error.line, error.text);
        else
            snprintf(why, size, "%.200s: no HAR: log.entries is missing", file);
        json_decref(har);
        free(r);
        return NULL;
    }
    r->handler = (struct http_handler){answer, release};
    r->har = har;
    r->name = strdup(file);
    r->entries = calloc(json_array_size(entries) + 1, sizeof *r->entries);
    for (size_t i = 0; r->name != NULL && r->entries != NULL && i < json_array_size(entries); i++)
        if (!read_entry(&r->entries[r->count++], json_array_get(entries, i))) {
            snprintf(why, size, "%.200s: log.entries[%zu]: no request and answer that can be given again", file, i);
            release(&r->handler);
            return NULL;
        }
    return &r->handler;
}
