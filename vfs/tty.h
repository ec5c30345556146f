/* The line discipline of a pseudo-terminal: N_TTY, termios(3). Inside the room, between vfs/tty.c (input and what a
 * reader gets), vfs/tty_output.c (output and echo) and vfs/pty.c (the two files and their ioctls).
 *
 *   master write -> arriving -> [input processing, echo] -> line buffer -> slave read
 *   slave write  -> [output processing] -> leaving -> master read
 *
 * Sizes are Linux's: a line buffer of 4096 bytes, 64 KiB on the way in either direction. */
#ifndef VFS_TTY_H
#define VFS_TTY_H

#include "vfs/terminal.h"

#include <asm/termbits.h>

enum {
    TTY_LINE_SIZE = 4096, /* N_TTY_BUF_SIZE */
    TTY_QUEUE_MAX = 65536,
    TTY_ECHO_RESERVE = 4096, /* of `leaving`, for echo when a writer has filled the rest */
};

/* A ring of bytes that grows as needed up to `max`. */
struct byte_queue {
    unsigned char *bytes;
    uint32_t room, first, length, max;
};
bool queue_add(struct byte_queue *q, const void *bytes, size_t n); /* all or nothing */
/* The bytes at the front that lie together; *n is 0 when there are none. */
const unsigned char *queue_front(const struct byte_queue *q, size_t *n);
void queue_drop(struct byte_queue *q, size_t n);
static inline uint32_t queue_space(const struct byte_queue *q)
{
    return q->max - q->length;
}

struct tty {
    struct terminal terminal; /* first: a terminal is a tty */
    struct termios2 termios;
    struct waitq slave_wait, master_wait;

    struct byte_queue arriving; /* written by the master, not yet processed: the line buffer was full */
    unsigned char line[TTY_LINE_SIZE];
    uint64_t delimiters[TTY_LINE_SIZE / 64]; /* one bit for each byte of `line`: a line ends here */
    /* Free-running positions: tail <= canon_head <= head <= tail + TTY_LINE_SIZE. */
    uint64_t head, canon_head, tail;
    bool literal_next; /* VLNEXT was typed */
    bool erasing;      /* ECHOPRT: between \ and / */

    struct byte_queue leaving;     /* for the master to read */
    uint32_t settled;              /* of these: in the master's own line discipline, out of reach of a flush */
    struct byte_queue echo;        /* held back while output is stopped */
    uint32_t column, canon_column; /* of the cursor now, and where the line being edited begins */
    uint32_t shown_column, shown_canon_column; /* without what `echo` holds */
    bool stopped;                              /* ^S or tcflow(TCOOFF) */
    bool stopped_by_call;

    bool packet;           /* TIOCPKT */
    uint8_t packet_status; /* TIOCPKT_* not yet read by the master */
};

static inline bool tty_control(unsigned char c)
{
    return c < 32 || c == 127;
}

/* The kernel's ctype knows Latin-1, whatever the locale of the guest (lib/ctype.c). */
static inline bool tty_latin_letter(unsigned char c)
{
    return c >= 0xc0 && c != 0xd7 && c != 0xf7;
}

static inline bool tty_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           tty_latin_letter(c);
}

static inline unsigned char tty_lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (tty_latin_letter(c) && c < 0xdf) ? c + 32 : c;
}

static inline unsigned char tty_upper(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (tty_latin_letter(c) && c >= 0xdf) ? c - 32 : c;
}

/* UTF-8 continuation bytes do not move the cursor when the terminal says it is UTF-8 (IUTF8). */
static inline bool tty_continuation(const struct tty *t, unsigned char c)
{
    return (t->termios.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* vfs/tty.c */
void tty_init(struct tty *t);
void tty_release(struct tty *t);
void tty_receive(struct tty *t);                   /* process what arrived, as far as there is room */
bool tty_readable(const struct tty *t, bool poll); /* poll: VMIN counts, as for poll(2) */
/* What a slave's read gets; the queue decides, not the file. -EAGAIN when it has to wait. expired: VTIME is over. */
ssize_t tty_read(struct tty *t, struct io *io, bool nonblock, bool expired);
int64_t tty_read_wait(const struct tty *t); /* VTIME: nanoseconds from now, -1: no limit */
size_t tty_unread(const struct tty *t);     /* FIONREAD */
void tty_flush_input(struct tty *t);
void tty_set_termios(struct tty *t, const struct termios2 *new);

/* vfs/tty_output.c */
ssize_t tty_write(struct tty *t, struct io *io); /* a slave's write; -EAGAIN when stopped or full */
bool tty_writable(const struct tty *t);
void tty_echo(struct tty *t, unsigned char c);     /* as the user sees it: ^X for control characters (ECHOCTL) */
void tty_echo_raw(struct tty *t, unsigned char c); /* through output processing only */
/* Before an operation on the pair: what is on its way to the master by now has arrived there (as the kernel's work
 * queue would have seen to), and no flush takes it back (pty_flush_buffer). */
void tty_settle(struct tty *t);
void tty_flush_output(struct tty *t);
void tty_echo_back(struct tty *t);  /* one column, whatever OPOST says */
void tty_move_back(struct tty *t);  /* count one back, echo nothing */
void tty_flush_echo(struct tty *t); /* to the master, unless output is stopped */
void tty_drop_echo(struct tty *t);
void tty_stop(struct tty *t);
void tty_start(struct tty *t);
void tty_packet(struct tty *t, uint8_t set, uint8_t clear); /* tell a master in packet mode */

#endif
