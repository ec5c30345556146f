// rooms: network vfs policy kernel/sysent
/* Programs and servers at the far end: bytes pass both ways, ends of input too, and who does not read is waited for. */
#include "tests/unit/far_fixture.h"

#include "vfs/socket.h"

#include <errno.h>

static struct file *given; /* to the program that would have been started: its stdin and stdout */
static int started;

static int fake_spawn(void *context, char *const *arguments, struct file *end)
{
    assert_string_equal(arguments[0], "c2.py");
    started++;
    given = end;
    if (end != NULL)
        file_get(end);
    return 0;
}

static void open_world(struct stage *s, enum content_kind kind)
{
    const struct vfs_config config = {.now = fixed_now};
    stage_open(s, kind, "[c2.py]", 1);
    struct contents_config contents = {.seed = 1, .now = fixed_now, .world = vfs_new(&config), .spawn = fake_spawn};
    char why[128];
    contents_free(s->contents);
    s->contents = contents_new(&contents);
    assert_int_equal(contents_prepare(s->contents, s->content, why, sizeof why), 0);
    s->hearing->conversation.ops = &hearing_ops;
    started = 0;
    given = NULL;
}

static void close_world(struct stage *s, struct vfs *world)
{
    stage_close(s);
    vfs_free(world);
}

static ssize_t read_file(struct file *f, char *to, size_t n)
{
    struct io io = io_over_buffer(to, n);
    return file_read(f, &io, NULL);
}

static ssize_t write_file(struct file *f, const char *from, size_t n)
{
    struct io io = io_over_buffer((void *)from, n);
    return file_write(f, &io, NULL);
}

static struct vfs *world_of(const struct stage *s)
{
    return *(struct vfs **)((char *)s->contents +
                            offsetof(struct contents_config, world)); /* its first member is the config */
}

static void a_program_is_spoken_to(void **state)
{
    struct stage s;
    char bytes[64];
    open_world(&s, CONTENT_PROGRAM);
    struct vfs *world = world_of(&s);
    struct wire *w = stage_connect(&s, false);
    assert_int_equal(started, 1);
    wire_give(w, "hello", 5);
    assert_int_equal(read_file(given, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(write_file(given, "answer", 6), 6);
    assert_int_equal(w->armed, 0); /* not within the program's own write */
    wire_timer(w);
    assert_string_equal(wire_take(w), "answer");
    wire_end_of_input(w);
    assert_int_equal(read_file(given, bytes, sizeof bytes), 0);
    assert_int_equal(write_file(given, "bye", 3), 3);
    file_put(given); /* the program ends */
    wire_timer(w);
    assert_string_equal(wire_take(w), "bye");
    assert_true(w->finished);
    wire_free(w);
    close_world(&s, world);
}

static void who_does_not_read_is_waited_for(void **state)
{
    struct stage s;
    static char many[200000], got[200000];
    open_world(&s, CONTENT_PROGRAM);
    struct vfs *world = world_of(&s);
    struct wire *w = stage_connect(&s, false);
    for (size_t round = 0; round < 3; round++)
        wire_give(w, many, sizeof many / 4);
    size_t total = 0, before = w->kept_size;
    wire_give(w, many, 200000);
    assert_true(w->kept_size > before);
    for (int i = 0; i < 100 && total < 350000; i++) {
        ssize_t n = read_file(given, got, sizeof got);
        if (n > 0)
            total += (size_t)n;
        if (w->armed >= 0)
            wire_timer(w);
    }
    assert_int_equal(total, 350000);
    assert_int_equal(w->kept_size, 0);
    w->limit = 1000;
    assert_true(write_file(given, many, 50000) == 50000);
    wire_timer(w);
    total = 0;
    for (int i = 0; i < 100; i++) {
        total += w->sent_size;
        w->sent_size = 0;
        wire_room(w);
    }
    assert_int_equal(total, 50000);
    file_put(given);
    wire_free(w);
    close_world(&s, world);
}

static void a_server_is_started_once_and_may_take_its_time(void **state)
{
    struct stage s;
    char bytes[64];
    open_world(&s, CONTENT_SERVE);
    struct vfs *world = world_of(&s);
    struct wire *w = stage_connect(&s, false), *second = stage_connect(&s, false);
    assert_int_equal(started, 1);
    assert_true(w->armed > 0); /* nobody listens yet */
    wire_give(w, "early", 5);
    assert_int_equal(w->kept_size, 5);
    struct file *listener, *a;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct ucred self = {0};
    assert_int_equal(socket_new(world, AF_INET, SOCK_STREAM, 0, &listener), 0);
    const struct cred root = {.capabilities = UINT64_MAX};
    const struct place place = {world, &root, vfs_root(world), vfs_root(world)};
    assert_int_equal(socket_bind(listener, &place, 0, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(socket_listen(listener, 5, &self), 0);
    wire_timer(w);
    assert_int_equal(socket_accept(listener, 0, &a, NULL, NULL), 0);
    assert_int_equal(read_file(a, bytes, sizeof bytes), 5);
    assert_int_equal(write_file(a, "late", 4), 4);
    wire_timer(w);
    assert_string_equal(wire_take(w), "late");
    file_put(a);
    wire_free(w);
    wire_free(second);
    file_put(listener);
    close_world(&s, world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_spoken_to),
        cmocka_unit_test(who_does_not_read_is_waited_for),
        cmocka_unit_test(a_server_is_started_once_and_may_take_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
