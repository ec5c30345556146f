/* Every stub of the table, declared: `int64_t stub_NAME(struct call *c)` (kernel/call.h says what one does). */
#ifndef STUBS_STUBS_H
#define STUBS_STUBS_H

#include "kernel/call.h"
#include "kernel/world.h"

#define SYSCALL(nr, name_, family, stub, ...) int64_t stub_##stub(struct call *);
#include "kernel/sysent.def"
#undef SYSCALL

#endif
