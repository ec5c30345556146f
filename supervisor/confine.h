/* The supervisor confines itself before the guest's first instruction: it parses hostile input in C, and what it no longer
 * needs it gives up. docs/security.md says what is left to whoever takes it over. */
#ifndef SUPERVISOR_CONFINE_H
#define SUPERVISOR_CONFINE_H

#include "supervisor/supervisor.h"

#include <linux/filter.h>

struct confinement { /* what took effect, for the report */
    bool seccomp, no_new_privs, no_capabilities, not_dumpable;
    int landlock_abi; /* 0: the kernel has none */
};

/* Before the guest's first process is made: Landlock lets a process trace only what is in its own domain or below, so the guest
 * must inherit it. writable: a host directory or file that an export will be written to after the run, or NULL. Where the kernel has
 * no Landlock nothing happens. */
void confine_files(const char *writable, struct confinement *done);
/* A second thread (supervisor/worker.h), of itself: it has no use for capabilities. The seccomp program of confine_self goes for it too. */
void confine_thread(void);
/* After it was made: everything else. writes: an export will be written. connector: who makes the connections of `forward:` rules
 * (supervisor/connector.h), or -1. 0, or -1 with *e filled: without the seccomp program
 * nothing is run. */
int confine_self(bool writes, int connector, struct confinement *done, struct run_error *e);
/* The seccomp program of the latter, compiled; out->filter is malloc'ed. 0 or -errno. */
int confine_program(bool writes, int connector, struct sock_fprog *out);

#endif
