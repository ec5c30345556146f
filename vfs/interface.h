/* The network interfaces of the world, as every way of asking shows them: ioctl(2) (netdevice(7)), netlink (rtnetlink(7)),
 * /proc/net, /sys/class/net. lo always; eth0 where something is beyond the world (net_hooks). */
#ifndef VFS_INTERFACE_H
#define VFS_INTERFACE_H

#include "vfs/vfs.h"

struct interface {
    const char *name;
    int index;
    uint32_t flags; /* IFF_* */
    uint32_t mtu;
    uint16_t hardware; /* ARPHRD_* */
    uint8_t mac[6], all[6];
    uint8_t ipv4[4], broadcast[4]; /* broadcast 0: none */
    int prefix4;
    uint8_t ipv6[16];
    int prefix6;
};

enum { INTERFACES_MOST = 2 };
size_t interfaces(const struct vfs *v, const struct interface **list); /* how many */
extern const uint8_t interface_gateway4[4], interface_gateway6[16];    /* of eth0's default route */

/* The commands of netdevice(7); -ENOTTY: none of them. */
int64_t interface_ioctl(const struct vfs *v, uint32_t command, uint64_t argument, const struct umem *m);

/* One socket for /proc/net/tcp and its kin. */
struct inet_row {
    uint8_t local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t local_port, remote_port;
    int state; /* as the kernel numbers them */
    uint64_t unsent, unread;
    uint64_t inode; /* 0: no file */
};
/* protocol: IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_ICMP, IPPROTO_ICMPV6. */
void inet_each(const struct vfs *v, int protocol, int family, void (*each)(void *context, const struct inet_row *r),
               void *context);

/* One for /proc/net/unix. */
struct unix_row {
    uint32_t references;
    int type, state; /* as the kernel numbers them */
    bool listening;
    uint64_t inode;
    const char *name; /* of `length` bytes, without a NUL behind it; an abstract one begins with NUL */
    size_t length;
};
void unix_each(const struct vfs *v, void (*each)(void *context, const struct unix_row *r), void *context);

#endif
