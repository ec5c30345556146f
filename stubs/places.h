/* What the stubs of the file calls share: arguments that are places, descriptors that become files. */
#ifndef STUBS_PLACES_H
#define STUBS_PLACES_H

#include "kernel/call.h"
#include "kernel/world.h"

enum { NO_DIRFD = -1 };

/* The path in argument `path`, and where it starts: at the descriptor in argument `dirfd`, or (NO_DIRFD) at the working
 * directory. An absolute path does not look at the descriptor, as Linux. 0, -EFAULT, -ENAMETOOLONG, -EBADF, -ENOTDIR.
 */
int path_argument(struct call *c, int dirfd, int path, struct place *at, const char **text);
/* AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH as walk flags. */
unsigned walk_flags(uint64_t at_flags);
/* The file that "" with AT_EMPTY_PATH means, also one without a dentry (a pipe); NULL: the path is not of that form. A
 * NULL pointer counts as "" (since Linux 6.11). *error: -EBADF when there is no such descriptor. */
struct file *empty_path_file(struct call *c, int dirfd, int path, uint64_t at_flags, int *error);
/* A descriptor argument that is to be acted on: NULL for a closed one and for O_PATH (open(2)): EBADF. */
struct file *file_argument(struct call *c, int i);
/* The place of an open file, for path calls with "" and WALK_EMPTY_PATH. -EINVAL for one without a dentry. */
int file_place(struct call *c, struct file *f, struct place *at);
/* A new descriptor for f, whose reference is taken over, also on failure. */
int64_t install_file(struct call *c, struct file *f, int minimum, bool cloexec);
/* rw_verify_area (fs/read_write.c): no transfer goes beyond the last offset, whatever the file would take. position: NULL for the file's
 * own. 0 or -EINVAL. */
int check_area(const struct file *f, const uint64_t *position, uint64_t n);
/* RLIMIT_FSIZE (getrlimit(2)): how much of n bytes may be written at `position` of f (UINT64_MAX: where write(2)
 * would). 0, and *n lowered, or -EFBIG with SIGXFSZ sent. */
int file_size_limit(struct call *c, struct file *f, uint64_t position, size_t *n);
/* As the kernel does for a write into a pipe without readers. Returns -EPIPE. */
int64_t broken_pipe(struct call *c);
/* True when the task's effective set holds the capability. */
bool capable(struct call *c, int capability);
static inline bool nonblocking(const struct file *f);
bool is_regular(struct file *f);

#include <fcntl.h>
static inline bool nonblocking(const struct file *f)
{
    return f->flags & O_NONBLOCK;
}

#endif
