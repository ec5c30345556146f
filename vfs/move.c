/* Moving bytes between open files without the guest's memory: the core of splice(2), sendfile(2), copy_file_range(2),
 * and tee(2).
 *
 * With a pipe on one side the pipe's own memory is what the other file reads into or writes from, so a byte is copied
 * once. Between two other files a buffer stands in. Which pairs are allowed (splice wants a pipe, copy_file_range two
 * regular files) is for the caller to say: each of these calls has its own rules. */
#include "vfs/objects.h"
#include "vfs/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    COPY_CHUNK = 128 * 1024,
    MOVE_MAX = 16 * 1024 * 1024, /* one call moves no more, so that it cannot hold the supervisor up */
};

/* An io whose other side is a pipe. */
struct pipe_io {
    struct io io;
    struct pipe *pipe;
    size_t used; /* bytes peeked so far */
};

static ssize_t put_to_pipe(struct io *io, const void *from, size_t n)
{
    struct pipe_io *side = io->context;
    struct io bytes = io_over_buffer((void *)from, n);
    ssize_t stored = pipe_store(side->pipe, &bytes, n);
    if (stored > 0)
        io->left -= (size_t)stored;
    return stored;
}

static ssize_t get_from_pipe(struct io *io, void *to, size_t n)
{
    struct pipe_io *side = io->context;
    size_t done = 0;
    while (done < n) {
        size_t run;
        const char *bytes = pipe_peek(side->pipe, side->used, &run);
        if (!run)
            break;
        if (run > n - done)
            run = n - done;
        memcpy((char *)to + done, bytes, run);
        side->used += run;
        done += run;
    }
    io->left -= done;
    return (ssize_t)done;
}

static size_t pipe_bytes(const struct pipe *p, size_t limit)
{
    size_t all = 0, run;
    while (all < limit && pipe_peek(p, all, &run))
        all += run;
    return all < limit ? all : limit;
}

/* Directories and the kernel's anonymous inodes (those whose lseek(2) does nothing) have no splice operations. */
static bool can_be_spliced(const struct file *f)
{
    return !f->ops->seek_ignored && !f->ops->getdents;
}

static bool can_be_spliced_to(const struct file *f)
{
    return can_be_spliced(f) && strcmp(f->ops->kind, "full") != 0;
}

static ssize_t move_into_pipe(struct file *from, uint64_t *position, struct pipe *to, size_t n)
{
    if (!pipe_has_readers(to))
        return -EPIPE;
    size_t room = (size_t)pipe_free_slots(to) * PIPE_SLOT_SIZE;
    if (!room)
        return -EAGAIN;
    if (!can_be_spliced(from))
        return -EINVAL;
    struct pipe_io side = {.pipe = to};
    side.io = (struct io){.put = put_to_pipe, .left = n < room ? n : room, .context = &side};
    return file_read(from, &side.io, position);
}

static ssize_t move_out_of_pipe(struct pipe *from, struct file *to, uint64_t *position, size_t n)
{
    if (!can_be_spliced_to(to))
        return -EINVAL;
    if (pipe_is_empty(from))
        return pipe_has_writers(from) ? -EAGAIN : 0;
    struct pipe_io side = {.pipe = from};
    side.io = (struct io){.get = get_from_pipe, .left = pipe_bytes(from, n), .context = &side};
    ssize_t written = file_write(to, &side.io, position);
    if (written > 0)
        pipe_consume(from, (size_t)written);
    return written;
}

static ssize_t pipe_to_pipe(struct pipe *from, struct pipe *to, size_t n, bool consume)
{
    if (from == to)
        return -EINVAL;
    if (pipe_is_empty(from) && pipe_has_writers(from))
        return -EAGAIN;
    if (!pipe_has_readers(to))
        return -EPIPE;
    if (!pipe_free_slots(to))
        return -EAGAIN;
    if (pipe_is_empty(from)) /* its end is told last: fs/splice.c, splice_pipe_to_pipe */
        return 0;
    return pipe_copy_slots(from, to, n, consume);
}

/* Both have offsets, or at least `from` does: what was read but not taken is simply read again. */
static ssize_t move_through_buffer(struct file *from, uint64_t *from_position, struct file *to, uint64_t *to_position,
                                   size_t n)
{
    uint64_t at = from_position ? *from_position : from->position;
    size_t done = 0;
    ssize_t result = 0;
    char *buffer = malloc(COPY_CHUNK);
    if (!buffer)
        return -ENOMEM;
    while (done < n) {
        struct io in = io_over_buffer(buffer, n - done < COPY_CHUNK ? n - done : COPY_CHUNK);
        uint64_t read_at = at;
        ssize_t got = result = file_read(from, &in, &read_at);
        if (got <= 0)
            break;
        struct io out = io_over_buffer(buffer, (size_t)got);
        ssize_t written = result = can_be_spliced_to(to) ? file_write(to, &out, to_position) : -EINVAL;
        if (written <= 0)
            break;
        at += (uint64_t)written;
        done += (size_t)written;
        if (written < got)
            break;
    }
    free(buffer);
    *(from_position ? from_position : &from->position) = at;
    return done ? (ssize_t)done : result;
}

ssize_t file_move(struct file *from, uint64_t *from_position, struct file *to, uint64_t *to_position, size_t n)
{
    if (file_is_pipe(from) && !pipe_of_reader(from))
        return -EBADF;
    if (file_is_pipe(to) && !pipe_of_writer(to))
        return -EBADF;
    if ((file_is_pipe(from) && from_position) || (file_is_pipe(to) && to_position))
        return -ESPIPE;
    if (n > MOVE_MAX)
        n = MOVE_MAX;
    struct pipe *source = pipe_of_reader(from), *sink = pipe_of_writer(to);
    if (source && sink)
        return n ? pipe_to_pipe(source, sink, n, true) : 0;
    if ((to->flags & O_APPEND) && !sink) /* splice(2), sendfile(2) */
        return -EINVAL;
    if (!n)
        return 0;
    if (sink)
        return move_into_pipe(from, from_position, sink, n);
    if (source)
        return move_out_of_pipe(source, to, to_position, n);
    if (!from->ops->seek || !can_be_spliced(from))
        return -EINVAL;
    return move_through_buffer(from, from_position, to, to_position, n);
}

ssize_t pipe_tee(struct file *from, struct file *to, size_t n)
{
    struct pipe *source = pipe_of_reader(from), *sink = pipe_of_writer(to);
    if (!source || !sink)
        return file_is_pipe(from) && file_is_pipe(to) ? -EBADF : -EINVAL;
    return n ? pipe_to_pipe(source, sink, n < VFS_IO_MAX ? n : VFS_IO_MAX, false) : 0;
}
