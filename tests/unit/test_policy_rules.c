// rooms: policy kernel/sysent
/* What the rules decide: by path, by argument, the first that matches; that the compiled ones agree with the same rules
 * asked one by one; and that their number costs nothing (steps are counted, not time). */
#include "tests/unit/policy_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "policy/automaton.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/glob.h"

static const struct {
    const char *pattern, *path;
    bool matches;
} globs[] = {
    {"/a", "/a", true},
    {"/a", "/ab", false},
    {"/", "/", true},
    {"/", "/a", false},
    {"/*", "/a", true},
    {"/*", "/", false},
    {"/*", "/a/b", false},
    {"/a*", "/a", true},
    {"/a*c", "/abbc", true},
    {"/a*c", "/ab/c", false},
    {"/?", "/a", true},
    {"/?", "/ab", false},
    {"/a?b", "/a/b", false},
    {"/[abc]", "/b", true},
    {"/[a-c]x", "/bx", true},
    {"/[!a-c]", "/b", false},
    {"/[^a-c]", "/d", true},
    {"/a[!x]b", "/a/b", false},
    {"/[]x]", "/]", true},
    {"/[a-]", "/-", true},
    {"/[\\]]", "/]", true},
    {"/\\*", "/*", true},
    {"/\\*", "/a", false},
    {"/\\{a\\}", "/{a}", true},
    /* ** at the end: the directory itself and all below, and nothing that only begins alike */
    {"/data/secret/**", "/data/secret", true},
    {"/data/secret/**", "/data/secret/k", true},
    {"/data/secret/**", "/data/secret/a/b/c", true},
    {"/data/secret/**", "/data/secrets", false},
    {"/data/secret/**", "/data", false},
    {"/data/secret/**/*", "/data/secret", false},
    {"/data/secret/**/*", "/data/secret/a", true},
    {"/data/secret/**/*", "/data/secret/a/b", true},
    {"/data/secret/*", "/data/secret", false},
    /* ** in the middle and at the start */
    {"/a/**/b", "/a/b", true},
    {"/a/**/b", "/a/x/b", true},
    {"/a/**/b", "/a/x/y/b", true},
    {"/a/**/b", "/a/xb", false},
    {"/a/**/b", "/axb", false},
    {"/a/**/**/b", "/a/b", true},
    {"**", "/", true},
    {"**", "/a/b", true},
    {"/**", "/", true},
    {"/**", "/a", true},
    {"**/x", "/x", true},
    {"**/x", "/a/b/x", true},
    {"**/x", "/ax", false},
    {"**/*.py", "/a.py", true},
    {"**/*.py", "/a/b.py", true},
    {"**/*.py", "/a/b.pyc", false},
    {"/a/**/b/**", "/a/b", true},
    {"/a/**/b/**", "/a/x/b/y/b", true},
    {"/a/**/b*d/*", "/a/q/bccd/z", true},
    {"/a/**/b*d/*", "/a/q/bccd", false},
    {"/h\xc3\xa9*", "/h\xc3\xa9llo", true},
};

static void test_globs(void **state)
{
    struct glob *g = malloc(sizeof *g);
    for (size_t i = 0; i < sizeof globs / sizeof *globs; i++) {
        const char *why;
        struct automaton_budget budget = {0};
        assert_int_equal(glob_parse(globs[i].pattern, g, &why), 0);
        struct automaton *a = automaton_new(&budget);
        assert_int_equal(automaton_add(a, g, 7), 0);
        assert_int_equal(automaton_seal(a), 0);
        bool plain = glob_matches(g, globs[i].path), built = automaton_run(a, globs[i].path) == 7;
        if (plain != globs[i].matches || built != globs[i].matches)
            fail_msg("%s on %s: %d and %d", globs[i].pattern, globs[i].path, plain, built);
        automaton_free_all(&budget);
    }
    free(g);
}

/* "deny:EACCES" and so on, for one call; "" when no rule speaks. */
static const char *decided(const struct policy *p, int nr, const uint64_t *argument, const char *path)
{
    static char text[128];
    struct policy_query q = {.nr = nr, .path = {path}};
    if (argument != NULL)
        memcpy(q.argument, argument, sizeof q.argument);
    const struct policy_rule *rule = policy_decide(p, &q);
    assert_ptr_equal(rule, explain_decide(p, &q));
    if (rule == NULL)
        return "";
    snprintf(text, sizeof text, "%zu", rule->index);
    return text;
}

#define ARGUMENTS(...) ((const uint64_t[6]){__VA_ARGS__})

static void test_first_match_wins(void **state)
{
    struct policy *p = must_load("terrarium: 1\n"
                                 "calls:\n"
                                 "  - {allow: openat, path: /data/secret/readme}\n"
                                 "  - {deny: openat, path: \"/data/secret/**\", errno: EACCES, note: hidden}\n"
                                 "  - {deny: openat, args: {flags: {has: O_CREAT}}, errno: EROFS}\n"
                                 "  - {log: openat, path: \"/data/**\"}\n"
                                 "  - {answer: getppid, value: 7}\n"
                                 "  - {kill: \"sched_set*\"}\n"
                                 "  - {deny: family:network, errno: ENETDOWN}\n"
                                 "  - {deny: [rename, renameat], path: [/keep, \"/keep/*\"]}\n");
    const uint64_t *create = ARGUMENTS(0, 0, O_CREAT | O_WRONLY);
    assert_string_equal(decided(p, SYS_openat, NULL, "/data/secret/readme"), "0");
    assert_string_equal(decided(p, SYS_openat, create, "/data/secret/readme"), "0");
    assert_string_equal(decided(p, SYS_openat, NULL, "/data/secret/k1"), "1");
    assert_string_equal(decided(p, SYS_openat, create, "/data/secret/k1"), "1");
    assert_string_equal(decided(p, SYS_openat, create, "/data/x"), "2");
    assert_string_equal(decided(p, SYS_openat, create, NULL), "2");
    assert_string_equal(decided(p, SYS_openat, NULL, "/data/x"), "3");
    assert_string_equal(decided(p, SYS_openat, NULL, "/etc/x"), "");
    assert_string_equal(decided(p, SYS_openat, NULL, NULL), "");
    assert_string_equal(decided(p, SYS_getppid, NULL, NULL), "4");
    assert_string_equal(decided(p, SYS_sched_setaffinity, NULL, NULL), "5");
    assert_string_equal(decided(p, SYS_sched_getaffinity, NULL, NULL), "");
    assert_string_equal(decided(p, SYS_connect, NULL, NULL), "6");
    assert_string_equal(decided(p, SYS_rename, NULL, "/keep/a"), "7");
    struct policy_query second = {.nr = SYS_rename, .path = {"/other", "/keep/a"}};
    assert_int_equal(policy_decide(p, &second)->index, 7);
    assert_true(policy_wants_paths(p, SYS_openat));
    assert_true(policy_has_rules(p, SYS_getppid));
    assert_false(policy_wants_paths(p, SYS_getppid));
    assert_false(policy_has_rules(p, SYS_getpid));
    assert_false(policy_has_rules(p, -1));
    assert_false(policy_has_rules(p, 100000));
    struct policy_query q = {.nr = SYS_openat, .path = {"/data/secret/k1"}};
    const struct policy_rule *rule = policy_decide(p, &q);
    assert_int_equal(rule->error, EACCES);
    assert_string_equal(rule->note, "hidden");
    assert_string_equal(rule->origin.file, "p.yaml");
    assert_int_equal(rule->origin.line, 4);
    assert_string_equal(rule->text, "deny openat, path /data/secret/** = EACCES");
    policy_free(p);
}

static const struct {
    const char *condition; /* of `args` */
    const char *call;
    uint64_t argument[6];
    bool matches;
} conditions[] = {
    {"{1: SIGKILL}", "kill", {5, SIGKILL}, true},
    {"{1: SIGKILL}", "kill", {5, SIGTERM}, false},
    {"{signal: [SIGKILL, SIGTERM]}", "kill", {5, SIGTERM}, true},
    /* junk in the half of the register that the kernel does not look at */
    {"{1: SIGKILL}", "kill", {5, 0xdeadbeef00000009}, true},
    {"{0: -1}", "kill", {0xffffffff, 9}, true},
    {"{0: -1}", "kill", {UINT64_MAX, 9}, true},
    {"{mode: 0644}", "chmod", {0, 0xffff01a4}, true},
    {"{mode: {has: S_ISUID}}", "fchmod", {3, 04755}, true},
    {"{mode: {has: 04000}}", "fchmod", {3, 0755}, false},
    {"{mode: {has: S_ISUID}}", "fchmod", {3, 0xf0000 | 0755}, false},
    /* whole registers where the kernel takes them whole */
    {"{size: {from: 1MiB}}", "mmap", {0, 1 << 20}, true},
    {"{size: {from: 1MiB}}", "mmap", {0, (1 << 20) - 1}, false},
    {"{size: {from: 1MiB}}", "mmap", {0, 1ULL << 40}, true},
    {"{size: {from: 1MiB}}", "mmap", {0, UINT64_MAX}, true},
    {"{1: {to: 100}}", "truncate", {0, (uint64_t)-5}, true},
    {"{1: {to: 100}}", "truncate", {0, 0x100000001}, false},
    /* ranges, with a sign */
    {"{0: {from: -5, to: 5}}", "kill", {(uint32_t)-5}, true},
    {"{0: {from: -5, to: 5}}", "kill", {(uint64_t)-6}, false},
    {"{0: {from: -5, to: 5}}", "kill", {5}, true},
    {"{0: {from: -5, to: 5}}", "kill", {6}, false},
    {"{0: {to: -2}}", "kill", {(uint64_t)-2}, true},
    {"{0: {to: -2}}", "kill", {(uint64_t)-1}, false},
    {"{0: {to: -2}}", "kill", {0x80000000}, true},
    {"{0: {from: 0}}", "kill", {0x7fffffff}, true},
    {"{0: {from: 0}}", "kill", {0x80000000}, false},
    {"{0: {from: 1000}}", "setuid", {0xffffffff}, true},
    /* bits */
    {"{flags: {has: O_CREAT|O_EXCL}}", "openat", {0, 0, O_CREAT | O_EXCL | O_RDWR}, true},
    {"{flags: {has: [O_CREAT, O_EXCL]}}", "openat", {0, 0, O_CREAT}, false},
    {"{flags: {has_any: [O_CREAT, O_EXCL]}}", "openat", {0, 0, O_EXCL}, true},
    {"{flags: {has_any: [O_CREAT, O_EXCL]}}", "openat", {0, 0, O_TRUNC}, false},
    {"{flags: {lacks: [O_CREAT, O_TRUNC]}}", "openat", {0, 0, O_RDWR}, true},
    {"{flags: {lacks: [O_CREAT, O_TRUNC]}}", "openat", {0, 0, O_TRUNC}, false},
    {"{flags: {mask: O_ACCMODE, is: O_RDONLY}}", "openat", {0, 0, O_CLOEXEC}, true},
    {"{flags: {mask: O_ACCMODE, is: O_RDONLY}}", "openat", {0, 0, O_CLOEXEC | O_WRONLY}, false},
    {"{flags: {mask: O_ACCMODE, not: O_RDONLY}}", "openat", {0, 0, O_CLOEXEC | O_RDWR}, true},
    {"{flags: {mask: O_ACCMODE, not: O_RDONLY}}", "openat", {0, 0, O_CLOEXEC}, false},
    {"{flags: {has: O_CREAT, lacks: O_EXCL}}", "openat", {0, 0, O_CREAT}, true},
    {"{flags: {has: O_CREAT, lacks: O_EXCL}}", "openat", {0, 0, O_CREAT | O_EXCL}, false},
    /* not */
    {"{1: {not: SIGKILL}}", "kill", {5, 8}, true},
    {"{1: {not: SIGKILL}}", "kill", {5, 9}, false},
    {"{1: {not: [8, 9, 10]}}", "kill", {5, 10}, false},
    {"{1: {not: [8, 9, 10]}}", "kill", {5, 11}, true},
    {"{1: {not: 9}}", "kill", {5, 0x100000009}, false},
    /* two arguments at once */
    {"{0: AF_INET, 1: {mask: 0xf, is: SOCK_DGRAM}}", "socket", {2, 2 | 02000000}, true},
    {"{0: AF_INET, 1: {mask: 0xf, is: SOCK_DGRAM}}", "socket", {2, 1}, false},
    {"{0: AF_INET, 1: {mask: 0xf, is: SOCK_DGRAM}}", "socket", {10, 2}, false},
};

static void test_conditions(void **state)
{
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        char text[512];
        snprintf(text, sizeof text, "terrarium: 1\ncalls: [{deny: %s, args: %s}]\n", conditions[i].call,
                 conditions[i].condition);
        struct policy *p = must_load(text);
        int nr = -1;
        for (int n = 0; n < 480; n++)
            if (policy_has_rules(p, n))
                nr = n;
        const char *said = decided(p, nr, conditions[i].argument, NULL);
        if ((*said == '0') != conditions[i].matches)
            fail_msg("%s %s: %s", conditions[i].call, conditions[i].condition, said);
        policy_free(p);
    }
}

/* A small generator of its own, so that a failure can be seen again. */
static uint32_t roll(uint64_t *seed, uint32_t sides)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(*seed >> 33) % sides;
}

static void put_random_path(FILE *f, uint64_t *seed, bool pattern)
{
    static const char *const names[] = {"a", "b", "ab", "ba", "aab", "*", "?", "a*", "*b", "**", "[ab]", "[!a]", "?*a"};
    uint32_t parts = 1 + roll(seed, 4);
    for (uint32_t i = 0; i < parts; i++)
        fprintf(f, "/%s", names[roll(seed, pattern ? 13 : 5)]);
}

/* Many small policies of a few random rules: the compiled decision is the one of the rules asked one by one. */
static void test_against_one_by_one(void **state)
{
    static const char *const conditions[] = {
        "",
        "",
        "",
        ", args: {flags: {has: O_CREAT}}",
        ", args: {flags: 1}",
        ", args: {flags: {from: 2, to: 9}}",
        ", args: {flags: {not: [0, 3]}}",
        ", args: {flags: {lacks: 4, not: 1}}",
        ", args: {0: [3, 4], 3: 0644}",
        ", args: {flags: {has_any: [1, 0x40]}, dirfd: AT_FDCWD}",
    };
    static const char *const calls[] = {"openat", "\"*\"", "\"open*\"", "[openat, mkdirat]"};
    static const uint64_t flags[] = {0, 1, 2, 3, 4, 9, 10, 0x40, 0x41, 0x100000001};
    uint64_t seed = 42;
    size_t matched = 0;
    for (int round = 0; round < 300; round++) {
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        fprintf(f, "terrarium: 1\ncalls:\n");
        uint32_t rules = 1 + roll(&seed, 12);
        for (uint32_t i = 0; i < rules; i++) {
            uint32_t condition = roll(&seed, sizeof conditions / sizeof *conditions);
            bool needs_openat = condition >= 3;
            fprintf(f, "  - {deny: %s", needs_openat ? "openat" : calls[roll(&seed, 4)]);
            if (roll(&seed, 4) != 0) {
                fprintf(f, ", path: \"");
                put_random_path(f, &seed, true);
                fprintf(f, "\"");
            }
            fprintf(f, "%s}\n", conditions[condition]);
        }
        fclose(f);
        struct policy *p = must_load(text);
        for (int i = 0; i < 60; i++) {
            char path[64];
            FILE *out = fmemopen(path, sizeof path, "w");
            put_random_path(out, &seed, false);
            fclose(out);
            struct policy_query q = {.nr = SYS_openat, .path = {roll(&seed, 10) ? path : NULL}};
            q.argument[0] = roll(&seed, 2) ? 3 : (uint64_t)AT_FDCWD;
            q.argument[2] = flags[roll(&seed, 10)];
            q.argument[3] = roll(&seed, 2) ? 0644 : 0;
            const struct policy_rule *fast = policy_decide(p, &q), *slow = explain_decide(p, &q);
            matched += fast != NULL;
            if (fast != slow)
                fail_msg("%s\n%s flags %#lx: %zd, one by one %zd", text, q.path[0] ? q.path[0] : "-", q.argument[2],
                         fast ? (ssize_t)fast->index : -1, slow ? (ssize_t)slow->index : -1);
        }
        policy_free(p);
        free(text);
    }
    assert_in_range(matched, 3000, 17000); /* else it compared nothing */
}

/* `count` rules that look at paths, and as many that look at an argument. */
static struct policy *many_rules(int count)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "terrarium: 1\ncalls:\n");
    for (int i = 0; i < count; i++)
        fprintf(f, "  - {deny: openat, path: \"/data/%d/**/secret%d*\"}\n  - {deny: kill, args: {0: %d}}\n", i % 100, i,
                i + 1);
    fprintf(f, "  - {log: openat, path: /last}\n");
    fclose(f);
    struct policy *p = must_load(text);
    free(text);
    return p;
}

/* The steps of 200 decisions. */
static uint64_t work(struct policy *p, bool warm)
{
    uint64_t before = compiled_steps(p);
    for (int round = 0; round < (warm ? 2 : 1); round++) {
        if (round == 1)
            before = compiled_steps(p);
        for (int i = 0; i < 100; i++) {
            char path[64];
            snprintf(path, sizeof path, "/data/%d/x/y/secret%d.txt", i, i);
            struct policy_query q = {.nr = SYS_openat, .path = {path}};
            assert_non_null(policy_decide(p, &q));
            struct policy_query k = {.nr = SYS_kill, .argument = {(uint64_t)i + 1}};
            assert_non_null(policy_decide(p, &k));
        }
    }
    return compiled_steps(p) - before;
}

static void test_number_of_rules_costs_nothing(void **state)
{
    struct policy *few = many_rules(100), *many = many_rules(10000);
    uint64_t cold_few = work(few, false), cold_many = work(many, false);
    uint64_t warm_few = work(few, true), warm_many = work(many, true);
    /* Warm: one step a byte (27 at most) and one to three probes a table. */
    assert_in_range(warm_many, 1, 200 * 40);
    assert_in_range(warm_many, 1, warm_few * 2);
    /* Cold: states are built from the few trie nodes that a path has in common with patterns, not from all. */
    assert_in_range(cold_many, 1, cold_few * 4);
    policy_free(few);
    policy_free(many);
}

/* Patterns made to have many states: memory stays bounded, and the answers stay right while states are thrown away. */
static void test_hostile_patterns(void **state)
{
    struct automaton_budget budget = {0};
    struct automaton *a = automaton_new(&budget);
    struct glob *g[64];
    uint64_t seed = 7;
    for (uint32_t i = 0; i < 64; i++) {
        char pattern[256] = "/**/";
        const char *why;
        for (int j = 0; j < 12; j++)
            strcat(pattern, (const char *[]){"*a", "?b", "*ab", "a?"}[roll(&seed, 4)]);
        strcat(pattern, "*");
        g[i] = malloc(sizeof *g[i]);
        assert_int_equal(glob_parse(pattern, g[i], &why), 0);
        assert_int_equal(automaton_add(a, g[i], i), 0);
    }
    assert_int_equal(automaton_seal(a), 0);
    size_t most = 0, matched = 0;
    for (int round = 0; round < 3000; round++) {
        char path[128] = "/";
        for (size_t i = 1; i < sizeof path - 1; i++)
            path[i] =
                "ab/"[roll(&seed, 30) == 0 && i > 1 && path[i - 1] != '/' && i < sizeof path - 2 ? 2 : roll(&seed, 2)];
        uint32_t expected = AUTOMATON_NONE;
        uint32_t found = automaton_run(a, path);
        if (budget.state_bytes > most)
            most = budget.state_bytes;
        if (round % 50 != 0)
            continue;
        for (uint32_t i = 64; i > 0; i--)
            if (glob_matches(g[i - 1], path))
                expected = i - 1;
        matched += expected != AUTOMATON_NONE;
        assert_int_equal(found, expected);
    }
    assert_true(most <= AUTOMATON_MOST_STATE_BYTES);
    assert_true(budget.flushes > 0);
    assert_true(matched > 0);
    automaton_free_all(&budget);
    for (int i = 0; i < 64; i++)
        free(g[i]);
}

/* Calls that are spoken of together share one automaton. */
static void test_every_call_with_many_patterns(void **state)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "terrarium: 1\ncalls:\n  - deny: \"*\"\n    path:\n");
    for (int i = 0; i < 5000; i++)
        fprintf(f, "      - \"/data/%d/**\"\n", i);
    fclose(f);
    struct policy *p = must_load(text);
    free(text);
    assert_string_equal(decided(p, SYS_openat, NULL, "/data/4999/x"), "0");
    assert_string_equal(decided(p, SYS_stat, NULL, "/data/17"), "0");
    assert_string_equal(decided(p, SYS_stat, NULL, "/data/5000"), "");
    assert_false(policy_has_rules(p, SYS_getpid));
    policy_free(p);
}

/* Which rule keeps a name, if any: what falls under a rule must not be had by another name. */
static void test_names_that_stay(void **state)
{
    static const struct {
        const char *from, *to;
        bool below;
        const char *rule; /* "": it may change */
    } cases[] = {
        {"/data/secret/k1", "/tmp/k1", false, "0"},        /* the thing itself, by a rule of whatever call */
        {"/data/secret/k1", "/data/secret/k2", false, ""}, /* falls under the same rule as before */
        {"/data/secret", "/data/open", true, "0"},
        {"/data", "/date", true, "0"}, /* what is above: a name below it is the rule's */
        {"/data", "/date", false, ""}, /* but a file has nothing below it */
        {"/date", "/data", true, ""},  /* a name that comes under a rule loses nothing */
        {"/tmp/a", "/tmp/b", true, ""},
        {"/tmp/keys", "/var/keys", true, ""}, /* a pattern that begins anywhere fits both names alike */
        {"/tmp/keys", "/tmp/nails", true, "2"},
        {"/tmp/a", "/tmp/keys", true, ""},
        {"/home/x", "/home/y", true, ""}, /* every name there is the same to the rule */
        {"/home/x", "/tmp/x", true, "3"},
        {"/answered/a", "/tmp/a", true, ""}, /* what is only pretended forbids nothing */
        {"/let/a", "/tmp/a", true, ""},
        {"/first/a/b", "/tmp/b", true, "6"}, /* the first rule wins elsewhere; here each counts */
        {"/first/a/b", "/first/c/b", true, "7"},
    };
    struct policy *p = must_load("terrarium: 1\ncalls:\n"
                                 "  - {deny: openat, path: \"/data/secret/**\", errno: EACCES}\n"
                                 "  - {deny: getpid}\n"
                                 "  - {deny: stat, path: \"**/keys\"}\n"
                                 "  - {kill: unlink, path: \"/home/*/mail\"}\n"
                                 "  - {answer: unlink, path: \"/answered/**\"}\n"
                                 "  - {allow: [openat, open], path: \"/let/**\"}\n"
                                 "  - {deny: getxattr, path: \"/first/**\"}\n"
                                 "  - {deny: openat, path: \"/first/a/**\"}\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct policy_rule *r = policy_bars_name(p, cases[i].from, cases[i].to, cases[i].below);
        char got[16] = "";
        if (r != NULL)
            snprintf(got, sizeof got, "%zu", r->index);
        if (strcmp(got, cases[i].rule) != 0)
            fail_msg("%s to %s: rule '%s', not '%s'", cases[i].from, cases[i].to, got, cases[i].rule);
    }
    assert_true(policy_has_rules(p, SYS_rename) && policy_wants_paths(p, SYS_linkat));
    assert_int_equal(policy_names_lost(SYS_renameat2, (const uint64_t[6]){0, 0, 0, 0, 2}), 3);
    assert_int_equal(policy_names_lost(SYS_openat, (const uint64_t[6]){0}), 0);
    policy_free(p);
    p = must_load("terrarium: 1\ncalls: [{deny: getpid}, {answer: chmod, path: \"/a/**\"}]\n");
    assert_false(policy_has_rules(p, SYS_rename));
    assert_null(policy_bars_name(p, "/a/b", "/c", true));
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_first_match_wins),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_against_one_by_one),
        cmocka_unit_test(test_number_of_rules_costs_nothing),
        cmocka_unit_test(test_hostile_patterns),
        cmocka_unit_test(test_every_call_with_many_patterns),
        cmocka_unit_test(test_names_that_stay),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
