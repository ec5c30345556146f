/* Memory filesystems: the operations of a regular file whose bytes the supervisor holds, as pages (vfs/memory.c) or in
 * a memfd once the guest mapped it, or it grew large (vfs/memfd.c). Directories, symlinks and special files of memory
 * are in vfs/node.c. */
#include "vfs/memory.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool in_memfd(const struct node *n)
{
    return n->memory && n->memory->fd >= 0;
}

static int sealed(const struct node *n, int seals)
{
    return n->memory && n->memory->seals & seals ? -EPERM : 0;
}

static ssize_t memory_node_read(struct node *n, struct io *io, uint64_t offset)
{
    size_t length = io->left;
    if (length > n->size - offset)
        length = n->size - offset;
    return in_memfd(n) ? io_put_fd(io, n->memory->fd, offset, length) : memory_read(n, io, offset, length);
}

static ssize_t memory_node_write(struct node *n, struct io *io, uint64_t offset)
{
    ssize_t done = 0;
    if (!memory_of(n))
        return -ENOMEM;
    if (sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return -EPERM;
    if (io->left && offset + io->left > n->size && sealed(n, F_SEAL_GROW))
        return -EPERM;
    if (!in_memfd(n) && offset + io->left > PAGES_MOST)
        memory_grows_large(n);
    while (io->left > 0) {
        ssize_t got = in_memfd(n) ? memfd_write(n, io, offset) : memory_write(n, io, offset);
        if (got < 0)
            return done ? done : got;
        if (got == 0)
            break;
        done += got;
        offset += (uint64_t)got;
        if (offset > n->size)
            n->size = offset;
    }
    return done;
}

static int memory_node_resize(struct node *n, uint64_t size)
{
    if (size < n->size && sealed(n, F_SEAL_SHRINK))
        return -EPERM;
    if (size > n->size && sealed(n, F_SEAL_GROW))
        return -EPERM;
    int error = 0;
    if (in_memfd(n))
        error = memfd_resize(n, size);
    else if (size <= n->size) /* also what was reserved beyond the end, as tmpfs */
        error = memory_punch(n, size, MEMORY_END);
    if (error)
        return error;
    if (n->memory && size <= n->size)
        n->memory->beyond = 0;
    n->size = size;
    return 0;
}

static int punch(struct node *n, uint64_t from, uint64_t to)
{
    return in_memfd(n) ? memfd_punch(n, from, to) : memory_punch(n, from, to);
}

static int64_t next(const struct node *n, uint64_t offset, bool hole)
{
    return in_memfd(n) ? memfd_seek(n, offset, hole) : memory_seek(n, offset, hole);
}

/* Moves the bytes of [from, size) to `to`, holes staying holes; to < from. Chunk by chunk through a buffer. */
static int move_down(struct node *n, uint64_t from, uint64_t to)
{
    char *buffer = malloc(CHUNK);
    uint64_t shift = from - to, at = from;
    int error = buffer ? 0 : -ENOMEM;
    while (!error && at < n->size) {
        int64_t data = next(n, at, false);
        uint64_t end = data < 0 ? n->size : (uint64_t)data;
        error = punch(n, at - shift, end - shift);
        at = end;
        if (error || data < 0)
            break;
        int64_t hole = next(n, at, true);
        if (hole < 0)
            error = (int)hole;
        while (!error && at < (uint64_t)hole) {
            size_t length = (uint64_t)hole - at < CHUNK ? (uint64_t)hole - at : CHUNK;
            struct io in = io_over_buffer(buffer, length);
            ssize_t got = memory_node_read(n, &in, at);
            struct io out = io_over_buffer(buffer, got > 0 ? (size_t)got : 0);
            ssize_t put = got > 0 ? memory_node_write(n, &out, at - shift) : got;
            error = put < 0 ? (int)put : put < (ssize_t)length ? -EIO : 0;
            at += length;
        }
    }
    free(buffer);
    return error;
}

static int collapse(struct node *n, uint64_t offset, uint64_t length)
{
    if (offset % PAGE || length % PAGE || offset + length >= n->size) /* fallocate(2): EINVAL at or beyond the end */
        return -EINVAL;
    if (sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK))
        return -EPERM;
    int error = move_down(n, offset + length, offset);
    return error ? error : memory_node_resize(n, n->size - length);
}

static int memory_node_allocate(struct node *n, int mode, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    if (mode & (FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
        return -EOPNOTSUPP; /* as tmpfs */
    if (!memory_of(n))
        return -ENOMEM;
    if (mode & FALLOC_FL_COLLAPSE_RANGE)
        return collapse(n, offset, length);
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        if (sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
            return -EPERM;
        int error = punch(n, offset, end);
        if (error || mode & FALLOC_FL_PUNCH_HOLE)
            return error;
    }
    if (end > n->size && sealed(n, F_SEAL_GROW)) /* with KEEP_SIZE too: shmem_fallocate */
        return -EPERM;
    bool keep_size = mode & FALLOC_FL_KEEP_SIZE;
    int error = in_memfd(n) ? memfd_reserve(n, offset, end, keep_size) : memory_reserve(n, offset, end);
    if (error || end <= n->size)
        return error;
    if (!keep_size)
        n->size = end;
    else if (end > n->memory->beyond)
        n->memory->beyond = end;
    return 0;
}

static int64_t memory_node_seek(struct node *n, uint64_t offset, bool hole)
{
    return next(n, offset, hole);
}

static int memory_node_map(struct node *n, uint64_t offset, uint64_t length, bool writable, struct file_mapping *out)
{
    if (!memory_of(n))
        return -ENOMEM;
    if (writable && sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        writable = false;
    int error = memory_to_memfd(n);
    if (error)
        return error;
    int fd = writable ? n->memory->fd : memfd_read_only(n);
    if (fd < 0)
        return fd;
    *out = (struct file_mapping){.fd = fd,
                                 .offset = offset,
                                 .writable = writable,
                                 .key = n->memory->key,
                                 .lasting = (n->flags & NODE_GIVEN) && !writable && !n->memory->charged};
    return 0;
}

static uint64_t memory_node_blocks(const struct node *n)
{
    if (!n->memory)
        return 0;
    return in_memfd(n) ? memfd_blocks(n) : n->memory->pages * (PAGE / 512);
}

const struct node_ops memory_ops = {
    .name = "memory",
    .read = memory_node_read,
    .write = memory_node_write,
    .resize = memory_node_resize,
    .allocate = memory_node_allocate,
    .seek_data = memory_node_seek,
    .map = memory_node_map,
    .blocks = memory_node_blocks,
    .release = memory_free,
};

int memory_set(struct node *n, const void *bytes, size_t size)
{
    struct io io = io_over_buffer((void *)bytes, size);
    ssize_t put = size ? memory_node_write(n, &io, 0) : 0;
    return put < 0 ? (int)put : (size_t)put < size ? -ENOSPC : 0;
}

/* [base, base + keep) of the descriptor into an empty memory file, its holes staying holes. */
static int copy_in(struct node *n, int fd, uint64_t base, uint64_t keep)
{
    char *buffer = malloc(CHUNK);
    uint64_t at = 0;
    int error = buffer ? 0 : -ENOMEM;
    while (!error && at < keep) {
        off_t data = lseek(fd, (off_t)(base + at), SEEK_DATA);
        if (data < 0 && errno == ENXIO) /* a hole to the end */
            break;
        if (data > (off_t)(base + at))
            at = (uint64_t)data - base;
        if (at >= keep)
            break;
        ssize_t got = pread(fd, buffer, keep - at < CHUNK ? keep - at : CHUNK, (off_t)(base + at));
        if (got <= 0) {
            error = got < 0 ? -errno : 0; /* a host file that became shorter: zeros from there */
            break;
        }
        struct io io = io_over_buffer(buffer, (size_t)got);
        ssize_t put = memory_node_write(n, &io, at);
        if (put != got)
            error = put < 0 ? (int)put : -ENOSPC;
        at += (uint64_t)got;
    }
    free(buffer);
    return error ? error : memory_node_resize(n, keep);
}

int memory_take_over(struct node *n, int fd, uint64_t base, uint64_t keep)
{
    const struct node_ops *ops = n->ops;
    void *private = n->private;
    uint64_t size = n->size;
    n->memory = NULL;
    n->ops = &memory_ops;
    n->size = 0;
    int error = keep ? copy_in(n, fd, base, keep) : 0;
    if (error) {
        memory_free(n);
        n->ops = ops;
        n->private = private;
        n->size = size;
    }
    return error;
}
