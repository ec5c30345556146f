/* `network:` of the policy: what is beyond the world, as a list of rules (docs/policy.md "Network").
 *
 * A rule speaks of connections (`connect:`) or of names (`resolve:`); of each kind the first that matches decides. What a
 * connection that no rule matches meets is `default:`, a refusal when nothing is said. The part of a connect rule that says
 * how somebody answers (`respond:`, `http:`, `talk:` ...) is read by policy/network_content.c. All memory is the policy's. */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include "policy/policy.h"

#include <stdio.h>

struct policy_content; /* policy/network_content.h */

enum network_kind { NETWORK_CONNECT, NETWORK_RESOLVE };

enum network_action {
    NETWORK_REFUSE,      /* ECONNREFUSED */
    NETWORK_UNREACHABLE, /* ENETUNREACH */
    NETWORK_TIMEOUT,     /* nothing ever comes back (`blackhole` as a default) */
    NETWORK_RESET,       /* the connection stands and is reset */
    NETWORK_CLOSE_AFTER, /* it stands, takes so many bytes, and is closed */
    NETWORK_FORWARD,     /* a connection of the host's: the one exception */
    NETWORK_CONTENT,     /* somebody is there: `content` says who */
};

enum network_tls { NETWORK_TLS_BY_PORT, NETWORK_TLS_NO, NETWORK_TLS_YES }; /* by port: HTTP on 443 has it */

enum network_host_kind { NETWORK_HOST_ANY, NETWORK_HOST_NAME, NETWORK_HOST_GLOB, NETWORK_HOST_ADDRESS };

struct network_host {
    enum network_host_kind kind;
    const char *name; /* NAME, GLOB: small letters, no dot at the end */
    uint8_t ip[16];   /* ADDRESS: as IPv6 has it, IPv4 as ::ffff:a.b.c.d */
    int prefix;       /* of its 128 bits: so many count */
};

/* HOST:PORT of a connect rule; only the host of a resolve rule. */
struct network_target {
    const char *text; /* as it was written */
    struct network_host host;
    uint16_t first, last; /* ports, both included */
};

/* What a name leads to besides `to:`'s addresses. type: of the DNS (1 A, 2 NS, 5 CNAME, 12 PTR, 15 MX, 16 TXT, 28 AAAA, 33
 * SRV). */
struct network_record {
    uint16_t type;
    uint8_t ip[16];                  /* A (as ::ffff:a.b.c.d), AAAA */
    uint16_t priority, weight, port; /* MX has the first, SRV all */
    const char *text;                /* a name, or TXT's bytes */
    size_t size;
};

enum network_reply { NETWORK_RECORDS, NETWORK_NXDOMAIN, NETWORK_SERVFAIL, NETWORK_SILENT };

struct network_rule {
    enum network_kind kind;
    struct network_target *targets; /* one of them matches */
    size_t target_count;
    /* connect */
    int protocol; /* IPPROTO_TCP, IPPROTO_UDP */
    enum network_action action;
    int64_t delay;        /* ns of the world's time until the connection stands, or the error comes */
    uint64_t close_after; /* bytes */
    const char *forward_host;
    uint16_t forward_port;
    const struct policy_content *content; /* NETWORK_CONTENT */
    const char *content_text;             /* the same as YAML in flow style: "respond: \"/a/b\"" */
    const char *content_placeless;        /* the same without places of the host */
    const char *content_words;            /* the same for people: "http: 3 answers" */
    enum network_tls tls;
    /* resolve */
    enum network_reply reply;
    struct network_record *records; /* `to:`'s addresses first */
    size_t record_count, address_count;
    uint32_t ttl;     /* seconds */
    const char *note; /* may be NULL */
    const char *text; /* the rule as one line of words */
    struct policy_origin origin;
    size_t index; /* among all rules */
};

struct network_policy {
    struct network_rule **rules;
    size_t rule_count;
    enum network_action otherwise; /* REFUSE, UNREACHABLE, TIMEOUT */
    struct policy_origin otherwise_origin;
};

struct network_query {
    int protocol;
    uint8_t ip[16];
    uint16_t port;
    const char *name; /* by which the guest knows the address; NULL: by none */
};

/* The first connect rule that matches; NULL: `otherwise`. A rule by name matches names alone, one by address addresses
 * alone, `*` both. */
const struct network_rule *network_decide(const struct network_policy *n, const struct network_query *q);
/* The first resolve rule for a name (as it was asked; letters' case and a last dot do not count), or NULL. */
const struct network_rule *network_resolve(const struct network_policy *n, const char *name);
/* A connect rule speaks of the name: it is to exist although no resolve rule says so. */
const struct network_rule *network_speaks_of(const struct network_policy *n, const char *name);
/* TLS is spoken on that port: the rule says so, or it is 443 and HTTP is spoken there. */
bool network_rule_tls(const struct network_rule *rule, uint16_t port);
bool network_host_matches(const struct network_host *h, const char *name, const uint8_t ip[16]);

/* "192.0.2.1", "2001:db8::1" into 16 bytes, and back (buffer: 46 bytes; returned). */
bool network_read_ip(const char *text, uint8_t ip[16]);
const char *network_print_ip(const uint8_t ip[16], char *buffer);
bool network_is_ipv4(const uint8_t ip[16]);

const char *network_action_name(enum network_action a); /* "refuse"; as a default: "blackhole" is "timeout" */

/* private to policy/ */
char *network_rule_words(struct policy *p,
                         const struct network_rule *rule); /* policy/network_show.c; NULL: out of memory */
/* policy/network_explain.c: `policy explain connect HOST:PORT [udp]` and `policy explain resolve NAME`. 1: not such a question
 * (connect's own arguments were given), and nothing was done. */
int network_explain(const struct policy *p, int argc, const char *const *argv, FILE *f, struct policy_error *error);

#endif
