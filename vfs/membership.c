/* Multicast groups: who is a member, and where what is sent to one leaves (ip(7) IP_ADD_MEMBERSHIP, ipv6(7); Linux's net/ipv4/igmp.c,
 * net/ipv6/mcast.c). No packet of IGMP is sent: all members are sockets of the world. */
#include "vfs/inet.h"

#include "vfs/interface.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERSHIPS_V4 = 20 /* net.ipv4.igmp_max_memberships */, MEMBERSHIPS_MOST = 64 };

struct membership {
    uint8_t group[16];
    int interface;
};

static void map_v4(uint8_t to[16], const void *ipv4)
{
    memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    memcpy(to + 12, ipv4, 4);
}

/* By its index, or else by its address; neither: where the default route leads. 0: there is none such. */
static int find_interface(const struct inet_socket *s, int index, const uint8_t ipv4[4])
{
    static const uint8_t none[4];
    const struct interface *list;
    size_t n = interfaces(s->base.vfs, &list);
    if (index == 0 && memcmp(ipv4, none, 4) == 0)
        return n > 1 ? list[n - 1].index : 0; /* lo has no route for groups */
    for (size_t i = 0; i < n; i++)
        if (index ? list[i].index == index : memcmp(list[i].ipv4, ipv4, 4) == 0)
            return list[i].index;
    return 0;
}

static struct membership *find(const struct inet_socket *s, const uint8_t group[16], int interface)
{
    for (uint32_t i = 0; i < s->group_count; i++)
        if (memcmp(s->groups[i].group, group, 16) == 0 && (!interface || s->groups[i].interface == interface))
            return &s->groups[i];
    return NULL;
}

static int join(struct inet_socket *s, const uint8_t group[16], int interface)
{
    struct inet_address a = {0};
    memcpy(a.ip, group, 16);
    if (interface == 0)
        return -ENODEV;
    if (find(s, group, interface))
        return -EADDRINUSE;
    if (s->group_count == (inet_is_v4(&a) ? MEMBERSHIPS_V4 : MEMBERSHIPS_MOST))
        return -ENOBUFS;
    if (!s->groups && !(s->groups = calloc(MEMBERSHIPS_MOST, sizeof *s->groups)))
        return -ENOBUFS;
    struct membership *m = &s->groups[s->group_count++];
    memcpy(m->group, group, 16);
    m->interface = interface;
    return 0;
}

static int leave(struct inet_socket *s, const uint8_t group[16], int interface)
{
    struct membership *m = find(s, group, interface);
    if (!m)
        return -EADDRNOTAVAIL;
    *m = s->groups[--s->group_count];
    return 0;
}

static int change(struct inet_socket *s, bool joins, const uint8_t group[16], int interface)
{
    struct inet_address a = {0};
    memcpy(a.ip, group, 16);
    return !inet_is_group(&a) ? -EINVAL : joins ? join(s, group, interface) : leave(s, group, interface);
}

static int change_v4(struct inet_socket *s, bool joins, const void *value, socklen_t length)
{
    struct ip_mreqn request = {0};
    uint8_t group[16];
    if (length < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&request, value, length < sizeof request ? sizeof(struct ip_mreq) : sizeof request);
    map_v4(group, &request.imr_multiaddr);
    int interface = find_interface(s, request.imr_ifindex, (const uint8_t *)&request.imr_address);
    return change(s, joins, group, interface);
}

static int change_v6(struct inet_socket *s, bool joins, const void *value, socklen_t length)
{
    static const uint8_t none[4];
    struct ipv6_mreq request;
    if (length < sizeof request)
        return -EINVAL;
    memcpy(&request, value, sizeof request);
    if (request.ipv6mr_multiaddr.s6_addr[0] != 0xff)
        return -EINVAL;
    int index = (int)request.ipv6mr_interface, interface = find_interface(s, index, none);
    return joins || index ? change(s, joins, request.ipv6mr_multiaddr.s6_addr, interface)
                          : leave(s, request.ipv6mr_multiaddr.s6_addr, 0);
}

/* MCAST_JOIN_GROUP: the same for both families. */
static int change_any(struct inet_socket *s, bool joins, const void *value, socklen_t length)
{
    static const uint8_t none[4];
    struct group_req request;
    uint8_t group[16];
    if (length < sizeof request)
        return -EINVAL;
    memcpy(&request, value, sizeof request);
    if (request.gr_group.ss_family == AF_INET)
        map_v4(group, &((const struct sockaddr_in *)&request.gr_group)->sin_addr);
    else if (request.gr_group.ss_family == AF_INET6)
        memcpy(group, &((const struct sockaddr_in6 *)&request.gr_group)->sin6_addr, 16);
    else
        return -EINVAL;
    return change(s, joins, group, find_interface(s, (int)request.gr_interface, none));
}

static int set_interface_v4(struct inet_socket *s, const void *value, socklen_t length)
{
    static const uint8_t none[4];
    struct ip_mreqn request = {0};
    if (length < sizeof(struct in_addr))
        return -EINVAL;
    if (length >= sizeof request)
        memcpy(&request, value, sizeof request);
    else if (length >= sizeof(struct ip_mreq))
        memcpy(&request, value, sizeof(struct ip_mreq));
    else
        memcpy(&request.imr_address, value, sizeof request.imr_address);
    bool reset = request.imr_ifindex == 0 && memcmp(&request.imr_address, none, 4) == 0;
    int interface = reset ? 0 : find_interface(s, request.imr_ifindex, (const uint8_t *)&request.imr_address);
    if (!reset && interface == 0)
        return -EADDRNOTAVAIL;
    s->group_interface = interface;
    return 0;
}

static int set_interface_v6(struct inet_socket *s, const void *value, socklen_t length)
{
    static const uint8_t none[4];
    int index;
    if (length < sizeof index)
        return -EINVAL;
    memcpy(&index, value, sizeof index);
    if (index != 0 && find_interface(s, index, none) == 0)
        return -ENODEV;
    s->group_interface = index;
    return 0;
}

int membership_set(struct inet_socket *s, int level, int name, const void *value, socklen_t length)
{
    bool v6 = level == IPPROTO_IPV6 && s->base.family == AF_INET6;
    bool stream = s->base.type == SOCK_STREAM;
    if (level != IPPROTO_IP && !v6)
        return -ENOPROTOOPT;
    if (stream && !v6 && name == IP_MULTICAST_IF)
        return -EINVAL;
    if (stream && (v6 ? name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP
                      : name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
        return -EPROTO;
    if (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP)
        return change_any(s, name == MCAST_JOIN_GROUP, value, length);
    if (v6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP))
        return change_v6(s, name == IPV6_JOIN_GROUP, value, length);
    if (v6 && name == IPV6_MULTICAST_IF)
        return set_interface_v6(s, value, length);
    if (!v6 && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
        return change_v4(s, name == IP_ADD_MEMBERSHIP, value, length);
    if (!v6 && name == IP_MULTICAST_IF)
        return set_interface_v4(s, value, length);
    return -ENOPROTOOPT;
}

int membership_get(const struct inet_socket *s, int level, int name, void *value, socklen_t *length)
{
    if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF)
        return option_out(&s->group_interface, sizeof s->group_interface, value, length);
    if (level != IPPROTO_IP || name != IP_MULTICAST_IF)
        return -ENOPROTOOPT;
    uint8_t ipv4[4] = {0};
    const struct interface *list;
    size_t n = interfaces(s->base.vfs, &list);
    for (size_t i = 0; i < n; i++)
        if (list[i].index == s->group_interface)
            memcpy(ipv4, list[i].ipv4, 4);
    return option_out(ipv4, sizeof ipv4, value, length);
}

/* Every host is one of 224.0.0.1 and ff02::1. */
static bool is_all_hosts(const uint8_t group[16])
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 224, [15] = 1}, v6[16] = {0xff, 2, [15] = 1};
    return memcmp(group, v4, 16) == 0 || memcmp(group, v6, 16) == 0;
}

bool membership_any(const struct inet_table *t, const struct inet_address *group)
{
    if (is_all_hosts(group->ip))
        return true;
    for (const struct inet_socket *s = t->all; s; s = s->all_next)
        if (!s->dead && find(s, group->ip, 0))
            return true;
    return false;
}

bool membership_takes(const struct inet_socket *s, const struct inet_address *group)
{
    bool v4 = inet_is_v4(group);
    return inet_option(s, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL) ||
           find(s, group->ip, 0);
}
