/* Content codings of HTTP, taken off again. */
#ifndef NETWORK_CODING_H
#define NETWORK_CODING_H

#include <stddef.h>

/* The bytes within `gzip`, `deflate` or `zstd`: owned, at most `most`, as far as they go where they are cut. NULL: another coding,
 * nothing that can be read so, or no memory. */
char *coding_remove(const char *name, const void *bytes, size_t n, size_t most, size_t *size);

#endif
