/* A system call in words: openat("/etc/passwd", O_RDONLY|O_CLOEXEC). For denials, the report and the record; knows no
 * task and no guest memory, so that a call can be described long after it happened. The tables are in kernel/names.c.
 */
#ifndef KERNEL_DESCRIBE_H
#define KERNEL_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

enum { DESCRIBE_ROOM = 2048 }; /* enough for nearly every call; longer ones end in "..." */

/* text[i]: the string argument i points to, or NULL: unknown, the pointer is printed. leads[i] (leads may be NULL):
 * where a path leads, shown behind it as "../k1"</data/k1>; NULL: nothing. Bytes that are not printable ASCII are
 * escaped: what a guest says must not reach a terminal raw. Returns the length, always < n. n > 0. */
size_t describe_call(uint64_t nr, const uint64_t arg[6], const char *const text[6], const char *const leads[6],
                     char *buf, size_t n);
/* "3", "-1 ENOENT", "?" for calls that do not return. */
size_t describe_result(int64_t result, char *buf, size_t n);

/* One value of a kind, as describe_call prints it: "SIGKILL", "O_RDWR|O_CREAT", "0x7f" (enum argument_kind). */
size_t describe_value(int kind, uint64_t value, char *buf, size_t n);

#endif
