/* Building the msgpack map of facts of EVENT_RUN and of the machine: text keys, in the order they are added. */
#ifndef TRACE_FACTS_H
#define TRACE_FACTS_H

#include "trace/event.h"

struct facts {
    struct event_buffer buffer; /* free it with event_buffer_free */
    uint32_t pairs;
    int error; /* 0 or -ENOMEM */
};

void facts_begin(struct facts *f);
void facts_text(struct facts *f, const char *key, const char *text); /* NULL: nil */
void facts_number(struct facts *f, const char *key, int64_t value);
void facts_unsigned(struct facts *f, const char *key, uint64_t value);
void facts_texts(struct facts *f, const char *key, size_t n, const char *const *texts);
void facts_end(struct facts *f); /* buffer holds the map */

#endif
