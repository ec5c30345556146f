/* Interpreters and C libraries whose sites were learned when terrarium was built (tools/known_sites.c makes the table): Debian's, mostly. */
#ifndef SUPERVISOR_COUNT_KNOWN_H
#define SUPERVISOR_COUNT_KNOWN_H

#include "supervisor/count/takes.h"

enum { KNOWN_IDENTITY = 16 };

struct known_file {
    uint8_t identity[KNOWN_IDENTITY];
    int32_t displacement;
    uint8_t size;
    uint32_t count;
    const struct code_site *site;
    const uint8_t *kind; /* of each, when they are a C library's (supervisor/count/takes.h); NULL: they are checks */
};

extern const struct known_file known_files[];
extern const size_t known_file_count;

/* A digest of the file's first page (its headers and, from every linker of today, the digest that is its build id) and of the evaluation
 * loop, or of sem_post(3). False: it has neither. */
bool known_identity(struct code_file *f, uint8_t out[KNOWN_IDENTITY]);
/* What sites_learn would say. False: ask it. */
bool known_sites(struct code_file *f, struct code_sites *out);
bool known_takes(struct code_file *f, struct code_takes *out); /* and takes_learn */

#endif
