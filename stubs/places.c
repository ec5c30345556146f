/* Helpers of the file calls (stubs/places.h). */
#include "stubs/places.h"

#include <sys/stat.h>

int path_argument(struct call *c, int dirfd, int path, struct place *at, const char **text)
{
    int error = call_path(c, path, text);
    if (error)
        return error;
    error = call_place(c, dirfd == NO_DIRFD || (*text)[0] == '/' ? AT_FDCWD : (int)c->arg[dirfd], at);
    return error && !**text ? -ENOENT : error; /* an empty path is refused before the descriptor is looked at */
}

unsigned walk_flags(uint64_t at_flags)
{
    return (at_flags & AT_SYMLINK_NOFOLLOW ? WALK_NOFOLLOW : 0) | (at_flags & AT_EMPTY_PATH ? WALK_EMPTY_PATH : 0);
}

struct file *empty_path_file(struct call *c, int dirfd, int path, uint64_t at_flags, int *error)
{
    const char *text = "";
    *error = 0;
    if (!(at_flags & AT_EMPTY_PATH) || (int)c->arg[dirfd] == AT_FDCWD)
        return NULL;
    if (c->arg[path])
        *error = call_path(c, path, &text);
    if (*error || *text)
        return NULL;
    struct file *f = call_file(c, (int)c->arg[dirfd]);
    if (!f)
        *error = -EBADF;
    return f;
}

struct file *file_argument(struct call *c, int i)
{
    struct file *f = call_file(c, (int)c->arg[i]);
    return f && !(f->flags & O_PATH) ? f : NULL;
}

int file_place(struct call *c, struct file *f, struct place *at)
{
    call_place(c, AT_FDCWD, at);
    if (!f->dentry)
        return -EINVAL;
    at->start = f->dentry;
    return 0;
}

int64_t install_file(struct call *c, struct file *f, int minimum, bool cloexec)
{
    int fd = fdtable_install(c->task->fds, f, minimum, cloexec);
    if (fd < 0)
        file_put(f);
    return fd;
}

bool is_regular(struct file *f)
{
    struct statx st;
    return file_stat(f, &st) == 0 && S_ISREG(st.stx_mode);
}

int check_area(const struct file *f, const uint64_t *position, uint64_t n)
{
    uint64_t from = position ? *position : f->position;
    return f->ops->seek && (from > INT64_MAX || n > INT64_MAX - from) ? -EINVAL : 0;
}

int file_size_limit(struct call *c, struct file *f, uint64_t position, size_t *n)
{
    uint64_t limit = c->task->process->limits[RLIMIT_FSIZE].rlim_cur;
    struct statx st;
    if (limit == RLIM64_INFINITY || *n == 0 || file_stat(f, &st) < 0 || !S_ISREG(st.stx_mode))
        return 0;
    if (f->flags & O_APPEND)
        position = st.stx_size;
    else if (position == UINT64_MAX)
        position = f->position;
    if (position >= limit) {
        siginfo_t info;
        signal_user_info(&info, SIGXFSZ, c->task);
        signal_send_task(c->task, &info);
        return -EFBIG;
    }
    if (*n > limit - position)
        *n = limit - position;
    return 0;
}

int64_t broken_pipe(struct call *c)
{
    siginfo_t info;
    signal_user_info(&info, SIGPIPE, c->task);
    signal_send_task(c->task, &info);
    return -EPIPE;
}

bool capable(struct call *c, int capability)
{
    return c->task->cred.capabilities >> capability & 1;
}
