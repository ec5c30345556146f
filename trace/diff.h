/* Two records beside each other: are they the same run, and if not, where do they part? */
#ifndef TRACE_DIFF_H
#define TRACE_DIFF_H

#include "trace/reader.h"

#include <stdio.h>

enum diff_result {
    DIFF_SAME,
    DIFF_DIFFERENT,
    DIFF_FAILED, /* a record is damaged, or memory ran out: why says what */
};

struct diff_side {
    const char *name; /* as the record is called in what is printed */
    struct reader *reader;
};

/* Prints the first event that differs, with what came before it, and then how often each call was made and each file used
 * in both, where that differs. Nothing is ignored; a record that ends early differs from one that goes on. */
enum diff_result trace_diff(FILE *to, const struct diff_side side[2], char *why, size_t n);

/* The same, in few lines: the process and the program of the first event that differs, and the event on both sides. */
enum diff_result trace_part(FILE *to, const struct diff_side side[2], char *why, size_t n);

#endif
