// rooms: network vfs policy kernel/sysent
/* network/capture.c draws conversations, network/captured.c reads them back and gives them again: each is checked by the other, the
 * packets' own sums by the rule of RFC 1071, and a file that is not as it should be is refused at the byte where it is not. */
#include "tests/unit/far_fixture.h"

#include "network/attempts.h"
#include "network/captured.h"
#include "network/capture.h"

#include <arpa/inet.h>
#include <errno.h>

struct drawing {
    struct capture *capture;
    char *bytes;
    size_t size;
};

static void draw(struct drawing *d)
{
    FILE *f = open_memstream(&d->bytes, &d->size);
    assert_non_null(f);
    d->capture = capture_new(f, CAPTURE_MOST, fixed_now, NULL);
    assert_non_null(d->capture);
}

static void drawn(struct drawing *d)
{
    assert_int_equal(capture_free(d->capture), 0);
}

static struct attempt between(const char *from, uint16_t from_port, const char *to, uint16_t port)
{
    struct attempt a = {.process = "python3", .pid = 2, .from_port = from_port, .port = port};
    assert_true(network_read_ip(from, a.from_ip) && network_read_ip(to, a.ip));
    return a;
}

static struct attempt talk(struct drawing *d, uint16_t from_port)
{
    struct attempt a = between("10.0.2.15", from_port, "192.0.2.5", 7);
    capture_syn(d->capture, &a);
    capture_open(d->capture, &a);
    return a;
}

static void say(struct drawing *d, struct attempt *a, bool guest, const char *text)
{
    capture_stream(d->capture, a, guest, text, strlen(text), false);
}

static void over(struct drawing *d, struct attempt *a)
{
    capture_finish(d->capture, a, true);
    capture_finish(d->capture, a, false);
    free(a->flow);
}

static struct captured *read_back(const struct drawing *d, size_t size, char why[256])
{
    char *copy = malloc(size + 1); /* of this size, so that a sanitizer sees who reads on */
    assert_non_null(copy);
    memcpy(copy, d->bytes, size);
    why[0] = '\0';
    return captured_read(copy, size, why, 256);
}

struct replayed {
    struct contents *contents;
    struct captured *captured;
};

static void replay(struct replayed *r, struct drawing *d)
{
    const struct contents_config config = {.now = fixed_now};
    char why[256];
    drawn(d);
    r->contents = contents_new(&config);
    r->captured = read_back(d, d->size, why);
    if (r->captured == NULL)
        fail_msg("%s", why);
}

static struct far_end *connect_to(struct replayed *r, const char *ip, uint16_t port)
{
    struct sockaddr_storage to = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;
    in6->sin6_port = htons(port); /* at the same place in both */
    to.ss_family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
    assert_int_equal(inet_pton(to.ss_family, ip, to.ss_family == AF_INET ? (void *)&in->sin_addr : &in6->sin6_addr), 1);
    const struct content_peer peer = {.to = &to, .host = ip, .port = port};
    enum content_tls tls;
    struct far_end *e = captured_end_new(r->contents, r->captured, &peer, &tls);
    assert_true(e == NULL || tls == CONTENT_CLEAR);
    return e;
}

static void replayed(struct replayed *r, struct drawing *d)
{
    captured_free(r->captured);
    contents_free(r->contents);
    free(d->bytes);
}

/* ---- what is drawn -------------------------------------------------------------------------------------------------------------- */

static uint32_t add_up(const uint8_t *bytes, size_t n, uint32_t total)
{
    for (size_t i = 0; i < n; i++)
        total += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return total;
}

static uint32_t fold(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

/* All blocks are whole; the sums of every packet are right. How many packets there are of each protocol. */
static void check_packets(const struct drawing *d, unsigned count[256])
{
    uint32_t type, length, last;
    for (size_t at = 0; at < d->size; at += length) {
        const uint8_t *block = (const uint8_t *)d->bytes + at;
        memcpy(&type, block, 4);
        memcpy(&length, block + 4, 4);
        assert_true(length % 4 == 0 && length <= d->size - at);
        memcpy(&last, block + length - 4, 4);
        assert_int_equal(length, last);
        if (type != 6)
            continue;
        const uint8_t *ip = block + 28 + 14;
        bool v4 = ip[0] >> 4 == 4;
        size_t n = v4 ? ip[2] * 256u + ip[3] - 20 : ip[4] * 256u + ip[5];
        uint8_t protocol = v4 ? ip[9] : ip[6];
        const uint8_t *inner = ip + (v4 ? 20 : 40);
        uint32_t total = add_up(inner, n, 0);
        if (v4)
            assert_int_equal(fold(add_up(ip, 20, 0)), 0xffff);
        if (protocol != IPPROTO_ICMP)
            total += add_up(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, protocol + (uint32_t)n);
        assert_int_equal(fold(total), 0xffff);
        count[protocol]++;
    }
}

static void every_packet_adds_up(void **state)
{
    struct drawing d = {0};
    unsigned count[256] = {0};
    static char much[100001];
    draw(&d);
    struct attempt a = talk(&d, 40000), six = between("fd00::1", 1000, "2001:db8::9", 53),
                   refused = between("10.0.2.15", 1001, "192.0.2.6", 1);
    capture_stream(d.capture, &a, true, much, sizeof much, false);
    over(&d, &a);
    capture_syn(d.capture, &refused);
    capture_refused(d.capture, &refused);
    free(refused.flow);
    capture_datagram(d.capture, &six, true, "odd", 3);
    capture_unreachable(d.capture, &six);
    six = between("10.0.2.15", 1000, "192.0.2.9", 53);
    capture_datagram(d.capture, &six, true, "", 0);
    capture_unreachable(d.capture, &six);
    capture_datagram(d.capture, &six, true, much, 65508); /* more than a datagram can be: not drawn */
    drawn(&d);
    check_packets(&d, count);
    assert_int_equal(count[IPPROTO_UDP], 2);
    assert_int_equal(count[IPPROTO_ICMP], 1);
    assert_int_equal(count[IPPROTO_ICMPV6], 1);
    /* 69 segments of 1460 bytes, an answer to each 23 of them, three to begin, four to end, two of the refusal */
    assert_int_equal(count[IPPROTO_TCP], 69 + 3 + 3 + 4 + 2);
    free(d.bytes);
}

/* The ICMP error of a datagram quotes that one, whatever was drawn since. */
static void an_error_quotes_what_it_is_about(void **state)
{
    struct drawing d = {0};
    draw(&d);
    struct attempt lost = between("10.0.2.15", 1000, "192.0.2.9", 53);
    capture_datagram(d.capture, &lost, true, "lost", 4);
    struct attempt other = between("fd00::1", 2000, "2001:db8::9", 54);
    capture_datagram(d.capture, &other, true, "other", 5);
    capture_unreachable(d.capture, &lost);
    drawn(&d);
    uint32_t last;
    memcpy(&last, d.bytes + d.size - 4, 4);
    const uint8_t *quoted = (const uint8_t *)d.bytes + d.size - last + 28 + 14 + 20 + 8;
    assert_int_equal(quoted[0], 0x45);
    assert_int_equal(fold(add_up(quoted, 20, 0)), 0xffff);
    assert_memory_equal(quoted + 12, lost.from_ip + 12, 4);
    assert_memory_equal(quoted + 16, lost.ip + 12, 4);
    assert_memory_equal(quoted + 20, "\x03\xe8\0\x35", 4);
    free(d.bytes);
}

/* A key that the far side makes of the guest's last bytes stands before the packets that brought them. */
static void keys_stand_before_what_they_open(void **state)
{
    struct drawing d = {0};
    draw(&d);
    struct attempt a = talk(&d, 40000);
    say(&d, &a, true, "hello that is enciphered");
    capture_key(d.capture, "CLIENT_RANDOM 00 11");
    say(&d, &a, false, "answer");
    over(&d, &a);
    drawn(&d);
    const char *key = memmem(d.bytes, d.size, "CLIENT_RANDOM 00 11\n", 20);
    const char *hello = memmem(d.bytes, d.size, "hello that", 10);
    assert_true(key != NULL && hello != NULL && key < hello);
    free(d.bytes);
}

static void a_full_disk_is_told_at_the_end(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    struct capture *c = capture_new(full, CAPTURE_MOST, fixed_now, NULL);
    assert_int_equal(capture_free(c), -ENOSPC);
}

/* It ends after a whole block, can be read, and it is said that something is missing. */
static void a_full_file_ends_whole(void **state)
{
    enum { MOST = 5000 };
    struct drawing d = {0};
    char why[256];
    FILE *f = open_memstream(&d.bytes, &d.size);
    assert_non_null(f);
    d.capture = capture_new(f, MOST, fixed_now, NULL);
    struct attempt a = talk(&d, 40000);
    for (int i = 0; i < 100; i++) {
        say(&d, &a, true, "hello, and many words that the far side answers with as many");
        capture_key(d.capture, "CLIENT_RANDOM 00 11");
        say(&d, &a, false, "words");
    }
    over(&d, &a);
    assert_int_equal(capture_free(d.capture), -EFBIG);
    assert_true(d.size <= MOST && d.size > MOST / 2);
    struct captured *c = read_back(&d, d.size, why);
    assert_string_equal(why, "");
    assert_int_equal(c->count, 1);
    captured_free(c);
    free(d.bytes);
}

/* A file that anybody made must not put all its conversations into one place of the table. */
static void conversations_are_spread(void **state)
{
    enum { CONVERSATIONS = 4000 };
    struct drawing d = {0};
    char why[256];
    size_t longest = 0;
    draw(&d);
    for (int i = 0; i < CONVERSATIONS; i++) { /* both ends of each differ by the same bits */
        struct attempt a = between("10.0.2.15", (uint16_t)(i + 20000), "192.0.2.5", (uint16_t)((i + 20000) ^ 1));
        capture_syn(d.capture, &a);
        free(a.flow);
    }
    drawn(&d);
    struct captured *c = read_back(&d, d.size, why);
    assert_string_equal(why, "");
    assert_int_equal(c->count, CONVERSATIONS);
    for (size_t i = 0; i < CAPTURED_BUCKETS; i++) {
        size_t n = 0;
        for (const struct talked *t = c->buckets[i]; t != NULL; t = t->same_bucket)
            n++;
        longest = n > longest ? n : longest;
    }
    assert_true(longest < 40);
    captured_free(c);
    free(d.bytes);
}

/* ---- what is given again ------------------------------------------------------------------------------------------------------- */

static void a_conversation_is_given_again_in_turns(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    draw(&d);
    struct attempt a = talk(&d, 40000);
    say(&d, &a, false, "220 hi\r\n");
    say(&d, &a, true, "HELO\r\n");
    say(&d, &a, false, "250 ok\r\n");
    over(&d, &a);
    replay(&r, &d);
    struct wire *w = wire_new(connect_to(&r, "192.0.2.5", 7));
    assert_string_equal(wire_take(w), "220 hi\r\n");
    assert_string_equal(wire_ask(w, "HEL"), "");
    w->limit = 4;
    assert_string_equal(wire_ask(w, "O\r\n"), "250 ");
    wire_room(w);
    assert_string_equal(wire_take(w), "ok\r\n");
    assert_false(w->finished);
    wire_end_of_input(w);
    assert_true(w->finished);
    wire_free(w);
    assert_null(connect_to(&r, "192.0.2.5", 8));
    assert_null(connect_to(&r, "192.0.2.6", 7));
    replayed(&r, &d);
}

static void who_says_less_and_ends_gets_the_rest(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    draw(&d);
    struct attempt a = talk(&d, 40000);
    say(&d, &a, true, "a long question");
    say(&d, &a, false, "answer");
    free(a.flow); /* the run ended before it */
    replay(&r, &d);
    struct wire *w = wire_new(connect_to(&r, "192.0.2.5", 7));
    assert_string_equal(wire_ask(w, "short"), "");
    wire_end_of_input(w);
    assert_string_equal(wire_take(w), "answer");
    assert_true(w->finished);
    wire_free(w);
    replayed(&r, &d);
}

static void several_come_in_their_order_and_the_last_again(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    draw(&d);
    struct attempt a = talk(&d, 40000), b = talk(&d, 40001), six = between("::1", 5, "::1", 80);
    say(&d, &b, false, "two"); /* within each other */
    say(&d, &a, false, "one");
    over(&d, &b);
    capture_reset(d.capture, &a, false);
    free(a.flow);
    capture_syn(d.capture, &six);
    capture_open(d.capture, &six);
    say(&d, &six, false, "six");
    over(&d, &six);
    replay(&r, &d);
    const char *const said[] = {"one", "two", "two"};
    for (size_t i = 0; i < 3; i++) {
        struct wire *w = wire_new(connect_to(&r, "192.0.2.5", 7));
        assert_string_equal(wire_take(w), said[i]);
        assert_int_equal(w->reset, i == 0);
        wire_free(w);
    }
    struct wire *w = wire_new(connect_to(&r, "::1", 80));
    assert_string_equal(wire_take(w), "six");
    wire_free(w);
    replayed(&r, &d);
}

static const char client_hello[] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01x";

/* A file without plain text (somebody else's, or one that was written again) cannot give TLS: that is said of its ports alone. */
static void tls_without_its_plain_text_is_seen(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    char *mark;
    draw(&d);
    struct attempt a = talk(&d, 40000);
    capture_stream(d.capture, &a, true, client_hello, 10, false);
    over(&d, &a);
    drawn(&d);
    const uint32_t plain = CAPTURE_PLAIN, unknown = 0x80000000;
    assert_non_null(mark = memmem(d.bytes, d.size, &plain, 4));
    memcpy(mark, &unknown, 4);
    char why[256];
    r.captured = read_back(&d, d.size, why);
    assert_non_null(r.captured);
    assert_true(captured_tls_at(r.captured, 1, 10) > 0);
    assert_int_equal(captured_tls_at(r.captured, 8, 65535), -1);
    captured_free(r.captured);
    memcpy(mark, &plain, 4);
    r.captured = read_back(&d, d.size, why); /* here nobody spoke TLS to the client: the bytes are what was said */
    assert_int_equal(captured_tls_at(r.captured, 1, 10), -1);
    captured_free(r.captured);
    free(d.bytes);
}

/* What was said within TLS is said within TLS again, from where it began. */
static void what_was_said_within_tls(void **state)
{
    struct drawing d = {0};
    struct replayed r = {0};
    const struct contents_config config = {.now = fixed_now};
    char why[256];
    draw(&d);
    for (int later = 0; later < 2; later++) {
        struct attempt a = talk(&d, (uint16_t)(40000 + later));
        if (later) {
            say(&d, &a, true, "STARTTLS");
            say(&d, &a, false, "go");
        }
        capture_stream(d.capture, &a, true, client_hello, 10, false);
        say(&d, &a, false, "<hello>");
        capture_plain(d.capture, &a, true, "", 0);
        capture_plain(d.capture, &a, true, "ask", 3);
        say(&d, &a, true, "<ask>");
        capture_plain(d.capture, &a, false, "answer", 6);
        say(&d, &a, false, "<answer>");
        over(&d, &a);
    }
    drawn(&d);
    r.contents = contents_new(&config);
    r.captured = read_back(&d, d.size, why);
    for (int later = 0; later < 2; later++) {
        struct sockaddr_storage to = {.ss_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, "192.0.2.5", &((struct sockaddr_in *)&to)->sin_addr), 1);
        const struct content_peer peer = {.to = &to, .host = "192.0.2.5", .port = 7};
        enum content_tls tls = CONTENT_CLEAR;
        struct far_end *e = captured_end_new(r.contents, r.captured, &peer, &tls);
        assert_int_equal(tls, later ? CONTENT_TLS_LATER : CONTENT_TLS);
        e->ops->gone(e);
    }
    replayed(&r, &d);
}

static struct far_end *named(struct replayed *r, const char *host, const char *ip, uint16_t port, bool datagram)
{
    struct sockaddr_storage to = {.ss_family = AF_INET};
    enum content_tls tls;
    assert_int_equal(inet_pton(AF_INET, ip, &((struct sockaddr_in *)&to)->sin_addr), 1);
    const struct content_peer peer = {.to = &to, .host = host, .port = port, .datagram = datagram};
    return captured_end_new(r->contents, r->captured, &peer, &tls);
}

/* A name is found at whichever address it had; an address that has no name, by itself. */
static void by_name(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    draw(&d);
    struct attempt a = talk(&d, 40000);
    capture_name(d.capture, a.ip, "c2.example");
    capture_name(d.capture, a.ip, "c2.example");
    say(&d, &a, false, "it is me");
    over(&d, &a);
    replay(&r, &d);
    assert_int_equal(r.captured->name_count, 1);
    struct wire *w = wire_new(named(&r, "c2.example", "198.51.100.200", 7, false));
    assert_string_equal(wire_take(w), "it is me");
    wire_free(w);
    assert_null(named(&r, "other.example", "198.51.100.200", 7, false));
    w = wire_new(named(&r, "192.0.2.5", "192.0.2.5", 7, false));
    assert_string_equal(wire_take(w), "it is me");
    wire_free(w);
    replayed(&r, &d);
}

static void datagrams(void **state)
{
    struct drawing d = {0};
    struct replayed r;
    draw(&d);
    struct attempt a = between("10.0.2.15", 1000, "192.0.2.9", 123), b = between("10.0.2.15", 1001, "127.0.0.53", 53);
    capture_datagram(d.capture, &b, true, "a name?", 7);
    capture_datagram(d.capture, &a, true, "one?", 4);
    capture_datagram(d.capture, &a, false, "1", 1);
    capture_datagram(d.capture, &a, false, "1!", 2);
    capture_datagram(d.capture, &a, true, "two?", 4);
    capture_datagram(d.capture, &a, false, "2", 1);
    replay(&r, &d);
    assert_int_equal(r.captured->count, 1);
    assert_null(named(&r, "192.0.2.9", "192.0.2.9", 123, false));
    struct wire *w = wire_new(named(&r, "192.0.2.9", "192.0.2.9", 123, true));
    const char *const asked[] = {"two?", "one?", "else", "else"}, *const told[] = {"2", "11!", "2", ""};
    for (size_t i = 0; i < 4; i++) {
        wire_give(w, asked[i], 4);
        assert_string_equal(wire_take(w), told[i]);
    }
    wire_free(w);
    replayed(&r, &d);
}

/* ---- what is refused -------------------------------------------------------------------------------------------------------- */

static void a_file_that_is_cut_or_changed_is_refused_or_read_and_nothing_else(void **state)
{
    struct drawing d = {0};
    char why[256], expected[64];
    draw(&d);
    struct attempt a = talk(&d, 40000);
    say(&d, &a, true, "question");
    say(&d, &a, false, "answer");
    over(&d, &a);
    drawn(&d);
    assert_true(captured_is_one(d.bytes, d.size));
    for (size_t n = 0, block = 0, after = 0; n < d.size; n++) {
        uint32_t length = 0;
        if (n == after) {
            block = n;
            memcpy(&length, d.bytes + n + 4, 4);
            after = n + length;
        }
        struct captured *c = read_back(&d, n, why);
        if (n != block) {
            assert_null(c);
            snprintf(expected, sizeof expected, "byte %zu: a block that is not whole", block);
            assert_string_equal(why, expected);
        }
        captured_free(c);
    }
    for (size_t n = 0; n < d.size; n++)
        for (int bit = 0; bit < 8; bit++) {
            d.bytes[n] ^= (char)(1 << bit);
            struct captured *c = read_back(&d, d.size, why);
            assert_true(c != NULL || strncmp(why, "byte ", 5) == 0 || strcmp(why, "no conversation is in it") == 0);
            captured_free(c);
            d.bytes[n] ^= (char)(1 << bit);
        }
    free(d.bytes);
}

static void what_is_wrong_is_said(void **state)
{
    struct drawing d = {0};
    struct attempt a;
    char why[256];
    draw(&d);
    drawn(&d);
    assert_null(read_back(&d, d.size, why));
    assert_string_equal(why, "no conversation is in it");
    free(d.bytes);
    draw(&d);
    a = between("10.0.2.15", 1, "192.0.2.5", 7);
    a.flow = calloc(1, sizeof *a.flow);
    capture_open(d.capture, &a);
    drawn(&d);
    free(a.flow);
    assert_null(read_back(&d, d.size, why));
    assert_non_null(strstr(why, ": a packet of a connection whose beginning is not in the file"));
    free(d.bytes);
    draw(&d);
    a = talk(&d, 1);
    a.flow->next[0] += 5;
    say(&d, &a, true, "later than it should be");
    over(&d, &a);
    drawn(&d);
    assert_null(read_back(&d, d.size, why));
    assert_non_null(strstr(why, ": a segment out of its order"));
    free(d.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_adds_up),
        cmocka_unit_test(an_error_quotes_what_it_is_about),
        cmocka_unit_test(keys_stand_before_what_they_open),
        cmocka_unit_test(a_full_disk_is_told_at_the_end),
        cmocka_unit_test(a_full_file_ends_whole),
        cmocka_unit_test(conversations_are_spread),
        cmocka_unit_test(a_conversation_is_given_again_in_turns),
        cmocka_unit_test(who_says_less_and_ends_gets_the_rest),
        cmocka_unit_test(several_come_in_their_order_and_the_last_again),
        cmocka_unit_test(tls_without_its_plain_text_is_seen),
        cmocka_unit_test(what_was_said_within_tls),
        cmocka_unit_test(by_name),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(a_file_that_is_cut_or_changed_is_refused_or_read_and_nothing_else),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
