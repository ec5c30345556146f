/* See captured.h. A first pass reads the packets in the file's order into events (who said how many bytes, who ended); the bytes
 * stay in the file's. The checksums are not looked at: they guard against wires. */
#include "network/captured.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTION = 0x0a0d0d0a,
    INTERFACE = 1,
    PACKET = 6,
    ETHERNET = 1,
    ETHER_HEADER = 14,
    MOST_INTERFACES = 16,
    MOST_CONVERSATIONS = 1 << 16,
    BUCKETS = 1 << 14,
    FIN = 1,
    SYN = 2,
    RST = 4,
    ACK = 16,
};

struct event {
    struct event *next;
    const uint8_t *bytes; /* within the file */
    uint32_t size;
    bool guest; /* who began the connection */
    uint8_t flags;
};

struct talked {
    struct talked *next, *same_bucket;
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    uint32_t expected[2]; /* the sequence number of each side's next byte; 0: the guest's */
    bool heard[2];        /* it is known */
    struct event *first, **end;
    ssize_t tls_at;
    bool over, given;
};

struct captured {
    uint8_t *bytes;
    struct talked *first, **end, *buckets[BUCKETS];
    size_t count;
    unsigned interfaces;
};

struct segment {
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    uint32_t sequence;
    uint8_t flags;
    const uint8_t *bytes;
    size_t size;
};

/* ---- packets ----------------------------------------------------------------------------------------------------------------- */

static uint32_t get_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get_32(const uint8_t *at)
{
    return get_16(at) << 16 | get_16(at + 2);
}

static void take_ipv4(const uint8_t *from, uint8_t ip[16])
{
    memset(ip, 0, 10);
    memset(ip + 10, 0xff, 2);
    memcpy(ip + 12, from, 4);
}

/* 1: *s is a TCP segment; 0: it is something else; -1: it contradicts itself. */
static int read_packet(const uint8_t *at, size_t n, struct segment *s)
{
    if (n < ETHER_HEADER)
        return -1;
    uint32_t type = get_16(at + 12);
    at += ETHER_HEADER;
    n -= ETHER_HEADER;
    size_t header, length;
    uint8_t protocol;
    if (type == 0x0800) {
        if (n < 20 || at[0] >> 4 != 4)
            return -1;
        header = (at[0] & 15u) * 4;
        length = get_16(at + 2);
        protocol = at[9];
        take_ipv4(at + 12, s->from_ip);
        take_ipv4(at + 16, s->ip);
    } else if (type == 0x86dd) {
        if (n < 40 || at[0] >> 4 != 6)
            return -1;
        header = 40;
        length = 40 + get_16(at + 4);
        protocol = at[6];
        memcpy(s->from_ip, at + 8, 16);
        memcpy(s->ip, at + 24, 16);
    } else {
        return 0;
    }
    if (header < 20 || length < header || length > n)
        return -1;
    if (protocol != IPPROTO_TCP)
        return 0;
    const uint8_t *tcp = at + header;
    n = length - header;
    if (n < 20 || (tcp[12] >> 4) * 4u < 20 || (tcp[12] >> 4) * 4u > n)
        return -1;
    header = (tcp[12] >> 4) * 4u;
    s->from_port = (uint16_t)get_16(tcp);
    s->port = (uint16_t)get_16(tcp + 2);
    s->sequence = get_32(tcp + 4);
    s->flags = tcp[13];
    s->bytes = tcp + header;
    s->size = n - header;
    return 1;
}

/* ---- conversations --------------------------------------------------------------------------------------------------------- */

/* The same for both directions. */
static struct talked **bucket(struct captured *r, const struct segment *s)
{
    uint32_t hash = (s->from_port ^ s->port) * 2654435761u;
    for (size_t i = 0; i < 16; i++)
        hash = hash * 31 + (s->from_ip[i] ^ s->ip[i]);
    return &r->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static bool is_of(const struct talked *t, const struct segment *s, bool guest)
{
    const uint8_t *from = guest ? t->from_ip : t->ip, *to = guest ? t->ip : t->from_ip;
    return s->from_port == (guest ? t->from_port : t->port) && s->port == (guest ? t->port : t->from_port) &&
           memcmp(s->from_ip, from, 16) == 0 && memcmp(s->ip, to, 16) == 0;
}

static const char *begin(struct captured *r, const struct segment *s)
{
    struct talked *t = r->count < MOST_CONVERSATIONS ? calloc(1, sizeof *t) : NULL, **at = bucket(r, s);
    if (t == NULL)
        return r->count < MOST_CONVERSATIONS ? "out of memory" : "more than 65536 conversations";
    memcpy(t->from_ip, s->from_ip, 16);
    memcpy(t->ip, s->ip, 16);
    t->from_port = s->from_port;
    t->port = s->port;
    t->expected[0] = s->sequence + 1;
    t->heard[0] = true;
    t->end = &t->first;
    t->tls_at = -1;
    t->over = s->from_port == s->port && memcmp(s->from_ip, s->ip, 16) == 0; /* to itself: nobody else is there */
    t->same_bucket = *at;
    *at = t;
    *r->end = t;
    r->end = &t->next;
    r->count++;
    return NULL;
}

static bool add_event(struct talked *t, const struct segment *s, bool guest)
{
    struct event *e = calloc(1, sizeof *e);
    if (e == NULL)
        return false;
    *e = (struct event){.bytes = s->bytes, .size = (uint32_t)s->size, .guest = guest, .flags = s->flags & (FIN | RST)};
    *t->end = e;
    t->end = &e->next;
    return true;
}

/* A record of a handshake, of whatever version. */
static bool begins_tls(const struct segment *s)
{
    return s->size >= 6 && s->bytes[0] == 22 && s->bytes[1] == 3 && s->bytes[2] <= 4 && s->bytes[5] == 1;
}

static const char *take_segment(struct captured *r, const struct segment *s, size_t offset)
{
    bool guest = true;
    if ((s->flags & (SYN | ACK)) == SYN)
        return s->size == 0 ? begin(r, s) : "data in the first packet of a connection";
    struct talked *t = *bucket(r, s);
    while (t != NULL && !is_of(t, s, true) && !is_of(t, s, false))
        t = t->same_bucket;
    if (t == NULL)
        return "a packet of a connection whose beginning is not in the file";
    guest = is_of(t, s, true);
    int side = guest ? 0 : 1;
    if (t->over)
        return NULL; /* what still comes for a connection that was reset */
    if (s->flags & SYN && !guest && !t->heard[1]) {
        t->heard[1] = true;
        t->expected[1] = s->sequence + 1;
        return NULL;
    }
    if (s->flags & RST) {
        t->over = true;
        return add_event(t, s, guest) ? NULL : "out of memory";
    }
    if (!t->heard[side] || s->flags & SYN || s->sequence != t->expected[side])
        return "a segment out of its order";
    t->expected[side] += (uint32_t)s->size + !!(s->flags & FIN);
    if (guest && t->tls_at < 0 && begins_tls(s))
        t->tls_at = (ssize_t)offset;
    if (s->size == 0 && !(s->flags & FIN))
        return NULL;
    return add_event(t, s, guest) ? NULL : "out of memory";
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------------- */

static uint32_t native_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The body of a block. NULL, or what is wrong with it. */
static const char *take_block(struct captured *r, uint32_t type, const uint8_t *body, size_t n, size_t offset)
{
    struct segment s;
    int kind;
    switch (type) {
    case SECTION:
        if (offset != 0)
            return "a second section";
        if (n < 16 || native_32(body) != 0x1a2b3c4d || body[4] != 1 || body[5] != 0)
            return "no section of this machine's byte order and of version 1";
        return NULL;
    case INTERFACE:
        if (n < 8 || body[0] != ETHERNET || body[1] != 0)
            return "an interface that is no Ethernet";
        return ++r->interfaces <= MOST_INTERFACES ? NULL : "too many interfaces";
    case PACKET:
        if (n < 20 || native_32(body) >= r->interfaces || native_32(body + 12) > n - 20)
            return "a packet that its block does not hold";
        kind = read_packet(body + 20, native_32(body + 12), &s);
        if (kind < 0)
            return "a packet whose headers contradict themselves";
        return kind > 0 ? take_segment(r, &s, offset) : NULL;
    default: /* keys, and whatever a reader may pass over */
        return NULL;
    }
}

static bool read_blocks(struct captured *r, size_t n, char *why, size_t size)
{
    const char *wrong = NULL;
    for (size_t at = 0, length; at < n && wrong == NULL; at += length) {
        const uint8_t *block = r->bytes + at;
        length = n - at >= 12 ? native_32(block + 4) : 0;
        if (length < 12 || length % 4 != 0 || length > n - at || native_32(block + length - 4) != length)
            wrong = "a block that is not whole";
        else
            wrong = take_block(r, native_32(block), block + 8, length - 12, at);
        if (wrong != NULL)
            snprintf(why, size, "byte %zu: %s", at, wrong);
    }
    if (wrong == NULL && r->count == 0)
        snprintf(why, size, "no TCP connection is in it");
    return wrong == NULL && r->count > 0;
}

bool captured_is_one(const void *bytes, size_t n)
{
    return n >= 4 && native_32(bytes) == SECTION;
}

struct captured *captured_read(char *bytes, size_t n, char *why, size_t size)
{
    struct captured *r = calloc(1, sizeof *r);
    if (r == NULL) {
        snprintf(why, size, "out of memory");
        free(bytes);
        return NULL;
    }
    r->bytes = (uint8_t *)bytes;
    r->end = &r->first;
    if (read_blocks(r, n, why, size))
        return r;
    captured_free(r);
    return NULL;
}

void captured_free(struct captured *r)
{
    if (r == NULL)
        return;
    for (struct talked *t = r->first, *next; t != NULL; t = next) {
        next = t->next;
        for (struct event *e = t->first, *after; e != NULL; e = after) {
            after = e->next;
            free(e);
        }
        free(t);
    }
    free(r->bytes);
    free(r);
}

ssize_t captured_tls_at(const struct captured *r, uint16_t first_port, uint16_t last_port)
{
    for (const struct talked *t = r->first; t != NULL; t = t->next)
        if (t->tls_at >= 0 && t->port >= first_port && t->port <= last_port)
            return t->tls_at;
    return -1;
}

/* ---- given again --------------------------------------------------------------------------------------------------------------- */

struct captured_end {
    struct far_end end;
    struct contents *contents;
    const struct event *at;
    uint32_t sent;   /* of the event's bytes */
    uint64_t unread; /* bytes of the guest's that came before the record wants them */
    bool guest_done, finished, over, running;
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
    return p->guest_done || (p->sent == p->at->size && !(p->at->flags & FIN));
}

static bool far_said(struct captured_end *p)
{
    if (!p->finished && p->at->size > p->sent)
        p->sent += (uint32_t)far_send(&p->end, p->at->bytes + p->sent, p->at->size - p->sent);
    if (!p->finished && p->sent < p->at->size)
        return false;
    if (p->at->flags & FIN && !p->finished) {
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
        if (p->at->flags & RST) {
            p->over = true;
            if (!p->at->guest)
                far_reset(&p->end);
            break;
        }
        if (!(p->at->guest ? guest_said(p) : far_said(p)))
            break;
        p->at = p->at->next;
        p->sent = 0;
    }
    if (p->at == NULL && p->guest_done && !p->finished) { /* the run ended before this connection did */
        p->finished = true;
        far_finish(&p->end);
    }
    p->running = false;
}

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

static const struct far_end_ops ops = {opened, received, finished, room, NULL, gone};

static bool leads_to(const struct talked *t, const struct sockaddr_storage *to)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)to;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)to;
    uint8_t ip[16];
    if (to->ss_family == AF_INET)
        take_ipv4((const uint8_t *)&in->sin_addr, ip);
    else
        memcpy(ip, &in6->sin6_addr, 16);
    return memcmp(t->ip, ip, 16) == 0 && t->port == ntohs(to->ss_family == AF_INET ? in->sin_port : in6->sin6_port);
}

struct far_end *captured_end_new(struct contents *cs, struct captured *r, const struct sockaddr_storage *to)
{
    struct talked *found = NULL;
    for (struct talked *t = r->first; t != NULL; t = t->next)
        if (t->heard[1] && leads_to(t, to)) { /* one that never stood says nothing */
            found = t;
            if (!t->given)
                break;
        }
    struct captured_end *p = found != NULL ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return NULL;
    found->given = true;
    p->end.ops = &ops;
    p->contents = cs;
    p->at = found->first;
    cs->ends++;
    return &p->end;
}
