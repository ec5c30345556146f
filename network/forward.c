/* Far ends that are connections of the host's (network/forward.h). */
#include "network/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct forward {
    struct far_end end; /* first */
    struct forwards *all;
    struct forward *next;
    uint32_t number;
    int fd;      /* -1: a run that is run again, or it could not be dialled */
    int refused; /* errno of dialling */
    bool stands;
    bool finished;     /* the guest said FIN ... */
    bool shut;         /* ... and the host was told */
    bool broken;       /* the host takes no more; what it still gives comes first */
    bool far_finished; /* the peer said FIN */
    bool full;         /* a send was taken short */
    /* The guest's bytes: taken from it, of these taken by the host, of these told. */
    uint64_t taken, written, told;
    char *out; /* those that the host did not take: FORWARD_WINDOW, from out_start on */
    size_t out_start, out_end;
    char *held; /* the peer's bytes that the guest's queue had no room for */
    size_t held_start, held_end;
};

struct forwards {
    struct forwards_config config;
    struct forward *first; /* the newest first */
    uint32_t count, numbers;
};

/* ---- the guest's side ------------------------------------------------------------------------------------------------------ */

/* What the host takes at once. */
static void flush(struct forward *f)
{
    while (f->fd >= 0 && f->stands && !f->broken && f->out_start < f->out_end) {
        ssize_t n = write(f->fd, f->out + f->out_start, f->out_end - f->out_start);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            f->broken = true;
        if (n <= 0)
            return;
        f->out_start += (size_t)n;
        f->written += (uint64_t)n;
    }
    if (f->fd >= 0 && f->stands && f->finished && !f->shut && f->out_start == f->out_end) {
        f->shut = true;
        (void)shutdown(f->fd, SHUT_WR);
    }
}

static void keep_out(struct forward *f, const void *bytes, size_t n)
{
    memmove(f->out, f->out + f->out_start, f->out_end - f->out_start);
    f->out_end -= f->out_start;
    f->out_start = 0;
    memcpy(f->out + f->out_end, bytes, n); /* what is not told is at least what is not written */
    f->out_end += n;
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    struct forward *f = (struct forward *)e;
    uint64_t room = FORWARD_WINDOW - (f->taken - f->told);
    f->full = n > room;
    n = n < room ? n : (size_t)room;
    f->taken += n;
    if (f->fd >= 0) {
        keep_out(f, bytes, n);
        flush(f);
    }
    return n;
}

static void finished(struct far_end *e)
{
    struct forward *f = (struct forward *)e;
    f->finished = true;
    flush(f);
}

static void give_held(struct forward *f)
{
    size_t from = f->held_start, n = f->held_end - from;
    if (n == 0)
        return;
    f->held_start = f->held_end; /* whoever comes back to us finds nothing */
    f->held_start = from + far_send(&f->end, f->held + from, n);
}

static void room(struct far_end *e)
{
    give_held((struct forward *)e);
}

static void gone(struct far_end *e)
{
    struct forward *f = (struct forward *)e;
    struct forward **at = &f->all->first;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->all->count--;
    flush(f);
    if (f->fd >= 0) {
        const struct linger reset = {.l_onoff = 1};
        if (!f->finished) /* the guest reset it */
            (void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(f->fd);
    }
    free(f->out);
    free(f->held);
    free(f);
}

static const struct far_end_ops ops = {.received = received, .finished = finished, .room = room, .gone = gone};

struct far_end *forward_open(struct forwards *all, const struct network_rule *rule)
{
    struct forward *f = all->count < FORWARDS_MOST ? calloc(1, sizeof *f) : NULL;
    if (f == NULL)
        return NULL;
    f->end.ops = &ops;
    f->all = all;
    f->fd = -1;
    f->out = malloc(FORWARD_WINDOW);
    f->held = malloc(FORWARD_PIECE);
    if (f->out == NULL || f->held == NULL) {
        free(f->out);
        free(f->held);
        free(f);
        return NULL;
    }
    if (all->config.begun != NULL)
        all->config.begun(all->config.context);
    if (all->config.dial != NULL) {
        f->fd = all->config.dial(all->config.context, rule);
        f->refused = f->fd < 0 ? -f->fd : 0;
    }
    f->number = ++all->numbers;
    f->next = all->first;
    all->first = f;
    all->count++;
    return &f->end;
}

/* ---- news ------------------------------------------------------------------------------------------------------------------- */

static struct forward *find(const struct forwards *all, uint32_t number)
{
    for (struct forward *f = all->first; f != NULL; f = f->next)
        if (f->number == number)
            return f;
    return NULL;
}

void forwards_happened(struct forwards *all, const struct forward_news *n)
{
    struct forward *f = find(all, n->number);
    if (all->config.happened != NULL)
        all->config.happened(all->config.context, n);
    if (f == NULL)
        return;
    switch (n->what) { /* the far end may be gone after each */
    case FORWARD_STANDS:
        f->stands = true;
        flush(f);
        far_stand(&f->end);
        break;
    case FORWARD_FAILED:
        far_fell(&f->end, (int)n->value);
        break;
    case FORWARD_BYTES:
        if (n->size > FORWARD_PIECE || f->held_start < f->held_end)
            break; /* of a record that no run of ours made */
        memcpy(f->held, n->bytes, n->size);
        f->held_start = 0;
        f->held_end = n->size;
        give_held(f);
        break;
    case FORWARD_SENT:
        f->told += n->value < f->taken - f->told ? n->value : f->taken - f->told;
        if (f->full)
            far_pull(&f->end);
        break;
    case FORWARD_FINISHED:
        f->far_finished = true;
        far_finish(&f->end);
        break;
    case FORWARD_RESET:
        far_reset(&f->end);
        break;
    case FORWARD_WHATS:
        break;
    }
}

/* ---- the host's side -------------------------------------------------------------------------------------------------------- */

static short wanted(const struct forward *f)
{
    bool reads = f->stands && !f->far_finished && f->held_start == f->held_end;
    bool writes = !f->stands || (f->out_start < f->out_end && !f->broken);
    return (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
}

nfds_t forwards_poll(const struct forwards *all, struct pollfd *out, bool *awaited)
{
    nfds_t n = 0;
    *awaited = false;
    for (struct forward *f = all->first; f != NULL; f = f->next) {
        short events = wanted(f);
        *awaited = *awaited || far_awaited(&f->end);
        if (f->fd >= 0 && events != 0)
            out[n++] = (struct pollfd){.fd = f->fd, .events = events};
    }
    return n;
}

bool forwards_any(const struct forwards *all)
{
    return all->first != NULL;
}

static void tell(struct forwards *all, uint32_t number, enum forward_what what, uint64_t value)
{
    forwards_happened(all, &(struct forward_news){.number = number, .what = what, .value = value});
}

static void look_whether_stands(struct forwards *all, struct forward *f)
{
    struct pollfd p = {.fd = f->fd, .events = POLLOUT};
    int error = f->refused;
    socklen_t n = sizeof error;
    if (f->fd >= 0 &&
        (poll(&p, 1, 0) <= 0 || p.revents == 0 || getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0))
        return;
    tell(all, f->number, error == 0 ? FORWARD_STANDS : FORWARD_FAILED, (uint64_t)error);
}

static void look_for_bytes(struct forwards *all, struct forward *f)
{
    char bytes[FORWARD_PIECE];
    ssize_t n;
    if (f->far_finished || f->held_start < f->held_end)
        return;
    do
        n = recv(f->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        forwards_happened(all, &(struct forward_news){f->number, FORWARD_BYTES, 0, bytes, (size_t)n});
    else if (n == 0 && !f->broken)
        tell(all, f->number, FORWARD_FINISHED, 0);
    else if (n == 0 || errno != EAGAIN)
        tell(all, f->number, FORWARD_RESET, 0);
}

static void pump(struct forwards *all, uint32_t number)
{
    struct forward *f = find(all, number);
    if (f != NULL && !f->stands) {
        look_whether_stands(all, f);
        f = find(all, number);
    }
    if (f == NULL || !f->stands)
        return;
    flush(f);
    if (f->written > f->told)
        tell(all, number, FORWARD_SENT, f->written - f->told);
    f = find(all, number);
    if (f != NULL)
        look_for_bytes(all, f);
}

void forwards_pump(struct forwards *all)
{
    uint32_t numbers[FORWARDS_MOST], n = 0;
    if (all->config.dial == NULL)
        return;
    for (struct forward *f = all->first; f != NULL; f = f->next)
        numbers[n++] = f->number;
    while (n > 0)
        pump(all, numbers[--n]);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

struct forwards *forwards_new(const struct forwards_config *config)
{
    struct forwards *f = calloc(1, sizeof *f);
    if (f != NULL)
        f->config = *config;
    return f;
}

void forwards_free(struct forwards *f)
{
    free(f);
}
