/* The options of level SOL_SOCKET: socket(7); Linux's net/core/sock.c. */
#include "vfs/socket_inner.h"

#include "vfs/interface.h"

#include <asm/socket.h>
#include <linux/capability.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/time.h>

enum { TCP_LEAST_MOST = 6291456 / 2 /* net.ipv4.tcp_rmem[2] / 2 */ };

/* Remembered, told again, and otherwise without meaning in a world whose network is memory. */
static const int remembered[] = {SO_KEEPALIVE, SO_DONTROUTE,   SO_OOBINLINE, SO_RXQ_OVFL,
                                 SO_NO_CHECK,  SO_WIFI_STATUS, SO_NOFCS,     SO_SELECT_ERR_QUEUE};

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

/* ---- when it arrived: SO_TIMESTAMP and its kin (socket(7)), of which one holds at a time ---- */

static bool is_timestamp(int name)
{
    return name == SO_TIMESTAMP_OLD || name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_OLD ||
           name == SO_TIMESTAMPNS_NEW;
}

int64_t socket_arrival(const struct socket *s)
{
    const struct vfs_config *c = &s->vfs->config;
    return (s->timestamp || s->asked_arrival) && c->now ? c->now(c->context) : 0;
}

/* In microseconds, or in nanoseconds. */
static void seconds_and_rest(int64_t ns, bool micro, int64_t out[2])
{
    out[0] = ns / 1000000000;
    out[1] = ns % 1000000000 / (micro ? 1000 : 1);
}

void socket_control_add(struct socket_message *m, int level, int type, const void *bytes, size_t length)
{
    if (m->control_count == SOCKET_CONTROLS_MAX)
        return;
    struct socket_control *control = &m->controls[m->control_count++];
    *control = (struct socket_control){.level = level, .type = type, .length = (uint8_t)length};
    memcpy(control->bytes, bytes, length);
}

void socket_stamp(struct socket *s, int64_t arrived, struct socket_message *m)
{
    int64_t both[2];
    s->last_arrival = arrived;
    if (!s->timestamp || !arrived)
        return;
    seconds_and_rest(arrived, s->timestamp == SO_TIMESTAMP_OLD || s->timestamp == SO_TIMESTAMP_NEW, both);
    socket_control_add(m, SOL_SOCKET, s->timestamp, both, sizeof both);
}

int socket_last_arrival(struct socket *s, bool micro, int64_t out[2])
{
    const struct vfs_config *c = &s->vfs->config;
    s->asked_arrival = true;
    if (s->last_arrival < 0)
        return -ENOENT;
    if (s->last_arrival == 0 && c->now) /* nobody had asked when it came */
        s->last_arrival = c->now(c->context);
    seconds_and_rest(s->last_arrival, micro, out);
    return 0;
}

/* ---- SO_BINDTODEVICE ---- */

static int bind_to_device(struct socket *s, const void *value, socklen_t length, bool privileged)
{
    char name[IFNAMSIZ] = "";
    const struct interface *list;
    size_t n = interfaces(s->vfs, &list), i = 0;
    memcpy(name, value, length < sizeof name - 1 ? length : sizeof name - 1);
    if (s->device && !privileged)
        return -EPERM;
    while (name[0] && i < n && strcmp(list[i].name, name) != 0)
        i++;
    if (i == n)
        return -ENODEV;
    s->device = name[0] ? list[i].index : 0;
    return 0;
}

static int bind_to_index(struct socket *s, int index)
{
    const struct interface *list;
    size_t n = interfaces(s->vfs, &list), i = 0;
    while (index && i < n && list[i].index != index)
        i++;
    if (i == n)
        return -ENODEV;
    s->device = index;
    return 0;
}

static int device_name(const struct socket *s, void *value, socklen_t *length)
{
    const struct interface *list;
    size_t n = interfaces(s->vfs, &list), i = 0;
    while (i < n && list[i].index != s->device)
        i++;
    if (i == n) {
        *length = 0;
        return 0;
    }
    if (*length < IFNAMSIZ)
        return -EINVAL;
    return option_out(list[i].name, strlen(list[i].name) + 1, value, length);
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
    case SO_BSDCOMPAT:
    case SO_MARK:
    case SO_DEBUG:
    case SO_INCOMING_NAPI_ID:
    case SO_BUSY_POLL:
        answer = 0;
        break;
    case SO_INCOMING_CPU: /* a world has one */
        answer = s->last_arrival < 0 ? -1 : 0;
        break;
    case SO_BINDTOIFINDEX:
        answer = s->device;
        break;
    case SO_BINDTODEVICE:
        return device_name(s, value, length);
    case SO_COOKIE:
        if (*length < sizeof(uint64_t))
            return -EINVAL;
        if (!s->cookie)
            s->cookie = ++s->vfs->objects.cookies;
        return option_out(&s->cookie, sizeof s->cookie, value, length);
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
        answer = s->timestamp == name;
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
    if (name == SO_BINDTODEVICE)
        return bind_to_device(s, value, length, c && cred_has(c, CAP_NET_RAW));
    if (length < sizeof wanted)
        return -EINVAL;
    memcpy(&wanted, value, sizeof wanted);
    if (is_timestamp(name)) {
        s->timestamp = wanted ? name : 0;
        return 0;
    }
    switch (name) {
    case SO_TYPE:
    case SO_DOMAIN:
    case SO_PROTOCOL:
    case SO_ERROR:
    case SO_ACCEPTCONN:
    case SO_PEERCRED:
    case SO_SNDLOWAT:
    case SO_COOKIE:
    case SO_INCOMING_NAPI_ID:
        return -ENOPROTOOPT;
    case SO_BSDCOMPAT:
        return 0;
    case SO_DEBUG:
        return !wanted || (c && cred_has(c, CAP_NET_ADMIN)) ? 0 : -EACCES;
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
        if (s->family != AF_UNIX && s->type == SOCK_STREAM && s->receive_least > TCP_LEAST_MOST)
            s->receive_least = TCP_LEAST_MOST;
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
        return -EPERM;
    case SO_BINDTOIFINDEX:
        return s->device && !(c && cred_has(c, CAP_NET_RAW)) ? -EPERM : bind_to_index(s, wanted);
    default:
        if (bit < 0)
            return -ENOPROTOOPT;
        s->booleans = (s->booleans & ~(1u << bit)) | (uint32_t) !!wanted << bit;
        return 0;
    }
}
