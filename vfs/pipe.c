/* Pipes and FIFOs: pipe(7), fifo(7). Behaviour follows Linux's fs/pipe.c.
 *
 * The ring is as Linux's: slots of one page, of which each holds what one write left in it; a small write joins the
 * last slot when it fits there whole. That, and not a count of bytes, decides when a pipe is full. But the slots' pages
 * lie side by side in one block of memory, and an empty pipe starts again at its beginning, so that a block of 64 KiB
 * goes in and out as one piece. The memory is taken at the first write: a pipe nobody writes to costs 400 bytes. */
#include "vfs/pipe.h"

#include "vfs/node.h"
#include "vfs/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum {
    DEFAULT_SLOTS = 16,
    POOR_SLOTS = 2,         /* PIPE_MIN_DEF_BUFFERS: once the world's pages are used up */
    MAX_SIZE = 1024 * 1024, /* /proc/sys/fs/pipe-max-size */
    WORLD_PAGES = 16384,    /* /proc/sys/fs/pipe-user-pages-soft; here nobody is privileged enough to pass it */
};

enum { SLOT_PACKET = 1, SLOT_CAN_MERGE = 2 };

struct slot {
    uint32_t offset, length; /* of the bytes within the slot's page */
    uint32_t flags;          /* SLOT_* */
};

struct pipe {
    struct vfs *vfs;
    struct node *node; /* a FIFO's, which points back here; NULL for pipe(2) */
    uint64_t ino;
    uint32_t files;                      /* open descriptions; the last one frees the pipe */
    uint32_t readers, writers;           /* descriptions open for that */
    uint32_t reader_opens, writer_opens; /* how often one was opened: a FIFO's open waits for this to move */
    struct waitq read_wait, write_wait;
    uint32_t slots, first, used; /* a ring: slots is a power of two; used slots begin at first */
    uint64_t bytes;
    struct slot *slot;
    char *memory; /* slots * PIPE_SLOT_SIZE, NULL before the first write */
};

/* What one open description keeps (file->private). */
struct pipe_end {
    struct pipe *pipe;
    bool waits;          /* a FIFO's open waits for its other end */
    uint32_t seen_opens; /* of the other end, when this one was opened */
    bool quiet;          /* opened O_RDONLY|O_NONBLOCK without a writer: no EPOLLHUP until one has come and gone */
};

static const struct file_ops pipe_ops;

/* ---- the ring ----------------------------------------------------------------------------------------------- */

static struct slot *slot_at(const struct pipe *p, uint32_t i)
{
    return &p->slot[(p->first + i) & (p->slots - 1)];
}

static char *slot_memory(const struct pipe *p, const struct slot *s)
{
    return p->memory + (size_t)(s - p->slot) * PIPE_SLOT_SIZE;
}

static int ensure_memory(struct pipe *p)
{
    if (!p->memory)
        p->memory = malloc((size_t)p->slots * PIPE_SLOT_SIZE);
    return p->memory ? 0 : -ENOMEM;
}

uint32_t pipe_free_slots(const struct pipe *p)
{
    return p->slots - p->used;
}

bool pipe_is_empty(const struct pipe *p)
{
    return p->used == 0;
}

bool pipe_has_readers(const struct pipe *p)
{
    return p->readers > 0;
}

bool pipe_has_writers(const struct pipe *p)
{
    return p->writers > 0;
}

const char *pipe_peek(const struct pipe *p, size_t skip, size_t *n)
{
    uint32_t i = 0;
    *n = 0;
    while (i < p->used && slot_at(p, i)->length <= skip)
        skip -= slot_at(p, i++)->length;
    if (i == p->used)
        return NULL;
    const struct slot *s = slot_at(p, i);
    const char *bytes = slot_memory(p, s) + s->offset + skip;
    *n = s->length - skip;
    /* The next slot's page follows in memory unless the ring wraps; packets stay apart. */
    while (++i < p->used && !(s->flags & SLOT_PACKET) && s->offset + s->length == PIPE_SLOT_SIZE) {
        const struct slot *next = slot_at(p, i);
        if (next != s + 1 || next->offset || (next->flags & SLOT_PACKET))
            break;
        *n += next->length;
        s = next;
    }
    return bytes;
}

static void drop_first_slot(struct pipe *p)
{
    p->bytes -= slot_at(p, 0)->length;
    p->first = (p->first + 1) & (p->slots - 1);
    p->used--;
}

void pipe_consume(struct pipe *p, size_t n)
{
    bool was_full = p->used == p->slots;
    while (n && p->used) {
        struct slot *s = slot_at(p, 0);
        if (s->length > n) {
            s->offset += n;
            s->length -= n;
            p->bytes -= n;
            break;
        }
        n -= s->length;
        drop_first_slot(p);
    }
    /* As Linux: a reader tells writers only when the pipe stops being full. */
    if (was_full && p->used < p->slots)
        waitq_wake(&p->write_wait, EPOLLOUT | EPOLLWRNORM);
}

/* Fresh slots for n bytes at `memory_of(first free slot)`, already copied there. */
static void take_slots(struct pipe *p, size_t n, uint32_t flags)
{
    p->bytes += n;
    for (size_t part; n; n -= part) {
        part = n < PIPE_SLOT_SIZE ? n : PIPE_SLOT_SIZE;
        *slot_at(p, p->used++) = (struct slot){.length = (uint32_t)part, .flags = flags};
    }
}

/* Free slots that lie side by side, from the first free one. */
static uint32_t free_run(struct pipe *p)
{
    if (!p->used)
        p->first = 0;
    uint32_t begin = (p->first + p->used) & (p->slots - 1);
    uint32_t to_end = p->slots - begin, all = p->slots - p->used;
    return to_end < all ? to_end : all;
}

static ssize_t fill(struct pipe *p, struct io *io, size_t limit, uint32_t flags)
{
    size_t done = 0;
    int error = ensure_memory(p);
    if (error)
        return error;
    while (done < limit && io->left && p->used < p->slots) {
        size_t room = (size_t)(flags & SLOT_PACKET ? (free_run(p), 1) : free_run(p)) * PIPE_SLOT_SIZE;
        size_t want = limit - done < room ? limit - done : room;
        if (want > io->left)
            want = io->left;
        ssize_t got = io_get(io, slot_memory(p, slot_at(p, p->used)), want);
        if (got < (ssize_t)want) /* a fault: of the page that it met nothing is taken */
            got = got > 0 ? got - got % PIPE_SLOT_SIZE : 0;
        if (got == 0)
            return done ? (ssize_t)done : -EFAULT;
        take_slots(p, (size_t)got, flags);
        done += (size_t)got;
        if ((size_t)got < want)
            break;
    }
    return done || !limit || !io->left ? (ssize_t)done : -EAGAIN;
}

ssize_t pipe_store(struct pipe *p, struct io *io, size_t limit)
{
    ssize_t done = fill(p, io, limit, 0);
    if (done > 0)
        waitq_wake(&p->read_wait, EPOLLIN | EPOLLRDNORM);
    return done;
}

ssize_t pipe_copy_slots(struct pipe *from, struct pipe *to, size_t n, bool consume)
{
    size_t done = 0;
    int error = ensure_memory(to);
    if (error)
        return error;
    for (uint32_t i = 0; i < from->used && to->used < to->slots && done < n; i++) {
        const struct slot *s = slot_at(from, i);
        size_t part = s->length < n - done ? s->length : n - done;
        free_run(to);
        struct slot *fresh = slot_at(to, to->used++);
        /* A page that is moved whole stays what it was; one that is shared takes no more bytes. */
        bool whole = consume && part == s->length;
        *fresh = (struct slot){.offset = whole ? s->offset : 0,
                               .length = (uint32_t)part,
                               .flags = whole ? s->flags : s->flags & SLOT_PACKET};
        memcpy(slot_memory(to, fresh) + fresh->offset, slot_memory(from, s) + s->offset, part);
        to->bytes += part;
        done += part;
    }
    if (consume)
        pipe_consume(from, done);
    if (done)
        waitq_wake(&to->read_wait, EPOLLIN | EPOLLRDNORM);
    return (ssize_t)done;
}

/* ---- read, write, poll -------------------------------------------------------------------------------------- */

static struct pipe_end *end_of(const struct file *f)
{
    return f->private;
}

static bool reads(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool writes(const struct file *f)
{
    return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* How many of the first n bytes are slots that end among them. */
static size_t whole_slots(const struct pipe *p, size_t n)
{
    size_t whole = 0;
    for (uint32_t i = 0; i < p->used && whole + slot_at(p, i)->length <= n; i++)
        whole += slot_at(p, i)->length;
    return whole;
}

static ssize_t pipe_read(struct file *f, struct io *io, uint64_t *position)
{
    struct pipe *p = end_of(f)->pipe;
    size_t done = 0;
    if (!io->left)
        return 0;
    if (!p->used)
        return p->writers ? -EAGAIN : 0;
    while (io->left && p->used) {
        bool packet = slot_at(p, 0)->flags & SLOT_PACKET;
        size_t n;
        const char *bytes = pipe_peek(p, 0, &n);
        size_t want = n < io->left ? n : io->left;
        ssize_t put = io_put(io, bytes, want);
        if (put < (ssize_t)want) /* a fault: the slot that it met stays as it is */
            put = put > 0 ? (ssize_t)whole_slots(p, (size_t)put) : 0;
        if (put == 0)
            return done ? (ssize_t)done : -EFAULT;
        done += (size_t)put;
        pipe_consume(p, packet ? n : (size_t)put); /* what of a packet was not asked for is lost: pipe(2) */
        if (packet || (size_t)put < want)
            break;
    }
    return (ssize_t)done;
}

/* Linux joins the odd bytes of a write (those beyond whole pages) to the last slot, if they fit there whole. */
static ssize_t merge(struct pipe *p, struct io *io)
{
    size_t odd = io->left % PIPE_SLOT_SIZE;
    if (!odd || !p->used)
        return 0;
    struct slot *last = slot_at(p, p->used - 1);
    if (!(last->flags & SLOT_CAN_MERGE) || last->offset + last->length + odd > PIPE_SLOT_SIZE)
        return 0;
    ssize_t got = io_get(io, slot_memory(p, last) + last->offset + last->length, odd);
    if (got != (ssize_t)odd)
        return -EFAULT;
    last->length += (uint32_t)odd;
    p->bytes += odd;
    return got;
}

static ssize_t pipe_write(struct file *f, struct io *io, uint64_t *position)
{
    struct pipe *p = end_of(f)->pipe;
    if (!io->left)
        return 0;
    if (!p->readers)
        return -EPIPE;
    ssize_t done = merge(p, io);
    if (done < 0)
        return done;
    ssize_t more = fill(p, io, io->left, f->flags & O_DIRECT ? SLOT_PACKET : SLOT_CAN_MERGE);
    if (!done || more > 0)
        done = more < 0 ? more : done + more;
    /* Always, not only when it was empty, and also when a write found no room: edge-triggered readers count on it
     * (fs/pipe.c, poll_usage). Not for a writer that will wait, as it may listen on this queue itself (O_RDWR). */
    if (done > 0 || (done == -EAGAIN && (f->flags & O_NONBLOCK)))
        waitq_wake(&p->read_wait, EPOLLIN | EPOLLRDNORM);
    return done;
}

static uint32_t pipe_poll(struct file *f, struct poll_table *t)
{
    struct pipe_end *e = end_of(f);
    struct pipe *p = e->pipe;
    uint32_t events = 0;
    if (reads(f)) {
        poll_on(t, &p->read_wait);
        if (p->used)
            events |= EPOLLIN | EPOLLRDNORM;
        if (e->quiet && e->seen_opens != p->writer_opens)
            e->quiet = false;
        if (!p->writers && !e->quiet)
            events |= EPOLLHUP;
    }
    if (writes(f)) {
        poll_on(t, &p->write_wait);
        if (p->used < p->slots)
            events |= EPOLLOUT | EPOLLWRNORM;
        if (!p->readers) /* read and write at once (O_RDWR) counts as a reader itself */
            events |= EPOLLERR;
    }
    return events;
}

static int64_t pipe_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                          const struct cred *c)
{
    if (command != FIONREAD)
        return -ENOTTY;
    int bytes = (int)end_of(f)->pipe->bytes;
    return m->write(m, argument, &bytes, sizeof bytes);
}

/* ---- opening and closing ------------------------------------------------------------------------------------ */

static struct pipe *pipe_alloc(struct vfs *v)
{
    struct pipe *p = calloc(1, sizeof *p);
    uint64_t *pages = &v->objects.pipe_pages;
    if (!p)
        return NULL;
    p->vfs = v;
    p->slots = *pages + DEFAULT_SLOTS > WORLD_PAGES ? POOR_SLOTS : DEFAULT_SLOTS;
    p->slot = calloc(p->slots, sizeof *p->slot);
    if (!p->slot) {
        free(p);
        return NULL;
    }
    *pages += p->slots;
    waitq_init(&p->read_wait);
    waitq_init(&p->write_wait);
    return p;
}

static void pipe_free(struct pipe *p)
{
    if (p->node)
        p->node->extra->fifo = NULL;
    p->vfs->objects.pipe_pages -= p->slots;
    waitq_destroy(&p->read_wait);
    waitq_destroy(&p->write_wait);
    free(p->slot);
    free(p->memory);
    free(p);
}

static struct file *open_end(struct pipe *p, int flags)
{
    struct pipe_end *e = calloc(1, sizeof *e);
    struct file *f = e ? file_new(p->vfs, &pipe_ops, flags, e) : NULL;
    if (!f) {
        free(e);
        return NULL;
    }
    e->pipe = p;
    p->files++;
    if (reads(f)) {
        p->readers++;
        p->reader_opens++;
    }
    if (writes(f)) {
        p->writers++;
        p->writer_opens++;
    }
    return f;
}

static void pipe_release(struct file *f)
{
    struct pipe_end *e = end_of(f);
    struct pipe *p = e->pipe;
    p->readers -= reads(f);
    p->writers -= writes(f);
    if (!p->readers != !p->writers) {
        waitq_wake(&p->read_wait, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP);
        waitq_wake(&p->write_wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
    }
    free(e);
    if (--p->files == 0)
        pipe_free(p);
}

int pipe_new(struct vfs *v, int flags, struct file *ends[2])
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    struct pipe *p = pipe_alloc(v);
    if (!p)
        return -ENOMEM;
    ends[0] = open_end(p, O_RDONLY | (flags & O_NONBLOCK));
    if (!ends[0]) {
        pipe_free(p);
        return -ENOMEM;
    }
    ends[1] = open_end(p, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
    if (!ends[1]) {
        file_put(ends[0]); /* the last reference: frees the pipe */
        return -ENOMEM;
    }
    p->ino = ends[1]->id = ends[0]->id; /* the two ends are one inode */
    return 0;
}

static void tell_of_new_end(struct pipe *p, const struct file *f)
{
    /* Whoever waits in open(2) for this end looks again. Both lists: O_RDWR is both ends. */
    if (reads(f) && p->readers == 1)
        waitq_wake(&p->write_wait, EPOLLOUT | EPOLLWRNORM);
    if (writes(f) && p->writers == 1)
        waitq_wake(&p->read_wait, EPOLLIN | EPOLLRDNORM);
}

/* As fifo_open, but that a pipe without a name waits for nobody (fs/pipe.c). It belongs to the world's user. */
int pipe_open_again(struct file *f, int flags, const struct cred *c, struct file **out)
{
    struct pipe *p = end_of(f)->pipe;
    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    if (c->fsuid != p->vfs->config.guest_uid && !cred_has(c, CAP_DAC_OVERRIDE))
        return -EACCES;
    *out = open_end(p, flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT));
    if (!*out)
        return -ENOMEM;
    tell_of_new_end(p, *out);
    return 0;
}

int fifo_open(struct vfs *v, struct node *node, int flags, struct file **out)
{
    struct node_extra *extra = node_extra(node);
    struct pipe *p = !extra ? NULL : extra->fifo ? extra->fifo : pipe_alloc(v);
    if (!p)
        return -ENOMEM;
    int access = flags & O_ACCMODE;
    int error = access == O_ACCMODE ? -EINVAL : access == O_WRONLY && (flags & O_NONBLOCK) && !p->readers ? -ENXIO : 0;
    struct file *f = error ? NULL : open_end(p, flags);
    if (!f) {
        if (!p->files)
            pipe_free(p);
        return error ? error : -ENOMEM;
    }
    extra->fifo = p;
    p->node = node;
    p->ino = node->ino;
    struct pipe_end *e = end_of(f);
    if (access == O_RDONLY && !p->writers) {
        e->seen_opens = p->writer_opens;
        e->quiet = flags & O_NONBLOCK;
        e->waits = !e->quiet;
    } else if (access == O_WRONLY && !p->readers) {
        e->seen_opens = p->reader_opens;
        e->waits = true;
    }
    tell_of_new_end(p, f);
    *out = f;
    return 0;
}

bool fifo_open_waits(struct file *f, struct poll_table *t)
{
    struct pipe_end *e = file_is_pipe(f) ? end_of(f) : NULL;
    if (!e || !e->waits)
        return false;
    struct pipe *p = e->pipe;
    /* The other end need not be there any more: that it came is enough (fs/pipe.c, wait_for_partner). */
    e->waits = e->seen_opens == (reads(f) ? p->writer_opens : p->reader_opens);
    if (e->waits)
        poll_on(t, reads(f) ? &p->read_wait : &p->write_wait);
    return e->waits;
}

/* ---- what fcntl(2) and stat(2) ask --------------------------------------------------------------------------- */

bool pipe_is_broken(const struct file *f)
{
    return file_is_pipe(f) && writes(f) && !end_of(f)->pipe->readers;
}

bool file_is_pipe(const struct file *f)
{
    return f->ops == &pipe_ops;
}

struct pipe *pipe_of_reader(const struct file *f)
{
    return file_is_pipe(f) && reads(f) ? end_of(f)->pipe : NULL;
}

struct pipe *pipe_of_writer(const struct file *f)
{
    return file_is_pipe(f) && writes(f) ? end_of(f)->pipe : NULL;
}

int pipe_capacity(struct file *f)
{
    return file_is_pipe(f) ? (int)(end_of(f)->pipe->slots * PIPE_SLOT_SIZE) : -EBADF;
}

static int resize(struct pipe *p, uint32_t slots)
{
    struct slot *slot = calloc(slots, sizeof *slot);
    char *memory = p->memory ? malloc((size_t)slots * PIPE_SLOT_SIZE) : NULL;
    if (!slot || (p->memory && !memory)) {
        free(slot);
        free(memory);
        return -ENOMEM;
    }
    for (uint32_t i = 0; memory && i < p->used; i++) { /* what is used is in memory */
        slot[i] = *slot_at(p, i);
        memcpy(memory + (size_t)i * PIPE_SLOT_SIZE + slot[i].offset, slot_memory(p, slot_at(p, i)) + slot[i].offset,
               slot[i].length);
    }
    free(p->slot);
    free(p->memory);
    p->slot = slot;
    p->memory = memory;
    p->slots = slots;
    p->first = 0;
    return 0;
}

int pipe_set_capacity(struct file *f, uint32_t bytes, bool privileged)
{
    if (!file_is_pipe(f))
        return -EBADF;
    struct pipe *p = end_of(f)->pipe;
    uint64_t *pages = &p->vfs->objects.pipe_pages;
    uint32_t slots = 1;
    if (bytes > 1u << 31)
        return -EINVAL;
    while ((uint64_t)slots * PIPE_SLOT_SIZE < bytes)
        slots *= 2;
    if (slots > p->slots) {
        if ((uint64_t)slots * PIPE_SLOT_SIZE > MAX_SIZE && !privileged)
            return -EPERM;
        if (*pages - p->slots + slots > WORLD_PAGES)
            return -EPERM;
    }
    if (slots < p->used)
        return -EBUSY;
    bool was_full = p->used == p->slots;
    uint32_t before = p->slots;
    int error = resize(p, slots);
    if (error)
        return error;
    *pages = *pages - before + slots;
    if (was_full && p->used < p->slots)
        waitq_wake(&p->write_wait, EPOLLOUT | EPOLLWRNORM);
    return (int)(slots * PIPE_SLOT_SIZE);
}

static int pipe_stat(struct file *f, struct statx *out)
{
    *out = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = PIPE_SLOT_SIZE,
        .stx_nlink = 1,
        .stx_mode = S_IFIFO | 0600,
        .stx_ino = end_of(f)->pipe->ino,
        .stx_uid = f->vfs->config.guest_uid,
        .stx_gid = f->vfs->config.guest_gid,
    };
    return 0;
}

static const struct file_ops pipe_ops = {
    .kind = "pipe",
    .owned = true,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .stat = pipe_stat,
    .release = pipe_release,
};
