/* Messages between AF_UNIX sockets, and the open files they carry: unix(7), SCM_RIGHTS.
 *
 * A file in a message is referenced by it alone. If it is a socket, a message to it may hold the other's file, and so
 * two sockets keep each other alive that nobody can reach: unix_collect finds them, as Linux's net/unix/garbage.c does.
 * A socket is a candidate when messages hold all references to its file; it lives when one of those messages stands in
 * the queue of a socket that is none, or of a candidate that lives.
 *
 * Freeing a message may close a socket, which frees messages: `doomed` makes a loop of that recursion. */
#include "vfs/unix.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_ROOM = 512, OVERHEAD = 256 };

static struct unix_socket *unix_socket_of(const struct file *f)
{
    struct socket *s = socket_of(f);
    return s && s->family == AF_UNIX ? unix_of(s) : NULL;
}

/* ---- files in flight ---- */

static void take_off(struct netstack *n, struct file *f)
{
    struct unix_socket *s = unix_socket_of(f);
    n->files_in_flight++;
    if (!s || s->in_flight++)
        return;
    s->flight_prev = NULL;
    s->flight_next = n->flying;
    if (n->flying)
        n->flying->flight_prev = s;
    n->flying = s;
}

static void land(struct netstack *n, struct file *f)
{
    struct unix_socket *s = unix_socket_of(f);
    n->files_in_flight--;
    if (!s || --s->in_flight)
        return;
    *(s->flight_prev ? &s->flight_prev->flight_next : &n->flying) = s->flight_next;
    if (s->flight_next)
        s->flight_next->flight_prev = s->flight_prev;
}

void unix_hand_files(struct vfs *v, struct unix_message *message, struct socket_message *m, bool peek)
{
    struct netstack *n = v->objects.net;
    if (!message->file_count)
        return;
    if (!m->files) {
        m->flags |= MSG_CTRUNC;
        return; /* they go with the message */
    }
    for (uint32_t i = 0; i < message->file_count; i++) {
        m->files[i] = message->files[i];
        if (peek)
            file_get(m->files[i]);
        else
            land(n, m->files[i]);
    }
    m->file_count = message->file_count;
    if (!peek)
        message->file_count = 0;
}

/* ---- messages ---- */

int unix_message_new(struct unix_socket *s, const struct socket_message *m, size_t size, struct unix_message **out)
{
    struct netstack *n = s->base.vfs->objects.net;
    size_t room = size < LEAST_ROOM && !unix_is_dgram(s) ? LEAST_ROOM : size;
    if (m->file_count && n->files_in_flight + m->file_count > FILES_IN_FLIGHT_MAX)
        return -ETOOMANYREFS;
    if (n->bytes_in_flight + room > BYTES_IN_FLIGHT_MAX)
        return -ENOBUFS;
    struct unix_message *message = malloc(sizeof *message + room);
    struct file **files = m->file_count ? calloc(m->file_count, sizeof *files) : NULL;
    if (!message || (m->file_count && !files)) {
        free(message);
        free(files);
        return -ENOMEM;
    }
    *message = (struct unix_message){
        .sender = s,
        .from = s->address,
        .credentials = m->credentials.pid ? m->credentials : s->self,
        .files = files,
        .file_count = m->file_count,
        .charge = (uint32_t)room + OVERHEAD,
        .room = room,
    };
    unix_get(s);
    if (s->address)
        s->address->references++;
    for (uint32_t i = 0; i < m->file_count; i++) {
        files[i] = m->files[i];
        file_get(files[i]);
        take_off(n, files[i]);
    }
    s->outstanding += message->charge;
    n->bytes_in_flight += message->charge;
    s->base.vfs->usage.queued += message->charge;
    *out = message;
    return 0;
}

bool unix_has_room(const struct unix_socket *s)
{
    return s->outstanding * 4 <= s->base.send_buffer;
}

static void give_back(struct unix_message *m)
{
    struct unix_socket *s = m->sender;
    bool had_room = unix_has_room(s);
    s->outstanding -= m->charge;
    s->base.vfs->objects.net->bytes_in_flight -= m->charge;
    s->base.vfs->usage.queued -= m->charge;
    if (!had_room && unix_has_room(s) && !s->dead)
        waitq_wake(&s->base.wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

void unix_discard(struct unix_message *message)
{
    struct netstack *n = message->sender->base.vfs->objects.net;
    for (uint32_t i = 0; i < message->file_count; i++)
        land(n, message->files[i]);
    message->next = n->doomed;
    n->doomed = message;
    if (n->dooming)
        return;
    n->dooming = true;
    while ((message = n->doomed)) {
        n->doomed = message->next;
        for (uint32_t i = 0; i < message->file_count; i++)
            file_put(message->files[i]);
        free(message->files);
        unix_address_put(message->from);
        give_back(message);
        unix_put(message->sender);
        free(message);
    }
    n->dooming = false;
}

void unix_queue(struct unix_socket *to, struct unix_message *message)
{
    message->next = NULL;
    message->arrived = socket_arrival(&to->base);
    *(to->last ? &to->last->next : &to->first) = message;
    to->last = message;
    to->waiting++;
    to->unread += message->end - message->start;
    waitq_wake(&to->base.wait, EPOLLIN | EPOLLRDNORM | EPOLLRDBAND);
}

static void unlink_message(struct unix_socket *s, struct unix_message *m, struct unix_message *before)
{
    *(before ? &before->next : &s->first) = m->next;
    if (s->last == m)
        s->last = before;
    if (s->urgent == m)
        s->urgent = NULL;
    s->waiting--;
    s->unread -= m->end - m->start;
}

void unix_drop(struct unix_socket *s, struct unix_message *message, struct unix_message *before)
{
    unlink_message(s, message, before);
    unix_discard(message);
    waitq_wake(&s->room, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

void unix_drop_first(struct unix_socket *s)
{
    unix_drop(s, s->first, NULL);
}

void unix_drop_all(struct unix_socket *s)
{
    for (struct unix_message *m; (m = s->first);) {
        unlink_message(s, m, NULL);
        unix_discard(m);
    }
}

/* ---- the collection ---- */

/* Calls each for every socket whose file stands in a message to s, or to somebody who waits to be accepted by s. */
static void each_held(struct unix_socket *s, void (*each)(struct unix_socket *held, struct unix_socket **work),
                      struct unix_socket **work)
{
    for (const struct unix_message *m = s->first; m; m = m->next) {
        for (uint32_t i = 0; i < m->file_count; i++) {
            struct unix_socket *held = unix_socket_of(m->files[i]);
            if (held && held->candidate)
                each(held, work);
        }
    }
    for (struct unix_socket *p = s->pending_first; p; p = p->pending_next)
        each_held(p, each, work); /* who is pending listens to nobody: one level */
}

static void count_inside(struct unix_socket *held, struct unix_socket **work)
{
    held->held_inside++;
}

static void rescue(struct unix_socket *held, struct unix_socket **work)
{
    held->candidate = false;
    held->work_next = *work;
    *work = held;
}

void unix_collect(struct netstack *n)
{
    struct unix_socket *work = NULL, *garbage = NULL, *s;
    if (n->collecting || !n->flying)
        return;
    for (s = n->flying; s; s = s->flight_next) {
        s->held_inside = 0;
        s->candidate = s->base.file && s->base.file->references == s->in_flight;
    }
    for (s = n->flying; s; s = s->flight_next)
        if (s->candidate)
            each_held(s, count_inside, &work);
    for (s = n->flying; s; s = s->flight_next)
        if (s->candidate && s->held_inside < s->in_flight)
            rescue(s, &work);
    while ((s = work)) {
        work = s->work_next;
        each_held(s, rescue, &work);
    }
    for (s = n->flying; s; s = s->flight_next) {
        if (!s->candidate)
            continue;
        s->candidate = false;
        unix_get(s);
        s->work_next = garbage;
        garbage = s;
    }
    n->collecting = true; /* closing them ends here again */
    while ((s = garbage)) {
        garbage = s->work_next;
        unix_drop_all(s);
        for (struct unix_socket *p = s->pending_first; p; p = p->pending_next)
            unix_drop_all(p);
        unix_put(s);
    }
    n->collecting = false;
}
