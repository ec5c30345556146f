// rooms: vfs
/* eventfd beside the kernel's own. */
#include "tests/unit/files.h"

#include <sys/eventfd.h>

static void compare(int flags, uint64_t initial, uint64_t seed)
{
    struct vfs *v = test_vfs();
    struct file *f = eventfd_new(v, initial, flags);
    int fd = eventfd((unsigned)initial, flags | EFD_NONBLOCK);
    for (int step = 0; step < 200; step++) {
        static const uint64_t values[] = {0, 1, 2, 100, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 3, 1ull << 63};
        static const size_t sizes[] = {8, 8, 8, 16, 7, 0};
        uint64_t mine[2] = {0}, theirs[2] = {0}, value[2] = {values[chance(&seed) % 8]};
        size_t n = sizes[chance(&seed) % 6];
        if (chance(&seed) % 2) {
            assert_int_equal(give(f, value, n), native(write(fd, value, n)));
        } else {
            assert_int_equal(get(f, mine, n), native(read(fd, theirs, n)));
            assert_int_equal(mine[0], theirs[0]);
        }
        assert_int_equal(file_poll(f, NULL), native_poll(fd, POLLIN | POLLOUT | POLLERR));
    }
    file_put(f);
    close(fd);
    vfs_free(v);
}

static void a_counter_behaves_as_the_kernels(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        compare(0, seed % 3, seed);
        compare(EFD_SEMAPHORE, seed % 4, seed);
    }
}

static void changes_are_heard(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = eventfd_new(v, 0, 0);
    struct listener l;
    uint64_t value = UINT64_MAX - 1;
    assert_int_equal(listen_to(&l, f), EPOLLOUT);
    give(f, &value, 8);
    assert_int_equal(l.woken, 1);
    assert_int_equal(l.events, EPOLLIN);
    listen_end(&l);
    assert_int_equal(listen_to(&l, f), EPOLLIN);
    get(f, &value, 8);
    assert_int_equal(l.events, EPOLLOUT);
    listen_end(&l);
    file_put(f);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_behaves_as_the_kernels),
        cmocka_unit_test(changes_are_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
