/* Numbers with units, as a policy and the command line write them, and back into words. Pure functions.
 *
 * The readers return 0, or -1 when the text is not such a value, with *why a sentence's end for the reader to see:
 * "expected a size such as 64KiB, 256MiB or 1GB". */
#ifndef POLICY_UNITS_H
#define POLICY_UNITS_H

#include <stddef.h>
#include <stdint.h>

int units_read_number(const char *text, uint64_t *value, const char **why); /* 42, 0x2a, 0o52 */
int units_read_integer(const char *text, int64_t *value, const char **why); /* -42 too */
int units_read_size(const char *text, uint64_t *bytes, const char **why);   /* 4096, 64KiB, 256MiB, 1GB, 1.5GiB */
int units_read_duration(const char *text, uint64_t *ns, const char **why);  /* 10s, 500ms, 2m, 1h, 10us; 0 */
int units_read_time(const char *text, int64_t *ns, const char **why);       /* 2024-01-01T00:00:00Z: ns since 1970 */
int units_read_rate(const char *text, double *rate, const char **why);      /* 0.001 to 1000000 */
int units_read_mode(const char *text, uint32_t *mode, const char **why);    /* 0644: octal, with or without 0 or 0o */
/* base64 with or without line breaks; *bytes is the caller's to free. */
int units_read_base64(const char *text, size_t size, char **bytes, size_t *out_size, const char **why);

/* Exact: what they print is read back as the same value. buffer: at least UNITS_ROOM bytes; returned. */
enum { UNITS_ROOM = 64 };
char *units_print_size(uint64_t bytes, char *buffer);
char *units_print_duration(uint64_t ns, char *buffer);
char *units_print_time(int64_t ns, char *buffer);
char *units_print_rate(double rate, char *buffer);

#endif
