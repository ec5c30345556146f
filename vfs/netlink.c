/* AF_NETLINK, NETLINK_ROUTE: netlink(7), rtnetlink(7). Asking for links, addresses and routes, as getifaddrs(3), if_nameindex(3)
 * and iproute2 do; whoever wants to change something may not. Model: the kernel's net/core/rtnetlink.c. */
#include "vfs/interface.h"
#include "vfs/socket_inner.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/in_route.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MOST = 65536, ANSWER_MOST = 8192, QUEUE_MOST = 212992, UP = 6, UNKNOWN = 0 };

struct message { /* one datagram */
    struct message *next;
    size_t size;
    char data[];
};

struct netlink_socket {
    struct socket base; /* first */
    uint32_t port;      /* 0: not bound */
    struct message *first, *last;
    size_t queued;
};

/* An answer being written. */
struct answer {
    char *bytes; /* ANSWER_MOST */
    size_t size;
    struct nlmsghdr *header; /* of the message under way */
    const struct nlmsghdr *request;
    uint32_t port;
    uint16_t flags;
};

static const struct socket_ops netlink_ops;

static struct netlink_socket *of(struct socket *s)
{
    return (struct netlink_socket *)s;
}

int netlink_new(struct vfs *v, int type, int protocol, struct socket **out)
{
    if (type != SOCK_RAW && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != NETLINK_ROUTE)
        return -EPROTONOSUPPORT;
    struct netlink_socket *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    socket_init(&s->base, v, &netlink_ops, AF_NETLINK, type, protocol);
    *out = &s->base;
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static void *begin(struct answer *a, uint16_t type, size_t body)
{
    size_t whole = NLMSG_SPACE(body);
    if (a->size + whole > ANSWER_MOST)
        return NULL;
    a->header = (struct nlmsghdr *)(a->bytes + a->size);
    memset(a->header, 0, whole);
    a->header->nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
    a->header->nlmsg_type = type;
    a->header->nlmsg_flags = a->flags;
    a->header->nlmsg_seq = a->request->nlmsg_seq;
    a->header->nlmsg_pid = a->port;
    a->size += whole;
    return NLMSG_DATA(a->header);
}

static void attribute(struct answer *a, uint16_t type, const void *value, size_t n)
{
    size_t whole = RTA_SPACE(n);
    if (!a->header || a->size + whole > ANSWER_MOST)
        return;
    struct rtattr *r = (struct rtattr *)(a->bytes + a->size);
    memset(r, 0, whole);
    r->rta_type = type;
    r->rta_len = (uint16_t)RTA_LENGTH(n);
    memcpy(RTA_DATA(r), value, n);
    a->size += whole;
    a->header->nlmsg_len = (uint32_t)(a->bytes + a->size - (char *)a->header);
}

static void number(struct answer *a, uint16_t type, uint32_t value)
{
    attribute(a, type, &value, sizeof value);
}

static void put_link(struct answer *a, const struct interface *i)
{
    struct ifinfomsg *m = begin(a, RTM_NEWLINK, sizeof *m);
    bool lo = i->index == 1;
    const char *discipline = lo ? "noqueue" : "fq_codel";
    uint8_t state = lo ? UNKNOWN : UP, mode = 0;
    if (!m)
        return;
    m->ifi_type = i->hardware;
    m->ifi_index = i->index;
    m->ifi_flags = i->flags;
    attribute(a, IFLA_IFNAME, i->name, strlen(i->name) + 1);
    number(a, IFLA_TXQLEN, 1000);
    attribute(a, IFLA_OPERSTATE, &state, 1);
    attribute(a, IFLA_LINKMODE, &mode, 1);
    number(a, IFLA_MTU, i->mtu);
    number(a, IFLA_GROUP, 0);
    attribute(a, IFLA_QDISC, discipline, strlen(discipline) + 1);
    attribute(a, IFLA_ADDRESS, i->mac, 6);
    attribute(a, IFLA_BROADCAST, i->all, 6);
}

static void put_address(struct answer *a, const struct interface *i, uint8_t family)
{
    bool v4 = family == AF_INET, lo = i->index == 1;
    struct ifaddrmsg *m = begin(a, RTM_NEWADDR, sizeof *m);
    const struct ifa_cacheinfo forever = {.ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX};
    if (!m)
        return;
    m->ifa_family = family;
    m->ifa_prefixlen = (uint8_t)(v4 ? i->prefix4 : i->prefix6);
    m->ifa_flags = IFA_F_PERMANENT;
    m->ifa_scope = lo ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    m->ifa_index = (uint32_t)i->index;
    attribute(a, IFA_ADDRESS, v4 ? i->ipv4 : i->ipv6, v4 ? 4 : 16);
    if (v4) {
        attribute(a, IFA_LOCAL, i->ipv4, 4);
        if (i->broadcast[0])
            attribute(a, IFA_BROADCAST, i->broadcast, 4);
        attribute(a, IFA_LABEL, i->name, strlen(i->name) + 1);
    }
    number(a, IFA_FLAGS, IFA_F_PERMANENT);
    attribute(a, IFA_CACHEINFO, &forever, sizeof forever);
}

/* destination NULL: the default, by the gateway. */
static void put_route(struct answer *a, const struct interface *i, uint8_t family, const uint8_t *destination,
                      int prefix)
{
    bool v4 = family == AF_INET;
    size_t size = v4 ? 4 : 16;
    struct rtmsg *m = begin(a, RTM_NEWROUTE, sizeof *m);
    if (!m)
        return;
    m->rtm_family = family;
    m->rtm_dst_len = (uint8_t)prefix;
    m->rtm_table = RT_TABLE_MAIN;
    m->rtm_protocol = destination ? RTPROT_KERNEL : RTPROT_BOOT;
    m->rtm_scope = destination && v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_UNICAST;
    number(a, RTA_TABLE, RT_TABLE_MAIN);
    if (destination)
        attribute(a, RTA_DST, destination, size);
    else
        attribute(a, RTA_GATEWAY, v4 ? interface_gateway4 : interface_gateway6, size);
    if (destination && v4)
        attribute(a, RTA_PREFSRC, i->ipv4, 4);
    if (!v4)
        number(a, RTA_PRIORITY, destination ? 256 : 1024);
    number(a, RTA_OIF, (uint32_t)i->index); /* NOLINT(clang-analyzer-core.NullDereference): one of interfaces() */
}

static void put_routes(struct answer *a, const struct interface *list, size_t count, uint8_t family)
{
    const struct interface *eth = &list[count - 1];
    bool beyond = count > 1;
    uint8_t network4[4] = {10, 0, 2, 0}, network6[16];
    if (beyond && family != AF_INET6) {
        put_route(a, eth, AF_INET, NULL, 0);
        put_route(a, eth, AF_INET, network4, eth->prefix4);
    }
    if (family == AF_INET)
        return;
    put_route(a, &list[0], AF_INET6, list[0].ipv6, 128);
    if (beyond) {
        memcpy(network6, eth->ipv6, 16);
        memset(network6 + 8, 0, 8);
        put_route(a, eth, AF_INET6, network6, eth->prefix6);
        put_route(a, eth, AF_INET6, NULL, 0);
    }
}

static void put_error(struct answer *a, int error)
{
    struct nlmsgerr *m;
    a->flags = 0;
    m = begin(a, NLMSG_ERROR, sizeof *m);
    if (!m)
        return;
    m->error = error;
    m->msg = *a->request;
}

/* The one link that is asked for, by number or by name. */
static int put_one_link(struct answer *a, const struct interface *list, size_t count, size_t body)
{
    const struct ifinfomsg *m = NLMSG_DATA(a->request);
    const char *name = NULL;
    if (body < sizeof *m)
        return -EINVAL;
    size_t left = body - NLMSG_ALIGN(sizeof *m);
    const struct rtattr *r = (const struct rtattr *)((const char *)m + NLMSG_ALIGN(sizeof *m));
    while (body > sizeof *m && left >= sizeof *r && r->rta_len >= sizeof *r && r->rta_len <= left) {
        size_t whole = RTA_ALIGN(r->rta_len);
        const char *text = RTA_DATA(r);
        if (r->rta_type == IFLA_IFNAME && r->rta_len > sizeof *r && memchr(text, 0, r->rta_len - sizeof *r))
            name = text;
        if (whole >= left)
            break;
        left -= whole;
        r = (const struct rtattr *)((const char *)r + whole);
    }
    for (size_t i = 0; i < count; i++)
        if (m->ifi_index ? list[i].index == m->ifi_index : name && strcmp(name, list[i].name) == 0) {
            put_link(a, &list[i]);
            return 0;
        }
    return m->ifi_index || name ? -ENODEV : -EINVAL;
}

/* The destination that is asked for: its RTA_DST, of `size` bytes. NULL: there is none, or one that ends too soon. */
static const uint8_t *destination_of(const struct nlmsghdr *request, size_t body, size_t size)
{
    const uint8_t *found = NULL;
    size_t left = body - sizeof(struct rtmsg);
    const struct rtattr *r = (const struct rtattr *)((const char *)NLMSG_DATA(request) + sizeof(struct rtmsg));
    while (left >= sizeof *r && r->rta_len >= sizeof *r && r->rta_len <= left) {
        size_t whole = RTA_ALIGN(r->rta_len);
        if (r->rta_type == RTA_DST && RTA_PAYLOAD(r) >= size)
            found = RTA_DATA(r);
        if (whole >= left)
            break;
        left -= whole;
        r = (const struct rtattr *)((const char *)r + whole);
    }
    return found;
}

/* Which way to one address: `ip route get`. */
static int put_way(struct answer *a, const struct interface *list, size_t count, size_t body)
{
    const struct rtmsg *asked = NLMSG_DATA(a->request);
    if (body < sizeof *asked)
        return -EINVAL;
    bool v4 = asked->rtm_family == AF_INET;
    size_t size = v4 ? 4 : 16;
    if (!v4 && asked->rtm_family != AF_INET6)
        return -EOPNOTSUPP;
    const uint8_t *to = destination_of(a->request, body, size);
    if (!to)
        return -EINVAL;
    const struct interface *lo = &list[0], *out = &list[count - 1];
    const uint8_t *own = v4 ? out->ipv4 : out->ipv6;
    bool local = v4 ? to[0] == lo->ipv4[0] : memcmp(to, lo->ipv6, 16) == 0;
    if (!local && count == 1)
        return -ENETUNREACH;
    bool here = local || memcmp(to, own, size) == 0;
    bool near = memcmp(to, own, (size_t)(v4 ? out->prefix4 : out->prefix6) / 8) == 0;
    struct rtmsg *m = begin(a, RTM_NEWROUTE, sizeof *m);
    if (!m)
        return -ENOBUFS;
    m->rtm_family = asked->rtm_family;
    m->rtm_dst_len = (uint8_t)(size * 8);
    m->rtm_table = here && !v4 ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
    m->rtm_type = here ? RTN_LOCAL : RTN_UNICAST;
    m->rtm_protocol = v4 ? RTPROT_UNSPEC : near || here ? RTPROT_KERNEL : RTPROT_BOOT;
    m->rtm_flags = !v4 ? 0 : here ? RTM_F_CLONED | RTCF_LOCAL : RTM_F_CLONED;
    number(a, RTA_TABLE, m->rtm_table);
    attribute(a, RTA_DST, to, size);
    number(a, RTA_OIF, (uint32_t)(here ? lo : out)->index);
    attribute(a, RTA_PREFSRC, here ? to : own, size);
    if (!here && !near)
        attribute(a, RTA_GATEWAY, v4 ? interface_gateway4 : interface_gateway6, size);
    if (!v4)
        number(a, RTA_PRIORITY, here ? 0 : near ? 256 : 1024);
    return 0;
}

static void put_dump(struct answer *a, const struct interface *list, size_t count, size_t body)
{
    uint8_t family = body > 0 ? *(const uint8_t *)NLMSG_DATA(a->request) : AF_UNSPEC;
    a->flags = NLM_F_MULTI;
    switch (a->request->nlmsg_type) {
    case RTM_GETLINK:
        for (size_t i = 0; i < count; i++)
            put_link(a, &list[i]);
        break;
    case RTM_GETADDR:
        for (size_t i = 0; i < count && family != AF_INET6; i++)
            put_address(a, &list[i], AF_INET);
        for (size_t i = 0; i < count && family != AF_INET; i++)
            put_address(a, &list[i], AF_INET6);
        break;
    case RTM_GETROUTE:
        put_routes(a, list, count, family);
        break;
    }
    int *done = begin(a, NLMSG_DONE, sizeof *done);
    if (done)
        *done = 0;
}

static int push(struct netlink_socket *s, const void *bytes, size_t n)
{
    struct message *m = s->queued + n > QUEUE_MOST ? NULL : malloc(sizeof *m + n);
    if (!m)
        return -ENOBUFS;
    m->next = NULL;
    m->size = n;
    memcpy(m->data, bytes, n);
    *(s->last ? &s->last->next : &s->first) = m;
    s->last = m;
    s->queued += n;
    waitq_wake(&s->base.wait, EPOLLIN | EPOLLRDNORM);
    return 0;
}

/* rtnetlink_rcv_msg: the kinds come in fours, NEW, DEL, GET, SET. */
static int answer_one(struct netlink_socket *s, const struct nlmsghdr *request, char *room)
{
    struct answer a = {.bytes = room, .request = request, .port = s->port};
    const struct interface *list;
    size_t count = interfaces(s->base.vfs, &list), body = request->nlmsg_len - NLMSG_HDRLEN;
    int type = request->nlmsg_type, error = 0;
    bool get = type >= RTM_BASE && (type & 3) == 2, dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!(request->nlmsg_flags & NLM_F_REQUEST) || type < NLMSG_MIN_TYPE)
        return 0;
    if (!get)
        error = type > RTM_MAX ? -EOPNOTSUPP : -EPERM;
    else if (type == RTM_GETLINK && !dump)
        error = put_one_link(&a, list, count, body);
    else if (type == RTM_GETROUTE && !dump)
        error = put_way(&a, list, count, body);
    else if (dump)
        put_dump(&a, list, count, body);
    else
        error = -EOPNOTSUPP;
    if (error || (request->nlmsg_flags & NLM_F_ACK && !dump))
        put_error(&a, error);
    return push(s, room, a.size);
}

/* ---- as a socket -------------------------------------------------------------------------------------------------- */

static int netlink_bind(struct socket *socket, const struct place *at, uint32_t mode, const struct sockaddr *a,
                        socklen_t n)
{
    struct netlink_socket *s = of(socket);
    struct sockaddr_nl name;
    if (n < sizeof name)
        return -EINVAL;
    memcpy(&name, a, sizeof name);
    if (name.nl_family != AF_NETLINK)
        return -EINVAL;
    if (s->port && name.nl_pid && name.nl_pid != s->port)
        return -EINVAL;
    if (!s->port)
        s->port = name.nl_pid ? name.nl_pid : (uint32_t)(socket->file ? socket->file->id : 1);
    return 0; /* groups: nothing here ever changes, so nothing is ever told */
}

static int netlink_connect(struct socket *socket, const struct place *at, const struct sockaddr *a, socklen_t n,
                           const struct ucred *self, struct waitq **wait_on)
{
    const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    if (a->sa_family != AF_UNSPEC && a->sa_family != AF_NETLINK)
        return -EINVAL;
    return netlink_bind(socket, at, 0, (const struct sockaddr *)&any, sizeof any);
}

static int netlink_name(struct socket *socket, bool peer, struct sockaddr_storage *out, socklen_t *length)
{
    struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = peer ? 0 : of(socket)->port};
    memset(out, 0, sizeof *out);
    memcpy(out, &name, sizeof name);
    *length = sizeof name;
    return 0;
}

static int netlink_shutdown(struct socket *socket, int mask)
{
    return -EOPNOTSUPP;
}

static ssize_t netlink_send(struct socket *socket, const struct place *at, struct socket_message *m, int flags)
{
    struct netlink_socket *s = of(socket);
    const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    size_t n = m->io->left;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (n > REQUEST_MOST)
        return -EMSGSIZE;
    if (m->address_length) {
        struct sockaddr_nl to;
        if (m->address_length < sizeof to)
            return -EINVAL;
        memcpy(&to, &m->address, sizeof to);
        if (to.nl_family != AF_NETLINK)
            return -EINVAL;
        if (to.nl_pid || to.nl_groups)
            return to.nl_groups ? -EPERM : -ECONNREFUSED;
    }
    char *bytes = malloc(n + ANSWER_MOST + NLMSG_ALIGNTO);
    if (!bytes)
        return -ENOBUFS;
    ssize_t got = n ? io_get(m->io, bytes, n) : 0;
    if (got != (ssize_t)n) {
        free(bytes);
        return got < 0 ? got : -EFAULT;
    }
    (void)netlink_bind(socket, at, 0, (const struct sockaddr *)&any, sizeof any);
    char *room = bytes + NLMSG_ALIGN(n);
    for (size_t used = 0; n - used >= NLMSG_HDRLEN;) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)(bytes + used);
        if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > n - used)
            break;
        if (answer_one(s, h, room) < 0)
            break; /* the queue is full: what is not told is lost, as netlink's are */
        size_t whole = NLMSG_ALIGN(h->nlmsg_len);
        used += whole < n - used ? whole : n - used;
    }
    free(bytes);
    return (ssize_t)n;
}

static ssize_t netlink_receive(struct socket *socket, struct socket_message *m, int flags)
{
    struct netlink_socket *s = of(socket);
    struct message *first = s->first;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (!first)
        return -EAGAIN;
    size_t n = first->size < m->io->left ? first->size : m->io->left;
    ssize_t put = n ? io_put(m->io, first->data, n) : 0;
    size_t length = first->size;
    if (n < length)
        m->flags |= MSG_TRUNC;
    (void)netlink_name(socket, true, &m->address, &m->address_length);
    if (!(flags & MSG_PEEK)) {
        s->first = first->next;
        if (!s->first)
            s->last = NULL;
        s->queued -= first->size;
        free(first);
    }
    if (put != (ssize_t)n)
        return -EFAULT;
    return flags & MSG_TRUNC ? (ssize_t)length : put;
}

static uint32_t netlink_poll(struct socket *socket, struct poll_table *t)
{
    poll_on(t, &socket->wait);
    return (of(socket)->first ? EPOLLIN | EPOLLRDNORM : 0) | EPOLLOUT | EPOLLWRNORM;
}

/* Wishes about form (NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK ...): nothing told here has another one. */
static int netlink_set_option(struct socket *s, int level, int name, const void *value, socklen_t length,
                              const struct cred *c)
{
    if (level != SOL_NETLINK)
        return -ENOPROTOOPT;
    if (length < sizeof(int))
        return -EINVAL;
    return name >= NETLINK_ADD_MEMBERSHIP && name <= NETLINK_GET_STRICT_CHK ? 0 : -ENOPROTOOPT;
}

static int netlink_unread(const struct socket *socket, bool out)
{
    return -EOPNOTSUPP;
}

static void netlink_closed(struct socket *socket)
{
    struct netlink_socket *s = of(socket);
    for (struct message *m = s->first, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    waitq_destroy(&s->base.wait);
    free(s);
}

static const struct socket_ops netlink_ops = {
    .bind = netlink_bind,
    .connect = netlink_connect,
    .name = netlink_name,
    .shutdown = netlink_shutdown,
    .send = netlink_send,
    .receive = netlink_receive,
    .poll = netlink_poll,
    .set_option = netlink_set_option,
    .unread = netlink_unread,
    .closed = netlink_closed,
};

int netlink_tell(struct file *f, const void *bytes, size_t n)
{
    struct socket *s = socket_of(f);
    if (!s)
        return -ENOTSOCK;
    if (s->family != AF_NETLINK)
        return -EINVAL;
    return n ? push(of(s), bytes, n) : 0;
}
