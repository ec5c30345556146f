/* Three bytes tell such an instruction, and may stand in the middle of another one. So what comes before is decoded from several places:
 * instructions of x86 fall into step after a few. */
#include "supervisor/untrapped.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int lazy_load_Zydis(void) __attribute__((weak)); /* see supervisor/count/sites.c */

enum {
    FILES_MOST = 1024,
    STRETCH_MOST = 256 << 20,
    CHUNK = 1 << 20,
    BEFORE = 64, /* bytes that are decoded before one is met */
    TRIES = 16,  /* places to begin at … */
    AGREE = 12,  /* … and how many must meet it */
};

const char *untrapped_name(enum untrapped what)
{
    static const char *const names[UNTRAPPED_COUNT] = {"RDRAND", "RDSEED", "RDPID"};
    return names[what];
}

/* What stands across `at` when decoding begins at `from`: its bit, or 0. */
static unsigned met(const ZydisDecoder *decoder, const uint8_t *code, size_t n, size_t from, size_t at)
{
    ZydisDecodedInstruction i = {0};
    while (from <= at) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, code + from, n - from, &i)))
            i = (ZydisDecodedInstruction){.length = 1};
        from += i.length;
    }
    return i.mnemonic == ZYDIS_MNEMONIC_RDRAND   ? 1U << UNTRAPPED_RDRAND
           : i.mnemonic == ZYDIS_MNEMONIC_RDSEED ? 1U << UNTRAPPED_RDSEED
           : i.mnemonic == ZYDIS_MNEMONIC_RDPID  ? 1U << UNTRAPPED_RDPID
                                                 : 0;
}

static unsigned one_of(const uint8_t *code, size_t n, size_t at)
{
    ZydisDecoder decoder;
    unsigned votes[UNTRAPPED_COUNT] = {0}, found = 0;
    if ((lazy_load_Zydis != NULL && lazy_load_Zydis() < 0) ||
        !ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
        return 0;
    for (size_t k = 0; k < TRIES; k++) {
        unsigned bit = met(&decoder, code, n, at < BEFORE - k ? 0 : at - BEFORE + k, at);
        for (unsigned i = 0; i < UNTRAPPED_COUNT; i++)
            votes[i] += bit >> i & 1;
    }
    for (unsigned i = 0; i < UNTRAPPED_COUNT; i++)
        found |= votes[i] >= AGREE ? 1U << i : 0;
    return found;
}

/* 0f c7 /6 and /7 with a register; a prefix may stand before. */
static unsigned look_at(const uint8_t *code, size_t n)
{
    const unsigned all = (1U << UNTRAPPED_COUNT) - 1;
    unsigned found = 0;
    for (const uint8_t *at = code; found != all && n - (size_t)(at - code) >= 3; at++) {
        at = memmem(at, n - (size_t)(at - code), "\x0f\xc7", 2);
        if (at == NULL || n - (size_t)(at - code) < 3)
            break;
        if (at[2] >= 0xf0)
            found |= one_of(code, n, (size_t)(at - code));
    }
    return found;
}

static unsigned look_in(int fd, uint64_t offset, uint64_t length)
{
    unsigned found = 0;
    uint8_t *code = malloc(CHUNK);
    for (uint64_t done = 0; code != NULL && done < length;) {
        size_t n = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
        ssize_t got = pread(fd, code, n, (off_t)(offset + done));
        if (got <= 0)
            break;
        found |= look_at(code, (size_t)got);
        if ((size_t)got <= 2 * BEFORE || done + (uint64_t)got >= length)
            break;
        done += (uint64_t)got - BEFORE; /* what stands across two chunks */
    }
    free(code);
    return found;
}

void untrapped_look(struct holder *h, const struct file_mapping *m, struct file *f, const struct dentry *root,
                    uint64_t length)
{
    char path[VFS_PATH_MAX + 16];
    unsigned count = 0;
    if (h->report == NULL || length > STRETCH_MOST)
        return;
    for (const struct untrapped_file *u = h->untrapped; u != NULL; u = u->next, count++)
        if (u->key == m->key && u->offset == m->offset && m->lasting)
            return;
    if (count >= FILES_MOST || file_name(f, root, path, sizeof path) < 0)
        return;
    size_t size = strlen(path) + 1;
    struct untrapped_file *u = malloc(sizeof *u + size);
    if (u == NULL)
        return;
    *u = (struct untrapped_file){h->untrapped, m->key, m->offset, look_in(m->fd, m->offset, length)};
    memcpy(u->path, path, size);
    h->untrapped = u;
}

void untrapped_forget_all(struct holder *h)
{
    while (h->untrapped != NULL) {
        struct untrapped_file *u = h->untrapped;
        h->untrapped = u->next;
        free(u);
    }
}
