/* What the machine tells of a task's memory, for files of /proc: it is of the host's kernel (how it merges neighbours, whether there is a
 * /proc to look at), so a record keeps it, and a replay gives it again. */
#ifndef KERNEL_MAPPINGS_H
#define KERNEL_MAPPINGS_H

#include "kernel/world.h"

/* As struct machine's maps: every mapping by address; `each` returning nonzero stops, and is returned. 0 or -errno. */
int mappings_each(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m),
                  void *context);
/* Bytes of its own that the task's address space has in memory; without a machine that knows, `otherwise`. */
uint64_t mappings_resident(struct task *t, uint64_t otherwise);

#endif
