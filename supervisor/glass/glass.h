/* What the supervisor and the glass program agree on. Read by C and by the assembler. */
#ifndef SUPERVISOR_GLASS_H
#define SUPERVISOR_GLASS_H

#define GLASS_CODE 0x10000           /* one page, read and execute */
#define GLASS_DATA 0x11000           /* one page, read and write: scratch of injected calls */
#define GLASS_COUNTER 0x12000        /* the clock page once more, where trampolines reach it (supervisor/count/) */
#define GLASS_LENT 0x13000           /* what is lent (lent_page.h), behind it … */
#define GLASS_WINDOW 0x14000         /* … and some of a lent file's bytes, LENT_WINDOW_SIZE */
#define GLASS_END 0x54000            /* nothing of the guest's may be mapped over what lies below */
#define GLASS_AFTER (GLASS_CODE + 9) /* where an injected call returns to */
#define GLASS_MARK 0x1f7f  /* no system call has this number: the stop at which an injected call's result is read */
#define GLASS_COUNT 0x1f7e /* nor this one: a trampoline's, when its count is at zero */
#define GLASS_SOCKET 0     /* the guest's only descriptors: where files to map are handed over … */
#define GLASS_PROGRAM 1    /* … the glass program itself, for the next execve … */
#define GLASS_CLOCK 2      /* … and the clock page */
#define GLASS_FIRST_FREE 3 /* the first that a handed-over descriptor gets */
#define GLASS_VDSO_OFFSET 0x8000 /* where in the glass program's file the vDSO stands, to be mapped … */
#define GLASS_VDSO_SIZE 0x1000   /* … with the clock page before it */

/* Constants in the code page, where the guest cannot write. */
#define GLASS_EMPTY_STRING (GLASS_CODE + 0x40)
#define GLASS_ARGV (GLASS_CODE + 0x48) /* { GLASS_EMPTY_STRING, NULL } */
#define GLASS_ENVP (GLASS_CODE + 0x50) /* { NULL } */

#endif
