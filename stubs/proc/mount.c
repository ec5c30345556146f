/* The roots of /proc and /sys, and how /proc/PID is found. */
#include "stubs/proc/proc.h"

#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int64_t proc_number(const char *name)
{
    int64_t n = 0;
    if (!*name || (name[0] == '0' && name[1]))
        return -1;
    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        n = n * 10 + (*name - '0');
        if (n > INT_MAX)
            return -1;
    }
    return n;
}

/* ---- whom a directory is about ---- */

static struct process *process_shown(struct world *w, int32_t pid)
{
    return pid == w->reaper.pid ? &w->reaper : process_find(w, pid);
}

bool subject_of(const struct synthetic *s, struct subject *out)
{
    int32_t id = (int32_t)s->key;
    out->world = s->world;
    if (s->key & PROC_TASK) {
        out->task = task_find(out->world, id);
        out->process = out->task ? out->task->process : NULL;
        return out->task != NULL;
    }
    out->process = process_shown(out->world, id);
    out->task = out->process && !out->process->zombie ? out->process->threads : NULL;
    if (out->task && out->task->state == TASK_DEAD) /* a leader that ended before its threads */
        for (struct task *t = out->task; t; t = t->next_thread)
            if (t->state != TASK_DEAD)
                out->task = t;
    return out->process != NULL;
}

bool subject_open_to(const struct subject *s, const struct cred *c)
{
    if (c->capabilities >> CAP_SYS_PTRACE & 1)
        return true;
    if (!s->task || (s->world->current && s->world->current->process == s->process))
        return s->task != NULL;
    const struct cred *theirs = &s->task->cred;
    return s->task->dumpable && c->fsuid == theirs->uid && c->fsuid == theirs->euid && c->fsuid == theirs->suid &&
           c->fsgid == theirs->gid && c->fsgid == theirs->egid && c->fsgid == theirs->sgid;
}

void subject_owner(const struct synthetic *s, uint32_t *uid, uint32_t *gid)
{
    struct subject who;
    *uid = *gid = 0;
    if (subject_of(s, &who) && who.task && who.task->dumpable) {
        *uid = who.task->cred.euid;
        *gid = who.task->cred.egid;
    }
}

char subject_state(const struct subject *s)
{
    if (!s->task)
        return s->process->zombie ? 'Z' : 'S';
    if (s->process->stopped)
        return 'T';
    return s->task->state == TASK_READY ? 'R' : 'S';
}

struct dentry *caller_root(const struct synthetic *s)
{
    struct world *w = s->world;
    return w->current && w->current->fs ? w->current->fs->root : vfs_root(w->vfs);
}

/* ---- /proc/PID and /proc/PID/task/TID ---- */

static const struct synthetic_entry process_directory = {
    .name = "", .mode = S_IFDIR | 0555, .children = proc_process_entries, .owner = subject_owner};

int proc_pidfd(const struct file *f, struct process **p)
{
    struct synthetic s;
    if (synthetic_entry_of(f, &s) != &process_directory)
        return -EBADF;
    *p = process_find(s.world, (int32_t)s.key);
    return 0;
}

static int pid_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                      const struct synthetic_entry **entry)
{
    int64_t pid = proc_number(name);
    if (pid <= 0)
        return -ENOENT;
    struct process *p = process_shown(s->world, (int32_t)pid);
    struct task *t = p ? NULL : task_find(s->world, (int32_t)pid); /* a tid leads to its process too, unlisted */
    if (!p && !t)
        return -ENOENT;
    child->key = p ? (uint64_t)pid : (uint64_t)t->process->pid;
    *entry = &process_directory;
    return 0;
}

static int pid_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    const struct world *w = s->world;
    for (const struct process *p = &w->reaper; p; p = p == &w->reaper ? w->processes : p->next) {
        if ((uint64_t)p->pid < *at)
            continue;
        *at = (uint64_t)p->pid;
        snprintf(name, n, "%d", p->pid);
        *mode = S_IFDIR | 0555;
        return 0;
    }
    return -ENOENT;
}

static ssize_t self_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    const struct world *w = s->world;
    return w->current ? snprintf(buf, n, "%d", w->current->process->pid) : -ENOENT;
}

static ssize_t thread_self_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    const struct world *w = s->world;
    return w->current ? snprintf(buf, n, "%d/task/%d", w->current->process->pid, w->current->tid) : -ENOENT;
}

static ssize_t mounts_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return snprintf(buf, n, "self/mounts");
}

static ssize_t net_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return snprintf(buf, n, "self/net");
}

#define TEXT(file, function)                                                                                           \
    {                                                                                                                  \
        .name = file, .mode = S_IFREG | 0444, .text = function                                                         \
    }
#define LINK(file, function)                                                                                           \
    {                                                                                                                  \
        .name = file, .mode = S_IFLNK | 0777, .link = function                                                         \
    }
static const struct synthetic_entry root_entries[] = {
    LINK("self", self_link),
    LINK("thread-self", thread_self_link),
    LINK("mounts", mounts_link),
    LINK("net", net_link),
    TEXT("version", proc_version),
    TEXT("uptime", proc_uptime),
    TEXT("loadavg", proc_loadavg),
    TEXT("meminfo", proc_meminfo),
    TEXT("cpuinfo", proc_cpuinfo),
    TEXT("stat", proc_system_stat),
    TEXT("filesystems", proc_filesystems),
    TEXT("cmdline", proc_kernel_cmdline),
    TEXT("swaps", proc_swaps),
    TEXT("vmstat", proc_vmstat),
    TEXT("partitions", proc_partitions),
    TEXT("diskstats", proc_empty),
    TEXT("devices", proc_devices),
    TEXT("modules", proc_empty),
    {.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sysctl_entries},
    {.name = NULL},
};

static const struct synthetic_entry root = {
    .name = "", .mode = S_IFDIR | 0555, .children = root_entries, .lookup = pid_lookup, .list = pid_list};
static const struct synthetic_entry sys_root = {.name = "", .mode = S_IFDIR | 0555, .children = proc_sys_root};

static int mount_tree(struct world *w, const char *at, const char *type, const struct synthetic_entry *tree, char *why,
                      size_t n)
{
    struct fs *fs = synthetic_fs_new(w->vfs, type, w, tree);
    if (!fs) {
        snprintf(why, n, "cannot make %s: out of memory", at);
        return -ENOMEM;
    }
    return vfs_mount_fs(w->vfs, at, fs, why, n);
}

int proc_mount(struct world *w, char *why, size_t n)
{
    int error = mount_tree(w, "/proc", "proc", &root, why, n);
    return error ? error : mount_tree(w, "/sys", "sysfs", &sys_root, why, n);
}
