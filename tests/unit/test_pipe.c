// rooms: vfs
/* Pipes beside the kernel's own: the same operations on both must answer the same. */
#include "tests/unit/files.h"

#include "vfs/node.h"

#include <limits.h>
#include <signal.h>

enum { BIG = 1 << 20 };

static void new_pipe(struct vfs *v, int flags, struct file *ends[2])
{
    assert_int_equal(pipe_new(v, flags, ends), 0);
}

static void bytes_arrive_in_order(void **state)
{
    struct vfs *v = test_vfs();
    struct file *p[2];
    char back[16] = {0};
    new_pipe(v, 0, p);
    assert_true(file_is_pipe(p[0]) && file_is_pipe(p[1]));
    assert_int_equal(get(p[0], back, 16), -EAGAIN);
    assert_int_equal(give_text(p[1], "abc"), 3);
    assert_int_equal(give_text(p[1], "defg"), 4);
    assert_int_equal(get(p[0], back, 5), 5);
    assert_int_equal(get(p[0], back + 5, 11), 2);
    assert_string_equal(back, "abcdefg");
    assert_int_equal(get(p[1], back, 1), -EBADF);
    assert_int_equal(give(p[0], back, 1), -EBADF);
    assert_int_equal(file_seek(p[0], 0, SEEK_CUR), -ESPIPE);
    uint64_t position = 0;
    struct io io = io_over_buffer(back, 1);
    assert_int_equal(file_read(p[0], &io, &position), -ESPIPE);
    file_put(p[0]);
    file_put(p[1]);
    assert_int_equal(v->objects.pipe_pages, 0);
    vfs_free(v);
}

static void ends_closing_are_heard(void **state)
{
    struct vfs *v = test_vfs();
    struct file *p[2];
    struct listener l;
    char c;
    new_pipe(v, 0, p);
    give(p[1], "x", 1);
    assert_int_equal(listen_to(&l, p[0]) & 0xff, EPOLLIN | (EPOLLRDNORM & 0xff));
    file_put(p[1]);
    assert_true(l.woken && (l.events & EPOLLHUP));
    listen_end(&l);
    assert_int_equal(get(p[0], &c, 1), 1);
    assert_int_equal(get(p[0], &c, 1), 0);
    assert_int_equal(file_poll(p[0], NULL), EPOLLHUP);
    file_put(p[0]);

    new_pipe(v, 0, p);
    assert_true(listen_to(&l, p[1]) & EPOLLOUT);
    file_put(p[0]);
    assert_true(l.woken && (l.events & EPOLLERR));
    listen_end(&l);
    assert_int_equal(give(p[1], "x", 1), -EPIPE);
    assert_int_equal(give(p[1], "x", 0), 0);
    assert_true(file_poll(p[1], NULL) & EPOLLERR);
    file_put(p[1]);
    vfs_free(v);
}

static uint32_t interesting(uint32_t events)
{
    return events & (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM);
}

/* One random life of a pipe, natively and here. */
static void compare(struct vfs *v, uint64_t seed, int packets)
{
    static char out[BIG], mine[BIG], theirs[BIG];
    const short all = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    struct file *p[2];
    int fd[2];
    new_pipe(v, packets ? O_DIRECT : 0, p);
    assert_int_equal(pipe2(fd, O_NONBLOCK | (packets ? O_DIRECT : 0)), 0);
    for (int step = 0; step < 400; step++) {
        static const uint32_t sizes[] = {1, 7, 100, 2048, 4095, 4096, 4097, 5000, 8192, 20000, 65536, 70000};
        size_t n = chance(&seed) % 3 ? sizes[chance(&seed) % 12] : chance(&seed) % 9000;
        switch (chance(&seed) % 8) {
        case 0:
        case 1:
        case 2:
            for (size_t i = 0; i < n; i++)
                out[i] = (char)chance(&seed);
            assert_int_equal(give(p[1], out, n), native(write(fd[1], out, n)));
            break;
        case 3:
        case 4:
        case 5: {
            ssize_t got = get(p[0], mine, n);
            assert_int_equal(got, native(read(fd[0], theirs, n)));
            if (got > 0)
                assert_memory_equal(mine, theirs, got);
            break;
        }
        case 6: {
            int a, b;
            assert_int_equal(control(p[0], FIONREAD, &a), 0);
            ioctl(fd[0], FIONREAD, &b);
            assert_int_equal(a, b);
            assert_int_equal(interesting(file_poll(p[0], NULL)), native_poll(fd[0], all));
            assert_int_equal(interesting(file_poll(p[1], NULL)), native_poll(fd[1], all));
            break;
        }
        case 7:
            if (chance(&seed) % 4 == 0) {
                uint32_t size = 1u << (10 + chance(&seed) % 9);
                assert_int_equal(pipe_set_capacity(p[1], size, false), native(fcntl(fd[1], F_SETPIPE_SZ, size)));
            }
            assert_int_equal(pipe_capacity(p[0]), native(fcntl(fd[0], F_GETPIPE_SZ)));
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        file_put(p[i]);
        close(fd[i]);
    }
}

static void a_pipe_behaves_as_the_kernels(void **state)
{
    struct vfs *v = test_vfs();
    for (uint64_t seed = 1; seed <= 60; seed++)
        compare(v, seed, seed % 4 == 0);
    assert_int_equal(v->objects.pipe_pages, 0);
    vfs_free(v);
}

static void capacities_have_bounds(void **state)
{
    struct vfs *v = test_vfs();
    struct file *p[2], *more[2][1100];
    new_pipe(v, 0, p);
    assert_int_equal(pipe_capacity(p[0]), 65536);
    assert_int_equal(pipe_set_capacity(p[0], 1, false), 4096);
    assert_int_equal(pipe_set_capacity(p[0], BIG, false), BIG);
    assert_int_equal(pipe_set_capacity(p[0], BIG + 1, false), -EPERM);
    assert_int_equal(pipe_set_capacity(p[0], BIG + 1, true), 2 * BIG);
    assert_int_equal(pipe_set_capacity(p[0], 0x80000000u, true), -EPERM);
    assert_int_equal(pipe_set_capacity(p[0], 0x80000001u, true), -EINVAL);
    assert_int_equal(pipe_set_capacity(p[0], 65536, false), 65536);
    char *block = calloc(1, 65536);
    give(p[1], block, 65536);
    assert_int_equal(pipe_set_capacity(p[0], 32768, false), -EBUSY);
    /* The world's pages are shared; who comes late gets little. */
    for (int i = 0; i < 1100; i++) {
        struct file *ends[2];
        new_pipe(v, 0, ends);
        more[0][i] = ends[0];
        more[1][i] = ends[1];
    }
    assert_int_equal(pipe_capacity(more[0][0]), 65536);
    assert_int_equal(pipe_capacity(more[0][1099]), 8192);
    assert_int_equal(pipe_set_capacity(more[0][1099], BIG, true), -EPERM);
    for (int i = 0; i < 1100; i++) {
        file_put(more[0][i]);
        file_put(more[1][i]);
    }
    file_put(p[0]);
    file_put(p[1]);
    free(block);
    vfs_free(v);
}

/* An io that counts how often it is called: a block must go through in one piece. */
struct counted {
    struct io io;
    char *at;
    int calls;
};

static ssize_t counted_put(struct io *io, const void *from, size_t n)
{
    struct counted *c = io->context;
    memcpy(c->at, from, n);
    c->at += n;
    c->calls++;
    io->left -= n;
    return (ssize_t)n;
}

static ssize_t counted_get(struct io *io, void *to, size_t n)
{
    struct counted *c = io->context;
    memcpy(to, c->at, n);
    c->at += n;
    c->calls++;
    io->left -= n;
    return (ssize_t)n;
}

static void a_block_moves_in_one_piece(void **state)
{
    struct vfs *v = test_vfs();
    struct file *p[2];
    static char block[65536];
    new_pipe(v, 0, p);
    for (int i = 0; i < 3; i++) {
        struct counted c = {.at = block};
        c.io = (struct io){.put = counted_put, .get = counted_get, .left = sizeof block, .context = &c};
        assert_int_equal(file_write(p[1], &c.io, NULL), 65536);
        assert_int_equal(c.calls, 1);
        c.io.left = sizeof block;
        c.at = block;
        assert_int_equal(file_read(p[0], &c.io, NULL), 65536);
        assert_int_equal(c.calls, 2);
        char byte; /* the ring must not stay crooked */
        give(p[1], "x", 1);
        get(p[0], &byte, 1);
    }
    file_put(p[0]);
    file_put(p[1]);
    vfs_free(v);
}

/* ---- splice and tee, beside the kernel's ---- */

static void compare_moves(struct vfs *v, uint64_t seed)
{
    static char out[BIG], mine[BIG], theirs[BIG];
    struct file *p[4];
    int fd[4];
    new_pipe(v, 0, p);
    new_pipe(v, 0, p + 2);
    assert_int_equal(pipe2(fd, O_NONBLOCK) | pipe2(fd + 2, O_NONBLOCK), 0);
    for (int step = 0; step < 300; step++) {
        size_t n = 1 + chance(&seed) % (chance(&seed) % 2 ? 30000 : 300);
        switch (chance(&seed) % 5) {
        case 0:
        case 1: {
            for (size_t i = 0; i < n; i++)
                out[i] = (char)chance(&seed);
            int to = chance(&seed) % 3 ? 1 : 3;
            assert_int_equal(give(p[to], out, n), native(write(fd[to], out, n)));
            break;
        }
        case 2: {
            ssize_t got = get(p[2], mine, n);
            assert_int_equal(got, native(read(fd[2], theirs, n)));
            if (got > 0)
                assert_memory_equal(mine, theirs, got);
            break;
        }
        case 3:
            assert_int_equal(file_move(p[0], NULL, p[3], NULL, n),
                             native(splice(fd[0], NULL, fd[3], NULL, n, SPLICE_F_NONBLOCK)));
            break;
        case 4:
            assert_int_equal(pipe_tee(p[0], p[3], n), native(tee(fd[0], fd[3], n, SPLICE_F_NONBLOCK)));
            break;
        }
    }
    for (int i = 0; i < 4; i++) {
        file_put(p[i]);
        close(fd[i]);
    }
}

static void splice_and_tee_behave_as_the_kernels(void **state)
{
    struct vfs *v = test_vfs();
    for (uint64_t seed = 1; seed <= 40; seed++)
        compare_moves(v, seed);
    vfs_free(v);
}

/* ---- FIFOs ---- */

static struct node *fifo_node(struct vfs *v)
{
    struct node *n = node_new(v->anonymous, &special_ops, S_IFIFO | 0644, 0, 0);
    assert_non_null(n);
    return n;
}

/* As vfs_open does it. */
static int open_fifo(struct node *n, int flags, struct file **out)
{
    int error = fifo_open(node_vfs(n), n, flags, out);
    if (!error) {
        (*out)->node = n;
        node_get(n);
    }
    return error;
}

static void a_fifo_waits_for_its_other_end(void **state)
{
    struct vfs *v = test_vfs();
    struct node *n = fifo_node(v);
    struct file *r, *w, *both;
    struct listener l = {0};
    char back[4];
    assert_int_equal(open_fifo(n, O_WRONLY | O_NONBLOCK, &w), -ENXIO);
    assert_int_equal(open_fifo(n, O_RDONLY, &r), 0);
    l.table = (struct poll_table){.add = listener_add, .context = &l};
    assert_true(file_open_waits(r, &l.table));
    assert_int_equal(open_fifo(n, O_WRONLY, &w), 0);
    assert_int_equal(l.woken, 1);
    listen_end(&l);
    assert_false(file_open_waits(w, NULL));
    file_put(w); /* it came and went: the reader's open is done all the same */
    assert_false(file_open_waits(r, NULL));
    assert_int_equal(get(r, back, 4), 0);
    file_put(r);

    assert_int_equal(open_fifo(n, O_WRONLY, &w), 0);
    assert_true(file_open_waits(w, NULL));
    assert_int_equal(open_fifo(n, O_RDWR, &both), 0);
    assert_false(file_open_waits(both, NULL));
    assert_false(file_open_waits(w, NULL));
    assert_int_equal(give(w, "ab", 2), 2);
    assert_int_equal(get(both, back, 4), 2);
    assert_int_equal(get(both, back, 4), -EAGAIN); /* it is a writer itself */
    file_put(w);
    assert_int_equal(get(both, back, 4), -EAGAIN);
    file_put(both);
    node_put(n);
    assert_int_equal(v->objects.pipe_pages, 0);
    vfs_free(v);
}

static void a_fifo_without_a_writer_yet_has_not_hung_up(void **state)
{
    struct vfs *v = test_vfs();
    struct node *n = fifo_node(v);
    struct file *r, *w;
    char c;
    assert_int_equal(open_fifo(n, O_RDONLY | O_NONBLOCK, &r), 0);
    assert_false(file_open_waits(r, NULL));
    assert_int_equal(file_poll(r, NULL), 0);
    assert_int_equal(get(r, &c, 1), 0);
    assert_int_equal(open_fifo(n, O_WRONLY | O_NONBLOCK, &w), 0);
    assert_int_equal(file_poll(r, NULL), 0);
    give(w, "x", 1);
    file_put(w);
    assert_int_equal(file_poll(r, NULL), EPOLLIN | EPOLLRDNORM | EPOLLHUP);
    file_put(r); /* the byte goes with the last description */
    assert_int_equal(open_fifo(n, O_RDONLY | O_NONBLOCK, &r), 0);
    assert_int_equal(get(r, &c, 1), 0);
    file_put(r);
    node_put(n);
    vfs_free(v);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order),          cmocka_unit_test(ends_closing_are_heard),
        cmocka_unit_test(a_pipe_behaves_as_the_kernels),  cmocka_unit_test(capacities_have_bounds),
        cmocka_unit_test(a_block_moves_in_one_piece),     cmocka_unit_test(splice_and_tee_behave_as_the_kernels),
        cmocka_unit_test(a_fifo_waits_for_its_other_end), cmocka_unit_test(a_fifo_without_a_writer_yet_has_not_hung_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
