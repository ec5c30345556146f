/* The libraries that only a world with a network needs. */
#ifndef NETWORK_LIBRARIES_H
#define NETWORK_LIBRARIES_H

#include <stddef.h>

/* Before anything of TLS or websockets is called, and before the supervisor confines itself. 0, -ELIBACC: one of them is not where it was. */
int network_load_libraries(void);

#endif
