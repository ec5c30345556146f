/* AF_UNIX sockets: streams, datagrams, sequenced packets. unix(7); behaviour follows Linux's net/unix/af_unix.c.
 *
 * A sent message goes straight into the other's queue; what it takes is charged to the sender until it is read, which
 * is all the flow control there is (datagrams also stop at ten that wait). */
#include "vfs/unix.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_CHUNK = 65536 };

static const struct socket_ops unix_ops;
static const uint32_t ALL_EVENTS =
    EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDBAND | EPOLLWRBAND | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/* ---- life ---- */

struct netstack *netstack_of(struct vfs *v)
{
    if (!v->objects.net)
        v->objects.net = calloc(1, sizeof *v->objects.net);
    return v->objects.net;
}

void netstack_free(struct netstack *n)
{
    free(n);
}

struct unix_socket *unix_alloc(struct vfs *v, int type)
{
    struct unix_socket *s = netstack_of(v) ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    socket_init(&s->base, v, &unix_ops, AF_UNIX, type, 0);
    waitq_init(&s->room);
    s->references = 1;
    s->backlog = DATAGRAMS_WAITING;
    struct netstack *n = v->objects.net;
    s->all_next = n->all;
    s->all_here = &n->all;
    if (n->all)
        n->all->all_here = &s->all_next;
    n->all = s;
    return s;
}

void unix_get(struct unix_socket *s)
{
    s->references++;
}

void unix_put(struct unix_socket *s)
{
    if (!s || --s->references > 0)
        return;
    waitq_destroy(&s->base.wait);
    waitq_destroy(&s->room);
    *s->all_here = s->all_next;
    if (s->all_next)
        s->all_next->all_here = s->all_here;
    unix_address_put(s->address);
    free(s);
}

int unix_new(struct vfs *v, int type, int protocol, struct socket **out)
{
    if (protocol && protocol != PF_UNIX)
        return -EPROTONOSUPPORT;
    if (type == SOCK_RAW) /* as Linux: a raw one is a datagram one */
        type = SOCK_DGRAM;
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    struct unix_socket *s = unix_alloc(v, type);
    *out = s ? &s->base : NULL;
    return s ? 0 : -ENOMEM;
}

static void set_peer(struct unix_socket *s, struct unix_socket *peer)
{
    struct unix_socket *old = s->peer;
    if (peer)
        unix_get(peer);
    s->peer = peer;
    unix_put(old);
}

int unix_pair(struct vfs *v, int type, int protocol, const struct ucred *self, struct socket *out[2])
{
    for (int i = 0; i < 2; i++) {
        int error = unix_new(v, type, protocol, &out[i]);
        if (error) {
            if (i)
                unix_put(unix_of(out[0]));
            return error;
        }
    }
    for (int i = 0; i < 2; i++) {
        struct unix_socket *s = unix_of(out[i]);
        set_peer(s, unix_of(out[1 - i]));
        s->state = UNIX_CONNECTED;
        s->self = s->base.peer = *self;
    }
    return 0;
}

/* The other end learns that this one is gone: unix_release_sock. */
static void leave_peer(struct unix_socket *s, bool reset)
{
    struct unix_socket *peer = s->peer;
    if (!peer)
        return;
    if (!unix_is_dgram(s) && peer->peer == s) {
        peer->base.shutdown = SHUTDOWN_BOTH;
        if (reset)
            peer->base.error = ECONNRESET;
        waitq_wake(&peer->base.wait, ALL_EVENTS);
    }
}

static void die(struct unix_socket *s, bool embryo)
{
    s->dead = true;
    s->base.shutdown = SHUTDOWN_BOTH;
    unix_unname(s);
    const struct unix_message *unread = s->first;
    if (unread && unread->urgent && unread->start == unread->end) /* only where the mark was */
        unread = unread->next;
    leave_peer(s, unread || embryo);
    for (struct unix_socket *p; (p = s->pending_first);) {
        s->pending_first = p->pending_next;
        die(p, true); /* nobody is pending on who is pending */
    }
    unix_drop_all(s);
    waitq_wake(&s->room, ALL_EVENTS);
    set_peer(s, NULL);
    unix_put(s->full);
    s->full = NULL;
    unix_put(s);
}

static void unix_closed(struct socket *socket)
{
    struct netstack *n = socket->vfs->objects.net;
    die(unix_of(socket), false);
    unix_collect(n);
}

/* ---- connections ---- */

static int unix_listen(struct socket *socket, int backlog, const struct ucred *self)
{
    struct unix_socket *s = unix_of(socket);
    if (unix_is_dgram(s))
        return -EOPNOTSUPP;
    if (!s->address || s->state == UNIX_CONNECTED)
        return -EINVAL;
    s->state = UNIX_LISTENING;
    s->base.listening = true;
    s->backlog = (uint32_t)backlog;
    s->self = s->base.peer = *self;
    waitq_wake(&s->room, EPOLLOUT);
    return 0;
}

static void make_pending(struct unix_socket *listener, struct unix_socket *client, struct unix_socket *server)
{
    server->state = client->state = UNIX_CONNECTED;
    server->self = listener->self;
    server->base.peer = client->self;
    client->base.peer = listener->base.peer;
    server->base.pass_credentials = listener->base.pass_credentials;
    server->address = listener->address;
    if (server->address)
        server->address->references++;
    set_peer(server, client);
    set_peer(client, server);
    *(listener->pending_first ? &listener->pending_last->pending_next : &listener->pending_first) = server;
    listener->pending_last = server;
    listener->pending++;
    waitq_wake(&listener->base.wait, EPOLLIN | EPOLLRDNORM);
}

static int connect_stream(struct unix_socket *s, const struct place *at, const struct sockaddr *a, socklen_t n,
                          struct waitq **wait_on)
{
    struct unix_socket *listener, *server;
    int error = unix_find(s, at, a, n, &listener);
    if (error)
        return error;
    if (listener->state != UNIX_LISTENING || listener->dead || (listener->base.shutdown & SHUTDOWN_RECEIVE))
        error = -ECONNREFUSED;
    else if (s->state == UNIX_CONNECTED)
        error = -EISCONN;
    else if (s->state == UNIX_LISTENING)
        error = -EINVAL;
    else if (listener->pending > listener->backlog)
        error = -EAGAIN;
    if (error == -EAGAIN && wait_on)
        *wait_on = &listener->room;
    server = error ? NULL : unix_alloc(s->base.vfs, s->base.type);
    if (server)
        make_pending(listener, s, server);
    else if (!error)
        error = -ENOMEM;
    unix_put(listener);
    return error;
}

static bool may_send(const struct unix_socket *s, const struct unix_socket *other)
{
    return !other->peer || other->peer == s;
}

/* The old peer's datagrams are not for the reader of the new one's; and it learns that we turned away. */
static void turn_away(struct unix_socket *s, struct unix_socket *other)
{
    unix_drop_all(s);
    waitq_wake(&s->room, EPOLLOUT | EPOLLWRNORM);
    if (!other->dead && other->peer == s) {
        other->base.error = ECONNRESET;
        waitq_wake(&other->base.wait, ALL_EVENTS);
    }
}

static int connect_dgram(struct unix_socket *s, const struct place *at, const struct sockaddr *a, socklen_t n)
{
    struct unix_socket *other = NULL;
    if (a->sa_family != AF_UNSPEC) {
        int error = unix_find(s, at, a, n, &other);
        if (!error && !may_send(s, other)) {
            unix_put(other);
            error = -EPERM;
        }
        if (error)
            return error;
    }
    if (s->peer && s->peer != other)
        turn_away(s, s->peer);
    set_peer(s, other);
    s->state = other ? UNIX_CONNECTED : UNIX_APART;
    unix_put(other);
    waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM);
    return 0;
}

static int unix_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                        const struct ucred *self, struct waitq **wait_on)
{
    struct unix_socket *s = unix_of(socket);
    s->self = *self;
    if (s->base.pass_credentials && !s->address) {
        int error = unix_autobind(s);
        if (error)
            return error;
    }
    return unix_is_dgram(s) ? connect_dgram(s, at, a, n) : connect_stream(s, at, a, n, wait_on);
}

static int unix_accept(struct socket *socket, struct socket **out)
{
    struct unix_socket *s = unix_of(socket), *server = s->pending_first;
    if (unix_is_dgram(s))
        return -EOPNOTSUPP;
    if (s->state != UNIX_LISTENING)
        return -EINVAL;
    if (!server)
        return s->base.shutdown & SHUTDOWN_RECEIVE ? -EINVAL : -EAGAIN;
    s->pending_first = server->pending_next;
    server->pending_next = NULL;
    s->pending--;
    waitq_wake(&s->room, EPOLLOUT | EPOLLWRNORM);
    *out = &server->base;
    return 0;
}

static int unix_name(struct socket *socket, bool peer, struct sockaddr_storage *out, socklen_t *length)
{
    struct unix_socket *s = unix_of(socket);
    if (peer && !s->peer)
        return -ENOTCONN;
    unix_name_out(peer ? s->peer->address : s->address, out, length);
    return 0;
}

static int unix_shutdown(struct socket *socket, int mask)
{
    struct unix_socket *s = unix_of(socket), *peer = s->peer;
    s->base.shutdown |= (uint8_t)mask;
    if (peer && !unix_is_dgram(s) && peer->peer == s) {
        peer->base.shutdown |=
            (uint8_t)((mask & SHUTDOWN_RECEIVE ? SHUTDOWN_SEND : 0) | (mask & SHUTDOWN_SEND ? SHUTDOWN_RECEIVE : 0));
        waitq_wake(&peer->base.wait, ALL_EVENTS);
    }
    waitq_wake(&s->base.wait, ALL_EVENTS);
    return 0;
}

/* ---- sending ---- */

/* All n bytes or none. */
static int fill(struct unix_message *message, struct socket_message *m, size_t n)
{
    if (io_get(m->io, message->data + message->end, n) != (ssize_t)n)
        return -EFAULT;
    message->end += n;
    return 0;
}

/* A small write joins the last message when nobody could tell them apart. */
static struct unix_message *joinable(struct unix_socket *s, const struct unix_socket *to,
                                     const struct socket_message *m, size_t n)
{
    struct unix_message *last = to->last;
    const struct ucred *self = m->credentials.pid ? &m->credentials : &s->self;
    if (!last || last->urgent || last->sender != s || last->file_count || m->file_count || last->room - last->end < n)
        return NULL;
    return memcmp(&last->credentials, self, sizeof *self) ? NULL : last;
}

static ssize_t send_stream(struct unix_socket *s, struct socket_message *m, bool urgent)
{
    struct unix_socket *to = s->peer;
    size_t done = 0;
    if (!to)
        return -ENOTCONN;
    if (s->base.shutdown & SHUTDOWN_SEND)
        return -EPIPE;
    while (m->io->left) {
        if (to->dead || (to->base.shutdown & SHUTDOWN_RECEIVE))
            return done ? (ssize_t)done : -EPIPE;
        size_t n = m->io->left - urgent;
        if (n == 0) {
            ssize_t last = unix_send_urgent(s, to, m);
            return last > 0 || done ? (ssize_t)done + (last > 0) : last;
        }
        struct unix_message *message = joinable(s, to, m, n);
        if (message) {
            int error = fill(message, m, n);
            if (error)
                return done ? (ssize_t)done : error;
            to->unread += n;
            done += n;
            waitq_wake(&to->base.wait, EPOLLIN | EPOLLRDNORM | EPOLLRDBAND);
            continue;
        }
        if (s->outstanding >= s->base.send_buffer)
            return done ? (ssize_t)done : -EAGAIN;
        size_t space = s->base.send_buffer - s->outstanding;
        n = n < space ? n : space;
        n = n < STREAM_CHUNK ? n : STREAM_CHUNK;
        int error = unix_message_new(s, m, n, &message);
        if (error)
            return done ? (ssize_t)done : error;
        m->file_count = 0; /* they go with the first byte */
        error = fill(message, m, n);
        if (error) {
            unix_discard(message);
            return done ? (ssize_t)done : error;
        }
        done += n;
        unix_queue(to, message);
    }
    return (ssize_t)done;
}

static int target_of(struct unix_socket *s, const struct place *at, const struct socket_message *m,
                     struct unix_socket **to)
{
    if (m->address_length && s->base.type == SOCK_DGRAM)
        return unix_find(s, at, (const struct sockaddr *)&m->address, m->address_length, to);
    *to = s->peer;
    if (!s->peer)
        return -ENOTCONN;
    unix_get(s->peer);
    return 0;
}

static int refuse_packet(struct unix_socket *s, struct unix_socket *to)
{
    bool packets = s->base.type == SOCK_SEQPACKET;
    if (to->dead) {
        if (packets)
            return -EPIPE;
        if (s->peer == to) {
            turn_away(s, to);
            set_peer(s, NULL);
            s->state = UNIX_APART;
        }
        return -ECONNREFUSED;
    }
    if (!may_send(s, to))
        return -EPERM;
    if (to->base.shutdown & SHUTDOWN_RECEIVE)
        return -EPIPE;
    if (s->outstanding >= s->base.send_buffer) /* the last one may go beyond it, as sock_alloc_send_pskb has it */
        return -EAGAIN;
    if (to != s && to->peer != s && to->waiting > to->backlog) {
        unix_get(to); /* poll says when it has room: there may be no connection to remember it by */
        unix_put(s->full);
        s->full = to;
        return -EAGAIN;
    }
    return 0;
}

static ssize_t send_packet(struct unix_socket *s, const struct place *at, struct socket_message *m, int flags)
{
    struct unix_socket *to;
    struct unix_message *message;
    size_t n = m->io->left;
    if (s->base.pass_credentials && !s->address && unix_autobind(s))
        return -ENOMEM;
    int error = n > s->base.send_buffer - 32 ? -EMSGSIZE : socket_take_error(&s->base);
    if (!error && (s->base.shutdown & SHUTDOWN_SEND))
        error = -EPIPE;
    if (!error)
        error = target_of(s, at, m, &to);
    if (error)
        return error;
    error = refuse_packet(s, to);
    if (!error)
        error = unix_message_new(s, m, n, &message);
    if (!error) {
        if (n && fill(message, m, n) != 0) {
            unix_discard(message);
            error = -EFAULT;
        } else {
            unix_queue(to, message);
        }
    }
    unix_put(to);
    return error ? error : (ssize_t)n;
}

static ssize_t unix_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct unix_socket *s = unix_of(socket);
    if (flags & MSG_OOB && (s->base.type != SOCK_STREAM || !m->io->left))
        return -EOPNOTSUPP;
    if (m->credentials.pid)
        s->self = m->credentials;
    if (s->base.type == SOCK_STREAM) {
        if (m->address_length)
            return s->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
        return send_stream(s, m, flags & MSG_OOB);
    }
    if (s->base.type == SOCK_SEQPACKET && s->state != UNIX_CONNECTED)
        return -ENOTCONN;
    return send_packet(s, at, m, flags);
}

/* ---- as a file ---- */

static bool dgram_room(struct unix_socket *s, struct poll_table *t)
{
    struct unix_socket *to = s->full && !s->full->dead ? s->full : s->peer;
    if (!to || to->dead || to->peer == s)
        return true;
    poll_on(t, &to->room);
    return to->waiting <= to->backlog;
}

static uint32_t unix_poll(struct socket *socket, struct poll_table *t)
{
    struct unix_socket *s = unix_of(socket);
    uint32_t events = 0;
    poll_on(t, &s->base.wait);
    if (s->base.error)
        events |= EPOLLERR;
    if (s->base.shutdown == SHUTDOWN_BOTH)
        events |= EPOLLHUP;
    if (s->base.shutdown & SHUTDOWN_RECEIVE)
        events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (s->first || s->pending_first)
        events |= EPOLLIN | EPOLLRDNORM;
    if (s->urgent)
        events |= EPOLLPRI;
    if (!unix_is_dgram(s) && s->state == UNIX_APART)
        events |= EPOLLHUP;
    if (s->state == UNIX_LISTENING || !unix_has_room(s))
        return events;
    if (s->base.type != SOCK_STREAM && !dgram_room(s, t))
        return events;
    return events | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
}

static int unix_unread(const struct socket *socket, bool out)
{
    const struct unix_socket *s = (const struct unix_socket *)socket;
    if (out)
        return (int)s->outstanding;
    if (s->state == UNIX_LISTENING)
        return -EINVAL;
    if (s->base.type != SOCK_DGRAM)
        return (int)s->unread;
    return s->first ? (int)(s->first->end - s->first->start) : 0;
}

static const struct socket_ops unix_ops = {
    .bind = unix_bind,
    .listen = unix_listen,
    .connect = unix_connect,
    .accept = unix_accept,
    .name = unix_name,
    .shutdown = unix_shutdown,
    .send = unix_send,
    .receive = unix_receive,
    .poll = unix_poll,
    .unread = unix_unread,
    .at_mark = unix_at_mark,
    .closed = unix_closed,
};
