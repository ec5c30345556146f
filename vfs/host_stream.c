/* The caller's own stdin, stdout and stderr, as files of the world.
 *
 * This is the one place where bytes cross to and from the host while the guest runs, so it is strict: no byte goes out
 * before the hook has agreed to it, no ioctl passes that is not named here, and what fstat(2) says tells the kind of
 * thing the stream is and nothing of which one. Nothing waits but for input (vfs/host_input.c): every transfer asks
 * poll(2) first, and moves only what will not block the supervisor. Regular files: vfs/host_regular.c. */
#include "vfs/host_stream_inner.h"

#include "vfs/host_input.h"

#include <asm/termbits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIPE_CHUNK = 4096, /* PIPE_BUF: after POLLOUT a pipe takes that much without blocking (pipe(7)) */
    TTY_CHUNK = 1024,
};

/* The host's terminal, once per world however many streams are on it. */
struct host_terminal {
    struct terminal terminal;
    struct host_stream *first; /* the first that is on it, one of the world's own; NULL: it is gone */
    uint32_t streams;
    int fd;
    int number, flags; /* again: of the first stream that is on it, which /dev/tty opens */
    bool again;
    uint32_t local_modes; /* c_lflag, as far as the guest saw or set it */
    const struct host_stream_hooks *hooks;
};

enum { ALL_EVENTS = POLLIN | POLLOUT | POLLPRI | POLLRDHUP, ALWAYS_EVENTS = POLLERR | POLLHUP | POLLNVAL };
#define LOOKED_NEVER UINT32_MAX
#define LOOKED_BYTES (UINT32_C(1) << 31) /* with the number that FIONREAD gave */

/* When the other end of the caller's input was closed counts no more than when its bytes came: while some are left it is open. */
static uint32_t early_end(const struct host_stream *s, uint32_t events)
{
    const uint32_t end = POLLHUP | POLLRDHUP;
    int left = 0;
    if (s->number != 0 || s->pieces || (s->type != S_IFIFO && s->type != S_IFSOCK) || (events & end) == 0)
        return 0;
    return ioctl(s->fd, FIONREAD, &left) == 0 && left > 0 ? end : 0;
}

/* What poll(2) says, or said when the run was recorded. It is told whenever it is something new. */
static uint32_t look(struct host_stream *s)
{
    if (s->again)
        return s->seen = s->hooks->again_look(s->hooks->context, s->number, s->seen);
    struct pollfd p = {.fd = s->fd, .events = ALL_EVENTS};
    int n;
    do
        n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    uint32_t events = n > 0 ? (uint32_t)p.revents : 0; /* POLL* and EPOLL* are the same bits */
    events &= ~early_end(s, events);
    if (events != s->seen && s->hooks && s->hooks->looked)
        s->hooks->looked(s->hooks->context, s->number, events);
    return s->seen = events;
}

static uint32_t host_events(struct host_stream *s, uint32_t events)
{
    return look(s) & (events | ALWAYS_EVENTS);
}

static int bytes_waiting(struct host_stream *s, int *bytes)
{
    if (s->again) {
        uint32_t told = s->hooks->again_look(s->hooks->context, s->number, LOOKED_BYTES);
        *bytes = (int)(told & ~LOOKED_BYTES);
        return (told & LOOKED_BYTES) != 0 ? 0 : -EIO;
    }
    if (ioctl(s->fd, FIONREAD, bytes))
        return -errno;
    if (s->number == 0 && !s->pieces && (s->type == S_IFIFO || s->type == S_IFSOCK) && *bytes > HOST_INPUT_MOST)
        *bytes = HOST_INPUT_MOST; /* as many as are waited for */
    if (s->hooks && s->hooks->looked)
        s->hooks->looked(s->hooks->context, s->number, LOOKED_BYTES | (uint32_t)*bytes);
    return 0;
}

static struct host_stream *waited_for(struct host_stream *s)
{
    const struct host_terminal *h = (const struct host_terminal *)s->terminal;
    return s->by_name && h && h->first ? h->first : s;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* Before the guest learns anything of what stands in a pipe or socket. waits: it would sleep if nothing did. */
static void settle(struct host_stream *s, size_t want, bool waits)
{
    if (s->again || s->pieces || !s->hooks || !s->hooks->pieces || (s->type != S_IFIFO && s->type != S_IFSOCK))
        return;
    if (!host_input_settled(s->fd, want < HOST_INPUT_MOST ? want : HOST_INPUT_MOST, s->hooks->over, s->hooks->context))
        s->pieces = s->hooks->pieces(s->hooks->context, waits && !host_events(s, POLLIN));
}

static ssize_t read_host(struct host_stream *s, void *to, size_t n)
{
    struct iovec vec = {.iov_base = to, .iov_len = n};
    if (s->again)
        return s->hooks->again_input(s->hooks->context, to, n);
    for (;;) {
        ssize_t got = s->no_nowait ? read(s->fd, to, n) : preadv2(s->fd, &vec, 1, -1, RWF_NOWAIT);
        if (got >= 0)
            return got;
        bool unknown = (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) && !s->no_nowait;
        bool not_cached = errno == EAGAIN && s->type == S_IFREG; /* that is no wait a guest knows of */
        if (unknown || not_cached)
            s->no_nowait = true;
        else if (errno != EINTR)
            return -errno;
    }
}

void host_stream_tell_input(const struct host_stream *s, const char *bytes, size_t n)
{
    if (s->hooks && s->hooks->input)
        s->hooks->input(s->hooks->context, bytes, n);
}

static ssize_t stream_read(struct file *f, struct io *io, uint64_t *position)
{
    struct host_stream *s = f->private;
    char buffer[HOST_STREAM_CHUNK];
    if (s->is_tty) {
        int error = terminal_check(s->terminal, SIGTTIN);
        if (error)
            return error;
    }
    if (!io->left)
        return 0;
    size_t most = s->is_tty || s->pieces ? sizeof buffer : HOST_INPUT_MOST;
    settle(s, io->left, (f->flags & O_NONBLOCK) == 0);
    if (!host_events(s, POLLIN)) {
        waited_for(s)->empty = true;
        return -EAGAIN;
    }
    ssize_t got = read_host(s, buffer, io->left < most ? io->left : most);
    if (got == -EAGAIN)
        waited_for(s)->empty = true;
    if (got > 0) {
        waited_for(s)->arrived = false;
        host_stream_tell_input(s, buffer, (size_t)got);
    }
    return got > 0 ? io_put(io, buffer, (size_t)got) : got;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* The bytes have been agreed to: they are what was written then. The caller is told them again, all of them. */
ssize_t host_stream_write_again(struct host_stream *s, const void *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(s->stream, (const char *)from + done, n - done);
        if (put <= 0 && errno != EINTR)
            break; /* nobody listens any more: that changes nothing of the run */
        done += put > 0 ? (size_t)put : 0;
    }
    return s->fd >= 0 ? write(s->fd, from, n) : (ssize_t)n;
}

static ssize_t write_host(struct host_stream *s, const void *from, size_t n)
{
    struct iovec vec = {.iov_base = (void *)from, .iov_len = n};
    if (s->again)
        return host_stream_write_again(s, from, n);
    for (;;) {
        if (s->no_nowait && s->type == S_IFIFO && n > PIPE_CHUNK)
            n = PIPE_CHUNK;
        ssize_t done = s->type == S_IFSOCK ? send(s->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : s->no_nowait      ? write(s->fd, from, n)
                                           : pwritev2(s->fd, &vec, 1, -1, RWF_NOWAIT);
        if (done >= 0)
            return done;
        if ((errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) && !s->no_nowait)
            s->no_nowait = true;
        else if (errno != EINTR)
            return -errno;
    }
}

/* How many of the bytes may be written. The hook sees each byte once and in order, before it is written. */
static ssize_t agree(struct host_stream *s, const char *bytes, size_t n)
{
    if (n <= s->agreed || !s->hooks || !s->hooks->output)
        return (ssize_t)n;
    ssize_t more = s->hooks->output(s->hooks->context, s->stream, bytes + s->agreed, n - s->agreed);
    if (more > 0)
        s->agreed += (size_t)more;
    return s->agreed > 0 ? (ssize_t)s->agreed : more < 0 ? more : -ENOSPC;
}

ssize_t host_stream_write_chunks(struct host_stream *s, struct io *io, size_t chunk,
                                 ssize_t (*write_one)(struct host_stream *, const void *, size_t))
{
    char buffer[HOST_STREAM_CHUNK];
    size_t done = 0;
    ssize_t result = 0;
    while (io->left) {
        if (s->type != S_IFREG && !(host_events(s, POLLOUT) & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))) {
            waited_for(s)->full = true;
            result = -EAGAIN;
            break;
        }
        ssize_t got = result = io_get(io, buffer, chunk);
        if (got <= 0)
            break;
        ssize_t may = result = agree(s, buffer, (size_t)got);
        if (may < 0)
            break;
        ssize_t written = result = write_one(s, buffer, (size_t)may);
        waited_for(s)->full |= written == -EAGAIN || (written >= 0 && written < may);
        if (written < 0)
            break;
        s->agreed -= s->agreed < (size_t)written ? s->agreed : (size_t)written;
        done += (size_t)written;
        if (written < got)
            break;
    }
    return done ? (ssize_t)done : result;
}

/* Again, the guest's own word for it is all there is: nobody else is there to set it. */
static bool stops_writers(const struct host_stream *s)
{
    struct termios t;
    if (s->again)
        return (((const struct host_terminal *)s->terminal)->local_modes & TOSTOP) != 0;
    return !ioctl(s->fd, TCGETS, &t) && (t.c_lflag & TOSTOP);
}

static ssize_t stream_write(struct file *f, struct io *io, uint64_t *position)
{
    struct host_stream *s = f->private;
    if (s->is_tty && stops_writers(s)) {
        int error = terminal_check(s->terminal, SIGTTOU);
        if (error)
            return error;
    }
    return host_stream_write_chunks(s, io, s->is_tty ? TTY_CHUNK : HOST_STREAM_CHUNK, write_host);
}

/* ---- poll, stat, ioctl ----------------------------------------------------------------------------------------- */

static uint32_t stream_poll(struct file *f, struct poll_table *t)
{
    struct host_stream *s = f->private;
    struct host_stream *first = waited_for(s);
    if (t && t->arrivals) {
        poll_on(t, &first->arrivals);
        return 0;
    }
    poll_on(t, &first->wait);
    if (s->number == 0)
        settle(s, 1, false);
    uint32_t events = host_events(s, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
    /* Whoever was told to wait a moment ago waits still, though there is room by now: it is woken at once. */
    first->empty |= !(events & EPOLLIN);
    first->full |= !(events & EPOLLOUT);
    if (events & EPOLLIN)
        events |= EPOLLRDNORM;
    if (events & EPOLLOUT)
        events |= EPOLLWRNORM;
    return events;
}

static int stream_stat(struct file *f, struct statx *out)
{
    struct host_stream *s = f->private;
    struct stat st = {.st_rdev = s->rdev};
    if (s->fd >= 0 && fstat(s->fd, &st))
        return -errno;
    struct statx_timestamp opened = {.tv_sec = s->opened / 1000000000, .tv_nsec = (uint32_t)(s->opened % 1000000000)};
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = s->is_tty ? 1024 : 4096,
        .stx_nlink = 1,
        .stx_uid = f->vfs->config.guest_uid,
        .stx_gid = f->vfs->config.guest_gid,
        .stx_mode = (uint16_t)(s->type | (s->is_tty ? 0620 : 0600)),
        .stx_ino = f->id,
        .stx_atime = opened,
        .stx_mtime = opened,
        .stx_ctime = opened,
    };
    if (s->type == S_IFREG) {
        out->stx_size = (uint64_t)(s->only_written ? s->written : st.st_size);
        out->stx_blocks = (out->stx_size + 511) / 512;
    } else if (s->type == S_IFCHR) {
        /* A terminal is a Unix98 slave (which one is nobody's business); /dev/null and /dev/zero are as everywhere. */
        out->stx_rdev_major = s->is_tty ? 136 : major(st.st_rdev);
        out->stx_rdev_minor = s->is_tty ? 0 : minor(st.st_rdev);
        if (!s->is_tty)
            out->stx_mode = S_IFCHR | 0666;
    }
    return 0;
}

/* ioctls whose argument is a plain struct, handed through to the host's terminal. */
static const struct passed {
    uint32_t command, host_command; /* a wait for the output to drain would stop the supervisor: it is left out */
    uint16_t size;
    bool in, flush_input;
} passed[] = {
    {TCGETS, TCGETS, sizeof(struct termios), false, false},
    {TCSETS, TCSETS, sizeof(struct termios), true, false},
    {TCSETSW, TCSETS, sizeof(struct termios), true, false},
    {TCSETSF, TCSETS, sizeof(struct termios), true, true},
    {TCGETS2, TCGETS2, sizeof(struct termios2), false, false},
    {TCSETS2, TCSETS2, sizeof(struct termios2), true, false},
    {TCSETSW2, TCSETS2, sizeof(struct termios2), true, false},
    {TCSETSF2, TCSETS2, sizeof(struct termios2), true, true},
    {TIOCGWINSZ, TIOCGWINSZ, sizeof(struct winsize), false, false},
    {TIOCOUTQ, TIOCOUTQ, sizeof(int), false, false},
};

/* Of the host's terminal, or of what it said when the run was recorded. */
static int64_t host_ioctl(struct host_stream *s, uint32_t command, bool in, void *bytes, size_t size)
{
    if (s->again)
        return s->hooks->again_ioctl(s->hooks->context, bytes, in ? 0 : size);
    return ioctl(s->fd, command, bytes) ? -errno : 0;
}

static int64_t pass_through(struct host_stream *s, const struct passed *p, uint64_t argument, const struct umem *m)
{
    char bytes[64] = {0};
    if (p->in) {
        int error = terminal_check(s->terminal, SIGTTOU);
        if (error)
            return error;
        if (m->read(m, argument, bytes, p->size))
            return -EFAULT;
        if (p->flush_input && !s->again)
            ioctl(s->fd, TCFLSH, TCIFLUSH);
    }
    int64_t result = host_ioctl(s, p->host_command, p->in, bytes, p->size);
    struct termios t;
    if (result == 0 && p->size >= sizeof t) { /* the newer struct begins as the older one */
        memcpy(&t, bytes, sizeof t);
        ((struct host_terminal *)s->terminal)->local_modes = t.c_lflag;
    }
    return result != 0 || p->in ? result : m->write(m, argument, bytes, p->size);
}

static int64_t tty_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                         const struct cred *c)
{
    struct host_stream *s = f->private;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (passed[i].command == command)
            return pass_through(s, &passed[i], argument, m);
    switch (command) {
    case TIOCSTI: /* typing into the caller's shell: never (dev.tty.legacy_tiocsti=0 says EIO too) */
        return -EIO;
    case TIOCSWINSZ: /* the window is the caller's */
    case TCSBRK:     /* tcdrain, tcsendbreak */
    case TCSBRKP:
        return 0;
    case TCFLSH:
        if (argument > TCIOFLUSH)
            return -EINVAL;
        return s->again                         ? s->hooks->again_ioctl(s->hooks->context, NULL, 0)
               : ioctl(s->fd, TCFLSH, argument) ? -errno
                                                : 0;
    default:
        return terminal_ioctl(s->terminal, f, false, command, argument, m, c);
    }
}

static int64_t stream_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                            const struct cred *c)
{
    struct host_stream *s = f->private;
    if (command == FIONREAD && (s->is_tty || s->type != S_IFCHR)) {
        int bytes = 0;
        settle(s, HOST_INPUT_MOST, false); /* how many there are is asked: all that are going to be */
        int error = bytes_waiting(s, &bytes);
        if (error)
            return error;
        return m->write(m, argument, &bytes, sizeof bytes);
    }
    return s->is_tty ? tty_ioctl(f, command, argument, m, c) : -ENOTTY;
}

static int regular_sync(struct file *f)
{
    return 0; /* the caller's disk is the caller's */
}

/* ---- making and ending them ------------------------------------------------------------------------------------- */

/* What the caller may do with the descriptor and the asker wants of it; the descriptor's own mode when they have
 * nothing in common. */
static int access_mode(int asked, int own)
{
    asked &= O_ACCMODE;
    own &= O_ACCMODE;
    return asked == own || own != O_RDWR ? own : asked;
}

static struct file *open_again(const struct host_terminal *h, int flags)
{
    const struct host_stream_past past = {.open = true,
                                          .type = S_IFCHR,
                                          .is_tty = true,
                                          .flags = access_mode(flags, h->flags) |
                                                   ((flags | h->flags) & (O_APPEND | O_NONBLOCK))};
    return host_stream_again(h->terminal.vfs, h->number, &past, h->hooks, h->terminal.hooks);
}

static struct file *host_terminal_open(struct terminal *t, int flags)
{
    struct host_terminal *h = (struct host_terminal *)t;
    struct file *f = h->again ? open_again(h, flags) : host_stream_new(t->vfs, h->fd, flags, h->hooks, t->hooks);
    if (f)
        ((struct host_stream *)f->private)->by_name = true;
    return f;
}

static struct terminal *host_terminal(struct vfs *v, struct host_stream *s, int flags,
                                      const struct host_stream_hooks *hooks, const struct tty_hooks *tty)
{
    struct terminal *t = v->objects.terminals;
    while (t && t->open != host_terminal_open)
        t = t->next;
    struct host_terminal *h = (struct host_terminal *)t;
    if (!h) {
        h = calloc(1, sizeof *h);
        if (!h)
            return NULL;
        terminal_init(&h->terminal, v, tty);
        h->terminal.open = host_terminal_open;
        h->first = s;
        h->fd = s->fd;
        h->number = s->number;
        h->flags = flags;
        h->again = s->again;
        h->hooks = hooks;
    }
    h->streams++;
    return &h->terminal;
}

static void stream_release(struct file *f)
{
    struct host_stream *s = f->private;
    struct host_terminal *h = (struct host_terminal *)s->terminal;
    if (h && h->first == s)
        h->first = NULL;
    if (h && --h->streams == 0) {
        terminal_release(&h->terminal);
        free(h);
    }
    waitq_destroy(&s->wait);
    waitq_destroy(&s->arrivals);
    if (s->again && s->fd >= 0)
        close(s->fd);
    free(s);
}

/* The kind tells them apart in /proc/self/fd and in the report. What cannot make anyone wait has no poll, so that
 * epoll_ctl(2) refuses it as the kernel does. */
#define STREAM_OPS .ioctl = stream_ioctl, .stat = stream_stat, .release = stream_release
static const struct file_ops pipe_stream_ops = {
    .kind = "pipe", .owned = true, .read = stream_read, .write = stream_write, .poll = stream_poll, STREAM_OPS};
static const struct file_ops socket_stream_ops = {
    .kind = "socket", .owned = true, .read = stream_read, .write = stream_write, .poll = stream_poll, STREAM_OPS};
static const struct file_ops device_stream_ops = {
    .kind = "device", .read = stream_read, .write = stream_write, STREAM_OPS};
static const struct file_ops tty_stream_ops = {
    .kind = "tty", .owned = true, .read = stream_read, .write = stream_write, .poll = stream_poll, STREAM_OPS};
static const struct file_ops regular_stream_ops = {
    .kind = "regular",
    .read = host_regular_read,
    .write = host_regular_write,
    .seek = host_regular_seek,
    .sync = regular_sync,
    STREAM_OPS,
};
#undef STREAM_OPS

static const struct file_ops *ops_of(const struct host_stream *s)
{
    return s->is_tty             ? &tty_stream_ops
           : s->type == S_IFREG  ? &regular_stream_ops
           : s->type == S_IFIFO  ? &pipe_stream_ops
           : s->type == S_IFSOCK ? &socket_stream_ops
                                 : &device_stream_ops;
}

static bool is_stream(const struct file *f)
{
    return f->ops->release == stream_release;
}

static struct file *new_stream(struct vfs *v, struct host_stream *s, int flags, const struct host_stream_hooks *hooks,
                               const struct tty_hooks *tty)
{
    s->stream = s->number == STDERR_FILENO ? 2 : 1;
    s->opened = vfs_now(v);
    s->hooks = hooks;
    s->seen = LOOKED_NEVER;
    waitq_init(&s->wait);
    waitq_init(&s->arrivals);
    struct file *f = file_new(v, ops_of(s), flags, s);
    if (!f || (s->is_tty && !(s->terminal = host_terminal(v, s, flags, hooks, tty)))) {
        if (f)
            file_put(f);
        else
            free(s);
        return NULL;
    }
    return f;
}

struct file *host_stream_new(struct vfs *v, int host_fd, int flags, const struct host_stream_hooks *hooks,
                             const struct tty_hooks *tty)
{
    struct stat st;
    int own = fcntl(host_fd, F_GETFL);
    if (own < 0 || (own & O_PATH) || fstat(host_fd, &st))
        return NULL;
    struct host_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fd = s->number = host_fd;
    s->type = st.st_mode & S_IFMT;
    s->is_tty = s->type == S_IFCHR && isatty(host_fd);
    s->only_written = host_regular_only_written(host_fd, s->type, own);
    s->appends = (own & O_APPEND) != 0;
    return new_stream(v, s, access_mode(flags, own) | ((flags | own) & (O_APPEND | O_NONBLOCK)), hooks, tty);
}

void host_stream_describe(int host_fd, struct host_stream_past *out)
{
    struct stat st;
    int flags = fcntl(host_fd, F_GETFL);
    *out = (struct host_stream_past){0};
    if (flags < 0 || (flags & O_PATH) || fstat(host_fd, &st))
        return;
    bool counts = S_ISREG(st.st_mode) && !host_regular_only_written(host_fd, S_IFREG, flags);
    off_t at = counts ? lseek(host_fd, 0, SEEK_CUR) : 0;
    *out = (struct host_stream_past){
        .open = true,
        .type = st.st_mode & S_IFMT,
        .is_tty = S_ISCHR(st.st_mode) && isatty(host_fd),
        .flags = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK),
        .size = counts ? (uint64_t)st.st_size : 0,
        .offset = at > 0 ? (uint64_t)at : 0,
        .rdev = S_ISCHR(st.st_mode) ? st.st_rdev : 0,
    };
}

struct file *host_stream_again(struct vfs *v, int number, const struct host_stream_past *past,
                               const struct host_stream_hooks *hooks, const struct tty_hooks *tty)
{
    struct host_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->again = true;
    s->number = number;
    s->type = past->type;
    s->is_tty = past->is_tty;
    s->rdev = past->rdev;
    s->only_written = host_regular_only_written(number, past->type, past->flags);
    s->appends = (past->flags & O_APPEND) != 0;
    s->position = (int64_t)past->offset;
    s->written = (int64_t)past->size;
    s->fd = s->type == S_IFREG ? host_regular_stand_in(past) : -1;
    if (s->type == S_IFREG && s->fd < 0) {
        free(s);
        return NULL;
    }
    return new_stream(v, s, past->flags, hooks, tty);
}

int host_stream_fd(const struct file *f)
{
    return is_stream(f) ? ((const struct host_stream *)f->private)->fd : -1;
}

bool host_stream_waited(const struct file *f)
{
    const struct host_stream *s = f->private;
    return is_stream(f) && (!waitq_empty(&s->wait) || (s->number == 0 && !s->arrived && !waitq_empty(&s->arrivals)));
}

short host_stream_waits_for(const struct file *f)
{
    const struct host_stream *s = f->private;
    short events = s->full ? POLLOUT : 0;
    if (s->number == 0 || s->empty)
        events |= POLLIN;
    return events != 0 ? events : POLLOUT;
}

void host_stream_ready(struct file *f, uint32_t events)
{
    struct host_stream *s = f->private;
    if (!is_stream(f))
        return;
    s->empty = s->empty && !(events & POLLIN);
    s->full = s->full && !(events & POLLOUT);
    waitq_wake(&s->wait, events);
    if (s->number != 0 || s->arrived || !(events & ~(uint32_t)POLLOUT))
        return;
    s->arrived = true;
    waitq_wake(&s->arrivals, EPOLLIN);
}

struct terminal *host_stream_terminal(const struct file *f)
{
    return is_stream(f) ? ((const struct host_stream *)f->private)->terminal : NULL;
}
