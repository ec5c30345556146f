/* The call seam over world->machine: guest memory, descriptors, blocking (kernel/call.h says what each promises).
 *
 * Nothing here knows ptrace. Every byte of the guest is read by one machine->read and written by one machine->write;
 * what a stub has read it keeps, so that nothing is fetched twice (copy once, decide on the copy). */
#include "kernel/call.h"
#include "kernel/recorder.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { GUEST_PAGE = 4096, FIRST_STRING_READ = 1024, LONG_TRANSFER = 1 << 20 };

/* ---- guest memory ------------------------------------------------------------------------------------------- */

int call_read(struct call *c, uint64_t address, void *to, size_t n)
{
    if (n == 0)
        return 0;
    if (c->world->machine->read(c->task, address, to, n) != (ssize_t)n)
        return -EFAULT;
    record(c->world, memory, c, false, address, to, n);
    return 0;
}

ssize_t call_write_some(struct call *c, uint64_t address, const void *from, size_t n)
{
    ssize_t done = n == 0 ? 0 : c->world->machine->write(c->task, address, from, n);
    if (done > 0)
        record(c->world, memory, c, true, address, from, (size_t)done);
    return done;
}

int call_write(struct call *c, uint64_t address, const void *from, size_t n)
{
    return call_write_some(c, address, from, n) == (ssize_t)n ? 0 : -EFAULT;
}

bool call_range(uint64_t address, uint64_t n)
{
    const uint64_t end = UINT64_C(0x7ffffffff000); /* TASK_SIZE_MAX of x86-64 */
    return n <= end && address <= end - n;
}

/* Never reads beyond the page that holds the terminator: the next one may not be there. The first read is short because
 * most strings are, and copying a page costs as much as half a system call. */
ssize_t call_string(struct call *c, uint64_t address, char *to, size_t room, int too_long)
{
    size_t done = 0;
    while (done < room) {
        size_t want = GUEST_PAGE - (address + done) % GUEST_PAGE;
        if (done == 0 && want > FIRST_STRING_READ)
            want = FIRST_STRING_READ;
        if (want > room - done)
            want = room - done;
        ssize_t got = c->world->machine->read(c->task, address + done, to + done, want);
        if (got <= 0)
            return -EFAULT;
        const char *end = memchr(to + done, '\0', (size_t)got);
        if (end) {
            record(c->world, memory, c, false, address, to, (size_t)(end - to) + 1);
            return end - to;
        }
        if ((size_t)got < want)
            return -EFAULT;
        done += want;
    }
    return too_long;
}

int call_path(struct call *c, int i, const char **path)
{
    int slot = 0;
    while (slot < CALL_PATHS && c->path[slot].text) {
        if (c->path[slot].argument == i) {
            *path = c->path[slot].text;
            return 0;
        }
        slot++;
    }
    if (slot == CALL_PATHS)
        return -EINVAL;
    char text[VFS_PATH_MAX];
    ssize_t length = call_string(c, c->arg[i], text, sizeof text, -ENAMETOOLONG);
    if (length < 0)
        return (int)length;
    char *copy = malloc((size_t)length + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, (size_t)length + 1);
    c->path[slot].argument = i;
    c->path[slot].text = copy;
    *path = copy;
    return 0;
}

/* ---- io over guest memory ----------------------------------------------------------------------------------- */

enum direction { TO_GUEST, FROM_GUEST };

static ssize_t transfer(struct io *io, void *bytes, size_t n, enum direction direction)
{
    struct call_io *g = (struct call_io *)io;
    const struct machine *m = g->call->world->machine;
    size_t done = 0;
    if (g->total > LONG_TRANSFER && m->over && m->over(g->call->task))
        return -EFAULT;
    while (done < n && g->index < g->count) {
        const struct iovec *v = &g->vec[g->index];
        size_t want = v->iov_len - g->offset < n - done ? v->iov_len - g->offset : n - done;
        if (want) {
            uint64_t at = (uint64_t)(uintptr_t)v->iov_base + g->offset;
            ssize_t moved = direction == TO_GUEST ? m->write(g->call->task, at, (char *)bytes + done, want)
                                                  : m->read(g->call->task, at, (char *)bytes + done, want);
            if (moved < 0)
                break;
            record(g->call->world, memory, g->call, direction == TO_GUEST, at, (char *)bytes + done, (size_t)moved);
            done += (size_t)moved;
            g->offset += (size_t)moved;
            if ((size_t)moved < want)
                break;
        }
        if (g->offset == v->iov_len) {
            g->index++;
            g->offset = 0;
        }
    }
    io->left -= done;
    return done || !n ? (ssize_t)done : -EFAULT;
}

static ssize_t guest_put(struct io *io, const void *from, size_t n)
{
    return transfer(io, (void *)from, n, TO_GUEST);
}

static ssize_t guest_get(struct io *io, void *to, size_t n)
{
    return transfer(io, to, n, FROM_GUEST);
}

/* put_fd stays NULL: io_put_fd then goes through a buffer of its own, 64 KiB at a time. */
static void io_begin(struct call *c, struct call_io *out, const struct iovec *vec, size_t count, size_t left)
{
    out->io = (struct io){.put = guest_put, .get = guest_get, .left = left};
    out->call = c;
    out->vec = vec;
    out->count = count;
    out->index = 0;
    out->offset = 0;
    out->total = left;
}

void call_io_single(struct call *c, struct call_io *out, uint64_t address, size_t n)
{
    if (n > VFS_IO_MAX)
        n = VFS_IO_MAX;
    out->single = (struct iovec){.iov_base = (void *)(uintptr_t)address, .iov_len = n};
    io_begin(c, out, &out->single, 1, n);
}

static int copy_vector(struct call *c, uint64_t vector, size_t count)
{
    struct iovec *vec = c->vec_inline;
    if (count > CALL_VEC_INLINE && !(vec = malloc(count * sizeof *vec)))
        return -ENOMEM;
    if (call_read(c, vector, vec, count * sizeof *vec) < 0) {
        if (vec != c->vec_inline)
            free(vec);
        return -EFAULT;
    }
    c->vec = vec;
    c->vec_count = count;
    return 0;
}

int call_io_vector(struct call *c, struct call_io *out, uint64_t vector, uint64_t count)
{
    if (count > IOV_MAX)
        return -EINVAL;
    if (!c->vec) {
        int error = copy_vector(c, vector, count);
        if (error)
            return error;
    }
    /* A length that is negative as ssize_t is an error, a sum beyond the limit is cut (lib/iov_iter.c,
     * copy_iovec_from_user) */
    size_t total = 0;
    for (size_t i = 0; i < c->vec_count; i++) {
        struct iovec *v = &c->vec[i];
        if ((ssize_t)v->iov_len < 0)
            return -EINVAL;
        if (c->vec_count == 1 && v->iov_len > VFS_IO_MAX) /* a lone piece is cut before it is looked at (import_ubuf) */
            v->iov_len = VFS_IO_MAX;
        if (!call_range((uint64_t)(uintptr_t)v->iov_base, v->iov_len))
            return -EFAULT;
        if (v->iov_len > VFS_IO_MAX - total)
            v->iov_len = VFS_IO_MAX - total;
        total += v->iov_len;
    }
    io_begin(c, out, c->vec, c->vec_count, total);
    return 0;
}

void call_io_restart(struct call_io *io, uint64_t n)
{
    if (n > io->total)
        n = io->total;
    io->io.left = io->total - n;
    io->index = 0;
    io->offset = 0;
    while (n > 0 && io->index < io->count) {
        size_t here = io->vec[io->index].iov_len - io->offset;
        if (here > n) {
            io->offset += n;
            return;
        }
        n -= here;
        io->index++;
        io->offset = 0;
    }
}

static int umem_read(const struct umem *m, uint64_t address, void *to, size_t n)
{
    return call_read(m->context, address, to, n);
}

static int umem_write(const struct umem *m, uint64_t address, const void *from, size_t n)
{
    return call_write(m->context, address, from, n);
}

struct umem call_umem(struct call *c)
{
    return (struct umem){.read = umem_read, .write = umem_write, .context = c};
}

/* ---- descriptors and places ----------------------------------------------------------------------------------- */

struct file *call_file(struct call *c, int fd)
{
    for (unsigned i = 0; i < c->held_count; i++)
        if (c->held[i].fd == fd)
            return c->held[i].file;
    struct file *f = fdtable_file(c->task->fds, fd);
    if (f)
        record(c->world, descriptor, c, fd, f);
    if (f && c->held_count < CALL_FILES && !c->held_referenced) {
        c->held[c->held_count].fd = fd;
        c->held[c->held_count++].file = f;
    }
    return f;
}

int call_place(struct call *c, int dirfd, struct place *out)
{
    const struct fs_context *fs = c->task->fs;
    *out = (struct place){.vfs = c->world->vfs, .cred = &c->task->cred, .root = fs->root, .start = fs->cwd};
    if (dirfd == AT_FDCWD)
        return 0;
    const struct file *f = call_file(c, dirfd);
    if (!f)
        return -EBADF;
    if (!f->dentry)
        return -ENOTDIR;
    out->start = f->dentry;
    return 0;
}

/* ---- blocking --------------------------------------------------------------------------------------------------- */

static void woke(struct waiter *w, uint32_t events)
{
    task_wake(w->context);
}

/* The old waiters are members of lists: their neighbours are told the new addresses, so that nobody loses its turn. */
static bool more_waiters(struct call *c)
{
    size_t room = c->waiter_room * 4;
    struct waiter *more = malloc(room * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < c->waiter_count; i++) {
        struct waiter *w = &more[i];
        *w = c->waiters[i];
        if (!w->queue)
            continue;
        *(w->prev ? &w->prev->next : &w->queue->first) = w;
        *(w->next ? &w->next->prev : &w->queue->last) = w;
    }
    if (c->waiters != c->waiter_inline)
        free(c->waiters);
    c->waiters = more;
    c->waiter_room = room;
    return true;
}

void call_wait_on(struct call *c, struct waitq *q)
{
    if (c->waiter_count == c->waiter_room && !more_waiters(c)) {
        c->waiters_failed = true;
        return;
    }
    struct waiter *w = &c->waiters[c->waiter_count++];
    *w = (struct waiter){.wake = woke, .context = c->task};
    waitq_add(q, w);
}

static void table_add(struct poll_table *t, struct waitq *q)
{
    call_wait_on(t->context, q);
}

struct poll_table *call_poll_table(struct call *c)
{
    c->table = (struct poll_table){.add = table_add, .context = c};
    return &c->table;
}

static void drop_waiters(struct call *c)
{
    for (size_t i = 0; i < c->waiter_count; i++)
        waiter_remove(&c->waiters[i]);
    c->waiter_count = 0;
    c->waiters_failed = false;
}

static void deadline_passed(void *argument)
{
    struct call *c = argument;
    c->timer = 0;
    c->timed_out = true;
    task_wake(c->task);
}

static void drop_timer(struct call *c)
{
    if (c->timer)
        clock_disarm(&c->world->clock, c->timer);
    c->timer = 0;
}

bool call_interrupted(struct call *c)
{
    struct task *t = c->task;
    /* Looked at anew each time: what interrupted the call may have been taken by another thread's sigwait(3) meanwhile.
     */
    c->interrupted = signal_pending(t) != 0 &&
                     signal_deliverable(t, t->restore_mask ? t->temporary_mask : c->world->machine->blocked(t));
    return c->interrupted;
}

static void hold_files(struct call *c)
{
    if (c->held_referenced)
        return;
    for (unsigned i = 0; i < c->held_count; i++)
        file_get(c->held[i].file);
    c->held_referenced = true;
}

int64_t call_block(struct call *c, int64_t deadline, int64_t interrupted)
{
    if (call_interrupted(c) || (c->stopped && interrupted == -EINTR))
        return interrupted;
    c->ends_by_stop = interrupted == -EINTR;
    if (c->waiters_failed)
        return -ENOMEM;
    if (deadline < 0 || c->deadline != deadline)
        drop_timer(c);
    if (deadline >= 0 && !c->timer) {
        c->deadline = deadline;
        c->has_deadline = true;
        c->timer = clock_arm(&c->world->clock, deadline, deadline_passed, c);
        if (!c->timer)
            return -ENOMEM;
    }
    hold_files(c);
    return CALL_BLOCK;
}

int64_t call_deadline_in(struct call *c, int64_t ns)
{
    if (ns < 0)
        return -1;
    if (!c->has_deadline) {
        int64_t now = clock_elapsed(&c->world->clock);
        c->deadline = ns > INT64_MAX - now ? INT64_MAX : now + ns;
        c->has_deadline = true;
    }
    return c->deadline;
}

/* ---- the native kernel ------------------------------------------------------------------------------------------ */

int64_t call_native(struct call *c, long nr, uint64_t a, uint64_t b, uint64_t d, uint64_t e, uint64_t f, uint64_t g)
{
    return c->world->machine->native(c->task, nr, (const uint64_t[6]){a, b, d, e, f, g});
}

/* ---- a call's life ------------------------------------------------------------------------------------------------
 */

void call_begin(struct call *c, struct task *t, uint64_t nr, const uint64_t arg[6])
{
    if (c->task)
        call_end(c);
    c->world = t->world;
    c->task = t;
    c->nr = nr;
    memcpy(c->arg, arg, sizeof c->arg);
    c->begun = c->again = c->interrupted = c->timed_out = c->has_deadline = c->woken = c->steady = c->ends_by_stop =
        c->stopped = false;
    c->deadline = 0;
    c->progress = 0;
    memset(c->keep, 0, sizeof c->keep);
    c->waiters = c->waiter_inline;
    c->waiter_room = CALL_WAITERS_INLINE;
}

void call_rerun(struct call *c)
{
    drop_waiters(c);
    c->again = true;
    c->woken = false;
}

void call_settle(struct call *c)
{
    drop_waiters(c);
    if (c->waiters != c->waiter_inline) {
        free(c->waiters);
        c->waiters = c->waiter_inline;
        c->waiter_room = CALL_WAITERS_INLINE;
    }
    drop_timer(c);
    if (c->held_referenced)
        for (unsigned i = 0; i < c->held_count; i++)
            file_put(c->held[i].file);
    c->held_count = 0;
    c->held_referenced = false;
    call_keep(c, NULL, NULL);
}

void call_keep(struct call *c, void *kept, void (*release)(void *kept))
{
    if (c->kept && c->release)
        c->release(c->kept);
    c->kept = kept;
    c->release = release;
}

static void put_kept(void *file)
{
    file_put(file);
}

void call_keep_file(struct call *c, struct file *f)
{
    call_keep(c, f, put_kept);
}

void call_end(struct call *c)
{
    if (!c->task) /* never begun */
        return;
    if (c->recorded) /* its task died in it */
        record(c->world, ended, c, CALL_GONE, false);
    call_settle(c);
    for (int i = 0; i < CALL_PATHS; i++) {
        free(c->path[i].text);
        c->path[i].text = NULL;
    }
    if (c->vec != c->vec_inline)
        free(c->vec);
    c->vec = NULL;
    c->vec_count = 0;
}
