// rooms: policy kernel stubs vfs supervisor/fast_clock
/* The supervisor's side of the clock page. The test is the guest: it moves the page as the vDSO does, and as it does not. */
#include "tests/unit/fake_machine.h"

#include "supervisor/fast_clock.h"
#include "supervisor/glass/clock_page.h"

#include <sys/mman.h>

enum { EVENT = 10000 };

struct guest {
    struct fake_machine *fake;
    struct holder holder;
    struct tracee tracee;
    struct clock_page *page;
};

static int setup(void **state)
{
    struct guest *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->fake = fake_machine_with(fake_policy());
    g->holder.world = g->fake->world;
    g->holder.count_sites = 1;
    g->tracee = (struct tracee){.task = g->fake->task, .holder = &g->holder, .until = 100, .turn_end = INT64_MAX};
    assert_int_equal(fast_clock_new(&g->holder), 0);
    assert_true(fast_clock_works(&g->holder));
    g->page = mmap(NULL, CLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fast_clock_descriptor(&g->holder), 0);
    assert_true(g->page != MAP_FAILED);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    struct guest *g = *state;
    munmap(g->page, CLOCK_PAGE_SIZE);
    fast_clock_free(&g->holder);
    void *fake = g->fake;
    fake_teardown(&fake);
    free(g);
    return 0;
}

/* How many of at most n reads the page allows; they are made. */
static int read_clock(struct guest *g, int n)
{
    int made = 0;
    for (; made < n && g->page->left > g->page->per_event; made++) {
        g->page->left -= g->page->per_event;
        g->page->reads++;
    }
    return made;
}

static void rang(void *argument)
{
    *(int *)argument += 1;
}

static void reads_are_events_of_the_task(void **state)
{
    struct guest *g = *state;
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 7), 7);
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 7 * EVENT);
    assert_int_equal(g->fake->task->calls, 7);
    assert_int_equal(g->fake->task->cpu, 7 * EVENT);
    assert_int_equal(g->fake->process->cpu, 7 * EVENT);
    assert_int_equal(g->fake->world->clock_reads, 7);
    assert_int_equal(g->fake->world->events, 0);
    fast_clock_fold(&g->tracee);
    assert_int_equal(g->fake->world->clock_reads, 7);
}

static void calls_and_sleeps_show_in_the_page(void **state)
{
    struct guest *g = *state;
    fast_clock_publish(&g->tracee);
    clock_event(&g->fake->world->clock);
    clock_jump(&g->fake->world->clock, 5000000);
    fast_clock_publish(&g->tracee);
    assert_int_equal(g->page->end - g->page->left, 5000000);
    assert_int_equal(read_clock(g, 1), 1);
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 5000000 + EVENT);
}

static void a_deadline_is_left_to_a_call(void **state)
{
    struct guest *g = *state;
    int rings = 0;
    assert_true(clock_arm(&g->fake->world->clock, 10 * EVENT, rang, &rings) != 0);
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 1000), 9); /* the tenth would reach it */
    fast_clock_fold(&g->tracee);
    clock_event(&g->fake->world->clock);
    clock_run(&g->fake->world->clock);
    assert_int_equal(rings, 1);
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 1000), 1000);
}

static void a_deadline_between_two_events_too(void **state)
{
    struct guest *g = *state;
    int rings = 0;
    assert_true(clock_arm(&g->fake->world->clock, 10 * EVENT + 1, rang, &rings) != 0);
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 1000), 10);
}

static void a_turn_ends_when_others_are_ready(void **state)
{
    struct guest *g = *state;
    g->fake->task->calls = 90;
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 50), 50); /* nobody waits */
    fast_clock_fold(&g->tracee);
    g->tracee.until = g->fake->task->calls + 10;
    sched_ready(fake_thread(g->fake));
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 50), 9); /* the tenth is a call, after which the loop looks who is next */
    fast_clock_fold(&g->tracee);
    g->tracee.until = 0;
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 50), 0);
}

/* Checks of an interpreter, as a trampoline makes them; how many until one stops. */
static int check(struct guest *g, int most)
{
    for (int n = 1; n <= most; n++)
        if ((g->page->left -= CLOCK_CHECK_NS) <= 0)
            return n;
    return most + 1;
}

static void checks_move_the_clock_and_stop_at_a_deadline(void **state)
{
    struct guest *g = *state;
    int rings = 0;
    assert_true(clock_arm(&g->fake->world->clock, 10 * CLOCK_CHECK_NS, rang, &rings) != 0);
    fast_clock_publish(&g->tracee);
    assert_int_equal(check(g, 1000), 10);
    fast_clock_fold(&g->tracee);
    assert_int_equal(g->fake->world->checks, 10);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 10 * CLOCK_CHECK_NS);
    assert_int_equal(g->fake->task->cpu, 10 * CLOCK_CHECK_NS);
    assert_int_equal(g->fake->task->calls, 0);
    clock_run(&g->fake->world->clock);
    assert_int_equal(rings, 1);
    fast_clock_fold(&g->tracee); /* nothing is counted twice */
    assert_int_equal(g->fake->world->checks, 10);
    assert_int_equal(g->fake->world->not_reproducible_count, 0);
}

/* As the vDSO reads between checks: what a read costs is not left to them. */
static void reads_and_checks_meet_the_same_deadline(void **state)
{
    struct guest *g = *state;
    int rings = 0;
    assert_true(clock_arm(&g->fake->world->clock, 2 * EVENT, rang, &rings) != 0);
    fast_clock_publish(&g->tracee);
    assert_int_equal(check(g, 20), 21);
    assert_int_equal(read_clock(g, 1), 1);
    assert_int_equal(check(g, 100000), EVENT / CLOCK_CHECK_NS - 20);
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 2 * EVENT);
    assert_int_equal(g->fake->world->clock_reads, 1);
    assert_int_equal(g->fake->world->not_reproducible_count, 0);
}

static void a_limit_of_cpu_time_is_a_place(void **state)
{
    struct guest *g = *state;
    struct policy *p = (struct policy *)(uintptr_t)g->fake->world->policy;
    p->limits.cpu = 1000 * CLOCK_CHECK_NS;
    fast_clock_publish(&g->tracee);
    assert_int_equal(check(g, 100000), 1000);
    fast_clock_fold(&g->tracee);
    assert_int_equal(g->fake->world->cpu, p->limits.cpu);
}

static void a_cpu_timer_is_left_to_a_call(void **state)
{
    struct guest *g = *state;
    g->fake->process->cpu = 3 * EVENT;
    g->fake->process->cpu_alarm = 8 * EVENT;
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 50), 4);
}

/* What the page of a guest that tampers says; a reading could have made none of it. */
static const struct {
    const char *what;
    int word;
    int64_t value;
} written[] = {
    {"earlier", 0, INT64_MAX},
    {"between two checks", 0, 7},
    {"years of checks", 0, -INT64_C(100) * 365 * 86400 * 1000000000},
    {"the end of counting", 0, INT64_MIN},
    {"two checks behind the last", 0, -2 * CLOCK_CHECK_NS},
    {"end", 1, 1},
    {"end gone", 1, INT64_MAX},
    {"never", 1, INT64_MIN},
    {"cost", 2, 1},
    {"cost nothing", 2, 0},
    {"epoch", 3, 0},
    {"boot", 4, INT64_MIN},
    {"reads that cost nothing", 5, 1},
    {"years of reads", 5, INT64_MAX},
    {"less than none", 5, -1},
};

static void what_reading_cannot_make_is_not_believed(void **state)
{
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        void *fresh;
        assert_int_equal(setup(&fresh), 0);
        struct guest *g = fresh;
        fast_clock_publish(&g->tracee);
        ((int64_t *)g->page)[written[i].word] = written[i].value;
        fast_clock_fold(&g->tracee);
        if (fast_clock_works(&g->holder) || g->fake->world->not_reproducible_count != 1 ||
            clock_elapsed(&g->fake->world->clock) != 0 || g->fake->task->calls != 0 || read_clock(g, 1) != 0 ||
            check(g, 1000) != 1001)
            fail_msg("%s was believed", written[i].what);
        g->page->per_event = EVENT; /* and nothing of it is looked at again */
        read_clock(g, 77);
        fast_clock_publish(&g->tracee);
        fast_clock_fold(&g->tracee);
        assert_int_equal(clock_elapsed(&g->fake->world->clock), 0);
        teardown(&fresh);
    }
}

/* It is stopped anywhere: what a read took, and did not count yet, is time all the same, and is a read a look later. */
static void a_read_that_was_stopped_in_its_middle_is_kept(void **state)
{
    struct guest *g = *state;
    g->holder.count_sites = 0;
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 3), 3);
    g->page->left -= EVENT;
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 4 * EVENT);
    assert_int_equal(g->fake->world->clock_reads, 3);
    clock_jump(&g->fake->world->clock, 50 * EVENT);
    fast_clock_publish(&g->tracee);
    g->page->reads++;
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 50 * EVENT);
    assert_int_equal(g->fake->world->clock_reads, 4);
    assert_int_equal(g->fake->world->checks, 0);
    assert_int_equal(g->fake->world->not_reproducible_count, 0);
}

/* A task whose turn was over before it ran, and nobody else to have it: the first check stops, and is a check. */
static void a_limit_that_has_passed_allows_one_check(void **state)
{
    struct guest *g = *state;
    int rings = 0;
    clock_jump(&g->fake->world->clock, 5 * EVENT);
    assert_true(clock_arm(&g->fake->world->clock, EVENT, rang, &rings) != 0);
    fast_clock_publish(&g->tracee);
    assert_int_equal(read_clock(g, 1), 0);
    assert_int_equal(check(g, 1000), 1);
    fast_clock_fold(&g->tracee);
    assert_int_equal(clock_elapsed(&g->fake->world->clock), 5 * EVENT + CLOCK_CHECK_NS);
    assert_int_equal(g->fake->world->not_reproducible_count, 0);
}

/* How far reads may go alone is a matter of the time, not of how often the page was written on the way. */
static void a_stop_in_between_changes_nothing(void **state)
{
    struct guest *g = *state;
    fast_clock_publish(&g->tracee);
    int64_t end = g->page->end;
    read_clock(g, 1000);
    fast_clock_fold(&g->tracee);
    fast_clock_publish(&g->tracee);
    assert_int_equal(g->page->end, end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(reads_are_events_of_the_task),
        TEST(calls_and_sleeps_show_in_the_page),
        TEST(a_deadline_is_left_to_a_call),
        TEST(a_deadline_between_two_events_too),
        TEST(a_turn_ends_when_others_are_ready),
        TEST(checks_move_the_clock_and_stop_at_a_deadline),
        TEST(reads_and_checks_meet_the_same_deadline),
        TEST(a_limit_of_cpu_time_is_a_place),
        TEST(a_cpu_timer_is_left_to_a_call),
        TEST(what_reading_cannot_make_is_not_believed),
        TEST(a_read_that_was_stopped_in_its_middle_is_kept),
        TEST(a_limit_that_has_passed_allows_one_check),
        TEST(a_stop_in_between_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
