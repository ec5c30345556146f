/* One argument of a recorded call in words, as strace(1) would say it: what its pointer led to is taken from the segments
 * of the event, never from anywhere else. Bytes of the guest come out escaped. */
#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

#include "trace/context.h"

#include <stdio.h>

enum { DECODE_BYTES_SHOWN = 32 }; /* of a buffer, as strace -s */

/* Argument i of a call that ended (EVENT_CALL), or is going to sleep (EVENT_BLOCK: only what was asked is known). False:
 * it says nothing (the mode of an open that creates nothing), and nothing was printed. */
bool decode_argument(FILE *to, struct trace_context *c, const struct event *e, int i);
/* The first argument that leads to memory: of a call that sleeps it is printed when it is resumed, as strace does it with
 * buffers that are filled. */
int decode_first_memory(const struct event *e);
/* "3</etc/passwd>", "-1 ENOENT (No such file or directory)", "?". */
void decode_result(FILE *to, struct trace_context *c, const struct event *e);
/* The call's name, or syscall_1234. */
void decode_name(FILE *to, uint64_t nr);
/* At most `most` of n bytes as a C string with its quotes; "..." behind it when there were more, or `longer`. */
void decode_text(FILE *to, const uint8_t *bytes, size_t n, size_t most, bool longer);
/* The bytes of a text as they are, UTF-8 or not, but nothing that a terminal obeys: control characters, but those in `also`, come as \\033. */
void decode_plain(FILE *to, const char *text, size_t n, const char *also);
/* The bytes of a segment that begins at address; NULL: none. n: how many. */
const uint8_t *decode_memory(const struct event *e, uint64_t address, bool written, size_t *n);
/* The text that argument i points to (a path, a name), up to its NUL; NULL: it is not in the record. */
const char *decode_string(const struct event *e, int i, size_t *n);

#endif
