/* /proc/PID/stat, statm, status and limits: what ps(1), top(1) and psutil read (proc(5)). */
#include "stubs/memory_lock.h"
#include "stubs/proc/proc.h"
#include "stubs/processes.h"

#include <string.h>
#include <sys/mman.h>

enum { NS_PER_TICK = 1000000000 / PROC_TICKS, PAGE = 4096, TTY_NUMBER = 136 << 8 };

static long long ticks(int64_t ns)
{
    return ns / NS_PER_TICK;
}

/* The handlers as masks. */
static void handler_masks(const struct process *p, uint64_t *ignored, uint64_t *caught)
{
    *ignored = *caught = 0;
    for (int n = 1; n <= SIGNALS && p->handlers; n++) {
        uint64_t handler = p->handlers->action[n].handler;
        if (handler == 1)
            *ignored |= SIGNAL_BIT(n);
        else if (handler != 0)
            *caught |= SIGNAL_BIT(n);
    }
}

static uint64_t blocked_mask(const struct subject *who)
{
    return who->task && who->task->state != TASK_DEAD ? who->world->machine->blocked(who->task) : 0;
}

static const char *comm_of(const struct subject *who)
{
    return who->task ? who->task->comm : who->process->pid == 1 ? "init" : "exited";
}

static int32_t id_of(const struct subject *who, const struct synthetic *s)
{
    return s->key & PROC_TASK && who->task ? who->task->tid : who->process->pid;
}

int proc_stat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    struct memory_use use = {0};
    uint64_t ignored, caught;
    if (!subject_of(s, &who))
        return -ESRCH;
    const struct process *p = who.process;
    const struct mm *mm = who.task ? who.task->mm : NULL;
    bool see = subject_open_to(&who, c);
    int64_t cpu = s->key & PROC_TASK && who.task ? who.task->cpu : process_cpu(p);
    long long start = ticks(p->start_time + who.world->clock.boot);
    handler_masks(p, &ignored, &caught);
    memory_use(&who, &use);
    text_printf(out, "%d (%.15s) %c %d %d %d %d %d 4194304 0 0 0 0 %lld 0 %lld 0 %d %d %u 0 %lld %llu %llu %llu ",
                id_of(&who, s), comm_of(&who), subject_state(&who), parent_pid(p), p->pgid, p->sid,
                p->tty ? TTY_NUMBER : 0, p->tty ? p->pgid : -1, ticks(cpu), ticks(p->children_cpu), 20 + p->nice,
                p->nice, p->thread_count, start, (unsigned long long)use.size,
                (unsigned long long)(use.resident / PAGE), (unsigned long long)p->limits[RLIMIT_RSS].rlim_cur);
    text_printf(out, "%llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0 %d 0 0 0 0 0 0 ",
                (unsigned long long)(mm && see ? mm->text_start : 0),
                (unsigned long long)(mm && see ? mm->text_end : 0), (unsigned long long)(mm && see ? mm->stack_top : 0),
                (unsigned long long)(who.task ? signal_pending(who.task) & 0x7fffffff : 0),
                (unsigned long long)(blocked_mask(&who) & 0x7fffffff), (unsigned long long)(ignored & 0x7fffffff),
                (unsigned long long)(caught & 0x7fffffff), p->exit_signal);
    text_printf(out, "%llu %llu %llu %llu %llu %llu %llu %d\n", 0ull, 0ull,
                (unsigned long long)(mm && see ? mm->brk_start : 0),
                (unsigned long long)(mm && see ? mm->arg_start : 0), (unsigned long long)(mm && see ? mm->arg_end : 0),
                (unsigned long long)(mm && see ? mm->env_start : 0), (unsigned long long)(mm && see ? mm->env_end : 0),
                see && p->zombie ? p->wait_status : 0);
    return 0;
}

int proc_statm(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    struct memory_use use = {0};
    if (!subject_of(s, &who))
        return -ESRCH;
    memory_use(&who, &use);
    text_printf(out, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(use.size / PAGE),
                (unsigned long long)(use.resident / PAGE), (unsigned long long)(use.shared_files / PAGE),
                (unsigned long long)(use.text / PAGE), (unsigned long long)((use.data + use.stack) / PAGE));
    return 0;
}

static const char *state_words(char state)
{
    switch (state) {
    case 'R':
        return "R (running)";
    case 'T':
        return "T (stopped)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "S (sleeping)";
    }
}

static void memory_lines(const struct subject *who, struct text *out)
{
    struct memory_use use = {0};
    if (!who->task || !who->task->mm)
        return;
    memory_use(who, &use);
    const struct {
        const char *name;
        uint64_t bytes;
    } lines[] = {
        {"VmPeak", use.size},
        {"VmSize", use.size},
        {"VmLck", memory_locked(who->task->mm)},
        {"VmPin", 0},
        {"VmHWM", use.resident},
        {"VmRSS", use.resident},
        {"RssAnon", use.resident},
        {"RssFile", 0},
        {"RssShmem", 0},
        {"VmData", use.data},
        {"VmStk", use.stack},
        {"VmExe", use.text},
        {"VmLib", 0},
        {"VmPTE", 0},
        {"VmSwap", 0},
        {"HugetlbPages", 0},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        text_printf(out, "%s:\t%8llu kB\n", lines[i].name, (unsigned long long)(lines[i].bytes / 1024));
}

int proc_status(const struct synthetic *s, const struct cred *c, struct text *out)
{
    static const struct cred nobody;
    struct subject who;
    uint64_t ignored, caught;
    if (!subject_of(s, &who))
        return -ESRCH;
    const struct process *p = who.process;
    const struct cred *cred = who.task ? &who.task->cred : &nobody;
    int32_t id = id_of(&who, s);
    text_printf(out, "Name:\t%.15s\n", comm_of(&who));
    if (who.task && who.task->fs)
        text_printf(out, "Umask:\t%04o\n", who.task->fs->umask);
    text_printf(out, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
                state_words(subject_state(&who)), p->pid, id, parent_pid(p));
    text_printf(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\nGroups:\t", cred->uid, cred->euid,
                cred->suid, cred->fsuid, cred->gid, cred->egid, cred->sgid, cred->fsgid,
                who.task && who.task->fds ? (fdtable_count(who.task->fds) + 63) / 64 * 64 : 0);
    for (uint32_t i = 0; i < cred->ngroups; i++)
        text_printf(out, "%u ", cred->groups[i]);
    text_printf(out, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->pid, id, p->pgid, p->sid);
    memory_lines(&who, out);
    text_printf(out, "CoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t%u\n", p->thread_count);
    handler_masks(p, &ignored, &caught);
    text_printf(
        out, "SigQ:\t%u/%u\nSigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
        p->signals.count, (unsigned)SIGNAL_QUEUE_MAX, (unsigned long long)(who.task ? who.task->signals.pending : 0),
        (unsigned long long)p->signals.pending, (unsigned long long)blocked_mask(&who), (unsigned long long)ignored,
        (unsigned long long)caught);
    text_printf(out, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n",
                (unsigned long long)cred->inheritable, (unsigned long long)cred->permitted,
                (unsigned long long)cred->capabilities, (unsigned long long)cred->bounding,
                (unsigned long long)cred->ambient);
    text_printf(out,
                "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable\n"
                "SpeculationIndirectBranch:\talways enabled\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n"
                "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%llu\n"
                "nonvoluntary_ctxt_switches:\t0\n",
                who.task && who.task->no_new_privs, (unsigned long long)(who.task ? who.task->calls : 0));
    return 0;
}

/* Names and units as fs/proc/base.c says them. */
static const struct {
    const char *name, *unit;
    int resource;
} limit_lines[] = {
    {"Max cpu time", "seconds", RLIMIT_CPU},         {"Max file size", "bytes", RLIMIT_FSIZE},
    {"Max data size", "bytes", RLIMIT_DATA},         {"Max stack size", "bytes", RLIMIT_STACK},
    {"Max core file size", "bytes", RLIMIT_CORE},    {"Max resident set", "bytes", RLIMIT_RSS},
    {"Max processes", "processes", RLIMIT_NPROC},    {"Max open files", "files", RLIMIT_NOFILE},
    {"Max locked memory", "bytes", RLIMIT_MEMLOCK},  {"Max address space", "bytes", RLIMIT_AS},
    {"Max file locks", "locks", RLIMIT_LOCKS},       {"Max pending signals", "signals", RLIMIT_SIGPENDING},
    {"Max msgqueue size", "bytes", RLIMIT_MSGQUEUE}, {"Max nice priority", "", RLIMIT_NICE},
    {"Max realtime priority", "", RLIMIT_RTPRIO},    {"Max realtime timeout", "us", RLIMIT_RTTIME},
};

int proc_limits(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    text_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (size_t i = 0; i < sizeof limit_lines / sizeof limit_lines[0]; i++) {
        const struct rlimit64 *l = &who.process->limits[limit_lines[i].resource];
        text_printf(out, "%-25s ", limit_lines[i].name);
        for (int hard = 0; hard < 2; hard++) {
            uint64_t value = hard ? l->rlim_max : l->rlim_cur;
            if (value == RLIM64_INFINITY)
                text_printf(out, "%-20s ", "unlimited");
            else
                text_printf(out, "%-20llu ", (unsigned long long)value);
        }
        text_printf(out, "%-10s\n", limit_lines[i].unit);
    }
    return 0;
}
