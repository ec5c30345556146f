/* What a replay may take of the machine it runs on. A record may be anybody's, and with it the program that is run again, the policy that
 * limits it, and how much it computes between two events; so the record's own limits hold with room to spare (they are looked at in real
 * time, which no two runs have alike), and where it has none, those of this machine. What goes beyond is not the run's end, but the replay's. */
#ifndef SUPERVISOR_CEILINGS_H
#define SUPERVISOR_CEILINGS_H

#include "policy/policy.h"
#include "supervisor/tracee.h"

struct ceilings;

/* said: `replay --limit` (run_request.ceilings). NULL: out of memory. */
struct ceilings *ceilings_new(const struct policy_limits *recorded, const struct policy_limits *said);
void ceilings_free(struct ceilings *c); /* NULL is allowed */
/* At every tick of a replay: ends it when it took more. */
void ceilings_check(struct holder *h);

#endif
