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
    int family, count;
};

static void put_ip(struct text *out, const uint8_t *ip, int family)
{
    uint32_t word;
    for (int i = family == AF_INET ? 12 : 0; i < 16; i += 4) { /* in the machine's own order */
        memcpy(&word, ip + i, sizeof word);
        text_printf(out, "%08X", word);
    }
}

static void put_row(void *context, const struct inet_row *r)
{
    struct rows *rows = context;
    text_printf(rows->out, "%4d: ", rows->count++);
    put_ip(rows->out, r->local, rows->family);
    text_printf(rows->out, ":%04X ", r->local_port);
    put_ip(rows->out, r->remote, rows->family);
    text_printf(rows->out,
                ":%04X %02X %08X:%08X 00:00000000 00000000 %5u        0 %llu 1 0000000000000000 100 0 0 10 0\n",
                r->remote_port, (unsigned)r->state, (unsigned)r->unsent, (unsigned)r->unread, rows->uid,
                (unsigned long long)r->inode);
}

static int table(const struct synthetic *s, struct text *out, int type, int family)
{
    struct rows rows = {out, ((struct world *)s->world)->policy->user.uid, family, 0};
    if (family == AF_INET)
        text_printf(out,
                    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
                    "                                                     \n");
    else
        text_printf(out,
                    "  sl  local_address                         remote_address                        st tx_queue "
                    "rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
    if (type != 0)
        inet_each(vfs_of(s), type, family, put_row, &rows);
    return 0;
}

static int tcp4(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, SOCK_STREAM, AF_INET);
}

static int tcp6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, SOCK_STREAM, AF_INET6);
}

static int udp4(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, SOCK_DGRAM, AF_INET);
}

static int udp6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, SOCK_DGRAM, AF_INET6);
}

static int raw4(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, 0, AF_INET);
}

static int raw6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return table(s, out, 0, AF_INET6);
}

static int unix_table(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
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

static int sockstat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n"
                     "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n");
    return 0;
}

#define TABLE(file, function)                                                                                          \
    {                                                                                                                  \
        .name = file, .mode = S_IFREG | 0444, .text = function                                                         \
    }
const struct synthetic_entry proc_net_entries[] = {
    TABLE("dev", dev),     TABLE("tcp", tcp4),  TABLE("udp", udp4),          TABLE("raw", raw4),
    TABLE("tcp6", tcp6),   TABLE("udp6", udp6), TABLE("raw6", raw6),         TABLE("unix", unix_table),
    TABLE("route", route), TABLE("arp", arp),   TABLE("if_inet6", if_inet6), TABLE("sockstat", sockstat),
    {.name = NULL},
};
