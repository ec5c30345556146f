/* ChaCha20 under a key that BLAKE2b makes of seed, purpose, name and number (libsodium). */
#include "network/chance.h"

#include <sodium.h>
#include <string.h>

void chance_init(struct chance *c, uint64_t seed, const char *purpose, const char *name, uint64_t number)
{
    crypto_generichash_state state;
    const uint64_t numbers[2] = {seed, number};
    crypto_generichash_init(&state, NULL, 0, sizeof c->key);
    crypto_generichash_update(&state, (const unsigned char *)numbers, sizeof numbers);
    crypto_generichash_update(&state, (const unsigned char *)purpose, strlen(purpose) + 1);
    crypto_generichash_update(&state, (const unsigned char *)name, strlen(name) + 1);
    crypto_generichash_final(&state, c->key, sizeof c->key);
    c->position = 0;
}

void chance_draw(struct chance *c, void *to, size_t n)
{
    static const unsigned char nonce[crypto_stream_chacha20_NONCEBYTES];
    unsigned char block[64];
    unsigned char *out = to;
    while (n > 0) {
        size_t skip = c->position % sizeof block, some = sizeof block - skip < n ? sizeof block - skip : n;
        memset(block, 0, sizeof block);
        crypto_stream_chacha20_xor_ic(block, block, sizeof block, nonce, c->position / sizeof block, c->key);
        memcpy(out, block + skip, some);
        out += some;
        n -= some;
        c->position += some;
    }
}
