/* The socket's side of vfs/far_end.h: what stands between a guest's socket and somebody beyond the world. Inside the room,
 * between vfs/tcp.c, vfs/udp.c and vfs/remote.c. */
#ifndef VFS_REMOTE_H
#define VFS_REMOTE_H

#include "vfs/inet.h"

/* 0: it stands, and s->remote_end (a stream's) is set. -EINPROGRESS: it will, or its error comes, later: remote_settled
 * is called then. Else -errno, at once. limit: ns after which a stream that nobody answers is ETIMEDOUT. */
int remote_connect(struct inet_socket *s, const struct inet_address *to, int64_t limit);
/* A stream's bytes: how many there is room for, and taking them. */
size_t remote_room(const struct inet_socket *s);
/* Bytes taken, -ENOBUFS, -EFAULT. remote_room is not 0. urgent: the last of them is (MSG_OOB). */
ssize_t remote_send(struct inet_socket *s, struct io *io, bool urgent);
void remote_was_read(struct inet_socket *s);           /* the guest made room in its queue */
uint64_t remote_unsent(const struct inet_socket *s);   /* bytes that nobody took yet */
bool remote_has_finished(const struct inet_socket *s); /* its FIN came */
void remote_finish(struct inet_socket *s);             /* FIN */
/* The socket goes (reset: with an RST), or forgets its connection: what was sent is still delivered. */
void remote_leave(struct inet_socket *s, bool reset);

/* One datagram. -errno where the network says so at once; else it was sent, or lost. */
ssize_t remote_datagram(struct inet_socket *s, const struct inet_address *from, const struct inet_address *to,
                        const void *bytes, size_t n);
void remote_forget_all(struct inet_socket *s); /* of a datagram socket: its far ends go */
void remote_free_orphans(struct inet_table *t);

/* vfs/tcp.c: a connection that was in progress stands (0), or has failed (-errno); its far side said FIN; it was reset. */
void tcp_settled(struct inet_socket *s, int error);
void tcp_far_finished(struct inet_socket *s);
void tcp_far_reset(struct inet_socket *s);
/* Somebody from beyond connects to a guest that listens: the guest's end, which waits to be accepted. -ECONNREFUSED, -ETIMEDOUT (its
 * backlog is full), -ENOMEM. */
int tcp_arrive(struct vfs *v, const struct inet_address *to, const struct inet_address *from, struct inet_socket **out);
uint64_t tcp_receive_room(const struct inet_socket *s);
/* vfs/udp_error.c */
ssize_t udp_receive_error(struct inet_socket *s, struct socket_message *m); /* MSG_ERRQUEUE; -EAGAIN: there is none */
void udp_drop_error(struct inet_socket *s);                                 /* the oldest one */
/* vfs/udp.c: a datagram for s; false: its buffer is full, or it is connected to somebody else. And an ICMP error for it. */
bool udp_arrived(struct inet_socket *s, const struct inet_address *from, const void *bytes, size_t n);
void udp_too_long(struct inet_socket *s, const struct inet_address *to, uint32_t mtu); /* with IP_RECVERR */
void udp_unreached(struct inet_socket *s, const struct inet_address *to, int error, const void *bytes, size_t n);

#endif
