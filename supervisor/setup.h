/* What stands in the world before the first program runs: its tree, its user, its first process. */
#ifndef SUPERVISOR_SETUP_H
#define SUPERVISOR_SETUP_H

#include "kernel/world.h"
#include "supervisor/supervisor.h"

struct bundle; /* supervisor/bundle.h; NULL: nothing is recorded */

/* The tree: the interpreter's own (host, read-only), a made-up /etc, memory directories, proc and dev, then what the policy says,
 * then the script. *program is the guest path to execute (malloc'ed). contents: whose authority the world trusts
 * (network/content.h); NULL: none. 0, or -1 with *e filled. */
struct contents;
struct view;
struct view *setup_view(struct bundle *bundle,
                        const struct run_request *r); /* who stands between the run and the host */
int setup_tree(struct world *w, const struct run_request *r, struct contents *contents, struct bundle *bundle,
               char **program, struct run_error *e);
/* The first process, its user, descriptors 0 to 2, working directory. */
int setup_first(struct world *w, const struct run_request *r, struct bundle *bundle, struct task **first,
                struct run_error *e);
/* The files that the policy calls secret, by ino: the guest may rename them. Looked for in every run, as looking makes nodes, and a run that
 * is recorded must be the run that is not. */
struct secrets {
    uint64_t *ino; /* owned */
    size_t count;
};
int setup_secrets(struct world *w, struct secrets *out, struct run_error *e); /* 0, or -1 with *e filled */
/* argv and environment of the first program. */
int setup_arguments(const struct world *w, const struct run_request *r, const char *program,
                    struct exec_arguments *out);

/* The guest path of a program named without a slash, along the guest's PATH; malloc'ed; NULL: there is none. */
char *setup_find_program(struct world *w, const char *name);

#endif
