// rooms: network vfs policy kernel/sysent
/* Scripts and services, line by line over a wire that is none. */
#include "tests/unit/far_fixture.h"

static void a_script_waits_for_what_it_expects(void **state)
{
    struct stage s;
    struct wire *w =
        stage_begin(&s, CONTENT_TALK,
                    "- {send: \"* OK\\r\\n\"}\n"
                    "- {expect: {regex: '^(\\w+) LOGIN (\\w+) .*\\r\\n'}, reply: \"$1 OK hello $2 $$1\\r\\n\"}\n"
                    "- {delay: 3s, send: \"late\\n\"}\n"
                    "- {expect: {hex: '00 ff'}, send: {hex: 'fe'}}\n"
                    "- {expect: \"A*B\", send: \"glob\"}\n"
                    "- {close: true}\n");
    assert_string_equal(wire_take(w), "* OK\r\n");
    assert_string_equal(wire_ask(w, "a1 LOG"), "");
    assert_string_equal(wire_ask(w, "IN bob pw\r\n"), "a1 OK hello bob $1\r\n");
    assert_int_equal(w->armed, 3000000000);
    assert_string_equal(wire_ask(w, "early"), "");
    wire_timer(w);
    assert_string_equal(wire_take(w), "late\n");
    wire_give(w, "x\x00", 2);
    wire_give(w, "\xffxA", 3);
    assert_string_equal(wire_take(w), "\xfe");
    assert_string_equal(wire_ask(w, " - B"), "glob");
    assert_true(w->finished);
    assert_string_equal(wire_ask(w, "more"), "");
    stage_end(&s, w);
}

static void of_several_the_one_that_comes_first_is_answered(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_TALK,
                                 "- any:\n"
                                 "    - {expect: \"STOP\\n\", send: \"stopping\\n\", leave: true}\n"
                                 "    - {expect: {regex: 'GET (.)\\n'}, reply: \"[$1]\"}\n"
                                 "    - {expect: \"PING\\n\", send: \"PONG \"}\n"
                                 "    - {expect: {regex: 'z*'}, send: \"never: it matches nothing at all\"}\n"
                                 "- {send: end}\n");
    assert_string_equal(wire_ask(w, "PING\nGET a\nPING\nGET b\nSTOP\nPING\n"), "PONG [a]PONG [b]stopping\nend");
    stage_end(&s, w);
}

static void a_script_that_is_not_read_stops(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_TALK, "[{any: [{expect: a, send: \"0123456789\"}]}]");
    static char many[200000];
    memset(many, 'a', sizeof many);
    w->limit = 15;
    wire_give(w, many, sizeof many);
    assert_int_equal(w->sent_size, 15);
    assert_true(w->kept_size > 100000); /* of what is not answered, little is taken */
    size_t all = 0;
    for (int i = 0; i < 300000 && all < 2000000; i++) {
        all += w->sent_size;
        w->sent_size = 0;
        wire_room(w);
    }
    assert_int_equal(all, 2000000);
    stage_end(&s, w);
}

/* The classic that takes a backtracking matcher an exponential time is given up, and the connection goes on. */
static void a_regex_that_explodes_is_no_match(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_TALK, "[{expect: {regex: '^(a+)+$'}, send: no}, {send: x}]");
    static char many[40000];
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 2] = 'b';
    assert_string_equal(wire_ask(w, many), "");
    stage_end(&s, w);
}

static void a_mail_is_kept_whole(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_SERVICE, "smtp");
    HAS(wire_take(w), "220 ");
    HAS(wire_ask(w, "EHLO me\r\n"), "250-STARTTLS\r\n");
    HAS(wire_ask(w, "DATA\r\n"), "503 ");
    HAS(wire_ask(w, "AUTH PLAIN AGEAYg==\r\n"), "235 ");
    HAS(wire_ask(w, "AUTH LOGIN\r\nYQ==\r\nYg==\r\n"), "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ");
    HAS(wire_ask(w, "MAIL FROM:<a@x> SIZE=9\r\nRCPT TO:<b@y>\r\nrcpt to: c@z\r\nDATA\r\n"), "354 ");
    static const char mail[] = "Subject: hi\r\n\r\n..dots\r\n.\n."; /* cut within the end */
    for (size_t i = 0; i < sizeof mail - 1; i++)
        wire_give(w, mail + i, 1);
    HAS(wire_take(w), "250 2.0.0 Ok: queued\r\n"); /* ".\n" alone ended it; a "." is left, and begins a line */
    HAS(wire_ask(w, "\r\nQUIT\r\n"), "221 ");
    assert_true(w->finished);
    assert_string_equal(s.hearing->text, "mail[b@y|from a@x to b@y, c@z|Subject: hi\r\n\r\n.dots\r\n] ");
    stage_end(&s, w);
}

static struct wire *data_connection(struct stage *s, const char *answer)
{
    unsigned high, low;
    const char *at = strstr(answer, "227 Entering Passive Mode (192,0,2,5,");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 37, "%u,%u", &high, &low), 2);
    struct sockaddr_storage to = s->to;
    ((struct sockaddr_in *)&to)->sin_port = htons((uint16_t)(high << 8 | low));
    struct conversation *announced;
    struct far_end *e = contents_expected(s->contents, &to, &s->hearing->conversation, &announced);
    assert_non_null(e);
    assert_ptr_equal(announced, &s->hearing->conversation);
    assert_null(contents_expected(s->contents, &to, NULL, &announced)); /* once */
    return wire_new(e);
}

static void an_upload_is_kept_and_can_be_fetched(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_SERVICE, "ftp");
    HAS(wire_ask(w, "USER a\r\nPASS b\r\nCWD /up/../down\r\nPWD\r\n"), "257 \"/down\"");
    HAS(wire_ask(w, "STOR x\r\n"), "425 ");
    struct wire *d = data_connection(&s, wire_ask(w, "PASV\r\n"));
    HAS(wire_ask(w, "STOR x.bin\r\n"), "150 ");
    wire_give(d, "some ", 5);
    wire_give(d, "bytes", 5);
    assert_string_equal(wire_ask(w, "NOOP\r\n"), ""); /* read when the transfer is through */
    wire_end_of_input(d);
    HAS(wire_take(w), "226 Transfer complete\r\n200 Ok");
    assert_true(d->finished);
    wire_free(d);
    assert_string_equal(s.hearing->text, "serves[STOR /down/x.bin] upload[/down/x.bin||some bytes] ");
    d = data_connection(&s, wire_ask(w, "PASV\r\n"));
    HAS(wire_ask(w, "NLST\r\n"), "226 ");
    assert_string_equal(wire_take(d), "x.bin\r\n");
    wire_free(d);
    HAS(wire_ask(w, "SIZE x.bin\r\n"), "213 10");
    d = data_connection(&s, wire_ask(w, "PASV\r\n"));
    HAS(wire_ask(w, "RETR x.bin\r\n"), "226 ");
    assert_string_equal(wire_take(d), "some bytes");
    wire_free(d);
    d = data_connection(&s, wire_ask(w, "PASV\r\n"));
    HAS(wire_ask(w, "STOR y\r\n"), "150 ");
    wire_free(d); /* broken off */
    HAS(wire_take(w), "426 ");
    HAS(s.hearing->text, "serves[NLST /down] serves[RETR /down/x.bin] serves[STOR /down/y] ");
    wire_ask(w, "PASV\r\n"); /* and one nobody comes to */
    stage_end(&s, w);
}

static void one_is_alone_on_irc(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_SERVICE, "irc");
    assert_string_equal(wire_ask(w, "NICK bot\r\n"), "");
    HAS(wire_ask(w, "USER bot 0 * :bot\r\n"), ":irc.local 001 bot :Welcome");
    HAS(wire_ask(w, "JOIN #a\r\n"), ":bot!user@host JOIN #a\r\n:irc.local 353 bot = #a :bot\r\n");
    assert_string_equal(wire_ask(w, "PING :x y\r\n"), ":irc.local PONG irc.local :x y\r\n");
    assert_string_equal(wire_ask(w, "PRIVMSG #a :hello\r\n"), "");
    HAS(wire_ask(w, "QUIT\r\n"), "ERROR ");
    stage_end(&s, w);
}

static void a_line_without_end_is_the_end(void **state)
{
    static const char *const services[] = {"smtp", "ftp", "irc"};
    static char many[20000];
    memset(many, 'a', sizeof many - 1);
    for (size_t i = 0; i < 3; i++) {
        struct stage s;
        stage_open(&s, CONTENT_SERVICE, services[i], 1);
        struct wire *w = stage_connect(&s, false);
        HAS(wire_ask(w, many), "500 Line too long");
        assert_true(w->finished);
        assert_int_equal(w->kept_size, 0);
        wire_free(w);
        stage_close(&s);
    }
}

static void echo_gives_everything_back(void **state)
{
    struct stage s;
    struct wire *w = stage_begin(&s, CONTENT_SERVICE, "echo");
    assert_string_equal(wire_ask(w, "hello"), "hello");
    w->limit = 2;
    static char many[100000], back[100001];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (char)('a' + i % 26);
    wire_give(w, many, sizeof many);
    wire_end_of_input(w);
    w->limit = 1000;
    size_t n = 0;
    for (int i = 0; i < 1000 && n < sizeof many; i++) {
        memcpy(back + n, w->sent, w->sent_size);
        n += w->sent_size;
        w->sent_size = 0;
        wire_room(w);
    }
    assert_int_equal(n, 65536 + 2); /* the rest was never taken, for the guest had said its end */
    assert_memory_equal(back, many, n);
    stage_end(&s, w);
}

static void ntp_tells_the_worlds_time(void **state)
{
    struct stage s;
    stage_open(&s, CONTENT_SERVICE, "ntp", 1);
    const struct content_peer peer = {.to = &s.to, .host = "time.example.com", .port = 123, .datagram = true};
    struct wire *w = wire_new(contents_open(s.contents, s.content, &peer));
    unsigned char packet[48] = {0x23};
    memcpy(packet + 40, "original", 8);
    wire_give(w, packet, sizeof packet);
    assert_int_equal(w->sent_size, 48);
    const unsigned char *answer = (const unsigned char *)w->sent;
    assert_int_equal(answer[0], 0x24);
    assert_memory_equal(answer + 24, "original", 8);
    uint32_t seconds = (uint32_t)answer[40] << 24 | (uint32_t)answer[41] << 16 | (uint32_t)answer[42] << 8 | answer[43];
    assert_int_equal(seconds, 1704067200 + 2208988800);
    stage_end(&s, w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_waits_for_what_it_expects),
        cmocka_unit_test(of_several_the_one_that_comes_first_is_answered),
        cmocka_unit_test(a_script_that_is_not_read_stops),
        cmocka_unit_test(a_regex_that_explodes_is_no_match),
        cmocka_unit_test(a_mail_is_kept_whole),
        cmocka_unit_test(an_upload_is_kept_and_can_be_fetched),
        cmocka_unit_test(one_is_alone_on_irc),
        cmocka_unit_test(a_line_without_end_is_the_end),
        cmocka_unit_test(echo_gives_everything_back),
        cmocka_unit_test(ntp_tells_the_worlds_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
