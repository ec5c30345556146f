/* Directories as places: getdents(2), getcwd(2), chdir(2), chroot(2), umask(2). */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { DIRENTS_MOST = 64 * 1024 }; /* bytes one getdents gives: a huge directory is read in turns */

/* linux_dirent64 and linux_dirent (getdents(2)): what stands before the name, and behind it. */
struct layout {
    size_t name;  /* offset of the name */
    size_t after; /* the terminator, and in the old form the type */
    bool old;
};

struct listing {
    struct dirent_sink sink;
    const struct layout *layout;
    char *bytes;
    size_t used, room;
    bool too_small; /* not even the first entry fits */
};

static int emit(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next)
{
    struct listing *l = (struct listing *)s;
    size_t length = strlen(name);
    size_t size = (l->layout->name + length + l->layout->after + 7) & ~(size_t)7;
    if (size > l->room - l->used) {
        l->too_small = l->used == 0;
        return 1;
    }
    char *at = l->bytes + l->used;
    uint16_t record = (uint16_t)size;
    memset(at, 0, size);
    memcpy(at, &ino, sizeof ino);
    memcpy(at + 8, &next, sizeof next);
    memcpy(at + 16, &record, sizeof record);
    memcpy(at + l->layout->name, name, length); /* NOLINT(bugprone-not-null-terminated-result): zeros stand behind it */
    at[l->layout->old ? size - 1 : 18] = (char)type;
    l->used += size;
    return 0;
}

static int64_t getdents(struct call *c, const struct layout *layout)
{
    char bytes[DIRENTS_MOST];
    uint32_t room = (int32_t)c->arg[2] < 0 ? 0 : (uint32_t)c->arg[2];
    struct listing l = {.sink = {.emit = emit}, .layout = layout, .bytes = bytes};
    l.room = room < sizeof bytes ? room : sizeof bytes;
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    const uint64_t position = f->position;
    int error = file_getdents(f, &l.sink);
    if (l.used == 0)
        return error ? error : l.too_small ? -EINVAL : 0;
    if (call_write(c, c->arg[1], bytes, l.used) == 0)
        return (int64_t)l.used;
    f->position = position; /* who got nothing may ask again */
    return -EFAULT;
}

int64_t stub_getdents64(struct call *c)
{
    static const struct layout layout = {.name = 19, .after = 1};
    return getdents(c, &layout);
}

int64_t stub_getdents(struct call *c)
{
    static const struct layout layout = {.name = 18, .after = 2, .old = true};
    return getdents(c, &layout);
}

int64_t stub_getcwd(struct call *c)
{
    char path[VFS_PATH_MAX];
    struct place at;
    struct statx st;
    call_place(c, AT_FDCWD, &at);
    /* A removed working directory has no path any more: its count of links is 0 */
    if (vfs_stat(&at, "", WALK_EMPTY_PATH, &st) == 0 && st.stx_nlink == 0)
        return -ENOENT;
    ssize_t n = dentry_path(at.start, at.root, path, sizeof path);
    if (n < 0)
        return n == -ERANGE ? -ENAMETOOLONG : n;
    if ((uint64_t)n + 1 > c->arg[1])
        return -ERANGE;
    return call_write(c, c->arg[0], path, (size_t)n + 1) ? -EFAULT : n + 1;
}

static int may_enter(struct call *c, struct dentry *d)
{
    struct place at;
    call_place(c, AT_FDCWD, &at);
    at.start = d;
    return vfs_access(&at, "", X_OK, WALK_EMPTY_PATH | WALK_DIRECTORY);
}

/* Puts d in place of *where, or, when the task may not go there, away. */
static int64_t enter(int error, struct dentry *d, struct dentry **where)
{
    if (error) {
        dentry_put(d);
        return error;
    }
    dentry_put(*where);
    *where = d;
    return 0;
}

static int walk_to_directory(struct call *c, struct dentry **d)
{
    struct place at;
    const char *text;
    int error = path_argument(c, NO_DIRFD, 0, &at, &text);
    return error ? error : vfs_walk(&at, text, WALK_DIRECTORY, d);
}

int64_t stub_chdir(struct call *c)
{
    struct dentry *d;
    int error = walk_to_directory(c, &d);
    return error ? error : enter(may_enter(c, d), d, &c->task->fs->cwd);
}

int64_t stub_chroot(struct call *c)
{
    struct dentry *d;
    int error = walk_to_directory(c, &d);
    if (error)
        return error;
    error = may_enter(c, d);
    if (!error && !capable(c, CAP_SYS_CHROOT))
        error = -EPERM;
    return enter(error, d, &c->task->fs->root);
}

int64_t stub_fchdir(struct call *c)
{
    struct file *f = call_file(c, (int)c->arg[0]);
    struct dentry *d;
    struct place at;
    if (!f)
        return -EBADF;
    if (file_place(c, f, &at))
        return -ENOTDIR;
    int error = vfs_walk(&at, "", WALK_EMPTY_PATH | WALK_DIRECTORY, &d);
    return error ? error : enter(may_enter(c, d), d, &c->task->fs->cwd);
}

int64_t stub_umask(struct call *c)
{
    struct fs_context *fs = c->task->fs;
    uint32_t old = fs->umask;
    fs->umask = c->arg[0] & 0777;
    return old;
}
