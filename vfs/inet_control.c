/* What travels beside a datagram's bytes: TTL, type of service, and which address it came to (ip(7), ipv6(7), cmsg(3)). A
 * sender says it by options or by a control message, a receiver asks for it by options. Model: ip_cmsg_send and ip_cmsg_recv of
 * net/ipv4/ip_sockglue.c, and net/ipv6/datagram.c. */
#include "vfs/inet.h"

#include <string.h>

enum { HOPS = 64, LOOPBACK_INTERFACE = 1 };

/* One number of a control message: an int, or the byte that the oldest level takes too. -EINVAL. */
static int number(const struct socket_control *control, bool byte, int least, int most, int16_t *out)
{
    int value;
    if (control->length == sizeof value)
        memcpy(&value, control->bytes, sizeof value);
    else if (byte && control->length == 1)
        value = (unsigned char)control->bytes[0];
    else
        return -EINVAL;
    if (value < least || value > most)
        return -EINVAL;
    *out = (int16_t)value;
    return 0;
}

static int take_v4(const struct socket_control *control, struct inet_marks *marks)
{
    switch (control->type) {
    case IP_TTL:
        return number(control, false, 1, 255, &marks->ttl);
    case IP_TOS:
        return number(control, true, 0, 255, &marks->tos);
    case IP_PKTINFO: /* the address to send from: there is one for each receiver */
        return control->length == sizeof(struct in_pktinfo) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int take_v6(const struct socket_control *control, struct inet_marks *marks)
{
    switch (control->type) {
    case IPV6_HOPLIMIT:
        return number(control, false, -1, 255, &marks->ttl);
    case IPV6_TCLASS:
        return number(control, false, -1, 255, &marks->tos);
    case IPV6_PKTINFO:
        return control->length >= sizeof(struct in6_pktinfo) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

int inet_marks(const struct inet_socket *s, const struct socket_message *m, const struct inet_address *to,
               struct inet_marks *out)
{
    bool v4 = inet_is_v4(to);
    *out = v4 ? (struct inet_marks){.ttl = (int16_t)inet_option(s, IPPROTO_IP, IP_TTL),
                                    .tos = (int16_t)inet_option(s, IPPROTO_IP, IP_TOS)}
              : (struct inet_marks){.ttl = (int16_t)inet_option(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS),
                                    .tos = (int16_t)inet_option(s, IPPROTO_IPV6, IPV6_TCLASS)};
    for (size_t i = 0; i < m->control_count; i++) {
        const struct socket_control *control = &m->controls[i];
        int error = 0;
        if (control->level == (v4 ? IPPROTO_IP : IPPROTO_IPV6))
            error = v4 ? take_v4(control, out) : take_v6(control, out);
        if (error)
            return error;
    }
    if (out->ttl < 0)
        out->ttl = HOPS;
    if (out->tos < 0)
        out->tos = 0;
    return 0;
}

static void add_number(struct socket_message *m, int level, int type, int value)
{
    socket_control_add(m, level, type, &value, sizeof value);
}

static void add_address(struct socket_message *m, int level, int type, const struct inet_address *a)
{
    struct sockaddr_storage address;
    inet_address_whole(a, &address);
    socket_control_add(m, level, type, &address,
                       inet_is_v4(a) ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}

void inet_controls(struct inet_socket *s, const struct inet_chunk *c, struct socket_message *m)
{
    bool v4 = inet_is_v4(&c->to), v6 = s->base.family == AF_INET6;
    const unsigned char tos = (unsigned char)c->marks.tos;
    socket_stamp(&s->base, c->arrived, m);
    if (v6 && inet_option(s, IPPROTO_IPV6, IPV6_RECVPKTINFO)) {
        struct in6_pktinfo info = {.ipi6_ifindex = LOOPBACK_INTERFACE};
        memcpy(&info.ipi6_addr, c->to.ip, 16);
        socket_control_add(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (v4) {
        if (inet_option(s, IPPROTO_IP, IP_PKTINFO)) {
            struct in_pktinfo info = {.ipi_ifindex = LOOPBACK_INTERFACE};
            memcpy(&info.ipi_addr, c->to.ip + 12, 4);
            info.ipi_spec_dst = info.ipi_addr;
            socket_control_add(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        }
        if (inet_option(s, IPPROTO_IP, IP_RECVTTL))
            add_number(m, IPPROTO_IP, IP_TTL, c->marks.ttl);
        if (inet_option(s, IPPROTO_IP, IP_RECVTOS))
            socket_control_add(m, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
        if (inet_option(s, IPPROTO_IP, IP_RECVORIGDSTADDR))
            add_address(m, IPPROTO_IP, IP_ORIGDSTADDR, &c->to);
        return;
    }
    if (inet_option(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
        add_number(m, IPPROTO_IPV6, IPV6_HOPLIMIT, c->marks.ttl);
    if (inet_option(s, IPPROTO_IPV6, IPV6_RECVTCLASS))
        add_number(m, IPPROTO_IPV6, IPV6_TCLASS, c->marks.tos);
    if (inet_option(s, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR))
        add_address(m, IPPROTO_IPV6, IPV6_ORIGDSTADDR, &c->to);
}
