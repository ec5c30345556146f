/* Urgent bytes of AF_UNIX streams: MSG_OOB, as Linux 6.18 has it (net/unix/af_unix.c: queue_oob, unix_stream_recv_urg, manage_oob). One
 * thing is left out: there a byte that is lost stays in what FIONREAD counts.
 *
 * The urgent byte is a message of its own in the queue. Taken with MSG_OOB it leaves that message there, empty: it is the mark, before
 * which a read ends. A byte that was not taken is lost when a read reaches it, unless it is in line (SO_OOBINLINE). */
#include "vfs/unix.h"

#include <asm/socket.h>

static bool is_inline(const struct unix_socket *s)
{
    return socket_remembers(&s->base, SO_OOBINLINE);
}

static bool is_taken(const struct unix_message *m)
{
    return m->urgent && m->start == m->end;
}

ssize_t unix_send_urgent(struct unix_socket *s, struct unix_socket *to, struct socket_message *m)
{
    struct unix_message *message;
    if (s->outstanding >= s->base.send_buffer)
        return -EAGAIN;
    int error = unix_message_new(s, m, 1, &message);
    if (error)
        return error;
    if (io_get(m->io, message->data, 1) != 1) {
        unix_discard(message);
        return -EFAULT;
    }
    message->end = 1;
    message->urgent = true;
    to->urgent = message;
    const struct vfs_config *c = &to->base.vfs->config;
    if (to->base.file && c->io_signal) {
        c->io_signal(c->context, to->base.file, -1, OWNER_URGENT);
        waitq_wake(&to->base.wait, EPOLLPRI);
    }
    unix_queue(to, message);
    return 1;
}

ssize_t unix_receive_urgent(struct unix_socket *s, struct socket_message *m, int flags)
{
    struct unix_message *urgent = s->urgent, *before = NULL, *second = NULL;
    if (is_inline(s) || !urgent)
        return -EINVAL;
    if (m->io->left && io_put(m->io, urgent->data, 1) != 1)
        return -EFAULT;
    m->flags |= MSG_OOB;
    if (flags & MSG_PEEK)
        return 1;
    for (struct unix_message *at = s->first; at != urgent; at = at->next) {
        second = before;
        before = at;
    }
    urgent->start = 1;
    s->unread--;
    s->urgent = NULL;
    if (before && is_taken(before)) /* one mark is enough */
        unix_drop(s, before, second);
    return 1;
}

struct unix_message *unix_past_mark(struct unix_socket *s, struct unix_message *message, bool peek, bool done)
{
    if (message && is_taken(message)) {
        if (done && !s->urgent)
            return NULL;
        if (peek) {
            message = message->next;
        } else {
            unix_drop_first(s);
            message = s->first;
        }
    }
    if (!message || message != s->urgent)
        return message;
    if (done)
        return NULL;
    if (peek)
        return is_inline(s) ? message : message->next;
    s->urgent = NULL;
    if (is_inline(s))
        return message;
    unix_drop_first(s);
    return s->first;
}

int unix_at_mark(const struct socket *socket)
{
    const struct unix_socket *s = (const struct unix_socket *)socket;
    const struct unix_message *m = s->first;
    if (s->base.type != SOCK_STREAM)
        return -EOPNOTSUPP;
    return m && (m == s->urgent || (is_taken(m) && (!s->urgent || m->next == s->urgent)));
}
