/* POSIX message queues (vfs/mqueue.h). Behaviour follows Linux's ipc/mqueue.c. */
#include "vfs/mqueue.h"

#include "vfs/node.h"
#include "vfs/socket.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    MAGIC = 0x19800202,
    FILE_SIZE = 80, /* what stat(2) says of every queue */
    MESSAGE_COST = 48,
    NOTIFY_WOKENUP = 1,
    NOTIFY_REMOVED = 2,
    LEAF_COST = 48 /* struct msg_msg and struct posix_msg_tree_node, counted against RLIMIT_MSGQUEUE */
};

struct mqueue {
    struct mqueue *next; /* of the filesystem's, while it lives */
    uint32_t uid;        /* who pays for it */
    uint64_t cost;
    int64_t most, size, count;
    uint64_t bytes;                      /* in all messages */
    struct mqueue_message *first, *last; /* highest priority first, then by age */
    uint32_t receivers;
    struct waitq wait;
    struct mqueue_notice notice;
};

struct mqueue_fs {       /* fs->private */
    struct dentry *root; /* referenced: mq_open(2) finds it wherever /dev went */
    struct mqueue *queues;
    uint32_t count;
};

static struct mqueue *queue_of(const struct file *f)
{
    return f->node->private;
}

/* ---- messages ------------------------------------------------------------------------------------------------- */

static uint64_t charge_of(const struct mqueue_message *m)
{
    return sizeof *m + m->size;
}

int mqueue_put(struct file *f, struct mqueue_message *m, bool *first)
{
    struct mqueue *q = queue_of(f);
    if (q->count >= q->most)
        return -EAGAIN;
    if (fs_charge(f->node->fs, charge_of(m)))
        return -ENOMEM;
    *first = q->count == 0 && q->receivers == 0;
    struct mqueue_message **at = q->last && q->last->priority >= m->priority ? &q->last->next : &q->first;
    while (*at && (*at)->priority >= m->priority)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
    if (!m->next)
        q->last = m;
    q->count++;
    q->bytes += m->size;
    f->node->atime = f->node->ctime = vfs_now(f->vfs);
    waitq_wake(&q->wait, EPOLLIN | EPOLLRDNORM);
    return 0;
}

struct mqueue_message *mqueue_take(struct file *f)
{
    struct mqueue *q = queue_of(f);
    struct mqueue_message *m = q->first;
    if (!m)
        return NULL;
    q->first = m->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    q->bytes -= m->size;
    fs_refund(f->node->fs, charge_of(m));
    f->node->atime = f->node->ctime = vfs_now(f->vfs);
    waitq_wake(&q->wait, EPOLLOUT | EPOLLWRNORM);
    return m;
}

void mqueue_receivers(struct file *f, int change)
{
    queue_of(f)->receivers += (uint32_t)change;
}

struct mqueue_state mqueue_state(const struct file *f)
{
    const struct mqueue *q = queue_of(f);
    return (struct mqueue_state){.most = q->most, .size = q->size, .count = q->count};
}

/* ---- who is told ------------------------------------------------------------------------------------------------ */

int mqueue_register(struct file *f, const struct mqueue_notice *notice)
{
    struct mqueue *q = queue_of(f);
    if (q->notice.owner)
        return -EBUSY;
    q->notice = *notice;
    if (q->notice.channel)
        file_get(q->notice.channel);
    return 0;
}

/* The registration ends. Of a channel, libc's helper thread reads which way it did (mq_notify(3), "C library/kernel differences"). */
static void end_notice(struct mqueue *q, char reason)
{
    struct file *channel = q->notice.channel;
    if (channel) {
        q->notice.cookie[MQUEUE_COOKIE - 1] = reason;
        (void)netlink_tell(channel, q->notice.cookie, MQUEUE_COOKIE);
    }
    q->notice = (struct mqueue_notice){0};
    file_put(channel);
}

void mqueue_unregister(struct file *f, const void *owner)
{
    struct mqueue *q = queue_of(f);
    if (q->notice.owner == owner)
        end_notice(q, NOTIFY_REMOVED);
}

bool mqueue_told(struct file *f, struct mqueue_notice *out)
{
    struct mqueue *q = queue_of(f);
    *out = q->notice;
    out->channel = NULL;
    end_notice(q, NOTIFY_WOKENUP);
    return out->owner;
}

/* ---- the open file ---------------------------------------------------------------------------------------------- */

static ssize_t queue_read(struct file *f, struct io *io, uint64_t *position)
{
    const struct mqueue *q = queue_of(f);
    const struct mqueue_notice *n = &q->notice;
    char text[FILE_SIZE];
    int length = snprintf(text, sizeof text, "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
                          (unsigned long)q->bytes, n->owner ? n->notify : 0,
                          n->owner && n->notify == SIGEV_SIGNAL ? n->signal : 0, n->owner ? n->pid : 0);
    if (*position >= (uint64_t)length)
        return 0;
    size_t left = (size_t)length - *position;
    ssize_t put = io_put(io, text + *position, left < io->left ? left : io->left);
    if (put > 0)
        *position += (uint64_t)put;
    return put;
}

static int64_t queue_seek(struct file *f, int64_t offset, int whence)
{
    int64_t base = whence == SEEK_CUR ? (int64_t)f->position : whence == SEEK_END ? FILE_SIZE : 0;
    if (whence > SEEK_END || __builtin_add_overflow(base, offset, &base) || base < 0)
        return -EINVAL;
    f->position = (uint64_t)base;
    return base;
}

static uint32_t queue_poll(struct file *f, struct poll_table *t)
{
    struct mqueue *q = queue_of(f);
    poll_on(t, &q->wait);
    return (q->count > 0 ? EPOLLIN | EPOLLRDNORM : 0) | (q->count < q->most ? EPOLLOUT | EPOLLWRNORM : 0);
}

static void queue_closed(struct file *f, void *owner)
{
    mqueue_unregister(f, owner);
}

static const struct file_ops mqueue_ops = {
    .kind = "mqueue", .read = queue_read, .seek = queue_seek, .poll = queue_poll, .closed = queue_closed};

bool file_is_mqueue(const struct file *f)
{
    return f->ops == &mqueue_ops;
}

/* ---- queues ------------------------------------------------------------------------------------------------------ */

static int queue_open(struct node *n, int flags, const struct cred *c, struct file **out)
{
    *out = file_new(node_vfs(n), &mqueue_ops, flags, NULL);
    return *out ? 0 : -ENOMEM;
}

static void queue_release(struct node *n)
{
    struct mqueue *q = n->private;
    struct mqueue_fs *all = n->fs->private;
    if (!q)
        return;
    for (struct mqueue_message *m; (m = q->first);) {
        q->first = m->next;
        fs_refund(n->fs, charge_of(m));
        free(m);
    }
    struct mqueue **at = &all->queues;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    all->count--;
    file_put(q->notice.channel);
    waitq_destroy(&q->wait);
    free(q);
}

static const struct node_ops queue_node_ops = {.name = "mqueue", .open = queue_open, .release = queue_release};

/* mqueue_get_inode: what may be asked for, and what the user has already. */
static int check_request(const struct mqueue_fs *all, const struct cred *c, const struct mqueue_request *r,
                         uint64_t *cost)
{
    bool privileged = cred_has(c, CAP_SYS_RESOURCE);
    uint64_t used = 0;
    if (all->count >= MQUEUE_QUEUES_MOST && !privileged)
        return -ENOSPC;
    if (r->most <= 0 || r->size <= 0)
        return -EINVAL;
    if (r->most > (privileged ? MQUEUE_MESSAGES_HARD : MQUEUE_MESSAGES_MOST) ||
        r->size > (privileged ? MQUEUE_SIZE_HARD : MQUEUE_SIZE_MOST))
        return -EINVAL;
    uint64_t most = (uint64_t)r->most, leaves = most < MQUEUE_PRIORITIES ? most : MQUEUE_PRIORITIES;
    *cost = most * (uint64_t)r->size + most * MESSAGE_COST + leaves * LEAF_COST;
    for (const struct mqueue *q = all->queues; q; q = q->next)
        used += q->uid == c->uid ? q->cost : 0;
    return used + *cost > r->limit ? -EMFILE : 0;
}

static int create_queue(struct fs *fs, const struct cred *c, uint32_t mode, uint32_t gid,
                        const struct mqueue_request *r, struct node **out)
{
    struct mqueue_fs *all = fs->private;
    uint64_t cost;
    int error = check_request(all, c, r, &cost);
    if (error)
        return error;
    struct mqueue *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    error = node_create(fs, &queue_node_ops, S_IFREG | (mode & 07777), c->fsuid, gid, out);
    if (error) {
        free(q);
        return error;
    }
    q->uid = c->uid;
    q->cost = cost;
    q->most = r->most;
    q->size = r->size;
    waitq_init(&q->wait);
    q->next = all->queues;
    all->queues = q;
    all->count++;
    (*out)->private = q;
    (*out)->size = FILE_SIZE;
    return 0;
}

/* open(2) with O_CREAT below /dev/mqueue */
static int create_by_path(struct fs *fs, const struct cred *c, uint32_t mode, uint32_t gid, struct node **out)
{
    const struct mqueue_request usual = {.most = MQUEUE_MESSAGES_MOST, .size = MQUEUE_SIZE_MOST, .limit = 819200};
    return create_queue(fs, c, mode, gid, &usual, out);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The kernel's lookup_one_len: one component, nothing else. */
static int name_in(struct vfs *v, const struct cred *c, const char *name, struct walked *w)
{
    const struct place at = {.vfs = v, .cred = c, .root = v->objects.mqueues->root, .start = v->objects.mqueues->root};
    if (!*name)
        return -ENOENT;
    if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return -EACCES;
    return walk(&at, name, WALK_PARENT, 0, w);
}

static int open_existing(const struct walked *w, const struct cred *c, int flags)
{
    static const int wanted[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE};
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    return node_permission(w->dentry->node, c, wanted[flags & O_ACCMODE]);
}

static int make_named(struct walked *w, const struct cred *c, uint32_t mode, const struct mqueue_request *request)
{
    struct dentry *dir = w->parent;
    struct node *n;
    struct mqueue_request r = *request;
    if (!r.given) {
        r.most = MQUEUE_MESSAGES_MOST;
        r.size = MQUEUE_SIZE_MOST;
    }
    int error = may_create(dir, c);
    if (!error)
        error = create_queue(dir->node->fs, c, mode, c->fsgid, &r, &n);
    if (!error)
        error = dentry_create(dir, w->name, w->length, w->hash, n, &w->dentry);
    if (error)
        return error;
    node_touch(dir->node, true);
    node_event(w->dentry, IN_CREATE);
    return 0;
}

int mqueue_open(struct vfs *v, const struct cred *c, const char *name, int flags, uint32_t mode,
                const struct mqueue_request *request, struct file **out)
{
    struct walked w;
    int error = v->objects.mqueues ? name_in(v, c, name, &w) : -ENOSYS;
    if (error)
        return error;
    if (w.dentry)
        error = open_existing(&w, c, flags);
    else
        error = flags & O_CREAT ? make_named(&w, c, mode, request) : -ENOENT;
    if (!error && w.dentry)
        error = node_open(w.dentry->node, w.dentry, flags & (O_ACCMODE | O_NONBLOCK), c, out);
    walked_release(&w);
    return error;
}

int mqueue_unlink(struct vfs *v, const struct cred *c, const char *name)
{
    struct walked w;
    int error = v->objects.mqueues ? name_in(v, c, name, &w) : -ENOSYS;
    if (error)
        return error;
    walked_release(&w);
    const struct place at = {.vfs = v, .cred = c, .root = v->objects.mqueues->root, .start = v->objects.mqueues->root};
    return vfs_unlink(&at, name);
}

/* ---- the filesystem ------------------------------------------------------------------------------------------------ */

static void fs_release(struct fs *fs)
{
    free(fs->private);
}

static const struct fs_ops mqueue_fs_ops = {
    .type = "mqueue", .magic = MAGIC, .create = create_by_path, .release = fs_release};

void mqueue_let_go(struct vfs *v)
{
    struct mqueue_fs *all = v->objects.mqueues;
    if (!all)
        return;
    directory_clear(all->root);
    dentry_put(all->root);
    v->objects.mqueues = NULL;
}

int mqueue_mount(struct vfs *v, char *why, size_t n)
{
    struct mqueue_fs *all = calloc(1, sizeof *all);
    struct fs *fs = all ? fs_new(v, &mqueue_fs_ops, all) : NULL;
    if (fs)
        fs->root = node_new(fs, &directory_ops, S_IFDIR | 01777, 0, 0);
    if (!fs || !fs->root) {
        if (!fs)
            free(all);
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    fs->root->flags |= NODE_GIVEN;
    int error = vfs_mount_fs(v, "/dev/mqueue", fs, why, n);
    const struct place at = {.vfs = v, .root = v->root, .start = v->root};
    if (!error)
        error = vfs_walk(&at, "/dev/mqueue", WALK_DIRECTORY, &all->root);
    if (!error)
        v->objects.mqueues = all;
    return error;
}
