/* The glass program: what the kernel executes in place of every guest program. It brings a clean address space; the
 * supervisor then maps the guest's program and interpreter into it. It stays mapped, at GLASS_CODE, as the place from
 * which calls are injected.
 *
 * It does nothing but announce itself with a call that does not exist. At that stop the supervisor either rewrites the
 * call into one it wants made, whose result then comes back in rdi at the next such stop, or sets all registers to those
 * of the guest and lets it go. One stop for each injected call. */
#include "supervisor/glass/glass.h"

    .section .note.GNU-stack, "", @progbits
    .text
    .globl _start
_start:
    xor %edi, %edi
again:
    mov $GLASS_MARK, %eax
    syscall
after:
    .if after - _start - (GLASS_AFTER - GLASS_CODE)
    .error "GLASS_AFTER is not where glass.h says"
    .endif
    mov %rax, %rdi
    jmp again

    .org 0x40
    .quad 0                 /* GLASS_EMPTY_STRING */
    .quad GLASS_EMPTY_STRING /* GLASS_ARGV */
    .quad 0                 /* GLASS_ENVP, and the end of argv */
    .org 0x1000, 0

    .data
    .fill 4096, 1, 0
