/* Instructions that tell of the machine and that nothing can answer (RDRAND, RDSEED, RDPID), looked for in the files whose code the guest
 * maps. That a library has one does not mean that it is run: nothing follows from it but what the report says. */
#ifndef SUPERVISOR_UNTRAPPED_H
#define SUPERVISOR_UNTRAPPED_H

#include "supervisor/tracee.h"

enum untrapped { UNTRAPPED_RDRAND, UNTRAPPED_RDSEED, UNTRAPPED_RDPID, UNTRAPPED_COUNT };

struct untrapped_file {
    struct untrapped_file *next;
    uint64_t key, offset; /* of the stretch that was looked at */
    unsigned found;       /* a bit for each */
    char path[];          /* in the world */
};

/* A stretch of a file is mapped to be executed. Looked at once a run, and only when a report will tell. */
void untrapped_look(struct holder *h, const struct file_mapping *m, struct file *f, const struct dentry *root,
                    uint64_t length);
const char *untrapped_name(enum untrapped what);
void untrapped_forget_all(struct holder *h);

#endif
