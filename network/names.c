/* Names and addresses (network/names.h). A made-up address follows from the name alone, unless two names meet at one: then the
 * later moves on to the next that is free. */
#include "network/names.h"

#include "policy/network.h"

#include <sodium.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MOST = 65536, LONGEST = 255, BUCKETS = 4096, DOCUMENTATION = 3 * 254, MEASUREMENT = 2 * 65534 };

struct known {
    struct known *next;    /* in its bucket by address, the one told last first */
    struct known *by_name; /* in its bucket by name: made-up ones alone */
    uint8_t ip[16];
    char name[];
};

struct names {
    struct known *by_ip[BUCKETS], *by_name[BUCKETS];
    size_t count;
    /* No address is ever given back: those for documentation are all taken, and those for measurement before this one. */
    bool documented;
    uint32_t measured;
    const struct network_policy *policy;
};

static uint64_t hash(const void *bytes, size_t n)
{
    /* Fixed, so that an address is the same in every run; who aims names at one bucket slows down his own look-ups, of which
     * there are no more than NAMES_MOST. */
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "terrarium names";
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t value;
    crypto_shorthash(out, bytes, n, key);
    memcpy(&value, out, sizeof value);
    return value;
}

/* Small letters, no dot at the end. */
static size_t plain(const char *name, char out[LONGEST + 1])
{
    size_t n = 0;
    for (; n < LONGEST && name[n] != '\0'; n++)
        out[n] = (char)tolower((unsigned char)name[n]);
    if (n > 1 && out[n - 1] == '.')
        n--;
    out[n] = '\0';
    return n;
}

static struct known *add(struct names *n, const char *name, size_t length, const uint8_t ip[16])
{
    struct known *k = n->count < NAMES_MOST ? malloc(sizeof *k + length + 1) : NULL;
    if (k == NULL)
        return NULL;
    struct known **bucket = &n->by_ip[hash(ip, 16) % BUCKETS];
    *k = (struct known){.next = *bucket};
    memcpy(k->ip, ip, 16);
    memcpy(k->name, name, length + 1);
    *bucket = k;
    n->count++;
    return k;
}

void names_learn(struct names *n, const char *name, const uint8_t ip[16])
{
    char text[LONGEST + 1];
    size_t length = plain(name, text);
    struct known **bucket = &n->by_ip[hash(ip, 16) % BUCKETS];
    for (struct known **at = bucket; *at != NULL; at = &(*at)->next) {
        struct known *k = *at;
        if (memcmp(k->ip, ip, 16) != 0 || strcmp(k->name, text) != 0)
            continue;
        *at = k->next; /* told again: it comes first */
        k->next = *bucket;
        *bucket = k;
        return;
    }
    (void)add(n, text, length, ip);
}

const char *names_of(const struct names *n, const uint8_t ip[16], size_t index)
{
    for (const struct known *k = n->by_ip[hash(ip, 16) % BUCKETS]; k != NULL; k = k->next)
        if (memcmp(k->ip, ip, 16) == 0 && index-- == 0)
            return k->name;
    return NULL;
}

/* Of the policy's own: a name must not be put in somebody else's house. */
static bool is_spoken_of(const struct names *n, const uint8_t ip[16])
{
    for (size_t i = 0; i < n->policy->rule_count; i++) {
        const struct network_rule *rule = n->policy->rules[i];
        for (size_t j = 0; j < rule->address_count; j++)
            if (memcmp(rule->records[j].ip, ip, 16) == 0)
                return true;
        for (size_t j = 0; rule->kind == NETWORK_CONNECT && j < rule->target_count; j++)
            if (rule->targets[j].host.kind == NETWORK_HOST_ADDRESS && rule->targets[j].host.prefix > 96 &&
                network_host_matches(&rule->targets[j].host, NULL, ip))
                return true;
    }
    return false;
}

static void place(uint32_t slot, uint8_t ip[16])
{
    static const uint8_t documentation[3][3] = {{192, 0, 2}, {198, 51, 100}, {203, 0, 113}};
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    if (slot < DOCUMENTATION) {
        memcpy(ip + 12, documentation[slot / 254], 3);
        ip[15] = (uint8_t)(1 + slot % 254);
        return;
    }
    slot = slot - DOCUMENTATION + 1; /* 198.18.0.0/15 */
    ip[12] = 198;
    ip[13] = (uint8_t)(18 + (slot >> 16));
    ip[14] = (uint8_t)(slot >> 8);
    ip[15] = (uint8_t)slot;
}

static bool is_free(const struct names *n, uint32_t slot, uint8_t ip[16])
{
    place(slot, ip);
    return names_of(n, ip, 0) == NULL && !is_spoken_of(n, ip);
}

bool names_make_up(struct names *n, const char *name, uint8_t ip[16])
{
    char text[LONGEST + 1];
    size_t length = plain(name, text);
    uint64_t h = hash(text, length);
    for (const struct known *k = n->by_name[h % BUCKETS]; k != NULL; k = k->by_name)
        if (strcmp(k->name, text) == 0) {
            memcpy(ip, k->ip, 16);
            return true;
        }
    if (n->count == NAMES_MOST)
        return false;
    uint32_t tries = 0, slot = (uint32_t)(h >> 16) % DOCUMENTATION;
    while (!n->documented && !is_free(n, (slot + tries) % DOCUMENTATION, ip))
        n->documented = ++tries == DOCUMENTATION;
    if (n->documented)
        while (n->measured < MEASUREMENT && !is_free(n, DOCUMENTATION + n->measured, ip))
            n->measured++;
    struct known *k = n->measured < MEASUREMENT ? add(n, text, length, ip) : NULL;
    if (k == NULL)
        return false;
    k->by_name = n->by_name[h % BUCKETS];
    n->by_name[h % BUCKETS] = k;
    return true;
}

struct names *names_new(const struct network_policy *p)
{
    struct names *n = calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    n->policy = p;
    for (size_t i = p->rule_count; i > 0;
         i--) { /* of two names of one address, the rule that stands first is told last */
        const struct network_rule *rule = p->rules[i - 1];
        for (size_t j = rule->kind == NETWORK_RESOLVE ? rule->target_count : 0; j > 0; j--)
            for (size_t a = 0; a < rule->address_count; a++)
                if (rule->targets[j - 1].host.kind == NETWORK_HOST_NAME)
                    names_learn(n, rule->targets[j - 1].host.name, rule->records[a].ip);
    }
    for (size_t i = 0; i < p->rule_count; i++)
        for (size_t j = 0; p->rules[i]->kind == NETWORK_CONNECT && j < p->rules[i]->target_count; j++) {
            const struct network_host *h = &p->rules[i]->targets[j].host;
            uint8_t ip[16];
            if (h->kind == NETWORK_HOST_NAME && network_resolve(p, h->name) == NULL)
                (void)names_make_up(n, h->name, ip);
        }
    return n;
}

void names_free(struct names *n)
{
    for (size_t i = 0; n != NULL && i < BUCKETS; i++)
        for (struct known *k = n->by_ip[i], *next; k != NULL; k = next) {
            next = k->next;
            free(k);
        }
    free(n);
}
