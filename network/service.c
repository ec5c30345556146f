/* The services without a conversation of their own: echo, discard, sink, ntp. The others have a file each. */
#include "network/service.h"

#include "network/lines.h"

#include <stdlib.h>
#include <string.h>

enum { ECHO_ROOM = 64 << 10 };

struct simple {
    struct far_end end;
    struct contents *contents;
    struct buffer waiting; /* echo's: what the guest has not taken back yet */
    bool datagram, finished;
};

static struct simple *of(struct far_end *e)
{
    return (struct simple *)e;
}

static void gone(struct far_end *e)
{
    struct simple *s = of(e);
    buffer_clear(&s->waiting);
    s->contents->ends--;
    free(s);
}

/* ---- discard, sink ------------------------------------------------------------------------------------------------------ */

static size_t swallow(struct far_end *e, const void *bytes, size_t n)
{
    return n;
}

static void finish_too(struct far_end *e)
{
    far_finish(e);
}

/* ---- echo (RFC 862) ------------------------------------------------------------------------------------------------------ */

static size_t echo(struct far_end *e, const void *bytes, size_t n)
{
    struct simple *s = of(e);
    if (s->datagram) {
        far_send(e, bytes, n);
        return n;
    }
    size_t sent = s->waiting.size == 0 ? far_send(e, bytes, n) : 0, rest = n - sent, room = ECHO_ROOM - s->waiting.size;
    if (rest > room)
        rest = room;
    return buffer_add(&s->waiting, (const char *)bytes + sent, rest) ? sent + rest : sent;
}

static void echo_room(struct far_end *e)
{
    struct simple *s = of(e);
    if (s->waiting.size > 0)
        buffer_drop(&s->waiting, far_send(e, buffer_bytes(&s->waiting), s->waiting.size));
    if (s->waiting.size > 0)
        return;
    if (s->finished)
        far_finish(e);
    else
        far_pull(e);
}

static void echo_finished(struct far_end *e)
{
    struct simple *s = of(e);
    s->finished = true;
    if (s->waiting.size == 0)
        far_finish(e);
}

/* ---- ntp (RFC 5905): the world's time, of a server that has it first hand ---------------------------------------------------- */

static void put32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void put_time(unsigned char *to, int64_t ns)
{
    const uint64_t epoch = 2208988800; /* 1900 to 1970 */
    uint64_t seconds = (uint64_t)(ns / 1000000000), part = (uint64_t)(ns % 1000000000);
    put32(to, (uint32_t)(seconds + epoch));
    put32(to + 4, (uint32_t)((part << 32) / 1000000000));
}

static size_t ntp(struct far_end *e, const void *bytes, size_t n)
{
    const unsigned char *asked = bytes;
    unsigned char answer[48] = {0};
    int64_t now = contents_now(of(e)->contents);
    if (n < sizeof answer || (asked[0] & 7) != 3) /* mode 3: a client */
        return n;
    answer[0] = (unsigned char)((asked[0] & 0x38) | 4); /* its version; mode 4: a server */
    answer[1] = 1;                                      /* stratum */
    answer[2] = asked[2];
    answer[3] = 0xec;          /* 2^-20 s */
    put32(answer + 8, 1 << 4); /* root dispersion */
    memcpy(answer + 12, "GPS", 4);
    put_time(answer + 16, now - now % 1000000000);
    memcpy(answer + 24, asked + 40, 8);
    put_time(answer + 32, now);
    put_time(answer + 40, now);
    far_send(e, answer, sizeof answer);
    return n;
}

static const struct far_end_ops echo_ops = {
    .received = echo, .room = echo_room, .finished = echo_finished, .gone = gone};
static const struct far_end_ops sink_ops = {.received = swallow, .finished = finish_too, .gone = gone};
static const struct far_end_ops ntp_ops = {.received = ntp, .finished = finish_too, .gone = gone};

static struct far_end *simple_new(struct contents *cs, const struct far_end_ops *ops, const struct content_peer *peer)
{
    struct simple *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->end.ops = ops;
    s->contents = cs;
    s->datagram = peer->datagram;
    buffer_init(&s->waiting, &cs->account, ECHO_ROOM);
    cs->ends++;
    return &s->end;
}

struct far_end *service_new(struct contents *cs, enum policy_service service, const struct content_peer *peer)
{
    switch (service) {
    case SERVICE_ECHO:
        return simple_new(cs, &echo_ops, peer);
    case SERVICE_DISCARD:
    case SERVICE_SINK:
    case SERVICE_TLS_SINK:
        return simple_new(cs, &sink_ops, peer);
    case SERVICE_NTP:
        return peer->datagram ? simple_new(cs, &ntp_ops, peer) : NULL;
    case SERVICE_SMTP:
        return peer->datagram ? NULL : smtp_new(cs, peer);
    case SERVICE_FTP:
        return peer->datagram ? NULL : ftp_new(cs, peer);
    case SERVICE_IRC:
        return peer->datagram ? NULL : irc_new(cs, peer);
    case SERVICE_DNS:
        return NULL; /* the world's own resolver answers (network/dns.c) */
    }
    return NULL;
}

bool service_has_starttls(enum policy_service service)
{
    return service == SERVICE_SMTP || service == SERVICE_FTP;
}
