/* AF_INET and AF_INET6 inside the world, between vfs/inet.c (addresses, ports, names), vfs/tcp.c and vfs/udp.c.
 *
 * An address is kept as IPv6 has it, IPv4 as ::ffff:a.b.c.d, so that a dual-stack socket is no special case. There is one
 * interface, lo, and what is not 127.0.0.0/8 or ::1 cannot be reached; with net_hooks there is eth0 too (vfs/interface.h),
 * and whom they know behind it (vfs/remote.c). */
#ifndef VFS_INET_H
#define VFS_INET_H

#include "vfs/far_end.h"
#include "vfs/socket_inner.h"

#include <netinet/in.h>

enum { UDPLITE_SEND_CSCOV = 10, UDPLITE_RECV_CSCOV = 11, UDPLITE_HEADER = 8 }; /* linux/udp.h */
enum { INET_SLOTS = 256, INET_CHUNK = 65536, INET_BYTES_MAX = 256 << 20 /* of a world: ENOBUFS */ };

struct inet_address {
    uint8_t ip[16];
    uint16_t port; /* host order; 0: none */
};

enum tcp_state { TCP_IS_CLOSED, TCP_IS_LISTENING, TCP_IS_CONNECTING, TCP_IS_CONNECTED, TCP_IS_REFUSED };

struct inet_marks { /* of an IP packet */
    int16_t ttl, tos;
};

struct inet_chunk { /* bytes of a stream, or one datagram */
    struct inet_chunk *next;
    struct inet_address from, to; /* of a datagram */
    struct inet_marks marks;
    int error;         /* of a datagram that came back (vfs/udp_error.c) */
    uint32_t too_long; /* EMSGSIZE of its own sender: what would fit */
    int64_t arrived;   /* CLOCK_REALTIME */
    uint16_t coverage; /* UDP-Lite: bytes under the checksum, with the header; 0: all */
    size_t start, end, room;
    char data[];
};

struct inet_socket {
    struct socket base;  /* first */
    uint32_t references; /* its file, or the listener it waits in; its TCP peer */
    bool dead;
    bool bound;      /* in the table of ports */
    bool chose_port; /* by bind(2), not by connect */
    bool chose_address;
    bool only_v6;
    bool pings_one;                    /* vfs/ping.c: connected */
    struct inet_address local, remote; /* remote.port 0: not connected */
    struct inet_socket *port_next;
    struct inet_socket *all_next, **all_here; /* of the table's `all` */

    struct inet_chunk *first, *last;
    uint64_t unread; /* bytes in them */
    /* TCP's urgent byte: its place in the stream (read_at: of the next byte to read). It stays in the queue. */
    enum { URGENT_NONE, URGENT_WAITS, URGENT_READ } urgent;
    uint8_t urgent_byte;
    uint64_t read_at, urgent_at;
    struct membership *groups; /* vfs/membership.c */
    uint32_t group_count;
    int group_interface;       /* where what is sent to a group leaves; 0: by the route */
    struct inet_chunk *corked; /* UDP: a datagram that waits for more (MSG_MORE, UDP_CORK) */
    struct inet_chunk *errors; /* UDP, with IP_RECVERR: what came back, the oldest first */
    uint32_t error_count;

    enum tcp_state state;
    bool finished;            /* it said FIN */
    bool over;                /* RST came, or both ends said FIN: the kernel's TCP_CLOSE */
    bool told_progress;       /* a non-blocking connect said EINPROGRESS and was not asked again */
    uint8_t congestion;       /* TCP_CONGESTION: vfs/inet_option.c */
    bool fast_open;           /* a send with MSG_FASTOPEN waits for its connection */
    bool buffers_set;         /* SO_SNDBUF or SO_RCVBUF was: no autotuning */
    struct inet_socket *peer; /* TCP: referenced */
    struct remote *far;       /* vfs/remote.c: TCP's other end beyond the world; UDP's, a list of them */
    struct flow *flow;        /* vfs/flow.c: TCP between guests, as a listener on the wire hears it; referenced */
    bool flow_first;          /* this end began it */
    struct inet_socket *pending_first, *pending_last, *pending_next;
    uint32_t pending, backlog;
    /* Whose handshake finds the backlog full: it waits there, as one that is tried again and again. */
    struct inet_socket *knock_first, *knock_next, *knocks_at;
    uint64_t knock_timer;
    int options[72]; /* remembered, by place in vfs/inet_option.c's table */
};

struct inet_table {
    struct inet_socket *slots[3][INET_SLOTS]; /* by protocol (TCP, UDP, UDP-Lite) and port */
    uint16_t next_port;                       /* of the ephemeral ones */
    struct inet_socket *all;                  /* for /proc/net; the newest first */
    uint64_t bytes;                           /* in all queues */
    struct inet_chunk *spare; /* whole ones that were read: a stream takes them again, with their pages */
    uint32_t spare_count;
    struct net_hooks hooks; /* connect NULL: nothing is beyond the world */
    struct remote *orphans; /* vfs/remote.c: whose sockets are closed */
    uint32_t orphan_count;
    uint16_t last_ping; /* identifiers of ICMP sockets */
};

static inline struct inet_socket *inet_of(struct socket *s)
{
    return (struct inet_socket *)s;
}
struct inet_table *inet_table_of(const struct inet_socket *s);
struct inet_socket *inet_alloc(struct vfs *v, const struct socket_ops *ops, int family, int type, int protocol);
void inet_get(struct inet_socket *s);
void inet_put(struct inet_socket *s); /* NULL is allowed */
bool inet_is_v4(const struct inet_address *a);
bool inet_is_any(const struct inet_address *a);
bool inet_same_ip(const struct inet_address *a, const struct inet_address *b);
/* From what the guest gave. -EINVAL (too short), -EAFNOSUPPORT, -ENETUNREACH (an IPv4 address on an IPv6-only socket). */
socklen_t inet_address_least(const struct inet_socket *s); /* bytes an address of its family has */
int inet_address_in(const struct inet_socket *s, const struct sockaddr *from, socklen_t n, struct inet_address *out);
void inet_address_out(const struct inet_socket *s, const struct inet_address *a, struct sockaddr_storage *out,
                      socklen_t *length);
/* The same whatever a socket's family: an AF_INET address for IPv4. */
void inet_address_whole(const struct inet_address *a, struct sockaddr_storage *out);
enum inet_way { WAY_HERE, WAY_BEYOND, WAY_ALL /* broadcast and multicast, to members in the world */ };
/* Where a packet to *to goes: "any" becomes this host. enum inet_way, or -ENETUNREACH. */
int inet_route(const struct inet_table *t, struct inet_address *to);
/* The source Linux chooses for it. */
void inet_source(const struct inet_address *to, struct inet_address *from);
bool inet_is_local(const struct inet_table *t, const struct inet_address *a);
bool inet_is_group(const struct inet_address *a); /* of multicast */
bool inet_is_loopback(const struct inet_address *a);
bool inet_is_v4(const struct inet_address *a);
extern const uint8_t inet_eth0[2][16]; /* its addresses: IPv4, IPv6 */
int inet_bind(struct socket *s, const struct place *at, uint32_t mode, const struct sockaddr *a, socklen_t n);
int inet_bind_ephemeral(struct inet_socket *s, const struct inet_address *ip);
/* What connect(2) made of its name is gone; what bind(2) said stays, and a stream's port. */
void inet_forget_name(struct inet_socket *s);
bool inet_name_taken(const struct inet_socket *s); /* by another, with which it must not be shared as things are */
void inet_unbind(struct inet_socket *s);
/* The socket a packet from `from` to `to` reaches; borrowed, or NULL. */
struct inet_socket *inet_lookup(struct inet_socket *asker, const struct inet_address *to,
                                const struct inet_address *from);
int inet_name(struct socket *s, bool peer, struct sockaddr_storage *out, socklen_t *length);
int inet_get_option(struct socket *s, int level, int name, void *value, socklen_t *length);
int inet_set_option(struct socket *s, int level, int name, const void *value, socklen_t length, const struct cred *c);
/* vfs/membership.c: the options of multicast (-ENOPROTOOPT: another one); whether anybody is a member; whether s, bound to the port,
 * takes what was sent to the group. */
int membership_set(struct inet_socket *s, int level, int name, const void *value, socklen_t length);
int membership_get(const struct inet_socket *s, int level, int name, void *value, socklen_t *length);
bool membership_any(const struct inet_table *t, const struct inet_address *group);
bool membership_takes(const struct inet_socket *s, const struct inet_address *group);
int inet_option(const struct inet_socket *s, int level, int name); /* one that is remembered */
/* What a datagram is sent with (-EINVAL: a control message says what cannot be), and what its receiver asked to be told. */
int inet_marks(const struct inet_socket *s, const struct socket_message *m, const struct inet_address *to,
               struct inet_marks *out);
void inet_controls(struct inet_socket *s, const struct inet_chunk *c, struct socket_message *m);
struct inet_chunk *inet_chunk_new(struct inet_table *t, size_t room); /* NULL: ENOBUFS */
void inet_chunk_free(struct inet_table *t, struct inet_chunk *c);
void inet_queue(struct inet_socket *s, struct inet_chunk *c);
void inet_drop_first(struct inet_socket *s);
void udp_uncork(struct inet_socket *s); /* what waited for more is sent */
int tcp_new(struct vfs *v, int family, struct socket **out);
int ping_new(struct vfs *v, int family, struct socket **out);
int udp_new(struct vfs *v, int family, int protocol, struct socket **out); /* IPPROTO_UDP, IPPROTO_UDPLITE */

#endif
