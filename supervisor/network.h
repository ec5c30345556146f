/* The world's internet (network/internet.h), as a run makes and ends it. */
#ifndef SUPERVISOR_NETWORK_H
#define SUPERVISOR_NETWORK_H

#include "supervisor/supervisor.h"
#include "supervisor/tracee.h"
#include "vfs/vfs.h"

/* Before the world's tree is set up: h->internet, NULL where the policy has no network and nothing is drawn. 0, or -1 with *e. */
int network_start(struct holder *h, const struct run_request *r, struct view *view, struct run_error *e);
struct contents *network_contents(struct holder *h); /* NULL: none, or nobody there speaks TLS */
/* Capture and HAR are written; -1 with *e where they could not be. */
int network_finish(struct holder *h, struct run_error *e);
/* What was sent and received, for the export; NULL without an internet. *more is filled. */
const struct export_more *network_export(struct holder *h, struct export_more *more);

#endif
