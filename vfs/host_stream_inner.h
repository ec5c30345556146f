/* What vfs/host_stream.c (the caller's streams) and vfs/host_regular.c (those that are regular files) share. Nobody else includes this. */
#ifndef VFS_HOST_STREAM_INNER_H
#define VFS_HOST_STREAM_INNER_H

#include "vfs/node.h"
#include "vfs/terminal.h"

enum { HOST_STREAM_CHUNK = 64 * 1024 };

struct host_stream {
    int fd;
    uint32_t type; /* S_IF* of the host's file */
    bool is_tty;
    bool no_nowait; /* RWF_NOWAIT is not supported there */
    bool pieces;    /* the other end sends in pieces: they are taken as they come */
    int stream;     /* 1 or 2, for the hook */
    bool again;     /* a stream of a run that is run again: fd is a stand-in of a regular file, or -1 */
    int number;     /* 0, 1 or 2 */
    uint64_t rdev;
    uint32_t seen;             /* what poll(2) said last; LOOKED_NEVER */
    size_t agreed;             /* bytes of the next write the hook has already seen: the host took fewer than offered */
    int64_t opened;            /* ns since the epoch: its times */
    bool only_written;         /* a regular file for output … */
    bool appends;              /* … at its end always: */
    int64_t position, written; /* the guest's offset, and the end of what it wrote */
    struct waitq wait;
    struct waitq
        arrivals;     /* O_ASYNC of the caller's input: woken once for what stands there, until some of it is read */
    bool arrived;     /* that has happened */
    bool empty, full; /* when somebody looked last, there was nothing to read, no room to write */
    bool by_name;     /* opened as /dev/tty: waited for by the caller's stream on that terminal, while it is there */
    const struct host_stream_hooks *hooks;
    struct terminal *terminal; /* shared by the streams on the host's terminal; NULL: no terminal */
};

/* host_stream.c */
void host_stream_tell_input(const struct host_stream *s, const char *bytes, size_t n);
/* What was agreed to is written again, and told the caller; as write(2). */
ssize_t host_stream_write_again(struct host_stream *s, const void *from, size_t n);
ssize_t host_stream_write_chunks(struct host_stream *s, struct io *io, size_t chunk,
                                 ssize_t (*write_one)(struct host_stream *, const void *, size_t));

/* host_regular.c */
ssize_t host_regular_read(struct file *f, struct io *io, uint64_t *position);
ssize_t host_regular_write(struct file *f, struct io *io, uint64_t *position);
int64_t host_regular_seek(struct file *f, int64_t offset, int whence);
/* Descriptor `number` of the caller's is a regular file for output, and no more than that. */
bool host_regular_only_written(int number, uint32_t type, int flags);
/* A file that stands in for one that the run had: its descriptor, or -1. */
int host_regular_stand_in(const struct host_stream_past *past);

#endif
