/* Job control of terminals. Behaviour follows Linux's drivers/tty/tty_jobctrl.c; see credentials(7), ioctl_tty(2).
 *
 * Who the caller is and what its group is like, the hooks say; what a terminal remembers is two numbers. */
#include "vfs/terminal.h"

#include "vfs/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

void terminal_init(struct terminal *t, struct vfs *v, const struct tty_hooks *hooks)
{
    t->vfs = v;
    t->hooks = hooks;
    t->session = 0;
    t->foreground = 0;
    t->next = v->objects.terminals;
    v->objects.terminals = t;
}

/* It controls no session any more. Returns the group that was in the foreground. */
static int32_t forget_session(struct terminal *t)
{
    int32_t session = t->session, foreground = t->foreground;
    t->session = 0;
    t->foreground = 0;
    if (session && t->hooks)
        t->hooks->set_controlling(t->hooks->context, session, NULL);
    return foreground;
}

void terminal_release(struct terminal *t)
{
    struct terminal **at = &t->vfs->objects.terminals;
    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    forget_session(t);
}

static int32_t caller_session(const struct terminal *t)
{
    return t->hooks->caller_session(t->hooks->context);
}

static bool is_callers(const struct terminal *t)
{
    return t->hooks && t->session && t->session == caller_session(t);
}

static struct terminal *terminal_of_session(struct vfs *v, int32_t session)
{
    struct terminal *t = v->objects.terminals;
    while (t && t->session != session)
        t = t->next;
    return t;
}

void terminal_signal(struct terminal *t, int signal)
{
    if (t->hooks && t->foreground)
        t->hooks->signal_group(t->hooks->context, t->foreground, signal);
}

int terminal_check(struct terminal *t, int signal)
{
    if (!is_callers(t) || !t->foreground)
        return 0;
    const struct tty_hooks *h = t->hooks;
    int32_t pgrp = h->caller_pgrp(h->context);
    if (pgrp == t->foreground)
        return 0;
    if (h->caller_ignores(h->context, signal))
        return signal == SIGTTIN ? -EIO : 0;
    if (h->pgrp_is_orphaned(h->context, pgrp))
        return -EIO;
    h->signal_group(h->context, pgrp, signal);
    return -RESTART_SYS;
}

static void take_control(struct terminal *t, int32_t session, int32_t pgrp)
{
    t->session = session;
    t->foreground = pgrp;
    if (t->hooks)
        t->hooks->set_controlling(t->hooks->context, session, t);
}

static bool leader_without_terminal(struct terminal *t)
{
    return t->hooks->caller_is_leader(t->hooks->context) && !terminal_of_session(t->vfs, caller_session(t));
}

void terminal_opened(struct terminal *t, int flags)
{
    if ((flags & O_NOCTTY) || (flags & O_ACCMODE) == O_WRONLY || !t->hooks || t->session)
        return;
    if (leader_without_terminal(t))
        take_control(t, caller_session(t), t->hooks->caller_pgrp(t->hooks->context));
}

static int64_t set_controlling(struct terminal *t, struct file *f, uint64_t steal, const struct cred *c)
{
    if (!t->hooks)
        return -EPERM;
    if (is_callers(t) && t->hooks->caller_is_leader(t->hooks->context))
        return 0;
    if (!leader_without_terminal(t))
        return -EPERM;
    bool admin = c && cred_has(c, CAP_SYS_ADMIN);
    if (t->session) {
        if (steal != 1 || !admin)
            return -EPERM;
        t->hooks->set_controlling(t->hooks->context, t->session, NULL);
    }
    if ((f->flags & O_ACCMODE) == O_WRONLY && !admin)
        return -EPERM;
    take_control(t, caller_session(t), t->hooks->caller_pgrp(t->hooks->context));
    return 0;
}

static int64_t set_foreground(struct terminal *t, uint64_t argument, const struct umem *m)
{
    int32_t pgrp;
    int error = terminal_check(t, SIGTTOU);
    if (error)
        return error == -EIO ? -ENOTTY : error;
    if (!is_callers(t))
        return -ENOTTY;
    if (m->read(m, argument, &pgrp, sizeof pgrp))
        return -EFAULT;
    if (pgrp < 0)
        return -EINVAL;
    if (!t->hooks->pgrp_in_session(t->hooks->context, pgrp, t->session))
        return -EPERM;
    t->foreground = pgrp;
    return 0;
}

/* One process that is no leader gives up the terminal for itself alone; that is not told apart here (disassociate_ctty
 * of Linux keeps it by process, the hooks by session). */
static int64_t give_up(struct terminal *t)
{
    if (!is_callers(t))
        return -ENOTTY;
    if (!t->hooks->caller_is_leader(t->hooks->context))
        return 0;
    int32_t foreground = forget_session(t);
    if (foreground) {
        t->hooks->signal_group(t->hooks->context, foreground, SIGHUP);
        t->hooks->signal_group(t->hooks->context, foreground, SIGCONT);
    }
    return 0;
}

int64_t terminal_ioctl(struct terminal *t, struct file *f, bool master, uint32_t command, uint64_t argument,
                       const struct umem *m, const struct cred *c)
{
    switch (command) {
    case TIOCSCTTY:
        return master ? -EINVAL : set_controlling(t, f, argument, c);
    case TIOCNOTTY:
        return master ? -ENOTTY : give_up(t);
    case TIOCSPGRP:
        return set_foreground(t, argument, m);
    case TIOCGPGRP:
        if (!master && !is_callers(t))
            return -ENOTTY;
        return m->write(m, argument, &t->foreground, sizeof t->foreground);
    case TIOCGSID:
        if ((!master && !is_callers(t)) || !t->session)
            return -ENOTTY;
        return m->write(m, argument, &t->session, sizeof t->session);
    default:
        return -ENOTTY;
    }
}

/* ---- for the world ------------------------------------------------------------------------------------------- */

void *file_tty(const struct file *f)
{
    struct terminal *t = host_stream_terminal(f);
    return t ? t : pts_terminal(f);
}

struct file *tty_open(void *tty, int flags)
{
    struct terminal *t = tty;
    return t->open(t, flags);
}

void tty_attach(void *tty, int32_t session, int32_t foreground)
{
    take_control(tty, session, foreground);
}

void tty_detach(void *tty)
{
    struct terminal *t = tty;
    int32_t foreground = forget_session(t);
    if (foreground && t->hooks)
        t->hooks->signal_group(t->hooks->context, foreground, SIGHUP);
    if (t->hang_up)
        t->hang_up(t);
}

void tty_signal(void *tty, int signal)
{
    terminal_signal(tty, signal);
}

int32_t tty_session(const void *tty)
{
    return ((const struct terminal *)tty)->session;
}

int32_t tty_foreground(const void *tty)
{
    return ((const struct terminal *)tty)->foreground;
}
