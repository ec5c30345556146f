/* Which python3 of the host runs, and which directories are its own tree. */
#ifndef SUPERVISOR_INTERPRETER_H
#define SUPERVISOR_INTERPRETER_H

#include "supervisor/supervisor.h"

enum { INTERPRETER_TREES = 4 };

struct interpreter {
    char *path;                    /* absolute host path, as asked for (a venv's link stays one) */
    char *tree[INTERPRETER_TREES]; /* host directories to mount at the same place; malloc'ed */
    int trees;
};

/* asked: policy->python or NULL (the first python3 on the caller's PATH that is a program and no script). 0, or -1 with *e. */
int interpreter_find(const char *asked, struct interpreter *out, struct run_error *e);
void interpreter_free(struct interpreter *i);

#endif
