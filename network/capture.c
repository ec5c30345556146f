/* Drawing conversations as packets (network/capture.h). Each block is written as it is made, so a run that is killed leaves a
 * file that ends after a whole block; nothing of it is held but sequence numbers. */
#include "network/capture.h"

#include "network/attempts.h"
#include "network/buffer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTION = 0x0a0d0d0a,
    INTERFACE = 1,
    NAMES = 4,
    PACKET = 6,
    SECRETS = 10,
    ETHERNET = 1,
    IF_NAME = 2,
    IF_TSRESOL = 9,
    COMMENT = 1,
    TLS_KEYS = 0x544c534b,
    ETHER_HEADER = 14,
    MOST_SEGMENT = 1460, /* of eth0 */
    MOST_LO = 32768,     /* of lo, whose MTU is 65536 */
    MOST_DATAGRAM = 65507,
    ROOM = 128,
    FIN = 1,
    SYN = 2,
    RST = 4,
    PSH = 8,
    ACK = 16,
    URG = 32,
    NAMES_SAID = 256,
    BURST = 32768, /* bytes after which the other side says that it has them */
};

struct capture {
    FILE *file;
    int64_t (*now)(void *context);
    void *context;
    int error;
    uint64_t room; /* bytes that the file may still grow by */
    bool full;     /* a block had no room: it and all after it are left out */
    uint16_t identification;
    uint64_t said
        [NAMES_SAID]; /* hashes of names that stand in the file: they are not said again, as far as it is remembered */
    /* The packets that brought the guest's last bytes: a key that the far side makes of them (it is told while it takes them)
     * must stand before them, or Wireshark has no use for it. */
    bool holding;
    uint8_t *held;
    size_t held_size, held_room;
    uint8_t packet[ROOM + 65536];
};

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void write_out(struct capture *c, const void *bytes, size_t n)
{
    if (c->error == 0 && n > 0 && fwrite(bytes, 1, n, c->file) != n)
        c->error = -errno;
}

static void release(struct capture *c)
{
    c->holding = false;
    write_out(c, c->held, c->held_size);
    c->held_size = 0;
}

static void put(struct capture *c, const void *bytes, size_t n)
{
    if (c->full)
        return;
    if (!c->holding) {
        write_out(c, bytes, n);
        return;
    }
    if (!bytes_reserve(&c->held, &c->held_room, c->held_size + n)) {
        c->error = -ENOMEM;
        return;
    }
    memcpy(c->held + c->held_size, bytes, n);
    c->held_size += n;
}

static void put_32(struct capture *c, uint32_t value)
{
    put(c, &value, sizeof value);
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static void put_padding(struct capture *c, size_t n)
{
    put(c, "\0\0\0", padded(n) - n);
}

static void put_padded(struct capture *c, const void *bytes, size_t n)
{
    put(c, bytes, n);
    put_padding(c, n);
}

/* A block of `body` bytes: its length stands at both of its ends. The file ends with the last one there is room for. */
static void begin_block(struct capture *c, uint32_t type, size_t body)
{
    if (12 + body > c->room)
        c->full = true;
    else
        c->room -= 12 + body;
    put_32(c, type);
    put_32(c, (uint32_t)(12 + body));
}

static void end_block(struct capture *c, size_t body)
{
    put_32(c, (uint32_t)(12 + body));
}

static void put_option(struct capture *c, uint16_t code, const void *value, uint16_t n)
{
    put(c, &code, sizeof code);
    put(c, &n, sizeof n);
    put_padded(c, value, n);
}

static void put_interface(struct capture *c, const char *name)
{
    const uint8_t nanoseconds = 9;
    size_t body = 8 + 4 + padded(strlen(name)) + 8 + 4;
    begin_block(c, INTERFACE, body);
    put_32(c, ETHERNET);
    put_32(c, 0); /* no limit to a packet */
    put_option(c, IF_NAME, name, (uint16_t)strlen(name));
    put_option(c, IF_TSRESOL, &nanoseconds, 1);
    put_32(c, 0);
    end_block(c, body);
}

struct capture *capture_new(FILE *file, uint64_t most, int64_t (*now)(void *context), void *context)
{
    struct capture *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    const uint64_t unknown = UINT64_MAX; /* the section's length */
    *c = (struct capture){.file = file, .room = most, .now = now, .context = context};
    begin_block(c, SECTION, 16);
    put_32(c, 0x1a2b3c4d);
    put_32(c, 1); /* version 1.0 */
    put(c, &unknown, sizeof unknown);
    end_block(c, 16);
    put_interface(c, "lo");
    put_interface(c, "eth0");
    const struct attempt nobody = {.port = 0};
    capture_plain(c, &nobody, false, "", 0);
    return c;
}

int capture_free(struct capture *c)
{
    if (c == NULL)
        return 0;
    release(c);
    int error = c->error != 0 ? c->error : c->full ? -EFBIG : 0;
    free(c->held);
    if (fclose(c->file) != 0 && error == 0)
        error = -errno;
    free(c);
    return error;
}

void capture_key(struct capture *c, const char *line)
{
    size_t n = strlen(line) + 1, body = 8 + padded(n);
    bool holding = c->holding;
    c->holding = false;
    begin_block(c, SECRETS, body);
    put_32(c, TLS_KEYS);
    put_32(c, (uint32_t)n);
    put(c, line, n - 1);
    put(c, "\n", 1);
    put_padding(c, n);
    end_block(c, body);
    c->holding = holding;
}

void capture_plain(struct capture *c, const struct attempt *a, bool guest, const void *bytes, size_t n)
{
    size_t body = CAPTURE_PLAIN_HEADER + padded(n);
    bool holding = c->holding;
    const uint32_t ports = (uint32_t)a->from_port | (uint32_t)a->port << 16;
    c->holding = false;
    begin_block(c, CAPTURE_PLAIN, body);
    put(c, a->from_ip, 16);
    put(c, a->ip, 16);
    put_32(c, ports);
    put_32(c, guest);
    put_32(c, (uint32_t)n);
    put_padded(c, bytes, n);
    end_block(c, body);
    c->holding = holding;
}

static uint64_t hash_of(const uint8_t ip[16], const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ ip[i]) * 1099511628211u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return hash;
}

void capture_name(struct capture *c, const uint8_t ip[16], const char *name)
{
    bool v4 = network_is_ipv4(ip), holding = c->holding;
    size_t address = v4 ? 4 : 16, n = address + strlen(name) + 1, body = 4 + padded(n) + 4;
    uint64_t hash = hash_of(ip, name);
    const uint16_t kind = v4 ? 1 : 2, length = (uint16_t)n;
    if (c->said[hash % NAMES_SAID] == hash)
        return;
    c->said[hash % NAMES_SAID] = hash;
    c->holding = false;
    begin_block(c, NAMES, body);
    put(c, &kind, sizeof kind);
    put(c, &length, sizeof length);
    put(c, ip + 16 - address, address);
    put(c, name, n - address);
    put_padding(c, n);
    put_32(c, 0);
    end_block(c, body);
    c->holding = holding;
}

/* The packet in c->packet, n bytes. */
static void put_packet(struct capture *c, const struct attempt *a, bool loopback, size_t n)
{
    char comment[64];
    int length = snprintf(comment, sizeof comment, "%.15s[%d]", a->process, a->pid);
    uint64_t time = (uint64_t)c->now(c->context);
    size_t body = 20 + padded(n) + 4 + padded((size_t)length) + 4;
    begin_block(c, PACKET, body);
    put_32(c, loopback ? 0 : 1);
    put_32(c, (uint32_t)(time >> 32));
    put_32(c, (uint32_t)time);
    put_32(c, (uint32_t)n);
    put_32(c, (uint32_t)n);
    put_padded(c, c->packet, n);
    put_option(c, COMMENT, comment, (uint16_t)length);
    put_32(c, 0);
    end_block(c, body);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static uint32_t sum(const uint8_t *bytes, size_t n, uint32_t total)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (n % 2)
        total += (uint32_t)bytes[n - 1] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static void set_16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void set_32(uint8_t *at, uint32_t value)
{
    set_16(at, value >> 16);
    set_16(at + 2, value);
}

static bool on_loopback(const struct attempt *a)
{
    static const uint8_t lo6[16] = {[15] = 1};
    bool v4 = network_is_ipv4(a->ip);
    return (v4 && a->ip[12] == 127) || memcmp(a->ip, lo6, 16) == 0 || memcmp(a->ip, a->from_ip, 16) == 0;
}

/* Ethernet and IP around n bytes of a transport's that stand in c->packet at the place this returns. */
static uint8_t *transport(struct capture *c, const struct attempt *a)
{
    return c->packet + ETHER_HEADER + (network_is_ipv4(a->ip) ? 20 : 40);
}

/* The header before n bytes of a transport's. first: from the guest. */
static void set_ip(struct capture *c, uint8_t *ip, const struct attempt *a, bool first, uint8_t protocol, size_t n)
{
    const uint8_t *from = first ? a->from_ip : a->ip, *to = first ? a->ip : a->from_ip;
    if (network_is_ipv4(a->ip)) {
        memset(ip, 0, 20);
        ip[0] = 0x45;
        set_16(ip + 2, (uint32_t)(20 + n));
        set_16(ip + 4, ++c->identification);
        ip[6] = 0x40; /* not to be fragmented */
        ip[8] = 64;
        ip[9] = protocol;
        memcpy(ip + 12, from + 12, 4);
        memcpy(ip + 16, to + 12, 4);
        set_16(ip + 10, ~sum(ip, 20, 0));
    } else {
        memset(ip, 0, 8);
        ip[0] = 0x60;
        set_16(ip + 4, (uint32_t)n);
        ip[6] = protocol;
        ip[7] = 64;
        memcpy(ip + 8, from, 16);
        memcpy(ip + 24, to, 16);
    }
}

/* first: from who began. checksum: where in the transport's header it stands. */
static void put_ip(struct capture *c, const struct attempt *a, bool first, uint8_t protocol, size_t n, size_t checksum)
{
    static const uint8_t guest[6] = {2, 0, 10, 0, 2, 15}, gateway[6] = {2, 0, 10, 0, 2, 2};
    bool loopback = on_loopback(a), v4 = network_is_ipv4(a->ip);
    first = first != a->arrives; /* from the guest */
    const uint8_t *from = first ? a->from_ip : a->ip, *to = first ? a->ip : a->from_ip;
    uint8_t *inner = transport(c, a);
    size_t address = v4 ? 4 : 16, skip = 16 - address;
    memset(c->packet, 0, 12);
    if (!loopback) {
        memcpy(c->packet, first ? gateway : guest, 6);
        memcpy(c->packet + 6, first ? guest : gateway, 6);
    }
    set_16(c->packet + 12, v4 ? 0x0800 : 0x86dd);
    set_ip(c, c->packet + ETHER_HEADER, a, first, protocol, n);
    set_16(inner + checksum, 0);
    uint32_t total = sum(from + skip, address, protocol + (uint32_t)n);
    if (protocol == IPPROTO_ICMP)
        total = 0; /* the old ICMP has no pseudo-header */
    else
        total = sum(to + skip, address, total);
    total = ~sum(inner, n, total) & 0xffff;
    set_16(inner + checksum, total == 0 && protocol == IPPROTO_UDP ? 0xffff : total);
    put_packet(c, a, loopback, ETHER_HEADER + (v4 ? 20 : 40) + n);
}

static size_t segment_most(const struct attempt *a)
{
    return on_loopback(a) ? MOST_LO : MOST_SEGMENT;
}

static void put_segment(struct capture *c, struct attempt *a, bool first, int flags, const void *bytes, size_t n)
{
    struct capture_flow *f = a->flow;
    uint8_t *tcp = transport(c, a);
    int side = first ? 0 : 1;
    size_t header = flags & SYN ? 28 : 20;
    memset(tcp, 0, header);
    bool guest = first != a->arrives;
    set_16(tcp, guest ? a->from_port : a->port);
    set_16(tcp + 2, guest ? a->port : a->from_port);
    set_32(tcp + 4, f->next[side]);
    set_32(tcp + 8, flags & ACK ? f->next[!side] : 0);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)flags;
    set_16(tcp + 14, 65535);
    if (flags & URG) /* what follows the urgent byte, as everybody takes it (tcp(7)) */
        set_16(tcp + 18, (uint32_t)n);
    if (flags & SYN) { /* the segment size, and a window 2^7 times as large */
        tcp[20] = 2;
        tcp[21] = 4;
        set_16(tcp + 22, (uint32_t)segment_most(a));
        set_32(tcp + 24, 0x01030307);
    }
    memcpy(tcp + header, bytes, n);
    put_ip(c, a, first, IPPROTO_TCP, header + n, 16);
    f->next[side] += (uint32_t)n + !!(flags & SYN) + !!(flags & FIN);
}

void capture_syn(struct capture *c, struct attempt *a)
{
    release(c);
    a->flow = calloc(1, sizeof *a->flow);
    if (a->flow == NULL)
        return;
    /* Wireshark counts from these; they need not be secret. */
    a->flow->next[0] = 1000u * ((uint32_t)a->from_port + 1);
    a->flow->next[1] = 1000u * ((uint32_t)a->port + 77);
    put_segment(c, a, true, SYN, "", 0);
}

void capture_open(struct capture *c, struct attempt *a)
{
    release(c);
    if (a->flow == NULL)
        return;
    a->flow->open = true;
    put_segment(c, a, false, SYN | ACK, "", 0);
    put_segment(c, a, true, ACK, "", 0);
}

void capture_refused(struct capture *c, struct attempt *a)
{
    release(c);
    if (a->flow != NULL)
        put_segment(c, a, false, RST | ACK, "", 0);
}

void capture_stream(struct capture *c, struct attempt *a, bool first, const void *bytes, size_t n, bool urgent)
{
    release(c);
    c->holding = first && !a->arrives;
    if (a->flow == NULL)
        return;
    size_t unheard = 0, most = segment_most(a);
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < most ? n - at : most;
        int flags = at + part < n ? ACK : urgent ? ACK | PSH | URG : ACK | PSH;
        put_segment(c, a, first, flags, (const char *)bytes + at, part);
        unheard += part;
        if (unheard >= BURST || at + part == n) {
            put_segment(c, a, !first, ACK, "", 0);
            unheard = 0;
        }
    }
}

void capture_finish(struct capture *c, struct attempt *a, bool first)
{
    release(c);
    if (a->flow == NULL || a->flow->ended[!first])
        return;
    a->flow->ended[!first] = true;
    put_segment(c, a, first, FIN | ACK, "", 0);
    put_segment(c, a, !first, ACK, "", 0);
}

void capture_reset(struct capture *c, struct attempt *a, bool first)
{
    release(c);
    if (a->flow == NULL)
        return;
    put_segment(c, a, first, RST | ACK, "", 0);
    a->flow->ended[0] = a->flow->ended[1] = true;
}

void capture_datagram(struct capture *c, const struct attempt *a, bool first, const void *bytes, size_t n)
{
    release(c);
    uint8_t *udp = transport(c, a);
    if (n > MOST_DATAGRAM - (network_is_ipv4(a->ip) ? 0 : 20))
        return;
    set_16(udp, first ? a->from_port : a->port);
    set_16(udp + 2, first ? a->port : a->from_port);
    set_16(udp + 4, (uint32_t)(8 + n));
    memcpy(udp + 8, bytes, n);
    put_ip(c, a, first, IPPROTO_UDP, 8 + n, 6);
}

void capture_unreachable(struct capture *c, const struct attempt *a)
{
    release(c);
    uint8_t *icmp = transport(c, a);
    bool v4 = network_is_ipv4(a->ip);
    size_t header = v4 ? 20 : 40;
    memset(icmp, 0, 8);
    icmp[0] = v4 ? 3 : 1;
    icmp[1] = v4 ? 3 : 4;
    /* The headers of a datagram of these two, without its bytes: it may have been drawn long ago. */
    uint8_t *udp = icmp + 8 + header;
    set_ip(c, icmp + 8, a, true, IPPROTO_UDP, 8);
    set_16(udp, a->from_port);
    set_16(udp + 2, a->port);
    set_16(udp + 4, 8);
    set_16(udp + 6, 0);
    put_ip(c, a, false, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8 + header + 8, 2);
}
