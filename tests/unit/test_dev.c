// rooms: vfs
/* /dev of a world, and the caller's own streams. */
#include "tests/unit/files.h"

#include "vfs/synthetic.h"

#include <asm/termbits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void made_up_random(void *context, void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(++*(uint64_t *)context * 7);
}

struct world {
    struct vfs *v;
    struct dev_hooks hooks;
    struct cred root;
    struct place at;
    uint64_t random;
};

static void world_make(struct world *w)
{
    char why[100];
    *w = (struct world){.v = test_vfs()};
    w->hooks = (struct dev_hooks){.random = made_up_random, .context = &w->random};
    w->root.capabilities = ~0ull;
    assert_int_equal(dev_mount(w->v, &w->hooks, NULL, why, sizeof why), 0);
    assert_int_equal(dev_mount(w->v, &w->hooks, NULL, why, sizeof why), -EBUSY);
    w->at = (struct place){.vfs = w->v, .cred = &w->root, .root = vfs_root(w->v), .start = vfs_root(w->v)};
}

static struct file *open_path(struct world *w, const char *path, int flags)
{
    struct file *f = NULL;
    int error = vfs_open(&w->at, path, flags, 0600, 0, &f);
    if (error)
        print_message("%s: %d\n", path, error);
    assert_int_equal(error, 0);
    return f;
}

static void devices_answer(void **state)
{
    struct world w;
    char a[32], b[32];
    struct statx st;
    world_make(&w);
    struct file *f = open_path(&w, "/dev/null", O_RDWR);
    assert_int_equal(get(f, a, 32), 0);
    assert_int_equal(give(f, a, 32), 32);
    assert_int_equal(file_seek(f, 100, SEEK_SET), 0);
    assert_int_equal(file_stat(f, &st), 0);
    assert_int_equal(st.stx_mode, S_IFCHR | 0666);
    assert_int_equal(st.stx_rdev_major, 1);
    assert_int_equal(st.stx_rdev_minor, 3);
    file_put(f);
    f = open_path(&w, "/dev/zero", O_RDWR);
    memset(a, 1, 32);
    memset(b, 0, 32);
    assert_int_equal(get(f, a, 32), 32);
    assert_memory_equal(a, b, 32);
    file_put(f);
    f = open_path(&w, "/dev/full", O_RDWR);
    assert_int_equal(get(f, a, 32), 32);
    assert_int_equal(give(f, a, 32), -ENOSPC);
    file_put(f);
    f = open_path(&w, "/dev/urandom", O_RDONLY);
    assert_int_equal(get(f, a, 32), 32);
    assert_int_equal(get(f, b, 32), 32);
    assert_int_equal((unsigned char)a[0], 7);
    assert_int_equal((unsigned char)b[0], (unsigned char)(33 * 7));
    int entropy = 0;
    assert_int_equal(control(f, 0x80045200, &entropy), 0); /* RNDGETENTCNT */
    assert_int_equal(entropy, 256);
    file_put(f);
    f = NULL;
    assert_int_equal(vfs_open(&w.at, "/dev/tty", O_RDWR, 0, 0, &f), -ENXIO);
    char text[64];
    assert_int_equal(vfs_readlink(&w.at, "/dev/fd", 0, text, sizeof text), 13);
    assert_memory_equal(text, "/proc/self/fd", 13);
    vfs_free(w.v);
}

static void shm_is_memory(void **state)
{
    struct world w;
    struct statx st;
    world_make(&w);
    assert_int_equal(vfs_stat(&w.at, "/dev/shm", 0, &st), 0);
    assert_int_equal(st.stx_mode, S_IFDIR | 01777);
    struct file *f = open_path(&w, "/dev/shm/segment", O_RDWR | O_CREAT | O_EXCL);
    assert_int_equal(give(f, "abc", 3), 3);
    file_put(f);
    assert_int_equal(vfs_stat(&w.at, "/dev/shm/segment", 0, &st), 0);
    assert_int_equal(st.stx_size, 3);
    assert_int_equal(vfs_unlink(&w.at, "/dev/shm/segment"), 0);
    vfs_free(w.v);
}

struct names {
    struct dirent_sink sink;
    char text[400];
};

static int note_name(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t cookie)
{
    struct names *n = s->context;
    snprintf(n->text + strlen(n->text), sizeof n->text - strlen(n->text), "%s ", name);
    return 0;
}

static void list(struct world *w, const char *path, struct names *n)
{
    struct file *d = open_path(w, path, O_RDONLY | O_DIRECTORY);
    *n = (struct names){.sink = {.emit = note_name}};
    n->sink.context = n;
    assert_int_equal(file_getdents(d, &n->sink), 0);
    file_put(d);
}

static void terminals_have_names(void **state)
{
    struct world w;
    struct names n;
    struct statx st;
    int zero = 0;
    world_make(&w);
    list(&w, "/dev/pts", &n);
    assert_string_equal(n.text, ". .. ");
    w.root.fsuid = 1000;
    struct file *one = open_path(&w, "/dev/ptmx", O_RDWR | O_NOCTTY), *two = open_path(&w, "/dev/ptmx", O_RDWR);
    list(&w, "/dev/pts", &n);
    assert_string_equal(n.text, ". .. 0 1 ");
    assert_int_equal(vfs_stat(&w.at, "/dev/pts/1", 0, &st), 0);
    assert_int_equal(st.stx_mode, S_IFCHR | 0620);
    assert_int_equal(st.stx_rdev_major, 136);
    assert_int_equal(st.stx_rdev_minor, 1);
    assert_int_equal(st.stx_uid, 1000);
    assert_int_equal(st.stx_gid, 5);
    assert_int_equal(vfs_stat(&w.at, "/dev/pts/01", 0, &st), -ENOENT);
    assert_int_equal(vfs_stat(&w.at, "/dev/pts/2", 0, &st), -ENOENT);
    struct file *slave = NULL;
    assert_int_equal(vfs_open(&w.at, "/dev/pts/1", O_RDWR, 0, 0, &slave), -EIO);
    control(two, TIOCSPTLCK, &zero);
    slave = open_path(&w, "/dev/pts/1", O_RDWR | O_NOCTTY);
    assert_int_equal(give(two, "x\n", 2), 2);
    char back[4];
    assert_int_equal(get(slave, back, 4), 2);
    assert_true(file_name(slave, vfs_root(w.v), n.text, sizeof n.text) > 0);
    assert_string_equal(n.text, "/dev/pts/1"); /* what ttyname(3) goes by */
    file_put(one);
    list(&w, "/dev/pts", &n);
    assert_string_equal(n.text, ". .. 1 ");
    file_put(slave);
    file_put(two);
    vfs_free(w.v);
}

/* ---- host streams ---- */

struct output {
    char seen[200000];
    size_t n, limit;
    int stream;
};

static ssize_t watch_output(void *context, int stream, const void *bytes, size_t n)
{
    struct output *o = context;
    if (n > o->limit - o->n)
        n = o->limit - o->n;
    if (n == 0)
        return -ENOSPC;
    memcpy(o->seen + o->n, bytes, n);
    o->n += n;
    o->stream = stream;
    return (ssize_t)n;
}

static void a_host_pipe(void **state)
{
    static struct output o = {.limit = 150000};
    struct host_stream_hooks hooks = {.output = watch_output, .context = &o};
    struct vfs *v = test_vfs();
    int in[2], out[2];
    static char block[100000], back[200000];
    struct listener l;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 31 + i / 256);
    assert_int_equal(pipe(in) | pipe(out), 0);
    struct file *r = host_stream_new(v, in[0], O_RDONLY, &hooks, NULL);
    struct file *w = host_stream_new(v, out[1], O_WRONLY, &hooks, NULL);
    assert_int_equal(host_stream_fd(r), in[0]);
    assert_int_equal(listen_to(&l, r) & EPOLLIN, 0);
    assert_int_equal(get(r, back, 10), -EAGAIN);
    assert_int_equal(write(in[1], "hello", 5), 5);
    host_stream_ready(r, EPOLLIN);
    assert_int_equal(l.woken, 1);
    listen_end(&l);
    assert_int_equal(get(r, back, 3), 3);
    assert_int_equal(get(r, back + 3, 30), 2);
    assert_memory_equal(back, "hello", 5);
    close(in[1]);
    assert_int_equal(get(r, back, 3), 0);
    assert_int_equal(give(r, "x", 1), -EBADF);

    /* More than the pipe takes: no blocking, nothing lost, the hook sees every byte once. */
    size_t sent = 0, got = 0;
    while (sent < sizeof block) {
        ssize_t n = give(w, block + sent, sizeof block - sent);
        if (n > 0) {
            sent += (size_t)n;
            continue;
        }
        assert_int_equal(n, -EAGAIN);
        assert_false(file_poll(w, NULL) & EPOLLOUT);
        ssize_t taken = read(out[0], back + got, 5000);
        assert_true(taken > 0);
        got += (size_t)taken;
    }
    while (got < sizeof block)
        got += (size_t)read(out[0], back + got, sizeof back - got);
    assert_memory_equal(back, block, sizeof block);
    assert_int_equal(o.n, sizeof block);
    assert_memory_equal(o.seen, block, sizeof block);
    assert_int_equal(o.stream, 1);
    o.limit = o.n + 10;
    assert_int_equal(give(w, block, 5), 5);
    assert_int_equal(give(w, block, 6), 5); /* what the limit still allows */
    assert_int_equal(give(w, block, 1), -ENOSPC);
    assert_int_equal(read(out[0], back, 100), 10);
    close(out[0]);
    o.limit = sizeof o.seen;
    assert_int_equal(give(w, block, 5), -EPIPE);
    struct statx st;
    assert_int_equal(file_stat(w, &st), 0);
    assert_int_equal(st.stx_mode, S_IFIFO | 0600);
    assert_int_equal(st.stx_uid, 1000);
    struct stat native;
    fstat(out[1], &native);
    assert_true(st.stx_ino != native.st_ino);
    file_put(r);
    file_put(w);
    assert_int_equal(fcntl(in[0], F_GETFD), 0); /* still the caller's */
    close(in[0]);
    close(out[1]);
    vfs_free(v);
}

static void a_host_file_keeps_its_offset_and_mode(void **state)
{
    struct vfs *v = test_vfs();
    char back[16];
    int fd = memfd_create("stdin", 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    lseek(fd, 2, SEEK_SET);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int read_only = open(path, O_RDONLY);
    lseek(read_only, 2, SEEK_SET);
    struct file *f = host_stream_new(v, read_only, O_RDWR, NULL, NULL);
    assert_int_equal(f->flags & O_ACCMODE, O_RDONLY);
    assert_int_equal(get(f, back, 3), 3);
    assert_memory_equal(back, "234", 3);
    assert_int_equal(lseek(read_only, 0, SEEK_CUR), 5);
    uint64_t position = 8;
    struct io io = io_over_buffer(back, 10);
    assert_int_equal(file_read(f, &io, &position), 2);
    assert_int_equal(lseek(read_only, 0, SEEK_CUR), 5);
    assert_int_equal(file_seek(f, -1, SEEK_END), 9);
    assert_int_equal(get(f, back, 3), 1);
    assert_int_equal(get(f, back, 3), 0);
    assert_int_equal(give(f, "x", 1), -EBADF);
    struct statx st;
    file_stat(f, &st);
    assert_int_equal(st.stx_mode & S_IFMT, S_IFREG);
    assert_int_equal(st.stx_size, 10);
    assert_null(f->ops->poll); /* epoll_ctl(2): EPERM */
    file_put(f);
    close(read_only);
    f = host_stream_new(v, fd, O_WRONLY, NULL, NULL);
    assert_int_equal(give(f, "ab", 2), 2);
    assert_int_equal(pread(fd, back, 10, 0), 10);
    assert_memory_equal(back, "01ab456789", 10);
    file_put(f);
    close(fd);
    vfs_free(v);
}

static void a_host_terminal(void **state)
{
    static struct output o = {.limit = 1000};
    struct host_stream_hooks hooks = {.output = watch_output, .context = &o};
    struct vfs *v = test_vfs();
    char back[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    unlockpt(master);
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct file *in = host_stream_new(v, fd, O_RDONLY, &hooks, NULL);
    struct file *out = host_stream_new(v, fd, O_WRONLY, &hooks, NULL);
    assert_non_null(file_tty(in));
    assert_ptr_equal(file_tty(in), file_tty(out));
    assert_int_equal(get(in, back, 10), -EAGAIN);
    assert_int_equal(write(master, "half", 4), 4);
    usleep(2000);
    assert_int_equal(get(in, back, 10), -EAGAIN); /* no line yet: a blocking read would stop the supervisor */
    assert_int_equal(write(master, " line\n", 6), 6);
    usleep(2000);
    assert_int_equal(get(in, back, 64), 10);
    assert_memory_equal(back, "half line\n", 10);
    assert_int_equal(give(out, "shown\n", 6), 6);
    usleep(2000);
    ssize_t n = read(master, back, sizeof back);
    assert_true(n >= 7);
    assert_memory_equal(back + n - 7, "shown\r\n", 7);
    struct termios2 t = {0};
    assert_int_equal(control(in, TCGETS2, &t), 0);
    assert_true(t.c_lflag & ICANON);
    t.c_lflag &= ~(uint32_t)(ICANON | ECHO);
    assert_int_equal(control(in, TCSETSW2, &t), 0);
    struct termios2 host = {0};
    ioctl(fd, TCGETS2, &host);
    assert_false(host.c_lflag & (ICANON | ECHO));
    assert_int_equal(control(in, TIOCSTI, "x"), -EIO);
    assert_int_equal(control(in, TIOCLINUX, "x"), -ENOTTY);
    int pgrp;
    assert_int_equal(control(in, TIOCGPGRP, &pgrp), -ENOTTY);
    struct statx st;
    file_stat(in, &st);
    assert_int_equal(st.stx_mode, S_IFCHR | 0620);
    struct file *again = tty_open(file_tty(in), O_RDWR);
    assert_int_equal(again->flags & O_ACCMODE, O_RDWR);
    file_put(in);
    file_put(out);
    assert_int_equal(give(again, "x", 1), 1);
    file_put(again);
    close(fd);
    close(master);
    vfs_free(v);
}

static void a_host_socket(void **state)
{
    struct vfs *v = test_vfs();
    int s[2];
    static char block[400000];
    char back[8];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct file *f = host_stream_new(v, s[0], O_RDWR, NULL, NULL);
    assert_int_equal(get(f, back, 8), -EAGAIN);
    assert_int_equal(write(s[1], "hi", 2), 2);
    assert_int_equal(get(f, back, 8), 2);
    while (give(f, block, sizeof block) > 0) {
    }
    assert_int_equal(give(f, block, 1), -EAGAIN);
    close(s[1]);
    assert_int_equal(give(f, block, 1), -EPIPE);
    file_put(f);
    close(s[0]);
    vfs_free(v);
}

/* Whoever was refused, and goes to sleep when there is room already, sleeps until there is room. */
static void room_comes_before_sleep(void **state)
{
    struct vfs *v = test_vfs();
    int s[2];
    static char block[400000];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    struct file *f = host_stream_new(v, s[0], O_RDWR, NULL, NULL);
    while (give(f, block, sizeof block) > 0) {
    }
    while (read(s[1], block, sizeof block) > 0) {
    }
    assert_true(file_poll(f, NULL) & EPOLLOUT);
    assert_true(host_stream_waits_for(f) & POLLOUT);
    host_stream_ready(f, POLLOUT);
    assert_int_equal(get(f, block, 8), -EAGAIN);
    assert_int_equal(host_stream_waits_for(f), POLLIN);
    file_put(f);
    close(s[0]);
    close(s[1]);
    vfs_free(v);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_answer),
        cmocka_unit_test(shm_is_memory),
        cmocka_unit_test(terminals_have_names),
        cmocka_unit_test(a_host_pipe),
        cmocka_unit_test(a_host_file_keeps_its_offset_and_mode),
        cmocka_unit_test(a_host_terminal),
        cmocka_unit_test(a_host_socket),
        cmocka_unit_test(room_comes_before_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
