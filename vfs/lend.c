/* See lend.h. Everything a read or a write would have done to the file is done by the same functions, when it is returned. */
#include "vfs/lend.h"

#include "vfs/memory.h"

#include <string.h>

static bool can_lend(const struct file *f)
{
    const struct node *n = f->node;
    return n != NULL && f->dentry != NULL && !f->opening && (f->flags & (O_PATH | O_APPEND | O_DIRECT)) == 0 &&
           f->async == NULL && !node_vfs(n)->watches &&
           (n->extra == NULL || (n->extra->leases == NULL && n->extra->locks == NULL));
}

static bool is_regular(const struct file *f)
{
    const struct node *n = f->node;
    return f->ops == &regular_file_ops && node_is(n, S_IFREG) && (n->flags & NODE_MAPPED) == 0 && n->ops->read != NULL;
}

static bool is_directory(const struct file *f)
{
    return f->ops == &directory_file_ops && f->node->fs->ops->steady;
}

/* Whether a read now, or within the hour, which is longer than any loan, leaves the time of access alone. */
static bool accessed_before(const struct file *f)
{
    const struct node *n = f->node;
    const int64_t hour = INT64_C(3600) * 1000000000, now = vfs_now(node_vfs(n));
    return f->flags & O_NOATIME || (!node_access_shows(n, now) && !node_access_shows(n, now + hour));
}

static bool can_append(const struct file *f)
{
    const struct node *n = f->node;
    return (f->flags & O_ACCMODE) != O_RDONLY && f->position == n->size && n->size < INT64_MAX / 2 &&
           n->ops == &memory_ops && (n->mode & (S_ISUID | S_ISGID)) == 0 &&
           (n->memory == NULL || !n->memory->sealable) && node_writable(n) == 0;
}

bool file_lend(struct file *f, void *window, size_t size, uint32_t ahead, uint32_t most, struct file_loan *out)
{
    if (!can_lend(f) || file_stat(f, &out->stat) < 0)
        return false;
    if (is_directory(f)) {
        *out = (struct file_loan){.base = f->position, .accessed = true, .stat = out->stat};
        out->listed = directory_listed(f) && accessed_before(f);
        return true;
    }
    if (!is_regular(f))
        return false;
    struct node *n = f->node;
    uint64_t left = n->size > f->position ? n->size - f->position : 0;
    uint32_t length = left < ahead ? (uint32_t)left : ahead;
    length = length < size ? length : (uint32_t)size;
    *out = (struct file_loan){.base = f->position,
                              .length = length,
                              .read = (f->flags & O_ACCMODE) != O_WRONLY && (length > 0 || left == 0),
                              .end = f->position <= n->size && length == left,
                              .accessed = accessed_before(f),
                              .stat = out->stat};
    for (uint32_t done = 0; out->read && done < length;) {
        struct io io = io_over_buffer((char *)window + done, length - done);
        ssize_t got = n->ops->read(n, &io, f->position + done);
        if (got <= 0)
            return false;
        done += (uint32_t)got;
    }
    if (!out->read) /* what is only written is not looked at */
        out->length = 0, out->end = left == 0;
    if (out->end && out->length == 0 && can_append(f)) {
        out->room = most < size ? most : (uint32_t)size;
        out->append = fs_has_room(n->fs, (uint64_t)out->room + 2 * CHUNK); /* and what chunks take with it */
    }
    return true;
}

int file_returned(struct file *f, const struct file_return *r)
{
    struct vfs *v = f->vfs;
    int error = 0;
    v->moment = r->read_at;
    if (r->read_at != 0 && (f->flags & O_NOATIME) == 0)
        node_accessed(f->node);
    else if (r->read_at != 0)
        f->node->flags |= NODE_READ;
    v->moment = r->written_at;
    struct io io = io_over_buffer((void *)r->written, r->n);
    f->position = r->append_at;
    while (io.left > 0 && error == 0) {
        ssize_t put = f->ops->write(f, &io, &f->position);
        error = put < 0 ? (int)put : put == 0 ? -EIO : 0;
    }
    v->moment = 0;
    f->position = r->position;
    return error;
}
