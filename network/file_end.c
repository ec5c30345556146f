/* See file_end.h. The file is polled as a guest's would be: whoever wakes it only sets the far end's timer, so that nothing
 * of ours runs within somebody else's write. */
#include "network/file_end.h"

#include "vfs/socket.h"
#include "vfs/vfs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    MOST_QUEUES = 4,
    PIECE = 64 << 10,
    AGAIN = 10 * 1000 * 1000, /* ns between two attempts to reach a server that does not listen yet */
    MOST_TRIES = 3000,
};

struct file_end {
    struct far_end end;
    struct contents *contents;
    struct file *file; /* referenced; NULL: not connected yet */
    struct waiter waiters[MOST_QUEUES];
    size_t queues;
    struct buffer back; /* from the file, not yet taken by the guest */
    uint16_t port;      /* of a server inside; 0: a program's end */
    unsigned tries;
    bool opened, armed, short_in, guest_done, file_done, over;
};

static struct file_end *of(struct far_end *e)
{
    return (struct file_end *)e;
}

static void wake(struct waiter *w, uint32_t events)
{
    struct file_end *f = w->context;
    if (f->armed || f->over || !f->opened)
        return;
    f->armed = true;
    far_arm(&f->end, 0);
}

static void listen_to(struct poll_table *t, struct waitq *q)
{
    struct file_end *f = t->context;
    if (f->queues == MOST_QUEUES)
        return;
    struct waiter *w = &f->waiters[f->queues++];
    *w = (struct waiter){.wake = wake, .context = f};
    waitq_add(q, w);
}

static void stop_listening(struct file_end *f)
{
    for (size_t i = 0; i < f->queues; i++)
        waiter_remove(&f->waiters[i]);
    f->queues = 0;
}

/* ---- a server inside -------------------------------------------------------------------------------------------------------- */

/* True: it stands. It may not listen yet: once more a little later, and in the end never. */
static bool reach_server(struct file_end *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    const struct ucred nobody = {.pid = 0, .uid = 65534, .gid = 65534};
    struct waitq *full = NULL;
    struct file *file;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket_new(f->contents->config.world, AF_INET, SOCK_STREAM, 0, &file) < 0) {
        f->over = true;
        far_reset(&f->end);
        return false;
    }
    int error = socket_connect(file, NULL, (const struct sockaddr *)&to, sizeof to, &nobody, &full);
    if (error == 0 || error == -EINPROGRESS) {
        f->file = file;
        return true;
    }
    file_put(file);
    if (++f->tries == MOST_TRIES) {
        f->over = true;
        far_reset(&f->end);
    } else {
        f->armed = true;
        far_arm(&f->end, AGAIN);
    }
    return false;
}

/* ---- there and back ------------------------------------------------------------------------------------------------------------ */

static void finish_if_done(struct file_end *f)
{
    if (!f->file_done || f->back.size > 0 || f->over)
        return;
    f->over = true;
    stop_listening(f);
    far_finish(&f->end);
}

static void bring_back(struct file_end *f)
{
    char bytes[PIECE];
    for (;;) {
        if (f->back.size > 0)
            buffer_drop(&f->back, far_send(&f->end, buffer_bytes(&f->back), f->back.size));
        if (f->back.size > 0 || f->file_done)
            break;
        struct io io = io_over_buffer(bytes, sizeof bytes);
        ssize_t n = file_read(f->file, &io, NULL);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            f->file_done = true;
            break;
        }
        size_t sent = far_send(&f->end, bytes, (size_t)n);
        if (!buffer_add(&f->back, bytes + sent, (size_t)n - sent)) {
            f->over = true;
            far_reset(&f->end);
            return;
        }
    }
    finish_if_done(f);
}

static void pump(struct file_end *f)
{
    if (f->over || !f->opened || (f->file == NULL && !reach_server(f)))
        return;
    struct poll_table table = {.add = listen_to, .context = f};
    stop_listening(f);
    (void)file_poll(f->file, &table); /* before looking: what comes meanwhile wakes us */
    bring_back(f);
    if (!f->over && f->short_in) {
        f->short_in = false;
        far_pull(&f->end);
    }
}

static void opened(struct far_end *e)
{
    of(e)->opened = true;
    pump(of(e));
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct file_end *f = of(e);
    if (f->over)
        return n;
    if (f->file == NULL) {
        f->short_in = true;
        return 0;
    }
    struct io io = io_over_buffer((void *)bytes, n);
    size_t done = 0;
    while (done < n) {
        ssize_t put = file_write(f->file, &io, NULL);
        if (put == -EAGAIN) {
            f->short_in = true;
            return done;
        }
        if (put <= 0) /* EPIPE, ECONNRESET: the program reads no more; what it says is still wanted */
            return n;
        done += (size_t)put;
    }
    return n;
}

static void finished(struct far_end *e)
{
    struct file_end *f = of(e);
    f->guest_done = true;
    if (f->file != NULL)
        (void)socket_shutdown(f->file, SHUT_WR);
    pump(f);
}

static void room(struct far_end *e)
{
    pump(of(e));
}

static void timer(struct far_end *e)
{
    of(e)->armed = false;
    pump(of(e));
    if (of(e)->file != NULL && of(e)->guest_done)
        (void)socket_shutdown(of(e)->file, SHUT_WR); /* it had its say before anybody listened */
}

static void gone(struct far_end *e)
{
    struct file_end *f = of(e);
    f->over = true;
    stop_listening(f);
    file_put(f->file);
    buffer_clear(&f->back);
    f->contents->ends--;
    free(f);
}

static const struct far_end_ops ops = {opened, received, finished, room, timer, gone};

static struct file_end *file_end_new(struct contents *cs)
{
    struct file_end *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->end.ops = &ops;
    f->contents = cs;
    buffer_init(&f->back, &cs->account, PIECE);
    cs->ends++;
    return f;
}

struct far_end *program_end_new(struct contents *cs, const struct policy_content *c)
{
    const struct ucred nobody = {.pid = 0, .uid = 65534, .gid = 65534};
    struct file *ends[2];
    if (cs->config.spawn == NULL || cs->config.world == NULL ||
        socket_pair(cs->config.world, AF_UNIX, SOCK_STREAM, 0, &nobody, ends) < 0)
        return NULL;
    struct file_end *f = file_end_new(cs);
    if (f != NULL && cs->config.spawn(cs->config.context, c->arguments, ends[1]) < 0) {
        gone(&f->end);
        f = NULL;
    }
    file_put(ends[1]);
    if (f == NULL) {
        file_put(ends[0]);
        return NULL;
    }
    f->file = ends[0];
    return &f->end;
}

struct far_end *serve_end_new(struct contents *cs, const struct policy_content *c, bool *started, uint16_t port)
{
    if (cs->config.spawn == NULL || cs->config.world == NULL)
        return NULL;
    if (!*started && cs->config.spawn(cs->config.context, c->arguments, NULL) < 0)
        return NULL;
    *started = true;
    struct file_end *f = file_end_new(cs);
    if (f != NULL)
        f->port = port;
    return f != NULL ? &f->end : NULL;
}
