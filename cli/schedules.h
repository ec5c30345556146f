/* What the schedules of a program lead to: for `terrarium verify --schedules N`. */
#ifndef CLI_SCHEDULES_H
#define CLI_SCHEDULES_H

#include <stdbool.h>
#include <stdio.h>

struct schedules; /* outcomes, each with the seeds that lead to it */

struct schedules *schedules_new(void); /* NULL: out of memory */
void schedules_free(struct schedules *s);
/* The run that left out-N, err-N and report-N in the directory was of schedule `seed`. 0 or -errno. */
int schedules_note(struct schedules *s, const char *directory, unsigned number, unsigned seed, int status);
/* The first seed of outcome `index`, or 0: there are no more. */
unsigned schedules_seed(const struct schedules *s, size_t index);
/* A run of a seed that was noted before had the same outcome again. */
bool schedules_same(const struct schedules *s, const char *directory, unsigned number, size_t index, int status);
/* How many outcomes, and a seed for each; what is known of a deadlock. */
void schedules_tell(FILE *to, const struct schedules *s);

#endif
