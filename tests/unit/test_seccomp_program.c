// rooms: supervisor/filter supervisor/confine supervisor/seccomp_program supervisor/seccomp_table policy kernel/sysent
/* The seccomp programs that were compiled ahead are those that would be compiled now, and go to those policies alone that they are for. */
#include "policy_fixture.h"

#include "supervisor/confine.h"
#include "supervisor/filter.h"
#include "supervisor/notice.h"
#include "supervisor/seccomp_program.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

static bool same(const struct sock_fprog *a, const struct sock_fprog *b)
{
    return a->len == b->len && memcmp(a->filter, b->filter, a->len * sizeof *a->filter) == 0;
}

/* What seccomp(2) would do with the call: the program run by hand, as far as libseccomp's use it. */
static uint32_t verdict(const struct sock_fprog *p, int nr, uint32_t architecture, const uint64_t argument[6])
{
    struct seccomp_data data = {.nr = nr, .arch = architecture};
    uint32_t a = 0;
    memcpy(data.args, argument, sizeof data.args);
    for (unsigned i = 0; i < p->len; i++) {
        const struct sock_filter *f = &p->filter[i];
        bool jump = false;
        switch (f->code) {
        case BPF_RET | BPF_K:
            return f->k;
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)&data + f->k, sizeof a);
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= f->k;
            continue;
        case BPF_JMP | BPF_JA:
            i += f->k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            jump = a == f->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            jump = a > f->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            jump = a >= f->k;
            break;
        default:
            fail_msg("instruction %u: code 0x%x", i, f->code);
        }
        i += jump ? f->jt : f->jf;
    }
    fail_msg("no verdict");
    return 0;
}

static uint32_t asked(const struct sock_fprog *p, int nr, uint64_t first, uint64_t second)
{
    const uint64_t argument[6] = {first, second};
    return verdict(p, nr, AUDIT_ARCH_X86_64, argument);
}

static void test_the_guests(void **state)
{
    static const char *const text[] = {
        "terrarium: 1\n", "terrarium: 1\ntrap: all\n",
        "terrarium: 1\ncalls:\n  - {deny: openat, path: \"/secret/**\", errno: EACCES}\n", /* of a call that is answered here anyway */
    };
    static const enum seccomp_known which[] = {SECCOMP_GUEST, SECCOMP_GUEST_TRAP_ALL, SECCOMP_GUEST};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct policy *p = must_load(text[i]);
        struct sock_fprog known, compiled, used;
        assert_int_equal(seccomp_program_known(which[i], &known), 0);
        assert_int_equal(filter_compile(p, &compiled), 0);
        assert_int_equal(filter_guest(p, &used), 0);
        assert_true(same(&known, &compiled));
        assert_true(same(&known, &used));
        free(known.filter);
        free(compiled.filter);
        free(used.filter);
        policy_free(p);
    }
}

static void test_a_rule_of_what_the_kernel_answers(void **state)
{
    struct policy *plain = must_load("terrarium: 1\n"),
                  *ruled = must_load("terrarium: 1\ncalls:\n  - {deny: mprotect, errno: EPERM}\n");
    struct sock_fprog without, with;
    assert_int_equal(filter_guest(plain, &without), 0);
    assert_int_equal(filter_guest(ruled, &with), 0);
    assert_int_equal(asked(&without, SYS_mprotect, 0x700000000000, 4096), SECCOMP_RET_ALLOW);
    assert_int_equal(asked(&with, SYS_mprotect, 0x700000000000, 4096), SECCOMP_RET_TRACE);
    assert_int_equal(asked(&with, SYS_munmap, 0x700000000000, 4096), SECCOMP_RET_ALLOW);
    assert_int_equal(asked(&with, SYS_read, 0, 0), SECCOMP_RET_TRACE | NOTICE_MARK);
    assert_int_equal(asked(&with, 9999, 0, 0), SECCOMP_RET_TRACE);
    assert_int_equal(verdict(&with, SYS_read, AUDIT_ARCH_I386, (const uint64_t[6]){0}), SECCOMP_RET_TRAP);
    free(without.filter);
    free(with.filter);
    policy_free(plain);
    policy_free(ruled);
}

static void test_the_supervisors(void **state)
{
    struct sock_fprog program[2], compiled;
    for (int writing = 0; writing < 2; writing++) {
        assert_int_equal(
            seccomp_program_known(writing ? SECCOMP_SUPERVISOR_EXPORTING : SECCOMP_SUPERVISOR, &program[writing]), 0);
        assert_int_equal(confine_program(writing, -1, &compiled), 0);
        assert_true(same(&program[writing], &compiled));
        free(compiled.filter);
        assert_int_equal(asked(&program[writing], SYS_execve, 0, 0), SECCOMP_RET_KILL_PROCESS);
        assert_int_equal(asked(&program[writing], SYS_read, 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(asked(&program[writing], SYS_mount, 0, 0), SECCOMP_RET_ERRNO | EPERM);
        assert_int_equal(asked(&program[writing], SYS_mkdir, 0, 0),
                         writing ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM);
    }
    assert_false(same(&program[0], &program[1]));
    free(program[0].filter);
    free(program[1].filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guests),
        cmocka_unit_test(test_a_rule_of_what_the_kernel_answers),
        cmocka_unit_test(test_the_supervisors),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
