/* TCP inside the world: tcp(7). No segments: what one end sends stands in the other's queue at once, so the states that
 * only time tells apart (FIN_WAIT, TIME_WAIT) do not exist, and what a caller sees of them is said here. The other end is a
 * socket of the world (`peer`) or somebody beyond it (`far`, vfs/remote.c). */
#include "vfs/flow.h"
#include "vfs/objects.h"
#include "vfs/remote.h"

#include <asm/socket.h>
#include <netinet/tcp.h>

#include <string.h>

enum {
    SEND_DEFAULT = 16384,     /* net.ipv4.tcp_wmem[1] */
    RECEIVE_DEFAULT = 131072, /* net.ipv4.tcp_rmem[1] */
    TUNED = 2560 * 1024,      /* on the way when neither was set: what autotuning lets loopback reach */
    LEAST_ROOM = 2048,
};

static const struct socket_ops tcp_ops;
static void stop_knocking(struct inet_socket *s);
static void stop_listening(struct inet_socket *listener);
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

uint64_t tcp_receive_room(const struct inet_socket *s)
{
    uint64_t most = s->base.receive_buffer == RECEIVE_DEFAULT ? TUNED / 2 : s->base.receive_buffer;
    return s->unread < most ? most - s->unread : 0;
}

static bool has_room(const struct inet_socket *s)
{
    if (s->far)
        return remote_room(s) > 0;
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
    if (s->far)
        remote_leave(s, reset);
    if (s->flow && s->state == TCP_IS_CONNECTED && (reset || !(s->base.shutdown & SHUTDOWN_SEND)))
        flow_tell(s, reset ? NET_RESET : NET_FINISHED, NULL, 0);
    flow_leave(s);
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
    stop_knocking(s);
    stop_listening(s);
    bool abort = reset || s->first || (s->base.linger.l_onoff && !s->base.linger.l_linger);
    leave_peer(s, abort && s->base.shutdown != SHUTDOWN_BOTH); /* when both ends said FIN, it is over already */
    while (s->first)
        inet_drop_first(s);
    inet_put(s);
}

static int disconnect(struct inet_socket *s);

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
        stop_listening(s);
    } else if (s->state == TCP_IS_CONNECTING) { /* inet_shutdown, TCP_SYN_SENT */
        disconnect(s);
        s->base.error = 0;
        return 0;
    } else if (s->state != TCP_IS_CONNECTED || s->over) {
        return -ENOTCONN;
    }
    bool finishes = (mask & SHUTDOWN_SEND) && !(s->base.shutdown & SHUTDOWN_SEND);
    s->base.shutdown |= (uint8_t)mask;
    if (mask & SHUTDOWN_SEND)
        s->finished = true;
    if (s->finished && s->peer && (s->peer->dead || s->peer->finished))
        s->over = s->peer->over = true;
    else if (s->finished && s->far && remote_has_finished(s))
        s->over = true;
    if (finishes && s->far)
        remote_finish(s);
    if (finishes && s->flow)
        flow_tell(s, NET_FINISHED, NULL, 0);
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
    if (s->state == TCP_IS_CONNECTED || s->state == TCP_IS_REFUSED || s->state == TCP_IS_CONNECTING)
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

/* The listener's side of a connection that comes from `from` to `to`; nobody's yet. */
static int new_server(struct inet_socket *listener, const struct inet_address *to, const struct inet_address *from,
                      struct inet_socket **out)
{
    struct socket *made;
    int error = tcp_new(listener->base.vfs, listener->base.family, &made);
    if (error)
        return error;
    struct inet_socket *server = *out = inet_of(made);
    server->base.send_buffer = listener->base.send_buffer;
    server->base.receive_buffer = listener->base.receive_buffer;
    server->base.linger = listener->base.linger;
    server->base.booleans = listener->base.booleans;
    server->base.reuse_address = listener->base.reuse_address;
    memcpy(server->options, listener->options, sizeof server->options);
    server->congestion = listener->congestion;
    server->only_v6 = listener->only_v6;
    server->local = *to;
    server->remote = *from;
    server->state = TCP_IS_CONNECTED;
    return 0;
}

static void await_accept(struct inet_socket *listener, struct inet_socket *server)
{
    *(listener->pending_first ? &listener->pending_last->pending_next : &listener->pending_first) = server;
    listener->pending_last = server;
    listener->pending++;
    waitq_wake(&listener->base.wait, EPOLLIN | EPOLLRDNORM);
}

int tcp_arrive(struct vfs *v, const struct inet_address *to, const struct inet_address *from, struct inet_socket **out)
{
    struct socket *asker;
    int error = tcp_new(v, AF_INET6, &asker);
    if (error)
        return error;
    struct inet_socket *listener =
        inet_is_local(inet_table_of(inet_of(asker)), to) ? inet_lookup(inet_of(asker), to, from) : NULL;
    inet_put(inet_of(asker));
    if (!listener)
        return -ECONNREFUSED;
    if (listener->pending > listener->backlog)
        return -ETIMEDOUT;
    error = new_server(listener, to, from, out);
    if (!error)
        await_accept(listener, *out);
    return error;
}

static int meet(struct inet_socket *s, struct inet_socket *listener, const struct inet_address *to)
{
    struct inet_socket *server;
    int error = new_server(listener, to, &s->local, &server);
    if (error)
        return error;
    s->state = TCP_IS_CONNECTED;
    s->remote = *to;
    s->base.shutdown = 0;
    s->base.error = 0;
    s->peer = server;
    server->peer = s;
    inet_get(s);
    inet_get(server);
    flow_begin(s, server);
    await_accept(listener, server);
    waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM);
    return 0;
}

static int disconnect(struct inet_socket *s)
{
    stop_knocking(s);
    stop_listening(s);
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
    s->urgent = URGENT_NONE;
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
    if (s->state == TCP_IS_CONNECTING) {
        s->told_progress = asked;
        return -EALREADY;
    }
    if (s->state != TCP_IS_REFUSED)
        return 1;
    int error = socket_take_error(&s->base);
    disconnect(s);
    return asked && error ? error : 1;
}

void tcp_settled(struct inet_socket *s, int error)
{
    if (!error) {
        s->state = TCP_IS_CONNECTED;
        s->base.shutdown = 0;
        s->base.error = 0;
        waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM);
        return;
    }
    s->state = TCP_IS_REFUSED;
    break_off(s, -error);
}

void tcp_far_finished(struct inet_socket *s)
{
    s->base.shutdown |= SHUTDOWN_RECEIVE;
    s->over = s->over || s->finished;
    waitq_wake(&s->base.wait, ALL_EVENTS);
}

void tcp_far_reset(struct inet_socket *s)
{
    break_off(s, s->base.shutdown & SHUTDOWN_RECEIVE ? EPIPE : ECONNRESET);
}

/* When a connection that nobody answers is given up: tcp_syn_retries, each wait twice the last. */
static int64_t syn_limit(const struct inet_socket *s)
{
    int tries = inet_option(s, IPPROTO_TCP, TCP_SYNCNT), most = inet_option(s, IPPROTO_TCP, TCP_USER_TIMEOUT);
    int64_t limit = ((INT64_C(2) << (tries < 30 ? tries : 30)) - 1) * 1000000000;
    return most > 0 && most * INT64_C(1000000) < limit ? most * INT64_C(1000000) : limit;
}

/* ---- a backlog that is full -------------------------------------------------------------------------------------------- */

static void stop_knocking(struct inet_socket *s)
{
    const struct timer_clock *clock = inet_table_of(s)->hooks.clock;
    if (!s->knocks_at)
        return;
    struct inet_socket **at = &s->knocks_at->knock_first;
    while (*at != s)
        at = &(*at)->knock_next;
    *at = s->knock_next;
    s->knock_next = s->knocks_at = NULL;
    if (s->knock_timer)
        clock->disarm(clock->context, s->knock_timer);
    s->knock_timer = 0;
}

/* inet_csk_listen_stop: who knocks is refused, and who was not accepted is reset. */
static void stop_listening(struct inet_socket *listener)
{
    for (struct inet_socket *s; (s = listener->knock_first);) {
        stop_knocking(s);
        tcp_settled(s, -ECONNREFUSED);
    }
    for (struct inet_socket *p; (p = listener->pending_first);) {
        listener->pending_first = p->pending_next;
        die(p, true); /* one level: who is pending listens to nobody */
    }
    listener->pending = 0;
}

static void on_given_up(void *argument)
{
    struct inet_socket *s = argument;
    s->knock_timer = 0;
    stop_knocking(s);
    tcp_settled(s, -ETIMEDOUT);
}

/* The handshake is dropped, and tried again until there is room or the time is over. */
static int knock(struct inet_socket *s, struct inet_socket *listener, const struct inet_address *to)
{
    const struct timer_clock *clock = inet_table_of(s)->hooks.clock;
    struct inet_socket **last = &listener->knock_first;
    if (!clock)
        return -ETIMEDOUT;
    while (*last)
        last = &(*last)->knock_next;
    *last = s;
    s->knocks_at = listener;
    s->remote = *to;
    s->state = TCP_IS_CONNECTING;
    s->knock_timer = clock->arm(clock->context, CLOCK_MONOTONIC,
                                clock->now(clock->context, CLOCK_MONOTONIC) + syn_limit(s), on_given_up, s);
    return -EINPROGRESS;
}

static void let_in(struct inet_socket *listener)
{
    while (listener->knock_first && listener->pending <= listener->backlog) {
        struct inet_socket *s = listener->knock_first;
        const struct inet_address to = s->remote;
        stop_knocking(s);
        int error = meet(s, listener, &to);
        if (error)
            tcp_settled(s, error);
    }
}

/* To a guest that listens; else to whom the network knows there. */
static int reach(struct inet_socket *s, struct inet_address *to, int way)
{
    struct inet_socket *listener = to->port && way == WAY_HERE ? inet_lookup(s, to, &s->local) : NULL;
    if (listener && listener->pending <= listener->backlog)
        return meet(s, listener, to);
    if (listener)
        return knock(s, listener, to);
    if (way == WAY_ALL)
        return -ENETUNREACH;
    if (!inet_table_of(s)->hooks.connect || !to->port || (way == WAY_HERE && !inet_is_loopback(to)))
        return -ECONNREFUSED;
    s->remote = *to;
    s->state = TCP_IS_CONNECTING;
    int error = remote_connect(s, to, syn_limit(s));
    if (error && error != -EINPROGRESS)
        s->state = TCP_IS_CLOSED;
    return error;
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
    error = 0;
    int way = inet_route(inet_table_of(s), &to);
    if (way < 0)
        return way;
    inet_source(&to, &from);
    if (!s->bound)
        error = inet_bind_ephemeral(s, &from);
    else if (inet_is_any(&s->local))
        memcpy(s->local.ip, from.ip, 16);
    else if (way == WAY_BEYOND && inet_is_loopback(&s->local))
        return -EINVAL; /* ip_route_output: no packet with such a source leaves */
    if (error)
        return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
    error = reach(s, &to, way);
    if (error == -EINPROGRESS) {
        s->told_progress = nonblock;
        return error;
    }
    if (!nonblock || error == -ENOMEM || error == -ENETUNREACH || error == -EHOSTUNREACH) {
        if (error)
            disconnect(s);
        return error;
    }
    s->told_progress = true;
    if (error)
        tcp_settled(s, error);
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
    let_in(s);
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

static ssize_t send_beyond(struct inet_socket *s, struct io *io, bool urgent)
{
    size_t done = 0;
    while (io->left) {
        if (!s->far || s->base.error) /* its answer was a reset: the next call tells */
            return done ? (ssize_t)done : -EAGAIN;
        ssize_t got = remote_room(s) ? remote_send(s, io, urgent) : -EAGAIN;
        if (got <= 0)
            return done ? (ssize_t)done : got;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* One byte at the front goes unread. */
static void skip_byte(struct inet_socket *s)
{
    s->first->start++;
    s->unread--;
    s->read_at++;
    if (s->first->start == s->first->end)
        inet_drop_first(s);
}

static bool is_inline(const struct inet_socket *s)
{
    return socket_remembers(&s->base, SO_OOBINLINE);
}

static int tcp_at_mark(const struct socket *socket)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    return s->urgent != URGENT_NONE && s->urgent_at == s->read_at;
}

/* The byte that was sent last is the urgent one (net/ipv4/tcp_input.c, tcp_check_urg). An older one that stands at the front is
 * lost, one further back becomes a byte like any other. */
static void mark_urgent(struct inet_socket *to)
{
    uint64_t last = to->read_at + to->unread - 1;
    if (tcp_at_mark(&to->base) && !is_inline(to) && to->urgent_at != last)
        skip_byte(to);
    to->urgent = URGENT_WAITS;
    to->urgent_at = last;
    to->urgent_byte = (uint8_t)to->last->data[to->last->end - 1];
    const struct vfs_config *c = &to->base.vfs->config;
    if (to->base.file && c->io_signal)
        c->io_signal(c->context, to->base.file, -1, OWNER_URGENT);
    waitq_wake(&to->base.wait, EPOLLIN | EPOLLRDNORM | EPOLLPRI);
}

/* Into the queue of a guest's socket. */
static ssize_t send_here(struct inet_socket *s, struct inet_socket *to, struct io *io, bool urgent)
{
    size_t done = 0;
    while (io->left) {
        uint64_t most = capacity(s, to);
        struct inet_chunk *c = to->last;
        if (to->unread >= most)
            return done ? (ssize_t)done : -EAGAIN;
        size_t n = io->left < most - to->unread ? io->left : most - to->unread;
        n = n < INET_CHUNK ? n : INET_CHUNK;
        bool joins = c && c->room - c->end >= (n < LEAST_ROOM ? n : LEAST_ROOM);
        if (!joins && !(c = inet_chunk_new(inet_table_of(s), n < LEAST_ROOM ? LEAST_ROOM : n)))
            return done ? (ssize_t)done : -ENOBUFS;
        n = n < c->room - c->end ? n : c->room - c->end;
        ssize_t got = io_get(io, c->data + c->end, n);
        if (got <= 0) {
            if (!joins)
                inet_chunk_free(inet_table_of(s), c);
            return done ? (ssize_t)done : got;
        }
        if (s->flow)
            flow_tell(s, urgent && !io->left ? NET_URGENT : NET_BYTES, c->data + c->end, (size_t)got);
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

static ssize_t tcp_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket), *to = s->peer;
    int error = socket_take_error(socket);
    if (error)
        return error;
    if (s->state == TCP_IS_CONNECTING)
        return -EAGAIN;
    if (s->state != TCP_IS_CONNECTED || socket->shutdown & SHUTDOWN_SEND)
        return -EPIPE;
    if (s->far)
        return send_beyond(s, m->io, flags & MSG_OOB);
    if (!to || to->dead)
        return m->io->left ? send_to_nobody(s, m->io) : 0;
    ssize_t sent = send_here(s, to, m->io, flags & MSG_OOB);
    if (flags & MSG_OOB && sent > 0)
        mark_urgent(to);
    return sent;
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
    return s->state == TCP_IS_CONNECTED || s->state == TCP_IS_CONNECTING ? -EAGAIN : -ENOTCONN;
}

/* MSG_OOB: net/ipv4/tcp.c, tcp_recv_urg. */
static ssize_t receive_urgent(struct inet_socket *s, struct socket_message *m, int flags)
{
    if (is_inline(s) || s->urgent == URGENT_NONE || s->urgent == URGENT_READ)
        return -EINVAL;
    if (!(flags & MSG_PEEK))
        s->urgent = URGENT_READ;
    m->flags |= MSG_OOB;
    if (!m->io->left) {
        m->flags |= MSG_TRUNC;
        return 0;
    }
    return flags & MSG_TRUNC ? 1 : io_put(m->io, &s->urgent_byte, 1) == 1 ? 1 : -EFAULT;
}

/* How many of the n bytes at `at` may be read in one go: a read ends before the urgent byte, and leaves it out unless it is in line
 * (*skips). */
static size_t up_to_mark(const struct inet_socket *s, uint64_t at, size_t n, bool first, bool *skips)
{
    *skips = false;
    if (s->urgent == URGENT_NONE || s->urgent_at < at || s->urgent_at - at >= n)
        return n;
    if (s->urgent_at != at)
        return (size_t)(s->urgent_at - at);
    *skips = first && !is_inline(s);
    return first ? n : 0;
}

/* n bytes of the queue's front were read. */
static void consume(struct inet_socket *s, size_t n)
{
    s->first->start += n;
    s->unread -= n;
    s->read_at += n;
    if (s->first->start == s->first->end)
        inet_drop_first(s);
    if (s->urgent != URGENT_NONE && s->read_at > s->urgent_at)
        s->urgent = URGENT_NONE;
}

static ssize_t tcp_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    bool peek = flags & MSG_PEEK, had_room = !s->peer || has_room(s->peer), skips;
    struct inet_chunk *c = s->first, *next;
    size_t done = 0, offset = c ? c->start : 0;
    uint64_t at = s->read_at; /* of the next byte, also when nothing is taken */
    if (flags & MSG_ERRQUEUE)
        return -EAGAIN;
    if (s->state == TCP_IS_LISTENING)
        return -ENOTCONN;
    if (flags & MSG_OOB)
        return receive_urgent(s, m, flags);
    if (!c)
        return nothing_to_read(s);
    while (c && m->io->left) {
        size_t n = up_to_mark(s, at, c->end - offset, done == 0, &skips);
        m->ends = n == 0;
        if (m->ends)
            break;
        n = skips ? 1 : n < m->io->left ? n : m->io->left;
        ssize_t put = (ssize_t)n;
        if (flags & MSG_TRUNC && !skips) /* tcp(7): thrown away, not copied */
            m->io->left -= n;
        else if (!skips)
            put = io_put(m->io, c->data + offset, n);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += skips ? 0 : (size_t)put;
        at += (uint64_t)put;
        offset += (size_t)put;
        bool whole = offset == c->end;
        next = c->next;
        if (!peek)
            consume(s, (size_t)put);
        if (whole) {
            c = next;
            offset = c ? c->start : 0;
        }
        if ((size_t)put < n)
            break;
    }
    if (s->far && !peek)
        remote_was_read(s);
    if (!had_room && has_room(s->peer))
        waitq_wake(&s->peer->base.wait, EPOLLOUT | EPOLLWRNORM);
    return done || !m->io->left ? (ssize_t)done : nothing_to_read(s); /* nothing but the urgent byte was there */
}

static uint32_t tcp_poll(struct socket *socket, struct poll_table *t)
{
    struct inet_socket *s = inet_of(socket);
    uint32_t events = 0;
    poll_on(t, &socket->wait);
    if (s->state == TCP_IS_LISTENING)
        return s->pending_first ? EPOLLIN | EPOLLRDNORM : 0;
    if (s->state == TCP_IS_CONNECTING)
        return socket->error ? EPOLLERR : 0;
    if (socket->shutdown == SHUTDOWN_BOTH || s->state != TCP_IS_CONNECTED)
        events |= EPOLLHUP;
    if (socket->shutdown & SHUTDOWN_RECEIVE)
        events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    uint64_t least = (uint64_t)socket->receive_least + (tcp_at_mark(socket) && !is_inline(s));
    if (s->urgent == URGENT_WAITS)
        events |= EPOLLPRI;
    if (s->unread >= least || (s->unread && socket->shutdown & SHUTDOWN_RECEIVE))
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
    if (!out && s->urgent != URGENT_NONE && !is_inline(s) && s->urgent_at >= s->read_at)
        return (int)(s->urgent_at - s->read_at);         /* up to the mark (tcp_inq) */
    return out ? (int)remote_unsent(s) : (int)s->unread; /* what was sent to a guest has arrived */
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
    .at_mark = tcp_at_mark,
    .closed = tcp_closed,
};
