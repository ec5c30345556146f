/* HTTP/1.1 as a far end: requests are read by http_parser, kept within limits, and handed whole to a handler, which says
 * what is answered. The server knows framing, keep-alive, pipelining and back-pressure; handlers know what there is. */
#ifndef NETWORK_HTTP_H
#define NETWORK_HTTP_H

#include "network/buffer.h"
#include "network/internal.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_MOST_HEAD = 64 << 10,   /* request line and headers: 431 beyond */
    HTTP_MOST_TARGET = 16 << 10, /* 414 */
    HTTP_MOST_HEADERS = 100,     /* 431 */
    HTTP_MOST_BODY = 32 << 20,   /* 413 */
    HTTP_MOST_ANSWER_HEADERS = 80,
};

struct http_request {
    const char *method;
    char *target; /* as sent */
    char *path;   /* decoded, normalised, "/" first; NUL-free */
    char *query;  /* as sent, without the "?"; NULL: there was none */
    const char *host;
    int major, minor;
    struct http_header headers[HTTP_MOST_HEADERS];
    size_t header_count;
    const char *body;
    size_t body_size;
    int64_t started;
};

/* The first header of that name, or NULL. */
const char *http_header(const struct http_request *q, const char *name);
/* "gzip" in "Accept-Encoding: br;q=1, gzip;q=0.5": a word of a comma list, weights of 0 are no. */
bool http_list_has(const char *list, const char *word);

/* What is answered. A handler fills it; the server sends it and releases what it holds. */
struct http_answer {
    int status;
    struct http_header headers[HTTP_MOST_ANSWER_HEADERS];
    size_t header_count;
    char *values[HTTP_MOST_ANSWER_HEADERS]; /* the headers' values, where they were made for this answer */
    const char *bytes;                      /* the body, in memory: borrowed, or `made` */
    size_t size;
    char *made; /* owned, with its size on the account */
    size_t made_size;
    struct account *account;
    struct file *file; /* or in a file: referenced; `size` bytes from `offset` */
    uint64_t offset;
    bool no_body;   /* 304, HEAD: the headers alone; size is what the body would be */
    uint64_t chunk; /* sent chunked, in pieces of so many bytes */
    bool close, reset;
    int64_t delay;
    const struct policy_talk *talk; /* a websocket after it */
    char rule[256];
};

void http_answer_header(struct http_answer *a, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *http_answer_find(const struct http_answer *a, const char *name);
/* Puts a body of its own in place of whatever there is. */
void http_answer_text(struct http_answer *a, const char *type, const char *bytes, size_t n);
/* The usual short page of a status. */
void http_answer_status(struct http_answer *a, int status);
/* A body that may be compressed, is, as the request accepts it. */
void http_answer_compress(struct http_answer *a, const struct http_request *q);
void http_answer_init(struct http_answer *a, struct account *account);
void http_answer_release(struct http_answer *a);
const char *http_reason(int status);
const char *http_type_of(const char *name); /* by a file's name: "text/html; charset=utf-8" */
enum { HTTP_DATE_ROOM = 32 };
char *http_date(int64_t ns, char *buffer); /* IMF-fixdate (RFC 9110, 5.6.7); buffer of HTTP_DATE_ROOM; returned */
bool http_date_read(const char *text, int64_t *seconds);

struct http_handler {
    void (*answer)(struct http_handler *h, const struct http_request *q, struct http_answer *a);
    void (*free)(struct http_handler *h);
};

/* The end of one connection; the handler is borrowed, as is the conversation. */
struct far_end *http_server_new(struct contents *cs, struct http_handler *h, const struct content_peer *peer);

/* `respond:`, `http:` and `exchange:` (of a HAR, n bytes of it). NULL with a sentence in why. */
struct http_handler *http_files_new(struct contents *cs, const char *directory, char *why, size_t size);
struct http_handler *http_script_new(struct contents *cs, const struct policy_content *c, char *why, size_t size);
struct http_handler *http_exchange_new(const char *file, const char *text, size_t n, char *why, size_t size);

/* The parser alone. Fed until it says that a request is whole, or wrong. */
struct http_parse;
enum http_parsed { HTTP_MORE, HTTP_WHOLE, HTTP_WRONG };
struct http_parse *http_parse_new(struct account *account);
void http_parse_free(struct http_parse *p);
/* *used of the n bytes were taken. HTTP_WHOLE: http_parse_request is valid until the next feed. */
enum http_parsed http_parse_feed(struct http_parse *p, const char *bytes, size_t n, size_t *used);
struct http_request *http_parse_request(struct http_parse *p);
int http_parse_status(const struct http_parse *p);      /* of HTTP_WRONG: 400, 413, 414, 431, 501 */
bool http_parse_keep_alive(const struct http_parse *p); /* of HTTP_WHOLE */
/* The head is in, a body is to come, and the client waits for a word to send it. True once. */
bool http_parse_wants_continue(struct http_parse *p);
bool http_parse_begun(const struct http_parse *p); /* a request's first byte has come, its last has not */

#endif
