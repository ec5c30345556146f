/* The line discipline's way out: output processing (OPOST), echo, flow control. Follows Linux's drivers/tty/n_tty.c,
 * do_output_char and __process_echoes. */
#include "vfs/tty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum {
    EXPANSION = 8, /* one byte becomes at most that many: a tab */
    CHUNK = 4096,
    ECHO_BLOCK = 256, /* ECHO_COMMIT_WATERMARK */
};

/* ---- queues ---------------------------------------------------------------------------------------------------- */

static bool queue_grow(struct byte_queue *q, uint32_t need)
{
    uint32_t room = q->room ? q->room : 256;
    while (room < need)
        room *= 2;
    unsigned char *bytes = malloc(room);
    if (!bytes)
        return false;
    uint32_t to_end = q->room - q->first, part = q->length < to_end ? q->length : to_end;
    if (q->length) {
        memcpy(bytes, q->bytes + q->first, part);
        memcpy(bytes + part, q->bytes, q->length - part);
    }
    free(q->bytes);
    q->bytes = bytes;
    q->room = room;
    q->first = 0;
    return true;
}

bool queue_add(struct byte_queue *q, const void *bytes, size_t n)
{
    if (n > queue_space(q) || (q->length + n > q->room && !queue_grow(q, q->length + (uint32_t)n)))
        return false;
    if (!n)
        return true;
    size_t at = (q->first + q->length) % q->room, to_end = q->room - at, part = n < to_end ? n : to_end;
    memcpy(q->bytes + at, bytes, part);
    memcpy(q->bytes, (const unsigned char *)bytes + part, n - part);
    q->length += (uint32_t)n;
    return true;
}

const unsigned char *queue_front(const struct byte_queue *q, size_t *n)
{
    uint32_t to_end = q->room - q->first;
    *n = q->length < to_end ? q->length : to_end;
    return q->length ? q->bytes + q->first : NULL;
}

void queue_drop(struct byte_queue *q, size_t n)
{
    q->length -= (uint32_t)n;
    q->first = q->length ? (q->first + (uint32_t)n) % q->room : 0;
}

/* ---- output processing ------------------------------------------------------------------------------------------ */

/* What one byte becomes, at most EXPANSION bytes in `to`. Keeps the column. */
static size_t process(struct tty *t, unsigned char c, unsigned char *to)
{
    uint32_t flags = t->termios.c_oflag;
    switch (c) {
    case '\n':
        if (flags & ONLRET)
            t->column = 0;
        if (flags & ONLCR) {
            t->canon_column = t->column = 0;
            to[0] = '\r';
            to[1] = '\n';
            return 2;
        }
        t->canon_column = t->column;
        break;
    case '\r':
        if ((flags & ONOCR) && t->column == 0)
            return 0;
        if (flags & OCRNL) {
            c = '\n';
            if (flags & ONLRET)
                t->canon_column = t->column = 0;
            break;
        }
        t->canon_column = t->column = 0;
        break;
    case '\t': {
        uint32_t spaces = 8 - (t->column & 7);
        t->column += spaces;
        if ((flags & TABDLY) == XTABS) {
            memset(to, ' ', spaces);
            return spaces;
        }
        break;
    }
    case '\b':
        if (t->column > 0)
            t->column--;
        break;
    default:
        if (!tty_control(c)) {
            if (flags & OLCUC)
                c = tty_upper(c);
            if (!tty_continuation(t, c))
                t->column++;
        }
    }
    *to = c;
    return 1;
}

static void wake_master(struct tty *t)
{
    waitq_wake(&t->master_wait, EPOLLIN | EPOLLRDNORM);
}

static uint32_t writer_space(const struct tty *t)
{
    uint32_t space = queue_space(&t->leaving);
    return space > TTY_ECHO_RESERVE ? space - TTY_ECHO_RESERVE : 0;
}

bool tty_writable(const struct tty *t)
{
    return !t->stopped && writer_space(t) >= EXPANSION;
}

ssize_t tty_write(struct tty *t, struct io *io)
{
    unsigned char in[CHUNK], out[CHUNK * EXPANSION];
    bool processing = t->termios.c_oflag & OPOST;
    size_t done = 0;
    ssize_t result = 0;
    tty_flush_echo(t);
    while (io->left) {
        size_t take = t->stopped ? 0 : writer_space(t) / (processing ? EXPANSION : 1);
        result = take ? io_get(io, in, take < sizeof in ? take : sizeof in) : -EAGAIN;
        if (result <= 0)
            break;
        size_t n = 0;
        for (ssize_t i = 0; processing && i < result; i++)
            n += process(t, in[i], out + n);
        if (!queue_add(&t->leaving, processing ? out : in, processing ? n : (size_t)result)) {
            result = -ENOMEM;
            break;
        }
        done += (size_t)result;
    }
    if (done) {
        t->shown_column = t->column;
        t->shown_canon_column = t->canon_column;
        wake_master(t);
    }
    return done ? (ssize_t)done : result;
}

/* ---- echo -------------------------------------------------------------------------------------------------------- */

/* Echo is held back until a batch of input is processed, so that a ^S or ^C in the batch has its say. */
static void echo_bytes(struct tty *t, const unsigned char *bytes, size_t n)
{
    /* What finds no room is lost: a terminal nobody reads must not cost memory. */
    if (queue_add(&t->echo, bytes, n) && t->echo.length >= ECHO_BLOCK)
        tty_flush_echo(t);
}

void tty_flush_echo(struct tty *t)
{
    size_t n, space;
    bool any = false;
    if (t->stopped)
        return;
    for (const unsigned char *bytes; (space = queue_space(&t->leaving)) && (bytes = queue_front(&t->echo, &n));) {
        n = n < space ? n : space;
        if (!queue_add(&t->leaving, bytes, n))
            break;
        queue_drop(&t->echo, n);
        any = true;
    }
    if (!t->echo.length) {
        t->shown_column = t->column;
        t->shown_canon_column = t->canon_column;
    }
    if (any)
        wake_master(t);
}

void tty_drop_echo(struct tty *t)
{
    if (!t->echo.length)
        return;
    queue_drop(&t->echo, t->echo.length);
    t->column = t->shown_column;
    t->canon_column = t->shown_canon_column;
}

void tty_echo_raw(struct tty *t, unsigned char c)
{
    unsigned char out[EXPANSION] = {c};
    if (c == 0xff) { /* the mark of echo operations in n_tty: no processing */
        t->column++;
        echo_bytes(t, out, 1);
        return;
    }
    echo_bytes(t, out, t->termios.c_oflag & OPOST ? process(t, c, out) : 1);
}

void tty_echo(struct tty *t, unsigned char c)
{
    if ((t->termios.c_lflag & ECHOCTL) && tty_control(c) && c != '\t') {
        unsigned char caret[2] = {'^', c ^ 0100};
        t->column += 2;
        echo_bytes(t, caret, 2);
    } else {
        tty_echo_raw(t, c);
    }
}

void tty_echo_back(struct tty *t)
{
    echo_bytes(t, (const unsigned char *)"\b", 1);
    tty_move_back(t);
}

void tty_move_back(struct tty *t)
{
    if (t->column > 0)
        t->column--;
}

/* ---- flow control ---- */

void tty_packet(struct tty *t, uint8_t set, uint8_t clear)
{
    if (!t->packet)
        return;
    t->packet_status = (uint8_t)((t->packet_status & ~clear) | set);
    waitq_wake(&t->master_wait, EPOLLIN | EPOLLRDNORM | EPOLLPRI);
}

void tty_stop(struct tty *t)
{
    if (t->stopped)
        return;
    t->stopped = true;
    tty_packet(t, TIOCPKT_STOP, TIOCPKT_START);
}

void tty_start(struct tty *t)
{
    if (!t->stopped || t->stopped_by_call)
        return;
    t->stopped = false;
    tty_packet(t, TIOCPKT_START, TIOCPKT_STOP);
    tty_flush_echo(t);
    waitq_wake(&t->slave_wait, EPOLLOUT | EPOLLWRNORM);
}

void tty_settle(struct tty *t)
{
    t->settled = t->leaving.length < TTY_LINE_SIZE ? t->leaving.length : TTY_LINE_SIZE - 1;
}

void tty_flush_output(struct tty *t)
{
    if (t->leaving.length > t->settled)
        t->leaving.length = t->settled;
    tty_packet(t, TIOCPKT_FLUSHWRITE, 0);
    waitq_wake(&t->slave_wait, EPOLLOUT | EPOLLWRNORM);
}
