// rooms: network vfs policy kernel/sysent
/* HTTP from scripts and from files, byte by byte over a wire that is none. */
#include "tests/unit/far_fixture.h"

#include "network/internal.h"

#include <zlib.h>

static const char script[] =
    "- {path: /hello, body: \"hi\"}\n"
    "- {method: POST, path: /items, match: {json: {name: \"a*\", n: 1}}, status: 201, json: {id: 7}}\n"
    "- {method: POST, path: /login, match: {form: {user: bob}}, body: in}\n"
    "- {path: /search, query: {q: 'a b'}, body: found}\n"
    "- {path: /auth, match: {headers: {authorization: 'Bearer *'}}, body: ok}\n"
    "- {path: /auth, status: 401, body: no}\n"
    "- {path: /once, times: 1, body: first}\n"
    "- {path: /once, body: later}\n"
    "- {path: /slow, delay: 5s, body: late}\n"
    "- {path: /chunks, chunked: 4B, body: abcdefghij}\n"
    "- {path: /old, redirect: /hello}\n"
    "- {path: /gone, reset: true}\n"
    "- {path: /bye, close: true, body: bye}\n"
    "- {path: /ws, websocket: [{send: welcome}, {expect: ping, send: pong}, {close: true}]}\n"
    "- {path: {regex: '^/v[0-9]+/x$'}, body: regex}\n";

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void an_answer_is_a_whole_message(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    assert_string_equal(wire_ask(w, GET("/hello")), "HTTP/1.1 200 OK\r\n"
                                                    "Content-Type: text/plain; charset=utf-8\r\n"
                                                    "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                                                    "Content-Length: 2\r\n"
                                                    "Connection: keep-alive\r\n\r\nhi");
    assert_string_equal(s.hearing->text, "http[GET http://h/hello body=0 200] body2 done ");
    assert_false(w->finished);
    stage_end(&s, w);
}

static void what_is_asked_decides(void **state)
{
    static const struct {
        const char *request, *status, *body;
    } rows[] = {
        {GET("/nothing"), "404 Not Found", "404 Not Found"},
        {"POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n{\"name\":\"abc\",\"n\":1.0,}x", "404 ", ""},
        {"POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 32\r\n\r\n{\"name\":\"abc\",\"n\":1,\"more\":null}",
         "201 Created", "{\"id\":7}"},
        {"POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n{\"name\":\"bc\",\"n\":1} ", "404 ", ""},
        {"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 13\r\n\r\npw=x&us%65r=bob", "404 ", ""},
        {"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\npw=x&us%65r=bob", "200 OK", "in"},
        {"POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: "
         "68\r\n\r\n"
         "--XX\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nbob\r\n--XX--\r\n\r\n",
         "200 OK", "in"},
        {GET("/search?x=1&q=a+b"), "200 OK", "found"},
        {GET("/search?q=a+c"), "404 ", ""},
        {"GET /auth HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n", "200 OK", "ok"},
        {GET("/auth"), "401 Unauthorized", "no"},
        {GET("/once"), "200 OK", "first"},
        {GET("/once"), "200 OK", "later"},
        {GET("/v12/x"), "200 OK", "regex"},
        {GET("/v1/../v3/x"), "200 OK", "regex"},
        {GET("/%68ello"), "200 OK", "hi"},
        {"GET http://h/hello HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK", "hi"},
        {GET("/old"), "302 Found", ""},
        {"HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK", ""},
        {"GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK", "4\r\nabcd\r\n4\r\nefgh\r\n2\r\nij\r\n0\r\n\r\n"},
        {"GET /chunks HTTP/1.0\r\n\r\n", "200 OK", "abcdefghij"},
    };
    struct stage s;
    stage_open(&s, CONTENT_HTTP, script, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire *w = stage_connect(&s, false);
        const char *answer = wire_ask(w, rows[i].request);
        char status[64];
        snprintf(status, sizeof status, "HTTP/1.1 %s", rows[i].status);
        if (strncmp(answer, status, strlen(status)) != 0)
            fail_msg("row %zu: %s", i, answer);
        HAS(strstr(answer, "\r\n\r\n"), rows[i].body);
        wire_free(w);
    }
    stage_close(&s);
}

static void the_head_alone_is_sent_for_head(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    const char *answer = wire_ask(w, "HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    HAS(answer, "Content-Length: 2\r\n");
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    stage_end(&s, w);
}

static void requests_may_come_in_any_pieces_and_several_at_once(void **state)
{
    static const char two[] =
        GET("/hello") "POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "8\r\n{\"name\":\r\n10\r\n\"a\", \"n\": 1}    \r\n0\r\nTrailer: x\r\n\r\n" GET("/bye");
    struct stage s;
    stage_open(&s, CONTENT_HTTP, script, 1);
    for (size_t piece = 1; piece < sizeof two; piece += 7) {
        struct wire *w = stage_connect(&s, false);
        for (size_t at = 0; at < sizeof two - 1; at += piece)
            wire_give(w, two + at, sizeof two - 1 - at < piece ? sizeof two - 1 - at : piece);
        const char *answer = wire_take(w), *first = strstr(answer, "\r\n\r\nhi"),
                   *second = strstr(answer, "{\"id\":7}");
        assert_non_null(first);
        assert_non_null(second);
        assert_true(first < second);
        HAS(second, "Connection: close\r\n\r\nbye");
        assert_true(w->finished);
        wire_free(w);
    }
    stage_close(&s);
}

static void a_guest_that_does_not_read_is_waited_for(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    char all[2048] = "";
    w->limit = 7;
    wire_give(w, GET("/hello") GET("/chunks"), strlen(GET("/hello") GET("/chunks")));
    assert_true(w->kept_size > 0); /* the second is not even taken */
    for (int i = 0; i < 200; i++) {
        strcat(all, wire_take(w));
        wire_room(w);
    }
    HAS(all, "\r\n\r\nhi");
    HAS(all, "\r\nij\r\n0\r\n\r\n");
    assert_int_equal(w->kept_size, 0);
    stage_end(&s, w);
}

static void answers_may_wait_break_off_or_end_it(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    assert_string_equal(wire_ask(w, GET("/slow") GET("/hello")), "");
    assert_int_equal(w->armed, 5000000000);
    wire_timer(w);
    const char *both = wire_take(w);
    HAS(both, "late");
    HAS(both, "\r\n\r\nhi");
    assert_string_equal(wire_ask(w, GET("/gone")), "");
    assert_true(w->reset);
    stage_end(&s, w);
}

static void a_client_may_wait_for_leave_to_send(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    assert_string_equal(
        wire_ask(w, "POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\n");
    HAS(wire_ask(w, "user=bob"), "\r\n\r\nin");
    stage_end(&s, w);
}

static void limits_are_answered_and_end_it(void **state)
{
    struct stage s;
    stage_open(&s, CONTENT_HTTP, script, 1);
    static char text[200000];
    struct {
        const char *begin, *repeated, *status;
        int times;
    } rows[] = {
        {"GET /", "a", "414", 20000},
        {"GET / HTTP/1.1\r\nHost: h\r\n", "A: b\r\n", "431", 101},
        {"GET / HTTP/1.1\r\nHost: h\r\nA: ", "x", "431", 70000},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000000\r\n\r\n", "", "413", 0},
        {"GET / HTTP/1.1\r\n\r\n", "", "400", 0},
        {"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", "", "400", 0},
        {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "", "501", 0},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "", "400", 0},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "", "400", 0},
        {"\x16\x03\x01\x02", "", "501", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire *w = stage_connect(&s, false);
        strcpy(text, rows[i].begin);
        char *at = text + strlen(text);
        for (int k = 0; k < rows[i].times; k++)
            at = stpcpy(at, rows[i].repeated);
        const char *answer = wire_ask(w, text);
        if (strncmp(answer + 9, rows[i].status, 3) != 0)
            fail_msg("row %zu: %s", i, answer);
        HAS(answer, "Connection: close\r\n");
        assert_true(w->finished);
        assert_int_equal(w->kept_size, 0);
        wire_free(w);
    }
    stage_close(&s);
}

static size_t frame(char *to, int opcode, const char *text)
{
    size_t n = strlen(text);
    to[0] = (char)(0x80 | opcode);
    to[1] = (char)(0x80 | n);
    memcpy(to + 2, "\1\2\3\4", 4);
    for (size_t i = 0; i < n; i++)
        to[6 + i] = text[i] ^ (char)(1 + i % 4);
    return n + 6;
}

static void a_websocket_follows_its_script(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    const char *answer =
        wire_ask(w, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    HAS(answer, "HTTP/1.1 101 Switching Protocols\r\n");
    HAS(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"); /* RFC 6455, 1.3 */
    HAS(answer, "\r\n\r\n\x81\x07welcome");
    char bytes[64];
    wire_give(w, bytes, frame(bytes, 9, "are you there"));
    assert_string_equal(wire_take(w), "\x8a\x0d"
                                      "are you there");
    wire_give(w, bytes, frame(bytes, 1, "ping"));
    answer = wire_take(w);
    assert_memory_equal(answer, "\x81\x04pong\x88\x02\x03\xe8", 10);
    wire_give(w, bytes, frame(bytes, 8, "\x03\xe8"));
    assert_true(w->finished);
    wire_free(w);
    w = stage_connect(&s, false);
    assert_memory_equal(wire_ask(w, GET("/ws")), "HTTP/1.1 400", 12);
    stage_end(&s, w);
}

/* A pong is owed for each ping. Who reads none of them is not read from either. */
static void pings_that_nobody_reads_answers_to_are_not_taken(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    static char pings[512 * 7];
    (void)wire_ask(w, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    size_t n = 0, given = 0;
    while (n + 7 <= sizeof pings)
        n += frame(pings + n, 9, "?");
    w->limit = 0;
    while (w->kept_size == 0 && given < 100 * n) {
        wire_give(w, pings, n);
        given += n;
    }
    assert_int_equal(w->kept_size, n);
    w->limit = sizeof w->sent;
    wire_room(w);
    assert_int_equal(w->kept_size, 0);
    assert_int_equal(w->sent_size, given / 7 * 3);
    stage_end(&s, w);
}

/* What of messages is held is on the account of all connections. */
static void messages_that_have_not_ended_are_accounted(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_HTTP, script);
    static char part[8 + 60000];
    (void)wire_ask(w, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    memcpy(part, "\x02\xfe\xea\x60\0\0\0\0", 8); /* binary, more comes, masked, 60000 bytes */
    size_t before = s.contents->account.used;
    wire_give(w, part, sizeof part);
    assert_true(s.contents->account.used >= before + 60000);
    s.contents->account.used += s.contents->account.most; /* others hold all there is */
    part[0] = 0;
    for (int i = 0; i < 3; i++)
        wire_give(w, part, sizeof part);
    assert_true(w->finished);
    s.contents->account.used -= s.contents->account.most;
    stage_end(&s, w);
    struct account a = {.used = 101, .most = 100};
    assert_false(account_take(&a, 1));
}

/* Each border used to cost a look at all that follows it: of this one there are 350,000. */
static void a_form_of_borders_costs_what_it_is_long(void **state)
{
    enum { MANY = 350000 };
    struct stage s;
    char head[256];
    stage_open(&s, CONTENT_HTTP, script, 1);
    for (int ends = 0; ends < 2; ends++) {
        struct wire *w = stage_connect(&s, false);
        static char borders[30000];
        for (size_t i = 0; i < sizeof borders; i++)
            borders[i] = "--x"[i % 3];
        snprintf(head, sizeof head,
                 "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                 "Content-Length: %d\r\n\r\n",
                 MANY * 3 + 4);
        wire_give(w, head, strlen(head));
        for (int i = 0; i < MANY * 3; i += (int)sizeof borders)
            wire_give(w, borders, MANY * 3 - i < (int)sizeof borders ? (size_t)(MANY * 3 - i) : sizeof borders);
        HAS(wire_ask(w, ends ? "\r\n\r\n" : "none"), "404 Not Found");
        wire_free(w);
    }
    stage_close(&s);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

static char directory[64];

static void put(const char *name, const char *text, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int make_files(void **state)
{
    static char big[20000];
    char path[128];
    strcpy(directory, "/tmp/test_http_XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/site", directory);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/site/sub", directory);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/site/_status", directory);
    mkdir(path, 0755);
    put("secret", "secret", 6);
    put("site/a.txt", "0123456789", 10);
    put("site/index.html", "<h1>hi</h1>", 11);
    put("site/sub/<x>.json", "{}", 2);
    put("site/_status/404.json", "{\"no\":1}", 8);
    memset(big, 'x', sizeof big);
    put("site/big.txt", big, sizeof big);
    snprintf(path, sizeof path, "%s/site/out", directory);
    if (symlink("../secret", path) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/site/in", directory);
    return symlink("/a.txt", path);
}

static int drop_files(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static void open_site(struct stage *s)
{
    char path[128];
    snprintf(path, sizeof path, "%s/site", directory);
    stage_open(s, CONTENT_RESPOND, path, 1);
}

static void files_are_answered(void **state)
{
    static const struct {
        const char *request, *status, *part;
    } rows[] = {
        {GET("/a.txt"), "200 OK", "Content-Type: text/plain; charset=utf-8\r\n"},
        {GET("/a.txt"), "200 OK", "\r\n\r\n0123456789"},
        {GET("/a.txt?x"), "200 OK", "\r\n\r\n0123456789"},
        {GET("/"), "200 OK", "<h1>hi</h1>"},
        {GET("/sub"), "301 Moved Permanently", "Location: /sub/\r\n"},
        {GET("/sub?a=b"), "301 Moved Permanently", "Location: /sub/?a=b\r\n"},
        {GET("/sub/"), "200 OK", "<a href=\"%3Cx%3E.json\">&#60;x&#62;.json</a>"},
        {GET("/sub/%3cx%3e.json"), "200 OK", "application/json"},
        {GET("/none"), "404 Not Found", "\r\n\r\n{\"no\":1}"},
        {GET("/_status/404.json"), "404 Not Found", ""},
        {GET("/a.txt/"), "404 Not Found", ""},
        {GET("/../secret"), "404 Not Found", ""},
        {GET("/..%2fsecret"), "404 Not Found", ""},
        {GET("/%2e%2e/secret"), "404 Not Found", ""},
        {GET("/out"), "404 Not Found", ""}, /* what a symlink leads to is looked for inside */
        {GET("/in"), "200 OK", "0123456789"},
        {"POST /a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy", "405 Method Not Allowed",
         "Allow: GET, HEAD, OPTIONS\r\n"},
        {"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n", "204 No Content", "Allow: GET, HEAD, OPTIONS\r\n"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=2-4\r\n\r\n", "206 Partial Content", "\r\n\r\n234"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=-3\r\n\r\n", "206 Partial Content", "bytes 7-9/10\r\n"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=8-\r\n\r\n", "206 Partial Content", "\r\n\r\n89"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=9-100\r\n\r\n", "206 Partial Content", "bytes 9-9/10\r\n"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=10-\r\n\r\n", "416 Range Not Satisfiable", "bytes */10\r\n"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1,3-4\r\n\r\n", "200 OK", "0123456789"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=5-2\r\n\r\n", "200 OK", "0123456789"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=99999999999999999999-\r\n\r\n", "200 OK", "0123456789"},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n", "304 Not Modified", ""},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-Match: \"x\"\r\n\r\n", "412 Precondition Failed", ""},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n",
         "304 Not Modified", ""},
        {"GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n", "200 OK",
         "0123456789"},
    };
    struct stage s;
    open_site(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire *w = stage_connect(&s, false);
        const char *answer = wire_ask(w, rows[i].request);
        char status[64];
        snprintf(status, sizeof status, "HTTP/1.1 %s\r\n", rows[i].status);
        if (strncmp(answer, status, strlen(status)) != 0)
            fail_msg("row %zu: %s", i, answer);
        HAS(answer, rows[i].part);
        wire_free(w);
    }
    stage_close(&s);
}

static void a_file_is_the_same_when_its_tag_is(void **state)
{
    struct stage s;
    open_site(&s);
    struct wire *w = stage_connect(&s, false);
    char tag[64], request[256];
    const char *answer = strstr(wire_ask(w, GET("/a.txt")), "ETag: ");
    assert_non_null(answer);
    snprintf(tag, sizeof tag, "%.*s", (int)strcspn(answer + 6, "\r"), answer + 6);
    snprintf(request, sizeof request, "GET /a.txt HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"x\", W/%s\r\n\r\n", tag);
    answer = wire_ask(w, request);
    assert_memory_equal(answer, "HTTP/1.1 304", 12);
    assert_null(strstr(answer, "0123"));
    snprintf(request, sizeof request, "GET /a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=1-1\r\nIf-Range: %s\r\n\r\n",
             tag);
    assert_memory_equal(wire_ask(w, request), "HTTP/1.1 206", 12);
    put("site/a.txt", "9876543210", 10); /* a run's fixtures are what they were; they are not hashed for each request */
    snprintf(request, sizeof request, "ETag: %s\r\n", tag);
    HAS(wire_ask(w, GET("/a.txt")), request);
    put("site/a.txt", "0123456789", 10);
    stage_end(&s, w);
}

static void what_the_client_can_read_is_compressed(void **state)
{
    static const char *const codings[] = {"gzip", "deflate", "zstd"};
    struct stage s;
    open_site(&s);
    for (size_t i = 0; i < 3; i++) {
        struct wire *w = stage_connect(&s, false);
        char request[128], wanted[64];
        snprintf(request, sizeof request, "GET /big.txt HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, %s;q=0.5\r\n\r\n",
                 codings[i]);
        wire_give(w, request, strlen(request));
        size_t n = w->sent_size;
        const char *answer = wire_take(w);
        snprintf(wanted, sizeof wanted, "Content-Encoding: %s\r\n", codings[i]);
        HAS(answer, wanted);
        assert_true(n < 1000);
        const char *body = strstr(answer, "\r\n\r\n") + 4;
        if (i < 2) {
            static unsigned char out[30000];
            z_stream z = {.next_in = (Bytef *)body,
                          .avail_in = (uInt)(answer + n - body),
                          .next_out = out,
                          .avail_out = sizeof out};
            assert_int_equal(inflateInit2(&z, i == 0 ? 31 : 15), Z_OK);
            assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
            assert_int_equal(z.total_out, 20000);
            inflateEnd(&z);
        }
        wire_free(w);
    }
    struct wire *w = stage_connect(&s, false);
    HAS(wire_ask(w, "GET /big.txt HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip;q=0\r\n\r\n"),
        "Content-Length: 20000\r\n");
    stage_end(&s, w);
}

static void a_recording_is_given_again(void **state)
{
    static const char har[] = "{\"log\":{\"entries\":["
                              "{\"request\":{\"method\":\"GET\",\"url\":\"https://api.example.com/"
                              "a?b=1\"},\"response\":{\"status\":200,\"headers\":["
                              "{\"name\":\"X-A\",\"value\":\"b\"},{\"name\":\"Content-Length\",\"value\":\"99\"},{"
                              "\"name\":\"Content-Type\",\"value\":"
                              "\"text/plain\"}],\"content\":{\"text\":\"one\"}}},"
                              "{\"request\":{\"method\":\"GET\",\"url\":\"https://api.example.com/"
                              "a?b=1\"},\"response\":{\"status\":200,\"headers\":[],"
                              "\"content\":{\"text\":\"dHdv\",\"encoding\":\"base64\"}}},"
                              "{\"request\":{\"method\":\"POST\",\"url\":\"https://"
                              "other.example.com\"},\"response\":{\"status\":204,\"headers\":[],"
                              "\"content\":{}}}]}}";
    char path[128];
    put("x.har", har, sizeof har - 1);
    snprintf(path, sizeof path, "%s/x.har", directory);
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_EXCHANGE, path);
    const char *answer = wire_ask(w, "GET /a?b=1 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n");
    HAS(answer, "X-A: b\r\n");
    HAS(answer, "Content-Length: 3\r\n");
    HAS(answer, "\r\n\r\none");
    HAS(wire_ask(w, "GET /a?b=1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), "\r\n\r\ntwo");
    HAS(wire_ask(w, "GET /a?b=1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), "\r\n\r\ntwo");
    HAS(wire_ask(w, "GET /a?b=2 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), "404");
    HAS(wire_ask(w, "POST / HTTP/1.1\r\nHost: other.example.com\r\nContent-Length: 0\r\n\r\n"), "204 No Content");
    HAS(wire_ask(w, "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n\r\n"), "404");
    stage_end(&s, w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_a_whole_message),
        cmocka_unit_test(what_is_asked_decides),
        cmocka_unit_test(the_head_alone_is_sent_for_head),
        cmocka_unit_test(requests_may_come_in_any_pieces_and_several_at_once),
        cmocka_unit_test(a_guest_that_does_not_read_is_waited_for),
        cmocka_unit_test(answers_may_wait_break_off_or_end_it),
        cmocka_unit_test(a_client_may_wait_for_leave_to_send),
        cmocka_unit_test(limits_are_answered_and_end_it),
        cmocka_unit_test(a_websocket_follows_its_script),
        cmocka_unit_test(pings_that_nobody_reads_answers_to_are_not_taken),
        cmocka_unit_test(messages_that_have_not_ended_are_accounted),
        cmocka_unit_test(a_form_of_borders_costs_what_it_is_long),
        cmocka_unit_test(files_are_answered),
        cmocka_unit_test(a_file_is_the_same_when_its_tag_is),
        cmocka_unit_test(what_the_client_can_read_is_compressed),
        cmocka_unit_test(a_recording_is_given_again),
    };
    return cmocka_run_group_tests(tests, make_files, drop_files);
}
