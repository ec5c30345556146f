/* What a file is: stat(2) in all its forms, access(2), readlink(2), statfs(2). */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static int64_t put_stat(struct call *c, uint64_t to, const struct statx *x)
{
    struct stat st;
    statx_to_stat(x, &st);
    return call_write(c, to, &st, sizeof st);
}

static int stat_at(struct call *c, int dirfd, int path, uint64_t at_flags, struct statx *out)
{
    struct place at;
    const char *text;
    int error = 0;
    struct file *f = dirfd == NO_DIRFD ? NULL : empty_path_file(c, dirfd, path, at_flags, &error);
    if (f)
        return file_stat(f, out);
    if (!error)
        error = path_argument(c, dirfd, path, &at, &text);
    return error ? error : vfs_stat_steady(&at, text, walk_flags(at_flags), out, &c->steady);
}

static int64_t stat_path(struct call *c, int dirfd, int path, int buffer, uint64_t at_flags)
{
    struct statx x;
    int error = stat_at(c, dirfd, path, at_flags, &x);
    return error ? error : put_stat(c, c->arg[buffer], &x);
}

int64_t stub_stat(struct call *c)
{
    return stat_path(c, NO_DIRFD, 0, 1, 0);
}

int64_t stub_lstat(struct call *c)
{
    return stat_path(c, NO_DIRFD, 0, 1, AT_SYMLINK_NOFOLLOW);
}

int64_t stub_fstat(struct call *c)
{
    struct statx x;
    struct file *f = call_file(c, (int)c->arg[0]);
    if (!f)
        return -EBADF;
    int error = file_stat(f, &x);
    return error ? error : put_stat(c, c->arg[1], &x);
}

int64_t stub_newfstatat(struct call *c)
{
    uint32_t flags = (uint32_t)c->arg[3];
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
        return -EINVAL;
    return stat_path(c, 0, 1, 2, flags);
}

int64_t stub_statx(struct call *c)
{
    struct statx x;
    uint32_t flags = (uint32_t)c->arg[2], mask = (uint32_t)c->arg[3];
    if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
        flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
        return -EINVAL;
    int error = stat_at(c, 0, 1, flags, &x);
    return error ? error : call_write(c, c->arg[4], &x, sizeof x);
}

/* access(2) asks as the real user and group, with what capabilities that user would have (fs/open.c,
 * access_override_creds). */
static void as_real(const struct cred *from, struct cred *to)
{
    const uint64_t root = UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
    *to = *from;
    to->fsuid = from->uid;
    to->fsgid = from->gid;
    if (from->uid != 0)
        to->capabilities = 0;
    else if (from->euid != 0)
        to->capabilities |= root;
}

static int64_t access_at(struct call *c, int dirfd, int path, uint32_t mode, uint32_t flags)
{
    struct place at;
    struct cred real;
    const char *text;
    int error = 0;
    if (mode & ~7u || flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct file *f = dirfd == NO_DIRFD ? NULL : empty_path_file(c, dirfd, path, flags, &error);
    if (f && !f->dentry) /* a pipe's or an anonymous file's owner may read and write it */
        return mode & 1 ? -EACCES : 0;
    if (!error)
        error = path_argument(c, dirfd, path, &at, &text);
    if (error)
        return error;
    if (!(flags & AT_EACCESS)) {
        as_real(&c->task->cred, &real);
        at.cred = &real;
    }
    return vfs_access(&at, text, (int)mode, walk_flags(flags));
}

int64_t stub_access(struct call *c)
{
    return access_at(c, NO_DIRFD, 0, (uint32_t)c->arg[1], 0);
}

int64_t stub_faccessat(struct call *c)
{
    return access_at(c, 0, 1, (uint32_t)c->arg[2], 0);
}

int64_t stub_faccessat2(struct call *c)
{
    return access_at(c, 0, 1, (uint32_t)c->arg[2], (uint32_t)c->arg[3]);
}

static int64_t readlink_at(struct call *c, int dirfd, int path, int buffer)
{
    struct place at;
    const char *text;
    char target[VFS_PATH_MAX];
    int room = (int)c->arg[buffer + 1];
    if (room <= 0)
        return -EINVAL;
    int error = path_argument(c, dirfd, path, &at, &text);
    if (error)
        return error == -ENOENT && !call_file(c, (int)c->arg[dirfd]) ? -EBADF : error;
    /* "" means the symlink that a descriptor of O_PATH|O_NOFOLLOW holds (readlink(2)) */
    bool own = dirfd != NO_DIRFD && !*text && (int)c->arg[dirfd] != AT_FDCWD;
    ssize_t n = vfs_readlink(&at, text, WALK_NOFOLLOW | (own ? WALK_EMPTY_PATH : 0), target, sizeof target);
    if (n < 0)
        return n == -EINVAL && own ? -ENOENT : n;
    if (n > room)
        n = room;
    return call_write(c, c->arg[buffer], target, (size_t)n) ? -EFAULT : n;
}

int64_t stub_readlink(struct call *c)
{
    return readlink_at(c, NO_DIRFD, 0, 1);
}

int64_t stub_readlinkat(struct call *c)
{
    return readlink_at(c, 0, 1, 2);
}

/* What of files only mappings held that are gone is room again, where there is any to speak of. */
static int room_at(struct call *c, const struct place *at, const char *path, unsigned walk_flags,
                   struct vfs_statfs *out)
{
    int error = vfs_statfs(at, path, walk_flags, out);
    if (error || out->blocks == 0 || (out->flags & ST_RDONLY) != 0)
        return error;
    shared_maps_settle(c->task);
    return vfs_statfs(at, path, walk_flags, out);
}

static int64_t put_statfs(struct call *c, uint64_t to, const struct vfs_statfs *s)
{
    struct statfs out;
    memset(&out, 0, sizeof out);
    out.f_type = (long)s->type;
    out.f_bsize = (long)s->bsize;
    out.f_blocks = s->blocks;
    out.f_bfree = s->bfree;
    out.f_bavail = s->bavail;
    out.f_files = s->files;
    out.f_ffree = s->ffree;
    memcpy(&out.f_fsid, &s->fsid, sizeof out.f_fsid);
    out.f_namelen = (long)s->namelen;
    out.f_frsize = (long)s->frsize;
    out.f_flags = (long)s->flags;
    return call_write(c, to, &out, sizeof out);
}

int64_t stub_statfs(struct call *c)
{
    struct place at;
    const char *text;
    struct vfs_statfs s;
    int error = path_argument(c, NO_DIRFD, 0, &at, &text);
    if (!error)
        error = room_at(c, &at, text, 0, &s);
    return error ? error : put_statfs(c, c->arg[1], &s);
}

int64_t stub_fstatfs(struct call *c)
{
    struct place at;
    struct vfs_statfs s = {.type = 0x09041934 /* ANON_INODE_FS_MAGIC */, .bsize = 4096, .namelen = 255, .frsize = 4096};
    struct file *f = call_file(c, (int)c->arg[0]);
    if (!f)
        return -EBADF;
    if (file_place(c, f, &at) == 0) {
        int error = room_at(c, &at, "", WALK_EMPTY_PATH, &s);
        if (error)
            return error;
    } else if (file_is_pipe(f)) {
        s.type = PIPEFS_MAGIC;
    }
    return put_statfs(c, c->arg[1], &s);
}

/* ustat(2) asks for a mounted device by number; this world has none that can be asked so. */
int64_t stub_ustat(struct call *c)
{
    return -EINVAL;
}
