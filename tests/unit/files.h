/* What the tests of open files share: a world with a clock that only moves when told, and calls in the shape of libc's
 * that return -errno. */
#ifndef TESTS_UNIT_FILES_H
#define TESTS_UNIT_FILES_H

#include "vfs/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static inline int64_t test_now(void *context)
{
    return 1704067200000000000ll; /* 2024-01-01 */
}

static inline struct vfs *test_vfs(void)
{
    struct vfs *v = vfs_new(&(struct vfs_config){.now = test_now, .guest_uid = 1000, .guest_gid = 1000});
    assert_non_null(v);
    return v;
}

static inline ssize_t get(struct file *f, void *to, size_t n)
{
    struct io io = io_over_buffer(to, n);
    return file_read(f, &io, NULL);
}

static inline ssize_t give(struct file *f, const void *from, size_t n)
{
    struct io io = io_over_buffer((void *)from, n);
    return file_write(f, &io, NULL);
}

static inline ssize_t give_text(struct file *f, const char *text)
{
    return give(f, text, strlen(text));
}

/* Guest addresses are pointers of ours. */
static inline int umem_get(const struct umem *m, uint64_t address, void *to, size_t n)
{
    if (!address)
        return -EFAULT;
    memcpy(to, (const void *)(uintptr_t)address, n);
    return 0;
}

static inline int umem_put(const struct umem *m, uint64_t address, const void *from, size_t n)
{
    if (!address)
        return -EFAULT;
    memcpy((void *)(uintptr_t)address, from, n);
    return 0;
}

static inline int64_t control(struct file *f, uint32_t command, const void *argument)
{
    static const struct umem here = {.read = umem_get, .write = umem_put};
    return file_ioctl(f, command, (uint64_t)(uintptr_t)argument, &here, NULL);
}

/* What a native call answered, as ours do. */
static inline ssize_t native(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static inline uint32_t native_poll(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    poll(&p, 1, 0);
    return (uint32_t)p.revents;
}

/* A listener that counts. */
struct listener {
    struct waiter waiters[4];
    struct poll_table table;
    unsigned used, woken;
    uint32_t events;
};

static inline void listener_woken(struct waiter *w, uint32_t events)
{
    struct listener *l = w->context;
    l->woken++;
    l->events |= events;
}

static inline void listener_add(struct poll_table *t, struct waitq *q)
{
    struct listener *l = t->context;
    assert_true(l->used < 4);
    struct waiter *w = &l->waiters[l->used++];
    w->wake = listener_woken;
    w->context = l;
    waitq_add(q, w);
}

/* Polls f and keeps listening. The listener must not move until listen_end. */
static inline uint32_t listen_to(struct listener *l, struct file *f)
{
    memset(l, 0, sizeof *l);
    l->table = (struct poll_table){.add = listener_add, .context = l};
    return file_poll(f, &l->table);
}

static inline void listen_end(struct listener *l)
{
    for (unsigned i = 0; i < l->used; i++)
        waiter_remove(&l->waiters[i]);
}

/* A sequence that is the same in every run. */
static inline uint32_t chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

#endif
