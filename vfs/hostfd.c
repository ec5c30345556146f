/* Descriptors of host files: opened when they are needed, from the mount's own by openat2(2) with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS, one component at a time with O_NOFOLLOW otherwise. At most HOST_FDS stay open, least recently
 * used first out; those a guest mapped stay for good, as vfs/vfs.h promises. */
#include "vfs/host.h"

#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HOST_FDS = 256 };

/* A kernel or container without openat2(2): component by component, no symlink followed. */
static int openat_beneath(int fd, const char *path, int flags)
{
    char copy[VFS_PATH_MAX];
    int here = fd;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *name = copy, *rest; name; name = rest) {
        rest = strchr(name, '/');
        if (rest)
            *rest++ = 0;
        int below = openat(here, name, (rest ? O_PATH | O_DIRECTORY : flags) | O_CLOEXEC | O_NOFOLLOW);
        int error = -errno;
        if (here != fd)
            close(here);
        if (below < 0)
            return error;
        here = below;
    }
    return here;
}

static int openat2_beneath(int fd, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
    int got;
    do
        got = (int)syscall(SYS_openat2, fd, path, &how, sizeof how);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == ENOSYS)
        return openat_beneath(fd, path, flags);
    return got < 0 ? -errno : got;
}

/* ---- descriptors ---------------------------------------------------------------------------------------------- */

static void lru_remove(struct host_object *o)
{
    struct host_lru *l = &o->mount->vfs->host;
    *(o->prev ? &o->prev->next : &l->first) = o->next;
    *(o->next ? &o->next->prev : &l->last) = o->prev;
    o->prev = o->next = NULL;
    l->count--;
}

static void lru_add(struct host_object *o)
{
    struct host_lru *l = &o->mount->vfs->host;
    o->prev = NULL;
    o->next = l->first;
    *(l->first ? &l->first->prev : &l->last) = o;
    l->first = o;
    l->count++;
}

static void close_object(struct host_object *o)
{
    if (o->fd < 0)
        return;
    if (!o->pinned)
        lru_remove(o);
    else
        o->mount->vfs->host.pinned--;
    close(o->fd);
    o->fd = -1;
    o->pinned = false;
}

static bool put_before(char *buffer, size_t *at, const char *name)
{
    size_t length = strlen(name);
    if (*at < length + 1)
        return false;
    if (buffer[*at])
        buffer[--*at] = '/';
    *at -= length;
    memcpy(buffer + *at, name, length); /* NOLINT(bugprone-not-null-terminated-result): what follows is there already */
    return true;
}

const char *host_object_path(const struct host_object *o, const char *name, char *buffer, size_t n)
{
    size_t at = n - 1;
    buffer[at] = 0;
    if (name && !put_before(buffer, &at, name))
        return NULL;
    for (; o->parent; o = o->parent)
        if (!put_before(buffer, &at, o->name))
            return NULL;
    return buffer + at;
}

static int open_directory(struct host_object *o)
{
    char buffer[VFS_PATH_MAX];
    const char *path = host_object_path(o, NULL, buffer, sizeof buffer);
    return path ? openat2_beneath(o->mount->root->fd, path, O_PATH | O_DIRECTORY) : -ENAMETOOLONG;
}

static int open_regular(struct host_object *o)
{
    int directory = host_object_fd(o->parent);
    if (directory < 0)
        return directory;
    /* Reading must leave no trace on the host either, where its owner lets us. */
    int noatime = o->mount->keep_atime ? 0 : O_NOATIME;
    int fd = openat2_beneath(directory, o->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | noatime);
    if (fd == -EPERM && noatime) {
        o->mount->keep_atime = true;
        fd = openat2_beneath(directory, o->name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    }
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) { /* the host put something else there meanwhile */
        close(fd);
        return -EACCES;
    }
    return fd;
}

int host_object_fd(struct host_object *o)
{
    struct host_lru *l = &o->mount->vfs->host;
    if (o->fd >= 0) {
        if (!o->pinned && l->first != o) {
            lru_remove(o);
            lru_add(o);
        }
        return o->fd;
    }
    if (o->mount->vfs->view && o->mount->vfs->view->gives)
        return -EIO; /* nothing of the host is opened */
    int fd = o->directory ? open_directory(o) : open_regular(o);
    if (fd >= 0)
        host_object_take(o, fd);
    return fd;
}

void host_object_take(struct host_object *o, int fd)
{
    struct host_lru *l = &o->mount->vfs->host;
    o->fd = fd;
    if (o->pinned)
        return;
    lru_add(o);
    if (l->count > HOST_FDS)
        close_object(l->last);
}

int host_object_pin(struct host_object *o)
{
    struct host_lru *l = &o->mount->vfs->host;
    struct rlimit limit;
    int fd = host_object_fd(o);
    if (fd < 0 || o->pinned)
        return fd < 0 ? fd : 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) || l->pinned >= limit.rlim_cur / 2)
        return -ENFILE;
    lru_remove(o);
    o->pinned = true;
    l->pinned++;
    return 0;
}

struct host_object *host_object_new(struct host_mount *m, struct host_object *parent, const char *name)
{
    size_t length = strlen(name);
    struct host_object *o = calloc(1, sizeof *o + length + 1);
    if (!o)
        return NULL;
    memcpy(o->name, name, length + 1);
    o->mount = m;
    o->references = 1;
    o->fd = -1;
    o->parent = parent;
    if (parent)
        parent->references++;
    return o;
}

void host_object_put(struct host_object *o)
{
    while (o && --o->references == 0) {
        struct host_object *parent = o->parent;
        close_object(o);
        free(o->target);
        free(o);
        o = parent;
    }
}
