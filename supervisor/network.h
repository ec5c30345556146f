/* The world's internet (network/internet.h), as a run makes and ends it. */
#ifndef SUPERVISOR_NETWORK_H
#define SUPERVISOR_NETWORK_H

#include "supervisor/supervisor.h"
#include "supervisor/tracee.h"
#include "network/forward.h"
#include "vfs/vfs.h"

/* Before the world's tree is set up: h->internet, NULL where the policy has no network and nothing is drawn. 0, or -1 with *e. */
int network_start(struct holder *h, const struct run_request *r, struct view *view, struct run_error *e);
struct contents *network_contents(struct holder *h); /* NULL: none, or nobody there speaks TLS */
/* Capture and HAR are written; -1 with *e where they could not be. */
int network_finish(struct holder *h, struct run_error *e);
/* What was sent and received, for the export; NULL without an internet. *more is filled. */
const struct export_more *network_export(struct holder *h, struct export_more *more);

/* ---- `forward:`: real connections ----------------------------------------------------------------------------------------- */

int network_connector(const struct holder *h); /* the descriptor that its process is asked through, or -1 */
/* What the outside did is seen by the world here and nowhere else: between two turns, when all sleep, and at ticks within a turn. */
void network_pump(struct holder *h);
/* What to wait for in poll(2), FORWARDS_MOST at most, when a guest sleeps until something comes of it; else 0. */
nfds_t network_poll(const struct holder *h, struct pollfd *out);
/* The elapsed time at which the task that runs must stop for news to be seen; 0: there are none. */
int64_t network_limit(const struct holder *h);

#endif
