/* Signals to the owner of a file: vfs_config.io_signal (vfs/vfs.h). */
#ifndef KERNEL_OWNER_H
#define KERNEL_OWNER_H

#include "vfs/vfs.h"

void owner_signal(void *world, const struct file *f, int fd, int reason);

#endif
