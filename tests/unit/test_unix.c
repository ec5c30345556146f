// rooms: vfs
/* AF_UNIX sockets beside the kernel's, and the files they carry. */
#include "tests/unit/files.h"

#include "vfs/node.h"
#include "vfs/socket.h"
#include "vfs/unix.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

static const struct ucred me = {.pid = 10, .uid = 1000, .gid = 1000}, other_one = {.pid = 11, .uid = 1001, .gid = 5};

static ssize_t out(struct file *f, const void *bytes, size_t n, int flags)
{
    struct io io = io_over_buffer((void *)bytes, n);
    struct socket_message m = {.io = &io, .credentials = me};
    return socket_send(f, NULL, &m, flags);
}

static ssize_t in(struct file *f, void *bytes, size_t n, int flags)
{
    struct io io = io_over_buffer(bytes, n);
    struct socket_message m = {.io = &io};
    return socket_receive(f, &m, flags);
}

static void pair(struct vfs *v, int type, struct file *s[2])
{
    assert_int_equal(socket_pair(v, AF_UNIX, type, 0, &me, s), 0);
}

static uint32_t poll_bits(uint32_t events)
{
    return events & (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLRDNORM | POLLWRNORM);
}

static void one_life(int type, uint64_t seed)
{
    static char block[5000], mine[5000], theirs[5000];
    const short all = POLLIN | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM;
    struct vfs *v = test_vfs();
    struct file *s[2];
    int fd[2], load = 0;
    pair(v, type | SOCK_NONBLOCK, s);
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd), 0);
    for (int step = 0; step < 300; step++) {
        int end = (int)(chance(&seed) % 2);
        size_t n = chance(&seed) % 8 ? chance(&seed) % 300 : chance(&seed) % sizeof block;
        if (!s[end])
            continue;
        switch (chance(&seed) % 8) {
        case 0:
        case 1:
            if (load >= 8) /* how much fits differs; what happens to it may not */
                break;
            for (size_t i = 0; i < n; i++)
                block[i] = (char)chance(&seed);
            load += n > 0 || type != SOCK_STREAM;
            assert_int_equal(out(s[end], block, n, 0), native(send(fd[end], block, n, MSG_NOSIGNAL)));
            break;
        case 2:
        case 3:
        case 4: {
            static const int kinds[] = {0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_PEEK | MSG_TRUNC};
            int flags = kinds[chance(&seed) % 6];
            if (type == SOCK_STREAM)
                flags &= MSG_PEEK, n += n == 0;
            load = load ? load - 1 : 0;
            ssize_t a = in(s[end], mine, n, flags), b = native(recv(fd[end], theirs, n, flags));
            assert_int_equal(a, b);
            if (a > 0)
                assert_memory_equal(mine, theirs, a < (ssize_t)n ? a : (ssize_t)n);
            break;
        }
        case 5:
            assert_int_equal(poll_bits(file_poll(s[end], NULL)), native_poll(fd[end], all));
            break;
        case 6: {
            int a = -1, b = -1;
            assert_int_equal(control(s[end], FIONREAD, &a), 0);
            ioctl(fd[end], FIONREAD, &b);
            assert_int_equal(a, b);
            break;
        }
        case 7:
            if (step > 200 && chance(&seed) % 6 == 0) {
                int how = (int)(chance(&seed) % 3);
                assert_int_equal(socket_shutdown(s[end], how), native(shutdown(fd[end], how)));
            } else if (step > 250 && chance(&seed) % 6 == 0 && s[!end]) {
                file_put(s[end]);
                close(fd[end]);
                s[end] = NULL;
            }
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (s[i]) {
            file_put(s[i]);
            close(fd[i]);
        }
    }
    assert_int_equal(v->objects.net->bytes_in_flight, 0);
    vfs_free(v);
}

static void pairs_behave_as_the_kernels(void **state)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (uint64_t seed = 1; seed <= 90; seed++)
        one_life(types[seed % 3], seed);
}

static void a_stream_pushes_back(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2];
    static char block[100000];
    struct listener l;
    pair(v, SOCK_STREAM, s);
    size_t sent = 0;
    ssize_t n;
    while ((n = out(s[0], block, sizeof block, 0)) > 0)
        sent += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    assert_true(sent > 150000 && sent < 250000);
    assert_int_equal(listen_to(&l, s[0]) & EPOLLOUT, 0);
    while (sent > 0) {
        assert_int_equal(l.woken > 0, sent <= 53248);
        n = in(s[1], block, 65536, 0);
        assert_true(n > 0);
        sent -= (size_t)n;
    }
    assert_true(l.woken > 0 && (l.events & EPOLLOUT));
    listen_end(&l);
    file_put(s[0]);
    file_put(s[1]);
    vfs_free(v);
}

static socklen_t name(struct sockaddr_un *a, const char *path, size_t length)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path, path, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void make(struct vfs *v, int type, struct file **f)
{
    assert_int_equal(socket_new(v, AF_UNIX, type, 0, f), 0);
}

struct here {
    struct vfs *v;
    struct cred cred;
    struct place at;
};

static void here_make(struct here *h)
{
    h->v = test_vfs();
    h->cred = (struct cred){.capabilities = UINT64_MAX};
    h->at = (struct place){.vfs = h->v, .cred = &h->cred, .root = vfs_root(h->v), .start = vfs_root(h->v)};
}

static void clients_meet_servers_at_a_path(void **state)
{
    struct here h;
    struct file *server, *client, *late, *accepted, *second;
    struct sockaddr_un a;
    struct sockaddr_storage got;
    struct statx st;
    struct waitq *queue = NULL;
    struct listener l;
    socklen_t n, length;
    char back[8];
    here_make(&h);
    n = name(&a, "/sock", 5);
    const struct sockaddr *to = (const struct sockaddr *)&a;
    make(h.v, SOCK_STREAM, &server);
    make(h.v, SOCK_STREAM, &client);
    make(h.v, SOCK_STREAM, &late);
    assert_int_equal(file_poll(client, NULL), EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLHUP);
    assert_int_equal(socket_connect(client, &h.at, to, n, &me, NULL), -ENOENT);
    assert_int_equal(socket_listen(server, 1, &me), -EINVAL);
    assert_int_equal(socket_bind(server, &h.at, 0755, to, n), 0);
    assert_int_equal(socket_bind(server, &h.at, 0755, to, n), -EINVAL);
    assert_int_equal(socket_bind(late, &h.at, 0755, to, n), -EADDRINUSE);
    assert_int_equal(vfs_stat(&h.at, "/sock", 0, &st), 0);
    assert_int_equal(st.stx_mode, S_IFSOCK | 0755);
    assert_int_equal(socket_connect(client, &h.at, to, n, &me, NULL), -ECONNREFUSED);
    assert_int_equal(socket_listen(server, 0, &other_one), 0);
    assert_int_equal(listen_to(&l, server), 0);
    assert_int_equal(socket_accept(server, 0, &accepted, NULL, NULL), -EAGAIN);
    struct place stranger = h.at;
    struct cred weak = {.uid = 7, .euid = 7, .fsuid = 7, .gid = 7, .fsgid = 7};
    stranger.cred = &weak;
    assert_int_equal(socket_connect(client, &stranger, to, n, &me, NULL), -EACCES);
    assert_int_equal(socket_connect(client, &h.at, to, n, &me, &queue), 0);
    assert_true(l.woken && (l.events & EPOLLIN));
    listen_end(&l);
    assert_int_equal(socket_connect(client, &h.at, to, n, &me, &queue), -EISCONN);
    assert_int_equal(out(client, "early", 5, 0), 5); /* before anybody accepted */
    assert_int_equal(socket_connect(late, &h.at, to, n, &me, &queue), -EAGAIN);
    assert_non_null(queue);
    assert_int_equal(socket_accept(server, SOCK_NONBLOCK, &accepted, &got, &length), 0);
    assert_int_equal(length, 2);
    assert_true(accepted->flags & O_NONBLOCK);
    assert_int_equal(in(accepted, back, 8, 0), 5);
    assert_int_equal(socket_name(client, true, &got, &length), 0);
    assert_int_equal(length, 2 + 6);
    assert_string_equal(((struct sockaddr_un *)&got)->sun_path, "/sock");
    assert_int_equal(socket_name(accepted, false, &got, &length), 0);
    assert_int_equal(length, 8);
    struct ucred who;
    length = sizeof who;
    assert_int_equal(socket_get_option(client, SOL_SOCKET, SO_PEERCRED, &who, &length), 0);
    assert_int_equal(who.pid, other_one.pid);
    length = sizeof who;
    socket_get_option(accepted, SOL_SOCKET, SO_PEERCRED, &who, &length);
    assert_int_equal(who.pid, me.pid);
    /* The listener goes: who waits to be accepted is reset, who was accepted lives on. */
    assert_int_equal(socket_connect(late, &h.at, to, n, &me, &queue), 0);
    assert_int_equal(vfs_unlink(&h.at, "/sock"), 0);
    make(h.v, SOCK_STREAM, &second);
    assert_int_equal(socket_connect(second, &h.at, to, n, &me, NULL), -ENOENT);
    file_put(second);
    file_put(server);
    assert_int_equal(in(late, back, 8, 0), -ECONNRESET);
    assert_int_equal(in(late, back, 8, 0), 0);
    assert_int_equal(out(late, "x", 1, 0), -EPIPE);
    assert_int_equal(out(accepted, "still", 5, 0), 5);
    assert_int_equal(in(client, back, 8, 0), 5);
    out(accepted, "unread", 6, 0);
    file_put(client);
    assert_int_equal(in(accepted, back, 8, 0), -ECONNRESET); /* it left without reading */
    file_put(accepted);
    file_put(late);
    vfs_free(h.v);
}

static void datagrams_have_senders(void **state)
{
    struct here h;
    struct file *a, *b, *c;
    struct sockaddr_un to_a, to_b;
    char back[16];
    here_make(&h);
    make(h.v, SOCK_DGRAM, &a);
    make(h.v, SOCK_DGRAM, &b);
    make(h.v, SOCK_DGRAM, &c);
    socklen_t n_a = name(&to_a, "\0abstract", 9), n_b = name(&to_b, "/b", 3);
    assert_int_equal(socket_bind(a, &h.at, 0777, (struct sockaddr *)&to_a, n_a), 0);
    assert_int_equal(socket_bind(c, &h.at, 0777, (struct sockaddr *)&to_a, n_a), -EADDRINUSE);
    assert_int_equal(socket_bind(b, &h.at, 0777, (struct sockaddr *)&to_b, n_b), 0);
    struct io io = io_over_buffer("hello", 5);
    struct socket_message m = {.io = &io, .credentials = me, .address_length = n_a};
    memcpy(&m.address, &to_a, n_a);
    assert_int_equal(socket_send(b, &h.at, &m, 0), 5);
    io = io_over_buffer(back, 3);
    assert_int_equal(socket_receive(a, &m, MSG_TRUNC), 5);
    assert_true(m.flags & MSG_TRUNC);
    assert_int_equal(m.address_length, 5);
    assert_string_equal(((struct sockaddr_un *)&m.address)->sun_path, "/b");
    assert_int_equal(out(c, "x", 1, 0), -ENOTCONN);
    assert_int_equal(socket_connect(c, &h.at, (struct sockaddr *)&to_a, n_a, &me, NULL), 0);
    assert_int_equal(out(c, "anon", 4, 0), 4);
    io = io_over_buffer(back, 16);
    assert_int_equal(socket_receive(a, &m, 0), 4);
    assert_int_equal(m.address_length, 0);

    /* Eleven wait, the twelfth does not; poll says when. */
    for (int i = 0; i < 11; i++)
        assert_int_equal(out(c, "x", 1, 0), 1);
    assert_int_equal(out(c, "x", 1, 0), -EAGAIN);
    struct listener l;
    assert_int_equal(listen_to(&l, c) & EPOLLOUT, 0);
    assert_int_equal(in(a, back, 1, 0), 1);
    assert_true(l.woken > 0);
    listen_end(&l);
    assert_true(file_poll(c, NULL) & EPOLLOUT);
    assert_int_equal(out(c, "x", 1, 0), 1);

    /* One who talks to somebody listens to nobody else. */
    assert_int_equal(socket_connect(a, &h.at, (struct sockaddr *)&to_b, n_b, &me, NULL), 0);
    assert_int_equal(out(c, "x", 1, 0), -EPERM);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    assert_int_equal(socket_connect(a, &h.at, &none, sizeof none, &me, NULL), 0);
    file_put(a);
    assert_int_equal(out(c, "x", 1, 0), -ECONNREFUSED);
    assert_int_equal(out(c, "x", 1, 0), -ENOTCONN);
    static char huge[500000];
    struct file *s[2];
    pair(h.v, SOCK_DGRAM, s);
    assert_int_equal(out(s[0], huge, sizeof huge, 0), -EMSGSIZE);
    file_put(s[0]);
    file_put(s[1]);
    make(h.v, SOCK_STREAM, &a);
    assert_int_equal(socket_connect(a, &h.at, (struct sockaddr *)&to_b, n_b, &me, NULL), -EPROTOTYPE);
    assert_int_equal(socket_bind(a, &h.at, 0777, &(struct sockaddr){.sa_family = AF_UNIX}, 2), 0);
    struct sockaddr_storage got;
    socklen_t length;
    socket_name(a, false, &got, &length);
    assert_int_equal(length, 2 + 6);
    assert_memory_equal(((struct sockaddr_un *)&got)->sun_path,
                        "\0"
                        "00000",
                        6);
    file_put(a);
    file_put(b);
    file_put(c);
    vfs_free(h.v);
}

static ssize_t send_files(struct file *f, const char *text, struct file **files, uint32_t count)
{
    struct io io = io_over_buffer((void *)text, strlen(text));
    struct socket_message m = {.io = &io, .credentials = me, .files = files, .file_count = count};
    return socket_send(f, NULL, &m, 0);
}

static void files_travel(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2], *p[2], *got[SOCKET_FILES_MAX];
    char back[32];
    pair(v, SOCK_STREAM, s);
    pipe_new(v, 0, p);
    assert_int_equal(out(s[0], "plain", 5, 0), 5);
    assert_int_equal(send_files(s[0], "with", p, 2), 4);
    assert_int_equal(out(s[0], "after", 5, 0), 5);
    assert_int_equal(p[0]->references, 2);
    struct io io = io_over_buffer(back, 32);
    struct socket_message m = {.io = &io, .files = got};
    assert_int_equal(socket_receive(s[1], &m, MSG_PEEK), 9);
    assert_int_equal(m.file_count, 2);
    assert_int_equal(p[0]->references, 3);
    file_put(got[0]);
    file_put(got[1]);
    io = io_over_buffer(back, 32);
    assert_int_equal(socket_receive(s[1], &m, 0), 9); /* up to the message that carries them, not beyond */
    assert_memory_equal(back, "plainwith", 9);
    assert_int_equal(m.file_count, 2);
    assert_ptr_equal(got[0], p[0]);
    assert_int_equal(in(s[1], back, 32, 0), 5);
    file_put(p[0]);
    file_put(p[1]);
    assert_int_equal(give(got[1], "x", 1), 1);
    assert_int_equal(get(got[0], back, 1), 1);
    file_put(got[0]);
    /* Nobody takes them: they are closed. */
    assert_int_equal(send_files(s[0], "lost", &got[1], 1), 4);
    file_put(got[1]);
    io = io_over_buffer(back, 32);
    m.files = NULL;
    assert_int_equal(socket_receive(s[1], &m, 0), 4);
    assert_int_equal(m.flags, MSG_CTRUNC);
    assert_int_equal(v->objects.pipe_pages, 0);
    file_put(s[0]);
    file_put(s[1]);
    assert_int_equal(v->objects.net->files_in_flight, 0);
    vfs_free(v);
}

static void circles_are_collected(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2], *t[2], *p[2], *trigger[2];
    pair(v, SOCK_STREAM, s);
    pair(v, SOCK_DGRAM, t);
    pipe_new(v, 0, p);
    assert_int_equal(send_files(s[0], "a", &s[0], 1), 1); /* s0 waits in s1 … */
    assert_int_equal(send_files(s[1], "b", &s[1], 1), 1); /* … and s1 in s0 */
    assert_int_equal(send_files(s[0], "c", p, 2), 1);     /* with a pipe nobody else has */
    assert_int_equal(send_files(t[0], "d", &t[1], 1), 1); /* one that waits in itself */
    assert_int_equal(send_files(t[0], "e", &t[0], 1), 1);
    file_put(p[0]);
    file_put(p[1]);
    file_put(s[0]);
    file_put(t[0]);
    file_put(t[1]); /* t is unreachable from here on; s is not, s1 is ours */
    assert_int_equal(v->objects.pipe_pages, 16);
    pair(v, SOCK_STREAM, trigger);
    file_put(trigger[0]);
    assert_int_equal(v->objects.net->files_in_flight, 4);
    char back[4];
    struct file *got[SOCKET_FILES_MAX];
    struct io io = io_over_buffer(back, 1);
    struct socket_message m = {.io = &io, .files = got};
    assert_int_equal(socket_receive(s[1], &m, 0), 1);
    assert_int_equal(m.file_count, 1);
    assert_int_equal(out(got[0], "alive", 5, 0), 5);
    assert_int_equal(send_files(got[0], "f", got, 1), 1); /* and back into the circle */
    file_put(got[0]);
    file_put(s[1]);
    assert_int_equal(v->objects.net->files_in_flight, 4); /* nothing was closed: nobody looked yet */
    file_put(trigger[1]);
    assert_int_equal(v->objects.net->files_in_flight, 0);
    assert_int_equal(v->objects.net->bytes_in_flight, 0);
    assert_int_equal(v->objects.pipe_pages, 0);
    assert_null(v->objects.net->flying);
    vfs_free(v);
}

/* A long chain of sockets, each waiting in the next: closing the last must not recurse. */
static void a_chain_is_closed_without_recursion(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2], *previous[2] = {NULL, NULL};
    for (int i = 0; i < 2000; i++) {
        pair(v, SOCK_STREAM, s);
        if (previous[0]) {
            assert_int_equal(send_files(s[0], "x", previous, 2), 1);
            file_put(previous[0]);
            file_put(previous[1]);
        }
        memcpy(previous, s, sizeof s);
    }
    assert_int_equal(v->objects.net->files_in_flight, 3998);
    file_put(s[0]);
    file_put(s[1]);
    assert_int_equal(v->objects.net->files_in_flight, 0);
    vfs_free(v);
}

static void too_many_files_are_refused(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2], *many[SOCKET_FILES_MAX];
    pair(v, SOCK_STREAM, s);
    for (int i = 0; i < SOCKET_FILES_MAX; i++)
        many[i] = s[0];
    int sent = 0;
    while (send_files(s[0], "x", many, SOCKET_FILES_MAX) == 1)
        sent++;
    assert_int_equal(sent, 4096 / SOCKET_FILES_MAX);
    assert_int_equal(send_files(s[0], "x", many, SOCKET_FILES_MAX), -ETOOMANYREFS);
    file_put(s[1]);
    file_put(s[0]);
    assert_int_equal(v->objects.net->files_in_flight, 0);
    vfs_free(v);
}

static void credentials_are_told(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2];
    char back[16];
    int on = 1;
    pair(v, SOCK_STREAM, s);
    assert_int_equal(out(s[0], "mine", 4, 0), 4);
    struct io io = io_over_buffer("his", 3);
    struct socket_message m = {.io = &io, .credentials = other_one};
    assert_int_equal(socket_send(s[0], NULL, &m, 0), 3);
    assert_int_equal(socket_set_option(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on, NULL), 0);
    io = io_over_buffer(back, 16);
    assert_int_equal(socket_receive(s[1], &m, 0), 4); /* never two writers in one read */
    assert_true(m.has_credentials);
    assert_int_equal(m.credentials.pid, me.pid);
    io = io_over_buffer(back, 16);
    assert_int_equal(socket_receive(s[1], &m, 0), 3);
    assert_int_equal(m.credentials.uid, other_one.uid);
    file_put(s[0]);
    file_put(s[1]);
    vfs_free(v);
}

static void options_and_refusals(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f, *p[2];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct cred root = {.capabilities = UINT64_MAX};
    make(v, SOCK_STREAM, &f);
    static const int names[] = {SO_TYPE,     SO_DOMAIN,   SO_PROTOCOL,  SO_ERROR,     SO_ACCEPTCONN, SO_SNDBUF,
                                SO_RCVBUF,   SO_LINGER,   SO_REUSEADDR, SO_KEEPALIVE, SO_RCVLOWAT,   SO_PASSCRED,
                                SO_RCVTIMEO, SO_PEEK_OFF, SO_BROADCAST, SO_PRIORITY,  9999};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char mine[32] = {0}, theirs[32] = {0};
        for (int round = 0; round < 3; round++) {
            socklen_t a = sizeof mine, b = sizeof theirs;
            assert_int_equal(socket_get_option(f, SOL_SOCKET, names[i], mine, &a),
                             native(getsockopt(fd, SOL_SOCKET, names[i], theirs, &b)));
            assert_int_equal(a, b);
            assert_memory_equal(mine, theirs, sizeof mine);
            int value[4] = {round ? 100000 : 4000, 0, 0, 0};
            assert_int_equal(socket_set_option(f, SOL_SOCKET, names[i], value, round == 2 ? 2 : 16, &root),
                             native(setsockopt(fd, SOL_SOCKET, names[i], value, round == 2 ? 2 : 16)));
        }
    }
    assert_int_equal(socket_timeout(f, true), 100000ll * 1000000000);
    assert_int_equal(socket_timeout(f, false), -1);
    file_put(f);
    close(fd);
    assert_int_equal(socket_new(v, AF_UNIX, 77, 0, &f), -EINVAL);
    assert_int_equal(socket_new(v, AF_UNIX, SOCK_RDM, 0, &f), -ESOCKTNOSUPPORT);
    assert_int_equal(socket_new(v, AF_UNIX, SOCK_STREAM, 6, &f), -EPROTONOSUPPORT);
    assert_int_equal(socket_new(v, AF_PACKET, SOCK_RAW, 0, &f), -EPERM);
    assert_int_equal(socket_new(v, 4000, SOCK_STREAM, 0, &f), -EAFNOSUPPORT);
    pipe_new(v, 0, p);
    assert_int_equal(socket_listen(p[0], 1, &me), -ENOTSOCK);
    file_put(p[0]);
    file_put(p[1]);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_behave_as_the_kernels),
        cmocka_unit_test(a_stream_pushes_back),
        cmocka_unit_test(clients_meet_servers_at_a_path),
        cmocka_unit_test(datagrams_have_senders),
        cmocka_unit_test(files_travel),
        cmocka_unit_test(circles_are_collected),
        cmocka_unit_test(a_chain_is_closed_without_recursion),
        cmocka_unit_test(too_many_files_are_refused),
        cmocka_unit_test(credentials_are_told),
        cmocka_unit_test(options_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
