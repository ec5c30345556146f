/* Names and addresses of one world: made-up addresses for names that have none, and the way back from an address to the names
 * the guest knows it by. */
#ifndef NETWORK_NAMES_H
#define NETWORK_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;
struct network_policy;

/* Names that the policy spells out have their addresses from the start. NULL: out of memory. */
struct names *names_new(const struct network_policy *p);
void names_free(struct names *n); /* NULL is allowed */
/* The address of a name without one: of the networks for documentation (RFC 5737), then of that for measurements (RFC 2544);
 * the same in every run, one per name. false: too many names. */
bool names_make_up(struct names *n, const char *name, uint8_t ip[16]);
void names_learn(struct names *n, const char *name, const uint8_t ip[16]); /* the guest was told */
/* The index-th name of an address, the one told last first; NULL: no more. */
const char *names_of(const struct names *n, const uint8_t ip[16], size_t index);

#endif
