/* fcntl(2), flock(2), ioctl(2): what is asked of a descriptor. */
#include "stubs/places.h"
#include "stubs/stubs.h"
#include "vfs/objects.h"
#include "vfs/socket.h"

#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* ---- locks ------------------------------------------------------------------------------------------------------- */

static void stop_waiting(void *call)
{
    struct call *c = call;
    lock_wait_ended(c->world->vfs, c->task->fds);
}

/* An F_SETLKW that sleeps stands in the deadlock graph until it ends in any way, also by its task's death. */
static int64_t record_lock(struct call *c, struct file *f, int command)
{
    struct flock lock;
    struct waitq *queue = NULL;
    bool ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    bool wait = command == F_SETLKW || command == F_OFD_SETLKW;
    void *owner = ofd ? NULL : c->task->fds;
    int32_t pid = c->task->process->pid;
    if (call_read(c, c->arg[2], &lock, sizeof lock))
        return -EFAULT;
    bool test = command == F_GETLK || command == F_OFD_GETLK;
    if (ofd && lock.l_pid != 0) /* after the access mode (fs/locks.c, fcntl_setlk) */
        return !test && lock_check(f, &lock) == -EBADF ? -EBADF : -EINVAL;
    if (test) {
        int error = lock_get(f, &lock, owner, pid);
        return error ? error : call_write(c, c->arg[2], &lock, sizeof lock);
    }
    int error = lock_set(f, &lock, owner, pid, wait, &queue);
    if (error != -EAGAIN || !wait || !queue)
        return error;
    c->kept = c;
    c->release = stop_waiting;
    call_wait_on(c, queue);
    return call_block(c, -1, -CALL_RESTART_SYS);
}

int64_t stub_flock(struct call *c)
{
    struct file *f = file_argument(c, 0);
    struct waitq *queue = NULL;
    int operation = (int)c->arg[1] & ~LOCK_NB;
    if (operation & LOCK_MAND) /* ignored since Linux 5.15, as is the descriptor then */
        return 0;
    if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
        return -EINVAL;
    if (!f)
        return -EBADF;
    int error = lock_flock(f, operation, &queue);
    if (error != -EAGAIN || c->arg[1] & LOCK_NB || !queue)
        return error;
    call_wait_on(c, queue);
    return call_block(c, -1, -CALL_RESTART_SYS);
}

/* ---- who is told about I/O ---- */

enum { GET_OWNER_UIDS = 17 }; /* F_GETOWNER_UIDS, which no header of glibc has */

static bool owner_exists(struct call *c, int32_t type, int32_t pid)
{
    if (pid == 0)
        return true;
    if (type != F_OWNER_PGRP)
        return type == F_OWNER_TID ? task_find(c->world, pid) != NULL : process_find(c->world, pid) != NULL;
    for (const struct process *p = c->world->processes; p != NULL; p = p->next)
        if (p->pgid == (pid < 0 ? -pid : pid))
            return true;
    return false;
}

static int64_t remember_owner(struct call *c, struct file *f)
{
    f->owner_uid = c->task->cred.uid;
    f->owner_euid = c->task->cred.euid;
    return 0;
}

static int64_t set_owner(struct call *c, struct file *f, int32_t pid)
{
    if (pid == INT_MIN)
        return -EINVAL;
    int32_t type = pid < 0 ? F_OWNER_PGRP : F_OWNER_PID;
    if (!owner_exists(c, type, pid))
        return -ESRCH;
    f->owner_pid = pid;
    f->owner_type = type;
    return remember_owner(c, f);
}

static int64_t owner_uids(struct call *c, const struct file *f)
{
    const uint32_t uids[2] = {f->owner_uid, f->owner_euid};
    return call_write(c, c->arg[2], uids, sizeof uids);
}

static int64_t set_owner_ex(struct call *c, struct file *f)
{
    struct f_owner_ex given;
    if (call_read(c, c->arg[2], &given, sizeof given))
        return -EFAULT;
    if (given.type != F_OWNER_PID && given.type != F_OWNER_PGRP && given.type != F_OWNER_TID)
        return -EINVAL;
    if (given.pid < 0 || !owner_exists(c, given.type, given.pid))
        return -ESRCH;
    f->owner_type = given.type;
    f->owner_pid = given.type == F_OWNER_PGRP ? -given.pid : given.pid;
    return remember_owner(c, f);
}

/* 0 when it is gone (fs/fcntl.c, f_getown). */
static int32_t get_owner(struct call *c, const struct file *f)
{
    return owner_exists(c, f->owner_type, f->owner_pid) ? f->owner_pid : 0;
}

static int64_t get_owner_ex(struct call *c, struct file *f)
{
    int32_t pid = get_owner(c, f);
    struct f_owner_ex out = {.type = f->owner_type, .pid = pid < 0 ? -pid : pid};
    return call_write(c, c->arg[2], &out, sizeof out);
}

/* ---- fcntl ---- */

static int64_t duplicate(struct call *c, struct file *f, bool cloexec)
{
    uint64_t minimum = (uint32_t)c->arg[2];
    if (minimum >= c->task->process->limits[RLIMIT_NOFILE].rlim_cur || minimum > INT_MAX)
        return -EINVAL;
    file_get(f);
    return install_file(c, f, (int)minimum, cloexec);
}

static int64_t set_flags(struct call *c, struct file *f)
{
    struct statx st;
    int flags = (int)c->arg[2];
    if (flags & ~f->flags & O_NOATIME && file_stat(f, &st) == 0 && st.stx_uid != c->task->cred.fsuid &&
        !capable(c, CAP_FOWNER))
        return -EPERM;
    if (flags & O_DIRECT && (file_stat(f, &st) || (!S_ISREG(st.stx_mode) && !S_ISFIFO(st.stx_mode))))
        return -EINVAL;
    int error = file_set_flags(f, flags);
    return error ? error : file_set_async(f, (int)c->arg[0], flags & O_ASYNC);
}

/* Whoever sets a lease hears of its end, if the file has no other owner (fs/locks.c, lease_setup). */
static int64_t set_lease(struct call *c, struct file *f)
{
    int type = (int)c->arg[2];
    int error = lease_set(f, (int)c->arg[0], type, &c->task->cred, &c->world->timer_clock);
    if (!error && type != F_UNLCK && f->owner_pid == 0)
        return set_owner(c, f, c->task->process->pid);
    return error;
}

int64_t stub_fcntl(struct call *c)
{
    int fd = (int)c->arg[0], command = (int)c->arg[1];
    struct fdtable *fds = c->task->fds;
    struct file *f = call_file(c, fd);
    if (!f)
        return -EBADF;
    switch (command) { /* also for O_PATH (open(2)) */
    case F_DUPFD:
        return duplicate(c, f, false);
    case F_DUPFD_CLOEXEC:
        return duplicate(c, f, true);
    case F_GETFD:
        return fdtable_cloexec(fds, fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
        return fdtable_set_cloexec(fds, fd, c->arg[2] & FD_CLOEXEC);
    case F_GETFL:
        return f->flags;
    }
    if (f->flags & O_PATH)
        return -EBADF;
    switch (command) {
    case F_SETFL:
        return set_flags(c, f);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return record_lock(c, f, command);
    case F_GETOWN:
        return get_owner(c, f);
    case F_SETOWN:
        return set_owner(c, f, (int32_t)c->arg[2]);
    case F_GETOWN_EX:
        return get_owner_ex(c, f);
    case F_SETOWN_EX:
        return set_owner_ex(c, f);
    case GET_OWNER_UIDS:
        return owner_uids(c, f);
    case F_GETSIG:
        return f->owner_signal;
    case F_SETSIG:
        if (c->arg[2] > SIGNALS)
            return -EINVAL;
        f->owner_signal = (int32_t)c->arg[2];
        return 0;
    case F_GETPIPE_SZ:
        return pipe_capacity(f);
    case F_SETPIPE_SZ:
        return pipe_set_capacity(f, (uint32_t)c->arg[2], capable(c, CAP_SYS_RESOURCE));
    case F_GET_SEALS:
        return memfd_seals(f);
    case F_ADD_SEALS:
        return memfd_add_seals(f, (int)c->arg[2]);
    case F_GETLEASE:
        return lease_get(f);
    case F_SETLEASE:
        return set_lease(c, f);
    case F_NOTIFY: /* dnotify gave way to inotify: to take a watch away that was never set is all that works */
        if (((uint32_t)c->arg[2] & ~(uint32_t)DN_MULTISHOT) == 0) /* no event named (fs/notify/dnotify/dnotify.c) */
            return 0;
        return f->ops->getdents ? -EINVAL : -ENOTDIR;
    default:
        return -EINVAL;
    }
}

/* ---- ioctl ---- */

static int64_t set_flag(struct call *c, struct file *f, int flag)
{
    int32_t on;
    if (call_read(c, c->arg[2], &on, sizeof on))
        return -EFAULT;
    if (flag == O_ASYNC && !on != !(f->flags & O_ASYNC) && !f->ops->owned) /* nobody would ever be told */
        return -ENOTTY;
    int error = file_set_flags(f, on ? f->flags | flag : f->flags & ~flag);
    return error || flag != O_ASYNC ? error : file_set_async(f, (int)c->arg[0], on);
}

/* FIOSETOWN and FIOGETOWN, and by their older names: of sockets (net/socket.c, sock_ioctl). */
static int64_t socket_owner(struct call *c, struct file *f, bool set)
{
    int32_t pid = get_owner(c, f);
    if (!set)
        return call_write(c, c->arg[2], &pid, sizeof pid);
    return call_read(c, c->arg[2], &pid, sizeof pid) ? -EFAULT : set_owner(c, f, pid);
}

/* Bytes to the end (ioctl(2) FIONREAD on a regular file; fs/ioctl.c, file_ioctl). */
static int64_t bytes_left(struct call *c, struct file *f, const struct statx *st)
{
    int32_t left = (int32_t)(st->stx_size - f->position);
    return call_write(c, c->arg[2], &left, sizeof left);
}

static int64_t put_size(struct call *c, int64_t size)
{
    return call_write(c, c->arg[2], &size, sizeof size);
}

static int64_t put_block_size(struct call *c)
{
    const int32_t size = 4096;
    return call_write(c, c->arg[2], &size, sizeof size);
}

int64_t stub_ioctl(struct call *c)
{
    int fd = (int)c->arg[0];
    uint32_t command = (uint32_t)c->arg[1];
    struct statx st;
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    switch (command) {
    case FIOCLEX:
        return fdtable_set_cloexec(c->task->fds, fd, true);
    case FIONCLEX:
        return fdtable_set_cloexec(c->task->fds, fd, false);
    case FIONBIO:
        return set_flag(c, f, O_NONBLOCK);
    case FIOASYNC:
        return set_flag(c, f, O_ASYNC);
    case FIONREAD:
        if (f->dentry && file_stat(f, &st) == 0 && S_ISREG(st.stx_mode))
            return bytes_left(c, f, &st);
        break;
    case FIOSETOWN:
    case SIOCSPGRP:
    case FIOGETOWN:
    case SIOCGPGRP:
        if (file_is_socket(f))
            return socket_owner(c, f, command == FIOSETOWN || command == SIOCSPGRP);
        break;
    case FIOQSIZE:
        if (file_stat(f, &st) || !(S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode)))
            return -ENOTTY;
        return put_size(c, (int64_t)st.stx_blocks * 512);
    case FIGETBSZ:
        return put_block_size(c);
    case FIBMAP: /* no file here has blocks */
        if (file_stat(f, &st) || !S_ISREG(st.stx_mode))
            break;
        return capable(c, CAP_SYS_RAWIO) ? -EINVAL : -EPERM;
    case FICLONE:
    case FICLONERANGE:
    case FIDEDUPERANGE:
        return -EOPNOTSUPP;
    }
    struct umem m = call_umem(c);
    return file_ioctl(f, command, c->arg[2], &m, &c->task->cred);
}
