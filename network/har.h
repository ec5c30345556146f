/* `--har FILE`: the HTTP of a run as an HTTP Archive 1.2, as browsers and mitmproxy read it. */
#ifndef NETWORK_HAR_H
#define NETWORK_HAR_H

#include "network/conversation.h"

#include <stdio.h>

struct har;
struct attempt;
struct http_record; /* an exchange under way */

struct har *har_new(FILE *file); /* opened before the supervisor confines itself; closed by har_free */
int har_free(struct har *h);     /* writes it. 0, or -errno */
void har_begin(struct har *h, struct attempt *a, const struct http_exchange *x);
void har_body(struct har *h, struct attempt *a, const void *bytes, size_t n);
void har_done(struct har *h, struct attempt *a);
void har_forget(struct http_record *r); /* NULL is allowed */

#endif
