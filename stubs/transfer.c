/* Bytes from one open file to another: sendfile(2), splice(2), tee(2), copy_file_range(2). Each has its own rules for
 * which pair is allowed; the moving is the VFS's (file_move). */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include "vfs/socket.h"

#include <sys/epoll.h>
#include <sys/stat.h>

enum { SPLICE_NONBLOCK = 2, SPLICE_KNOWN = 0xf };

static bool can_read(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool can_write(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* An optional offset behind a pointer. *use is NULL when the file's own is meant. */
static int read_offset(struct call *c, uint64_t address, uint64_t *value, uint64_t **use)
{
    *use = address ? value : NULL;
    return address && call_read(c, address, value, sizeof *value) ? -EFAULT : 0;
}

static int64_t wait_for_both(struct call *c, struct file *a, struct file *b)
{
    file_poll(a, call_poll_table(c));
    file_poll(b, call_poll_table(c));
    return call_block(c, -1, -CALL_RESTART_SYS);
}

/* Which of the two it is that a splice would wait for decides: a pipe by the call's flag and its own, another file by its own. */
static bool splice_waits(struct file *in, struct file *out, uint64_t flags)
{
    bool from_pipe = file_is_pipe(in), to_pipe = file_is_pipe(out);
    if (from_pipe && to_pipe)
        return !(flags & SPLICE_NONBLOCK) && !nonblocking(in) && !nonblocking(out);
    struct file *pipe = from_pipe ? in : out, *other = from_pipe ? out : in;
    if (!(file_poll(pipe, NULL) & (from_pipe ? EPOLLIN : EPOLLOUT)))
        return !(flags & SPLICE_NONBLOCK) && !nonblocking(pipe);
    int family = 0;
    socklen_t length = sizeof family;
    bool heeds = to_pipe && !socket_get_option(other, SOL_SOCKET, SO_DOMAIN, &family, &length) && family == AF_UNIX;
    return !nonblocking(other) && !(heeds && flags & SPLICE_NONBLOCK); /* unix_stream_splice_read alone looks at it */
}

/* After the move: offsets back to the guest, a broken pipe's signal. */
static int64_t done(struct call *c, int64_t n, uint64_t from_at, const uint64_t *from, uint64_t to_at,
                    const uint64_t *to)
{
    if (n == -EPIPE)
        return broken_pipe(c);
    if (n < 0)
        return n;
    if (from && call_write(c, from_at, from, sizeof *from))
        return -EFAULT;
    if (to && call_write(c, to_at, to, sizeof *to))
        return -EFAULT;
    return n;
}

/* All of the source before the target: fs/read_write.c, do_sendfile. */
static int64_t send_file(struct call *c, struct file *out, struct file *in, uint64_t *from)
{
    size_t n = c->arg[3] < VFS_IO_MAX ? c->arg[3] : VFS_IO_MAX;
    if (!in || !can_read(in))
        return -EBADF;
    if (from && !in->ops->seek)
        return -ESPIPE;
    int error = check_area(in, from, c->arg[3]);
    if (error)
        return error;
    if (!out || !can_write(out))
        return -EBADF;
    if (out->flags & O_APPEND && !file_is_pipe(out))
        return -EINVAL;
    if (pipe_is_broken(out))
        return -EPIPE;
    if (file_is_pipe(in) ? n || !file_is_pipe(out) : !in->ops->seek && !in->ops->seek_ignored && !file_is_pipe(out))
        return -EINVAL; /* what was read and not written would be lost */
    error = file_size_limit(c, out, UINT64_MAX, &n);
    return error ? error : file_move(in, from, out, NULL, n);
}

int64_t stub_sendfile(struct call *c)
{
    struct file *out = file_argument(c, 0), *in = file_argument(c, 1);
    uint64_t offset, *from;
    if (read_offset(c, c->arg[2], &offset, &from))
        return -EFAULT;
    int64_t moved = send_file(c, out, in, from);
    if (moved == -EAGAIN && !nonblocking(out))
        return wait_for_both(c, in, out);
    if (moved == -EPIPE)
        broken_pipe(c);
    return from && call_write(c, c->arg[2], from, sizeof *from) ? -EFAULT : moved; /* also of what failed */
}

int64_t stub_splice(struct call *c)
{
    uint64_t offset[2], *from, *to, flags = (uint32_t)c->arg[5];
    size_t n = c->arg[4] < VFS_IO_MAX ? c->arg[4] : VFS_IO_MAX;
    if (n == 0)
        return 0;
    if (flags & ~(uint64_t)SPLICE_KNOWN)
        return -EINVAL;
    struct file *in = file_argument(c, 0), *out = file_argument(c, 2);
    if (!in || !out)
        return -EBADF;
    bool from_pipe = file_is_pipe(in), to_pipe = file_is_pipe(out);
    if ((from_pipe && c->arg[1]) || (to_pipe && c->arg[3]))
        return -ESPIPE;
    if (read_offset(c, c->arg[3], &offset[1], &to) || read_offset(c, c->arg[1], &offset[0], &from))
        return -EFAULT;
    if (!can_read(in) || !can_write(out))
        return -EBADF;
    if ((!from_pipe && !to_pipe) || (!to_pipe && out->flags & O_APPEND))
        return -EINVAL;
    if ((from && !in->ops->seek) || (to && !out->ops->seek))
        return -EINVAL;
    int error = check_area(from_pipe ? out : in, from_pipe ? to : from, c->arg[4]);
    if (!error)
        error = file_size_limit(c, out, to ? *to : UINT64_MAX, &n);
    if (error)
        return error;
    int64_t moved = file_move(in, from, out, to, n);
    if (moved == -EAGAIN && splice_waits(in, out, flags))
        return wait_for_both(c, in, out);
    return done(c, moved, c->arg[1], from, c->arg[3], to);
}

int64_t stub_tee(struct call *c)
{
    struct file *in = file_argument(c, 0), *out = file_argument(c, 1);
    uint64_t flags = (uint32_t)c->arg[3];
    if (flags & ~(uint64_t)SPLICE_KNOWN)
        return -EINVAL;
    if (c->arg[2] == 0)
        return 0;
    if (!in || !out || !can_read(in) || !can_write(out))
        return -EBADF;
    if (!file_is_pipe(in) || !file_is_pipe(out))
        return -EINVAL;
    int64_t copied = pipe_tee(in, out, c->arg[2] < VFS_IO_MAX ? c->arg[2] : VFS_IO_MAX);
    if (copied == -EAGAIN && !(flags & SPLICE_NONBLOCK) && !nonblocking(in) && !nonblocking(out))
        return wait_for_both(c, in, out);
    return done(c, copied, 0, NULL, 0, NULL);
}

int64_t stub_copy_file_range(struct call *c)
{
    struct file *in = file_argument(c, 0), *out = file_argument(c, 2);
    uint64_t offset[2], *from, *to;
    struct statx source, target;
    size_t n = c->arg[4] < VFS_IO_MAX ? c->arg[4] : VFS_IO_MAX;
    if (!in || !out)
        return -EBADF;
    int error = read_offset(c, c->arg[1], &offset[0], &from);
    if (!error)
        error = read_offset(c, c->arg[3], &offset[1], &to);
    if (!error && ((from && *from > INT64_MAX) || (to && *to > INT64_MAX)))
        error = -EINVAL;
    if (error)
        return error;
    if (c->arg[5])
        return -EINVAL;
    if (file_stat(in, &source) || file_stat(out, &target))
        return -EINVAL;
    if (S_ISDIR(source.stx_mode) || S_ISDIR(target.stx_mode))
        return -EISDIR;
    if (!S_ISREG(source.stx_mode) || !S_ISREG(target.stx_mode))
        return -EINVAL;
    if (!can_read(in) || !can_write(out) || out->flags & O_APPEND)
        return -EBADF;
    if (source.stx_dev_major != target.stx_dev_major || source.stx_dev_minor != target.stx_dev_minor)
        return -EXDEV; /* since Linux 5.19 */
    uint64_t at = from ? *from : in->position, onto = to ? *to : out->position;
    if (n > (uint64_t)INT64_MAX - at || n > (uint64_t)INT64_MAX - onto)
        return -EOVERFLOW;
    error = file_size_limit(c, out, onto, &n);
    if (error)
        return error;
    if (at >= source.stx_size)
        return 0;
    if (n > source.stx_size - at)
        n = source.stx_size - at;
    if (in->node && in->node == out->node && at < onto + n && onto < at + n)
        return -EINVAL;
    return done(c, file_move(in, from, out, to, n), c->arg[1], from, c->arg[3], to);
}
