/* Carrying far ends (vfs/far_end.h): a stream's queue in each direction, or datagrams, between a socket and somebody who is
 * no guest. What is in flight is bounded by the socket's buffers; who outlives its socket (bytes that are still to be
 * taken) is bounded in number.
 *
 * A far end's operations run within the guest's own calls or a timer's. `inside` counts them: nothing is freed, and nothing
 * offered again, below one. It may also send because of what another far end heard (FTP's two connections): to send never
 * frees who sends. */
#include "vfs/remote.h"

#include "vfs/far_end.h"
#include "vfs/objects.h"

#include <stdlib.h>
#include <string.h>

enum { ORPHANS_MOST = 64, REMOTES_MOST = 256 /* far ends of one datagram socket */, LEAST_ROOM = 2048 };

struct remote {
    struct far_end *end;
    struct inet_table *table;
    struct inet_socket *socket; /* NULL: it was closed, and what it sent is still to be taken */
    struct remote *next;        /* of the socket's datagram ends, or of the orphans */
    struct inet_address to;
    void *record;
    bool stream, open;
    int inside;
    bool ending;       /* no more operations but `gone`, when inside is 0 */
    bool pull;         /* far_pull came while inside */
    bool starved;      /* a send was taken short: `room` is owed */
    bool finished;     /* the guest's FIN is to be told once everything was taken ... */
    bool told;         /* ... and was */
    bool far_finished; /* its FIN was told to the guest */
    int error;         /* an opening one that fails: so, when the timer comes */
    uint64_t timer;
    struct inet_chunk *first, *last; /* the guest's bytes that were not taken */
    uint64_t waiting;
};

static const struct far_link carrier_ops;

static const struct net_hooks *hooks_of(const struct inet_table *t)
{
    return &t->hooks;
}

static void tell(struct remote *r, enum net_event event, bool guest, const void *bytes, size_t n)
{
    if (r->record != NULL && hooks_of(r->table)->event != NULL)
        hooks_of(r->table)->event(r->record, event, guest, bytes, n);
}

/* ---- ends ------------------------------------------------------------------------------------------------------- */

static void disarm(struct remote *r)
{
    const struct timer_clock *clock = hooks_of(r->table)->clock;
    if (r->timer)
        clock->disarm(clock->context, r->timer);
    r->timer = 0;
}

static void arm(struct remote *r, int64_t delay, void (*fire)(void *))
{
    const struct timer_clock *clock = hooks_of(r->table)->clock;
    int64_t now = clock->now(clock->context, CLOCK_MONOTONIC);
    disarm(r);
    r->timer = clock->arm(clock->context, CLOCK_MONOTONIC, delay > INT64_MAX - now ? INT64_MAX : now + delay, fire, r);
}

static void drop_waiting(struct remote *r)
{
    while (r->first) {
        struct inet_chunk *c = r->first;
        r->first = c->next;
        inet_chunk_free(r->table, c);
    }
    r->last = NULL;
    r->waiting = 0;
}

static void unlink_from(struct remote **list, struct remote *r)
{
    while (*list && *list != r)
        list = &(*list)->next;
    if (*list)
        *list = r->next;
}

/* Frees r unless an operation of its far end is on the stack: then the last of them does. */
static void over(struct remote *r)
{
    r->ending = true;
    if (r->inside)
        return;
    struct inet_socket *s = r->socket;
    disarm(r);
    drop_waiting(r);
    if (s && r->stream && s->far == r)
        s->far = NULL;
    else if (s && !r->stream)
        unlink_from(&s->far, r);
    else if (!s) {
        unlink_from(&r->table->orphans, r);
        r->table->orphan_count--;
    }
    struct far_end *end = r->end;
    r->end = NULL;
    if (end && end->ops->gone) {
        r->inside = 1; /* its last words go nowhere */
        end->ops->gone(end);
    }
    tell(r, NET_OVER, false, NULL, 0);
    free(r);
}

static void on_over(void *argument)
{
    struct remote *r = argument;
    r->timer = 0;
    over(r);
}

/* When whoever calls has come to its end. */
static void over_soon(struct remote *r)
{
    r->ending = true;
    if (!r->inside)
        arm(r, 0, on_over);
}

static void enter(struct remote *r)
{
    r->inside++;
}

static bool offer(struct remote *r);

/* false: r is gone. */
static bool leave(struct remote *r)
{
    if (--r->inside > 0)
        return true;
    if (r->ending) {
        over(r);
        return false;
    }
    return !r->pull || offer(r); /* pulled from within `opened`, `room` or `timer` */
}

/* Both sides said FIN and everything was taken. */
static bool is_through(const struct remote *r)
{
    return r->stream && r->told && (r->far_finished || !r->socket);
}

static void take(struct remote *r, size_t n)
{
    struct inet_chunk *c = r->first;
    c->start += n;
    r->waiting -= n;
    if (c->start < c->end)
        return;
    r->first = c->next;
    if (!r->first)
        r->last = NULL;
    inet_chunk_free(r->table, c);
}

/* Offers what was not taken. false: r is gone. */
static bool offer(struct remote *r)
{
    bool had_room = r->socket && remote_room(r->socket) > 0;
    if (r->inside) {
        r->pull = true;
        return true;
    }
    enter(r);
    do {
        size_t taken = 1, all = 0;
        r->pull = false;
        while (r->first && !r->ending && taken > 0) {
            size_t n = r->first->end - r->first->start;
            taken = r->end->ops->received ? r->end->ops->received(r->end, r->first->data + r->first->start, n) : n;
            taken = taken < n ? taken : n;
            if (taken)
                take(r, taken);
            all += taken;
        }
        r->pull = r->pull && all > 0;
    } while (r->pull && r->first && !r->ending);
    if (!r->first && r->finished && !r->told && !r->ending) {
        r->told = true;
        if (r->end->ops->finished)
            r->end->ops->finished(r->end);
    }
    r->pull = false;
    if (is_through(r))
        r->ending = true;
    if (!had_room && r->socket && !r->ending)
        waitq_wake(&r->socket->base.wait, EPOLLOUT | EPOLLWRNORM);
    return leave(r);
}

/* ---- what a far end may do ------------------------------------------------------------------------------------- */

static size_t datagram_send(struct remote *r, const void *bytes, size_t n)
{
    tell(r, NET_BYTES, false, bytes, n);
    (void)udp_arrived(r->socket, &r->to, bytes, n); /* or lost, as datagrams are */
    return n;
}

static size_t far_link_send(struct far_end *e, const void *bytes, size_t n)
{
    struct remote *r = e->carrier;
    struct inet_socket *s = r->socket;
    if (r->ending || !r->open || r->far_finished)
        return n;
    if (!s || s->dead || s->base.shutdown & SHUTDOWN_RECEIVE) { /* nobody reads it any more */
        if (r->stream && !s)
            tell(r, NET_RESET, true, NULL, 0);
        if (!s)
            over_soon(r);
        return n;
    }
    if (!r->stream)
        return datagram_send(r, bytes, n);
    size_t done = 0;
    while (done < n) {
        uint64_t room = tcp_receive_room(s);
        size_t part = n - done < room ? n - done : room;
        part = part < INET_CHUNK ? part : INET_CHUNK;
        struct inet_chunk *c = s->last;
        if (part == 0)
            break;
        if (c && c->end < c->room) {
            part = part < c->room - c->end ? part : c->room - c->end;
            memcpy(c->data + c->end, (const char *)bytes + done, part);
            c->end += part;
            s->unread += part;
            waitq_wake(&s->base.wait, EPOLLIN | EPOLLRDNORM);
        } else {
            c = inet_chunk_new(r->table, part < LEAST_ROOM ? LEAST_ROOM : part);
            if (!c)
                break;
            memcpy(c->data, (const char *)bytes + done, part);
            c->end = part;
            inet_queue(s, c);
        }
        done += part;
    }
    if (done)
        tell(r, NET_BYTES, false, bytes, done);
    if (done < n)
        r->starved = true;
    return done;
}

static void far_link_pull(struct far_end *e)
{
    struct remote *r = e->carrier;
    if (!r->ending)
        (void)offer(r);
}

static void far_link_finish(struct far_end *e)
{
    struct remote *r = e->carrier;
    if (r->ending || !r->stream || r->far_finished)
        return;
    r->far_finished = true;
    tell(r, NET_FINISHED, false, NULL, 0);
    if (r->socket)
        tcp_far_finished(r->socket);
    if (is_through(r))
        over(r);
}

static void far_link_reset(struct far_end *e)
{
    struct remote *r = e->carrier;
    if (r->ending)
        return;
    tell(r, r->stream ? NET_RESET : NET_REFUSED, false, NULL, 0);
    if (r->socket && r->stream)
        tcp_far_reset(r->socket);
    else if (r->socket)
        udp_unreached(r->socket, &r->to, ECONNREFUSED, NULL, 0);
    over(r);
}

static void on_timer(void *argument)
{
    struct remote *r = argument;
    r->timer = 0;
    enter(r);
    if (r->end->ops->timer && !r->ending)
        r->end->ops->timer(r->end);
    (void)leave(r);
}

static void far_link_arm(struct far_end *e, int64_t delay)
{
    struct remote *r = e->carrier;
    if (r->ending)
        return;
    if (delay < 0)
        disarm(r);
    else
        arm(r, delay, on_timer);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* The connection stands. false: r is gone again. */
static bool stand(struct remote *r)
{
    r->open = true;
    tell(r, NET_OPENED, false, NULL, 0);
    enter(r);
    if (r->end->ops->opened)
        r->end->ops->opened(r->end);
    return leave(r);
}

/* It does not, and will not. */
static void fall(struct remote *r, int error)
{
    struct inet_socket *s = r->socket;
    tell(r, error == ETIMEDOUT ? NET_SILENT : NET_REFUSED, false, NULL, 0);
    over(r);
    tcp_settled(s, -error);
}

static void on_open(void *argument)
{
    struct remote *r = argument;
    r->timer = 0;
    if (!r->end) {
        fall(r, r->error);
        return;
    }
    tcp_settled(r->socket, 0);
    (void)stand(r);
}

static void far_link_stand(struct far_end *e)
{
    struct remote *r = e->carrier;
    if (r->ending || r->open || !r->socket)
        return;
    tcp_settled(r->socket, 0);
    (void)stand(r);
}

static void far_link_fell(struct far_end *e, int error)
{
    struct remote *r = e->carrier;
    if (!r->ending && !r->open && r->socket)
        fall(r, error > 0 ? error : ECONNREFUSED);
}

static bool far_link_awaited(const struct far_end *e)
{
    const struct remote *r = e->carrier;
    return r->socket && !waitq_empty(&r->socket->base.wait);
}

static const struct far_link carrier_ops = {
    .send = far_link_send,
    .pull = far_link_pull,
    .finish = far_link_finish,
    .reset = far_link_reset,
    .arm = far_link_arm,
    .stand = far_link_stand,
    .fell = far_link_fell,
    .awaited = far_link_awaited,
};

static struct remote *ask(struct inet_socket *s, const struct inet_address *from, const struct inet_address *to,
                          struct far_answer *answer)
{
    struct inet_table *t = inet_table_of(s);
    struct far_request request = {.type = s->base.type};
    struct remote *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    inet_address_whole(to, &request.to);
    inet_address_whole(from, &request.from);
    if (t->hooks.begin)
        request.record = t->hooks.begin(t->hooks.context, &request, true);
    t->hooks.connect(t->hooks.context, &request, answer);
    *r = (struct remote){.table = t,
                         .socket = s,
                         .to = *to,
                         .record = request.record,
                         .stream = s->base.type == SOCK_STREAM,
                         .end = answer->end,
                         .error = answer->error};
    if (r->end) {
        r->end->link = &carrier_ops;
        r->end->carrier = r;
    }
    return r;
}

int remote_connect(struct inet_socket *s, const struct inet_address *to, int64_t limit)
{
    struct far_answer answer = {0};
    struct remote *r = ask(s, &s->local, to, &answer);
    if (!r)
        return -ENOMEM;
    s->far = r;
    if (!r->end && r->error != ETIMEDOUT && answer.delay == 0) {
        int error = r->error;
        tell(r, NET_REFUSED, false, NULL, 0);
        over(r);
        return -error;
    }
    if (answer.waits)
        return -EINPROGRESS;
    if (r->end && answer.delay == 0) {
        tcp_settled(s, 0);
        (void)stand(r);
        return 0;
    }
    if (answer.delay >= limit || r->error == ETIMEDOUT) {
        struct far_end *end = r->end;
        r->end = NULL;
        r->error = ETIMEDOUT;
        answer.delay = limit;
        if (end && end->ops->gone)
            end->ops->gone(end);
    }
    arm(r, answer.delay, on_open);
    return -EINPROGRESS;
}

static void take_whole(const struct sockaddr_storage *from, struct inet_address *out)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    *out = (struct inet_address){.ip = {[10] = 0xff, [11] = 0xff}, .port = ntohs(in->sin_port)};
    if (from->ss_family == AF_INET)
        memcpy(out->ip + 12, &in->sin_addr, 4);
    else
        memcpy(out->ip, &in6->sin6_addr, 16);
}

int far_arrive(struct vfs *v, const struct sockaddr_storage *guest, const struct sockaddr_storage *from,
               struct far_end *e, void **record)
{
    struct far_request request = {.type = SOCK_STREAM, .to = *from, .from = *guest, .arrives = true};
    struct inet_address to, other;
    struct inet_socket *s;
    struct remote *r = calloc(1, sizeof *r);
    take_whole(guest, &to);
    take_whole(from, &other);
    int error = r ? tcp_arrive(v, &to, &other, &s) : -ENOMEM;
    if (error) {
        free(r);
        return error;
    }
    struct inet_table *t = inet_table_of(s);
    *record = t->hooks.begin ? t->hooks.begin(t->hooks.context, &request, true) : NULL;
    *r = (struct remote){.table = t, .socket = s, .to = other, .record = *record, .stream = true, .end = e};
    e->link = &carrier_ops;
    e->carrier = r;
    s->far = r;
    (void)stand(r);
    return 0;
}

size_t remote_room(const struct inet_socket *s)
{
    uint64_t most = s->base.send_buffer < INET_CHUNK ? INET_CHUNK : s->base.send_buffer;
    return s->far && s->far->waiting < most ? most - s->far->waiting : 0;
}

uint64_t remote_unsent(const struct inet_socket *s)
{
    return s->far ? s->far->waiting : 0;
}

ssize_t remote_send(struct inet_socket *s, struct io *io, bool urgent)
{
    struct remote *r = s->far;
    size_t room = remote_room(s), n = io->left < room ? io->left : room;
    n = n < INET_CHUNK ? n : INET_CHUNK;
    struct inet_chunk *c = inet_chunk_new(r->table, n);
    if (!c)
        return -ENOBUFS;
    ssize_t got = io_get(io, c->data, n);
    if (got <= 0) {
        inet_chunk_free(r->table, c);
        return got;
    }
    c->end = (size_t)got;
    *(r->last ? &r->last->next : &r->first) = c;
    r->last = c;
    r->waiting += (uint64_t)got;
    tell(r, urgent && !io->left ? NET_URGENT : NET_BYTES, true, c->data, (size_t)got);
    (void)offer(r);
    return got;
}

void remote_was_read(struct inet_socket *s)
{
    struct remote *r = s->far;
    if (!r->starved || r->inside || tcp_receive_room(s) < s->base.receive_buffer / 4)
        return;
    r->starved = false;
    enter(r);
    if (r->end->ops->room)
        r->end->ops->room(r->end);
    (void)leave(r);
}

bool remote_has_finished(const struct inet_socket *s)
{
    return s->far->far_finished;
}

void remote_finish(struct inet_socket *s)
{
    struct remote *r = s->far;
    if (r->finished)
        return;
    r->finished = true;
    tell(r, NET_FINISHED, true, NULL, 0);
    (void)offer(r);
}

void remote_leave(struct inet_socket *s, bool reset)
{
    struct remote *r = s->far;
    if (!r)
        return;
    if (!r->open || reset) {
        tell(r, r->open ? NET_RESET : NET_SILENT, true, NULL, 0);
        over(r);
        if (s->far) { /* one of its operations is on the stack */
            r->socket = NULL;
            s->far = NULL;
            r->next = r->table->orphans;
            r->table->orphans = r;
            r->table->orphan_count++;
        }
        return;
    }
    if (!r->finished)
        tell(r, NET_FINISHED, true, NULL, 0);
    r->finished = true;
    r->socket = NULL;
    s->far = NULL;
    r->next = r->table->orphans;
    r->table->orphans = r;
    r->table->orphan_count++;
    if (offer(r) && r->table->orphan_count > ORPHANS_MOST)
        over(r);
}

void remote_free_orphans(struct inet_table *t)
{
    while (t->orphans)
        over(t->orphans);
}

/* ---- datagrams -------------------------------------------------------------------------------------------------- */

static struct remote *find(struct inet_socket *s, const struct inet_address *to)
{
    for (struct remote *r = s->far; r; r = r->next)
        if (r->to.port == to->port && inet_same_ip(&r->to, to) && !r->ending)
            return r;
    return NULL;
}

/* The newest are first. */
static void limit_remotes(struct inet_socket *s)
{
    uint32_t n = 0;
    for (struct remote *r = s->far, *next; r; r = next) {
        next = r->next;
        if (++n > REMOTES_MOST && !r->inside)
            over(r);
    }
}

/* The ICMP error comes after `delay`: one, for the first of what is sent until then. */
static void on_refused(void *argument)
{
    struct remote *r = argument;
    r->timer = 0;
    tell(r, NET_REFUSED, false, NULL, 0);
    udp_unreached(r->socket, &r->to, r->error, r->first ? r->first->data : "", r->first ? r->first->end : 0);
    over(r);
}

static ssize_t refuse_later(struct inet_socket *s, struct remote *r, int64_t delay, const void *bytes, size_t n)
{
    r->next = s->far;
    s->far = r;
    r->first = r->last = inet_chunk_new(r->table, n);
    if (r->first) {
        memcpy(r->first->data, bytes, n);
        r->first->end = n;
    }
    tell(r, NET_BYTES, true, bytes, n);
    arm(r, delay, on_refused);
    limit_remotes(s);
    return (ssize_t)n;
}

ssize_t remote_datagram(struct inet_socket *s, const struct inet_address *from, const struct inet_address *to,
                        const void *bytes, size_t n)
{
    struct remote *r = find(s, to);
    if (!r) {
        struct far_answer answer = {0};
        r = ask(s, from, to, &answer);
        if (!r)
            return -ENOBUFS;
        if (!r->end && answer.error == ECONNREFUSED && answer.delay > 0 && answer.delay < INT64_MAX)
            return refuse_later(s, r, answer.delay, bytes, n);
        if (!r->end) {
            int error = answer.error;
            bool silent = answer.error == ETIMEDOUT || answer.delay > 0;
            tell(r, NET_BYTES, true, bytes, n);
            tell(r, silent ? NET_SILENT : NET_REFUSED, false, NULL, 0);
            tell(r, NET_OVER, false, NULL, 0);
            free(r);
            if (error == ECONNREFUSED && !silent)
                udp_unreached(s, to, error, bytes, n);
            return error == ENETUNREACH || error == EHOSTUNREACH ? -error : (ssize_t)n;
        }
        r->next = s->far;
        s->far = r;
        limit_remotes(s);
        if (!stand(r))
            return (ssize_t)n;
    }
    tell(r, NET_BYTES, true, bytes, n);
    if (!r->end) /* it is refused already, but does not know */
        return (ssize_t)n;
    if (r->inside) /* it would be asked within its own answer: lost */
        return (ssize_t)n;
    enter(r);
    if (r->end->ops->received)
        (void)r->end->ops->received(r->end, bytes, n);
    (void)leave(r);
    return (ssize_t)n;
}

void remote_forget_all(struct inet_socket *s)
{
    while (s->far) {
        struct remote *r = s->far;
        over(r);
        if (s->far == r) {    /* on the stack: its last operation frees it */
            s->far = r->next; /* NOLINT(clang-analyzer-unix.Malloc): over takes what it frees off s->far */
            r->socket = NULL;
            r->next = r->table->orphans;
            r->table->orphans = r;
            r->table->orphan_count++;
        }
    }
}
