/* The links of /proc/PID: cwd, root, exe, the open descriptors, and the namespaces (proc(5)). The ones to files are
 * magic: a walk goes to the object itself, whatever path leads there now. */
#include "stubs/proc/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int subject_for_links(const struct synthetic *s, const struct cred *c, struct subject *who)
{
    if (!subject_of(s, who))
        return -ESRCH;
    return subject_open_to(who, c) ? 0 : -EACCES;
}

/* ---- places ---- */

enum place_kind { WORKING, ROOT, PROGRAM };

static int place_of(const struct synthetic *s, const struct cred *c, enum place_kind kind, struct dentry **out)
{
    struct subject who;
    int error = subject_for_links(s, c, &who);
    if (error)
        return error;
    *out = NULL;
    if (kind == PROGRAM)
        *out = who.process->program_dentry;
    else if (who.task && who.task->fs)
        *out = kind == WORKING ? who.task->fs->cwd : who.task->fs->root;
    return *out ? 0 : -ENOENT;
}

static int place_magic(const struct synthetic *s, const struct cred *c, enum place_kind kind, struct dentry **to)
{
    int error = place_of(s, c, kind, to);
    if (!error)
        dentry_get(*to);
    return error;
}

static ssize_t place_link(const struct synthetic *s, const struct cred *c, enum place_kind kind, char *buf, size_t n)
{
    struct dentry *d;
    int error = place_of(s, c, kind, &d);
    return error ? error : dentry_path(d, caller_root(s), buf, n);
}

#define PLACE(name, kind)                                                                                              \
    int proc_##name(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file)      \
    {                                                                                                                  \
        return place_magic(s, c, kind, to);                                                                            \
    }                                                                                                                  \
    ssize_t proc_##name##_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)                   \
    {                                                                                                                  \
        return place_link(s, c, kind, buf, n);                                                                         \
    }
PLACE(cwd, WORKING)
PLACE(root, ROOT)
PLACE(exe, PROGRAM)

/* ---- descriptors: the second key is the number ---- */

static int descriptor(const struct synthetic *s, const struct cred *c, struct subject *who, struct file **f)
{
    int error = subject_for_links(s, c, who);
    if (error)
        return error;
    *f = who->task && who->task->fds ? fdtable_file(who->task->fds, (int)s->key2) : NULL;
    return *f ? 0 : -ENOENT;
}

static int fd_magic(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file)
{
    struct subject who;
    struct file *f;
    int error = descriptor(s, c, &who, &f);
    if (error)
        return error;
    if (f->dentry) {
        dentry_get(f->dentry);
        *to = f->dentry;
    } else {
        file_get(f);
        *open_file = f;
    }
    return 0;
}

static ssize_t fd_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    struct subject who;
    struct file *f;
    int error = descriptor(s, c, &who, &f);
    return error ? error : file_name(f, caller_root(s), buf, n);
}

/* The link's own mode says how the descriptor is open. */
static const struct synthetic_entry fd_entry[] = {
    [O_RDONLY] = {.name = "", .mode = S_IFLNK | 0500, .link = fd_link, .magic = fd_magic, .owner = subject_owner},
    [O_WRONLY] = {.name = "", .mode = S_IFLNK | 0300, .link = fd_link, .magic = fd_magic, .owner = subject_owner},
    [O_RDWR] = {.name = "", .mode = S_IFLNK | 0700, .link = fd_link, .magic = fd_magic, .owner = subject_owner},
    [O_ACCMODE] = {.name = "", .mode = S_IFLNK | 0700, .link = fd_link, .magic = fd_magic, .owner = subject_owner},
};
static const struct synthetic_entry fdinfo_entry = {
    .name = "", .mode = S_IFREG | 0400, .text = proc_fdinfo, .owner = subject_owner};

static int find_descriptor(const struct synthetic *s, const char *name, struct synthetic *child, struct file **f)
{
    struct subject who;
    int64_t fd = proc_number(name);
    if (fd < 0 || !subject_of(s, &who) || !who.task || !who.task->fds)
        return -ENOENT;
    *f = fdtable_file(who.task->fds, (int)fd);
    if (!*f)
        return -ENOENT;
    child->key2 = (uint64_t)fd;
    return 0;
}

int proc_fd_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                   const struct synthetic_entry **entry)
{
    struct file *f;
    int error = find_descriptor(s, name, child, &f);
    if (!error)
        *entry = &fd_entry[f->flags & O_ACCMODE];
    return error;
}

int proc_fdinfo_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                       const struct synthetic_entry **entry)
{
    struct file *f;
    int error = find_descriptor(s, name, child, &f);
    if (!error)
        *entry = &fdinfo_entry;
    return error;
}

static int list_descriptors(const struct synthetic *s, uint64_t *at, char *name, size_t n)
{
    struct subject who;
    if (!subject_of(s, &who) || !who.task || !who.task->fds || *at > INT_MAX)
        return -ENOENT;
    int fd = fdtable_next(who.task->fds, (int)*at);
    if (fd < 0)
        return -ENOENT;
    *at = (uint64_t)fd;
    snprintf(name, n, "%d", fd);
    return 0;
}

int proc_fd_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    *mode = S_IFLNK | 0700;
    return list_descriptors(s, at, name, n);
}

int proc_fdinfo_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    *mode = S_IFREG | 0400;
    return list_descriptors(s, at, name, n);
}

int proc_fdinfo(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    struct file *f;
    struct statx st = {0};
    int error = descriptor(s, c, &who, &f);
    if (error)
        return error;
    file_stat(f, &st);
    bool cloexec = fdtable_cloexec(who.task->fds, (int)s->key2);
    text_printf(out, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%llu\nino:\t%llu\n", (unsigned long long)f->position,
                (unsigned)(f->flags | (cloexec ? O_CLOEXEC : 0)), (unsigned long long)st.stx_mnt_id,
                (unsigned long long)st.stx_ino);
    return 0;
}

/* ---- ns/: one of each, the world's ---- */

#define NAMESPACE(kind, number)                                                                                        \
    static ssize_t ns_##kind(const struct synthetic *s, const struct cred *c, char *buf, size_t n)                     \
    {                                                                                                                  \
        return snprintf(buf, n, #kind ":[%u]", number);                                                                \
    }
NAMESPACE(cgroup, 4026531835u)
NAMESPACE(ipc, 4026531839u)
NAMESPACE(mnt, 4026531841u)
NAMESPACE(net, 4026531840u)
NAMESPACE(pid, 4026531836u)
NAMESPACE(time, 4026531834u)
NAMESPACE(user, 4026531837u)
NAMESPACE(uts, 4026531838u)
#define NS(kind)                                                                                                       \
    {                                                                                                                  \
        .name = #kind, .mode = S_IFLNK | 0777, .link = ns_##kind                                                       \
    }
const struct synthetic_entry proc_ns_entries[] = {
    NS(cgroup), NS(ipc), NS(mnt), NS(net), NS(pid), NS(time), NS(user), NS(uts), {.name = NULL},
};
