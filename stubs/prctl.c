/* prctl(2), arch_prctl(2), personality(2): what a task may ask about itself.
 *
 * Refused: what would act behind the world's back. PR_SET_TSC would let the guest read the host's time stamp counter;
 * PR_SET_SECCOMP would put a program of the guest's beside the supervisor's, and the kernel takes the stricter of both,
 * also where the supervisor must see a call. */
#include "stubs/stubs.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>

/* ---- arch_prctl -------------------------------------------------------------------------------------------------- */

/* A kernel without CET answers EINVAL to everything else (arch/x86/kernel/process_64.c). */
int64_t stub_arch_prctl(struct call *c)
{
    switch ((int)c->arg[0]) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
    case ARCH_GET_FS: /* the kernel writes where the guest said: its own memory, nothing was judged by it */
    case ARCH_GET_GS:
        return CALL_NATIVE;
    default:
        return -EINVAL;
    }
}
