/* Bytes that look like chance and are a function of the world's seed: one stream per purpose and number, so that what one
 * connection draws moves no other. */
#ifndef NETWORK_CHANCE_H
#define NETWORK_CHANCE_H

#include <stddef.h>
#include <stdint.h>

struct chance {
    uint8_t key[32];
    uint64_t position; /* bytes drawn */
};

/* name: text that tells what it is for; number: which of these. */
void chance_init(struct chance *c, uint64_t seed, const char *purpose, const char *name, uint64_t number);
void chance_draw(struct chance *c, void *to, size_t n);

#endif
