/* The kernel's constants by name, in sets: one set for what stands in one kind of argument. Only arguments.c and
 * `policy explain` look here. */
#ifndef POLICY_CONSTANTS_H
#define POLICY_CONSTANTS_H

#include <stdint.h>

struct constant {
    const char *name; /* NULL ends a set */
    uint64_t value;
};

/* The sets that hold for an argument: its kind's own, and the call's ("socket" has AF_ and SOCK_). At most two, NULL
 * where there is none. */
void constants_for(int nr, int index, const struct constant *sets[2]);

#endif
