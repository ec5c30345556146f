/* The name server of the world: what it answers follows from the policy and from network/names.h alone. Over UDP and TCP, as a
 * far end. */
#ifndef NETWORK_DNS_H
#define NETWORK_DNS_H

#include "network/attempts.h"
#include "network/names.h"
#include "policy/policy.h"
#include "vfs/far_end.h"

enum { DNS_PORT = 53, DNS_MOST = 65535 };

struct dns {
    const struct policy *policy; /* its network is not NULL */
    struct names *names;
    struct attempts *attempts;
    uint32_t streams; /* connections that stand */
};

/* One message in, one out. Returns its length; 0: no answer is given. most: bytes of room in `out`, at most DNS_MOST; a
 * datagram's answer is cut (TC) to what the question says it can take. */
size_t dns_answer(struct dns *d, const uint8_t *question, size_t n, bool datagram, uint8_t *out, size_t most);
/* NULL: out of memory, or as many connections as a name server serves at a time. */
struct far_end *dns_end(struct dns *d, bool datagram);

#endif
