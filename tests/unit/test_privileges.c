// rooms: kernel stubs vfs policy
/* What a process may: credentials, limits, prctl, scheduling: tables of what Linux answers. */
#include "tests/unit/fake_machine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MINUS_ONE UINT64_C(0xffffffff)

/* ---- credentials ---- */

#define KEEP MINUS_ONE

static void test_set_user_ids(void **state)
{
    /* Real, effective, saved before; the call; its answer; real, effective, saved after. */
    static const struct {
        uint32_t before[3];
        long nr;
        uint64_t arg[3];
        int64_t answer;
        uint32_t after[3];
    } cases[] = {
        {{1000, 1000, 1000}, SYS_setuid, {1000}, 0, {1000, 1000, 1000}},
        {{1000, 1000, 1000}, SYS_setuid, {0}, -EPERM, {1000, 1000, 1000}},
        {{1000, 1000, 1000}, SYS_setuid, {KEEP}, -EINVAL, {1000, 1000, 1000}},
        {{1000, 1001, 1002}, SYS_setuid, {1002}, 0, {1000, 1002, 1002}},
        {{1000, 1001, 1002}, SYS_setuid, {1001}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setuid, {33}, 0, {33, 33, 33}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 1002}, 0, {1000, 1002, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {1001, 1000}, 0, {1001, 1000, 1000}},
        {{1000, 1001, 1002}, SYS_setreuid, {1002, KEEP}, -EPERM, {1000, 1001, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 1000}, 0, {1000, 1000, 1002}},
        {{1000, 1001, 1002}, SYS_setreuid, {KEEP, 5}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setreuid, {7, KEEP}, 0, {7, 0, 0}},
        {{1000, 1001, 1002}, SYS_setresuid, {1002, 1000, 1001}, 0, {1002, 1000, 1001}},
        {{1000, 1001, 1002}, SYS_setresuid, {KEEP, KEEP, KEEP}, 0, {1000, 1001, 1002}},
        {{1000, 1001, 1002}, SYS_setresuid, {KEEP, KEEP, 0}, -EPERM, {1000, 1001, 1002}},
        {{0, 0, 0}, SYS_setresuid, {1, 2, 3}, 0, {1, 2, 3}},
    };
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint32_t *b = cases[i].before, *a = cases[i].after;
        *c = (struct cred){.uid = b[0], .euid = b[1], .suid = b[2], .fsuid = b[1]};
        if (b[1] == 0)
            c->capabilities = c->permitted = UINT64_MAX >> 23;
        assert_int_equal(fake_call_as(f->task, (uint64_t)cases[i].nr,
                                      (const uint64_t[6]){cases[i].arg[0], cases[i].arg[1], cases[i].arg[2]}),
                         cases[i].answer);
        if (c->uid != a[0] || c->euid != a[1] || c->suid != a[2])
            print_error("case %zu: %u %u %u\n", i, c->uid, c->euid, c->suid);
        assert_true(c->uid == a[0] && c->euid == a[1] && c->suid == a[2]);
        assert_int_equal(c->fsuid, c->euid);
    }
}

static void test_set_group_ids(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    *c = (struct cred){.gid = 10, .egid = 11, .sgid = 12, .fsgid = 11, .uid = 1000, .euid = 1000, .suid = 1000};
    assert_int_equal(fake_call(f, SYS_setgid, 11), -EPERM);
    assert_int_equal(fake_call(f, SYS_setgid, 12), 0);
    assert_true(c->gid == 10 && c->egid == 12 && c->sgid == 12 && c->fsgid == 12);
    assert_int_equal(fake_call(f, SYS_setresgid, 12, 10, KEEP), 0);
    assert_true(c->gid == 12 && c->egid == 10 && c->sgid == 12);
    assert_int_equal(fake_call(f, SYS_setregid, 11, KEEP), -EPERM);
    assert_int_equal(fake_call(f, SYS_setregid, 10, KEEP), 0);
    assert_true(c->gid == 10 && c->egid == 10 && c->sgid == 10);
    /* The old one is what setfsgid(2) returns, whether or not it changed. */
    assert_int_equal(fake_call(f, SYS_setfsgid, 99), 10);
    assert_int_equal(c->fsgid, 10);
    c->capabilities = UINT64_C(1) << CAP_SETGID;
    assert_int_equal(fake_call(f, SYS_setfsgid, 99), 10);
    assert_int_equal(fake_call(f, SYS_setfsgid, KEEP), 99);
}

static void test_groups(void **state)
{
    struct fake_machine *f = *state;
    uint32_t *list = fake_bytes(f, 0);
    for (int i = 0; i < 40; i++)
        list[i] = 100 - (uint32_t)i;
    assert_int_equal(fake_call(f, SYS_setgroups, 3, fake_at(0)), -EPERM);
    assert_int_equal(fake_call(f, SYS_getgroups, 0, 0), 0);
    f->task->cred.capabilities = UINT64_C(1) << CAP_SETGID;
    assert_int_equal(fake_call(f, SYS_setgroups, 3, fake_at(0)), 0);
    assert_int_equal(fake_call(f, SYS_setgroups, 33, fake_at(0)), -ENOMEM);
    assert_int_equal(fake_call(f, SYS_setgroups, 70000, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_setgroups, 2, 8), -EFAULT);
    assert_int_equal(fake_call(f, SYS_getgroups, 0, 0), 3);
    assert_int_equal(fake_call(f, SYS_getgroups, 2, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getgroups, (uint64_t)-1, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getgroups, 10, fake_at(256)), 3);
    uint32_t *got = fake_bytes(f, 256);
    assert_true(got[0] == 98 && got[1] == 99 && got[2] == 100);
}

/* capabilities(7), "Effect of user ID changes on capabilities". */
static void test_capabilities_follow_ids(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    const uint64_t all = UINT64_MAX >> 23;
    const struct cred root = {.capabilities = all, .permitted = all, .bounding = all};
    *c = root;
    assert_int_equal(fake_call(f, SYS_setresuid, KEEP, 1000, KEEP), 0); /* effective only */
    assert_true(c->capabilities == 0 && c->permitted == all);
    assert_int_equal(fake_call(f, SYS_setresuid, KEEP, 0, KEEP), 0);
    assert_true(c->capabilities == all);
    assert_int_equal(fake_call(f, SYS_setresuid, 1000, 1000, 1000), 0);
    assert_true(c->capabilities == 0 && c->permitted == 0);
    assert_int_equal(fake_call(f, SYS_setuid, 0), -EPERM);
    *c = root;
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_KEEPCAPS, 1), 0);
    assert_int_equal(fake_call(f, SYS_setresuid, 1000, 1000, 1000), 0);
    assert_true(c->capabilities == 0 && c->permitted == all);
    *c = root;
    assert_int_equal(fake_call(f, SYS_setfsuid, 1000), 0);
    assert_int_equal(c->capabilities >> CAP_DAC_OVERRIDE & 1, 0);
    assert_int_equal(c->capabilities >> CAP_SETUID & 1, 1);
    assert_int_equal(fake_call(f, SYS_setfsuid, 0), 1000);
    assert_true(c->capabilities == all);
}

static void test_capset(void **state)
{
    struct fake_machine *f = *state;
    struct cred *c = &f->task->cred;
    uint32_t *header = fake_bytes(f, 0), *data = fake_bytes(f, 64);
    c->permitted = c->capabilities = 7;
    header[0] = 0x1234;
    header[1] = 0;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), 0), 0); /* a question for the version */
    assert_int_equal(header[0], _LINUX_CAPABILITY_VERSION_3);
    header[0] = 0x1234;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), 0);
    assert_true(data[0] == 7 && data[1] == 7 && data[2] == 0);
    header[1] = 31000;
    assert_int_equal(fake_call(f, SYS_capget, fake_at(0), fake_at(64)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_capset, fake_at(0), fake_at(64)), -EPERM);
    header[1] = 0;
    static const struct {
        uint32_t effective, permitted, inheritable;
        int64_t answer;
    } cases[] = {{7, 7, 0, 0}, {15, 7, 0, -EPERM}, {7, 15, 0, -EPERM}, {3, 7, 7, -EPERM /* not in the bounding set */},
                 {1, 3, 0, 0}, {3, 3, 0, 0},       {4, 3, 0, -EPERM}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(data, 0, 24);
        data[0] = cases[i].effective;
        data[1] = cases[i].permitted;
        data[2] = cases[i].inheritable;
        assert_int_equal(fake_call(f, SYS_capset, fake_at(0), fake_at(64)), cases[i].answer);
    }
    assert_true(c->capabilities == 3 && c->permitted == 3);
}

/* ---- limits ---- */

static int64_t limit(struct fake_machine *f, int32_t pid, uint64_t resource, uint64_t cur, uint64_t max)
{
    struct rlimit64 *l = fake_bytes(f, 0);
    *l = (struct rlimit64){cur, max};
    return fake_call(f, SYS_prlimit64, (uint64_t)pid, resource, fake_at(0), fake_at(32));
}

static void test_limits(void **state)
{
    struct fake_machine *f = *state;
    struct rlimit64 *old = fake_bytes(f, 32);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 2, 1), -EINVAL);
    assert_int_equal(limit(f, 0, RLIM_NLIMITS, 1, 2), -EINVAL);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 1 << 20, 1 << 30), 0);
    assert_int_equal(old->rlim_cur, RLIM64_INFINITY);
    assert_true(f->limited == RLIMIT_AS && f->limit.rlim_cur == 1 << 20);
    assert_int_equal(limit(f, 0, RLIMIT_AS, 1 << 20, RLIM64_INFINITY), -EPERM); /* never up again */
    assert_int_equal(limit(f, 0, RLIMIT_NOFILE, 8, 8), 0);
    assert_int_equal(fake_call(f, SYS_prlimit64, 31000, RLIMIT_AS, 0, fake_at(0)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_prlimit64, 0, RLIMIT_AS, 8, 0), -EFAULT);
    struct task *child = fake_child_of(f->task, SIGCHLD);
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 5, 9), 0);
    assert_int_equal(child->process->limits[RLIMIT_FSIZE].rlim_cur, 5);
    child->cred.suid = 0;
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 5, 9), -EPERM);
    f->task->cred.capabilities = UINT64_MAX;
    assert_int_equal(limit(f, child->tid, RLIMIT_FSIZE, 50, 90), 0);
    assert_int_equal(limit(f, 0, RLIMIT_NOFILE, 1 << 20, 1 << 20), -EPERM); /* fs.nr_open */
    for (int i = 0; i < 8; i++)
        assert_true(fake_call(f, SYS_pidfd_open, (uint64_t)f->process->pid, 0) >= 0);
    assert_int_equal(fake_call(f, SYS_pidfd_open, (uint64_t)f->process->pid, 0), -EMFILE);
}

/* ---- prctl, scheduling ---- */

static void test_prctl(void **state)
{
    static const struct {
        uint64_t arg[5];
        int64_t answer;
    } cases[] = {
        {{PR_SET_PDEATHSIG, SIGTERM}, 0},
        {{PR_SET_PDEATHSIG, 65}, -EINVAL},
        {{PR_GET_DUMPABLE}, 1},
        {{PR_SET_DUMPABLE, 2}, -EINVAL},
        {{PR_SET_DUMPABLE, 0}, 0},
        {{PR_GET_DUMPABLE}, 0},
        {{PR_GET_NO_NEW_PRIVS}, 0},
        {{PR_SET_NO_NEW_PRIVS, 0}, -EINVAL},
        {{PR_SET_NO_NEW_PRIVS, 1, 1}, -EINVAL},
        {{PR_SET_NO_NEW_PRIVS, 1}, 0},
        {{PR_GET_NO_NEW_PRIVS}, 1},
        {{PR_SET_SECCOMP, 2, FAKE_BASE}, -EINVAL},
        {{PR_SET_TSC, PR_TSC_SIGSEGV}, -EINVAL},
        {{PR_SET_MM, PR_SET_MM_BRK, 1}, -EPERM},
        {{PR_SET_PTRACER, 1}, -EINVAL},
        {{PR_SET_SYSCALL_USER_DISPATCH, 1}, -EINVAL},
        {{PR_CAPBSET_READ, 0}, 0},
        {{PR_CAPBSET_READ, 64}, -EINVAL},
        {{PR_CAPBSET_DROP, 0}, -EPERM},
        {{PR_SET_SECUREBITS, SECBIT_NOROOT}, -EPERM},
        {{PR_SET_KEEPCAPS, 2}, -EINVAL},
        {{PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1}, -EPERM},
        {{PR_GET_TIMERSLACK}, 50000},
        {{PR_SET_TIMERSLACK, 1}, 0},
        {{PR_GET_TIMERSLACK}, 1},
        {{PR_SET_THP_DISABLE, 1}, CALL_NATIVE},
        {{PR_SET_NAME, 8}, -EFAULT},
        {{12345}, -EINVAL},
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint64_t *a = cases[i].arg;
        int64_t got = fake_call(f, SYS_prctl, a[0], a[1], a[2], a[3], a[4]);
        if (got != cases[i].answer)
            print_error("prctl %d %ld: %ld\n", (int)a[0], (long)a[1], (long)got);
        assert_int_equal(got, cases[i].answer);
    }
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_NAME, fake_string(f, 0, "a name that is too long")), 0);
    assert_int_equal(fake_call(f, SYS_prctl, PR_GET_NAME, fake_at(64)), 0);
    assert_string_equal(fake_bytes(f, 64), "a name that is ");
    assert_int_equal(fake_call(f, SYS_prctl, PR_SET_NAME, fake_string(f, 0, "short")), 0);
    assert_string_equal(f->task->comm, "short");
}

static void test_scheduling(void **state)
{
    struct fake_machine *f = *state;
    int32_t *parameter = fake_bytes(f, 0);
    *parameter = 0;
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_BATCH, fake_at(0)), 0);
    assert_int_equal(fake_call(f, SYS_sched_getscheduler, 0), SCHED_BATCH);
    *parameter = 5;
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_BATCH, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 0, SCHED_FIFO, fake_at(0)), -EPERM);
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 31000, SCHED_FIFO, fake_at(0)), -ESRCH);
    assert_int_equal(fake_call(f, SYS_sched_getaffinity, 0, 4, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_getaffinity, 0, 128, fake_at(0)), 8);
    assert_int_equal(*(uint64_t *)fake_bytes(f, 0), 1);
    assert_int_equal(fake_call(f, SYS_sched_setaffinity, 0, 8, fake_at(0)), 0);
    *(uint64_t *)fake_bytes(f, 0) = 2;
    assert_int_equal(fake_call(f, SYS_sched_setaffinity, 0, 8, fake_at(0)), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getpriority, PRIO_PROCESS, 0), 20);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 0, 5), 0);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 0, 4), -EACCES);
    assert_int_equal(fake_call(f, SYS_setpriority, PRIO_PROCESS, 31000, 4), -ESRCH);
    assert_int_equal(fake_call(f, SYS_getpriority, PRIO_PGRP, 0), 15);
    assert_int_equal(fake_call(f, SYS_getpriority, 3, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_sched_getscheduler, 1), SCHED_OTHER); /* the reaper: to look at only */
    assert_int_equal(fake_call(f, SYS_sched_setscheduler, 1, SCHED_OTHER, fake_at(4096)), -EPERM);
    /* A yield returns after the others ran. */
    assert_int_equal(fake_call(f, SYS_sched_yield, 0), 0);
    int64_t pid = fake_call(f, SYS_fork, 0);
    assert_int_equal(fake_call(f, SYS_sched_yield, 0), CALL_BLOCK);
    assert_int_equal(sched_pick(f->world)->tid, pid);
    assert_ptr_equal(sched_pick(f->world), f->task);
    assert_int_equal(fake_again(f->task), 0);
}

static void test_getrandom(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10, 8), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10, 2 | 4), -EINVAL);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 0, 0), 0);
    assert_int_equal(fake_call(f, SYS_getrandom, 8, 10, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), 10000, 0), 10000);
    unsigned writes = f->writes;
    fake_unmap(f, 20);
    assert_int_equal(fake_call(f, SYS_getrandom, fake_at(0), UINT64_MAX, 1), 20 * FAKE_PAGE);
    assert_in_range(f->writes - writes, 1, 22);
}

/* What is mapped with its pages counts as touched: no more than so much of a process, whoever its parents were. */
static void test_populating_has_an_end(void **state)
{
    struct fake_machine *f = *state;
    uint64_t sum = 0;
    assert_int_equal(mm_populate(f->task->mm, UINT64_C(1) << 30), 0);
    assert_int_equal(mm_populate(f->task->mm, UINT64_MAX), 0);
    while (mm_populate(f->task->mm, MM_ARENA) == MAP_POPULATE && sum < UINT64_C(1) << 30)
        sum += MM_ARENA;
    assert_int_equal(sum, 8 << 20);
    assert_int_equal(mm_populate(fake_child_of(f->task, SIGCHLD)->mm, MM_ARENA), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_set_user_ids), TEST(test_set_group_ids),
        TEST(test_groups),       TEST(test_capabilities_follow_ids),
        TEST(test_capset),       TEST(test_limits),
        TEST(test_prctl),        TEST(test_scheduling),
        TEST(test_getrandom),    TEST(test_populating_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
