/* What the tests of growth and the bench ask of the compiled rules. */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include <stdint.h>

struct policy;

/* Work done by policy_decide so far: table probes, bytes of paths, trie nodes looked at. Not time. */
uint64_t compiled_steps(const struct policy *p);

#endif
