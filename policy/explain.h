/* The rules asked one by one: what `policy explain` does, and what the compiled rules are tested against. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/policy.h"

/* As policy_decide, in time that grows with the rules; needs no policy_compile. */
const struct policy_rule *explain_decide(const struct policy *p, const struct policy_query *query);

#endif
