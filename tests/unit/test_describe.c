// rooms: kernel policy
/* Calls in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/describe.h"
#include "kernel/sysent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define CWD ((uint64_t)AT_FDCWD)

static const struct {
    const char *expected;
    uint64_t nr, arg[6];
    const char *text[6], *leads[6];
} cases[] = {
    {"openat(\"/data/secret/k1\", O_RDONLY)", SYS_openat, {CWD, 1, O_RDONLY, 0666}, {NULL, "/data/secret/k1"}, {0}},
    {"openat(\"../k\"</d/k>, O_RDONLY)", SYS_openat, {CWD, 1}, {NULL, "../k"}, {NULL, "/d/k"}},
    {"openat(3, \"a\", O_RDWR|O_CREAT|O_CLOEXEC, 0644)",
     SYS_openat,
     {3, 1, O_RDWR | O_CREAT | O_CLOEXEC, 0644},
     {NULL, "a"},
     {0}},
    {"openat(\"t\", O_WRONLY|O_TMPFILE, 0600)", SYS_openat, {CWD, 1, O_WRONLY | O_TMPFILE, 0600}, {NULL, "t"}, {0}},
    {"open(\"d\", O_RDONLY|O_DIRECTORY)", SYS_open, {1, O_DIRECTORY, 0777}, {"d"}, {0}},
    {"open(\"a\\n\\x1b[31m\\\"\", O_RDONLY)", SYS_open, {1}, {"a\n\033[31m\""}, {0}},
    {"open(0x1000, O_RDONLY)", SYS_open, {0x1000}, {0}, {0}},
    {"open(NULL, O_RDONLY)", SYS_open, {0}, {0}, {0}},
    {"read(3, 0x7000, 4096)", SYS_read, {3, 0x7000, 4096}, {0}, {0}},
    {"read(-1, NULL, 18446744073709551615)", SYS_read, {UINT64_MAX, 0, UINT64_MAX}, {0}, {0}},
    {"newfstatat(\"f\", 0x2000, AT_SYMLINK_NOFOLLOW)",
     SYS_newfstatat,
     {CWD, 1, 0x2000, AT_SYMLINK_NOFOLLOW},
     {NULL, "f"},
     {0}},
    {"newfstatat(5, \"\", 0x2000, AT_EMPTY_PATH)", SYS_newfstatat, {5, 1, 0x2000, AT_EMPTY_PATH}, {NULL, ""}, {0}},
    {"mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0},
     {0},
     {0}},
    {"mprotect(0x1000, 4096, PROT_NONE)", SYS_mprotect, {0x1000, 4096, 0}, {0}, {0}},
    {"clone(CLONE_VM|CLONE_VFORK|SIGCHLD, NULL, NULL, NULL, NULL)",
     SYS_clone,
     {CLONE_VM | CLONE_VFORK | SIGCHLD},
     {0},
     {0}},
    {"kill(7, SIGKILL)", SYS_kill, {7, SIGKILL}, {0}, {0}},
    {"kill(-1, SIGRT_2)", SYS_kill, {UINT64_MAX, 34}, {0}, {0}},
    {"kill(1, 99)", SYS_kill, {1, 99}, {0}, {0}},
    {"lseek(3, -1, SEEK_END)", SYS_lseek, {3, UINT64_MAX, SEEK_END}, {0}, {0}},
    {"access(\"x\", R_OK|X_OK)", SYS_access, {1, 5}, {"x"}, {0}},
    {"access(\"x\", F_OK)", SYS_access, {1, 0}, {"x"}, {0}},
    {"fcntl(1, F_SETFL, 0x800)", SYS_fcntl, {1, F_SETFL, 0x800}, {0}, {0}},
    {"ioctl(0, TCGETS, 0x9)", SYS_ioctl, {0, 0x5401, 9}, {0}, {0}},
    {"futex(0x10, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0)", SYS_futex, {16, 128}, {0}, {0}},
    {"syscall_99999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)", 99999, {1, 2, 3, 4, 5, 6}, {0}, {0}},
};

static void calls(void **state)
{
    char line[DESCRIBE_ROOM];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = describe_call(cases[i].nr, cases[i].arg, cases[i].text, cases[i].leads, line, sizeof line);
        assert_string_equal(line, cases[i].expected);
        assert_int_equal(n, strlen(line));
    }
}

/* Whatever the room: never beyond it, always terminated, and it says that something is missing. */
static void small_rooms(void **state)
{
    char path[5000], line[64];
    memset(path, '\001', sizeof path);
    path[sizeof path - 1] = '\0';
    for (size_t room = 1; room < sizeof line; room++) {
        memset(line, '#', sizeof line);
        size_t n = describe_call(SYS_open, (const uint64_t[6]){1}, (const char *const[6]){path}, NULL, line, room);
        assert_true(n < room);
        assert_int_equal(line[n], '\0');
        assert_int_equal(line[room], '#');
        if (room > 4)
            assert_string_equal(line + n - 3, "...");
    }
}

/* Every call of the table, with the extremes of every argument. */
static void the_whole_table(void **state)
{
    static const uint64_t extremes[] = {0, 1, UINT64_MAX, INT64_MIN, UINT32_MAX, 0x80000000};
    char line[DESCRIBE_ROOM];
    for (uint64_t nr = 0; nr < SYSENT_COUNT + 2; nr++)
        for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
            uint64_t v = extremes[i];
            assert_in_range(describe_call(nr, (const uint64_t[6]){v, v, v, v, v, v}, NULL, NULL, line, sizeof line), 3,
                            sizeof line - 1);
        }
}

static void results(void **state)
{
    char line[64];
    describe_result(3, line, sizeof line);
    assert_string_equal(line, "3");
    describe_result(-ENOENT, line, sizeof line);
    assert_string_equal(line, "-1 ENOENT");
    describe_result(-5000, line, sizeof line);
    assert_string_equal(line, "-5000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(small_rooms),
        cmocka_unit_test(the_whole_table),
        cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
