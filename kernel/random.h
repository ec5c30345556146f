/* The world's chance: ChaCha20 streams (libsodium) from the policy's seed, one per purpose so that drawing from one does not
 * move another. */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum random_stream { RANDOM_GUEST, RANDOM_AUXV, RANDOM_SCHEDULE, RANDOM_STREAMS };

struct random {
    uint8_t key[RANDOM_STREAMS][32];
    uint64_t position[RANDOM_STREAMS]; /* bytes drawn */
};

void random_init(struct random *r, uint64_t seed);
void random_bytes(struct random *r, enum random_stream stream, void *to, size_t n);

#endif
