/* Connections that a far end has announced: a port told in one conversation, and met by another. */
#include "network/tls.h"

#include <errno.h>
#include <string.h>

enum { FIRST_PORT = 49152, FTP_DATA = 20, PORTS = 16384 };

static uint16_t *port_of(struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)a)->sin6_port : &((struct sockaddr_in *)a)->sin_port;
}

static bool same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    return a->ss_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
           memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static struct expected **find(struct contents *cs, const struct sockaddr_storage *to)
{
    struct expected **at = &cs->expected;
    while (*at != NULL && !same(&(*at)->to, to))
        at = &(*at)->next;
    return at;
}

uint16_t expect(struct contents *cs, struct expected *x, const struct sockaddr_storage *like, struct far_end *end,
                struct conversation *announced)
{
    x->to = *like;
    for (int tries = 0; tries < PORTS; tries++) {
        uint16_t port = (uint16_t)(FIRST_PORT + cs->next_expected++ % PORTS);
        *port_of(&x->to) = htons(port);
        if (*find(cs, &x->to) != NULL)
            continue;
        x->end = end;
        x->announced = announced;
        x->waiting = true;
        x->next = cs->expected;
        cs->expected = x;
        return port;
    }
    return 0;
}

void expect_cancel(struct contents *cs, struct expected *x)
{
    if (!x->waiting)
        return;
    struct expected **at = &cs->expected;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    x->waiting = false;
}

struct far_end *contents_expected(struct contents *cs, const struct sockaddr_storage *to,
                                  struct conversation *conversation, struct conversation **announced)
{
    struct expected *x = *find(cs, to);
    if (x == NULL)
        return NULL;
    expect_cancel(cs, x);
    x->met = conversation;
    *announced = x->announced;
    const struct content_peer peer = {.to = to, .host = x->host, .tls = true, .conversation = conversation};
    return x->host != NULL ? tls_wrap(cs, x->end, &peer, true) : x->end;
}

int arrive(struct contents *cs, struct expected *x, const struct sockaddr_storage *guest,
           const struct sockaddr_storage *like, struct far_end *end, struct conversation *announced)
{
    void *record = NULL;
    struct sockaddr_storage from = *like;
    const struct content_peer peer = {.to = guest, .host = x->host, .tls = true};
    int error = -ECONNREFUSED;
    x->announced = announced;
    x->end = x->host != NULL ? tls_wrap(cs, end, &peer, true) : end;
    if (x->end == NULL)
        return -ENOMEM;
    *port_of(&from) = htons(FTP_DATA);
    if (cs->config.world != NULL && guest->ss_family == like->ss_family)
        error = far_arrive(cs->config.world, guest, &from, x->end, &record);
    if (error < 0) {
        x->end->ops->gone(x->end);
        return error;
    }
    x->met = record; /* an attempt begins with its conversation */
    if (x->host != NULL)
        tls_heard_by(x->end, x->met);
    CONVERSATION_TELL(x->met, announced, announced);
    return 0;
}
