/* See captured.h. A first pass reads the packets in the file's order into events (who said how many bytes, who ended); the bytes
 * stay in the file's. The checksums are not looked at: they guard against wires. */
#include "network/captured.h"

#include "network/capture.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTION = 0x0a0d0d0a,
    INTERFACE = 1,
    PACKET = 6,
    ETHERNET = 1,
    ETHER_HEADER = 14,
    NAMES = 4,
    MOST_INTERFACES = 16,
    MOST_CONVERSATIONS = 1 << 16,
    MOST_NAMES = 1 << 16,
    SYN = 2,
    ACK = 16,
};

struct segment {
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    bool datagram;
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

static uint32_t native_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void take_ipv4(const uint8_t *from, uint8_t ip[16])
{
    memset(ip, 0, 10);
    memset(ip + 10, 0xff, 2);
    memcpy(ip + 12, from, 4);
}

/* 1: *s is a TCP segment or a UDP datagram; 0: it is something else; -1: it contradicts itself. */
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
    const uint8_t *tcp = at + header;
    n = length - header;
    s->datagram = protocol == IPPROTO_UDP;
    if (s->datagram) {
        if (n < 8 || get_16(tcp + 4) < 8 || get_16(tcp + 4) > n)
            return -1;
        s->from_port = (uint16_t)get_16(tcp);
        s->port = (uint16_t)get_16(tcp + 2);
        s->flags = 0;
        s->bytes = tcp + 8;
        s->size = get_16(tcp + 4) - 8;
        return 1;
    }
    if (protocol != IPPROTO_TCP)
        return 0;
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

/* The same for both directions, under a key: nobody can make a file whose conversations are all in one. */
static struct talked **bucket(struct captured *r, const struct segment *s)
{
    struct {
        uint8_t ip[16];
        uint16_t port;
    } ends[2] = {{.port = s->from_port}, {.port = s->port}};
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES && sizeof ends[0] == 18, "no padding is hashed");
    bool turned = memcmp(s->from_ip, s->ip, 16) > 0 || (memcmp(s->from_ip, s->ip, 16) == 0 && s->from_port > s->port);
    memcpy(ends[0].ip, s->from_ip, 16);
    memcpy(ends[1].ip, s->ip, 16);
    if (turned) {
        const uint16_t port = ends[0].port;
        memcpy(ends[0].ip, s->ip, 16);
        memcpy(ends[1].ip, s->from_ip, 16);
        ends[0].port = ends[1].port;
        ends[1].port = port;
    }
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)ends, sizeof ends, r->hash_key);
    return &r->buckets[hash % CAPTURED_BUCKETS];
}

static bool is_of(const struct talked *t, const struct segment *s, bool guest)
{
    const uint8_t *from = guest ? t->from_ip : t->ip, *to = guest ? t->ip : t->from_ip;
    return s->datagram == t->datagram && s->from_port == (guest ? t->from_port : t->port) &&
           s->port == (guest ? t->port : t->from_port) && memcmp(s->from_ip, from, 16) == 0 &&
           memcmp(s->ip, to, 16) == 0;
}

static const char *begin(struct captured *r, const struct segment *s)
{
    struct talked *t = r->count < MOST_CONVERSATIONS ? calloc(1, sizeof *t) : NULL, **at = bucket(r, s);
    if (t == NULL)
        return r->count < MOST_CONVERSATIONS ? "out of memory" : "more than 65536 conversations";
    t->datagram = s->datagram;
    memcpy(t->from_ip, s->from_ip, 16);
    memcpy(t->ip, s->ip, 16);
    t->from_port = s->from_port;
    t->port = s->port;
    t->expected[0] = s->sequence + 1;
    t->heard[0] = true;
    t->wire.end = &t->wire.first;
    t->plain.end = &t->plain.first;
    t->tls_at = -1;
    t->over = s->from_port == s->port && memcmp(s->from_ip, s->ip, 16) == 0; /* to itself: nobody else is there */
    t->same_bucket = *at;
    *at = t;
    *r->end = t;
    r->end = &t->next;
    r->count++;
    return NULL;
}

static const char *add_event(struct events *to, const struct event *like)
{
    struct event *e = malloc(sizeof *e);
    if (e == NULL)
        return "out of memory";
    *e = *like;
    e->next = NULL;
    *to->end = e;
    to->end = &e->next;
    return NULL;
}

/* What passed on the wire; an end is one of what is said within TLS, too. */
static const char *add_segment(struct talked *t, const struct segment *s, bool guest)
{
    const struct event e = {
        .bytes = s->bytes, .size = (uint32_t)s->size, .guest = guest, .flags = s->flags & (EVENT_FIN | EVENT_RST)};
    const char *wrong = add_event(&t->wire, &e);
    const struct event end = {.guest = guest, .flags = e.flags};
    return wrong == NULL && t->tls_at >= 0 && e.flags != 0 ? add_event(&t->plain, &end) : wrong;
}

/* From here on what is said is within TLS: what was said before it is said so again. */
static const char *enter_tls(struct talked *t, size_t offset)
{
    const struct event begins = {.guest = true, .flags = EVENT_TLS};
    const char *wrong = NULL;
    t->tls_at = (ssize_t)offset;
    for (const struct event *e = t->wire.first; e != NULL && wrong == NULL; e = e->next)
        wrong = add_event(&t->plain, e);
    return wrong != NULL ? wrong : add_event(&t->plain, &begins);
}

/* A record of a handshake, of whatever version. */
static bool begins_tls(const struct segment *s)
{
    return s->size >= 6 && s->bytes[0] == 22 && s->bytes[1] == 3 && s->bytes[2] <= 4 && s->bytes[5] == 1;
}

static struct talked *find(struct captured *r, const struct segment *s)
{
    struct talked *t = *bucket(r, s);
    while (t != NULL && !is_of(t, s, true) && !is_of(t, s, false))
        t = t->same_bucket;
    return t;
}

/* Who sends first began it. Questions to the world's name server are left out: no rule is asked about them. */
static const char *take_datagram(struct captured *r, const struct segment *s)
{
    static const uint8_t name_server[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 53};
    struct talked *t = find(r, s);
    const char *wrong = NULL;
    if ((s->port == 53 && memcmp(s->ip, name_server, 16) == 0) ||
        (s->from_port == 53 && memcmp(s->from_ip, name_server, 16) == 0))
        return NULL;
    if (t == NULL) {
        wrong = begin(r, s);
        t = wrong == NULL ? find(r, s) : NULL;
    }
    if (t == NULL || t->over)
        return wrong;
    t->heard[1] = true; /* or nobody ever answered: then it is given again as silence */
    return add_segment(t, s, is_of(t, s, true));
}

/* What was said within TLS: network/capture.h. */
static const char *take_plain(struct captured *r, const uint8_t *body, size_t n)
{
    struct segment s = {.size = 0};
    if (n < CAPTURE_PLAIN_HEADER || native_32(body + 40) > n - CAPTURE_PLAIN_HEADER)
        return "plain text that its block does not hold";
    r->keeps_plain = true;
    memcpy(s.from_ip, body, 16);
    memcpy(s.ip, body + 16, 16);
    s.from_port = (uint16_t)native_32(body + 32);
    s.port = (uint16_t)(native_32(body + 32) >> 16);
    struct talked *t = find(r, &s);
    if (t == NULL || t->tls_at < 0 || t->over)
        return NULL;
    t->is_tls = true;
    const struct event e = {
        .bytes = body + CAPTURE_PLAIN_HEADER, .size = native_32(body + 40), .guest = native_32(body + 36) != 0};
    return e.size > 0 ? add_event(&t->plain, &e) : NULL;
}

/* Name Resolution Blocks: network/capture.h. */
static const char *take_names(struct captured *r, const uint8_t *body, size_t n)
{
    for (size_t at = 0, length; at + 4 <= n; at += 4 + ((length + 3) & ~(size_t)3)) {
        const uint8_t *value = body + at + 4;
        uint16_t head[2];
        memcpy(head, body + at, sizeof head);
        length = head[1];
        size_t address = head[0] == 1 ? 4 : 16;
        if (head[0] == 0)
            break;
        if (length > n - at - 4)
            return "a name that its block does not hold";
        if (head[0] > 2)
            continue;
        if (length <= address || value[length - 1] != '\0')
            return "a name without an end";
        struct captured_name *name = r->name_count < MOST_NAMES ? malloc(sizeof *name) : NULL;
        if (name == NULL)
            return r->name_count < MOST_NAMES ? "out of memory" : "more than 65536 names";
        *name = (struct captured_name){.next = r->names, .name = (const char *)value + address};
        if (address == 4)
            take_ipv4(value, name->ip);
        else
            memcpy(name->ip, value, 16);
        r->names = name;
        r->name_count++;
    }
    return NULL;
}

static const char *take_segment(struct captured *r, const struct segment *s, size_t offset)
{
    bool guest = true;
    if ((s->flags & (SYN | ACK)) == SYN)
        return s->size == 0 ? begin(r, s) : "data in the first packet of a connection";
    struct talked *t = find(r, s);
    const char *wrong = NULL;
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
    if (s->flags & EVENT_RST) {
        t->over = true;
        return add_segment(t, s, guest);
    }
    if (!t->heard[side] || s->flags & SYN || s->sequence != t->expected[side])
        return "a segment out of its order";
    t->expected[side] += (uint32_t)s->size + !!(s->flags & EVENT_FIN);
    if (guest && t->tls_at < 0 && begins_tls(s))
        wrong = enter_tls(t, offset);
    if (wrong != NULL)
        return wrong;
    if (s->size == 0 && !(s->flags & EVENT_FIN))
        return NULL;
    return add_segment(t, s, guest);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------------- */

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
        return kind <= 0 ? NULL : s.datagram ? take_datagram(r, &s) : take_segment(r, &s, offset);
    case NAMES:
        return take_names(r, body, n);
    case CAPTURE_PLAIN:
        return take_plain(r, body, n);
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
        snprintf(why, size, "no conversation is in it");
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
    crypto_shorthash_keygen(r->hash_key);
    r->end = &r->first;
    if (read_blocks(r, n, why, size))
        return r;
    captured_free(r);
    return NULL;
}

static void free_events(struct events *l)
{
    for (struct event *e = l->first, *next; e != NULL; e = next) {
        next = e->next;
        free(e);
    }
}

void captured_free(struct captured *r)
{
    if (r == NULL)
        return;
    for (struct talked *t = r->first, *next; t != NULL; t = next) {
        next = t->next;
        free_events(&t->wire);
        free_events(&t->plain);
        free(t);
    }
    for (struct captured_name *name = r->names, *next; name != NULL; name = next) {
        next = name->next;
        free(name);
    }
    free(r->bytes);
    free(r);
}

ssize_t captured_tls_at(const struct captured *r, uint16_t first_port, uint16_t last_port)
{
    for (const struct talked *t = r->keeps_plain ? NULL : r->first; t != NULL; t = t->next)
        if (t->tls_at >= 0 && t->port >= first_port && t->port <= last_port)
            return t->tls_at;
    return -1;
}
