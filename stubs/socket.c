/* Sockets from their making to their options: socket(2), bind(2), listen(2), accept(2), connect(2), getsockopt(2). What they
 * talk to is in vfs/: other sockets of the world. Model: the kernel's net/socket.c. */
#include "stubs/sockets.h"

#include "stubs/places.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    OPTION_MOST = 4096, /* bytes of one option that are looked at */
    SOCK_KINDS = 15,    /* the bits of a type that say which */
};

/* ---- arguments --------------------------------------------------------------------------------------------------- */

int socket_argument(struct call *c, struct file **f)
{
    *f = file_argument(c, 0);
    if (*f == NULL)
        return -EBADF;
    return file_is_socket(*f) ? 0 : -ENOTSOCK;
}

int read_address(struct call *c, uint64_t address, uint64_t length, struct sockaddr_storage *to)
{
    int n = (int)length;
    memset(to, 0, sizeof *to);
    if (n < 0 || (size_t)n > sizeof *to)
        return -EINVAL;
    return call_read(c, address, to, (size_t)n);
}

int write_address(struct call *c, const struct sockaddr_storage *from, socklen_t length, uint64_t to, uint64_t room)
{
    int n;
    if (call_read(c, room, &n, sizeof n) < 0)
        return -EFAULT;
    if (n < 0)
        return -EINVAL;
    if ((socklen_t)n > length)
        n = (int)length;
    if (call_write(c, to, from, (size_t)n) < 0)
        return -EFAULT;
    return call_write(c, room, &length, sizeof length);
}

struct ucred socket_self(const struct call *c, bool sender)
{
    const struct cred *cred = &c->task->cred;
    return (struct ucred){
        .pid = c->task->process->pid, .uid = sender ? cred->uid : cred->euid, .gid = sender ? cred->gid : cred->egid};
}

/* A call with a timeout of its own does not begin again after a signal (net/core/sock.c, sock_intr_errno). */
int64_t socket_wait(struct call *c, struct file *f, bool receive, uint64_t done)
{
    int64_t ns = socket_timeout(f, receive);
    if (c->timed_out || ns == 0)
        return done > 0 ? (int64_t)done : -EAGAIN;
    int64_t interrupted = done > 0 ? (int64_t)done : ns < 0 ? -CALL_RESTART_SYS : -EINTR;
    file_poll(f, call_poll_table(c));
    return call_block(c, call_deadline_in(c, ns), interrupted);
}

/* ---- making them ------------------------------------------------------------------------------------------------- */

int64_t stub_socket(struct call *c)
{
    struct file *f;
    int type = (int)c->arg[1];
    int error = socket_new(c->world->vfs, (int)c->arg[0], type, (int)c->arg[2], &f);
    return error < 0 ? error : install_file(c, f, 0, (type & SOCK_CLOEXEC) != 0);
}

int64_t stub_socketpair(struct call *c)
{
    struct file *ends[2];
    struct fdtable *fds = c->task->fds;
    const struct ucred self = socket_self(c, false);
    int type = (int)c->arg[1];
    int32_t probe[2];
    if ((type & ~(SOCK_KINDS | SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return -EINVAL;
    /* Where the descriptors go is written to before there is a socket (net/socket.c, __sys_socketpair). */
    if (call_read(c, c->arg[3], probe, sizeof probe) < 0 || call_write(c, c->arg[3], probe, sizeof probe) < 0)
        return -EFAULT;
    int error = socket_pair(c->world->vfs, (int)c->arg[0], type, (int)c->arg[2], &self, ends);
    if (error < 0)
        return error;
    int32_t fd[2];
    fd[0] = (int32_t)install_file(c, ends[0], 0, (type & SOCK_CLOEXEC) != 0);
    if (fd[0] < 0) {
        file_put(ends[1]);
        return fd[0];
    }
    fd[1] = (int32_t)install_file(c, ends[1], 0, (type & SOCK_CLOEXEC) != 0);
    error = fd[1] < 0 ? fd[1] : call_write(c, c->arg[3], fd, sizeof fd);
    for (int i = 0; error < 0 && i < 2; i++)
        if (fd[i] >= 0)
            (void)fdtable_close(fds, fd[i], fds);
    return error;
}

/* ---- names and connections --------------------------------------------------------------------------------------- */

int64_t stub_bind(struct call *c)
{
    struct file *f;
    struct place at;
    struct sockaddr_storage address;
    int error = socket_argument(c, &f);
    if (error == 0)
        error = read_address(c, c->arg[1], c->arg[2], &address);
    if (error == 0)
        error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    return socket_bind(f, &at, 0777 & ~c->task->fs->umask, (struct sockaddr *)&address, (socklen_t)c->arg[2]);
}

int64_t stub_listen(struct call *c)
{
    struct file *f;
    const struct ucred self = socket_self(c, false);
    int error = socket_argument(c, &f);
    return error < 0 ? error : socket_listen(f, (int)c->arg[1], &self);
}

/* A connection is taken off the queue only when there is a descriptor for it. */
static int64_t accept_with(struct call *c, int flags)
{
    struct file *f, *accepted;
    struct sockaddr_storage peer;
    socklen_t length = 0;
    int error = socket_argument(c, &f);
    if (error != -EBADF && (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
        return -EINVAL;
    if (error == 0 && fdtable_full(c->task->fds))
        error = -EMFILE;
    if (error == 0)
        error = socket_accept(f, flags, &accepted, c->arg[1] != 0 ? &peer : NULL, &length);
    if (error == -EAGAIN && !nonblocking(f))
        return socket_wait(c, f, true, 0);
    if (error == 0 && c->arg[1] != 0) {
        error = write_address(c, &peer, length, c->arg[1], c->arg[2]);
        if (error < 0)
            file_put(accepted);
    }
    return error < 0 ? error : install_file(c, accepted, 0, (flags & SOCK_CLOEXEC) != 0);
}

int64_t stub_accept(struct call *c)
{
    return accept_with(c, 0);
}

int64_t stub_accept4(struct call *c)
{
    return accept_with(c, (int)c->arg[3]);
}

/* A connection under way: over when the socket is writable or in error, and SO_ERROR says how. */
static int64_t await_connection(struct call *c, struct file *f)
{
    int error = 0;
    socklen_t length = sizeof error;
    if ((file_poll(f, NULL) & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) {
        c->keep[0] = 1;
        int64_t result = socket_wait(c, f, false, 0);
        return result == -EAGAIN ? -EINPROGRESS : result;
    }
    (void)socket_get_option(f, SOL_SOCKET, SO_ERROR, &error, &length);
    return -error;
}

int64_t stub_connect(struct call *c)
{
    struct file *f;
    struct place at;
    struct sockaddr_storage address;
    struct waitq *queue = NULL;
    const struct ucred self = socket_self(c, false);
    int error = socket_argument(c, &f);
    if (error == 0 && c->keep[0] != 0)
        return await_connection(c, f);
    if (error == -EBADF)
        return error;
    int bad_address = read_address(c, c->arg[1], c->arg[2], &address); /* before what kind of file it is */
    if (bad_address < 0 || error < 0)
        return bad_address < 0 ? bad_address : error;
    error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    error = socket_connect(f, &at, (struct sockaddr *)&address, (socklen_t)c->arg[2], &self, &queue);
    if (nonblocking(f))
        return error;
    if (error == -EINPROGRESS || error == -EALREADY)
        return await_connection(c, f);
    if (error == -EAGAIN && queue != NULL) {
        call_wait_on(c, queue);
        return socket_wait(c, f, false, 0);
    }
    return error;
}

static int64_t tell_name(struct call *c, bool peer)
{
    struct file *f;
    struct sockaddr_storage address;
    socklen_t length;
    int error = socket_argument(c, &f);
    if (error == 0)
        error = socket_name(f, peer, &address, &length);
    return error < 0 ? error : write_address(c, &address, length, c->arg[1], c->arg[2]);
}

int64_t stub_getsockname(struct call *c)
{
    return tell_name(c, false);
}

int64_t stub_getpeername(struct call *c)
{
    return tell_name(c, true);
}

int64_t stub_shutdown(struct call *c)
{
    struct file *f;
    int error = socket_argument(c, &f);
    return error < 0 ? error : socket_shutdown(f, (int)c->arg[1]);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

int64_t stub_setsockopt(struct call *c)
{
    struct file *f;
    uint8_t value[OPTION_MOST];
    int length = (int)c->arg[4];
    int error = length < 0 ? -EINVAL : socket_argument(c, &f);
    if ((size_t)length > sizeof value)
        length = sizeof value;
    if (error == 0)
        error = socket_has_level(f, (int)c->arg[1], true);
    if (error == 0 && (int)c->arg[1] == SOL_SOCKET && (int)c->arg[2] != SO_BINDTODEVICE && length < (int)sizeof(int))
        error = -EINVAL;
    if (error == 0)
        error = call_read(c, c->arg[3], value, (size_t)length);
    if (error < 0)
        return error;
    return socket_set_option(f, (int)c->arg[1], (int)c->arg[2], value, (socklen_t)length, &c->task->cred);
}

int64_t stub_getsockopt(struct call *c)
{
    struct file *f;
    uint8_t value[OPTION_MOST];
    int room = 0;
    int error = socket_argument(c, &f);
    if (error == 0)
        error = socket_has_level(f, (int)c->arg[1], false);
    if (error == 0)
        error = call_read(c, c->arg[4], &room, sizeof room);
    if (error == 0 && room < 0)
        error = -EINVAL;
    if (error < 0)
        return error;
    socklen_t length = (size_t)room < sizeof value ? (socklen_t)room : sizeof value;
    error = socket_get_option(f, (int)c->arg[1], (int)c->arg[2], value, &length);
    if (error < 0)
        return error;
    if (call_write(c, c->arg[3], value, length) < 0)
        return -EFAULT;
    return call_write(c, c->arg[4], &length, sizeof length);
}
