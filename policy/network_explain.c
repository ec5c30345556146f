/* `policy explain connect HOST:PORT` and `policy explain resolve NAME`: which line decides, and what the guest would see. */
#include "policy/network.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

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

static int explain_connect(const struct policy *p, const char *word, bool udp, FILE *f, struct policy_error *error)
{
    char host[256], *end;
    struct network_query q = {.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP};
    const char *colon = strrchr(word, ':'), *from = word;
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
    const struct network_rule *rule = network_decide(p->network, &q);
    fprintf(f, "  %s: ", there ? word : "if it knew an address of it");
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
    if (strcmp(argv[0], "connect") != 0 || argc < 2 || strchr(argv[1], ':') == NULL || strchr(argv[1], '=') != NULL ||
        (argc == 3 && !udp && !tcp) || argc > 3)
        return 1;
    return explain_connect(p, argv[1], udp, f, error);
}
