/* Executing a program of the VFS by name, without a guest that asked: how a world's first program starts. */
#ifndef STUBS_EXEC_H
#define STUBS_EXEC_H

#include "kernel/world.h"

/* As execve(2) by task t, from `at`; `#!` is followed. Takes arguments' bytes over and frees them. 0 or -errno. */
int exec_start(struct task *t, const struct place *at, const char *path, struct exec_arguments *arguments);

#endif
