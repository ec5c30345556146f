/* Learning where semaphores change hands, and where calls are made. Each function is followed from its entry over its jumps, not into what it calls; its last jump
 * may be into another function, where the library sleeps and tries again. */
#include "supervisor/count/takes.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <string.h>

extern int lazy_load_Zydis(void) __attribute__((weak)); /* see sites.c */

enum {
    BLOCKS_MOST = 64, /* of one function */
    READ_MOST = 1000, /* instructions of one function */
};

struct walk {
    const struct code_file *file;
    ZydisDecoder decoder;
    struct code_takes *out;
    enum takes_kind kind;
    uint64_t first_call; /* the lowest `syscall` of the function; 0: none yet */
    uint64_t block[BLOCKS_MOST];
    size_t count;
    unsigned left;
};

struct decoded {
    ZydisDecodedInstruction is;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

struct change { /* what a register holds: a semaphore's value, and so many more */
    ZydisRegister in;
    int by;
};

static void read_later(struct walk *w, uint64_t address)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->block[i] == address)
            return;
    if (w->count < BLOCKS_MOST && code_file_executable(w->file, address))
        w->block[w->count++] = address;
}

/* What is to be the new value: one more or less than the old one; or a waiter less and one less (glibc's nptl/sem_waitcommon.c, where
 * waiters are counted in the upper half). */
static void note_change(struct change *c, const struct decoded *d)
{
    const ZydisDecodedOperand *o = d->operand;
    if (d->is.mnemonic == ZYDIS_MNEMONIC_LEA && o[1].mem.base == ZYDIS_REGISTER_RAX &&
        o[1].mem.index == ZYDIS_REGISTER_NONE && (o[1].mem.disp.value == 1 || o[1].mem.disp.value == -1))
        *c = (struct change){o[0].reg.value, (int)o[1].mem.disp.value};
    else if (d->is.mnemonic == ZYDIS_MNEMONIC_MOV && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o[1].imm.value.u == UINT64_C(0xfffffffeffffffff))
        *c = (struct change){o[0].reg.value, -1};
}

/* lock cmpxchg %reg, (%base) */
static bool changes_value(const struct decoded *d, const struct change *c, enum takes_kind kind)
{
    const ZydisDecodedOperand *o = d->operand;
    return kind != TAKES_CALL && d->is.mnemonic == ZYDIS_MNEMONIC_CMPXCHG &&
           (d->is.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0 && d->is.length >= SITE_JUMP &&
           o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && o[0].size == 64 && o[0].mem.disp.value == 0 &&
           o[0].mem.index == ZYDIS_REGISTER_NONE && d->is.raw.modrm.rm != 4 && o[0].mem.base >= ZYDIS_REGISTER_RAX &&
           o[0].mem.base <= ZYDIS_REGISTER_R15 && o[0].mem.segment != ZYDIS_REGISTER_FS &&
           o[0].mem.segment != ZYDIS_REGISTER_GS && o[1].reg.value == c->in && c->by == (kind == TAKES_GIVE ? 1 : -1);
}

static void keep(struct walk *w, uint64_t address, const uint8_t *bytes, size_t length)
{
    struct code_takes *t = w->out;
    size_t at = 0;
    while (at < t->count && t->site[at].address < address)
        at++;
    if (t->count == TAKES_MAX || (at < t->count && t->site[at].address == address))
        return;
    memmove(&t->site[at + 1], &t->site[at], (t->count - at) * sizeof t->site[0]);
    memmove(&t->kind[at + 1], &t->kind[at], (t->count - at) * sizeof t->kind[0]);
    t->site[at] = (struct code_site){.address = address, .length = (uint8_t)length};
    memcpy(t->site[at].bytes, bytes, length);
    t->kind[at] = (uint8_t)w->kind;
    t->count++;
}

static void read_block(struct walk *w, uint64_t address)
{
    struct change change = {ZYDIS_REGISTER_NONE, 0};
    for (; w->left > 0; w->left--) {
        struct decoded d;
        uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
        if (!code_file_bytes(w->file, address, bytes, sizeof bytes) ||
            !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&w->decoder, bytes, sizeof bytes, &d.is, d.operand)))
            return;
        if (changes_value(&d, &change, w->kind))
            keep(w, address, bytes, d.is.length);
        if (w->kind == TAKES_CALL && d.is.mnemonic == ZYDIS_MNEMONIC_SYSCALL && address - 1 < w->first_call - 1)
            w->first_call = address;
        note_change(&change, &d);
        bool jumps = d.is.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
        if ((jumps || d.is.meta.category == ZYDIS_CATEGORY_COND_BR) &&
            (d.is.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0)
            read_later(w, address + d.is.length + (uint64_t)d.is.raw.imm[0].value.s);
        if (jumps || d.is.meta.category == ZYDIS_CATEGORY_RET || d.is.mnemonic == ZYDIS_MNEMONIC_HLT)
            return;
        address += d.is.length;
    }
}

/* `syscall`, and as many instructions behind it as a jump takes: none that depends on where it stands, and none that is jumped to. */
static void keep_call(struct walk *w, uint64_t address)
{
    uint8_t bytes[SITE_BYTES_MAX];
    size_t length = 0;
    if (!code_file_bytes(w->file, address, bytes, sizeof bytes))
        return;
    while (length < SITE_JUMP) {
        struct decoded d;
        if (!ZYAN_SUCCESS(
                ZydisDecoderDecodeFull(&w->decoder, bytes + length, sizeof bytes - length, &d.is, d.operand)) ||
            (d.is.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0 || d.is.meta.category == ZYDIS_CATEGORY_RET ||
            (length > 0 && d.is.meta.category == ZYDIS_CATEGORY_SYSCALL))
            return;
        length += d.is.length;
    }
    for (size_t i = 0; i < w->count; i++)
        if (w->block[i] > address && w->block[i] < address + length)
            return;
    keep(w, address, bytes, length);
}

/* True: something was found in it. */
static bool read_function(struct walk *w, const char *name, enum takes_kind kind)
{
    struct code_symbol symbol;
    uint32_t before = w->out->count;
    w->kind = kind;
    w->first_call = 0;
    w->left = READ_MOST;
    w->count = 0;
    if (code_file_symbol(w->file, name, &symbol))
        read_later(w, symbol.address);
    for (size_t i = 0; i < w->count; i++)
        read_block(w, w->block[i]);
    if (w->first_call != 0)
        keep_call(w, w->first_call);
    return w->out->count > before;
}

int takes_learn(struct code_file *f, struct code_takes *out)
{
    static const char *const take[] = {"sem_trywait", "sem_wait", "sem_timedwait", "sem_clockwait"};
    static const char *const call[] = {"read",  "write", "lseek64",    "fstatat64",       "tcgetattr",
                                       "ioctl", "close", "getdents64", "__read_nocancel", "__close_nocancel"};
    struct code_symbol symbol;
    struct walk w = {.file = f, .out = out};
    memset(out, 0, sizeof *out);
    if (!code_file_symbol(f, "sem_trywait", &symbol) || !code_file_symbol(f, "sem_post", &symbol))
        return -ENOENT;
    if (lazy_load_Zydis != NULL && lazy_load_Zydis() < 0)
        return -ELIBACC;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&w.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
        return -ENOTSUP;
    /* Who is not seen to take leaves no name. Who is not seen to give would leave a wrong one. */
    bool found = read_function(&w, "sem_post", TAKES_GIVE);
    for (size_t i = 0; i < sizeof take / sizeof *take; i++)
        found = (read_function(&w, take[i], TAKES_TAKE) || i > 0) && found;
    if (!found)
        out->count = 0;
    for (size_t i = 0; found && i < sizeof call / sizeof *call; i++)
        (void)read_function(&w, call[i], TAKES_CALL);
    return found ? 0 : -ENOTSUP;
}
