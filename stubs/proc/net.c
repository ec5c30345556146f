/* /proc/net: the interfaces (vfs/interface.h), and the world's sockets. */
#include "stubs/proc/proc.h"

#include "kernel/world.h"
#include "vfs/interface.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct vfs *vfs_of(const struct synthetic *s)
{
    return ((struct world *)s->world)->vfs;
}

static int dev(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct interface *list;
    size_t count = interfaces(vfs_of(s), &list);
    text_printf(out, "Inter-|   Receive                                                |  Transmit\n"
                     " face |bytes    packets errs drop fifo frame compressed multicast|"
                     "bytes    packets errs drop fifo colls carrier compressed\n");
    for (size_t i = 0; i < count; i++)
        text_printf(out,
                    "%6s:       0       0    0    0    0     0          0         0"
                    "        0       0    0    0    0     0       0          0\n",
                    list[i].name);
    return 0;
}

struct rows {
    struct text *out;
    uint32_t uid;
    int protocol, family, count;
};

static void put_ip(struct text *out, const uint8_t *ip, int family)
{
    uint32_t word;
    for (int i = family == AF_INET ? 12 : 0; i < 16; i += 4) { /* in the machine's own order */
        memcpy(&word, ip + i, sizeof word);
        text_printf(out, "%08X", word);
    }
}

enum { STREAM_WIDTH = 149, DATAGRAM_WIDTH = 127 }; /* of an IPv4 line, which is filled up to it */

static void put_row(void *context, const struct inet_row *r)
{
    struct rows *rows = context;
    struct text *out = rows->out;
    bool stream = rows->protocol == IPPROTO_TCP;
    size_t start = out->size;
    text_printf(out, stream ? "%4d: " : "%5d: ", rows->count++);
    put_ip(out, r->local, rows->family);
    text_printf(out, ":%04X ", r->local_port);
    put_ip(out, r->remote, rows->family);
    text_printf(out, ":%04X %02X %08X:%08X 00:00000000 00000000 %5u %8d %llu ", r->remote_port, (unsigned)r->state,
                (unsigned)r->unsent, (unsigned)r->unread, rows->uid, 0, (unsigned long long)r->inode);
    text_printf(out, stream ? "1 0000000000000000 100 0 0 10 0" : "2 0000000000000000 0");
    size_t width = rows->family != AF_INET ? 0 : stream ? STREAM_WIDTH : DATAGRAM_WIDTH, size = out->size - start;
    text_printf(out, "%*s\n", size < width ? (int)(width - size) : 0, "");
}

static int table(const struct synthetic *s, struct text *out, int protocol, int family)
{
    struct rows rows = {out, ((struct world *)s->world)->policy->user.uid, protocol, family, 0};
    bool stream = protocol == IPPROTO_TCP;
    size_t start = out->size;
    if (family == AF_INET) {
        text_printf(out,
                    "%s local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode%s",
                    protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ? "   sl " : "  sl ",
                    stream ? "" : " ref pointer drops");
        size_t width = stream ? STREAM_WIDTH : protocol == IPPROTO_RAW ? 0 : DATAGRAM_WIDTH, size = out->size - start;
        text_printf(out, "%*s\n", size < width ? (int)(width - size) : 0, "");
    } else {
        text_printf(out,
                    "  sl  local_address                         remote_address                        st tx_queue "
                    "rx_queue tr tm->when retrnsmt   uid  timeout inode%s\n",
                    stream ? "" : " ref pointer drops");
    }
    if (protocol != IPPROTO_RAW) /* such sockets are nobody's here */
        inet_each(vfs_of(s), protocol, family, put_row, &rows);
    return 0;
}

#define SOCKETS(name, protocol, family)                                                                                \
    static int name(const struct synthetic *s, const struct cred *c, struct text *out)                                 \
    {                                                                                                                  \
        return table(s, out, protocol, family);                                                                        \
    }
SOCKETS(tcp4, IPPROTO_TCP, AF_INET)
SOCKETS(tcp6, IPPROTO_TCP, AF_INET6)
SOCKETS(udp4, IPPROTO_UDP, AF_INET)
SOCKETS(udp6, IPPROTO_UDP, AF_INET6)
SOCKETS(udplite4, IPPROTO_UDPLITE, AF_INET)
SOCKETS(udplite6, IPPROTO_UDPLITE, AF_INET6)
SOCKETS(icmp4, IPPROTO_ICMP, AF_INET)
SOCKETS(icmp6, IPPROTO_ICMPV6, AF_INET6)
SOCKETS(raw4, IPPROTO_RAW, AF_INET)
SOCKETS(raw6, IPPROTO_RAW, AF_INET6)

static void put_unix(void *context, const struct unix_row *r)
{
    enum { ACCEPTS = 1 << 16 };
    struct text *out = context;
    text_printf(out, "%016x: %08X %08X %08X %04X %02X %5llu", 0, r->references, 0, r->listening ? ACCEPTS : 0,
                (unsigned)r->type, (unsigned)r->state, (unsigned long long)r->inode);
    if (r->length)
        text_printf(out, " ");
    for (size_t i = 0; i < r->length; i++)
        text_printf(out, "%c", r->name[i] ? r->name[i] : '@');
    text_printf(out, "\n");
}

static int unix_table(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    unix_each(vfs_of(s), put_unix, out);
    return 0;
}

static int route(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
                     "                                                       \n");
    const struct interface *list;
    if (interfaces(vfs_of(s), &list) > 1) {
        text_printf(out, "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0%*s\n", 55, "");
        text_printf(out, "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0%*s\n", 55, "");
    }
    return 0;
}

static int arp(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "IP address       HW type     Flags       HW address            Mask     Device\n");
    return 0;
}

static int if_inet6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct interface *list;
    size_t count = interfaces(vfs_of(s), &list);
    for (size_t i = 0; i < count; i++) {
        for (int j = 0; j < 16; j++)
            text_printf(out, "%02x", list[i].ipv6[j]);
        text_printf(out, " %02x %02x %02x 80 %8s\n", list[i].index, list[i].prefix6, list[i].index == 1 ? 0x10 : 0,
                    list[i].name);
    }
    return 0;
}

static int ipv6_route(const struct synthetic *s, const struct cred *c, struct text *out)
{
    static const uint8_t none[16];
    const struct interface *list;
    size_t count = interfaces(vfs_of(s), &list);
    for (size_t i = 0; i < 2 * count; i++) { /* each one's own network; then the default */
        const struct interface *at = &list[i % count];
        bool is_default = i >= count, is_lo = at->index == 1;
        if (is_default && is_lo)
            continue;
        const uint8_t *gateway = is_default ? interface_gateway6 : none;
        for (int j = 0; j < 16; j++)
            text_printf(out, "%02x", !is_default && j < at->prefix6 / 8 ? at->ipv6[j] : 0);
        text_printf(out, " %02x ", is_default ? 0 : at->prefix6);
        text_printf(out, "%032x 00 ", 0);
        for (int j = 0; j < 16; j++)
            text_printf(out, "%02x", gateway[j]);
        text_printf(out, " %08x 00000001 00000000 %08x %8s\n", is_default ? 1024 : 256, is_default ? 3 : 1, at->name);
    }
    return 0;
}

static void count_row(void *context, const struct inet_row *r)
{
    (*(unsigned *)context)++;
}

static void count_unix(void *context, const struct unix_row *r)
{
    (*(unsigned *)context)++;
}

static unsigned count_of(const struct synthetic *s, int protocol, int family)
{
    unsigned n = 0;
    inet_each(vfs_of(s), protocol, family, count_row, &n);
    return n;
}

static int sockstat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    unsigned tcp = count_of(s, IPPROTO_TCP, AF_INET), udp = count_of(s, IPPROTO_UDP, AF_INET), all = tcp + udp;
    all += count_of(s, IPPROTO_TCP, AF_INET6) + count_of(s, IPPROTO_UDP, AF_INET6);
    unix_each(vfs_of(s), count_unix, &all);
    text_printf(out, "sockets: used %u\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\nUDP: inuse %u mem 0\n", all, tcp,
                tcp + count_of(s, IPPROTO_TCP, AF_INET6), udp);
    text_printf(out, "UDPLITE: inuse %u\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
                count_of(s, IPPROTO_UDPLITE, AF_INET));
    return 0;
}

static int sockstat6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse %u\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n",
                count_of(s, IPPROTO_TCP, AF_INET6), count_of(s, IPPROTO_UDP, AF_INET6),
                count_of(s, IPPROTO_UDPLITE, AF_INET6));
    return 0;
}

static int packet(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
    return 0;
}

#define TABLE(file, function)                                                                                          \
    {                                                                                                                  \
        .name = file, .mode = S_IFREG | 0444, .text = function                                                         \
    }
const struct synthetic_entry proc_net_entries[] = {
    TABLE("dev", dev),
    TABLE("tcp", tcp4),
    TABLE("tcp6", tcp6),
    TABLE("udp", udp4),
    TABLE("udp6", udp6),
    TABLE("udplite", udplite4),
    TABLE("udplite6", udplite6),
    TABLE("icmp", icmp4),
    TABLE("icmp6", icmp6),
    TABLE("raw", raw4),
    TABLE("raw6", raw6),
    TABLE("unix", unix_table),
    TABLE("packet", packet),
    TABLE("route", route),
    TABLE("ipv6_route", ipv6_route),
    TABLE("arp", arp),
    TABLE("if_inet6", if_inet6),
    TABLE("sockstat", sockstat),
    TABLE("sockstat6", sockstat6),
    {.name = NULL},
};
