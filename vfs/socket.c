/* Sockets as open files: what is the same for every family. socket(2), socket(7); Linux's net/socket.c. */
#include "vfs/socket_inner.h"

#include "vfs/interface.h"
#include "vfs/objects.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static const struct file_ops socket_file_ops;

struct socket *socket_of(const struct file *f)
{
    return f->ops == &socket_file_ops ? f->private : NULL;
}

bool file_is_socket(const struct file *f)
{
    return f->ops == &socket_file_ops;
}

int socket_take_error(struct socket *s)
{
    int error = s->error;
    s->error = 0;
    return -error;
}

/* ---- making them ---- */

void socket_init(struct socket *s, struct vfs *v, const struct socket_ops *ops, int family, int type, int protocol)
{
    s->ops = ops;
    s->vfs = v;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->send_buffer = BUFFER_DEFAULT;
    s->receive_buffer = BUFFER_DEFAULT;
    s->receive_timeout = s->send_timeout = -1;
    s->receive_least = 1;
    s->peek_offset = -1;
    s->last_arrival = -1;
    s->peer = (struct ucred){.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    waitq_init(&s->wait);
}

struct file *socket_file(struct socket *s, int flags)
{
    struct file *f = file_new(s->vfs, &socket_file_ops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0), s);
    s->file = f;
    return f;
}

/* -errno for what cannot be made at all; else the type without its flags. */
static int check_kind(int family, int type, int protocol)
{
    int plain = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (plain & ~0xf)
        return -EINVAL;
    if (family < 0 || family >= AF_MAX)
        return -EAFNOSUPPORT;
    if (plain < 0 || plain > SOCK_PACKET)
        return -EINVAL;
    if (family == AF_PACKET)
        return -EPERM;
    return plain;
}

static int family_new(struct vfs *v, int family, int type, int protocol, struct socket **out)
{
    switch (family) {
    case AF_UNIX:
        return unix_new(v, type, protocol, out);
    case AF_INET:
    case AF_INET6:
        return inet_new(v, family, type, protocol, out);
    case AF_NETLINK:
        return netlink_new(v, type, protocol, out);
    default:
        return -EAFNOSUPPORT;
    }
}

int socket_new(struct vfs *v, int family, int type, int protocol, struct file **out)
{
    struct socket *s;
    int plain = check_kind(family, type, protocol);
    int error = plain < 0 ? plain : family_new(v, family, plain, protocol, &s);
    if (error)
        return error;
    *out = socket_file(s, type);
    if (!*out)
        s->ops->closed(s);
    return *out ? 0 : -ENOMEM;
}

int socket_pair(struct vfs *v, int family, int type, int protocol, const struct ucred *self, struct file *ends[2])
{
    struct socket *s[2];
    int plain = check_kind(family, type, protocol);
    if (plain < 0)
        return plain;
    if (family != AF_UNIX) {
        int error = family_new(v, family, plain, protocol, &s[0]);
        if (!error)
            s[0]->ops->closed(s[0]);
        return error ? error : -EOPNOTSUPP;
    }
    int error = unix_pair(v, plain, protocol, self, s);
    if (error)
        return error;
    ends[0] = socket_file(s[0], type);
    ends[1] = ends[0] ? socket_file(s[1], type) : NULL;
    if (ends[1])
        return 0;
    if (ends[0])
        file_put(ends[0]);
    else
        s[0]->ops->closed(s[0]);
    s[1]->ops->closed(s[1]);
    return -ENOMEM;
}

/* ---- the calls ---- */

int socket_bind(struct file *f, const struct place *at, uint32_t mode, const struct sockaddr *address, socklen_t length)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if (length > sizeof(struct sockaddr_storage) || length < sizeof(sa_family_t))
        return -EINVAL;
    return s->ops->bind(s, at, mode, address, length);
}

int socket_listen(struct file *f, int backlog, const struct ucred *self)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if ((unsigned)backlog > SOMAXCONN) /* as unsigned: a negative one is the most there is */
        backlog = SOMAXCONN;
    return s->ops->listen ? s->ops->listen(s, backlog, self) : -EOPNOTSUPP;
}

int socket_connect(struct file *f, const struct place *at, const struct sockaddr *address, socklen_t length,
                   const struct ucred *self, struct waitq **wait_on)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if (length > sizeof(struct sockaddr_storage) || length < sizeof(sa_family_t))
        return -EINVAL;
    return s->ops->connect(s, at, address, length, self, wait_on);
}

int socket_accept(struct file *f, int flags, struct file **out, struct sockaddr_storage *peer, socklen_t *length)
{
    struct socket *s = socket_of(f), *accepted;
    if (!s)
        return -ENOTSOCK;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    int error = s->ops->accept ? s->ops->accept(s, &accepted) : -EOPNOTSUPP;
    if (error)
        return error;
    *out = socket_file(accepted, flags);
    if (!*out) {
        accepted->ops->closed(accepted);
        return -ENOMEM;
    }
    if (peer && accepted->ops->name(accepted, true, peer, length)) {
        file_put(*out); /* its peer left meanwhile */
        return -ECONNABORTED;
    }
    return 0;
}

int socket_name(struct file *f, bool peer, struct sockaddr_storage *out, socklen_t *length)
{
    struct socket *s = socket_of(f);
    return s ? s->ops->name(s, peer, out, length) : -ENOTSOCK;
}

int socket_shutdown(struct file *f, int how)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    return s->ops->shutdown(s, how + 1);
}

ssize_t socket_send(struct file *f, const struct place *at, struct socket_message *m, int flags)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if (m->file_count > SOCKET_FILES_MAX || m->address_length > sizeof m->address)
        return -EINVAL;
    return s->ops->send(s, at, m, flags);
}

ssize_t socket_receive(struct file *f, struct socket_message *m, int flags)
{
    struct socket *s = socket_of(f);
    m->flags = 0;
    m->address_length = 0;
    m->file_count = 0;
    m->control_count = 0;
    m->has_credentials = m->ends = false;
    return s ? s->ops->receive(s, m, flags) : -ENOTSOCK;
}

void socket_put_error(struct file *f, int error)
{
    struct socket *s = socket_of(f);
    if (s && error != -EAGAIN && error != -EFAULT)
        s->error = -error;
}

int socket_has_level(const struct file *f, int level, bool set)
{
    const struct socket *s = socket_of(f);
    if (level == SOL_SOCKET)
        return 0;
    if (!(set ? s->ops->set_option != NULL : s->ops->get_option != NULL))
        return -EOPNOTSUPP;
    bool inet = s->family == AF_INET || s->family == AF_INET6;
    bool udp = s->protocol == IPPROTO_UDP || s->protocol == IPPROTO_UDPLITE;
    if (!inet || level == IPPROTO_IP || level == IPPROTO_IPV6 || level == IPPROTO_RAW || level == s->protocol ||
        (udp && (level == IPPROTO_UDP || level == IPPROTO_UDPLITE)))
        return 0;
    return set || s->family == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP; /* ip_getsockopt */
}

int socket_get_option(struct file *f, int level, int name, void *value, socklen_t *length)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if ((int)*length < 0)
        return -EINVAL;
    int error = level == SOL_SOCKET ? socket_common_get(s, name, value, length) : -ENOPROTOOPT;
    if (error != -ENOPROTOOPT)
        return error;
    return s->ops->get_option ? s->ops->get_option(s, level, name, value, length)
                              : (level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP);
}

int socket_set_option(struct file *f, int level, int name, const void *value, socklen_t length, const struct cred *c)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if ((int)length < 0)
        return -EINVAL;
    int error = level == SOL_SOCKET ? socket_common_set(s, name, value, length, c) : -ENOPROTOOPT;
    if (error != -ENOPROTOOPT)
        return error;
    return s->ops->set_option ? s->ops->set_option(s, level, name, value, length, c)
                              : (level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP);
}

int64_t socket_timeout(const struct file *f, bool receive)
{
    const struct socket *s = socket_of(f);
    return s ? (receive ? s->receive_timeout : s->send_timeout) : -1;
}

/* ---- as a file ---- */

static ssize_t socket_read(struct file *f, struct io *io, uint64_t *position)
{
    struct socket *s = f->private;
    struct socket_message m = {.io = io};
    return io->left ? s->ops->receive(s, &m, 0) : 0;
}

static ssize_t socket_write(struct file *f, struct io *io, uint64_t *position)
{
    struct socket *s = f->private;
    /* Who writes is not known here; what a write says of its sender is what the socket knows of its maker. */
    struct socket_message m = {.io = io};
    return s->ops->send(s, NULL, &m, 0);
}

static uint32_t socket_poll(struct file *f, struct poll_table *t)
{
    struct socket *s = f->private;
    return s->ops->poll(s, t);
}

static int64_t socket_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                            const struct cred *c)
{
    struct socket *s = f->private;
    if (command == SIOCATMARK && s->ops->at_mark) {
        int at = s->ops->at_mark(s);
        return at < 0 ? at : m->write(m, argument, &at, sizeof at);
    }
    bool inet = s->family == AF_INET || s->family == AF_INET6;
    if (inet && (command == SIOCGSTAMP_OLD || command == SIOCGSTAMP_NEW || command == SIOCGSTAMPNS_OLD ||
                 command == SIOCGSTAMPNS_NEW)) {
        int64_t both[2];
        int error = socket_last_arrival(s, command == SIOCGSTAMP_OLD || command == SIOCGSTAMP_NEW, both);
        return error ? error : m->write(m, argument, both, sizeof both);
    }
    if (command == SIOCOUTQNSD && inet && s->type == SOCK_STREAM)
        command = SIOCOUTQ; /* what a far end has not taken was not sent yet */
    if (command != SIOCINQ && command != SIOCOUTQ)
        return interface_ioctl(s->vfs, command, argument, m);
    int bytes = s->ops->unread(s, command == SIOCOUTQ);
    return bytes < 0 ? bytes : m->write(m, argument, &bytes, sizeof bytes);
}

static int socket_stat(struct file *f, struct statx *out)
{
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = 1,
        .stx_mode = S_IFSOCK | 0777,
        .stx_ino = f->id,
        .stx_uid = f->vfs->config.guest_uid,
        .stx_gid = f->vfs->config.guest_gid,
    };
    return 0;
}

static int socket_set_flags(struct file *f, int flags)
{
    return flags & O_DIRECT ? -EINVAL : 0;
}

static void socket_release(struct file *f)
{
    struct socket *s = f->private;
    s->file = NULL;
    s->ops->closed(s);
}

static const struct file_ops socket_file_ops = {
    .kind = "socket",
    .owned = true,
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .stat = socket_stat,
    .set_flags = socket_set_flags,
    .release = socket_release,
};
