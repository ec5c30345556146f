// rooms: trace policy kernel/sysent kernel/describe kernel/names
/* A record in words: as strace says it, filtered, compared, and nothing in it that a terminal would act on. */
#include "tests/unit/record_fixture.h"

#include "trace/context.h"
#include "trace/decode.h"
#include "trace/diff.h"
#include "trace/filter.h"
#include "trace/text.h"

#include <sodium.h>

static void text_reads_as_strace_does(void **state)
{
    static const char expected[] = "2     openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY) = 3\n"
                                   "2     <... read resumed><12 bytes of the file at 4>, 100) = -1 EACCES (Permission "
                                   "denied)  <deny, line 7: \"no\">\n"
                                   "2     pause( <unfinished ...>\n"
                                   "2     --- SIGUSR1 {si_signo=SIGUSR1, si_code=-6, si_pid=3, si_uid=4294967295} ---\n"
                                   "2     --- SIGINT from outside ---\n"
                                   "2     --- not reproducible from here: \"clock: real\" ---\n"
                                   "2     +++ exited with 1 +++\n";
    size_t n, length = 0;
    char *printed = NULL;
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    struct trace_context *c = trace_context_new();
    static struct event e;
    static struct trace_text t;
    t = (struct trace_text){.to = open_memstream(&printed, &length), .context = c};
    while (reader_next(r, &e) == READER_EVENT) {
        assert_int_equal(trace_context_see(c, &e), 0);
        trace_text_event(&t, &e);
    }
    trace_text_end(&t);
    fclose(t.to);
    assert_string_equal(printed, expected);
    free(printed);
    trace_context_free(c);
    reader_close(r);
    free(bytes);
}

static uint64_t taken(const char *filter)
{
    size_t n;
    char why[512] = "";
    uint8_t *bytes = whole(&n, false, NULL);
    struct reader *r = reader_over(bytes, n);
    struct trace_context *c = trace_context_new();
    struct trace_filter *f = trace_filter_parse(filter, why, sizeof why);
    static struct event e;
    uint64_t count = 0;
    assert_string_equal(why, "");
    assert_non_null(f);
    while (reader_next(r, &e) == READER_EVENT) {
        assert_int_equal(trace_context_see(c, &e), 0);
        count += trace_filter_takes(f, c, &e);
    }
    trace_filter_free(f);
    trace_context_free(c);
    reader_close(r);
    free(bytes);
    return count;
}

static void filters_take_what_they_say(void **state)
{
    static const struct {
        const char *filter;
        uint64_t taken;
    } cases[] = {
        {"kind=call", 2},
        {"kind=call,block", 3},
        {"not kind=call", ALL_EVENTS - 2},
        {"call=openat", 1},
        {"call=read,openat", 2},
        {"call=%file", 2},
        {"call!=read and kind=call", 1},
        {"path=/etc/passwd and kind=call", 2},
        {"path=/etc/*", 4},
        {"path=/etc/**", 4},
        {"path=/etc and kind=call", 0},
        {"path=/*", 0},
        {"path=/**/passwd", 4},
        {"path=/etc/passw?", 4},
        {"pid=2 and kind=call", 2},
        {"tid=0", 3},
        {"time>=1us", 12},
        {"time<10ns", 4},
        {"time=10ns", 1},
        {"result=EACCES", 1},
        {"result=error", 1},
        {"result=ok", 1},
        {"result=3", 1},
        {"result>2", 1},
        {"rule=any", 1},
        {"rule=deny", 1},
        {"rule=7", 1},
        {"rule=none and kind=call", 1},
        {"event<3", 3},
        {"kind=call and (result=error or call=openat)", 2},
        {"(kind=call)", 2},
        {"not (kind=call or kind=block)", ALL_EVENTS - 3},
        {"path='/etc/passwd' and kind=call", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (taken(cases[i].filter) != cases[i].taken)
            fail_msg("%s takes %llu, not %llu", cases[i].filter, (unsigned long long)taken(cases[i].filter),
                     (unsigned long long)cases[i].taken);
}

static void filters_that_are_none_say_why(void **state)
{
    static const struct {
        const char *filter, *why;
    } cases[] = {
        {"", "filter, column 1: expected a test, such as call=openat"},
        {"cal=openat",
         "filter, column 1: no test 'cal' (there are pid, tid, call, path, time, result, rule, kind, event)"},
        {"call", "filter, column 5: expected =, !=, <, <=, > or >="},
        {"call=opnat", "filter, column 6: no call 'opnat' (did you mean 'openat'?)"},
        {"call<read", "filter, column 6: call can be = or != only"},
        {"kind=cal", "filter, column 6: no kind 'cal' of event"},
        {"time>5", "filter, column 6: '5' is no time: a number and one of ns, us, ms, s, m, h, d"},
        {"pid=x", "filter, column 5: pid: 'x' is no number"},
        {"result=EFOO", "filter, column 8: result: 'EFOO' is neither ok, error, a number nor the name of an error"},
        {"(call=read", "filter, column 11: expected ')'"},
        {"call=read call=write", "filter, column 11: expected 'and', 'or' or the end"},
        {"call=read and", "filter, column 14: expected a test, such as call=openat"},
        {"path='x", "filter, column 6: the quote is not closed"},
        {"path=", "filter, column 6: expected a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[512] = "";
        assert_null(trace_filter_parse(cases[i].filter, why, sizeof why));
        assert_string_equal(why, cases[i].why);
    }
    char deep[200], why[512];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_null(trace_filter_parse(deep, why, sizeof why));
}

static void differences_are_found(void **state)
{
    char why[256], *printed = NULL;
    size_t length = 0, n;
    int fd = memory_file(), copy = dup(fd);
    struct record *w = record_begin(fd);
    add_all(w);
    add_openat(w, 2000, "/tmp/more", 4);
    record_finish(w, NULL);
    record_free(w);
    uint8_t *bytes = whole(&n, false, NULL);
    struct diff_side side[2] = {{"one", reader_over(bytes, n)}, {"two", reader_open(copy, why, sizeof why)}};
    FILE *to = open_memstream(&printed, &length);
    assert_int_equal(trace_diff(to, side, why, sizeof why), DIFF_DIFFERENT);
    fclose(to);
    assert_non_null(strstr(printed, "they part at event 23:"));
    assert_non_null(strstr(printed, "A (the run is over)"));
    assert_non_null(strstr(printed, "B 2     openat(AT_FDCWD, \"/tmp/more\", O_RDONLY) = 4"));
    assert_non_null(strstr(printed, "openat                      1        2"));
    assert_non_null(strstr(printed, "\"/tmp/more\""));
    free(printed);
    reader_close(side[0].reader);
    reader_close(side[1].reader);
    struct diff_side same[2] = {{"one", reader_over(bytes, n)}, {"one", reader_over(bytes, n)}};
    assert_int_equal(trace_diff(stdout, same, why, sizeof why), DIFF_SAME);
    reader_close(same[0].reader);
    reader_close(same[1].reader);
    free(bytes);
}

/* Overlong forms, halves of pairs and what is beyond Unicode are no UTF-8; C1 control characters are obeyed by terminals. */
static void a_terminal_is_given_no_orders(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x8d", "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x8d"},
        {"\x1b[31m\r\n\t\x7f", "\\033[31m\\015\\012\t\\177"},
        {"\xc2\x9b"
         "2J\x9b",
         "\\302\\233"
         "2J\\233"},
        {"\xc0\x9b\xe0\x82\x9b\xf0\x80\x80\x9b", "\\300\\233\\340\\202\\233\\360\\200\\200\\233"},
        {"\xed\xa0\x80\xf4\x90\x80\x80\xff", "\\355\\240\\200\\364\\220\\200\\200\\377"},
        {"cut \xe2\x82", "cut \\342\\202"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = NULL;
        size_t n;
        FILE *to = open_memstream(&shown, &n);
        assert_non_null(to);
        decode_plain(to, cases[i].text, strlen(cases[i].text), "\t");
        assert_int_equal(fclose(to), 0);
        assert_string_equal(shown, cases[i].shown);
        free(shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_reads_as_strace_does),     cmocka_unit_test(filters_take_what_they_say),
        cmocka_unit_test(filters_that_are_none_say_why), cmocka_unit_test(differences_are_found),
        cmocka_unit_test(a_terminal_is_given_no_orders),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
