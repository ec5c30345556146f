/* `args:` of a rule: from words to masks and values, for one call at a time.
 *
 * Whatever is written (equal, one of, a range, bits) becomes an alternative of boxes: "argument & mask == value" for
 * each of the six. That is all the compiled rules know (policy/compile.c): no rule is ever asked one by one. */
#ifndef POLICY_CONDITIONS_H
#define POLICY_CONDITIONS_H

#include "policy/internal.h"

struct box {
    uint64_t mask[SYSENT_ARGUMENTS], value[SYSENT_ARGUMENTS];
};

enum { BOXES_MOST = 4096 }; /* of one rule for one call */

struct boxes {
    struct box *list;
    size_t count, room;
};

/* Reads the mapping below `args:` into the rule. */
int conditions_read(struct reader *r, const struct node *value, const char *where, struct rule *rule);
/* What the rule's conditions are for this call. 0; -1: they do not fit the call (no such argument, a constant that has
 * no meaning there), with *origin and why (512 bytes) saying which. A rule without conditions is one box that holds
 * all. */
int conditions_boxes(const struct rule *rule, int nr, struct boxes *out, struct policy_origin *origin, char *why);
void boxes_free(struct boxes *b);
bool box_holds(const struct box *b, const uint64_t argument[SYSENT_ARGUMENTS]);

#endif
