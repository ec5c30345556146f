/* Real descriptors for the length of a mapping: a file of the VFS can only be mapped by a descriptor in the guest's own
 * kernel table. It is sent through a hidden socket (SCM_RIGHTS, unix(7)), received by an injected recvmmsg, and kept there for
 * the next mapping of the same file (a library is mapped in four or five pieces), unless it is of the guest's own memory files:
 * a descriptor would keep their pages after they were deleted. No call of the guest's that names a
 * descriptor ever reaches the kernel, so it cannot use them. */
#include "supervisor/count/patch.h"
#include "supervisor/descriptor.h"
#include "supervisor/glass/glass.h"
#include "supervisor/maps.h"
#include "supervisor/tracee.h"
#include "supervisor/untrapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { HUGE_PAGE = 2 << 20 };

struct handed_table *handed_table_copy(const struct handed_table *from)
{
    struct handed_table *t = calloc(1, sizeof *t);
    if (t != NULL && from != NULL)
        *t = *from;
    return t;
}

void handed_table_release(struct mm *m)
{
    free(m->machine);
    m->machine = NULL;
}

static int send_descriptor(int socket, int fd)
{
    char byte = 0;
    struct descriptor_message message;
    ssize_t sent;
    descriptor_put(&message, &byte, 1, fd);
    do
        sent = sendmsg(socket, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : -errno;
}

/* The guest's memory for recvmmsg's arguments, laid out at GLASS_DATA. Nobody else runs while it is in use. (Not recvmsg's: that comes as
 * a notice, and so would ours.) */
struct receive_area {
    struct mmsghdr message;
    struct iovec vec;
    char control[CMSG_SPACE(sizeof(int))];
    char byte;
};

static int64_t receive_descriptor(struct tracee *t)
{
    struct receive_area area = {0};
    uint64_t base = GLASS_DATA;
    area.vec.iov_base = (void *)(uintptr_t)(base + offsetof(struct receive_area, byte));
    area.vec.iov_len = 1;
    area.message.msg_hdr.msg_iov = (void *)(uintptr_t)(base + offsetof(struct receive_area, vec));
    area.message.msg_hdr.msg_iovlen = 1;
    area.message.msg_hdr.msg_control = (void *)(uintptr_t)(base + offsetof(struct receive_area, control));
    area.message.msg_hdr.msg_controllen = sizeof area.control;
    if (tracee_write(t, base, &area, sizeof area) != (ssize_t)sizeof area)
        return -EFAULT;
    const uint64_t argument[6] = {GLASS_SOCKET, base, 1, MSG_CMSG_CLOEXEC | MSG_DONTWAIT};
    int64_t got = tracee_inject(t, SYS_recvmmsg, argument);
    if (got < 0)
        return got;
    int fd = -1;
    if (tracee_read(t, base + offsetof(struct receive_area, control) + CMSG_LEN(0), &fd, sizeof fd) != sizeof fd)
        return -EFAULT;
    return fd;
}

static void hand_back(struct tracee *t, struct handed_table *table, int slot)
{
    const uint64_t fd = (uint64_t)(GLASS_FIRST_FREE + slot);
    const uint64_t argument[6] = {fd, fd};
    tracee_inject(t, t->holder->listener >= 0 ? SYS_close_range : SYS_close, argument); /* close(2) comes as a notice */
    table->entry[slot].key = 0;
}

/* The slot whose descriptor is the file's, handed over now if it was not. -errno. */
static int slot_for(struct tracee *t, struct handed_table *table, const struct file_mapping *m, struct file *f)
{
    int oldest = 0, empty = -1;
    for (int i = HANDED_MAX - 1; i >= 0; i--) {
        if (m->lasting && table->entry[i].key == m->key)
            return i;
        if (table->entry[i].key == 0)
            empty = i; /* the lowest free: the number recvmmsg will give */
        else if (table->entry[i].last_use < table->entry[oldest].last_use || table->entry[oldest].key == 0)
            oldest = i;
    }
    if (empty < 0) {
        hand_back(t, table, oldest);
        empty = oldest;
    }
    int error = send_descriptor(t->holder->socket, m->fd);
    if (error < 0)
        return error;
    int64_t got = receive_descriptor(t);
    if (got < 0)
        return (int)got;
    if (got != GLASS_FIRST_FREE + empty)
        return -EBADF; /* the guest's table is not as it was left */
    table->entry[empty].key = m->key;
    maps_remember(t->holder, m, f, t->task->fs->root);
    return empty;
}

/* Where the kernel puts a large mapping of a file depends on its filesystem (mm/huge_memory.c, thp_get_unmapped_area): what a record
 * gives back is on another one than the run's. So it is put where anonymous memory of that length would be. *address, *flags: as to
 * be asked for now. 0 or -errno. */
static int64_t choose_address(struct tracee *t, uint64_t length, uint64_t *address, int *flags)
{
    const uint64_t argument[6] = {
        *address,   length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (unsigned)(*flags & MAP_32BIT),
        UINT64_MAX, 0};
    int64_t got = tracee_inject(t, SYS_mmap, argument);
    if (got < 0 && got > -4096)
        return got;
    *address = (uint64_t)got;
    *flags |= MAP_FIXED;
    return 0;
}

int64_t tracee_map(struct tracee *t, uint64_t address, uint64_t length, int protection, int flags,
                   const struct file_mapping *m, struct file *f)
{
    struct handed_table *table = t->task->mm->machine;
    int slot = slot_for(t, table, m, f);
    if (slot < 0)
        return slot;
    table->entry[slot].last_use = ++table->clock;
    bool chosen = length >= HUGE_PAGE && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0;
    int64_t got = chosen ? choose_address(t, length, &address, &flags) : 0;
    /* What nobody in the world writes to may be copied at once: that is cheaper than a fault for each page. */
    bool own = m->lasting && (flags & MAP_TYPE) == MAP_PRIVATE && (protection & PROT_WRITE) != 0;
    const uint64_t argument[6] = {address,
                                  length,
                                  (uint64_t)(unsigned)protection,
                                  (uint64_t)(unsigned)(own ? flags | mm_populate(t->task->mm, length) : flags),
                                  (uint64_t)(GLASS_FIRST_FREE + slot),
                                  m->offset};
    if (got == 0) {
        got = tracee_inject(t, SYS_mmap, argument);
        if (chosen && got < 0 && got > -4096)
            tracee_inject(t, SYS_munmap, (const uint64_t[6]){address, length});
    }
    if (!m->lasting)
        hand_back(t, table, slot);
    if (!m->lasting && (got >= 0 || got <= -4096) && (flags & MAP_TYPE) == MAP_PRIVATE) {
        const struct shared_map what = {.start = (uint64_t)got,
                                        .end = (uint64_t)got + ((length + 4095) & ~UINT64_C(4095)),
                                        .key = m->key,
                                        .offset = m->offset,
                                        .file = f,
                                        .is_private = true};
        shared_map_add(t->task, &what);
    }
    if (got > 0 && (protection & PROT_EXEC) != 0)
        untrapped_look(t->holder, m, f, t->task->fs->root, length);
    if (got > 0 && (flags & MAP_TYPE) == MAP_PRIVATE && protection == (PROT_READ | PROT_EXEC))
        patch_mapped(t, (uint64_t)got, length, m, f);
    return got;
}
