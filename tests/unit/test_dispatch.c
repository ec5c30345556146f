// rooms: kernel stubs vfs
/* Dispatch and the policy's say: a rule about a path holds whatever name the guest gives it. */
#include "tests/unit/fake_machine.h"

#include "stubs/proc/proc.h"

#include <linux/capability.h>
#include <linux/openat2.h>
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = FAKE_PAGE };
#define CWD ((uint64_t)AT_FDCWD)

/* A policy in place of policy/: rules by call and by what the path begins with. What is tested here is what kernel/
 * asks. */
struct rule {
    struct policy_rule said;
    int calls[9];
    const char *under; /* NULL: any path */
};

static struct rule rules[] = {
    {{.action = POLICY_DENY, .error = EACCES, .note = (char *)"tests are hidden", .origin = {"grading.yaml", 14, 5}},
     {SYS_openat, SYS_open, SYS_openat2, SYS_creat, SYS_newfstatat, SYS_linkat, SYS_truncate, SYS_readlink},
     "/data/secret/"},
    {{.action = POLICY_DENY, .error = EPERM, .origin = {"grading.yaml", 15, 5}, .index = 1},
     {SYS_renameat},
     "/data/secret"},
    {{.action = POLICY_DENY, .error = EPERM, .origin = {"grading.yaml", 16, 5}, .index = 2},
     {SYS_ptrace, SYS_bpf},
     NULL},
    {{.action = POLICY_ANSWER, .answer = 77, .origin = {"grading.yaml", 17, 5}, .index = 3}, {SYS_getppid}, NULL},
    {{.action = POLICY_LOG, .origin = {"grading.yaml", 18, 5}, .index = 4}, {SYS_umask}, NULL},
    {{.action = POLICY_KILL, .origin = {"grading.yaml", 19, 5}, .index = 5}, {SYS_reboot}, NULL},
};
enum { RULES = sizeof rules / sizeof rules[0] };

static bool about(const struct rule *r, int nr)
{
    for (size_t i = 0; i < sizeof r->calls / sizeof r->calls[0]; i++)
        if (r->calls[i] == nr && nr != 0)
            return true;
    return false;
}

bool policy_has_rules(const struct policy *p, int nr)
{
    for (int i = 0; i < RULES; i++)
        if (about(&rules[i], nr))
            return true;
    return false;
}

bool policy_wants_paths(const struct policy *p, int nr)
{
    for (int i = 0; i < RULES; i++)
        if (about(&rules[i], nr) && rules[i].under)
            return true;
    return false;
}

const struct policy_rule *policy_decide(const struct policy *p, const struct policy_query *q)
{
    for (int i = 0; i < RULES; i++) {
        if (!about(&rules[i], q->nr))
            continue;
        if (!rules[i].under)
            return &rules[i].said;
        for (int path = 0; path < 2; path++)
            if (q->path[path] && strncmp(q->path[path], rules[i].under, strlen(rules[i].under)) == 0)
                return &rules[i].said;
    }
    return NULL;
}

/* Names that must stay are the real policy's to say: tests/attacks/test_paths.py. */
unsigned policy_names_lost(int nr, const uint64_t argument[6])
{
    return 0;
}

const struct policy_rule *policy_bars_name(const struct policy *p, const char *from, const char *to, bool below)
{
    return NULL;
}

const char *policy_errno_name(int error)
{
    return error == EACCES ? "EACCES" : NULL;
}

void policy_free(struct policy *p)
{
}

static int setup(void **state)
{
    char why[256];
    struct fake_machine *f = fake_machine_with(NULL);
    struct vfs *v = f->world->vfs;
    *state = f;
    assert_int_equal(proc_mount(f->world, why, sizeof why), 0);
    assert_int_equal(vfs_put_dir(v, "/data", 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_dir(v, "/data/secret", 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_file(v, "/data/secret/k1", "key", 3, 0666, 1000, 1000), 0);
    assert_int_equal(vfs_put_file(v, "/data/open", "open", 4, 0666, 1000, 1000), 0);
    assert_int_equal(vfs_put_dir(v, "/box", 0777, 1000, 1000), 0);
    assert_int_equal(vfs_put_symlink(v, "/box/key", "../data/secret/k1"), 0);
    assert_int_equal(vfs_put_symlink(v, "/box/dir", "/data/secret"), 0);
    assert_int_equal(vfs_put_symlink(v, "/box/twice", "dir/k1"), 0);
    assert_int_equal(vfs_put_symlink(v, "/box/dangling", "/data/secret/new"), 0);
    assert_int_equal(vfs_put_symlink(v, "/box/chain", "dangling"), 0);
    return 0;
}

static int64_t open_at(struct fake_machine *f, int dirfd, const char *path, uint64_t flags)
{
    return fake_call(f, SYS_openat, (uint64_t)dirfd, fake_string(f, 0, path), flags, 0666);
}

static void aliases(void **state)
{
    static const struct {
        const char *path;
        uint64_t flags;
        int expected;
    } cases[] = {
        {"/data/secret/k1", O_RDONLY, -EACCES},
        {"/data/secret/k1", O_PATH, -EACCES},
        {"/data/./secret//k1", O_RDONLY, -EACCES},
        {"/box/../data/secret/k1", O_RDONLY, -EACCES},
        {"data/secret/k1", O_RDONLY, -EACCES},
        {"/box/key", O_RDONLY, -EACCES},
        {"/box/dir/k1", O_RDONLY, -EACCES},
        {"/box/twice", O_RDONLY, -EACCES},
        {"/proc/self/root/data/secret/k1", O_RDONLY, -EACCES},
        {"/proc/self/cwd/data/secret/k1", O_RDONLY, -EACCES},
        {"/proc/self/../../data/secret/k1", O_RDONLY, -EACCES},
        {"/data/secret/absent", O_RDONLY, -EACCES}, /* what is hidden does not say whether it is there */
        {"/data/secret/a/b/../c", O_RDONLY, -EACCES},
        {"/data/secret/new", O_WRONLY | O_CREAT, -EACCES},
        {"/box/dangling", O_WRONLY | O_CREAT, -EACCES},
        {"/box/chain", O_WRONLY | O_CREAT, -EACCES},
        {"/box/dir/new", O_WRONLY | O_CREAT | O_EXCL, -EACCES},
        /* and what is not meant is not hit */
        {"/box/key", O_RDONLY | O_NOFOLLOW, -ELOOP},
        {"/box/dangling", O_WRONLY | O_CREAT | O_EXCL, -EEXIST},
        {"/data/secret/../absent", O_RDONLY, -ENOENT},
        {"/data/secretary", O_RDONLY, -ENOENT},
        {"/absent/secret/k1", O_RDONLY, -ENOENT},
        {"", O_RDONLY, -ENOENT},
    };
    struct fake_machine *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (open_at(f, AT_FDCWD, cases[i].path, cases[i].flags) != cases[i].expected)
            fail_msg("%s", cases[i].path);
    assert_int_equal(open_at(f, AT_FDCWD, "/data/secret/../open", O_RDONLY), 0);
}

static void descriptors(void **state)
{
    struct fake_machine *f = *state;
    int data = (int)open_at(f, AT_FDCWD, "/data", O_RDONLY | O_DIRECTORY);
    int box = (int)open_at(f, AT_FDCWD, "/box", O_PATH);
    assert_true(data >= 0 && box >= 0);
    assert_int_equal(open_at(f, data, "secret/k1", O_RDONLY), -EACCES);
    assert_int_equal(open_at(f, box, "key", O_RDONLY), -EACCES);
    assert_int_equal(open_at(f, 99, "/data/secret/k1", O_RDONLY), -EACCES); /* an absolute path does not look at it */
    assert_int_equal(open_at(f, 99, "secret/k1", O_RDONLY), -EBADF);
    char magic[64];
    snprintf(magic, sizeof magic, "/proc/self/fd/%d/secret/k1", data);
    assert_int_equal(open_at(f, AT_FDCWD, magic, O_RDONLY), -EACCES);
    /* the working directory below */
    assert_int_equal(fake_call(f, SYS_chdir, fake_string(f, 0, "/data/secret")), 0);
    assert_int_equal(open_at(f, AT_FDCWD, "k1", O_RDONLY), -EACCES);
    /* a descriptor that was open before acts on its own; opening it anew by its magic link is an open of the path */
    struct place at = {.vfs = f->world->vfs, .cred = &f->task->cred, .root = vfs_root(f->world->vfs)};
    struct file *file;
    at.start = at.root;
    assert_int_equal(vfs_open(&at, "/data/secret/k1", O_RDONLY, 0, 0, &file), 0);
    int fd = fdtable_install(f->task->fds, file, 0, false);
    assert_int_equal(fake_call(f, SYS_read, (uint64_t)fd, fake_at(PAGE), 10), 3);
    snprintf(magic, sizeof magic, "/proc/self/fd/%d", fd);
    assert_int_equal(open_at(f, AT_FDCWD, magic, O_RDONLY), -EACCES);
    assert_int_equal(fake_call(f, SYS_fstat, (uint64_t)fd, fake_at(PAGE)), 0);
}

static void chroot_does_not_hide(void **state)
{
    struct fake_machine *f = *state;
    f->task->cred.capabilities = UINT64_C(1) << CAP_SYS_CHROOT;
    assert_int_equal(fake_call(f, SYS_chroot, fake_string(f, 0, "/data")), 0);
    assert_int_equal(fake_call(f, SYS_chdir, fake_string(f, 0, "/")), 0);
    assert_int_equal(open_at(f, AT_FDCWD, "/secret/k1", O_RDONLY), -EACCES);
    assert_int_equal(open_at(f, AT_FDCWD, "/../../secret/k1", O_RDONLY), -EACCES);
    assert_true(open_at(f, AT_FDCWD, "/open", O_RDONLY) >= 0);
}

static void other_calls(void **state)
{
    struct fake_machine *f = *state;
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    memcpy(fake_bytes(f, PAGE), &how, sizeof how);
    int data = (int)open_at(f, AT_FDCWD, "/data", O_RDONLY);
    uint64_t path = fake_string(f, 0, "/secret/k1");
    assert_int_equal(fake_call(f, SYS_openat2, (uint64_t)data, path, fake_at(PAGE), sizeof how), -EACCES);
    how.flags |= UINT64_C(1) << 40;
    memcpy(fake_bytes(f, PAGE), &how, sizeof how);
    assert_int_equal(fake_call(f, SYS_openat2, (uint64_t)data, path, fake_at(PAGE), sizeof how - 1), -EINVAL);
    assert_int_equal(fake_call(f, SYS_truncate, fake_string(f, 0, "/box/key"), 0), -EACCES);
    /* readlink and linkat act on the symlink, not on what it points to */
    assert_int_equal(fake_call(f, SYS_readlink, fake_string(f, 0, "/box/key"), fake_at(PAGE), 100), 17);
    uint64_t new = fake_string(f, 2 * PAGE, "/box/copy");
    assert_int_equal(fake_call(f, SYS_linkat, CWD, fake_string(f, 0, "/data/secret/k1"), CWD, new, 0), -EACCES);
    assert_int_equal(fake_call(f, SYS_linkat, CWD, fake_string(f, 0, "/box/key"), CWD, new, AT_SYMLINK_FOLLOW),
                     -EACCES);
    new = fake_string(f, 2 * PAGE, "/data/secret/copy"); /* the second path is judged too */
    assert_int_equal(fake_call(f, SYS_linkat, CWD, fake_string(f, 0, "/data/open"), CWD, new, 0), -EACCES);
    assert_int_equal(fake_call(f, SYS_renameat, CWD, fake_string(f, 0, "/data/secret"), CWD, new), -EPERM);
    assert_int_equal(fake_call(f, SYS_newfstatat, CWD, fake_string(f, 0, "/box/key"), fake_at(PAGE), 0), -EACCES);
    assert_int_equal(
        fake_call(f, SYS_newfstatat, CWD, fake_string(f, 0, "/box/key"), fake_at(PAGE), AT_SYMLINK_NOFOLLOW), 0);
}

static void answers_and_counts(void **state)
{
    struct fake_machine *f = *state;
    struct world *w = f->world;
    assert_int_equal(fake_call(f, SYS_getppid, 0), 77);
    assert_int_equal(fake_call(f, SYS_ptrace, 0), -EPERM);
    assert_int_equal(fake_call(f, SYS_bpf, 0), -EPERM);
    for (int i = 0; i < 3; i++)
        assert_int_equal(open_at(f, AT_FDCWD, "/box/key", O_RDONLY), -EACCES);
    assert_int_equal(w->denial_count, 3);
    assert_int_equal(w->denials[0].count, 3); /* in the rules' order */
    assert_string_equal(w->denials[0].example, "openat(\"/box/key\"</data/secret/k1>, O_RDONLY)");
    assert_int_equal(w->denials[1].count, 2);
    assert_int_equal(w->denials[2].count, 1);
    assert_int_equal(w->counters[SYS_openat].denied, 3);
    assert_int_equal(w->counters[SYS_openat].calls, 3);
    assert_int_equal(w->counters[SYS_ptrace].denied, 1);
    assert_int_equal(fake_call(f, SYS_umask, 077), 022); /* logged, and done */
    assert_int_equal(w->denials[w->denial_count - 1].rule->action, POLICY_LOG);
    assert_int_equal(fake_call(f, 479, 0), -ENOSYS);
    assert_int_equal(fake_call(f, UINT64_MAX, 0), -ENOSYS);
    assert_int_equal(fake_call(f, SYS_read | 0x40000000, 0), -ENOSYS);
    assert_int_equal(w->unknown_calls, 3);
}

/* The line of --verbose, exactly, and only for the first denial of each rule. */
static void verbose(void **state)
{
    struct fake_machine *f = *state;
    int ends[2], own = dup(2);
    char line[512] = "";
    assert_int_equal(pipe(ends), 0);
    f->world->verbose = true;
    dup2(ends[1], 2);
    open_at(f, AT_FDCWD, "/data/secret/k1", O_RDONLY);
    open_at(f, AT_FDCWD, "/data/secret/k1", O_RDONLY);
    fake_call(f, SYS_getppid, 0);
    fake_call(f, SYS_umask, 022);
    dup2(own, 2);
    close(own);
    close(ends[1]);
    ssize_t n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    assert_true(n > 0);
    assert_string_equal(line, "terrarium: denied openat(\"/data/secret/k1\", O_RDONLY) = EACCES, by grading.yaml:14 "
                              "\"tests are hidden\"\n"
                              "terrarium: answered getppid() = 77, by grading.yaml:17\n"
                              "terrarium: logged umask(0x12), by grading.yaml:18\n");
}

static void a_kill_ends_the_world(void **state)
{
    struct fake_machine *f = *state;
    assert_true(fake_call(f, SYS_reboot, 0) < 0);
    assert_int_equal(f->world->verdict, VERDICT_KILLED);
}

/* A bad pointer is the stub's business: EFAULT, not a hole in the rule. */
static void bad_pointers(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(fake_call(f, SYS_openat, CWD, 8, O_RDONLY), -EFAULT);
    assert_int_equal(fake_call(f, SYS_openat, CWD, 0, O_RDONLY), -EFAULT);
    memset(fake_bytes(f, 0), 'x', 2 * PAGE);
    assert_int_equal(fake_call(f, SYS_openat, CWD, fake_at(0), O_RDONLY), -ENAMETOOLONG);
}

/* Where computing that makes no calls is charged too, a limit of CPU time must see all of it. */
static void an_event_is_time_of_its_task_and_everyones(void **state)
{
    struct fake_machine *f = *state;
    struct world *w = f->task->world;
    const struct task before = *f->task;
    const int64_t elapsed = clock_elapsed(&w->clock), process = f->task->process->cpu, world = w->cpu;
    w->clock.per_event = 7;
    task_event(f->task);
    assert_int_equal(clock_elapsed(&w->clock), elapsed + 7);
    assert_int_equal(f->task->calls, before.calls + 1);
    assert_int_equal(f->task->cpu, before.cpu + 7);
    assert_int_equal(f->task->process->cpu, process + 7);
    assert_int_equal(w->cpu, world + 7);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        CASE(aliases),      CASE(descriptors),           CASE(chroot_does_not_hide),
        CASE(other_calls),  CASE(answers_and_counts),    CASE(verbose),
        CASE(bad_pointers), CASE(a_kill_ends_the_world), CASE(an_event_is_time_of_its_task_and_everyones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
