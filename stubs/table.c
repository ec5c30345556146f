/* Which stub answers which number: made from the table of system calls (kernel/sysent.def). */
#include "stubs/stubs.h"

#define stub_NONE NULL
#define SYSCALL(nr, name_, family, stub, ...) [nr] = stub_##stub,

const stub_function stub_table[SYSENT_COUNT] = {
#include "kernel/sysent.def"
};
