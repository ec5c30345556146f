/* What the files of policy/ share and nobody else sees: the memory of a policy, where each value came from, the rules
 * as they were written, and the one way an error is said. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include "kernel/sysent.h"
#include "policy/policy.h"
#include "policy/nodes.h"

struct schema_key;

/* One condition of a rule's `args:` as it was written: what it means depends on the call (policy/conditions.c). */
enum operator_kind {
    OPERATOR_IS,
    OPERATOR_NOT,
    OPERATOR_FROM,
    OPERATOR_TO,
    OPERATOR_HAS,
    OPERATOR_HAS_ANY,
    OPERATOR_LACKS
};

struct operation {
    enum operator_kind kind;
    const char **words; /* the values: numbers, or constants by name, or several of both joined by | */
    size_t word_count;
    struct policy_origin origin;
};

struct condition {
    const char *argument; /* "0".."5", or the name its kind has ("flags") */
    const char *mask;     /* only these bits of the argument count; NULL: all */
    struct operation *operations;
    size_t operation_count;
    struct policy_origin origin;
};

enum { CALL_WORDS = (SYSENT_COUNT + 63) / 64 };

struct rule {
    struct policy_rule shown;
    uint64_t calls[CALL_WORDS]; /* a bit per number: the calls it can decide */
    const char **names;         /* as written: "openat", "sched_*", "family:network" */
    size_t name_count;
    const char **globs; /* as written; none: any path, also calls without one */
    size_t glob_count;
    struct condition *conditions; /* all must hold */
    size_t condition_count;
};

struct block;
struct compiled;

struct set_value {
    const struct schema_key *key;
    struct policy_origin origin;
};

/* struct policy's private part. */
struct policy_sources {
    struct block *blocks;  /* all memory of the policy */
    struct set_value *set; /* the scalars that were said, the newest last */
    size_t set_count, set_room;
    size_t mount_room, file_room, environment_room, rule_room;
    struct policy_origin *environment_origins; /* beside environment */
    struct rule **rules;                       /* first match first */
    size_t rule_count;
    struct compiled *compiled; /* policy_compile()'s; NULL before */
    size_t includes;           /* files read so far */
    size_t bytes;              /* of them */
    void *hash;                /* crypto_generichash_state, while reading */
};

/* Zeroed, freed with the policy; NULL: out of memory. */
void *policy_allocate(struct policy *p, size_t size);
char *policy_duplicate(struct policy *p, const char *text, size_t size);
char *policy_format(struct policy *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for one more element; the array moves. */
int policy_grow(struct policy *p, void *array, size_t count, size_t *room, size_t element);

/* What every reading function is handed. */
struct reader {
    struct policy *policy;
    struct policy_error *error;
    const char *file;      /* for messages and origins: as the user named it */
    const char *directory; /* relative host paths are relative to it; NULL: left as they are */
    const char *option;    /* of the command line ("--limit"), which messages name in the file's place; else NULL */
};

/* "file:line:column: words", and -1. */
int reader_fail(struct reader *r, const struct node *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
int reader_out_of_memory(struct reader *r);
struct policy_origin reader_origin(const struct reader *r, const struct node *at);
/* " (did you mean 'x'?)" for the candidate nearest to word, or "". buffer: 128 bytes; returned. */
char *reader_suggest(const char *word, const char *const *candidates, char *buffer);

const char *operator_name(enum operator_kind kind);

/* rules.c */
int rules_read(struct reader *r, const struct node *value);
const char *rule_action_name(enum policy_action action);
char *rule_describe(struct policy *p, const struct rule *rule);
void compiled_free(struct compiled *c);

#endif
