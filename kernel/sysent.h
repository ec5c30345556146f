/* The table of system calls as data (kernel/sysent.def): names, families, argument kinds. Knows no stub and no task,
 * so that policy/ and trace/ can read it. Model: strace's src/sysent.h. */
#ifndef KERNEL_SYSENT_H
#define KERNEL_SYSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYSENT_COUNT = 480, SYSENT_ARGUMENTS = 6 };

enum sysent_family {
    FAMILY_FILE,
    FAMILY_MEMORY,
    FAMILY_PROCESS,
    FAMILY_SIGNAL,
    FAMILY_TIME,
    FAMILY_NETWORK,
    FAMILY_IPC,
    FAMILY_POLL,
    FAMILY_SCHED,
    FAMILY_SYSTEM,
};

/* What the kernel has to do with the answer (see sysent.def). */
enum sysent_kernel { KERNEL_TRAP, KERNEL_NOTICE, KERNEL_BY_ARG, KERNEL_ALLOW };

enum argument_kind {
    ARG_NONE,
    ARG_INT,
    ARG_HEX,
    ARG_SIZE,
    ARG_OFFSET,
    ARG_ID,
    ARG_PID,
    ARG_FD,
    ARG_DIRFD,
    ARG_PATH, /* a path of the VFS: what `path:` of a policy rule is matched against, resolved */
    ARG_STR,  /* other text */
    ARG_PTR,
    ARG_ARGV,
    ARG_SOCKADDR,
    ARG_OPEN_FLAGS,
    ARG_AT_FLAGS,
    ARG_MODE,
    ARG_ACCESS_MODE,
    ARG_WHENCE,
    ARG_FCNTL,
    ARG_PROT,
    ARG_MAP_FLAGS,
    ARG_CLONE_FLAGS,
    ARG_SIGNAL,
    ARG_CLOCK,
    ARG_FUTEX_OP,
};

struct sysent {
    const char *name; /* NULL: no such number */
    const char *stub; /* the answering function's name without "stub_"; "NONE": ENOSYS */
    enum sysent_family family;
    enum sysent_kernel kernel;
    uint8_t argument_count;
    uint8_t argument[SYSENT_ARGUMENTS]; /* enum argument_kind */
};

const struct sysent *sysent_get(uint64_t nr); /* NULL: not a number of the table */
int sysent_number(const char *name);          /* -1: no such call */
/* The nearest existing name, for "did you mean"; NULL when nothing is near. */
const char *sysent_nearest(const char *name);
/* How many letters two words are apart (Levenshtein); 64 when either is longer than that. */
size_t sysent_distance(const char *a, const char *b);

#endif
