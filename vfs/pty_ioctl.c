/* The ioctls of pseudo-terminals: ioctl_tty(2). Follows Linux's drivers/tty/tty_ioctl.c, tty_io.c and pty.c. */
#include "vfs/pty.h"

#include "vfs/node.h"

#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

/* struct termios of the kernel is the beginning of termios2. */
enum { TERMIOS_SIZE = sizeof(struct termios), TERMIOS2_SIZE = sizeof(struct termios2) };
_Static_assert(TERMIOS_SIZE == 36 && TERMIOS2_SIZE == 44, "the layout of asm-generic/termbits.h");

static int64_t put_int(const struct umem *m, uint64_t address, int value)
{
    return m->write(m, address, &value, sizeof value);
}

/* TCSETS and its five sisters: size tells whether the speeds are given as numbers. */
static int64_t set_termios(struct pty *p, bool master, uint64_t argument, size_t size, bool flush, const struct umem *m)
{
    struct termios2 new = p->tty.termios;
    int error = master ? 0 : terminal_check(&p->tty.terminal, SIGTTOU);
    if (error)
        return error;
    if (m->read(m, argument, &new, size))
        return -EFAULT;
    if (flush)
        tty_flush_input(&p->tty);
    tty_set_termios(&p->tty, &new);
    return 0;
}

static int64_t set_window(struct pty *p, uint64_t argument, const struct umem *m)
{
    struct winsize new;
    if (m->read(m, argument, &new, sizeof new))
        return -EFAULT;
    if (memcmp(&new, &p->window, sizeof new) == 0)
        return 0;
    p->window = new;
    terminal_signal(&p->tty.terminal, SIGWINCH);
    return 0;
}

static int64_t flush(struct pty *p, bool master, uint64_t which)
{
    int error = master ? 0 : terminal_check(&p->tty.terminal, SIGTTOU);
    if (error)
        return error;
    if (which > TCIOFLUSH)
        return -EINVAL;
    bool in = which != TCOFLUSH, out = which != TCIFLUSH;
    if (master ? out : in) {
        queue_drop(&p->tty.arriving, p->tty.arriving.length);
        tty_flush_input(&p->tty);
    }
    tty_settle(&p->tty);
    if (master ? in : out)
        tty_flush_output(&p->tty);
    return 0;
}

static int64_t flow(struct pty *p, bool master, uint64_t what)
{
    struct tty *t = &p->tty;
    int error = master ? 0 : terminal_check(&t->terminal, SIGTTOU);
    if (error)
        return error;
    if (what > TCION)
        return -EINVAL;
    if (master)
        return 0;
    if (what == TCOOFF) {
        tty_stop(t);
        t->stopped_by_call = true;
    } else if (what == TCOON) {
        if (t->stopped_by_call) {
            t->stopped_by_call = false;
            tty_start(t);
        }
    } else {
        unsigned char c = t->termios.c_cc[what == TCIOFF ? VSTOP : VSTART];
        if (c)
            queue_add(&t->leaving, &c, 1);
        waitq_wake(&t->master_wait, EPOLLIN | EPOLLRDNORM);
    }
    return 0;
}

static int64_t packet_mode(struct pty *p, uint64_t argument, const struct umem *m)
{
    int on;
    if (m->read(m, argument, &on, sizeof on))
        return -EFAULT;
    if (on && !p->tty.packet)
        p->tty.packet_status = 0;
    p->tty.packet = on;
    return 0;
}

static int64_t master_only(struct pty *p, uint32_t command, uint64_t argument, const struct umem *m)
{
    int value;
    switch (command) {
    case TIOCGPTN:
        return put_int(m, argument, (int)p->number);
    case TIOCGPTLCK:
        return put_int(m, argument, p->locked);
    case TIOCSPTLCK:
        if (m->read(m, argument, &value, sizeof value))
            return -EFAULT;
        p->locked = value;
        return 0;
    case TIOCPKT:
        return packet_mode(p, argument, m);
    case TIOCGPKT:
        return put_int(m, argument, p->tty.packet);
    case TIOCSIG:
        if (argument < 1 || argument > 64)
            return -EINVAL;
        terminal_signal(&p->tty.terminal, (int)argument);
        return 0;
    default:
        return -ENOTTY;
    }
}

static int64_t unread(struct pty *p, bool master)
{
    return master ? p->tty.leaving.length : (int64_t)tty_unread(&p->tty);
}

int64_t pty_ioctl(struct pty *p, struct file *f, bool master, uint32_t command, uint64_t argument, const struct umem *m,
                  const struct cred *c)
{
    struct tty *t = &p->tty;
    switch (command) {
    case TCGETS:
        return m->write(m, argument, &t->termios, TERMIOS_SIZE);
    case TCGETS2:
        return m->write(m, argument, &t->termios, TERMIOS2_SIZE);
    case TCSETS:
    case TCSETSW: /* output of a pseudo-terminal has always drained */
        return set_termios(p, master, argument, TERMIOS_SIZE, false, m);
    case TCSETSF:
        return set_termios(p, master, argument, TERMIOS_SIZE, true, m);
    case TCSETS2:
    case TCSETSW2:
        return set_termios(p, master, argument, TERMIOS2_SIZE, false, m);
    case TCSETSF2:
        return set_termios(p, master, argument, TERMIOS2_SIZE, true, m);
    case TIOCGWINSZ:
        return m->write(m, argument, &p->window, sizeof p->window);
    case TIOCSWINSZ:
        return set_window(p, argument, m);
    case TCFLSH:
        return flush(p, master, argument);
    case TCXONC:
        return flow(p, master, argument);
    case TCSBRK:
    case TCSBRKP:
        return master ? 0 : terminal_check(&t->terminal, SIGTTOU);
    case FIONREAD:
        return put_int(m, argument, (int)unread(p, master));
    case TIOCOUTQ: /* what was written is on the other side at once */
    case TIOCGETD: /* N_TTY */
        return put_int(m, argument, 0);
    case TIOCGEXCL:
        return put_int(m, argument, p->exclusive);
    case TIOCEXCL:
    case TIOCNXCL:
        p->exclusive = command == TIOCEXCL;
        return 0;
    case TIOCSTI: /* typing for somebody else: as with dev.tty.legacy_tiocsti=0 */
        return -EIO;
    case TIOCCONS:
    case TIOCVHANGUP:
        return -EPERM;
    }
    int64_t result = master ? master_only(p, command, argument, m) : -ENOTTY;
    return result != -ENOTTY ? result : terminal_ioctl(&t->terminal, f, master, command, argument, m, c);
}
