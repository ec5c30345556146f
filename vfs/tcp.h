/* TCP, between vfs/tcp.c (connections) and vfs/tcp_bytes.c (what passes through them). */
#ifndef VFS_TCP_H
#define VFS_TCP_H

#include "vfs/inet.h"

enum {
    SEND_DEFAULT = 16384,     /* net.ipv4.tcp_wmem[1] */
    RECEIVE_DEFAULT = 131072, /* net.ipv4.tcp_rmem[1] */
};

/* vfs/tcp.c: an RST came, or stands in for one: error is what the next call says. */
void tcp_break_off(struct inet_socket *s, int error);
int tcp_connect(struct socket *s, const struct place *at, const struct sockaddr *a, socklen_t n,
                const struct ucred *self, struct waitq **wait_on);

/* vfs/tcp_bytes.c: the operations of a socket (vfs/socket_inner.h), and what poll(2) asks. */
ssize_t tcp_send(struct socket *s, const struct place *at, struct socket_message *m, int flags);
ssize_t tcp_receive(struct socket *s, struct socket_message *m, int flags);
int tcp_unread(const struct socket *s, bool out);
int tcp_at_mark(const struct socket *s);
bool tcp_has_room(const struct inet_socket *s);  /* for more to be sent */
bool tcp_is_inline(const struct inet_socket *s); /* SO_OOBINLINE */

#endif
