/* Options of the levels IPPROTO_IP, IPPROTO_IPV6 and IPPROTO_TCP: ip(7), ipv6(7), tcp(7). Nearly all are remembered and told
 * again: there is no wire that they could change. */
#include "vfs/inet.h"

#include <limits.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>

struct option {
    int level, name, initial, least, most;
};

/* The place in this table is the place in inet_socket.options, which holds value - initial (zero at first). */
static const struct option table[] = {
    {IPPROTO_TCP, TCP_NODELAY, 0, INT_MIN, INT_MAX},
    {IPPROTO_TCP, TCP_CORK, 0, INT_MIN, INT_MAX},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 32767},
    {IPPROTO_TCP, TCP_KEEPCNT, 9, 1, 127},
    {IPPROTO_TCP, TCP_SYNCNT, 6, 1, 127},
    {IPPROTO_TCP, TCP_LINGER2, 60, INT_MIN, INT_MAX},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, INT_MIN, INT_MAX},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 0, INT_MAX},
    {IPPROTO_TCP, TCP_QUICKACK, 1, INT_MIN, INT_MAX},
    {IPPROTO_TCP, TCP_MAXSEG, 536, 88, 32767},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, INT_MAX},
    {IPPROTO_TCP, TCP_FASTOPEN, 0, 0, INT_MAX},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_TOS, 0, 0, 255},
    {IPPROTO_IP, IP_TTL, 64, 1, 255},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1, 0, 5},
    {IPPROTO_IP, IP_RECVERR, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_PKTINFO, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_RECVTOS, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_RECVTTL, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_FREEBIND, 0, INT_MIN, INT_MAX},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1, -1, 255},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1, 0, 1},
    {IPPROTO_IP, IP_MULTICAST_ALL, 1, 0, 1},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1, 0, 1},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, -1, 255},
    {IPPROTO_IPV6, IPV6_TCLASS, 0, -1, 255},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0, INT_MIN, INT_MAX},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0, INT_MIN, INT_MAX},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0, INT_MIN, INT_MAX},
    {IPPROTO_IPV6, IPV6_RECVERR, 0, INT_MIN, INT_MAX},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, -1, 255},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, 0, 1},
    {IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 0, INT_MIN, INT_MAX},
    {IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 0, INT_MIN, INT_MAX},
};
_Static_assert(sizeof table / sizeof table[0] <= sizeof((struct inet_socket *)0)->options / sizeof(int),
               "inet_socket.options has a place for each");

static int place_of(const struct inet_socket *s, int level, int name)
{
    if ((level == IPPROTO_TCP && s->base.type != SOCK_STREAM) ||
        (level == IPPROTO_IPV6 && s->base.family != AF_INET6) ||
        (level == IPPROTO_UDPLITE && s->base.type != SOCK_DGRAM))
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

int inet_get_option(struct socket *socket, int level, int name, void *value, socklen_t *length)
{
    struct inet_socket *s = inet_of(socket);
    int answer, place = place_of(s, level, name);
    if (level == IPPROTO_TCP && name == TCP_INFO && socket->type == SOCK_STREAM)
        return tcp_information(s, value, length);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION && socket->type == SOCK_STREAM)
        return get_congestion(s, value, length);
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && socket->family == AF_INET6)
        answer = s->only_v6;
    else if (level == IPPROTO_TCP && name == TCP_MAXSEG && place >= 0 && s->state == TCP_IS_CONNECTED)
        answer = s->far ? 1448 : 32741; /* of the path's packets, less the timestamp */
    else if (place >= 0)
        answer = table[place].initial + s->options[place];
    else if (level != IPPROTO_TCP)
        return membership_get(s, level, name, value, length);
    else
        return socket->type != SOCK_STREAM ? -EOPNOTSUPP : -ENOPROTOOPT;
    return option_out(&answer, sizeof answer, value, length);
}

int inet_set_option(struct socket *socket, int level, int name, const void *value, socklen_t length,
                    const struct cred *c)
{
    struct inet_socket *s = inet_of(socket);
    int wanted = 0, place = place_of(s, level, name);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION && socket->type == SOCK_STREAM)
        return set_congestion(s, value, length);
    int grouped = membership_set(s, level, name, value, length);
    if (grouped != -ENOPROTOOPT)
        return grouped;
    if (length >= sizeof wanted)
        memcpy(&wanted, value, sizeof wanted);
    else if (level == IPPROTO_IP && length > 0) /* the oldest level takes a byte too */
        wanted = *(const unsigned char *)value;
    else
        return -EINVAL;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && socket->family == AF_INET6) {
        if (s->bound)
            return -EINVAL;
        s->only_v6 = wanted;
        return 0;
    }
    if (level == IPPROTO_UDPLITE && socket->protocol != IPPROTO_UDPLITE) /* UDP may ask, and that is all */
        return -ENOPROTOOPT;
    if (place < 0)
        return level == IPPROTO_TCP && socket->type != SOCK_STREAM ? -EOPNOTSUPP : -ENOPROTOOPT;
    if (wanted < table[place].least || wanted > table[place].most)
        return -EINVAL;
    if (level == IPPROTO_UDPLITE) /* 0 is all; the header is always covered (net/ipv4/udp.c, udp_lib_setsockopt) */
        wanted = wanted != 0 && wanted < UDPLITE_HEADER ? UDPLITE_HEADER : wanted > USHRT_MAX ? USHRT_MAX : wanted;
    else if (table[place].least == INT_MIN) /* a switch */
        wanted = name == TCP_LINGER2 || name == TCP_DEFER_ACCEPT || name == TCP_NOTSENT_LOWAT ? wanted : !!wanted;
    if (level == IPPROTO_IP && name == IP_TOS && socket->type == SOCK_STREAM)
        wanted &= ~3; /* the two bits of ECN are TCP's own */
    s->options[place] = (int)((unsigned)wanted - (unsigned)table[place].initial);
    return 0;
}
