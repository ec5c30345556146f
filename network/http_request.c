/* From bytes to a request: http_parser does the grammar, the limits are ours. Nothing here trusts a length that it has not
 * counted itself. */
#include "network/http.h"

#include <ctype.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_parse {
    http_parser parser;
    struct buffer head; /* target and headers as NUL-terminated strings, one behind the other */
    struct buffer body;
    size_t target_size;
    struct {
        size_t name, value; /* offsets in head */
    } at[HTTP_MOST_HEADERS];
    size_t count;
    bool in_value;  /* the last bytes were a header's value */
    bool head_done; /* trailers are read over */
    bool begun, whole, keep_alive, wants_continue;
    int status; /* what is wrong with it; 0: nothing */
    struct http_request request;
    char *path, *query;
};

const char *http_header(const struct http_request *q, const char *name)
{
    for (size_t i = 0; i < q->header_count; i++)
        if (strcasecmp(q->headers[i].name, name) == 0)
            return q->headers[i].value;
    return NULL;
}

bool http_list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, ","), name = strcspn(list, ",; \t");
        if (name == n && strncasecmp(list, word, n) == 0) {
            const char *q = memchr(list, ';', item);
            q = q != NULL ? strpbrk(q, "qQ") : NULL;
            /* q=0, q=0.0, q=0.000 */
            return !(q != NULL && q < list + item && q[1] == '=' && q[2] == '0' &&
                     strspn(q + 2, "0.") >= strcspn(q + 2, ", \t;"));
        }
        list += item;
    }
    return false;
}

static int wrong(struct http_parse *p, int status)
{
    p->status = status;
    return -1;
}

static struct http_parse *of(http_parser *parser)
{
    return parser->data;
}

static int on_begin(http_parser *parser)
{
    struct http_parse *p = of(parser);
    p->begun = true;
    p->head_done = false;
    return 0;
}

static int on_target(http_parser *parser, const char *bytes, size_t n)
{
    struct http_parse *p = of(parser);
    if (p->target_size + n > HTTP_MOST_TARGET)
        return wrong(p, 414);
    p->target_size += n;
    return buffer_add(&p->head, bytes, n) ? 0 : wrong(p, 414);
}

static int end_string(struct http_parse *p)
{
    return buffer_add(&p->head, "", 1) ? 0 : wrong(p, 431);
}

static int on_name(http_parser *parser, const char *bytes, size_t n)
{
    struct http_parse *p = of(parser);
    if (p->head_done)
        return 0;
    if (p->count == 0 || p->in_value) {
        if (p->count == HTTP_MOST_HEADERS)
            return wrong(p, 431);
        if (end_string(p) < 0) /* of the target, or of the value before */
            return -1;
        p->at[p->count].name = p->head.size;
        p->at[p->count++].value = 0;
        p->in_value = false;
    }
    return buffer_add(&p->head, bytes, n) ? 0 : wrong(p, 431);
}

static int on_value(http_parser *parser, const char *bytes, size_t n)
{
    struct http_parse *p = of(parser);
    if (p->head_done)
        return 0;
    if (memchr(bytes, '\0', n) != NULL)
        return wrong(p, 400);
    if (!p->in_value) {
        if (end_string(p) < 0)
            return -1;
        p->at[p->count - 1].value = p->head.size;
        p->in_value = true;
    }
    return buffer_add(&p->head, bytes, n) ? 0 : wrong(p, 431);
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Decodes %XX once; a NUL or half an escape is a mistake. */
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        if (!isxdigit((unsigned char)in[1]) || !isxdigit((unsigned char)in[2]))
            return false;
        char c = (char)(digit(in[1]) << 4 | digit(in[2]));
        if (c == '\0')
            return false;
        *out++ = c;
        in += 2;
    }
    *out = '\0';
    return true;
}

/* "/a/./b/../c" is "/a/c"; what would leave the root stays at it. A slash at the end stays. */
static void normalise(char *path)
{
    char *out = path;
    const char *in = path;
    bool slash = false;
    while (*in != '\0') {
        in += strspn(in, "/");
        size_t n = strcspn(in, "/");
        if (n == 0) {
            slash = true;
            break;
        }
        slash = n <= 2 && strncmp(in, "..", n) == 0;
        if (n == 2 && slash) {
            while (out > path && *--out != '/')
                ;
        } else if (!slash) {
            *out++ = '/';
            memmove(out, in, n);
            out += n;
        }
        in += n;
    }
    if (slash || out == path)
        *out++ = '/';
    *out = '\0';
}

/* The path of "/a?b", "http://host/a?b" (what proxies are sent) and "*". */
static int split_target(struct http_parse *p)
{
    struct http_request *q = &p->request;
    char *start = q->target;
    char *scheme = strstr(start, "://");
    if (scheme != NULL && start[0] != '/') {
        start = strchr(scheme + 3, '/');
        if (start == NULL)
            start = "/";
    }
    if (asprintf(&p->path, "%s%s", start[0] == '/' ? "" : "/", start) < 0) {
        p->path = NULL;
        return wrong(p, 500);
    }
    char *mark = strchr(p->path, '#');
    if (mark != NULL)
        *mark = '\0';
    mark = strchr(p->path, '?');
    if (mark != NULL) {
        *mark = '\0';
        p->query = strdup(mark + 1);
        if (p->query == NULL)
            return wrong(p, 500);
    }
    if (!decode(p->path))
        return wrong(p, 400);
    normalise(p->path);
    q->path = p->path;
    q->query = p->query;
    return 0;
}

static int on_head(http_parser *parser)
{
    struct http_parse *p = of(parser);
    struct http_request *q = &p->request;
    p->head_done = true;
    parser->upgrade = 0; /* whether there is one is the handler's to say: what follows is read when it has */
    if (end_string(p) < 0)
        return -1;
    if (p->count > 0 && !p->in_value) /* a name without a value */
        return wrong(p, 400);
    char *text = p->head.bytes + p->head.start;
    q->method = http_method_str((enum http_method)parser->method);
    q->target = text;
    q->major = parser->http_major;
    q->minor = parser->http_minor;
    q->header_count = p->count;
    for (size_t i = 0; i < p->count; i++)
        q->headers[i] = (struct http_header){text + p->at[i].name, text + p->at[i].value};
    q->host = http_header(q, "host");
    if (q->host == NULL && q->major == 1 && q->minor == 1)
        return wrong(p, 400); /* RFC 9112, 3.2 */
    const char *expect = http_header(q, "expect");
    p->wants_continue = expect != NULL && strcasecmp(expect, "100-continue") == 0 && q->minor >= 1;
    bool sized = (parser->flags & F_CONTENTLENGTH) != 0;
    if (sized && parser->content_length != UINT64_MAX && parser->content_length > HTTP_MOST_BODY)
        return wrong(p, 413);
    return split_target(p);
}

static int on_body(http_parser *parser, const char *bytes, size_t n)
{
    struct http_parse *p = of(parser);
    p->wants_continue = false;
    return buffer_add(&p->body, bytes, n) ? 0 : wrong(p, 413);
}

static int on_whole(http_parser *parser)
{
    struct http_parse *p = of(parser);
    p->whole = true;
    p->keep_alive = http_should_keep_alive(parser);
    p->request.body = p->body.size > 0 ? buffer_bytes(&p->body) : "";
    p->request.body_size = p->body.size;
    http_parser_pause(parser, 1); /* the next one waits in the guest's queue until this is answered */
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

static void reset(struct http_parse *p)
{
    buffer_clear(&p->head);
    buffer_clear(&p->body);
    free(p->path);
    free(p->query);
    p->path = p->query = NULL;
    p->target_size = p->count = 0;
    p->in_value = p->head_done = p->begun = p->whole = p->wants_continue = false;
    p->request = (struct http_request){0};
}

struct http_parse *http_parse_new(struct account *account)
{
    struct http_parse *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    http_parser_init(&p->parser, HTTP_REQUEST);
    p->parser.data = p;
    buffer_init(&p->head, account, HTTP_MOST_HEAD);
    buffer_init(&p->body, account, HTTP_MOST_BODY);
    return p;
}

void http_parse_free(struct http_parse *p)
{
    if (p == NULL)
        return;
    reset(p);
    free(p);
}

static int status_of(const struct http_parse *p)
{
    switch (HTTP_PARSER_ERRNO(&p->parser)) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_METHOD:
    case HPE_INVALID_TRANSFER_ENCODING:
        return 501;
    case HPE_INVALID_VERSION:
        return 505;
    default:
        return 400;
    }
}

enum http_parsed http_parse_feed(struct http_parse *p, const char *bytes, size_t n, size_t *used)
{
    *used = 0;
    if (p->status != 0)
        return HTTP_WRONG;
    if (p->whole) {
        reset(p);
        http_parser_pause(&p->parser, 0);
        if (!http_should_keep_alive(&p->parser)) /* the handler let it live all the same: begin afresh */
            http_parser_init(&p->parser, HTTP_REQUEST);
        p->parser.data = p;
    }
    *used = http_parser_execute(&p->parser, &settings, bytes, n);
    if (p->whole)
        return HTTP_WHOLE;
    enum http_errno error = HTTP_PARSER_ERRNO(&p->parser);
    if (error == HPE_OK && !p->parser.upgrade)
        return HTTP_MORE;
    if (p->status == 0)
        p->status = status_of(p);
    return HTTP_WRONG;
}

struct http_request *http_parse_request(struct http_parse *p)
{
    return &p->request;
}

int http_parse_status(const struct http_parse *p)
{
    return p->status;
}

bool http_parse_keep_alive(const struct http_parse *p)
{
    return p->keep_alive;
}

bool http_parse_wants_continue(struct http_parse *p)
{
    bool wants = p->wants_continue && !p->whole;
    p->wants_continue = false;
    return wants;
}

bool http_parse_begun(const struct http_parse *p)
{
    return p->begun && !p->whole;
}
