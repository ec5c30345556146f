/* OpenSSL and wslay when they are needed: the Makefile links tables of jumps in their place (tools/lazy_library.sh), since most worlds have
 * no network and relocating OpenSSL alone took as long as all else that a start does. Unit tests link them as they are. */
#include "network/libraries.h"

#include <errno.h>

extern int lazy_load_crypto(void) __attribute__((weak));
extern int lazy_load_ssl(void) __attribute__((weak));
extern int lazy_load_wslay(void) __attribute__((weak));

int network_load_libraries(void)
{
    int (*const load[])(void) = {lazy_load_crypto, lazy_load_ssl, lazy_load_wslay};
    for (size_t i = 0; i < sizeof load / sizeof *load; i++)
        if (load[i] != NULL && load[i]() < 0)
            return -ELIBACC;
    return 0;
}
