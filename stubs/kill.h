/* Sending signals on a program's behalf: what kill(2) and pidfd_send_signal(2) share. */
#ifndef STUBS_KILL_H
#define STUBS_KILL_H

#include "kernel/call.h"
#include "kernel/world.h"

/* kill(2)'s rules: 0, or -EPERM. signal 0 asks only. */
int may_signal(const struct call *c, const struct process *target, int signal);
/* Checks, then sends info->si_signo (0: nothing) to the process. 0, -EPERM, -EINVAL, -EAGAIN. */
int64_t send_checked(struct call *c, struct process *target, const siginfo_t *info);
/* A siginfo_t that the guest wrote, for `signal`. `self`: it is for the caller itself, who may say what it likes; to others
 * no code may claim to be the kernel's or kill(2)'s own. 0, -EFAULT, -EPERM. */
int read_siginfo(struct call *c, uint64_t address, int signal, bool self, siginfo_t *info);

#endif
