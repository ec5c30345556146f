/* What a reader of events must remember to put them into words: names of open files, rules, which thread is of which
 * process. Memory is bounded whatever the record says: of names the ones used last are kept. */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include "trace/event.h"

struct trace_context;

struct trace_rule {
    uint32_t line; /* of the policy; 0: none */
    char *action, *text, *note;
};

struct trace_context *trace_context_new(void); /* NULL: out of memory */
void trace_context_free(struct trace_context *c);
/* Before an event is put into words. 0 or -ENOMEM. */
int trace_context_see(struct trace_context *c, const struct event *e);

/* The name of an open file description; NULL: not known (any more). */
const char *trace_open_name(struct trace_context *c, uint64_t id);
/* number: as a call's, 1 and up. NULL: none. */
const struct trace_rule *trace_rule(const struct trace_context *c, uint32_t number);
/* The process of a task that lives, or just died; 0: not known. */
int32_t trace_pid(const struct trace_context *c, int32_t tid);

#endif
