/* RDTSC and RDTSCP in the supervisor's own thread, forbidden while a guest is held in which they are.
 *
 * The kernel changes a control register at each switch between a thread that may read the counter and one that may not, which a hypervisor
 * answers in more time than the rest of a stop takes (8.6 us for the two switches of one, beside 5). Between two that may not, it
 * does not. What of the C library or another one asks for the counter all the same (the kernel's vDSO does) faults, is given the machine's
 * own, and goes on. */
#ifndef SUPERVISOR_TSC_OWN_H
#define SUPERVISOR_TSC_OWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TSC_INSTRUCTION_MOST = 3 };
/* Of n bytes of code: how long the RDTSC or RDTSCP is that they begin with; 0: it is another instruction. */
size_t tsc_instruction(const uint8_t *code, ssize_t n);

/* In the calling thread; SIGSEGV of the whole process is taken: what is no such instruction goes to whoever had it before. */
void tsc_forbid(void);
void tsc_allow(void); /* as it was before; without tsc_forbid, nothing */

#endif
