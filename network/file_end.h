/* A far end that passes everything on to an open file of the world, and back: a program's stdin and stdout (`program:`), or
 * a connection to a server inside (`serve:`). */
#ifndef NETWORK_FILE_END_H
#define NETWORK_FILE_END_H

#include "network/internal.h"

/* `program:`: started for this connection alone. */
struct far_end *program_end_new(struct contents *cs, const struct policy_content *c);
/* `serve:`: started at the first connection; each connection goes to the same port at 127.0.0.1, as soon as somebody listens. */
struct far_end *serve_end_new(struct contents *cs, const struct policy_content *c, bool *started, uint16_t port);

#endif
