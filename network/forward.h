/* `forward:`: the one far end that is real. What a guest sends goes to a socket of the host's, what comes back comes from it.
 *
 * What the outside does (it stands, bytes came, so many were taken) is acted upon in one place, forwards_pump, and each
 * of it is told before: a record that holds these news, and where among the other events they came, is all that a second
 * run needs. forwards_happened gives them to a run that has no sockets. What a guest sees depends on nothing else: a send
 * may fill a window, which opens by news alone, however fast the peer really is. */
#ifndef NETWORK_FORWARD_H
#define NETWORK_FORWARD_H

#include "vfs/far_end.h"

#include <poll.h>

enum { FORWARDS_MOST = 64 /* connections at a time */, FORWARD_WINDOW = 256 << 10, FORWARD_PIECE = 64 << 10 };

enum forward_what {
    FORWARD_STANDS,
    FORWARD_FAILED,   /* value: errno */
    FORWARD_BYTES,    /* from the peer */
    FORWARD_SENT,     /* value: bytes that the host took since it was told last */
    FORWARD_FINISHED, /* its FIN */
    FORWARD_RESET,
    FORWARD_WHATS,
};

struct forward_news {
    uint32_t number; /* of the connection, from 1 */
    enum forward_what what;
    uint64_t value;
    const void *bytes; /* BYTES: at most FORWARD_PIECE */
    size_t size;
};

struct network_rule;
struct forwards;

struct forwards_config {
    /* A socket that does not block and connects to where the rule says, or -errno. NULL: a run that is run again. */
    int (*dial)(void *context, const struct network_rule *rule);
    void (*begun)(void *context); /* a connection: from here on the run depends on the outside */
    void (*happened)(void *context, const struct forward_news *n);
    void *context;
};

struct forwards *forwards_new(const struct forwards_config *config); /* NULL: out of memory */
void forwards_free(struct forwards *f);                              /* after its far ends; NULL is allowed */
struct far_end *forward_open(struct forwards *f, const struct network_rule *rule); /* NULL: too many, out of memory */
/* What to wait for in poll(2), at most FORWARDS_MOST. *awaited: a guest sleeps until one of them has news. */
nfds_t forwards_poll(const struct forwards *f, struct pollfd *out, bool *awaited);
bool forwards_any(const struct forwards *f); /* there is one */
void forwards_pump(struct forwards *f);      /* never waits. Without `dial`: does nothing */
void forwards_happened(struct forwards *f, const struct forward_news *n);

#endif
