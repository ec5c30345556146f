/* read(2), write(2) and their vector and positional forms, and vmsplice(2), which is one of them on a pipe.
 *
 * One loop for all: ask the file; if it would block and may, sleep on what its poll names and ask again. What an
 * earlier run of the call wrote stands in c->progress; an interruption then returns it. */
#include "kernel/recorder.h"
#include "stubs/places.h"
#include "stubs/sockets.h"
#include "stubs/stubs.h"
#include "vfs/objects.h"

#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

enum { KNOWN_RWF = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND };

/* How one transfer is to go. */
struct transfer {
    struct file *file;
    struct call_io io;
    uint64_t position; /* in, out; used when `positional` */
    bool positional;
    bool nowait;
};

/* VTIME (termios(3)): with VMIN 0 from the beginning of the call, else anew with every byte. -1: it waits for ever. */
static int64_t terminal_deadline(struct call *c, struct file *f)
{
    int64_t now = clock_elapsed(&c->world->clock), limit = tty_read_timeout(f);
    uint64_t bytes = limit < 0 ? 0 : tty_bytes(f);
    if (limit >= 0 && (c->keep[0] == 0 || c->keep[1] != bytes))
        c->keep[0] = (uint64_t)(now + limit) + 1;
    c->keep[1] = bytes;
    return limit < 0 ? -1 : (int64_t)c->keep[0] - 1;
}

/* done: bytes moved so far, which an interruption returns. */
static int64_t wait_for(struct call *c, struct file *f, bool receive, uint64_t done)
{
    if (file_is_socket(f)) /* it may have a timeout of its own */
        return socket_wait(c, f, receive, done);
    file_poll(f, call_poll_table(c));
    return call_block(c, receive ? terminal_deadline(c, f) : -1, done ? (int64_t)done : -CALL_RESTART_SYS);
}

static int64_t read_some(struct call *c, struct transfer *t)
{
    if (c->timed_out && !file_is_socket(t->file)) {
        c->timed_out = false;
        tty_read_expired(t->file);
    }
    record(c->world, source, c, t->file, t->positional ? t->position : t->file->position);
    ssize_t n = file_read(t->file, &t->io.io, t->positional ? &t->position : NULL);
    record(c->world, source, c, NULL, 0);
    if (n != -EAGAIN || t->nowait || nonblocking(t->file))
        return n;
    return wait_for(c, t->file, true, 0);
}

/* A blocking write to one of these sleeps until all of it is taken (pipe(7)); what another file took, it took. */
static bool takes_all(struct file *f)
{
    return file_is_pipe(f) || strcmp(f->ops->kind, "tty") == 0 || file_is_socket(f) || host_stream_fd(f) >= 0;
}

static int64_t write_all(struct call *c, struct transfer *t)
{
    struct io *io = &t->io.io;
    while (true) {
        call_io_restart(&t->io, c->progress);
        size_t allowed = io->left;
        int error = file_size_limit(c, t->file, t->positional ? t->position : UINT64_MAX, &allowed);
        if (error)
            return error;
        io->left = allowed;
        ssize_t n = file_write(t->file, io, t->positional ? &t->position : NULL);
        if (n > 0)
            c->progress += (uint64_t)n;
        if (n > 0 && c->progress < t->io.total && takes_all(t->file))
            continue;
        if (n == -EPIPE)
            broken_pipe(c);
        if (n == -EAGAIN && !t->nowait && !nonblocking(t->file))
            return wait_for(c, t->file, false, c->progress);
        return c->progress ? (int64_t)c->progress : n;
    }
}

/* In the kernel's order (fs/read_write.c): no offsets before the access mode, that before whether the file can at all, and the
 * memory last. */
static int check_file(const struct file *f, bool write, bool positional)
{
    if (!f || f->flags & O_PATH)
        return -EBADF;
    if (positional && !f->ops->seek)
        return -ESPIPE;
    if ((f->flags & O_ACCMODE) == (write ? O_RDONLY : O_WRONLY))
        return -EBADF;
    return (write ? f->ops->write : f->ops->read) ? 0 : -EINVAL;
}

static int64_t single(struct call *c, bool write, bool positional)
{
    struct transfer t = {.positional = positional, .position = c->arg[3]};
    if (positional && (int64_t)c->arg[3] < 0)
        return -EINVAL;
    t.file = call_file(c, (int)c->arg[0]);
    int error = check_file(t.file, write, positional);
    if (error)
        return error;
    if (!call_range(c->arg[1], c->arg[2]))
        return -EFAULT;
    error = check_area(t.file, positional ? &t.position : NULL, c->arg[2]);
    if (error)
        return error;
    call_io_single(c, &t.io, c->arg[1], c->arg[2]);
    return write ? write_all(c, &t) : read_some(c, &t);
}

int64_t stub_read(struct call *c)
{
    return single(c, false, false);
}

int64_t stub_write(struct call *c)
{
    return single(c, true, false);
}

int64_t stub_pread64(struct call *c)
{
    return single(c, false, true);
}

int64_t stub_pwrite64(struct call *c)
{
    return single(c, true, true);
}

static int64_t vector(struct call *c, bool write, bool positional, uint64_t flags)
{
    struct transfer t = {.positional = positional, .position = c->arg[3]};
    if (positional && (int64_t)t.position < 0)
        return -EINVAL;
    t.file = call_file(c, (int)c->arg[0]);
    int error = check_file(t.file, write, positional);
    if (!error)
        error = call_io_vector(c, &t.io, c->arg[1], (uint32_t)c->arg[2]); /* import_iovec counts in 32 bits */
    if (error)
        return error;
    if (t.io.io.left == 0)
        return 0;
    error = check_area(t.file, t.positional ? &t.position : NULL, t.io.io.left);
    if (error)
        return error;
    if (flags & ~(uint64_t)KNOWN_RWF)
        return -EOPNOTSUPP;
    t.nowait = flags & RWF_NOWAIT;
    if (!write)
        return read_some(c, &t);
    uint64_t own = t.file->position;
    if (flags & RWF_APPEND) { /* at the end, whatever the offset says; only offset -1 moves the file's own */
        struct statx st;
        if (file_stat(t.file, &st) == 0 && t.file->ops->seek) {
            if (positional)
                t.position = st.stx_size;
            else
                t.file->position = st.stx_size;
        }
    }
    int64_t n = write_all(c, &t);
    if (flags & RWF_APPEND && n <= 0 && !positional)
        t.file->position = own;
    if (n > 0 && flags & (RWF_DSYNC | RWF_SYNC))
        file_sync(t.file);
    return n;
}

int64_t stub_readv(struct call *c)
{
    return vector(c, false, false, 0);
}

int64_t stub_writev(struct call *c)
{
    return vector(c, true, false, 0);
}

/* The offset's high half (argument 4) is shifted out on a 64-bit machine (fs/read_write.c, pos_from_hilo). */
int64_t stub_preadv(struct call *c)
{
    return vector(c, false, true, 0);
}

int64_t stub_pwritev(struct call *c)
{
    return vector(c, true, true, 0);
}

int64_t stub_preadv2(struct call *c)
{
    return vector(c, false, (int64_t)c->arg[3] != -1, (uint32_t)c->arg[5]);
}

int64_t stub_pwritev2(struct call *c)
{
    return vector(c, true, (int64_t)c->arg[3] != -1, (uint32_t)c->arg[5]);
}

int64_t stub_vmsplice(struct call *c)
{
    enum { KNOWN = 0xf };
    struct file *f = file_argument(c, 0);
    if ((uint32_t)c->arg[3] & ~KNOWN)
        return -EINVAL;
    if (!f)
        return -EBADF;
    struct call_io pieces;
    int error = call_io_vector(c, &pieces, c->arg[1], (uint32_t)c->arg[2]);
    if (error || pieces.io.left == 0)
        return error;
    if (!file_is_pipe(f))
        return -EBADF;
    bool write = (f->flags & O_ACCMODE) != O_RDONLY;
    return vector(c, write, false, c->arg[3] & 2 /* SPLICE_F_NONBLOCK */ ? RWF_NOWAIT : 0);
}

int64_t stub_lseek(struct call *c)
{
    struct file *f = file_argument(c, 0);
    if (f && (uint32_t)c->arg[2] > SEEK_HOLE)
        return -EINVAL;
    return f ? file_seek(f, (int64_t)c->arg[1], (int)c->arg[2]) : -EBADF;
}
