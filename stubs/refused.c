/* What this world does not do, said as an unprivileged container would say it.
 *
 * EPERM: the call exists and needs a privilege that nobody in the world has, root included, as Docker's capability set
 * and default seccomp profile leave it: mounts, modules, clocks' hardware, swap, reboot, kexec, handles, quotas, bpf,
 * perf; and, as with Yama's strictest scope, whatever looks into another process: ptrace, process_vm_readv, kcmp,
 * pidfd_getfd. ENOSYS: the kernel was built without it, or it is one of the interfaces a container platform answers so;
 * programs then take the way they took before it was there (io_uring and AIO: read and write; keyctl: no kernel
 * keyring; rseq; clone3: clone; seccomp: none, since the guest's rules would stand beside the supervisor's …). io_uring
 * and AIO in particular would act on descriptors and memory behind the world's back. */
#include "stubs/stubs.h"

int64_t stub_refused(struct call *c)
{
    return -EPERM;
}

int64_t stub_absent(struct call *c)
{
    return -ENOSYS;
}

/* name_to_handle_at(2): a filesystem that gives no handles. */
int64_t stub_no_handles(struct call *c)
{
    return -EOPNOTSUPP;
}

/* restart_syscall(2), when there is nothing to restart (kernel/signal.c, do_no_restart_syscall). */
int64_t stub_interrupted(struct call *c)
{
    return -EINTR;
}
