/* TCP inside the world: tcp(7). No segments: what one end sends stands in the other's queue at once, so the states that
 * only time tells apart (FIN_WAIT, TIME_WAIT) do not exist, and what a caller sees of them is said here. The other end is a
 * socket of the world (`peer`) or somebody beyond it (`far`, vfs/remote.c). */
#include "vfs/flow.h"
#include "vfs/objects.h"
#include "vfs/remote.h"
#include "vfs/tcp.h"

#include <asm/socket.h>
#include <netinet/tcp.h>

#include <string.h>

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

/* ---- ends ------------------------------------------------------------------------------------------------------------- */

void tcp_break_off(struct inet_socket *s, int error)
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
            tcp_break_off(peer, s->finished ? EPIPE : ECONNRESET);
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
    leave_peer(s, abort && !s->over);
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
    if (s->state != TCP_IS_LISTENING &&
        inet_name_taken(s)) /* two that may share a name, and one of them listens already */
        return -EADDRINUSE;
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
    inet_forget_name(s);
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
    return asked ? (error ? error : -ECONNABORTED) : 1; /* ECONNABORTED: somebody took the error by SO_ERROR */
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
    tcp_break_off(s, -error);
}

void tcp_far_finished(struct inet_socket *s)
{
    s->base.shutdown |= SHUTDOWN_RECEIVE;
    s->over = s->over || s->finished;
    waitq_wake(&s->base.wait, ALL_EVENTS);
}

void tcp_far_reset(struct inet_socket *s)
{
    tcp_break_off(s, remote_has_finished(s) ? EPIPE : ECONNRESET);
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

/* Who connects to its own name meets itself, as two handshakes that cross do (RFC 9293, 3.5). */
static bool is_itself(const struct inet_socket *s, const struct inet_address *to)
{
    return s->chose_port && s->local.port == to->port && inet_same_ip(&s->local, to);
}

static int meet_itself(struct inet_socket *s)
{
    s->state = TCP_IS_CONNECTED;
    s->remote = s->local;
    s->base.shutdown = 0;
    s->base.error = 0;
    s->peer = s;
    inet_get(s);
    waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM);
    return 0;
}

/* To a guest that listens; else to whom the network knows there. */
static int reach(struct inet_socket *s, struct inet_address *to, int way)
{
    struct inet_socket *listener = to->port && way == WAY_HERE ? inet_lookup(s, to, &s->local) : NULL;
    if (listener && listener->pending <= listener->backlog)
        return meet(s, listener, to);
    if (listener)
        return knock(s, listener, to);
    if (is_itself(s, to))
        return meet_itself(s);
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

int tcp_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                const struct ucred *self, struct waitq **wait_on)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address to, from;
    bool nonblock = socket->file && socket->file->flags & O_NONBLOCK;
    if (a->sa_family == AF_UNSPEC)
        return disconnect(s);
    int error = connect_again(s);
    if (error <= 0)
        return error;
    if (n < inet_address_least(s))
        return -EINVAL;
    error = inet_address_in(s, a, n, &to);
    if (error)
        return error;
    int way = inet_route(inet_table_of(s), &to);
    if (way < 0)
        return way;
    inet_source(&to, &from);
    if (!s->bound && !inet_is_any(&s->local)) /* IP_BIND_ADDRESS_NO_PORT */
        error = inet_bind_ephemeral(s, &s->local);
    else if (!s->bound)
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

/* ---- as a file ---------------------------------------------------------------------------------------------------------------- */

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
    uint64_t least = (uint64_t)socket->receive_least + (tcp_at_mark(socket) && !tcp_is_inline(s));
    if (s->urgent == URGENT_WAITS)
        events |= EPOLLPRI;
    if (s->unread >= least || (s->unread && socket->shutdown & SHUTDOWN_RECEIVE))
        events |= EPOLLIN | EPOLLRDNORM;
    if (socket->shutdown & SHUTDOWN_SEND || tcp_has_room(s))
        events |= EPOLLOUT | EPOLLWRNORM;
    if (socket->error)
        events |= EPOLLERR;
    return events;
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
