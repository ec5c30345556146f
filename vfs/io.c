/* The shared half of `struct io`: clamping, zeros, bytes of a host descriptor, and an io over an array. */
#include "vfs/io.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { COPY_CHUNK = 64 * 1024, ZERO_CHUNK = 16 * 1024 };

ssize_t io_put(struct io *io, const void *from, size_t n)
{
    n = n < io->left ? n : io->left;
    return n ? io->put(io, from, n) : 0;
}

ssize_t io_get(struct io *io, void *to, size_t n)
{
    n = n < io->left ? n : io->left;
    return n ? io->get(io, to, n) : 0;
}

ssize_t io_put_zero(struct io *io, size_t n)
{
    static const char zeros[ZERO_CHUNK];
    size_t done = 0;
    n = n < io->left ? n : io->left;
    while (done < n) {
        size_t want = n - done < ZERO_CHUNK ? n - done : ZERO_CHUNK;
        ssize_t put = io_put(io, zeros, want);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        if ((size_t)put < want)
            break;
    }
    return (ssize_t)done;
}

/* As much as there is, or goes in: short at the end of the file, or at an error after some bytes. */
static ssize_t read_fd(int fd, char *to, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return done ? (ssize_t)done : -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static ssize_t write_fd(int fd, const char *from, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t put = pwrite(fd, from + done, n - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return done ? (ssize_t)done : -errno;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

static ssize_t put_fd_through_buffer(struct io *io, int fd, uint64_t offset, size_t n)
{
    char buffer[COPY_CHUNK];
    size_t done = 0;
    while (done < n) {
        size_t want = n - done < sizeof buffer ? n - done : sizeof buffer;
        ssize_t got = read_fd(fd, buffer, want, offset + done);
        if (got < 0)
            return done ? (ssize_t)done : got;
        if (got == 0)
            break;
        ssize_t put = io_put(io, buffer, (size_t)got);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        if ((size_t)put < want) /* a fault on the other side, or the end of the host file */
            break;
    }
    return (ssize_t)done;
}

ssize_t io_put_fd(struct io *io, int fd, uint64_t offset, size_t n)
{
    n = n < io->left ? n : io->left;
    if (n == 0)
        return 0;
    return io->put_fd ? io->put_fd(io, fd, offset, n) : put_fd_through_buffer(io, fd, offset, n);
}

static ssize_t get_fd_through_buffer(struct io *io, int fd, uint64_t offset, size_t n)
{
    char buffer[COPY_CHUNK];
    size_t done = 0;
    while (done < n) {
        size_t want = n - done < sizeof buffer ? n - done : sizeof buffer;
        ssize_t got = io_get(io, buffer, want);
        ssize_t put = got > 0 ? write_fd(fd, buffer, (size_t)got, offset + done) : got;
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        if ((size_t)put < want)
            break;
    }
    return (ssize_t)done;
}

ssize_t io_get_fd(struct io *io, int fd, uint64_t offset, size_t n)
{
    n = n < io->left ? n : io->left;
    if (n == 0)
        return 0;
    return io->get_fd ? io->get_fd(io, fd, offset, n) : get_fd_through_buffer(io, fd, offset, n);
}

/* The buffer's end is the context, so that `left` alone says where the next byte goes. */
static ssize_t buffer_put(struct io *io, const void *from, size_t n)
{
    memcpy((char *)io->context - io->left, from, n);
    io->left -= n;
    return (ssize_t)n;
}

static ssize_t buffer_get(struct io *io, void *to, size_t n)
{
    memcpy(to, (char *)io->context - io->left, n);
    io->left -= n;
    return (ssize_t)n;
}

static ssize_t buffer_put_fd(struct io *io, int fd, uint64_t offset, size_t n)
{
    ssize_t got = read_fd(fd, (char *)io->context - io->left, n, offset);
    io->left -= got > 0 ? (size_t)got : 0;
    return got;
}

static ssize_t buffer_get_fd(struct io *io, int fd, uint64_t offset, size_t n)
{
    ssize_t put = write_fd(fd, (const char *)io->context - io->left, n, offset);
    io->left -= put > 0 ? (size_t)put : 0;
    return put;
}

struct io io_over_buffer(void *buffer, size_t size)
{
    return (struct io){.put = buffer_put,
                       .get = buffer_get,
                       .put_fd = buffer_put_fd,
                       .get_fd = buffer_get_fd,
                       .left = size,
                       .context = (char *)buffer + size};
}
