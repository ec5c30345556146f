/* A record as one page that needs nothing else: no server, no network, no other file. */
#ifndef TRACE_HTML_H
#define TRACE_HTML_H

#include "trace/filter.h"
#include "trace/reader.h"

enum { HTML_EVENTS_MOST = 200000 }; /* a browser must hold them all; the page says when there were more */

/* Writes it to `path`. filter NULL: all. *result is how reading ended. 0, or -1 with why (size n). */
int trace_html(struct reader *r, const char *path, const struct trace_filter *filter, enum reader_result *result,
               char *why, size_t n);

#endif
