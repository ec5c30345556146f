/* Many path patterns as one automaton: which is the first rule that one of them belongs to, for a path?
 *
 * The patterns are a trie of their items (shared beginnings are shared), the trie is a nondeterministic automaton, and
 * its deterministic states are built as paths meet them, and thrown away when they grow over a bound (the way RE2 does
 * it). A path met before costs one step per byte, however many patterns there are. */
#ifndef POLICY_AUTOMATON_H
#define POLICY_AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/glob.h"

enum { AUTOMATON_NONE = UINT32_MAX }; /* no rule */

struct automaton;

/* Shared by all automata of a policy: one bound on their memory, one count of their work. */
struct automaton_budget {
    size_t nodes;       /* of all tries */
    size_t state_bytes; /* of all states built */
    uint64_t steps;     /* bytes taken and trie nodes looked at: what the tests of growth count */
    uint64_t flushes;
    struct automaton *all;
};

enum {
    AUTOMATON_MOST_NODES = 4 << 20,
    AUTOMATON_MOST_STATE_BYTES = 16 << 20,
};

/* NULL: out of memory. Freed with automaton_free_all. */
struct automaton *automaton_new(struct automaton_budget *budget);
/* 0; -1: out of memory, or of AUTOMATON_MOST_NODES. */
int automaton_add(struct automaton *a, const struct glob *g, uint32_t rule);
/* After the last pattern. 0; -1: out of memory. */
int automaton_seal(struct automaton *a);
uint32_t automaton_first(const struct automaton *a); /* the least rule of all patterns */
/* The least rule of the patterns that match, or AUTOMATON_NONE. path: absolute, normalised. Out of memory while
 * building a state is answered the slow way, not with a wrong answer. */
uint32_t automaton_run(struct automaton *a, const char *path);
/* The least rule that a file called `from` falls under and would not as `to`; below: or that something beneath the one
 * could fall under and would not beneath the other. AUTOMATON_NONE: no rule tells the two names apart. Costs a step for
 * each pattern that fits so far, and remembers nothing. */
uint32_t automaton_lost(struct automaton *a, const char *from, const char *to, bool below);
void automaton_free_all(struct automaton_budget *budget);

#endif
