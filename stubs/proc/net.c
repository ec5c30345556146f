/* /proc/net: a loopback device and the headers of tables. Sockets of the world list themselves here when there are any.
 */
#include "stubs/proc/proc.h"

#include <sys/stat.h>

static int dev(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Inter-|   Receive                                                |  Transmit\n"
                     " face |bytes    packets errs drop fifo frame compressed multicast|"
                     "bytes    packets errs drop fifo colls carrier compressed\n"
                     "    lo:       0       0    0    0    0     0          0         0"
                     "        0       0    0    0    0     0       0          0\n");
    return 0;
}

static int inet_table(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
                     "                                                     \n");
    return 0;
}

static int inet6_table(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "  sl  local_address                         remote_address                        st tx_queue "
                     "rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
    return 0;
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
    return 0;
}

static int arp(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "IP address       HW type     Flags       HW address            Mask     Device\n");
    return 0;
}

static int if_inet6(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "00000000000000000000000000000001 01 80 10 80       lo\n");
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
    TABLE("dev", dev),
    TABLE("tcp", inet_table),
    TABLE("udp", inet_table),
    TABLE("raw", inet_table),
    TABLE("tcp6", inet6_table),
    TABLE("udp6", inet6_table),
    TABLE("raw6", inet6_table),
    TABLE("unix", unix_table),
    TABLE("route", route),
    TABLE("arp", arp),
    TABLE("if_inet6", if_inet6),
    TABLE("sockstat", sockstat),
    {.name = NULL},
};
