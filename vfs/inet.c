/* Addresses and ports of AF_INET and AF_INET6: ip(7), ipv6(7). Conflicts of names as Linux's inet_csk_get_port and
 * udp_lib_get_port have them; ephemeral ports are the world's own sequence, so that a run is the same twice. */
#include "vfs/remote.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_FIRST = 32768, PORT_LAST = 60999, PRIVILEGED = 1024, SPARE_MOST = 48 /* what one stream has on its way */ };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t loopback6[16] = {[15] = 1};
static const uint8_t loopback4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
static const uint8_t zeros[16], any4[16] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses --------------------------------------------------------------------------------------------------------- */

/* What a virtual machine behind a NAT usually is given; IPv6 of a unique local network (RFC 4193). */
const uint8_t inet_eth0[2][16] = {{[10] = 0xff, [11] = 0xff, [12] = 10, [14] = 2, [15] = 15},
                                  {0xfd, 0, 0x7e, 0x77, 0xa2, 0x10, [15] = 15}};

bool inet_is_v4(const struct inet_address *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

bool inet_is_any(const struct inet_address *a)
{
    return inet_is_v4(a) ? memcmp(a->ip + 12, zeros, 4) == 0 : memcmp(a->ip, zeros, 16) == 0;
}

bool inet_same_ip(const struct inet_address *a, const struct inet_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool inet_is_loopback(const struct inet_address *a)
{
    return (inet_is_v4(a) && a->ip[12] == 127) || memcmp(a->ip, loopback6, 16) == 0;
}

bool inet_is_local(const struct inet_table *t, const struct inet_address *a)
{
    return inet_is_loopback(a) || (t->hooks.connect && memcmp(a->ip, inet_eth0[!inet_is_v4(a)], 16) == 0);
}

socklen_t inet_address_least(const struct inet_socket *s)
{
    return s->base.family == AF_INET ? sizeof(struct sockaddr_in) : offsetof(struct sockaddr_in6, sin6_scope_id);
}

int inet_address_in(const struct inet_socket *s, const struct sockaddr *from, socklen_t n, struct inet_address *out)
{
    *out = (struct inet_address){0};
    bool stream = s->base.type == SOCK_STREAM;
    if (from->sa_family == AF_INET || (from->sa_family == AF_UNSPEC && s->base.family == AF_INET && !stream)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        if (s->base.family == AF_INET6 && stream) /* datagrams of IPv6 sockets may be addressed so (net/ipv6/udp.c) */
            return -EAFNOSUPPORT;
        if (s->only_v6)
            return -ENETUNREACH;
        if (n < sizeof *in)
            return -EINVAL;
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + 12, &in->sin_addr, 4);
        out->port = ntohs(in->sin_port);
        return 0;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    if (n < inet_address_least(s))
        return -EINVAL;
    if (from->sa_family != AF_INET6 || s->base.family != AF_INET6)
        return -EAFNOSUPPORT;
    memcpy(out->ip, &in6->sin6_addr, 16);
    out->port = ntohs(in6->sin6_port);
    bool of_link = out->ip[0] == 0xfe && (out->ip[1] & 0xc0) == 0x80; /* means nothing without its interface */
    if (of_link && (n < sizeof *in6 || in6->sin6_scope_id == 0))
        return -EINVAL;
    return inet_is_v4(out) && s->only_v6 ? -ENETUNREACH : 0;
}

void inet_address_out(const struct inet_socket *s, const struct inet_address *a, struct sockaddr_storage *out,
                      socklen_t *length)
{
    memset(out, 0, sizeof *out);
    if (s->base.family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip + 12, 4);
        *length = sizeof *in;
        return;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    *length = sizeof *in6;
}

void inet_address_whole(const struct inet_address *a, struct sockaddr_storage *out)
{
    const struct inet_socket as = {.base.family = inet_is_v4(a) ? AF_INET : AF_INET6};
    socklen_t length;
    inet_address_out(&as, a, out, &length);
}

/* 224.0.0.0/4, 255.255.255.255, 10.0.2.255; ff00::/8. */
bool inet_is_group(const struct inet_address *a)
{
    return inet_is_v4(a) ? (a->ip[12] & 0xf0) == 0xe0 : a->ip[0] == 0xff;
}

static bool is_for_many(const struct inet_address *a)
{
    static const uint8_t all[4] = {255, 255, 255, 255}, of_eth0[4] = {10, 0, 2, 255};
    if (!inet_is_v4(a))
        return a->ip[0] == 0xff;
    return (a->ip[12] & 0xf0) == 0xe0 || memcmp(a->ip + 12, all, 4) == 0 || memcmp(a->ip + 12, of_eth0, 4) == 0;
}

int inet_route(const struct inet_table *t, struct inet_address *to)
{
    if (inet_is_any(to))
        memcpy(to->ip, inet_is_v4(to) ? loopback4 : loopback6, 16);
    if (inet_is_local(t, to))
        return WAY_HERE;
    if (!t->hooks.connect)
        return -ENETUNREACH;
    return is_for_many(to) ? WAY_ALL : WAY_BEYOND;
}

void inet_source(const struct inet_address *to, struct inet_address *from)
{
    if (inet_is_loopback(to))
        memcpy(from->ip, inet_is_v4(to) ? loopback4 : loopback6, 16);
    else
        memcpy(from->ip, inet_eth0[!inet_is_v4(to)], 16);
}

int inet_name(struct socket *socket, bool peer, struct sockaddr_storage *out, socklen_t *length)
{
    struct inet_socket *s = inet_of(socket);
    if (peer && (!s->remote.port || s->state == TCP_IS_REFUSED || s->state == TCP_IS_CONNECTING || s->over))
        return -ENOTCONN;
    inet_address_out(s, peer ? &s->remote : &s->local, out, length);
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

struct inet_table *inet_table_of(const struct inet_socket *s)
{
    return s->base.vfs->objects.inet;
}

static struct inet_table *table(struct vfs *v)
{
    if (!v->objects.inet) {
        v->objects.inet = calloc(1, sizeof *v->objects.inet);
        if (v->objects.inet)
            v->objects.inet->next_port = PORT_FIRST;
    }
    return v->objects.inet;
}

int vfs_set_network(struct vfs *v, const struct net_hooks *hooks)
{
    if (!table(v))
        return -ENOMEM;
    v->objects.inet->hooks = *hooks;
    return 0;
}

struct inet_socket *inet_alloc(struct vfs *v, const struct socket_ops *ops, int family, int type, int protocol)
{
    if (!table(v))
        return NULL;
    struct inet_socket *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    socket_init(&s->base, v, ops, family, type, protocol);
    if (family == AF_INET)
        memcpy(s->local.ip, mapped, sizeof mapped);
    s->references = 1;
    struct inet_table *t = inet_table_of(s);
    s->all_next = t->all;
    s->all_here = &t->all;
    if (t->all)
        t->all->all_here = &s->all_next;
    t->all = s;
    return s;
}

void inet_get(struct inet_socket *s)
{
    s->references++;
}

void inet_put(struct inet_socket *s)
{
    if (!s || --s->references > 0)
        return;
    while (s->first)
        inet_drop_first(s);
    while (s->errors)
        udp_drop_error(s);
    free(s->groups);
    *s->all_here = s->all_next;
    if (s->all_next)
        s->all_next->all_here = s->all_here;
    waitq_destroy(&s->base.wait);
    free(s);
}

void inet_free(struct inet_table *t)
{
    if (t)
        remote_free_orphans(t);
    for (struct inet_chunk *c = t ? t->spare : NULL, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(t);
}

/* ---- queues ------------------------------------------------------------------------------------------------------------------ */

struct inet_chunk *inet_chunk_new(struct inet_table *t, size_t room)
{
    struct inet_chunk *c = NULL;
    if (t->bytes + sizeof *c + room > INET_BYTES_MAX)
        return NULL;
    if (room == INET_CHUNK && t->spare) {
        c = t->spare;
        t->spare = c->next;
        t->spare_count--;
    } else if (!(c = malloc(sizeof *c + room))) {
        return NULL;
    }
    *c = (struct inet_chunk){.room = room};
    t->bytes += sizeof *c + room;
    return c;
}

void inet_chunk_free(struct inet_table *t, struct inet_chunk *c)
{
    t->bytes -= sizeof *c + c->room;
    if (c->room != INET_CHUNK || t->spare_count == SPARE_MOST) {
        free(c);
        return;
    }
    c->next = t->spare;
    t->spare = c;
    t->spare_count++;
}

void inet_queue(struct inet_socket *s, struct inet_chunk *c)
{
    c->next = NULL;
    *(s->last ? &s->last->next : &s->first) = c;
    s->last = c;
    s->unread += c->end - c->start;
    waitq_wake(&s->base.wait, EPOLLIN | EPOLLRDNORM | EPOLLRDBAND);
}

void inet_drop_first(struct inet_socket *s)
{
    struct inet_chunk *c = s->first;
    s->first = c->next;
    if (!s->first)
        s->last = NULL;
    s->unread -= c->end - c->start;
    inet_chunk_free(inet_table_of(s), c);
}

/* ---- ports ---------------------------------------------------------------------------------------------------------------------- */

static struct inet_socket **slot(const struct inet_socket *s, uint16_t port)
{
    int protocol = s->base.type == SOCK_STREAM ? 0 : s->base.protocol == IPPROTO_UDP ? 1 : 2;
    return &inet_table_of(s)->slots[protocol][port % INET_SLOTS];
}

/* Does a socket bound to `a` take packets to the address b? "Any" of IPv6 takes IPv4 too, unless told not to. */
static bool covers(const struct inet_socket *s, const struct inet_address *b)
{
    if (inet_is_any(&s->local))
        return inet_is_v4(&s->local) ? inet_is_v4(b) : !(s->only_v6 && inet_is_v4(b));
    return inet_same_ip(&s->local, b);
}

static bool overlap(const struct inet_socket *s, const struct inet_socket *other)
{
    return covers(s, &other->local) || covers(other, &s->local);
}

static bool taken(const struct inet_socket *s, uint16_t port, bool may_share)
{
    for (const struct inet_socket *o = *slot(s, port); o; o = o->port_next) {
        if (o == s || o->local.port != port || !overlap(s, o))
            continue;
        bool reuse = s->base.reuse_address && o->base.reuse_address && o->state != TCP_IS_LISTENING;
        bool together = s->base.reuse_port && o->base.reuse_port;
        if (!may_share || (!reuse && !together))
            return true;
    }
    return false;
}

bool inet_name_taken(const struct inet_socket *s)
{
    return taken(s, s->local.port, true);
}

static void enter(struct inet_socket *s, uint16_t port)
{
    s->local.port = port;
    s->bound = true;
    s->port_next = *slot(s, port);
    *slot(s, port) = s;
}

int inet_bind_ephemeral(struct inet_socket *s, const struct inet_address *ip)
{
    struct inet_table *t = inet_table_of(s);
    memcpy(s->local.ip, ip->ip, 16);
    for (int tries = PORT_FIRST; tries <= PORT_LAST; tries++) {
        uint16_t port = t->next_port;
        t->next_port = port == PORT_LAST ? PORT_FIRST : port + 1;
        if (!taken(s, port, false)) {
            enter(s, port);
            return 0;
        }
    }
    return -EADDRINUSE;
}

int inet_bind(struct socket *socket, const struct place *at, uint32_t mode, const struct sockaddr *from, socklen_t n)
{
    struct inet_socket *s = inet_of(socket);
    struct inet_address a;
    struct sockaddr_in unspecified;
    if (from->sa_family == AF_UNSPEC && socket->family == AF_INET && n >= sizeof unspecified) {
        memcpy(&unspecified, from, sizeof unspecified); /* an old kindness: with INADDR_ANY it means AF_INET */
        if (unspecified.sin_addr.s_addr != INADDR_ANY)
            return -EAFNOSUPPORT;
        unspecified.sin_family = AF_INET;
        from = (const struct sockaddr *)&unspecified;
    }
    if (n < inet_address_least(s))
        return -EINVAL;
    if (from->sa_family != socket->family)
        return -EAFNOSUPPORT;
    int error = inet_address_in(s, from, n, &a);
    if (error)
        return error == -ENETUNREACH ? -EADDRNOTAVAIL : error;
    if (!inet_is_any(&a) && !inet_is_local(inet_table_of(s), &a) && !is_for_many(&a))
        return -EADDRNOTAVAIL;
    if (a.port && a.port < PRIVILEGED && !(at && cred_has(at->cred, CAP_NET_BIND_SERVICE)))
        return -EACCES;
    if (s->bound || s->state != TCP_IS_CLOSED)
        return -EINVAL;
    if (!a.port && inet_option(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)) {
        memcpy(s->local.ip, a.ip, 16);
        s->chose_address = !inet_is_any(&a);
        return 0;
    }
    if (!a.port) {
        error = inet_bind_ephemeral(s, &a);
        s->chose_port = !error && socket->type == SOCK_STREAM; /* SOCK_BINDPORT_LOCK is for who names one */
        s->chose_address = !error && !inet_is_any(&a);
        return error;
    }
    struct inet_address before = s->local;
    memcpy(s->local.ip, a.ip, 16);
    if (taken(s, a.port, true)) {
        s->local = before;
        return -EADDRINUSE;
    }
    enter(s, a.port);
    s->chose_port = true;
    s->chose_address = !inet_is_any(&a);
    return 0;
}

void inet_unbind(struct inet_socket *s)
{
    if (!s->bound)
        return;
    struct inet_socket **at = slot(s, s->local.port);
    while (*at != s)
        at = &(*at)->port_next;
    *at = s->port_next;
    s->bound = false;
}

void inet_forget_name(struct inet_socket *s)
{
    if (!s->chose_address)
        memcpy(s->local.ip, s->base.family == AF_INET ? any4 : zeros, 16);
    if (s->chose_port || s->base.type == SOCK_STREAM)
        return;
    inet_unbind(s);
    s->local.port = 0;
}

/* Which of several alike (SO_REUSEPORT): by the sender, so that they are spread and one sender's datagrams stay together; the same in
 * every run. */
static uint32_t spread(const struct inet_address *from, uint32_t n)
{
    uint32_t hash = from->port;
    for (size_t i = 0; i < 16; i++)
        hash = hash * 31 + from->ip[i];
    hash *= 2654435761u;
    return (hash >> 16) % n;
}

static bool is_alike(const struct inet_socket *s, const struct inet_socket *best, bool stream)
{
    return s->local.port == best->local.port && inet_same_ip(&s->local, &best->local) && s->base.reuse_port &&
           s->base.family == best->base.family && s->remote.port == best->remote.port &&
           (!stream || s->state == TCP_IS_LISTENING);
}

/* The most particular one: connected to the sender, then bound to the address, then to any. */
struct inet_socket *inet_lookup(struct inet_socket *asker, const struct inet_address *to,
                                const struct inet_address *from)
{
    struct inet_socket *best = NULL;
    int best_score = 0;
    uint32_t alike = 0;
    bool stream = asker->base.type == SOCK_STREAM;
    for (struct inet_socket *s = *slot(asker, to->port); s; s = s->port_next) {
        if (s->local.port != to->port || !covers(s, to) || (stream && s->state != TCP_IS_LISTENING))
            continue;
        int score = 1 + 2 * !inet_is_any(&s->local) + inet_is_v4(&s->local);
        if (!stream && s->remote.port) {
            if (s->remote.port != from->port || !inet_same_ip(&s->remote, from))
                continue;
            score += 8;
        }
        if (score >= best_score) { /* the list has the newest first */
            best = s;
            best_score = score;
        }
    }
    if (!best || !best->base.reuse_port || from->port == 0)
        return best;
    for (struct inet_socket *s = *slot(asker, to->port); s; s = s->port_next)
        alike += is_alike(s, best, stream);
    uint32_t chosen = alike > 1 ? spread(from, alike) : 0;
    for (struct inet_socket *s = *slot(asker, to->port); s && alike > 1; s = s->port_next)
        if (is_alike(s, best, stream) && chosen-- == 0)
            return s;
    return best;
}
