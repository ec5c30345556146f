/* Reading `network:` (policy/network.h, docs/policy.md "Network"): the heads of its rules and the simple actions. A rule that
 * could never match, or that says two things, is an error at its line. */
#include "policy/network.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lists.h"
#include "policy/network_content.h"
#include "policy/schema.h"
#include "policy/show.h"
#include "policy/units.h"

enum {
    MOST_RULES = 10000,
    MOST_TARGETS = 1000,
    MOST_RECORDS = 100, /* of one name: what a DNS answer holds */
    LONGEST_NAME = 253,
    DEFAULT_TTL = 300,
};

const struct schema_key schema_network[] = {
    {.name = "connect", .type = SCHEMA_OTHER},
    {.name = "resolve", .type = SCHEMA_OTHER},
    {.name = "default", .type = SCHEMA_OTHER},
    {.name = "protocol", .type = SCHEMA_OTHER},
    {.name = "delay", .type = SCHEMA_DURATION, .offset = offsetof(struct network_rule, delay)},
    {.name = "refuse", .type = SCHEMA_OTHER},
    {.name = "unreachable", .type = SCHEMA_OTHER},
    {.name = "timeout", .type = SCHEMA_OTHER},
    {.name = "reset", .type = SCHEMA_OTHER},
    {.name = "close-after", .type = SCHEMA_SIZE, .offset = offsetof(struct network_rule, close_after)},
    {.name = "forward", .type = SCHEMA_OTHER},
    {.name = "respond", .type = SCHEMA_OTHER},
    {.name = "http", .type = SCHEMA_OTHER},
    {.name = "talk", .type = SCHEMA_OTHER},
    {.name = "service", .type = SCHEMA_OTHER},
    {.name = "program", .type = SCHEMA_OTHER},
    {.name = "serve", .type = SCHEMA_OTHER},
    {.name = "exchange", .type = SCHEMA_OTHER},
    {.name = "tls", .type = SCHEMA_OTHER},
    {.name = "to", .type = SCHEMA_OTHER},
    {.name = "cname", .type = SCHEMA_OTHER},
    {.name = "mx", .type = SCHEMA_OTHER},
    {.name = "txt", .type = SCHEMA_OTHER},
    {.name = "srv", .type = SCHEMA_OTHER},
    {.name = "ns", .type = SCHEMA_OTHER},
    {.name = "ptr", .type = SCHEMA_OTHER},
    {.name = "ttl", .type = SCHEMA_DURATION, .offset = offsetof(struct network_rule, delay)},
    {.name = "note", .type = SCHEMA_OTHER},
    {.name = NULL},
};

/* The actions that are said with a key alone, and the two with a value. */
static const char *const simple[] = {
    [NETWORK_REFUSE] = "refuse",  [NETWORK_UNREACHABLE] = "unreachable", [NETWORK_TIMEOUT] = "timeout",
    [NETWORK_RESET] = "reset",    [NETWORK_CLOSE_AFTER] = "close-after", [NETWORK_FORWARD] = "forward",
    [NETWORK_CONTENT] = "answer",
};

const char *network_action_name(enum network_action a)
{
    return simple[a];
}

/* ---- hosts and ports -------------------------------------------------------------------------------------------- */

static const char *text_of(const struct node *n)
{
    return n->kind == NODE_SCALAR && !node_is_null(n) && n->size > 0 && strlen(n->text) == n->size ? n->text : NULL;
}

static bool is_name(const char *name, bool pattern)
{
    size_t label = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_' && !(pattern && (*c == '*' || *c == '?')))
            return false;
        if (++label > 63)
            return false;
    }
    return *name != '\0' && strlen(name) <= LONGEST_NAME && label > 0;
}

/* Small letters and no dot at the end; the policy's memory. NULL: out of memory. */
static char *plain_name(struct reader *r, const char *text, size_t size)
{
    char *name = policy_duplicate(r->policy, text, size);
    for (char *c = name; c != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (name != NULL && size > 1 && name[size - 1] == '.')
        name[size - 1] = '\0';
    return name;
}

static int read_prefix(const char *slash, struct network_host *h)
{
    uint64_t bits;
    const char *why;
    bool v4 = network_is_ipv4(h->ip);
    if (units_read_number(slash, &bits, &why) < 0 || bits > (v4 ? 32 : 128))
        return -1;
    h->prefix = (int)bits + (v4 ? 96 : 0);
    for (int bit = h->prefix; bit < 128; bit++) /* 10.1.2.3/8 would look as if the rest mattered */
        if (h->ip[bit / 8] >> (7 - bit % 8) & 1)
            return -1;
    return 0;
}

static int read_host(struct reader *r, const struct node *at, const char *where, const char *text, size_t size,
                     struct network_host *h)
{
    char copy[LONGEST_NAME + 8];
    if (size == 0 || size >= sizeof copy)
        return reader_fail(r, at, "%s: a host's name has 1 to %d letters", where, LONGEST_NAME);
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    if (network_read_ip(copy, h->ip)) {
        h->kind = NETWORK_HOST_ADDRESS;
        h->prefix = 128;
        if (slash != NULL && read_prefix(slash + 1, h) < 0)
            return reader_fail(r, at,
                               "%s: '%.*s': expected a network such as 10.0.0.0/8, with nothing set behind its "
                               "prefix",
                               where, (int)size, text);
        return 0;
    }
    if (slash != NULL)
        return reader_fail(r, at, "%s: '%.*s': expected an address before the '/'", where, (int)size, text);
    if (strcmp(copy, "*") == 0) {
        h->kind = NETWORK_HOST_ANY;
        return 0;
    }
    for (const char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            return reader_fail(r, at, "%s: '%.100s': write the name as the DNS has it (xn--...)", where, copy);
    h->name = plain_name(r, copy, size);
    if (h->name == NULL)
        return reader_out_of_memory(r);
    if (!is_name(h->name, true))
        return reader_fail(r, at,
                           "%s: '%.100s': expected a host's name, a pattern such as \"*.example.com\", an address "
                           "or a network",
                           where, copy);
    if (strspn(h->name, "0123456789.*?") == strlen(h->name))
        return reader_fail(r, at, "%s: '%.100s': addresses by their network: 10.0.0.0/8", where, copy);
    h->kind = strpbrk(h->name, "*?") != NULL ? NETWORK_HOST_GLOB : NETWORK_HOST_NAME;
    return 0;
}

static int read_port(const char *text, size_t size, uint16_t *port)
{
    char copy[8];
    uint64_t value;
    const char *why;
    if (size == 0 || size >= sizeof copy)
        return -1;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (!isdigit((unsigned char)copy[0]) || units_read_number(copy, &value, &why) < 0 || value == 0 || value > 65535)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

static int read_ports(const char *text, struct network_target *t)
{
    const char *dash = strchr(text, '-');
    t->first = 1;
    t->last = 65535;
    if (strcmp(text, "*") == 0)
        return 0;
    size_t n = dash != NULL ? (size_t)(dash - text) : strlen(text);
    if (read_port(text, n, &t->first) < 0)
        return -1;
    t->last = t->first;
    return dash == NULL ? 0 : read_port(dash + 1, strlen(dash + 1), &t->last) < 0 || t->last < t->first ? -1 : 0;
}

/* HOST:PORT, [IPV6]:PORT; `connect:` has ports, `resolve:` none. */
static int read_target(struct reader *r, const struct node *item, const char *where, bool has_port,
                       struct network_target *t)
{
    const char *text = text_of(item);
    if (text == NULL)
        return reader_fail(r, item, "%s: expected %s", where,
                           has_port ? "HOST:PORT such as \"api.example.com:443\"" : "a name such as \"*.example.com\"");
    t->text = policy_duplicate(r->policy, item->text, item->size);
    if (t->text == NULL)
        return reader_out_of_memory(r);
    if (!has_port) {
        if (read_host(r, item, where, text, strlen(text), &t->host) < 0)
            return -1;
        if (t->host.kind == NETWORK_HOST_ADDRESS)
            return reader_fail(r, item, "%s: '%.100s' is an address: a name is resolved (ptr: is for the way back)",
                               where, text);
        return 0;
    }
    const char *colon = strrchr(text, ':'), *host = text;
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    bool bracket = text[0] == '[';
    if (colon == NULL || (bracket && colon[-1] != ']') || (!bracket && memchr(text, ':', size) != NULL))
        return reader_fail(r, item, "%s: '%.100s': expected HOST:PORT, with an IPv6 address in brackets ([::1]:80)",
                           where, text);
    if (bracket) {
        host++;
        size -= 2;
    }
    if (read_ports(colon + 1, t) < 0)
        return reader_fail(r, item, "%s: '%.100s': expected a port, a range such as 8000-8999, or *", where, colon + 1);
    return read_host(r, item, where, host, size, &t->host);
}

/* A scalar is a list of one. */
static size_t as_list(const struct node *const *value, const struct node *const **items)
{
    if ((*value)->kind == NODE_SEQUENCE) {
        *items = (const struct node *const *)(*value)->items;
        return (*value)->count;
    }
    *items = value;
    return 1;
}

static int read_targets(struct reader *r, const struct node *value, const char *where, struct network_rule *rule)
{
    const struct node *const *items;
    size_t count = as_list(&value, &items);
    if (count == 0 || count > MOST_TARGETS)
        return reader_fail(r, value, "%s: expected 1 to %d hosts", where, MOST_TARGETS);
    rule->targets = policy_allocate(r->policy, count * sizeof *rule->targets);
    if (rule->targets == NULL)
        return reader_out_of_memory(r);
    for (; rule->target_count < count; rule->target_count++)
        if (read_target(r, items[rule->target_count], where, rule->kind == NETWORK_CONNECT,
                        &rule->targets[rule->target_count]) < 0)
            return -1;
    return 0;
}

/* ---- connect ---------------------------------------------------------------------------------------------------- */

static int read_forward(struct reader *r, const struct node *value, const char *where, struct network_rule *rule)
{
    struct network_target to = {0};
    char path[64];
    snprintf(path, sizeof path, "%s.forward", where);
    if (read_target(r, value, path, true, &to) < 0)
        return -1;
    if (rule->delay != 0)
        return reader_fail(r, value, "%s: 'delay' is of made-up connections; a real one takes its own time", path);
    bool exact = to.first == to.last &&
                 (to.host.kind == NETWORK_HOST_NAME || (to.host.kind == NETWORK_HOST_ADDRESS && to.host.prefix == 128));
    for (size_t i = 0; i < rule->target_count; i++) {
        const struct network_target *t = &rule->targets[i];
        exact = exact && t->first == t->last &&
                (t->host.kind == NETWORK_HOST_NAME || (t->host.kind == NETWORK_HOST_ADDRESS && t->host.prefix == 128));
    }
    if (!exact)
        return reader_fail(r, value,
                           "%s: what leaves the world is named: one host and one port on both sides, no pattern", path);
    const char *colon = strrchr(to.text, ':');
    size_t size = (size_t)(colon - to.text);
    rule->forward_host = to.text[0] == '[' ? policy_duplicate(r->policy, to.text + 1, size - 2)
                                           : policy_duplicate(r->policy, to.text, size);
    rule->forward_port = to.first;
    return rule->forward_host != NULL ? 0 : reader_out_of_memory(r);
}

static int read_protocol(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    const struct node *value = schema_find(item, "protocol", NULL);
    rule->protocol = IPPROTO_TCP;
    if (value == NULL)
        return 0;
    const char *text = text_of(value);
    if (text == NULL || (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0))
        return reader_fail(r, value, "%s.protocol: expected tcp or udp", where);
    rule->protocol = strcmp(text, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
    return 0;
}

static int read_simple(struct reader *r, const struct node *key, const struct node *value, const char *where,
                       struct network_rule *rule)
{
    bool stream =
        rule->action == NETWORK_RESET || rule->action == NETWORK_CLOSE_AFTER || rule->action == NETWORK_FORWARD;
    if (stream && rule->protocol != IPPROTO_TCP)
        return reader_fail(r, key, "%s: '%s' is of tcp", where, key->text);
    if (rule->action == NETWORK_FORWARD)
        return read_forward(r, value, where, rule);
    if (rule->action == NETWORK_CLOSE_AFTER)
        return 0;
    if (value->kind != NODE_SCALAR || !value->plain || strcmp(value->text, "true") != 0)
        return reader_fail(r, value, "%s.%s: expected true", where, key->text);
    return 0;
}

/* Plain, it may be true, a number or nothing; any other plain text is the same in quotes, which hold what a flow does not. */
static bool stays_plain(const struct node *n)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-~/";
    return n->plain && strspn(n->text, safe) == strlen(n->text);
}

/* A subtree as it was written, in flow style; host paths as they are understood, or, without places, hidden. `in`: 2 in the list of
 * `http:`, 1 in one of its answers, whose `file` is a path; 0: no key is one. */
static bool put_node(struct reader *r, FILE *f, const struct node *n, bool is_path, int in, bool places)
{
    if (n->kind == NODE_SCALAR) {
        static char nowhere[] = POLICY_NOWHERE;
        char *path = !is_path ? n->text : places ? schema_host_path(r, n->text) : nowhere;
        if (path == NULL)
            return false;
        if (stays_plain(n) && !is_path)
            fputs(n->text, f);
        else
            show_quoted(f, path, is_path ? strlen(path) : n->size);
        return true;
    }
    bool is_mapping = n->kind == NODE_MAPPING, good = true;
    fputc(is_mapping ? '{' : '[', f);
    for (size_t i = 0; i < n->count && good; i++) {
        bool is_value = is_mapping && i % 2 == 1;
        fputs(i == 0 ? "" : is_value ? ": " : ", ", f);
        good = put_node(r, f, n->items[i], in == 1 && is_value && strcmp(n->items[i - 1]->text, "file") == 0,
                        in > 0 ? in - 1 : 0, places);
    }
    fputc(is_mapping ? '}' : ']', f);
    return good;
}

/* "respond: ..." as YAML; NULL: out of memory. */
static const char *content_yaml(struct reader *r, const struct node *key, const struct node *value,
                                enum content_kind kind, bool places)
{
    char *text = NULL;
    const char *kept = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fprintf(f, "%s: ", key->text);
    bool good = put_node(r, f, value, kind == CONTENT_RESPOND || kind == CONTENT_EXCHANGE, kind == CONTENT_HTTP ? 2 : 0,
                         places);
    if (fclose(f) == 0 && good)
        kept = policy_duplicate(r->policy, text, size);
    free(text);
    return kept;
}

static int keep_text(struct reader *r, const struct node *key, const struct node *value, enum content_kind kind,
                     struct network_rule *rule)
{
    rule->content_text = content_yaml(r, key, value, kind, true);
    rule->content_placeless = content_yaml(r, key, value, kind, false);
    rule->content_words = content_describe(r->policy, rule->content);
    return rule->content_text != NULL && rule->content_placeless != NULL && rule->content_words != NULL
               ? 0
               : reader_out_of_memory(r);
}

static int read_tls(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    const struct node *value = schema_find(item, "tls", NULL);
    if (value == NULL)
        return 0;
    const char *text = value->plain ? text_of(value) : NULL;
    if (text == NULL || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return reader_fail(r, value, "%s.tls: expected true or false", where);
    rule->tls = strcmp(text, "true") == 0 ? NETWORK_TLS_YES : NETWORK_TLS_NO;
    if (rule->tls == NETWORK_TLS_YES && rule->protocol != IPPROTO_TCP)
        return reader_fail(r, value, "%s.tls: TLS is of tcp", where);
    return 0;
}

/* What a rule's far end speaks of the two; 0: either. */
static int spoken_by(enum content_kind kind, const struct policy_content *content)
{
    switch (kind) {
    case CONTENT_RESPOND:
    case CONTENT_HTTP:
    case CONTENT_PROGRAM:
    case CONTENT_SERVE:
        return IPPROTO_TCP;
    case CONTENT_SERVICE:
        switch (content->service) {
        case SERVICE_NTP:
            return IPPROTO_UDP;
        case SERVICE_SMTP:
        case SERVICE_FTP:
        case SERVICE_IRC:
        case SERVICE_TLS_SINK:
            return IPPROTO_TCP;
        default:
            return 0;
        }
    default:
        return 0;
    }
}

static int read_content(struct reader *r, const struct node *item, const char *where, const struct node *key, int kind,
                        struct network_rule *rule)
{
    const struct node *value = schema_find(item, key->text, NULL);
    struct policy_content *content = NULL;
    if (content_read(r, value, (enum content_kind)kind, where, &content) < 0 || read_tls(r, item, where, rule) < 0)
        return -1;
    int spoken = spoken_by((enum content_kind)kind, content);
    if (spoken != 0 && spoken != rule->protocol)
        return reader_fail(r, key, "%s: '%s%s%s' is of %s", where, key->text, kind == CONTENT_SERVICE ? ": " : "",
                           kind == CONTENT_SERVICE ? text_of(value) : "",
                           spoken == IPPROTO_TCP ? "tcp" : "udp: say protocol: udp");
    rule->content = content;
    return keep_text(r, key, value, (enum content_kind)kind, rule);
}

static int read_connect(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    const struct node *action = NULL, *action_value = NULL, *key;
    int kind = -1;
    if (read_protocol(r, item, where, rule) < 0)
        return -1;
    for (int i = 0; i <= NETWORK_FORWARD; i++) {
        const struct node *value = schema_find(item, simple[i], &key);
        if (value != NULL && action != NULL)
            return reader_fail(r, key, "%s: both '%s' and '%s'", where, action->text, key->text);
        if (value == NULL)
            continue;
        action = key;
        action_value = value;
        rule->action = (enum network_action)i;
    }
    for (size_t i = 0; content_names[i] != NULL; i++) {
        const struct node *value = schema_find(item, content_names[i], &key);
        if (value != NULL && action != NULL)
            return reader_fail(r, key, "%s: both '%s' and '%s'", where, action->text, key->text);
        if (value == NULL)
            continue;
        action = key;
        kind = (int)i;
    }
    if (action == NULL)
        return reader_fail(r, item,
                           "%s: who answers? One of respond, http, talk, service, program, serve, exchange, forward, "
                           "refuse, timeout, reset, unreachable or close-after is missing",
                           where);
    if (kind < 0) {
        if (schema_find(item, "tls", &key) != NULL)
            return reader_fail(r, key, "%s: '%s' has no 'tls'", where, action->text);
        return read_simple(r, action, action_value, where, rule);
    }
    rule->action = NETWORK_CONTENT;
    return read_content(r, item, where, action, kind, rule);
}

/* ---- resolve ---------------------------------------------------------------------------------------------------- */

static struct network_record *add_record(struct reader *r, const struct node *at, const char *where,
                                         struct network_rule *rule)
{
    if (rule->record_count == MOST_RECORDS) {
        reader_fail(r, at, "%s: more than %d records of one name", where, MOST_RECORDS);
        return NULL;
    }
    return &rule->records[rule->record_count++];
}

static int read_to(struct reader *r, const struct node *value, const char *where, struct network_rule *rule)
{
    static const char *const words[] = {
        [NETWORK_NXDOMAIN] = "nxdomain", [NETWORK_SERVFAIL] = "servfail", [NETWORK_SILENT] = "timeout"};
    const struct node *const *items;
    size_t count = as_list(&value, &items);
    const char *text = count == 1 ? text_of(items[0]) : NULL;
    for (int i = NETWORK_NXDOMAIN; text != NULL && i <= NETWORK_SILENT; i++)
        if (strcmp(text, words[i]) == 0) {
            rule->reply = (enum network_reply)i;
            return 0;
        }
    if (count == 0)
        return reader_fail(r, value, "%s.to: expected an address, a list of them, nxdomain, servfail or timeout",
                           where);
    for (size_t i = 0; i < count; i++) {
        struct network_record *record = add_record(r, items[i], where, rule);
        text = text_of(items[i]);
        if (record == NULL)
            return -1;
        if (text == NULL || !network_read_ip(text, record->ip))
            return reader_fail(r, items[i], "%s.to: '%.100s': expected an address%s", where, text ? text : "",
                               count == 1 ? ", nxdomain, servfail or timeout" : "");
        record->type = network_is_ipv4(record->ip) ? 1 : 28;
    }
    rule->address_count = rule->record_count;
    return 0;
}

/* So many numbers of 16 bits before the name of MX and SRV. */
static const char *read_numbers(const char *text, uint16_t *const *numbers, int count)
{
    for (int i = 0; i < count; i++) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return NULL;
        unsigned long value = strtoul(text, &end, 10);
        if (value > 65535 || *end != ' ')
            return NULL;
        /* No kind has more numbers than there are. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        *numbers[i] = (uint16_t)value;
        text = end + strspn(end, " ");
    }
    return text;
}

static const struct record_kind {
    const char *key;
    uint16_t type;
    int numbers;
    const char *form;
} record_kinds[] = {
    {"cname", 5, 0, "a name"},
    {"mx", 15, 1, "\"10 mail.example.com\""},
    {"txt", 16, 0, "a text of at most 255 bytes"},
    {"srv", 33, 3, "\"0 5 5060 sip.example.com\" (priority, weight, port, name)"},
    {"ns", 2, 0, "a name"},
    {"ptr", 12, 0, "a name"},
};

static int read_record(struct reader *r, const struct node *item, const char *where, const struct record_kind *kind,
                       struct network_rule *rule)
{
    struct network_record *record = add_record(r, item, where, rule);
    if (record == NULL)
        return -1;
    uint16_t *const numbers[] = {&record->priority, &record->weight, &record->port};
    const char *text = text_of(item);
    record->type = kind->type;
    if (text != NULL && kind->numbers > 0)
        text = read_numbers(text, numbers, kind->numbers);
    record->size = text != NULL ? strlen(text) : 0;
    record->text = text == NULL       ? NULL
                   : kind->type == 16 ? policy_duplicate(r->policy, text, record->size)
                                      : plain_name(r, text, record->size);
    if (text != NULL && record->text == NULL)
        return reader_out_of_memory(r);
    if (text == NULL || (kind->type == 16 ? record->size > 255 : !is_name(record->text, false)))
        return reader_fail(r, item, "%s.%s: expected %s", where, kind->key, kind->form);
    return 0;
}

static int read_resolve(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    const struct node *to = schema_find(item, "to", NULL), *key;
    rule->records = policy_allocate(r->policy, MOST_RECORDS * sizeof *rule->records);
    if (rule->records == NULL)
        return reader_out_of_memory(r);
    if (to != NULL && read_to(r, to, where, rule) < 0)
        return -1;
    for (size_t i = 0; i < sizeof record_kinds / sizeof *record_kinds; i++) {
        const struct node *value = schema_find(item, record_kinds[i].key, &key);
        const struct node *const *items;
        size_t count = value != NULL ? as_list(&value, &items) : 0;
        if (value != NULL && to != NULL && rule->reply != NETWORK_RECORDS)
            return reader_fail(r, key, "%s: a name that is %s has no '%s'", where, to->text, key->text);
        if (value != NULL && count == 0)
            return reader_fail(r, value, "%s.%s: expected %s", where, key->text, record_kinds[i].form);
        if (record_kinds[i].type == 5 && count > 1)
            return reader_fail(r, value, "%s.cname: a name stands for one other", where);
        if (record_kinds[i].type == 5 && count == 1 && to != NULL)
            return reader_fail(r, key, "%s: both 'to' and 'cname': the other name has the addresses", where);
        for (size_t j = 0; j < count; j++)
            if (read_record(r, items[j], where, &record_kinds[i], rule) < 0)
                return -1;
    }
    if (to == NULL && rule->record_count == 0)
        return reader_fail(r, item, "%s: to what? 'to', or one of cname, mx, txt, srv, ns or ptr is missing", where);
    bool said = schema_find(item, "ttl", NULL) != NULL; /* read by the schema into delay */
    if (said && (rule->delay % 1000000000 != 0 || rule->delay / 1000000000 > INT32_MAX))
        return reader_fail(r, schema_find(item, "ttl", NULL), "%s.ttl: expected whole seconds, at most 2147483647",
                           where);
    rule->ttl = said ? (uint32_t)(rule->delay / 1000000000) : DEFAULT_TTL;
    rule->delay = 0;
    return 0;
}

/* ---- the list --------------------------------------------------------------------------------------------------- */

/* Keys of the one kind in a rule of the other. */
static int check_keys(struct reader *r, const struct node *item, const char *where, enum network_kind kind)
{
    static const char *const of_resolve[] = {"to", "cname", "mx", "txt", "srv", "ns", "ptr", "ttl", NULL};
    for (size_t i = 0; i + 1 < item->count; i += 2) {
        const char *name = item->items[i]->text;
        bool resolve = false, both = strcmp(name, "note") == 0;
        for (size_t j = 0; of_resolve[j] != NULL; j++)
            resolve = resolve || strcmp(name, of_resolve[j]) == 0;
        if (both || strcmp(name, kind == NETWORK_CONNECT ? "connect" : "resolve") == 0)
            continue;
        if (resolve != (kind == NETWORK_RESOLVE))
            return reader_fail(r, item->items[i], "%s: '%s' belongs to %s, not to %s", where, name,
                               resolve ? "resolve" : "connect", resolve ? "connect" : "resolve");
    }
    return 0;
}

static int read_default(struct reader *r, const struct node *item, const struct node *value, const char *where)
{
    static const char *const words[] = {
        [NETWORK_REFUSE] = "refuse", [NETWORK_UNREACHABLE] = "unreachable", [NETWORK_TIMEOUT] = "blackhole"};
    struct network_policy *n = r->policy->network;
    const char *text = text_of(value);
    if (item->count > 2)
        return reader_fail(r, item, "%s: 'default' stands alone", where);
    if (n->otherwise_origin.file == r->file)
        return reader_fail(r, value, "%s: a second default (the first is in line %d)", where, n->otherwise_origin.line);
    for (size_t i = 0; text != NULL && i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            n->otherwise = (enum network_action)i;
            n->otherwise_origin = reader_origin(r, value);
            return 0;
        }
    return reader_fail(r, value, "%s.default: expected refuse, unreachable or blackhole", where);
}

static int read_note(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    const struct node *value = schema_find(item, "note", NULL);
    if (value == NULL)
        return 0;
    const char *text = text_of(value);
    if (text == NULL || value->size > 1000)
        return reader_fail(r, value, "%s.note: expected a text of at most 1000 bytes", where);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return reader_fail(r, value, "%s.note: a control character in it", where);
    rule->note = policy_duplicate(r->policy, text, value->size);
    return rule->note != NULL ? 0 : reader_out_of_memory(r);
}

/* 1 when it was no rule but the default. */
static int read_rule(struct reader *r, const struct node *item, const char *where, struct network_rule *rule)
{
    if (item->kind != NODE_MAPPING)
        return reader_fail(r, item, "%s: expected keys and values", where);
    if (schema_read(r, item, where, schema_network, rule) < 0)
        return -1;
    const struct node *key, *connect = schema_find(item, "connect", NULL),
                            *resolve = schema_find(item, "resolve", &key),
                            *otherwise = schema_find(item, "default", NULL);
    if (otherwise != NULL && connect == NULL && resolve == NULL)
        return read_default(r, item, otherwise, where) < 0 ? -1 : 1;
    if (connect != NULL && resolve != NULL)
        return reader_fail(r, key, "%s: both 'connect' and 'resolve'", where);
    if (connect == NULL && resolve == NULL)
        return reader_fail(r, item, "%s: one of connect, resolve or default is missing", where);
    rule->kind = connect != NULL ? NETWORK_CONNECT : NETWORK_RESOLVE;
    rule->origin = reader_origin(r, item);
    char path[64];
    snprintf(path, sizeof path, "%s.%s", where, connect != NULL ? "connect" : "resolve");
    if (check_keys(r, item, where, rule->kind) < 0 ||
        read_targets(r, connect != NULL ? connect : resolve, path, rule) < 0 || read_note(r, item, where, rule) < 0)
        return -1;
    int result = connect != NULL ? read_connect(r, item, where, rule) : read_resolve(r, item, where, rule);
    if (result < 0)
        return -1;
    rule->text = network_rule_words(r->policy, rule);
    return rule->text != NULL ? 0 : reader_out_of_memory(r);
}

/* The file's rules come before those of the files it includes, which were read before it; its default instead of theirs. */
int lists_read_network(struct reader *r, const struct node *value)
{
    struct policy *p = r->policy;
    struct network_policy *n = p->network;
    if (value->kind != NODE_SEQUENCE)
        return reader_fail(r, value, "network: expected a list");
    if (n == NULL && (n = p->network = policy_allocate(p, sizeof *n)) == NULL)
        return reader_out_of_memory(r);
    if (value->count + n->rule_count > MOST_RULES)
        return reader_fail(r, value, "network: more than %d rules", MOST_RULES);
    struct network_rule **all = policy_allocate(p, (value->count + n->rule_count + 1) * sizeof *all);
    if (all == NULL)
        return reader_out_of_memory(r);
    size_t count = 0;
    for (size_t i = 0; i < value->count; i++) {
        char where[32];
        snprintf(where, sizeof where, "network[%zu]", i);
        all[count] = policy_allocate(p, sizeof **all);
        if (all[count] == NULL)
            return reader_out_of_memory(r);
        int result = read_rule(r, value->items[i], where, all[count]);
        if (result < 0)
            return -1;
        count += result == 0;
    }
    if (n->rule_count > 0)
        memcpy(all + count, n->rules, n->rule_count * sizeof *all);
    n->rules = all;
    n->rule_count += count;
    for (size_t i = 0; i < n->rule_count; i++)
        all[i]->index = i;
    p->network_origin = reader_origin(r, value);
    return 0;
}
