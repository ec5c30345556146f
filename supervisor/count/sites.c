/* Learning the sites: the evaluation loop is decoded once from start to end (compilers put no data into code on x86-64), and every
 * place that anything can jump to is noted: direct branches, also of the parts the compiler moved elsewhere, and the tables that
 * computed jumps go by. */
#include "supervisor/count/sites.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The Makefile links a table of jumps in the library's place (tools/lazy_library.sh): what is known needs no disassembler. */
extern int lazy_load_Zydis(void) __attribute__((weak));

enum {
    FUNCTION_MOST = 1 << 20, /* bytes: the loop of 3.13 has 48 KiB */
    COLD_MOST = 1 << 15,     /* instructions of the loop outside its function */
    READ_MOST = 2000,        /* instructions of one of the three functions, and of what it calls */
    BLOCKS_MOST = 512,       /* basic blocks of the same */
    PARTS_MOST = 64,
    TABLES_MOST = 1024, /* of jumps: 3.11 has 160 */
    CHECKS_MOST = 2048, /* loads that are tested, of whatever word: 3.8 has 340 */
    PART_END = 1 << 14, /* structures that have the word in a part of theirs are not larger */
    TABLE_MOST = 4096,  /* entries of a jump table */
    STORES_MOST = 512,
    CALL_DEPTH = 3,
    LOOK_AHEAD = 4,   /* instructions between a load and its test */
    CHECKS_LEAST = 4, /* a loop has at least so many */
};

struct addresses {
    uint64_t *at;
    size_t count, room;
    bool failed;
};

struct analysis {
    struct code_file *file;
    ZydisDecoder decoder;
    uint64_t start, end; /* the evaluation loop's function */
    uint8_t *code;
    uint8_t *looks, *targets; /* a byte per byte of code: an instruction begins here that may look at a field; something
                                * jumps here */
    struct addresses outside; /* where it branches to beyond its end */
    struct addresses tables;  /* data it refers to as a jump table would be */
};

static void add_address(struct addresses *a, uint64_t address)
{
    for (size_t i = a->count; i-- > 0 && a->count - i < 64;) /* the same place is often named again soon */
        if (a->at[i] == address)
            return;
    if (a->count == a->room) {
        size_t room = a->room != 0 ? a->room * 2 : 256;
        uint64_t *at = room <= COLD_MOST ? reallocarray(a->at, room, sizeof *at) : NULL;
        if (at == NULL) {
            a->failed = true;
            return;
        }
        a->at = at;
        a->room = room;
    }
    a->at[a->count++] = address;
}

/* ---- one instruction ------------------------------------------------------------------------------------------------ */

struct decoded {
    ZydisDecodedInstruction is;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const struct analysis *a, const uint8_t *bytes, size_t n, struct decoded *out)
{
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&a->decoder, bytes, n, &out->is, out->operand));
}

static bool is_jump(const ZydisDecodedInstruction *i)
{
    return i->meta.category == ZYDIS_CATEGORY_COND_BR || i->meta.category == ZYDIS_CATEGORY_UNCOND_BR;
}

static bool is_branch(const ZydisDecodedInstruction *i)
{
    return is_jump(i) || i->meta.category == ZYDIS_CATEGORY_CALL || i->meta.category == ZYDIS_CATEGORY_RET ||
           i->meta.category == ZYDIS_CATEGORY_INTERRUPT || i->meta.category == ZYDIS_CATEGORY_SYSCALL;
}

static bool ends_block(const ZydisDecodedInstruction *i)
{
    return i->meta.category == ZYDIS_CATEGORY_UNCOND_BR || i->meta.category == ZYDIS_CATEGORY_RET ||
           i->mnemonic == ZYDIS_MNEMONIC_UD2 || i->mnemonic == ZYDIS_MNEMONIC_HLT || i->mnemonic == ZYDIS_MNEMONIC_INT3;
}

/* The target of a relative branch. */
static bool branch_target(const ZydisDecodedInstruction *i, uint64_t address, uint64_t *target)
{
    if ((i->attributes & ZYDIS_ATTRIB_IS_RELATIVE) == 0 || i->raw.imm[0].size == 0)
        return false;
    *target = address + i->length + (uint64_t)i->raw.imm[0].value.s;
    return true;
}

static ZydisRegister whole(ZydisRegister r)
{
    return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
}

/* A field of a structure that a register points to. */
static bool is_field(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base != ZYDIS_REGISTER_NONE &&
           o->mem.base != ZYDIS_REGISTER_RSP && o->mem.base != ZYDIS_REGISTER_RIP &&
           o->mem.index == ZYDIS_REGISTER_NONE && o->mem.segment != ZYDIS_REGISTER_FS &&
           o->mem.segment != ZYDIS_REGISTER_GS && o->mem.disp.value >= 0 && o->mem.disp.value <= INT32_MAX;
}

/* ---- the whole of the loop, and where anything can jump to ------------------------------------------------------------ */

static void jumps_to(struct analysis *a, uint64_t target)
{
    if (target >= a->start && target < a->end)
        a->targets[target - a->start] = 1;
    else
        add_address(&a->outside, target);
}

/* What could be the address of a jump table: `lea table(%rip)`, `jmp *table(,%reg,8)`, `mov $table`. */
static void note_table(struct analysis *a, const ZydisDecodedInstruction *i, uint64_t address)
{
    uint64_t table = 0;
    if (i->raw.disp.size == 32 && i->raw.modrm.mod == 0 && i->raw.modrm.rm == 5 && i->mnemonic == ZYDIS_MNEMONIC_LEA)
        table = address + i->length + (uint64_t)i->raw.disp.value;
    else if (i->raw.disp.size == 32 && i->raw.modrm.rm == 4 && i->raw.sib.index != 4)
        table = (uint64_t)i->raw.disp.value;
    else if (i->mnemonic == ZYDIS_MNEMONIC_MOV && i->raw.imm[0].size >= 32)
        table = i->raw.imm[0].value.u;
    if (table != 0 && !code_file_executable(a->file, table))
        add_address(&a->tables, table);
}

static void note(struct analysis *a, const ZydisDecodedInstruction *i, uint64_t address)
{
    uint64_t target;
    if (is_jump(i) && branch_target(i, address, &target))
        jumps_to(a, target);
    else
        note_table(a, i, address);
}

static bool sweep(struct analysis *a)
{
    ZydisDecodedInstruction i;
    size_t size = a->end - a->start;
    for (size_t at = 0; at < size; at += i.length) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&a->decoder, NULL, a->code + at, size - at, &i)))
            return false;
        a->looks[at] = (i.mnemonic == ZYDIS_MNEMONIC_MOV || i.mnemonic == ZYDIS_MNEMONIC_CMP ||
                        i.mnemonic == ZYDIS_MNEMONIC_TEST) &&
                       i.raw.disp.size != 0 && i.raw.disp.value > 0;
        note(a, &i, a->start + at);
    }
    return true;
}

/* Parts of the function that stand elsewhere: what it jumps to, as far as straight code goes, and what that jumps to. */
static bool sweep_cold(struct analysis *a)
{
    unsigned budget = COLD_MOST;
    for (size_t n = 0; n < a->outside.count; n++) {
        uint64_t address = a->outside.at[n];
        ZydisDecodedInstruction i;
        do {
            uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
            if (budget-- == 0)
                return false;
            if (!code_file_bytes(a->file, address, bytes, sizeof bytes) ||
                !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&a->decoder, NULL, bytes, sizeof bytes, &i)))
                return false;
            note(a, &i, address);
            address += i.length;
        } while (!ends_block(&i));
    }
    return !a->outside.failed && !a->tables.failed;
}

static void relocated_target(void *context, uint64_t address)
{
    struct analysis *a = context;
    a->targets[address - a->start] = 1;
}

static void read_table(struct analysis *a, uint64_t table)
{
    uint64_t entry;
    int32_t relative;
    for (unsigned i = 0;
         i < TABLE_MOST && code_file_bytes(a->file, table + i * 8, &entry, 8) && entry >= a->start && entry < a->end;
         i++)
        a->targets[entry - a->start] = 1;
    for (unsigned i = 0; i < TABLE_MOST && code_file_bytes(a->file, table + i * 4, &relative, 4); i++) {
        uint64_t target = table + (uint64_t)(int64_t)relative;
        if (target < a->start || target >= a->end)
            break;
        a->targets[target - a->start] = 1;
    }
}

static int find_targets(struct analysis *a)
{
    if (!sweep(a) || !sweep_cold(a))
        return -ENOTSUP;
    if (a->tables.count > TABLES_MOST)
        return -E2BIG;
    for (size_t i = 0; i < a->tables.count; i++)
        read_table(a, a->tables.at[i]);
    return code_file_relative(a->file, a->start, a->end, relocated_target, a) ? 0 : -ENOTSUP;
}

/* ---- what a function writes -------------------------------------------------------------------------------------------- */

struct store {
    int32_t displacement;
    uint8_t size;
};

struct stores {
    struct store store[STORES_MOST];
    size_t count;
    int32_t part[PARTS_MOST]; /* places of structures within structures: their address is made, and may be handed on */
    size_t part_count;
};

/* Code to be read, nearest first: a function's own blocks before those of what it calls. */
struct reading {
    uint64_t block[BLOCKS_MOST];
    uint8_t depth[BLOCKS_MOST]; /* calls away from the function asked about */
    size_t count;
};

static bool stores_have(const struct stores *s, struct store what)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->store[i].displacement == what.displacement && s->store[i].size == what.size)
            return true;
    return false;
}

/* The word is written, as a field of what the function was given or of a part of that. */
static bool writes(const struct stores *s, struct store what)
{
    bool found = stores_have(s, what);
    for (size_t i = 0; !found && i < s->part_count; i++)
        found = what.displacement >= s->part[i] &&
                stores_have(s, (struct store){what.displacement - s->part[i], what.size});
    return found;
}

static void note_part(struct stores *s, const ZydisDecodedOperand *o)
{
    if (o->mem.disp.value > 0 && o->mem.disp.value < PART_END && o->mem.base != ZYDIS_REGISTER_RSP &&
        o->mem.base != ZYDIS_REGISTER_RIP && o->mem.base != ZYDIS_REGISTER_NONE && s->part_count < PARTS_MOST)
        s->part[s->part_count++] = (int32_t)o->mem.disp.value;
}

static void note_stores(struct stores *s, const struct decoded *d)
{
    if (d->is.mnemonic == ZYDIS_MNEMONIC_LEA)
        note_part(s, &d->operand[1]);
    for (unsigned o = 0; o < d->is.operand_count_visible; o++) {
        const ZydisDecodedOperand *op = &d->operand[o];
        if (!is_field(op) || (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0)
            continue;
        struct store what = {(int32_t)op->mem.disp.value, (uint8_t)(op->size / 8)};
        if (s->count < STORES_MOST && !stores_have(s, what))
            s->store[s->count++] = what;
    }
}

/* A call goes to a function of this file, or to its entry in the procedure linkage table. */
static uint64_t through_plt(const struct analysis *a, uint64_t entry)
{
    uint64_t address = entry;
    for (int i = 0; i < 2; i++) { /* endbr64 may come first */
        uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
        struct decoded d;
        uint64_t slot;
        if (!code_file_bytes(a->file, address, bytes, sizeof bytes) || !decode(a, bytes, sizeof bytes, &d))
            return 0;
        if (d.is.mnemonic == ZYDIS_MNEMONIC_JMP && d.operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&d.is, &d.operand[0], address, &slot)))
            return code_file_plt_target(a->file, slot);
        if (d.is.mnemonic != ZYDIS_MNEMONIC_ENDBR64)
            break;
        address += d.is.length;
    }
    return entry;
}

static void read_later(struct reading *r, uint64_t block, uint8_t depth)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->block[i] == block)
            return;
    if (block == 0 || depth > CALL_DEPTH || r->count == BLOCKS_MOST)
        return;
    r->block[r->count] = block;
    r->depth[r->count++] = depth;
}

static void read_block(const struct analysis *a, struct reading *r, size_t n, unsigned *budget, struct stores *s)
{
    uint64_t address = r->block[n], target;
    struct decoded d;
    do {
        uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
        if (*budget == 0 || !code_file_executable(a->file, address) ||
            !code_file_bytes(a->file, address, bytes, sizeof bytes) || !decode(a, bytes, sizeof bytes, &d))
            return;
        --*budget;
        note_stores(s, &d);
        if (branch_target(&d.is, address, &target))
            read_later(r, d.is.meta.category == ZYDIS_CATEGORY_COND_BR ? target : through_plt(a, target),
                       (uint8_t)(r->depth[n] + (d.is.meta.category == ZYDIS_CATEGORY_CALL)));
        address += d.is.length;
    } while (!ends_block(&d.is));
}

static bool stores_of(const struct analysis *a, const char *function, struct stores *out)
{
    struct code_symbol symbol;
    unsigned budget = READ_MOST;
    out->count = out->part_count = 0;
    struct reading *r = malloc(sizeof *r);
    if (r == NULL)
        return false;
    r->count = 0;
    if (code_file_symbol(a->file, function, &symbol))
        read_later(r, symbol.address, 0);
    /* Blocks of less depth first: what is many calls away is read only as far as the budget goes. */
    for (int depth = 0; depth <= CALL_DEPTH; depth++)
        for (size_t n = 0; n < r->count; n++)
            if (r->depth[n] == depth)
                read_block(a, r, n, &budget, out);
    free(r);
    return out->count > 0;
}

/* ---- checks ------------------------------------------------------------------------------------------------------------ */

enum kind { /* of what is done with the word that was loaded */
            TESTS_NOTHING,
            TESTS_ALL, /* any bit */
            TESTS_LOW, /* its low byte: 3.13 keeps a version in the rest */
            COMPARES,  /* with a version elsewhere */
};

struct check {
    uint32_t at; /* offset in the function */
    struct store word;
    enum kind kind;
};

/* What an instruction does with the value in a register. */
static enum kind use_of(const struct decoded *d, ZydisRegister loaded)
{
    const ZydisDecodedOperand *o = d->operand;
    bool both = o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
    if (d->is.mnemonic == ZYDIS_MNEMONIC_TEST && both && o[0].reg.value == o[1].reg.value &&
        whole(o[0].reg.value) == loaded)
        return o[0].size == 8 ? TESTS_LOW : TESTS_ALL;
    if (d->is.mnemonic == ZYDIS_MNEMONIC_TEST && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        whole(o[0].reg.value) == loaded)
        return TESTS_LOW; /* with a mask */
    if (d->is.mnemonic != ZYDIS_MNEMONIC_CMP)
        return TESTS_NOTHING;
    for (int i = 0; i < 2; i++)
        if (o[i].type == ZYDIS_OPERAND_TYPE_REGISTER && whole(o[i].reg.value) == loaded && is_field(&o[1 - i]))
            return COMPARES;
    return TESTS_NOTHING;
}

/* `at`: of a load into a register. What becomes of it before the next branch. */
static enum kind follow(const struct analysis *a, size_t at, ZydisRegister loaded)
{
    struct decoded d;
    for (int n = 0; n < LOOK_AHEAD && at < a->end - a->start; n++, at += d.is.length) {
        if (!decode(a, a->code + at, a->end - a->start - at, &d))
            return TESTS_NOTHING;
        enum kind kind = use_of(&d, loaded);
        if (kind != TESTS_NOTHING)
            return kind;
        if (is_branch(&d.is) && d.is.meta.category != ZYDIS_CATEGORY_COND_BR)
            return TESTS_NOTHING;
    }
    return TESTS_NOTHING;
}

/* True: the instruction at this offset looks at a field. */
static bool is_check(const struct analysis *a, size_t at, struct check *out)
{
    struct decoded d;
    if (!decode(a, a->code + at, a->end - a->start - at, &d))
        return false;
    const ZydisDecodedOperand *o = d.operand;
    out->at = (uint32_t)at;
    out->kind = TESTS_NOTHING;
    if (d.is.mnemonic == ZYDIS_MNEMONIC_MOV && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[0].size >= 32 &&
        is_field(&o[1])) {
        out->word = (struct store){(int32_t)o[1].mem.disp.value, (uint8_t)(o[1].size / 8)};
        out->kind = follow(a, at + d.is.length, whole(o[0].reg.value));
    } else if ((d.is.mnemonic == ZYDIS_MNEMONIC_CMP || d.is.mnemonic == ZYDIS_MNEMONIC_TEST) && is_field(&o[0]) &&
               o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
               (d.is.mnemonic == ZYDIS_MNEMONIC_TEST || o[1].imm.value.u == 0)) {
        out->word = (struct store){(int32_t)o[0].mem.disp.value, (uint8_t)(o[0].size / 8)};
        out->kind = o[0].size == 8 ? TESTS_LOW : TESTS_ALL;
    }
    return out->kind != TESTS_NOTHING;
}

struct checks {
    struct check *check;
    size_t count;
};

static int find_checks(const struct analysis *a, struct checks *out)
{
    size_t room = 0;
    *out = (struct checks){0};
    for (size_t at = 0; at < a->end - a->start; at++) {
        struct check c;
        if (!a->looks[at] || !is_check(a, at, &c))
            continue;
        if (out->count == room) {
            room = room != 0 ? room * 2 : CHECKS_MOST / 4;
            struct check *more = room <= CHECKS_MOST ? reallocarray(out->check, room, sizeof *more) : NULL;
            if (more == NULL) {
                free(out->check);
                return room <= CHECKS_MOST ? -ENOMEM : -E2BIG;
            }
            out->check = more;
        }
        out->check[out->count++] = c;
    }
    return 0;
}

/* A byte that is tested in memory is the low one of the word. */
static bool same_word(struct store a, struct store b)
{
    return a.displacement == b.displacement && (a.size == b.size || a.size == 1 || b.size == 1);
}

static size_t tests_of(const struct checks *all, struct store word)
{
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++)
        n += same_word(all->check[i].word, word) && all->check[i].kind != COMPARES &&
             (all->check[i].kind == TESTS_LOW) == (word.size == 8); /* flags in a word of 64 bits are below a version */
    return n;
}

/* The word that all three functions write and the loop tests most. */
static bool find_word(const struct analysis *a, const struct checks *all, struct store *word)
{
    struct stores by[3];
    size_t best = 0;
    bool tie = false;
    if (!stores_of(a, "PyErr_SetInterrupt", &by[0]) || !stores_of(a, "Py_AddPendingCall", &by[1]) ||
        !stores_of(a, "PyThreadState_SetAsyncExc", &by[2]))
        return false;
    for (size_t i = 0; i < all->count; i++) {
        struct store w = all->check[i].word;
        if ((w.size != 4 && w.size != 8) || w.displacement == 0 ||
            (w.displacement == word->displacement && w.size == word->size))
            continue;
        size_t n = tests_of(all, w);
        if (n < best || !writes(&by[0], w) || !writes(&by[1], w) || !writes(&by[2], w))
            continue;
        tie = n == best;
        best = n;
        *word = w;
    }
    return best >= CHECKS_LEAST && !tie;
}

/* ---- sites ------------------------------------------------------------------------------------------------------------- */

/* The flags are not looked at before they are set again. */
static bool flags_dead(const struct analysis *a, size_t at)
{
    const ZydisAccessedFlagsMask all =
        ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF;
    for (;;) {
        ZydisDecodedInstruction i;
        if (at >= a->end - a->start ||
            !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&a->decoder, NULL, a->code + at, a->end - a->start - at, &i)))
            return false;
        const ZydisAccessedFlags *f = i.cpu_flags;
        if (f != NULL && (f->tested & (all | ZYDIS_CPUFLAG_AF)) != 0)
            return false;
        if (f != NULL && ((f->modified | f->set_0 | f->set_1 | f->undefined) & all) == all)
            return true;
        if (is_branch(&i))
            return false;
        at += i.length;
    }
}

static bool is_rip_relative(const ZydisDecodedInstruction *i)
{
    return i->raw.disp.size == 32 && i->raw.modrm.mod == 0 && i->raw.modrm.rm == 5;
}

static bool make_site(const struct analysis *a, size_t at, struct code_site *out)
{
    size_t length = 0, relative_at = 0;
    if (!flags_dead(a, at))
        return false;
    while (length < SITE_JUMP) {
        ZydisDecodedInstruction i;
        if (at + length >= a->end - a->start || (length > 0 && a->targets[at + length]) ||
            !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&a->decoder, NULL, a->code + at + length,
                                                        a->end - a->start - at - length, &i)) ||
            is_branch(&i))
            return false;
        if (is_rip_relative(&i))
            relative_at = length + i.raw.disp.offset; /* it is long enough to be the last */
        else if ((i.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0)
            return false;
        length += i.length;
    }
    *out = (struct code_site){.address = a->start + at, .length = (uint8_t)length, .relative_at = (uint8_t)relative_at};
    memcpy(out->bytes, a->code + at, length);
    return true;
}

static int choose(const struct analysis *a, struct code_sites *out)
{
    struct checks all;
    struct store word = {0, 0};
    int error = find_checks(a, &all);
    if (error < 0)
        return error;
    bool found = find_word(a, &all, &word);
    out->displacement = word.displacement;
    out->size = word.size;
    for (size_t i = 0; found && i < all.count; i++) {
        const struct check *c = &all.check[i];
        if (!same_word(c->word, word) || (word.size == 8 && c->kind == TESTS_ALL) ||
            (word.size == 4 && c->kind != TESTS_ALL))
            continue;
        const struct code_site *last = out->count > 0 ? &out->site[out->count - 1] : NULL;
        if (out->count < SITES_MAX && (last == NULL || last->address + last->length <= a->start + c->at) &&
            make_site(a, c->at, &out->site[out->count]))
            out->count++;
        else
            out->refused++;
    }
    free(all.check);
    return found && out->count >= CHECKS_LEAST ? 0 : -ENOTSUP;
}

int sites_learn(struct code_file *f, struct code_sites *out)
{
    struct code_symbol loop;
    struct analysis a = {.file = f};
    memset(out, 0, sizeof *out);
    if (!code_file_symbol(f, "_PyEval_EvalFrameDefault", &loop))
        return -ENOENT;
    if (lazy_load_Zydis != NULL && lazy_load_Zydis() < 0)
        return -ELIBACC;
    if (loop.size < 64 || loop.size > FUNCTION_MOST || !code_file_executable(f, loop.address) ||
        !ZYAN_SUCCESS(ZydisDecoderInit(&a.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
        return -ENOTSUP;
    a.start = loop.address;
    a.end = loop.address + loop.size;
    a.code = malloc(loop.size);
    a.looks = calloc(1, loop.size);
    a.targets = calloc(1, loop.size);
    int error = a.code == NULL || a.looks == NULL || a.targets == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = code_file_bytes(f, a.start, a.code, loop.size) ? find_targets(&a) : -ENOTSUP;
    if (error == 0)
        error = choose(&a, out);
    free(a.code);
    free(a.looks);
    free(a.targets);
    free(a.outside.at);
    free(a.tables.at);
    return error;
}
