/* What comes back of datagrams: an ICMP error finds who is connected, and with IP_RECVERR whoever sent, with what was sent quoted
 * (ip(7), recvmsg(2) MSG_ERRQUEUE; Linux's udp_err and ip_recv_error). */
#include "vfs/remote.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

enum {
    ERRORS_MOST = 64,
    QUOTED_V4 = 576 - 20 - 8 - 20 - 8, /* of a payload: an ICMP message has 576 bytes, with both headers */
    QUOTED_V6 = 1280 - 40 - 8 - 40 - 8,
};

static bool asked_for(const struct inet_socket *s, bool v4)
{
    return v4 ? inet_option(s, IPPROTO_IP, IP_RECVERR) : inet_option(s, IPPROTO_IPV6, IPV6_RECVERR);
}

static struct inet_chunk *keep(struct inet_socket *s, const struct inet_address *to, int error, const void *bytes,
                               size_t n)
{
    size_t most = inet_is_v4(to) ? QUOTED_V4 : QUOTED_V6;
    n = n < most ? n : most;
    struct inet_chunk *c = s->error_count < ERRORS_MOST ? inet_chunk_new(inet_table_of(s), n) : NULL;
    struct inet_chunk **last = &s->errors;
    if (!c)
        return NULL;
    if (n)
        memcpy(c->data, bytes, n);
    c->end = n;
    c->to = *to;
    c->error = error;
    while (*last)
        last = &(*last)->next;
    *last = c;
    s->error_count++;
    return c;
}

void udp_too_long(struct inet_socket *s, const struct inet_address *to, uint32_t mtu)
{
    struct inet_chunk *c = asked_for(s, inet_is_v4(to)) ? keep(s, to, EMSGSIZE, NULL, 0) : NULL;
    if (!c)
        return;
    c->too_long = mtu;
    waitq_wake(&s->base.wait, EPOLLERR);
}

void udp_unreached(struct inet_socket *s, const struct inet_address *to, int error, const void *bytes, size_t n)
{
    bool asked = asked_for(s, inet_is_v4(to));
    if (!s->remote.port && !asked)
        return;
    if (asked)
        (void)keep(s, to, error, bytes, n);
    s->base.error = error;
    waitq_wake(&s->base.wait, EPOLLERR | EPOLLIN | EPOLLOUT);
}

static void describe(const struct inet_socket *s, const struct inet_chunk *c, struct socket_control *out)
{
    bool v4 = inet_is_v4(&c->to), v6_socket = s->base.family == AF_INET6;
    struct inet_address offender = c->to;
    struct sockaddr_storage address;
    socklen_t length;
    struct sock_extended_err e = {.ee_errno = (uint32_t)c->error,
                                  .ee_origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
                                  .ee_type = v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH,
                                  .ee_code = v4 ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT};
    offender.port = 0;
    inet_address_out(s, &offender, &address, &length);
    if (c->too_long) { /* nobody's answer: this host's own */
        e = (struct sock_extended_err){
            .ee_errno = (uint32_t)c->error, .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = c->too_long};
        memset(&address, 0, sizeof address);
    }
    out->level = v6_socket ? IPPROTO_IPV6 : IPPROTO_IP;
    out->type = v6_socket ? IPV6_RECVERR : IP_RECVERR;
    memcpy(out->bytes, &e, sizeof e);
    memcpy(out->bytes + sizeof e, &address, length);
    out->length = (uint8_t)(sizeof e + length);
}

ssize_t udp_receive_error(struct inet_socket *s, struct socket_message *m)
{
    struct inet_chunk *c = s->errors;
    if (!c)
        return -EAGAIN;
    size_t n = c->end < m->io->left ? c->end : m->io->left;
    ssize_t put = n ? io_put(m->io, c->data, n) : 0;
    if (n < c->end)
        m->flags |= MSG_TRUNC;
    m->flags |= MSG_ERRQUEUE;
    inet_address_out(s, &c->to, &m->address, &m->address_length);
    describe(s, c, &m->controls[0]);
    m->control_count = 1;
    udp_drop_error(s);
    s->base.error = s->errors && !s->errors->too_long ? s->errors->error : 0;
    return put == (ssize_t)n ? put : -EFAULT;
}

void udp_drop_error(struct inet_socket *s)
{
    struct inet_chunk *c = s->errors;
    s->errors = c->next;
    s->error_count--;
    inet_chunk_free(inet_table_of(s), c);
}
