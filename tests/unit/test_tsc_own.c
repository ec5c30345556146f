// rooms: supervisor/tsc_own
/* The counter forbidden in a thread of ours: what reads it all the same has the machine's, and every other fault ends it as ever. */
#include "supervisor/tsc_own.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t plain(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t serialised(uint32_t *processor)
{
    uint32_t low, high;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*processor));
    return (uint64_t)high << 32 | low;
}

static void test_the_machines_own(void **state)
{
    uint32_t processor = UINT32_MAX;
    uint64_t before = plain();
    tsc_forbid();
    int allowed = 0;
    assert_int_equal(prctl(PR_GET_TSC, &allowed), 0);
    assert_int_equal(allowed, PR_TSC_SIGSEGV);
    uint64_t within = plain(), later = serialised(&processor);
    assert_true(before < within && within < later);
    assert_true((processor & 0xfff) < 4096 && processor != UINT32_MAX);
    struct timespec first, second; /* the kernel's vDSO */
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &first), 0);
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &second), 0);
    assert_true(second.tv_sec > first.tv_sec || (second.tv_sec == first.tv_sec && second.tv_nsec >= first.tv_nsec));
    tsc_allow();
    assert_int_equal(prctl(PR_GET_TSC, &allowed), 0);
    assert_int_equal(allowed, PR_TSC_ENABLE);
    assert_true(plain() > later);
    tsc_allow(); /* nothing */
}

static void by_a_bad_address(void)
{
    volatile int *volatile nowhere = (int *)16;
    *nowhere = 1;
}

static void by_a_bad_instruction(void)
{
    __asm__ volatile("hlt"); /* #GP, as the counter's */
}

static void by_a_signal(void)
{
    kill(getpid(), SIGSEGV);
}

static int end_of(void (*what)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's is no matter here */
        tsc_forbid();
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_other_faults(void **state)
{
    assert_int_equal(end_of(by_a_bad_address), SIGSEGV);
    assert_int_equal(end_of(by_a_bad_instruction), SIGSEGV);
    assert_int_equal(end_of(by_a_signal), SIGSEGV);
}

static volatile sig_atomic_t taken;

static void take(int signal)
{
    taken = signal;
}

static void test_whoever_had_it_before(void **state)
{
    void (*usual)(int) = signal(SIGSEGV, take);
    tsc_forbid();
    raise(SIGSEGV);
    assert_int_equal(taken, SIGSEGV);
    tsc_allow();
    assert_ptr_equal(signal(SIGSEGV, usual), take);
}

static void test_instructions(void **state)
{
    const uint8_t two[] = {0x0f, 0x31}, three[] = {0x0f, 0x01, 0xf9}, other[] = {0x0f, 0x01, 0xd0};
    assert_int_equal(tsc_instruction(two, 2), 2);
    assert_int_equal(tsc_instruction(two, 1), 0);
    assert_int_equal(tsc_instruction(three, 3), 3);
    assert_int_equal(tsc_instruction(three, 2), 0);
    assert_int_equal(tsc_instruction(other, 3), 0);
    assert_int_equal(tsc_instruction(three, -14), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_machines_own),
        cmocka_unit_test(test_other_faults),
        cmocka_unit_test(test_whoever_had_it_before),
        cmocka_unit_test(test_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
