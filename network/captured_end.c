/* A conversation of a capture given again (network/captured.h). Of a stream each piece of the far side's comes when the guest has sent as
 * much as it had before it. Of datagrams, what followed the same datagram; or, when there is none such, what followed the next one. */
#include "network/captured.h"

#include "network/tls.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ADDRESSES = 64 /* of one name */ };

struct captured_end {
    struct far_end end;
    struct contents *contents;
    const struct event *first, *at;
    uint32_t sent;   /* of the event's bytes */
    uint64_t unread; /* bytes of the guest's that came before the record wants them */
    bool guest_done, finished, over, running, wrapped;
};

static struct captured_end *of(struct far_end *e)
{
    return (struct captured_end *)e;
}

/* The guest has said as much as it had at this point, or will say no more. */
static bool guest_said(struct captured_end *p)
{
    uint64_t missing = p->at->size - p->sent;
    uint64_t part = missing < p->unread ? missing : p->unread;
    p->sent += (uint32_t)part;
    p->unread -= part;
    return p->guest_done || (p->sent == p->at->size && !(p->at->flags & EVENT_FIN));
}

static bool far_said(struct captured_end *p)
{
    if (!p->finished && p->at->size > p->sent)
        p->sent += (uint32_t)far_send(&p->end, p->at->bytes + p->sent, p->at->size - p->sent);
    if (!p->finished && p->sent < p->at->size)
        return false;
    if (p->at->flags & EVENT_FIN && !p->finished) {
        p->finished = true;
        far_finish(&p->end);
    }
    return true;
}

static void go_on(struct captured_end *p)
{
    if (p->running) /* an operation of ours came back to us */
        return;
    p->running = true;
    while (p->at != NULL && !p->over) {
        if (p->at->flags & EVENT_RST) {
            p->over = true;
            if (!p->at->guest)
                far_reset(&p->end);
            break;
        }
        if (p->at->flags & EVENT_TLS) {
            if (p->wrapped)
                tls_begin(&p->end);
        } else if (!(p->at->guest ? guest_said(p) : far_said(p))) {
            break;
        }
        p->at = p->at->next;
        p->sent = 0;
    }
    if (p->at == NULL && p->guest_done && !p->finished) { /* the run ended before this connection did */
        p->finished = true;
        far_finish(&p->end);
    }
    p->running = false;
}

/* ---- datagrams ---- */

static const struct event *next_question(const struct event *from, const void *bytes, size_t n)
{
    while (from != NULL && (!from->guest || (bytes != NULL && (from->size != n || memcmp(from->bytes, bytes, n) != 0))))
        from = from->next;
    return from;
}

static size_t received_datagram(struct far_end *e, const void *bytes, size_t n)
{
    struct captured_end *p = of(e);
    const struct event *asked = next_question(p->at, bytes, n);
    if (asked == NULL)
        asked = next_question(p->first, bytes, n);
    if (asked == NULL)
        asked = next_question(p->at, NULL, 0);
    if (asked == NULL)
        return n; /* more than was ever asked: nobody answers */
    for (asked = asked->next; asked != NULL && !asked->guest; asked = asked->next)
        (void)far_send(e, asked->bytes, asked->size);
    p->at = asked;
    return n;
}

/* ---- streams ---- */

static void opened(struct far_end *e)
{
    go_on(of(e));
}

static size_t received(struct far_end *e, const void *bytes, size_t n)
{
    of(e)->unread += n;
    go_on(of(e));
    return n;
}

static void finished(struct far_end *e)
{
    of(e)->guest_done = true;
    go_on(of(e));
}

static void room(struct far_end *e)
{
    go_on(of(e));
}

static void gone(struct far_end *e)
{
    of(e)->contents->ends--;
    free(e);
}

static const struct far_end_ops stream_ops = {opened, received, finished, room, NULL, gone};
static const struct far_end_ops datagram_ops = {NULL, received_datagram, NULL, NULL, NULL, gone};

/* ---- which one ---- */

/* The addresses that the file knows a name by. */
static size_t addresses_of(const struct captured *r, const char *name, uint8_t ips[MOST_ADDRESSES][16])
{
    size_t n = 0;
    for (const struct captured_name *k = r->names; k != NULL && n < MOST_ADDRESSES; k = k->next)
        if (strcmp(k->name, name) == 0)
            memcpy(ips[n++], k->ip, 16);
    return n;
}

static bool is_among(const uint8_t ip[16], uint8_t ips[MOST_ADDRESSES][16], size_t n)
{
    while (n > 0 && memcmp(ip, ips[n - 1], 16) != 0)
        n--;
    return n > 0;
}

static void take_address(const struct sockaddr_storage *to, uint8_t ip[16])
{
    if (to->ss_family != AF_INET) {
        memcpy(ip, &((const struct sockaddr_in6 *)to)->sin6_addr, 16);
        return;
    }
    memset(ip, 0, 10);
    memset(ip + 10, 0xff, 2);
    memcpy(ip + 12, &((const struct sockaddr_in *)to)->sin_addr, 4);
}

struct far_end *captured_end_new(struct contents *cs, struct captured *r, const struct content_peer *peer,
                                 enum content_tls *tls)
{
    struct talked *found = NULL;
    uint8_t ips[MOST_ADDRESSES][16];
    size_t n = addresses_of(r, peer->host, ips);
    if (n == 0) {
        take_address(peer->to, ips[0]);
        n = 1;
    }
    for (struct talked *t = r->first; t != NULL; t = t->next)
        if (t->datagram == peer->datagram && t->port == peer->port && is_among(t->ip, ips, n) &&
            t->heard[1]) { /* one that never stood says nothing */
            found = t;
            if (!t->given)
                break;
        }
    struct captured_end *p = found != NULL ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return NULL;
    found->given = true;
    p->end.ops = peer->datagram ? &datagram_ops : &stream_ops;
    p->contents = cs;
    p->first = p->at = found->is_tls ? found->plain.first : found->wire.first;
    p->wrapped = found->is_tls;
    *tls = !found->is_tls ? CONTENT_CLEAR : p->first->flags & EVENT_TLS ? CONTENT_TLS : CONTENT_TLS_LATER;
    cs->ends++;
    return &p->end;
}
