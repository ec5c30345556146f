// rooms: policy kernel stubs vfs
/* A process's mappings as a record has them: told, and given again; with lines that say anything. */
#include "kernel/mappings.h"
#include "kernel/recorder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PARTS_MOST = 64 };

static struct {
    char *lines;
    size_t size;
    bool goes_on;
} parts[PARTS_MOST];
static size_t part_count, given;

static void keep(struct recorder *r, bool goes_on, const char *lines, size_t n)
{
    assert_true(part_count < PARTS_MOST && n <= 64 << 10);
    parts[part_count].lines = n > 0 ? memcpy(test_malloc(n), lines, n) : test_malloc(1);
    parts[part_count].size = n;
    parts[part_count++].goes_on = goes_on;
}

static void compare(struct recorder *r, bool goes_on, const char *lines, size_t n)
{
    if (given > part_count) /* nothing was told: it diverges here */
        return;
    assert_int_equal(goes_on, parts[given - 1].goes_on);
    assert_int_equal(n, parts[given - 1].size);
}

static const char *again(struct world *w, size_t *n, bool *goes_on)
{
    size_t i = given++;
    *n = i < part_count ? parts[i].size : 0;
    *goes_on = i < part_count && parts[i].goes_on;
    return i < part_count ? parts[i].lines : NULL;
}

static void forget(void)
{
    for (size_t i = 0; i < part_count; i++)
        test_free(parts[i].lines);
    part_count = given = 0;
}

/* ---- a machine with many ------------------------------------------------------------------------------------------- */

enum { MAPPINGS = 40 };

static void make(int i, struct memory_map *m, char name[4096])
{
    static const char *const names[] = {"/usr/lib/a", "[heap]", "", "/tmp/with a space", "/tmp/a\nb\\c\\012d"};
    snprintf(name, 4096, "%s", names[i % 5]);
    if (i % 7 == 6) { /* as long as can be, and each letter escaped */
        memset(name, '\n', 4095);
        name[4095] = '\0';
    }
    *m = (struct memory_map){.start = (uint64_t)i << 40,
                             .end = (uint64_t)i << 40 | 0x1000,
                             .protection = i % 8,
                             .shared = i % 2 == 1,
                             .backed = i % 3 == 1,
                             .offset = UINT64_MAX - (uint64_t)i,
                             .dev_major = 7,
                             .dev_minor = UINT32_MAX,
                             .ino = UINT64_MAX,
                             .resident = (uint64_t)i * 4096,
                             .name = name};
}

static int tell_all(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m),
                    void *context)
{
    char name[4096];
    for (int i = 0; i < MAPPINGS; i++) {
        struct memory_map m;
        make(i, &m, name);
        int result = each(context, &m);
        if (result != 0)
            return result;
    }
    return 0;
}

static uint64_t resident(struct task *t)
{
    return 12345;
}

static int see(void *context, const struct memory_map *m)
{
    int *i = context;
    struct memory_map expected;
    char name[4096];
    make((*i)++, &expected, name);
    assert_string_equal(m->name, name);
    expected.name = m->name;
    assert_int_equal(m->start, expected.start);
    assert_int_equal(m->end, expected.end);
    assert_int_equal(m->protection, expected.protection);
    assert_int_equal(m->shared, expected.shared);
    assert_int_equal(m->backed, expected.backed);
    assert_int_equal(m->offset, expected.offset);
    assert_int_equal(m->dev_major, expected.dev_major);
    assert_int_equal(m->dev_minor, expected.dev_minor);
    assert_int_equal(m->ino, expected.ino);
    assert_int_equal(m->resident, expected.resident);
    return 0;
}

static int stop_at_three(void *context, const struct memory_map *m)
{
    return ++*(int *)context == 3 ? -EINTR : 0;
}

static void test_told_and_given_again(void **state)
{
    const struct machine machine = {.maps = tell_all, .resident = resident};
    struct recorder recorder = {.mappings = keep};
    struct world w = {.machine = &machine};
    struct task t = {.world = &w};
    int seen = 0;
    assert_int_equal(mappings_each(&t, true, see, &seen), 0); /* nobody records */
    assert_int_equal(seen, MAPPINGS);
    w.recorder = &recorder;
    seen = 0;
    assert_int_equal(mappings_each(&t, true, see, &seen), 0);
    assert_int_equal(seen, MAPPINGS);
    assert_true(part_count > 1); /* more than an event holds */
    w.mappings_again = again;
    recorder.mappings = compare;
    seen = 0;
    assert_int_equal(mappings_each(&t, true, see, &seen), 0);
    assert_int_equal(seen, MAPPINGS);
    assert_int_equal(given, part_count);
    assert_int_equal(mappings_each(&t, true, see, &seen), -ENOMEM); /* the record has no more */
    forget();
}

static void test_who_has_seen_enough(void **state)
{
    const struct machine machine = {.maps = tell_all};
    struct recorder recorder = {.mappings = keep};
    struct world w = {.machine = &machine};
    struct task t = {.world = &w};
    int seen = 0;
    assert_int_equal(mappings_each(&t, false, stop_at_three, &seen), -EINTR);
    w.recorder = &recorder;
    seen = 0;
    assert_int_equal(mappings_each(&t, false, stop_at_three, &seen), -EINTR);
    assert_int_equal(seen, 3);
    w.mappings_again = again;
    recorder.mappings = compare;
    seen = 0;
    assert_int_equal(mappings_each(&t, false, stop_at_three, &seen), -EINTR);
    assert_int_equal(seen, 3);
    assert_int_equal(given, part_count); /* all that was told was taken */
    forget();
}

static int count(void *context, const struct memory_map *m)
{
    ++*(int *)context;
    return 0;
}

static void test_lines_that_say_anything(void **state)
{
    static const char lines[] =
        "\n1-2\n1-2 r--pf 0 0:0 0 0\n1-2 r--pfx 0 0:0 0 0 /a\n1-2 r--pf 0 0:0 0 0 \\\n"
        "1-2 r--pf 0 0:0 0 0 \\9\\01\\7777\nffffffffffffffffffff-2 r--pf 0 0:0 0 0 /a\nz\n1-2 r--pf 0 0:0 0 0 /cut";
    struct recorder recorder = {.mappings = compare};
    const struct machine machine = {0};
    struct world w = {.machine = &machine, .recorder = &recorder, .mappings_again = again};
    struct task t = {.world = &w};
    int seen = 0;
    keep(NULL, false, lines, sizeof lines - 1);
    assert_int_equal(mappings_each(&t, false, count, &seen), 0);
    assert_int_equal(seen, 3);
    forget();
}

static void test_without_a_machine_that_knows(void **state)
{
    const struct machine machine = {0};
    struct world w = {.machine = &machine};
    struct task t = {.world = &w};
    assert_int_equal(mappings_each(&t, false, count, NULL), -ENOSYS);
    assert_int_equal(mappings_resident(&t, 77), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_and_given_again),
        cmocka_unit_test(test_who_has_seen_enough),
        cmocka_unit_test(test_lines_that_say_anything),
        cmocka_unit_test(test_without_a_machine_that_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
