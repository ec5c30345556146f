/* What all sockets share, between vfs/socket.c and the families (vfs/unix.c, vfs/inet.c). */
#ifndef VFS_SOCKET_INNER_H
#define VFS_SOCKET_INNER_H

#include "vfs/node.h"
#include "vfs/socket.h"

#include <sys/epoll.h>

struct socket;

/* A family's answers. NULL: -EOPNOTSUPP. Arguments as in vfs/socket.h. */
struct socket_ops {
    int (*bind)(struct socket *s, const struct place *at, uint32_t mode, const struct sockaddr *a, socklen_t n);
    int (*listen)(struct socket *s, int backlog, const struct ucred *self);
    int (*connect)(struct socket *s, const struct place *at, const struct sockaddr *a, socklen_t n,
                   const struct ucred *self, struct waitq **wait_on);
    int (*accept)(struct socket *s, struct socket **out);
    int (*name)(struct socket *s, bool peer, struct sockaddr_storage *out, socklen_t *length);
    int (*shutdown)(struct socket *s, int mask); /* SHUTDOWN_* */
    ssize_t (*send)(struct socket *s, const struct place *at, struct socket_message *m, int flags);
    ssize_t (*receive)(struct socket *s, struct socket_message *m, int flags);
    uint32_t (*poll)(struct socket *s, struct poll_table *t);
    int (*get_option)(struct socket *s, int level, int name, void *value,
                      socklen_t *length); /* after the common ones */
    int (*set_option)(struct socket *s, int level, int name, const void *value, socklen_t length, const struct cred *c);
    int (*unread)(const struct socket *s, bool out); /* SIOCINQ, SIOCOUTQ */
    int (*at_mark)(const struct socket *s);          /* SIOCATMARK: 0, 1, or -errno */
    void (*closed)(struct socket *s);                /* its file is gone; drops that reference to s */
};

enum { SHUTDOWN_RECEIVE = 1, SHUTDOWN_SEND = 2, SHUTDOWN_BOTH = 3 };

enum { /* SO_SNDBUF and SO_RCVBUF: net/core/sock.c, net.core.wmem_default and wmem_max */
       BUFFER_DEFAULT = 212992,
       BUFFER_MAX = 212992,
       SEND_BUFFER_LEAST = 4608,
       RECEIVE_BUFFER_LEAST = 2304,
};

/* First in every family's own struct. */
struct socket {
    const struct socket_ops *ops;
    struct vfs *vfs;
    struct file *file; /* NULL: not accepted yet, or closed */
    int family, type, protocol;
    struct waitq wait;
    int error;        /* SO_ERROR, positive; read once */
    uint8_t shutdown; /* SHUTDOWN_* */
    bool listening;
    struct ucred peer; /* SO_PEERCRED */
    uint32_t send_buffer, receive_buffer;
    int64_t receive_timeout, send_timeout; /* ns, -1: none */
    struct linger linger;
    int peek_offset;   /* SO_PEEK_OFF, -1: off */
    uint32_t booleans; /* options that are remembered and mean nothing here, one bit each: vfs/socket_option.c */
    bool pass_credentials, reuse_address, reuse_port, broadcast;
    int receive_least, priority;
    int timestamp;        /* SO_TIMESTAMP or one of its kin; 0: none */
    bool asked_arrival;   /* SIOCGSTAMP was called */
    int64_t last_arrival; /* of what was read last, ns; 0: it was not noted; -1: nothing was read */
    int device;           /* SO_BINDTODEVICE: an interface's index */
    uint64_t cookie;      /* SO_COOKIE: 0 until asked for */
};

void socket_init(struct socket *s, struct vfs *v, const struct socket_ops *ops, int family, int type, int protocol);
struct file *socket_file(struct socket *s, int flags); /* NULL: out of memory; s->file is set */
struct socket *socket_of(const struct file *f);        /* NULL: no socket */
bool socket_remembers(const struct socket *s,
                      int name);         /* an option that is on, of those that mean nothing else here */
int socket_take_error(struct socket *s); /* 0 or -errno; forgets it */
int socket_common_get(struct socket *s, int name, void *value, socklen_t *length); /* SOL_SOCKET; -ENOPROTOOPT */
int socket_common_set(struct socket *s, int name, const void *value, socklen_t length, const struct cred *c);
int64_t socket_arrival(const struct socket *s); /* the time, for what comes to who wants to know it; else 0 */
/* What is read came then: remembered, and told beside it where the reader asked for it. */
void socket_stamp(struct socket *s, int64_t arrived, struct socket_message *m);
int socket_last_arrival(struct socket *s, bool micro, int64_t out[2]); /* SIOCGSTAMP; -ENOENT */
void socket_control_add(struct socket_message *m, int level, int type, const void *bytes, size_t length);
int option_out(const void *from, size_t size, void *value, socklen_t *length); /* as getsockopt cuts it */

/* AF_UNIX */
int unix_new(struct vfs *v, int type, int protocol, struct socket **out);
int unix_pair(struct vfs *v, int type, int protocol, const struct ucred *self, struct socket *out[2]);
/* AF_NETLINK */
int netlink_new(struct vfs *v, int type, int protocol, struct socket **out);
/* AF_INET, AF_INET6 */
int inet_new(struct vfs *v, int family, int type, int protocol, struct socket **out);
struct inet_table;
void inet_free(struct inet_table *t); /* NULL is allowed */
struct netstack;
void netstack_free(struct netstack *n);      /* NULL is allowed */
struct netstack *netstack_of(struct vfs *v); /* made on first use; NULL: out of memory */

#endif
