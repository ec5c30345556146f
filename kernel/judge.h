/* What the policy says of a call, with its paths resolved as the call itself would resolve them. */
#ifndef KERNEL_JUDGE_H
#define KERNEL_JUDGE_H

#include "kernel/call.h"

#include <linux/openat2.h>

struct policy;

/* Whether a rule may speak of this call. */
bool judge_concerns(const struct policy *p, uint64_t nr);
/* Asks the policy. True: *result is the answer, the stub is not run. Records denials, says the first of each on stderr
 * if the world is verbose. */
bool judge_call(struct call *c, int64_t *result);

/* The absolute path, in the world's tree, that `path` leads to from `at`: what a rule's glob is matched against.
 * Symlinks,
 * "..", magic links are resolved as the call would; what does not exist (yet) is appended by name to the last directory
 * that does, through a final symlink that dangles. 0, or -ENAMETOOLONG, -ENOMEM: the caller must refuse. */
enum { JUDGE_PATH_ROOM = 2 * VFS_PATH_MAX };
int judge_path(const struct place *at, const char *path, unsigned walk_flags, char *buf, size_t n);

/* openat2's struct, copied in once per call and kept in c->keep. 0, -EFAULT, -E2BIG, -EINVAL. */
int call_open_how(struct call *c, uint64_t address, uint64_t size, struct open_how *how);

#endif
