/* What a world looks at of the host, through one door: attributes, lists, links and bytes of its host mounts, whole archives,
 * and what its making asks (is there a /lib64?). Nobody stands at the door of an ordinary run. A view that is told keeps
 * what was seen (a bundle is made); a view that gives answers in the host's place, which is then not looked at at all.
 *
 * Each function gets what the host answered, and returns what counts: the same when it was told, its own when it gives. `mount`
 * numbers the host mounts in the order they are made; a path is relative to the mount's root, "" for the root itself. */
#ifndef VFS_VIEW_H
#define VFS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view_status { /* as statx(2) saw it, but that the owners are the guest's */
    uint32_t mode, uid, gid, nlink;
    uint64_t size, rdev;
    int64_t atime, mtime, ctime, btime; /* ns since the epoch */
    uint64_t dev, ino; /* of the host; a view that gives has made up numbers that are equal where these were */
};

struct view_name {
    char *name;   /* owned */
    uint8_t type; /* DT_* */
};

struct view_names {
    struct view_name *names; /* in the order of strcmp; owned */
    size_t count;
};

struct host_object;

struct view_file { /* a regular file of a host mount */
    uint64_t ino;  /* of the world */
    uint64_t size;
    uint32_t mount;
    const struct host_object *object; /* for view_path alone */
};

/* Its path from the mount's root, from the end of the buffer; NULL: too long. */
const char *view_path(const struct view_file *f, char *buffer, size_t n);

struct view {
    bool gives;
    int (*mounted)(struct view *w, uint32_t mount, const char *at, struct view_status *root, int error);
    int (*status)(struct view *w, uint32_t mount, const char *path, struct view_status *s, int error);
    int (*names)(struct view *w, uint32_t mount, const char *path, struct view_names *names, int error);
    int (*link)(struct view *w, uint32_t mount, const char *path, char **target, int error); /* *target: malloc'ed */
    /* Told: bytes [offset, + length) of the file, readable from fd, are used. */
    void (*used)(struct view *w, const struct view_file *f, int fd, uint64_t offset, uint64_t length);
    /* Gives: a descriptor of its bytes, which the caller owns. */
    int (*file)(struct view *w, const struct view_file *f);
    int (*archive)(struct view *w, const char *at,
                   int fd); /* the same for an archive mounted at `at`; fd: told, else -1 */
    /* Of the host's own root, while the world is made. */
    int (*host_link)(struct view *w, const char *path, char **target, int error);
    bool (*host_has)(struct view *w, const char *path, bool there);
};

#endif
