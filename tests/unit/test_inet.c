// rooms: vfs
/* TCP and UDP inside the world, beside the kernel's loopback. */
#include "tests/unit/files.h"

#include "vfs/inet.h"
#include "vfs/node.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>

static const struct ucred me = {.pid = 10};
static const struct cred root = {.capabilities = UINT64_MAX}, nobody = {.fsuid = 1000};

static ssize_t out(struct file *f, const void *bytes, size_t n, int flags)
{
    struct io io = io_over_buffer((void *)bytes, n);
    struct socket_message m = {.io = &io};
    return socket_send(f, NULL, &m, flags);
}

static ssize_t in(struct file *f, void *bytes, size_t n, int flags)
{
    struct io io = io_over_buffer(bytes, n);
    struct socket_message m = {.io = &io};
    return socket_receive(f, &m, flags);
}

static struct file *make(struct vfs *v, int family, int type)
{
    struct file *f = NULL;
    assert_int_equal(socket_new(v, family, type, 0, &f), 0);
    return f;
}

static struct sockaddr_in v4(const char *ip, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static struct sockaddr_in6 v6(const char *ip, uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, ip, &a.sin6_addr);
    return a;
}

static int bind_as(struct file *f, const struct cred *c, const void *a)
{
    struct place at = {.vfs = f->vfs, .cred = c};
    const struct sockaddr *s = a;
    return socket_bind(f, &at, 0, s,
                       s->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}

static int join(struct file *f, const void *a)
{
    const struct sockaddr *s = a;
    return socket_connect(
        f, NULL, s, s->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6), &me, NULL);
}

static uint16_t port_of(struct file *f, bool peer)
{
    struct sockaddr_storage a;
    socklen_t n;
    assert_int_equal(socket_name(f, peer, &a, &n), 0);
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static void tcp_pair(struct vfs *v, int flags, struct file *s[2])
{
    struct file *listener = make(v, AF_INET, SOCK_STREAM);
    struct sockaddr_in a = v4("127.0.0.1", 0);
    assert_int_equal(bind_as(listener, &nobody, &a), 0);
    assert_int_equal(socket_listen(listener, 5, &me), 0);
    a = v4("127.0.0.1", port_of(listener, false));
    s[0] = make(v, AF_INET, SOCK_STREAM);
    assert_int_equal(join(s[0], &a), 0);
    assert_int_equal(socket_accept(listener, flags, &s[1], NULL, NULL), 0);
    if (flags & SOCK_NONBLOCK)
        file_set_flags(s[0], O_NONBLOCK);
    file_put(listener);
}

static void native_pair(int fd[2])
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = v4("127.0.0.1", 0);
    socklen_t n = sizeof a;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, n) | listen(listener, 5), 0);
    getsockname(listener, (struct sockaddr *)&a, &n);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd[0], (struct sockaddr *)&a, n), 0);
    fd[1] = accept(listener, NULL, NULL);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    int one = 1; /* nothing is held back to be sent with more */
    setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
}

static uint32_t poll_bits(uint32_t events)
{
    return events & (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
}

static void one_stream(struct vfs *v, uint64_t seed)
{
    static char block[3000], mine[8000], theirs[8000];
    const short all = POLLIN | POLLOUT | POLLRDHUP;
    struct file *s[2];
    int fd[2];
    tcp_pair(v, SOCK_NONBLOCK, s);
    native_pair(fd);
    for (int step = 0; step < 150; step++) {
        int end = (int)(chance(&seed) % 2);
        size_t n = 1 + chance(&seed) % sizeof block;
        if (!s[end])
            continue;
        switch (chance(&seed) % 7) {
        case 0:
        case 1:
            for (size_t i = 0; i < n; i++)
                block[i] = (char)chance(&seed);
            assert_int_equal(out(s[end], block, n, 0), native(send(fd[end], block, n, MSG_NOSIGNAL)));
            break;
        case 2:
        case 3: {
            static const int kinds[] = {0, 0, 0, MSG_PEEK, MSG_TRUNC};
            int flags = kinds[chance(&seed) % 5];
            ssize_t a = in(s[end], mine, 2 * n, flags), b = native(recv(fd[end], theirs, 2 * n, flags));
            assert_int_equal(a, b);
            if (a > 0 && !(flags & MSG_TRUNC))
                assert_memory_equal(mine, theirs, a);
            break;
        }
        case 4:
            assert_int_equal(poll_bits(file_poll(s[end], NULL)), native_poll(fd[end], all));
            break;
        case 5: {
            int a = -1, b = -1;
            assert_int_equal(control(s[end], FIONREAD, &a), 0);
            ioctl(fd[end], FIONREAD, &b);
            assert_int_equal(a, b);
            break;
        }
        case 6:
            if (step > 90 &&
                chance(&seed) % 5 == 0) { /* the way out only: what SHUT_RD does to later data is a race natively */
                assert_int_equal(socket_shutdown(s[end], SHUT_WR), native(shutdown(fd[end], SHUT_WR)));
            } else if (step > 120 && chance(&seed) % 4 == 0 && s[!end]) {
                file_put(s[end]);
                close(fd[end]);
                s[end] = NULL;
            }
            break;
        }
        usleep(20);
    }
    for (int i = 0; i < 2; i++) {
        if (s[i]) {
            file_put(s[i]);
            close(fd[i]);
        }
    }
}

static void streams_behave_as_the_kernels(void **state)
{
    struct vfs *v = test_vfs();
    for (uint64_t seed = 1; seed <= 40; seed++)
        one_stream(v, seed);
    assert_int_equal(v->objects.inet->bytes, 0);
    vfs_free(v);
}

static void connecting_without_waiting(void **state)
{
    struct vfs *v = test_vfs();
    struct file *listener = make(v, AF_INET, SOCK_STREAM), *c = make(v, AF_INET, SOCK_STREAM | SOCK_NONBLOCK), *s;
    struct sockaddr_in a = v4("0.0.0.0", 8080), to = v4("127.0.0.1", 8080);
    int error = -1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t n = sizeof error;
    struct sockaddr_in closed = v4("127.0.0.1", 1); /* nobody listens there, natively either */
    assert_int_equal(poll_bits(file_poll(c, NULL)), native_poll(fd, POLLIN | POLLOUT | POLLRDHUP));
    assert_int_equal(in(c, &error, 1, 0), native(recv(fd, &error, 1, 0)));
    assert_int_equal(out(c, "x", 1, 0), native(send(fd, "x", 1, MSG_NOSIGNAL)));
    assert_int_equal(join(c, &closed), native(connect(fd, (struct sockaddr *)&closed, sizeof closed)));
    usleep(1000);
    assert_int_equal(poll_bits(file_poll(c, NULL)), native_poll(fd, POLLIN | POLLOUT | POLLRDHUP));
    assert_int_equal(socket_get_option(c, SOL_SOCKET, SO_ERROR, &error, &n), 0);
    assert_int_equal(error, ECONNREFUSED);
    socklen_t size = sizeof error; /* who asked so is told once more, by another word */
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(join(c, &closed), native(connect(fd, (struct sockaddr *)&closed, sizeof closed)));
    close(fd);
    assert_int_equal(bind_as(listener, &nobody, &a), 0);
    assert_int_equal(join(c, &to), -EINPROGRESS); /* bound, but nobody listens */
    assert_int_equal(join(c, &to), -ECONNREFUSED);
    assert_int_equal(socket_listen(listener, 5, &me), 0);
    assert_int_equal(join(c, &to), -EINPROGRESS);
    assert_int_equal(poll_bits(file_poll(c, NULL)), EPOLLOUT);
    assert_int_equal(join(c, &to), 0);
    assert_int_equal(join(c, &to), -EISCONN);
    assert_int_equal(socket_accept(listener, 0, &s, NULL, NULL), 0);
    assert_int_equal(port_of(s, true), port_of(c, false));
    assert_int_equal(port_of(s, false), 8080);
    assert_int_equal(socket_accept(listener, 0, &s, NULL, NULL), -EAGAIN);
    file_put(s);
    assert_int_equal(in(c, &error, 1, 0), 0);
    file_put(c);
    c = make(v, AF_INET, SOCK_STREAM);
    assert_int_equal(join(c, &to), 0);
    file_put(listener); /* before it was accepted */
    assert_int_equal(in(c, &error, 1, 0), -ECONNRESET);
    file_put(c);
    c = make(v, AF_INET, SOCK_STREAM);
    assert_int_equal(join(c, &to), -ECONNREFUSED);
    struct sockaddr_in away = v4("93.184.216.34", 80);
    assert_int_equal(join(c, &away), -ENETUNREACH);
    file_put(c);
    vfs_free(v);
}

static void a_stream_pushes_back_and_lingers(void **state)
{
    struct vfs *v = test_vfs();
    struct file *s[2];
    static char block[300000];
    struct listener l;
    char c;
    tcp_pair(v, 0, s);
    uint64_t sent = 0;
    ssize_t n;
    while ((n = out(s[0], block, sizeof block, 0)) > 0)
        sent += (uint64_t)n;
    assert_int_equal(n, -EAGAIN);
    assert_int_equal(sent, 2560 * 1024);
    assert_int_equal(listen_to(&l, s[0]) & EPOLLOUT, 0);
    while ((n = in(s[1], block, sizeof block, 0)) > 0)
        sent -= (uint64_t)n;
    assert_int_equal(sent, 0);
    assert_true(l.woken && (l.events & EPOLLOUT));
    listen_end(&l);
    struct linger hard = {1, 0};
    assert_int_equal(socket_set_option(s[0], SOL_SOCKET, SO_LINGER, &hard, sizeof hard, NULL), 0);
    file_put(s[0]);
    assert_int_equal(in(s[1], &c, 1, 0), -ECONNRESET);
    assert_int_equal(in(s[1], &c, 1, 0), 0);
    assert_int_equal(out(s[1], &c, 1, 0), -EPIPE);
    file_put(s[1]);
    vfs_free(v);
}

static void names_conflict_as_the_kernels(void **state)
{
    static const struct {
        bool six;
        const char *ip;
    } places[] = {{false, "0.0.0.0"}, {false, "127.0.0.1"}, {false, "127.0.0.2"},
                  {true, "::"},       {true, "::1"},        {true, "::ffff:127.0.0.1"}};
    struct vfs *v = test_vfs();
    uint16_t port = 20000;
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        for (int combination = 0; combination < 36 * 16; combination++) {
            struct file *f[2];
            int fd[2];
            port++;
            for (int i = 0; i < 2; i++) {
                int which = i ? combination / 6 % 6 : combination % 6, bits = combination / 36, one = 1;
                bool reuse = bits & (1 << i), only = bits & (4 << i);
                bool six = places[which].six;
                struct sockaddr_in a = v4(six ? "0.0.0.0" : places[which].ip, port);
                struct sockaddr_in6 b = v6(six ? places[which].ip : "::", port);
                const void *address = six ? (const void *)&b : &a;
                if (only && (!six || which == 5))
                    only = false;
                f[i] = make(v, six ? AF_INET6 : AF_INET, type);
                fd[i] = socket(six ? AF_INET6 : AF_INET, type, 0);
                if (reuse) {
                    socket_set_option(f[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one, NULL);
                    setsockopt(fd[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
                }
                if (only) {
                    socket_set_option(f[i], IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one, NULL);
                    setsockopt(fd[i], IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
                }
                int mine = bind_as(f[i], &nobody, address);
                int theirs = (int)native(bind(fd[i], address, six ? sizeof b : sizeof a));
                if (mine != theirs)
                    print_message("%s after %s, type %d, bits %x\n", places[combination / 6 % 6].ip,
                                  places[combination % 6].ip, type, bits);
                assert_int_equal(mine, theirs);
                if (type == SOCK_STREAM && !mine && combination % 2 && !i) {
                    assert_int_equal(socket_listen(f[0], 1, &me), native(listen(fd[0], 1)));
                }
            }
            for (int i = 0; i < 2; i++) {
                file_put(f[i]);
                close(fd[i]);
            }
        }
    }
    struct file *f = make(v, AF_INET, SOCK_STREAM);
    struct sockaddr_in low = v4("127.0.0.1", 80), away = v4("10.1.2.3", 8000);
    assert_int_equal(bind_as(f, &nobody, &away), -EADDRNOTAVAIL);
    assert_int_equal(bind_as(f, &nobody, &low), -EACCES);
    assert_int_equal(bind_as(f, &root, &low), 0);
    assert_int_equal(bind_as(f, &root, &low), -EINVAL);
    file_put(f);
    vfs_free(v);
}

static void both_families_meet(void **state)
{
    struct vfs *v = test_vfs();
    struct file *listener = make(v, AF_INET6, SOCK_STREAM), *c4 = make(v, AF_INET, SOCK_STREAM),
                *c6 = make(v, AF_INET6, SOCK_STREAM), *s;
    struct sockaddr_in6 any = v6("::", 9000), one = v6("::1", 9000), mapped = v6("::ffff:127.0.0.1", 9000);
    struct sockaddr_in four = v4("127.0.0.1", 9000);
    struct sockaddr_storage peer;
    char text[64];
    socklen_t n;
    assert_int_equal(bind_as(listener, &nobody, &any), 0);
    assert_int_equal(socket_listen(listener, 5, &me), 0);
    assert_int_equal(join(c4, &four), 0);
    assert_int_equal(join(c6, &one), 0);
    assert_int_equal(socket_accept(listener, 0, &s, &peer, &n), 0);
    assert_int_equal(n, sizeof(struct sockaddr_in6));
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, text, sizeof text);
    assert_string_equal(text, "::ffff:127.0.0.1");
    file_put(s);
    assert_int_equal(socket_accept(listener, 0, &s, &peer, &n), 0);
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&peer)->sin6_addr, text, sizeof text);
    assert_string_equal(text, "::1");
    file_put(s);
    file_put(c6);
    c6 = make(v, AF_INET6, SOCK_STREAM);
    assert_int_equal(join(c6, &four), -EINVAL); /* too short for one of its own family */
    assert_int_equal(join(c6, &mapped), 0);
    file_put(c4);
    file_put(c6);
    file_put(listener);
    vfs_free(v);
}

static void datagrams(void **state)
{
    struct vfs *v = test_vfs();
    struct file *a = make(v, AF_INET, SOCK_DGRAM), *b = make(v, AF_INET, SOCK_DGRAM);
    struct sockaddr_in at = v4("127.0.0.1", 5353), nowhere = v4("127.0.0.1", 5354);
    static char big[70000];
    char back[16];
    assert_int_equal(out(b, "x", 1, 0), -EDESTADDRREQ);
    assert_int_equal(bind_as(a, &nobody, &at), 0);
    struct io io = io_over_buffer("question", 8);
    struct socket_message m = {.io = &io, .address_length = sizeof at};
    memcpy(&m.address, &at, sizeof at);
    assert_int_equal(socket_send(b, NULL, &m, 0), 8);
    io = io_over_buffer(back, 5);
    assert_int_equal(socket_receive(a, &m, MSG_TRUNC | MSG_PEEK), 8);
    assert_int_equal(m.flags, MSG_TRUNC);
    assert_int_equal(m.address_length, sizeof at);
    assert_int_equal(ntohs(((struct sockaddr_in *)&m.address)->sin_port), port_of(b, false));
    assert_int_equal(in(a, back, 16, 0), 8);
    assert_int_equal(in(a, back, 16, 0), -EAGAIN);
    assert_int_equal(join(b, &nowhere), 0);
    assert_int_equal(out(b, "x", 1, 0), 1);
    assert_true(file_poll(b, NULL) & EPOLLERR);
    assert_int_equal(out(b, "x", 1, 0), -ECONNREFUSED);
    assert_int_equal(join(b, &at), 0);
    assert_int_equal(out(b, "", 0, 0), 0);
    assert_int_equal(in(a, back, 16, 0), 0); /* an empty one is one */
    assert_int_equal(in(a, back, 16, 0), -EAGAIN);
    assert_int_equal(out(b, big, 65508, 0), -EMSGSIZE);
    for (int i = 0; i < 100; i++) /* what finds no room is lost, not waited for */
        assert_int_equal(out(b, big, 60000, 0), 60000);
    int got = 0;
    while (in(a, big, sizeof big, 0) == 60000)
        got++;
    assert_int_equal(got, 3);
    /* A connected socket hears its peer alone. */
    struct file *c = make(v, AF_INET, SOCK_DGRAM);
    struct sockaddr_in to_b = v4("127.0.0.1", port_of(b, false));
    assert_int_equal(join(c, &to_b), 0);
    assert_int_equal(out(c, "x", 1, 0), 1);
    assert_int_equal(in(b, back, 16, 0), -EAGAIN);
    assert_int_equal(socket_shutdown(a, SHUT_WR), -ENOTCONN);
    file_put(a);
    file_put(b);
    file_put(c);
    assert_int_equal(v->objects.inet->bytes, 0);
    vfs_free(v);
}

static void options_as_the_kernels(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = make(v, AF_INET6, SOCK_STREAM);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    static const int names[][2] = {
        {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_KEEPIDLE},     {IPPROTO_TCP, TCP_KEEPINTVL},
        {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_IP, IP_TTL},
        {IPPROTO_IP, IP_TOS},       {IPPROTO_IPV6, IPV6_V6ONLY},     {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
        {IPPROTO_TCP, 250},         {SOL_SOCKET, SO_SNDBUF},         {SOL_SOCKET, SO_RCVBUF},
        {SOL_SOCKET, SO_PROTOCOL}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int value = 0; value < 3; value++) {
            int mine = 0, theirs = 0;
            socklen_t a = 4, b = 4;
            int error = socket_get_option(f, names[i][0], names[i][1], &mine, &a);
            assert_int_equal(error, native(getsockopt(fd, names[i][0], names[i][1], &theirs, &b)));
            if (mine != theirs)
                print_message("option %d %d\n", names[i][0], names[i][1]);
            assert_int_equal(mine, theirs);
            if (names[i][0] != SOL_SOCKET)
                assert_int_equal(socket_set_option(f, names[i][0], names[i][1], &value, 4, &root),
                                 native(setsockopt(fd, names[i][0], names[i][1], &value, 4)));
        }
    }
    file_put(f);
    close(fd);
    vfs_free(v);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_behave_as_the_kernels),
        cmocka_unit_test(connecting_without_waiting),
        cmocka_unit_test(a_stream_pushes_back_and_lingers),
        cmocka_unit_test(names_conflict_as_the_kernels),
        cmocka_unit_test(both_families_meet),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(options_as_the_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
