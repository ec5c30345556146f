/* Identifiers, keys and permissions of System V objects (sysvipc(7); ipc/util.c is how Linux does it). */
#include "stubs/sysv.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void drop_table(struct sysv_table *t)
{
    for (int i = 0; i < t->highest; i++)
        if (t->slot[i])
            sysv_put(t->slot[i]);
}

static void release(struct sysv *s)
{
    semaphores_undo(s, NULL);
    drop_table(&s->semaphores);
    drop_table(&s->queues);
    free(s);
}

struct sysv *sysv_of(struct world *w)
{
    if (!w->sysv) {
        w->sysv = calloc(1, sizeof *w->sysv);
        w->sysv_release = release;
        w->sysv_process_ended = semaphores_undo;
    }
    return w->sysv;
}

int64_t sysv_seconds(const struct call *c)
{
    return clock_read(&c->world->clock, CLOCK_REALTIME) / 1000000000;
}

static int64_t add(struct call *c, struct sysv_table *t, key_t key, int flags,
                   struct sysv_object *(*make)(struct call *c, int *error))
{
    const struct cred *cred = &c->task->cred;
    int slot = 0, error = -ENOMEM;
    while (slot < SYSV_MOST && t->slot[slot])
        slot++;
    struct sysv_object *o = make(c, &error);
    if (!o)
        return error;
    if (slot == SYSV_MOST) {
        o->release(o);
        return -ENOSPC;
    }
    waitq_init(&o->wait);
    o->references = 1;
    o->id = slot + t->sequence[slot] * SYSV_MOST;
    o->key = key;
    o->mode = (uint32_t)flags & 0777;
    o->uid = o->creator_uid = cred->euid;
    o->gid = o->creator_gid = cred->egid;
    o->changed = sysv_seconds(c);
    t->slot[slot] = o;
    t->count++;
    if (slot >= t->highest)
        t->highest = slot + 1;
    return o->id;
}

int64_t sysv_get(struct call *c, struct sysv_table *t, key_t key, int flags,
                 struct sysv_object *(*make)(struct call *c, int *error),
                 int (*check)(struct call *c, struct sysv_object *o))
{
    if (key == IPC_PRIVATE)
        return add(c, t, key, flags, make);
    for (int i = 0; i < t->highest; i++) {
        struct sysv_object *o = t->slot[i];
        if (!o || o->key != key)
            continue;
        if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
            return -EEXIST;
        int error = check(c, o);
        if (error)
            return error;
        /* the mode asked for must be allowed, in whichever class it was written (ipcperms) */
        uint32_t wanted = ((uint32_t)flags >> 6 | (uint32_t)flags >> 3 | (uint32_t)flags) & 7;
        return sysv_may(o, c, wanted) ? o->id : -EACCES;
    }
    return flags & IPC_CREAT ? add(c, t, key, flags, make) : -ENOENT;
}

struct sysv_object *sysv_find(struct sysv_table *t, int id)
{
    if (id < 0 || id % SYSV_MOST >= t->highest)
        return NULL;
    struct sysv_object *o = t->slot[id % SYSV_MOST];
    return o && o->id == id ? o : NULL;
}

void sysv_remove(struct sysv_table *t, struct sysv_object *o)
{
    int slot = o->id % SYSV_MOST;
    t->slot[slot] = NULL;
    t->sequence[slot] = (t->sequence[slot] + 1) & 0x7fff;
    t->count--;
    o->removed = true;
    waitq_wake(&o->wait, UINT32_MAX);
    sysv_put(o);
}

void sysv_put(struct sysv_object *o)
{
    if (--o->references > 0)
        return;
    waitq_destroy(&o->wait);
    o->release(o);
}

static bool in_group(const struct cred *c, uint32_t gid)
{
    if (c->egid == gid)
        return true;
    for (uint32_t i = 0; i < c->ngroups; i++)
        if (c->groups[i] == gid)
            return true;
    return false;
}

bool sysv_may(const struct sysv_object *o, struct call *c, uint32_t wanted)
{
    const struct cred *cred = &c->task->cred;
    uint32_t granted = o->mode;
    if (cred->euid == o->uid || cred->euid == o->creator_uid)
        granted >>= 6;
    else if (in_group(cred, o->gid) || in_group(cred, o->creator_gid))
        granted >>= 3;
    return !(wanted & ~granted & 7) || cred->capabilities >> CAP_IPC_OWNER & 1;
}

bool sysv_owns(const struct sysv_object *o, struct call *c)
{
    const struct cred *cred = &c->task->cred;
    return cred->euid == o->uid || cred->euid == o->creator_uid || cred->capabilities >> CAP_SYS_ADMIN & 1;
}

void sysv_fill(const struct sysv_object *o, struct ipc_perm *out)
{
    memset(out, 0, sizeof *out);
    out->__key = o->key;
    out->uid = o->uid;
    out->gid = o->gid;
    out->cuid = o->creator_uid;
    out->cgid = o->creator_gid;
    out->mode = (unsigned short)o->mode;
    out->__seq = (unsigned short)(o->id / SYSV_MOST);
}

void sysv_set(struct call *c, struct sysv_object *o, const struct ipc_perm *from)
{
    o->uid = from->uid;
    o->gid = from->gid;
    o->mode = from->mode & 0777;
    o->changed = sysv_seconds(c);
}
