/* The directory /proc/PID: its table, the texts that are short, and the threads below task/ (proc(5)). */
#include "stubs/proc/proc.h"
#include "stubs/processes.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_CHUNK = 16 * 1024, ARGUMENTS_MOST = 2 * 1024 * 1024 };

/* ---- bytes of the process's own memory ---- */

static int guest_bytes(const struct subject *who, struct text *out, uint64_t start, uint64_t end)
{
    char bytes[READ_CHUNK];
    if (!who->task || !who->task->mm || end <= start)
        return 0;
    if (end - start > ARGUMENTS_MOST)
        end = start + ARGUMENTS_MOST;
    while (start < end) {
        size_t want = end - start < sizeof bytes ? end - start : sizeof bytes;
        ssize_t got = who->world->machine->read(who->task, start, bytes, want);
        if (got <= 0)
            break;
        text_add(out, bytes, (size_t)got);
        start += (uint64_t)got;
    }
    return 0;
}

static int cmdline(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (who.process == &who.world->reaper)
        text_add(out, "/sbin/init", sizeof "/sbin/init");
    return who.task && who.task->mm ? guest_bytes(&who, out, who.task->mm->arg_start, who.task->mm->arg_end) : 0;
}

static int environ_text(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (!subject_open_to(&who, c))
        return -EACCES;
    return who.task && who.task->mm ? guest_bytes(&who, out, who.task->mm->env_start, who.task->mm->env_end) : 0;
}

static int auxv(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (!subject_open_to(&who, c))
        return -EACCES;
    if (who.task && who.task->mm)
        text_add(out, who.task->mm->auxv, who.task->mm->auxv_words * sizeof who.task->mm->auxv[0]);
    return 0;
}

/* /proc/PID/mem: no process of the world reads or writes another's memory, nor its own, past the mapped protections. */
static int mem_open(const struct synthetic *s, struct vfs *v, int flags, const struct cred *c, struct file **out)
{
    return -EACCES;
}

/* ---- short texts ---- */

static int comm(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    text_printf(out, "%.15s\n", who.task ? who.task->comm : who.process->pid == 1 ? "init" : "");
    return 0;
}

static ssize_t comm_store(const struct synthetic *s, const struct cred *c, const char *bytes, size_t n)
{
    struct subject who;
    if (!subject_of(s, &who) || !who.task)
        return -ESRCH;
    if (!who.world->current || who.world->current->process != who.process)
        return -EINVAL;
    size_t length = strnlen(bytes, n < sizeof who.task->comm - 1 ? n : sizeof who.task->comm - 1);
    memset(who.task->comm, 0, sizeof who.task->comm);
    memcpy(who.task->comm, bytes, length);
    return (ssize_t)n;
}

static int oom_adjust(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    text_printf(out, "%d\n", who.process->oom_score_adj);
    return 0;
}

static ssize_t oom_adjust_store(const struct synthetic *s, const struct cred *c, const char *bytes, size_t n)
{
    struct subject who;
    char text[16];
    char *end;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (n == 0 || n >= sizeof text)
        return -EINVAL;
    memcpy(text, bytes, n);
    text[n] = '\0';
    long value = strtol(text, &end, 10);
    if (end == text || (*end && *end != '\n') || value < -1000 || value > 1000)
        return -EINVAL;
    if (value < who.process->oom_score_adj && !(c->capabilities >> CAP_SYS_RESOURCE & 1))
        return -EACCES;
    who.process->oom_score_adj = (int32_t)value;
    return (ssize_t)n;
}

static int cgroup(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "0::/\n");
    return 0;
}

static int zero(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "0\n");
    return 0;
}

static int wchan(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "0");
    return 0;
}

/* What auditing calls "not set". */
static int unset_id(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "4294967295");
    return 0;
}

static int personality(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (!subject_open_to(&who, c))
        return -EPERM;
    text_printf(out, "%08llx\n", (unsigned long long)who.process->personality);
    return 0;
}

static int io(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (!subject_open_to(&who, c))
        return -EACCES;
    text_printf(out,
                "rchar: 0\nwchar: 0\nsyscr: %llu\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
                "cancelled_write_bytes: 0\n",
                (unsigned long long)(who.task ? who.task->calls : 0));
    return 0;
}

static int schedstat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    text_printf(out, "%lld 0 %llu\n", (long long)(who.task ? who.task->cpu : 0),
                (unsigned long long)(who.task ? who.task->calls : 0));
    return 0;
}

static int id_map(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "%10u %10u %10u\n", 0u, 0u, 4294967295u);
    return 0;
}

static int setgroups_text(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "allow\n");
    return 0;
}

static int root_cpuset(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "/\n");
    return 0;
}

static int coredump_filter(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "00000033\n");
    return 0;
}

static int children(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    if (!subject_of(s, &who))
        return -ESRCH;
    if (who.task == who.process->threads)
        for (const struct process *p = who.world->processes; p; p = p->next)
            if (p->pid != who.process->pid && parent_pid(p) == who.process->pid)
                text_printf(out, "%d ", p->pid);
    return 0;
}

/* ---- task/ ---- */

static const struct synthetic_entry task_directory = {
    .name = "", .mode = S_IFDIR | 0555, .children = proc_task_entries, .owner = subject_owner};

static int task_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                       const struct synthetic_entry **entry)
{
    struct subject who;
    int64_t tid = proc_number(name);
    if (tid <= 0 || !subject_of(s, &who))
        return -ENOENT;
    struct task *t = task_find(who.world, (int32_t)tid);
    if (!t || t->process != who.process)
        return -ENOENT;
    child->key = (uint64_t)tid | PROC_TASK;
    *entry = &task_directory;
    return 0;
}

/* By tid: threads that come and go move no other. */
static int task_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    struct subject who;
    const struct task *next = NULL;
    if (!subject_of(s, &who))
        return -ENOENT;
    for (const struct task *t = who.process->threads; t; t = t->next_thread)
        if (t->state != TASK_DEAD && (uint64_t)t->tid >= *at && (!next || t->tid < next->tid))
            next = t;
    if (!next)
        return -ENOENT;
    *at = (uint64_t)next->tid;
    snprintf(name, n, "%d", next->tid);
    *mode = S_IFDIR | 0555;
    return 0;
}

/* ---- the tables ---- */

#define TEXT(file, bits, function)                                                                                     \
    {                                                                                                                  \
        .name = file, .mode = S_IFREG | (bits), .text = function, .owner = subject_owner                               \
    }
#define LINK(file, text_function, magic_function)                                                                      \
    {                                                                                                                  \
        .name = file, .mode = S_IFLNK | 0777, .link = text_function, .magic = magic_function, .owner = subject_owner   \
    }
/* What a process and each of its threads have alike. */
#define COMMON                                                                                                         \
    TEXT("cmdline", 0444, cmdline), TEXT("environ", 0400, environ_text), TEXT("auxv", 0400, auxv),                     \
        {.name = "comm", .mode = S_IFREG | 0644, .text = comm, .store = comm_store, .owner = subject_owner},           \
        {.name = "mem", .mode = S_IFREG | 0600, .open = mem_open, .owner = subject_owner},                             \
        LINK("cwd", proc_cwd_link, proc_cwd), LINK("root", proc_root_link, proc_root),                                 \
        LINK("exe", proc_exe_link, proc_exe),                                                                          \
        {.name = "fd",                                                                                                 \
         .mode = S_IFDIR | 0500,                                                                                       \
         .lookup = proc_fd_lookup,                                                                                     \
         .list = proc_fd_list,                                                                                         \
         .owner = subject_owner},                                                                                      \
        {.name = "fdinfo",                                                                                             \
         .mode = S_IFDIR | 0555,                                                                                       \
         .lookup = proc_fdinfo_lookup,                                                                                 \
         .list = proc_fdinfo_list,                                                                                     \
         .owner = subject_owner},                                                                                      \
        {.name = "ns", .mode = S_IFDIR | 0511, .children = proc_ns_entries, .owner = subject_owner},                   \
        {.name = "net", .mode = S_IFDIR | 0555, .children = proc_net_entries, .owner = subject_owner},                 \
        TEXT("maps", 0444, proc_maps), TEXT("smaps", 0444, proc_smaps), TEXT("stat", 0444, proc_stat),                 \
        TEXT("statm", 0444, proc_statm), TEXT("status", 0444, proc_status), TEXT("limits", 0444, proc_limits),         \
        TEXT("mounts", 0444, proc_mounts), TEXT("mountinfo", 0444, proc_mountinfo), TEXT("cgroup", 0444, cgroup),      \
        TEXT("io", 0400, io), TEXT("wchan", 0444, wchan), TEXT("personality", 0400, personality),                      \
        TEXT("schedstat", 0444, schedstat), TEXT("oom_score", 0444, zero),                                             \
        {.name = "oom_score_adj",                                                                                      \
         .mode = S_IFREG | 0644,                                                                                       \
         .text = oom_adjust,                                                                                           \
         .store = oom_adjust_store,                                                                                    \
         .owner = subject_owner},                                                                                      \
        TEXT("loginuid", 0644, unset_id), TEXT("sessionid", 0444, unset_id), TEXT("cpuset", 0444, root_cpuset),        \
        TEXT("uid_map", 0444, id_map), TEXT("gid_map", 0444, id_map), TEXT("setgroups", 0444, setgroups_text),         \
        TEXT("smaps_rollup", 0444, proc_smaps_rollup)

const struct synthetic_entry proc_process_entries[] = {
    COMMON,
    TEXT("mountstats", 0400, proc_mountstats),
    TEXT("coredump_filter", 0644, coredump_filter),
    {.name = "task", .mode = S_IFDIR | 0555, .lookup = task_lookup, .list = task_list, .owner = subject_owner},
    {.name = NULL},
};
const struct synthetic_entry proc_task_entries[] = {
    COMMON,
    TEXT("children", 0444, children),
    {.name = NULL},
};
