/* Sockets: making them, naming them, connecting them (socket(7)). What they are is in vfs/socket.h; what is said through
 * them in stubs/message.c. */
#include "stubs/sockets.h"

#include "kernel/world.h"
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "vfs/socket.h"

#include <string.h>

enum { OPTION_MOST = 4096 }; /* bytes of one socket option */

void socket_self(const struct task *t, struct ucred *self)
{
    *self = (struct ucred){.pid = t->process->pid, .uid = t->cred.euid, .gid = t->cred.egid};
}

int socket_argument(struct call *c, int fd, struct file **out)
{
    struct file *f = call_file(c, fd);
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    *out = f;
    return file_is_socket(f) ? 0 : -ENOTSOCK;
}

int socket_read_address(struct call *c, uint64_t address, uint64_t length, struct sockaddr_storage *out, socklen_t *n)
{
    *out = (struct sockaddr_storage){0};
    *n = 0;
    if ((int)length < 0 || (uint32_t)length > sizeof *out)
        return -EINVAL;
    *n = (socklen_t)length;
    return *n == 0 ? 0 : call_read(c, address, out, *n);
}

/* move_addr_to_user: as much as there is room for, and the true length. */
int socket_write_address(struct call *c, uint64_t address, uint64_t length_at, const struct sockaddr_storage *from,
                         socklen_t n)
{
    int32_t room;
    if (address == 0)
        return 0;
    if (call_read(c, length_at, &room, sizeof room) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    socklen_t part = (socklen_t)room < n ? (socklen_t)room : n;
    if (part > 0 && call_write(c, address, from, part) < 0)
        return -EFAULT;
    return call_write(c, length_at, &n, sizeof n);
}

int64_t socket_wait(struct call *c, struct file *f, bool receive, int64_t interrupted)
{
    int64_t limit = socket_timeout(f, receive);
    if (c->timed_out)
        return -EAGAIN;
    file_poll(f, call_poll_table(c));
    return call_block(c, call_deadline_in(c, limit),
                      limit >= 0 && interrupted == -CALL_RESTART_SYS ? -EINTR : interrupted);
}

int64_t stub_socket(struct call *c)
{
    int type = (int)c->arg[1];
    struct file *f;
    if ((type & ~(0xf | SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return -EINVAL;
    int error = socket_new(c->world->vfs, (int)c->arg[0], type & ~SOCK_CLOEXEC, (int)c->arg[2], &f);
    return error < 0 ? error : install_file(c, f, 0, (type & SOCK_CLOEXEC) != 0);
}

int64_t stub_socketpair(struct call *c)
{
    int type = (int)c->arg[1];
    struct file *ends[2];
    struct ucred self;
    int32_t fds[2];
    if ((type & ~(0xf | SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return -EINVAL;
    socket_self(c->task, &self);
    int error = socket_pair(c->world->vfs, (int)c->arg[0], type & ~SOCK_CLOEXEC, (int)c->arg[2], &self, ends);
    if (error < 0)
        return error;
    fds[0] = (int32_t)install_file(c, ends[0], 0, (type & SOCK_CLOEXEC) != 0);
    fds[1] = fds[0] < 0 ? fds[0] : (int32_t)install_file(c, ends[1], 0, (type & SOCK_CLOEXEC) != 0);
    if (fds[0] < 0)
        file_put(ends[1]);
    error = fds[0] < 0 || fds[1] < 0 ? fds[1] : call_write(c, c->arg[3], fds, sizeof fds);
    for (int i = 0; error < 0 && i < 2; i++)
        if (fds[i] >= 0)
            (void)fdtable_close(c->task->fds, fds[i], c->task->fds);
    return error;
}

int64_t stub_bind(struct call *c)
{
    struct sockaddr_storage address;
    struct place at;
    struct file *f;
    socklen_t n;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error == 0)
        error = socket_read_address(c, c->arg[1], c->arg[2], &address, &n);
    if (error == 0)
        error = call_place(c, AT_FDCWD, &at);
    return error < 0 ? error : socket_bind(f, &at, 0777 & ~c->task->fs->umask, (struct sockaddr *)&address, n);
}

int64_t stub_listen(struct call *c)
{
    struct ucred self;
    struct file *f;
    int error = socket_argument(c, (int)c->arg[0], &f);
    socket_self(c->task, &self);
    return error < 0 ? error : socket_listen(f, (int)c->arg[1], &self);
}

/* keep[0]: the handshake is under way, so what this run asks is how it ended. */
int64_t stub_connect(struct call *c)
{
    struct sockaddr_storage address;
    struct ucred self;
    struct place at;
    struct waitq *wait_on = NULL;
    struct file *f;
    socklen_t n;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error < 0)
        return error;
    if (c->keep[0] != 0) {
        int32_t ended = 0;
        socklen_t size = sizeof ended;
        if ((file_poll(f, NULL) & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
            return socket_wait(c, f, false, -CALL_RESTART_SYS);
        error = socket_get_option(f, SOL_SOCKET, SO_ERROR, &ended, &size);
        return error < 0 ? error : -ended;
    }
    error = socket_read_address(c, c->arg[1], c->arg[2], &address, &n);
    if (error == 0)
        error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    socket_self(c->task, &self);
    error = socket_connect(f, &at, (struct sockaddr *)&address, n, &self, &wait_on);
    if (nonblocking(f))
        return error;
    if (error == -EAGAIN && wait_on != NULL) {
        int64_t limit = socket_timeout(f, false);
        call_wait_on(c, wait_on);
        return c->timed_out ? -EAGAIN : call_block(c, call_deadline_in(c, limit), -CALL_RESTART_SYS);
    }
    if (error == -EINPROGRESS) {
        c->keep[0] = 1;
        return socket_wait(c, f, false, -CALL_RESTART_SYS);
    }
    return error;
}

static int64_t accept_one(struct call *c, int flags)
{
    struct sockaddr_storage peer;
    struct file *f, *accepted;
    socklen_t n = 0;
    if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return -EINVAL;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error < 0)
        return error;
    error = socket_accept(f, flags & SOCK_NONBLOCK, &accepted, &peer, &n);
    if (error == -EAGAIN && !nonblocking(f))
        return socket_wait(c, f, true, -CALL_RESTART_SYS);
    if (error < 0)
        return error;
    error = socket_write_address(c, c->arg[1], c->arg[2], &peer, n);
    if (error < 0) {
        file_put(accepted);
        return error;
    }
    return install_file(c, accepted, 0, (flags & SOCK_CLOEXEC) != 0);
}

int64_t stub_accept(struct call *c)
{
    return accept_one(c, 0);
}

int64_t stub_accept4(struct call *c)
{
    return accept_one(c, (int)c->arg[3]);
}

static int64_t name(struct call *c, bool peer)
{
    struct sockaddr_storage address;
    struct file *f;
    socklen_t n;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error == 0)
        error = socket_name(f, peer, &address, &n);
    if (error == 0 && c->arg[1] == 0)
        error = -EFAULT;
    return error < 0 ? error : socket_write_address(c, c->arg[1], c->arg[2], &address, n);
}

int64_t stub_getsockname(struct call *c)
{
    return name(c, false);
}

int64_t stub_getpeername(struct call *c)
{
    return name(c, true);
}

int64_t stub_shutdown(struct call *c)
{
    struct file *f;
    int error = socket_argument(c, (int)c->arg[0], &f);
    return error < 0 ? error : socket_shutdown(f, (int)c->arg[1]);
}

int64_t stub_setsockopt(struct call *c)
{
    char value[OPTION_MOST];
    struct file *f;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error < 0)
        return error;
    if ((int)c->arg[4] < 0 || (uint32_t)c->arg[4] > sizeof value)
        return -EINVAL;
    socklen_t n = (socklen_t)c->arg[4];
    if (n > 0 && call_read(c, c->arg[3], value, n) < 0)
        return -EFAULT;
    return socket_set_option(f, (int)c->arg[1], (int)c->arg[2], value, n, &c->task->cred);
}

int64_t stub_getsockopt(struct call *c)
{
    char value[OPTION_MOST] = {0};
    struct file *f;
    int32_t room;
    int error = socket_argument(c, (int)c->arg[0], &f);
    if (error < 0)
        return error;
    if (call_read(c, c->arg[4], &room, sizeof room) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    socklen_t n = (uint32_t)room > sizeof value ? sizeof value : (socklen_t)room;
    error = socket_get_option(f, (int)c->arg[1], (int)c->arg[2], value, &n);
    if (error < 0)
        return error;
    if (n > 0 && call_write(c, c->arg[3], value, n) < 0)
        return -EFAULT;
    return call_write(c, c->arg[4], &n, sizeof n);
}
