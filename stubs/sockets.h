/* What the two files of socket stubs share. */
#ifndef STUBS_SOCKETS_H
#define STUBS_SOCKETS_H

#include "kernel/call.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

void socket_self(const struct task *t, struct ucred *self);     /* as the peer is told: SO_PEERCRED, SCM_CREDENTIALS */
int socket_argument(struct call *c, int fd, struct file **out); /* borrowed; -EBADF, -ENOTSOCK */
/* A guest's address, copied in once. n 0: none. -EINVAL, -EFAULT. */
int socket_read_address(struct call *c, uint64_t address, uint64_t length, struct sockaddr_storage *out, socklen_t *n);
/* address 0: not asked for. length_at: a guest's socklen_t, in and out. */
int socket_write_address(struct call *c, uint64_t address, uint64_t length_at, const struct sockaddr_storage *from,
                         socklen_t n);
/* Sleep until the socket's state changes, no longer than SO_RCVTIMEO or SO_SNDTIMEO say. */
int64_t socket_wait(struct call *c, struct file *f, bool receive, int64_t interrupted);

#endif
