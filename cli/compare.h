/* What two runs of `terrarium verify` left, side by side. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

/* Files of the directory: out-N, err-N, report-N, export-N.tar, record-N. Says the first thing that differs, in a few lines. */
bool compare_runs(FILE *to, const char *directory, unsigned a, unsigned b, int status_a, int status_b);
bool compare_has_report(const char *directory, unsigned n); /* the run got as far as writing one */
/* All were the same: one line, and what the first run says about itself. */
void compare_summary(FILE *to, const char *directory, unsigned runs, int status);

#endif
