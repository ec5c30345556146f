/* The address space: brk, mmap and their kin. The guest's memory is the real process's own; what the kernel may do with it as
 * asked it does (CALL_NATIVE), once it is certain that no descriptor of the guest's and no address of the glass pages is in the
 * arguments. Files are mapped from the VFS by machine->map. */
#include "kernel/mappings.h"
#include "kernel/recorder.h"
#include "stubs/memory_lock.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE UINT64_C(4096)
#define PAGE_UP(x) (((x) + PAGE - 1) & ~(PAGE - 1))
#define GUARDED MEMORY_LOWEST
#define ADDRESS_LIMIT (UINT64_C(1) << 47)
#define BRK_MOST (UINT64_C(64) << 30)

/* A stretch the guest may name: above what the supervisor keeps, and within the address space. */
static bool may_touch(uint64_t address, uint64_t length)
{
    return address >= GUARDED && address < ADDRESS_LIMIT && length <= ADDRESS_LIMIT - address;
}

/* What lies below is the supervisor's, and for the guest nothing is there: as behind the end of the address space, where the kernel is
 * asked instead, and says what it says of nothing. */
static int64_t natively_elsewhere(struct call *c)
{
    if (c->arg[0] < GUARDED)
        c->arg[0] = ADDRESS_LIMIT + c->arg[0] % PAGE;
    return CALL_NATIVE;
}

static bool failed(int64_t result)
{
    return result < 0 && result > -4096;
}

/* brk(2): the heap is ours to place, since the real one belongs to the glass program. */
int64_t stub_brk(struct call *c)
{
    struct mm *m = c->task->mm;
    uint64_t wanted = c->arg[0];
    if (wanted < m->brk_start || wanted > m->brk_start + BRK_MOST)
        return (int64_t)m->brk;
    const struct rlimit64 *data = &c->task->process->limits[RLIMIT_DATA];
    if (wanted > m->brk && data->rlim_cur != RLIM64_INFINITY && wanted - m->brk_start > data->rlim_cur)
        return (int64_t)m->brk;
    uint64_t old_end = PAGE_UP(m->brk), new_end = PAGE_UP(wanted);
    if (new_end > old_end) {
        int64_t got = call_native(
            c, SYS_mmap, old_end, new_end - old_end, PROT_READ | PROT_WRITE,
            (uint64_t)(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | mm_populate(m, new_end - old_end)),
            UINT64_MAX, 0);
        if (failed(got))
            return (int64_t)m->brk;
    } else if (new_end < old_end) {
        call_native(c, SYS_munmap, new_end, old_end - new_end, 0, 0, 0, 0);
    }
    m->brk = wanted;
    return (int64_t)wanted;
}

/* ---- mmap(2) ------------------------------------------------------------------------------------------------------ */

static void remember(struct task *t, uint64_t start, uint64_t length, const struct file_mapping *m, struct file *f)
{
    const struct shared_map what = {
        .start = start, .end = start + PAGE_UP(length), .key = m->key, .offset = m->offset, .file = f};
    shared_map_add(t, &what);
}

/* Shared memory between relatives: a file without a name, as in Linux (mm/shmem.c, shmem_zero_setup), so that it is on the
 * world's account whoever has touched it, and in nobody's page tables. */
static int64_t map_shared_anonymous(struct call *c)
{
    uint64_t length = PAGE_UP(c->arg[1]);
    struct file_mapping m;
    if (length == 0 || length > ADDRESS_LIMIT)
        return -ENOMEM;
    struct file *f = memfd_shared_anonymous(c->world->vfs);
    if (f == NULL)
        return -ENOMEM;
    int64_t got = file_truncate(f, length);
    if (got == 0)
        got = file_map(f, 0, length, true, &m);
    if (got == 0)
        got = c->world->machine->map(c->task, c->arg[0], length, (int)c->arg[2],
                                     (int)(c->arg[3] & ~(uint64_t)MAP_ANONYMOUS), &m, f);
    if (!failed(got))
        remember(c->task, (uint64_t)got, length, &m, f);
    file_put(f);
    return got;
}

static int check_file_access(const struct file *f, uint64_t protection, bool shared)
{
    int mode = f->flags & O_ACCMODE;
    if (mode == O_WRONLY || (shared && (protection & PROT_WRITE) != 0 && mode != O_RDWR))
        return -EACCES;
    return 0;
}

/* The call as it is, which puts something else, or nothing, where memory was. Only when it did is what was there forgotten. */
static int64_t replace_memory(struct call *c)
{
    struct mm *mm = c->task->mm;
    if (!shared_map_overlaps(mm, c->arg[0], PAGE_UP(c->arg[1])))
        return CALL_NATIVE;
    int64_t got = call_native(c, (long)c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
    if (!failed(got))
        shared_map_remove(mm, c->arg[0], PAGE_UP(c->arg[1]));
    return got;
}

static int64_t map_file(struct call *c, bool shared)
{
    uint64_t address = c->arg[0], length = c->arg[1], protection = c->arg[2], offset = c->arg[5];
    struct file *f = call_file(c, (int)c->arg[4]);
    int error = check_file_access(f, protection, shared);
    if (error < 0)
        return error;
    if (f->ops->maps_zeros) { /* /dev/zero: memory of nobody's file (mm/shmem.c, shmem_zero_setup) */
        c->arg[3] |= MAP_ANONYMOUS;
        c->arg[4] = UINT64_MAX;
        c->arg[5] = 0;
        return shared ? map_shared_anonymous(c) : (c->arg[3] & MAP_FIXED) != 0 ? replace_memory(c) : CALL_NATIVE;
    }
    struct file_mapping m;
    error = file_map(f, offset, length, shared, &m);
    if (error < 0)
        return error == -EINVAL ? -ENODEV : error;
    int flags = (int)c->arg[3];
    if (shared && !m.writable) {
        if ((protection & PROT_WRITE) != 0)
            return (f->flags & O_ACCMODE) == O_RDWR ? -EPERM : -EACCES; /* its seals forbid it */
        shared = m.read_only;
        if (!shared)
            flags = (flags & ~MAP_TYPE) | MAP_PRIVATE; /* nobody else can write it either: what is seen is the same */
    }
    int64_t got = c->world->machine->map(c->task, address, length, (int)protection, flags, &m, f);
    if (failed(got))
        return got;
    record(c->world, mapped, c->task, f, offset, length);
    if (shared)
        remember(c->task, (uint64_t)got, length, &m, f);
    else if (m.lasting)
        shared_map_remove(c->task->mm, (uint64_t)got, PAGE_UP(length)); /* what it was put in the place of */
    return got;
}

/* Where it is to be, judged before what it is to be of (mm/mmap.c, get_unmapped_area). */
static int check_place(const struct call *c)
{
    uint64_t address = c->arg[0], length = PAGE_UP(c->arg[1]);
    if (c->arg[1] == 0)
        return -EINVAL;
    if (length == 0 || length >= ADDRESS_LIMIT)
        return -ENOMEM;
    if ((c->arg[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0)
        return 0;
    if (address >= ADDRESS_LIMIT - PAGE || length > ADDRESS_LIMIT - PAGE - address)
        return -ENOMEM;
    return address % PAGE != 0 ? -EINVAL : address < GUARDED ? -EPERM /* as below vm.mmap_min_addr */ : 0;
}

static int64_t map_anonymous(struct call *c)
{
    c->arg[4] = UINT64_MAX;
    if (c->arg[1] == MM_ARENA && c->arg[2] == (PROT_READ | PROT_WRITE))
        c->arg[3] |= (uint64_t)mm_populate(c->task->mm, MM_ARENA);
    return (c->arg[3] & MAP_FIXED) != 0 ? replace_memory(c) : CALL_NATIVE;
}

int64_t stub_mmap(struct call *c)
{
    enum { /* flags that MAP_SHARED_VALIDATE knows (linux/mman.h, LEGACY_MAP_MASK) */
           LEGACY = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED |
                    MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT |
                    MAP_FIXED_NOREPLACE | 31 << MAP_HUGE_SHIFT,
    };
    uint64_t type = c->arg[3] & MAP_TYPE;
    bool fixed = (c->arg[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0, of_file = (c->arg[3] & MAP_ANONYMOUS) == 0;
    if (c->arg[5] % PAGE != 0)
        return -EINVAL;
    const struct file *f = of_file ? call_file(c, (int)c->arg[4]) : NULL;
    if (of_file && (f == NULL || (f->flags & O_PATH) != 0))
        return -EBADF;
    int error = check_place(c);
    if (error < 0)
        return error;
    if (of_file && f->ops->map != NULL &&
        (c->arg[5] > INT64_MAX || PAGE_UP(c->arg[1]) > (uint64_t)INT64_MAX - c->arg[5]))
        return -EOVERFLOW;
    if (type != MAP_PRIVATE && type != MAP_SHARED && (type != MAP_SHARED_VALIDATE || !of_file))
        return -EINVAL;
    if ((c->arg[3] & MAP_HUGETLB) != 0)
        return -ENOMEM; /* no huge pages are set aside in this world */
    bool locks = (c->arg[3] & MAP_LOCKED) != 0;
    error = locks ? memory_lock_room(c, PAGE_UP(c->arg[1])) : 0;
    if (error < 0)
        return error;
    c->arg[3] &= ~(uint64_t)MAP_LOCKED;
    if (!fixed && c->arg[0] < GUARDED)
        c->arg[0] = 0;
    if (!fixed && (c->arg[3] & MAP_32BIT) != 0 && c->world->addresses_vary)
        world_not_reproducible(c->world, "addresses: the kernel chooses among the lowest 2 GiB at random (MAP_32BIT)");
    if (type == MAP_SHARED_VALIDATE && ((uint32_t)c->arg[3] & ~(uint32_t)LEGACY) != 0)
        return -EOPNOTSUPP;
    if ((of_file || type != MAP_PRIVATE) && shared_map_full(c->task))
        return -ENOMEM;
    int64_t got = of_file               ? map_file(c, type != MAP_PRIVATE)
                  : type != MAP_PRIVATE ? map_shared_anonymous(c)
                                        : map_anonymous(c);
    if (locks && got == CALL_NATIVE)
        got = call_native(c, SYS_mmap, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
    if (locks && !failed(got))
        memory_lock_mapped(c, (uint64_t)got, c->arg[1]);
    return got;
}

int64_t stub_munmap(struct call *c)
{
    return may_touch(c->arg[0], c->arg[1]) ? replace_memory(c) : -EINVAL;
}

int64_t stub_mprotect(struct call *c)
{
    return natively_elsewhere(c);
}

int64_t stub_pkey_mprotect(struct call *c)
{
    if ((int)c->arg[3] != -1)
        return -EINVAL; /* no key was ever given out */
    c->nr = SYS_mprotect;
    return stub_mprotect(c);
}

int64_t stub_pkey_alloc(struct call *c)
{
    return c->arg[0] != 0 ? -EINVAL : -ENOSPC; /* as on a processor without protection keys */
}

int64_t stub_pkey_free(struct call *c)
{
    return -EINVAL;
}

/* Whatever speaks of the supervisor's pages is EINVAL or EFAULT: nothing is there to be moved, and nothing moves there. */
int64_t stub_mremap(struct call *c)
{
    uint64_t old = c->arg[0], old_length = PAGE_UP(c->arg[1]), length = PAGE_UP(c->arg[2]), flags = c->arg[3];
    bool names_place = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0;
    if (old < GUARDED)
        old = c->arg[0] = ADDRESS_LIMIT + old % PAGE;
    if (!names_place)
        c->arg[4] = 0;
    else if (c->arg[4] < GUARDED) {
        if ((flags & MREMAP_FIXED) != 0 || c->arg[4] % PAGE != 0)
            return -EINVAL;
        c->arg[4] = 0; /* a wish, which nobody has to fulfil */
    }
    if (!shared_map_overlaps(c->task->mm, old, old_length) &&
        ((flags & MREMAP_FIXED) == 0 || !shared_map_overlaps(c->task->mm, c->arg[4], length)))
        return CALL_NATIVE;
    if (shared_map_full(c->task))
        return -ENOMEM;
    int64_t got = call_native(c, SYS_mremap, old, c->arg[1], c->arg[2], flags, c->arg[4], 0);
    if (!failed(got))
        shared_map_move(c->task, old, old_length, (uint64_t)got, length, (flags & MREMAP_DONTUNMAP) != 0);
    return got;
}

/* ---- advice, questions -------------------------------------------------------------------------------------------- */

int64_t stub_madvise(struct call *c)
{
    static const int passed[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,    MADV_WILLNEED,      MADV_DONTNEED,
                                 MADV_FREE,     MADV_HUGEPAGE, MADV_NOHUGEPAGE,    MADV_DONTDUMP,      MADV_DODUMP,
                                 MADV_DONTFORK, MADV_DOFORK,   MADV_WIPEONFORK,    MADV_KEEPONFORK,    MADV_REMOVE,
                                 MADV_COLD,     MADV_PAGEOUT,  MADV_POPULATE_READ, MADV_POPULATE_WRITE};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if ((int)c->arg[2] == passed[i])
            return natively_elsewhere(c);
    /* What needs a privilege the guest's real process does not have, or changes how memory is shared with others. */
    return (int)c->arg[2] == MADV_HWPOISON ? -EPERM : -EINVAL;
}

int64_t stub_msync(struct call *c)
{
    return natively_elsewhere(c); /* shared mappings are of the memory file itself: nothing is ever behind */
}

struct presence {
    struct call *call;
    uint64_t start, end;
    int error;
};

/* Which pages of a host's file are in memory is not told: all are, as the kernel says to whoever may not write the file (mm/mincore.c,
 * can_do_mincore). */
static int all_present(void *context, const struct memory_map *m)
{
    struct presence *p = context;
    uint8_t one[256];
    uint64_t from = m->start > p->start ? m->start : p->start, to = m->end < p->end ? m->end : p->end;
    memset(one, 1, sizeof one);
    while (m->cached && from < to && p->error == 0) {
        uint64_t pages = (to - from) / PAGE, n = pages < sizeof one ? pages : sizeof one;
        p->error = call_write(p->call, p->call->arg[2] + (from - p->start) / PAGE, one, n);
        from += n * PAGE;
    }
    return p->error;
}

int64_t stub_mincore(struct call *c)
{
    if (c->arg[0] % PAGE != 0)
        return -EINVAL;
    if (!call_range(c->arg[0], c->arg[1]))
        return -ENOMEM;
    if (!call_range(c->arg[2], (c->arg[1] + PAGE - 1) / PAGE))
        return -EFAULT;
    if (c->arg[1] == 0)
        return 0;
    if (!may_touch(c->arg[0], c->arg[1]) || c->arg[1] > (UINT64_C(1) << 40))
        return -ENOMEM;
    struct presence p = {.call = c, .start = c->arg[0], .end = PAGE_UP(c->arg[0] + c->arg[1])};
    int64_t result = call_native(c, SYS_mincore, c->arg[0], c->arg[1], c->arg[2], 0, 0,
                                 0); /* it writes only to the caller's memory, and reads none */
    if (result == 0)
        (void)mappings_each(c->task, false, all_present, &p);
    return result < 0 ? result : p.error;
}

/* ---- NUMA: one node ------------------------------------------------------------------------------------------------- */

int64_t stub_mbind(struct call *c)
{
    return may_touch(c->arg[0], c->arg[1]) ? 0 : -EFAULT;
}

int64_t stub_set_mempolicy(struct call *c)
{
    return c->arg[0] > 6 ? -EINVAL : 0;
}

int64_t stub_get_mempolicy(struct call *c)
{
    const int32_t none = 0;
    const uint64_t node = 1;
    if (c->arg[0] != 0 && call_write(c, c->arg[0], &none, sizeof none) < 0)
        return -EFAULT;
    if (c->arg[1] != 0 && c->arg[2] > 0 && call_write(c, c->arg[1], &node, sizeof node) < 0)
        return -EFAULT;
    return 0;
}

int64_t stub_remap_file_pages(struct call *c)
{
    return -EINVAL;
}

int64_t stub_process_madvise(struct call *c)
{
    return -EPERM;
}
