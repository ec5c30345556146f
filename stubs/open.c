/* open(2), creat(2), openat2(2). Which flags may stand together: fs/open.c, build_open_flags(). */
#include "kernel/judge.h"
#include "stubs/places.h"
#include "stubs/stubs.h"

enum {
    LARGEFILE = 0100000, /* every 64-bit open has it, and F_GETFL shows it */
    TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY,
    PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC,
    KNOWN_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC |
                  O_DIRECT | LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | TMPFILE_BIT,
    KNOWN_RESOLVE = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |
                    RESOLVE_CACHED,
};

/* The descriptor, or a sleep until the FIFO's other end is there (fifo(7)). */
static int64_t finish(struct call *c, struct file *f, uint64_t flags)
{
    if (c->kept != f)
        call_keep_file(c, f);
    if (file_open_waits(f, call_poll_table(c)))
        return call_block(c, -1, -CALL_RESTART_SYS);
    c->kept = NULL;
    return install_file(c, f, 0, flags & O_CLOEXEC);
}

static int64_t open_at(struct call *c, int dirfd, int path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct place at;
    const char *text;
    struct file *f;
    if (c->kept)
        return finish(c, c->kept, flags);
    if (flags & TMPFILE_BIT) {
        if ((flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || (flags & O_ACCMODE) == O_RDONLY)
            return -EINVAL;
    } else if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
        return -EINVAL;
    int error = path_argument(c, dirfd, path, &at, &text);
    if (!error && resolve & RESOLVE_IN_ROOT) /* "/" is the descriptor's, too */
        error = call_place(c, (int)c->arg[dirfd], &at);
    if (error)
        return error;
    if (!(flags & O_PATH))
        flags |= LARGEFILE;
    mode &= 07777 & ~(uint64_t)c->task->fs->umask;
    error = vfs_open(&at, text, (int)(flags & ~(uint64_t)O_CLOEXEC), (uint32_t)mode,
                     resolve & ~(uint64_t)RESOLVE_CACHED, &f);
    return error ? error : finish(c, f, flags);
}

/* open and openat ignore what they do not know; openat2 does not. */
static int64_t open_lenient(struct call *c, int dirfd, int path, uint64_t flags, uint64_t mode)
{
    flags &= KNOWN_FLAGS;
    if (flags & O_PATH)
        flags &= PATH_FLAGS;
    if (!(flags & (O_CREAT | TMPFILE_BIT)))
        mode = 0;
    return open_at(c, dirfd, path, flags, mode, 0);
}

int64_t stub_open(struct call *c)
{
    return open_lenient(c, NO_DIRFD, 0, c->arg[1], c->arg[2]);
}

int64_t stub_creat(struct call *c)
{
    return open_lenient(c, NO_DIRFD, 0, O_CREAT | O_WRONLY | O_TRUNC, c->arg[1]);
}

int64_t stub_openat(struct call *c)
{
    return open_lenient(c, 0, 1, c->arg[2], c->arg[3]);
}

int64_t stub_openat2(struct call *c)
{
    struct open_how how;
    int error = call_open_how(c, c->arg[2], c->arg[3], &how);
    if (error)
        return error;
    if (how.flags & ~(uint64_t)KNOWN_FLAGS || how.resolve & ~(uint64_t)KNOWN_RESOLVE ||
        (how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        return -EINVAL;
    if (how.flags & (O_CREAT | TMPFILE_BIT) ? how.mode & ~UINT64_C(07777) : how.mode)
        return -EINVAL;
    if (how.flags & O_PATH && how.flags & ~(uint64_t)PATH_FLAGS)
        return -EINVAL;
    if (how.resolve & RESOLVE_CACHED && how.flags & (O_TRUNC | O_CREAT | TMPFILE_BIT))
        return -EAGAIN;
    return open_at(c, 0, 1, how.flags, how.mode, how.resolve);
}
