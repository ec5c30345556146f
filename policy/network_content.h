/* What answers a connection, as the policy says it: the values below `respond`, `http`, `talk`, `service`, `program`,
 * `serve` and `exchange` of a `connect:` rule, read strictly. Which rule decides is policy/network.h's; what is done with
 * it is network/'s. All memory is the policy's. */
#ifndef POLICY_NETWORK_CONTENT_H
#define POLICY_NETWORK_CONTENT_H

#include "policy/policy.h"

struct reader;
struct node;

/* A text that is looked for. */
struct policy_pattern {
    enum pattern_kind {
        PATTERN_NONE,  /* not said: anything */
        PATTERN_TEXT,  /* exactly these bytes (in an `expect`: anywhere in what came) */
        PATTERN_GLOB,  /* a text with * in it: any bytes */
        PATTERN_REGEX, /* {regex: ...}, PCRE2, bytes */
    } kind;
    char *bytes;
    size_t size;
    void *code; /* pcre2_code * of a regex, in the policy's memory */
};

struct policy_bytes {
    char *bytes; /* NULL: nothing was said */
    size_t size;
};

/* One step of a talk. */
struct policy_step {
    enum step_kind {
        STEP_EXPECT,
        STEP_SEND,
        STEP_REPLY, /* a send in which $1 to $9 are groups of the last regex, $$ a dollar */
        STEP_DELAY,
        STEP_CLOSE,
        STEP_RESET,
        STEP_STARTTLS, /* what follows is within TLS */
        STEP_ANY,      /* whichever of `choices` is met first, again and again until one leaves */
    } kind;
    struct policy_pattern pattern;
    struct policy_bytes bytes;
    int64_t delay; /* ns */
    struct policy_choice *choices;
    size_t choice_count;
    struct policy_origin origin;
};

struct policy_talk {
    struct policy_step *steps;
    size_t count;
};

/* One of an `any`: on this, do that. */
struct policy_choice {
    struct policy_pattern expect;
    struct policy_talk then;
    bool leave; /* the `any` is over after it */
};

struct policy_pair { /* a header, a query or form field: a name and what its value must be, or is */
    char *name;
    struct policy_pattern pattern;
};

/* One entry of `http:`: what it is asked for, and what it answers. */
struct policy_http_rule {
    char *method;               /* NULL: any */
    struct policy_pattern path; /* without the query; a GLOB's * takes slashes too */
    struct policy_pair *query, *headers, *form;
    size_t query_count, header_count, form_count;
    struct policy_pattern body;
    char *json; /* JSON text: the request's body must hold it (objects: at least these keys; strings: * is anything) */
    uint64_t times; /* answers only so often; 0: always */
    /* the answer */
    uint32_t status;
    struct policy_pair *answer_headers; /* patterns of kind TEXT */
    size_t answer_header_count;
    struct policy_bytes answer;
    char *content_type;       /* when the form of the answer says one (json) and no header does; NULL */
    char *file;               /* host path; NULL */
    int64_t delay;            /* ns before the first byte */
    uint64_t chunk;           /* sent chunked, in pieces of so many bytes; 0: with a length */
    bool close, reset;        /* after the answer; in its place */
    struct policy_talk *talk; /* websocket: after the upgrade; else NULL */
    struct policy_origin origin;
};

enum content_kind {
    CONTENT_RESPOND,
    CONTENT_HTTP,
    CONTENT_TALK,
    CONTENT_SERVICE,
    CONTENT_PROGRAM,
    CONTENT_SERVE,
    CONTENT_EXCHANGE,
};

enum policy_service {
    SERVICE_SMTP,
    SERVICE_FTP,
    SERVICE_IRC,
    SERVICE_NTP,
    SERVICE_ECHO,
    SERVICE_DISCARD,
    SERVICE_SINK,
    SERVICE_TLS_SINK,
    SERVICE_DNS,
};

struct policy_content {
    enum content_kind kind;
    char *path; /* respond: a directory; exchange: a file; of the host */
    struct policy_http_rule *http;
    size_t http_count;
    struct policy_talk talk;
    enum policy_service service;
    char **arguments; /* program, serve: NULL-terminated */
    struct policy_origin origin;
};

/* The key a kind has in a rule: "respond" … */
extern const char *const content_names[];
extern const char *const service_names[];
/* where: "network[3]"; value: what stands below the key. 0 with *out, or -1 and the reader's error. */
int content_read(struct reader *r, const struct node *value, enum content_kind kind, const char *where,
                 struct policy_content **out);
/* One line of words for explain and the report: "http: 3 answers", "service: smtp". */
char *content_describe(struct policy *p, const struct policy_content *c);

#endif
