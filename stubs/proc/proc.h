/* /proc and /sys of the world (proc(5), sysfs(5)): a tree of synthetic files whose every value comes from the world.
 * The host's /proc is never read here.
 *
 * mount.c the trees' roots; system.c what concerns the whole world; sysctl.c /proc/sys; net.c /proc/net; process.c and
 * status.c the texts of /proc/PID; memory.c its maps; links.c its links and descriptors; sys.c /sys. */
#ifndef STUBS_PROC_PROC_H
#define STUBS_PROC_PROC_H

#include "kernel/world.h"
#include "vfs/synthetic.h"

/* Mounts /proc and /sys. 0 or -errno with one sentence in why. After the world's policy, clock and vfs are there. */
int proc_mount(struct world *w, char *why, size_t n);

/* /proc/PID, opened, stands for its process like a pidfd (pidfd_send_signal(2)): 0 and *p, NULL when it ended; -EBADF: another
 * file. */
int proc_pidfd(const struct file *f, struct process **p);

/* ---- inside the folder ---- */

/* Whom a directory below /proc is about. The key of /proc/PID is the pid; of /proc/PID/task/TID it is the tid and
 * PROC_TASK. */
#define PROC_TASK (UINT64_C(1) << 32)
struct subject {
    struct world *world;
    struct process *process;
    struct task *task; /* the thread, or the leader; NULL: a zombie, or the world's reaper */
};
bool subject_of(const struct synthetic *s, struct subject *out); /* false: gone, ESRCH */
/* May someone with these credentials look into it (ptrace(2), "Ptrace access mode checking")? */
bool subject_open_to(const struct subject *s, const struct cred *c);
void subject_owner(const struct synthetic *s, uint32_t *uid, uint32_t *gid);
char subject_state(const struct subject *s);           /* R, S, T, Z */
struct dentry *caller_root(const struct synthetic *s); /* the asking process's root directory */

enum { PROC_TICKS = 100 }; /* USER_HZ: clock ticks a second */

/* What the memory files add up. Bytes. */
struct memory_use {
    uint64_t size, resident, text, data, stack, shared_files;
};
void memory_use(const struct subject *s, struct memory_use *out);

extern const struct synthetic_entry proc_process_entries[]; /* /proc/PID */
extern const struct synthetic_entry proc_task_entries[];    /* /proc/PID/task/TID */
extern const struct synthetic_entry proc_sysctl_entries[];  /* /proc/sys */
extern const struct synthetic_entry proc_net_entries[];     /* /proc/net */
extern const struct synthetic_entry proc_ns_entries[];      /* /proc/PID/ns */
extern const struct synthetic_entry proc_sys_root[];        /* /sys */

typedef int proc_text(const struct synthetic *s, const struct cred *c, struct text *out);
proc_text proc_stat, proc_statm, proc_status, proc_maps, proc_smaps, proc_smaps_rollup, proc_mounts, proc_mountinfo,
    proc_mountstats, proc_limits, proc_version, proc_uptime, proc_loadavg, proc_meminfo, proc_cpuinfo, proc_system_stat,
    proc_filesystems, proc_kernel_cmdline, proc_swaps, proc_vmstat, proc_partitions, proc_devices, proc_empty,
    proc_fdinfo;

/* /proc/PID/{cwd,root,exe} and fd/ */
int proc_cwd(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file);
int proc_root(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file);
int proc_exe(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file);
ssize_t proc_cwd_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n);
ssize_t proc_root_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n);
ssize_t proc_exe_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n);
int proc_fd_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                   const struct synthetic_entry **entry);
int proc_fdinfo_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                       const struct synthetic_entry **entry);
int proc_fd_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode);
int proc_fdinfo_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode);

/* A name that is a number, without sign or leading zeros: -1 if it is none. */
int64_t proc_number(const char *name);

#endif
