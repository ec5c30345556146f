/* Who is there: deciding by rule for each attempt, and hearing what passes (network/internet.h). */
#include "network/internet.h"

#include "network/capture.h"
#include "network/dns.h"
#include "network/har.h"
#include "network/libraries.h"
#include "network/simple.h"
#include "vfs/interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_OF_ONE = 64 /* names of an address that are asked about */ };

struct internet {
    struct internet_config config;
    struct attempts *attempts;
    struct capture *capture;
    struct har *har;
    struct contents *contents;
    struct dns dns;
};

static const uint8_t name_server[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 53};

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void take_address(const struct sockaddr_storage *from, uint8_t ip[16], uint16_t *port)
{
    memset(ip, 0, 16);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        ip[10] = ip[11] = 0xff;
        memcpy(ip + 12, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    memcpy(ip, &in6->sin6_addr, 16);
    *port = ntohs(in6->sin6_port);
}

static bool is_loopback(const uint8_t ip[16])
{
    static const uint8_t lo6[16] = {[15] = 1};
    return (network_is_ipv4(ip) && ip[12] == 127) || memcmp(ip, lo6, 16) == 0;
}

/* ---- who is there ------------------------------------------------------------------------------------------------ */

/* The rule by the name that the guest heard last, then by its other names. Loopback is the world's own: only who is spelt out
 * by address is there. *name: the one that decided, or the last heard. */
static const struct network_rule *decide(const struct internet *i, struct network_query *q, const char **name)
{
    const struct network_policy *n = i->config.policy->network;
    const struct network_rule *rule = NULL;
    *name = names_of(i->dns.names, q->ip, 0);
    q->name = *name;
    rule = network_decide(n, q);
    for (size_t at = 1; rule == NULL && q->name != NULL && at < NAMES_OF_ONE; at++) {
        q->name = names_of(i->dns.names, q->ip, at);
        rule = q->name != NULL ? network_decide(n, q) : NULL;
        if (rule != NULL)
            *name = q->name;
    }
    return rule;
}

static bool is_by_address(const struct network_rule *rule, const uint8_t ip[16])
{
    for (size_t j = 0; j < rule->target_count; j++)
        if (rule->targets[j].host.kind == NETWORK_HOST_ADDRESS &&
            network_host_matches(&rule->targets[j].host, NULL, ip))
            return true;
    return false;
}

static void say(struct attempt *a, const char *outcome)
{
    if (a != NULL)
        a->outcome = outcome;
}

static void by_action(struct internet *i, enum network_action action, const struct network_rule *rule,
                      struct content_peer *peer, struct attempt *a, struct far_answer *out)
{
    out->delay = rule != NULL ? rule->delay : 0;
    switch (action) {
    case NETWORK_REFUSE:
        say(a, "refused");
        out->error = ECONNREFUSED;
        return;
    case NETWORK_UNREACHABLE:
        say(a, "unreachable");
        out->error = ENETUNREACH;
        return;
    case NETWORK_TIMEOUT:
        say(a, "no answer");
        out->error = ETIMEDOUT;
        out->delay = INT64_MAX;
        return;
    case NETWORK_RESET:
        say(a, "reset");
        out->end = simple_reset();
        break;
    case NETWORK_CLOSE_AFTER:
        say(a, "connected, to be closed");
        out->end = simple_close_after(rule->close_after);
        break;
    case NETWORK_FORWARD:
        say(a, "forwarded");
        out->waits = true;
        out->delay = 0;
        out->end = forward_open(i->config.forwards, rule);
        break;
    case NETWORK_CONTENT:
        say(a, "connected");
        out->end = rule->content->kind == CONTENT_SERVICE && rule->content->service == SERVICE_DNS
                       ? dns_end(&i->dns, peer->datagram)
                       : contents_open(i->contents, rule->content, peer);
        break;
    }
    if (out->end == NULL) {
        say(a, "refused");
        out->error = ECONNREFUSED;
        out->waits = false;
    }
}

static void on_connect(void *context, const struct far_request *r, struct far_answer *out)
{
    struct internet *i = context;
    struct attempt *a = r->record;
    struct network_query q = {.protocol = r->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP};
    char text[46];
    *out = (struct far_answer){.error = ECONNREFUSED};
    take_address(&r->to, q.ip, &q.port);
    if (q.port == DNS_PORT && memcmp(q.ip, name_server, 16) == 0) {
        out->end = dns_end(&i->dns, r->type == SOCK_DGRAM);
        return;
    }
    struct conversation *mine = a != NULL ? &a->conversation : NULL, *announced = NULL;
    if (r->type == SOCK_STREAM && (out->end = contents_expected(i->contents, &r->to, mine, &announced)) != NULL) {
        if (a != NULL)
            attempt_belongs(a, (const struct attempt *)announced);
        return;
    }
    const char *name = NULL;
    const struct network_rule *rule = decide(i, &q, &name);
    if (is_loopback(q.ip) && (rule == NULL || !is_by_address(rule, q.ip)))
        return;
    if (a != NULL) {
        attempt_list(a);
        a->rule = rule;
        a->name = name != NULL ? strdup(name) : NULL;
    }
    if (name != NULL && i->capture != NULL)
        capture_name(i->capture, q.ip, name);
    struct content_peer peer = {
        .to = &r->to,
        .host = name != NULL ? name : network_print_ip(q.ip, text),
        .port = q.port,
        .datagram = r->type == SOCK_DGRAM,
        .tls = rule != NULL && network_rule_tls(rule, q.port),
        .conversation = mine,
    };
    by_action(i, rule != NULL ? rule->action : i->config.policy->network->otherwise, rule, &peer, a, out);
}

/* Whose name the guest was told, or whom a rule spells out, is a host: it answers, unless nothing ever comes from there. So do the
 * name server and the gateway. */
static bool on_ping(void *context, const struct sockaddr_storage *to)
{
    const struct internet *i = context;
    const struct network_policy *n = i->config.policy->network;
    uint8_t ip[16];
    uint16_t port;
    take_address(to, ip, &port);
    const char *name = names_of(i->dns.names, ip, 0);
    bool there = name != NULL || memcmp(ip + 12, interface_gateway4, 4) == 0 || memcmp(ip, interface_gateway6, 16) == 0;
    for (size_t at = 0; at < n->rule_count; at++) {
        const struct network_rule *rule = n->rules[at];
        for (size_t j = 0; rule->kind == NETWORK_CONNECT && j < rule->target_count; j++) {
            const struct network_host *h = &rule->targets[j].host;
            if (h->kind == NETWORK_HOST_ANY || !network_host_matches(h, name, ip))
                continue;
            if (rule->action == NETWORK_TIMEOUT || rule->action == NETWORK_UNREACHABLE)
                return false;
            there = true;
        }
    }
    return there;
}

/* ---- what passes ------------------------------------------------------------------------------------------------- */

static void *on_begin(void *context, const struct far_request *r, bool asked)
{
    struct internet *i = context;
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    take_address(&r->from, from_ip, &from_port);
    take_address(&r->to, ip, &port);
    bool stream = r->type == SOCK_STREAM, beyond = asked && !is_loopback(ip);
    /* An attempt on loopback is in the report only where a rule speaks of it: on_connect sees. */
    if (!asked && i->capture == NULL)
        return NULL;
    struct attempt *a = attempt_new(i->attempts, stream ? ATTEMPT_STREAM : ATTEMPT_DATAGRAMS, beyond);
    if (a == NULL)
        return NULL;
    memcpy(a->from_ip, from_ip, 16);
    memcpy(a->ip, ip, 16);
    a->from_port = from_port;
    a->port = port;
    a->arrives = r->arrives;
    if (stream && i->capture != NULL)
        capture_syn(i->capture, a);
    return a;
}

static void draw(struct capture *c, struct attempt *a, enum net_event event, bool guest, const void *bytes, size_t n)
{
    bool first = guest != a->arrives;
    bool stream = a->kind == ATTEMPT_STREAM;
    switch (event) {
    case NET_OPENED:
        if (stream)
            capture_open(c, a);
        break;
    case NET_REFUSED:
        if (stream)
            capture_refused(c, a);
        else
            capture_unreachable(c, a);
        break;
    case NET_BYTES:
    case NET_URGENT:
        if (stream)
            capture_stream(c, a, first, bytes, n, event == NET_URGENT);
        else
            capture_datagram(c, a, first, bytes, n);
        break;
    case NET_FINISHED:
        capture_finish(c, a, first);
        break;
    case NET_RESET:
        capture_reset(c, a, first);
        break;
    case NET_SILENT:
    case NET_OVER:
        break;
    }
}

static void on_event(void *record, enum net_event event, bool guest, const void *bytes, size_t n)
{
    struct attempt *a = record;
    struct capture *c = attempts_capture(a->list);
    if (c != NULL)
        draw(c, a, event, guest, bytes, n);
    if (event == NET_BYTES || event == NET_URGENT)
        attempt_bytes(a, guest, bytes, n);
    if (event == NET_RESET && !guest && a->rule != NULL && a->rule->action != NETWORK_RESET)
        a->outcome = "connected, then reset";
    if ((event == NET_REFUSED || event == NET_SILENT) && a->rule != NULL && a->rule->action == NETWORK_FORWARD)
        a->outcome = event == NET_REFUSED ? "forwarded, and refused" : "forwarded, and no answer";
    if (event == NET_OVER)
        attempt_over(a);
}

/* Between guests. */
static void on_datagram(void *context, const struct sockaddr_storage *from, const struct sockaddr_storage *to,
                        const void *bytes, size_t n)
{
    struct internet *i = context;
    struct attempt a = {.kind = ATTEMPT_DATAGRAMS};
    struct attempts_caller caller = {0};
    i->config.caller(i->config.context, &caller);
    memcpy(a.process, caller.process, sizeof a.process);
    a.pid = caller.pid;
    take_address(from, a.from_ip, &a.from_port);
    take_address(to, a.ip, &a.port);
    capture_datagram(i->capture, &a, true, bytes, n);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool can_be_given_again(const struct contents *cs, const struct network_rule *rule, char *why, size_t size)
{
    for (size_t k = 0; k < rule->target_count; k++) {
        const struct network_target *t = &rule->targets[k];
        ssize_t at = content_tls_at(cs, rule->content, t->first, t->last);
        if (at >= 0) {
            snprintf(why, size,
                     "%.200s: byte %zd: TLS to a port of this rule, whose plain text this capture does not hold: only "
                     "those that --capture wrote do",
                     rule->content->path, at);
            return false;
        }
    }
    return true;
}

/* What the policy's contents need of the host. */
static int prepare(struct internet *i, char *why, size_t size)
{
    const struct network_policy *n = i->config.policy->network;
    for (size_t at = 0; at < n->rule_count; at++) {
        const struct network_rule *rule = n->rules[at];
        char reason[512];
        if (rule->content == NULL || (contents_prepare(i->contents, rule->content, reason, sizeof reason) == 0 &&
                                      can_be_given_again(i->contents, rule, reason, sizeof reason)))
            continue;
        snprintf(why, size, "%s:%d:%d: %s", rule->content->origin.file, rule->content->origin.line,
                 rule->content->origin.column, reason);
        return -1;
    }
    return 0;
}

static int begin(struct internet *i, char *why, size_t size)
{
    const struct internet_config *c = &i->config;
    const struct contents_config contents = {.seed = c->policy->seed,
                                             .now = c->now,
                                             .world = c->world,
                                             .spawn = c->spawn,
                                             .context = c->context,
                                             .view = c->view};
    snprintf(why, size, "out of memory");
    if (c->capture != NULL && (i->capture = capture_new(c->capture, CAPTURE_MOST, c->now, c->context)) == NULL)
        return -1;
    if (c->har != NULL && (i->har = har_new(c->har)) == NULL)
        return -1;
    const struct attempts_config attempts = {.now = c->now,
                                             .caller = c->caller,
                                             .context = c->context,
                                             .capture = i->capture,
                                             .har = i->har,
                                             .keep = c->keep};
    i->attempts = attempts_new(&attempts);
    if (i->attempts == NULL)
        return -1;
    if (c->policy->network == NULL)
        return 0;
    i->contents = contents_new(&contents);
    i->dns = (struct dns){c->policy, names_new(c->policy->network), i->attempts, 0};
    if (i->contents == NULL || i->dns.names == NULL)
        return -1;
    return prepare(i, why, size);
}

struct internet *internet_new(const struct internet_config *config, char *why, size_t size)
{
    struct internet *i = calloc(1, sizeof *i);
    if (i == NULL) {
        snprintf(why, size, "out of memory");
        return NULL;
    }
    i->config = *config;
    if (network_load_libraries() < 0)
        snprintf(why, size, "the libraries of the network: %s", strerror(ELIBACC));
    else if (begin(i, why, size) == 0) {
        *why = '\0';
        return i;
    }
    internet_free(i);
    return NULL;
}

int internet_install(struct internet *i, struct vfs *v)
{
    const struct net_hooks hooks = {
        .connect = i->config.policy->network != NULL ? on_connect : NULL,
        .begin = on_begin,
        .event = on_event,
        .pings = i->config.policy->network != NULL ? on_ping : NULL,
        .datagram = i->capture != NULL ? on_datagram : NULL,
        .context = i,
        .clock = i->config.clock,
    };
    return vfs_set_network(v, &hooks);
}

int internet_finish(struct internet *i, char *why, size_t size)
{
    attempts_ended(i->attempts);
    int capture = capture_free(i->capture), har = har_free(i->har);
    i->capture = NULL;
    i->har = NULL;
    if (capture == 0 && har == 0)
        return 0;
    if (capture == -EFBIG)
        snprintf(why, size, "capture: it is full with %d MiB: what was said after its last packet is not in it",
                 (int)(CAPTURE_MOST >> 20));
    else
        snprintf(why, size, "%s: %s", capture != 0 ? "capture" : "har", strerror(capture != 0 ? -capture : -har));
    return -1;
}

void internet_free(struct internet *i)
{
    if (i == NULL)
        return;
    (void)capture_free(i->capture);
    (void)har_free(i->har);
    attempts_free(i->attempts);
    if (i->contents != NULL)
        contents_free(i->contents);
    names_free(i->dns.names);
    forwards_free(i->config.forwards);
    free(i);
}

struct attempts *internet_attempts(struct internet *i)
{
    return i->attempts;
}

struct contents *internet_contents(struct internet *i)
{
    return i->contents;
}
