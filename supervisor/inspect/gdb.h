/* gdb's side of a replay that stands still: the parts of its remote protocol that read. */
#ifndef SUPERVISOR_INSPECT_GDB_H
#define SUPERVISOR_INSPECT_GDB_H

#include "supervisor/tracee.h"

enum { GDB_REGISTERS = 512 }; /* bytes, and more than it takes */

extern const char gdb_description[]; /* target.xml */
/* In the order of the description. Their size, or 0: it is gone. */
size_t gdb_registers(struct tracee *t, uint8_t to[GDB_REGISTERS]);

#endif
