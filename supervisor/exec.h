/* A program of the VFS into a clean address space: what the kernel's fs/binfmt_elf.c and fs/exec.c do. */
#ifndef SUPERVISOR_EXEC_H
#define SUPERVISOR_EXEC_H

#include "kernel/world.h"

/* The kernel gives mmap(2) the highest hole below a base that it randomises unless personality(2) forbids it, which not every
 * container lets us say. So everything from here to the stack is taken by one mapping that cannot be touched, and the
 * highest hole ends here in every run, on every machine: below the lowest base there is (arch/x86/mm/mmap.c: 16 TiB of chance, and
 * the stack's 16 GiB). */
#define EXEC_MMAP_TOP UINT64_C(0x6f0000000000)
/* Bytes that the kernel counts against RLIMIT_AS or RLIMIT_DATA and would not natively: the reservation above the program, and of the
 * stack what a native one grows into by and by. */
uint64_t exec_uncounted(const struct mm *m, int resource);

/* The task is in a call that changed its process's RLIMIT_STACK: room for the initial stack up to it, if there is less. 0; -ENOMEM: something
 * of the guest's own is in the way, as natively it would be, or the host's /proc, which tells, is not mounted. */
int exec_raise_stack(struct task *t);

/* machine->exec. `program` is an ELF file of the VFS, `path` what AT_EXECFN says. 0: the task stands at the new program's entry and
 * has a new mm. -errno: nothing happened. -ESRCH: past the point of no return it failed, and the process was killed. */
int exec_program(struct task *t, struct file *program, const char *path, struct exec_arguments *arguments);

#endif
