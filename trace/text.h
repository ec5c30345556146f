/* Events as lines of text, by the conventions of strace(1) -f -y: `PID call(arguments) = result`. */
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include "trace/context.h"

#include <stdio.h>

struct trace_text {
    FILE *to;
    struct trace_context *context;
    bool times;           /* virtual seconds behind the PID */
    struct event blocked; /* EVENT_BLOCK that was not printed yet: the call may go on without anybody between */
    bool has_blocked;
};

/* What is worth a line is printed; schedule, streams, names and hashes are not. */
void trace_text_event(struct trace_text *t, const struct event *e);
void trace_text_end(struct trace_text *t);

#endif
