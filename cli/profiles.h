/* Where the profiles that ship with terrarium are looked for. */
#ifndef CLI_PROFILES_H
#define CLI_PROFILES_H

enum { PROFILES_MAX = 4 };

/* Fills a NULL-terminated list of malloc'ed directories: beside the program as it stands in its source tree, then as
 * installed. */
void profiles_directories(char *out[PROFILES_MAX]);
void profiles_free(char *directories[PROFILES_MAX]);

#endif
