/* Programs of seccomp(2) as libseccomp compiles them, ahead where they are always the same: compiling takes longer than anything else that
 * comes before the guest's first instruction. tools/seccomp_table.c makes the table when terrarium is built, with the very functions that
 * compile at run time whatever is not in it (a policy with rules of calls that the kernel would answer, a real network). */
#ifndef SUPERVISOR_SECCOMP_PROGRAM_H
#define SUPERVISOR_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <seccomp.h>

enum seccomp_known {
    SECCOMP_GUEST,          /* filter_guest of a policy without rules */
    SECCOMP_GUEST_TRAP_ALL, /* with `trap: all` */
    SECCOMP_SUPERVISOR,     /* confine_program: no export, no connector */
    SECCOMP_SUPERVISOR_EXPORTING,
    SECCOMP_KNOWN_COUNT,
};

/* Of no instructions where the machine that built has a libseccomp or kernel that could not compile it. */
extern const struct sock_fprog seccomp_known[SECCOMP_KNOWN_COUNT];

/* A copy of one of them, to be freed. 0, or -ENOENT: it is not known; -ENOMEM. */
int seccomp_program_known(enum seccomp_known which, struct sock_fprog *out);
/* What ctx says, compiled; out->filter is malloc'ed. 0 or -errno. */
int seccomp_program_export(scmp_filter_ctx ctx, struct sock_fprog *out);

#endif
