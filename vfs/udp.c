/* UDP inside the world: udp(7). A datagram reaches its socket's queue or is lost, as on loopback. */
#include "vfs/remote.h"

#include <netinet/udp.h>
#include <string.h>

enum {
    OVERHEAD = 256, /* of each datagram, against the receiver's buffer */
    SEGMENTS_MOST = 128,
    IP_BYTES_MOST = 65535,
    MTU_HERE = 65536,
    MTU_BEYOND = 1500
};

static const struct socket_ops udp_ops;

int udp_new(struct vfs *v, int family, int protocol, struct socket **out)
{
    struct inet_socket *s = inet_alloc(v, &udp_ops, family, SOCK_DGRAM, protocol);
    *out = s ? &s->base : NULL;
    return s ? 0 : -ENOMEM;
}

static size_t headers(const struct inet_address *to)
{
    return inet_is_v4(to) ? 20 + 8 : 40 + 8;
}

/* The most bytes of a datagram to it: IPv6 does not count its own header. */
static size_t bytes_most(const struct inet_address *to)
{
    return IP_BYTES_MOST - (inet_is_v4(to) ? headers(to) : 8);
}

int inet_new(struct vfs *v, int family, int type, int protocol, struct socket **out)
{
    if (protocol < 0 || protocol >= IPPROTO_MAX)
        return -EINVAL;
    if (type == SOCK_RAW)
        return protocol ? -EPERM : -EPROTONOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (type == SOCK_DGRAM && protocol == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return ping_new(v, family, out);
    bool lite = type == SOCK_DGRAM && protocol == IPPROTO_UDPLITE;
    if (protocol && !lite && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
        return -EPROTONOSUPPORT;
    return type == SOCK_STREAM ? tcp_new(v, family, out)
                               : udp_new(v, family, lite ? IPPROTO_UDPLITE : IPPROTO_UDP, out);
}

static int need_port(struct inet_socket *s)
{
    return s->bound ? 0 : inet_bind_ephemeral(s, &s->local) ? -EAGAIN : 0; /* inet_autobind says EAGAIN */
}

/* The source of what goes to `to`. */
static struct inet_address source(const struct inet_socket *s, const struct inet_address *to)
{
    struct inet_address from = s->local;
    if (inet_is_any(&from) || inet_is_group(&from))
        inet_source(to, &from);
    return from;
}

static int udp_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                       const struct ucred *self, struct waitq **wait_on)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to;
    if (s->far)
        remote_forget_all(s);
    if (a->sa_family == AF_UNSPEC) {
        s->remote = (struct inet_address){0};
        inet_forget_name(s);
        return 0;
    }
    int error = inet_address_in(s, a, n, &to);
    if (!error)
        error = inet_route(inet_table_of(s), &to);
    if (error >= 0)
        error = need_port(s);
    if (error)
        return error;
    memcpy(s->local.ip, source(s, &to).ip, 16);
    s->remote = to;
    return 0;
}

/* UDP-Lite (RFC 3828): a receiver may refuse what is less covered by the checksum than it wants. */
static bool covered(const struct inet_socket *target, const struct inet_chunk *c)
{
    int least = inet_option(target, IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV);
    return c->coverage == 0 || (least != 0 && c->coverage >= least);
}

static uint16_t coverage(const struct inet_socket *s, size_t n)
{
    int asked = inet_option(s, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV);
    return (size_t)asked < n + UDPLITE_HEADER ? (uint16_t)asked : 0;
}

static bool has_room(const struct inet_socket *s, size_t n)
{
    return s->unread + n + OVERHEAD <= s->base.receive_buffer;
}

static bool enqueue(struct inet_socket *target, struct inet_chunk *c)
{
    if (!has_room(target, c->end - c->start))
        return false;
    c->arrived = socket_arrival(&target->base);
    inet_queue(target, c);
    target->unread += OVERHEAD;
    return true;
}

bool udp_arrived(struct inet_socket *s, const struct inet_address *from, const void *bytes, size_t n)
{
    if (s->remote.port && (s->remote.port != from->port || !inet_same_ip(&s->remote, from)))
        return false;
    struct inet_chunk *c = n <= bytes_most(from) && has_room(s, n) ? inet_chunk_new(inet_table_of(s), n) : NULL;
    if (!c)
        return false;
    memcpy(c->data, bytes, n);
    c->end = n;
    c->from = *from;
    c->to = s->local;
    c->marks = (struct inet_marks){.ttl = 64};
    return enqueue(s, c);
}

/* To every member of the world: each gets a copy of its own, as far as it has room. */
static ssize_t deliver_to_all(struct inet_socket *s, const struct inet_address *from, const struct inet_address *to,
                              const void *bytes, size_t n)
{
    struct inet_table *t = inet_table_of(s);
    bool group = inet_is_group(to), v4 = inet_is_v4(to);
    int loops = v4 ? inet_option(s, IPPROTO_IP, IP_MULTICAST_LOOP)
                   : s->base.family != AF_INET6 || inet_option(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP);
    if (group &&
        ((!loops && t->hooks.connect) || !membership_any(t, to))) /* out of lo it comes back whatever was said */
        return (ssize_t)n;
    for (struct inet_socket *o = t->slots[1][to->port % INET_SLOTS]; o; o = o->port_next)
        if (o->local.port == to->port && (inet_is_any(&o->local) || inet_same_ip(&o->local, to)) &&
            (!group || membership_takes(o, to)))
            (void)udp_arrived(o, from, bytes, n);
    return (ssize_t)n;
}

static void tell_datagram(struct inet_table *t, const struct inet_address *from, const struct inet_address *to,
                          const void *bytes, size_t n)
{
    struct sockaddr_storage a, b;
    if (!t->hooks.datagram)
        return;
    inet_address_whole(from, &a);
    inet_address_whole(to, &b);
    t->hooks.datagram(t->hooks.context, &a, &b, bytes, n);
}

/* One datagram on its way; the chunk is taken. */
static ssize_t deliver(struct inet_socket *s, struct inet_chunk *c, int way)
{
    struct inet_table *t = inet_table_of(s);
    const struct inet_address to = c->to;
    struct inet_address from = source(s, &to);
    struct inet_socket *target = way == WAY_HERE ? inet_lookup(s, &to, &from) : NULL;
    size_t n = c->end;
    ssize_t result = (ssize_t)n;
    c->from = from;
    c->coverage = coverage(s, n);
    bool asked = way == WAY_BEYOND || (way == WAY_HERE && !target && t->hooks.connect && inet_is_loopback(&to));
    if (!asked)
        tell_datagram(t, &from, &to, c->data, n);
    if (target && covered(target, c) && enqueue(target, c))
        return result;
    if (asked)
        result = remote_datagram(s, &from, &to, c->data, n);
    else if (way == WAY_ALL)
        result = deliver_to_all(s, &from, &to, c->data, n);
    else if (!target)
        udp_unreached(s, &to, ECONNREFUSED, c->data, n);
    inet_chunk_free(t, c);
    return result;
}

/* UDP_SEGMENT: several datagrams of that size, and what is left (net/ipv4/udp.c, udp_send_skb). */
static ssize_t deliver_segments(struct inet_socket *s, struct inet_chunk *c, int way, size_t segment)
{
    struct inet_table *t = inet_table_of(s);
    size_t n = c->end, mtu = way == WAY_HERE ? MTU_HERE : MTU_BEYOND;
    ssize_t result = headers(&c->to) + segment > mtu || n > segment * SEGMENTS_MOST ? -EINVAL : (ssize_t)n;
    for (size_t at = 0; result > 0 && at < n; at += segment) {
        size_t size = n - at < segment ? n - at : segment;
        struct inet_chunk *piece = inet_chunk_new(t, size);
        if (!piece) {
            result = -ENOBUFS;
            break;
        }
        memcpy(piece->data, c->data + at, size);
        piece->end = size;
        piece->to = c->to;
        piece->marks = c->marks;
        ssize_t sent = deliver(s, piece, way);
        if (sent < 0)
            result = sent;
    }
    inet_chunk_free(t, c);
    return result;
}

static ssize_t finish(struct inet_socket *s, struct inet_chunk *c, size_t segment)
{
    struct inet_address to = c->to;
    int way = inet_route(inet_table_of(s), &to);
    if (way < 0 && inet_is_group(&to))
        way = WAY_ALL; /* out of lo, and back: it was allowed when it began */
    return segment && segment < c->end ? deliver_segments(s, c, way, segment) : deliver(s, c, way);
}

/* What io has, behind what there is already. */
static int gather(struct inet_socket *s, struct inet_chunk **c, struct io *io)
{
    struct inet_table *t = inet_table_of(s);
    struct inet_chunk *old = *c, *longer;
    size_t had = old->end, n = io->left;
    if (had + n > bytes_most(&old->to)) {
        udp_too_long(s, &old->to, !inet_is_loopback(&old->to) ? MTU_BEYOND : MTU_HERE - inet_is_v4(&old->to));
        return -EMSGSIZE;
    }
    if (n > old->room - had) {
        if (!(longer = inet_chunk_new(t, had + n)))
            return -ENOBUFS;
        longer->to = old->to;
        longer->marks = old->marks;
        longer->end = had;
        memcpy(longer->data, old->data, had);
        inet_chunk_free(t, old);
        *c = longer;
    }
    if (n && io_get(io, (*c)->data + had, n) != (ssize_t)n)
        return -EFAULT;
    (*c)->end += n;
    return 0;
}

static void drop_corked(struct inet_socket *s)
{
    if (s->corked)
        inet_chunk_free(inet_table_of(s), s->corked);
    s->corked = NULL;
}

void udp_uncork(struct inet_socket *s)
{
    struct inet_chunk *c = s->corked;
    s->corked = NULL;
    if (c)
        (void)finish(s, c, (size_t)inet_option(s, IPPROTO_UDP, UDP_SEGMENT));
}

/* -EINVAL: a control message of this level that there is not. */
static int segment_size(const struct inet_socket *s, const struct socket_message *m, size_t *size)
{
    uint16_t said;
    *size = s->base.protocol == IPPROTO_UDP ? (size_t)inet_option(s, IPPROTO_UDP, UDP_SEGMENT) : 0;
    for (size_t i = 0; i < m->control_count; i++) {
        const struct socket_control *control = &m->controls[i];
        if (control->level != IPPROTO_UDP)
            continue;
        if (control->type != UDP_SEGMENT || control->length != sizeof said)
            return -EINVAL;
        memcpy(&said, control->bytes, sizeof said);
        *size = said;
    }
    return 0;
}

/* 255.255.255.255 and the like are for those who said SO_BROADCAST. */
static bool may_send_to(const struct inet_socket *s, const struct inet_address *to, int way)
{
    return way != WAY_ALL || inet_is_group(to) || s->base.broadcast;
}

/* Where a datagram goes that begins now, and what it is sent with. */
static int begin(struct inet_socket *s, const struct socket_message *m, struct inet_address *to,
                 struct inet_marks *marks)
{
    *to = s->remote;
    if (m->address_length) {
        int error = inet_address_in(s, (const struct sockaddr *)&m->address, m->address_length, to);
        if (!error && !to->port)
            error = -EINVAL;
        if (error)
            return error == -EAFNOSUPPORT && s->base.family == AF_INET6 ? -EINVAL : error;
    } else if (!to->port || m->address_given) {
        return m->address_given ? -EINVAL : -EDESTADDRREQ;
    }
    int error = socket_take_error(&s->base);
    if (!error && s->base.shutdown & SHUTDOWN_SEND)
        error = -EPIPE;
    if (error)
        return error;
    int way = inet_route(inet_table_of(s), to);
    if (way < 0 && s->group_interface != 0 && inet_is_v4(to) && inet_is_group(to))
        way = WAY_ALL; /* out of lo, and back */
    if (way < 0)
        return way;
    if (!may_send_to(s, to, way))
        return -EACCES;
    error = need_port(s);
    return error ? error : inet_marks(s, m, to, marks);
}

static ssize_t udp_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to;
    struct inet_marks marks;
    size_t n = m->io->left, segment;
    if (n > IP_BYTES_MOST && socket->family == AF_INET)
        return -EMSGSIZE;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    int error = segment_size(s, m, &segment);
    bool more = flags & MSG_MORE || inet_option(s, IPPROTO_UDP, UDP_CORK);
    if (!error && !s->corked) {
        error = begin(s, m, &to, &marks);
        if (error)
            return error;
        s->corked = inet_chunk_new(inet_table_of(s), n <= bytes_most(&to) ? n : 0);
        if (!s->corked)
            return -ENOBUFS;
        s->corked->to = to;
        s->corked->marks = marks;
    }
    if (!error)
        error = gather(s, &s->corked, m->io);
    if (error) {
        drop_corked(s);
        return error;
    }
    if (more)
        return (ssize_t)n;
    struct inet_chunk *whole = s->corked;
    s->corked = NULL;
    ssize_t sent = finish(s, whole, segment);
    return sent < 0 ? sent : (ssize_t)n;
}

static ssize_t udp_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_chunk *c = s->first;
    if (flags & MSG_ERRQUEUE)
        return udp_receive_error(s, m);
    int error = socket_take_error(socket);
    if (error)
        return error;
    if (flags & MSG_OOB)
        return -EAGAIN;
    if (!c) {
        bool waits = !(flags & MSG_DONTWAIT) && !(socket->file && socket->file->flags & O_NONBLOCK);
        return socket->shutdown & SHUTDOWN_RECEIVE && waits ? 0 : -EAGAIN;
    }
    size_t length = c->end - c->start, n = length < m->io->left ? length : m->io->left;
    ssize_t put = n ? io_put(m->io, c->data, n) : 0;
    if (put == (ssize_t)n) {
        if (n < length)
            m->flags |= MSG_TRUNC;
        inet_address_out(s, &c->from, &m->address, &m->address_length);
        inet_controls(s, c, m);
    }
    if (!(flags & MSG_PEEK)) {
        s->unread -= OVERHEAD;
        inet_drop_first(s);
    }
    if (put != (ssize_t)n)
        return -EFAULT;
    return flags & MSG_TRUNC ? (ssize_t)length : put;
}

static int udp_shutdown(struct socket *socket, int mask)
{
    if (!inet_of(socket)->remote.port)
        return -ENOTCONN;
    socket->shutdown |= (uint8_t)mask;
    waitq_wake(&socket->wait, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
    return 0;
}

static uint32_t udp_poll(struct socket *socket, struct poll_table *t)
{
    poll_on(t, &socket->wait);
    return (inet_of(socket)->first ? EPOLLIN | EPOLLRDNORM : 0) |
           (socket->error || inet_of(socket)->errors ? EPOLLERR : 0) |
           (socket->shutdown & SHUTDOWN_RECEIVE ? EPOLLRDHUP | EPOLLIN | EPOLLRDNORM : 0) |
           (socket->shutdown == SHUTDOWN_BOTH ? EPOLLHUP : 0) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
}

static int udp_unread(const struct socket *socket, bool out)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    return out || !s->first ? 0 : (int)(s->first->end - s->first->start);
}

static void udp_closed(struct socket *socket)
{
    struct inet_socket *s = inet_of(socket);
    s->dead = true;
    drop_corked(s);
    remote_forget_all(s);
    inet_unbind(s);
    inet_put(s);
}

static const struct socket_ops udp_ops = {
    .bind = inet_bind,
    .connect = udp_connect,
    .name = inet_name,
    .shutdown = udp_shutdown,
    .send = udp_send,
    .receive = udp_receive,
    .poll = udp_poll,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
    .unread = udp_unread,
    .closed = udp_closed,
};
