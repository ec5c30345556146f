/* Capability sets of the world's credentials. */
#ifndef STUBS_CREDENTIALS_H
#define STUBS_CREDENTIALS_H

#include "policy/policy.h"
#include "vfs/vfs.h"

#include <linux/capability.h>

#define ALL_CAPABILITIES ((UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1)

/* Of programs that no guest started: the policy's user. */
struct cred credentials_of_user(const struct policy *p);
/* What execve(2) makes of them, once the program's set-user-ID bits are in euid and egid. */
void credentials_execute(struct cred *c);

#endif
