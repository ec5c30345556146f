/* The Python stack of every thread of a guest process that stands still, read from its memory; nothing is run in it. */
#ifndef SUPERVISOR_INSPECT_PYTHON_STACK_H
#define SUPERVISOR_INSPECT_PYTHON_STACK_H

#include "kernel/world.h"

#include <stdio.h>

/* Every process of the world, its threads, innermost call first. */
void python_stacks(struct world *w, FILE *out);

#endif
