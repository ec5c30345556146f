/* Inside the room: what nodes, dentries and filesystems are made of. Nothing outside vfs/ includes this.
 *
 * One tree. Every name the guest can reach is a `dentry` (name, parent, node); every object a name leads to is a `node`
 * (Linux: inode). The tree is held in memory whatever lies behind: a host or tar mount fills it in as names are looked
 * up, so that a second look-up of a name, existing or absent, costs one hash probe and no host call.
 *
 * References, in prose.
 *   - A dentry counts its holders: the table of its parent directory (while it is in it), open files, working
 *     directories, walks in progress, and each of its own children (a child always holds its parent, also after it was
 *     unlinked, so that dentry_path can say where it was).
 *   - A positive dentry holds one reference to its node; an open file without a dentry holds its node itself.
 *   - A table and its children would hold each other for ever: directory_clear breaks the ring when a directory is
 *     removed, and vfs_free does it for the whole tree.
 *   - A node dies with its last reference. `nlink` counts names, as Linux does, and says nothing about its life.
 *   - A filesystem lives as long as its vfs.
 *   - Synthetic dentries (proc, dev) are in no table: they live as long as someone holds them.
 *
 * Absence. A name that is not in a `complete` table does not exist. In an incomplete one (a host directory that was not
 * listed yet) the filesystem is asked once, and a negative dentry keeps the answer. A whiteout is a negative dentry
 * that is never dropped: the guest removed a name that was given.
 *
 * What the host does to a mounted tree meanwhile is not seen once a name was looked up: the first look wins. */
#ifndef VFS_NODE_H
#define VFS_NODE_H

#include "vfs/vfs.h"
#include "vfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct node_ops;
struct fs_ops;
struct memory;      /* vfs/memfs.c: the bytes of a memory file */
struct host_object; /* vfs/hostfs.c: where a node is on the host */

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

enum node_flags {
    NODE_GIVEN = 1,          /* existed before the guest ran (mount, inline file) */
    NODE_CHARGED = 2,        /* counted against the quota of nodes */
    NODE_DATA = 4,           /* the guest changed its bytes */
    NODE_ATTRIBUTES = 8,     /* the guest changed mode, owner, times or xattrs */
    NODE_READ = 16,          /* the guest read its bytes (read, mapped, executed) */
    NODE_HOST_LINKS = 64,    /* its filesystem keeps it while it has names (vfs/hostfs.c) */
    NODE_NO_LINK = 32,       /* made by O_TMPFILE|O_EXCL: can never be linked */
    NODE_LINK_CHARGED = 128, /* a symlink whose target is on its filesystem's account */
    NODE_LINKABLE = 512,     /* made by O_TMPFILE and never linked: the only one without a name that may get one */
    NODE_MAPPED = 256,       /* its bytes may change, and some process mapped them: what is written is seen at once */
};

/* Things few nodes have; made on first use by node_extra(). */
struct node_extra {
    struct xattr *xattrs;       /* vfs/xattr.c */
    void *locks;                /* vfs/lock.c: record locks and flock(2) */
    void *leases;               /* vfs/lease.c */
    void *watches;              /* vfs/inotify.c */
    struct pipe *fifo;          /* vfs/pipe.c: the pipe of a FIFO while it is open */
    struct unix_socket *socket; /* vfs/unix.c: bound to this name; it holds the node */
};

struct node {
    const struct node_ops *ops; /* changes when a copy-on-write node becomes a memory node */
    struct fs *fs;              /* borrowed: lives as long as the vfs */
    uint32_t references;
    uint32_t flags; /* enum node_flags */
    uint32_t mode, uid, gid, nlink;
    uint64_t ino;  /* from the vfs's own sequence: never the host's */
    uint64_t size; /* bytes; of a symlink its length */
    int32_t
        writers; /* descriptions that may write to this regular file; negative: processes that run it (vfs/lease.c) */
    uint32_t readers; /* … that may only read */
    uint64_t rdev;
    int64_t atime, mtime, ctime, btime; /* ns since the epoch */
    struct node_extra *extra;           /* NULL until needed */
    union {                             /* by ops */
        struct memory *memory;          /* regular memory file; NULL: empty */
        char *target;                   /* memory symlink, owned */
        struct host_object *host;       /* node of a host mount */
        struct tar_slice *slice;        /* vfs/tarfs.c */
        struct synthetic_node *synthetic;
        void *private;
    };
};

/* What lies behind a node. NULL: the node has none of it (a memory directory has no operation at all). */
struct node_ops {
    const char *name;
    /* Directories. Find a name that is not in the table: *out gets a referenced positive dentry or NULL (absent). The
     * filesystem attaches what should be remembered. */
    int (*lookup)(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct dentry **out);
    /* Put every name into the table, which becomes complete. */
    int (*populate)(struct dentry *dir);
    /* List without the table (synthetic). position: in and out. */
    int (*list)(struct dentry *dir, const struct cred *c, struct dirent_sink *s, uint64_t *position);
    /* A LISTED child of dir needs its node. */
    int (*resolve)(struct dentry *dir, struct dentry *child);
    /* Symlinks. *target is valid until the node goes, or, when *owned is set to it, until the caller frees it. */
    int (*readlink)(struct node *n, const struct cred *c, const char **target, char **owned);
    int (*magic)(struct node *n, const struct cred *c, struct dentry **to, struct file **open_file);
    /* Opening yields another kind of file (devices, texts). The new file gets no dentry: the caller adds it. */
    int (*open)(struct node *n, int flags, const struct cred *c, struct file **out);
    /* Regular files. read: io->left > 0, offset < size. Stops at the size. */
    ssize_t (*read)(struct node *n, struct io *io, uint64_t offset);
    ssize_t (*write)(struct node *n, struct io *io, uint64_t offset); /* grows the file; offset + left <= INT64_MAX */
    int (*resize)(struct node *n, uint64_t size);
    int (*allocate)(struct node *n, int mode, uint64_t offset, uint64_t length);
    int64_t (*seek_data)(struct node *n, uint64_t offset,
                         bool hole); /* lseek(2) SEEK_DATA, SEEK_HOLE; NULL: all data */
    int (*map)(struct node *n, uint64_t offset, uint64_t length, bool writable, struct file_mapping *out);
    /* Copy-on-write: become a memory node holding the first `keep` bytes (then the ops change). */
    int (*promote)(struct node *n, uint64_t keep);
    uint64_t (*blocks)(const struct node *n); /* 512-byte units; NULL: from the size */
    void (*release)(struct node *n);
};

/* A new node of fs: references 1, times now, nlink 1 (2 for directories), no flags. NULL: out of memory. */
struct node *node_new(struct fs *fs, const struct node_ops *ops, uint32_t mode, uint32_t uid, uint32_t gid);
/* One more node or name against the quota of nodes: -ENOSPC. */
int node_charge(struct vfs *v);
/* The same as node_new, as the guest makes it, against the quota of nodes (-ENOSPC); or, while the policy speaks, as given. */
int node_create(struct fs *fs, const struct node_ops *ops, uint32_t mode, uint32_t uid, uint32_t gid,
                struct node **out);
void node_get(struct node *n);
void node_put(struct node *n);                 /* NULL is allowed */
struct node_extra *node_extra(struct node *n); /* NULL: out of memory */
void node_stat(const struct node *n, struct statx *out);
int node_readlink(struct node *n, const struct cred *c, const char **target, char **owned);
int node_promote(struct node *n, uint64_t keep); /* make it writable in memory: 0, -EROFS, -ENOSPC … */
int node_truncate(struct node *n, uint64_t size);
int node_writable(const struct node *n);                   /* -EROFS on a read-only mount, else 0 */
void node_touch(struct node *n, bool mtime);               /* ctime, and mtime when asked, are now */
void node_accessed(struct node *n);                        /* relatime, see mount(8) */
bool node_access_shows(const struct node *n, int64_t now); /* whether that moves the time, in ns since the epoch */
void host_names_gone(struct node *n);                      /* vfs/hostfs.c */
static inline void node_unlinked(struct node *n)           /* one name less */
{
    if (--n->nlink == 0 && n->flags & NODE_HOST_LINKS)
        host_names_gone(n);
}
void node_drop_privileges(struct node *n); /* a write by someone without CAP_FSETID clears setuid and setgid */
void xattr_free(struct node_extra *extra);
int xattr_give(struct node *n, const char *name, const void *value, size_t size); /* by a mount: -EOPNOTSUPP … */
/* Calls each for every attribute; nonzero stops. */
int xattr_each(const struct node *n, int (*each)(void *context, const char *name, const void *value, size_t size),
               void *context);
void node_link_directory(struct node *n, int change); /* a subdirectory came or went: its ".." is a name of n */
/* Owner, group and mode of what c creates in dir: setgid directories, mode_strip_sgid. directory: of what is created. */
void node_inherit(const struct node *dir, const struct cred *c, bool directory, uint32_t *mode, uint32_t *gid);
static inline bool node_is(const struct node *n, uint32_t type)
{
    return (n->mode & S_IFMT) == type;
}

/* ---- dentries and directories --------------------------------------------------------------------------------- */

enum dentry_flags {
    DENTRY_GIVEN = 1,      /* something by this name existed before the guest ran */
    DENTRY_REPLACED = 2,   /* … but it is no longer that */
    DENTRY_WHITEOUT = 4,   /* negative for good: the guest removed what was given, or the policy said absent */
    DENTRY_MOUNT = 8,      /* the root of a mount: EBUSY for whoever would move it */
    DENTRY_UNLINKED = 16,  /* its name is gone; whoever still holds it sees " (deleted)" */
    DENTRY_LISTED = 32,    /* known from a listing: exists, node not made yet (ino and type are reserved) */
    DENTRY_OWN_NAME = 64,  /* the name was renamed: a heap string */
    DENTRY_FLOATING = 128, /* never had a place in the tree (memfd): shown as "/NAME (deleted)" */
    DENTRY_HASHED = 256,   /* in its parent's table */
    DENTRY_HIDDEN = 512,   /* the policy said absent: whatever the mount has by this name is never seen */
    DENTRY_CHARGED =
        1024, /* one more name of a file, made by link(2): counted as a node, as tmpfs does (mm/shmem.c, shmem_link) */
};

struct dentry {
    struct dentry *parent; /* referenced; NULL at the root of the tree */
    union {
        struct node *node;   /* referenced; NULL: negative */
        uint64_t listed_ino; /* with DENTRY_LISTED: node is then not to be looked at */
    };
    const char *name;           /* NUL-terminated; inline, or owned with DENTRY_OWN_NAME */
    struct directory *children; /* NULL: none yet, or no directory */
    struct dentry *hash_next;
    uint64_t cookie; /* where it stands in a listing */
    uint32_t hash;
    uint32_t references;
    uint16_t flags; /* enum dentry_flags */
    uint8_t length; /* of the name */
    uint8_t type;   /* DT_*: with DENTRY_LISTED its own, in a given place what was given there (else 0) */
    char inline_name[];
};

/* The children of a directory: a hash table for look-ups and, for listings, an array in the order of the cookies. */
struct directory {
    struct dentry **table;
    uint32_t mask;          /* table size - 1 */
    uint32_t count;         /* dentries in the table, negative ones too */
    uint32_t live;          /* positive ones */
    uint32_t negative;      /* cached absent names that may be dropped */
    struct directory_slot { /* a removed entry leaves its cookie with a NULL dentry until the array is compacted */
        uint64_t cookie;
        struct dentry *dentry;
    } * slots;
    uint32_t slot_count, slot_room, slot_dead;
    bool complete; /* the table holds every name: what is not in it does not exist */
    uint64_t next_cookie;
};

static inline bool dentry_positive(const struct dentry *d)
{
    return (d->flags & DENTRY_LISTED) || d->node;
}

uint32_t name_hash(const struct vfs *v, const char *name, size_t length);
/* In no table yet, references 1. The node's reference is taken over (NULL: negative). NULL: out of memory. */
struct dentry *dentry_new(struct dentry *parent, const char *name, size_t length, uint32_t hash, struct node *node);
int dentry_attach(struct dentry *d);  /* into its parent's table, which takes a reference; -ENOMEM */
void dentry_detach(struct dentry *d); /* out of it */
/* A new name and parent, while detached. `name` is on the heap and is taken over. */
void dentry_rename(struct dentry *d, struct dentry *parent, char *name, size_t length, uint32_t hash);
struct directory *directory_of(struct dentry *d); /* made on demand; NULL: out of memory */
void directory_clear(struct dentry *d);           /* forget every child, recursively */
int directory_reserve(struct dentry *d,
                      uint32_t n); /* room for n entries more (1, 2): the next attaches cannot fail. -ENOMEM */
uint32_t directory_slot(const struct directory *c, uint64_t cookie); /* the first slot whose cookie is at least that */
int directory_populate(struct dentry *d);                            /* 0, or why the host could not be read */
int directory_complete(struct dentry *d); /* during populate: build the listing order, mark complete */
bool directory_empty(struct dentry *d);   /* no positive child (populates) */
/* The child of that name: referenced in *out, or NULL when there is none (then *cached may tell a negative dentry that
 * stands in the table, borrowed; cached may be NULL). No permission is checked. */
int dentry_child(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct dentry **out,
                 struct dentry **cached);
struct dentry *dentry_cached(const struct dentry *dir, const char *name, size_t length, uint32_t hash); /* borrowed */
int dentry_resolve(struct dentry *d); /* DENTRY_LISTED becomes positive; harmless otherwise */
/* Put a new name into the tree where none is, in place of the negative dentry if there is one. Takes node's reference
 * over also on failure. *out (may be NULL) is referenced. */
int dentry_create(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct node *node,
                  struct dentry **out);
int dentry_remove(struct dentry *d); /* unlink: leaves a whiteout where the name was given; -ENOMEM */

uint8_t dentry_given_type(const struct dentry *d); /* DT_* of what was given in this place; 0 */

/* Every change as vfs_each_change tells it, with the dentry (NULL: deleted). (vfs/changes.c) */
int changes_walk(struct vfs *v, int (*each)(void *context, enum change_kind kind, const char *path, struct dentry *d),
                 void *context);

/* ---- filesystems ---------------------------------------------------------------------------------------------- */

struct fs_ops {
    const char *type;               /* as /proc/mounts and statfs(2) call it */
    uint64_t magic;                 /* statfs f_type */
    void (*release)(struct fs *fs); /* private */
    bool steady; /* what is in it changes by calls that change it alone, and vfs.changes counts the rest */
    /* Its files are kernel objects that have names (mqueue): made by this when open(2) creates one, and neither linked, moved nor
     * exported. NULL: files of memory. */
    int (*create)(struct fs *fs, const struct cred *c, uint32_t mode, uint32_t gid, struct node **out);
};

struct fs {
    const struct fs_ops *ops;
    struct vfs *vfs;
    struct fs *next; /* of all the vfs's */
    uint64_t dev;    /* st_dev: makedev(0, n), n in order of mounting */
    bool read_only;
    uint64_t quota_bytes; /* 0: none of its own */
    uint64_t bytes;       /* charged to it */
    uint64_t nodes;
    struct node *root;        /* referenced until it is mounted, then NULL */
    char *device, *at, *type; /* for /proc/mounts; owned; at NULL: not mounted; type NULL: ops->type */
    void *private;
};

struct fs *fs_new(struct vfs *v, const struct fs_ops *ops, void *private); /* in v's list; NULL: out of memory */
int fs_charge(struct fs *fs, uint64_t bytes);                              /* against both quotas: -ENOSPC */
bool fs_has_room(const struct fs *fs,
                 uint64_t bytes);                    /* whether fs_charge would say 0; nothing is charged or exceeded */
int vfs_exceed(struct vfs *v, enum vfs_quota which); /* the tree's own quota is reached, whoever reached it: -ENOSPC */
void fs_charge_all(struct fs *fs, uint64_t bytes);   /* they are taken already, whatever the quotas say */
void fs_refund(struct fs *fs, uint64_t bytes);

/* As vfs_mount_fs, for a tree that was made apart: its root, without a parent; the reference is taken over. */
int mount_tree(struct vfs *v, const char *at, struct fs *fs, struct dentry *tree, char *why, size_t n);

/* Host descriptors kept open, least recently used first to go (vfs/hostfs.c). */
struct host_lru {
    struct host_object *first, *last; /* first: most recently used */
    uint32_t count;
    uint32_t pinned; /* mapped files: never closed while the node lives */
};

/* What the objects no path leads to share across one world; all zero at first (vfs_free calls objects_release). */
struct objects {
    uint64_t pipe_pages;          /* vfs/pipe.c: slots of all pipes */
    uint64_t epoll_wave;          /* vfs/epoll.c: the wake-up being passed on … */
    uint32_t epoll_depth;         /* … through that many epolls */
    uint32_t epoll_items;         /* in all of them */
    uint32_t inotify_instances;   /* vfs/inotify.c: open ones … */
    uint32_t inotify_queued;      /* … and the events in all their queues */
    uint32_t lock_records;        /* vfs/lock.c: of the whole world */
    struct lock_edge *lock_edges; /* vfs/lock.c: who waits for whose POSIX lock */
    struct locks *loose_locks;    /* vfs/lock.c: of what has no node */
    struct terminal *terminals;   /* vfs/terminal.c: all of them */
    struct pty_table *ptys;       /* vfs/pty.c: by number */
    struct dev *dev;              /* vfs/dev.c: the owner of /dev */
    struct netstack *net;         /* vfs/unix.c */
    struct inet_table *inet;      /* vfs/inet.c */
    uint64_t cookies;             /* SO_COOKIE: how many were given */
    struct mqueue_fs *mqueues;    /* vfs/mqueue.c */
};
void objects_release(struct vfs *v);
void dev_release(struct dev *dev); /* NULL is allowed */
void mqueue_let_go(struct vfs *v); /* before the tree is taken apart */

struct vfs {
    struct vfs_config config;
    struct vfs_usage usage;
    struct dentry *root;
    struct fs *filesystems, **filesystems_end; /* in order of mounting */
    struct memory *memfds, *recount_next;      /* vfs/memfd.c: memory files in memfds, and whose turn it is */
    size_t memfd_count;
    struct fs *anonymous; /* home of memfds and other nodes without a place: st_dev 0:1 */
    uint64_t next_ino, next_file, next_key;
    uint32_t next_minor;
    uint32_t host_uid, host_gid; /* the supervisor's own, as the host knows it */
    uint32_t watches;            /* inotify watches that exist: 0 makes every event point free */
    uint64_t changes;            /* counts what changes a node's size or times */
    uint32_t next_move;          /* inotify's cookie that pairs IN_MOVED_FROM and IN_MOVED_TO */
    bool unlimited;              /* no quota_bytes was configured: statfs(2) must not show the machine's memory */
    bool giving;                 /* the policy is speaking: what is made now is given, and free */
    uint64_t hash_key[2];        /* secret, so that a guest cannot aim names at one bucket; no result depends on it */
    struct view *view;           /* who stands between it and the host; NULL: nobody */
    uint32_t host_mounts;        /* made so far */
    int64_t moment;              /* not 0: vfs_now for what happened before, and is told now (vfs/lend.c) */
    struct host_lru host;
    struct objects objects;
};

int64_t vfs_now(const struct vfs *v);
static inline struct vfs *node_vfs(const struct node *n)
{
    return n->fs->vfs;
}

/* A directory that takes no new names of any kind, but for what open(2) may make in it. */
static inline bool directory_is_closed(const struct node *dir)
{
    return dir->ops->list || dir->fs->ops->create;
}

/* Storage that several filesystems end in. */
extern const struct node_ops directory_ops;        /* a memory directory: nothing but its table */
bool memfd_execution_sealed(const struct node *n); /* F_SEAL_EXEC: who may execute it does not change */
extern const struct node_ops memory_ops;           /* a regular file in memory (vfs/memfs.c) */
uint64_t link_bytes(uint64_t length);              /* what a symlink's target of that length takes of the quota */
extern const struct node_ops link_ops;             /* a symlink in memory: node->target */
extern const struct node_ops special_ops;          /* FIFOs, sockets, devices made by mknod(2) */
/* Copy-on-write: a node of another kind becomes a memory file of `keep` bytes, which are in fd from `base` on (keep 0: fd
 * is not looked at). What n had before (n->private) is the caller's to release; on failure nothing changed. */
int memory_take_over(struct node *n, int fd, uint64_t base, uint64_t keep);
int memory_set(struct node *n, const void *bytes, size_t size); /* fill an empty memory file */

/* Given to a node that has a path: a file on it. Regular files and directories (vfs/regular.c, vfs/directory.c). */
extern const struct file_ops regular_file_ops;
extern const struct file_ops directory_file_ops;
bool directory_listed(const struct file *f); /* an open directory: listing it goes on with nothing */
extern const struct file_ops path_file_ops;  /* O_PATH */
/* f itself, or what is behind an O_PATH description of a file without a path (vfs/open.c). Borrowed. */
struct file *file_behind(struct file *f);
/* Opens a node as its kind says: no permission is checked, nothing truncated. d may be NULL (then the file holds n). */
int node_open(struct node *n, struct dentry *d, int flags, const struct cred *c, struct file **out);

/* ---- permissions (vfs/perm.c) --------------------------------------------------------------------------------- */

enum { MAY_EXECUTE = 1, MAY_WRITE = 2, MAY_READ = 4 };
bool cred_has(const struct cred *c, int capability);                       /* CAP_* */
bool cred_owns(const struct cred *c, const struct node *n);                /* fsuid is the owner, or CAP_FOWNER */
int node_permission(const struct node *n, const struct cred *c, int mask); /* 0 or -EACCES */
int may_create(struct dentry *dir, const struct cred *c);
int may_delete(struct dentry *dir, struct dentry *victim, const struct cred *c); /* sticky: inode(7) */

/* ---- walking (vfs/walk.c) ------------------------------------------------------------------------------------- */

enum {                            /* beside enum walk_flags */
       WALK_PARENT = 1 << 8,      /* the last component may be absent, and is not followed unless WALK_FOLLOW_LAST */
       WALK_FOLLOW_LAST = 1 << 9, /* with WALK_PARENT: O_CREAT follows a final symlink, also a dangling one */
};
enum walk_last { LAST_NAME, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

struct walked {
    struct dentry *parent;  /* with WALK_PARENT: referenced */
    struct dentry *dentry;  /* referenced; NULL when absent (WALK_PARENT) or when it is a file */
    struct file *open_file; /* referenced: a magic link led to a file without a dentry */
    enum walk_last last;
    bool slash;  /* the path ended in one */
    bool steady; /* nothing on the way was of a filesystem that is not */
    uint32_t hash;
    uint8_t length;
    char name[VFS_NAME_MAX + 1]; /* with WALK_PARENT: the last component */
};
int walk(const struct place *at, const char *path, unsigned flags, uint64_t resolve, struct walked *out);
void walked_release(struct walked *w);

/* ---- what vfs/pipe.c, lock.c, inotify.c, epoll.c answer ------------------------------------------------------- */

/* fifo(7): opens the pipe behind a FIFO node. The new file gets no dentry: the caller adds it. -ENXIO. */
/* The pipe behind /proc/self/fd/N: a new description of it. */
int pipe_open_again(struct file *f, int flags, const struct cred *c, struct file **out);
int fifo_open(struct vfs *v, struct node *n, int flags, struct file **out);
bool fifo_open_waits(struct file *f, struct poll_table *t);
void lock_file_closed(struct file *f,
                      void *owner);      /* a descriptor of f was closed: owner's POSIX locks on the node go */
void lock_file_released(struct file *f); /* the last reference: flock and OFD locks go */
void lock_node_released(struct node *n); /* extra->locks is set: free it */
/* Somebody opens n with these flags, or cuts it: leases in the way are broken. The queue that is woken when one of them is given up,
 * or NULL when there is none. */
struct waitq *lease_break(struct node *n, int flags);
bool lease_open_waits(struct file *f, struct poll_table *t); /* f->opening is set; false: the open is complete */
void lease_file_released(struct file *f);
void lease_node_released(struct node *n); /* extra->leases is set: free it */
/* Counts f among those who have its node open. -ETXTBSY. f->counted says whether file_count_closed must follow. */
int file_count_open(struct file *f);
void file_count_closed(struct file *f);
int file_truncate_opened(struct file *f); /* O_TRUNC (vfs/open.c) */
/* Something happened to d: tell who watches its node, and who watches its parent (by d's name). mask: IN_*, with IN_ISDIR.
 * IN_CREATE, IN_DELETE and IN_MOVED_* are told to the parent alone, IN_*_SELF to the node alone. move: pairs two moves. */
void inotify_event(struct dentry *d, uint32_t mask, uint32_t move);
void inotify_self_event(struct node *n, uint32_t mask); /* to who watches the node itself, whatever its name */
/* extra->watches is set: the node is gone for good. IN_DELETE_SELF when it lost its last name, IN_IGNORED. */
void inotify_node_released(struct node *n);
void file_async_released(struct file *f); /* f->async is set: it listens no more */
void epoll_file_released(struct file *f); /* f->epoll_items is set: leave every epoll */

static inline void node_event(struct dentry *d, uint32_t mask)
{
    if (d && !(d->flags & DENTRY_LISTED) && d->node && node_vfs(d->node)->watches)
        inotify_event(d, mask, 0);
}

#endif
