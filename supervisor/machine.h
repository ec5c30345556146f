/* struct machine by ptrace: how the kernel objects and the stubs reach the guest. */
#ifndef SUPERVISOR_MACHINE_H
#define SUPERVISOR_MACHINE_H

#include "kernel/machine.h"

extern const struct machine ptrace_machine; /* constant: its functions find their holder through the task */

#endif
