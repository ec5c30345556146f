// rooms: policy kernel/sysent
/* What a good policy means: defaults, every key, units, includes and who wins, the command line's word, show, explain.
 */
#include "tests/unit/policy_fixture.h"

#include "policy/network.h"
#include "policy/units.h"

static void test_defaults(void **state)
{
    struct policy *p;
    struct policy_error e;
    assert_int_equal(policy_load(NULL, NULL, &p, &e), 0);
    assert_int_equal(policy_compile(p, &e), 0);
    assert_null(p->python);
    assert_string_equal(p->hostname, "terrarium");
    assert_string_equal(p->cwd, "/box");
    assert_string_equal(p->user.name, "guest");
    assert_int_equal(p->user.uid, 1000);
    assert_int_equal(p->user.gid, 1000);
    assert_string_equal(p->user.home, "/home/guest");
    assert_string_equal(p->user.shell, "/bin/sh");
    assert_false(p->clock.real);
    assert_true(p->clock.start == 1704067200000000000);
    assert_true(p->clock.rate == 1.0);
    assert_int_equal(p->clock.per_event, 10000);
    assert_int_equal(p->seed, 0);
    assert_false(p->trap_all);
    assert_int_equal(p->limits.cpu, 0);
    assert_int_equal(p->limits.wall, 0);
    assert_int_equal(p->limits.memory, 0);
    assert_int_equal(p->limits.output, 0);
    assert_int_equal(p->limits.processes, 256);
    assert_int_equal(p->limits.files, 1 << 30);
    assert_int_equal(p->limits.open_files, 4096);
    assert_int_equal(p->limits.file_count, 200000);
    assert_int_equal(p->mount_count + p->file_count + p->environment_count, 0);
    assert_null(p->network);
    assert_null(p->path);
    assert_int_equal(strlen(p->digest), 64);
    policy_free(p);
}

static const char everything[] =
    "terrarium: 1\n"
    "python: ./py/bin/python3\n"
    "hostname: grader\n"
    "cwd: //work//x/\n"
    "user: {name: ann, uid: 7, gid: 0x8, home: /home/ann, shell: /bin/bash}\n"
    "clock: {start: 2024-02-29T12:30:00.5+02:00, rate: 2.5, per_event: 1.5us}\n"
    "random: {seed: 18446744073709551615}\n"
    "trap: all\n"
    "limits: {cpu: 1.5s, wall: 2m, memory: 256MiB, output: 1MB, processes: 32, files: 64KiB,\n"
    "         open_files: none, file_count: 5}\n"
    "mounts:\n"
    "  - {at: /z/deep, host: sub, mode: cow, quota: 1GiB}\n"
    "  - {at: /z, tar: /abs.tar}\n"
    "  - {at: /tmp, memory: true, quota: 16MiB}\n"
    "files:\n"
    "  /etc/b: \"x\\0y\"\n"
    "  /etc/a: {text: hello, mode: 0600, uid: 3, gid: 4, secret: true}\n"
    "  /etc/c: {base64: \"AP8=\"}\n"
    "  /etc/d: {file: ./here}\n"
    "  /etc/e: {link: ../a, uid: 5}\n"
    "  /etc/f: {absent: true}\n"
    "  /etc/g: {directory: true, mode: 01777}\n"
    "environment: {B: 1, A: \"two words\", C: \"\"}\n"
    "network:\n"
    "  - {connect: \"a.example:80\", refuse: true, delay: 1.5s, note: \"a \\\"note\\\"\"}\n"
    "  - {connect: [\"*.b.example:1-1024\", \"10.0.0.0/8:*\", \"[2001:db8::/32]:53\"], protocol: udp, timeout: true}\n"
    "  - {connect: \"c.example:443\", forward: \"[::1]:8443\"}\n"
    "  - {connect: \"*:25\", close-after: 64KiB}\n"
    "  - {resolve: \"*.example.com\", to: [203.0.113.7, \"2001:db8::7\"], mx: [\"10 mx.example\"], txt: \"v=spf1 "
    "-all\", srv: "
    "\"0 5 5060 sip.example\", ns: [a.ns, b.ns], ttl: 1h}\n"
    "  - {resolve: gone.example, to: nxdomain}\n"
    "  - {resolve: www.example, cname: WWW.example.com.}\n"
    "  - {default: blackhole}\n"
    "calls:\n"
    "  - {deny: [open, \"sched_*\"], errno: EWOULDBLOCK}\n"
    "  - {answer: getppid}\n"
    "  - {kill: openat, path: [\"/a/**\", /b], args: {flags: {has: [O_CREAT, 0x200]}, 3: {mask: 07, not: "
    "1}}, note: \"a \\\"note\\\"\"}\n";

static void test_every_key(void **state)
{
    mkdir("sub", 0755);
    put_file("sub/q.yaml", everything);
    struct policy *p;
    struct policy_error e = {""};
    if (policy_load("sub/q.yaml", NULL, &p, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(p->python, "sub/py/bin/python3");
    assert_string_equal(p->hostname, "grader");
    assert_string_equal(p->cwd, "/work/x");
    assert_string_equal(p->user.name, "ann");
    assert_int_equal(p->user.uid, 7);
    assert_int_equal(p->user.gid, 8);
    assert_true(p->clock.start == 1709202600500000000);
    assert_true(p->clock.rate == 2.5);
    assert_int_equal(p->clock.per_event, 1500);
    assert_true(p->seed == UINT64_MAX);
    assert_true(p->trap_all);
    assert_true(p->limits.cpu == 1500000000);
    assert_true(p->limits.wall == 120000000000);
    assert_int_equal(p->limits.memory, 256 << 20);
    assert_int_equal(p->limits.output, 1000000);
    assert_int_equal(p->limits.open_files, 0);
    assert_int_equal(p->limits.file_count, 5);
    /* by path, a parent before its children */
    assert_int_equal(p->mount_count, 3);
    assert_string_equal(p->mounts[0].at, "/tmp");
    assert_int_equal(p->mounts[0].kind, POLICY_MOUNT_MEMORY);
    assert_true(p->mounts[0].copy_on_write);
    assert_string_equal(p->mounts[1].at, "/z");
    assert_string_equal(p->mounts[1].source, "/abs.tar");
    assert_false(p->mounts[1].copy_on_write);
    assert_string_equal(p->mounts[2].source, "sub/sub");
    assert_true(p->mounts[2].copy_on_write);
    assert_int_equal(p->mounts[2].quota_bytes, 1 << 30);
    assert_int_equal(p->mounts[2].origin.line, 12);
    assert_int_equal(p->file_count, 7);
    assert_string_equal(p->files[0].path, "/etc/a");
    assert_int_equal(p->files[0].mode, 0600);
    assert_int_equal(p->files[0].uid, 3);
    assert_int_equal(p->files[0].gid, 4);
    assert_true(p->files[0].secret);
    assert_int_equal(p->files[1].size, 3);
    assert_memory_equal(p->files[1].bytes, "x\0y", 3);
    assert_int_equal(p->files[1].uid, -1);
    assert_int_equal(p->files[2].size, 2);
    assert_memory_equal(p->files[2].bytes, "\0\xff", 2);
    assert_string_equal(p->files[3].bytes, "sub/here");
    assert_int_equal(p->files[4].kind, POLICY_FILE_LINK);
    assert_string_equal(p->files[4].bytes, "../a");
    assert_int_equal(p->files[5].kind, POLICY_FILE_ABSENT);
    assert_int_equal(p->files[6].mode, 01777);
    assert_int_equal(p->environment_count, 3);
    assert_string_equal(p->environment[0], "B=1");
    assert_string_equal(p->environment[1], "A=two words");
    assert_string_equal(p->environment[2], "C=");
    assert_int_equal(p->network->rule_count, 7);
    assert_int_equal(p->network->otherwise, NETWORK_TIMEOUT);
    assert_int_equal(p->network_origin.line, 25);
    assert_string_equal(p->path, "sub/q.yaml");
    policy_free(p);
}

/* What is left without the comments and the lines that held nothing else. */
static char *without_comments(const char *text)
{
    char *out = strdup(text), *to = out;
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        const char *comment = length > 0 && line[0] == '#' ? line : memmem(line, length, "  # ", 4);
        size_t keep = comment ? (size_t)(comment - line) : length;
        memcpy(to, line, keep);
        to += keep;
        if (keep > 0)
            *to++ = '\n';
        line += length + (line[length] == '\n');
    }
    *to = '\0';
    return out;
}

/* What show prints is a policy, and the same one. */
static void test_show_reads_back(void **state)
{
    struct policy *p = must_load(everything);
    char *first = policy_show(p);
    policy_free(p);
    assert_non_null(strstr(first, "cwd: \"/work/x\"  # p.yaml:4\n"));
    assert_non_null(strstr(first, "  cpu: 1500ms  # p.yaml:9\n"));
    p = must_load(first);
    char *second = policy_show(p);
    policy_free(p);
    char *one = without_comments(first), *two = without_comments(second);
    assert_string_equal(one, two);
    free(one);
    free(two);
    free(first);
    free(second);
}

static void test_who_wins(void **state)
{
    mkdir("profiles", 0755);
    put_file("profiles/base.yaml", "terrarium: 1\nhostname: base\ncwd: /base\nlimits: {cpu: 1s, wall: 1s}\n"
                                   "files: {/a: base, /b: base}\nenvironment: {A: base, B: base}\n"
                                   "mounts: [{at: /m, memory: true}]\ncalls: [{deny: getpid, note: base}]\n");
    put_file("profiles/more.yaml",
             "terrarium: 1\nhostname: more\ncalls: [{deny: getpid, note: more}, {deny: getppid, note: more}]\n");
    struct policy *p = must_load("terrarium: 1\ninclude: [base, more]\ncwd: /own\nlimits: {cpu: 2s}\nfiles: {/b: own}\n"
                                 "environment: {B: own, C: own}\nmounts: [{at: /m, host: /}]\n"
                                 "calls: [{deny: gettid, note: own}]\n");
    struct policy_error e;
    assert_string_equal(p->hostname, "more");
    assert_string_equal(p->cwd, "/own");
    assert_true(p->limits.cpu == 2000000000 && p->limits.wall == 1000000000);
    assert_int_equal(p->file_count, 2);
    assert_string_equal(p->files[0].bytes, "base");
    assert_string_equal(p->files[1].bytes, "own");
    assert_string_equal(p->files[1].origin.file, "p.yaml");
    assert_int_equal(p->environment_count, 3);
    assert_string_equal(p->environment[1], "B=own");
    assert_int_equal(p->mount_count, 1);
    assert_int_equal(p->mounts[0].kind, POLICY_MOUNT_HOST);
    /* rules: the file's own, then what it includes, the later first */
    assert_int_equal(policy_decide(p, &(struct policy_query){.nr = 186})->index, 0);
    assert_string_equal(policy_decide(p, &(struct policy_query){.nr = 39})->note, "more");
    assert_string_equal(policy_decide(p, &(struct policy_query){.nr = 39})->origin.file, "profiles/more.yaml");
    /* the command line over all */
    assert_int_equal(policy_set(p, "--cwd", "cwd", "/last", &e), 0);
    assert_int_equal(policy_set(p, "--seed", "random.seed", "0x10", &e), 0);
    assert_int_equal(policy_set(p, "--trap", "trap", "all", &e), 0);
    assert_int_equal(policy_set_limits(p, "cpu=3s,memory=1GiB,wall=none", &e), 0);
    assert_int_equal(policy_add_mount(p, "/with:colon:/m:cow", &e), 0);
    assert_int_equal(policy_add_mount(p, "rel:/a", &e), 0);
    assert_int_equal(policy_add_image(p, "x.tar", &e), 0);
    assert_int_equal(policy_add_environment(p, "B=last=1", &e), 0);
    assert_int_equal(policy_compile(p, &e), 0);
    assert_string_equal(p->cwd, "/last");
    assert_int_equal(p->seed, 16);
    assert_true(p->trap_all);
    assert_true(p->limits.cpu == 3000000000 && p->limits.memory == 1 << 30 && p->limits.wall == 0);
    assert_int_equal(p->mount_count, 3);
    assert_string_equal(p->mounts[0].at, "/");
    assert_int_equal(p->mounts[0].kind, POLICY_MOUNT_TAR);
    assert_string_equal(p->mounts[1].source, "rel");
    assert_string_equal(p->mounts[2].source, "/with:colon");
    assert_true(p->mounts[2].copy_on_write);
    assert_string_equal(p->environment[1], "B=last=1");
    char *shown = policy_show(p);
    assert_non_null(strstr(shown, "cwd: \"/last\"  # (command line)\n"));
    assert_non_null(strstr(shown, "hostname: \"more\"  # profiles/more.yaml:2\n"));
    assert_non_null(strstr(shown, "  uid: 1000  # (built in)\n"));
    free(shown);
    policy_free(p);
}

/* The digest is of every byte that was read: an included file's too. */
static void test_digest(void **state)
{
    mkdir("profiles", 0755);
    put_file("profiles/base.yaml", "terrarium: 1\n");
    struct policy *a = must_load("terrarium: 1\ninclude: base\n"), *b = must_load("terrarium: 1\ninclude: base\n");
    assert_string_equal(a->digest, b->digest);
    policy_free(b);
    put_file("profiles/base.yaml", "terrarium: 1 \n");
    b = must_load("terrarium: 1\ninclude: base\n");
    assert_string_not_equal(a->digest, b->digest);
    policy_free(a);
    policy_free(b);
}

static void test_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
        const char *printed;
    } sizes[] = {{"0", 0, "0"},
                 {"4096", 4096, "4KiB"},
                 {"1B", 1, "1"},
                 {"1.5GiB", 3ULL << 29, "1536MiB"},
                 {"1GB", 1000000000, "1000000000"},
                 {"64 KiB", 65536, "64KiB"},
                 {"8388607TiB", 8388607ULL << 40, "8388607TiB"}},
      durations[] = {{"0", 0, "0ns"},
                     {"500ms", 500000000, "500ms"},
                     {"0.1s", 100000000, "100ms"},
                     {"2m", 120000000000, "2m"},
                     {"90m", 5400000000000, "90m"},
                     {"1d", 86400000000000, "24h"}};
    char buffer[UNITS_ROOM];
    const char *why;
    uint64_t value;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(units_read_size(sizes[i].text, &value, &why), 0);
        assert_true(value == sizes[i].value);
        assert_string_equal(units_print_size(value, buffer), sizes[i].printed);
    }
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        assert_int_equal(units_read_duration(durations[i].text, &value, &why), 0);
        assert_true(value == durations[i].value);
        assert_string_equal(units_print_duration(value, buffer), durations[i].printed);
    }
    static const char *const times[] = {"1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z",
                                        "2024-01-01T00:00:00.000000001Z", "2199-12-31T23:59:59.5Z"};
    int64_t ns;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_int_equal(units_read_time(times[i], &ns, &why), 0);
        assert_string_equal(units_print_time(ns, buffer), times[i]);
    }
    static const double rates[] = {0.001, 1, 2.5, 1000000, 0.3, 123456.7};
    double rate;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        assert_int_equal(units_read_rate(units_print_rate(rates[i], buffer), &rate, &why), 0);
        assert_true(rate == rates[i]);
    }
}

static const struct {
    const char *words[5];
    const char *answer;
} questions[] = {
    {{"openat", "/data/secret/k"},
     "openat(?, \"/data/secret/k\", ?, ?)\n"
     "  denied with EACCES (Permission denied)\n"
     "      by p.yaml:3:5: deny openat, path /data/secret/** = EACCES\n"
     "      note: tests are hidden\n"},
    {{"openat", "/x", "O_CREAT|O_WRONLY"},
     "openat(?, \"/x\", 0x41, ?)\n"
     "  ends the run, with the verdict 'killed'\n"
     "      by p.yaml:4:5: kill openat, flags has O_CREAT\n"},
    {{"openat", "/x", "flags=O_RDONLY"},
     "openat(?, \"/x\", 0, ?)\n"
     "  answered by stub openat (built in: kernel/sysent.def)\n"
     "  no line of the policy speaks of /x: it exists if the built-in world has it\n"},
    {{"openat", "/x"},
     "openat(?, \"/x\", ?, ?)\n"
     "  if what is not given here fits: ends the run, with the verdict 'killed'\n"
     "      by p.yaml:4:5: kill openat, flags has O_CREAT\n"
     "  else: answered by stub openat (built in: kernel/sysent.def)\n"
     "  no line of the policy speaks of /x: it exists if the built-in world has it\n"},
    {{"open", "gone", "0"},
     "open(\"/box/gone\", 0, ?)\n"
     "  answered by stub open (built in: kernel/sysent.def)\n"
     "  /box/gone is absent (p.yaml:8:3)\n"},
    {{"open", "/m/x"},
     "open(\"/m/x\", ?, ?)\n"
     "  answered by stub open (built in: kernel/sysent.def)\n"
     "  /m/x lies in the mount /m: tar ./a.tar, read-only (p.yaml:10:5)\n"},
    {{"getppid"}, "getppid()\n  answered with 7, and nothing is done\n      by p.yaml:5:5: answer getppid = 7\n"},
    {{"getuid"},
     "getuid()\n  noted in the report, and answered by stub getuid (built in: kernel/sysent.def)\n"
     "      by p.yaml:6:5: log getuid\n"},
    {{"rt_sigprocmask"},
     "rt_sigprocmask(?, ?, ?, ?)\n  answered by the kernel itself: it only touches the caller's own state (built in: "
     "kernel/sysent.def)\n"},
    {{"vserver"},
     "vserver()\n  ENOSYS (Function not implemented): this world's kernel is built without it (built in: "
     "kernel/sysent.def)\n"},
    {{"ptrace", "PTRACE_ATTACH", "5"},
     "ptrace(0x10, 0x5, ?, ?)\n  EPERM (Operation not permitted): nobody in the world has the privilege (built in: "
     "kernel/sysent.def)\n"},
};

static void test_explain(void **state)
{
    struct policy_error e = {""};
    struct policy *p =
        must_load("terrarium: 1\ncalls:\n"
                  "  - {deny: openat, path: \"/data/secret/**\", errno: EACCES, note: tests are hidden}\n"
                  "  - {kill: openat, args: {flags: {has: O_CREAT}}}\n"
                  "  - {answer: getppid, value: 7}\n"
                  "  - {log: getuid}\n"
                  "files:\n  /box/gone: {absent: true}\n"
                  "mounts:\n  - {at: /m, tar: ./a.tar}\n");
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        int argc = 0;
        char *text;
        while (argc < 5 && questions[i].words[argc] != NULL)
            argc++;
        if (policy_explain(p, argc, questions[i].words, &text, &e) < 0)
            fail_msg("%s", e.text);
        assert_string_equal(text, questions[i].answer);
        free(text);
    }
    static const struct {
        const char *words[3];
        const char *error;
    } mistakes[] = {
        {{NULL}, "policy explain: which call? (such as: policy explain openat /etc/shadow)"},
        {{"opnat"}, "policy explain: no system call is named 'opnat' (did you mean 'openat'?)"},
        {{"getpid", "/a"}, "policy explain: getpid takes no path for '/a'"},
        {{"getpid", "5"}, "policy explain: getpid has no argument for '5'"},
        {{"kill", "5", "SIGKIL"},
         "policy explain: 'SIGKIL' is no value of argument 1 of kill (did you mean 'SIGKILL'?)"},
        {{"kill", "x=5"}, "policy explain: 'x=5': the call has no such argument: use its number, from 0"},
        {{"open", "/a/../b"}, "policy explain: '/a/../b': a path of the guest has no '.' or '..' in it"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        int argc = 0;
        char *text;
        while (argc < 3 && mistakes[i].words[argc] != NULL)
            argc++;
        assert_int_equal(policy_explain(p, argc, mistakes[i].words, &text, &e), -1);
        assert_string_equal(e.text, mistakes[i].error);
    }
    policy_free(p);
}

static void test_errno_names(void **state)
{
    assert_string_equal(policy_errno_name(13), "EACCES");
    assert_null(policy_errno_name(0));
    assert_null(policy_errno_name(134));
    assert_null(policy_errno_name(-13));
    assert_int_equal(policy_errno_number("EACCES"), 13);
    assert_int_equal(policy_errno_number("EWOULDBLOCK"), 11);
    assert_int_equal(policy_errno_number("ENOTSUP"), 95);
    assert_int_equal(policy_errno_number("EOPNOTSUPP"), 95);
    assert_int_equal(policy_errno_number("NONE"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_every_key),   cmocka_unit_test(test_show_reads_back),
        cmocka_unit_test(test_who_wins), cmocka_unit_test(test_digest),      cmocka_unit_test(test_units),
        cmocka_unit_test(test_explain),  cmocka_unit_test(test_errno_names),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
