/* TCP inside the world: tcp(7). No segments: what one end sends stands in the other's queue at once, so the states that
 * only time tells apart (SYN_SENT, FIN_WAIT, TIME_WAIT) do not exist, and what a caller sees of them is said here. */
#include "vfs/inet.h"

#include <string.h>

enum {
    SEND_DEFAULT = 16384,     /* net.ipv4.tcp_wmem[1] */
    RECEIVE_DEFAULT = 131072, /* net.ipv4.tcp_rmem[1] */
    TUNED = 2560 * 1024,      /* on the way when neither was set: what autotuning lets loopback reach */
    LEAST_ROOM = 2048,
};

static const struct socket_ops tcp_ops;
static const uint32_t ALL_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

int tcp_new(struct vfs *v, int family, struct socket **out)
{
    struct inet_socket *s = inet_alloc(v, &tcp_ops, family, SOCK_STREAM, IPPROTO_TCP);
    if (!s)
        return -ENOMEM;
    s->base.send_buffer = SEND_DEFAULT;
    s->base.receive_buffer = RECEIVE_DEFAULT;
    *out = &s->base;
    return 0;
}

static uint64_t capacity(const struct inet_socket *from, const struct inet_socket *to)
{
    if (from->base.send_buffer == SEND_DEFAULT && to->base.receive_buffer == RECEIVE_DEFAULT)
        return TUNED;
    return (uint64_t)from->base.send_buffer + to->base.receive_buffer;
}

static bool has_room(const struct inet_socket *s)
{
    return !s->peer || s->peer->dead || s->peer->unread * 3 <= capacity(s, s->peer) * 2;
}

/* ---- ends ------------------------------------------------------------------------------------------------------------- */

static void break_off(struct inet_socket *s, int error)
{
    s->base.error = error;
    s->base.shutdown = SHUTDOWN_BOTH;
    s->over = true;
    waitq_wake(&s->base.wait, ALL_EVENTS);
}

static void leave_peer(struct inet_socket *s, bool reset)
{
    struct inet_socket *peer = s->peer;
    s->peer = NULL;
    if (!peer)
        return;
    if (!peer->dead && peer->peer == s) {
        if (reset) {
            /* After its FIN an RST is only that nobody reads any more (tcp_reset, TCP_CLOSE_WAIT). */
            break_off(peer, peer->base.shutdown & SHUTDOWN_RECEIVE ? EPIPE : ECONNRESET);
        } else {
            peer->base.shutdown |= SHUTDOWN_RECEIVE;
            peer->over |= peer->finished;
            waitq_wake(&peer->base.wait, ALL_EVENTS);
        }
    }
    inet_put(peer);
}

static void die(struct inet_socket *s, bool reset)
{
    s->dead = true;
    inet_unbind(s);
    for (struct inet_socket *p; (p = s->pending_first);) {
        s->pending_first = p->pending_next;
        die(p, true); /* one level: who is pending listens to nobody */
    }
    bool abort = reset || s->first || (s->base.linger.l_onoff && !s->base.linger.l_linger);
    leave_peer(s, abort && s->base.shutdown != SHUTDOWN_BOTH); /* when both ends said FIN, it is over already */
    while (s->first)
        inet_drop_first(s);
    inet_put(s);
}

static void tcp_closed(struct socket *socket)
{
    die(inet_of(socket), false);
}

static int tcp_shutdown(struct socket *socket, int mask)
{
    struct inet_socket *s = inet_of(socket);
    if (s->state == TCP_IS_LISTENING) {
        if (!(mask & SHUTDOWN_RECEIVE))
            return 0;
        inet_unbind(s); /* it listens no more */
        s->state = TCP_IS_CLOSED;
        s->base.listening = false;
    } else if (s->state != TCP_IS_CONNECTED || s->over) {
        return -ENOTCONN;
    }
    s->base.shutdown |= (uint8_t)mask;
    if (mask & SHUTDOWN_SEND)
        s->finished = true;
    if (s->finished && s->peer && (s->peer->dead || s->peer->finished))
        s->over = s->peer->over = true;
    if ((mask & SHUTDOWN_SEND) && s->peer && !s->peer->dead) {
        s->peer->base.shutdown |= SHUTDOWN_RECEIVE;
        waitq_wake(&s->peer->base.wait, ALL_EVENTS);
    }
    waitq_wake(&s->base.wait, ALL_EVENTS);
    return 0;
}

/* ---- connections -------------------------------------------------------------------------------------------------------- */

static int tcp_listen(struct socket *socket, int backlog, const struct ucred *self)
{
    struct inet_socket *s = inet_of(socket);
    if (s->state == TCP_IS_CONNECTED || s->state == TCP_IS_REFUSED)
        return -EINVAL;
    if (!s->bound) {
        int error = inet_bind_ephemeral(s, &s->local);
        if (error)
            return error;
    }
    s->state = TCP_IS_LISTENING;
    s->base.listening = true;
    s->base.shutdown = 0;
    s->backlog = (uint32_t)backlog;
    return 0;
}

static int meet(struct inet_socket *s, struct inet_socket *listener, const struct inet_address *to)
{
    struct socket *made;
    int error = tcp_new(s->base.vfs, listener->base.family, &made);
    if (error)
        return error;
    struct inet_socket *server = inet_of(made);
    server->base.send_buffer = listener->base.send_buffer;
    server->base.receive_buffer = listener->base.receive_buffer;
    server->base.linger = listener->base.linger;
    server->base.booleans = listener->base.booleans;
    server->base.reuse_address = listener->base.reuse_address;
    memcpy(server->options, listener->options, sizeof server->options);
    server->only_v6 = listener->only_v6;
    server->local = *to;
    server->remote = s->local;
    server->state = s->state = TCP_IS_CONNECTED;
    s->remote = *to;
    s->base.shutdown = 0;
    s->base.error = 0;
    s->peer = server;
    server->peer = s;
    inet_get(s);
    inet_get(server);
    *(listener->pending_first ? &listener->pending_last->pending_next : &listener->pending_first) = server;
    listener->pending_last = server;
    listener->pending++;
    waitq_wake(&listener->base.wait, EPOLLIN | EPOLLRDNORM);
    waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM);
    return 0;
}

static int disconnect(struct inet_socket *s)
{
    leave_peer(s, true);
    while (s->first)
        inet_drop_first(s);
    if (!s->chose_port) {
        inet_unbind(s);
        s->local.port = 0;
    }
    s->remote = (struct inet_address){0};
    s->state = TCP_IS_CLOSED;
    s->told_progress = s->finished = s->over = false;
    s->base.shutdown = 0;
    s->base.listening = false;
    return 0;
}

/* A second connect(2), or one on what cannot be connected. 1: go on. */
static int connect_again(struct inet_socket *s)
{
    bool asked = s->told_progress;
    s->told_progress = false;
    if (s->state == TCP_IS_CONNECTED)
        return asked ? 0 : -EISCONN;
    if (s->state == TCP_IS_LISTENING)
        return -EISCONN;
    if (s->state != TCP_IS_REFUSED)
        return 1;
    int error = socket_take_error(&s->base);
    disconnect(s);
    return asked && error ? error : 1;
}

static int tcp_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                       const struct ucred *self, struct waitq **wait_on)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to, from;
    bool nonblock = socket->file && socket->file->flags & O_NONBLOCK;
    if (a->sa_family == AF_UNSPEC)
        return disconnect(s);
    int error = inet_address_in(s, a, n, &to);
    if (error)
        return error;
    error = connect_again(s);
    if (error <= 0)
        return error;
    error = inet_route(&to);
    if (error)
        return error;
    from = to;
    if (to.ip[12] == 127)
        memcpy(from.ip + 12, "\177\0\0\1", 4); /* the source Linux chooses for all of 127.0.0.0/8 */
    if (!s->bound)
        error = inet_bind_ephemeral(s, &from);
    else if (inet_is_any(&s->local))
        memcpy(s->local.ip, from.ip, 16);
    if (error)
        return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
    struct inet_socket *listener = to.port ? inet_lookup(s, &to, &s->local) : NULL;
    if (listener && listener->pending <= listener->backlog)
        error = meet(s, listener, &to);
    else if (listener) /* the handshake is dropped, and would be tried again until it times out */
        error = -ETIMEDOUT;
    else
        error = -ECONNREFUSED;
    if (!nonblock || error == -ENOMEM) {
        if (error)
            disconnect(s);
        return error;
    }
    s->told_progress = true;
    if (error) {
        s->state = TCP_IS_REFUSED;
        break_off(s, -error);
    }
    return -EINPROGRESS;
}

static int tcp_accept(struct socket *socket, struct socket **out)
{
    struct inet_socket *s = inet_of(socket), *server = s->pending_first;
    if (s->state != TCP_IS_LISTENING)
        return -EINVAL;
    if (!server)
        return -EAGAIN;
    s->pending_first = server->pending_next;
    server->pending_next = NULL;
    s->pending--;
    *out = &server->base;
    return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------------ */

/* The other end is gone; the first bytes bring its RST back, the next are EPIPE. */
static ssize_t send_to_nobody(struct inet_socket *s, struct io *io)
{
    ssize_t all = (ssize_t)io->left;
    io->left = 0;
    break_off(s, EPIPE);
    return all;
}

static ssize_t tcp_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket), *to = s->peer;
    size_t done = 0;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    int error = socket_take_error(socket);
    if (error)
        return error;
    if (s->state != TCP_IS_CONNECTED || socket->shutdown & SHUTDOWN_SEND)
        return -EPIPE;
    if (!to || to->dead)
        return m->io->left ? send_to_nobody(s, m->io) : 0;
    while (m->io->left) {
        uint64_t most = capacity(s, to);
        struct inet_chunk *c = to->last;
        if (to->unread >= most)
            return done ? (ssize_t)done : -EAGAIN;
        size_t n = m->io->left < most - to->unread ? m->io->left : most - to->unread;
        n = n < INET_CHUNK ? n : INET_CHUNK;
        bool joins = c && c->room - c->end >= (n < LEAST_ROOM ? n : LEAST_ROOM);
        if (!joins && !(c = inet_chunk_new(to, n < LEAST_ROOM ? LEAST_ROOM : n)))
            return done ? (ssize_t)done : -ENOBUFS;
        n = n < c->room - c->end ? n : c->room - c->end;
        ssize_t got = io_get(m->io, c->data + c->end, n);
        if (got <= 0) {
            if (!joins)
                inet_chunk_free(to, c);
            return done ? (ssize_t)done : got;
        }
        c->end += (size_t)got;
        done += (size_t)got;
        if (joins) {
            to->unread += (uint64_t)got;
            waitq_wake(&to->base.wait, EPOLLIN | EPOLLRDNORM);
        } else {
            inet_queue(to, c);
        }
    }
    return (ssize_t)done;
}

static ssize_t nothing_to_read(struct inet_socket *s)
{
    if (s->state == TCP_IS_CONNECTED && s->base.shutdown & SHUTDOWN_RECEIVE && s->base.error == EPIPE)
        return 0; /* its end was read before the RST came (SOCK_DONE) */
    int error = socket_take_error(&s->base);
    if (error)
        return error;
    if (s->base.shutdown & SHUTDOWN_RECEIVE)
        return 0;
    return s->state == TCP_IS_CONNECTED ? -EAGAIN : -ENOTCONN;
}

static ssize_t tcp_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    bool peek = flags & MSG_PEEK, had_room = !s->peer || has_room(s->peer);
    size_t done = 0;
    if (flags & MSG_OOB)
        return -EINVAL;
    if (s->state == TCP_IS_LISTENING)
        return -ENOTCONN;
    if (!s->first)
        return nothing_to_read(s);
    for (struct inet_chunk *c = s->first, *next; c && m->io->left; c = next) {
        size_t n = c->end - c->start < m->io->left ? c->end - c->start : m->io->left;
        ssize_t put = (ssize_t)n;
        if (flags & MSG_TRUNC) /* tcp(7): thrown away, not copied */
            m->io->left -= n;
        else
            put = io_put(m->io, c->data + c->start, n);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        next = c->next;
        if (!peek) {
            c->start += (size_t)put;
            s->unread -= (uint64_t)put;
            if (c->start == c->end)
                inet_drop_first(s);
        }
        if ((size_t)put < n)
            break;
    }
    if (!had_room && has_room(s->peer))
        waitq_wake(&s->peer->base.wait, EPOLLOUT | EPOLLWRNORM);
    return (ssize_t)done;
}

static uint32_t tcp_poll(struct socket *socket, struct poll_table *t)
{
    struct inet_socket *s = inet_of(socket);
    uint32_t events = 0;
    poll_on(t, &socket->wait);
    if (s->state == TCP_IS_LISTENING)
        return s->pending_first ? EPOLLIN | EPOLLRDNORM : 0;
    if (socket->shutdown == SHUTDOWN_BOTH || s->state != TCP_IS_CONNECTED)
        events |= EPOLLHUP;
    if (socket->shutdown & SHUTDOWN_RECEIVE)
        events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    if (s->unread >= (uint64_t)socket->receive_least || (s->unread && socket->shutdown & SHUTDOWN_RECEIVE))
        events |= EPOLLIN | EPOLLRDNORM;
    if (socket->shutdown & SHUTDOWN_SEND || has_room(s))
        events |= EPOLLOUT | EPOLLWRNORM;
    if (socket->error)
        events |= EPOLLERR;
    return events;
}

static int tcp_unread(const struct socket *socket, bool out)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    if (s->state == TCP_IS_LISTENING)
        return -EINVAL;
    return out ? 0 : (int)s->unread; /* what was sent has arrived */
}

static const struct socket_ops tcp_ops = {
    .bind = inet_bind,
    .listen = tcp_listen,
    .connect = tcp_connect,
    .accept = tcp_accept,
    .name = inet_name,
    .shutdown = tcp_shutdown,
    .send = tcp_send,
    .receive = tcp_receive,
    .poll = tcp_poll,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
    .unread = tcp_unread,
    .closed = tcp_closed,
};
