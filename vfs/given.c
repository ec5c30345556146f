/* Given bytes: what a file holds without the guest's doing, read on the record's behalf (vfs/vfs.h). */
#include "vfs/node.h"

static bool on_regular_node(const struct file *f)
{
    return f->ops == &regular_file_ops && f->node && node_is(f->node, S_IFREG);
}

bool file_given(const struct file *f, struct file_given *out)
{
    if (!on_regular_node(f) || (f->node->flags & (NODE_GIVEN | NODE_DATA)) != NODE_GIVEN || !f->node->ops->read)
        return false;
    *out = (struct file_given){.ino = f->node->ino, .size = f->node->size};
    return true;
}

static ssize_t read_node(struct node *node, uint64_t offset, void *to, size_t n)
{
    size_t done = 0;
    if (offset >= node->size)
        return 0;
    if (n > node->size - offset)
        n = node->size - offset;
    while (done < n) {
        struct io io = io_over_buffer((char *)to + done, n - done);
        ssize_t got = node->ops->read(node, &io, offset + done);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t file_given_read(struct file *f, uint64_t offset, void *to, size_t n)
{
    return read_node(f->node, offset, to, n);
}

ssize_t vfs_peek(const struct place *at, const char *path, uint64_t offset, void *to, size_t n)
{
    struct dentry *d;
    int error = vfs_walk(at, path, 0, &d);
    if (error < 0)
        return error;
    struct node *node = d->node;
    bool regular = node != NULL && node_is(node, S_IFREG) && !node->ops->open && node->ops->read;
    ssize_t got = regular ? read_node(node, offset, to, n) : -EINVAL;
    dentry_put(d);
    return got;
}

uint64_t file_ino(const struct file *f)
{
    return on_regular_node(f) ? f->node->ino : 0;
}
