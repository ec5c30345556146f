/* The world's trust in its own authority: what every TLS client of the world believes. */
#ifndef SUPERVISOR_TRUST_H
#define SUPERVISOR_TRUST_H

#include "kernel/world.h"
#include "network/content.h"
#include "supervisor/supervisor.h"

/* Puts the authority into Debian's bundle and hashed directory, and behind every bundle of certifi's and pip's that lies where
 * Python looks for packages. After all mounts, before the policy's own files (which have the last word). 0, or -1 with *e. */
int trust_install(struct world *w, struct contents *cs, struct run_error *e);
/* The same for SSL_CERT_FILE and SSL_CERT_DIR (and requests' and curl's own) of the world's environment: after the policy's files. */
int trust_environment(struct world *w, struct contents *cs, struct run_error *e);

#endif
