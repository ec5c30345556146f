// rooms: network vfs policy kernel/sysent
/* network/attempts.c and network/har.c: whatever a guest says to whom, what is held of it has its bounds, and that something was left
 * out is told. */
#include "tests/unit/far_fixture.h"

#include "network/attempts.h"
#include "network/har.h"

#include <jansson.h>

static void nobody(void *context, struct attempts_caller *out)
{
}

static struct attempt *connect_once(struct attempts *l)
{
    struct attempt *a = attempt_new(l, ATTEMPT_STREAM, true);
    assert_non_null(a);
    return a;
}

static size_t size_of(json_t *o)
{
    size_t n = json_dumpb(o, NULL, 0, 0);
    json_decref(o);
    return n;
}

static void urls_and_names_have_a_bound_in_all(void **state)
{
    static char target[8000];
    struct attempts *l = attempts_new(&(struct attempts_config){.now = fixed_now, .caller = nobody});
    struct attempt *a = NULL;
    memset(target, 'a', sizeof target - 1);
    const struct http_exchange x = {
        .method = "GET", .scheme = "http", .host = "h", .target = target, .status = 200, .rule = ""};
    const struct kept k = {"mail", "to@h", target, "text", 4};
    for (int i = 0; i < 8000; i++) {
        if (i % 400 == 0)
            a = connect_once(l);
        CONVERSATION_TELL(&a->conversation, http, &x);
        CONVERSATION_TELL(&a->conversation, kept, &k);
    }
    json_t *all = attempts_json(l);
    assert_true(json_object_get(json_array_get(all, 0), "cut") == NULL);
    assert_true(json_is_true(json_object_get(json_array_get(all, json_array_size(all) - 1), "cut")));
    assert_in_range(size_of(all), 20 << 20, 40 << 20);
    attempts_free(l);
}

/* Counts what is written, and keeps none of it. */
static ssize_t count(void *context, const char *bytes, size_t n)
{
    *(size_t *)context += n;
    return (ssize_t)n;
}

static void an_archive_has_a_bound_whatever_it_is_of(void **state)
{
    enum { MANY = 500, BODY = 1 << 20 };
    size_t written = 0;
    struct har *h = har_new(fopencookie(&written, "w", (cookie_io_functions_t){.write = count}));
    struct attempts *l = attempts_new(&(struct attempts_config){.now = fixed_now, .caller = nobody, .har = h});
    char *body = malloc(BODY);
    assert_non_null(body);
    memset(body, 'b', BODY);
    const struct http_exchange x = {.method = "POST",
                                    .scheme = "http",
                                    .host = "h",
                                    .target = "/",
                                    .version = "HTTP/1.1",
                                    .body = body,
                                    .body_size = BODY,
                                    .status = 200,
                                    .reason = "OK",
                                    .rule = ""};
    struct attempt *a = connect_once(l);
    for (int i = 0; i < MANY; i++) {
        CONVERSATION_TELL(&a->conversation, http, &x);
        CONVERSATION_TELL(&a->conversation, http_body, body, 1000);
        CONVERSATION_TELL(&a->conversation, http_done);
    }
    attempts_ended(l);
    assert_int_equal(har_free(h), 0);
    assert_in_range(written, 200 << 20, 300 << 20);
    attempts_free(l);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_and_names_have_a_bound_in_all),
        cmocka_unit_test(an_archive_has_a_bound_whatever_it_is_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
