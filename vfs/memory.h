/* The bytes of a memory file, apart from its node: sparse pages, or a memfd once it was mapped or is large. Inside the room; shared
 * by vfs/memory.c (pages), vfs/memfs.c (a node's operations) and vfs/memfd.c (seals). */
#ifndef VFS_MEMORY_H
#define VFS_MEMORY_H

#include "vfs/node.h"

enum { PAGE = 4096, CHUNK = 64 * 1024, CHUNK_PAGES = CHUNK / PAGE };

/* A file that grows beyond this is better off in a memfd: its pages come from the kernel with the bytes, where ours come by a page
 * fault each, and a fault costs as much as copying a page does many times over. */
enum { PAGES_MOST = 256 * 1024 };

#define MEMORY_END ((uint64_t)INT64_MAX + 1)

/* A stretch of a file. A page that is not `present` reads as zeros whatever its bytes are; beyond `capacity` too. */
struct chunk {
    uint32_t capacity; /* bytes allocated: a power of two from 64 on; CHUNK in all but a file's first chunk */
    uint16_t present;  /* bit per page; a small first chunk has page 0 alone */
    uint16_t written;  /* of those: not merely reserved by fallocate(2), which SEEK_DATA passes over as tmpfs does */
    uint8_t *bytes;    /* behind it in memory; of capacity CHUNK apart, at the beginning of a page */
};

struct memory {
    struct chunk *first; /* the chunk at offset 0: small files have nothing else */
    struct branch *tree; /* all others, by index: a radix tree, so that holes cost nothing */
    uint32_t height;     /* of the tree */
    int fd;              /* the memfd that took everything over, or -1 */
    int fd_read_only;    /* the same for reading alone, or -1 */
    int seals;           /* F_SEAL_*, only with `sealable` */
    bool sealable;
    uint64_t beyond;   /* no page is after this, or after the file's end: fallocate(2) with KEEP_SIZE */
    uint64_t pages;    /* present, or allocated in the memfd */
    uint64_t charged;  /* bytes charged to the filesystem */
    uint64_t key;      /* of its mappings */
    uint64_t given;    /* bytes of the memfd that were there before the guest: free */
    struct node *node; /* whose bytes these are */
    struct memory *next_memfd, **memfd_link; /* among all that have one: vfs->memfds */
};

struct memory *memory_of(struct node *n); /* made on demand; NULL: out of memory */
void memory_free(struct node *n);
void memory_forget(struct node *n);                     /* every page goes, the account stays */
void memory_close(struct memory *m);                    /* its memfd */
void memory_charge_all(struct node *n, uint64_t bytes); /* whatever the quota says: they are taken already */

/* Pages. Offsets are below INT64_MAX and ranges were checked. */
ssize_t memory_read(struct node *n, struct io *io, uint64_t offset, size_t length);
/* What fits into one chunk at most: the caller goes on. -ENOSPC, -ENOMEM, -EFAULT. Does not move the size. */
ssize_t memory_write(struct node *n, struct io *io, uint64_t offset);
/* What is between becomes zero; whole pages are given back. To MEMORY_END: all there is, also what was reserved beyond the file's end. */
int memory_punch(struct node *n, uint64_t from, uint64_t to);
int memory_reserve(struct node *n, uint64_t from, uint64_t to); /* every page present */
int64_t memory_seek(const struct node *n, uint64_t offset, bool hole);
/* The next stretch of pages at or after *from that were written, or that are merely reserved: [*from, *to). False: there is none. */
bool memory_stretch(const struct node *n, bool written, uint64_t *from, uint64_t *to);
int memory_charge(struct node *n, uint64_t bytes); /* -ENOSPC */
void memory_refund(struct node *n, uint64_t bytes);

/* The memfd (vfs/memfd.c), once memory_to_memfd was called. The same meanings. */
int memory_to_memfd(struct node *n);     /* from pages to a memfd: 0 or -errno; harmless when it is one */
void memory_grows_large(struct node *n); /* the same, if there are descriptors to spare */
ssize_t memfd_write(struct node *n, struct io *io, uint64_t offset);
int memfd_resize(struct node *n, uint64_t size);
int memfd_punch(struct node *n, uint64_t from, uint64_t to);
int memfd_reserve(struct node *n, uint64_t from, uint64_t to, bool keep_size);
int64_t memfd_seek(const struct node *n, uint64_t offset, bool hole);
uint64_t memfd_blocks(const struct node *n); /* 512 bytes each; the guest fills holes through its mappings */
int memfd_read_only(struct node *n);         /* a descriptor that cannot be mapped writable; -errno */

#endif
