/* Names, addresses and ports against the rules of `network:` (policy/network.h). Connections are rare beside calls, and the
 * rules are bounded: they are asked one after the other. */
#include "policy/network.h"

#include "policy/network_content.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool network_is_ipv4(const uint8_t ip[16])
{
    return memcmp(ip, mapped, sizeof mapped) == 0;
}

bool network_read_ip(const char *text, uint8_t ip[16])
{
    memcpy(ip, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, ip + 12) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

const char *network_print_ip(const uint8_t ip[16], char *buffer)
{
    return network_is_ipv4(ip) ? inet_ntop(AF_INET, ip + 12, buffer, INET6_ADDRSTRLEN)
                               : inet_ntop(AF_INET6, ip, buffer, INET6_ADDRSTRLEN);
}

/* A name without its last dot: its length. */
static size_t name_length(const char *name)
{
    size_t n = strlen(name);
    return n > 1 && name[n - 1] == '.' ? n - 1 : n;
}

/* `*` any bytes, `?` one; pattern in small letters. Linear in practice and bounded by both lengths: only the last star is ever
 * gone back to. */
static bool glob_takes(const char *pattern, const char *name, size_t n)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < n) {
        if (*pattern == '*') {
            star = pattern++;
            star_at = at;
        } else if (*pattern != '\0' && (*pattern == '?' || *pattern == tolower((unsigned char)name[at]))) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool in_network(const struct network_host *h, const uint8_t ip[16])
{
    int whole = h->prefix / 8, rest = h->prefix % 8;
    if (memcmp(h->ip, ip, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((h->ip[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}

bool network_host_matches(const struct network_host *h, const char *name, const uint8_t ip[16])
{
    switch (h->kind) {
    case NETWORK_HOST_ANY:
        return true;
    case NETWORK_HOST_NAME:
        return name != NULL && strlen(h->name) == name_length(name) &&
               strncasecmp(h->name, name, name_length(name)) == 0;
    case NETWORK_HOST_GLOB:
        return name != NULL && glob_takes(h->name, name, name_length(name));
    case NETWORK_HOST_ADDRESS:
        return ip != NULL && in_network(h, ip);
    }
    return false;
}

bool network_rule_tls(const struct network_rule *rule, uint16_t port)
{
    if (rule->content == NULL || rule->tls != NETWORK_TLS_BY_PORT)
        return rule->tls == NETWORK_TLS_YES;
    enum content_kind kind = rule->content->kind;
    return port == 443 && rule->protocol == IPPROTO_TCP &&
           (kind == CONTENT_RESPOND || kind == CONTENT_HTTP || kind == CONTENT_EXCHANGE);
}

const struct network_rule *network_decide(const struct network_policy *n, const struct network_query *q)
{
    for (size_t i = 0; i < n->rule_count; i++) {
        const struct network_rule *rule = n->rules[i];
        if (rule->kind != NETWORK_CONNECT || rule->protocol != q->protocol)
            continue;
        for (size_t j = 0; j < rule->target_count; j++) {
            const struct network_target *t = &rule->targets[j];
            if (q->port >= t->first && q->port <= t->last && network_host_matches(&t->host, q->name, q->ip))
                return rule;
        }
    }
    return NULL;
}

static const struct network_rule *first_by_name(const struct network_policy *n, enum network_kind kind,
                                                const char *name)
{
    for (size_t i = 0; i < n->rule_count; i++)
        for (size_t j = 0; n->rules[i]->kind == kind && j < n->rules[i]->target_count; j++)
            if (network_host_matches(&n->rules[i]->targets[j].host, name, NULL))
                return n->rules[i];
    return NULL;
}

const struct network_rule *network_resolve(const struct network_policy *n, const char *name)
{
    return first_by_name(n, NETWORK_RESOLVE, name);
}

const struct network_rule *network_speaks_of(const struct network_policy *n, const char *name)
{
    return first_by_name(n, NETWORK_CONNECT, name);
}
