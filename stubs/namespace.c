/* Names: mkdir, mknod, unlink, rmdir, rename, link, symlink, in their old and their *at forms. */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>

static uint32_t created_mode(struct call *c, uint64_t mode)
{
    return (uint32_t)mode & ~c->task->fs->umask;
}

static int64_t mkdir_at(struct call *c, int dirfd, int path)
{
    struct place at;
    const char *text;
    int error = path_argument(c, dirfd, path, &at, &text);
    return error ? error : vfs_mkdir(&at, text, created_mode(c, c->arg[path + 1] & 01777));
}

int64_t stub_mkdir(struct call *c)
{
    return mkdir_at(c, NO_DIRFD, 0);
}

int64_t stub_mkdirat(struct call *c)
{
    return mkdir_at(c, 0, 1);
}

static int64_t mknod_at(struct call *c, int dirfd, int path)
{
    struct place at;
    const char *text;
    uint32_t mode = (uint32_t)c->arg[path + 1] & (S_IFMT | 07777);
    switch (mode & S_IFMT) {
    case 0:
        mode |= S_IFREG;
        break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR: /* CAP_MKNOD is asked for once the name is known to be free */
    case S_IFBLK:
        break;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
    int error = path_argument(c, dirfd, path, &at, &text);
    return error ? error : vfs_mknod(&at, text, created_mode(c, mode), (uint32_t)c->arg[path + 2]);
}

int64_t stub_mknod(struct call *c)
{
    return mknod_at(c, NO_DIRFD, 0);
}

int64_t stub_mknodat(struct call *c)
{
    return mknod_at(c, 0, 1);
}

static int64_t remove_at(struct call *c, int dirfd, int path, bool directory)
{
    struct place at;
    const char *text;
    int error = path_argument(c, dirfd, path, &at, &text);
    if (error)
        return error;
    return directory ? vfs_rmdir(&at, text) : vfs_unlink(&at, text);
}

int64_t stub_unlink(struct call *c)
{
    return remove_at(c, NO_DIRFD, 0, false);
}

int64_t stub_rmdir(struct call *c)
{
    return remove_at(c, NO_DIRFD, 0, true);
}

int64_t stub_unlinkat(struct call *c)
{
    uint32_t flags = (uint32_t)c->arg[2];
    if (flags & ~(uint32_t)AT_REMOVEDIR)
        return -EINVAL;
    return remove_at(c, 0, 1, flags & AT_REMOVEDIR);
}

static int64_t rename_at(struct call *c, int from_dirfd, int from, int to_dirfd, int to, uint32_t flags)
{
    struct place source, target;
    const char *old, *new;
    if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) ||
        (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
        return -EINVAL;
    if (flags & RENAME_WHITEOUT) /* a tool of overlay filesystems, which needs to make devices */
        return capable(c, CAP_MKNOD) ? -EINVAL : -EPERM;
    int error = path_argument(c, from_dirfd, from, &source, &old);
    if (!error)
        error = path_argument(c, to_dirfd, to, &target, &new);
    return error ? error : vfs_rename(&source, old, &target, new, flags);
}

int64_t stub_rename(struct call *c)
{
    return rename_at(c, NO_DIRFD, 0, NO_DIRFD, 1, 0);
}

int64_t stub_renameat(struct call *c)
{
    return rename_at(c, 0, 1, 2, 3, 0);
}

int64_t stub_renameat2(struct call *c)
{
    return rename_at(c, 0, 1, 2, 3, (uint32_t)c->arg[4]);
}

static int64_t link_at(struct call *c, int from_dirfd, int from, int to_dirfd, int to, uint32_t flags)
{
    struct place source, target;
    const char *old, *new;
    int error = 0;
    if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct file *f = from_dirfd == NO_DIRFD ? NULL : empty_path_file(c, from_dirfd, from, flags, &error);
    if (f && !capable(c, CAP_DAC_READ_SEARCH)) /* linkat(2), AT_EMPTY_PATH */
        return -ENOENT;
    if (!f && !error)
        error = path_argument(c, from_dirfd, from, &source, &old);
    if (!error)
        error = path_argument(c, to_dirfd, to, &target, &new);
    if (error)
        return error;
    if (f)
        return vfs_link_file(f, &target, new);
    return vfs_link(&source, old, flags & AT_SYMLINK_FOLLOW ? 0 : WALK_NOFOLLOW, &target, new);
}

int64_t stub_link(struct call *c)
{
    return link_at(c, NO_DIRFD, 0, NO_DIRFD, 1, 0);
}

int64_t stub_linkat(struct call *c)
{
    return link_at(c, 0, 1, 2, 3, (uint32_t)c->arg[4]);
}

static int64_t symlink_at(struct call *c, int dirfd, int path)
{
    struct place at;
    const char *target, *text;
    int error = call_path(c, 0, &target);
    if (error)
        return error;
    if (!*target)
        return -ENOENT;
    error = path_argument(c, dirfd, path, &at, &text);
    return error ? error : vfs_symlink(&at, target, text);
}

int64_t stub_symlink(struct call *c)
{
    return symlink_at(c, NO_DIRFD, 1);
}

int64_t stub_symlinkat(struct call *c)
{
    return symlink_at(c, 1, 2);
}
