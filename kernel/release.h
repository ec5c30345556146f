/* Which kernel the guest is told it runs on: uname(2), /proc/version, /proc/sys/kernel. Fixed, so that no result of a run
 * depends on the host's. */
#ifndef KERNEL_RELEASE_H
#define KERNEL_RELEASE_H

#define KERNEL_SYSNAME "Linux"
#define KERNEL_RELEASE "6.1.0-terrarium"
#define KERNEL_VERSION "#1 SMP Mon Jan 1 00:00:00 UTC 2024"
#define KERNEL_MACHINE "x86_64"
#define KERNEL_DOMAIN "(none)"

#endif
