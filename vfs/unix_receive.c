/* Reading from AF_UNIX sockets: unix(7), recvmsg(2); Linux's unix_stream_read_generic and __unix_dgram_recvmsg. */
#include "vfs/unix.h"

#include <fcntl.h>
#include <string.h>

static void tell_credentials(const struct unix_socket *s, const struct unix_message *message, struct socket_message *m)
{
    m->credentials = message->credentials;
    m->has_credentials = s->base.pass_credentials;
}

/* What SO_PEEK_OFF makes of a transfer. */
static void move_peek_offset(struct unix_socket *s, bool peek, size_t n)
{
    if (s->base.peek_offset < 0)
        return;
    if (peek)
        s->base.peek_offset += (int)n;
    else
        s->base.peek_offset -= s->base.peek_offset < (int)n ? s->base.peek_offset : (int)n;
}

static ssize_t nothing_to_read(struct unix_socket *s, int flags)
{
    int error = socket_take_error(&s->base);
    if (error)
        return error;
    /* Only who waits for datagrams learns that none will come (unix_dgram_recvmsg, __skb_wait_for_more_packets). */
    bool waits = !(flags & MSG_DONTWAIT) && !(s->base.file && s->base.file->flags & O_NONBLOCK);
    return s->base.shutdown & SHUTDOWN_RECEIVE && (!unix_is_dgram(s) || waits) ? 0 : -EAGAIN;
}

static ssize_t receive_stream(struct unix_socket *s, struct socket_message *m, int flags)
{
    bool peek = flags & MSG_PEEK;
    size_t done = 0, skip = peek && s->base.peek_offset > 0 ? (size_t)s->base.peek_offset : 0;
    struct unix_message *message = s->first, *next;
    if (s->state != UNIX_CONNECTED)
        return -EINVAL;
    if (flags & MSG_OOB)
        return unix_receive_urgent(s, m, flags);
    message = unix_past_mark(s, message, peek, false);
    for (; message && message->end - message->start <= skip; message = message->next)
        skip -= message->end - message->start;
    if (!message)
        return nothing_to_read(s, flags);
    tell_credentials(s, message, m);
    for (; message && m->io->left; skip = 0) {
        m->ends = done && s->base.pass_credentials &&
                  memcmp(&message->credentials, &m->credentials, sizeof m->credentials) != 0;
        if (m->ends)
            break;
        size_t there = message->end - message->start - skip, n = there < m->io->left ? there : m->io->left;
        if (io_put(m->io, message->data + message->start + skip, n) != (ssize_t)n)
            return done ? (ssize_t)done : -EFAULT; /* what a fault met stays where it is */
        done += n;
        bool carried = message->file_count;
        unix_hand_files(s->base.vfs, message, m, peek);
        next = message->next;
        if (!peek) {
            message->start += n;
            s->unread -= n;
            if (message->start == message->end)
                unix_drop_first(s);
            else
                break;
        }
        if (carried)
            break;
        message = m->io->left ? unix_past_mark(s, next, peek, true) : NULL;
        m->ends = next && !message;
    }
    move_peek_offset(s, peek, done);
    return (ssize_t)done;
}

static ssize_t receive_packet(struct unix_socket *s, struct socket_message *m, int flags)
{
    bool peek = flags & MSG_PEEK;
    struct unix_message *message = s->first;
    if (s->base.type == SOCK_SEQPACKET && s->state != UNIX_CONNECTED)
        return -ENOTCONN;
    if (s->base.error || !message) /* packets: an error comes before what is there (__skb_try_recv_datagram) */
        return nothing_to_read(s, flags);
    size_t length = message->end - message->start;
    size_t skip = peek && s->base.peek_offset > 0 ? (size_t)s->base.peek_offset : 0;
    skip = skip < length ? skip : length;
    size_t n = length - skip < m->io->left ? length - skip : m->io->left;
    ssize_t put = n ? io_put(m->io, message->data + message->start + skip, n) : 0;
    if (put != (ssize_t)n) {
        if (!peek)
            unix_drop_first(s); /* lost, as in Linux */
        return -EFAULT;
    }
    if (n < length - skip)
        m->flags |= MSG_TRUNC;
    if (message->from)
        unix_name_out(message->from, &m->address, &m->address_length);
    tell_credentials(s, message, m);
    socket_stamp(&s->base, message->arrived, m);
    unix_hand_files(s->base.vfs, message, m, peek);
    move_peek_offset(s, peek, peek ? n : length);
    if (!peek)
        unix_drop_first(s);
    return flags & MSG_TRUNC ? (ssize_t)(length - skip) : put;
}

ssize_t unix_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct unix_socket *s = unix_of(socket);
    if (flags & MSG_OOB && s->base.type != SOCK_STREAM)
        return -EOPNOTSUPP;
    return s->base.type == SOCK_STREAM ? receive_stream(s, m, flags) : receive_packet(s, m, flags);
}
