/* The rules, compiled: what one decision costs does not grow with their number.
 *
 * For each call, every rule that can decide it becomes boxes ("argument & mask == value", policy/conditions.h). Boxes
 * with the same six masks are one shape; a shape is a hash table by the masked values. So a decision looks into one
 * table for each shape: as many as the policy has ways of asking, not as it has rules (Srinivasan's "tuple space
 * search"). What is found there is the first rule that asks for no path, and an automaton over the paths of those
 * before it (policy/automaton.h). Shapes are asked in the order of their first rule, and no longer than one of them
 * could win. */
#include "policy/internal.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "policy/automaton.h"
#include "policy/compile.h"
#include "policy/conditions.h"
#include "policy/lists.h"
#include "policy/schema.h"

enum {
    MOST_SHAPES = 512,     /* of one call */
    MOST_ENTRIES = 1 << 20 /* of one policy: boxes */
};

/* One rule that asks for these values of the shape's arguments; while compiling. */
struct member {
    struct box box;
    uint32_t rule;
};

struct entry {
    uint64_t value[SYSENT_ARGUMENTS];
    uint32_t plain;          /* the first rule without a path; AUTOMATON_NONE: none */
    struct automaton *paths; /* NULL: no rule before `plain` asks for one */
    bool used;
};

struct shape {
    uint64_t mask[SYSENT_ARGUMENTS];
    uint32_t first; /* the least rule in it */
    uint32_t size;  /* of the table, a power of two at least twice its entries */
    struct entry *table;
};

struct call_rules {
    struct shape *shapes; /* by .first */
    uint32_t shape_count;
    bool wants_paths;
};

/* Automata by the rules in them: calls that are spoken of together ("*") share one. */
struct shared_paths {
    uint32_t *rules, count;
    struct automaton *automaton;
    struct shared_paths *next;
};

struct compiled {
    struct call_rules calls[SYSENT_COUNT];
    struct automaton_budget budget;
    struct shared_paths *shared[256];
    size_t entries;
    struct automaton *names; /* of every rule that forbids something by its path, whichever call; NULL: none does */
    struct glob *glob;       /* scratch */
    uint64_t probes;
};

void compiled_free(struct compiled *c)
{
    if (c == NULL)
        return;
    for (int nr = 0; nr < SYSENT_COUNT; nr++) {
        for (uint32_t i = 0; i < c->calls[nr].shape_count; i++)
            free(c->calls[nr].shapes[i].table);
        free(c->calls[nr].shapes);
    }
    for (size_t i = 0; i < sizeof c->shared / sizeof *c->shared; i++)
        for (struct shared_paths *s = c->shared[i], *next; s != NULL; s = next) {
            next = s->next;
            free(s->rules);
            free(s);
        }
    automaton_free_all(&c->budget);
    free(c->glob);
    free(c);
}

uint64_t compiled_steps(const struct policy *p)
{
    return p->sources->compiled ? p->sources->compiled->budget.steps + p->sources->compiled->probes : 0;
}

static uint32_t hash_values(const uint64_t *value)
{
    uint64_t h = 0x9e3779b97f4a7c15;
    for (int i = 0; i < SYSENT_ARGUMENTS; i++) {
        h = (h ^ value[i]) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static struct entry *find_entry(const struct shape *s, const uint64_t *value, uint64_t *probes)
{
    for (uint32_t i = hash_values(value) & (s->size - 1);; i = (i + 1) & (s->size - 1)) {
        struct entry *e = &s->table[i];
        ++*probes;
        if (!e->used || memcmp(e->value, value, sizeof e->value) == 0)
            return e;
    }
}

/* ---- compiling ---- */

/* The automaton of these rules' patterns: an old one if the same were asked for before. NULL: out of memory or bounds.
 */
static struct automaton *paths_of(struct compiled *c, struct rule *const *rules, const struct member *members,
                                  uint32_t count)
{
    uint32_t *list = malloc((count ? count : 1) * sizeof *list), hash = 2166136261;
    if (list == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = members[i].rule;
        hash = (hash ^ list[i]) * 16777619;
    }
    struct shared_paths **bucket = &c->shared[(hash ^ hash >> 8 ^ hash >> 16) & 255];
    for (struct shared_paths *s = *bucket; s != NULL; s = s->next)
        if (s->count == count && memcmp(s->rules, list, count * sizeof *list) == 0) {
            free(list);
            return s->automaton;
        }
    struct shared_paths *s = calloc(1, sizeof *s);
    struct automaton *a = s ? automaton_new(&c->budget) : NULL;
    bool good = a != NULL;
    for (uint32_t i = 0; i < count && good; i++) {
        const struct rule *rule = rules[list[i]];
        const char *why;
        for (size_t j = 0; j < rule->glob_count && good; j++)
            good = glob_parse(rule->globs[j], c->glob, &why) == 0 && automaton_add(a, c->glob, list[i]) == 0;
    }
    if (!good || automaton_seal(a) < 0) { /* the automaton itself is the budget's to free */
        free(list);
        free(s);
        return NULL;
    }
    *s = (struct shared_paths){.rules = list, .count = count, .automaton = a, .next = *bucket};
    *bucket = s;
    return a;
}

static int by_shape_and_value(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = memcmp(x->box.mask, y->box.mask, sizeof x->box.mask);
    if (order == 0)
        order = memcmp(x->box.value, y->box.value, sizeof x->box.value);
    return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static int by_first(const void *a, const void *b)
{
    const struct shape *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* One entry from the members with its values, which stand in the order of their rules. */
static int fill_entry(struct compiled *c, struct call_rules *call, struct shape *s, struct rule *const *rules,
                      struct member *members, uint32_t count)
{
    uint32_t paths = 0;
    struct entry e = {.plain = AUTOMATON_NONE, .used = true};
    memcpy(e.value, members[0].box.value, sizeof e.value);
    if (members[0].rule < s->first)
        s->first = members[0].rule;
    for (uint32_t i = 0; i < count && e.plain == AUTOMATON_NONE; i++) {
        if (rules[members[i].rule]->glob_count == 0)
            e.plain = members[i].rule;
        else if (paths == 0 || members[paths - 1].rule != members[i].rule)
            members[paths++].rule = members[i].rule; /* in place: what lies before was looked at */
    }
    if (paths > 0) {
        call->wants_paths = true;
        e.paths = paths_of(c, rules, members, paths);
        if (e.paths == NULL)
            return -1;
    }
    uint64_t ignored = 0;
    *find_entry(s, e.value, &ignored) = e;
    return 0;
}

/* All members with one set of masks, sorted by value. */
static int fill_shape(struct compiled *c, struct call_rules *call, struct shape *s, struct rule *const *rules,
                      struct member *members, size_t count)
{
    memcpy(s->mask, members[0].box.mask, sizeof s->mask);
    s->first = AUTOMATON_NONE;
    for (s->size = 2; s->size < 2 * count; s->size *= 2)
        ;
    s->table = calloc(s->size, sizeof *s->table);
    if (s->table == NULL)
        return -1;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count; to++)
            if (memcmp(members[from].box.value, members[to].box.value, sizeof members[to].box.value) != 0)
                break;
        if (fill_entry(c, call, s, rules, members + from, (uint32_t)(to - from)) < 0)
            return -1;
    }
    return 0;
}

static int fill_call(struct compiled *c, struct call_rules *call, struct rule *const *rules, struct member *members,
                     size_t count, const char **why)
{
    qsort(members, count, sizeof *members, by_shape_and_value);
    size_t shapes = 0;
    for (size_t i = 0; i < count; i++)
        shapes += i == 0 || memcmp(members[i].box.mask, members[i - 1].box.mask, sizeof members[i].box.mask) != 0;
    *why = "the rules ask for arguments in too many different ways";
    if (shapes > MOST_SHAPES)
        return -1;
    *why = "out of memory, or too many patterns";
    call->shapes = calloc(shapes, sizeof *call->shapes);
    if (call->shapes == NULL)
        return -1;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count; to++)
            if (memcmp(members[from].box.mask, members[to].box.mask, sizeof members[to].box.mask) != 0)
                break;
        if (fill_shape(c, call, &call->shapes[call->shape_count++], rules, members + from, to - from) < 0)
            return -1;
    }
    qsort(call->shapes, call->shape_count, sizeof *call->shapes, by_first);
    return 0;
}

struct member_list {
    struct member *list;
    size_t count, room;
};

static int add_member(struct compiled *c, struct member_list *m, const struct box *box, uint32_t rule)
{
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 64;
        struct member *more = realloc(m->list, room * sizeof *more);
        if (more == NULL)
            return -1;
        m->list = more;
        m->room = room;
    }
    m->list[m->count++] = (struct member){.box = *box, .rule = rule};
    return ++c->entries > MOST_ENTRIES ? -1 : 0;
}

static bool rule_speaks_of(const struct rule *rule, int nr)
{
    return rule->calls[nr / 64] >> (nr % 64) & 1;
}

static int gather(struct compiled *c, const struct policy_sources *s, int nr, struct member_list *m, const char **why)
{
    m->count = 0;
    *why = "out of memory, or too many conditions";
    for (uint32_t i = 0; i < s->rule_count; i++) {
        struct boxes boxes;
        struct policy_origin origin;
        char words[512];
        if (!rule_speaks_of(s->rules[i], nr))
            continue;
        static const struct box everything;
        int result = 0;
        if (s->rules[i]->condition_count == 0) {
            if (add_member(c, m, &everything, i) < 0)
                return -1;
            if (s->rules[i]->glob_count == 0)
                break; /* it decides: nothing behind it is ever asked */
            continue;
        }
        if (conditions_boxes(s->rules[i], nr, &boxes, &origin, words) < 0)
            return -1;
        for (size_t j = 0; j < boxes.count && result == 0; j++)
            result = add_member(c, m, &boxes.list[j], i);
        boxes_free(&boxes);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- names that must not change ---- */

static bool forbids_by_path(const struct rule *r)
{
    return r->glob_count > 0 && (r->shown.action == POLICY_DENY || r->shown.action == POLICY_KILL);
}

static int gather_names(struct compiled *c, const struct policy_sources *s)
{
    const char *why;
    for (uint32_t i = 0; i < s->rule_count; i++) {
        const struct rule *r = s->rules[i];
        if (!forbids_by_path(r))
            continue;
        if (c->names == NULL && (c->names = automaton_new(&c->budget)) == NULL)
            return -1;
        for (size_t j = 0; j < r->glob_count; j++)
            if (glob_parse(r->globs[j], c->glob, &why) < 0 || automaton_add(c->names, c->glob, i) < 0)
                return -1;
    }
    return c->names == NULL ? 0 : automaton_seal(c->names);
}

unsigned policy_names_lost(int nr, const uint64_t argument[6])
{
    switch (nr) {
    case SYS_rename:
    case SYS_renameat:
    case SYS_link:
    case SYS_linkat:
        return 1;
    case SYS_renameat2:
        return (argument[4] & RENAME_EXCHANGE) != 0 ? 3 : 1;
    default:
        return 0;
    }
}

const struct policy_rule *policy_bars_name(const struct policy *p, const char *from, const char *to, bool below)
{
    struct compiled *c = p->sources->compiled;
    if (c == NULL || c->names == NULL)
        return NULL;
    uint32_t rule = automaton_lost(c->names, from, to, below);
    return rule == AUTOMATON_NONE ? NULL : &p->sources->rules[rule]->shown;
}

int policy_compile(struct policy *p, struct policy_error *error)
{
    struct policy_sources *s = p->sources;
    struct reader r = {.policy = p, .error = error, .file = p->path ? p->path : "(built in)"};
    if (lists_settle(&r) < 0)
        return -1;
    compiled_free(s->compiled);
    s->compiled = NULL;
    if (s->rule_count == 0)
        return 0;
    struct compiled *c = calloc(1, sizeof *c);
    struct member_list m = {0};
    const char *why = "out of memory";
    int result = 0, nr = 0;
    if (c == NULL || (c->glob = malloc(sizeof *c->glob)) == NULL)
        result = -1;
    for (; nr < SYSENT_COUNT && result == 0; nr++) {
        if (sysent_get((uint64_t)nr) == NULL)
            continue;
        result = gather(c, s, nr, &m, &why);
        if (result == 0 && m.count > 0)
            result = fill_call(c, &c->calls[nr], s->rules, m.list, m.count, &why);
    }
    free(m.list);
    if (result == 0 && gather_names(c, s) < 0) {
        why = "out of memory, or too many patterns";
        result = -1;
    }
    if (result < 0) {
        compiled_free(c);
        const struct sysent *call = nr > 0 ? sysent_get((uint64_t)nr - 1) : NULL;
        return reader_fail(&r, NULL, "calls: %s%s%s", why, call ? ", at the rules for " : "", call ? call->name : "");
    }
    s->compiled = c;
    return 0;
}

/* ---- deciding ---- */

static uint32_t ask_entry(const struct entry *e, const struct policy_query *q, uint32_t best)
{
    if (e->plain < best)
        best = e->plain;
    if (e->paths == NULL || automaton_first(e->paths) >= best)
        return best;
    for (size_t i = 0; i < sizeof q->path / sizeof *q->path; i++) {
        uint32_t found = q->path[i] ? automaton_run(e->paths, q->path[i]) : AUTOMATON_NONE;
        if (found < best)
            best = found;
    }
    return best;
}

const struct policy_rule *policy_decide(const struct policy *p, const struct policy_query *q)
{
    struct compiled *c = p->sources->compiled;
    if (c == NULL || q->nr < 0 || q->nr >= SYSENT_COUNT)
        return NULL;
    const struct call_rules *call = &c->calls[q->nr];
    uint32_t best = AUTOMATON_NONE;
    for (uint32_t i = 0; i < call->shape_count && call->shapes[i].first < best; i++) {
        const struct shape *s = &call->shapes[i];
        uint64_t value[SYSENT_ARGUMENTS];
        for (int j = 0; j < SYSENT_ARGUMENTS; j++)
            value[j] = q->argument[j] & s->mask[j];
        const struct entry *e = find_entry(s, value, &c->probes);
        if (e->used)
            best = ask_entry(e, q, best);
    }
    return best == AUTOMATON_NONE ? NULL : &p->sources->rules[best]->shown;
}

static bool guards_names(const struct compiled *c, int nr)
{
    static const uint64_t any[SYSENT_ARGUMENTS];
    return c->names != NULL && policy_names_lost(nr, any) != 0;
}

bool policy_has_rules(const struct policy *p, int nr)
{
    const struct compiled *c =
        p->sources != NULL ? p->sources->compiled : NULL; /* a policy made by hand has no rules */
    return c != NULL && nr >= 0 && nr < SYSENT_COUNT && (c->calls[nr].shape_count > 0 || guards_names(c, nr));
}

bool policy_wants_paths(const struct policy *p, int nr)
{
    return policy_has_rules(p, nr) &&
           (p->sources->compiled->calls[nr].wants_paths || guards_names(p->sources->compiled, nr));
}
