// rooms: kernel stubs vfs policy
/* read(2) and write(2) in all their forms, over a machine whose memory has holes. */
#include "tests/unit/fake_machine.h"

#include <limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { PAGE = FAKE_PAGE };

static int open_file(struct fake_machine *f, const char *path, const char *content, int flags)
{
    if (content)
        assert_int_equal(vfs_put_file(f->world->vfs, path, content, strlen(content), 0666, 0, 0), 0);
    return (int)fake_call(f, SYS_open, fake_string(f, 60 * PAGE, path), (uint64_t)flags);
}

static void put_vector(struct fake_machine *f, size_t at, const struct iovec *vec, size_t n)
{
    memcpy(fake_bytes(f, at), vec, n * sizeof *vec);
}

static struct iovec piece(size_t offset, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)fake_at(offset), n};
}

static void reads_costs_one_write(void **state)
{
    struct fake_machine *f = *state;
    int fd = open_file(f, "/file", "hello world", O_RDONLY);
    assert_int_equal(fd, 0);
    f->reads = f->writes = 0;
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 5), 5);
    assert_memory_equal(fake_bytes(f, 0), "hello", 5);
    assert_int_equal(f->reads, 0);
    assert_int_equal(f->writes, 1);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 100), 6);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 100), 0);
    assert_int_equal(fake_call(f, SYS_read, 7, fake_at(0), 100), -EBADF);
    assert_int_equal(fake_call(f, SYS_write, 0, fake_at(0), 1), -EBADF);
}

/* A fault in the middle gives what came before it; one at the start EFAULT. */
static void faults(void **state)
{
    struct fake_machine *f = *state;
    char *big = malloc(2 * PAGE + 1);
    memset(big, 'x', 2 * PAGE);
    big[2 * PAGE] = '\0';
    assert_int_equal(open_file(f, "/file", big, O_RDWR), 0);
    fake_unmap(f, 1);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 2 * PAGE), PAGE);
    assert_int_equal(fake_call(f, SYS_lseek, 0, 0, SEEK_CUR), PAGE);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(PAGE), 10), -EFAULT);
    assert_int_equal(fake_call(f, SYS_lseek, 0, 0, SEEK_CUR), PAGE);
    assert_int_equal(fake_call(f, SYS_pwrite64, 0, fake_at(PAGE - 3), 10, 0), 3);
    assert_int_equal(fake_call(f, SYS_pwrite64, 0, fake_at(PAGE), 10, 0), -EFAULT);
    free(big);
}

static void vectors(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(open_file(f, "/file", "abcdefghij", O_RDWR), 0);
    put_vector(f, PAGE, (struct iovec[]){piece(0, 3), piece(100, 0), piece(10, 4)}, 3);
    assert_int_equal(fake_call(f, SYS_readv, 0, fake_at(PAGE), 3), 7);
    assert_memory_equal(fake_bytes(f, 0), "abc", 3);
    assert_memory_equal(fake_bytes(f, 10), "defg", 4);
    /* a fault in the second piece: the first stands */
    fake_unmap(f, 5);
    put_vector(f, PAGE, (struct iovec[]){piece(0, 2), piece(5 * PAGE, 4)}, 2);
    assert_int_equal(fake_call(f, SYS_preadv, 0, fake_at(PAGE), 2, 0, 0), 2);
    put_vector(f, PAGE, (struct iovec[]){piece(0, SIZE_MAX / 2 + 1)}, 1);
    assert_int_equal(fake_call(f, SYS_readv, 0, fake_at(PAGE), 1), -EINVAL);
    assert_int_equal(fake_call(f, SYS_readv, 0, fake_at(PAGE), 1025), -EINVAL);
    assert_int_equal(fake_call(f, SYS_readv, 0, fake_at(5 * PAGE), 1), -EFAULT);
    assert_int_equal(fake_call(f, SYS_readv, 0, 0, 0), 0);
    /* sums are cut, not refused: readv(2) */
    put_vector(f, PAGE, (struct iovec[]){piece(0, 4), piece(8, INT64_C(0x700000000000))}, 2);
    assert_int_equal(fake_call(f, SYS_preadv, 0, fake_at(PAGE), 2, 0, 0), 10);
    /* but a piece that no guest can have is a fault */
    put_vector(f, PAGE, (struct iovec[]){piece(0, 4), piece(8, SSIZE_MAX)}, 2);
    assert_int_equal(fake_call(f, SYS_preadv, 0, fake_at(PAGE), 2, 0, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_pread64, 0, fake_at(0), SSIZE_MAX, 0), -EFAULT);
    assert_int_equal(fake_call(f, SYS_read, 0, UINT64_MAX - 5, 3), -EFAULT);
}

static void positions_and_flags(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(open_file(f, "/file", "0123456789", O_RDWR), 0);
    assert_int_equal(fake_call(f, SYS_pread64, 0, fake_at(0), 4, 6), 4);
    assert_memory_equal(fake_bytes(f, 0), "6789", 4);
    assert_int_equal(fake_call(f, SYS_pread64, 0, fake_at(0), 4, UINT64_MAX), -EINVAL);
    put_vector(f, PAGE, (struct iovec[]){piece(0, 2)}, 1);
    assert_int_equal(fake_call(f, SYS_preadv2, 0, fake_at(PAGE), 1, UINT64_MAX, 0, 0), 2); /* the file's own offset */
    assert_int_equal(fake_call(f, SYS_lseek, 0, 0, SEEK_CUR), 2);
    assert_int_equal(fake_call(f, SYS_preadv2, 0, fake_at(PAGE), 1, 0, 0, 0x8000), -EOPNOTSUPP);
    memcpy(fake_bytes(f, 0), "zz", 2);
    assert_int_equal(fake_call(f, SYS_pwritev2, 0, fake_at(PAGE), 1, 0, 0, 0x10 /* RWF_APPEND */), 2);
    assert_int_equal(fake_call(f, SYS_lseek, 0, 0, SEEK_END), 12);
    assert_int_equal(fake_call(f, SYS_pread64, 0, fake_at(0), 4, 0), 4);
    assert_memory_equal(fake_bytes(f, 0), "0123", 4);
}

static void make_pipe(struct fake_machine *f, int flags)
{
    assert_int_equal(fake_call(f, SYS_pipe2, fake_at(0), (uint64_t)flags), 0);
    assert_memory_equal(fake_bytes(f, 0), ((int[]){0, 1}), 8);
}

static void a_read_blocks_until_a_write(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    make_pipe(f, 0);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), CALL_BLOCK);
    assert_int_equal(f->task->state, TASK_BLOCKED);
    memcpy(fake_bytes(f, 200), "ping", 4);
    assert_int_equal(fake_call_as(other, SYS_write, (const uint64_t[6]){1, fake_at(200), 4}), 4);
    assert_int_equal(fake_again(f->task), 4);
    assert_memory_equal(fake_bytes(f, 100), "ping", 4);
}

/* The read holds its file: a descriptor closed and used again meanwhile is another one's business. */
static void a_blocked_read_keeps_its_file(void **state)
{
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    make_pipe(f, 0);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), CALL_BLOCK);
    assert_int_equal(fake_call_as(other, SYS_close, (const uint64_t[6]){0}), 0);
    assert_int_equal(fake_call_as(other, SYS_write, (const uint64_t[6]){1, fake_at(200), 4}), 4);
    assert_int_equal(fake_again(f->task), 4);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), -EBADF);
}

static void a_signal_ends_a_sleep(void **state)
{
    struct fake_machine *f = *state;
    make_pipe(f, 0);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), -CALL_RESTART_SYS);
    /* one that waits already: the call does not sleep at all; a blocked one does not count */
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), -CALL_RESTART_SYS);
    f->blocked = SIGNAL_BIT(SIGUSR1);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(100), 10), CALL_BLOCK);
}

/* A write larger than the pipe sleeps until all is taken; interrupted, it says how far it came. */
static void a_large_write_goes_on(void **state)
{
    enum { N = 30 * PAGE };
    struct fake_machine *f = *state;
    struct task *other = fake_thread(f);
    make_pipe(f, 0);
    assert_int_equal(fake_call(f, SYS_write, 1, fake_at(0), N), CALL_BLOCK);
    assert_int_equal(f->task->call.progress, 65536);
    assert_int_equal(fake_call_as(other, SYS_read, (const uint64_t[6]){0, fake_at(32 * PAGE), 65536}), 65536);
    assert_int_equal(fake_again(f->task), N);
    assert_int_equal(fake_call_as(other, SYS_read, (const uint64_t[6]){0, fake_at(32 * PAGE), 65536}), N - 65536);
    assert_int_equal(fake_call(f, SYS_write, 1, fake_at(0), N), CALL_BLOCK);
    fake_signal(f, SIGUSR1);
    assert_int_equal(fake_again(f->task), 65536);
}

/* A file that fetches more of the guest's bytes than it then takes, as a full pipe of the host makes one: nothing is
 * lost. */
struct picky {
    char taken[64];
    size_t count, room;
};

static ssize_t picky_write(struct file *f, struct io *io, uint64_t *position)
{
    struct picky *p = f->private;
    char bytes[8];
    if (p->count == p->room)
        return -EAGAIN;
    ssize_t got = io_get(io, bytes, sizeof bytes);
    if (got > 3)
        got = 3;
    if (got > (ssize_t)(p->room - p->count))
        got = (ssize_t)(p->room - p->count);
    memcpy(p->taken + p->count, bytes, (size_t)got);
    p->count += (size_t)got;
    return got;
}

static uint32_t picky_poll(struct file *f, struct poll_table *t)
{
    return 0;
}

static void a_short_write_loses_nothing(void **state)
{
    static const struct file_ops ops = {.kind = "tty", .write = picky_write, .poll = picky_poll};
    struct fake_machine *f = *state;
    struct picky p = {.room = 16};
    struct file *file = file_new(f->world->vfs, &ops, O_RDWR, &p);
    assert_int_equal(fdtable_install(f->task->fds, file, 0, false), 0);
    fake_string(f, 0, "abcdefghijklmnopqrstuvwxyz");
    put_vector(f, PAGE, (struct iovec[]){piece(0, 10), piece(10, 16)}, 2);
    assert_int_equal(fake_call(f, SYS_writev, 0, fake_at(PAGE), 2), CALL_BLOCK);
    assert_int_equal(p.count, 16);
    p.room = sizeof p.taken;
    task_wake(f->task);
    assert_int_equal(fake_again(f->task), 26);
    assert_string_equal(p.taken, "abcdefghijklmnopqrstuvwxyz");
    file_get(file);
    assert_int_equal(fake_call(f, SYS_close, 0), 0);
    file_put(file);
}

static void nonblocking(void **state)
{
    struct fake_machine *f = *state;
    make_pipe(f, O_NONBLOCK);
    assert_int_equal(fake_call(f, SYS_read, 0, fake_at(0), 1), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_write, 1, fake_at(0), 30 * PAGE), 65536);
    assert_int_equal(fake_call(f, SYS_write, 1, fake_at(0), 1), -EAGAIN);
}

static void a_broken_pipe_signals(void **state)
{
    struct fake_machine *f = *state;
    make_pipe(f, 0);
    assert_int_equal(fake_call(f, SYS_close, 0), 0);
    assert_int_equal(fake_call(f, SYS_write, 1, fake_at(0), 1), -EPIPE);
    assert_true(signal_pending(f->task) & SIGNAL_BIT(SIGPIPE));
}

static void file_size_limit(void **state)
{
    struct fake_machine *f = *state;
    assert_int_equal(open_file(f, "/file", "", O_RDWR), 0);
    f->process->limits[RLIMIT_FSIZE].rlim_cur = 10;
    assert_int_equal(fake_call(f, SYS_write, 0, fake_at(0), 8), 8);
    assert_int_equal(fake_call(f, SYS_write, 0, fake_at(0), 8), 2);
    assert_false(signal_pending(f->task) & SIGNAL_BIT(SIGXFSZ));
    assert_int_equal(fake_call(f, SYS_write, 0, fake_at(0), 8), -EFBIG);
    assert_true(signal_pending(f->task) & SIGNAL_BIT(SIGXFSZ));
    assert_int_equal(fake_call(f, SYS_ftruncate, 0, 11), -EFBIG);
    assert_int_equal(fake_call(f, SYS_ftruncate, 0, 5), 0);
}

static void moving(void **state)
{
    struct fake_machine *f = *state;
    make_pipe(f, 0);
    assert_int_equal(open_file(f, "/in", "0123456789", O_RDONLY), 2);
    assert_int_equal(open_file(f, "/out", "", O_RDWR), 3);
    uint64_t offset = 4;
    memcpy(fake_bytes(f, 0), &offset, 8);
    assert_int_equal(fake_call(f, SYS_sendfile, 1, 2, fake_at(0), 3), 3);
    memcpy(&offset, fake_bytes(f, 0), 8);
    assert_int_equal(offset, 7);
    assert_int_equal(fake_call(f, SYS_splice, 0, 0, 3, 0, 100, 0), 3);
    assert_int_equal(fake_call(f, SYS_splice, 0, 0, 3, 0, 100, 2 /* NONBLOCK */), -EAGAIN);
    assert_int_equal(fake_call(f, SYS_splice, 2, 0, 3, 0, 100, 0), -EINVAL);
    assert_int_equal(fake_call(f, SYS_copy_file_range, 2, 0, 3, 0, 4, 0), 4);
    assert_int_equal(fake_call(f, SYS_pread64, 3, fake_at(0), 100, 0), 7);
    assert_memory_equal(fake_bytes(f, 0), "4560123", 7);
    assert_int_equal(fake_call(f, SYS_copy_file_range, 2, 0, 0, 0, 4, 0), -EINVAL);
    offset = UINT64_MAX;
    memcpy(fake_bytes(f, 0), &offset, 8);
    assert_int_equal(fake_call(f, SYS_copy_file_range, 2, fake_at(0), 3, 0, 4, 0), -EINVAL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        CASE(reads_costs_one_write),
        CASE(faults),
        CASE(vectors),
        CASE(positions_and_flags),
        CASE(a_read_blocks_until_a_write),
        CASE(a_blocked_read_keeps_its_file),
        CASE(a_signal_ends_a_sleep),
        CASE(a_large_write_goes_on),
        CASE(a_short_write_loses_nothing),
        CASE(nonblocking),
        CASE(a_broken_pipe_signals),
        CASE(file_size_limit),
        CASE(moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
