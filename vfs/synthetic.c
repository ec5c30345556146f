/* Filesystems that are data: proc and dev as tables of entries (vfs/synthetic.h). A node is made at every look-up and
 * goes with its last holder, so that a process that ended leaves nothing behind; its inode number comes from its path,
 * so that it is the same one every time. What the policy mounts or puts below such a directory is in the directory's
 * table and comes first. */
#include "vfs/synthetic.h"

#include "vfs/node.h"

#include <dirent.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORE_MOST = 64 * 1024 }; /* one write(2) to a synthetic file: longer ones are E2BIG */

/* Where a listing stands: 0 and 1 are "." and "..", then the table, then what the owner lists, then what was mounted.
 */
static const uint64_t list_owned = 1ull << 32, list_mounted = 1ull << 48;

struct synthetic_node {
    struct synthetic keys;
    const struct synthetic_entry *entry;
};

struct synthetic_fs {
    struct fs_ops ops;
    struct synthetic root;
    int64_t time; /* of all its nodes */
};

static const struct node_ops synthetic_directory_ops, synthetic_link_ops, synthetic_file_ops;

/* ---- nodes ---------------------------------------------------------------------------------------------------- */

/* FNV-1a of the name over the directory's number: stable, and nobody gains by making two alike. */
static uint64_t ino_of(uint64_t directory, const char *name, size_t length)
{
    uint64_t h = directory ^ 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3ull;
    h &= INT64_MAX;
    return h ? h : 1;
}

static struct node *make_node(struct fs *fs, const struct synthetic *keys, const struct synthetic_entry *e,
                              uint64_t ino)
{
    const struct synthetic_fs *own = fs->private;
    uint32_t type = e->mode & S_IFMT, uid = 0, gid = 0;
    const struct node_ops *ops = type == S_IFDIR   ? &synthetic_directory_ops
                                 : type == S_IFLNK ? &synthetic_link_ops
                                                   : &synthetic_file_ops;
    struct synthetic_node *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct synthetic_node){.keys = *keys, .entry = e};
    if (e->owner)
        e->owner(keys, &uid, &gid);
    struct node *n = node_new(fs, ops, e->mode, uid, gid);
    if (!n) {
        free(s);
        return NULL;
    }
    n->synthetic = s;
    n->rdev = e->rdev;
    n->ino = ino;
    n->size = 0;
    n->flags |= NODE_GIVEN;
    n->atime = n->mtime = n->ctime = n->btime = own->time;
    return n;
}

static void synthetic_release(struct node *n)
{
    free(n->synthetic);
}

static const struct synthetic_entry *fixed_child(const struct synthetic_entry *e, const char *name, size_t length)
{
    for (const struct synthetic_entry *child = e->children; child && child->name; child++) {
        if (!strncmp(child->name, name, length) && !child->name[length])
            return child;
    }
    return NULL;
}

static int find(const struct node *dir, const char *name, size_t length, struct synthetic *keys,
                const struct synthetic_entry **entry)
{
    const struct synthetic_node *s = dir->synthetic;
    char copy[VFS_NAME_MAX + 1];
    *keys = s->keys;
    *entry = fixed_child(s->entry, name, length);
    if (*entry)
        return 0;
    if (!s->entry->lookup)
        return -ENOENT;
    memcpy(copy, name, length);
    copy[length] = 0;
    return s->entry->lookup(&s->keys, copy, keys, entry);
}

static int synthetic_lookup(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct dentry **out)
{
    struct synthetic keys;
    const struct synthetic_entry *entry;
    int error = find(dir->node, name, length, &keys, &entry);
    if (error)
        return error == -ENOENT ? 0 : error;
    struct node *n = make_node(dir->node->fs, &keys, entry, ino_of(dir->node->ino, name, length));
    if (!n)
        return -ENOMEM;
    *out = dentry_new(dir, name, length, hash, n);
    if (!*out) {
        node_put(n);
        return -ENOMEM;
    }
    return 0;
}

/* ---- listing -------------------------------------------------------------------------------------------------- */

/* One name, as what was mounted over it if something was. Returns the sink's answer; an absent one is passed over. */
static int list_one(struct dentry *dir, struct dirent_sink *sink, const char *name, uint32_t mode, uint64_t next)
{
    size_t length = strlen(name);
    const struct dentry *over = dentry_cached(dir, name, length, name_hash(node_vfs(dir->node), name, length));
    uint64_t ino = ino_of(dir->node->ino, name, length);
    if (over && !over->node)
        return 0;
    if (over) {
        mode = over->node->mode;
        ino = over->node->ino;
    }
    return sink->emit(sink, name, ino, (uint8_t)((mode & S_IFMT) >> 12), next);
}

/* What the policy put here by names the filesystem does not have, in the order it was put. */
static void list_table(struct dentry *dir, struct dirent_sink *sink, uint64_t *position)
{
    const struct directory *c = dir->children;
    for (;;) {
        const struct dentry *next = NULL;
        uint64_t from = *position - list_mounted;
        for (uint32_t i = 0; c && i <= c->mask; i++) {
            for (const struct dentry *d = c->table[i]; d; d = d->hash_next) {
                if (d->node && d->cookie >= from && (!next || d->cookie < next->cookie))
                    next = d;
            }
        }
        if (!next)
            return;
        struct synthetic keys;
        const struct synthetic_entry *entry;
        uint64_t after = list_mounted + next->cookie + 1;
        bool listed = !find(dir->node, next->name, next->length, &keys, &entry);
        if (!listed &&
            sink->emit(sink, next->name, next->node->ino, (uint8_t)((next->node->mode & S_IFMT) >> 12), after))
            return;
        *position = after;
    }
}

static int synthetic_list(struct dentry *dir, const struct cred *c, struct dirent_sink *sink, uint64_t *position)
{
    const struct synthetic_node *s = dir->node->synthetic;
    uint64_t fixed = 0;
    while (s->entry->children && s->entry->children[fixed].name)
        fixed++;
    for (; *position < list_owned; ++*position) {
        if (*position - 2 >= fixed) {
            *position = list_owned;
            break;
        }
        const struct synthetic_entry *e = &s->entry->children[*position - 2];
        if (list_one(dir, sink, e->name, e->mode, *position + 1))
            return 0;
    }
    for (; *position < list_mounted; ++*position) {
        char name[VFS_NAME_MAX + 1];
        uint32_t mode = 0;
        uint64_t at = *position - list_owned;
        int error = s->entry->list ? s->entry->list(&s->keys, &at, name, sizeof name, &mode) : -ENOENT;
        if (error == -ENOENT) {
            *position = list_mounted;
            break;
        }
        if (error)
            return error;
        *position = list_owned + at;
        if (list_one(dir, sink, name, mode, *position + 1))
            return 0;
    }
    list_table(dir, sink, position);
    return 0;
}

/* ---- links ---------------------------------------------------------------------------------------------------- */

static int synthetic_magic(struct node *n, const struct cred *c, struct dentry **to, struct file **open_file)
{
    const struct synthetic_node *s = n->synthetic;
    *to = NULL;
    *open_file = NULL;
    return s->entry->magic ? s->entry->magic(&s->keys, c, to, open_file) : -EOPNOTSUPP;
}

/* A magic link without a text of its own shows where it leads. */
static ssize_t magic_text(struct node *n, const struct cred *c, char *buf, size_t size)
{
    struct dentry *to;
    struct file *f;
    int error = synthetic_magic(n, c, &to, &f);
    if (error)
        return error == -EOPNOTSUPP ? -EINVAL : error;
    const struct dentry *root = node_vfs(n)->root;
    ssize_t length = to ? dentry_path(to, root, buf, size) : file_name(f, root, buf, size);
    dentry_put(to);
    file_put(f);
    return length == -ERANGE ? -ENAMETOOLONG : length;
}

static int synthetic_readlink(struct node *n, const struct cred *c, const char **target, char **owned)
{
    const struct synthetic_node *s = n->synthetic;
    char buf[VFS_PATH_MAX];
    ssize_t length =
        s->entry->link ? s->entry->link(&s->keys, c, buf, sizeof buf - 1) : magic_text(n, c, buf, sizeof buf);
    if (length < 0)
        return (int)length;
    *owned = strndup(buf, (size_t)length);
    *target = *owned;
    return *owned ? 0 : -ENOMEM;
}

/* ---- files ---- */

/* One open text: produced once, produced again when it is read from the start anew. */
struct text_file {
    struct synthetic keys;
    const struct synthetic_entry *entry;
    struct cred cred; /* who opened it, as the kernel's f_cred */
    struct text text;
    bool stale; /* was read: the next read at 0 is a new one */
};

static int produce(struct text_file *t)
{
    text_free(&t->text);
    t->stale = false;
    int error = t->entry->text ? t->entry->text(&t->keys, &t->cred, &t->text) : 0;
    if (!error && t->text.failed)
        error = -ENOMEM;
    if (error)
        text_free(&t->text);
    return error;
}

static ssize_t text_read(struct file *f, struct io *io, uint64_t *position)
{
    struct text_file *t = f->private;
    if (*position == 0 && t->stale) {
        int error = produce(t);
        if (error)
            return error;
    }
    t->stale = true;
    if (*position >= t->text.size)
        return 0;
    ssize_t put = io_put(io, t->text.bytes + *position, t->text.size - *position);
    if (put > 0)
        *position += (uint64_t)put;
    return put;
}

static ssize_t text_write(struct file *f, struct io *io, uint64_t *position)
{
    struct text_file *t = f->private;
    size_t n = io->left;
    if (n > STORE_MOST)
        return -E2BIG;
    char *bytes = malloc(n + 1);
    if (!bytes)
        return -ENOMEM;
    ssize_t got = io_get(io, bytes, n);
    if (got >= 0) {
        bytes[got] = 0;
        got = t->entry->store(&t->keys, &t->cred, bytes, (size_t)got);
        t->stale = true;
    }
    free(bytes);
    if (got > 0)
        *position += (uint64_t)got;
    return got;
}

static int64_t text_seek(struct file *f, int64_t offset, int whence)
{
    if (whence == SEEK_CUR && __builtin_add_overflow(offset, (int64_t)f->position, &offset))
        return -EINVAL;
    if (offset < 0 || (whence != SEEK_SET && whence != SEEK_CUR)) /* as the kernel's seq_lseek */
        return -EINVAL;
    f->position = (uint64_t)offset;
    return offset;
}

static void text_release(struct file *f)
{
    struct text_file *t = f->private;
    text_free(&t->text);
    free(t);
}

static const struct file_ops text_file_ops = {
    .kind = "synthetic",
    .read = text_read,
    .write = text_write,
    .seek = text_seek,
    .release = text_release,
};

static int synthetic_open(struct node *n, int flags, const struct cred *c, struct file **out)
{
    const struct synthetic_node *s = n->synthetic;
    if (s->entry->open)
        return s->entry->open(&s->keys, node_vfs(n), flags, c, out);
    if (!node_is(n, S_IFREG))
        return -ENXIO;
    bool reads = (flags & O_ACCMODE) != O_WRONLY, writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && !s->entry->store)
        return -EACCES;
    struct text_file *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->keys = s->keys;
    t->entry = s->entry;
    if (c)
        t->cred = *c;
    int error = reads ? produce(t) : 0;
    if (!error) {
        *out = file_new(node_vfs(n), &text_file_ops, flags, t);
        error = *out ? 0 : -ENOMEM;
    }
    if (error) {
        text_free(&t->text);
        free(t);
    }
    return error;
}

static const struct node_ops synthetic_directory_ops = {
    .name = "synthetic directory",
    .lookup = synthetic_lookup,
    .list = synthetic_list,
    .release = synthetic_release,
};
static const struct node_ops synthetic_link_ops = {
    .name = "synthetic symlink",
    .readlink = synthetic_readlink,
    .magic = synthetic_magic,
    .release = synthetic_release,
};
static const struct node_ops synthetic_file_ops = {
    .name = "synthetic file",
    .open = synthetic_open,
    .release = synthetic_release,
};

/* ---- the filesystem ---- */

static void synthetic_fs_release(struct fs *fs)
{
    free(fs->private);
}

const struct synthetic_entry *synthetic_entry_of(const struct file *f, struct synthetic *of)
{
    const struct node *n = f->dentry ? f->dentry->node : NULL;
    if (!n || (n->ops != &synthetic_directory_ops && n->ops != &synthetic_link_ops && n->ops != &synthetic_file_ops))
        return NULL;
    const struct synthetic_node *s = n->synthetic;
    *of = s->keys;
    return s->entry;
}

struct fs *synthetic_fs_new(struct vfs *v, const char *type, void *world, const struct synthetic_entry *root)
{
    struct synthetic_fs *own = calloc(1, sizeof *own);
    if (!own)
        return NULL;
    uint64_t magic = !strcmp(type, "proc") ? PROC_SUPER_MAGIC : TMPFS_MAGIC; /* devtmpfs says tmpfs */
    own->ops = (struct fs_ops){.type = type, .magic = magic, .release = synthetic_fs_release};
    own->root.world = world;
    own->time = vfs_now(v);
    struct fs *fs = fs_new(v, &own->ops, own);
    if (!fs) {
        free(own);
        return NULL;
    }
    fs->root = make_node(fs, &own->root, root, 1);
    return fs->root ? fs : NULL; /* a rootless one stays in the list, unmounted, and goes with the vfs */
}
