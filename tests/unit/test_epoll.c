// rooms: vfs
/* epoll beside the kernel's own: the same targets, the same operations, the same events in the same order. */
#include "tests/unit/files.h"

#include "vfs/node.h"

#include <sys/eventfd.h>

enum { PIPES = 3, ENDS = PIPES * 2, EPOLLS = 2, MOST = 16 };

/* The same objects twice: descriptors of the kernel's, files of ours. */
struct twins {
    struct vfs *v;
    struct file *file[ENDS], *epoll[EPOLLS];
    int fd[ENDS], epoll_fd[EPOLLS];
};

static void twin_pipe(struct twins *t, int n)
{
    assert_int_equal(pipe_new(t->v, O_NONBLOCK, t->file + n), 0);
    assert_int_equal(pipe2(t->fd + n, O_NONBLOCK), 0);
}

static void twins_make(struct twins *t)
{
    t->v = test_vfs();
    for (int i = 0; i < ENDS; i += 2)
        twin_pipe(t, i);
    for (int i = 0; i < EPOLLS; i++) {
        t->epoll[i] = epoll_new(t->v, 0);
        t->epoll_fd[i] = epoll_create1(0);
    }
}

static void twins_end(struct twins *t)
{
    for (int i = 0; i < ENDS; i++) {
        file_put(t->file[i]);
        close(t->fd[i]);
    }
    for (int i = 0; i < EPOLLS; i++) {
        file_put(t->epoll[i]);
        close(t->epoll_fd[i]);
    }
    assert_int_equal(t->v->objects.epoll_items, 0);
    vfs_free(t->v);
}

static void collect_both(struct twins *t, int which, int max)
{
    struct epoll_event mine[MOST] = {0}, theirs[MOST] = {0};
    int n = epoll_collect(t->epoll[which], mine, max);
    assert_int_equal(n, native(epoll_wait(t->epoll_fd[which], theirs, max, 0)));
    for (int i = 0; i < n; i++) {
        assert_int_equal(mine[i].data.u64, theirs[i].data.u64);
        assert_int_equal(mine[i].events, theirs[i].events);
    }
}

static void control_both(struct twins *t, int which, int operation, int end, struct epoll_event event)
{
    assert_int_equal(epoll_control(t->epoll[which], operation, t->fd[end], t->file[end], &event),
                     native(epoll_ctl(t->epoll_fd[which], operation, t->fd[end], &event)));
}

static void nest_both(struct twins *t, int outer, int operation, int inner, struct epoll_event event)
{
    assert_int_equal(epoll_control(t->epoll[outer], operation, t->epoll_fd[inner], t->epoll[inner], &event),
                     native(epoll_ctl(t->epoll_fd[outer], operation, t->epoll_fd[inner], &event)));
}

static uint32_t random_events(uint64_t *seed)
{
    static const uint32_t some[] = {EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, 0, EPOLLRDHUP, EPOLLIN | EPOLLRDNORM};
    uint32_t events = some[chance(seed) % 6];
    if (chance(seed) % 3 == 0)
        events |= EPOLLET;
    if (chance(seed) % 5 == 0)
        events |= EPOLLONESHOT;
    if (chance(seed) % 12 == 0)
        events |= EPOLLEXCLUSIVE;
    return events;
}

static void one_life(uint64_t seed)
{
    static char block[70000];
    struct twins t;
    twins_make(&t);
    for (int step = 0; step < 500; step++) {
        int end = (int)(chance(&seed) % ENDS), which = (int)(chance(&seed) % EPOLLS), pipe = end & ~1;
        struct epoll_event event = {.events = random_events(&seed), .data.u64 = (uint64_t)(end + 100 * step)};
        size_t n = chance(&seed) % 3 ? 1 + chance(&seed) % 50 : 30000 + chance(&seed) % 40000;
        switch (chance(&seed) % 11) {
        case 0:
        case 1:
            control_both(&t, which, EPOLL_CTL_ADD, end, event);
            break;
        case 2:
            control_both(&t, which, EPOLL_CTL_MOD, end, event);
            break;
        case 3:
            if (chance(&seed) % 3 == 0)
                control_both(&t, which, EPOLL_CTL_DEL, end, event);
            break;
        case 4:
        case 5:
            assert_int_equal(give(t.file[pipe + 1], block, n), native(write(t.fd[pipe + 1], block, n)));
            break;
        case 6:
            assert_int_equal(get(t.file[pipe], block, n), native(read(t.fd[pipe], block, n)));
            break;
        case 7:
        case 8:
            collect_both(&t, which, 1 + (int)(chance(&seed) % MOST));
            break;
        case 9:
            if (chance(&seed) % 10 == 0) { /* one end goes; then the whole pipe is replaced */
                file_put(t.file[end]);
                close(t.fd[end]);
                collect_both(&t, which, MOST);
                file_put(t.file[end ^ 1]);
                close(t.fd[end ^ 1]);
                twin_pipe(&t, pipe);
            }
            break;
        case 10:
            event.events &= ~(uint32_t)EPOLLEXCLUSIVE;
            nest_both(&t, 1, chance(&seed) % 2 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, 0, event);
            break;
        }
    }
    twins_end(&t);
}

static void epoll_behaves_as_the_kernels(void **state)
{
    for (uint64_t seed = 1; seed <= 80; seed++)
        one_life(seed);
}

static void few_at_a_time_are_fair(void **state)
{
    struct twins t;
    twins_make(&t);
    for (int i = 0; i < ENDS; i++)
        control_both(&t, 0, EPOLL_CTL_ADD, i,
                     (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.u64 = (uint64_t)i});
    for (int i = 1; i < ENDS; i += 2)
        assert_int_equal(give(t.file[i], "x", 1), native(write(t.fd[i], "x", 1)));
    for (int i = 0; i < 20; i++)
        collect_both(&t, 0, 1 + i % 3);
    twins_end(&t);
}

static void refusals(void **state)
{
    struct twins t;
    struct epoll_event in = {.events = EPOLLIN}, exclusive = {.events = EPOLLIN | EPOLLEXCLUSIVE},
                       worse = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT};
    twins_make(&t);
    control_both(&t, 0, EPOLL_CTL_MOD, 0, in);
    control_both(&t, 0, EPOLL_CTL_DEL, 0, in);
    control_both(&t, 0, EPOLL_CTL_ADD, 0, in);
    control_both(&t, 0, EPOLL_CTL_ADD, 0, in);
    control_both(&t, 0, 77, 0, in);
    control_both(&t, 0, EPOLL_CTL_ADD, 2, worse);
    control_both(&t, 0, EPOLL_CTL_ADD, 2, exclusive);
    control_both(&t, 0, EPOLL_CTL_MOD, 2, in);
    control_both(&t, 0, EPOLL_CTL_MOD, 0, exclusive);
    nest_both(&t, 0, EPOLL_CTL_ADD, 0, in);
    nest_both(&t, 1, EPOLL_CTL_ADD, 0, exclusive);
    assert_int_equal(epoll_control(t.file[0], EPOLL_CTL_ADD, 1, t.file[1], &in),
                     native(epoll_ctl(t.fd[0], EPOLL_CTL_ADD, t.fd[1], &in)));
    twins_end(&t);
}

static void circles_and_towers_are_refused(void **state)
{
    struct vfs *v = test_vfs();
    struct epoll_event in = {.events = EPOLLIN};
    struct file *e[8];
    int fd[8];
    for (int i = 0; i < 8; i++) {
        e[i] = epoll_new(v, 0);
        fd[i] = epoll_create1(0);
    }
    static const int links[][2] = {{0, 1}, {1, 2}, {2, 0}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7},
                                   {7, 0}, {6, 0}, {1, 4}, {4, 7}, {5, 3}, {7, 3}, {0, 7}, {3, 1}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        int from = links[i][0], to = links[i][1];
        int mine = epoll_control(e[from], EPOLL_CTL_ADD, to, e[to], &in);
        int theirs = (int)native(epoll_ctl(fd[from], EPOLL_CTL_ADD, fd[to], &in));
        if (mine != theirs)
            print_message("link %d -> %d\n", from, to);
        assert_int_equal(mine, theirs);
    }
    for (int i = 0; i < 8; i++) {
        file_put(e[i]);
        close(fd[i]);
    }
    vfs_free(v);
}

static void a_chain_of_five_carries_a_wake_up(void **state)
{
    struct vfs *v = test_vfs();
    struct file *e[5], *counter = eventfd_new(v, 0, 0);
    struct epoll_event in = {.events = EPOLLIN | EPOLLET}, out;
    struct listener l;
    uint64_t one = 1;
    for (int i = 0; i < 5; i++)
        e[i] = epoll_new(v, 0);
    assert_int_equal(epoll_control(e[0], EPOLL_CTL_ADD, 3, counter, &in), 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(epoll_control(e[i], EPOLL_CTL_ADD, 3, e[i - 1], &in), 0);
    assert_int_equal(listen_to(&l, e[4]), 0);
    assert_int_equal(give(counter, &one, 8), 8);
    assert_int_equal(l.woken, 1);
    assert_int_equal(epoll_collect(e[4], &out, 1), 1);
    assert_int_equal(out.events, EPOLLIN);
    assert_int_equal(epoll_collect(e[4], &out, 1), 0);
    listen_end(&l);
    file_put(counter); /* the innermost target goes: its item goes with it */
    assert_int_equal(v->objects.epoll_items, 4);
    for (int i = 0; i < 5; i++)
        file_put(e[i]);
    assert_int_equal(v->objects.epoll_items, 0);
    vfs_free(v);
}

/* A lattice: five floors of epolls, each watching all of the floor below. One byte must not become a million calls. */
static void a_lattice_is_cheap(void **state)
{
    enum { WIDE = 40, FLOORS = 5 };
    struct vfs *v = test_vfs();
    struct file *e[FLOORS][WIDE], *counter = eventfd_new(v, 0, 0);
    struct epoll_event in = {.events = EPOLLIN}, out;
    struct listener l;
    uint64_t one = 1;
    for (int floor = 0; floor < FLOORS; floor++)
        for (int i = 0; i < WIDE; i++) {
            e[floor][i] = epoll_new(v, 0);
            for (int j = 0; floor && j < WIDE; j++)
                assert_int_equal(epoll_control(e[floor][i], EPOLL_CTL_ADD, j, e[floor - 1][j], &in), 0);
            if (!floor)
                assert_int_equal(epoll_control(e[0][i], EPOLL_CTL_ADD, 0, counter, &in), 0);
        }
    assert_int_equal(listen_to(&l, e[FLOORS - 1][0]), 0);
    assert_int_equal(give(counter, &one, 8), 8);
    assert_true(l.woken >= 1 && l.woken <= WIDE); /* once for each item of the counter, not 40^4 times */
    assert_int_equal(epoll_collect(e[FLOORS - 1][0], &out, 1), 1);
    listen_end(&l);
    file_put(counter);
    for (int floor = 0; floor < FLOORS; floor++)
        for (int i = 0; i < WIDE; i++)
            file_put(e[floor][i]);
    assert_int_equal(v->objects.epoll_items, 0);
    vfs_free(v);
}

static void the_same_file_under_two_numbers(void **state)
{
    struct vfs *v = test_vfs();
    struct file *e = epoll_new(v, 0), *counter = eventfd_new(v, 5, 0);
    struct epoll_event in = {.events = EPOLLIN, .data.u64 = 1}, out[4];
    assert_int_equal(epoll_control(e, EPOLL_CTL_ADD, 3, counter, &in), 0);
    in.data.u64 = 2;
    assert_int_equal(epoll_control(e, EPOLL_CTL_ADD, 4, counter, &in), 0);
    assert_int_equal(epoll_control(e, EPOLL_CTL_ADD, 4, counter, &in), -EEXIST);
    assert_int_equal(epoll_collect(e, out, 4), 2);
    assert_int_equal(out[0].data.u64, 1);
    assert_int_equal(out[1].data.u64, 2);
    file_get(counter);
    file_put(counter); /* one of two references: nothing changes */
    assert_int_equal(epoll_collect(e, out, 4), 2);
    file_put(counter);
    assert_int_equal(epoll_collect(e, out, 4), 0);
    file_put(e);
    vfs_free(v);
}

static void thousands_of_items(void **state)
{
    enum { MANY = 3000 };
    static struct file *counters[MANY];
    struct vfs *v = test_vfs();
    struct file *e = epoll_new(v, 0);
    struct epoll_event out[8];
    uint64_t one = 1;
    for (int i = 0; i < MANY; i++) {
        counters[i] = eventfd_new(v, 0, 0);
        struct epoll_event in = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
        assert_int_equal(epoll_control(e, EPOLL_CTL_ADD, i, counters[i], &in), 0);
    }
    assert_int_equal(epoll_collect(e, out, 8), 0);
    give(counters[2024], &one, 8);
    give(counters[7], &one, 8);
    assert_int_equal(epoll_collect(e, out, 8), 2);
    assert_int_equal(out[0].data.u64, 2024);
    assert_int_equal(out[1].data.u64, 7);
    for (int i = 0; i < MANY; i += 2)
        file_put(counters[i]);
    assert_int_equal(v->objects.epoll_items, MANY / 2);
    file_put(e);
    for (int i = 1; i < MANY; i += 2)
        file_put(counters[i]);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoll_behaves_as_the_kernels),
        cmocka_unit_test(few_at_a_time_are_fair),
        cmocka_unit_test(refusals),
        cmocka_unit_test(circles_and_towers_are_refused),
        cmocka_unit_test(a_chain_of_five_carries_a_wake_up),
        cmocka_unit_test(a_lattice_is_cheap),
        cmocka_unit_test(the_same_file_under_two_numbers),
        cmocka_unit_test(thousands_of_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
