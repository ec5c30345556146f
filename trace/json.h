/* Events as JSON, an object each, with everything they hold. */
#ifndef TRACE_JSON_H
#define TRACE_JSON_H

#include "trace/context.h"

#include <stdio.h>

/* One object on one line, without a newline behind it. Text is escaped so that the output is ASCII; bytes that are no
 * UTF-8 of the guest's become \u00XX, one a byte. Memory is hexadecimal. */
void trace_json_event(FILE *to, struct trace_context *c, const struct event *e);
void trace_json_text(FILE *to, const char *text, size_t n);

#endif
