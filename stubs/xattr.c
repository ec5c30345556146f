/* xattr(7): get, set, list, remove; by path, by the symlink itself, by descriptor, and (Linux 6.13) by directory. */
#include "stubs/places.h"
#include "stubs/stubs.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 256, VALUE_MOST = 65536, LIST_MOST = 65536, CREATE_REPLACE = 3 };

/* Whose attributes: found, with the path and flags the VFS is asked with. */
struct target {
    struct place at;
    const char *path;
    unsigned walk;
};

static int by_path(struct call *c, unsigned walk, struct target *out)
{
    out->walk = walk;
    return path_argument(c, NO_DIRFD, 0, &out->at, &out->path);
}

static int by_descriptor(struct call *c, struct target *out)
{
    struct file *f = file_argument(c, 0);
    if (!f)
        return -EBADF;
    out->path = "";
    out->walk = WALK_EMPTY_PATH;
    return file_place(c, f, &out->at) ? -EOPNOTSUPP : 0;
}

static int by_directory(struct call *c, struct target *out)
{
    uint32_t flags = (uint32_t)c->arg[2];
    int error;
    if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct file *f = empty_path_file(c, 0, 1, flags, &error);
    if (error)
        return error;
    if (f)
        return by_descriptor(c, out);
    out->walk = walk_flags(flags);
    return path_argument(c, 0, 1, &out->at, &out->path);
}

/* An empty name, or one that is too long, is ERANGE (fs/xattr.c). */
static int copy_name(struct call *c, uint64_t address, char name[NAME_ROOM])
{
    ssize_t n = call_string(c, address, name, NAME_ROOM, -ERANGE);
    return n < 0 ? (int)n : n == 0 ? -ERANGE : 0;
}

static int64_t get(struct call *c, int error, const struct target *t, uint64_t name_at, uint64_t to, uint64_t size)
{
    char name[NAME_ROOM];
    if (!error)
        error = copy_name(c, name_at, name);
    if (error)
        return error;
    if (size > VALUE_MOST)
        size = VALUE_MOST;
    char *value = size ? malloc(size) : NULL;
    if (size && !value)
        return -ENOMEM;
    ssize_t n = vfs_getxattr(&t->at, t->path, t->walk, name, value, size);
    if (n > 0 && size && call_write(c, to, value, (size_t)n))
        n = -EFAULT;
    free(value);
    return n;
}

static int64_t set(struct call *c, int error, const struct target *t, uint64_t name_at, uint64_t from, uint64_t size,
                   uint32_t flags)
{
    char name[NAME_ROOM];
    if (flags & ~(uint32_t)CREATE_REPLACE)
        return -EINVAL;
    if (!error)
        error = copy_name(c, name_at, name);
    if (error)
        return error;
    if (size > VALUE_MOST)
        return -E2BIG;
    char *value = malloc(size + 1);
    if (!value)
        return -ENOMEM;
    error = call_read(c, from, value, size);
    if (!error)
        error = vfs_setxattr(&t->at, t->path, t->walk, name, value, size, (int)flags);
    free(value);
    return error;
}

static int64_t list(struct call *c, int error, const struct target *t, uint64_t to, uint64_t size)
{
    if (error)
        return error;
    if (size > LIST_MOST)
        size = LIST_MOST;
    char *names = size ? malloc(size) : NULL;
    if (size && !names)
        return -ENOMEM;
    ssize_t n = vfs_listxattr(&t->at, t->path, t->walk, names, size);
    if (n > 0 && size && call_write(c, to, names, (size_t)n))
        n = -EFAULT;
    free(names);
    return n;
}

static int64_t take_away(struct call *c, int error, const struct target *t, uint64_t name_at)
{
    char name[NAME_ROOM];
    if (!error)
        error = copy_name(c, name_at, name);
    return error ? error : vfs_removexattr(&t->at, t->path, t->walk, name);
}

int64_t stub_getxattr(struct call *c)
{
    struct target t;
    return get(c, by_path(c, 0, &t), &t, c->arg[1], c->arg[2], c->arg[3]);
}

int64_t stub_lgetxattr(struct call *c)
{
    struct target t;
    return get(c, by_path(c, WALK_NOFOLLOW, &t), &t, c->arg[1], c->arg[2], c->arg[3]);
}

int64_t stub_fgetxattr(struct call *c)
{
    struct target t;
    return get(c, by_descriptor(c, &t), &t, c->arg[1], c->arg[2], c->arg[3]);
}

int64_t stub_setxattr(struct call *c)
{
    struct target t;
    return set(c, by_path(c, 0, &t), &t, c->arg[1], c->arg[2], c->arg[3], (uint32_t)c->arg[4]);
}

int64_t stub_lsetxattr(struct call *c)
{
    struct target t;
    return set(c, by_path(c, WALK_NOFOLLOW, &t), &t, c->arg[1], c->arg[2], c->arg[3], (uint32_t)c->arg[4]);
}

int64_t stub_fsetxattr(struct call *c)
{
    struct target t;
    return set(c, by_descriptor(c, &t), &t, c->arg[1], c->arg[2], c->arg[3], (uint32_t)c->arg[4]);
}

int64_t stub_listxattr(struct call *c)
{
    struct target t;
    return list(c, by_path(c, 0, &t), &t, c->arg[1], c->arg[2]);
}

int64_t stub_llistxattr(struct call *c)
{
    struct target t;
    return list(c, by_path(c, WALK_NOFOLLOW, &t), &t, c->arg[1], c->arg[2]);
}

int64_t stub_flistxattr(struct call *c)
{
    struct target t;
    return list(c, by_descriptor(c, &t), &t, c->arg[1], c->arg[2]);
}

int64_t stub_removexattr(struct call *c)
{
    struct target t;
    return take_away(c, by_path(c, 0, &t), &t, c->arg[1]);
}

int64_t stub_lremovexattr(struct call *c)
{
    struct target t;
    return take_away(c, by_path(c, WALK_NOFOLLOW, &t), &t, c->arg[1]);
}

int64_t stub_fremovexattr(struct call *c)
{
    struct target t;
    return take_away(c, by_descriptor(c, &t), &t, c->arg[1]);
}

/* struct xattr_args of setxattrat and getxattrat: value, size, flags; 16 bytes so far (linux/xattr.h). */
struct arguments {
    uint64_t value;
    uint32_t size, flags;
};

static int copy_arguments(struct call *c, struct arguments *a)
{
    if (c->arg[5] != sizeof *a)
        return c->arg[5] < sizeof *a ? -EINVAL : -E2BIG;
    return call_read(c, c->arg[4], a, sizeof *a);
}

int64_t stub_setxattrat(struct call *c)
{
    struct target t;
    struct arguments a;
    int error = copy_arguments(c, &a);
    return error ? error : set(c, by_directory(c, &t), &t, c->arg[3], a.value, a.size, a.flags);
}

int64_t stub_getxattrat(struct call *c)
{
    struct target t;
    struct arguments a;
    int error = copy_arguments(c, &a);
    if (!error && a.flags)
        error = -EINVAL;
    return error ? error : get(c, by_directory(c, &t), &t, c->arg[3], a.value, a.size);
}

int64_t stub_listxattrat(struct call *c)
{
    struct target t;
    return list(c, by_directory(c, &t), &t, c->arg[3], c->arg[4]);
}

int64_t stub_removexattrat(struct call *c)
{
    struct target t;
    return take_away(c, by_directory(c, &t), &t, c->arg[3]);
}
