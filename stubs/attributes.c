/* Attributes and sizes: chmod, chown, utime, truncate, fallocate families, and the calls that only promise something
 * about storage (fsync, fadvise), which memory keeps by itself. */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

enum { NS_PER_SECOND = 1000000000 };

/* Attributes of a file without a name: who made a pipe owns it and may set them, and nothing depends on them. */
static int64_t without_place(struct call *c, struct file *f)
{
    struct statx st;
    int error = file_stat(f, &st);
    if (error || file_is_pipe(f))
        return error;
    return st.stx_uid == c->task->cred.fsuid || capable(c, CAP_FOWNER) ? 0 : -EPERM;
}

/* Whoever owns it may give it to no one else. */
static int64_t chown_without_place(struct call *c, struct file *f, uint32_t uid, uint32_t gid)
{
    const struct cred *cred = &c->task->cred;
    int64_t error = without_place(c, f);
    if (error || capable(c, CAP_CHOWN))
        return error;
    return (uid == UINT32_MAX || uid == cred->fsuid) && (gid == UINT32_MAX || cred_in_group(cred, gid)) ? 0 : -EPERM;
}

/* The place and path of a call that may also mean a descriptor: 0, 1: a file without a place was dealt with in *result.
 */
static int place_of(struct call *c, int dirfd, int path, uint32_t at_flags, struct place *at, const char **text,
                    int64_t *result)
{
    int error = 0;
    struct file *f = dirfd == NO_DIRFD ? NULL : empty_path_file(c, dirfd, path, at_flags, &error);
    if (f && !f->dentry) {
        *result = without_place(c, f);
        return 1;
    }
    if (f) {
        *text = "";
        return file_place(c, f, at);
    }
    return error ? error : path_argument(c, dirfd, path, at, text);
}

/* ---- chmod, chown --------------------------------------------------------------------------------------------- */

static int64_t chmod_at(struct call *c, int dirfd, int path, uint32_t flags)
{
    struct place at;
    const char *text;
    int64_t result = 0;
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int error = place_of(c, dirfd, path, flags, &at, &text, &result);
    if (error)
        return error < 0 ? error : result;
    return vfs_chmod(&at, text, walk_flags(flags), (uint32_t)c->arg[path + 1] & 07777);
}

int64_t stub_chmod(struct call *c)
{
    return chmod_at(c, NO_DIRFD, 0, 0);
}

int64_t stub_fchmodat(struct call *c)
{
    return chmod_at(c, 0, 1, 0);
}

int64_t stub_fchmodat2(struct call *c)
{
    return chmod_at(c, 0, 1, (uint32_t)c->arg[3]);
}

int64_t stub_fchmod(struct call *c)
{
    struct place at;
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    if (file_place(c, f, &at))
        return without_place(c, f);
    return vfs_chmod(&at, "", WALK_EMPTY_PATH, (uint32_t)c->arg[1] & 07777);
}

static int64_t chown_at(struct call *c, int dirfd, int path, uint32_t flags)
{
    struct place at;
    const char *text;
    int64_t result = 0;
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int error = place_of(c, dirfd, path, flags, &at, &text, &result);
    if (error > 0 && result == 0)
        return chown_without_place(c, call_file(c, (int)c->arg[dirfd]), (uint32_t)c->arg[path + 1],
                                   (uint32_t)c->arg[path + 2]);
    if (error)
        return error < 0 ? error : result;
    return vfs_chown(&at, text, walk_flags(flags), (uint32_t)c->arg[path + 1], (uint32_t)c->arg[path + 2]);
}

int64_t stub_chown(struct call *c)
{
    return chown_at(c, NO_DIRFD, 0, 0);
}

int64_t stub_lchown(struct call *c)
{
    return chown_at(c, NO_DIRFD, 0, AT_SYMLINK_NOFOLLOW);
}

int64_t stub_fchownat(struct call *c)
{
    return chown_at(c, 0, 1, (uint32_t)c->arg[4]);
}

int64_t stub_fchown(struct call *c)
{
    struct place at;
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    if (file_place(c, f, &at))
        return chown_without_place(c, f, (uint32_t)c->arg[1], (uint32_t)c->arg[2]);
    return vfs_chown(&at, "", WALK_EMPTY_PATH, (uint32_t)c->arg[1], (uint32_t)c->arg[2]);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static bool valid_nsec(long nsec)
{
    return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec < NS_PER_SECOND);
}

static int64_t set_times(struct call *c, int dirfd, int path, uint32_t flags, const struct timespec *times)
{
    struct place at;
    const char *text;
    int64_t result = 0;
    bool valid = !times || (valid_nsec(times[0].tv_nsec) && valid_nsec(times[1].tv_nsec));
    if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return 0;
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (dirfd != NO_DIRFD && c->arg[path] == 0 && !(flags & AT_EMPTY_PATH)) { /* a NULL path: the descriptor itself */
        struct file *f = file_argument(c, dirfd);
        if (flags)
            return -EINVAL;
        if ((int)c->arg[dirfd] == AT_FDCWD)
            return -EFAULT;
        if (!f)
            return -EBADF;
        if (!valid)
            return -EINVAL;
        if (file_place(c, f, &at))
            return without_place(c, f);
        return vfs_utimens(&at, "", WALK_EMPTY_PATH, times);
    }
    int error = place_of(c, dirfd, path, flags, &at, &text, &result);
    if (error)
        return error < 0 ? error : result ? result : valid ? 0 : -EINVAL;
    if (!valid) { /* found out after the walk (fs/utimes.c, vfs_utimes) */
        struct statx st;
        error = vfs_stat(&at, text, walk_flags(flags), &st);
        return error ? error : -EINVAL;
    }
    return vfs_utimens(&at, text, walk_flags(flags), times);
}

int64_t stub_utimensat(struct call *c)
{
    struct timespec times[2];
    if (c->arg[2] && call_read(c, c->arg[2], times, sizeof times))
        return -EFAULT;
    return set_times(c, 0, 1, (uint32_t)c->arg[3], c->arg[2] ? times : NULL);
}

static int64_t set_timevals(struct call *c, int dirfd, int path)
{
    struct timeval given[2];
    struct timespec times[2];
    uint64_t from = c->arg[path + 1];
    if (from) {
        if (call_read(c, from, given, sizeof given))
            return -EFAULT;
        for (int i = 0; i < 2; i++) {
            if (given[i].tv_usec < 0 || given[i].tv_usec >= 1000000)
                return -EINVAL;
            times[i] = (struct timespec){given[i].tv_sec, given[i].tv_usec * 1000};
        }
    }
    return set_times(c, dirfd, path, 0, from ? times : NULL);
}

int64_t stub_utimes(struct call *c)
{
    return set_timevals(c, NO_DIRFD, 0);
}

int64_t stub_futimesat(struct call *c)
{
    return set_timevals(c, 0, 1);
}

int64_t stub_utime(struct call *c)
{
    struct utimbuf given;
    struct timespec times[2] = {0};
    if (c->arg[1]) {
        if (call_read(c, c->arg[1], &given, sizeof given))
            return -EFAULT;
        times[0].tv_sec = given.actime;
        times[1].tv_sec = given.modtime;
    }
    return set_times(c, NO_DIRFD, 0, 0, c->arg[1] ? times : NULL);
}

/* ---- sizes ---- */

static bool over_size_limit(struct call *c, uint64_t size)
{
    uint64_t limit = c->task->process->limits[RLIMIT_FSIZE].rlim_cur;
    if (limit == RLIM64_INFINITY || size <= limit)
        return false;
    siginfo_t info;
    signal_user_info(&info, SIGXFSZ, c->task);
    signal_send_task(c->task, &info);
    return true;
}

static void truncate_waited(void *dentry)
{
    vfs_truncate_waited(dentry);
}

int64_t stub_truncate(struct call *c)
{
    struct place at;
    const char *text;
    struct statx st;
    if ((int64_t)c->arg[1] < 0)
        return -EINVAL;
    int error = path_argument(c, NO_DIRFD, 0, &at, &text);
    if (error)
        return error;
    if (vfs_stat(&at, text, 0, &st) == 0 && S_ISREG(st.stx_mode) && c->arg[1] > st.stx_size &&
        vfs_access(&at, text, W_OK, 0) == 0 && over_size_limit(c, c->arg[1]))
        return -EFBIG;
    struct dentry *waits = NULL;
    error = vfs_truncate(&at, text, c->arg[1], &waits);
    if (error != -EWOULDBLOCK)
        return error;
    call_keep(c, waits, truncate_waited);
    call_wait_on(c, vfs_leases(waits));
    return call_block(c, -1, -CALL_RESTART_SYS);
}

int64_t stub_ftruncate(struct call *c)
{
    struct statx st;
    struct file *f = file_argument(c, 0);
    if ((int64_t)c->arg[1] < 0)
        return -EINVAL;
    if (!f)
        return -EBADF;
    if (!is_regular(f) || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    if (file_stat(f, &st) == 0 && c->arg[1] > st.stx_size && over_size_limit(c, c->arg[1]))
        return -EFBIG;
    return file_truncate(f, c->arg[1]);
}

int64_t stub_fallocate(struct call *c)
{
    enum { PUNCH_HOLE = 2 };
    struct file *f = file_argument(c, 0);
    uint64_t offset = c->arg[2], length = c->arg[3];
    if (!f)
        return -EBADF;
    int error = file_allocate_check(f, (int)c->arg[1], offset, length);
    if (error)
        return error;
    if (!(c->arg[1] & PUNCH_HOLE) && over_size_limit(c, offset + length))
        return -EFBIG;
    return file_allocate(f, (int)c->arg[1], offset, length);
}

/* ---- storage ---- */

static int64_t sync_file(struct call *c)
{
    struct file *f = file_argument(c, 0);
    return f ? file_sync(f) : -EBADF;
}

int64_t stub_fsync(struct call *c)
{
    return sync_file(c);
}

int64_t stub_fdatasync(struct call *c)
{
    return sync_file(c);
}

int64_t stub_sync(struct call *c)
{
    return 0;
}

int64_t stub_syncfs(struct call *c)
{
    return file_argument(c, 0) ? 0 : -EBADF;
}

int64_t stub_sync_file_range(struct call *c)
{
    enum { KNOWN = 7 };
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    if ((uint32_t)c->arg[3] & ~KNOWN || (int64_t)c->arg[1] < 0 || (int64_t)c->arg[2] < 0 ||
        (int64_t)(c->arg[1] + c->arg[2]) < 0)
        return -EINVAL;
    struct statx st;
    bool stored = file_stat(f, &st) == 0 && (S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode) || S_ISBLK(st.stx_mode));
    return stored ? 0 : -ESPIPE;
}

int64_t stub_fadvise64(struct call *c)
{
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    if (file_is_pipe(f))
        return -ESPIPE;
    return (int64_t)c->arg[2] < 0 || (uint32_t)c->arg[3] > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

int64_t stub_readahead(struct call *c)
{
    struct file *f = file_argument(c, 0);
    if (!f || (f->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return is_regular(f) && (int64_t)c->arg[2] >= 0 ? 0 : -EINVAL;
}
