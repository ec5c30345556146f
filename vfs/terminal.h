/* What every terminal of the world has, a pseudo-terminal or the caller's own: a session it controls, a process group
 * in the foreground. Inside the room; callers know it as the `void *tty` of vfs/objects.h. */
#ifndef VFS_TERMINAL_H
#define VFS_TERMINAL_H

#include "vfs/objects.h"

struct terminal {
    struct terminal *next; /* of all terminals of the vfs */
    struct vfs *vfs;
    const struct tty_hooks *hooks; /* NULL: no processes anywhere (unit tests): every job-control check passes */
    int32_t session;               /* whose controlling terminal it is; 0: none's */
    int32_t foreground;            /* process group; 0: none */
    /* Another description of it, as open(2) of /dev/tty or /dev/pts/N makes one; referenced. NULL: -EIO. */
    struct file *(*open)(struct terminal *t, int flags);
    /* The session's leader ended: every open description of it is dead from now on (vhangup(2)). May be NULL. */
    void (*hang_up)(struct terminal *t);
};

enum { RESTART_SYS = 512 }; /* -ERESTARTSYS: a signal was sent to the caller, who asks again after it */

void terminal_init(struct terminal *t, struct vfs *v, const struct tty_hooks *hooks);
void terminal_release(struct terminal *t); /* out of the list; its session has none any more */

/* May the caller's process group read, write (with TOSTOP), or change settings? 0, -EIO, or -RESTART_SYS after SIGTTIN
 * or SIGTTOU went to its group. */
int terminal_check(struct terminal *t, int signal);
/* open(2) without O_NOCTTY by a session leader that has no terminal makes this one its controlling terminal. */
void terminal_opened(struct terminal *t, int flags);
/* TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY. master: asked at the ptmx side. -ENOTTY: no command of these.
 */
int64_t terminal_ioctl(struct terminal *t, struct file *f, bool master, uint32_t command, uint64_t argument,
                       const struct umem *m, const struct cred *c);
struct terminal *host_stream_terminal(const struct file *f); /* NULL: not a host stream, or not on a terminal */
struct terminal *pts_terminal(const struct file *f);         /* NULL: not the slave of a pseudo-terminal */
void terminal_signal(struct terminal *t, int signal);        /* to the foreground group, if there is one */

#endif
