/* A process's descriptors: two bitmaps (open, close-on-exec) and an array of descriptions, grown by doubling. */
#include "vfs/fdtable.h"

#include "vfs/node.h"

#include <stdlib.h>
#include <string.h>

enum { FDTABLE_FIRST = 64, FDTABLE_MOST = 1 << 20 }; /* proc(5): /proc/sys/fs/nr_open */

struct fdtable {
    uint32_t references;
    uint32_t limit;  /* no new descriptor at or above it */
    uint32_t size;   /* of the arrays: a multiple of 64 */
    uint32_t count;  /* open descriptors */
    uint32_t lowest; /* no descriptor below it is free */
    struct file **files;
    uint64_t *open, *cloexec;
};

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint32_t i, bool on)
{
    uint64_t mask = 1ull << (i % 64);
    bits[i / 64] = on ? bits[i / 64] | mask : bits[i / 64] & ~mask;
}

static void *widen(void *old, size_t from, size_t to)
{
    char *wider = calloc(1, to);
    if (wider && from)
        memcpy(wider, old, from);
    return wider;
}

/* Room for descriptors below `size`, which becomes a power of two. */
static int grow(struct fdtable *t, uint32_t size)
{
    uint32_t room = t->size ? t->size : FDTABLE_FIRST;
    while (room < size)
        room *= 2;
    if (room == t->size)
        return 0;
    struct file **files = widen(t->files, t->size * sizeof *files, room * sizeof *files);
    uint64_t *open = widen(t->open, t->size / 8, room / 8);
    uint64_t *cloexec = widen(t->cloexec, t->size / 8, room / 8);
    if (!files || !open || !cloexec) {
        free(files);
        free(open);
        free(cloexec);
        return -ENOMEM;
    }
    free(t->files);
    free(t->open);
    free(t->cloexec);
    t->files = files;
    t->open = open;
    t->cloexec = cloexec;
    t->size = room;
    return 0;
}

struct fdtable *fdtable_new(uint32_t limit)
{
    struct fdtable *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->references = 1;
    fdtable_set_limit(t, limit);
    if (grow(t, FDTABLE_FIRST)) {
        free(t);
        return NULL;
    }
    return t;
}

struct fdtable *fdtable_copy(const struct fdtable *from)
{
    struct fdtable *t = fdtable_new(from->limit);
    if (!t)
        return NULL;
    if (grow(t, from->size)) {
        fdtable_put(t);
        return NULL;
    }
    memcpy(t->files, from->files, from->size * sizeof *t->files);
    memcpy(t->open, from->open, from->size / 8);
    memcpy(t->cloexec, from->cloexec, from->size / 8);
    t->count = from->count;
    t->lowest = from->lowest;
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1))
        file_get(t->files[fd]);
    return t;
}

void fdtable_get(struct fdtable *t)
{
    t->references++;
}

bool fdtable_shared(const struct fdtable *t)
{
    return t->references > 1;
}

void fdtable_put(struct fdtable *t)
{
    if (!t || --t->references > 0)
        return;
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1))
        fdtable_close(t, fd, t);
    free(t->files);
    free(t->open);
    free(t->cloexec);
    free(t);
}

void fdtable_set_limit(struct fdtable *t, uint32_t limit)
{
    t->limit = limit < FDTABLE_MOST ? limit : FDTABLE_MOST;
}

uint32_t fdtable_count(const struct fdtable *t)
{
    return t->count;
}

struct file *fdtable_file(const struct fdtable *t, int fd)
{
    return fd >= 0 && (uint32_t)fd < t->size ? t->files[fd] : NULL;
}

static uint32_t lowest_free(const struct fdtable *t, uint32_t from)
{
    while (from < t->size) {
        uint64_t free_bits = ~t->open[from / 64] >> (from % 64);
        if (free_bits)
            return from + (uint32_t)__builtin_ctzll(free_bits);
        from = (from / 64 + 1) * 64;
    }
    return from;
}

bool fdtable_full(const struct fdtable *t)
{
    return lowest_free(t, t->lowest) >= t->limit;
}

static void put_in(struct fdtable *t, uint32_t fd, struct file *f, bool cloexec)
{
    t->files[fd] = f;
    set_bit(t->open, fd, true);
    set_bit(t->cloexec, fd, cloexec);
    t->count++;
    if (t->count > f->vfs->usage.descriptors_peak)
        f->vfs->usage.descriptors_peak = t->count;
}

int fdtable_install(struct fdtable *t, struct file *f, int minimum, bool cloexec)
{
    if (minimum < 0 || (minimum > 0 && (uint32_t)minimum >= t->limit)) /* fcntl(2) F_DUPFD: EINVAL */
        return -EINVAL;
    uint32_t from = (uint32_t)minimum > t->lowest ? (uint32_t)minimum : t->lowest;
    uint32_t fd = lowest_free(t, from);
    if (fd >= t->limit)
        return -EMFILE;
    int error = grow(t, fd + 1);
    if (error)
        return error;
    put_in(t, fd, f, cloexec);
    if (from == t->lowest)
        t->lowest = fd + 1;
    return (int)fd;
}

int fdtable_replace(struct fdtable *t, int fd, struct file *f, bool cloexec)
{
    if (fd < 0 || (uint32_t)fd >= t->limit)
        return -EBADF;
    int error = grow(t, (uint32_t)fd + 1);
    if (error)
        return error;
    fdtable_close(t, fd, t);
    put_in(t, (uint32_t)fd, f, cloexec);
    if (t->lowest == (uint32_t)fd)
        t->lowest++;
    return fd;
}

int fdtable_close(struct fdtable *t, int fd, void *owner)
{
    struct file *f = fdtable_file(t, fd);
    if (!f)
        return -EBADF;
    t->files[fd] = NULL;
    set_bit(t->open, (uint32_t)fd, false);
    set_bit(t->cloexec, (uint32_t)fd, false);
    t->count--;
    if ((uint32_t)fd < t->lowest)
        t->lowest = (uint32_t)fd;
    if (!(f->flags & O_PATH))
        lock_file_closed(f, owner);
    if (f->ops->closed)
        f->ops->closed(f, owner);
    file_put(f);
    return 0;
}

int fdtable_close_range(struct fdtable *t, uint32_t first, uint32_t last, bool only_mark_cloexec, void *owner)
{
    if (first > last)
        return -EINVAL;
    if (first >= t->size)
        return 0;
    for (int fd = fdtable_next(t, (int)first); fd >= 0 && (uint32_t)fd <= last; fd = fdtable_next(t, fd + 1)) {
        if (only_mark_cloexec)
            set_bit(t->cloexec, (uint32_t)fd, true);
        else
            fdtable_close(t, fd, owner);
    }
    return 0;
}

void fdtable_close_on_exec(struct fdtable *t, void *owner)
{
    for (int fd = fdtable_next(t, 0); fd >= 0; fd = fdtable_next(t, fd + 1)) {
        if (bit(t->cloexec, (uint32_t)fd))
            fdtable_close(t, fd, owner);
    }
}

bool fdtable_cloexec(const struct fdtable *t, int fd)
{
    return fdtable_file(t, fd) && bit(t->cloexec, (uint32_t)fd);
}

int fdtable_set_cloexec(struct fdtable *t, int fd, bool on)
{
    if (!fdtable_file(t, fd))
        return -EBADF;
    set_bit(t->cloexec, (uint32_t)fd, on);
    return 0;
}

int fdtable_next(const struct fdtable *t, int fd)
{
    for (uint32_t i = fd < 0 ? 0 : (uint32_t)fd; i < t->size; i = (i / 64 + 1) * 64) {
        uint64_t open = t->open[i / 64] >> (i % 64);
        if (open)
            return (int)(i + (uint32_t)__builtin_ctzll(open));
    }
    return -1;
}
