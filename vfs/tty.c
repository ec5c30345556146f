/* The line discipline's way in: what the user types becomes lines, signals and echo. Follows Linux's
 * drivers/tty/n_tty.c function by function; termios(3) says what each flag means. */
#include "vfs/tty.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum { DISABLED = 0 }; /* _POSIX_VDISABLE; in the line buffer, at a delimiter: end of file */

static bool local(const struct tty *t, uint32_t flag)
{
    return t->termios.c_lflag & flag;
}

static bool input(const struct tty *t, uint32_t flag)
{
    return t->termios.c_iflag & flag;
}

static bool is_char(const struct tty *t, int which, unsigned char c)
{
    return c != DISABLED && t->termios.c_cc[which] == c;
}

/* ---- the line buffer --------------------------------------------------------------------------------------------- */

static unsigned char *line_at(struct tty *t, uint64_t position)
{
    return &t->line[position % TTY_LINE_SIZE];
}

static bool is_delimiter(const struct tty *t, uint64_t position)
{
    return t->delimiters[position % TTY_LINE_SIZE / 64] >> (position % 64) & 1;
}

static void set_delimiter(struct tty *t, uint64_t position, bool on)
{
    uint64_t bit = 1ull << (position % 64), *word = &t->delimiters[position % TTY_LINE_SIZE / 64];
    *word = on ? *word | bit : *word & ~bit;
}

static void wake_readers(struct tty *t)
{
    waitq_wake(&t->slave_wait, EPOLLIN | EPOLLRDNORM);
}

static void forget_line(struct tty *t)
{
    t->head = t->canon_head = t->tail = 0;
    memset(t->delimiters, 0, sizeof t->delimiters);
    t->erasing = t->literal_next = false;
}

void tty_init(struct tty *t)
{
    /* tty_std_termios, as pty.c changes it for slaves. */
    static const unsigned char characters[] = {
        [VINTR] = 3,   [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21,    [VEOF] = 4,      [VTIME] = 0,    [VMIN] = 1,
        [VSTART] = 17, [VSTOP] = 19, [VSUSP] = 26,   [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22};
    t->termios = (struct termios2){
        .c_iflag = ICRNL | IXON,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_ispeed = 38400,
        .c_ospeed = 38400,
    };
    memcpy(t->termios.c_cc, characters, sizeof characters);
    waitq_init(&t->slave_wait);
    waitq_init(&t->master_wait);
    t->arriving.max = TTY_QUEUE_MAX;
    t->leaving.max = TTY_QUEUE_MAX;
    t->echo.max = TTY_ECHO_RESERVE;
}

void tty_release(struct tty *t)
{
    waitq_destroy(&t->slave_wait);
    waitq_destroy(&t->master_wait);
    free(t->arriving.bytes);
    free(t->leaving.bytes);
    free(t->echo.bytes);
}

/* How many bytes may still be processed. A line too long for the buffer lets the rest pass (it overwrites the last
 * byte), so that its end can still arrive: n_tty_receive_room. */
static bool has_room(const struct tty *t)
{
    return t->head - t->tail < TTY_LINE_SIZE - 1 || (local(t, ICANON) && t->canon_head == t->tail);
}

static void put(struct tty *t, unsigned char c)
{
    if (t->head - t->tail >= TTY_LINE_SIZE)
        t->head--;
    *line_at(t, t->head++) = c;
}

static void put_parity(struct tty *t, unsigned char c)
{
    if (c == 0xff && input(t, PARMRK))
        put(t, c);
    put(t, c);
}

/* ---- editing a line ---- */

static void finish_erasing(struct tty *t)
{
    if (t->erasing) {
        tty_echo_raw(t, '/');
        t->erasing = false;
    }
}

static void rub_out(struct tty *t)
{
    tty_echo_raw(t, '\b');
    tty_echo_raw(t, ' ');
    tty_echo_raw(t, '\b');
}

/* Move the cursor back over a tab: to where what stands before it on the line ends. */
static void rub_out_tab(struct tty *t)
{
    uint32_t columns = 0;
    bool after_tab = false;
    for (uint64_t at = t->head; at != t->canon_head && !after_tab;) {
        unsigned char c = *line_at(t, --at);
        if (c == '\t')
            after_tab = true;
        else if (tty_control(c))
            columns += local(t, ECHOCTL) ? 2 : 0;
        else if (!tty_continuation(t, c))
            columns++;
    }
    if (!after_tab)
        columns += t->canon_column;
    for (uint32_t back = 8 - (columns & 7); back > 0; back--)
        tty_echo_back(t);
}

static void echo_erased(struct tty *t, bool erase, unsigned char c, uint64_t end)
{
    if (local(t, ECHOPRT)) {
        if (!t->erasing) {
            tty_echo_raw(t, '\\');
            t->erasing = true;
        }
        tty_echo(t, c);
        for (uint64_t at = t->head + 1; at < end; at++) {
            tty_echo_raw(t, *line_at(t, at));
            tty_move_back(t);
        }
    } else if (erase && !local(t, ECHOE)) {
        tty_echo(t, t->termios.c_cc[VERASE]);
    } else if (c == '\t') {
        rub_out_tab(t);
    } else {
        if (tty_control(c) && local(t, ECHOCTL))
            rub_out(t);
        if (!tty_control(c) || local(t, ECHOCTL))
            rub_out(t);
    }
}

static void erase(struct tty *t, unsigned char c)
{
    bool one = is_char(t, VERASE, c), word = !one && is_char(t, VWERASE, c), seen_word = false;
    if (t->head == t->canon_head)
        return;
    if (!one && !word && (!local(t, ECHO) || !local(t, ECHOK) || !local(t, ECHOKE) || !local(t, ECHOE))) {
        t->head = t->canon_head;
        if (local(t, ECHO)) {
            finish_erasing(t);
            tty_echo(t, t->termios.c_cc[VKILL]);
            if (local(t, ECHOK))
                tty_echo_raw(t, '\n');
        }
        return;
    }
    while (t->head != t->canon_head) {
        uint64_t at = t->head, end = t->head;
        do
            c = *line_at(t, --at);
        while (tty_continuation(t, c) && at != t->canon_head);
        if (tty_continuation(t, c)) /* half a character: leave it */
            break;
        if (word) {
            bool part = tty_word(c);
            if (!part && seen_word)
                break;
            seen_word |= part;
        }
        t->head = at;
        if (local(t, ECHO))
            echo_erased(t, one, c, end);
        if (one)
            break;
    }
    if (t->head == t->canon_head && local(t, ECHO))
        finish_erasing(t);
}

static void reprint(struct tty *t, unsigned char c)
{
    finish_erasing(t);
    tty_echo(t, c);
    tty_echo_raw(t, '\n');
    for (uint64_t at = t->canon_head; at != t->head; at++)
        tty_echo(t, *line_at(t, at));
}

/* ---- one byte arrives ---- */

void tty_flush_input(struct tty *t)
{
    forget_line(t);
    tty_packet(t, TIOCPKT_FLUSHREAD, 0);
    tty_receive(t);
}

static void signal_typed(struct tty *t, unsigned char c, int signal)
{
    if (!local(t, NOFLSH)) {
        tty_drop_echo(t);
        tty_flush_output(t);
        forget_line(t);
        tty_packet(t, TIOCPKT_FLUSHREAD, 0);
    }
    if (input(t, IXON))
        tty_start(t);
    if (local(t, ECHO))
        tty_echo(t, c);
    terminal_signal(&t->terminal, signal);
}

static void mark_line_start(struct tty *t)
{
    if (t->canon_head == t->head)
        t->canon_column = t->column;
}

static void end_line(struct tty *t, unsigned char c)
{
    if (t->head - t->tail >= TTY_LINE_SIZE)
        t->head--;
    set_delimiter(t, t->head, true);
    *line_at(t, t->head++) = c;
    t->canon_head = t->head;
    wake_readers(t);
}

static void ordinary(struct tty *t, unsigned char c)
{
    if (local(t, ECHO)) {
        finish_erasing(t);
        mark_line_start(t);
        tty_echo(t, c);
    }
    put_parity(t, c);
}

/* Editing and line ends. False: c is a byte like any other. */
static bool canonical(struct tty *t, unsigned char c)
{
    bool extended = local(t, IEXTEN);
    if (is_char(t, VERASE, c) || is_char(t, VKILL, c) || (extended && is_char(t, VWERASE, c))) {
        erase(t, c);
    } else if (extended && is_char(t, VLNEXT, c)) {
        t->literal_next = true;
        if (local(t, ECHO)) {
            finish_erasing(t);
            if (local(t, ECHOCTL)) {
                tty_echo_raw(t, '^');
                tty_echo_raw(t, '\b');
            }
        }
    } else if (extended && local(t, ECHO) && is_char(t, VREPRINT, c)) {
        reprint(t, c);
    } else if (c == '\n') {
        if (local(t, ECHO) || local(t, ECHONL))
            tty_echo_raw(t, '\n');
        end_line(t, c);
    } else if (is_char(t, VEOF, c)) {
        end_line(t, DISABLED);
    } else if (is_char(t, VEOL, c) || (extended && is_char(t, VEOL2, c))) {
        if (local(t, ECHO)) {
            mark_line_start(t);
            tty_echo(t, c);
        }
        if (c == 0xff && input(t, PARMRK))
            put(t, c);
        end_line(t, c);
    } else {
        return false;
    }
    return true;
}

static int signal_of(const struct tty *t, unsigned char c)
{
    if (!local(t, ISIG))
        return 0;
    return is_char(t, VINTR, c) ? SIGINT : is_char(t, VQUIT, c) ? SIGQUIT : is_char(t, VSUSP, c) ? SIGTSTP : 0;
}

static unsigned char fold(const struct tty *t, unsigned char c)
{
    if (input(t, ISTRIP))
        c &= 0x7f;
    return input(t, IUCLC) && local(t, IEXTEN) ? tty_lower(c) : c;
}

static void receive_byte(struct tty *t, unsigned char c)
{
    c = fold(t, c);
    if (t->literal_next) {
        t->literal_next = false;
        ordinary(t, c);
        return;
    }
    if (local(t, EXTPROC)) {
        put(t, c);
        return;
    }
    if (input(t, IXON)) {
        if (is_char(t, VSTART, c)) {
            tty_start(t);
            tty_flush_echo(t);
            return;
        }
        if (is_char(t, VSTOP, c)) {
            tty_stop(t);
            return;
        }
    }
    int signal = signal_of(t, c);
    if (signal) {
        signal_typed(t, c, signal);
        return;
    }
    if (input(t, IXON) && input(t, IXANY))
        tty_start(t);
    bool converted = c == '\r' && input(t, ICRNL);
    if (c == '\r') {
        if (input(t, IGNCR))
            return;
        if (input(t, ICRNL))
            c = '\n';
    } else if (c == '\n' && input(t, INLCR)) {
        c = '\r';
    }
    if (local(t, ICANON) && canonical(t, c))
        return;
    if (converted && local(t, ECHO)) { /* a typed \n is echoed as ^J: it is special in lines only */
        finish_erasing(t);
        tty_echo_raw(t, '\n');
        put(t, c);
        return;
    }
    ordinary(t, c);
}

void tty_receive(struct tty *t)
{
    bool was_full = !queue_space(&t->arriving);
    size_t n, done;
    for (const unsigned char *bytes; (bytes = queue_front(&t->arriving, &n)); queue_drop(&t->arriving, done)) {
        for (done = 0; done < n && has_room(t); done++)
            receive_byte(t, bytes[done]);
        if (done < n) {
            queue_drop(&t->arriving, done);
            break;
        }
    }
    tty_flush_echo(t);
    if (!local(t, ICANON) && t->head != t->tail)
        wake_readers(t);
    if (was_full && queue_space(&t->arriving))
        waitq_wake(&t->master_wait, EPOLLOUT | EPOLLWRNORM);
}

/* ---- what a reader gets ---- */

bool tty_readable(const struct tty *t, bool poll)
{
    const unsigned char *cc = t->termios.c_cc;
    if (local(t, ICANON) && !local(t, EXTPROC))
        return t->canon_head != t->tail;
    return t->head - t->tail >= (poll && !cc[VTIME] && cc[VMIN] ? cc[VMIN] : 1);
}

/* Bytes from the tail on, up to n, without consuming them; two pieces where the ring wraps. */
static ssize_t copy_out(struct tty *t, struct io *io, size_t n)
{
    size_t at = t->tail % TTY_LINE_SIZE, to_end = TTY_LINE_SIZE - at, part = n < to_end ? n : to_end;
    ssize_t put_first = io_put(io, t->line + at, part);
    if (put_first < 0 || (size_t)put_first < part || part == n)
        return put_first;
    ssize_t put_second = io_put(io, t->line, n - part);
    return put_second < 0 ? put_first : put_first + put_second;
}

static void consume(struct tty *t, uint64_t n)
{
    for (; n; n--)
        set_delimiter(t, t->tail++, false);
}

static ssize_t read_line(struct tty *t, struct io *io)
{
    uint64_t end = t->tail, n;
    while (end != t->canon_head && !is_delimiter(t, end))
        end++;
    bool found = end != t->canon_head, eof = found && *line_at(t, end) == DISABLED;
    n = end - t->tail + (found && !eof);
    if (n > io->left)
        n = io->left;
    ssize_t copied = n ? copy_out(t, io, n) : 0;
    if (copied < 0)
        return copied;
    consume(t, (uint64_t)copied);
    if (eof && t->tail == end) /* a read that reaches the end of file eats it, so that the next one does not see it */
        consume(t, 1);
    return copied;
}

ssize_t tty_read(struct tty *t, struct io *io, bool nonblock, bool expired)
{
    ssize_t done;
    if (local(t, ICANON) && !local(t, EXTPROC)) {
        if (t->canon_head == t->tail)
            return -EAGAIN;
        done = read_line(t, io);
    } else {
        size_t ready = t->head - t->tail, least = t->termios.c_cc[VMIN], n = ready < io->left ? ready : io->left;
        bool timed = t->termios.c_cc[VTIME];
        if (!ready) {
            if (expired || (!least && !timed))
                return 0;
            return -EAGAIN;
        }
        /* Linux waits for VMIN bytes, or as many as fit; VMIN 0 wants one. */
        if (!nonblock && !expired && n < io->left && n < least)
            return -EAGAIN;
        done = copy_out(t, io, n);
        if (done > 0)
            consume(t, (uint64_t)done);
    }
    tty_receive(t); /* there is room now */
    return done;
}

int64_t tty_read_wait(const struct tty *t)
{
    const unsigned char *cc = t->termios.c_cc;
    if (local(t, ICANON) || !cc[VTIME] || (cc[VMIN] && t->head == t->tail))
        return -1;
    return cc[VTIME] * INT64_C(100000000); /* tenths of a second */
}

size_t tty_unread(const struct tty *t)
{
    if (!local(t, ICANON) || local(t, EXTPROC))
        return t->head - t->tail;
    size_t n = t->canon_head - t->tail;
    for (uint64_t at = t->tail; at != t->canon_head; at++)
        n -= is_delimiter(t, at) && t->line[at % TTY_LINE_SIZE] == DISABLED;
    return n;
}

/* ---- settings ---- */

void tty_set_termios(struct tty *t, const struct termios2 *new)
{
    struct termios2 old = t->termios;
    t->termios = *new;
    /* A pseudo-terminal has no other way of sending bytes (pty_set_termios). */
    t->termios.c_cflag = (new->c_cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8 | CREAD;
    if ((old.c_lflag ^ new->c_lflag) & (ICANON | EXTPROC)) {
        memset(t->delimiters, 0, sizeof t->delimiters);
        if (local(t, ICANON) && t->head != t->tail) { /* what was typed raw becomes a line */
            set_delimiter(t, t->head - 1, true);
            t->canon_head = t->head;
        } else {
            t->canon_head = t->tail;
        }
        t->erasing = t->literal_next = false;
    }
    if ((old.c_iflag & IXON) && !input(t, IXON))
        tty_start(t);
    bool flow_was = (old.c_iflag & IXON) && old.c_cc[VSTOP] == 19 && old.c_cc[VSTART] == 17;
    bool flow_is = input(t, IXON) && t->termios.c_cc[VSTOP] == 19 && t->termios.c_cc[VSTART] == 17;
    bool external = (old.c_lflag | new->c_lflag) & EXTPROC;
    if (flow_was != flow_is || external)
        tty_packet(t, (uint8_t)((flow_is ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP) | (external ? TIOCPKT_IOCTL : 0)),
                   flow_is ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
    tty_receive(t);
    wake_readers(t);
}
