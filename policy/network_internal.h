/* What the files that read answers (network_content.c, network_http.c, network_pattern.c) share. */
#ifndef POLICY_NETWORK_INTERNAL_H
#define POLICY_NETWORK_INTERNAL_H

#include "policy/internal.h"
#include "policy/network_content.h"

enum {
    MOST_STEPS = 10000, /* of one talk */
    MOST_RULES = 10000, /* of one http */
    MOST_PAIRS = 64,    /* headers, query or form fields of one rule */
};

/* A text, {text:}, {regex:}, {hex:} or {base64:}. */
int pattern_read(struct reader *r, const struct node *value, const char *where, struct policy_pattern *out);
/* A text, {text:}, {hex:} or {base64:}. */
int bytes_read(struct reader *r, const struct node *value, const char *where, struct policy_bytes *out);
/* Names and patterns; exact: the values are texts as they stand. */
int pairs_read(struct reader *r, const struct node *value, const char *where, bool exact, struct policy_pair **out,
               size_t *count);
/* Any YAML value as the JSON text it means: a plain true, null or number is one, what is quoted is a string. */
int json_read(struct reader *r, const struct node *value, const char *where, char **out);

int talk_read(struct reader *r, const struct node *value, const char *where, struct policy_talk *out);
int http_read(struct reader *r, const struct node *value, const char *where, struct policy_content *out);

#endif
