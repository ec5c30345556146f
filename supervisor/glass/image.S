/* The glass program's file, the vDSO's and the code for lent files, as bytes in the supervisor: the first two are put into one memfd, the
 * first to be executed, the second to be mapped; the third is written behind trampolines. GLASS_IMAGE, VDSO_IMAGE and LENT_IMAGE come from
 * the Makefile. */
#include "supervisor/glass/glass.h"

    .section .note.GNU-stack, "", @progbits
    .section .rodata
    .globl glass_image, glass_image_end, vdso_image, vdso_image_end
    .balign 16
glass_image:
    .incbin GLASS_IMAGE
glass_image_end:
    .if glass_image_end - glass_image > GLASS_VDSO_OFFSET
    .error "the glass program reaches into the vDSO"
    .endif
    .balign 16
vdso_image:
    .incbin VDSO_IMAGE
vdso_image_end:
    .if vdso_image_end - vdso_image > GLASS_VDSO_SIZE
    .error "the vDSO is larger than GLASS_VDSO_SIZE"
    .endif
    .globl lent_image, lent_image_end
    .balign 16
lent_image:
    .incbin LENT_IMAGE
lent_image_end:
