/* The report: one JSON object that says what the run did, what it was refused and what it cost. */
#ifndef SUPERVISOR_REPORT_H
#define SUPERVISOR_REPORT_H

#include "supervisor/supervisor.h"
#include "supervisor/tracee.h"

const char *report_verdict(const struct world *w); /* "ok", "exit", "signal", or the limit that ended the run */
/* What terrarium exits with. */
int report_exit_status(const struct world *w);
/* Which limit ended the world, as a sentence; "" when none did. */
void report_limit(const struct holder *h, char *text, size_t size);
/* To h->report. 0, or -1 with *e filled. Call it before the world is torn down. */
int report_write(const struct holder *h, struct run_error *e);

#endif
