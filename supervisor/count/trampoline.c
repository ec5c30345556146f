/* Writing trampolines, byte by byte: there are a dozen instructions, and their encoding is part of what is promised. */
#include "supervisor/count/trampoline.h"

#include "supervisor/count/takes.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/glass.h"

#include <string.h>

enum {
    BACK_AT = 11, /* behind sub and jle */
    STOP_AT = 64, /* the same in every trampoline, so that an address tells what it is */
    AFTER_AT = STOP_AT + 5 + 4 + 5 + 2,
    NEAR_JUMP = 5, /* bytes of jmp rel32 */
};

struct writer {
    uint8_t *bytes;
    size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

#define PUT(w, ...) put(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* jmp, or call, from `from` to `to`. False: beyond rel32. */
static bool put_branch(struct writer *w, uint8_t opcode, uint64_t from, uint64_t to)
{
    int64_t distance = (int64_t)(to - (from + NEAR_JUMP));
    int32_t rel = (int32_t)distance;
    if (rel != distance)
        return false;
    PUT(w, opcode);
    put(w, &rel, sizeof rel);
    return true;
}

static bool put_jump(struct writer *w, uint64_t from, uint64_t to)
{
    return put_branch(w, 0xe9, from, to);
}

/* The site's instructions, for where they stand now: what is relative to rip is not any more. */
static bool put_moved(struct writer *w, const struct code_site *site, uint64_t site_at, uint64_t at)
{
    uint8_t moved[SITE_BYTES_MAX];
    int32_t rel;
    memcpy(moved, site->bytes, site->length);
    if (site->relative_at != 0) {
        if (site->relative_at + sizeof rel > site->length)
            return false;
        memcpy(&rel, moved + site->relative_at, sizeof rel);
        int64_t distance = rel + (int64_t)site_at - (int64_t)(at + w->n);
        rel = (int32_t)distance;
        if (rel != distance)
            return false;
        memcpy(moved + site->relative_at, &rel, sizeof rel);
    }
    put(w, moved, site->length);
    return true;
}

bool trampoline_build(const struct code_site *site, uint64_t site_at, uint64_t at, uint32_t left,
                      uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX])
{
    const uint32_t nr = GLASS_COUNT;
    struct writer w = {out, 0}, j = {jump, 0};
    memset(out, 0xcc, TRAMPOLINE_SIZE); /* int3: what is never reached */
    memset(jump, 0xcc, SITE_BYTES_MAX);
    if (left > INT32_MAX || site->length < SITE_JUMP || site->length > SITE_BYTES_MAX)
        return false;
    PUT(&w, 0x48, 0x83, 0x2c, 0x25); /* subq $imm8, disp32 */
    put(&w, &left, sizeof left);
    PUT(&w, CLOCK_CHECK_NS);
    PUT(&w, 0x7e, STOP_AT - BACK_AT); /* jle stop */
    if (w.n != BACK_AT || !put_moved(&w, site, site_at, at) || !put_jump(&w, at + w.n, site_at + site->length) ||
        w.n > STOP_AT)
        return false;
    w.n = STOP_AT;
    PUT(&w, 0x48, 0x8d, 0x64, 0x24, 0x80); /* lea -128(%rsp), %rsp */
    PUT(&w, 0x50, 0x51, 0x41, 0x53);       /* push %rax, %rcx, %r11 */
    PUT(&w, 0xb8);                         /* mov $nr, %eax */
    put(&w, &nr, sizeof nr);
    PUT(&w, 0x0f, 0x05);                           /* syscall */
    PUT(&w, 0x41, 0x5b, 0x59, 0x58);               /* pop %r11, %rcx, %rax */
    PUT(&w, 0x48, 0x8d, 0xa4, 0x24, 128, 0, 0, 0); /* lea 128(%rsp), %rsp */
    if (!put_jump(&w, at + w.n, at + BACK_AT))
        return false;
    return put_jump(&j, site_at, at);
}

bool trampoline_build_take(const struct code_site *site, bool gives, uint64_t site_at, uint64_t at, uint32_t name,
                           uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX])
{
    enum { REX_W = 0x48, REX_R = 4, REX_B = 1, BY_BYTE = 0x40, TAKE = 23 };
    struct writer w = {out, 0}, j = {jump, 0};
    const uint8_t *b = site->bytes; /* lock, rex, 0f b1, modrm, perhaps a displacement of 0 */
    memset(out, 0xcc, TRAMPOLINE_SIZE);
    memset(jump, 0xcc, SITE_BYTES_MAX);
    if (name > INT32_MAX || site->length < SITE_JUMP || site->length > SITE_BYTES_MAX || b[0] != 0xf0 ||
        (b[1] & ~(REX_R | REX_B)) != REX_W || b[2] != 0x0f || b[3] != 0xb1 || (b[4] & 7) == 4)
        return false;
    const uint8_t high = b[1] & REX_B, base = BY_BYTE | (b[4] & 7);
    if (gives)
        PUT(&w, REX_W | high, 0xc7, base, TAKES_NAME, 0, 0, 0, 0); /* movq $0, TAKES_NAME(%base) */
    if (!put_moved(&w, site, site_at, at))
        return false;
    if (!gives) {
        PUT(&w, 0x75, TAKE + (high != 0));     /* jne back */
        PUT(&w, 0x48, 0x8d, 0x64, 0x24, 0x80); /* lea -128(%rsp), %rsp */
        PUT(&w, 0xff, 0x34, 0x25);             /* push name */
        put(&w, &name, sizeof name);
        if (high != 0)
            PUT(&w, 0x41);
        PUT(&w, 0x8f, base, TAKES_NAME);               /* pop TAKES_NAME(%base) */
        PUT(&w, 0x48, 0x8d, 0xa4, 0x24, 128, 0, 0, 0); /* lea 128(%rsp), %rsp */
    }
    return put_jump(&w, at + w.n, site_at + site->length) && put_jump(&j, site_at, at);
}

bool trampoline_build_call(const struct code_site *site, uint64_t site_at, uint64_t at, uint32_t lent, uint32_t names,
                           uint64_t answers, uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX])
{
    enum { SYSCALL = 2, COMPARE = 7 + 2, PAST = 5 + NEAR_JUMP + 8 + 2 };
    struct writer w = {out, 0}, j = {jump, 0};
    memset(out, 0xcc, TRAMPOLINE_SIZE);
    memset(jump, 0xcc, SITE_BYTES_MAX);
    if (lent > INT32_MAX || names > INT32_MAX || site->length < SITE_JUMP || site->length > SITE_BYTES_MAX ||
        site->bytes[0] != 0x0f || site->bytes[1] != 0x05 || site->relative_at != 0)
        return false;
    PUT(&w, 0x3b, 0x3c, 0x25); /* cmp disp32, %edi */
    put(&w, &lent, sizeof lent);
    PUT(&w, 0x74, COMPARE);    /* je ask */
    PUT(&w, 0x3b, 0x3c, 0x25); /* cmp disp32, %edi */
    put(&w, &names, sizeof names);
    PUT(&w, 0x75, PAST);                   /* jne call */
    PUT(&w, 0x48, 0x8d, 0x64, 0x24, 0x80); /* lea -128(%rsp), %rsp */
    if (!put_branch(&w, 0xe8, at + w.n, answers))
        return false;
    PUT(&w, 0x48, 0x8d, 0xa4, 0x24, 128, 0, 0, 0); /* lea 128(%rsp), %rsp */
    PUT(&w, 0xe3, SYSCALL);                        /* jrcxz behind */
    put(&w, site->bytes, site->length);
    return put_jump(&w, at + w.n, site_at + site->length) && put_jump(&j, site_at, at);
}

bool trampoline_calls(uint64_t start, uint32_t n, uint64_t address)
{
    return address >= start && address - start < (uint64_t)n * TRAMPOLINE_SIZE &&
           (address - start) % TRAMPOLINE_SIZE == AFTER_AT;
}
