/* What python_stack.c (from _PyRuntime to frames) and python_locks.c (who holds what) share. Nobody else includes this. */
#ifndef SUPERVISOR_INSPECT_PYTHON_INNER_H
#define SUPERVISOR_INSPECT_PYTHON_INNER_H

#include "supervisor/inspect/python_layout.h"

#include <stdio.h>

enum { FRAMES_MOST = 1000 };

struct python {
    struct guest_memory memory;
    struct python_layout layout;
    uint64_t runtime, code_type;
    uint64_t method_type; /* PyCFunction_Type */
};

/* False: the process of t, which stands still, runs no Python that is known; why is then one of words. */
bool python_find(struct python *p, struct tracee *t, const char **why);
uint64_t python_first_frame(struct python *p, struct task *t,
                            const char **why);                      /* the innermost; 0: there is none, because … */
bool python_frame_is_code(struct python *p, uint64_t frame);        /* not one of the interpreter's own */
void python_put_frame(struct python *p, FILE *out, uint64_t frame); /* file:line  function */

#endif
