/* System V semaphores and message queues (sysvipc(7)): the tables of identifiers and what both kinds share. */
#ifndef STUBS_SYSV_H
#define STUBS_SYSV_H

#include "kernel/call.h"
#include "kernel/world.h"

#include <sys/ipc.h>

enum { SYSV_MOST = 128 }; /* objects of one kind: also what /proc/sys/kernel/{sem,msgmni} say */

/* The beginning of a semaphore set and of a queue. Counted: the table holds one reference, each sleeping call another.
 */
struct sysv_object {
    uint32_t references;
    bool removed; /* IPC_RMID: who sleeps on it gets EIDRM */
    int id;
    key_t key;
    uint32_t mode, uid, gid, creator_uid, creator_gid;
    int64_t changed; /* seconds */
    struct waitq wait;
    void (*release)(struct sysv_object *o);
};

struct sysv_table {
    struct sysv_object *slot[SYSV_MOST];
    uint16_t sequence[SYSV_MOST];
    int count, highest; /* highest: slots ever used */
};

struct sysv_undo;
struct sysv {
    struct sysv_table semaphores, queues;
    struct sysv_undo *undo; /* SEM_UNDO of all processes */
};

struct sysv *sysv_of(struct world *w); /* made on first use; NULL: out of memory */
/* semget(2), msgget(2): the id, or -errno; `make` makes a new object when that is what key and flags ask for. */
int64_t sysv_get(struct call *c, struct sysv_table *t, key_t key, int flags,
                 struct sysv_object *(*make)(struct call *c, int *error),
                 int (*check)(struct call *c, struct sysv_object *o));
struct sysv_object *sysv_find(struct sysv_table *t, int id); /* NULL: EINVAL */
void sysv_remove(struct sysv_table *t, struct sysv_object *o);
void sysv_put(struct sysv_object *o);
enum { SYSV_READ = 4, SYSV_WRITE = 2 };
bool sysv_may(const struct sysv_object *o, struct call *c, uint32_t wanted);
bool sysv_owns(const struct sysv_object *o, struct call *c); /* IPC_SET, IPC_RMID */
void sysv_fill(const struct sysv_object *o, struct ipc_perm *out);
void sysv_set(struct call *c, struct sysv_object *o, const struct ipc_perm *from); /* IPC_SET */
int64_t sysv_seconds(const struct call *c);

void semaphores_undo(struct sysv *s, struct process *p); /* a process ended */

#endif
