/* Huge pages for the bytes of large files. The kernel gives a process 2 MiB at the price of a few small pages where it has them at hand
 * (transparent huge pages, madvise(2), MADV_HUGEPAGE), and a read or write is then one copy between the guest's memory and ours; in a
 * memfd it would be two, and a page fault's work for each 4 KiB.
 *
 * What that may cost beyond what the files are charged is bounded: chunks that nobody uses (IDLE_MOST), and pages that no file has in
 * chunks that one does (HOLLOW_MOST). Beyond the first, memory is given back; beyond the second, files that grow are memfds. */
#ifndef VFS_SLAB_H
#define VFS_SLAB_H

#include "vfs/memory.h"

/* A chunk of capacity CHUNK without a page present; its bytes are anything. NULL: there are none to be had. */
struct chunk *slab_take(struct slabs *s);
void slab_give_back(struct slabs *s, struct chunk *c);
/* A page of a slab's chunk is one of the file's now, or that one is not any more. */
void slab_filled(struct slabs *s);
void slab_emptied(struct slabs *s, struct chunk *c, uint32_t page);
/* Whether a file that grows large had better have chunks of these: else a memfd. */
bool slabs_ready(const struct slabs *s);
void slabs_free(struct slabs *s); /* every chunk was given back */

#endif
