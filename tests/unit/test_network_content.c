// rooms: policy kernel/sysent
/* What stands below respond, http, talk, service, program and exchange: what is read, and what is wrong with it. */
#include "tests/unit/policy_fixture.h"

#include "policy/internal.h"
#include "policy/network_content.h"

struct text {
    struct policy *policy;
    struct policy_error error;
    struct policy_content *content;
};

/* The value of one key of a rule, as if it stood alone in a file. */
static int read_content(struct text *t, enum content_kind kind, const char *yaml)
{
    struct node *root = NULL;
    struct node_memory *memory = NULL;
    struct node_problem problem;
    assert_int_equal(policy_load(NULL, no_profiles, &t->policy, &t->error), 0);
    if (nodes_read(yaml, strlen(yaml), &root, &memory, &problem) < 0)
        fail_msg("%s", problem.text);
    struct reader r = {.policy = t->policy, .error = &t->error, .file = "p.yaml", .directory = "/srv"};
    int result = content_read(&r, root, kind, "network[0]", &t->content);
    nodes_free(memory);
    return result;
}

static const struct {
    enum content_kind kind;
    const char *yaml, *error;
} wrong[] = {
    {CONTENT_RESPOND, "[a]", "p.yaml:1:1: network[0].respond: expected one value, not a list"},
    {CONTENT_RESPOND, "''", "p.yaml:1:1: network[0].respond: '': expected a path of the host"},
    {CONTENT_SERVICE, "smpt",
     "p.yaml:1:1: network[0].service: 'smpt' is no service: smtp, ftp, irc, dns, ntp, echo, discard, sink, tls-sink "
     "(did "
     "you mean 'smtp'?)"},
    {CONTENT_PROGRAM, "[]", "p.yaml:1:1: network[0].program: expected a list: the program and its arguments"},
    {CONTENT_PROGRAM, "[a, [b]]", "p.yaml:1:5: network[0].program[1]: expected a text"},
    {CONTENT_SERVE, "['']", "p.yaml:1:2: network[0].serve[0]: expected a program of the world"},
    {CONTENT_TALK, "{send: a}", "p.yaml:1:1: network[0].talk: expected a list of steps"},
    {CONTENT_TALK, "[send]", "p.yaml:1:2: network[0].talk[0]: expected a step such as {send: \"hello\"}"},
    {CONTENT_TALK, "[{sned: a}]", "p.yaml:1:3: unknown key 'sned' in network[0].talk[0] (did you mean 'send'?)"},
    {CONTENT_TALK, "[{close: false}]", "p.yaml:1:10: network[0].talk[0].close: expected true"},
    {CONTENT_TALK, "[{delay: 5}]",
     "p.yaml:1:10: network[0].talk[0].delay: '5': expected a duration with its unit, such as 10s, 500ms, 2m or 1h"},
    {CONTENT_TALK, "[{expect: {regex: 'a(b'}}]",
     "p.yaml:1:19: network[0].talk[0].expect.regex: missing closing parenthesis, at character 4"},
    {CONTENT_TALK, "[{expect: {hex: '0g'}}]",
     "p.yaml:1:17: network[0].talk[0].expect.hex: expected pairs of 0-9 and a-f, such as \"00 ff\""},
    {CONTENT_TALK, "[{send: {hex: '000'}}]", "p.yaml:1:15: network[0].talk[0].send.hex: half a byte at the end"},
    {CONTENT_TALK, "[{send: {regex: a}}]",
     "p.yaml:1:10: network[0].talk[0].send: expected a text, or one of text, hex or base64"},
    {CONTENT_TALK, "[{any: [{send: a}]}]", "p.yaml:1:9: network[0].talk[0].any[0]: the key 'expect' is missing"},
    {CONTENT_HTTP, "{path: /}", "p.yaml:1:1: network[0].http: expected a list of {path: ..., body: ...}"},
    {CONTENT_HTTP, "[{paht: /}]", "p.yaml:1:3: unknown key 'paht' in network[0].http[0] (did you mean 'path'?)"},
    {CONTENT_HTTP, "[{path: v1}]", "p.yaml:1:9: network[0].http[0].path: expected a path such as /v1/items/*"},
    {CONTENT_HTTP, "[{path: '/a?b=c'}]",
     "p.yaml:1:9: network[0].http[0].path: a path is without its query (query: {name: value})"},
    {CONTENT_HTTP, "[{method: 'G T'}]", "p.yaml:1:11: network[0].http[0].method: expected a method such as GET"},
    {CONTENT_HTTP, "[{status: 99}]", "p.yaml:1:11: network[0].http[0].status: expected a number from 200 to 599"},
    {CONTENT_HTTP, "[{body: a, json: b}]", "p.yaml:1:12: network[0].http[0]: both 'body' and 'json'"},
    {CONTENT_HTTP, "[{headers: {Content-Length: '5'}}]",
     "p.yaml:1:13: network[0].http[0].headers: Content-Length is written by the server (chunked, close)"},
    {CONTENT_HTTP, "[{headers: {X: \"a\\r\\nb\"}}]",
     "p.yaml:1:16: network[0].http[0].headers.X: a line's end or a NUL byte in it"},
    {CONTENT_HTTP, "[{match: {jsno: 1}}]",
     "p.yaml:1:11: unknown key 'jsno' in network[0].http[0].match (did you mean 'json'?)"},
};

static void what_is_wrong_is_said_with_its_place(void **state)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct text t = {0};
        assert_int_equal(read_content(&t, wrong[i].kind, wrong[i].yaml), -1);
        assert_string_equal(t.error.text, wrong[i].error);
        policy_free(t.policy);
    }
}

static void an_answer_has_its_parts(void **state)
{
    struct text t = {0};
    assert_int_equal(read_content(&t, CONTENT_HTTP,
                                  "- method: POST\n"
                                  "  path: /v1/items/*\n"
                                  "  query: {page: {regex: '^[0-9]+$'}}\n"
                                  "  match: {headers: {authorization: 'Bearer *'}, json: {name: x, n: 1, s: '1'}}\n"
                                  "  status: 201\n"
                                  "  headers: {X-A: b}\n"
                                  "  json: {id: 7, ok: true, none: null, list: [1.5, a]}\n"
                                  "  delay: 20ms\n"
                                  "- {path: /old, redirect: /new}\n"
                                  "- {path: /f, file: page.html, chunked: 1KiB, times: 2}\n"
                                  "- {path: /ws, websocket: [{expect: hi, send: ho}, {close: true}]}\n"),
                     0);
    const struct policy_http_rule *r = t.content->http;
    assert_int_equal(t.content->http_count, 4);
    assert_string_equal(r[0].method, "POST");
    assert_int_equal(r[0].path.kind, PATTERN_GLOB);
    assert_int_equal(r[0].query[0].pattern.kind, PATTERN_REGEX);
    assert_non_null(r[0].query[0].pattern.code);
    assert_string_equal(r[0].headers[0].name, "authorization");
    assert_string_equal(r[0].json, "{\"name\":\"x\",\"n\":1,\"s\":\"1\"}");
    assert_int_equal(r[0].status, 201);
    assert_string_equal(r[0].answer.bytes, "{\"id\":7,\"ok\":true,\"none\":null,\"list\":[1.5,\"a\"]}");
    assert_string_equal(r[0].content_type, "application/json");
    assert_int_equal(r[0].delay, 20000000);
    assert_int_equal(r[1].status, 302);
    assert_string_equal(r[1].answer_headers[0].name, "Location");
    assert_string_equal(r[2].file, "/srv/page.html");
    assert_int_equal(r[2].chunk, 1024);
    assert_int_equal(r[2].times, 2);
    assert_int_equal(r[3].talk->count, 3);
    assert_string_equal(content_describe(t.policy, t.content), "http: 4 answers");
    policy_free(t.policy);
}

static void a_talk_has_its_steps(void **state)
{
    struct text t = {0};
    assert_int_equal(read_content(&t, CONTENT_TALK,
                                  "- {send: \"hi\\r\\n\"}\n"
                                  "- {expect: {regex: '^(\\w+) LOGIN'}, reply: \"$1 OK\\r\\n\"}\n"
                                  "- {expect: {hex: '00 FF'}, send: {base64: AAE=}, delay: 1s}\n"
                                  "- any:\n"
                                  "    - {expect: PING, send: PONG}\n"
                                  "    - {expect: QUIT, leave: true}\n"
                                  "- {close: true}\n"),
                     0);
    const struct policy_talk *talk = &t.content->talk;
    assert_int_equal(talk->count, 8);
    assert_int_equal(talk->steps[1].pattern.kind, PATTERN_REGEX);
    assert_int_equal(talk->steps[2].kind, STEP_REPLY);
    assert_memory_equal(talk->steps[3].pattern.bytes, "\x00\xff", 2);
    assert_int_equal(talk->steps[4].bytes.size, 2);
    assert_int_equal(talk->steps[5].delay, 1000000000);
    assert_int_equal(talk->steps[6].choice_count, 2);
    assert_false(talk->steps[6].choices[0].leave);
    assert_true(talk->steps[6].choices[1].leave);
    assert_int_equal(talk->steps[7].kind, STEP_CLOSE);
    policy_free(t.policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(an_answer_has_its_parts),
        cmocka_unit_test(a_talk_has_its_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
