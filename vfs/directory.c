/* An open directory: getdents64(2) with cookies that stay right while the directory changes. A cookie is where an entry
 * stands in the order of creation; what was listed is not listed again, and nothing that stays is left out. */
#include "vfs/node.h"

#include <dirent.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static uint8_t type_of(uint32_t mode)
{
    return (uint8_t)((mode & S_IFMT) >> 12); /* DT_* are the mode's type bits: readdir(3), IFTODT */
}

static int emit(struct dirent_sink *s, uint64_t *position, const char *name, const struct node *n, uint64_t next)
{
    int stop = s->emit(s, name, n->ino, type_of(n->mode), next);
    if (!stop)
        *position = next;
    return stop;
}

/* Entries of the table at or after the cookie. */
static int list_table(struct dentry *dir, struct dirent_sink *s, uint64_t *position)
{
    const struct directory *c = dir->children;
    for (uint32_t i = directory_slot(c, *position), next; i < c->slot_count; i = next) {
        struct dentry *d = c->slots[i].dentry;
        next = i + 1;
        if (!d)
            continue;
        if (d->flags & DENTRY_LISTED && d->type == DT_UNKNOWN) {
            uint64_t after = c->slots[i].cookie + 1;
            int error = dentry_resolve(d);
            if (error)
                return error;
            if (!d->node) { /* gone: its slot is empty now, or all of them have moved up */
                next = directory_slot(c, after);
                continue;
            }
        }
        bool listed = d->flags & DENTRY_LISTED;
        uint64_t ino = listed ? d->listed_ino : d->node->ino;
        int stop = s->emit(s, d->name, ino, listed ? d->type : type_of(d->node->mode), d->cookie + 1);
        if (stop)
            return 0;
        *position = d->cookie + 1;
    }
    return 0;
}

static int directory_getdents(struct file *f, struct dirent_sink *s)
{
    struct dentry *d = f->dentry;
    if (d->flags & DENTRY_UNLINKED)
        return -ENOENT;
    if (f->position > INT64_MAX)
        return -EINVAL;
    int error = d->node->ops->list ? 0 : directory_populate(d);
    if (error)
        return error;
    if (f->position == 0 && emit(s, &f->position, ".", d->node, 1))
        return 0;
    if (f->position == 1 && emit(s, &f->position, "..", d->parent ? d->parent->node : d->node, 2))
        return 0;
    error = d->node->ops->list ? d->node->ops->list(d, NULL, s, &f->position) : list_table(d, s, &f->position);
    node_accessed(d->node);
    node_event(d, IN_ACCESS | IN_ISDIR);
    return error;
}

bool directory_listed(const struct file *f)
{
    const struct dentry *d = f->dentry;
    const struct directory *c = d->children;
    if (c == NULL || d->flags & DENTRY_UNLINKED || d->node->ops->list || f->position < 2 || f->position > INT64_MAX)
        return false;
    for (uint32_t i = directory_slot(c, f->position); i < c->slot_count; i++)
        if (c->slots[i].dentry)
            return false;
    return true;
}

static int64_t directory_seek(struct file *f, int64_t offset, int whence)
{
    if (whence == SEEK_CUR && __builtin_add_overflow(offset, (int64_t)f->position, &offset))
        return -EINVAL;
    if (offset < 0 || (whence != SEEK_CUR && whence != SEEK_SET))
        return -EINVAL;
    f->position = (uint64_t)offset;
    return offset;
}

static ssize_t directory_read(struct file *f, struct io *io, uint64_t *position)
{
    return -EISDIR;
}

static int directory_sync(struct file *f)
{
    return 0;
}

static void directory_release(struct file *f)
{
    node_event(f->dentry, IN_CLOSE_NOWRITE | IN_ISDIR);
}

const struct file_ops directory_file_ops = {
    .kind = "directory",
    .read = directory_read,
    .seek = directory_seek,
    .getdents = directory_getdents,
    .sync = directory_sync,
    .release = directory_release,
};

const struct file_ops path_file_ops = {.kind = "path"};
