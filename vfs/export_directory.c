/* The export as a directory of the host. Everything below is reached from its descriptor, component by component and
 * following no symlink: what the guest made as a link is written as a link and never gone through.
 *
 * Files belong to whoever runs terrarium; setuid and setgid are taken off, for a program of the guest's must not become
 * one of theirs. Sockets and devices are left out. Directories stay writable until the end, then get their modes and
 * times. */
#include "vfs/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct late { /* a directory whose mode and times come at the end */
    char *path;
    const struct node *node;
};

enum { STEPS = 64 };

/* The directories that lie above the last path, the deepest of them opened: of the next path, which is near, most are the same. So a tree
 * costs what it holds, however deep it is. */
struct way {
    char path[VFS_PATH_MAX];
    struct {
        size_t length; /* of the path up to it */
        int fd;
    } step[STEPS];
    size_t steps;
};

struct directory_exporter {
    struct exporter base;
    int root;
    struct way way, hard; /* hard: to the other name of a file */
    struct late *late;
    size_t late_count, late_room;
};

static int failed(struct exporter *x, const char *path, int error)
{
    snprintf(x->why, sizeof x->why, "cannot write %.300s: %s", path, strerror(-error));
    return error;
}

/* One directory down; made when missing, 0755: it was given, and is not the guest's. */
static int down(int at, const char *name, bool make)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && make && !mkdirat(at, name, 0700)) {
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            (void)fchmod(fd, 0755);
    }
    return fd < 0 ? -errno : fd;
}

static void step_back(struct way *w)
{
    close(w->step[--w->steps].fd);
}

static void step_down(struct way *w, const char *path, size_t length, int fd)
{
    if (w->steps == STEPS) {
        close(w->step[0].fd);
        memmove(&w->step[0], &w->step[1], (STEPS - 1) * sizeof w->step[0]);
        w->steps--;
    }
    memcpy(w->path, path, length);
    w->step[w->steps].length = length;
    w->step[w->steps++].fd = fd;
}

/* The directory a path lies in, borrowed until the way is gone again, and its last name. */
static int parent_of(const struct directory_exporter *x, struct way *w, const char *path, bool make,
                     char name[VFS_NAME_MAX + 1])
{
    size_t begin = 0;
    if (strlen(path) >= sizeof w->path)
        return -ENAMETOOLONG;
    for (; w->steps > 0; step_back(w)) {
        begin = w->step[w->steps - 1].length;
        if (strncmp(w->path, path, begin) == 0 && path[begin] == '/')
            break;
    }
    begin = w->steps > 0 ? begin + 1 : 0;
    int at = w->steps > 0 ? w->step[w->steps - 1].fd : x->root;
    for (const char *slash; (slash = strchr(path + begin, '/')); begin = (size_t)(slash - path) + 1) {
        snprintf(name, VFS_NAME_MAX + 1, "%.*s", (int)(slash - path - (ssize_t)begin), path + begin);
        at = down(at, name, make);
        if (at < 0)
            return at;
        step_down(w, path, (size_t)(slash - path), at);
    }
    snprintf(name, VFS_NAME_MAX + 1, "%s", path + begin);
    return at;
}

static void times_of(const struct node *n, struct timespec times[2])
{
    struct statx st;
    node_stat(n, &st);
    times[0] = (struct timespec){.tv_sec = st.stx_atime.tv_sec, .tv_nsec = st.stx_atime.tv_nsec};
    times[1] = (struct timespec){.tv_sec = st.stx_mtime.tv_sec, .tv_nsec = st.stx_mtime.tv_nsec};
}

static int write_stretch(void *context, const void *bytes, size_t size, uint64_t offset)
{
    const int *fd = context;
    const char *from = bytes;
    while (size > 0) {
        ssize_t put = pwrite(*fd, from, size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        from += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

static int put_regular(int at, const char *name, struct node *n)
{
    struct timespec times[2];
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    times_of(n, times);
    int error = export_data(n, write_stretch, &fd);
    if (!error && (ftruncate(fd, (off_t)n->size) || fchmod(fd, n->mode & 0777) || futimens(fd, times)))
        error = -errno;
    if (close(fd) && !error)
        error = -errno;
    return error;
}

static int put_directory(struct directory_exporter *x, int at, const char *name, const char *path, const struct node *n)
{
    if (mkdirat(at, name, 0700)) {
        int error = -errno;
        int fd = error == -EEXIST ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd < 0)
            return error;
        close(fd);
    }
    if (x->late_count == x->late_room) {
        size_t room = x->late_room ? x->late_room * 2 : 64;
        struct late *late = reallocarray(x->late, room, sizeof *late);
        if (!late)
            return -ENOMEM;
        x->late = late;
        x->late_room = room;
    }
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    x->late[x->late_count++] = (struct late){.path = copy, .node = n};
    return 0;
}

static int put_symlink(int at, const char *name, struct node *n)
{
    const char *target;
    char *owned;
    struct timespec times[2];
    int error = node_readlink(n, NULL, &target, &owned);
    if (error)
        return error;
    if (symlinkat(target, at, name))
        error = -errno;
    times_of(n, times);
    if (!error)
        (void)utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
    free(owned);
    return error;
}

static int put_link(struct directory_exporter *x, const char *hard, int at, const char *name)
{
    char old[VFS_NAME_MAX + 1];
    int from = parent_of(x, &x->hard, hard, false, old);
    return from < 0 ? from : linkat(from, old, at, name, 0) ? -errno : 0;
}

static int directory_put(struct exporter *base, const char *path, struct node *n, const char *hard)
{
    struct directory_exporter *x = (struct directory_exporter *)base;
    char name[VFS_NAME_MAX + 1];
    int at = parent_of(x, &x->way, path, true, name);
    if (at < 0)
        return failed(base, path, at);
    int error = 0;
    if (!node_is(n, S_IFDIR) && unlinkat(at, name, 0) && errno != ENOENT) /* of an earlier export */
        error = -errno;
    /* Landlock forbids links between directories, some filesystems any: then the file is written twice. */
    else if (hard && node_is(n, S_IFREG) && !put_link(x, hard, at, name))
        error = 0;
    else if (node_is(n, S_IFREG))
        error = put_regular(at, name, n);
    else if (node_is(n, S_IFDIR))
        error = put_directory(x, at, name, path, n);
    else if (node_is(n, S_IFLNK))
        error = put_symlink(at, name, n);
    else if (node_is(n, S_IFIFO))
        error = mkfifoat(at, name, n->mode & 0777) ? -errno : 0;
    return error ? failed(base, path, error) : 0;
}

static int directory_put_text(struct exporter *base, const char *path, const char *text, size_t n)
{
    struct directory_exporter *x = (struct directory_exporter *)base;
    char name[VFS_NAME_MAX + 1];
    int at = parent_of(x, &x->way, path, true, name);
    if (at < 0)
        return failed(base, path, at);
    (void)unlinkat(at, name, 0);
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    int error = fd < 0 ? -errno : write_stretch(&fd, text, n, 0);
    if (fd >= 0 && close(fd) && !error)
        error = -errno;
    return error ? failed(base, path, error) : 0;
}

static int directory_finish(struct exporter *base)
{
    struct directory_exporter *x = (struct directory_exporter *)base;
    /* From the last to the first, so that a directory is closed after what lies in it. */
    for (size_t i = x->late_count; i-- > 0;) {
        char name[VFS_NAME_MAX + 1];
        struct timespec times[2];
        const struct node *n = x->late[i].node;
        int at = parent_of(x, &x->way, x->late[i].path, false, name);
        int fd = at < 0 ? at : openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = fd < 0 ? (at < 0 ? at : -errno) : 0;
        times_of(n, times);
        if (!error && (fchmod(fd, n->mode & 01777) || futimens(fd, times)))
            error = -errno;
        if (fd >= 0)
            close(fd);
        if (error)
            return failed(base, x->late[i].path, error);
    }
    return 0;
}

static void directory_free(struct exporter *base)
{
    struct directory_exporter *x = (struct directory_exporter *)base;
    for (size_t i = 0; i < x->late_count; i++)
        free(x->late[i].path);
    free(x->late);
    while (x->way.steps > 0)
        step_back(&x->way);
    while (x->hard.steps > 0)
        step_back(&x->hard);
    close(x->root);
    free(x);
}

struct exporter *export_directory_new(const char *to, char *why, size_t n)
{
    struct directory_exporter *x = calloc(1, sizeof *x);
    if (!x) {
        snprintf(why, n, "out of memory");
        return NULL;
    }
    x->base = (struct exporter){
        .put = directory_put, .put_text = directory_put_text, .finish = directory_finish, .free = directory_free};
    bool made = !mkdir(to, 0777) || errno == EEXIST;
    x->root = made ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (x->root < 0) {
        snprintf(why, n, "cannot make the directory %s: %s", to, strerror(errno));
        free(x);
        return NULL;
    }
    (void)unlinkat(x->root, ".deleted", 0); /* an earlier export's list is of another run */
    return &x->base;
}
