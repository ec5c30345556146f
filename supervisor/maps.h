/* Which mapping of the guest's memory is which file of the world: for /proc/PID/maps. */
#ifndef SUPERVISOR_MAPS_H
#define SUPERVISOR_MAPS_H

#include "supervisor/tracee.h"

/* A file's descriptor was handed to the guest: remember its name in the world by what the host calls it. */
void maps_remember(struct holder *h, const struct file_mapping *m, struct file *f, const struct dentry *root);
void maps_forget_all(struct holder *h);

/* Whether all of [start, end) is what keeps the kernel from choosing (supervisor/exec.h). False without /proc on the host. */
bool maps_reserved(const struct task *t, uint64_t start, uint64_t end);

/* machine->maps and machine->resident. Without /proc on the host: -ENOSYS and 0. */
int maps_each(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m),
              void *context);
uint64_t maps_resident(struct task *t);

#endif
