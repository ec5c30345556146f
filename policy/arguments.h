/* The arguments of calls as a rule speaks of them: names ("flags"), constants (O_CREAT), widths.
 *
 * Widths matter: the kernel takes an int from the low half of a register, so a rule that compared all 64 bits would be
 * passed by with junk in the high half. Values here are the bits the kernel looks at, the others zero. */
#ifndef POLICY_ARGUMENTS_H
#define POLICY_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct argument_width {
    uint64_t mask;  /* the bits that count */
    bool is_signed; /* in a range, the highest of them is the sign */
};

/* The index of the argument called `name` ("0".."5", or its kind's name when only one of the call is of that kind);
 * -1 with *why. */
int argument_index(int nr, const char *name, const char **why);
struct argument_width argument_width(int nr, int index);
/* A value for it: a number, a constant that belongs there, several of both joined by |. -1 with why (WHY_ROOM bytes).
 */
enum { WHY_ROOM = 256 };
int argument_read(int nr, int index, const char *text, uint64_t *value, char *why);

#endif
