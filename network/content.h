/* The fictions beyond the world: who answers when a guest's connection leaves it.
 *
 * `contents` is what all far ends of one world share: the fixture trees (opened before the supervisor confines itself),
 * the certificate authority, the seed, the clock. policy/network_content.h says what each answers; vfs/far_end.h is the
 * shape they have. This room knows vfs/ and policy/ alone: no task, no call, no ptrace; no socket of the host. */
#ifndef NETWORK_CONTENT_H
#define NETWORK_CONTENT_H

#include "network/conversation.h"
#include "policy/network_content.h"
#include "vfs/far_end.h"

struct contents;

enum { FIXTURES_FIRST = 1 << 30 }; /* number of the first mount of fixtures, and of their inodes (vfs_set_view) */
struct file;

struct contents_config {
    uint64_t seed;
    int64_t (*now)(void *context); /* CLOCK_REALTIME of the world, ns */
    struct vfs *world;             /* where programs' ends and servers are; NULL: programs cannot be run */
    /* Starts a program of the world with `end` as its stdin and stdout (NULL: it is a server, which needs none): 0 or
     * -errno. NULL: programs cannot be run. */
    int (*spawn)(void *context, char *const *arguments, struct file *end);
    void *context;
    struct view *view; /* through which the host is seen, or its record (vfs/view.h); NULL: nobody stands there */
};

struct contents *contents_new(const struct contents_config *config); /* NULL: out of memory */
void contents_free(struct contents *cs);                             /* after every far end of it is gone */

/* Opens and reads what a content needs of the host. Once for each content of the policy, before the supervisor confines
 * itself. 0, or -1 with one sentence in why. */
int contents_prepare(struct contents *cs, const struct policy_content *c, char *why, size_t size);

/* At which byte of its file a capture to be given again speaks TLS to one of these ports, and does not hold its plain text: nobody could
 * answer there, because a client draws new keys each time. -1: nowhere, or it is no capture. Once it is prepared. */
ssize_t content_tls_at(const struct contents *cs, const struct policy_content *c, uint16_t first_port,
                       uint16_t last_port);

/* It speaks TLS by itself, or may come to: STARTTLS, tls-sink. */
bool content_speaks_tls(const struct policy_content *c);

/* Who answers one connection. */
struct content_peer {
    const struct sockaddr_storage *to; /* where the guest reached it */
    const char *host; /* the name the guest asked for, or the address as text: what a certificate is made for */
    uint16_t port;
    bool datagram;
    bool tls;                          /* the content is within TLS */
    struct conversation *conversation; /* may be NULL */
};
/* NULL: out of memory, or the world's limit of connections. */
struct far_end *contents_open(struct contents *cs, const struct policy_content *c, const struct content_peer *peer);

/* A far end that awaits exactly this connection (FTP's data), or NULL: asked before any rule is. conversation: of this
 * connection; *announced: of the one that told the guest of it; both may be NULL. */
struct far_end *contents_expected(struct contents *cs, const struct sockaddr_storage *to,
                                  struct conversation *conversation, struct conversation **announced);

/* The world's authority as PEM, made from the seed at the first use; owned by n. NULL: out of memory. */
const char *contents_authority(struct contents *cs);
unsigned long contents_authority_hash(struct contents *cs); /* of its name: as OpenSSL's directories want it */

#endif
