/* See known.h. Who takes the trouble to make another file of the same identity has jumps written into his own text at places that hold
 * the same bytes, and nothing else: the table says nothing that a guest could not do to itself. */
#include "supervisor/count/known.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PAGE = 4096, LOOP_MOST = 1 << 20 };

bool known_identity(struct code_file *f, uint8_t out[KNOWN_IDENTITY])
{
    struct code_symbol loop;
    uint8_t first[FIRST_PAGE];
    if ((!code_file_symbol(f, "_PyEval_EvalFrameDefault", &loop) && !code_file_symbol(f, "sem_post", &loop)) ||
        loop.size > LOOP_MOST || f->read(f->context, 0, first, sizeof first) != sizeof first)
        return false;
    uint8_t *code = malloc(loop.size);
    bool read = code != NULL && code_file_bytes(f, loop.address, code, loop.size);
    if (read) {
        crypto_generichash_state state;
        crypto_generichash_init(&state, NULL, 0, KNOWN_IDENTITY);
        crypto_generichash_update(&state, (const uint8_t *)&loop, sizeof loop);
        crypto_generichash_update(&state, first, sizeof first);
        crypto_generichash_update(&state, code, loop.size);
        crypto_generichash_final(&state, out, KNOWN_IDENTITY);
    }
    free(code);
    return read;
}

static const struct known_file *known(struct code_file *f, bool takes)
{
    uint8_t identity[KNOWN_IDENTITY];
    if (known_file_count == 0 || !known_identity(f, identity))
        return NULL;
    for (size_t i = 0; i < known_file_count; i++)
        if (memcmp(known_files[i].identity, identity, sizeof identity) == 0 && (known_files[i].kind != NULL) == takes)
            return &known_files[i];
    return NULL;
}

bool known_sites(struct code_file *f, struct code_sites *out)
{
    const struct known_file *k = known(f, false);
    if (k == NULL)
        return false;
    *out = (struct code_sites){.displacement = k->displacement, .size = k->size, .count = k->count};
    memcpy(out->site, k->site, k->count * sizeof *k->site);
    return true;
}

bool known_takes(struct code_file *f, struct code_takes *out)
{
    const struct known_file *k = known(f, true);
    if (k == NULL)
        return false;
    memset(out, 0, sizeof *out);
    out->count = k->count;
    memcpy(out->site, k->site, k->count * sizeof *k->site);
    memcpy(out->kind, k->kind, k->count * sizeof *k->kind);
    return true;
}
