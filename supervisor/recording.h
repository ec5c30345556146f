/* Recording a run: struct recorder (kernel/recorder.h), which makes events of what it is told, for a file (trace/record.h),
 * for whoever watches (--trace), or both. */
#ifndef SUPERVISOR_RECORDING_H
#define SUPERVISOR_RECORDING_H

#include "kernel/world.h"
#include "supervisor/setup.h"
#include "supervisor/supervisor.h"
#include "trace/record.h"

#include <sched.h>

struct recording;

/* Opens r->record when there is one, before the supervisor confines itself. *out NULL: nothing is recorded. 0, or -1 with *e. */
int recording_open(struct world *w, const struct run_request *r, const struct secrets *secrets, struct recording **out,
                   struct run_error *e);
/* The first program is about to be loaded: from here on everything is told. cpus: where the supervisor could run before it was pinned to
 * `cpu`, for hashing and writing (supervisor/worker.h). */
void recording_begin(struct recording *r, const struct run_request *request, const char *program,
                     const struct exec_arguments *arguments, const struct task *first, const cpu_set_t *cpus, int cpu);
/* The world's CPU time moved: what a program that only computes did before is in the file some time later, if it is killed then. */
void recording_computed(struct recording *r);
/* The run is over: nothing is told any more. Before the guest's processes are killed, as that order is the host's. */
void recording_stop(struct recording *r);
/* Writes the end, the signature, the tail. 0, or -1 with *e: the record is not whole, and e says up to where it is. */
int recording_finish(struct recording *r, const char *verdict, int status, struct run_error *e);
bool recording_says(const struct recording *r, struct run_error *e); /* why it failed; false: it did not */
void recording_free(struct recording *r);                            /* NULL is allowed */

/* For the report. NULL: no record is written. */
const struct record *recording_file(const struct recording *r);
/* Hash of the given files that were used so far: names and contents. False: nothing is recorded. */
bool recording_tree(struct recording *r, uint8_t digest[EVENT_DIGEST]);
bool recording_signed(const struct recording *r);

struct bundle;
void recording_bundles(struct recording *r,
                       struct bundle *b); /* before recording_begin: the record is to stand alone */

#endif
