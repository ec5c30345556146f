/* The options of level SOL_SOCKET: socket(7); Linux's net/core/sock.c. */
#include "vfs/socket_inner.h"

#include <asm/socket.h>
#include <linux/capability.h>
#include <limits.h>
#include <string.h>
#include <sys/time.h>

/* Remembered, told again, and otherwise without meaning in a world whose network is memory. */
static const int remembered[] = {SO_KEEPALIVE,       SO_DONTROUTE, SO_OOBINLINE, SO_TIMESTAMP_OLD,
                                 SO_TIMESTAMPNS_OLD, SO_RXQ_OVFL,  SO_NO_CHECK,  SO_DEBUG};

static int remembered_bit(int name)
{
    for (size_t i = 0; i < sizeof remembered / sizeof remembered[0]; i++)
        if (remembered[i] == name)
            return (int)i;
    return -1;
}

bool socket_remembers(const struct socket *s, int name)
{
    return s->booleans >> remembered_bit(name) & 1;
}

int option_out(const void *from, size_t size, void *value, socklen_t *length)
{
    if (*length > size)
        *length = (socklen_t)size;
    memcpy(value, from, *length);
    return 0;
}

/* struct timeval; its 64-bit sister is the same here. */
static int timeout_out(int64_t ns, void *value, socklen_t *length)
{
    int64_t both[2] = {ns < 0 ? 0 : ns / 1000000000, ns < 0 ? 0 : ns % 1000000000 / 1000};
    return option_out(both, sizeof both, value, length);
}

static int timeout_in(int64_t *ns, const void *value, socklen_t length)
{
    int64_t both[2];
    if (length < sizeof both)
        return -EINVAL;
    memcpy(both, value, sizeof both);
    if (both[1] < 0 || both[1] >= 1000000)
        return -EDOM;
    if (both[0] < 0) /* sock_set_timeout: a negative time is none at all */
        *ns = 0;
    else if ((both[0] == 0 && both[1] == 0) || both[0] > INT64_MAX / 1000000000 - 1)
        *ns = -1;
    else
        *ns = both[0] * 1000000000 + both[1] * 1000;
    return 0;
}

int socket_common_get(struct socket *s, int name, void *value, socklen_t *length)
{
    int answer, bit = remembered_bit(name);
    switch (name) {
    case SO_TYPE:
        answer = s->type;
        break;
    case SO_DOMAIN:
        answer = s->family;
        break;
    case SO_PROTOCOL:
        answer = s->protocol;
        break;
    case SO_ERROR:
        answer = -socket_take_error(s);
        break;
    case SO_ACCEPTCONN:
        answer = s->listening;
        break;
    case SO_SNDBUF:
        answer = (int)s->send_buffer;
        break;
    case SO_RCVBUF:
        answer = (int)s->receive_buffer;
        break;
    case SO_REUSEADDR:
        answer = s->reuse_address;
        break;
    case SO_REUSEPORT:
        answer = s->reuse_port;
        break;
    case SO_BROADCAST:
        answer = s->broadcast;
        break;
    case SO_PASSCRED:
        answer = s->pass_credentials;
        break;
    case SO_RCVLOWAT:
        answer = s->receive_least;
        break;
    case SO_SNDLOWAT:
        answer = 1;
        break;
    case SO_PRIORITY:
        answer = s->priority;
        break;
    case SO_PEEK_OFF:
        answer = s->peek_offset;
        break;
    case SO_LINGER:
        return option_out(&s->linger, sizeof s->linger, value, length);
    case SO_PEERCRED:
        return option_out(&s->peer, sizeof s->peer, value, length);
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return timeout_out(s->receive_timeout, value, length);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return timeout_out(s->send_timeout, value, length);
    default:
        if (bit < 0)
            return -ENOPROTOOPT;
        answer = s->booleans >> bit & 1;
    }
    return option_out(&answer, sizeof answer, value, length);
}

/* Linux doubles what is asked for, and keeps it between a least and the sysctl's most. */
static uint32_t buffer_size(int asked, uint32_t least)
{
    uint32_t size = asked < 0 || asked > BUFFER_MAX ? BUFFER_MAX : (uint32_t)asked;
    return size * 2 < least ? least : size * 2;
}

int socket_common_set(struct socket *s, int name, const void *value, socklen_t length, const struct cred *c)
{
    int wanted, bit = remembered_bit(name);
    if (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW)
        return timeout_in(&s->receive_timeout, value, length);
    if (name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW)
        return timeout_in(&s->send_timeout, value, length);
    if (length < sizeof wanted)
        return -EINVAL;
    memcpy(&wanted, value, sizeof wanted);
    switch (name) {
    case SO_TYPE:
    case SO_DOMAIN:
    case SO_PROTOCOL:
    case SO_ERROR:
    case SO_ACCEPTCONN:
    case SO_PEERCRED:
    case SO_SNDLOWAT:
        return -ENOPROTOOPT;
    case SO_SNDBUF:
        s->send_buffer = buffer_size(wanted, SEND_BUFFER_LEAST);
        waitq_wake(&s->wait, EPOLLOUT | EPOLLWRNORM);
        return 0;
    case SO_RCVBUF:
        s->receive_buffer = buffer_size(wanted, RECEIVE_BUFFER_LEAST);
        return 0;
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
        return -EPERM;
    case SO_REUSEADDR:
        s->reuse_address = wanted;
        return 0;
    case SO_REUSEPORT:
        s->reuse_port = wanted;
        return 0;
    case SO_BROADCAST:
        s->broadcast = wanted;
        return 0;
    case SO_PASSCRED:
        s->pass_credentials = wanted;
        return 0;
    case SO_RCVLOWAT:
        s->receive_least = wanted < 0 ? INT_MAX : wanted ? wanted : 1;
        return 0;
    case SO_PRIORITY:
        if ((wanted < 0 || wanted > 6) && !(c && cred_has(c, CAP_NET_ADMIN)))
            return -EPERM;
        s->priority = wanted;
        return 0;
    case SO_PEEK_OFF:
        if (s->family != AF_UNIX)
            return -EOPNOTSUPP;
        s->peek_offset = wanted < -1 ? -1 : wanted;
        return 0;
    case SO_LINGER:
        if (length < sizeof s->linger)
            return -EINVAL;
        memcpy(&s->linger, value, sizeof s->linger);
        s->linger.l_onoff = !!s->linger.l_onoff;
        return 0;
    case SO_MARK:
    case SO_BINDTODEVICE:
        return -EPERM;
    default:
        if (bit < 0)
            return -ENOPROTOOPT;
        s->booleans = (s->booleans & ~(1u << bit)) | (uint32_t) !!wanted << bit;
        return 0;
    }
}
