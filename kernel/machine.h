/* What holds the guest, as the kernel objects and the stubs see it: memory, and the few things only a real kernel can do.
 * The supervisor implements it with ptrace; a replay implements it from a record; unit tests with an array.
 *
 * Exactly one task of a world runs at a time, so between a trap and the resume every task is stopped and no guest memory
 * changes: that is what makes one copy enough. */
#ifndef KERNEL_MACHINE_H
#define KERNEL_MACHINE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct task;
struct process;
struct world;
struct file;
struct exec_arguments;
struct file_mapping;
struct rlimit64;

/* One mapping of a task's memory, as the guest may see it. */
struct memory_map {
    uint64_t start, end;
    int protection; /* PROT_* */
    bool shared;
    bool backed;     /* by a file, of whatever kind: not anonymous memory */
    bool cached;     /* by a file of the host: which of its pages are in memory is a matter of the host's page cache */
    uint64_t offset; /* in the file */
    uint32_t dev_major, dev_minor;
    uint64_t ino;      /* of the world's file; 0: none */
    uint64_t resident; /* bytes in memory that the guest made; filled only when asked for */
    const char *name;  /* the guest's path, "[heap]", "[stack]", or "" */
};

struct machine {
    /* Guest memory of the task's address space. Bytes copied; short at the first bad page; -EFAULT when none. */
    ssize_t (*read)(struct task *t, uint64_t address, void *to, size_t n);
    ssize_t (*write)(struct task *t, uint64_t address, const void *from, size_t n);
    /* Run one system call of the kernel's in the task, which is at a trap, with exactly these arguments. Its result. */
    int64_t (*native)(struct task *t, long nr, const uint64_t arguments[6]);
    /* Map a stretch of an open file, as file_map described it, into the task. Result of mmap(2). m->key names the file for the cache
     * of descriptors already handed over. */
    int64_t (*map)(struct task *t, uint64_t address, uint64_t length, int protection, int flags,
                   const struct file_mapping *m, struct file *f);
    /* A new task by clone(2) in `parent`, whose child end is `child` (already in the tables). 0 or -errno. */
    int (*clone)(struct task *parent, struct task *child, uint64_t flags, uint64_t stack, uint64_t tls);
    /* Replace the program of the task's process: see kernel/exec.h. The other threads are gone when it returns. 0 or -errno
     * before the point of no return; after it a failure kills the process. */
    int (*exec)(struct task *t, struct file *program, const char *path, struct exec_arguments *arguments);
    void (*exit)(struct task *t, int status, bool group); /* the task will run exit or exit_group when it is resumed */
    void (*kill)(struct process *p);                      /* SIGKILL, at once */
    /* The thread's blocked set, and a real signal as a bell: the task stops for it when it may be delivered. task NULL: for
     * whichever thread of the process unblocks it. */
    uint64_t (*blocked)(struct task *t);
    void (*set_blocked)(struct task *t, uint64_t mask);
    void (*ring)(struct process *p, struct task *t, int signal);
    /* The interrupted call ends with the mask `temporary` in force until a handler ran: sigsuspend(2), ppoll(2) … */
    void (*suspend_with)(struct task *t, uint64_t temporary);
    /* A resource limit that only the real kernel can hold the process to: RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU; and RLIMIT_STACK, when the
     * process raised its own: its initial stack may grow further from now on. 0 or -errno. */
    int (*limit)(struct process *p, int resource, const struct rlimit64 *limit);
    /* Real CPU time used, ns. */
    int64_t (*cpu_time)(struct process *p);
    /* Every mapping of the task's memory by address; `each` returning nonzero stops, and is returned. Shows nothing of the
     * supervisor's own. 0 or -errno. with_resident: fill `resident`, which costs a walk of the page tables. May be NULL. */
    int (*maps)(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m),
                void *context);
    uint64_t (*resident)(struct task *t); /* bytes of its own in memory, without files'; may be NULL */
    /* Asked again and again while a call moves much of the guest's memory: has a limit ended the run meanwhile? Then the rest need not be
     * moved, for the guest will not see it. May be NULL. */
    bool (*over)(struct task *t);
    /* Register contents for /proc and diagnostics. */
    uint64_t (*instruction)(struct task *t);
    uint64_t (*stack)(struct task *t);
};

#endif
