/* A program of the VFS into a clean address space: what the kernel's fs/binfmt_elf.c and fs/exec.c do. */
#ifndef SUPERVISOR_EXEC_H
#define SUPERVISOR_EXEC_H

#include "kernel/world.h"

/* machine->exec. `program` is an ELF file of the VFS, `path` what AT_EXECFN says. 0: the task stands at the new program's entry and
 * has a new mm. -errno: nothing happened. -ESRCH: past the point of no return it failed, and the process was killed. */
int exec_program(struct task *t, struct file *program, const char *path, struct exec_arguments *arguments);

#endif
