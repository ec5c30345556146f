/* Pipes as vfs/move.c sees them: bytes that lie in slots of one page, in the order they were written.
 *
 * A slot is the unit of Linux's ring (struct pipe_buffer): a pipe of 64 KiB is full when its sixteen slots are taken,
 * however little lies in each. Nothing outside vfs/pipe.c and vfs/move.c needs this header. */
#ifndef VFS_PIPE_H
#define VFS_PIPE_H

#include "vfs/vfs.h"

enum { PIPE_SLOT_SIZE = 4096 };

struct pipe;

/* The pipe of an open end, borrowed; NULL when the file is none, or is not open for that direction. */
struct pipe *pipe_of_reader(const struct file *f);
struct pipe *pipe_of_writer(const struct file *f);

uint32_t pipe_free_slots(const struct pipe *p);
bool pipe_is_empty(const struct pipe *p);
bool pipe_has_readers(const struct pipe *p);
bool pipe_has_writers(const struct pipe *p);

/* The bytes that begin `skip` bytes after the first unread one and lie together in memory. Borrowed until the pipe is
 * written, read or resized. *n becomes 0 at the end. */
const char *pipe_peek(const struct pipe *p, size_t skip, size_t *n);
/* Forget the first n bytes, as if they had been read. */
void pipe_consume(struct pipe *p, size_t n);
/* Copies up to `limit` bytes of `io` into fresh slots. Returns bytes taken, -EAGAIN when no slot is free, -ENOMEM, or
 * what the io said. */
ssize_t pipe_store(struct pipe *p, struct io *io, size_t limit);
/* Copies up to n bytes slot by slot (a packet stays a packet), then forgets them in `from` if asked to. Returns bytes
 * copied, which is at least one when `from` has one and `to` a free slot; -ENOMEM. */
ssize_t pipe_copy_slots(struct pipe *from, struct pipe *to, size_t n, bool consume);

#endif
