/* Names of the kernel's numbers, as data. */
#ifndef KERNEL_NAMES_H
#define KERNEL_NAMES_H

#include <stdint.h>

/* A value among several, or a flag. `mask` 0: the value's own bits. Lists end with name NULL; a longer flag stands
 * before those it contains (O_SYNC before O_DSYNC). */
struct name {
    uint64_t value;
    const char *name;
    uint64_t mask;
};

extern const struct name names_open_flags[];   /* without the access mode */
extern const struct name names_access_modes[]; /* O_RDONLY, O_WRONLY, O_RDWR */
extern const struct name names_at_flags[];
extern const struct name names_access[];
extern const struct name names_protection[];
extern const struct name names_map_flags[];
extern const struct name names_clone_flags[];
extern const struct name names_whence[];
extern const struct name names_fcntl[];
extern const struct name names_clocks[];
extern const struct name names_futex[];
extern const struct name names_signals[];
extern const struct name names_ioctl[];

const char *name_of(const struct name *list, uint64_t value); /* NULL: none */

#endif
