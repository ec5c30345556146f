/* prctl(2), arch_prctl(2), personality(2): what a task may ask about itself.
 *
 * Refused: what would act behind the world's back. PR_SET_SECCOMP and PR_SET_SYSCALL_USER_DISPATCH would put rules of
 * the guest's beside the supervisor's, PR_SET_TSC would undo that its clock is the world's, PR_SET_MM would move what
 * /proc tells. Each answers as a kernel that was built without it, or without the privilege, so that programs go on. */
#include "stubs/stubs.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

enum { DEFAULT_SLACK = 50000, ALL_SECUREBITS = SECURE_ALL_BITS | SECURE_ALL_LOCKS };

typedef int64_t (*option_function)(struct call *c);

static bool capable(const struct call *c, int capability)
{
    return (c->task->cred.capabilities >> capability & 1) != 0;
}

static int64_t give_int(struct call *c, int32_t value)
{
    return call_write(c, c->arg[1], &value, sizeof value);
}

/* Many options want every argument they do not use to be 0. */
static bool unused(const struct call *c, int first)
{
    for (int i = first; i < 5; i++)
        if (c->arg[i] != 0)
            return false;
    return true;
}

static int64_t nothing(struct call *c)
{
    return 0;
}

static int64_t not_permitted(struct call *c)
{
    return -EPERM;
}

/* ---- names, signals, dumps --------------------------------------------------------------------------------------- */

static int64_t set_death_signal(struct call *c)
{
    if (c->arg[1] > SIGNALS)
        return -EINVAL;
    c->task->parent_death_signal = (int32_t)c->arg[1];
    return 0;
}

static int64_t get_death_signal(struct call *c)
{
    return give_int(c, c->task->parent_death_signal);
}

/* A property of the address space (kernel/sys.c: mm->flags). */
static int64_t set_dumpable(struct call *c)
{
    if (c->arg[1] > 1)
        return -EINVAL;
    for (struct task *t = c->task->process->threads; t != NULL; t = t->next_thread)
        t->dumpable = c->arg[1] != 0;
    return 0;
}

static int64_t get_dumpable(struct call *c)
{
    return c->task->dumpable;
}

static int64_t set_name(struct call *c)
{
    char name[sizeof c->task->comm] = "";
    ssize_t n = call_string(c, c->arg[1], name, sizeof name - 1, -ENAMETOOLONG);
    if (n < 0 && n != -ENAMETOOLONG) /* too long is cut */
        return n;
    name[sizeof name - 1] = '\0';
    memcpy(c->task->comm, name, sizeof name);
    return 0;
}

static int64_t get_name(struct call *c)
{
    return call_write(c, c->arg[1], c->task->comm, sizeof c->task->comm);
}

static int64_t set_subreaper(struct call *c)
{
    c->task->process->child_subreaper = c->arg[1] != 0;
    return 0;
}

static int64_t get_subreaper(struct call *c)
{
    return give_int(c, c->task->process->child_subreaper);
}

static int64_t set_timer_slack(struct call *c)
{
    c->task->timer_slack = (int64_t)c->arg[1] <= 0 ? DEFAULT_SLACK : c->arg[1];
    return 0;
}

static int64_t get_timer_slack(struct call *c)
{
    return (int64_t)c->task->timer_slack;
}

static int64_t get_tid_address(struct call *c)
{
    return call_write(c, c->arg[1], &c->task->clear_child_tid, sizeof c->task->clear_child_tid);
}

/* ---- privileges -------------------------------------------------------------------------------------------------- */

static int64_t set_no_new_privs(struct call *c)
{
    if (c->arg[1] != 1 || !unused(c, 2))
        return -EINVAL;
    c->task->no_new_privs = true;
    return 0;
}

static int64_t get_no_new_privs(struct call *c)
{
    return unused(c, 1) ? c->task->no_new_privs : -EINVAL;
}

static int64_t bounding_read(struct call *c)
{
    return c->arg[1] > CAP_LAST_CAP ? -EINVAL : (int64_t)(c->task->cred.bounding >> c->arg[1] & 1);
}

static int64_t bounding_drop(struct call *c)
{
    if (!capable(c, CAP_SETPCAP))
        return -EPERM;
    if (c->arg[1] > CAP_LAST_CAP)
        return -EINVAL;
    c->task->cred.bounding &= ~(UINT64_C(1) << c->arg[1]);
    return 0;
}

/* Locks and locked bits stay, a lock needs its bit's lock free: security/commoncap.c, cap_task_prctl. */
static int64_t set_securebits(struct call *c)
{
    struct cred *cred = &c->task->cred;
    uint64_t old = cred->securebits, new = c->arg[1], locks = old &SECURE_ALL_LOCKS;
    if ((locks >> 1 & (old ^ new)) != 0 || (locks & ~new) != 0 || (new & ~(uint64_t)ALL_SECUREBITS) != 0 ||
        !capable(c, CAP_SETPCAP))
        return -EPERM;
    cred->securebits = (uint32_t) new;
    return 0;
}

static int64_t get_securebits(struct call *c)
{
    return c->task->cred.securebits;
}

static int64_t set_keepcaps(struct call *c)
{
    struct cred *cred = &c->task->cred;
    if (c->arg[1] > 1)
        return -EINVAL;
    if ((cred->securebits & SECBIT_KEEP_CAPS_LOCKED) != 0)
        return -EPERM;
    cred->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
    cred->securebits |= c->arg[1] != 0 ? SECBIT_KEEP_CAPS : 0;
    return 0;
}

static int64_t get_keepcaps(struct call *c)
{
    return (c->task->cred.securebits & SECBIT_KEEP_CAPS) != 0;
}

static int64_t ambient(struct call *c)
{
    struct cred *cred = &c->task->cred;
    if (c->arg[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
        if (!unused(c, 2))
            return -EINVAL;
        cred->ambient = 0;
        return 0;
    }
    if (!unused(c, 3) || c->arg[2] > CAP_LAST_CAP)
        return -EINVAL;
    uint64_t bit = UINT64_C(1) << c->arg[2];
    switch (c->arg[1]) {
    case PR_CAP_AMBIENT_IS_SET:
        return (cred->ambient & bit) != 0;
    case PR_CAP_AMBIENT_RAISE:
        if ((cred->permitted & cred->inheritable & bit) == 0 || (cred->securebits & SECBIT_NO_CAP_AMBIENT_RAISE) != 0)
            return -EPERM;
        cred->ambient |= bit;
        return 0;
    case PR_CAP_AMBIENT_LOWER:
        cred->ambient &= ~bit;
        return 0;
    default:
        return -EINVAL;
    }
}

/* ---- the processor ----------------------------------------------------------------------------------------------- */

/* What RDTSC gives is the world's affair; to the guest it is an instruction that works. */
static int64_t get_tsc(struct call *c)
{
    return give_int(c, PR_TSC_ENABLE);
}

static int64_t set_tsc(struct call *c)
{
    return c->arg[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
}

/* Its own real pages, and nothing else. */
static int64_t huge_pages(struct call *c)
{
    return unused(c, c->arg[0] == PR_SET_THP_DISABLE ? 2 : 1) ? CALL_NATIVE : -EINVAL;
}

static int64_t memory_error(struct call *c)
{
    if (!unused(c, 3))
        return -EINVAL;
    if (c->arg[1] == PR_MCE_KILL_CLEAR)
        return c->arg[2] == 0 ? 0 : -EINVAL;
    return c->arg[1] == PR_MCE_KILL_SET && c->arg[2] <= PR_MCE_KILL_DEFAULT ? 0 : -EINVAL;
}

static int64_t get_memory_error(struct call *c)
{
    return unused(c, 1) ? PR_MCE_KILL_DEFAULT : -EINVAL;
}

static int64_t speculation(struct call *c)
{
    bool set = c->arg[0] == PR_SET_SPECULATION_CTRL;
    if (!unused(c, set ? 3 : 2))
        return -EINVAL;
    if (c->arg[1] > PR_SPEC_L1D_FLUSH)
        return -ENODEV;
    return set ? -ENXIO : PR_SPEC_NOT_AFFECTED;
}

static int64_t set_timing(struct call *c)
{
    return c->arg[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
}

static int64_t io_flusher(struct call *c)
{
    return capable(c, CAP_SYS_RESOURCE) ? -EINVAL : -EPERM;
}

/* ---- by number --------------------------------------------------------------------------------------------------- */

static const struct {
    int option;
    option_function answer;
} options[] = {
    /* EINVAL, by standing in no line: other machines' (FPEMU, FPEXC, ENDIAN, UNALIGN, FP_MODE, SVE, SME, PAC, tagged
     * addresses), MPX, SECCOMP, SYSCALL_USER_DISPATCH, SCHED_CORE, VMA names, and PR_SET_PTRACER (no Yama). */
    {PR_SET_PDEATHSIG, set_death_signal},
    {PR_GET_PDEATHSIG, get_death_signal},
    {PR_SET_DUMPABLE, set_dumpable},
    {PR_GET_DUMPABLE, get_dumpable},
    {PR_SET_NAME, set_name},
    {PR_GET_NAME, get_name},
    {PR_SET_CHILD_SUBREAPER, set_subreaper},
    {PR_GET_CHILD_SUBREAPER, get_subreaper},
    {PR_SET_TIMERSLACK, set_timer_slack},
    {PR_GET_TIMERSLACK, get_timer_slack},
    {PR_GET_TID_ADDRESS, get_tid_address},
    {PR_SET_NO_NEW_PRIVS, set_no_new_privs},
    {PR_GET_NO_NEW_PRIVS, get_no_new_privs},
    {PR_CAPBSET_READ, bounding_read},
    {PR_CAPBSET_DROP, bounding_drop},
    {PR_SET_SECUREBITS, set_securebits},
    {PR_GET_SECUREBITS, get_securebits},
    {PR_SET_KEEPCAPS, set_keepcaps},
    {PR_GET_KEEPCAPS, get_keepcaps},
    {PR_CAP_AMBIENT, ambient},
    {PR_GET_TSC, get_tsc},
    {PR_SET_TSC, set_tsc},
    {PR_SET_THP_DISABLE, huge_pages},
    {PR_GET_THP_DISABLE, huge_pages},
    {PR_MCE_KILL, memory_error},
    {PR_MCE_KILL_GET, get_memory_error},
    {PR_GET_SPECULATION_CTRL, speculation},
    {PR_SET_SPECULATION_CTRL, speculation},
    {PR_GET_TIMING, nothing},
    {PR_SET_TIMING, set_timing},
    {PR_TASK_PERF_EVENTS_DISABLE, nothing},
    {PR_TASK_PERF_EVENTS_ENABLE, nothing},
    {PR_SET_IO_FLUSHER, io_flusher},
    {PR_GET_IO_FLUSHER, io_flusher},
    {PR_SET_MM, not_permitted},
};

int64_t stub_prctl(struct call *c)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].option == (int)c->arg[0])
            return options[i].answer(c);
    return -EINVAL;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

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

/* Remembered, and told by uname(2). Addresses are the same in every run whatever it says of randomisation. */
int64_t stub_personality(struct call *c)
{
    struct process *p = c->task->process;
    uint32_t wanted = (uint32_t)c->arg[0];
    int64_t old = (int64_t)p->personality;
    if (wanted != UINT32_MAX)
        p->personality = wanted;
    return old;
}
