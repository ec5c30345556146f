/* Pseudo-terminals: the two files of a pair, pty(7), pts(4). Follows Linux's drivers/tty/pty.c and tty_io.c. What their
 * ioctls do is in vfs/pty_ioctl.c, what happens to bytes between them in vfs/tty.c.
 *
 * A pair lives as long as either side is open. Its number is free again, and its name gone from /dev/pts, when the
 * master closes; slaves still open are hung up then: they read end of file and write EIO. */
#include "vfs/pty.h"

#include "vfs/node.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum { CHUNK = 4096 };

struct pty_table {
    struct pty *pair[PTY_MAX];
};

static const struct file_ops master_ops, slave_ops;

struct pty *pty_of_master(const struct file *f)
{
    return f->ops == &master_ops ? f->private : NULL;
}

static struct pts_file *slave_of(const struct file *f)
{
    return f->private;
}

bool pts_hung_up(const struct pts_file *s)
{
    return s->pty->master_gone || s->generation != s->pty->generation;
}

static void pty_free(struct pty *p)
{
    tty_release(&p->tty);
    free(p);
}

/* ---- the slave ---- */

static ssize_t slave_read(struct file *f, struct io *io, uint64_t *position)
{
    struct pts_file *s = slave_of(f);
    bool expired = s->expired;
    s->expired = false;
    if (pts_hung_up(s))
        return 0;
    int error = terminal_check(&s->pty->tty.terminal, SIGTTIN);
    if (error)
        return error;
    return io->left ? tty_read(&s->pty->tty, io, f->flags & O_NONBLOCK, expired) : 0;
}

static ssize_t slave_write(struct file *f, struct io *io, uint64_t *position)
{
    struct pts_file *s = slave_of(f);
    if (pts_hung_up(s))
        return -EIO;
    if (s->pty->tty.termios.c_lflag & TOSTOP) {
        int error = terminal_check(&s->pty->tty.terminal, SIGTTOU);
        if (error)
            return error;
    }
    return tty_write(&s->pty->tty, io);
}

static uint32_t slave_poll(struct file *f, struct poll_table *t)
{
    struct pts_file *s = slave_of(f);
    struct tty *tty = &s->pty->tty;
    poll_on(t, &tty->slave_wait);
    if (pts_hung_up(s))
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
    return (tty_readable(tty, true) ? EPOLLIN | EPOLLRDNORM : 0) | (tty_writable(tty) ? EPOLLOUT | EPOLLWRNORM : 0);
}

static void slave_closed(struct pty *p)
{
    p->slave_gone = true;
    waitq_wake(&p->tty.master_wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

static void slave_release(struct file *f)
{
    struct pts_file *s = slave_of(f);
    struct pty *p = s->pty;
    bool counted = s->generation == p->generation;
    free(s);
    p->slaves--;
    if (counted && --p->living == 0)
        slave_closed(p);
    if (p->slaves == 0 && p->master_gone)
        pty_free(p);
}

static int64_t slave_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                           const struct cred *c)
{
    struct pts_file *s = slave_of(f);
    if (pts_hung_up(s))
        return command == TIOCSPGRP ? -ENOTTY : -EIO;
    return pty_ioctl(s->pty, f, false, command, argument, m, c);
}

static int tty_set_flags(struct file *f, int flags)
{
    return flags & O_DIRECT ? -EINVAL : 0;
}

static const struct file_ops slave_ops = {
    .kind = "tty",
    .owned = true,
    .read = slave_read,
    .write = slave_write,
    .poll = slave_poll,
    .ioctl = slave_ioctl,
    .set_flags = tty_set_flags,
    .release = slave_release,
};

/* ---- the master ---- */

static ssize_t master_read(struct file *f, struct io *io, uint64_t *position)
{
    struct pty *p = f->private;
    struct tty *t = &p->tty;
    size_t done = 0, n;
    ssize_t put = 0;
    if (!io->left)
        return 0;
    if (t->packet && t->packet_status) {
        uint8_t status = t->packet_status;
        put = io_put(io, &status, 1);
        if (put == 1)
            t->packet_status = 0;
        return put;
    }
    if (!t->leaving.length)
        return p->slave_gone ? -EIO : -EAGAIN;
    if (t->packet) {
        const uint8_t data = TIOCPKT_DATA;
        put = io_put(io, &data, 1);
        if (put < 0)
            return put;
        done = 1;
    }
    bool was_full = !tty_writable(t);
    for (const unsigned char *bytes; io->left && (bytes = queue_front(&t->leaving, &n));) {
        put = io_put(io, bytes, n);
        if (put <= 0)
            break;
        queue_drop(&t->leaving, (size_t)put);
        done += (size_t)put;
    }
    tty_flush_echo(t);
    if (was_full && tty_writable(t))
        waitq_wake(&t->slave_wait, EPOLLOUT | EPOLLWRNORM);
    return done ? (ssize_t)done : put;
}

static ssize_t master_write(struct file *f, struct io *io, uint64_t *position)
{
    struct tty *t = &((struct pty *)f->private)->tty;
    unsigned char bytes[CHUNK];
    size_t done = 0;
    ssize_t got = 0;
    tty_settle(t);
    while (io->left) {
        size_t space = queue_space(&t->arriving);
        got = space ? io_get(io, bytes, space < sizeof bytes ? space : sizeof bytes) : -EAGAIN;
        if (got <= 0)
            break;
        if (!queue_add(&t->arriving, bytes, (size_t)got)) {
            got = -ENOMEM;
            break;
        }
        done += (size_t)got;
        tty_receive(t);
    }
    return done ? (ssize_t)done : got;
}

static uint32_t master_poll(struct file *f, struct poll_table *table)
{
    struct pty *p = f->private;
    struct tty *t = &p->tty;
    uint32_t events = 0;
    poll_on(table, &t->master_wait);
    if (t->leaving.length)
        events |= EPOLLIN | EPOLLRDNORM;
    if (t->packet && t->packet_status)
        events |= EPOLLPRI | EPOLLIN | EPOLLRDNORM;
    if (p->slave_gone)
        events |= EPOLLHUP;
    if (queue_space(&t->arriving))
        events |= EPOLLOUT | EPOLLWRNORM;
    return events;
}

static int64_t master_ioctl(struct file *f, uint32_t command, uint64_t argument, const struct umem *m,
                            const struct cred *c)
{
    return pty_ioctl(f->private, f, true, command, argument, m, c);
}

/* As __tty_hangup: the session's leader, and through it the foreground, hears that the terminal is gone. */
static void hang_up(struct pty *p)
{
    struct terminal *t = &p->tty.terminal;
    const struct tty_hooks *h = t->hooks;
    int32_t session = t->session, foreground = t->foreground;
    terminal_release(t);
    if (!h || !session)
        return;
    h->signal_group(h->context, session, SIGHUP);
    h->signal_group(h->context, session, SIGCONT);
    if (foreground && foreground != session) {
        h->signal_group(h->context, foreground, SIGHUP);
        h->signal_group(h->context, foreground, SIGCONT);
    }
}

static void master_release(struct file *f)
{
    struct pty *p = f->private;
    p->tty.terminal.vfs->objects.ptys->pair[p->number] = NULL;
    p->master_gone = true;
    p->slaves++; /* waking and signalling may close the last slave */
    hang_up(p);
    waitq_wake(&p->tty.slave_wait, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM);
    if (--p->slaves == 0)
        pty_free(p);
}

static const struct file_ops master_ops = {
    .kind = "ptmx",
    .owned = true,
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .set_flags = tty_set_flags,
    .release = master_release,
};

/* ---- opening ---- */

/* vhangup(2): descriptions opened so far are dead, the pair lives on. */
static void slaves_hang_up(struct terminal *t)
{
    struct pty *p = (struct pty *)t;
    p->generation++;
    if (p->living) {
        p->living = 0;
        slave_closed(p);
    }
    waitq_wake(&p->tty.slave_wait, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM);
}

static struct file *open_slave(struct terminal *t, int flags)
{
    struct pty *p = (struct pty *)t;
    if (p->master_gone)
        return NULL;
    struct pts_file *s = calloc(1, sizeof *s);
    struct file *f = s ? file_new(t->vfs, &slave_ops, flags, s) : NULL;
    if (!f) {
        free(s);
        return NULL;
    }
    s->pty = p;
    s->generation = p->generation;
    p->slaves++;
    p->living++;
    p->slave_gone = false;
    terminal_opened(t, flags);
    return f;
}

struct file *ptmx_new(struct vfs *v, const struct tty_hooks *hooks, int flags, const struct cred *owner)
{
    struct pty_table *table = v->objects.ptys;
    uint32_t number = 0;
    if (!table && !(table = v->objects.ptys = calloc(1, sizeof *table)))
        return NULL;
    while (number < PTY_MAX && table->pair[number])
        number++;
    struct pty *p = number < PTY_MAX ? calloc(1, sizeof *p) : NULL;
    struct file *f = p ? file_new(v, &master_ops, flags, p) : NULL;
    if (!f) {
        free(p);
        return NULL;
    }
    tty_init(&p->tty);
    terminal_init(&p->tty.terminal, v, hooks);
    p->tty.terminal.open = open_slave;
    p->tty.terminal.hang_up = slaves_hang_up;
    p->number = number;
    p->locked = true;
    p->uid = owner ? owner->fsuid : 0;
    p->gid = owner ? owner->fsgid : 0;
    table->pair[number] = p;
    return f;
}

static struct pty *find(struct vfs *v, uint32_t number)
{
    return v->objects.ptys && number < PTY_MAX ? v->objects.ptys->pair[number] : NULL;
}

int pts_open(struct vfs *v, uint32_t number, int flags, struct file **out)
{
    struct pty *p = find(v, number);
    if (!p)
        return -ENOENT;
    if (p->locked)
        return -EIO;
    if (p->exclusive && p->living)
        return -EBUSY;
    *out = open_slave(&p->tty.terminal, flags);
    return *out ? 0 : -ENOMEM;
}

bool pts_exists(struct vfs *v, uint32_t number, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
    const struct pty *p = find(v, number);
    if (!p)
        return false;
    if (mode)
        *mode = S_IFCHR | 0620;
    if (uid)
        *uid = p->uid;
    if (gid)
        *gid = p->gid;
    return true;
}

int pts_next(struct vfs *v, uint32_t from)
{
    for (; from < PTY_MAX; from++)
        if (find(v, from))
            return (int)from;
    return -1;
}

struct terminal *pts_terminal(const struct file *f)
{
    return f->ops == &slave_ops ? &slave_of(f)->pty->tty.terminal : NULL;
}

int64_t tty_read_timeout(const struct file *f)
{
    return f->ops == &slave_ops ? tty_read_wait(&slave_of(f)->pty->tty) : -1;
}

uint64_t tty_bytes(const struct file *f)
{
    const struct tty *t = &slave_of(f)->pty->tty;
    return t->head - t->tail;
}

void tty_read_expired(struct file *f)
{
    if (f->ops == &slave_ops)
        slave_of(f)->expired = true;
}
