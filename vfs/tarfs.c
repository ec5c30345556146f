/* Archives as mounts: whatever libarchive reads, from tar to zip. Read once, when it is mounted: names become a tree in
 * memory, bytes go into one memfd, which is sealed and from which files are read. What is mapped is a memfd of the file's own: a mapping may
 * reach beyond the file's end, and would show its neighbours.
 *
 * The archive may be hostile. Names are taken below the mount and nowhere else: ".." is refused, a leading "/" is
 * dropped, no symlink is followed on the way. Number of entries, bytes of data and declared sizes are bounded. Formats
 * that name files of the host (mtree) and filters that run programs are left out. What is wrong is said with the entry.
 */
#include "vfs/node.h"

#include <archive.h>
#include <archive_entry.h>
#include <linux/magic.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { NAMES_MOST = 1000000, BLOCK = 64 * 1024, ALIGN = 4096 };
static const uint64_t spool_most = 1ull << 40; /* of declared sizes: holes are free, but not without end */

struct tar_slice {
    uint64_t offset; /* in the spool */
    uint64_t key;    /* of its mappings; 0 until mapped */
    int fd;          /* its bytes alone, sealed: what is mapped; -1 until then */
};

struct tar_mount {
    int fd; /* the spool, sealed */
};

struct reader {
    struct vfs *v;
    struct fs *fs;
    struct dentry *root;
    struct archive *archive;
    uint64_t end;             /* of the spool */
    uint64_t data, data_most; /* bytes of data taken so far, and allowed */
    uint64_t names;
    const char *path; /* of the entry at hand, for `why` */
    const char *problem;
};

/* ---- files ---------------------------------------------------------------------------------------------------- */

static int spool_of(const struct node *n)
{
    const struct tar_mount *m = n->fs->private;
    return m->fd;
}

static ssize_t slice_read(struct node *n, struct io *io, uint64_t offset)
{
    size_t length = io->left;
    if (length > n->size - offset)
        length = n->size - offset;
    return io_put_fd(io, spool_of(n), n->slice->offset + offset, length);
}

static int64_t slice_seek_data(struct node *n, uint64_t offset, bool hole)
{
    off_t at = lseek(spool_of(n), (off_t)(n->slice->offset + offset), hole ? SEEK_HOLE : SEEK_DATA);
    uint64_t end = n->slice->offset + n->size;
    if (at < 0 || (uint64_t)at >= end)
        return hole ? (int64_t)n->size : -ENXIO;
    return at - (int64_t)n->slice->offset;
}

/* The file's bytes to another descriptor; holes stay holes. */
static int copy_slice(const struct node *n, int to)
{
    int from = spool_of(n);
    off_t base = (off_t)n->slice->offset, end = base + (off_t)n->size, at = base;
    while (at < end) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 || data >= end)
            break;
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || lseek(to, data - base, SEEK_SET) < 0)
            return -errno;
        for (at = data, hole = hole < end ? hole : end; at < hole;) {
            ssize_t put = sendfile(to, from, &at, (size_t)(hole - at));
            if (put < 0 && errno == EINTR)
                continue;
            if (put <= 0)
                return put < 0 ? -errno : -EIO;
        }
    }
    return 0;
}

static int slice_alone(struct node *n)
{
    struct tar_slice *slice = n->slice;
    struct host_lru *l = &node_vfs(n)->host;
    struct rlimit limit;
    if (slice->fd >= 0)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) || l->pinned >= limit.rlim_cur / 2)
        return -ENFILE;
    int fd = memfd_create("terrarium-archive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int error = ftruncate(fd, (off_t)n->size) ? -errno : copy_slice(n, fd);
    if (error) {
        close(fd);
        return error;
    }
    fd = memfd_sealed(fd);
    if (fd < 0)
        return fd;
    slice->fd = fd;
    slice->key = node_vfs(n)->next_key++;
    l->pinned++;
    return 0;
}

static int slice_map(struct node *n, uint64_t offset, uint64_t length, bool writable, struct file_mapping *out)
{
    int error = slice_alone(n);
    if (error)
        return error;
    *out = (struct file_mapping){.fd = n->slice->fd, .offset = offset, .key = n->slice->key, .lasting = true};
    return 0;
}

static void slice_free(struct node *n, struct tar_slice *slice)
{
    if (slice && slice->fd >= 0) {
        close(slice->fd);
        node_vfs(n)->host.pinned--;
    }
    free(slice);
}

static int slice_promote(struct node *n, uint64_t keep)
{
    struct tar_slice *slice = n->slice;
    int error = memory_take_over(n, spool_of(n), slice->offset, keep);
    if (!error)
        slice_free(n, slice);
    return error;
}

static void slice_release(struct node *n)
{
    slice_free(n, n->slice);
}

static const struct node_ops slice_ops = {
    .name = "archive file",
    .read = slice_read,
    .seek_data = slice_seek_data,
    .map = slice_map,
    .promote = slice_promote,
    .release = slice_release,
};

static void tar_fs_release(struct fs *fs)
{
    struct tar_mount *m = fs->private;
    if (m->fd >= 0)
        close(m->fd);
    free(m);
}

static const struct fs_ops tar_fs_ops = {
    .type = "squashfs", .magic = SQUASHFS_MAGIC, .release = tar_fs_release, .steady = true};

/* ---- names ---------------------------------------------------------------------------------------------------- */

static int refuse(struct reader *r, const char *problem, int error)
{
    r->problem = problem;
    return error;
}

/* One name more, of an entry or of a directory above it that has none: a path of 4095 bytes makes two thousand. */
static int count_name(struct reader *r)
{
    return ++r->names > NAMES_MOST ? refuse(r, "is one too many: an archive may hold a million names", -EFBIG) : 0;
}

/* Bytes that are kept, in the spool or in memory. */
static int count_bytes(struct reader *r, size_t n)
{
    if (n > r->data_most - r->data)
        return refuse(r, "is one too many: the archive holds more data than half of the memory", -EFBIG);
    r->data += n;
    return 0;
}

static int make_directory(struct reader *r, struct dentry *dir, const char *name, size_t length, uint32_t hash,
                          struct dentry **out)
{
    int too_many = count_name(r);
    if (too_many)
        return too_many;
    struct node *n = node_new(r->fs, &directory_ops, S_IFDIR | 0755, 0, 0);
    if (!n)
        return -ENOMEM;
    n->flags |= NODE_GIVEN;
    int error = dentry_create(dir, name, length, hash, n, out);
    if (!error)
        node_link_directory(dir->node, 1);
    return error;
}

/* The directory an entry lies in (referenced) and its last name; *length 0: the root itself. */
static int enter(struct reader *r, const char *path, struct dentry **dir, const char **name, size_t *length)
{
    struct dentry *here = r->root;
    dentry_get(here);
    int error = 0;
    *length = 0;
    *name = path;
    for (const char *at = path, *end; !error; at = end) {
        while (*at == '/')
            at++;
        if (!*at)
            break;
        end = strchrnul(at, '/');
        size_t n = (size_t)(end - at);
        if (n == 1 && *at == '.')
            continue;
        if (n == 2 && at[0] == '.' && at[1] == '.')
            error = refuse(r, "leads out of the archive", -EINVAL);
        else if (n > VFS_NAME_MAX)
            error = refuse(r, "has a name longer than 255 bytes", -ENAMETOOLONG);
        if (error)
            break;
        if (*length) {
            struct dentry *child;
            uint32_t hash = name_hash(r->v, *name, *length);
            error = dentry_child(here, *name, *length, hash, &child, NULL);
            if (!error && !child)
                error = make_directory(r, here, *name, *length, hash, &child);
            if (!error) {
                dentry_put(here);
                here = child;
                if (!node_is(here->node, S_IFDIR))
                    error = refuse(r, "lies below something that is no directory", -ENOTDIR);
            }
        }
        *name = at;
        *length = n;
    }
    if (error) {
        dentry_put(here);
        return error;
    }
    *dir = here;
    return 0;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        bytes += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

/* The bytes of the entry at hand to the end of the spool; holes stay holes. */
static int spool_entry(struct reader *r, struct archive_entry *e, uint64_t *size)
{
    const struct tar_mount *m = r->fs->private;
    bool declared = archive_entry_size_is_set(e);
    int64_t say = declared ? archive_entry_size(e) : 0;
    if (say < 0 || (uint64_t)say > spool_most - r->end)
        return refuse(r, "says it is larger than an archive may be (1 TiB in all)", -EFBIG);
    *size = (uint64_t)say;
    for (;;) {
        const void *block;
        size_t n;
        la_int64_t offset;
        int status = archive_read_data_block(r->archive, &block, &n, &offset);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status < ARCHIVE_WARN)
            return refuse(r, archive_error_string(r->archive), -EIO);
        if (n == 0)
            continue;
        if (offset < 0 || (uint64_t)offset > spool_most - r->end || n > spool_most - r->end - (uint64_t)offset ||
            (declared && (uint64_t)offset + n > *size))
            return refuse(r, "has data beyond its size", -EFBIG);
        int error = count_bytes(r, n);
        if (!error)
            error = write_all(m->fd, block, n, r->end + (uint64_t)offset);
        if (error)
            return error;
        if (!declared && (uint64_t)offset + n > *size)
            *size = (uint64_t)offset + n;
    }
}

static int fill(struct reader *r, struct archive_entry *e, struct node *n)
{
    uint64_t size;
    int error = spool_entry(r, e, &size);
    if (error)
        return error;
    n->slice->offset = r->end;
    n->size = size;
    r->end += (size + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    return 0;
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(time_t seconds, long ns)
{
    int64_t all;
    if (__builtin_mul_overflow((int64_t)seconds, (int64_t)1000000000, &all) ||
        __builtin_add_overflow(all, (int64_t)ns, &all))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return all;
}

static int set_attributes(struct reader *r, struct archive_entry *e, struct node *n)
{
    int error = 0;
    const char *name;
    const void *value;
    size_t size;
    n->mode = (n->mode & S_IFMT) | (uint32_t)(archive_entry_perm(e) & 07777);
    n->uid = (uint32_t)archive_entry_uid(e);
    n->gid = (uint32_t)archive_entry_gid(e);
    if (archive_entry_mtime_is_set(e))
        n->mtime = nanoseconds(archive_entry_mtime(e), archive_entry_mtime_nsec(e));
    n->atime = n->ctime = n->btime = n->mtime;
    if (archive_entry_atime_is_set(e))
        n->atime = nanoseconds(archive_entry_atime(e), archive_entry_atime_nsec(e));
    archive_entry_xattr_reset(e);
    while (!error && archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK)
        if (xattr_give(n, name, value, size) == 0) /* namespaces the world does not know are left out */
            error = count_bytes(r, size + strlen(name));
    return error;
}

static int make_node(struct reader *r, struct archive_entry *e, struct node **out)
{
    uint32_t type = archive_entry_filetype(e) & S_IFMT;
    const struct node_ops *ops = type == S_IFREG   ? &slice_ops
                                 : type == S_IFDIR ? &directory_ops
                                 : type == S_IFLNK ? &link_ops
                                                   : &special_ops;
    if (type == 0)
        return refuse(r, "is of no known type", -EINVAL);
    struct node *n = *out = node_new(r->fs, ops, type, 0, 0);
    if (!n)
        return -ENOMEM;
    n->flags |= NODE_GIVEN;
    if (type == S_IFREG) {
        n->slice = calloc(1, sizeof *n->slice);
        if (!n->slice)
            return -ENOMEM;
        n->slice->fd = -1;
        return fill(r, e, n);
    }
    if (type == S_IFLNK) {
        const char *target = archive_entry_symlink(e);
        if (!target)
            target = archive_entry_symlink_utf8(e);
        size_t length = target ? strnlen(target, VFS_PATH_MAX) : 0;
        if (length == 0 || length >= VFS_PATH_MAX)
            return refuse(r, "is a symlink to nothing or too much", -EINVAL);
        n->target = strdup(target);
        n->size = length;
        return n->target ? count_bytes(r, length) : -ENOMEM;
    }
    if (type == S_IFCHR || type == S_IFBLK)
        n->rdev = archive_entry_rdev(e);
    return 0;
}

/* The file another entry of this archive named. */
static int find_link_target(struct reader *r, const char *target, struct node **out)
{
    struct dentry *dir, *d = NULL;
    const char *name;
    size_t length;
    int error = enter(r, target, &dir, &name, &length);
    if (error)
        return error;
    if (length)
        error = dentry_child(dir, name, length, name_hash(r->v, name, length), &d, NULL);
    dentry_put(dir);
    if (!error && (!d || node_is(d->node, S_IFDIR)))
        error = refuse(r, "is a hard link to what the archive does not hold", -EINVAL);
    if (!error) {
        *out = d->node;
        node_get(d->node);
    }
    dentry_put(d);
    return error;
}

static int node_for(struct reader *r, struct archive_entry *e, struct node **out)
{
    const char *target = archive_entry_hardlink(e);
    if (!target)
        target = archive_entry_hardlink_utf8(e);
    if (!target)
        return make_node(r, e, out);
    int error = find_link_target(r, target, out);
    if (error)
        return error;
    (*out)->nlink++;
    /* cpio keeps the bytes with the last name of a file. */
    if ((*out)->ops == &slice_ops && (*out)->size == 0 && archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
        return fill(r, e, *out);
    return 0;
}

static int add_entry(struct reader *r, struct archive_entry *e)
{
    struct dentry *dir, *old = NULL;
    struct node *n = NULL;
    const char *name;
    size_t length;
    if (strnlen(r->path, VFS_PATH_MAX) >= VFS_PATH_MAX)
        return refuse(r, "has a path longer than 4095 bytes", -ENAMETOOLONG);
    int error = enter(r, r->path, &dir, &name, &length);
    if (error)
        return error;
    uint32_t hash = name_hash(r->v, name, length);
    bool directory = (archive_entry_filetype(e) & S_IFMT) == S_IFDIR && !archive_entry_hardlink(e);
    if (length)
        error = dentry_child(dir, name, length, hash, &old, NULL);
    struct dentry *there = length ? old : r->root;
    if (!error && directory && there && node_is(there->node, S_IFDIR)) {
        error = set_attributes(r, e, there->node); /* a directory said twice, or after what it holds */
    } else if (!error && !length) {
        error = refuse(r, "is no directory, but has the place of the archive's own", -ENOTDIR);
    } else if (!error) {
        error = node_for(r, e, &n);
        if (!error && old) { /* said twice: the last one counts, as tar(1) extracts */
            node_link_directory(dir->node, -(int)node_is(old->node, S_IFDIR));
            old->node->nlink--;
            directory_clear(old);
        }
        if (!error) {
            node_get(n);
            error = dentry_create(dir, name, length, hash, n, NULL);
            node_link_directory(dir->node, node_is(n, S_IFDIR));
            if (!error)
                error = set_attributes(r, e, n);
        }
    }
    node_put(n);
    dentry_put(old);
    dentry_put(dir);
    return error;
}

/* ---- the archive ---- */

static struct archive *new_reader(void)
{
    struct archive *a = archive_read_new();
    if (!a)
        return NULL;
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_compress(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_gnutar(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_iso9660(a);
    archive_read_support_format_xar(a);
    archive_read_support_format_cab(a);
    archive_read_support_format_ar(a);
    archive_read_support_format_warc(a);
    return a;
}

static int read_entries(struct reader *r)
{
    struct archive_entry *e;
    for (;;) {
        int status = archive_read_next_header(r->archive, &e);
        if (status == ARCHIVE_EOF)
            return 0;
        r->path = NULL;
        if (status < ARCHIVE_WARN)
            return refuse(r, archive_error_string(r->archive), -EINVAL);
        r->path = archive_entry_pathname(e);
        if (!r->path)
            r->path = archive_entry_pathname_utf8(e);
        if (!r->path)
            return refuse(r, "an entry has a name that cannot be read", -EINVAL);
        int error = count_name(r);
        if (!error)
            error = add_entry(r, e);
        if (error)
            return error;
    }
}

static int read_archive(struct reader *r, int fd)
{
    struct tar_mount *m = r->fs->private;
    /* Names in archives are UTF-8 or bytes; this thread alone reads them so, whatever the locale of the process. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    int error;
    r->archive = new_reader();
    if (!r->archive)
        error = -ENOMEM;
    else if (archive_read_open_fd(r->archive, fd, BLOCK) != ARCHIVE_OK)
        error = refuse(r, archive_error_string(r->archive), -EINVAL);
    else
        error = read_entries(r);
    if (!error && ftruncate(m->fd, (off_t)r->end))
        error = -errno;
    if (!error) {
        m->fd = memfd_sealed(m->fd);
        error = m->fd < 0 ? m->fd : 0;
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return error;
}

static void explain(const struct reader *r, const char *archive, int error, char *why, size_t n)
{
    const char *problem = r->problem ? r->problem : strerror(-error);
    if (r->path)
        snprintf(why, n, "%s: entry \"%.200s\" %s%s", archive, r->path, r->problem ? "" : "cannot be read: ", problem);
    else
        snprintf(why, n, "%s: %s", archive, problem);
}

int vfs_mount_tar(struct vfs *v, const char *at, const char *archive, enum mount_mode mode, char *why, size_t n)
{
    int loaded = vfs_load_archives(), fd = -1, opened = 0;
    if (!v->view || !v->view->gives) {
        fd = open(archive, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        opened = fd < 0 ? -errno : 0;
    }
    if (v->view && opened == 0) {
        fd = v->view->archive(v->view, at, fd);
        opened = fd < 0 ? fd : 0;
    }
    if (fd < 0 || loaded < 0) {
        int error = fd < 0 ? opened : loaded;
        if (fd >= 0)
            close(fd);
        snprintf(why, n, "cannot open %s: %s", archive, strerror(-error));
        return error;
    }
    struct tar_mount *m = calloc(1, sizeof *m);
    if (m)
        m->fd = memfd_create("terrarium-archive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct fs *fs = m && m->fd >= 0 ? fs_new(v, &tar_fs_ops, m) : NULL;
    struct reader r = {.v = v, .fs = fs};
    struct node *root = fs ? node_new(fs, &directory_ops, S_IFDIR | 0755, 0, 0) : NULL;
    r.root = root ? dentry_new(NULL, "", 0, 0, root) : NULL;
    if (!r.root) {
        if (m && !fs) {
            if (m->fd >= 0)
                close(m->fd);
            free(m);
        }
        node_put(root);
        close(fd);
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    long pages = sysconf(_SC_PHYS_PAGES);
    r.data_most = pages > 0 ? (uint64_t)pages / 2 * ALIGN : spool_most;
    root->flags |= NODE_GIVEN;
    bool was_giving = v->giving;
    v->giving = true;
    int error = read_archive(&r, fd);
    v->giving = was_giving;
    close(fd);
    if (error)
        explain(&r, archive, error, why, n); /* before the reader goes: the words are its */
    archive_read_free(r.archive);
    if (error) {
        directory_clear(r.root);
        dentry_put(r.root);
        return error;
    }
    fs->read_only = mode == MOUNT_READ_ONLY;
    return mount_tree(v, at, fs, r.root, why, n);
}
