/* What the stubs of the socket calls share: stubs/socket.c (connections, names, options), stubs/message.c (bytes). */
#ifndef STUBS_SOCKETS_H
#define STUBS_SOCKETS_H

#include "kernel/call.h"
#include "kernel/world.h"
#include "vfs/socket.h"

/* The socket that argument 0 names: 0, -EBADF, -ENOTSOCK. Held as call_file holds it. */
int socket_argument(struct call *c, struct file **f);
/* An address of the guest's, `length` as the guest said it: 0, -EFAULT, -EINVAL. */
int read_address(struct call *c, uint64_t address, uint64_t length, struct sockaddr_storage *to);
/* Gives the guest an address: at most the room that the int at `room` says, which becomes the true length. */
int write_address(struct call *c, const struct sockaddr_storage *from, socklen_t length, uint64_t to, uint64_t room);
/* Who the caller is to the other end: SO_PEERCRED (its effective ids), or a message's sender (its real ones). */
struct ucred socket_self(const struct call *c, bool sender);
/* Sleep until the socket may have changed: what call_block says, or -EAGAIN when SO_RCVTIMEO or SO_SNDTIMEO has passed.
 * done > 0: what an interruption or the time's end returns instead. */
int64_t socket_wait(struct call *c, struct file *f, bool receive, uint64_t done);

#endif
