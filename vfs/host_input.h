/* Waiting for the caller's input, so that a read gives the same bytes however they arrived. Inside the room. */
#ifndef VFS_HOST_INPUT_H
#define VFS_HOST_INPUT_H

#include <stdbool.h>
#include <stddef.h>

/* One read gives no more: what a full pipe holds at least, however small the pieces were that filled it (pipe(7): 16 pages,
 * neighbouring writes share one when both fit). */
enum { HOST_INPUT_MOST = 32768 };

/* fd: a pipe or a socket. Waits until `want` bytes (1 to HOST_INPUT_MOST) can be read, or the other end is closed: true. False:
 * nothing more came for a while, or over(context) said that the wait is over (NULL: nobody is asked). */
bool host_input_settled(int fd, size_t want, bool (*over)(void *context), void *context);

#endif
