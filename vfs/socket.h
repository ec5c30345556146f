/* Sockets: open files that talk to each other inside the world, and to nothing else. socket(7), unix(7).
 *
 * Plain functions over `struct file`. Each returns 0 (or a count) or -errno; -ENOTSOCK when the file is none. Nothing
 * blocks: what would wait says -EAGAIN, whether or not O_NONBLOCK is set, and the caller polls the file and asks again.
 * Addresses are struct sockaddr with their length, already copied from the guest. Nothing here has a host socket
 * behind.
 *
 * What the caller (a stub) does itself: descriptors, MSG_DONTWAIT and O_NONBLOCK, MSG_WAITALL (go on receiving until
 * the io is full), SO_RCVTIMEO and SO_SNDTIMEO (socket_timeout), SIGPIPE on -EPIPE unless MSG_NOSIGNAL, cmsg encoding.
 */
#ifndef VFS_SOCKET_H
#define VFS_SOCKET_H

#include "vfs/vfs.h"

#include <sys/socket.h>

enum { SOCKET_FILES_MAX = 253 /* SCM_MAX_FD: descriptors in one message */ };

/* A new socket, referenced. type may carry SOCK_NONBLOCK (SOCK_CLOEXEC is the descriptor's). -EAFNOSUPPORT,
 * -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EPERM (raw sockets), -ENOMEM. */
int socket_new(struct vfs *v, int family, int type, int protocol, struct file **out);
/* socketpair(2). self: who makes it, for SO_PEERCRED. -EOPNOTSUPP where a family has no pairs. */
int socket_pair(struct vfs *v, int family, int type, int protocol, const struct ucred *self, struct file *ends[2]);
bool file_is_socket(const struct file *f);
/* What the kernel itself says to a netlink socket: 0, or -ENOTSOCK, -EINVAL (it is another), -ENOBUFS. n 0: is it one? */
int netlink_tell(struct file *f, const void *bytes, size_t n);

/* at: where a path of AF_UNIX begins, and as whom. mode: of the name made, already without the umask (0777 & ~umask).
 */
int socket_bind(struct file *f, const struct place *at, uint32_t mode, const struct sockaddr *address,
                socklen_t length);
int socket_listen(struct file *f, int backlog, const struct ucred *self);
/* -EINPROGRESS: under way, poll for EPOLLOUT, then SO_ERROR. -EAGAIN: a listener's queue is full, wait on *wait_on (set
 * only then) and ask again. */
int socket_connect(struct file *f, const struct place *at, const struct sockaddr *address, socklen_t length,
                   const struct ucred *self, struct waitq **wait_on);
/* flags: SOCK_NONBLOCK. The new file is referenced; peer (may be NULL) gets its address, *length its true length. */
int socket_accept(struct file *f, int flags, struct file **out, struct sockaddr_storage *peer, socklen_t *length);
/* getsockname(2), getpeername(2) */
int socket_name(struct file *f, bool peer, struct sockaddr_storage *out, socklen_t *length);
int socket_shutdown(struct file *f, int how); /* SHUT_* */

enum { SOCKET_CONTROLS_MAX = 8, SOCKET_CONTROL_BYTES = 44 /* struct sock_extended_err, and a sockaddr_in6 */ };

struct socket_control { /* a control message of a protocol's own, cmsg(3) */
    int level, type;
    uint8_t length;
    char bytes[SOCKET_CONTROL_BYTES];
};

struct socket_message {
    struct io *io; /* the bytes; io->left is how many are offered or wanted */
    struct sockaddr_storage address;
    socklen_t address_length; /* send: 0 for none. receive: of the sender, 0 when it has none */
    bool address_given;       /* send: there is one, if of no length: an error to those whose addresses have one */
    /* SCM_RIGHTS. send: borrowed, referenced by the message in flight. receive: `files` has room for SOCKET_FILES_MAX;
     * what is put there is referenced and the caller's. NULL on receive: they are dropped, and MSG_CTRUNC set. */
    struct file **files;
    uint32_t file_count;
    /* send: who sends, or the SCM_CREDENTIALS given (the caller checked that they may be claimed). receive: the
     * sender's; has_credentials when SO_PASSCRED asks for them to be told. */
    struct ucred credentials;
    bool has_credentials;
    struct socket_control controls[SOCKET_CONTROLS_MAX];
    uint8_t control_count;
    int flags; /* receive: MSG_TRUNC, MSG_CTRUNC that hold */
    bool ends; /* receive: a read goes no further, whatever was asked for: an urgent mark, another sender's bytes */
};

/* Bytes sent, maybe fewer than offered on a stream. -EPIPE: the caller raises SIGPIPE. flags: MSG_OOB, MSG_MORE, MSG_FASTOPEN. at: as
 * for socket_bind, for datagrams to a path. */
ssize_t socket_send(struct file *f, const struct place *at, struct socket_message *m, int flags);
/* Bytes received; 0 at the end of a stream. With MSG_TRUNC a datagram's true length. flags: MSG_PEEK, MSG_TRUNC, and
 * MSG_DONTWAIT where it makes a difference to more than waiting. */
ssize_t socket_receive(struct file *f, struct socket_message *m, int flags);

/* A call that has something to return leaves the error it met to the next one; -EAGAIN and -EFAULT are none. */
void socket_put_error(struct file *f, int error);

/* Whether there are options of this level at all: 0, or the errno, told before the value is looked at. */
int socket_has_level(const struct file *f, int level, bool set);
/* value: *length bytes of room, set to what was written. -ENOPROTOOPT. */
int socket_get_option(struct file *f, int level, int name, void *value, socklen_t *length);
int socket_set_option(struct file *f, int level, int name, const void *value, socklen_t length, const struct cred *c);
/* SO_RCVTIMEO (receive) or SO_SNDTIMEO: nanoseconds, or -1 for none. */
int64_t socket_timeout(const struct file *f, bool receive);

#endif
