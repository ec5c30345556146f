/* ICMP sockets (socket(2) with SOCK_DGRAM and IPPROTO_ICMP or IPPROTO_ICMPV6), which ping(8) asks with: an echo request goes out, its
 * reply comes back. This host answers, and beyond it whoever the network says is there. Linux's net/ipv4/ping.c. */
#include "vfs/remote.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

enum { ECHO_MOST = 65507, OVERHEAD = 256, HEADER = 8 };

static const struct socket_ops ping_ops;

int ping_new(struct vfs *v, int family, struct socket **out)
{
    struct inet_socket *s =
        inet_alloc(v, &ping_ops, family, SOCK_DGRAM, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    *out = s ? &s->base : NULL;
    return s ? 0 : -ENOMEM;
}

/* The socket's identifier is its port. */
static void need_identifier(struct inet_socket *s)
{
    struct inet_table *t = inet_table_of(s);
    if (!s->local.port)
        s->local.port = ++t->last_ping ? t->last_ping : ++t->last_ping;
}

static int ping_bind(struct socket *socket, const struct place *at, uint32_t mode, const struct sockaddr *a,
                     socklen_t n)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to;
    if (s->local.port)
        return -EINVAL;
    int error = inet_address_in(s, a, n, &to);
    if (error)
        return error;
    if (!inet_is_any(&to) && !inet_is_local(inet_table_of(s), &to))
        return -EADDRNOTAVAIL;
    s->local = to;
    need_identifier(s);
    return 0;
}

static int ping_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                        const struct ucred *self, struct waitq **wait_on)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to;
    if (a->sa_family == AF_UNSPEC) {
        s->remote = (struct inet_address){0};
        s->pings_one = false;
        return 0;
    }
    int error = inet_address_in(s, a, n, &to);
    if (!error)
        error = inet_route(inet_table_of(s), &to);
    if (error < 0)
        return error;
    need_identifier(s);
    s->remote = to;
    s->pings_one = true;
    return 0;
}

static uint16_t checksum(const uint8_t *bytes, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The reply: the request's bytes, as an answer. ICMPv6's checksum is the kernel's business, which checked it. */
static void turn_round(struct inet_socket *s, struct inet_chunk *c, bool v4)
{
    uint8_t *p = (uint8_t *)c->data;
    p[0] = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
    p[2] = p[3] = 0;
    p[4] = (uint8_t)(s->local.port >> 8);
    p[5] = (uint8_t)s->local.port;
    uint16_t sum = v4 ? checksum(p, c->end) : 0;
    p[2] = (uint8_t)(sum >> 8);
    p[3] = (uint8_t)sum;
}

static bool answers(const struct inet_table *t, const struct inet_address *to, int way)
{
    struct sockaddr_storage address;
    if (way == WAY_HERE)
        return true;
    inet_address_whole(to, &address);
    return way == WAY_BEYOND && t->hooks.pings && t->hooks.pings(t->hooks.context, &address);
}

static ssize_t ping_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_table *t = inet_table_of(s);
    struct inet_address to = s->remote;
    bool v4 = socket->family == AF_INET;
    size_t n = m->io->left;
    if (n > ECHO_MOST)
        return -EMSGSIZE;
    if (n < HEADER)
        return -EINVAL;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (!m->address_length && !s->pings_one)
        return -EDESTADDRREQ;
    int error =
        m->address_length ? inet_address_in(s, (const struct sockaddr *)&m->address, m->address_length, &to) : 0;
    if (!error && inet_is_v4(&to) != v4)
        error = -EINVAL;
    int way = error ? error : inet_route(t, &to);
    if (way < 0)
        return way;
    if (way == WAY_ALL && v4 && !s->base.broadcast && to.ip[12] == 255)
        return -EACCES;
    struct inet_chunk *c = inet_chunk_new(t, n);
    if (!c)
        return -ENOBUFS;
    if (io_get(m->io, c->data, n) != (ssize_t)n) {
        inet_chunk_free(t, c);
        return -EFAULT;
    }
    if ((uint8_t)c->data[0] != (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST) || c->data[1] != 0) {
        inet_chunk_free(t, c);
        return -EINVAL;
    }
    need_identifier(s);
    c->end = n;
    c->from = to;
    c->from.port = 0;
    c->to = s->local;
    c->marks = (struct inet_marks){.ttl = 64};
    turn_round(s, c, v4);
    if (answers(t, &to, way) && s->unread + n + OVERHEAD <= s->base.receive_buffer)
        inet_queue(s, c);
    else
        inet_chunk_free(t, c);
    return (ssize_t)n;
}

static ssize_t ping_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_chunk *c = s->first;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (flags & MSG_ERRQUEUE || !c)
        return -EAGAIN;
    size_t length = c->end, n = length < m->io->left ? length : m->io->left;
    ssize_t put = n ? io_put(m->io, c->data, n) : 0;
    if (n < length)
        m->flags |= MSG_TRUNC;
    inet_address_out(s, &c->from, &m->address, &m->address_length);
    inet_controls(s, c, m);
    if (!(flags & MSG_PEEK))
        inet_drop_first(s);
    if (put != (ssize_t)n)
        return -EFAULT;
    return flags & MSG_TRUNC ? (ssize_t)length : put;
}

static uint32_t ping_poll(struct socket *socket, struct poll_table *t)
{
    poll_on(t, &socket->wait);
    return (inet_of(socket)->first ? EPOLLIN | EPOLLRDNORM : 0) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
}

static int ping_shutdown(struct socket *socket, int mask)
{
    return -ENOTCONN;
}

static int ping_unread(const struct socket *socket, bool out)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    return out || !s->first ? 0 : (int)s->first->end;
}

static void ping_closed(struct socket *socket)
{
    struct inet_socket *s = inet_of(socket);
    s->dead = true;
    inet_put(s);
}

static const struct socket_ops ping_ops = {
    .bind = ping_bind,
    .connect = ping_connect,
    .name = inet_name,
    .shutdown = ping_shutdown,
    .send = ping_send,
    .receive = ping_receive,
    .poll = ping_poll,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
    .unread = ping_unread,
    .closed = ping_closed,
};
