/* Profiles are found relative to the program, so that a tree that was moved keeps its own. */
#include "cli/profiles.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#ifndef TERRARIUM_PREFIX
#define TERRARIUM_PREFIX "/usr/local"
#endif

void profiles_directories(char *out[PROFILES_MAX])
{
    static const char *const beside[] = {"policy/profiles", "../../policy/profiles", "../share/terrarium/profiles"};
    char self[PATH_MAX], path[PATH_MAX + 64];
    int n = 0;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *typed = (const char *)getauxval(AT_EXECFN); /* where no /proc is mounted */
    if (length < 0 && typed != NULL)
        length = snprintf(self, sizeof self, "%s", typed);
    if (length > 0 && length < (ssize_t)sizeof self) {
        self[length] = '\0';
        const char *directory = dirname(self);
        for (size_t i = 0; i < sizeof beside / sizeof *beside && n < PROFILES_MAX - 1; i++) {
            snprintf(path, sizeof path, "%s/%s", directory, beside[i]);
            if (access(path, R_OK) == 0)
                out[n++] = strdup(path);
        }
    }
    if (n == 0)
        out[n++] = strdup(TERRARIUM_PREFIX "/share/terrarium/profiles");
    out[n] = NULL;
}

void profiles_free(char *directories[PROFILES_MAX])
{
    for (int i = 0; directories[i] != NULL; i++)
        free(directories[i]);
}
