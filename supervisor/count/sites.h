/* Where an interpreter's code looks at its eval breaker: the word that CPython's evaluation loop reads on every backward jump and at
 * every call, to learn whether a signal came or another thread wants the interpreter's lock.
 *
 * Nothing about a version or a build is known here. The word is learned from the file: it is what three public functions of every
 * CPython write (PyErr_SetInterrupt, Py_AddPendingCall and PyThreadState_SetAsyncExc: each asks the loop to stop and look) and
 * what the loop loads, tests and branches on. Only its place in a structure is learned, so a load of another structure's
 * field at the same place may be counted with it: the count has that many more steps then, and is as exact. */
#ifndef SUPERVISOR_COUNT_SITES_H
#define SUPERVISOR_COUNT_SITES_H

#include "supervisor/count/code_file.h"

enum { SITES_MAX = 160, SITE_BYTES_MAX = 32, SITE_JUMP = 5 };

struct
    code_site { /* whole instructions, no branch among them, into the middle of which nothing jumps; the flags are dead before them */
    uint64_t address; /* as in the file */
    uint8_t length;   /* bytes, at least SITE_JUMP */
    uint8_t bytes[SITE_BYTES_MAX];
    uint8_t relative_at; /* where in them a displacement from rip stands, of 32 bits; 0: nowhere */
};

struct code_sites {
    int32_t displacement; /* of the word in its structure */
    uint8_t size;         /* bytes of the load */
    uint32_t count;
    uint32_t refused;                 /* checks that cannot be replaced safely */
    struct code_site site[SITES_MAX]; /* ascending */
};

/* 0; -ENOENT: the file is no CPython; -ENOTSUP: it is, and its checks are not understood; -E2BIG: it says it is, and would take
 * longer to look at than any; -ELIBACC: Zydis is not where it was;
 * -ENOMEM. */
int sites_learn(struct code_file *f, struct code_sites *out);

#endif
