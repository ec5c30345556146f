/* HTTP exchanges as a HAR file (network/har.h). Held until the end, because the format is one object: what is held is bounded. */
#include "network/har.h"

#include "network/attempts.h"
#include "network/buffer.h"
#include "network/coding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    ENTRIES_MOST = 100000,
    BODY_MOST = 16 << 20,
    ALL_MOST = 256 << 20,
    ENTRY = 4096, /* what an exchange costs besides its letters ... */
    PAIR = 512,   /* ... and each header of it */
};

struct har {
    FILE *file;
    json_t *entries;
    size_t held;     /* bytes */
    json_int_t lost; /* exchanges that there was no room for */
};

struct http_record {
    json_t *entry, *response;
    char mime[128], coding[16];
    char *body;
    size_t size, room;
    bool cut;
    int64_t answered, started;
};

struct har *har_new(FILE *file)
{
    struct har *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    *h = (struct har){.file = file, .entries = json_array()};
    return h;
}

void har_forget(struct http_record *r)
{
    if (r == NULL)
        return;
    json_decref(r->entry);
    free(r->body);
    free(r);
}

static void add(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

/* HAR is text: what is not UTF-8 is told as base64. */
static void add_content(json_t *o, const void *bytes, size_t n)
{
    json_t *t = json_stringn(bytes, n);
    if (t != NULL) {
        add(o, "text", t);
        return;
    }
    size_t room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (text == NULL)
        return;
    sodium_bin2base64(text, room, bytes, n, sodium_base64_VARIANT_ORIGINAL);
    add(o, "text", json_string(text));
    add(o, "encoding", json_string("base64"));
    free(text);
}

/* false: there is no room for so much more. */
static bool hold(struct har *h, size_t n)
{
    if (n > ALL_MOST - h->held)
        return false;
    h->held += n;
    return true;
}

static json_t *text(const char *s)
{
    json_t *t = json_string(s);
    return t != NULL ? t : json_string("(not UTF-8)");
}

static json_t *headers(const struct http_header *list, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *o = json_object();
        add(o, "name", text(list[i].name));
        add(o, "value", text(list[i].value));
        (void)json_array_append_new(all, o);
    }
    return all;
}

static const char *header(const struct http_header *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(list[i].name, name) == 0)
            return list[i].value;
    return "";
}

static void pass_spaces(const char **at, size_t *n)
{
    for (; *n > 0 && **at == ' '; (*n)--)
        (*at)++;
}

/* One name=value of the n letters at `at`; what stands before it is passed over. */
static json_t *pair(const char *at, size_t n)
{
    json_t *o = json_object();
    pass_spaces(&at, &n);
    const char *equals = memchr(at, '=', n);
    size_t name = equals != NULL ? (size_t)(equals - at) : n;
    json_t *value = equals != NULL ? json_stringn(equals + 1, n - name - 1) : json_string(""),
           *key = json_stringn(at, name);
    add(o, "name", key != NULL ? key : json_string("(not UTF-8)"));
    add(o, "value", value != NULL ? value : json_string("(not UTF-8)"));
    return o;
}

/* Cookie: a=b; c=d */
static json_t *cookies_sent(const struct http_header *list, size_t count)
{
    json_t *all = json_array();
    for (const char *at = header(list, count, "cookie"); *at != '\0';) {
        size_t n = strcspn(at, ";");
        if (n > 0)
            (void)json_array_append_new(all, pair(at, n));
        at += n + (at[n] == ';');
    }
    return all;
}

/* What a Set-Cookie says besides its name and value. */
static void attribute(json_t *cookie, const char *at, size_t n)
{
    static const struct {
        const char *name, *key;
        bool flag;
    } known[] = {{"path=", "path", false},
                 {"domain=", "domain", false},
                 {"httponly", "httpOnly", true},
                 {"secure", "secure", true}};
    pass_spaces(&at, &n);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(known[i].name);
        if (n < size || strncasecmp(at, known[i].name, size) != 0 || (known[i].flag && n != size))
            continue;
        json_t *value = known[i].flag ? json_true() : json_stringn(at + size, n - size);
        if (value != NULL)
            add(cookie, known[i].key, value);
    }
}

static json_t *cookies_set(const struct http_header *list, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(list[i].name, "set-cookie") != 0)
            continue;
        const char *at = list[i].value;
        size_t n = strcspn(at, ";");
        json_t *cookie = pair(at, n);
        for (at += n; *at == ';'; at += n) {
            n = strcspn(++at, ";");
            attribute(cookie, at, n);
        }
        (void)json_array_append_new(all, cookie);
    }
    return all;
}

/* name=value&...: as they stand in the URL. */
static json_t *query(const char *target)
{
    json_t *all = json_array();
    const char *at = strchr(target, '?');
    while (at != NULL && *++at != '\0' && *at != '#') {
        size_t n = strcspn(at, "&#"), equals = strcspn(at, "=&#");
        json_t *o = json_object(), *name = json_stringn(at, equals),
               *value = equals < n ? json_stringn(at + equals + 1, n - equals - 1) : json_string("");
        add(o, "name", name != NULL ? name : json_string("(not UTF-8)"));
        add(o, "value", value != NULL ? value : json_string("(not UTF-8)"));
        (void)json_array_append_new(all, o);
        at += n;
        if (*at != '&')
            break;
    }
    return all;
}

/* 2024-01-01T00:00:00.000Z */
static json_t *when(int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char buffer[64];
    gmtime_r(&seconds, &tm);
    size_t n = strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buffer + n, sizeof buffer - n, ".%03dZ", (int)(ns % 1000000000 / 1000000));
    return json_string(buffer);
}

static json_t *request(struct har *h, const struct http_exchange *x)
{
    json_t *o = json_object();
    char *url = NULL;
    bool absolute = strstr(x->target, "://") != NULL;
    if (asprintf(&url, "%s%s%s%s", absolute ? "" : x->scheme, absolute ? "" : "://", absolute ? "" : x->host,
                 x->target) < 0)
        url = NULL;
    add(o, "method", text(x->method));
    add(o, "url", text(url != NULL ? url : x->target));
    free(url);
    add(o, "httpVersion", text(x->version));
    add(o, "cookies", cookies_sent(x->headers, x->header_count));
    add(o, "headers", headers(x->headers, x->header_count));
    add(o, "queryString", query(x->target));
    add(o, "headersSize", json_integer(-1));
    add(o, "bodySize", json_integer((json_int_t)x->body_size));
    if (x->body_size > 0) {
        json_t *post = json_object();
        add(post, "mimeType", text(header(x->headers, x->header_count, "content-type")));
        size_t n = x->body_size < BODY_MOST ? x->body_size : BODY_MOST;
        bool fits = hold(h, n);
        if (fits)
            add_content(post, x->body, n);
        if (!fits || n < x->body_size)
            add(post, "comment", json_string("cut"));
        add(o, "postData", post);
    }
    return o;
}

/* Of the head of a request and of its answer. */
static size_t cost(const struct http_exchange *x)
{
    size_t n = ENTRY + 3 * strlen(x->target); /* it stands there as a URL and as its parts */
    for (size_t i = 0; i < x->header_count; i++)
        n += PAIR + strlen(x->headers[i].name) + strlen(x->headers[i].value);
    for (size_t i = 0; i < x->answer_header_count; i++)
        n += PAIR + strlen(x->answer_headers[i].name) + strlen(x->answer_headers[i].value);
    return n;
}

void har_begin(struct har *h, struct attempt *a, const struct http_exchange *x)
{
    char ip[46];
    har_done(h, a);
    struct http_record *r =
        json_array_size(h->entries) < ENTRIES_MOST && hold(h, cost(x)) ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        h->lost++;
        return;
    }
    r->started = x->started;
    r->answered = x->answered;
    snprintf(r->mime, sizeof r->mime, "%s", header(x->answer_headers, x->answer_header_count, "content-type"));
    snprintf(r->coding, sizeof r->coding, "%s", header(x->answer_headers, x->answer_header_count, "content-encoding"));
    r->entry = json_object();
    r->response = json_object();
    add(r->entry, "startedDateTime", when(x->started));
    add(r->entry, "request", request(h, x));
    add(r->response, "status", json_integer(x->status));
    add(r->response, "statusText", text(x->reason));
    add(r->response, "httpVersion", text(x->version));
    add(r->response, "cookies", cookies_set(x->answer_headers, x->answer_header_count));
    add(r->response, "headers", headers(x->answer_headers, x->answer_header_count));
    add(r->response, "redirectURL", text(header(x->answer_headers, x->answer_header_count, "location")));
    add(r->response, "headersSize", json_integer(-1));
    add(r->entry, "response", r->response);
    add(r->entry, "cache", json_object());
    add(r->entry, "serverIPAddress", json_string(network_print_ip(a->ip, ip)));
    add(r->entry, "connection", json_sprintf("%u", (unsigned)a->number));
    if (*x->rule != '\0')
        add(r->entry, "comment", text(x->rule));
    a->http = r;
}

void har_body(struct har *h, struct attempt *a, const void *bytes, size_t n)
{
    struct http_record *r = a->http;
    if (r == NULL)
        return;
    size_t left = BODY_MOST - r->size, part = n < left ? n : left;
    if (!hold(h, part))
        part = 0;
    r->cut = r->cut || part < n;
    if (part > 0 && !bytes_reserve(&r->body, &r->room, r->size + part)) {
        r->cut = true;
        return;
    }
    if (part > 0)
        memcpy(r->body + r->size, bytes, part);
    r->size += part;
}

void har_done(struct har *h, struct attempt *a)
{
    struct http_record *r = a->http;
    if (r == NULL)
        return;
    a->http = NULL;
    json_t *content = json_object(), *timings = json_object();
    double wait = (double)(r->answered - r->started) / 1e6;
    size_t plain_size = 0; /* a HAR has bodies without their codings */
    char *plain =
        r->size > 0 && *r->coding != '\0' ? coding_remove(r->coding, r->body, r->size, BODY_MOST, &plain_size) : NULL;
    if (plain != NULL && !hold(h, plain_size)) {
        plain_size = 0;
        r->cut = true;
    }
    size_t size = plain != NULL ? plain_size : r->size;
    add(content, "size", json_integer((json_int_t)size));
    if (plain != NULL)
        add(content, "compression", json_integer((json_int_t)size - (json_int_t)r->size));
    add(content, "mimeType", text(r->mime));
    if (size > 0)
        add_content(content, plain != NULL ? plain : r->body, size);
    free(plain);
    if (r->cut)
        add(content, "comment", json_string("cut"));
    add(r->response, "content", content);
    add(r->response, "bodySize", json_integer((json_int_t)r->size));
    add(r->entry, "time", json_real(wait));
    add(timings, "send", json_integer(0));
    add(timings, "wait", json_real(wait));
    add(timings, "receive", json_integer(0));
    add(r->entry, "timings", timings);
    (void)json_array_append(h->entries, r->entry);
    har_forget(r);
}

int har_free(struct har *h)
{
    if (h == NULL)
        return 0;
    json_t *top = json_object(), *log = json_object(), *creator = json_object();
    add(creator, "name", json_string("terrarium"));
    add(creator, "version", json_string("1"));
    add(log, "version", json_string("1.2"));
    add(log, "creator", creator);
    add(log, "entries", h->entries);
    if (h->lost > 0)
        add(log, "comment", json_sprintf("%lld more exchanges, for which there was no room", (long long)h->lost));
    add(top, "log", log);
    int error = json_dumpf(top, h->file, JSON_INDENT(1)) < 0 || fputc('\n', h->file) == EOF ? -EIO : 0;
    if (fclose(h->file) != 0 && error == 0)
        error = -errno;
    json_decref(top);
    free(h);
    return error;
}
