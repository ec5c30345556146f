/* The memory of a guest that stands still, read by somebody who believes nothing of it: what cannot be read is said, and all reads
 * together are bounded, so that no list that bites its own tail keeps the supervisor. */
#ifndef SUPERVISOR_INSPECT_GUEST_MEMORY_H
#define SUPERVISOR_INSPECT_GUEST_MEMORY_H

#include "supervisor/tracee.h"

struct guest_memory {
    struct tracee *tracee; /* any of its address space; stopped */
    unsigned reads_left;
};

/* Somebody of the process who is stopped; NULL: nobody is. */
struct tracee *guest_stopped(const struct process *p);
/* All n bytes, or false. */
bool guest_read(struct guest_memory *g, uint64_t address, void *to, size_t n);
uint64_t guest_word(struct guest_memory *g, uint64_t address); /* 8 bytes; 0 where there are none */

/* The dynamic symbol of that name in the ELF file that is mapped at `base`: its address, or 0. */
uint64_t guest_symbol(struct guest_memory *g, uint64_t base, const char *name);

#endif
