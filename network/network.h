/* The fictions beyond the world: who answers when a guest's connection leaves it.
 *
 * A `network` is what all far ends of one world share: the fixture trees (opened before the supervisor confines itself),
 * the certificate authority, the seed, the clock. policy/network_content.h says what each answers; vfs/far_end.h is the
 * shape they have. This room knows vfs/ and policy/ alone: no task, no call, no ptrace; no socket of the host. */
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

#include "network/conversation.h"
#include "policy/network_content.h"
#include "vfs/far_end.h"

struct network;
struct file;

struct network_config {
    uint64_t seed;
    int64_t (*now)(void *context); /* CLOCK_REALTIME of the world, ns */
    /* Starts a program of the world with `end` as its stdin and stdout: 0 or -errno. NULL: programs cannot be run. */
    int (*spawn)(void *context, char *const *arguments, struct file *end);
    void *context;
};

struct network *network_new(const struct network_config *config); /* NULL: out of memory */
void network_free(struct network *n);                             /* after every far end of it is gone */

/* Opens and reads what a content needs of the host. Once for each content of the policy, before the supervisor confines
 * itself. 0, or -1 with one sentence in why. */
int network_prepare(struct network *n, const struct policy_content *c, char *why, size_t size);

/* Who answers one connection. */
struct network_peer {
    const char *host; /* the name the guest asked for, or the address as text: what a certificate is made for */
    uint16_t port;
    bool datagram;
    bool tls;                          /* the content is within TLS */
    struct conversation *conversation; /* may be NULL */
};
/* NULL: out of memory, or the network's limit of connections. */
struct far_end *network_answer(struct network *n, const struct policy_content *c, const struct network_peer *peer);

/* The world's authority as PEM, made from the seed at the first use; owned by n. NULL: out of memory. */
const char *network_authority(struct network *n);

#endif
