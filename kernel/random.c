/* Streams of ChaCha20 (libsodium): block by counter, so that a position in a stream is all there is to its state. */
#include "kernel/random.h"

#include <sodium.h>
#include <string.h>

void random_init(struct random *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    for (int stream = 0; stream < RANDOM_STREAMS; stream++) {
        uint8_t input[16] = {0};
        memcpy(input, &seed, sizeof seed);
        input[8] = (uint8_t)stream;
        (void)crypto_generichash(r->key[stream], sizeof r->key[stream], input, sizeof input,
                                 (const uint8_t *)"terrarium random", 16);
    }
}

void random_bytes(struct random *r, enum random_stream stream, void *to, size_t n)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint8_t *out = to, block[64];
    while (n > 0) {
        uint64_t position = r->position[stream];
        size_t skip = position % sizeof block, whole = n / sizeof block * sizeof block, part;
        if (skip == 0 && whole > 0) {
            part = whole;
            memset(out, 0, part);
            crypto_stream_chacha20_xor_ic(out, out, part, nonce, position / sizeof block, r->key[stream]);
        } else {
            part = sizeof block - skip < n ? sizeof block - skip : n;
            memset(block, 0, sizeof block);
            crypto_stream_chacha20_xor_ic(block, block, sizeof block, nonce, position / sizeof block, r->key[stream]);
            memcpy(out, block + skip, part);
        }
        r->position[stream] += part;
        out += part;
        n -= part;
    }
}
