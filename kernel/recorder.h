/* Who is told of everything that happens in a world, when somebody is: world->recorder, NULL when nobody is (then each of
 * these costs one comparison). supervisor/recording.c makes a record of it (trace/record.h); a replay compares it.
 *
 * All are called while every task of the world is stopped, in the order in which things happen, and may not change the
 * world but by world_end(). Pointers are good during the call alone. */
#ifndef KERNEL_RECORDER_H
#define KERNEL_RECORDER_H

#include "kernel/world.h"

enum told { TOLD_CPU, TOLD_TSC, TOLD_RESIDENT }; /* CPU time of a process; the clock at an RDTSC; bytes in memory */

struct recorder {
    /* A call was asked for; it is now c->recorded's to keep what belongs to it until `ended`. */
    void (*asked)(struct recorder *r, struct call *c);
    /* The call read (written: wrote) guest memory: these bytes, of its own task. Runs of a blocking stub read again. */
    void (*memory)(struct recorder *r, struct call *c, bool written, uint64_t address, const void *bytes, size_t n);
    /* What the call writes to the guest from now on are the bytes of f from `position` on. f NULL: no longer. */
    void (*source)(struct recorder *r, struct call *c, struct file *f, uint64_t position);
    void (*descriptor)(struct recorder *r, struct call *c, int fd,
                       struct file *f); /* the call looked at fd, which is f */
    void (*decided)(struct recorder *r, struct call *c, const struct policy_rule *rule);
    void (*blocked)(struct recorder *r, struct call *c);
    /* result: what the guest gets, -CALL_RESTART_* when a signal decides that; CALL_GONE; CALL_NATIVE: it is not seen.
     * native: the kernel ran it on the guest's own memory, or will when the task goes on. */
    void (*ended)(struct recorder *r, struct call *c, int64_t result, bool native);
    /* Memory of a task written outside of a call of its own: clear_child_tid, a robust list. */
    void (*wrote)(struct recorder *r, struct task *t, uint64_t address, const void *bytes, size_t n);
    void (*mapped)(struct recorder *r, struct task *t, struct file *f, uint64_t offset, uint64_t length);
    void (*signalled)(struct recorder *r, struct task *t, const siginfo_t *info); /* it is delivered now */
    void (*born)(struct recorder *r, struct task *child, const struct task *parent,
                 uint64_t flags); /* parent NULL: the world */
    void (*executed)(struct recorder *r, struct task *t, const char *program);
    void (*died)(struct recorder *r, struct task *t, int status, bool last); /* last: its process is over */
    void (*picked)(struct recorder *r, struct task *t, uint64_t slice);
    void (*stream)(struct recorder *r, int number, const void *bytes, size_t n);
    void (*real)(struct recorder *r,
                 const char *what);    /* something of the outside came in; what: as for world_not_reproducible */
    void (*waits)(struct recorder *r); /* for the outside, in real time: what was told so far should be safe */
    void (*jumped)(struct recorder *r, int64_t from); /* the clock, while all slept */
    /* Something came of a real connection (network/forward.h says what). */
    void (*forwarded)(struct recorder *r, uint32_t number, uint32_t what, uint64_t value, const void *bytes, size_t n);
    void (*outside)(struct recorder *r, int signal); /* of whoever called terrarium: it is sent to the guest now */
    void (*told)(struct recorder *r, enum told what,
                 int64_t value); /* the machine told the guest a number: clock: real, or of memory */
    /* The machine told of mappings (kernel/mappings.c): these lines; more: and those of the next. */
    void (*mappings)(struct recorder *r, bool more, const char *lines, size_t n);
    void (*ready)(struct recorder *r, int stream, uint32_t events); /* poll(2) says something new of it */
};

/* record(w, picked, t, slice) */
#define record(world, what, ...)                                                                                       \
    do {                                                                                                               \
        struct recorder *recorder_ = (world)->recorder;                                                                \
        if (__builtin_expect(recorder_ != NULL, 0))                                                                    \
            recorder_->what(recorder_, ##__VA_ARGS__);                                                                 \
    } while (0)

#endif
