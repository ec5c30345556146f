/* The guest's seccomp program (seccomp(2)), by libseccomp. Its rules read registers only, never memory, so there is nothing
 * to race against. */
#include "supervisor/filter.h"

#include "kernel/world.h"
#include "policy/policy.h"
#include "supervisor/glass/glass.h"
#include "supervisor/notice.h"
#include "supervisor/seccomp_program.h"

#include <asm/prctl.h>
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* mmap's flags: what must be read to know that it maps private anonymous memory wherever the kernel likes. Fixed
 * addresses are trapped: one could lie over the glass page, or over a shared mapping the supervisor keeps account of. */
enum {
    MMAP_ASKED = MAP_TYPE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_LOCKED |
                 MAP_32BIT,
    MMAP_GRANTED = MAP_PRIVATE | MAP_ANONYMOUS,
};

/* Advice that changes nothing but the caller's own pages. */
static const int harmless_advice[] = {MADV_NORMAL, MADV_RANDOM,   MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
                                      MADV_FREE,   MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP};

/* What the kernel answers, by argument. Every pointer argument must lie above the glass pages. */
static int allow_by_argument(scmp_filter_ctx ctx, int nr)
{
    const struct scmp_arg_cmp above = SCMP_A0(SCMP_CMP_GE, GLASS_END);
    int error = 0;
    switch (nr) {
    case SYS_mmap: /* but for an arena of CPython's small objects: mm_populate */
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 2, SCMP_A1(SCMP_CMP_NE, MM_ARENA),
                                SCMP_A3(SCMP_CMP_MASKED_EQ, MMAP_ASKED, MMAP_GRANTED));
    case SYS_munmap:
    case SYS_mprotect:
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, above);
    case SYS_madvise:
        for (size_t i = 0; error == 0 && i < sizeof harmless_advice / sizeof *harmless_advice; i++)
            error =
                seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 2, above, SCMP_A2(SCMP_CMP_EQ, (uint64_t)harmless_advice[i]));
        return error;
    case SYS_rt_sigaction: /* a question */
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A1(SCMP_CMP_EQ, 0));
    case SYS_arch_prctl:
        error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_EQ, ARCH_SET_FS));
        return error != 0 ? error : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_EQ, ARCH_GET_FS));
    default:
        return 0;
    }
}

static int add_rules(scmp_filter_ctx ctx, const struct policy *p)
{
    for (int nr = 0; nr < SYSENT_COUNT; nr++) {
        const struct sysent *entry = sysent_get((uint64_t)nr);
        if (entry == NULL || entry->kernel == KERNEL_TRAP)
            continue;
        int error = 0;
        if (entry->kernel == KERNEL_NOTICE)
            error = seccomp_rule_add(ctx, SCMP_ACT_TRACE(NOTICE_MARK), nr, 0);
        else if (!p->trap_all && !policy_has_rules(p, nr))
            error = entry->kernel == KERNEL_ALLOW ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0)
                                                  : allow_by_argument(ctx, nr);
        if (error < 0)
            return error;
    }
    return 0;
}

int filter_compile(const struct policy *p, struct sock_fprog *out)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRACE(0));
    if (ctx == NULL)
        return -ENOMEM;
    int error = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
    if (error == 0)
        error = add_rules(ctx, p);
    if (error == 0)
        error = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree of numbers, not a list */
    if (error == 0)
        error = seccomp_program_export(ctx, out);
    seccomp_release(ctx);
    return error;
}

/* Whether a rule speaks of a call that the kernel would answer. */
static bool rules_matter(const struct policy *p)
{
    for (int nr = 0; nr < SYSENT_COUNT; nr++) {
        const struct sysent *entry = sysent_get((uint64_t)nr);
        if (entry != NULL && entry->kernel != KERNEL_TRAP && entry->kernel != KERNEL_NOTICE && policy_has_rules(p, nr))
            return true;
    }
    return false;
}

int filter_guest(const struct policy *p, struct sock_fprog *out)
{
    int error = -ENOENT;
    if (p->trap_all)
        error = seccomp_program_known(SECCOMP_GUEST_TRAP_ALL, out);
    else if (!rules_matter(p))
        error = seccomp_program_known(SECCOMP_GUEST, out);
    return error == -ENOENT ? filter_compile(p, out) : error;
}
