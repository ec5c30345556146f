/* A stream of the caller's that is a regular file. Its offset is the host's, shared with the caller as natively
 * (`(terrarium run a.py; cat) < file`); of one that is only written to, the guest's offset and size count from where the run began, for what was in it
 * is no input. */
#include "vfs/host_stream_inner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static ssize_t read_at(struct host_stream *s, void *to, size_t n, off_t at)
{
    ssize_t got;
    if (s->again)
        return s->hooks->again_input(s->hooks->context, to, n);
    do
        got = pread(s->fd, to, n, at);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

ssize_t host_regular_read(struct file *f, struct io *io, uint64_t *position)
{
    struct host_stream *s = f->private;
    bool own = position == &f->position;
    off_t at = own ? lseek(s->fd, 0, SEEK_CUR) : (off_t)*position;
    if (at < 0)
        return -errno;
    char buffer[HOST_STREAM_CHUNK];
    size_t done = 0;
    ssize_t got = 0, put = 0;
    while (io->left > 0) {
        size_t want = io->left < sizeof buffer ? io->left : sizeof buffer;
        got = read_at(s, buffer, want, at + (off_t)done);
        if (got <= 0 || (put = io_put(io, buffer, (size_t)got)) <= 0)
            break;
        host_stream_tell_input(s, buffer, (size_t)put);
        done += (size_t)put;
        if (put < got)
            break;
    }
    if (done > 0) {
        *position = (uint64_t)at + done;
        if (own)
            lseek(s->fd, (off_t)*position, SEEK_SET);
        return (ssize_t)done;
    }
    return got <= 0 ? got : put;
}

static ssize_t write_regular(struct host_stream *s, const void *from, size_t n)
{
    ssize_t done;
    if (s->again)
        return host_stream_write_again(s, from, n);
    do
        done = write(s->fd, from, n);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

bool host_regular_only_written(int number, uint32_t type, int flags)
{
    return number != 0 && type == S_IFREG && (flags & O_ACCMODE) == O_WRONLY;
}

/* The host's offset is moved as the guest's is: somebody else may have written meanwhile. */
static int64_t output_seek(struct file *f, int64_t offset, int whence)
{
    struct host_stream *s = f->private;
    int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->position : s->written, to;
    if ((whence == SEEK_DATA || whence == SEEK_HOLE) && (offset < 0 || offset >= s->written))
        return -ENXIO;
    if (whence == SEEK_DATA || whence == SEEK_HOLE)
        to = whence == SEEK_DATA ? offset : s->written;
    else if (whence < SEEK_SET || whence > SEEK_END || __builtin_add_overflow(from, offset, &to) || to < 0)
        return -EINVAL;
    if (lseek(s->fd, to - s->position, SEEK_CUR) < 0 && !s->appends)
        return -errno;
    f->position = (uint64_t)(s->position = to);
    return to;
}

static ssize_t output_write(struct file *f, struct io *io, uint64_t *position)
{
    struct host_stream *s = f->private;
    bool own = position == &f->position, appends = s->appends;
    int64_t at = appends ? s->written : own ? s->position : (int64_t)*position;
    if (!own && !appends && lseek(s->fd, at - s->position, SEEK_CUR) < 0)
        return -errno;
    ssize_t done = host_stream_write_chunks(s, io, HOST_STREAM_CHUNK, write_regular);
    int64_t end = at + (done > 0 ? done : 0);
    if (!own && !appends)
        (void)lseek(s->fd, s->position - end, SEEK_CUR);
    if (done > 0 && end > s->written)
        s->written = end;
    if (own && done > 0)
        s->position = end;
    if (done > 0)
        *position = (uint64_t)end;
    return done;
}

ssize_t host_regular_write(struct file *f, struct io *io, uint64_t *position)
{
    struct host_stream *s = f->private;
    if (s->only_written)
        return output_write(f, io, position);
    off_t before = lseek(s->fd, 0, SEEK_CUR);
    bool own = position == &f->position;
    if (!own && lseek(s->fd, (off_t)*position, SEEK_SET) < 0)
        return -errno;
    ssize_t done = host_stream_write_chunks(s, io, HOST_STREAM_CHUNK, write_regular);
    off_t after = lseek(s->fd, 0, SEEK_CUR);
    if (done > 0 && after >= 0)
        *position = (uint64_t)after;
    if (!own)
        lseek(s->fd, before, SEEK_SET);
    return done;
}

int64_t host_regular_seek(struct file *f, int64_t offset, int whence)
{
    struct host_stream *s = f->private;
    if (s->only_written)
        return output_seek(f, offset, whence);
    off_t at = lseek(s->fd, offset, whence);
    if (at < 0)
        return -errno;
    f->position = (uint64_t)at;
    return at;
}

/* A regular file's offset and size behave as one's do: a stand-in has them. */
int host_regular_stand_in(const struct host_stream_past *past)
{
    int fd = memfd_create("terrarium-stream", MFD_CLOEXEC);
    if (fd >= 0 && (ftruncate(fd, (off_t)past->size) || lseek(fd, (off_t)past->offset, SEEK_SET) < 0 ||
                    fcntl(fd, F_SETFL, past->flags & O_APPEND))) {
        close(fd);
        fd = -1;
    }
    return fd;
}
