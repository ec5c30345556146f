// rooms: supervisor/count/code_file supervisor/count/takes supervisor/count/trampoline supervisor/count/known supervisor/count/known_table
/* Where a C library takes and gives semaphores and makes calls, and what is written there; the library is the one that the tests run with. */
#include "supervisor/count/known.h"
#include "supervisor/count/trampoline.h"

#include "tests/unit/code_bytes.h"

#include <Zydis/Zydis.h>
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(void **state)
{
    Dl_info library;
    /* A sanitizer has a sem_wait of its own in front of it. */
    assert_int_not_equal(dladdr((void *)(uintptr_t)gnu_get_libc_version, &library), 0);
    return load_file(state, library.dli_fname);
}

static int learn(struct bytes *b, struct code_takes *out)
{
    struct code_file f = {.read = read_bytes, .context = b};
    int error = code_file_open(&f);
    if (error == 0)
        error = takes_learn(&f, out);
    code_file_close(&f);
    return error;
}

/* As another decoding of the same bytes says. */
static void each_is_an_exchange_or_a_call(void **state)
{
    struct code_takes t = {0};
    ZydisDecoder decoder;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    uint32_t of[3] = {0};
    assert_int_equal(learn(*state, &t), 0);
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint32_t n = 0; n < t.count; n++) {
        assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, t.site[n].bytes, t.site[n].length, &i, o)));
        bool call = t.kind[n] == TAKES_CALL;
        assert_int_equal(i.mnemonic, call ? ZYDIS_MNEMONIC_SYSCALL : ZYDIS_MNEMONIC_CMPXCHG);
        assert_true(call ? t.site[n].length >= SITE_JUMP : i.length == t.site[n].length);
        assert_true(n == 0 || t.site[n - 1].address + t.site[n - 1].length <= t.site[n].address);
        of[t.kind[n]]++;
    }
    assert_int_equal(of[TAKES_GIVE], 1);
    assert_int_equal(of[TAKES_CALL], 10);
    assert_true(of[TAKES_TAKE] >=
                6); /* sem_trywait; and of sem_wait, sem_timedwait and sem_clockwait the first try and the later ones */
}

static void what_is_known_is_what_is_learned(void **state)
{
    static struct code_takes learned, known;
    struct code_file f = {.read = read_bytes, .context = *state};
    assert_int_equal(learn(*state, &learned), 0);
    assert_int_equal(code_file_open(&f), 0);
    assert_true(known_takes(&f, &known));
    code_file_close(&f);
    assert_memory_equal(&known, &learned, sizeof known);
}

static void a_damaged_file_is_no_danger(void **state)
{
    struct bytes *b = *state;
    struct code_takes t = {0};
    uint32_t chance = 1;
    for (int round = 0; round < 200; round++) {
        size_t where[8];
        uint8_t before[8];
        for (int i = 0; i < 8; i++) {
            chance = chance * 1664525 + 1013904223;
            size_t reach = round % 3 == 0 ? 1024 : round % 3 == 1 ? 1 << 17 : b->size;
            where[i] = chance % reach;
            before[i] = b->at[where[i]];
            b->at[where[i]] = (uint8_t)(chance >> 24);
        }
        (void)learn(b, &t);
        assert_true(t.count <= TAKES_MAX);
        for (int i = 8; i-- > 0;)
            b->at[where[i]] = before[i];
    }
    assert_int_equal(learn(b, &t), 0);
}

/* Whose semaphores are given in a way that is not seen has none that may be named. */
static void without_its_gifts_nothing_is_found(void **state)
{
    struct bytes *b = *state;
    struct code_takes t = {0};
    struct code_file f = {.read = read_bytes, .context = b};
    assert_int_equal(learn(b, &t), 0);
    assert_int_equal(code_file_open(&f), 0);
    for (uint32_t n = 0; n < t.count; n++)
        for (uint32_t s = 0; t.kind[n] == TAKES_GIVE && s < f.segment_count; s++)
            if (t.site[n].address - f.segment[s].address < f.segment[s].size)
                b->at[t.site[n].address - f.segment[s].address + f.segment[s].offset] = 0x90; /* nop, for lock */
    code_file_close(&f);
    assert_int_equal(learn(b, &t), -ENOTSUP);
    assert_int_equal(t.count, 0);
}

/* ---- trampolines that run --------------------------------------------------------------------------------------------- */

struct place { /* below 2 GiB */
    uint64_t name;
    uint8_t code[256], trampoline[TRAMPOLINE_SIZE];
};

/* int f(uint64_t *semaphore, uint64_t old, uint64_t new): whether the exchange was made, by %base. */
static int exchange(struct place *p, const uint8_t *move, size_t move_size, const struct code_site *s, bool gives,
                    uint64_t *semaphore, uint64_t old, uint64_t new)
{
    static const uint8_t before[] = {0x48, 0x89, 0xf0};                        /* mov %rsi, %rax */
    static const uint8_t after[] = {0x0f, 0x94, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3}; /* sete %al; movzbl %al, %eax; ret */
    uint8_t jump[SITE_BYTES_MAX], *at = p->code;
    uint64_t site_at;
    memcpy(at, before, sizeof before);
    memcpy(at += sizeof before, move, move_size);
    at += move_size;
    site_at = (uintptr_t)at;
    assert_true(trampoline_build_take(s, gives, site_at, (uintptr_t)p->trampoline, (uint32_t)(uintptr_t)&p->name,
                                      p->trampoline, jump));
    memcpy(at, jump, s->length);
    memcpy(at + s->length, after, sizeof after);
    return ((int (*)(uint64_t *, uint64_t, uint64_t))(uintptr_t)p->code)(semaphore, old, new);
}

static void a_name_is_left_and_removed(void **state)
{
    static const struct {
        uint8_t move[4];
        size_t move_size;
        struct code_site site;
    } of[] = {
        {{0}, 0, {0, 5, {0xf0, 0x48, 0x0f, 0xb1, 0x17}, 0}},                      /* (%rdi) */
        {{0x49, 0x89, 0xf9}, 3, {0, 5, {0xf0, 0x49, 0x0f, 0xb1, 0x11}, 0}},       /* mov %rdi, %r9; (%r9) */
        {{0x48, 0x89, 0xf9}, 3, {0, 6, {0xf0, 0x48, 0x0f, 0xb1, 0x51, 0x00}, 0}}, /* mov %rdi, %rcx; 0(%rcx) */
    };
    struct place *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_true(p != MAP_FAILED);
    p->name = TAKES_MARK | 7;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        uint64_t semaphore[4] = {1, 2, 3, 4};
        assert_int_equal(exchange(p, of[i].move, of[i].move_size, &of[i].site, false, semaphore, 9, 0), 0);
        assert_memory_equal(semaphore, ((uint64_t[]){1, 2, 3, 4}), sizeof semaphore);
        assert_int_equal(exchange(p, of[i].move, of[i].move_size, &of[i].site, false, semaphore, 1, 0), 1);
        assert_memory_equal(semaphore, ((uint64_t[]){0, 2, TAKES_MARK | 7, 4}), sizeof semaphore);
        assert_int_equal(exchange(p, of[i].move, of[i].move_size, &of[i].site, true, semaphore, 0, 1), 1);
        assert_memory_equal(semaphore, ((uint64_t[]){1, 2, 0, 4}), sizeof semaphore);
    }
    munmap(p, sizeof *p);
}

static void what_is_no_exchange_is_refused(void **state)
{
    uint8_t code[TRAMPOLINE_SIZE], jump[SITE_BYTES_MAX];
    static const struct code_site sites[] = {
        {0, 5, {0x48, 0x89, 0xf9, 0x90, 0x90}, 0},       /* something else */
        {0, 6, {0xf0, 0x48, 0x0f, 0xb1, 0x14, 0x24}, 0}, /* (%rsp) */
        {0, 4, {0xf0, 0x0f, 0xb1, 0x17}, 0},             /* 32 bits, and too short for a jump */
    };
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++)
        assert_false(trampoline_build_take(&sites[i], false, 0x401000, 0x50000, 0x1000, code, jump));
}

/* int f(int fd): getppid(2), or what the code says that answers for descriptor 5. */
static int call_about(struct place *p, int fd, const uint8_t *answer, size_t answer_size)
{
    static const uint8_t before[] = {0xb8, SYS_getppid, 0, 0, 0}; /* mov $nr, %eax */
    static const struct code_site site = {0, 8, {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}, 0};
    uint8_t jump[SITE_BYTES_MAX], *at = p->code + sizeof before, *answers = p->code + 64;
    memcpy(p->code, before, sizeof before);
    memcpy(answers, answer, answer_size);
    assert_true(trampoline_build_call(&site, (uintptr_t)at, (uintptr_t)p->trampoline, (uint32_t)(uintptr_t)&p->name,
                                      (uint32_t)(uintptr_t)&p->name, (uintptr_t)answers, p->trampoline, jump));
    memcpy(at, jump, site.length);
    at[site.length] = 0xc3; /* ret */
    return ((int (*)(int))(uintptr_t)p->code)(fd);
}

static void a_call_is_answered_or_made(void **state)
{
    static const uint8_t answers[] = {0xb8, 42, 0, 0, 0, 0x31, 0xc9, 0xc3}; /* mov $42, %eax; xor %ecx, %ecx; ret */
    static const uint8_t says_no[] = {0xb9, 1, 0, 0, 0, 0xc3};              /* mov $1, %ecx; ret */
    struct place *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_true(p != MAP_FAILED);
    p->name = 5;
    assert_int_equal(call_about(p, 5, answers, sizeof answers), 42);
    assert_int_equal(call_about(p, 6, answers, sizeof answers), getppid());
    assert_int_equal(call_about(p, 5, says_no, sizeof says_no), getppid());
    munmap(p, sizeof *p);
}

static void what_is_no_call_is_refused(void **state)
{
    uint8_t code[TRAMPOLINE_SIZE], jump[SITE_BYTES_MAX];
    static const struct code_site sites[] = {
        {0, 8, {0x90, 0x90, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}, 0}, /* something else */
        {0, 4, {0x0f, 0x05, 0x89, 0xc2}, 0},                         /* too short for a jump */
        {0, 9, {0x0f, 0x05, 0x48, 0x8b, 0x05, 0, 0, 0, 0}, 5},       /* relative to rip */
    };
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++)
        assert_false(trampoline_build_call(&sites[i], 0x401000, 0x50000, 0x1000, 0x1004, 0x60000, code, jump));
    static const struct code_site good = {0, 8, {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}, 0};
    assert_true(trampoline_build_call(&good, 0x401000, 0x50000, 0x1000, 0x1004, 0x60000, code, jump));
    assert_false(trampoline_build_call(&good, 0x401000, 0x50000, 0x1000, 0x1004, UINT64_C(0x7ffff7a00000), code, jump));
    assert_false(trampoline_build_call(&good, 0x401000, 0x50000, 0x1000, 0x80000000, 0x60000, code, jump));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_an_exchange_or_a_call, load, unload),
        cmocka_unit_test_setup_teardown(what_is_known_is_what_is_learned, load, unload),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_no_danger, load, unload),
        cmocka_unit_test_setup_teardown(without_its_gifts_nothing_is_found, load, unload),
        cmocka_unit_test(a_name_is_left_and_removed),
        cmocka_unit_test(what_is_no_exchange_is_refused),
        cmocka_unit_test(a_call_is_answered_or_made),
        cmocka_unit_test(what_is_no_call_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
