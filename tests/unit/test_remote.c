// rooms: vfs
/* vfs/remote.c: a socket whose other side is a far end. Here that is one which takes, says and ends as a test tells it, even from
 * within its own operations; whatever happens it is told `gone` once, and its record NET_OVER once. */
#include "tests/unit/files.h"

#include "vfs/far_end.h"
#include "vfs/socket.h"

#include <arpa/inet.h>
#include <stdio.h>

struct far {
    struct far_end end;
    struct beyond *beyond;
    size_t takes;        /* at most so many bytes at a time */
    bool resets, closes; /* from within `received` */
    char got[400000];
    size_t got_size;
    int rooms, timers, finished;
};

/* Who is beyond, what they hear, and a clock that only moves when told. */
struct beyond {
    struct vfs *vfs;
    struct far_answer answer; /* without end: to be refused */
    bool answers;
    struct far *last;
    int begun, over, gone, resets, silent, refused;
    int64_t now, when;
    void (*fire)(void *argument);
    void *argument;
};

static struct far *of(struct far_end *e)
{
    return (struct far *)e;
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct far *f = of(e);
    n = n < f->takes ? n : f->takes;
    assert_true(f->got_size + n <= sizeof f->got);
    memcpy(f->got + f->got_size, bytes, n);
    f->got_size += n;
    if (f->resets)
        far_reset(e);
    else if (f->closes)
        far_finish(e);
    return n;
}

static void finished(struct far_end *e)
{
    of(e)->finished++;
}

static void room(struct far_end *e)
{
    of(e)->rooms++;
}

static void timer(struct far_end *e)
{
    of(e)->timers++;
}

static void gone(struct far_end *e)
{
    of(e)->beyond->gone++;
    if (of(e)->beyond->last == of(e))
        of(e)->beyond->last = NULL;
    free(e);
}

static const struct far_end_ops ops = {
    .received = received, .finished = finished, .room = room, .timer = timer, .gone = gone};

static void on_connect(void *context, const struct far_request *r, struct far_answer *out)
{
    struct beyond *b = context;
    *out = b->answer;
    if (!b->answers)
        return;
    struct far *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->end.ops = &ops;
    f->beyond = b;
    f->takes = SIZE_MAX;
    b->last = f;
    out->end = &f->end;
}

static void *begin(void *context, const struct far_request *r, bool asked)
{
    ((struct beyond *)context)->begun++;
    return context;
}

static void event(void *record, enum net_event e, bool guest, const void *bytes, size_t n)
{
    struct beyond *b = record;
    b->over += e == NET_OVER;
    b->resets += e == NET_RESET;
    b->silent += e == NET_SILENT;
    b->refused += e == NET_REFUSED;
}

static int64_t clock_now(void *context, int clock_id)
{
    return ((struct beyond *)context)->now;
}

static uint64_t clock_arm(void *context, int clock_id, int64_t when, void (*fire)(void *), void *argument)
{
    struct beyond *b = context;
    b->when = when;
    b->fire = fire;
    b->argument = argument;
    return 1;
}

static void clock_disarm(void *context, uint64_t handle)
{
    ((struct beyond *)context)->fire = NULL;
}

static void let_it_fire(struct beyond *b)
{
    void (*fire)(void *) = b->fire;
    assert_non_null(fire);
    b->fire = NULL;
    b->now = b->when;
    fire(b->argument); /* NOLINT(clang-analyzer-core.CallAndMessage): the assertion above does not return */
}

static struct beyond *open_beyond(struct timer_clock *clock)
{
    struct beyond *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->vfs = test_vfs();
    b->answers = true;
    *clock = (struct timer_clock){clock_now, clock_arm, clock_disarm, b};
    const struct net_hooks hooks = {
        .connect = on_connect, .begin = begin, .event = event, .context = b, .clock = clock};
    assert_int_equal(vfs_set_network(b->vfs, &hooks), 0);
    return b;
}

static void close_beyond(struct beyond *b)
{
    vfs_free(b->vfs);
    assert_int_equal(b->over, b->begun);
    assert_null(b->last);
    free(b);
}

static struct file *open_socket(struct beyond *b, int type)
{
    struct file *f = NULL;
    assert_int_equal(socket_new(b->vfs, AF_INET, type, 0, &f), 0);
    return f;
}

static int join(struct file *f)
{
    static const struct ucred me = {.pid = 10};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7)};
    struct waitq *wait;
    a.sin_addr.s_addr = htonl(0xc0000205);
    return socket_connect(f, NULL, (struct sockaddr *)&a, sizeof a, &me, &wait);
}

static struct file *connected(struct beyond *b, int type)
{
    struct file *f = open_socket(b, type);
    assert_int_equal(join(f), 0);
    file_set_flags(f, O_NONBLOCK); /* only now: a connect that may not wait is always under way */
    return f;
}

static int pending_error(struct file *f)
{
    int error = -1;
    socklen_t n = sizeof error;
    assert_int_equal(socket_get_option(f, SOL_SOCKET, SO_ERROR, &error, &n), 0);
    return error;
}

/* ---- whether it stands ---------------------------------------------------------------------------------------------------------- */

static void nobody_is_there_now_later_or_ever(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    b->answers = false;
    b->answer.error = ECONNREFUSED;
    struct file *f = open_socket(b, SOCK_STREAM);
    assert_int_equal(join(f), -ECONNREFUSED);
    file_put(f);
    b->answer.delay = 40;
    f = open_socket(b, SOCK_STREAM);
    assert_int_equal(join(f), -EINPROGRESS);
    assert_int_equal(b->when - b->now, 40);
    assert_int_equal(file_poll(f, NULL) & EPOLLOUT, 0);
    let_it_fire(b);
    assert_int_equal(pending_error(f), ECONNREFUSED);
    file_put(f);
    assert_int_equal(b->refused, 2);
    b->answer = (struct far_answer){.error = ETIMEDOUT, .delay = INT64_MAX};
    f = open_socket(b, SOCK_STREAM);
    assert_int_equal(join(f), -EINPROGRESS);
    let_it_fire(b);
    assert_int_equal(pending_error(f), ETIMEDOUT);
    file_put(f);
    f = open_socket(b, SOCK_STREAM);
    assert_int_equal(join(f), -EINPROGRESS);
    file_put(f); /* given up */
    assert_null(b->fire);
    assert_int_equal(b->silent, 2);
    close_beyond(b);
}

static void it_stands_after_its_delay(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    b->answer.delay = 1000;
    struct file *f = open_socket(b, SOCK_STREAM);
    assert_int_equal(join(f), -EINPROGRESS);
    let_it_fire(b);
    assert_int_equal(pending_error(f), 0);
    assert_int_equal(give_text(f, "hi"), 2);
    assert_memory_equal(b->last->got, "hi", 2);
    file_put(f);
    close_beyond(b);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------------------- */

static void who_does_not_take_fills_the_guests_queue(void **state)
{
    static char many[100000];
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    b->last->takes = 0;
    ssize_t all = 0, n;
    while ((n = give(f, many, sizeof many)) > 0)
        all += n;
    assert_int_equal(n, -EAGAIN);
    assert_true(all >= 16384 && all < 1 << 20);
    assert_int_equal(file_poll(f, NULL) & EPOLLOUT, 0);
    b->last->takes = 1000;
    far_pull(&b->last->end);
    assert_int_equal(b->last->got_size, all);
    assert_true(file_poll(f, NULL) & EPOLLOUT);
    file_put(f);
    close_beyond(b);
}

static void a_guest_that_does_not_read_is_waited_for(void **state)
{
    static char many[8 << 20];
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (char)(i / 7);
    size_t sent = far_send(&b->last->end, many, sizeof many), got = 0;
    assert_true(sent > 0 && sent < sizeof many);
    assert_int_equal(far_send(&b->last->end, many, 1), 0);
    static char back[sizeof many];
    assert_int_equal(get(f, back, 1), 1);
    assert_int_equal(b->last->rooms, 0); /* a byte is not worth it */
    for (got = 1; got < sent;) {
        ssize_t n = get(f, back + got, sizeof back - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(back, many, sent);
    assert_int_equal(b->last->rooms, 1);
    assert_int_equal(get(f, back, 1), -EAGAIN);
    file_put(f);
    close_beyond(b);
}

/* ---- ends ---------------------------------------------------------------------------------------------------------------------------- */

static void each_side_ends_by_itself(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    char c;
    b->last->takes = 0;
    assert_int_equal(give_text(f, "last words"), 10);
    assert_int_equal(socket_shutdown(f, SHUT_WR), 0);
    assert_int_equal(b->last->finished, 0); /* not before they were taken */
    b->last->takes = SIZE_MAX;
    far_pull(&b->last->end);
    assert_int_equal(b->last->finished, 1);
    assert_int_equal(far_send(&b->last->end, "x", 1), 1);
    far_finish(&b->last->end); /* both have: it is through */
    assert_int_equal(b->gone, 1);
    assert_int_equal(get(f, &c, 1), 1);
    assert_int_equal(get(f, &c, 1), 0);
    file_put(f);
    assert_int_equal(b->resets, 0);
    close_beyond(b);
}

static void a_reset_from_within_is_one_end(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    char c;
    b->last->resets = true;
    assert_int_equal(give_text(f, "what?"), 5);
    assert_int_equal(b->gone, 1);
    assert_int_equal(get(f, &c, 1), -ECONNRESET);
    assert_int_equal(give_text(f, "more"), -EPIPE);
    file_put(f);
    f = connected(b, SOCK_STREAM);
    b->last->closes = true;
    b->last->takes = 0;
    assert_int_equal(give_text(f, "x"), 1);
    assert_int_equal(get(f, &c, 1), 0);
    file_put(f);
    close_beyond(b);
}

static void what_was_sent_outlives_its_socket_within_bounds(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    struct far *kept = b->last;
    kept->takes = 0;
    assert_int_equal(give_text(f, "to be delivered"), 15);
    file_put(f);
    assert_int_equal(b->gone, 0);
    kept->takes = SIZE_MAX;
    far_arm(&kept->end, 5);
    assert_int_equal(b->when - b->now, 5);
    let_it_fire(b);
    assert_int_equal(kept->timers, 1);
    far_pull(&kept->end); /* takes it, hears the FIN, and is gone */
    assert_int_equal(b->gone, 1);
    for (int i = 0; i < 100; i++) {
        f = connected(b, SOCK_STREAM);
        b->last->takes = 0;
        assert_int_equal(give_text(f, "x"), 1);
        file_put(f);
    }
    assert_int_equal(b->begun - b->gone, 64);
    close_beyond(b);
}

/* What is said where nobody reads any more ends it; but not under the hands of who says it. */
static void who_sends_to_nobody_outlives_the_call(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_STREAM);
    struct far *kept = b->last;
    kept->takes = 0;
    assert_int_equal(give_text(f, "not taken yet"), 13);
    file_put(f);
    assert_int_equal(far_send(&kept->end, "answer", 6), 6);
    assert_int_equal(b->gone, 0);
    far_pull(&kept->end);
    assert_int_equal(far_send(&kept->end, "more", 4), 4);
    assert_int_equal(b->resets, 1);
    let_it_fire(b);
    assert_int_equal(b->gone, 1);
    close_beyond(b);
}

/* ---- datagrams ---------------------------------------------------------------------------------------------------------------------- */

static void datagrams_come_whole_and_an_error_once(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = connected(b, SOCK_DGRAM);
    char bytes[16];
    assert_int_equal(give_text(f, "one"), 3);
    assert_int_equal(give_text(f, "two"), 3);
    assert_memory_equal(b->last->got, "onetwo", 6);
    assert_int_equal(far_send(&b->last->end, "answer", 6), 6);
    assert_int_equal(get(f, bytes, 4), 4);
    assert_int_equal(get(f, bytes, 4), -EAGAIN); /* the rest was cut off */
    b->last->resets = true;
    assert_int_equal(give_text(f, "three"), 5);
    assert_int_equal(b->gone, 1);
    assert_int_equal(get(f, bytes, 4), -ECONNREFUSED);
    b->answers = false;
    b->answer = (struct far_answer){.error = ECONNREFUSED, .delay = 30};
    assert_int_equal(give_text(f, "four"), 4);
    assert_int_equal(get(f, bytes, 4), -EAGAIN);
    let_it_fire(b);
    assert_int_equal(give_text(f, "five"), -ECONNREFUSED);
    file_put(f);
    close_beyond(b);
}

static void one_socket_has_so_many_far_ends(void **state)
{
    struct timer_clock clock;
    struct beyond *b = open_beyond(&clock);
    struct file *f = open_socket(b, SOCK_DGRAM);
    for (int i = 0; i < 1000; i++) {
        struct io io = io_over_buffer((void *)"x", 1);
        struct socket_message m = {.io = &io, .address_length = sizeof(struct sockaddr_in)};
        struct sockaddr_in *to = (struct sockaddr_in *)&m.address;
        *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + i))};
        to->sin_addr.s_addr = htonl(0xc0000205);
        assert_int_equal(socket_send(f, NULL, &m, 0), 1);
    }
    assert_int_equal(b->begun, 1000);
    assert_int_equal(b->begun - b->gone, 256);
    file_put(f);
    close_beyond(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_there_now_later_or_ever),
        cmocka_unit_test(it_stands_after_its_delay),
        cmocka_unit_test(who_does_not_take_fills_the_guests_queue),
        cmocka_unit_test(a_guest_that_does_not_read_is_waited_for),
        cmocka_unit_test(each_side_ends_by_itself),
        cmocka_unit_test(a_reset_from_within_is_one_end),
        cmocka_unit_test(what_was_sent_outlives_its_socket_within_bounds),
        cmocka_unit_test(who_sends_to_nobody_outlives_the_call),
        cmocka_unit_test(datagrams_come_whole_and_an_error_once),
        cmocka_unit_test(one_socket_has_so_many_far_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
