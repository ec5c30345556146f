/* What is typed after `terrarium run` and `terrarium exec`: options as one table, which --help and the parser both
 * read. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_id {
    OPTION_POLICY,
    OPTION_PYTHON,
    OPTION_SEED,
    OPTION_SCHEDULE,
    OPTION_RECORD,
    OPTION_SIGN,
    OPTION_TRACE,
    OPTION_BUNDLE,
    OPTION_REPORT,
    OPTION_MOUNT,
    OPTION_IMAGE,
    OPTION_CWD,
    OPTION_ENV,
    OPTION_LIMIT,
    OPTION_EXPORT,
    OPTION_CAPTURE,
    OPTION_HAR,
    OPTION_TRAP,
    OPTION_QUIET,
    OPTION_VERBOSE,
    OPTION_REPRODUCIBLE,
    OPTION_HELP,
    OPTION_COUNT,
};

struct option_entry {
    const char *name;  /* with its dashes */
    const char *value; /* the value's name in --help; NULL: a switch */
    bool repeats;      /* may be given more than once; each counts, in order */
    const char *help;
};

extern const struct option_entry option_table[OPTION_COUNT];

enum { OPTION_GIVEN_MAX = 256 };

struct options {
    struct {
        enum option_id id;
        const char *value;
    } given[OPTION_GIVEN_MAX];
    size_t count;
    int rest;       /* index in argv of the first word that is no option of ours; argc when there is none */
    bool separated; /* "--" stood before it */
};

/* From argv[first]. Options end at "--" (left out), at the first word without dashes, or at the end. "--name=value" and
 * "--name value" are the same. 0, or -1 with one sentence in error (size n). */
int options_parse(struct options *o, int argc, char *const *argv, int first, char *error, size_t n);
/* The last value given, or NULL. A switch that was given is "". */
const char *options_value(const struct options *o, enum option_id id);
/* "--name" of an option whose value is the word behind it. */
bool options_takes_word(const char *word);
/* Where the script stands among python3's own arguments; -1: there is none (-c, -m, -, or nothing). */
int options_script(int argc, char *const *argv);

#endif
