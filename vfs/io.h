/* The bytes of one read or write, seen from a file: where they go to, or come from, is not its business.
 *
 * The supervisor implements an `io` over guest memory (process_vm_writev(2) straight from the file's own
 * buffers, so that a block costs one copy); unit tests implement it over an array (io_over_buffer). */
#ifndef VFS_IO_H
#define VFS_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io {
    /* Copy n <= left bytes from `from` to the other side. Returns bytes copied (short at a fault), or -EFAULT
     * when not one byte could be copied. Advances, and lowers `left`. For reads of a file. */
    ssize_t (*put)(struct io *io, const void *from, size_t n);
    /* Copy n <= left bytes from the other side to `to`. Same returns. For writes to a file. */
    ssize_t (*get)(struct io *io, void *to, size_t n);
    /* Optional (may be NULL): as `put`, but the bytes are in the host descriptor `fd` at `offset`. Returns bytes
     * copied, 0 at end of file, -errno. Without it io_put_fd goes through a buffer. */
    ssize_t (*put_fd)(struct io *io, int fd, uint64_t offset, size_t n);
    /* Optional, the other way: n bytes of the other side go to `fd` at `offset`. Same returns; without it io_get_fd has a buffer. */
    ssize_t (*get_fd)(struct io *io, int fd, uint64_t offset, size_t n);
    size_t left; /* bytes not yet transferred; operations never go beyond it */
    void *context;
};

ssize_t io_put(struct io *io, const void *from, size_t n); /* clamps n to left */
ssize_t io_get(struct io *io, void *to, size_t n);         /* clamps n to left */
ssize_t io_put_zero(struct io *io, size_t n);              /* n zero bytes */
ssize_t io_put_fd(struct io *io, int fd, uint64_t offset, size_t n);
ssize_t io_get_fd(struct io *io, int fd, uint64_t offset, size_t n);
/* An io over a plain buffer of `size` bytes, which must outlive it. Works in both directions, a descriptor's bytes
 * without a buffer between. */
struct io io_over_buffer(void *buffer, size_t size);

/* Guest memory for the few operations whose argument is a pointer (ioctl(2)). Returns 0 or -EFAULT. */
struct umem {
    int (*read)(const struct umem *m, uint64_t address, void *to, size_t n);
    int (*write)(const struct umem *m, uint64_t address, const void *from, size_t n);
    void *context;
};

#endif
