/* The glass program's file, as bytes in the supervisor: it is executed from a memfd. GLASS_IMAGE comes from the Makefile. */
    .section .note.GNU-stack, "", @progbits
    .section .rodata
    .globl glass_image, glass_image_end
    .balign 16
glass_image:
    .incbin GLASS_IMAGE
glass_image_end:
