/* Options of the levels IPPROTO_IP, IPPROTO_IPV6 and IPPROTO_TCP: ip(7), ipv6(7), tcp(7). Nearly all are remembered and told
 * again: there is no wire that they could change. */
#include "vfs/inet.h"

#include <limits.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <string.h>

enum kind {
    NUMBER,  /* between least and most, else -EINVAL */
    SWITCH,  /* 0 or 1 of whatever is said */
    CLAMPED, /* the nearest of least and most */
    AS_SAID,
};

struct option {
    int level, name, initial;
    enum kind kind;
    int least, most;
};

enum { WINDOW_LEAST = 1152 /* SOCK_MIN_RCVBUF / 2 */, FIN_TIMEOUT_MOST = 120, RETRANSMIT_MOST = 120 /* seconds */ };
enum { ECN = 3 /* the two bits of TOS that are TCP's own */, MTU_HERE = 65535, MTU_BEYOND = 1500 };

/* The place in this table is the place in inet_socket.options, which holds value - initial (zero at first). */
static const struct option table[] = {
    {IPPROTO_TCP, TCP_NODELAY, 0, SWITCH, 0, 0},
    {IPPROTO_TCP, TCP_CORK, 0, SWITCH, 0, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200, NUMBER, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75, NUMBER, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPCNT, 9, NUMBER, 1, 127},
    {IPPROTO_TCP, TCP_SYNCNT, 6, NUMBER, 1, 127},
    {IPPROTO_TCP, TCP_LINGER2, 60, CLAMPED, -1, FIN_TIMEOUT_MOST},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, CLAMPED, 0, INT_MAX},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, CLAMPED, WINDOW_LEAST, INT_MAX},
    {IPPROTO_TCP, TCP_QUICKACK, 1, SWITCH, 0, 0},
    {IPPROTO_TCP, TCP_MAXSEG, 536, NUMBER, 88, 32767},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, NUMBER, 0, INT_MAX},
    {IPPROTO_TCP, TCP_FASTOPEN, 0, NUMBER, 0, INT_MAX},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, NUMBER, 0, 1},
    {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0, NUMBER, 0, 1},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, AS_SAID, 0, 0},
    {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, NUMBER, 0, 1},
    {IPPROTO_TCP, TCP_SAVE_SYN, 0, NUMBER, 0, 2},
    {IPPROTO_TCP, TCP_INQ, 0, NUMBER, 0, 1},
    {IPPROTO_IP, IP_TOS, 0, AS_SAID, 0, 0},
    {IPPROTO_IP, IP_TTL, 64, NUMBER, 1, 255},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1, NUMBER, 0, 5},
    {IPPROTO_IP, IP_RECVERR, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RECVERR_RFC4884, 0, NUMBER, 0, 1},
    {IPPROTO_IP, IP_PKTINFO, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RECVTOS, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RECVTTL, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RECVOPTS, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RETOPTS, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_RECVORIGDSTADDR, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_PASSSEC, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_CHECKSUM, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_MINTTL, 0, NUMBER, 0, 255},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_FREEBIND, 0, SWITCH, 0, 0},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1, NUMBER, 0, 255},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1, SWITCH, 0, 0},
    {IPPROTO_IP, IP_MULTICAST_ALL, 1, NUMBER, 0, 1},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, NUMBER, -1, 255},
    {IPPROTO_IPV6, IPV6_TCLASS, 0, NUMBER, -1, 255},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPOPTS, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVRTHDR, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVPATHMTU, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVERR, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 0, NUMBER, 0, 1},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1, NUMBER, 0, 5},
    {IPPROTO_IPV6, IPV6_DONTFRAG, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0, NUMBER, 0, 255},
    {IPPROTO_IPV6, IPV6_FREEBIND, 0, SWITCH, 0, 0},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, NUMBER, -1, 255},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, NUMBER, 0, 1},
    {IPPROTO_UDP, UDP_CORK, 0, SWITCH, 0, 0},
    {IPPROTO_UDP, UDP_NO_CHECK6_TX, 0, SWITCH, 0, 0},
    {IPPROTO_UDP, UDP_NO_CHECK6_RX, 0, SWITCH, 0, 0},
    {IPPROTO_UDP, UDP_SEGMENT, 0, NUMBER, 0, USHRT_MAX},
    {IPPROTO_UDP, UDP_GRO, 0, SWITCH, 0, 0},
    {IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 0, AS_SAID, 0, 0},
    {IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 0, AS_SAID, 0, 0},
};
_Static_assert(sizeof table / sizeof table[0] <= sizeof((struct inet_socket *)0)->options / sizeof(int),
               "inet_socket.options has a place for each");

/* Are the level's options this socket's at all? */
static bool has_level(const struct inet_socket *s, int level)
{
    int protocol = s->base.protocol;
    switch (level) {
    case IPPROTO_IP:
        return true;
    case IPPROTO_IPV6:
        return s->base.family == AF_INET6;
    case IPPROTO_TCP:
        return s->base.type == SOCK_STREAM;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
        return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
    default:
        return false;
    }
}

static int place_of(const struct inet_socket *s, int level, int name)
{
    if (!has_level(s, level))
        return -1;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].level == level && table[i].name == name)
            return (int)i;
    return -1;
}

int inet_option(const struct inet_socket *s, int level, int name)
{
    int place = place_of(s, level, name);
    return place < 0 ? 0 : table[place].initial + s->options[place];
}

/* A connection as it looks on loopback with nothing lost. */
static int tcp_information(const struct inet_socket *s, void *value, socklen_t *length)
{
    enum { ESTABLISHED = 1, SYN_SENT = 2, CLOSED = 7, LISTEN = 10 };
    bool beyond = s->far != NULL;
    struct tcp_info info = {
        .tcpi_state = s->state == TCP_IS_CONNECTED    ? ESTABLISHED
                      : s->state == TCP_IS_CONNECTING ? SYN_SENT
                      : s->state == TCP_IS_LISTENING  ? LISTEN
                                                      : CLOSED,
        .tcpi_options = s->state == TCP_IS_CONNECTED ? TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE : 0,
        .tcpi_snd_wscale = 7,
        .tcpi_rcv_wscale = 7,
        .tcpi_rto = 201000,
        .tcpi_snd_mss = beyond ? 1448 : 32741,
        .tcpi_rcv_mss = 536,
        .tcpi_pmtu = beyond ? 1500 : 65535,
        .tcpi_rtt = beyond ? 20000 : 20,
        .tcpi_rttvar = beyond ? 5000 : 10,
        .tcpi_snd_cwnd = 10,
        .tcpi_advmss = beyond ? 1460 : 65483,
        .tcpi_rcv_space = 65495,
        .tcpi_unacked =
            s->state == TCP_IS_LISTENING ? s->pending : 0, /* of a listener: its backlog, and the most of it */
        .tcpi_sacked = s->state == TCP_IS_LISTENING ? s->backlog : 0,
    };
    return option_out(&info, sizeof info, value, length);
}

/* The names that the kernel has built in; what is chosen changes nothing here. */
static const char *const congestion_controls[] = {"cubic", "reno"};
enum { CONGESTION_NAME = 16 /* TCP_CA_NAME_MAX */ };

static int set_congestion(struct inet_socket *s, const void *value, socklen_t length)
{
    char name[CONGESTION_NAME] = "";
    if (length < 1)
        return -EINVAL;
    memcpy(name, value, length < sizeof name ? length : sizeof name - 1);
    for (size_t i = 0; i < sizeof congestion_controls / sizeof *congestion_controls; i++)
        if (strcmp(name, congestion_controls[i]) == 0) {
            s->congestion = (uint8_t)i;
            return 0;
        }
    return -ENOENT;
}

static int get_congestion(const struct inet_socket *s, void *value, socklen_t *length)
{
    char name[CONGESTION_NAME] = "";
    snprintf(name, sizeof name, "%s", congestion_controls[s->congestion]);
    *length = *length < sizeof name ? *length : sizeof name;
    memcpy(value, name, *length);
    return 0;
}

/* What is told otherwise than it was said. */
static int as_told(const struct inet_socket *s, int level, int name, int value)
{
    if (level != IPPROTO_TCP)
        return value;
    if (name == TCP_MAXSEG && s->state == TCP_IS_CONNECTED)
        return s->far ? 1448 : 32741; /* of the path's packets, less the timestamp */
    return value;
}

/* Options that are no number of the table. -ENOPROTOOPT: another one. */
static int get_other(const struct inet_socket *s, int level, int name, void *value, socklen_t *length)
{
    int answer = 0;
    bool connected = s->remote.port && (s->base.type != SOCK_STREAM || s->state == TCP_IS_CONNECTED);
    if (level == IPPROTO_TCP) {
        switch (name) {
        case TCP_INFO:
            return tcp_information(s, value, length);
        case TCP_CONGESTION:
            return get_congestion(s, value, length);
        case TCP_ULP:
        case TCP_SAVED_SYN:
            *length = 0;
            return 0;
        case TCP_THIN_DUPACK:
        case TCP_REPAIR:
            return option_out(&answer, sizeof answer, value, length);
        default:
            return -ENOPROTOOPT;
        }
    }
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
        answer = s->only_v6;
    } else if (level == IPPROTO_IP && name == IP_OPTIONS) {
        *length = 0;
        return 0;
    } else if ((level == IPPROTO_IP && name == IP_MTU) || (level == IPPROTO_IPV6 && name == IPV6_MTU)) {
        if (!connected)
            return -ENOTCONN;
        answer = inet_is_loopback(&s->remote) ? MTU_HERE + (level == IPPROTO_IPV6) : MTU_BEYOND;
    } else if ((level != IPPROTO_IP || (name != IP_TRANSPARENT && name != IP_HDRINCL && name != IP_NODEFRAG)) &&
               (level != IPPROTO_IPV6 || name != IPV6_TRANSPARENT)) {
        return membership_get(s, level, name, value, length);
    }
    return option_out(&answer, sizeof answer, value, length);
}

int inet_get_option(struct socket *socket, int level, int name, void *value, socklen_t *length)
{
    const struct inet_socket *s = inet_of(socket);
    int place = place_of(s, level, name);
    if (!has_level(s, level))
        return socket->family == AF_INET && level != SOL_SOCKET ? -EOPNOTSUPP : -ENOPROTOOPT;
    if (place < 0)
        return get_other(s, level, name, value, length);
    int answer = as_told(s, level, name, table[place].initial + s->options[place]);
    return option_out(&answer, sizeof answer, value, length);
}

/* A time as retransmissions have it: 1, 3, 7 ... seconds, the least that is not under it (secs_to_retrans, retrans_to_secs). */
static int in_retransmissions(int seconds)
{
    int64_t sum = seconds > 0, wait = 1;
    for (int tries = 1; sum > 0 && sum < seconds && tries < 255; tries++) {
        wait = wait * 2 < RETRANSMIT_MOST ? wait * 2 : RETRANSMIT_MOST;
        sum += wait;
    }
    return (int)sum;
}

/* What an option becomes, or -EINVAL in *error. */
static int as_kept(const struct inet_socket *s, const struct option *o, int before, int wanted, int *error)
{
    bool stream = s->base.type == SOCK_STREAM;
    if (o->level == IPPROTO_IP && o->name == IP_TOS)
        return stream ? (wanted & 0xff & ~ECN) | (before & ECN) : wanted & 0xff;
    if (o->level == IPPROTO_IPV6 && o->name == IPV6_TCLASS && wanted >= -1 && wanted <= o->most)
        return wanted < 0 ? 0 : stream ? (wanted & ~ECN) | (before & ECN) : wanted;
    if (o->level == IPPROTO_UDPLITE) /* 0 is all; the header is always covered (net/ipv4/udp.c, udp_lib_setsockopt) */
        return wanted != 0 && wanted < UDPLITE_HEADER ? UDPLITE_HEADER : wanted > USHRT_MAX ? USHRT_MAX : wanted;
    bool is_default =
        (wanted == -1 && ((o->level == IPPROTO_IP && (o->name == IP_TTL || o->name == IP_MULTICAST_TTL)) ||
                          (o->level == IPPROTO_IPV6 && o->least == -1))) ||
        (wanted == 0 && o->level == IPPROTO_TCP &&
         (o->name == TCP_MAXSEG || o->name == TCP_LINGER2 ||
          (o->name == TCP_WINDOW_CLAMP && s->state == TCP_IS_CLOSED)));
    if (is_default)
        return o->initial;
    if (o->level == IPPROTO_TCP && o->name == TCP_WINDOW_CLAMP && wanted == 0)
        *error = -EINVAL;
    if (o->level == IPPROTO_TCP && (o->name == TCP_FASTOPEN || o->name == TCP_FASTOPEN_CONNECT) &&
        s->state != TCP_IS_CLOSED && s->state != TCP_IS_LISTENING)
        *error = -EINVAL;
    if (o->kind == NUMBER && (wanted < o->least || wanted > o->most))
        *error = -EINVAL;
    if (o->level == IPPROTO_TCP && o->name == TCP_DEFER_ACCEPT)
        return in_retransmissions(wanted);
    if (o->level == IPPROTO_TCP && o->name == TCP_FASTOPEN)
        return wanted < SOMAXCONN ? wanted : SOMAXCONN;
    return o->kind == SWITCH    ? !!wanted
           : o->kind != CLAMPED ? wanted
           : wanted < o->least  ? o->least
           : wanted > o->most   ? o->most
                                : wanted;
}

static int set_other(struct inet_socket *s, int level, int name, int wanted)
{
    switch (level) {
    case IPPROTO_TCP:
        return name == TCP_THIN_DUPACK                       ? (wanted < 0 || wanted > 1 ? -EINVAL : 0)
               : name == TCP_REPAIR || name == TCP_TIMESTAMP ? -EPERM
               : name == TCP_ULP                             ? -ENOENT
                                                             : -ENOPROTOOPT;
    case IPPROTO_IP:
        return name != IP_TRANSPARENT ? -ENOPROTOOPT : wanted ? -EPERM : 0;
    case IPPROTO_IPV6:
        if (name == IPV6_TRANSPARENT)
            return wanted ? -EPERM : 0;
        if (name != IPV6_V6ONLY)
            return -ENOPROTOOPT;
        if (s->bound)
            return -EINVAL;
        s->only_v6 = wanted;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int inet_set_option(struct socket *socket, int level, int name, const void *value, socklen_t length,
                    const struct cred *c)
{
    struct inet_socket *s = inet_of(socket);
    int wanted = 0, error = 0, place = place_of(s, level, name);
    bool stream = socket->type == SOCK_STREAM;
    if (!has_level(s, level) ||
        (level == IPPROTO_UDPLITE && socket->protocol != IPPROTO_UDPLITE)) /* UDP may ask, and that is all */
        return -ENOPROTOOPT;
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return set_congestion(s, value, length);
    if (level == IPPROTO_IP && name == IP_OPTIONS && length == 0)
        return 0;
    if (stream && level == IPPROTO_IPV6 && (name == IPV6_MULTICAST_HOPS || name == IPV6_MULTICAST_IF))
        return -ENOPROTOOPT;
    int grouped = membership_set(s, level, name, value, length);
    if (grouped != -ENOPROTOOPT)
        return grouped;
    if (stream && level == IPPROTO_IP && name == IP_MULTICAST_TTL)
        return -EINVAL;
    bool needs_byte = name == IP_TTL || name == IP_MULTICAST_TTL || name == IP_MULTICAST_LOOP || name == IP_MINTTL ||
                      name == IP_FREEBIND || name == IP_MULTICAST_ALL || name == IP_TRANSPARENT;
    if (length >= sizeof wanted)
        memcpy(&wanted, value, sizeof wanted);
    else if (level == IPPROTO_IP && length > 0) /* the oldest level takes a byte too, or nothing for 0 */
        wanted = *(const unsigned char *)value;
    else if (level != IPPROTO_IP || needs_byte)
        return -EINVAL;
    if (place < 0)
        return set_other(s, level, name, wanted);
    int before = table[place].initial + s->options[place], kept = as_kept(s, &table[place], before, wanted, &error);
    if (error)
        return error;
    s->options[place] = (int)((unsigned)kept - (unsigned)table[place].initial);
    if (level == IPPROTO_UDP && name == UDP_CORK && before && !kept)
        udp_uncork(s);
    return 0;
}
