/* The seccomp program: what the kernel answers itself, and what stops for the supervisor. Compiled by libseccomp from the
 * table of calls and the policy; ahead, for most policies (supervisor/seccomp_program.h). */
#ifndef SUPERVISOR_FILTER_H
#define SUPERVISOR_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

struct policy;

/* The guest's program: RET_TRACE, with NOTICE_MARK where a notice will do
 * (supervisor/notice.h), for every call but those that only touch the caller's own memory or ask its own state (by
 * argument; none with `trap: all`, and none a rule of the policy speaks of). Foreign ABIs (int 0x80, x32) get RET_TRAP: a SIGSYS,
 * at which the supervisor counts and refuses them. out->filter is malloc'ed. 0 or -errno. */
int filter_guest(const struct policy *p, struct sock_fprog *out);
/* The same, compiled in any case. */
int filter_compile(const struct policy *p, struct sock_fprog *out);

#endif
