// rooms: policy kernel/sysent
/* What is wrong with a policy, said exactly: file, line, column, words. One row a mistake. */
#include "tests/unit/policy_fixture.h"

/* The text stands below "terrarium: 1", so its first line is line 2. */
static const struct {
    const char *text, *error;
} rows[] = {
    /* keys */
    {"mout: 1\n", "p.yaml:2:1: unknown key 'mout' at the top (did you mean 'mounts'?)"},
    {"limits: {cpuu: 1s}\n", "p.yaml:2:10: unknown key 'cpuu' in limits (did you mean 'cpu'?)"},
    {"mounts:\n  - {at: /a, mout: b}\n", "p.yaml:3:14: unknown key 'mout' in mounts[0] (did you mean 'mode'?)"},
    {"mounts:\n  - {at: /a, hots: b}\n", "p.yaml:3:14: unknown key 'hots' in mounts[0] (did you mean 'host'?)"},
    {"python: a\nhostname: b\npython: c\n", "p.yaml:4:1: duplicate key 'python' (first in line 2)"},
    {"user: {uid: 1, uid: 2}\n", "p.yaml:2:16: duplicate key 'uid' (first in line 2)"},
    {"? [a]\n: b\n", "p.yaml:2:3: a key must be a word"},
    {"a: &x {b: 1}\nc: {<<: *x}\n", "p.yaml:3:5: merge keys (<<) are not part of a policy: use include"},
    {"\"a\\0b\": 1\n", "p.yaml:2:1: a NUL byte in a key"},
    /* the text itself */
    {"a: [b\n", "p.yaml:3:1: did not find expected ',' or ']' while parsing a flow sequence"},
    {"calls: [{deny: *}]\n", "p.yaml:2:17: did not find expected alphabetic or numeric character while scanning an "
                             "alias (a text that begins with * needs quotes)"},
    {"cwd: *x\n", "p.yaml:2:6: no value before this one has the anchor &x (a text that begins with * needs quotes)"},
    {"cwd: @x\n",
     "p.yaml:2:6: found character that cannot start any token while scanning for the next token (a tab, or a "
     "text that begins with @, % or ` and needs quotes)"},
    {"cwd: !!str /x\n", "p.yaml:2:6: tags (!) are not part of a policy"},
    {"--- \nterrarium: 1\n", "p.yaml:2:1: a second document: a policy is one"},
    {"cwd: [[[[[[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "p.yaml:2:28: nested deeper than 24 levels"},
    {"cwd: \xff\n", "p.yaml:2:6: invalid leading UTF-8 octet"},
    /* types */
    {"hostname: [a]\n", "p.yaml:2:11: hostname: expected one value, not a list"},
    {"hostname: {a: b}\n", "p.yaml:2:11: hostname: expected one value, not a mapping"},
    {"hostname:\n", "p.yaml:2:10: hostname: a value is missing"},
    {"hostname: ~\n", "p.yaml:2:11: hostname: a value is missing"},
    {"hostname: \"a\\0b\"\n", "p.yaml:2:11: hostname: a NUL byte in it"},
    {"hostname: a_b\n", "p.yaml:2:11: hostname: 'a_b': expected a host name: letters, digits, '-' and '.', at most 64"},
    {"hostname: \"a\\nb\"\n",
     "p.yaml:2:11: hostname: 'a?b': expected a host name: letters, digits, '-' and '.', at most 64"},
    {"user: guest\n", "p.yaml:2:7: user: expected keys and values"},
    {"user: {uid: \"5\"}\n", "p.yaml:2:13: user.uid: \"5\" is a text: write it without quotes"},
    {"user: {uid: 4294967295}\n", "p.yaml:2:13: user.uid: '4294967295': expected an id between 0 and 4294967294"},
    {"user: {uid: -1}\n", "p.yaml:2:13: user.uid: '-1': expected an id between 0 and 4294967294"},
    {"user: {name: Root}\n",
     "p.yaml:2:14: user.name: 'Root': expected a user's name: small letters, digits, _ and -, at most 32"},
    {"cwd: box\n", "p.yaml:2:6: cwd: 'box': expected an absolute path of the guest, such as /data"},
    {"cwd: /a/../b\n", "p.yaml:2:6: cwd: '/a/../b': a path of the guest has no '.' or '..' in it"},
    {"trap: most\n", "p.yaml:2:7: trap: 'most': expected default or all"},
    {"random: {seed: 18446744073709551616}\n",
     "p.yaml:2:16: random.seed: '18446744073709551616': too large: the most is 18446744073709551615"},
    {"random: {seed: x}\n", "p.yaml:2:16: random.seed: 'x': expected a whole number such as 42"},
    /* units */
    {"limits: {cpu: 10}\n",
     "p.yaml:2:15: limits.cpu: '10': expected a duration with its unit, such as 10s, 500ms, 2m or 1h"},
    {"limits: {cpu: 10sec}\n",
     "p.yaml:2:15: limits.cpu: '10sec': expected a duration with its unit, such as 10s, 500ms, 2m or 1h"},
    {"limits: {cpu: 0.0000000001s}\n", "p.yaml:2:15: limits.cpu: '0.0000000001s': not a whole number of nanoseconds"},
    {"limits: {cpu: 106752d}\n", "p.yaml:2:15: limits.cpu: '106752d': too long: the most is 106751d"},
    {"limits: {memory: 256M}\n",
     "p.yaml:2:18: limits.memory: '256M': expected a size such as 4096, 64KiB, 256MiB or 1GB"},
    {"limits: {memory: 99999999TiB}\n", "p.yaml:2:18: limits.memory: '99999999TiB': too large: the most is 8388607TiB"},
    {"limits: {memory: 0.3B}\n", "p.yaml:2:18: limits.memory: '0.3B': not a whole number of bytes"},
    {"limits: {processes: 0}\n", "p.yaml:2:21: limits.processes: '0': a limit is more than 0: 'none' lifts it"},
    {"clock: fast\n", "p.yaml:2:8: clock: 'fast': expected real, or a mapping such as {start: 2024-01-01T00:00:00Z}"},
    {"clock: {start: yesterday}\n",
     "p.yaml:2:16: clock.start: 'yesterday': expected a time such as 2024-01-01T00:00:00Z"},
    {"clock: {start: 2023-02-29}\n",
     "p.yaml:2:16: clock.start: '2023-02-29': expected a time such as 2024-01-01T00:00:00Z"},
    {"clock: {start: 2024-01-01T00:00:00}\n",
     "p.yaml:2:16: clock.start: '2024-01-01T00:00:00': expected a time with its zone, such as 2024-01-01T00:00:00Z"},
    {"clock: {start: 2200-01-01}\n",
     "p.yaml:2:16: clock.start: '2200-01-01': the clock can start between 1970 and 2199"},
    {"clock: {rate: 0}\n", "p.yaml:2:15: clock.rate: '0': expected a rate between 0.001 and 1000000, such as 1.0"},
    {"clock: {rate: nan}\n", "p.yaml:2:15: clock.rate: 'nan': expected a rate between 0.001 and 1000000, such as 1.0"},
    /* mounts */
    {"mounts: {at: /a}\n", "p.yaml:2:9: mounts: expected a list"},
    {"mounts: [{host: x}]\n", "p.yaml:2:10: mounts[0]: the key 'at' is missing"},
    {"mounts: [{at: /a}]\n", "p.yaml:2:10: mounts[0]: one of host, tar or memory is missing"},
    {"mounts: [{at: /a, host: x, tar: y}]\n", "p.yaml:2:28: mounts[0]: both 'host' and 'tar'"},
    {"mounts: [{at: /a, memory: 1}]\n", "p.yaml:2:27: mounts[0].memory: expected true"},
    {"mounts: [{at: /a, memory: true, mode: ro}]\n",
     "p.yaml:2:33: mounts[0]: a memory mount has no mode: it is the guest's own"},
    {"mounts: [{at: /a, host: x, quota: 1MiB}]\n",
     "p.yaml:2:28: mounts[0]: a read-only mount needs no quota (mode: cow?)"},
    {"mounts: [{at: /a, host: x, mode: rw}]\n",
     "p.yaml:2:34: mounts[0].mode: 'rw': expected ro (read-only) or cow (copy-on-write)"},
    {"mounts: [{at: /a, host: x}, {at: //a/, host: y}]\n", "p.yaml:2:29: /a is mounted twice (first in line 2)"},
    {"mounts: [{at: /a, host: \"\"}]\n", "p.yaml:2:25: mounts[0].host: '': expected a path of the host"},
    /* files */
    {"files: [a]\n", "p.yaml:2:8: files: expected paths and what they hold"},
    {"files: {a: b}\n", "p.yaml:2:9: files[a]: expected an absolute path of the guest, such as /data"},
    {"files: {/: b}\n", "p.yaml:2:9: files[/]: the root is a directory already"},
    {"files:\n  /a:\n", "p.yaml:3:6: files[/a]: a value is missing (an empty file is \"\")"},
    {"files: {/a: {mode: 0644}}\n",
     "p.yaml:2:13: files[/a]: one of text, base64, file, link, absent or directory is missing"},
    {"files: {/a: {text: b, mode: 0844}}\n",
     "p.yaml:2:29: files[/a].mode: '0844': expected an octal mode such as 0644"},
    {"files: {/a: {base64: \"?\"}}\n", "p.yaml:2:22: files[/a].base64: not base64"},
    {"files: {/a: {absent: false}}\n", "p.yaml:2:22: files[/a].absent: expected true"},
    {"files: {/a: {absent: true, mode: 0644}}\n", "p.yaml:2:28: files[/a]: what is absent has no 'mode'"},
    {"files: {/a: {link: /b, mode: 0644}}\n", "p.yaml:2:24: files[/a]: a link has no mode"},
    {"files: {/a: {link: \"\"}}\n", "p.yaml:2:20: files[/a].link: a link leads to 1 to 4095 bytes of path"},
    {"files: {/a: {directory: true, secret: true}}\n", "p.yaml:2:13: files[/a]: only a file's content can be secret"},
    {"files: {/a: {text: b, secret: yes}}\n", "p.yaml:2:31: files[/a].secret: 'yes': expected true or false"},
    {"files:\n  /a: b\n  //a: c\n", "p.yaml:4:3: files: /a stands here twice (first in line 3)"},
    /* environment, network */
    {"environment: [A=b]\n", "p.yaml:2:14: environment: expected names and values"},
    {"environment: {A: }\n", "p.yaml:2:18: environment.A: a value is missing (an empty one is \"\")"},
    {"environment: {A=B: c}\n", "p.yaml:2:20: environment: 'A=B' is no variable's name"},
    {"network: {}\n", "p.yaml:2:10: network: expected a list"},
    {"network: [a]\n", "p.yaml:2:11: network[0]: expected keys and values"},
    {"network: [{}]\n", "p.yaml:2:11: network[0]: one of connect, resolve or default is missing"},
    {"network: [{conect: \"a:1\"}]\n", "p.yaml:2:12: unknown key 'conect' in network[0] (did you mean 'connect'?)"},
    {"network: [{connect: \"a:1\"}]\n",
     "p.yaml:2:11: network[0]: who answers? One of respond, http, talk, service, program, serve, exchange, forward, "
     "refuse, timeout, reset, unreachable or close-after is missing"},
    {"network: [{connect: \"a:1\", refuse: true, reset: true}]\n",
     "p.yaml:2:42: network[0]: both 'refuse' and 'reset'"},
    {"network: [{connect: \"a:1\", refuse: true, service: echo}]\n",
     "p.yaml:2:42: network[0]: both 'refuse' and 'service'"},
    {"network: [{connect: \"a:1\", refuse: yes}]\n", "p.yaml:2:36: network[0].refuse: expected true"},
    {"network: [{connect: a, refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: 'a': expected HOST:PORT, with an IPv6 address in brackets ([::1]:80)"},
    {"network: [{connect: \"::1:80\", refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: '::1:80': expected HOST:PORT, with an IPv6 address in brackets ([::1]:80)"},
    {"network: [{connect: \"a:0\", refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: '0': expected a port, a range such as 8000-8999, or *"},
    {"network: [{connect: \"a:9-8\", refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: '9-8': expected a port, a range such as 8000-8999, or *"},
    {"network: [{connect: \"10.0.0.1/8:1\", refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: '10.0.0.1/8': expected a network such as 10.0.0.0/8, with nothing set behind "
     "its "
     "prefix"},
    {"network: [{connect: \"10.*:1\", refuse: true}]\n",
     "p.yaml:2:21: network[0].connect: '10.*': addresses by their network: 10.0.0.0/8"},
    {"network: [{connect: \"a b:1\", refuse: true}]\n", "p.yaml:2:21: network[0].connect: 'a b': expected a host's "
                                                        "name, a pattern such as \"*.example.com\", an address or "
                                                        "a network"},
    {"network: [{connect: \"*:1\", forward: \"a:1\"}]\n", "p.yaml:2:37: network[0].forward: what leaves the world is "
                                                          "named: one host and one port on both sides, no pattern"},
    {"network: [{connect: \"a:1-2\", forward: \"a:1\"}]\n", "p.yaml:2:39: network[0].forward: what leaves the world is "
                                                            "named: one host and one port on both sides, no pattern"},
    {"network: [{connect: \"a:1\", protocol: udp, reset: true}]\n", "p.yaml:2:43: network[0]: 'reset' is of tcp"},
    {"network: [{connect: \"a:1\", protocol: udp, service: smtp}]\n",
     "p.yaml:2:43: network[0]: 'service: smtp' is of tcp"},
    {"network: [{connect: \"a:1\", protocol: udp, http: [{body: x}]}]\n", "p.yaml:2:43: network[0]: 'http' is of tcp"},
    {"network: [{connect: \"a:1\", http: [{chunked: 0, body: x}]}]\n",
     "p.yaml:2:45: network[0].http[0].chunked: expected the size of a piece, such as 1KiB"},
    {"network: [{connect: \"a:1\", service: ntp}]\n",
     "p.yaml:2:28: network[0]: 'service: ntp' is of udp: say protocol: udp"},
    {"network: [{connect: \"a:1\", refuse: true, to: 1.2.3.4}]\n",
     "p.yaml:2:42: network[0]: 'to' belongs to resolve, not to connect"},
    {"network: [{connect: \"a:1\", refuse: true, tls: true}]\n", "p.yaml:2:42: network[0]: 'refuse' has no 'tls'"},
    {"network: [{resolve: a.b}]\n",
     "p.yaml:2:11: network[0]: to what? 'to', or one of cname, mx, txt, srv, ns or ptr is missing"},
    {"network: [{resolve: a.b, to: nxdomian}]\n",
     "p.yaml:2:30: network[0].to: 'nxdomian': expected an address, nxdomain, servfail or timeout"},
    {"network: [{resolve: a.b, to: nxdomain, mx: \"1 c\"}]\n",
     "p.yaml:2:40: network[0]: a name that is nxdomain has no 'mx'"},
    {"network: [{resolve: a.b, mx: c}]\n", "p.yaml:2:30: network[0].mx: expected \"10 mail.example.com\""},
    {"network: [{resolve: a.b, to: 1.2.3.4, ttl: 500ms}]\n",
     "p.yaml:2:44: network[0].ttl: expected whole seconds, at most 2147483647"},
    {"network: [{default: allow}]\n", "p.yaml:2:21: network[0].default: expected refuse, unreachable or blackhole"},
    {"network: [{default: refuse}, {default: refuse}]\n",
     "p.yaml:2:40: network[1]: a second default (the first is in line 2)"},
    /* includes */
    {"include: nowhere\n",
     "p.yaml:2:10: no profile is named 'nowhere' (a file's name has a '.' or a '/' in it: ./nowhere)"},
    {"include: gradin\n",
     "p.yaml:2:10: no profile is named 'gradin' (did you mean 'grading'?) (a file's name has a '.' or a "
     "'/' in it: ./gradin)"},
    {"include: [./none.yaml]\n", "p.yaml:2:11: cannot read ./none.yaml: No such file or directory"},
    {"include: ./p.yaml\n", "p.yaml:2:10: ./p.yaml includes itself"},
    {"include: {a: b}\n", "p.yaml:2:10: include: expected a file, a profile's name, or a list of them"},
    {"include: [[a]]\n", "p.yaml:2:11: include[0]: expected a file or a profile's name"},
    /* rules */
    {"calls: {deny: a}\n", "p.yaml:2:8: calls: expected a list of rules"},
    {"calls: [deny]\n", "p.yaml:2:9: calls[0]: expected keys and values"},
    {"calls: [{path: /a}]\n", "p.yaml:2:9: calls[0]: one of deny, answer, kill, log or allow is missing"},
    {"calls: [{deny: open, allow: read}]\n", "p.yaml:2:22: calls[0]: both 'deny' and 'allow'"},
    {"calls: [{dney: open}]\n", "p.yaml:2:10: unknown key 'dney' in calls[0] (did you mean 'deny'?)"},
    {"calls: [{deny: opnat}]\n", "p.yaml:2:16: no system call is named 'opnat' (did you mean 'openat'?)"},
    {"calls: [{deny: \"xyz*\"}]\n", "p.yaml:2:16: no system call matches 'xyz*'"},
    {"calls: [{deny: family:netwrok}]\n",
     "p.yaml:2:16: no family of calls is named 'netwrok' (did you mean 'network'?)"},
    {"calls: [{deny: []}]\n", "p.yaml:2:16: expected 1 to 512 system calls"},
    {"calls: [{deny: getpid, path: /a}]\n", "p.yaml:2:16: getpid has no path: 'path' could never match"},
    {"calls: [{deny: open, path: a}]\n", "p.yaml:2:28: calls[0].path: 'a': a pattern begins with '/' or with '**'"},
    {"calls: [{deny: open, path: /a/}]\n",
     "p.yaml:2:28: calls[0].path: '/a/': no path ends with '/': add ** for all that is below"},
    {"calls: [{deny: open, path: \"/a**\"}]\n",
     "p.yaml:2:28: calls[0].path: '/a**': '**' stands alone between slashes"},
    {"calls: [{deny: open, path: \"/**a\"}]\n",
     "p.yaml:2:28: calls[0].path: '/**a': '**' stands alone between slashes"},
    {"calls: [{deny: open, path: \"/a/../b\"}]\n",
     "p.yaml:2:28: calls[0].path: '/a/../b': no path has an empty name, '.' or '..' in it"},
    {"calls: [{deny: open, path: \"/a//b\"}]\n",
     "p.yaml:2:28: calls[0].path: '/a//b': no path has an empty name, '.' or '..' in it"},
    {"calls: [{deny: open, path: \"/{a,b}\"}]\n",
     "p.yaml:2:28: calls[0].path: '/{a,b}': braces are no pattern here: give a "
     "list of patterns (\\{ is the character itself)"},
    {"calls: [{deny: open, path: \"/[a\"}]\n",
     "p.yaml:2:28: calls[0].path: '/[a': '[' without its ']' (\\[ is the character itself)"},
    {"calls: [{deny: open, path: \"/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*\"}]\n",
     "p.yaml:2:28: calls[0].path: '/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*': more than 16 stars in one pattern"},
    {"calls: [{deny: open, errno: EACESS}]\n",
     "p.yaml:2:29: calls[0].errno: 'EACESS': expected an errno such as EACCES (did you mean 'EACCES'?)"},
    {"calls: [{deny: open, errno: 0}]\n", "p.yaml:2:29: calls[0].errno: '0': expected an errno such as EACCES"},
    {"calls: [{allow: open, errno: EPERM}]\n", "p.yaml:2:23: calls[0]: errno belongs to deny, not to allow"},
    {"calls: [{deny: open, value: 1}]\n", "p.yaml:2:22: calls[0]: value belongs to answer, not to deny"},
    {"calls: [{answer: open, value: -1}]\n",
     "p.yaml:2:31: calls[0].value: less than 0 is an error: write deny and errno"},
    {"calls: [{deny: open, note: \"a\\nb\"}]\n", "p.yaml:2:28: calls[0].note: a control character in it"},
    {"calls: [{deny: \"sched_*\", path: /a}]\n", "p.yaml:2:16: sched_getattr has no path: 'path' could never match"},
    /* arguments */
    {"calls: [{deny: kill, args: {}}]\n",
     "p.yaml:2:28: calls[0].args: expected arguments and values, such as {flags: {has: O_CREAT}}"},
    {"calls: [{deny: kill, args: {2: 1}}]\n",
     "p.yaml:2:29: args '2' of kill: the call has no such argument (the first is 0)"},
    {"calls: [{deny: kill, args: {flags: 1}}]\n",
     "p.yaml:2:29: args 'flags' of kill: the call has no such argument: use its number, from 0"},
    {"calls: [{deny: dup2, args: {fd: 1}}]\n",
     "p.yaml:2:29: args 'fd' of dup2: the call has more than one such argument: use its number, from 0"},
    {"calls: [{deny: openat, args: {1: 0}}]\n",
     "p.yaml:2:31: args '1' of openat: this argument is a path: write path: beside args:"},
    {"calls: [{deny: openat, args: {flags: {has: O_CREATE}}}]\n",
     "p.yaml:2:44: 'O_CREATE' is no value of argument 2 of openat (did you mean 'O_CREAT'?)"},
    {"calls: [{deny: openat, args: {flags: {hass: O_CREAT}}}]\n",
     "p.yaml:2:39: unknown key 'hass' in calls[0].args.flags (did you mean 'has'?)"},
    {"calls: [{deny: openat, args: {flags: {has: O_RDONLY}}}]\n",
     "p.yaml:2:44: 'O_RDONLY' is 0: no bits to look for (use is, or mask and is)"},
    {"calls: [{deny: openat, args: {flags: {mask: O_ACCMODE, is: O_CREAT}}}]\n",
     "p.yaml:2:60: 'O_CREAT' has bits that the mask 'O_ACCMODE' leaves out: nothing could match"},
    {"calls: [{deny: openat, args: {flags: {mask: O_ACCMODE, has: O_CREAT}}}]\n",
     "p.yaml:2:38: calls[0].args.flags: mask goes with is and not alone"},
    {"calls: [{deny: kill, args: {1: {from: 5, to: 4}}}]\n",
     "p.yaml:2:46: the conditions contradict each other: nothing could match"},
    {"calls: [{deny: kill, args: {1: 4294967296}}]\n", "p.yaml:2:32: '4294967296' does not fit argument 1 of kill"},
    {"calls: [{deny: kill, args: {1: 010}}]\n", "p.yaml:2:32: '010': write 0o644 for an octal number"},
    {"calls: [{deny: kill, args: {1: {from: [1]}}}]\n", "p.yaml:2:39: calls[0].args.1: expected one value"},
    {"calls: [{deny: kill, args: {1: {}}}]\n",
     "p.yaml:2:32: calls[0].args.1: no comparison: is, not, from, to, has, has_any or lacks"},
};

static void test_rows(void **state)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[4096];
        struct policy *p = NULL;
        struct policy_error e = {"(no error)"};
        snprintf(text, sizeof text, "terrarium: 1\n%s", rows[i].text);
        put_file("p.yaml", text);
        int result = policy_load("p.yaml", no_profiles, &p, &e);
        if (result == 0 || strcmp(e.text, rows[i].error) != 0) {
            print_error("%s  said: %s\n  want: %s\n", rows[i].text, e.text, rows[i].error);
            wrong++;
        }
        if (result == 0)
            policy_free(p);
    }
    assert_int_equal(wrong, 0);
}

static void test_top(void **state)
{
    static const struct {
        const char *text, *error;
    } tops[] = {
        {"", "p.yaml:1:1: the policy is empty: it begins with 'terrarium: 1'"},
        {"# nothing\n", "p.yaml:1:1: the policy is empty: it begins with 'terrarium: 1'"},
        {"- a\n", "p.yaml:1:1: the policy: expected keys and values"},
        {"cwd: /a\n", "p.yaml:1:1: the key 'terrarium' is missing: a policy says which version it is written for "
                      "(terrarium: 1)"},
        {"terrarium: 2\n", "p.yaml:1:12: terrarium: this version reads policies of version 1"},
    };
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        struct policy *p = NULL;
        struct policy_error e = {"(no error)"};
        put_file("p.yaml", tops[i].text);
        assert_int_equal(policy_load("p.yaml", no_profiles, &p, &e), -1);
        assert_string_equal(e.text, tops[i].error);
    }
}

static void test_missing_file(void **state)
{
    struct policy *p;
    struct policy_error e;
    assert_int_equal(policy_load("none.yaml", no_profiles, &p, &e), -1);
    assert_string_equal(e.text, "none.yaml: No such file or directory");
    assert_int_equal(policy_load(".", no_profiles, &p, &e), -1);
    assert_string_equal(e.text, ".: Is a directory");
    assert_int_equal(policy_load("/dev/zero", no_profiles, &p, &e), -1);
    assert_string_equal(e.text, "/dev/zero: /dev/zero is larger than 16 MiB");
}

/* A circle of two, and an error in an included file: it names that file. */
static void test_includes(void **state)
{
    struct policy *p;
    struct policy_error e;
    put_file("a.yaml", "terrarium: 1\ninclude: ./b.yaml\n");
    put_file("b.yaml", "terrarium: 1\ninclude: [./a.yaml]\n");
    assert_int_equal(policy_load("a.yaml", no_profiles, &p, &e), -1);
    assert_string_equal(e.text, "./b.yaml:2:11: ./a.yaml includes itself");
    put_file("b.yaml", "terrarium: 1\n\nhostnam: x\n");
    assert_int_equal(policy_load("a.yaml", no_profiles, &p, &e), -1);
    assert_string_equal(e.text, "./b.yaml:3:1: unknown key 'hostnam' at the top (did you mean 'hostname'?)");
}

/* Nine levels of nine aliases each stand for 400 million values. */
static void test_alias_bomb(void **state)
{
    char text[4096] = "terrarium: 1\nnetwork:\n- {a: &a0 [x,x,x,x,x,x,x,x,x]}\n";
    struct policy *p;
    struct policy_error e;
    for (int i = 1; i < 9; i++) {
        char line[256];
        snprintf(line, sizeof line, "- {a: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]}\n", i, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        strcat(text, line);
    }
    put_file("p.yaml", text);
    assert_int_equal(policy_load("p.yaml", no_profiles, &p, &e), -1);
    assert_non_null(strstr(e.text, "more than 1000000 values, aliases counted"));
    /* An alias within its own anchor is a circle. */
    put_file("p.yaml", "terrarium: 1\nnetwork: &n [*n]\n");
    assert_int_equal(policy_load("p.yaml", no_profiles, &p, &e), -1);
    assert_non_null(strstr(e.text, "p.yaml:2:14: no value before this one has the anchor &n"));
}

static void test_command_line(void **state)
{
    static const struct {
        int (*set)(struct policy *, const char *, struct policy_error *);
        const char *text, *error;
    } settings[] = {
        {policy_set_limits, "cpu", "--limit: 'cpu': expected NAME=VALUE,... such as cpu=10s,memory=256MiB"},
        {policy_set_limits, "cpuu=1s", "--limit: unknown key 'cpuu' (did you mean 'cpu'?)"},
        {policy_set_limits, "cpu=1s,wall=2",
         "--limit: limits.wall: '2': expected a duration with its unit, such as 10s, 500ms, 2m or 1h"},
        {policy_set_limits, "", "--limit: '': expected NAME=VALUE,... such as cpu=10s,memory=256MiB"},
        {policy_add_mount, "/a", "--mount: '/a': expected HOST:GUEST[:ro|cow]"},
        {policy_add_mount, ":/a", "--mount: the host's path is empty"},
        {policy_add_mount, "/a:b", "--mount: 'b': expected an absolute path of the guest, such as /data"},
        {policy_add_mount, "/a:/b:rw", "--mount: 'rw': expected ro (read-only) or cow (copy-on-write)"},
        {policy_add_image, "", "--image: the host's path is empty"},
        {policy_add_image, "a.tar:/x/..", "--image: '/x/..': a path of the guest has no '.' or '..' in it"},
        {policy_add_environment, "A", "--env: 'A': expected NAME=VALUE"},
        {policy_add_environment, "=b", "--env: environment: '' is no variable's name"},
    };
    struct policy *p;
    struct policy_error e;
    assert_int_equal(policy_load(NULL, no_profiles, &p, &e), 0);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        strcpy(e.text, "(no error)");
        assert_int_equal(settings[i].set(p, settings[i].text, &e), -1);
        assert_string_equal(e.text, settings[i].error);
    }
    assert_int_equal(policy_set(p, "--seed", "random.seed", "x", &e), -1);
    assert_string_equal(e.text, "--seed: random.seed: 'x': expected a whole number such as 42");
    assert_int_equal(policy_set(p, "--cwd", "cwd", "x", &e), -1);
    assert_string_equal(e.text, "--cwd: cwd: 'x': expected an absolute path of the guest, such as /data");
    policy_free(p);
}

static void test_sources(void **state)
{
    struct policy_error e;
    struct policy *p = must_load("terrarium: 1\nmounts:\n  - {at: /a, host: .}\n  - {at: /b, tar: ./none.tar}\n");
    assert_int_equal(policy_check_sources(p, &e), -1);
    assert_string_equal(e.text, "p.yaml:4:5: cannot read ./none.tar: No such file or directory");
    policy_free(p);
    p = must_load("terrarium: 1\nfiles:\n  /a: {file: .}\n");
    assert_int_equal(policy_check_sources(p, &e), -1);
    assert_string_equal(e.text, "p.yaml:3:3: . is not a regular file");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_top),        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_includes), cmocka_unit_test(test_alias_bomb), cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
