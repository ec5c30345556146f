// rooms: supervisor/count/code_file supervisor/count/sites supervisor/count/takes supervisor/count/trampoline supervisor/count/known supervisor/count/known_table
/* What is learned of an interpreter's file, and what is written in place of it; with the file damaged in every way that a hostile image
 * could be. The interpreter is the one that the tests run with anyway. */
#include "supervisor/count/known.h"
#include "supervisor/count/trampoline.h"

#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/glass.h"

#include "tests/unit/code_bytes.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char interpreter[] = "/usr/bin/python3";

static int load(void **state)
{
    return load_file(state, interpreter);
}

static int learn(struct bytes *b, struct code_sites *out)
{
    struct code_file f = {.read = read_bytes, .context = b};
    int error = code_file_open(&f);
    if (error == 0)
        error = sites_learn(&f, out);
    code_file_close(&f);
    return error;
}

static void the_checks_of_an_interpreter_are_found(void **state)
{
    struct code_sites s = {0};
    assert_int_equal(learn(*state, &s), 0);
    assert_true(s.count >= 16);
    assert_int_equal(s.refused, 0);
    for (uint32_t i = 0; i < s.count; i++) {
        assert_true(s.site[i].length >= SITE_JUMP && s.site[i].length <= SITE_BYTES_MAX);
        assert_true(i == 0 || s.site[i - 1].address + s.site[i - 1].length <= s.site[i].address);
    }
}

/* Each site begins with a load of the learned word, as another decoding of the same bytes says. */
static void each_site_loads_the_word(void **state)
{
    struct code_sites s = {0};
    ZydisDecoder decoder;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    assert_int_equal(learn(*state, &s), 0);
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint32_t n = 0; n < s.count; n++) {
        assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, s.site[n].bytes, s.site[n].length, &i, operand)));
        assert_int_equal(i.mnemonic, ZYDIS_MNEMONIC_MOV);
        assert_int_equal(operand[1].mem.disp.value, s.displacement);
        assert_int_equal(operand[1].size, s.size * 8);
    }
}

/* Of the interpreter that was there when this was built; of one that differs in a bit of its headers or its loop nothing is. */
static void what_is_known_is_what_is_learned(void **state)
{
    struct bytes *b = *state;
    static struct code_sites learned, known;
    struct code_file f = {.read = read_bytes, .context = b};
    struct code_symbol loop;
    assert_int_equal(learn(b, &learned), 0);
    assert_int_equal(code_file_open(&f), 0);
    assert_true(code_file_symbol(&f, "_PyEval_EvalFrameDefault", &loop));
    assert_true(known_sites(&f, &known));
    code_file_close(&f);
    assert_memory_equal(&known, &learned, sizeof known);
    const size_t places[] = {9, loop.address - f.segment[1].address + f.segment[1].offset + loop.size / 2};
    for (size_t i = 0; i < 2; i++) {
        b->at[places[i]] ^= 1;
        f = (struct code_file){.read = read_bytes, .context = b};
        assert_int_equal(code_file_open(&f), 0);
        assert_false(known_sites(&f, &known));
        code_file_close(&f);
        b->at[places[i]] ^= 1;
    }
}

static void what_is_no_interpreter_has_none(void **state)
{
    struct code_sites s = {0};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct bytes b = {malloc(1 << 22), 0};
    ssize_t got = read(fd, b.at, 1 << 22);
    assert_true(fd >= 0 && got > 0);
    b.size = (size_t)got;
    close(fd);
    assert_true(learn(&b, &s) < 0);
    b.size = 3;
    assert_int_equal(learn(&b, &s), -ENOEXEC);
    b.size = 0;
    assert_int_equal(learn(&b, &s), -ENOEXEC);
    free(b.at);
}

/* Whatever is changed: an answer, and only sites whose bytes are the file's. */
static void a_damaged_file_is_no_danger(void **state)
{
    struct bytes *b = *state;
    struct code_sites s = {0};
    uint32_t chance = 1;
    for (int round = 0; round < 60; round++) {
        size_t where[8];
        uint8_t before[8];
        for (int i = 0; i < 8; i++) {
            chance = chance * 1664525 + 1013904223;
            /* The headers, the dynamic tables, and anywhere. */
            size_t reach = round % 3 == 0 ? 1024 : round % 3 == 1 ? 1 << 17 : b->size;
            where[i] = chance % reach;
            before[i] = b->at[where[i]];
            b->at[where[i]] = (uint8_t)(chance >> 24);
        }
        size_t whole = b->size;
        if (round % 4 == 0)
            b->size = chance % whole;
        (void)learn(b, &s);
        assert_true(s.count <= SITES_MAX);
        b->size = whole;
        for (int i = 8; i-- > 0;)
            b->at[where[i]] = before[i];
    }
    assert_int_equal(learn(b, &s), 0);
}

/* The loop's symbol covers as much as it may, and its bytes are what `fill` writes. */
static void inflate(struct bytes *b, size_t (*fill)(uint8_t *code, size_t room, uint32_t n))
{
    struct code_file f = {.read = read_bytes, .context = b};
    struct code_symbol loop, grown;
    assert_int_equal(code_file_open(&f), 0);
    assert_true(code_file_symbol(&f, "_PyEval_EvalFrameDefault", &loop));
    const struct code_segment *s = f.segment;
    while (loop.address - s->address >= s->size)
        s++;
    grown = loop;
    grown.size = s->size - (loop.address - s->address) < 1 << 20 ? s->size - (loop.address - s->address) : 1 << 20;
    uint8_t *symbol = memmem(b->at, b->size, &loop, sizeof loop);
    assert_non_null(symbol);
    memcpy(symbol, &grown, sizeof grown);
    uint8_t *code = b->at + (loop.address - s->address + s->offset);
    memset(code, 0x90, grown.size);
    size_t n = 0;
    for (uint32_t i = 0; n + 16 < grown.size; i++)
        n += fill(code + n, grown.size - n, i);
    code_file_close(&f);
}

/* cmpl $0, n(%rbx): each looks at a word of its own */
static size_t a_check(uint8_t *code, size_t room, uint32_t n)
{
    const uint32_t displacement = 0x100 + 4 * n;
    memcpy(code, "\x81\xbb....\0\0\0", 10);
    memcpy(code + 2, &displacement, sizeof displacement);
    return 10;
}

/* mov $address, %eax: as many tables as there are */
static size_t a_table(uint8_t *code, size_t room, uint32_t n)
{
    const uint32_t address = 0x10000000 + 8 * n;
    if (n >= 1 << 14)
        return room;
    memcpy(code, "\xb8....", 5);
    memcpy(code + 1, &address, sizeof address);
    return 5;
}

/* What a file makes the supervisor do is bounded by what interpreters need: it is done while a guest waits for its mmap(2). */
static void what_has_too_many_checks_is_refused(void **state)
{
    struct code_sites s = {0};
    inflate(*state, a_check);
    assert_int_equal(learn(*state, &s), -E2BIG);
}

static void what_has_too_many_tables_is_refused(void **state)
{
    struct code_sites s = {0};
    inflate(*state, a_table);
    assert_int_equal(learn(*state, &s), -E2BIG);
}

/* ---- trampolines ----------------------------------------------------------------------------------------------------- */

static size_t decode(const uint8_t *bytes, ZydisDecodedInstruction *i, ZydisDecodedOperand *operand)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, ZYDIS_MAX_INSTRUCTION_LENGTH, i, operand)));
    return i->length;
}

static void a_trampoline_counts_and_goes_back(void **state)
{
    /* mov 0x64(%rax), %eax; mov 0x1000(%rip), %ecx */
    const struct code_site site = {0x1000, 9, {0x8b, 0x40, 0x64, 0x8b, 0x0d, 0x00, 0x10, 0x00, 0x00}, 5};
    const uint64_t at = 0x50000, mapped = 0x401000;
    uint8_t code[TRAMPOLINE_SIZE], jump[SITE_BYTES_MAX];
    ZydisDecodedInstruction i;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t target;
    assert_true(trampoline_build(&site, mapped, at, GLASS_COUNTER, code, jump));
    decode(jump, &i, o);
    assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i, &o[0], mapped, &target)));
    assert_int_equal(target, at);
    size_t n = decode(code, &i, o);
    assert_int_equal(i.mnemonic, ZYDIS_MNEMONIC_SUB);
    assert_int_equal(o[0].mem.disp.value, GLASS_COUNTER);
    assert_int_equal(o[1].imm.value.s, CLOCK_CHECK_NS);
    n += decode(code + n, &i, o);
    assert_int_equal(i.mnemonic, ZYDIS_MNEMONIC_JLE);
    assert_memory_equal(code + n, site.bytes, 3);
    n += 3;
    size_t length = decode(code + n, &i, o);
    assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i, &o[1], at + n, &target)));
    assert_int_equal(target, mapped + 9 + 0x1000); /* the same word, from another place */
    n += length;
    decode(code + n, &i, o);
    assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i, &o[0], at + n, &target)));
    assert_int_equal(target, mapped + site.length);
}

static void only_its_own_call_is_a_count(void **state)
{
    const struct code_site site = {0x1000, 6, {0x8b, 0x80, 0x70, 0x01, 0x00, 0x00}, 0};
    uint8_t code[TRAMPOLINE_SIZE], jump[SITE_BYTES_MAX];
    int calls = 0;
    assert_true(trampoline_build(&site, 0x401000, 0x50000, GLASS_COUNTER, code, jump));
    for (uint64_t a = 0x50000 - 300; a < 0x50000 + 5 * TRAMPOLINE_SIZE; a++)
        if (trampoline_calls(0x50000, 2, a)) {
            calls++;
            assert_memory_equal(code + (a - 0x50000) % TRAMPOLINE_SIZE - 2, "\x0f\x05", 2);
        }
    assert_int_equal(calls, 2);
}

static void what_cannot_be_moved_is_refused(void **state)
{
    uint8_t code[TRAMPOLINE_SIZE], jump[SITE_BYTES_MAX];
    const struct code_site near = {0x1000, 6, {0x8b, 0x80, 0x70, 0x01, 0x00, 0x00}, 0};
    const struct code_site torn = {0x1000, 6, {0x8b, 0x80, 0x70, 0x01, 0x00, 0x00}, 3};
    const struct code_site small = {0x1000, 3, {0x8b, 0x40, 0x64}, 0};
    assert_true(trampoline_build(&near, 0x401000, 0x50000, GLASS_COUNTER, code, jump));
    assert_false(
        trampoline_build(&near, UINT64_C(0x7ffff7a00000), 0x50000, GLASS_COUNTER, code, jump)); /* beyond rel32 */
    assert_false(
        trampoline_build(&near, 0x401000, 0x50000, UINT32_C(0x80000000), code, jump)); /* sign-extended: elsewhere */
    assert_false(trampoline_build(&torn, 0x401000, 0x50000, GLASS_COUNTER, code, jump));
    assert_false(trampoline_build(&small, 0x401000, 0x50000, GLASS_COUNTER, code, jump));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_checks_of_an_interpreter_are_found, load, unload),
        cmocka_unit_test_setup_teardown(each_site_loads_the_word, load, unload),
        cmocka_unit_test_setup_teardown(what_is_known_is_what_is_learned, load, unload),
        cmocka_unit_test(what_is_no_interpreter_has_none),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_no_danger, load, unload),
        cmocka_unit_test_setup_teardown(what_has_too_many_checks_is_refused, load, unload),
        cmocka_unit_test_setup_teardown(what_has_too_many_tables_is_refused, load, unload),
        cmocka_unit_test(a_trampoline_counts_and_goes_back),
        cmocka_unit_test(only_its_own_call_is_a_count),
        cmocka_unit_test(what_cannot_be_moved_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
