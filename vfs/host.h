/* Where nodes of host mounts are on the host, and the descriptors that reach them. Inside the room: vfs/hostfd.c opens and
 * closes, vfs/hostfs.c makes nodes of what is found. */
#ifndef VFS_HOST_H
#define VFS_HOST_H

#include "vfs/node.h"

enum { HOST_LINK_BUCKETS = 256 };

struct host_object {
    struct host_object *parent;      /* referenced; NULL: the mount's root */
    struct host_object *prev, *next; /* in the list of open descriptors */
    struct host_object *next_retired;
    struct host_mount *mount;
    char *target; /* of a symlink, once read */
    uint64_t key; /* of mappings, 0 until mapped */
    uint32_t references;
    int fd;      /* -1: closed */
    bool pinned; /* not in the list */
    bool directory;
    char name[];
};

/* A file with several names on the host is one node for all of them, also when some were not looked up yet, or when it
 * was written to: it is kept while it has names. */
struct host_link {
    struct host_link *next;
    struct node *node; /* referenced */
    uint64_t dev, ino; /* the host's */
};

struct host_mount {
    struct vfs *vfs;
    struct host_object *root;
    struct host_link *links[HOST_LINK_BUCKETS];
    struct host_object *retired; /* mapped files that became memory: their descriptors stay */
    uint32_t number;             /* in order of mounting */
    bool keep_atime;             /* O_NOATIME was refused */
};

struct host_object *host_object_new(struct host_mount *m, struct host_object *parent,
                                    const char *name); /* NULL: out of memory */
void host_object_put(struct host_object *o);           /* NULL is allowed */
/* A descriptor of it, opened if need be: O_PATH of a directory, for reading of a file. Good until the next call. -errno. */
int host_object_fd(struct host_object *o);
/* The path of `name` in it from the mount's root (NULL: its own), from the end of the buffer. NULL: too long. */
const char *host_object_path(const struct host_object *o, const char *name, char *buffer, size_t n);
/* fd is its descriptor from now on; it was closed before. */
void host_object_take(struct host_object *o, int fd);
/* Keep its descriptor open as long as the object: 0, or -errno; -ENFILE when too many are kept. */
int host_object_pin(struct host_object *o);

#endif
