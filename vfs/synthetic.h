/* Synthetic filesystems (proc, dev): a tree of files as data. Model: plan9port's lib9p.
 *
 * A `synthetic_entry` describes one name. Directories are either a fixed table of entries or ask their owner for names
 * (lookup, list). The text of a file is produced when it is opened (or read at offset 0) and kept by that description,
 * so that a reader with a small buffer sees one consistent text. */
#ifndef VFS_SYNTHETIC_H
#define VFS_SYNTHETIC_H

#include "vfs/vfs.h"

/* A growing text buffer: never fails loudly; `failed` is set when memory ran out and the read becomes ENOMEM. */
struct text {
    char *bytes;
    size_t size, room;
    bool failed;
};
void text_add(struct text *t, const void *bytes, size_t n);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);

struct synthetic_entry;
struct synthetic { /* one filesystem's context, given to every operation */
    void *world;   /* the owner's */
    uint64_t key;  /* of the directory instance (a pid, a tid …), set by lookup, 0 at the root */
    uint64_t key2; /* a second level below (an fd, a tid); inherited by what lies below */
};

struct synthetic_entry {
    const char *name; /* NULL ends a table */
    uint32_t mode;    /* S_IFREG|0444, S_IFDIR|0555, S_IFLNK|0777, S_IFCHR|0666 … */
    uint64_t rdev;
    const struct synthetic_entry *children; /* a fixed directory */
    /* Regular file: its text. -errno refuses the open. */
    int (*text)(const struct synthetic *s, const struct cred *c, struct text *out);
    /* Regular file: a write, whole. Returns bytes taken or -errno; NULL: EACCES. */
    ssize_t (*store)(const struct synthetic *s, const struct cred *c, const char *bytes, size_t n);
    /* Symlink: its text. */
    ssize_t (*link)(const struct synthetic *s, const struct cred *c, char *buf, size_t n);
    /* Symlink that is magic (/proc/PID/fd/N, /proc/self/cwd): the dentry or file it leads to, referenced. */
    int (*magic)(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file);
    /* Dynamic directory, besides `children`: find a name (fill the child's keys and entry); list the first that stands at
     * *at or after it, which becomes where that one stands (below 2^47): a number that stays its own while others come and
     * go, for programs close what /proc/self/fd lists while they read it. */
    int (*lookup)(const struct synthetic *s, const char *name, struct synthetic *child,
                  const struct synthetic_entry **entry);
    int (*list)(const struct synthetic *s, uint64_t *at, char *name, size_t n,
                uint32_t *mode); /* 0, or -ENOENT: no more */
    /* Device or special file: opening it yields this file instead (referenced in *out). */
    int (*open)(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out);
    /* Owner of nodes: NULL means root. */
    void (*owner)(const struct synthetic *s, uint32_t *uid, uint32_t *gid);
};

/* Which entry an open file of a synthetic filesystem is, and of whom; NULL: it is of another filesystem. */
const struct synthetic_entry *synthetic_entry_of(const struct file *f, struct synthetic *of);
struct fs *synthetic_fs_new(struct vfs *v, const char *type, void *world, const struct synthetic_entry *root);

/* The devices that need nothing of the world but its generator: null, zero, full, random, urandom, and the links
 * fd, stdin, stdout, stderr; pts, ptmx, tty, shm. (vfs/dev.c) */
struct dev_hooks {
    void (*random)(void *context, void *bytes, size_t n);
    void *(*controlling_tty)(
        void *context); /* of the caller's session, as tty_open takes it (vfs/objects.h); NULL: none */
    void *context;
};
struct tty_hooks;
int dev_mount(struct vfs *v, const struct dev_hooks *hooks, const struct tty_hooks *tty, char *why, size_t n);

#endif
