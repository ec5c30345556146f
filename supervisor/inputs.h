/* What a run's answer depends on, for the report: one digest of all of it, and what it is made of. */
#ifndef SUPERVISOR_INPUTS_H
#define SUPERVISOR_INPUTS_H

#include "supervisor/tracee.h"

struct exec_arguments;

enum { INPUTS_HASH = 32 };

struct inputs {
    char *program; /* the first; owned */
    bool has_interpreter;
    uint8_t interpreter[INPUTS_HASH]; /* of its bytes */
    uint8_t arguments[INPUTS_HASH];   /* of its argv and environment, each word with its end */
};

/* A line of /proc/cpuinfo, behind its colon; owned by the caller, NULL: not there. */
char *inputs_cpu_fact(const char *name);
/* The first program is about to be loaded. */
void inputs_begin(struct inputs *in, const char *program, const struct exec_arguments *a);
/* The guest is gone, the record not finished. Not before: what opens a file of the world gives others another number. */
void inputs_end(struct inputs *in, struct world *w);
void inputs_free(struct inputs *in);

struct inputs_told { /* as hex; NULL-terminated, owned by whoever has the struct */
    char digest[2 * INPUTS_HASH + 1], interpreter[2 * INPUTS_HASH + 1], tree[2 * INPUTS_HASH + 1],
        arguments[2 * INPUTS_HASH + 1], features[2 * INPUTS_HASH + 1];
    bool tree_of_contents; /* else of names, sizes and times */
    char *cpu, *kernel;    /* NULL: not known; owned */
};
/* When the run is over. */
void inputs_tell(const struct holder *h, struct inputs_told *out);
void inputs_told_free(struct inputs_told *t);

#endif
