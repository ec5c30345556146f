/* Locked memory, between stubs/memory.c and stubs/memory_lock.c. */
#ifndef STUBS_MEMORY_LOCK_H
#define STUBS_MEMORY_LOCK_H

#include "kernel/world.h"

/* Below lie the pages the supervisor works in. */
#define MEMORY_LOWEST UINT64_C(0x54000)
uint64_t memory_locked(const struct mm *mm);

/* May a mapping of `length` more be locked, as MAP_LOCKED asks for? 0, -EPERM, -EAGAIN. */
int memory_lock_room(struct call *c, uint64_t length);
void memory_lock_mapped(struct call *c, uint64_t start, uint64_t length); /* it is */

#endif
