/* A program of the world that no guest asked for: the far side of a connection, as the policy says (`program:`, `serve:`). */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include "kernel/world.h"

/* Starts arguments[0] (looked for along the guest's PATH) as the policy's user, in its working directory, with `end` as stdin
 * and stdout and the caller's stderr; end NULL: with /dev/null and stderr. Its parent is the world's reaper. The real process
 * is cloned from the task whose call is being answered. 0 or -errno. */
int spawn_program(struct world *w, char *const *arguments, struct file *end);

#endif
