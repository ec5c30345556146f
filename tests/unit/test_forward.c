// rooms: network vfs policy kernel/sysent
/* network/forward.c: what the outside does is told before it is acted upon, and is all that a second run needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "network/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A link without a socket, and the host's other end. */
struct side {
    struct forwards *forwards;
    struct far_end *end;
    int host, refused; /* host: the peer's end; refused: what dialling says */
    char got[1 << 20], news[4096];
    size_t size, limit, told; /* limit: so much fits into `got` */
    bool stood, finished, reset, gone, pull;
    int fell;
};

static size_t link_send(struct far_end *e, const void *bytes, size_t n)
{
    struct side *s = e->carrier;
    n = n < s->limit - s->size ? n : s->limit - s->size;
    memcpy(s->got + s->size, bytes, n);
    s->size += n;
    return n;
}

static void link_pull(struct far_end *e)
{
    ((struct side *)e->carrier)->pull = true;
}

static void link_finish(struct far_end *e)
{
    ((struct side *)e->carrier)->finished = true;
}

static void drop(struct side *s)
{
    struct far_end *e = s->end;
    s->end = NULL;
    s->gone = true;
    e->ops->gone(e);
}

static void link_reset(struct far_end *e)
{
    struct side *s = e->carrier;
    s->reset = true;
    drop(s);
}

static void link_stand(struct far_end *e)
{
    ((struct side *)e->carrier)->stood = true;
}

static void link_fell(struct far_end *e, int error)
{
    struct side *s = e->carrier;
    s->fell = error;
    drop(s);
}

static bool link_awaited(const struct far_end *e)
{
    return true;
}

static const struct far_link link_ops = {.send = link_send,
                                         .pull = link_pull,
                                         .finish = link_finish,
                                         .reset = link_reset,
                                         .stand = link_stand,
                                         .fell = link_fell,
                                         .awaited = link_awaited};

static int dial(void *context, const struct network_rule *rule)
{
    struct side *s = context;
    int pair[2];
    if (s->refused)
        return -s->refused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    s->host = pair[1];
    return pair[0];
}

static void happened(void *context, const struct forward_news *n)
{
    struct side *s = context;
    s->told += (size_t)snprintf(s->news + s->told, sizeof s->news - s->told, "%u:%d:%llu:%zu ", n->number, (int)n->what,
                                (unsigned long long)n->value, n->size);
}

static struct side *begin(bool again, int refused)
{
    struct side *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->limit = sizeof s->got;
    s->host = -1;
    s->refused = refused;
    const struct forwards_config config = {.dial = again ? NULL : dial, .happened = happened, .context = s};
    s->forwards = forwards_new(&config);
    s->end = forward_open(s->forwards, NULL);
    assert_non_null(s->end);
    s->end->link = &link_ops;
    s->end->carrier = s;
    return s;
}

static void end(struct side *s)
{
    if (s->end)
        drop(s);
    if (s->host >= 0)
        close(s->host);
    assert_false(forwards_any(s->forwards));
    forwards_free(s->forwards);
    free(s);
}

static void bytes_go_both_ways(void **state)
{
    struct side *s = begin(false, 0);
    char buffer[16];
    forwards_pump(s->forwards);
    assert_true(s->stood);
    assert_int_equal(s->end->ops->received(s->end, "hello", 5), 5);
    assert_int_equal(read(s->host, buffer, sizeof buffer), 5);
    assert_int_equal(write(s->host, "there", 5), 5);
    forwards_pump(s->forwards);
    assert_memory_equal(s->got, "there", 5);
    s->end->ops->finished(s->end);
    assert_int_equal(read(s->host, buffer, sizeof buffer), 0);
    close(s->host);
    s->host = -1;
    forwards_pump(s->forwards);
    assert_true(s->finished);
    assert_string_equal(s->news, "1:0:0:0 1:3:5:0 1:2:0:5 1:4:0:0 ");
    end(s);
}

static void a_refusal_is_news_too(void **state)
{
    struct side *s = begin(false, ECONNREFUSED);
    assert_int_equal(s->fell, 0);
    forwards_pump(s->forwards);
    assert_int_equal(s->fell, ECONNREFUSED);
    assert_string_equal(s->news, "1:1:111:0 ");
    end(s);
}

/* The window opens by what was told, not by what the host took. */
static void what_a_guest_may_send_follows_from_the_news(void **state)
{
    struct side *s = begin(false, 0);
    static char much[FORWARD_WINDOW + 1000];
    forwards_pump(s->forwards);
    assert_int_equal(s->end->ops->received(s->end, much, sizeof much), FORWARD_WINDOW);
    assert_int_equal(s->end->ops->received(s->end, much, 1), 0);
    while (read(s->host, much, sizeof much) > 0)
        ;
    assert_int_equal(s->end->ops->received(s->end, much, 1), 0);
    assert_false(s->pull);
    forwards_pump(s->forwards);
    assert_true(s->pull);
    assert_true(s->end->ops->received(s->end, much, 1) == 1);
    end(s);
}

static void a_guest_that_does_not_read_stops_the_host(void **state)
{
    struct side *s = begin(false, 0);
    struct pollfd p[FORWARDS_MOST];
    bool awaited;
    s->limit = 3;
    forwards_pump(s->forwards);
    assert_int_equal(write(s->host, "abcdef", 6), 6);
    forwards_pump(s->forwards);
    assert_int_equal(write(s->host, "ghi", 3), 3);
    forwards_pump(s->forwards);
    assert_int_equal(s->size, 3);
    assert_int_equal(forwards_poll(s->forwards, p, &awaited), 0);
    s->limit = 100;
    s->end->ops->room(s->end);
    assert_int_equal(forwards_poll(s->forwards, p, &awaited), 1);
    forwards_pump(s->forwards);
    assert_memory_equal(s->got, "abcdefghi", 9);
    end(s);
}

static void a_second_run_needs_the_news_alone(void **state)
{
    struct side *s = begin(true, 0);
    forwards_pump(s->forwards);
    assert_false(s->stood);
    forwards_happened(s->forwards, &(struct forward_news){.number = 1, .what = FORWARD_STANDS});
    assert_true(s->stood);
    assert_int_equal(s->end->ops->received(s->end, "hello", 5), 5);
    forwards_happened(s->forwards, &(struct forward_news){1, FORWARD_BYTES, 0, "there", 5});
    assert_memory_equal(s->got, "there", 5);
    forwards_happened(s->forwards, &(struct forward_news){.number = 1, .what = FORWARD_SENT, .value = UINT64_MAX});
    forwards_happened(s->forwards, &(struct forward_news){.number = 7, .what = FORWARD_RESET}); /* nobody's */
    forwards_happened(s->forwards, &(struct forward_news){.number = 1, .what = FORWARD_RESET});
    assert_true(s->reset && s->gone);
    end(s);
}

static void there_is_a_most(void **state)
{
    struct side *s = begin(true, 0);
    struct far_end *more[FORWARDS_MOST] = {0};
    for (size_t i = 0; i < FORWARDS_MOST; i++)
        more[i] = forward_open(s->forwards, NULL);
    assert_non_null(more[FORWARDS_MOST - 2]);
    assert_null(more[FORWARDS_MOST - 1]);
    for (size_t i = 0; i + 1 < FORWARDS_MOST; i++)
        more[i]->ops->gone(more[i]);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_refusal_is_news_too),
        cmocka_unit_test(what_a_guest_may_send_follows_from_the_news),
        cmocka_unit_test(a_guest_that_does_not_read_stops_the_host),
        cmocka_unit_test(a_second_run_needs_the_news_alone),
        cmocka_unit_test(there_is_a_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
