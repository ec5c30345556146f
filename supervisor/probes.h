/* What `terrarium doctor` tries, as a table. */
#ifndef SUPERVISOR_PROBES_H
#define SUPERVISOR_PROBES_H

#include <stdbool.h>
#include <stddef.h>

struct probe_outcome {
    bool there;
    char detail[160]; /* what was found, in words */
};

struct probe {
    const char *name;
    bool required;                          /* no run is possible without it */
    const char *without;                    /* what it means when it is not there */
    void (*run)(struct probe_outcome *out); /* in a process of its own; may end it */
};

extern const struct probe probes[];
extern const size_t probe_count;

#endif
