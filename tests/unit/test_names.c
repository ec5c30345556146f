// rooms: network vfs policy kernel/sysent
/* network/names.c: made-up addresses and the way back; network/dns.c: what a name server says to hostile questions. */
#include "tests/unit/policy_fixture.h"

#include "network/dns.h"
#include "policy/network.h"

#include <sodium.h>

static const char text[] = "terrarium: 1\n"
                           "network:\n"
                           "  - {resolve: a.example, to: [203.0.113.7, \"2001:db8::7\"]}\n"
                           "  - {connect: \"*.made.example:80\", service: echo}\n";

static void a_name_has_one_address_and_leads_back(void **state)
{
    struct policy *p = must_load(text);
    struct names *one = names_new(p->network), *two = names_new(p->network);
    uint8_t ip[16], again[16], other[16];
    assert_true(names_make_up(one, "x.made.example", ip) && names_make_up(one, "X.Made.Example.", again));
    assert_memory_equal(ip, again, 16);
    assert_true(network_is_ipv4(ip));
    assert_true(names_make_up(one, "y.made.example", other));
    assert_memory_not_equal(ip, other, 16);
    assert_true(names_make_up(two, "x.made.example", again)); /* in another world, whatever was asked before */
    assert_memory_equal(ip, again, 16);
    assert_string_equal(names_of(one, ip, 0), "x.made.example");
    assert_null(names_of(one, ip, 1));
    names_learn(one, "z.example", ip);
    assert_string_equal(names_of(one, ip, 0), "z.example"); /* the one told last */
    assert_string_equal(names_of(one, ip, 1), "x.made.example");
    assert_true(network_read_ip("203.0.113.7", ip));
    assert_string_equal(names_of(one, ip, 0), "a.example"); /* spelt out: known from the start */
    names_free(one);
    names_free(two);
    policy_free(p);
}

/* Beyond the networks for documentation there is another one, and no two names ever share an address. */
static void many_names_have_addresses_of_their_own(void **state)
{
    enum { MANY = 3000 };
    struct policy *p = must_load(text);
    struct names *n = names_new(p->network);
    static uint8_t ips[MANY][16];
    char name[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d.made.example", i);
        assert_true(names_make_up(n, name, ips[i]));
        assert_string_equal(names_of(n, ips[i], 0), name);
        assert_null(names_of(n, ips[i], 1));
    }
    names_free(n);
    policy_free(p);
}

/* 65536 names are known at the most; each that is made up costs as much as the first. */
static void names_without_end_are_refused(void **state)
{
    struct policy *p = must_load(text);
    struct names *n = names_new(p->network);
    char name[32];
    uint8_t ip[16];
    int i = 0;
    do
        snprintf(name, sizeof name, "n%d.made.example", i);
    while (names_make_up(n, name, ip) && ++i < 100000);
    assert_true(i > 65000 && i < 65536);
    for (int k = 0; k < 50000; k++) {
        snprintf(name, sizeof name, "k%d.made.example", k);
        assert_false(names_make_up(n, name, ip));
    }
    assert_true(names_make_up(n, "n65000.made.example", ip)); /* the old ones are as before */
    assert_string_equal(names_of(n, ip, 0), "n65000.made.example");
    names_free(n);
    policy_free(p);
}

static int64_t no_time(void *context)
{
    return 0;
}

static void nobody(void *context, struct attempts_caller *out)
{
    *out = (struct attempts_caller){0};
}

/* Every prefix of a question, and the question with each byte changed: no answer, or one that fits and has the question's id. */
static void questions_may_be_anything(void **state)
{
    static const uint8_t asked[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
                                   "a\x07"
                                   "example\x00\x00\x01\x00\x01";
    enum { SIZE = sizeof asked - 1 };
    struct policy *p = must_load(text);
    const struct attempts_config config = {.now = no_time, .caller = nobody};
    struct attempts *attempts = attempts_new(&config);
    struct dns d = {p, names_new(p->network), attempts, 0};
    uint8_t out[DNS_MOST], question[SIZE];
    size_t n = dns_answer(&d, asked, SIZE, true, out, sizeof out);
    assert_int_equal(n, SIZE + 16); /* one A record, its name a pointer */
    assert_memory_equal(out + n - 4, "\xcb\x00\x71\x07", 4);
    for (size_t cut = 0; cut < SIZE; cut++) {
        n = dns_answer(&d, asked, cut, true, out, sizeof out);
        assert_true(n == 0 || (n >= 12 && memcmp(out, asked, 2) == 0));
    }
    for (size_t at = 0; at < SIZE; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(question, asked, SIZE);
            question[at] = (uint8_t)value;
            n = dns_answer(&d, question, SIZE, true, out, 512);
            assert_true(n == 0 || (n >= 12 && n <= 512 && memcmp(out, question, 2) == 0));
        }
    names_free(d.names);
    attempts_free(attempts);
    policy_free(p);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_address_and_leads_back),
        cmocka_unit_test(many_names_have_addresses_of_their_own),
        cmocka_unit_test(names_without_end_are_refused),
        cmocka_unit_test(questions_may_be_anything),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
