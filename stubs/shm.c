/* System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). A segment is a memory file of the VFS, attached as a shared
 * mapping of it. Who is attached is read off the address spaces, so that fork, exec and exit need no bookkeeping. */
#include "kernel/world.h"
#include "stubs/stubs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>

enum { SEGMENTS_MOST = 4096, SHM_DEST_BIT = 01000 };

struct segment {
    struct file *file; /* referenced; NULL: a free slot */
    key_t key;
    uint64_t size;
    uint32_t mode, uid, gid, creator_uid, creator_gid;
    uint16_t sequence; /* ids of a slot used again differ (ipc/util.c) */
    bool doomed;       /* IPC_RMID was said: it goes with the last attachment */
    int32_t creator, last;
    int64_t attached, detached, changed; /* seconds */
};

struct shm_table {
    struct segment slot[SEGMENTS_MOST];
    int used; /* slots ever used */
};

static int id_of(const struct shm_table *t, const struct segment *s)
{
    return (int)((s - t->slot) + (long)s->sequence * SEGMENTS_MOST);
}

static struct segment *segment_of(struct world *w, int id)
{
    struct shm_table *t = w->shm;
    if (t == NULL || id < 0)
        return NULL;
    struct segment *s = &t->slot[id % SEGMENTS_MOST];
    return s->file != NULL && s->sequence == id / SEGMENTS_MOST ? s : NULL;
}

static int64_t seconds(const struct world *w)
{
    return clock_read(&w->clock, CLOCK_REALTIME) / 1000000000;
}

/* An attachment is the piece of an address space that maps offset 0. */
static uint64_t attachments(const struct world *w, const struct segment *s)
{
    uint64_t n = 0;
    for (const struct process *p = w->processes; p != NULL; p = p->next) {
        if (p->threads == NULL || p->threads->mm == NULL)
            continue;
        for (const struct shared_map *m = p->threads->mm->shared; m != NULL; m = m->next)
            n += m->file == s->file && m->offset == 0;
    }
    return n;
}

static void drop(struct segment *s)
{
    uint16_t next = (uint16_t)((s->sequence + 1) & 0x7fff);
    file_put(s->file);
    *s = (struct segment){.sequence = next};
}

/* Doomed segments whose last attachment went by munmap, exec or exit. */
static void sweep(struct world *w)
{
    for (int i = 0; w->shm != NULL && i < w->shm->used; i++) {
        struct segment *s = &w->shm->slot[i];
        if (s->file != NULL && s->doomed && attachments(w, s) == 0)
            drop(s);
    }
}

static void release_table(struct shm_table *t)
{
    for (int i = 0; i < t->used; i++)
        file_put(t->slot[i].file);
    free(t);
}

static bool may(const struct segment *s, const struct cred *c, uint32_t wanted)
{
    uint32_t granted = c->euid == s->uid || c->euid == s->creator_uid   ? s->mode >> 6
                       : c->egid == s->gid || c->egid == s->creator_gid ? s->mode >> 3
                                                                        : s->mode;
    return (wanted & ~granted & 7) == 0 || c->euid == 0;
}

static bool owns(const struct segment *s, const struct cred *c)
{
    return c->euid == 0 || c->euid == s->uid || c->euid == s->creator_uid;
}

static int64_t create(struct call *c, key_t key, uint64_t size, uint32_t mode)
{
    struct world *w = c->world;
    const struct cred *cred = &c->task->cred;
    if (size == 0 || size > (UINT64_C(1) << 40))
        return -EINVAL;
    if (w->shm == NULL && (w->shm = calloc(1, sizeof *w->shm)) == NULL)
        return -ENOMEM;
    w->shm_release = release_table;
    struct segment *s = w->shm->slot;
    while (s < w->shm->slot + SEGMENTS_MOST && s->file != NULL)
        s++;
    if (s == w->shm->slot + SEGMENTS_MOST)
        return -ENOSPC;
    struct file *f = memfd_new(w->vfs, "SYSV", 0);
    if (f == NULL)
        return -ENOMEM;
    int error = file_truncate(f, size);
    if (error < 0) {
        file_put(f);
        return error;
    }
    s->file = f;
    s->key = key;
    s->size = size;
    s->mode = mode & 0777;
    s->uid = s->creator_uid = cred->euid;
    s->gid = s->creator_gid = cred->egid;
    s->creator = c->task->process->pid;
    s->changed = seconds(w);
    if (s - w->shm->slot >= w->shm->used)
        w->shm->used = (int)(s - w->shm->slot) + 1;
    return id_of(w->shm, s);
}

int64_t stub_shmget(struct call *c)
{
    key_t key = (key_t)c->arg[0];
    int flags = (int)c->arg[2];
    sweep(c->world);
    for (int i = 0; key != IPC_PRIVATE && c->world->shm != NULL && i < c->world->shm->used; i++) {
        struct segment *s = &c->world->shm->slot[i];
        if (s->file == NULL || s->key != key || s->doomed)
            continue;
        if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
            return -EEXIST;
        if (!may(s, &c->task->cred, (uint32_t)flags >> 6 & 7))
            return -EACCES;
        return c->arg[1] > s->size ? -EINVAL : id_of(c->world->shm, s);
    }
    if (key != IPC_PRIVATE && (flags & IPC_CREAT) == 0)
        return -ENOENT;
    return create(c, key, c->arg[1], (uint32_t)flags);
}

int64_t stub_shmat(struct call *c)
{
    struct segment *s = segment_of(c->world, (int)c->arg[0]);
    uint64_t address = c->arg[1];
    int flags = (int)c->arg[2];
    bool read_only = (flags & SHM_RDONLY) != 0;
    if (s == NULL)
        return -EINVAL;
    if (address % 4096 != 0) {
        if ((flags & SHM_RND) == 0)
            return -EINVAL;
        address &= ~UINT64_C(4095);
    }
    if (address == 0 && (flags & SHM_REMAP) != 0)
        return -EINVAL;
    if (!may(s, &c->task->cred, (read_only ? 4 : 6) | ((flags & SHM_EXEC) != 0)))
        return -EACCES;
    if (address != 0 && address < UINT64_C(0x20000))
        return -EINVAL;
    if (address >= UINT64_C(1) << 47)
        return -ENOMEM;
    struct file_mapping m;
    int error = file_map(s->file, 0, s->size, true, &m);
    if (error < 0)
        return error;
    int protection = PROT_READ | (read_only ? 0 : PROT_WRITE) | ((flags & SHM_EXEC) != 0 ? PROT_EXEC : 0);
    int map_flags = MAP_SHARED | (address == 0 ? 0 : (flags & SHM_REMAP) != 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE);
    int64_t got = c->world->machine->map(c->task, address, s->size, protection, map_flags, &m, s->file);
    if (got < 0 && got > -4096)
        return got == -EEXIST ? -EINVAL : got;
    const struct shared_map what = {.start = (uint64_t)got,
                                    .end = (uint64_t)got + ((s->size + 4095) & ~UINT64_C(4095)),
                                    .key = m.key,
                                    .file = s->file};
    shared_map_add(c->task, &what);
    s->attached = seconds(c->world);
    s->last = c->task->process->pid;
    return got;
}

int64_t stub_shmdt(struct call *c)
{
    const struct shared_map *m = shared_map_find(c->task->mm, c->arg[0]);
    struct segment *s = NULL;
    for (int i = 0; m != NULL && c->world->shm != NULL && i < c->world->shm->used; i++)
        if (c->world->shm->slot[i].file != NULL && c->world->shm->slot[i].file == m->file)
            s = &c->world->shm->slot[i];
    if (s == NULL || m->start != c->arg[0] || m->offset != 0)
        return -EINVAL;
    uint64_t length = (s->size + 4095) & ~UINT64_C(4095);
    int64_t result = call_native(c, SYS_munmap, c->arg[0], length, 0, 0, 0, 0);
    if (result < 0)
        return result;
    shared_map_remove(c->task->mm, c->arg[0], length);
    s->detached = seconds(c->world);
    s->last = c->task->process->pid;
    sweep(c->world);
    return 0;
}

static int64_t status(struct call *c, const struct segment *s, int64_t result)
{
    struct shmid_ds d = {0};
    d.shm_perm.__key = s->key;
    d.shm_perm.uid = s->uid;
    d.shm_perm.gid = s->gid;
    d.shm_perm.cuid = s->creator_uid;
    d.shm_perm.cgid = s->creator_gid;
    d.shm_perm.mode = s->mode | (s->doomed ? SHM_DEST_BIT : 0);
    d.shm_perm.__seq = s->sequence;
    d.shm_segsz = s->size;
    d.shm_atime = s->attached;
    d.shm_dtime = s->detached;
    d.shm_ctime = s->changed;
    d.shm_cpid = s->creator;
    d.shm_lpid = s->last;
    d.shm_nattch = attachments(c->world, s);
    return call_write(c, c->arg[2], &d, sizeof d) < 0 ? -EFAULT : result;
}

static int64_t set_owner(struct call *c, struct segment *s, const struct shmid_ds *d)
{
    s->uid = d->shm_perm.uid;
    s->gid = d->shm_perm.gid;
    s->mode = d->shm_perm.mode & 0777;
    s->changed = seconds(c->world);
    return 0;
}

static int64_t remove_segment(struct call *c, struct segment *s)
{
    s->doomed = true;
    s->key = IPC_PRIVATE;
    sweep(c->world);
    return 0;
}

static int64_t system_limits(struct call *c)
{
    const struct shminfo info = {.shmmax = UINT64_C(1) << 40,
                                 .shmmin = 1,
                                 .shmmni = SEGMENTS_MOST,
                                 .shmseg = SEGMENTS_MOST,
                                 .shmall = UINT64_C(1) << 28};
    if (call_write(c, c->arg[2], &info, sizeof info) < 0)
        return -EFAULT;
    return c->world->shm != NULL && c->world->shm->used > 0 ? c->world->shm->used - 1 : 0;
}

static int64_t system_usage(struct call *c)
{
    struct shm_info info = {0};
    for (int i = 0; c->world->shm != NULL && i < c->world->shm->used; i++) {
        const struct segment *s = &c->world->shm->slot[i];
        if (s->file == NULL)
            continue;
        info.used_ids++;
        info.shm_tot += (s->size + 4095) / 4096;
    }
    if (call_write(c, c->arg[2], &info, sizeof info) < 0)
        return -EFAULT;
    return c->world->shm != NULL && c->world->shm->used > 0 ? c->world->shm->used - 1 : 0;
}

int64_t stub_shmctl(struct call *c)
{
    int command = (int)c->arg[1] & ~0x100; /* IPC_64 */
    sweep(c->world);
    if (command == IPC_INFO)
        return system_limits(c);
    if (command == SHM_INFO)
        return system_usage(c);
    struct shmid_ds given;
    if ((int)c->arg[0] < 0)
        return -EINVAL;
    if (command == IPC_SET && call_read(c, c->arg[2], &given, sizeof given) < 0)
        return -EFAULT;
    struct segment *s = segment_of(c->world, (int)c->arg[0]);
    int64_t result = 0;
    if (command == SHM_STAT || command == SHM_STAT_ANY) { /* by slot, for ipcs(1) */
        s = c->world->shm != NULL && c->arg[0] < (uint64_t)c->world->shm->used ? &c->world->shm->slot[c->arg[0]] : NULL;
        if (s == NULL || s->file == NULL)
            return -EINVAL;
        result = id_of(c->world->shm, s);
        command = IPC_STAT;
    }
    if (s == NULL)
        return -EINVAL;
    switch (command) {
    case IPC_STAT:
        return may(s, &c->task->cred, 4) ? status(c, s, result) : -EACCES;
    case IPC_SET:
        return owns(s, &c->task->cred) ? set_owner(c, s, &given) : -EPERM;
    case IPC_RMID:
        return owns(s, &c->task->cred) ? remove_segment(c, s) : -EPERM;
    case SHM_LOCK:
    case SHM_UNLOCK: /* nothing is ever swapped out */
        return owns(s, &c->task->cred) ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}
