/* Patching an interpreter's text in a guest's memory as it is mapped. The file, and what a guest reads of it, stay as they are. */
#ifndef SUPERVISOR_COUNT_PATCH_H
#define SUPERVISOR_COUNT_PATCH_H

#include "supervisor/tracee.h"

struct learned; /* what was learned of files in this run: holder->learned */

/* A stretch of a file was mapped at [address, address + length) to be executed. When it is an interpreter's code, its checks count from
 * now on; whatever fails leaves it as it was. Only while no other task of the address space runs. */
void patch_mapped(struct tracee *t, uint64_t address, uint64_t length, const struct file_mapping *m, struct file *f);
/* The call that a tracee stands at, behind the instruction at `rip`, is a trampoline's. */
bool patch_is_count(const struct mm *m, uint64_t rip);
/* Whether code of this address space counts its checks. */
bool patch_counts(const struct mm *m);
/* Whether a mapping of the guest's is the trampolines'. */
bool patch_is_ours(const struct mm *m, uint64_t start, uint64_t end);
/* An instruction of this address space is one of the code that answers calls about lent files (supervisor/lending.h). */
bool patch_is_lent_code(const struct mm *m, uint64_t rip);
void patch_forget_all(struct holder *h);

#endif
