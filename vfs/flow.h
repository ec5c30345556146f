/* A TCP connection between two guests as net_hooks hear of it: one record for both ends. Inside the room. */
#ifndef VFS_FLOW_H
#define VFS_FLOW_H

#include "vfs/inet.h"

void flow_begin(struct inet_socket *first, struct inet_socket *second); /* nothing where nobody listens */
void flow_tell(struct inet_socket *s, enum net_event event, const void *bytes, size_t n); /* s->flow is not NULL */
void flow_leave(struct inet_socket *s);                                                   /* harmless without one */

#endif
