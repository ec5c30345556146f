/* Memory files that were mapped or are large, and memfd_create(2): bytes in a memfd of the host, so that MAP_SHARED is coherent
 * between guest processes, and with read(2) and write(2), which use the same memfd. Seals are kept here, and set on the
 * memfd itself too once there is one: then the kernel refuses what a mapping could still do. */
#include "vfs/memory.h"

#include "vfs/objects.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif

/* The host's account of the memfd becomes the node's: mappings fill holes without asking. What that costs beyond the
 * quota is taken all the same, and the next write meets a full filesystem; vfs_recount's caller may end the world for it. */
static void recount(struct node *n)
{
    struct memory *m = n->memory;
    struct stat st;
    if (fstat(m->fd, &st))
        return;
    uint64_t bytes = (uint64_t)st.st_blocks * 512;
    m->pages = bytes / PAGE;
    if (bytes < m->given)
        m->given = bytes;
    bytes -= m->given;
    if (bytes < m->charged)
        memory_refund(n, m->charged - bytes);
    else if (bytes > m->charged)
        memory_charge_all(n, bytes - m->charged);
}

/* From now on the memfd can grow without a call. */
static void enlist(struct vfs *v, struct memory *m)
{
    m->next_memfd = v->memfds;
    m->memfd_link = &v->memfds;
    if (m->next_memfd)
        m->next_memfd->memfd_link = &m->next_memfd;
    v->memfds = m;
    v->memfd_count++;
}

static void delist(struct memory *m)
{
    struct vfs *v = node_vfs(m->node);
    if (!m->memfd_link)
        return;
    if (v->recount_next == m)
        v->recount_next = m->next_memfd;
    *m->memfd_link = m->next_memfd;
    if (m->next_memfd)
        m->next_memfd->memfd_link = m->memfd_link;
    m->memfd_link = NULL;
    v->memfd_count--;
}

size_t vfs_recount(struct vfs *v, size_t most)
{
    for (size_t i = 0; i < v->memfd_count && i < most; i++) {
        struct memory *m = v->recount_next ? v->recount_next : v->memfds;
        v->recount_next = m->next_memfd;
        recount(m->node);
    }
    return v->memfd_count;
}

static ssize_t put_into_memfd(struct io *io, const void *from, size_t n)
{
    uint64_t *at = io->context; /* descriptor, offset */
    ssize_t put = pwrite((int)at[0], from, n, (off_t)at[1]);
    if (put < 0)
        return -errno;
    at[1] += (uint64_t)put;
    io->left -= (size_t)put;
    return put;
}

static int copy_pages(struct node *n, int fd)
{
    uint64_t at = 0, end;
    for (; memory_stretch(n, false, &at, &end); at = end)
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(end - at)))
            return -errno;
    /* Beyond the end too pages may count as data, since they were reserved twice: so they are here. */
    at = (n->size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    for (; n->memory->beyond > n->size && memory_stretch(n, true, &at, &end); at = end)
        for (int twice = 0; twice < 2; twice++)
            if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(end - at)))
                return -errno;
    at = 0;
    while (at < n->size) {
        int64_t data = memory_seek(n, at, false);
        if (data < 0)
            return 0;
        int64_t hole = memory_seek(n, (uint64_t)data, true);
        uint64_t where[2] = {(uint64_t)fd, (uint64_t)data};
        struct io io = {.put = put_into_memfd, .left = (size_t)(hole - data), .context = where};
        ssize_t got = memory_read(n, &io, (uint64_t)data, io.left);
        if (got != hole - data)
            return got < 0 ? (int)got : -EIO;
        at = (uint64_t)hole;
    }
    return 0;
}

int memory_to_memfd(struct node *n)
{
    struct memory *m = n->memory;
    if (m->fd >= 0)
        return 0;
    int fd = memfd_create("terrarium", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int error = ftruncate(fd, (off_t)n->size) ? -errno : copy_pages(n, fd);
    if (!error && m->seals && fcntl(fd, F_ADD_SEALS, m->seals & ~F_SEAL_SEAL))
        error = -errno;
    if (error) {
        close(fd);
        return error;
    }
    memory_forget(n);
    m->fd = fd;
    m->key = node_vfs(n)->next_key++;
    struct stat st;
    if (n->flags & NODE_GIVEN && !fstat(fd, &st) && (uint64_t)st.st_blocks * 512 > m->charged)
        m->given = (uint64_t)st.st_blocks * 512 - m->charged;
    recount(n);
    enlist(node_vfs(n), m);
    return 0;
}

void memory_grows_large(struct node *n)
{
    struct rlimit limit;
    if (!node_vfs(n)->giving && getrlimit(RLIMIT_NOFILE, &limit) == 0 && node_vfs(n)->memfd_count < limit.rlim_cur / 8)
        (void)memory_to_memfd(n); /* it stays in pages where that fails */
}

void memory_close(struct memory *m)
{
    delist(m);
    if (m->fd >= 0)
        close(m->fd);
    if (m->fd_read_only >= 0)
        close(m->fd_read_only);
    m->fd = m->fd_read_only = -1;
}

int memfd_read_only(struct node *n)
{
    struct memory *m = n->memory;
    if (m->fd_read_only >= 0)
        return m->fd_read_only;
    /* A second description of the memfd, open for reading alone, so that mprotect(2) cannot make a mapping of it
     * writable. Only /proc gives one; where the host has no /proc the writable one must do: what it could change is
     * this file of the guest's own world. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", m->fd);
    m->fd_read_only = open(path, O_RDONLY | O_CLOEXEC);
    return m->fd_read_only >= 0 ? m->fd_read_only : m->fd;
}

/* The pages of [from, to) that are holes now, in bytes. A look for the next hole goes through all data before it, however far that
 * is: within a chunk each page is asked about alone. */
static uint64_t missing(const struct node *n, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0, at = from & ~(uint64_t)(PAGE - 1);
    bool by_page = to - at <= CHUNK + PAGE;
    while (at < to) {
        int64_t data = memfd_seek(n, at, false);
        uint64_t end = data < 0 || (uint64_t)data > to ? to : (uint64_t)data;
        bytes += (end - at + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        if (end >= to)
            break;
        at = by_page ? (end / PAGE + 1) * PAGE : (uint64_t)memfd_seek(n, end, true);
    }
    return bytes;
}

/* Would that much fit into the quota? It is not charged: recount does, by what was really taken. */
static int check_room(struct node *n, uint64_t bytes)
{
    int error = node_vfs(n)->giving ? 0 : fs_charge(n->fs, bytes);
    if (!error && !node_vfs(n)->giving)
        fs_refund(n->fs, bytes);
    return error;
}

/* Gives [from, to) the pages it has not, all or none: -ENOSPC. Near the quota it matters which holes are pages that were reserved and never
 * written, and lseek(2) does not tell: each is asked for alone, and what is new is seen. How many that can be is bounded by the quota. */
static int claim_pages(struct node *n, uint64_t from, uint64_t to)
{
    int fd = n->memory->fd, error = 0;
    uint64_t *made = NULL, before = memfd_blocks(n);
    size_t count = 0, room = 0;
    for (uint64_t at = from & ~(uint64_t)(PAGE - 1); !error && at < to;) {
        if (memfd_seek(n, at, false) == (int64_t)at) {
            at = ((uint64_t)memfd_seek(n, at, true) + PAGE - 1) & ~(uint64_t)(PAGE - 1);
            continue;
        }
        if (count == room) {
            room = room * 2 + 64;
            uint64_t *more = realloc(made, room * sizeof *made);
            if (!more) {
                error = -ENOMEM;
                break;
            }
            made = more;
        }
        error = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, PAGE) ? -errno : 0;
        if (!error && memfd_blocks(n) > before + count * (PAGE / 512)) {
            made[count++] = at;
            error = check_room(n, count * PAGE);
        }
        at += PAGE;
    }
    while (error && count > 0)
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)made[--count], PAGE);
    free(made);
    return error;
}

/* The bytes of new pages below `end`, as far as they are known without asking the host: there are none after the file's end and what was
 * reserved beyond it, and before that none are missing where it has as many as that takes. -1: it must be asked. */
static int64_t known_growth(const struct node *n, uint64_t offset, uint64_t end)
{
    const struct memory *m = n->memory;
    uint64_t reach = m->beyond > n->size ? m->beyond : n->size;
    uint64_t had = (reach + PAGE - 1) / PAGE, first = offset / PAGE, last = (end + PAGE - 1) / PAGE;
    if (node_vfs(n)->giving || (first < had && m->pages < had))
        return -1;
    first = first > had ? first : had;
    return last > first ? (int64_t)((last - first) * PAGE) : 0;
}

ssize_t memfd_write(struct node *n, struct io *io, uint64_t offset)
{
    size_t length = io->left < CHUNK ? io->left : CHUNK;
    int64_t growth = known_growth(n, offset, offset + length);
    if (growth >= 0 &&
        memory_charge(n, (uint64_t)growth) == 0) { /* blocks written in turn: two calls of the host's, no more */
        ssize_t put = io_get_fd(io, n->memory->fd, offset, length);
        int64_t grew = put > 0 ? known_growth(n, offset, offset + (uint64_t)put) : 0;
        memory_refund(n, (uint64_t)(growth - grew));
        n->memory->pages += (uint64_t)grew / PAGE;
        return put;
    }
    if (check_room(n, missing(n, offset, offset + length))) {
        size_t page = PAGE - offset % PAGE; /* near the quota: as much as fits */
        length = length < page ? length : page;
        int error = claim_pages(n, offset, offset + length);
        if (error)
            return error;
    }
    ssize_t put = io_get_fd(io, n->memory->fd, offset, length);
    recount(n);
    return put;
}

int memfd_resize(struct node *n, uint64_t size)
{
    if (ftruncate(n->memory->fd, (off_t)size))
        return -errno;
    recount(n);
    return 0;
}

int memfd_punch(struct node *n, uint64_t from, uint64_t to)
{
    if (from < to &&
        fallocate(n->memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)))
        return -errno;
    recount(n);
    return 0;
}

int memfd_reserve(struct node *n, uint64_t from, uint64_t to, bool keep_size)
{
    int64_t growth = known_growth(n, from, to);
    bool fits = check_room(n, growth >= 0 ? (uint64_t)growth : missing(n, from, to)) == 0;
    int error = fits ? 0 : claim_pages(n, from, to);
    if (!fits && !error && !keep_size && to > n->size && ftruncate(n->memory->fd, (off_t)to))
        error = -errno;
    if (fits && fallocate(n->memory->fd, keep_size ? FALLOC_FL_KEEP_SIZE : 0, (off_t)from, (off_t)(to - from)))
        error = -errno;
    recount(n);
    return error;
}

int64_t memfd_seek(const struct node *n, uint64_t offset, bool hole)
{
    off_t at = lseek(n->memory->fd, (off_t)offset, hole ? SEEK_HOLE : SEEK_DATA);
    return at < 0 ? -errno : at;
}

uint64_t memfd_blocks(const struct node *n)
{
    struct stat st;
    return fstat(n->memory->fd, &st) ? 0 : (uint64_t)st.st_blocks;
}

int memfd_sealed(int fd)
{
    char path[64];
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    if (reading < 0)
        return fd;
    close(fd);
    return reading;
}

/* ---- memfd_create(2) ------------------------------------------------------------------------------------------ */

/* A memory file that no directory has, open for reading and writing. NULL: out of memory. */
static struct file *floating(struct vfs *v, const char *shown, size_t length, uint32_t mode)
{
    struct node *n;
    if (node_create(v->anonymous, &memory_ops, S_IFREG | mode, v->config.guest_uid, v->config.guest_gid, &n))
        return NULL;
    n->nlink = 0;
    struct memory *m = memory_of(n);
    struct dentry *d = m ? dentry_new(NULL, shown, length, 0, n) : NULL;
    struct file *f = d ? file_new(v, &regular_file_ops, O_RDWR | KERNEL_LARGEFILE, NULL) : NULL;
    if (!f) {
        if (d)
            dentry_put(d);
        else
            node_put(n);
        return NULL;
    }
    d->flags |= DENTRY_FLOATING;
    f->dentry = d;
    f->node = n;
    return f;
}

struct file *memfd_new(struct vfs *v, const char *name, unsigned flags)
{
    char shown[VFS_NAME_MAX + 1];
    int length = snprintf(shown, sizeof shown, "memfd:%s", name);
    if (length > VFS_NAME_MAX) /* the caller refuses names beyond 249 bytes, as memfd_create(2) */
        length = VFS_NAME_MAX;
    struct file *f = floating(v, shown, (size_t)length, flags & MFD_NOEXEC_SEAL ? 0666 : 0777);
    if (!f)
        return NULL;
    struct memory *m = f->node->memory;
    m->sealable = true;
    if (flags & MFD_NOEXEC_SEAL)
        m->seals = F_SEAL_EXEC;
    else if (!(flags & MFD_ALLOW_SEALING))
        m->seals = F_SEAL_SEAL;
    return f;
}

struct file *memfd_shared_anonymous(struct vfs *v)
{
    return floating(v, "dev/zero", strlen("dev/zero"), 0777);
}

/* Every regular file of a tmpfs has seals; of those that are no memfds, none can be added to the one they have. */
int memfd_seals(struct file *f)
{
    if (!f->node || f->node->ops != &memory_ops || !node_is(f->node, S_IFREG))
        return -EINVAL;
    const struct memory *m = f->node->memory;
    return m && m->sealable ? m->seals : F_SEAL_SEAL;
}

bool memfd_execution_sealed(const struct node *n)
{
    return n->ops == &memory_ops && node_is(n, S_IFREG) && n->memory && n->memory->seals & F_SEAL_EXEC;
}

int memfd_add_seals(struct file *f, int seals)
{
    const int known = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC;
    int now = memfd_seals(f);
    if ((f->flags & O_ACCMODE) == O_RDONLY) /* fcntl(2), F_ADD_SEALS */
        return -EPERM;
    if (now < 0 || seals & ~known)
        return -EINVAL;
    if (now & F_SEAL_SEAL)
        return -EPERM;
    if (seals & F_SEAL_EXEC && f->node->mode & 0111) /* what is executed stays what it is, too (mm/memfd.c) */
        seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    struct memory *m = f->node->memory;
    /* The memfd itself says whether somebody has it mapped writable: EBUSY. */
    if (m->fd >= 0 && fcntl(m->fd, F_ADD_SEALS, seals & ~F_SEAL_SEAL))
        return -errno;
    m->seals |= seals;
    return 0;
}
