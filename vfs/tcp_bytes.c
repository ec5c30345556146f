/* The bytes of a TCP connection: sending, reading, what fits, and the urgent one (tcp(7); Linux's net/ipv4/tcp.c). Connections are made and
 * ended in vfs/tcp.c. */
#include "vfs/tcp.h"

#include "vfs/flow.h"
#include "vfs/remote.h"

#include <asm/socket.h>
#include <fcntl.h>
#include <netinet/tcp.h>

enum {
    TUNED = 2560 * 1024, /* on the way when neither was set: what autotuning lets loopback reach */
    LEAST_ROOM = 2048,
};

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

bool tcp_has_room(const struct inet_socket *s)
{
    if (s->far)
        return remote_room(s) > 0;
    return !s->peer || s->peer->dead || s->peer->unread * 3 <= capacity(s, s->peer) * 2;
}

/* The other end is gone; the first bytes bring its RST back, the next are EPIPE. */
static ssize_t send_to_nobody(struct inet_socket *s, struct io *io)
{
    ssize_t all = (ssize_t)io->left;
    io->left = 0;
    tcp_break_off(s, EPIPE);
    return all;
}

/* Who has said that it neither sends nor reads any more answers bytes by RST, and is at its own end (tcp_rcv_state_process, FIN_WAIT). */
static bool takes_no_more(const struct inet_socket *to)
{
    return to->finished && to->base.shutdown & SHUTDOWN_RECEIVE;
}

static ssize_t send_and_be_reset(struct inet_socket *s, struct io *io)
{
    struct inet_socket *to = s->peer;
    if (s->flow)
        flow_tell(to, NET_RESET, NULL, 0);
    tcp_break_off(to, ECONNRESET);
    return send_to_nobody(s, io);
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

bool tcp_is_inline(const struct inet_socket *s)
{
    return socket_remembers(&s->base, SO_OOBINLINE);
}

int tcp_at_mark(const struct socket *socket)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    return s->urgent != URGENT_NONE && s->urgent_at == s->read_at;
}

/* The byte that was sent last is the urgent one (net/ipv4/tcp_input.c, tcp_check_urg). An older one that stands at the front is
 * lost, one further back becomes a byte like any other. */
static void mark_urgent(struct inet_socket *to)
{
    uint64_t last = to->read_at + to->unread - 1;
    if (tcp_at_mark(&to->base) && !tcp_is_inline(to) && to->urgent_at != last)
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

/* MSG_FASTOPEN: it connects first. Asked again for the same call, it is under way. */
static int connect_with_send(struct inet_socket *s, const struct place *at, const struct socket_message *m)
{
    if (s->fast_open)
        return 0;
    if (s->state != TCP_IS_CLOSED)
        return s->state == TCP_IS_CONNECTING ? -EALREADY : -EISCONN;
    if (!m->address_length)
        return -EINVAL;
    int error = tcp_connect(&s->base, at, (const struct sockaddr *)&m->address, m->address_length, NULL, NULL);
    bool waits = !(s->base.file && s->base.file->flags & O_NONBLOCK);
    s->fast_open = error == -EINPROGRESS && waits;
    return s->fast_open ? 0 : error;
}

ssize_t tcp_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    int error = flags & MSG_FASTOPEN ? connect_with_send(s, at, m) : 0;
    if (!error)
        error = socket_take_error(socket);
    if (error)
        return error;
    struct inet_socket *to = s->peer;
    if (s->state == TCP_IS_CONNECTING)
        return -EAGAIN;
    s->fast_open = false;
    if (s->state != TCP_IS_CONNECTED || socket->shutdown & SHUTDOWN_SEND)
        return -EPIPE;
    if (s->far)
        return send_beyond(s, m->io, flags & MSG_OOB);
    if (!to || to->dead)
        return m->io->left ? send_to_nobody(s, m->io) : 0;
    if (takes_no_more(to) && m->io->left)
        return send_and_be_reset(s, m->io);
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
    if (tcp_is_inline(s) || s->urgent == URGENT_NONE || s->urgent == URGENT_READ)
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
    *skips = first && !tcp_is_inline(s);
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

ssize_t tcp_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct inet_socket *s = inet_of(socket);
    bool peek = flags & MSG_PEEK, had_room = !s->peer || tcp_has_room(s->peer), skips;
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
    if (!had_room && tcp_has_room(s->peer))
        waitq_wake(&s->peer->base.wait, EPOLLOUT | EPOLLWRNORM);
    if (inet_option(s, IPPROTO_TCP, TCP_INQ)) {
        int left = tcp_unread(socket, false);
        socket_control_add(m, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof left);
    }
    return done || !m->io->left ? (ssize_t)done : nothing_to_read(s); /* nothing but the urgent byte was there */
}

int tcp_unread(const struct socket *socket, bool out)
{
    const struct inet_socket *s = (const struct inet_socket *)socket;
    if (s->state == TCP_IS_LISTENING)
        return -EINVAL;
    if (!out && s->urgent != URGENT_NONE && !tcp_is_inline(s) && s->urgent_at >= s->read_at)
        return (int)(s->urgent_at - s->read_at);         /* up to the mark (tcp_inq) */
    return out ? (int)remote_unsent(s) : (int)s->unread; /* what was sent to a guest has arrived */
}
