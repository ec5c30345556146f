/* What the world's kernel calls itself: uname(2), /proc/version and /proc/sys/kernel say the same. Fixed, so that a run
 * does not depend on the machine. The release is that of Debian 12's kernel, the oldest whose calls the stubs all know.
 */
#ifndef KERNEL_IDENTITY_H
#define KERNEL_IDENTITY_H

#define IDENTITY_SYSNAME "Linux"
#define IDENTITY_RELEASE "6.1.0-terrarium"
#define IDENTITY_VERSION "#1 SMP PREEMPT_DYNAMIC Terrarium"
#define IDENTITY_MACHINE "x86_64"
#define IDENTITY_DOMAIN "(none)"

enum { IDENTITY_PID_MAX = 32768, IDENTITY_TICKS = 100 /* USER_HZ: clock ticks a second */ };

#endif
