/* A pair of pseudo-terminals, between vfs/pty.c and vfs/pty_ioctl.c. */
#ifndef VFS_PTY_H
#define VFS_PTY_H

#include "vfs/tty.h"

#include <sys/ioctl.h>

struct pty {
    struct tty tty; /* first: a terminal is a tty is a pty */
    struct winsize window;
    uint32_t number;     /* N of /dev/pts/N */
    uint32_t uid, gid;   /* who opened the master: they own the slave's name */
    uint32_t slaves;     /* open descriptions of the slave */
    uint32_t living;     /* of these, not hung up */
    uint32_t generation; /* moves when all slaves are hung up */
    bool locked;         /* until unlockpt(3) */
    bool exclusive;      /* TIOCEXCL */
    bool master_gone;
    bool slave_gone; /* the last slave closed, and none was opened since: the master reads EIO */
};

/* One open description of a slave (file->private). */
struct pts_file {
    struct pty *pty;
    uint32_t generation;
    bool expired; /* tty_read_expired */
};

bool pts_hung_up(const struct pts_file *s);
struct pty *pty_of_master(const struct file *f);
int64_t pty_ioctl(struct pty *p, struct file *f, bool master, uint32_t command, uint64_t argument, const struct umem *m,
                  const struct cred *c);

#endif
