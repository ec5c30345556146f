/* Host directories and files as mounts, read-only or copy-on-write. The host is never written.
 *
 * Nothing of the host is followed by the host: a directory is reached from the mount's descriptor by openat2(2) with
 * RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, everything in it by one component with *_NOFOLLOW. Symlinks are texts that
 * the walk follows, inside the world. A look-up is one statx(2), kept as a node or as a negative dentry.
 *
 * Where a node is on the host is a `host_object`, which renames in the tree do not touch. Its descriptor is opened when
 * needed and kept in one list of at most HOST_FDS, least recently used first out; those a guest mapped are kept for
 * good, as vfs/vfs.h promises. */
#include "vfs/host.h"

#include <dirent.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

static const struct node_ops host_directory_ops, host_file_ops, host_link_ops, host_special_ops;

/* ---- objects and nodes ---------------------------------------------------------------------------------------- */

static struct host_link **link_bucket(struct host_mount *m, uint64_t dev, uint64_t ino)
{
    return &m->links[(ino ^ ino >> 16 ^ dev) % HOST_LINK_BUCKETS];
}

void host_names_gone(struct node *n)
{
    struct host_mount *m = n->fs->private;
    n->flags &= ~(uint32_t)NODE_HOST_LINKS;
    for (size_t i = 0; i < HOST_LINK_BUCKETS; i++) {
        for (struct host_link **link = &m->links[i], *l; (l = *link); link = &l->next) {
            if (l->node != n)
                continue;
            *link = l->next;
            free(l);
            node_put(n);
            return;
        }
    }
}

static void host_release(struct node *n)
{
    host_object_put(n->host);
}

/* vfs_config: host ids are never shown. Root's stays root's, and what whoever called owns is the guest's; where that is root, what the guest may change (`mode: cow`) is. */
static uint32_t map_id(uint32_t id, uint32_t own, uint32_t guest, bool changeable)
{
    if (id == own && (own != 0 || changeable))
        return guest;
    return id == 0 ? 0 : 65534;
}

static int64_t nanoseconds(struct statx_timestamp t)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)t.tv_sec, (int64_t)1000000000, &ns))
        return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns + t.tv_nsec;
}

static const struct node_ops *ops_for(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return &host_directory_ops;
    case S_IFREG:
        return &host_file_ops;
    case S_IFLNK:
        return &host_link_ops;
    default:
        return &host_special_ops;
    }
}

/* Of its times only that of its bytes is the file's own: the others tell when somebody read or copied it on this machine, and a run that
 * reads a file would be another one the next time. They are all that one. */
static void read_status(const struct vfs *v, const struct statx *s, bool changeable, struct view_status *out)
{
    *out = (struct view_status){
        .mode = s->stx_mode,
        .uid = map_id(s->stx_uid, v->host_uid, v->config.guest_uid, changeable),
        .gid = map_id(s->stx_gid, v->host_gid, v->config.guest_gid, changeable),
        .nlink = s->stx_nlink,
        .size = s->stx_size,
        .rdev = makedev(s->stx_rdev_major, s->stx_rdev_minor),
        .atime = nanoseconds(s->stx_mtime),
        .mtime = nanoseconds(s->stx_mtime),
        .ctime = nanoseconds(s->stx_mtime),
        .btime = nanoseconds(s->stx_mtime),
        .dev = makedev(s->stx_dev_major, s->stx_dev_minor),
        .ino = s->stx_ino,
    };
}

/* A node for what was seen of an object. */
static struct node *node_from(struct fs *fs, struct host_object *o, const struct view_status *s)
{
    struct node *n = node_new(fs, ops_for(s->mode), s->mode, s->uid, s->gid);
    if (!n)
        return NULL;
    n->flags |= NODE_GIVEN;
    n->host = o;
    o->directory = S_ISDIR(s->mode);
    if (!o->directory) {
        n->size = S_ISREG(s->mode) || S_ISLNK(s->mode) ? s->size : 0;
        n->nlink = s->nlink;
        n->rdev = s->rdev;
    } else {
        n->nlink = 1; /* "unknown" to those who count subdirectories by it, as on btrfs */
    }
    n->atime = s->atime;
    n->mtime = s->mtime;
    n->ctime = s->ctime;
    n->btime = s->btime;
    return n;
}

static int stat_host(struct node *dir, const char *name, struct view_status *out)
{
    struct statx s;
    int fd = host_object_fd(dir->host);
    if (fd < 0)
        return fd;
    if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &s))
        return -errno;
    read_status(node_vfs(dir), &s, !dir->fs->read_only, out);
    return 0;
}

static int stat_child(struct node *dir, const char *name, struct view_status *s)
{
    struct view *w = node_vfs(dir)->view;
    char buffer[VFS_PATH_MAX];
    int error = w && w->gives ? 0 : stat_host(dir, name, s);
    const char *path = w ? host_object_path(dir->host, name, buffer, sizeof buffer) : NULL;
    if (w)
        error = path ? w->status(w, dir->host->mount->number, path, s, error) : -ENAMETOOLONG;
    return error;
}

static int node_for_child(struct node *dir, const char *name, const struct view_status *s, struct node **out)
{
    struct host_mount *m = dir->fs->private;
    bool linked = !S_ISDIR(s->mode) && s->nlink > 1;
    struct host_link **bucket = link_bucket(m, s->dev, s->ino), *link = NULL;
    for (struct host_link *l = linked ? *bucket : NULL; l; l = l->next) {
        if (l->dev == s->dev && l->ino == s->ino) {
            node_get(l->node);
            *out = l->node;
            return 0;
        }
    }
    if (linked && !(link = malloc(sizeof *link)))
        return -ENOMEM;
    struct host_object *o = host_object_new(m, dir->host, name);
    *out = o ? node_from(dir->fs, o, s) : NULL;
    if (!*out) {
        host_object_put(o);
        free(link);
        return -ENOMEM;
    }
    if (linked) {
        *link = (struct host_link){.next = *bucket, .node = *out, .dev = s->dev, .ino = s->ino};
        *bucket = link;
        (*out)->flags |= NODE_HOST_LINKS;
        node_get(*out);
    }
    return 0;
}

static int host_lookup(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct dentry **out)
{
    char copy[VFS_NAME_MAX + 1];
    struct view_status s = {0};
    struct node *n = NULL;
    memcpy(copy, name, length);
    copy[length] = 0;
    int error = stat_child(dir->node, copy, &s);
    if (!error)
        error = node_for_child(dir->node, copy, &s, &n);
    if (error && error != -ENOENT)
        return error;
    struct dentry *d = dentry_new(dir, name, length, hash, n);
    if (!d) {
        node_put(n);
        return -ENOMEM;
    }
    if (n)
        d->flags |= DENTRY_GIVEN;
    error = dentry_attach(d);
    if (error || !n)
        dentry_put(d);
    else
        *out = d;
    return error;
}

static int host_resolve(struct dentry *dir, struct dentry *child)
{
    struct view_status s = {0};
    struct node *n = NULL;
    uint64_t ino = child->listed_ino;
    int error = stat_child(dir->node, child->name, &s);
    if (!error)
        error = node_for_child(dir->node, child->name, &s, &n);
    if (error && error != -ENOENT)
        return error;
    if (n) {
        if (n->references == (n->flags & NODE_HOST_LINKS ? 2 : 1)) /* new */
            n->ino = ino;
        child->node = n;
        child->flags &= (uint16_t)~DENTRY_LISTED;
        return 0;
    }
    dentry_get(child); /* the host removed it meanwhile */
    dentry_detach(child);
    child->node = NULL;
    child->flags &= (uint16_t) ~(DENTRY_LISTED | DENTRY_GIVEN);
    error = dentry_attach(child);
    dentry_put(child);
    return error;
}

/* ---- listing -------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct view_name *)a)->name, ((const struct view_name *)b)->name);
}

/* Every name of the directory, sorted: inode numbers must not depend on the host's order. */
static int read_names(int fd, struct view_names *out)
{
    size_t room = 0;
    int error = 0;
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    if (!stream) {
        error = -errno;
        if (own >= 0)
            close(own);
        return error;
    }
    while (!error) {
        errno = 0;
        struct dirent *e = readdir(stream);
        if (!e) {
            error = -errno;
            break;
        }
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (out->count == room) {
            room = room ? room * 2 : 64;
            struct view_name *more = reallocarray(out->names, room, sizeof *more);
            if (!more) {
                error = -ENOMEM;
                break;
            }
            out->names = more;
        }
        char *copy = strdup(e->d_name);
        if (!copy)
            error = -ENOMEM;
        else
            out->names[out->count++] = (struct view_name){.name = copy, .type = e->d_type};
    }
    closedir(stream);
    if (!error && out->count)
        qsort(out->names, out->count, sizeof *out->names, by_name);
    return error;
}

static int list_host(struct node *dir, struct view_names *out)
{
    int fd = host_object_fd(dir->host);
    return fd < 0 ? fd : read_names(fd, out);
}

static int list_names(struct node *dir, struct view_names *out)
{
    struct view *w = node_vfs(dir)->view;
    char buffer[VFS_PATH_MAX];
    int error = w && w->gives ? 0 : list_host(dir, out);
    const char *path = w ? host_object_path(dir->host, NULL, buffer, sizeof buffer) : NULL;
    if (w)
        error = path ? w->names(w, dir->host->mount->number, path, out, error) : -ENAMETOOLONG;
    return error;
}

static int host_populate(struct dentry *d)
{
    struct view_names list = {0};
    int error = list_names(d->node, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct view_name *name = &list.names[i];
        size_t length = strlen(name->name);
        uint32_t hash = name_hash(node_vfs(d->node), name->name, length);
        if (!error && length <= VFS_NAME_MAX && !dentry_cached(d, name->name, length, hash)) {
            struct dentry *child = dentry_new(d, name->name, length, hash, NULL);
            if (child) {
                child->flags |= DENTRY_GIVEN | DENTRY_LISTED;
                child->type = name->type;
                child->listed_ino = node_vfs(d->node)->next_ino++;
                error = dentry_attach(child);
                dentry_put(child);
            } else {
                error = -ENOMEM;
            }
        }
        free(name->name);
    }
    free(list.names);
    return error ? error : directory_complete(d);
}

/* ---- files ---- */

static int read_link(struct host_object *o, char **target)
{
    char text[VFS_PATH_MAX];
    int fd = host_object_fd(o->parent);
    ssize_t length = fd < 0 ? fd : readlinkat(fd, o->name, text, sizeof text);
    if (length < 0)
        return fd < 0 ? fd : -errno;
    if (length == sizeof text)
        return -ENAMETOOLONG;
    *target = strndup(text, (size_t)length);
    return *target ? 0 : -ENOMEM;
}

static int host_readlink(struct node *n, const struct cred *c, const char **target, char **owned)
{
    struct host_object *o = n->host;
    struct view *w = node_vfs(n)->view;
    char buffer[VFS_PATH_MAX];
    if (!o->target) {
        int error = w && w->gives ? 0 : read_link(o, &o->target);
        const char *path = w ? host_object_path(o, NULL, buffer, sizeof buffer) : NULL;
        if (w)
            error = path ? w->link(w, o->mount->number, path, &o->target, error) : -ENAMETOOLONG;
        if (error) {
            free(o->target);
            o->target = NULL;
            return error;
        }
    }
    *target = o->target;
    return 0;
}

const char *view_path(const struct view_file *f, char *buffer, size_t n)
{
    return host_object_path(f->object, NULL, buffer, n);
}

/* A descriptor of its bytes, of which the next `length` from `offset` on will be used. */
static int bytes_fd(struct node *n, uint64_t offset, uint64_t length)
{
    struct host_object *o = n->host;
    struct view *w = node_vfs(n)->view;
    const struct view_file f = {.ino = n->ino, .size = n->size, .mount = o->mount->number, .object = o};
    if (w && w->gives && o->fd < 0) {
        int given = w->file(w, &f);
        if (given < 0)
            return given;
        host_object_take(o, given);
    }
    int fd = host_object_fd(o);
    if (w && !w->gives && fd >= 0)
        w->used(w, &f, fd, offset, length);
    return fd;
}

static ssize_t host_read(struct node *n, struct io *io, uint64_t offset)
{
    size_t length = io->left;
    if (length > n->size - offset)
        length = n->size - offset;
    int fd = bytes_fd(n, offset, length);
    if (fd < 0)
        return fd;
    return io_put_fd(io, fd, offset, length);
}

static int64_t host_seek_data(struct node *n, uint64_t offset, bool hole)
{
    int fd = bytes_fd(n, 0, 0);
    off_t at = fd < 0 ? fd : lseek(fd, (off_t)offset, hole ? SEEK_HOLE : SEEK_DATA);
    if (at < 0)
        return fd < 0 ? fd : -errno;
    return (uint64_t)at < n->size ? at : hole ? (int64_t)n->size : -ENXIO;
}

static int host_map(struct node *n, uint64_t offset, uint64_t length, bool writable, struct file_mapping *out)
{
    int fd = bytes_fd(n, offset, length);
    int error = fd < 0 ? fd : host_object_pin(n->host);
    if (error)
        return error;
    if (!n->host->key)
        n->host->key = node_vfs(n)->next_key++;
    *out = (struct file_mapping){
        .fd = n->host->fd, .offset = offset, .writable = false, .key = n->host->key, .lasting = true};
    return 0;
}

static int host_promote(struct node *n, uint64_t keep)
{
    struct host_object *o = n->host;
    int fd = keep ? bytes_fd(n, 0, keep) : -1;
    if (keep && fd < 0)
        return fd;
    int error = memory_take_over(n, fd, 0, keep);
    if (error)
        return error;
    if (o->pinned) {
        o->next_retired = o->mount->retired;
        o->mount->retired = o;
    } else {
        host_object_put(o);
    }
    return 0;
}

static int refuse(struct node *n, int flags, const struct cred *c, struct file **out)
{
    return -EACCES; /* the host's devices, sockets and FIFOs are not the guest's */
}

static const struct node_ops host_directory_ops = {
    .name = "host directory",
    .lookup = host_lookup,
    .populate = host_populate,
    .resolve = host_resolve,
    .release = host_release,
};
static const struct node_ops host_file_ops = {
    .name = "host file",
    .read = host_read,
    .seek_data = host_seek_data,
    .map = host_map,
    .promote = host_promote,
    .release = host_release,
};
static const struct node_ops host_link_ops = {
    .name = "host symlink", .readlink = host_readlink, .release = host_release};
static const struct node_ops host_special_ops = {.name = "host special", .open = refuse, .release = host_release};

/* ---- the mount ---- */

static void host_fs_release(struct fs *fs)
{
    struct host_mount *m = fs->private;
    for (struct host_object *o = m->retired, *next; o; o = next) {
        next = o->next_retired;
        host_object_put(o);
    }
    for (size_t i = 0; i < HOST_LINK_BUCKETS; i++) {
        while (m->links[i])
            host_names_gone(m->links[i]->node);
    }
    host_object_put(m->root);
    free(m);
}

static const struct fs_ops host_fs_ops = {
    .type = "overlay", .magic = OVERLAYFS_SUPER_MAGIC, .release = host_fs_release, .steady = true};

/* What the user named, opened. Its descriptor, or -errno with why. */
static int open_source(const struct vfs *v, const char *source, enum mount_mode mode, struct view_status *out,
                       char *why, size_t n)
{
    /* The user's own word: symlinks of `source` itself are followed, once, here. */
    int fd = open(source, O_PATH | O_CLOEXEC);
    struct statx s;
    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &s)) {
        int error = -errno;
        snprintf(why, n, "cannot open %s: %s", source, strerror(-error));
        if (fd >= 0)
            close(fd);
        return error;
    }
    if (S_ISREG(s.stx_mode)) {
        int readable = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        int error = readable < 0 ? -errno : 0;
        close(fd);
        fd = readable;
        struct stat st;
        if (!error && (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != s.stx_ino)) {
            close(fd);
            error = -EACCES;
        }
        if (error) {
            snprintf(why, n, "cannot read %s: %s", source, strerror(-error));
            return error;
        }
    } else if (!S_ISDIR(s.stx_mode)) {
        snprintf(why, n, "%s is neither a directory nor a regular file", source);
        close(fd);
        return -EINVAL;
    }
    read_status(v, &s, mode == MOUNT_COPY_ON_WRITE, out);
    bool given = S_ISREG(out->mode) && mode == MOUNT_COPY_ON_WRITE; /* the script, say: the guest's, whoever calls */
    if (given) {
        out->uid = v->config.guest_uid;
        out->gid = v->config.guest_gid;
    }
    /* Named by the policy, to be seen: root's own directory would be closed to the guest, and to no other caller's. */
    if (given || v->host_uid == 0)
        out->mode |= S_ISDIR(out->mode) ? 0555 : 0444;
    return fd;
}

int vfs_mount_host(struct vfs *v, const char *at, const char *source, enum mount_mode mode, char *why, size_t n)
{
    struct view *w = v->view;
    struct view_status s = {0};
    int fd = w && w->gives ? -1 : open_source(v, source, mode, &s, why, n);
    if (fd < 0 && !(w && w->gives))
        return fd;
    int error = w ? w->mounted(w, v->host_mounts, at, &s, 0) : 0;
    if (error) {
        snprintf(why, n, "the bundle holds nothing that was mounted at %s", at);
        if (fd >= 0)
            close(fd);
        return error;
    }
    struct host_mount *m = calloc(1, sizeof *m);
    struct host_object *root = m ? host_object_new(m, NULL, "") : NULL;
    struct fs *fs = root ? fs_new(v, &host_fs_ops, m) : NULL;
    if (!fs) {
        free(root);
        free(m);
        if (fd >= 0)
            close(fd);
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    m->vfs = v;
    m->root = root;
    m->number = v->host_mounts++;
    root->fd = fd;
    root->pinned = true; /* the mount's own: neither in the list nor counted as a guest's mapping twice */
    v->host.pinned++;
    fs->read_only = mode == MOUNT_READ_ONLY;
    root->references++; /* the mount's, beside the node's */
    fs->root = node_from(fs, root, &s);
    if (!fs->root) {
        root->references--;
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    if (S_ISREG(s.mode))
        fs->root->nlink = 1;
    return vfs_mount_fs(v, at, fs, why, n);
}
