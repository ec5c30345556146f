/* Bytes and descriptors through sockets: send(2), recv(2), cmsg(3) and their vector forms. Model: the kernel's net/socket.c and
 * net/core/scm.c.
 *
 * A call that sleeps half-way keeps in c->progress what it moved of the present message, and in keep[0] how many messages came
 * before it (sendmmsg, recvmmsg). */
#include "stubs/places.h"
#include "stubs/sockets.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CONTROL_MOST = 20480, MESSAGES_MOST = 1024, VECTOR_MOST = 1024 };

struct guest_message { /* struct msghdr of x86-64, as the guest has it */
    uint64_t name;
    int32_t name_length;
    uint64_t vector, count;
    uint64_t control, control_length;
    int32_t flags;
};

struct guest_messages { /* struct mmsghdr */
    struct guest_message header;
    uint32_t length;
};

/* One message on its way, either way. */
struct transfer {
    struct file *file;
    struct call_io io;
    struct socket_message message;
    int flags;
    struct file *files[SOCKET_FILES_MAX];
};

static bool may_wait(const struct transfer *t)
{
    return (t->flags & MSG_DONTWAIT) == 0 && !nonblocking(t->file);
}

static bool is_stream(struct file *f)
{
    int type = 0;
    socklen_t length = sizeof type;
    return socket_get_option(f, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void put_files(struct transfer *t)
{
    for (uint32_t i = 0; i < t->message.file_count; i++)
        file_put(t->files[i]);
    t->message.file_count = 0;
}

static int64_t end_send(struct call *c, struct transfer *t, ssize_t error)
{
    if (c->progress > 0)
        return (int64_t)c->progress;
    /* Only a stream's end is worth a signal (net/unix/af_unix.c; net/ipv4/tcp.c, sk_stream_error). */
    if (error == -EPIPE && (t->flags & MSG_NOSIGNAL) == 0 && is_stream(t->file))
        return broken_pipe(c);
    return error;
}

/* A stream that may wait takes all of it; what was taken before a sleep stands in c->progress, and the files went first. */
static int64_t send_transfer(struct call *c, struct transfer *t)
{
    struct place at;
    bool stream = is_stream(t->file);
    int error = call_place(c, AT_FDCWD, &at);
    if (error < 0)
        return error;
    t->message.io = &t->io.io;
    for (;;) {
        call_io_restart(&t->io, c->progress);
        if (c->progress > 0)
            t->message.file_count = 0;
        ssize_t n = socket_send(t->file, &at, &t->message, t->flags & ~(c->progress > 0 ? MSG_FASTOPEN : 0)); /* once */
        if (n == -EAGAIN && may_wait(t))
            return socket_wait(c, t->file, false, c->progress);
        if (n < 0)
            return end_send(c, t, n);
        c->progress += (uint64_t)n;
        if (!stream || n == 0 || c->progress >= t->io.total)
            return (int64_t)c->progress;
    }
}

/* The descriptors of one SCM_RIGHTS. */
static int add_files(struct call *c, struct transfer *t, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i + sizeof(int32_t) <= length; i += sizeof(int32_t)) {
        int32_t fd;
        memcpy(&fd, data + i, sizeof fd);
        if (t->message.file_count == SOCKET_FILES_MAX)
            return -EINVAL;
        struct file *f = fdtable_file(c->task->fds, fd);
        if (f == NULL) /* one opened with O_PATH may travel: scm_fp_copy */
            return -EBADF;
        t->files[t->message.file_count++] = f;
    }
    return 0;
}

/* Who may say it is somebody else: net/core/scm.c, scm_check_creds. */
static int claim_credentials(struct call *c, struct transfer *t, const uint8_t *data, size_t length)
{
    const struct cred *cred = &c->task->cred;
    struct ucred said;
    if (length != sizeof said)
        return -EINVAL;
    memcpy(&said, data, sizeof said);
    bool pid = said.pid == c->task->process->pid || capable(c, CAP_SYS_ADMIN);
    bool uid = said.uid == cred->uid || said.uid == cred->euid || said.uid == cred->suid || capable(c, CAP_SETUID);
    bool gid = said.gid == cred->gid || said.gid == cred->egid || said.gid == cred->sgid || capable(c, CAP_SETGID);
    if (!pid || !uid || !gid)
        return -EPERM;
    if (said.pid != c->task->process->pid && process_find(c->world, said.pid) == NULL)
        return -ESRCH;
    t->message.credentials = said;
    t->message.has_credentials = true;
    return 0;
}

/* A protocol's own: it will say what it means. */
static int add_control(struct transfer *t, const struct cmsghdr *header, const uint8_t *data, size_t length)
{
    if (t->message.control_count == SOCKET_CONTROLS_MAX || length > SOCKET_CONTROL_BYTES)
        return -EINVAL;
    struct socket_control *control = &t->message.controls[t->message.control_count++];
    *control =
        (struct socket_control){.level = header->cmsg_level, .type = header->cmsg_type, .length = (uint8_t)length};
    memcpy(control->bytes, data, length);
    return 0;
}

static int read_control(struct call *c, struct transfer *t, const struct guest_message *m)
{
    if (m->control_length == 0)
        return 0;
    if (m->control_length > CONTROL_MOST)
        return -ENOBUFS;
    size_t size = m->control_length;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return -ENOMEM;
    int error = call_read(c, m->control, bytes, size);
    for (size_t at = 0; error == 0 && at + sizeof(struct cmsghdr) <= size;) {
        struct cmsghdr header;
        memcpy(&header, bytes + at, sizeof header);
        if (header.cmsg_len < sizeof header || header.cmsg_len > size - at) {
            error = -EINVAL;
            break;
        }
        const uint8_t *data = bytes + at + sizeof header;
        size_t length = header.cmsg_len - sizeof header;
        if (header.cmsg_level != SOL_SOCKET)
            error = add_control(t, &header, data, length);
        else if (header.cmsg_type == SCM_RIGHTS)
            error = add_files(c, t, data, length);
        else if (header.cmsg_type == SCM_CREDENTIALS)
            error = claim_credentials(c, t, data, length);
        else
            error = -EINVAL;
        at += (header.cmsg_len + 7) & ~(size_t)7;
    }
    free(bytes);
    return error;
}

static int64_t send_header(struct call *c, struct file *f, const struct guest_message *m, int flags)
{
    struct transfer t = {.file = f, .flags = flags};
    t.message.credentials = socket_self(c, true);
    t.message.files = t.files;
    if (m->name_length < 0)
        return -EINVAL;
    if (m->count > VECTOR_MOST)
        return -EMSGSIZE;
    if (m->name != 0 && m->name_length > 0) {
        socklen_t length =
            (size_t)m->name_length < sizeof t.message.address ? (socklen_t)m->name_length : sizeof t.message.address;
        if (call_read(c, m->name, &t.message.address, length) < 0)
            return -EFAULT;
        t.message.address_length = length;
    }
    int error = call_io_vector(c, &t.io, m->vector, m->count);
    if (error == 0)
        error = read_control(c, &t, m);
    return error < 0 ? error : send_transfer(c, &t);
}

int64_t stub_sendto(struct call *c)
{
    struct transfer t = {.flags = (int)c->arg[3]};
    int error = socket_argument(c, &t.file);
    if (error < 0)
        return error;
    uint64_t n = c->arg[2] < VFS_IO_MAX ? c->arg[2] : VFS_IO_MAX; /* cut before it is looked at (import_ubuf) */
    if (!call_range(c->arg[1], n))
        return -EFAULT;
    t.message.credentials = socket_self(c, true);
    if (c->arg[4] != 0) {
        error = read_address(c, c->arg[4], c->arg[5], &t.message.address);
        if (error < 0)
            return error;
        t.message.address_length = (socklen_t)c->arg[5];
        t.message.address_given = true;
    }
    call_io_single(c, &t.io, c->arg[1], n);
    return send_transfer(c, &t);
}

int64_t stub_sendmsg(struct call *c)
{
    struct file *f;
    struct guest_message m = {0};
    int error = socket_argument(c, &f);
    if (error == 0)
        error = call_read(c, c->arg[1], &m, sizeof m);
    return error < 0 ? error : send_header(c, f, &m, (int)c->arg[2]);
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

/* Bytes into t->io. With MSG_WAITALL a stream goes on until all of it is there. */
static int64_t receive_transfer(struct call *c, struct transfer *t)
{
    bool all = (t->flags & MSG_WAITALL) != 0 && (t->flags & MSG_PEEK) == 0 && is_stream(t->file);
    bool waits = may_wait(t) && (t->flags & (MSG_OOB | MSG_ERRQUEUE)) == 0;
    int flags = t->flags | (waits ? 0 : MSG_DONTWAIT);
    t->message.io = &t->io.io;
    for (;;) {
        call_io_restart(&t->io, c->progress);
        ssize_t n = socket_receive(t->file, &t->message, flags);
        if (n == -EAGAIN && waits)
            return socket_wait(c, t->file, true, c->progress);
        if (n < 0 && c->progress > 0) {
            socket_put_error(t->file, (int)n);
            return (int64_t)c->progress;
        }
        if (n < 0)
            return n;
        c->progress += (uint64_t)n;
        if (!all || n == 0 || c->progress >= t->io.total || t->message.file_count > 0 || t->message.ends)
            return (int64_t)c->progress;
    }
}

/* What is left of the guest's room for control messages. */
struct control {
    uint64_t at, left;
    bool cut;
};

/* net/core/scm.c, put_cmsg: what does not fit is cut, and said so. */
static int put_control(struct call *c, struct control *out, int level, int type, const void *data, size_t length)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type};
    if (out->left < sizeof header) {
        out->cut = true;
        return 0;
    }
    if (out->left < header.cmsg_len) {
        out->cut = true;
        header.cmsg_len = out->left;
    }
    if (call_write(c, out->at, &header, sizeof header) < 0 ||
        call_write(c, out->at + sizeof header, data, header.cmsg_len - sizeof header) < 0)
        return -EFAULT;
    uint64_t space = CMSG_SPACE(length) < out->left ? CMSG_SPACE(length) : out->left;
    out->at += space;
    out->left -= space;
    return 0;
}

/* As many as there is room and numbers for; the others are closed (scm_detach_fds). */
static int put_descriptors(struct call *c, struct transfer *t, struct control *out)
{
    struct fdtable *fds = c->task->fds;
    int32_t fd[SOCKET_FILES_MAX];
    uint32_t count = t->message.file_count, done = 0;
    uint64_t room = out->left > sizeof(struct cmsghdr) ? (out->left - sizeof(struct cmsghdr)) / sizeof *fd : 0;
    if (count == 0)
        return 0;
    for (; done < count && done < room; done++) {
        fd[done] = fdtable_install(fds, t->files[done], 0, (t->flags & MSG_CMSG_CLOEXEC) != 0);
        if (fd[done] < 0)
            break;
    }
    for (uint32_t i = done; i < count; i++)
        file_put(t->files[i]);
    t->message.file_count = 0;
    int error = done > 0 ? put_control(c, out, SOL_SOCKET, SCM_RIGHTS, fd, done * sizeof *fd) : 0;
    if (error < 0)
        for (uint32_t i = 0; i < done; i++)
            (void)fdtable_close(fds, fd[i], fds);
    out->cut = out->cut || done < count;
    return error;
}

/* at: of the struct msghdr. */
static int write_header(struct call *c, struct transfer *t, const struct guest_message *m, uint64_t at)
{
    struct control control = {m->control, m->control != 0 ? m->control_length : 0, false};
    int error = 0;
    if (t->message.has_credentials)
        error = put_control(c, &control, SOL_SOCKET, SCM_CREDENTIALS, &t->message.credentials,
                            sizeof t->message.credentials);
    if (error == 0)
        error = put_descriptors(c, t, &control);
    for (size_t i = 0; error == 0 && i < t->message.control_count; i++) {
        const struct socket_control *one = &t->message.controls[i];
        error = put_control(c, &control, one->level, one->type, one->bytes, one->length);
    }
    if (error == 0 && m->name != 0) {
        socklen_t length = t->message.address_length, room = (socklen_t)m->name_length;
        if (call_write(c, m->name, &t->message.address, length < room ? length : room) < 0 ||
            call_write(c, at + offsetof(struct guest_message, name_length), &length, sizeof length) < 0)
            error = -EFAULT;
    }
    if (error < 0)
        return error;
    int32_t flags = t->message.flags | (control.cut ? MSG_CTRUNC : 0) | (t->flags & MSG_CMSG_CLOEXEC);
    uint64_t used = (m->control != 0 ? m->control_length : 0) - control.left;
    if (call_write(c, at + offsetof(struct guest_message, flags), &flags, sizeof flags) < 0)
        return -EFAULT;
    return call_write(c, at + offsetof(struct guest_message, control_length), &used, sizeof used);
}

static int64_t receive_header(struct call *c, struct file *f, uint64_t at, int flags)
{
    struct transfer t = {.file = f, .flags = flags};
    struct guest_message m;
    if (call_read(c, at, &m, sizeof m) < 0)
        return -EFAULT;
    if (m.name_length < 0)
        return -EINVAL;
    if (m.count > VECTOR_MOST)
        return -EMSGSIZE;
    int error = call_io_vector(c, &t.io, m.vector, m.count);
    if (error < 0)
        return error;
    t.message.files = t.files;
    int64_t result = receive_transfer(c, &t);
    if (result >= 0) {
        error = write_header(c, &t, &m, at);
        if (error < 0)
            result = error;
    }
    put_files(&t);
    return result;
}

int64_t stub_recvfrom(struct call *c)
{
    struct transfer t = {.flags = (int)c->arg[3]};
    int error = socket_argument(c, &t.file);
    if (error < 0)
        return error;
    uint64_t n = c->arg[2] < VFS_IO_MAX ? c->arg[2] : VFS_IO_MAX;
    if (!call_range(c->arg[1], n))
        return -EFAULT;
    call_io_single(c, &t.io, c->arg[1], n);
    int64_t result = receive_transfer(c, &t);
    if (result < 0 || c->arg[4] == 0)
        return result;
    error = write_address(c, &t.message.address, t.message.address_length, c->arg[4], c->arg[5]);
    return error < 0 ? error : result;
}

int64_t stub_recvmsg(struct call *c)
{
    struct file *f;
    int error = socket_argument(c, &f);
    return error < 0 ? error : receive_header(c, f, c->arg[1], (int)c->arg[2]);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

/* The next message has a vector of its own. */
static void next_message(struct call *c)
{
    if (c->vec != c->vec_inline)
        free(c->vec);
    c->vec = NULL;
    c->vec_count = 0;
    c->progress = 0;
    c->keep[0]++;
}

static int64_t one_of_many(struct call *c, struct file *f, uint64_t at, int flags, bool receive)
{
    struct guest_message m;
    if (receive)
        return receive_header(c, f, at, flags & ~MSG_WAITFORONE);
    if (call_read(c, at, &m, sizeof m) < 0)
        return -EFAULT;
    return send_header(c, f, &m, flags);
}

/* An error after the first message is the next call's to find. end: elapsed time after which no other is begun, or -1. */
static int64_t many(struct call *c, bool receive, int64_t end)
{
    struct file *f;
    int flags = (int)c->arg[3];
    uint64_t count = (uint32_t)c->arg[2] < MESSAGES_MOST ? (uint32_t)c->arg[2] : MESSAGES_MOST;
    int64_t result = socket_argument(c, &f);
    if (result < 0)
        return result;
    while (c->keep[0] < count) {
        uint64_t at = c->arg[1] + c->keep[0] * sizeof(struct guest_messages);
        int now = flags | (receive && c->keep[0] > 0 && (flags & MSG_WAITFORONE) != 0 ? MSG_DONTWAIT : 0);
        result = one_of_many(c, f, at, now, receive);
        if (result == CALL_BLOCK)
            return result;
        if (result < 0 && receive && c->keep[0] > 0)
            socket_put_error(f, (int)result);
        if (result < 0)
            break;
        uint32_t length = (uint32_t)result;
        if (call_write(c, at + offsetof(struct guest_messages, length), &length, sizeof length) < 0) {
            result = -EFAULT;
            break;
        }
        next_message(c);
        if (end >= 0 && clock_elapsed(&c->world->clock) >= end)
            break;
    }
    return c->keep[0] > 0 ? (int64_t)c->keep[0] : result;
}

int64_t stub_sendmmsg(struct call *c)
{
    return many(c, false, -1);
}

/* The timeout is looked at between messages only, as Linux has it (recvmmsg(2), BUGS). keep[1]: when it ends, and 1. */
int64_t stub_recvmmsg(struct call *c)
{
    struct timespec timeout;
    int64_t now = clock_elapsed(&c->world->clock);
    if (c->arg[4] == 0)
        return many(c, true, -1);
    if (c->keep[1] == 0) {
        if (call_read(c, c->arg[4], &timeout, sizeof timeout) < 0)
            return -EFAULT;
        if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= 1000000000)
            return -EINVAL;
        bool far = timeout.tv_sec > INT64_MAX / 4000000000;
        c->keep[1] = 1 + (uint64_t)(far ? INT64_MAX / 2 : now + timeout.tv_sec * 1000000000 + timeout.tv_nsec);
    }
    int64_t end = (int64_t)c->keep[1] - 1, result = many(c, true, end);
    if (result <= 0)
        return result;
    int64_t left = end > clock_elapsed(&c->world->clock) ? end - clock_elapsed(&c->world->clock) : 0;
    timeout = (struct timespec){left / 1000000000, left % 1000000000};
    return call_write(c, c->arg[4], &timeout, sizeof timeout) < 0 ? -EFAULT : result;
}
