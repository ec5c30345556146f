/* The counting jump. Whole instructions of a site are moved into a trampoline, which first takes a step off the word `left` of the
 * clock page, and at zero makes a call that does not exist, so that the supervisor gets its turn at exactly this place:
 *
 *          sub $CHECK_NS, left          the flags are dead here (sites.c)
 *          jle stop
 *   back:  the moved instructions
 *          jmp behind the site
 *   stop:  lea -128(%rsp), %rsp         past the red zone
 *          push %rax, %rcx, %r11        what a system call changes
 *          mov $GLASS_COUNT, %eax
 *          syscall
 *   after: pop %r11, %rcx, %rax
 *          lea 128(%rsp), %rsp
 *          jmp back
 */
#ifndef SUPERVISOR_COUNT_TRAMPOLINE_H
#define SUPERVISOR_COUNT_TRAMPOLINE_H

#include "supervisor/count/sites.h"

enum { TRAMPOLINE_SIZE = 128 };

/* The bytes for a site that is mapped at `site_at`, to stand at `at`, and the jump to them, as long as the site. `left` is the
 * word's address, below 2 GiB. False: too far away, or instructions that cannot be moved there. */
bool trampoline_build(const struct code_site *site, uint64_t site_at, uint64_t at, uint32_t left,
                      uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX]);
/* The same for an instruction that changes the value of a semaphore, `lock cmpxchg %reg, (%base)` (supervisor/count/takes.h), which
 * may be repeated and leaves flags that are looked at. Of a take:
 *
 *          lock cmpxchg %reg, (%base)
 *          jne back
 *          lea -128(%rsp), %rsp
 *          push name
 *          pop TAKES_NAME(%base)
 *          lea 128(%rsp), %rsp
 *   back:  jmp behind the site
 *
 * and of a gift `movq $0, TAKES_NAME(%base)` before the instruction: behind it the semaphore is another's. `name` is the address of the
 * word that says who runs, below 2 GiB. */
bool trampoline_build_take(const struct code_site *site, bool gives, uint64_t site_at, uint64_t at, uint32_t name,
                           uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX]);
/* The same for a `syscall` and what follows it, of which nothing is relative to rip: calls whose first argument is the word at `lent` or the one at `names` are
 * made by calling `answers` (supervisor/glass/lent.c), which says in rcx whether it answered.
 *
 *          cmp lent, %edi
 *          je ask
 *          cmp names, %edi
 *          jne call
 *   ask:   lea -128(%rsp), %rsp
 *          call answers
 *          lea 128(%rsp), %rsp
 *          jrcxz behind
 *   call:  syscall
 *   behind: the other instructions
 *          jmp behind the site
 */
bool trampoline_build_call(const struct code_site *site, uint64_t site_at, uint64_t at, uint32_t lent, uint32_t names,
                           uint64_t answers, uint8_t out[TRAMPOLINE_SIZE], uint8_t jump[SITE_BYTES_MAX]);
/* Whether `address` (rip after the call) is where a trampoline among those at [start, start + n * TRAMPOLINE_SIZE) makes its call. */
bool trampoline_calls(uint64_t start, uint32_t n, uint64_t address);

#endif
