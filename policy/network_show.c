/* `network:` written out: as YAML for `policy show`, and one rule as a line of words. */
#include "policy/network.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/internal.h"
#include "policy/show.h"
#include "policy/units.h"

static const char *const replies[] = {
    [NETWORK_NXDOMAIN] = "nxdomain", [NETWORK_SERVFAIL] = "servfail", [NETWORK_SILENT] = "timeout"};

static void put_targets(FILE *f, const struct network_rule *rule)
{
    fputs(rule->target_count == 1 ? "" : "[", f);
    for (size_t i = 0; i < rule->target_count; i++) {
        fputs(i ? ", " : "", f);
        show_text(f, rule->targets[i].text);
    }
    fputs(rule->target_count == 1 ? "" : "]", f);
}

static void put_record(FILE *f, const struct network_record *record)
{
    char words[512], ip[INET6_ADDRSTRLEN];
    if (record->type == 1 || record->type == 28)
        snprintf(words, sizeof words, "%s", network_print_ip(record->ip, ip));
    else if (record->type == 15)
        snprintf(words, sizeof words, "%u %s", record->priority, record->text);
    else if (record->type == 33)
        snprintf(words, sizeof words, "%u %u %u %s", record->priority, record->weight, record->port, record->text);
    else
        snprintf(words, sizeof words, "%s", record->text);
    show_text(f, words);
}

/* All of one key: `to` has the addresses. */
static void put_records(FILE *f, const struct network_rule *rule, const char *key, uint16_t type)
{
    size_t from = type == 0 ? 0 : rule->address_count, to = type == 0 ? rule->address_count : rule->record_count;
    const char *between = NULL;
    for (size_t i = from; i < to; i++) {
        if (type != 0 && rule->records[i].type != type)
            continue;
        if (between == NULL)
            fprintf(f, ", %s: %s", key, type == 5 ? "" : "[");
        fputs(between != NULL ? between : "", f);
        put_record(f, &rule->records[i]);
        between = ", ";
    }
    if (between != NULL && type != 5)
        fputc(']', f);
}

static void put_connect(FILE *f, const struct network_rule *rule)
{
    char buffer[UNITS_ROOM];
    if (rule->protocol == IPPROTO_UDP)
        fputs(", protocol: udp", f);
    if (rule->delay > 0)
        fprintf(f, ", delay: %s", units_print_duration((uint64_t)rule->delay, buffer));
    switch (rule->action) {
    case NETWORK_CONTENT:
        fprintf(f, ", %s", rule->content_text);
        if (rule->tls != NETWORK_TLS_BY_PORT)
            fprintf(f, ", tls: %s", rule->tls == NETWORK_TLS_YES ? "true" : "false");
        break;
    case NETWORK_CLOSE_AFTER:
        fprintf(f, ", close-after: %s", units_print_size(rule->close_after, buffer));
        break;
    case NETWORK_FORWARD:
        fputs(", forward: ", f);
        snprintf(buffer, sizeof buffer, "%u", rule->forward_port);
        char words[512];
        bool v6 = false;
        for (const char *c = rule->forward_host; *c != '\0'; c++)
            v6 = v6 || *c == ':';
        snprintf(words, sizeof words, v6 ? "[%s]:%s" : "%s:%s", rule->forward_host, buffer);
        show_text(f, words);
        break;
    default:
        fprintf(f, ", %s: true", network_action_name(rule->action));
    }
}

static void put_resolve(FILE *f, const struct network_rule *rule)
{
    static const struct {
        const char *key;
        uint16_t type;
    } keys[] = {{"to", 0}, {"cname", 5}, {"mx", 15}, {"txt", 16}, {"srv", 33}, {"ns", 2}, {"ptr", 12}};
    if (rule->reply != NETWORK_RECORDS)
        fprintf(f, ", to: %s", replies[rule->reply]);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put_records(f, rule, keys[i].key, keys[i].type);
    fprintf(f, ", ttl: %" PRIu32 "s", rule->ttl);
}

static void put_rule(FILE *f, const struct network_rule *rule)
{
    fprintf(f, "%s: ", rule->kind == NETWORK_CONNECT ? "connect" : "resolve");
    put_targets(f, rule);
    if (rule->kind == NETWORK_CONNECT)
        put_connect(f, rule);
    else
        put_resolve(f, rule);
}

void show_network(FILE *f, const struct policy *p)
{
    static const char *const words[] = {"refuse", "unreachable", "blackhole"};
    const struct network_policy *n = p->network;
    if (n == NULL)
        return;
    fputs("network:\n", f);
    for (size_t i = 0; i < n->rule_count; i++) {
        fputs("  - {", f);
        put_rule(f, n->rules[i]);
        if (n->rules[i]->note != NULL) {
            fputs(", note: ", f);
            show_text(f, n->rules[i]->note);
        }
        fputc('}', f);
        show_origin(f, n->rules[i]->origin);
    }
    fprintf(f, "  - {default: %s}", words[n->otherwise]);
    show_origin(f,
                n->otherwise_origin.file != NULL ? n->otherwise_origin : (struct policy_origin){.file = "(built in)"});
}

char *network_rule_words(struct policy *p, const struct network_rule *rule)
{
    enum { LONGEST = 400 }; /* a script of answers is not told in a report's line */
    char *text = NULL, *copy = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    put_rule(f, rule);
    if (fclose(f) == 0)
        copy = size <= LONGEST ? policy_duplicate(p, text, size) : policy_format(p, "%.*s...", LONGEST, text);
    free(text);
    return copy;
}
