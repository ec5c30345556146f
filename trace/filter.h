/* Which events are wanted: a small language of tests (docs/records.md, "Filters").
 *
 *   call=openat,read  call=%file  path=/etc/x?  pid=2  tid=3  time>=1.5s  result=ENOENT  result=error  rule=deny  kind=signal
 *   event<100         ... and ...   ... or ...   not ...   ( ... ) */
#ifndef TRACE_FILTER_H
#define TRACE_FILTER_H

#include "trace/context.h"

struct trace_filter;

enum { FILTER_MOST = 4096 }; /* bytes of an expression */

/* NULL: it is no filter; why (size n) gets one sentence with the column. */
struct trace_filter *trace_filter_parse(const char *text, char *why, size_t n);
void trace_filter_free(struct trace_filter *f); /* NULL is allowed */
/* NULL takes all. */
bool trace_filter_takes(const struct trace_filter *f, struct trace_context *c, const struct event *e);

#endif
