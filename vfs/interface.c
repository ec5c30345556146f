/* The interfaces, and asking for them by ioctl (vfs/interface.h). */
#include "vfs/interface.h"

#include "vfs/inet.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

enum { LOWER_UP = 1 << 16 };

static const struct interface all[INTERFACES_MOST] = {
    {.name = "lo",
     .index = 1,
     .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | LOWER_UP,
     .mtu = 65536,
     .hardware = ARPHRD_LOOPBACK,
     .ipv4 = {127, 0, 0, 1},
     .prefix4 = 8,
     .ipv6 = {[15] = 1},
     .prefix6 = 128},
    {.name = "eth0",
     .index = 2,
     .flags = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST | LOWER_UP,
     .mtu = 1500,
     .hardware = ARPHRD_ETHER,
     .mac = {2, 0, 10, 0, 2, 15},
     .all = {255, 255, 255, 255, 255, 255},
     .ipv4 = {10, 0, 2, 15},
     .broadcast = {10, 0, 2, 255},
     .prefix4 = 24,
     .ipv6 = {0xfd, 0, 0x7e, 0x77, 0xa2, 0x10, [15] = 15},
     .prefix6 = 64},
};

const uint8_t interface_gateway4[4] = {10, 0, 2, 2};
const uint8_t interface_gateway6[16] = {0xfd, 0, 0x7e, 0x77, 0xa2, 0x10, [15] = 2};

size_t interfaces(const struct vfs *v, const struct interface **list)
{
    const struct inet_table *t = v->objects.inet;
    *list = all;
    return t && t->hooks.connect ? 2 : 1;
}

static void put_ipv4(struct sockaddr *to, const uint8_t ip[4])
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    memcpy(&in.sin_addr, ip, 4);
    memcpy(to, &in, sizeof in);
}

static void put_name(struct ifreq *r, const struct interface *i)
{
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", i->name);
}

static int64_t configuration(const struct vfs *v, uint64_t argument, const struct umem *m)
{
    struct {
        int32_t size, pad;
        uint64_t at;
    } conf;
    const struct interface *list;
    size_t count = interfaces(v, &list);
    if (m->read(m, argument, &conf, sizeof conf) < 0)
        return -EFAULT;
    int32_t done = 0;
    for (size_t i = 0; i < count; i++) {
        struct ifreq r = {0};
        if (conf.at && conf.size - done < (int32_t)sizeof r)
            break;
        put_name(&r, &list[i]);
        put_ipv4(&r.ifr_addr, list[i].ipv4);
        if (conf.at && m->write(m, conf.at + (uint64_t)done, &r, sizeof r) < 0)
            return -EFAULT;
        done += (int32_t)sizeof r;
    }
    conf.size = done;
    return m->write(m, argument, &conf, sizeof conf) < 0 ? -EFAULT : 0;
}

static int answer(const struct interface *i, uint32_t command, struct ifreq *r)
{
    uint8_t mask[4] = {0};
    for (int bit = 0; bit < i->prefix4; bit++)
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    switch (command) {
    case SIOCGIFINDEX:
        r->ifr_ifindex = i->index;
        return 0;
    case SIOCGIFFLAGS:
        r->ifr_flags = (short)i->flags;
        return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
        put_ipv4(&r->ifr_addr, i->ipv4);
        return 0;
    case SIOCGIFNETMASK:
        put_ipv4(&r->ifr_addr, mask);
        return 0;
    case SIOCGIFBRDADDR:
        put_ipv4(&r->ifr_addr, i->broadcast);
        return 0;
    case SIOCGIFMTU:
        r->ifr_mtu = (int)i->mtu;
        return 0;
    case SIOCGIFMETRIC:
        r->ifr_metric = 0;
        return 0;
    case SIOCGIFTXQLEN:
        r->ifr_qlen = 1000;
        return 0;
    case SIOCGIFHWADDR:
        memset(&r->ifr_hwaddr, 0, sizeof r->ifr_hwaddr);
        r->ifr_hwaddr.sa_family = i->hardware;
        memcpy(r->ifr_hwaddr.sa_data, i->mac, 6);
        return 0;
    case SIOCETHTOOL: /* no interface here has such a driver, nor has Linux's lo */
        return -EOPNOTSUPP;
    default:
        return -ENOTTY;
    }
}

int64_t interface_ioctl(const struct vfs *v, uint32_t command, uint64_t argument, const struct umem *m)
{
    struct ifreq r;
    const struct interface *list;
    size_t count = interfaces(v, &list);
    if (command == SIOCGIFCONF)
        return configuration(v, argument, m);
    if ((command < SIOCADDRT || command > SIOCGIFVLAN) && command != SIOCETHTOOL)
        return -ENOTTY;
    if (command == SIOCADDRT || command == SIOCDELRT || command == SIOCSIFFLAGS || command == SIOCSIFADDR ||
        command == SIOCSIFNETMASK || command == SIOCSIFMTU || command == SIOCSIFHWADDR || command == SIOCSIFNAME)
        return -EPERM;
    if (m->read(m, argument, &r, sizeof r) < 0)
        return -EFAULT;
    r.ifr_name[IFNAMSIZ - 1] = '\0';
    char *colon = strchr(r.ifr_name, ':'); /* an alias is asked for by its interface */
    if (command == SIOCGIFNAME) {
        for (size_t i = 0; i < count; i++)
            if (list[i].index == r.ifr_ifindex) {
                put_name(&r, &list[i]);
                return m->write(m, argument, &r, sizeof r) < 0 ? -EFAULT : 0;
            }
        return -ENODEV;
    }
    if (colon)
        *colon = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, r.ifr_name) != 0)
            continue;
        int error = answer(&list[i], command, &r);
        if (error)
            return error;
        return m->write(m, argument, &r, sizeof r) < 0 ? -EFAULT : 0;
    }
    return -ENODEV;
}

/* ---- sockets, for /proc/net -------------------------------------------------------------------------------------- */

static int state_of(const struct inet_socket *s)
{
    enum {
        ESTABLISHED = 1,
        SYN_SENT,
        SYN_RECEIVED,
        FIN_WAIT_1,
        FIN_WAIT_2,
        TIME_WAIT,
        CLOSED,
        CLOSE_WAIT,
        LAST_ACK,
        LISTEN
    };
    if (s->base.type == SOCK_DGRAM)
        return s->remote.port ? ESTABLISHED : CLOSED;
    switch (s->state) {
    case TCP_IS_LISTENING:
        return LISTEN;
    case TCP_IS_CONNECTING:
        return SYN_SENT;
    case TCP_IS_CONNECTED:
        return s->base.shutdown & SHUTDOWN_SEND      ? FIN_WAIT_2
               : s->base.shutdown & SHUTDOWN_RECEIVE ? CLOSE_WAIT
                                                     : ESTABLISHED;
    default:
        return CLOSED;
    }
}

void inet_each(const struct vfs *v, int protocol, int family, void (*each)(void *context, const struct inet_row *r),
               void *context)
{
    const struct inet_table *t = v->objects.inet;
    for (const struct inet_socket *s = t ? t->all : NULL; s; s = s->all_next) {
        int state = state_of(s);
        bool shown = s->bound || s->state == TCP_IS_CONNECTED || s->state == TCP_IS_CONNECTING;
        if (s->base.protocol != protocol || s->base.family != family || s->dead || !shown)
            continue;
        struct inet_row r = {
            .local_port = s->local.port,
            .remote_port = s->remote.port,
            .state = state,
            .unread = s->state == TCP_IS_LISTENING ? s->pending : s->unread,
            .inode = s->base.file ? s->base.file->id : 0,
        };
        memcpy(r.local, s->local.ip, 16);
        memcpy(r.remote, s->remote.ip, 16);
        each(context, &r);
    }
}
