/* A file that is lent to the guest, and names: what the supervisor and the code in lent.c agree on. While a file is lent, read(2), write(2), lseek(2),
 * fstat(2), isatty(3)'s ioctl(2) and close(2) of its descriptor are answered in the guest's own address space, from a page that
 * says what is lent and a window with some of the file's bytes. Names are paths of which the page says what stat(2) says. The guest may write all of it at any time; the supervisor takes from it
 * what such calls could have done, and nothing else (supervisor/lending.c). */
#ifndef SUPERVISOR_GLASS_LENT_PAGE_H
#define SUPERVISOR_GLASS_LENT_PAGE_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    LENT_PAGE_SIZE = 4096,
    LENT_WINDOW_SMALL = 64 * 1024, /* of it, mapped in every interpreter; the rest when it is needed */
    LENT_WINDOW_SIZE = 256 * 1024, /* a first touch of its pages is a page fault each, on both sides */
};

enum lent_flags {
    LENT_READ = 1,      /* [base, base + length) of the file stands in the window, and may be read */
    LENT_END = 2,       /* base + length is the file's end */
    LENT_APPEND = 4,    /* with LENT_END: bytes may be written at the end, up to `room` in the window */
    LENT_STAT = 8,      /* `stat` is what fstat(2) says … */
    LENT_ACCESSED = 16, /* … and still says when the file was read */
    LENT_LISTED = 32    /* a directory of which nothing is left to be listed, which may be said */
};

/* What was answered: `answered` counts each. */
enum lent_kind {
    LENT_READS,
    LENT_WRITES,
    LENT_SEEKS,
    LENT_STATS,
    LENT_IOCTLS,
    LENT_CLOSES,
    LENT_NAMED,
    LENT_LISTS,
    LENT_KINDS
};

#define LENT_NOBODY UINT32_MAX /* `fd`: nothing is lent; the word says closed, too, for -1 may be asked for */
#define LENT_NAMES_FD ((uint32_t)AT_FDCWD) /* `names_fd` when there are names, else LENT_NOBODY */

/* `word` is all that moves: the number of the call in its upper half, so that no two states are alike; below it whether the descriptor
 * was closed, and the position, from `base`. A position behind `length` says that so much was written. */
#define LENT_CALL (UINT64_C(1) << 32)
#define LENT_CLOSED (UINT64_C(1) << 31)
#define LENT_POSITION (LENT_CLOSED - 1)

enum {
    LENT_NAME_SIZE = 104, /* of a path, with its NUL */
    LENT_NAMES = 14
};

struct lent_name {
    uint16_t length; /* of the path, with its NUL */
    uint16_t flags;  /* of the call */
    uint32_t used;   /* it was asked for */
    char path[LENT_NAME_SIZE];
    struct stat stat;
};

struct lent_page {
    uint32_t fd; /* trampolines compare with it … */
    uint32_t flags;
    uint64_t word;
    uint64_t base;
    uint32_t length;
    uint32_t room;
    int64_t read_at;    /* elapsed time of the first read since it was lent or looked at; 0: none */
    int64_t written_at; /* of the last write */
    uint64_t answered[LENT_KINDS];
    struct stat stat;
    uint32_t names_fd; /* … and with this */
    uint32_t names;    /* so many of these */
    struct lent_name name[LENT_NAMES];
};

#endif
