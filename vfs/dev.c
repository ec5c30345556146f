/* /dev of the world: the devices that need nothing of the host, the terminals, and the links into /proc.
 *
 * Numbers and modes are those of Debian's udev and devpts. What a device answers: null(4), full(4), random(4), tty(4),
 * pts(4). POSIX shared memory (shm_overview(7)) and message queues (mq_overview(7)) have filesystems of their own, mounted at /dev/shm and
 * /dev/mqueue. */
#include "vfs/synthetic.h"

#include "vfs/mqueue.h"
#include "vfs/node.h"
#include "vfs/objects.h"

#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

enum {
    READ_MAX = 32 * 1024 * 1024, /* of endless devices, at one call; Linux's own limit for /dev/urandom */
    RANDOM_CHUNK = 16 * 1024,
    TTY_GROUP = 5,
};

/* The owner behind `struct synthetic`. */
struct dev {
    struct vfs *vfs;
    const struct dev_hooks *hooks;
    const struct tty_hooks *tty;
    struct synthetic_entry *pts[PTY_MAX]; /* made at first look: the number is in its rdev */
};

/* ---- devices without state ------------------------------------------------------------------------------------ */

static ssize_t read_nothing(struct file *f, struct io *io, uint64_t *position)
{
    return 0;
}

static ssize_t read_zeros(struct file *f, struct io *io, uint64_t *position)
{
    return io_put_zero(io, io->left < READ_MAX ? io->left : READ_MAX);
}

static ssize_t read_random(struct file *f, struct io *io, uint64_t *position)
{
    const struct dev_hooks *hooks = f->private;
    char bytes[RANDOM_CHUNK];
    size_t done = 0, all = io->left < READ_MAX ? io->left : READ_MAX;
    while (done < all) {
        size_t want = all - done < sizeof bytes ? all - done : sizeof bytes;
        hooks->random(hooks->context, bytes, want);
        ssize_t put = io_put(io, bytes, want);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
        if ((size_t)put < want)
            break;
    }
    return (ssize_t)done;
}

/* As Linux's write_null: the bytes are not even looked at. */
static ssize_t write_anything(struct file *f, struct io *io, uint64_t *position)
{
    ssize_t all = (ssize_t)io->left;
    io->left = 0;
    return all;
}

static ssize_t write_full(struct file *f, struct io *io, uint64_t *position)
{
    return -ENOSPC;
}

static int64_t seek_nowhere(struct file *f, int64_t offset, int whence)
{
    return 0;
}

static int64_t random_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                            const struct cred *c)
{
    const int entropy = 256; /* what every kernel since 5.18 says once it is seeded */
    switch (command) {
    case RNDGETENTCNT:
        return m->write(m, argument, &entropy, sizeof entropy);
    case RNDADDTOENTCNT:
    case RNDADDENTROPY:
    case RNDZAPENTCNT:
    case RNDCLEARPOOL:
    case RNDRESEEDCRNG:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

static uint32_t random_poll(struct file *f, struct poll_table *t)
{
    return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

static const struct file_ops null_ops = {
    .kind = "null", .read = read_nothing, .write = write_anything, .seek = seek_nowhere};
static const struct file_ops zero_ops = {
    .kind = "zero", .read = read_zeros, .write = write_anything, .seek = seek_nowhere, .maps_zeros = true};
static const struct file_ops full_ops = {.kind = "full", .read = read_zeros, .write = write_full, .seek = seek_nowhere};
static const struct file_ops random_ops = {.kind = "random",
                                           .read = read_random,
                                           .write = write_anything,
                                           .seek = seek_nowhere,
                                           .poll = random_poll,
                                           .ioctl = random_ioctl};

static int opened(struct file *f, struct file **out)
{
    *out = f;
    return f ? 0 : -ENOMEM;
}

static int open_null(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    return opened(file_new(v, &null_ops, flags, NULL), out);
}

static int open_zero(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    return opened(file_new(v, &zero_ops, flags, NULL), out);
}

static int open_full(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    return opened(file_new(v, &full_ops, flags, NULL), out);
}

static int open_random(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    const struct dev *dev = s->world;
    return opened(file_new(v, &random_ops, flags, (void *)dev->hooks), out);
}

/* ---- terminals -------------------------------------------------------------------------------------------------- */

static int open_tty(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    const struct dev *dev = s->world;
    void *tty = dev->hooks->controlling_tty ? dev->hooks->controlling_tty(dev->hooks->context) : NULL;
    if (!tty)
        return -ENXIO;
    *out = tty_open(tty, flags);
    return *out ? 0 : -EIO;
}

static int open_ptmx(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    const struct dev *dev = s->world;
    *out = ptmx_new(v, dev->tty, flags, c);
    return *out ? 0 : -ENOSPC;
}

static int open_pts(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    return pts_open(v, (uint32_t)s->key, flags, out);
}

static void owner_of_pts(const struct synthetic *s, uint32_t *uid, uint32_t *gid)
{
    const struct dev *dev = s->world;
    *uid = 0;
    pts_exists(dev->vfs, (uint32_t)s->key, NULL, uid, NULL);
    *gid = TTY_GROUP;
}

static int lookup_pts(const struct synthetic *s, const char *name, struct synthetic *child,
                      const struct synthetic_entry **entry)
{
    struct dev *dev = s->world;
    char *end, again[12];
    unsigned long number = strtoul(name, &end, 10);
    if (*end || number >= PTY_MAX || !pts_exists(dev->vfs, (uint32_t)number, NULL, NULL, NULL))
        return -ENOENT;
    snprintf(again, sizeof again, "%lu", number);
    if (strcmp(again, name) != 0) /* "00", "+1", " 1" name nothing */
        return -ENOENT;
    if (!dev->pts[number]) {
        struct synthetic_entry *e = calloc(1, sizeof *e);
        if (!e)
            return -ENOMEM;
        e->name = "";
        e->mode = S_IFCHR | 0620;
        e->rdev = makedev(136 + number / 256, number % 256);
        e->open = open_pts;
        e->owner = owner_of_pts;
        dev->pts[number] = e;
    }
    child->key = number;
    *entry = dev->pts[number];
    return 0;
}

static int list_pts(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    const struct dev *dev = s->world;
    int number = *at < PTY_MAX ? pts_next(dev->vfs, (uint32_t)*at) : -1;
    if (number < 0)
        return -ENOENT;
    *at = (uint64_t)number;
    snprintf(name, n, "%d", number);
    *mode = S_IFCHR | 0620;
    return 0;
}

static void owner_of_tty(const struct synthetic *s, uint32_t *uid, uint32_t *gid)
{
    *uid = 0;
    *gid = TTY_GROUP;
}

/* ---- links ---- */

static ssize_t link_to(const char *target, char *buf, size_t n)
{
    size_t length = strlen(target);
    memcpy(buf, target, length < n ? length : n);
    return (ssize_t)(length < n ? length : n);
}

static ssize_t link_fd(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return link_to("/proc/self/fd", buf, n);
}

static ssize_t link_stdin(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return link_to("/proc/self/fd/0", buf, n);
}

static ssize_t link_stdout(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return link_to("/proc/self/fd/1", buf, n);
}

static ssize_t link_stderr(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return link_to("/proc/self/fd/2", buf, n);
}

/* ---- the directory ---- */

static const struct synthetic_entry mount_points[] = {{0}};

/* makedev(3) as a constant; for the old numbers, below 256. */
#define DEVICE(major, minor) ((uint64_t)(major) << 8 | (minor))

static const struct synthetic_entry dev_children[] = {
    {.name = "fd", .mode = S_IFLNK | 0777, .link = link_fd},
    {.name = "full", .mode = S_IFCHR | 0666, .rdev = DEVICE(1, 7), .open = open_full},
    {.name = "mqueue", .mode = S_IFDIR | 01777, .children = mount_points},
    {.name = "null", .mode = S_IFCHR | 0666, .rdev = DEVICE(1, 3), .open = open_null},
    {.name = "ptmx", .mode = S_IFCHR | 0666, .rdev = DEVICE(5, 2), .open = open_ptmx, .owner = owner_of_tty},
    {.name = "pts", .mode = S_IFDIR | 0755, .lookup = lookup_pts, .list = list_pts},
    {.name = "random", .mode = S_IFCHR | 0666, .rdev = DEVICE(1, 8), .open = open_random},
    {.name = "shm", .mode = S_IFDIR | 01777, .children = mount_points},
    {.name = "stderr", .mode = S_IFLNK | 0777, .link = link_stderr},
    {.name = "stdin", .mode = S_IFLNK | 0777, .link = link_stdin},
    {.name = "stdout", .mode = S_IFLNK | 0777, .link = link_stdout},
    {.name = "tty", .mode = S_IFCHR | 0666, .rdev = DEVICE(5, 0), .open = open_tty, .owner = owner_of_tty},
    {.name = "urandom", .mode = S_IFCHR | 0666, .rdev = DEVICE(1, 9), .open = open_random},
    {.name = "zero", .mode = S_IFCHR | 0666, .rdev = DEVICE(1, 5), .open = open_zero},
    {0},
};

static const struct synthetic_entry dev_root = {.name = "dev", .mode = S_IFDIR | 0755, .children = dev_children};

int dev_mount(struct vfs *v, const struct dev_hooks *hooks, const struct tty_hooks *tty, char *why, size_t n)
{
    if (v->objects.dev) {
        snprintf(why, n, "/dev is mounted already");
        return -EBUSY;
    }
    struct dev *dev = calloc(1, sizeof *dev);
    struct fs *fs = dev ? synthetic_fs_new(v, "devtmpfs", dev, &dev_root) : NULL;
    if (!fs) {
        free(dev);
        snprintf(why, n, "out of memory");
        return -ENOMEM;
    }
    *dev = (struct dev){.vfs = v, .hooks = hooks, .tty = tty};
    v->objects.dev = dev;
    int error = vfs_mount_fs(v, "/dev", fs, why, n);
    if (!error)
        error = vfs_mount_memory(v, "/dev/shm", 01777, 0, 0, 0, why, n);
    return error ? error : mqueue_mount(v, why, n);
}

void dev_release(struct dev *dev)
{
    for (size_t i = 0; dev && i < PTY_MAX; i++)
        free(dev->pts[i]);
    free(dev);
}
