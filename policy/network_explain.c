/* `policy explain connect HOST:PORT` and `policy explain resolve NAME`: which line decides, and what the guest would see. */
#include "policy/network.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/units.h"

static void put_origin(FILE *f, struct policy_origin o)
{
    if (o.line > 0)
        fprintf(f, "%s:%d:%d", o.file, o.line, o.column);
    else
        fputs(o.file != NULL ? o.file : "(built in)", f);
}

static void put_rule(FILE *f, const struct network_rule *rule)
{
    fputs("\n      by ", f);
    put_origin(f, rule->origin);
    fprintf(f, ": %s\n", rule->text);
    if (rule->note != NULL)
        fprintf(f, "      note: %s\n", rule->note);
}

/* What meets the guest's connect(2), or its first datagram. */
static void put_action(FILE *f, enum network_action action, const struct network_rule *rule, bool udp, uint16_t port)
{
    static const struct network_rule none;
    char buffer[UNITS_ROOM];
    if (rule == NULL) /* the default: one of the first three */
        rule = &none;
    switch (action) {
    case NETWORK_REFUSE:
        fputs(udp ? "nobody takes the datagram: ECONNREFUSED (Connection refused) to a connected socket"
                  : "refused: ECONNREFUSED (Connection refused)",
              f);
        break;
    case NETWORK_UNREACHABLE:
        fputs("unreachable: ENETUNREACH (Network is unreachable)", f);
        break;
    case NETWORK_TIMEOUT:
        fputs(udp ? "no answer ever comes"
                  : "no answer ever comes: ETIMEDOUT (Connection timed out) after 127 s of the world's time",
              f);
        break;
    case NETWORK_RESET:
        fputs("connects, and is reset: ECONNRESET (Connection reset by peer)", f);
        break;
    case NETWORK_CLOSE_AFTER:
        fprintf(f, "connects, and is closed after %s bytes", units_print_size(rule->close_after, buffer));
        break;
    case NETWORK_FORWARD:
        fprintf(f, "LEAVES THE WORLD: a real connection to %s port %u", rule->forward_host, rule->forward_port);
        break;
    case NETWORK_CONTENT:
        fprintf(f, "%s%s%s", udp ? "" : "connects, and meets ", rule->content_words,
                network_rule_tls(rule, port) ? ", within TLS" : "");
        break;
    }
    if (rule->delay > 0)
        fprintf(f, ", after %s", units_print_duration((uint64_t)rule->delay, buffer));
}

/* Whose address it is: the world's own decides otherwise (docs/network.md, Connections). */
enum whose { BEYOND, LOOPBACK, NAME_SERVER, ETH0 };

static enum whose whose_address(const uint8_t ip[16], uint16_t port)
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff}, any[16], one[16] = {[15] = 1};
    static const uint8_t name_server[4] = {127, 0, 0, 53}, eth0_v4[4] = {10, 0, 2, 15};
    static const uint8_t eth0_v6[16] = {0xfd, 0, 0x7e, 0x77, 0xa2, 0x10, [15] = 15};
    if (memcmp(ip, v4, sizeof v4) != 0)
        return memcmp(ip, any, 16) == 0 || memcmp(ip, one, 16) == 0 ? LOOPBACK
               : memcmp(ip, eth0_v6, 16) == 0                       ? ETH0
                                                                    : BEYOND;
    if (memcmp(ip + 12, name_server, 4) == 0 && port == 53)
        return NAME_SERVER;
    return ip[12] == 127 || memcmp(ip + 12, any, 4) == 0 ? LOOPBACK : memcmp(ip + 12, eth0_v4, 4) == 0 ? ETH0 : BEYOND;
}

static bool names_address(const struct network_rule *rule, const uint8_t ip[16])
{
    for (size_t i = 0; rule != NULL && i < rule->target_count; i++)
        if (rule->targets[i].host.kind == NETWORK_HOST_ADDRESS &&
            network_host_matches(&rule->targets[i].host, NULL, ip))
            return true;
    return false;
}

/* /etc/hosts has it, so that no rule by name is asked. */
static bool is_localhost(const char *name)
{
    static const char local[] = "localhost";
    size_t size = strlen(name), least = sizeof local - 1;
    return size >= least && strcasecmp(name + size - least, local) == 0 &&
           (size == least || name[size - least - 1] == '.');
}

static void put_addresses(FILE *f, const struct network_rule *rule)
{
    char ip[INET6_ADDRSTRLEN];
    switch (rule->reply) {
    case NETWORK_NXDOMAIN:
        fputs("no such name (NXDOMAIN)", f);
        return;
    case NETWORK_SERVFAIL:
        fputs("the name server fails (SERVFAIL)", f);
        return;
    case NETWORK_SILENT:
        fputs("the name server does not answer", f);
        return;
    case NETWORK_RECORDS:
        break;
    }
    size_t shown = 0;
    for (size_t i = 0; i < rule->record_count; i++) {
        const struct network_record *record = &rule->records[i];
        if (record->type == 1 || record->type == 28)
            fprintf(f, "%s%s", shown++ ? ", " : "", network_print_ip(record->ip, ip));
        else if (record->type == 5)
            fprintf(f, "%sanother name, %s", shown++ ? ", " : "", record->text);
    }
    if (shown == 0)
        fputs("it exists, and has no address", f);
}

/* true when the name leads anywhere. */
static bool put_name(FILE *f, const struct network_policy *n, const char *name)
{
    const struct network_rule *rule = network_resolve(n, name), *spoken = network_speaks_of(n, name);
    fprintf(f, "  %s: ", name);
    if (rule != NULL) {
        put_addresses(f, rule);
        put_rule(f, rule);
        return rule->reply == NETWORK_RECORDS;
    }
    if (is_localhost(name)) {
        fputs("this world itself, 127.0.0.1 and ::1\n", f);
        return true;
    }
    if (spoken != NULL) {
        fputs("a made-up address of its own (documentation networks, RFC 5737), the same in every run", f);
        put_rule(f, spoken);
        return true;
    }
    fputs("no such name (NXDOMAIN): no line speaks of it\n", f);
    return false;
}

static int fail(struct policy_error *error, const char *what, const char *word)
{
    snprintf(error->text, sizeof error->text, "policy explain: %s%.200s%s", what, word, *word ? "'" : "");
    return -1;
}

/* true: nothing more is to be said. */
static bool put_own(FILE *f, enum whose whose, const struct network_rule *rule, const uint8_t ip[16], bool udp)
{
    if (whose == BEYOND)
        return false;
    if (whose == NAME_SERVER) {
        fputs("the world's name server (docs/network.md)\n", f);
        return true;
    }
    fputs("whoever listens there in the world; where nobody does: ", f);
    if (whose == LOOPBACK && names_address(rule, ip))
        return false;
    put_action(f, NETWORK_REFUSE, NULL, udp, 0);
    fputs(whose == LOOPBACK ? "\n      an address of the world's own: only a rule that names it would count\n"
                            : "\n      an address of the world's own: no rule counts\n",
          f);
    return true;
}

static int explain_connect(const struct policy *p, const char *word, bool udp, FILE *f, struct policy_error *error)
{
    char host[256], *end;
    struct network_query q = {.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP};
    const char *colon = strrchr(word, ':'), *from = word;
    if (colon == NULL)
        return fail(error, "connect: expected HOST:PORT, not '", word);
    size_t size = (size_t)(colon - word);
    if (size > 2 && word[0] == '[' && word[size - 1] == ']') {
        from++;
        size -= 2;
    }
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (size == 0 || size >= sizeof host || colon[1] < '0' || colon[1] > '9' || *end != '\0' || port == 0 ||
        port > 65535)
        return fail(error, "connect: expected HOST:PORT, not '", word);
    memcpy(host, from, size);
    host[size] = '\0';
    q.port = (uint16_t)port;
    bool address = network_read_ip(host, q.ip), there = true;
    fprintf(f, "connect %s, %s\n", word, udp ? "udp" : "tcp");
    if (p->network == NULL) {
        fputs("  unreachable: ENETUNREACH (Network is unreachable): the policy has no network: section\n", f);
        return 0;
    }
    if (!address) {
        q.name = host;
        there = put_name(f, p->network, host);
        const struct network_rule *names = network_resolve(p->network, host);
        for (size_t i = 0; names != NULL && i < names->address_count; i++)
            memcpy(q.ip, names->records[names->address_count - 1 - i].ip, 16);
    }
    if (!address && is_localhost(host) && network_resolve(p->network, host) == NULL) {
        address = network_read_ip("127.0.0.1", q.ip);
        q.name = NULL;
    }
    const struct network_rule *rule = network_decide(p->network, &q);
    fprintf(f, "  %s: ", there ? word : "if it knew an address of it");
    if (address && put_own(f, whose_address(q.ip, q.port), rule, q.ip, udp))
        return 0;
    put_action(f, rule != NULL ? rule->action : p->network->otherwise, rule, udp, q.port);
    if (rule != NULL) {
        put_rule(f, rule);
        return 0;
    }
    fputs("\n      by ", f);
    put_origin(f, p->network->otherwise_origin);
    fputs(": the default, no line speaks of it\n", f);
    return 0;
}

int network_explain(const struct policy *p, int argc, const char *const *argv, FILE *f, struct policy_error *error)
{
    if (strcmp(argv[0], "resolve") == 0) {
        if (argc != 2 || argv[1][0] == '\0' || strlen(argv[1]) > 255)
            return fail(error, "resolve: which name? (such as: policy explain resolve api.example.com)", "");
        fprintf(f, "resolve %s\n", argv[1]);
        if (p->network == NULL)
            fprintf(f, "  %s: no answer: the policy has no network: section\n", argv[1]);
        else
            put_name(f, p->network, argv[1]);
        return 0;
    }
    bool udp = argc == 3 && strcmp(argv[2], "udp") == 0, tcp = argc == 3 && strcmp(argv[2], "tcp") == 0;
    bool names_host = argc > 1 && strpbrk(argv[1], ".:") != NULL; /* no value of an argument of connect(2) */
    if (strcmp(argv[0], "connect") != 0 || argc < 2 || !names_host || strchr(argv[1], '=') != NULL ||
        (argc == 3 && !udp && !tcp) || argc > 3)
        return 1;
    return explain_connect(p, argv[1], udp, f, error);
}
