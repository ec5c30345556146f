/* Path patterns as a lazily built deterministic automaton (policy/automaton.h).
 *
 * A position is a trie node whose item has been taken, or a GLOB_DEEP node in one of its two halves: arrived at
 * (nothing taken yet) or inside (its '/' taken, anything goes). Positions are numbered 2 * node + inside. The closure
 * of a position adds what may be empty behind it. A state is a sorted set of closed positions. */
#include "policy/automaton.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trie {
    struct glob_item item;
    uint32_t child, sibling; /* 0: none (the root is nobody's child) */
    uint32_t accept;         /* the least rule whose pattern ends here */
    uint32_t least;          /* the least rule from here down */
};

struct state {
    uint32_t hash, chain; /* of the set, and the next state in its bucket */
    uint32_t accept;
    bool settled; /* no byte that follows can change the answer */
    uint32_t count;
    uint32_t *positions;
    uint32_t next[]; /* per byte class; UNKNOWN: not built yet */
};

enum { UNKNOWN = UINT32_MAX, BUCKETS = 1024 };

struct automaton {
    struct automaton *sibling; /* in budget->all */
    struct automaton_budget *budget;
    struct trie *trie;
    uint32_t trie_count, trie_room;
    uint8_t class_of[256];
    uint8_t example[256]; /* a byte of each class */
    unsigned classes;
    struct state **states;
    uint32_t state_count, state_room;
    size_t state_bytes;
    uint32_t *buckets;
    uint32_t start;                    /* UNKNOWN: not built */
    uint32_t *scratch, *spare, *marks; /* sets being built; marks[position] == stamp: in it */
    uint32_t scratch_count, stamp;
};

struct automaton *automaton_new(struct automaton_budget *budget)
{
    struct automaton *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->trie_room = 16;
    a->trie = calloc(a->trie_room, sizeof *a->trie);
    if (a->trie == NULL) {
        free(a);
        return NULL;
    }
    a->trie[0] = (struct trie){.accept = AUTOMATON_NONE, .least = AUTOMATON_NONE};
    a->trie_count = 1;
    a->start = UNKNOWN;
    a->budget = budget;
    a->sibling = budget->all;
    budget->all = a;
    return a;
}

static void flush(struct automaton *a)
{
    for (uint32_t i = 0; i < a->state_count; i++)
        free(a->states[i]);
    a->state_count = 0;
    a->start = UNKNOWN;
    a->budget->state_bytes -= a->state_bytes;
    a->state_bytes = 0;
    if (a->buckets != NULL)
        memset(a->buckets, 0xff, BUCKETS * sizeof *a->buckets);
}

void automaton_free_all(struct automaton_budget *budget)
{
    for (struct automaton *a = budget->all, *next; a != NULL; a = next) {
        next = a->sibling;
        flush(a);
        free(a->states);
        free(a->buckets);
        free(a->scratch);
        free(a->spare);
        free(a->marks);
        free(a->trie);
        free(a);
    }
    budget->all = NULL;
}

static bool same_item(const struct glob_item *x, const struct glob_item *y)
{
    return x->kind == y->kind && (x->kind != GLOB_BYTE || x->byte == y->byte) &&
           (x->kind != GLOB_CLASS || memcmp(x->set, y->set, sizeof x->set) == 0);
}

static uint32_t child_for(struct automaton *a, uint32_t parent, const struct glob_item *item)
{
    for (uint32_t i = a->trie[parent].child; i != 0; i = a->trie[i].sibling)
        if (same_item(&a->trie[i].item, item))
            return i;
    if (a->budget->nodes >= AUTOMATON_MOST_NODES)
        return 0;
    if (a->trie_count == a->trie_room) {
        struct trie *more = realloc(a->trie, 2 * (size_t)a->trie_room * sizeof *more);
        if (more == NULL)
            return 0;
        a->trie = more;
        a->trie_room *= 2;
    }
    uint32_t new = a->trie_count++;
    a->budget->nodes++;
    a->trie[new] = (struct trie){
        .item = *item, .sibling = a->trie[parent].child, .accept = AUTOMATON_NONE, .least = AUTOMATON_NONE};
    a->trie[parent].child = new;
    return new;
}

int automaton_add(struct automaton *a, const struct glob *g, uint32_t rule)
{
    uint32_t node = 0;
    for (size_t i = 0;; i++) {
        if (rule < a->trie[node].least)
            a->trie[node].least = rule;
        if (i == g->count)
            break;
        node = child_for(a, node, &g->items[i]);
        if (node == 0)
            return -1;
    }
    if (rule < a->trie[node].accept)
        a->trie[node].accept = rule;
    return 0;
}

uint32_t automaton_first(const struct automaton *a)
{
    return a->trie[0].least;
}

/* Bytes that no pattern tells apart share a class: states are small then. */
static void find_classes(struct automaton *a)
{
    bool seen[256] = {false};
    a->classes = 1;
    for (uint32_t n = 0; n <= a->trie_count; n++) {
        /* '/' matters to *, ? and **, so it is a split of its own: the last round. */
        struct glob_item slash = {.kind = GLOB_BYTE, .byte = '/'};
        const struct glob_item *item = n < a->trie_count ? &a->trie[n].item : &slash;
        if (n == 0 || (item->kind != GLOB_BYTE && item->kind != GLOB_CLASS) || a->classes == 256)
            continue;
        if (item->kind == GLOB_BYTE && seen[item->byte])
            continue;
        if (item->kind == GLOB_BYTE)
            seen[item->byte] = true;
        int split[256]; /* old class -> the new one of its bytes that the item takes; -1: not yet */
        bool stays[256] = {false};
        memset(split, 0xff, sizeof split);
        for (unsigned b = 0; b < 256; b++)
            if (!glob_item_takes(item, (uint8_t)b))
                stays[a->class_of[b]] = true;
        for (unsigned b = 0; b < 256; b++) {
            uint8_t old = a->class_of[b];
            if (!glob_item_takes(item, (uint8_t)b) || !stays[old])
                continue;
            if (split[old] < 0)
                split[old] = (int)a->classes++;
            a->class_of[b] = (uint8_t)split[old];
        }
    }
    for (unsigned b = 0; b < 256; b++)
        a->example[a->class_of[b]] = (uint8_t)b;
}

int automaton_seal(struct automaton *a)
{
    find_classes(a);
    a->buckets = malloc(BUCKETS * sizeof *a->buckets);
    a->scratch = malloc(2 * (size_t)a->trie_count * sizeof *a->scratch);
    a->spare = malloc(2 * (size_t)a->trie_count * sizeof *a->spare);
    a->marks = calloc(2 * (size_t)a->trie_count, sizeof *a->marks);
    if (a->buckets == NULL || a->scratch == NULL || a->spare == NULL || a->marks == NULL)
        return -1;
    memset(a->buckets, 0xff, BUCKETS * sizeof *a->buckets);
    return 0;
}

static void begin_set(struct automaton *a)
{
    a->scratch_count = 0;
    if (++a->stamp == 0) { /* wrapped: old marks would look new */
        memset(a->marks, 0, 2 * (size_t)a->trie_count * sizeof *a->marks);
        a->stamp = 1;
    }
}

static void add_position(struct automaton *a, uint32_t position)
{
    if (a->marks[position] == a->stamp)
        return;
    a->marks[position] = a->stamp;
    a->scratch[a->scratch_count++] = position;
}

/* Adds what may be empty behind each position. The set grows while it is walked: each position once. */
static void close_set(struct automaton *a)
{
    for (uint32_t i = 0; i < a->scratch_count; i++) {
        const struct trie *t = &a->trie[a->scratch[i] / 2];
        for (uint32_t c = t->child; c != 0; c = a->trie[c].sibling) {
            a->budget->steps++;
            if (a->trie[c].item.kind == GLOB_STAR || a->trie[c].item.kind == GLOB_DEEP)
                add_position(a, 2 * c);
        }
    }
}

static void step_set(struct automaton *a, const uint32_t *positions, uint32_t count, uint8_t byte)
{
    begin_set(a);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = positions[i] / 2;
        const struct trie *t = &a->trie[node];
        a->budget->steps++;
        if (t->item.kind == GLOB_STAR && node != 0 && byte != '/')
            add_position(a, positions[i]);
        if (t->item.kind == GLOB_DEEP && node != 0 && (positions[i] % 2 == 1 || byte == '/'))
            add_position(a, 2 * node + 1);
        for (uint32_t c = t->child; c != 0; c = a->trie[c].sibling) {
            a->budget->steps++;
            if (glob_item_takes(&a->trie[c].item, byte))
                add_position(a, 2 * c);
        }
    }
    close_set(a);
}

static int by_number(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Leaves out what cannot win any more: inside a last '**' its rule stands whatever follows, so only lesser rules count.
 */
static void prune_set(struct automaton *a)
{
    uint32_t sure = AUTOMATON_NONE, kept = 0;
    for (uint32_t i = 0; i < a->scratch_count; i++)
        if (a->scratch[i] % 2 == 1 && a->trie[a->scratch[i] / 2].accept < sure)
            sure = a->trie[a->scratch[i] / 2].accept;
    for (uint32_t i = 0; i < a->scratch_count; i++)
        if (a->trie[a->scratch[i] / 2].least <= sure)
            a->scratch[kept++] = a->scratch[i];
    a->scratch_count = kept;
    qsort(a->scratch, kept, sizeof *a->scratch, by_number);
}

static uint32_t accept_of_set(const struct automaton *a)
{
    uint32_t accept = AUTOMATON_NONE;
    for (uint32_t i = 0; i < a->scratch_count; i++)
        if (a->trie[a->scratch[i] / 2].accept < accept)
            accept = a->trie[a->scratch[i] / 2].accept;
    return accept;
}

/* The state of the set in scratch; UNKNOWN: out of memory. */
static uint32_t intern(struct automaton *a)
{
    uint32_t hash = 2166136261;
    for (uint32_t i = 0; i < a->scratch_count; i++)
        hash = (hash ^ a->scratch[i]) * 16777619;
    uint32_t *bucket = &a->buckets[(hash ^ hash >> 16) % BUCKETS];
    for (uint32_t s = *bucket; s != UNKNOWN; s = a->states[s]->chain) {
        a->budget->steps++;
        if (a->states[s]->hash == hash && a->states[s]->count == a->scratch_count &&
            memcmp(a->states[s]->positions, a->scratch, a->scratch_count * sizeof *a->scratch) == 0)
            return s;
    }
    size_t size = sizeof(struct state) + ((size_t)a->classes + a->scratch_count) * sizeof(uint32_t);
    if (a->budget->state_bytes + size > AUTOMATON_MOST_STATE_BYTES) {
        for (struct automaton *each = a->budget->all; each != NULL; each = each->sibling)
            flush(each);
        a->budget->flushes++;
    }
    if (a->state_count == a->state_room) {
        uint32_t room = a->state_room ? a->state_room * 2 : 64;
        struct state **more = realloc(a->states, room * sizeof(struct state *));
        if (more == NULL)
            return UNKNOWN;
        a->states = more;
        a->state_room = room;
    }
    struct state *s = malloc(size);
    if (s == NULL)
        return UNKNOWN;
    *s = (struct state){.hash = hash, .chain = *bucket, .accept = accept_of_set(a), .count = a->scratch_count};
    memset(s->next, 0xff, a->classes * sizeof *s->next);
    s->positions = s->next + a->classes;
    memcpy(s->positions, a->scratch, a->scratch_count * sizeof *a->scratch);
    s->settled =
        s->count == 0 || (s->count == 1 && s->positions[0] % 2 == 1 && a->trie[s->positions[0] / 2].child == 0);
    a->state_bytes += size;
    a->budget->state_bytes += size;
    a->states[a->state_count] = s;
    *bucket = a->state_count;
    return a->state_count++;
}

static void begin_at_start(struct automaton *a)
{
    begin_set(a);
    add_position(a, 0);
    close_set(a);
    prune_set(a);
}

/* The same answer without states, when there is no memory for one: from the set in scratch onwards. */
static uint32_t run_slowly(struct automaton *a, const char *rest)
{
    for (; *rest != '\0'; rest++) {
        uint32_t count = a->scratch_count;
        memcpy(a->spare, a->scratch, count * sizeof *a->spare);
        step_set(a, a->spare, count, (uint8_t)*rest);
        prune_set(a);
    }
    return accept_of_set(a);
}

uint32_t automaton_run(struct automaton *a, const char *path)
{
    if (path[0] == '/' && path[1] == '\0') /* the root is the empty path: glob.c */
        path = "";
    if (a->start == UNKNOWN) {
        begin_at_start(a);
        a->start = intern(a);
        if (a->start == UNKNOWN)
            return run_slowly(a, path);
    }
    uint32_t now = a->start;
    for (; *path != '\0' && !a->states[now]->settled; path++) {
        a->budget->steps++;
        unsigned class = a->class_of[(uint8_t)*path];
        uint32_t next = a->states[now]->next[class];
        if (next == UNKNOWN) {
            uint64_t flushes = a->budget->flushes;
            step_set(a, a->states[now]->positions, a->states[now]->count, a->example[class]);
            prune_set(a);
            next = intern(a);
            if (next == UNKNOWN)
                return run_slowly(a, path + 1);
            if (flushes == a->budget->flushes) /* else `now` is gone */
                a->states[now]->next[class] = next;
        }
        now = next;
    }
    return a->states[now]->accept;
}

/* ---- two names of one thing ---- */

/* Every position after `path`, in scratch: nothing is left out, because each rule counts and not only the first. */
static void all_positions(struct automaton *a, const char *path)
{
    begin_set(a);
    add_position(a, 0);
    close_set(a);
    for (; *path != '\0'; path++) {
        uint32_t count = a->scratch_count;
        memcpy(a->spare, a->scratch, count * sizeof *a->spare);
        step_set(a, a->spare, count, (uint8_t)*path);
    }
}

/* The least rule of `from`'s positions that are none of `to`'s: the others match whatever the name is. */
static uint32_t least_lost(struct automaton *a, const char *from, const char *to, bool onwards)
{
    uint32_t least = AUTOMATON_NONE;
    all_positions(a, from);
    uint32_t count = a->scratch_count;
    uint32_t *positions = malloc((count ? count : 1) * sizeof *positions);
    if (positions == NULL)
        return automaton_first(a);
    memcpy(positions, a->scratch, count * sizeof *positions);
    all_positions(a, to);
    for (uint32_t i = 0; i < count; i++) {
        const struct trie *t = &a->trie[positions[i] / 2];
        uint32_t rule = onwards ? t->least : t->accept;
        if (rule < least && a->marks[positions[i]] != a->stamp)
            least = rule;
    }
    free(positions);
    return least;
}

uint32_t automaton_lost(struct automaton *a, const char *from, const char *to, bool below)
{
    uint32_t itself = least_lost(a, from, to, false);
    if (!below)
        return itself;
    char *from_below = NULL, *to_below = NULL;
    uint32_t inside = automaton_first(a); /* out of memory: refuse */
    if (asprintf(&from_below, "%s/", from) > 0 && asprintf(&to_below, "%s/", to) > 0)
        inside = least_lost(a, from_below, to_below, true);
    free(from_below);
    free(to_below);
    return itself < inside ? itself : inside;
}
