/* A process's descriptors: small integers naming open file descriptions. Shared by CLONE_FILES, copied by fork(2).
 *
 * owner, of POSIX locks: in Linux it is the table itself (fl_owner is the files_struct), so that tasks which share
 * descriptors share locks. Callers pass the table, here and to lock_set; fdtable_put and fdtable_replace do so too. */
#ifndef VFS_FDTABLE_H
#define VFS_FDTABLE_H

#include "vfs/vfs.h"

struct fdtable;

struct fdtable *fdtable_new(uint32_t limit);               /* limit: RLIMIT_NOFILE soft: EMFILE at it */
struct fdtable *fdtable_copy(const struct fdtable *t);     /* fork(2): every description gets one more reference */
void fdtable_get(struct fdtable *t);                       /* CLONE_FILES */
void fdtable_put(struct fdtable *t);                       /* the last one closes everything */
bool fdtable_shared(const struct fdtable *t);              /* more than one task has it */
void fdtable_set_limit(struct fdtable *t, uint32_t limit); /* descriptors above stay */
bool fdtable_full(const struct fdtable *t);                /* the next descriptor would be EMFILE */
uint32_t fdtable_count(const struct fdtable *t);           /* open descriptors */

/* Borrowed: valid until the descriptor is closed; take file_get to keep it across a block. NULL: EBADF. */
struct file *fdtable_file(const struct fdtable *t, int fd);
/* Installs at the lowest free number >= minimum, taking the caller's reference over. Returns it or -EMFILE/-EINVAL/-ENOMEM
 * (then the reference stays the caller's). */
int fdtable_install(struct fdtable *t, struct file *f, int minimum, bool cloexec);
/* dup2/dup3: closes what was at fd; takes the reference over. -EBADF beyond the limit. */
int fdtable_replace(struct fdtable *t, int fd, struct file *f, bool cloexec);
/* owner: who closes, for POSIX locks (see above). 0 or -EBADF. */
int fdtable_close(struct fdtable *t, int fd, void *owner);
int fdtable_close_range(struct fdtable *t, uint32_t first, uint32_t last, bool only_mark_cloexec, void *owner);
void fdtable_close_on_exec(struct fdtable *t, void *owner);
bool fdtable_cloexec(const struct fdtable *t, int fd);
int fdtable_set_cloexec(struct fdtable *t, int fd, bool on);
int fdtable_next(const struct fdtable *t, int fd); /* the lowest open descriptor >= fd, or -1: for /proc/PID/fd */

#endif
