/* Descriptors: close, dup, and the calls that make a new one out of nothing (pipe, eventfd, memfd). */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

int64_t stub_close(struct call *c)
{
    return fdtable_close(c->task->fds, (int)c->arg[0], c->task->fds);
}

int64_t stub_close_range(struct call *c)
{
    uint32_t first = (uint32_t)c->arg[0], last = (uint32_t)c->arg[1], flags = (uint32_t)c->arg[2];
    if (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
        return -EINVAL;
    if (flags & CLOSE_RANGE_UNSHARE) {
        struct fdtable *own = fdtable_copy(c->task->fds);
        if (!own)
            return -ENOMEM;
        fdtable_put(c->task->fds);
        c->task->fds = own;
    }
    return fdtable_close_range(c->task->fds, first, last, flags & CLOSE_RANGE_CLOEXEC, c->task->fds);
}

int64_t stub_dup(struct call *c)
{
    struct file *f = call_file(c, (int)c->arg[0]);
    if (!f)
        return -EBADF;
    file_get(f);
    return install_file(c, f, 0, false);
}

static int64_t dup_onto(struct call *c, int from, int to, bool cloexec)
{
    struct file *f = call_file(c, from);
    if (!f || to < 0 || (uint64_t)to >= c->task->process->limits[RLIMIT_NOFILE].rlim_cur)
        return -EBADF;
    file_get(f);
    int fd = fdtable_replace(c->task->fds, to, f, cloexec);
    if (fd < 0)
        file_put(f);
    return fd < 0 ? fd : to;
}

int64_t stub_dup2(struct call *c)
{
    int from = (int)c->arg[0], to = (int)c->arg[1];
    if (from == to)
        return call_file(c, from) ? to : -EBADF;
    return dup_onto(c, from, to, false);
}

int64_t stub_dup3(struct call *c)
{
    int from = (int)c->arg[0], to = (int)c->arg[1];
    uint32_t flags = (uint32_t)c->arg[2];
    if (flags & ~(uint32_t)O_CLOEXEC || from == to)
        return -EINVAL;
    return dup_onto(c, from, to, flags & O_CLOEXEC);
}

/* ---- new ones ---- */

static int64_t make_pipe(struct call *c, uint64_t to, uint32_t flags)
{
    struct file *ends[2];
    int32_t fd[2];
    struct fdtable *fds = c->task->fds;
    if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    int error = pipe_new(c->world->vfs, (int)(flags & ~(uint32_t)O_CLOEXEC), ends);
    if (error)
        return error;
    fd[0] = (int32_t)install_file(c, ends[0], 0, flags & O_CLOEXEC);
    if (fd[0] < 0) {
        file_put(ends[1]);
        return fd[0];
    }
    fd[1] = (int32_t)install_file(c, ends[1], 0, flags & O_CLOEXEC);
    if (fd[1] >= 0) {
        if (call_write(c, to, fd, sizeof fd) == 0)
            return 0;
        fdtable_close(fds, fd[1], fds);
        fd[1] = -EFAULT;
    }
    fdtable_close(fds, fd[0], fds);
    return fd[1];
}

int64_t stub_pipe(struct call *c)
{
    return make_pipe(c, c->arg[0], 0);
}

int64_t stub_pipe2(struct call *c)
{
    return make_pipe(c, c->arg[0], (uint32_t)c->arg[1]);
}

static int64_t make_eventfd(struct call *c, uint32_t flags)
{
    if (flags & ~(uint32_t)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
        return -EINVAL;
    struct file *f = eventfd_new(c->world->vfs, (uint32_t)c->arg[0], (int)flags);
    return f ? install_file(c, f, 0, flags & EFD_CLOEXEC) : -ENOMEM;
}

int64_t stub_eventfd(struct call *c)
{
    return make_eventfd(c, 0);
}

int64_t stub_eventfd2(struct call *c)
{
    return make_eventfd(c, (uint32_t)c->arg[1]);
}

int64_t stub_memfd_create(struct call *c)
{
    enum {
        NAME_ROOM = 250,
        NOEXEC_SEAL = 8,
        EXEC = 16
    }; /* memfd_create(2): "memfd:" and the name are at most NAME_MAX */
    char name[NAME_ROOM];
    uint32_t flags = (uint32_t)c->arg[1];
    if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL | EXEC) ||
        (flags & (NOEXEC_SEAL | EXEC)) == (NOEXEC_SEAL | EXEC))
        return -EINVAL; /* huge pages too: as a kernel that has none reserved */
    ssize_t length = call_string(c, c->arg[0], name, sizeof name, -EINVAL);
    if (length < 0)
        return length;
    struct file *f = memfd_new(c->world->vfs, name, flags & ~(uint32_t)MFD_CLOEXEC);
    return f ? install_file(c, f, 0, flags & MFD_CLOEXEC) : -ENOMEM;
}
