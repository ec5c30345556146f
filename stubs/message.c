/* What goes through sockets: send(2), recv(2), sendmsg(2), recvmsg(2) and their kin, with control messages (cmsg(3)). */
#include "stubs/sockets.h"

#include "kernel/world.h"
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "vfs/socket.h"

#include <stdlib.h>
#include <string.h>

enum { CONTROL_MOST = 20480 }; /* net.core.optmem_max: more is ENOBUFS */

/* One message of the guest's, its header copied in. */
struct exchange {
    struct file *socket;
    struct call_io io;
    struct socket_message message;
    struct file *files[SOCKET_FILES_MAX];
    struct msghdr header; /* guest addresses */
    int flags;
    bool waits;
};

/* ---- sending --------------------------------------------------------------------------------------------------------- */

static int take_rights(struct call *c, struct exchange *x, const char *data, size_t n)
{
    for (size_t i = 0; i + sizeof(int32_t) <= n; i += sizeof(int32_t)) {
        int32_t fd;
        memcpy(&fd, data + i, sizeof fd);
        struct file *f = fdtable_file(c->task->fds, fd);
        if (f == NULL)
            return -EBADF;
        if (x->message.file_count == SOCKET_FILES_MAX)
            return -EINVAL;
        x->files[x->message.file_count++] = f;
    }
    x->message.files = x->files;
    return 0;
}

/* unix(7): only one's own ids may be claimed. */
static int take_credentials(struct call *c, struct exchange *x, const char *data, size_t n)
{
    const struct cred *own = &c->task->cred;
    struct ucred claimed;
    if (n != sizeof claimed)
        return -EINVAL;
    memcpy(&claimed, data, sizeof claimed);
    bool honest = claimed.pid == c->task->process->pid &&
                  (claimed.uid == own->uid || claimed.uid == own->euid || claimed.uid == own->suid) &&
                  (claimed.gid == own->gid || claimed.gid == own->egid || claimed.gid == own->sgid);
    if (!honest && own->euid != 0)
        return -EPERM;
    x->message.credentials = claimed;
    x->message.has_credentials = true;
    return 0;
}

static int take_control(struct call *c, struct exchange *x)
{
    size_t length = x->header.msg_controllen, at = 0;
    if (length == 0)
        return 0;
    if (length > CONTROL_MOST)
        return -ENOBUFS;
    char *control = malloc(length);
    if (control == NULL)
        return -ENOMEM;
    int error = call_read(c, (uint64_t)(uintptr_t)x->header.msg_control, control, length);
    while (error == 0 && at + sizeof(struct cmsghdr) <= length) {
        struct cmsghdr h;
        memcpy(&h, control + at, sizeof h);
        if (h.cmsg_len < sizeof h || h.cmsg_len > length - at)
            error = -EINVAL;
        else if (h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_RIGHTS)
            error = take_rights(c, x, control + at + sizeof h, h.cmsg_len - sizeof h);
        else if (h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_CREDENTIALS)
            error = take_credentials(c, x, control + at + sizeof h, h.cmsg_len - sizeof h);
        else if (h.cmsg_level == SOL_SOCKET)
            error = -EINVAL;
        at += error == 0 ? CMSG_ALIGN(h.cmsg_len) : 0;
    }
    free(control);
    return error;
}

static int64_t send_all(struct call *c, struct exchange *x)
{
    struct place at;
    int error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    call_io_restart(&x->io, c->progress);
    x->message.io = &x->io.io;
    if (!x->message.has_credentials)
        socket_self(c->task, &x->message.credentials);
    if (c->progress > 0) /* descriptors went with the first bytes */
        x->message.file_count = 0;
    for (;;) {
        ssize_t n = socket_send(x->socket, &at, &x->message, x->flags & (MSG_OOB | MSG_EOR));
        if (n > 0) {
            c->progress += (uint64_t)n;
            x->message.file_count = 0;
            call_io_restart(&x->io, c->progress); /* a socket may have fetched more than it took */
            if (x->io.io.left > 0)
                continue;
        }
        if (n == -EPIPE && c->progress == 0 && (x->flags & MSG_NOSIGNAL) == 0)
            broken_pipe(c);
        if (n == -EAGAIN && x->waits) {
            int64_t later =
                socket_wait(c, x->socket, false, c->progress > 0 ? (int64_t)c->progress : -CALL_RESTART_SYS);
            return later == -EAGAIN && c->progress > 0 ? (int64_t)c->progress : later;
        }
        return c->progress > 0 ? (int64_t)c->progress : n;
    }
}

int64_t stub_sendto(struct call *c)
{
    struct exchange x = {.flags = (int)c->arg[3]};
    int error = socket_argument(c, (int)c->arg[0], &x.socket);
    if (error == 0 && c->arg[4] != 0)
        error = socket_read_address(c, c->arg[4], c->arg[5], &x.message.address, &x.message.address_length);
    if (error < 0)
        return error;
    x.waits = (x.flags & MSG_DONTWAIT) == 0 && !nonblocking(x.socket);
    call_io_single(c, &x.io, c->arg[1], c->arg[2]);
    return send_all(c, &x);
}

static int read_header(struct call *c, struct exchange *x, uint64_t address)
{
    if (call_read(c, address, &x->header, sizeof x->header) < 0)
        return -EFAULT;
    return call_io_vector(c, &x->io, (uint64_t)(uintptr_t)x->header.msg_iov, x->header.msg_iovlen);
}

static int64_t send_message(struct call *c, uint64_t address, int flags)
{
    struct exchange x = {.flags = flags};
    int error = socket_argument(c, (int)c->arg[0], &x.socket);
    if (error == 0)
        error = read_header(c, &x, address);
    if (error == 0 && x.header.msg_name != NULL)
        error = socket_read_address(c, (uint64_t)(uintptr_t)x.header.msg_name, x.header.msg_namelen, &x.message.address,
                                    &x.message.address_length);
    if (error == 0)
        error = take_control(c, &x);
    if (error < 0)
        return error;
    x.waits = (flags & MSG_DONTWAIT) == 0 && !nonblocking(x.socket);
    return send_all(c, &x);
}

int64_t stub_sendmsg(struct call *c)
{
    return send_message(c, c->arg[1], (int)c->arg[2]);
}

/* The first message only: fewer than asked is what sendmmsg(2) may always say, and its caller goes on. */
int64_t stub_sendmmsg(struct call *c)
{
    if (c->arg[2] == 0)
        return 0;
    int64_t n = send_message(c, c->arg[1], (int)c->arg[3]);
    uint32_t sent = (uint32_t)n;
    if (n < 0)
        return n;
    return call_write(c, c->arg[1] + sizeof(struct msghdr), &sent, sizeof sent) < 0 ? -EFAULT : 1;
}

/* ---- receiving ------------------------------------------------------------------------------------------------------- */

static int64_t receive(struct call *c, struct exchange *x)
{
    bool all = (x->flags & MSG_WAITALL) != 0 && (x->flags & MSG_PEEK) == 0;
    call_io_restart(&x->io, c->progress);
    x->message.io = &x->io.io;
    for (;;) {
        ssize_t n = socket_receive(x->socket, &x->message, x->flags & (MSG_PEEK | MSG_TRUNC | MSG_OOB));
        if (n > 0 && all && x->io.io.left > 0 && x->message.file_count == 0) {
            c->progress += (uint64_t)n;
            continue;
        }
        if (n == -EAGAIN && x->waits) {
            int64_t later = socket_wait(c, x->socket, true, c->progress > 0 ? (int64_t)c->progress : -CALL_RESTART_SYS);
            return later == -EAGAIN && c->progress > 0 ? (int64_t)c->progress : later;
        }
        return c->progress > 0 ? (int64_t)c->progress + (n > 0 ? n : 0) : n;
    }
}

int64_t stub_recvfrom(struct call *c)
{
    struct exchange x = {.flags = (int)c->arg[3]};
    int error = socket_argument(c, (int)c->arg[0], &x.socket);
    if (error < 0)
        return error;
    x.waits = (x.flags & MSG_DONTWAIT) == 0 && !nonblocking(x.socket);
    call_io_single(c, &x.io, c->arg[1], c->arg[2]);
    int64_t n = receive(c, &x);
    if (n >= 0 && c->arg[4] != 0) {
        error = socket_write_address(c, c->arg[4], c->arg[5], &x.message.address, x.message.address_length);
        if (error < 0)
            return error;
    }
    return n;
}

/* put_cmsg: what does not fit is cut, and said so. Bytes of the guest's room used. */
static size_t put_control(struct call *c, struct exchange *x, size_t used, int type, const void *data, size_t n)
{
    size_t room = x->header.msg_controllen - used;
    char buffer[CMSG_SPACE(sizeof(int32_t) * SOCKET_FILES_MAX)] = {0};
    struct cmsghdr h = {.cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
    if (room < sizeof h) {
        x->message.flags |= MSG_CTRUNC;
        return 0;
    }
    if (room < h.cmsg_len) {
        x->message.flags |= MSG_CTRUNC;
        h.cmsg_len = room;
    }
    memcpy(buffer, &h, sizeof h);
    memcpy(buffer + sizeof h, data, h.cmsg_len - sizeof h);
    if (call_write(c, (uint64_t)(uintptr_t)x->header.msg_control + used, buffer, h.cmsg_len) < 0)
        return 0;
    size_t space = CMSG_ALIGN(h.cmsg_len);
    return space < room ? space : room;
}

/* Received descriptors get numbers as long as there is room for them; the rest are dropped (scm_detach_fds). */
static size_t put_rights(struct call *c, struct exchange *x, size_t used)
{
    int32_t fds[SOCKET_FILES_MAX];
    size_t room = x->header.msg_controllen - used, n = 0;
    size_t fit = room < sizeof(struct cmsghdr) ? 0 : (room - sizeof(struct cmsghdr)) / sizeof(int32_t);
    for (uint32_t i = 0; i < x->message.file_count; i++) {
        int fd = i < fit ? fdtable_install(c->task->fds, x->files[i], 0, (x->flags & MSG_CMSG_CLOEXEC) != 0) : -EMFILE;
        if (fd < 0) {
            x->message.flags |= MSG_CTRUNC;
            file_put(x->files[i]);
        } else {
            fds[n++] = fd;
        }
    }
    return n == 0 ? 0 : put_control(c, x, used, SCM_RIGHTS, fds, n * sizeof *fds);
}

static int64_t receive_message(struct call *c, uint64_t address, int flags)
{
    struct exchange x = {.flags = flags};
    int error = socket_argument(c, (int)c->arg[0], &x.socket);
    if (error == 0)
        error = read_header(c, &x, address);
    if (error < 0)
        return error;
    if (x.header.msg_control == NULL)
        x.header.msg_controllen = 0;
    x.waits = (flags & MSG_DONTWAIT) == 0 && !nonblocking(x.socket);
    x.message.files = x.files;
    int64_t n = receive(c, &x);
    if (n < 0)
        return n;
    size_t used = 0;
    if (x.message.has_credentials)
        used += put_control(c, &x, used, SCM_CREDENTIALS, &x.message.credentials, sizeof x.message.credentials);
    if (x.message.file_count > 0)
        used += put_rights(c, &x, used);
    uint64_t name_at = (uint64_t)(uintptr_t)x.header.msg_name;
    socklen_t room = x.header.msg_namelen, part = room < x.message.address_length ? room : x.message.address_length;
    if (name_at != 0 && part > 0 && call_write(c, name_at, &x.message.address, part) < 0)
        return -EFAULT;
    x.header.msg_namelen = name_at != 0 ? x.message.address_length : 0;
    x.header.msg_controllen = used;
    x.header.msg_flags = x.message.flags | (flags & MSG_CMSG_CLOEXEC);
    return call_write(c, address, &x.header, sizeof x.header) < 0 ? -EFAULT : n;
}

int64_t stub_recvmsg(struct call *c)
{
    return receive_message(c, c->arg[1], (int)c->arg[2]);
}

int64_t stub_recvmmsg(struct call *c)
{
    if (c->arg[2] == 0)
        return 0;
    int64_t n = receive_message(c, c->arg[1], (int)c->arg[3] & ~MSG_WAITFORONE);
    uint32_t got = (uint32_t)n;
    if (n < 0)
        return n;
    return call_write(c, c->arg[1] + sizeof(struct msghdr), &got, sizeof got) < 0 ? -EFAULT : 1;
}
