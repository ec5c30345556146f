/* Where on this machine the bytes lie that a record only names (supervisor/bundle.h): a path of the world, which may be anybody's, to a
 * regular file, and bytes of it that are taken for what their hash says or not at all. */
#ifndef SUPERVISOR_BUNDLE_PLACES_H
#define SUPERVISOR_BUNDLE_PLACES_H

#include "supervisor/bundle.h"

/* What lies at `guest` in the world, opened for reading: its descriptor; -errno, -ENOENT when it is no regular file of a disk. */
int place_open(const struct bundle_places *p, const char *guest);
/* Exactly n bytes from `at` on, copied and then hashed. 0; -ESTALE: they are not those. n <= EVENT_PIECE_SIZE. */
int place_read(int fd, uint64_t at, size_t n, const uint8_t digest[EVENT_DIGEST], uint8_t *to);

#endif
