/* Lending a regular file: some of its bytes are put where its reader has them without asking, bytes may be appended there, and what was done
 * is told later, at once. Between the two nobody else looks at the file: the caller sees to that (supervisor/lending.c). */
#ifndef VFS_LEND_H
#define VFS_LEND_H

#include "vfs/vfs.h"

struct file_loan {
    uint64_t base;   /* offset of the window's first byte: the file's position */
    uint32_t length; /* bytes of the file in the window, from base on */
    uint32_t room;   /* up to where the window may be written; at most its size */
    bool read;       /* they may be read: the file is open for it, and all that was asked for is there */
    bool end;        /* base + length is the file's end */
    bool append;     /* more may be written behind it, up to `room`: nothing can be in the way of that */
    bool listed;     /* of a directory: listing it from here says that nothing is left, and nothing else */
    bool accessed;   /* the file's times stay as they are when it is read */
    struct statx stat;
};

/* Lend f from its position on, or of a directory where it stands and what is known of it: `ahead` bytes of it at most go to `window`, which is `size` bytes large, and room for appending is looked
 * for up to `most`. ahead 0: the position and what is known of the file, and its bytes only if it ends here. False: f is no
 * file to lend: neither, or somebody would notice (watches, leases, locks, mappings, O_APPEND and O_DIRECT). */
bool file_lend(struct file *f, void *window, size_t size, uint32_t ahead, uint32_t most, struct file_loan *out);

struct file_return {
    uint64_t position; /* where it stands now */
    int64_t read_at;   /* CLOCK_REALTIME of the first read, ns, or 0: it was not read */
    int64_t written_at;
    const void *
        written; /* then these bytes were written at `append_at`, the file's end, before the position moved to `position` */
    size_t n;
    uint64_t append_at;
};

/* What was done with it. 0, or why bytes that were written could not be kept (-ENOMEM: nothing else was left to be in the way). */
int file_returned(struct file *f, const struct file_return *r);

#endif
