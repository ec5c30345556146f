// rooms: kernel stubs vfs policy
/* No stub reads a byte of the guest's twice: what was judged is what is acted on, whatever another thread or process makes
 * of the memory in between. Every call of the table, with many made-up arguments. */
#include "tests/unit/hostile.h"

enum { TEXTS = 60, TEXT = 600 };

static uint64_t chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return *seed >> 33;
}

/* What a call's own meaning makes it read again, natively as well. */
static bool reads_again(uint64_t nr)
{
    return nr == SYS_futex || nr == SYS_futex_waitv; /* the word is what is waited for: compared anew under the lock */
}

static void every_call(void **state)
{
    uint64_t seed = 1;
    uint64_t calls = 0, read = 0;
    for (uint64_t nr = 0; nr < SYSENT_COUNT; nr++) {
        if (sysent_get(nr) == NULL || stub_table[nr] == NULL || reads_again(nr))
            continue;
        for (int i = 0; i < TEXTS; i++) {
            const struct machine *machine;
            uint8_t text[TEXT];
            struct hostile *h = calloc(1, sizeof *h);
            assert_non_null(h);
            for (size_t k = 0; k < TEXT; k++)
                text[k] = (uint8_t)chance(&seed);
            h->choices = text;
            h->size = TEXT;
            hostile_setup(h, &machine);
            hostile_call(h, nr);
            calls++;
            for (size_t k = 0; k < sizeof h->fetched; k++)
                read += h->fetched[k];
            if (h->twice)
                fail_msg("%s reads byte %#zx of the guest twice (text %d, area %zu)", sysent_get(nr)->name, h->twice_at,
                         i, (h->twice_at - FAKE_PAGE) / HOSTILE_AREA);
            hostile_settle(h);
            hostile_teardown(h);
            free(h);
        }
    }
    assert_true(calls > 15000 && read > 100000); /* the arguments do lead somewhere */
}

/* Two pointers to the same bytes would be no call's fault: none is given out (found by fuzz-calls, tests/fuzz/seeds/calls). */
static void two_offsets_at_the_end(void **state)
{
    static const uint8_t text[] = {0x21, 0x7a, 0x0b, 0x7a, 0x0b};
    const struct machine *machine;
    struct hostile *h = calloc(1, sizeof *h);
    h->choices = text;
    h->size = sizeof text;
    hostile_setup(h, &machine);
    hostile_call(h, SYS_copy_file_range);
    assert_false(h->twice);
    hostile_settle(h);
    hostile_teardown(h);
    free(h);
}

/* The seam itself: a byte that is read twice is seen. */
static void a_second_look_is_seen(void **state)
{
    const struct machine *machine;
    struct hostile *h = calloc(1, sizeof *h);
    char byte;
    hostile_setup(h, &machine);
    assert_int_equal(call_read(&h->f->task->call, fake_at(5000), &byte, 1), 0);
    h->twice = false;
    memset(h->fetched, 0, sizeof h->fetched);
    call_read(&h->f->task->call, fake_at(5000), &byte, 1);
    assert_false(h->twice);
    call_read(&h->f->task->call, fake_at(4990), (char[20]){0}, 20);
    assert_true(h->twice && h->twice_at == 5000);
    hostile_teardown(h);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_look_is_seen),
        cmocka_unit_test(two_offsets_at_the_end),
        cmocka_unit_test(every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
