/* How the tables of /proc/sys and /sys are written: files of one constant line, files with a function, directories. */
#ifndef STUBS_PROC_ENTRIES_H
#define STUBS_PROC_ENTRIES_H

#include "stubs/proc/proc.h"

#include <sys/stat.h>

#define CONSTANT(name, value)                                                                                          \
    static int name(const struct synthetic *s, const struct cred *c, struct text *out)                                 \
    {                                                                                                                  \
        text_printf(out, "%s\n", value);                                                                               \
        return 0;                                                                                                      \
    }

#define VALUE(file, function)                                                                                          \
    {                                                                                                                  \
        .name = file, .mode = S_IFREG | 0444, .text = function                                                         \
    }
#define DIRECTORY(file, entries)                                                                                       \
    {                                                                                                                  \
        .name = file, .mode = S_IFDIR | 0555, .children = entries                                                      \
    }
/* stubs/proc/sys_net.c: what stands in /sys/class/net. */
int sys_net_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                   const struct synthetic_entry **entry);
int sys_net_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode);

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

#endif
