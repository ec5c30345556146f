/* `calls:`: reading the rules, and telling one in words (docs/policy.md "Rules"). What a rule means for each call is
 * found out here too, so that a rule that could never match is an error at its line and not a surprise later. */
#include "policy/internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conditions.h"
#include "policy/glob.h"
#include "policy/schema.h"
#include "policy/units.h"

enum { MOST_RULES = 100000, MOST_NAMES = 512, MOST_GLOBS = 10000 };

static const char *const action_names[] = {
    [POLICY_DENY] = "deny", [POLICY_ANSWER] = "answer", [POLICY_KILL] = "kill",
    [POLICY_LOG] = "log",   [POLICY_ALLOW] = "allow",
};

static const char *const family_names[] = {
    [FAMILY_FILE] = "file",
    [FAMILY_MEMORY] = "memory",
    [FAMILY_PROCESS] = "process",
    [FAMILY_SIGNAL] = "signal",
    [FAMILY_TIME] = "time",
    [FAMILY_NETWORK] = "network",
    [FAMILY_IPC] = "ipc",
    [FAMILY_POLL] = "poll",
    [FAMILY_SCHED] = "sched",
    [FAMILY_SYSTEM] = "system",
    NULL,
};

const struct schema_key schema_rule[] = {
    {.name = "deny", .type = SCHEMA_OTHER},
    {.name = "answer", .type = SCHEMA_OTHER},
    {.name = "kill", .type = SCHEMA_OTHER},
    {.name = "log", .type = SCHEMA_OTHER},
    {.name = "allow", .type = SCHEMA_OTHER},
    {.name = "path", .type = SCHEMA_OTHER},
    {.name = "args", .type = SCHEMA_OTHER},
    {.name = "errno", .type = SCHEMA_OTHER},
    {.name = "value", .type = SCHEMA_OTHER},
    {.name = "note", .type = SCHEMA_OTHER},
    {.name = NULL},
};

const char *rule_action_name(enum policy_action action)
{
    return action_names[action];
}

static const char family_prefix[] = "family:";

static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?[") != NULL || strncmp(name, family_prefix, strlen(family_prefix)) == 0;
}

static bool has_path(const struct sysent *s)
{
    for (int i = 0; i < s->argument_count; i++)
        if (s->argument[i] == ARG_PATH)
            return true;
    return false;
}

static void set_call(struct rule *rule, int nr)
{
    rule->calls[nr / 64] |= 1ULL << (nr % 64);
}

/* Whether the rule's path and args can be asked of this call; an error where the call was named itself. */
static int fits(struct reader *r, const struct node *at, const struct rule *rule, int nr)
{
    const struct sysent *s = sysent_get((uint64_t)nr);
    if (rule->glob_count > 0 && !has_path(s))
        return reader_fail(r, at, "%s has no path: 'path' could never match", s->name);
    if (rule->condition_count == 0)
        return 0;
    struct boxes boxes;
    struct policy_origin origin;
    char why[512];
    int result = conditions_boxes(rule, nr, &boxes, &origin, why);
    boxes_free(&boxes);
    if (result == 0)
        return 0;
    struct node there = {.line = origin.line, .column = origin.column};
    return reader_fail(r, &there, "%s", why);
}

/* The calls of "sched_*" or "family:network" that the rule's conditions fit; none is an error. */
static int add_pattern(struct reader *r, const struct node *at, const char *name, struct rule *rule)
{
    size_t prefix = strlen(family_prefix);
    int family = -1, last = -1, fitting = 0;
    if (strncmp(name, family_prefix, prefix) == 0) {
        family = 0;
        while (family_names[family] != NULL && strcmp(family_names[family], name + prefix) != 0)
            family++;
        if (family_names[family] == NULL) {
            char near[128];
            return reader_fail(r, at, "no family of calls is named '%.64s'%s", name + prefix,
                               reader_suggest(name + prefix, family_names, near));
        }
    }
    for (int nr = 0; nr < SYSENT_COUNT; nr++) {
        const struct sysent *s = sysent_get((uint64_t)nr);
        if (s == NULL || (family >= 0 ? (int)s->family != family : fnmatch(name, s->name, 0) != 0))
            continue;
        last = nr;
        if (rule->glob_count > 0 && !has_path(s))
            continue;
        if (fits(r, at, rule, nr) == 0) {
            set_call(rule, nr);
            fitting++;
        }
    }
    if (last < 0)
        return reader_fail(r, at, "no system call matches '%.64s'", name);
    return fitting > 0 ? 0 : fits(r, at, rule, last); /* says why not */
}

/* Calls that do the same thing to a path by another door. */
static const char *const ways[][5] = {
    {"open", "creat", "openat", "openat2"},
    {"stat", "lstat", "newfstatat", "statx"},
    {"access", "faccessat", "faccessat2"},
    {"chmod", "fchmodat", "fchmodat2"},
    {"chown", "lchown", "fchownat"},
    {"execve", "execveat"},
    {"link", "linkat"},
    {"mkdir", "mkdirat"},
    {"mknod", "mknodat"},
    {"readlink", "readlinkat"},
    {"rename", "renameat", "renameat2"},
    {"symlink", "symlinkat"},
    {"unlink", "unlinkat"},
    {"utime", "utimes", "futimesat", "utimensat"},
    {"setxattr", "lsetxattr", "setxattrat"},
    {"getxattr", "lgetxattr", "getxattrat"},
    {"listxattr", "llistxattr", "listxattrat"},
    {"removexattr", "lremovexattr", "removexattrat"},
};

/* A rule about a path that names one door is about all of them, as far as its arguments fit: nobody who writes openat means
 * that open(2) may. */
static void add_other_ways(struct reader *r, const struct node *at, const char *name, struct rule *rule)
{
    for (size_t i = 0; rule->glob_count > 0 && i < sizeof ways / sizeof *ways; i++) {
        bool among = false;
        for (size_t j = 0; ways[i][j] != NULL; j++)
            among |= strcmp(ways[i][j], name) == 0;
        for (size_t j = 0; among && ways[i][j] != NULL; j++) {
            int nr = sysent_number(ways[i][j]);
            if (fits(r, at, rule, nr) == 0)
                set_call(rule, nr);
        }
    }
}

static int add_call(struct reader *r, const struct node *item, struct rule *rule)
{
    if (item->kind != NODE_SCALAR || node_is_null(item) || item->size == 0 || strlen(item->text) != item->size)
        return reader_fail(r, item, "expected a system call's name, a pattern such as \"sched_*\", or family:NAME");
    const char *name = policy_duplicate(r->policy, item->text, item->size);
    if (name == NULL)
        return reader_out_of_memory(r);
    rule->names[rule->name_count++] = name;
    if (is_pattern(name))
        return add_pattern(r, item, name, rule);
    int nr = sysent_number(name);
    if (nr < 0) {
        const char *near = strlen(name) < 64 ? sysent_nearest(name) : NULL;
        return reader_fail(r, item, "no system call is named '%.64s'%s%s%s", name, near ? " (did you mean '" : "",
                           near ? near : "", near ? "'?)" : "");
    }
    set_call(rule, nr);
    if (fits(r, item, rule, nr) < 0)
        return -1;
    add_other_ways(r, item, name, rule);
    return 0;
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

static int read_calls(struct reader *r, const struct node *value, struct rule *rule)
{
    const struct node *const *items;
    size_t count = as_list(&value, &items);
    if (count == 0 || count > MOST_NAMES)
        return reader_fail(r, value, "expected 1 to %d system calls", MOST_NAMES);
    rule->names = policy_allocate(r->policy, count * sizeof *rule->names);
    if (rule->names == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < count; i++)
        if (add_call(r, items[i], rule) < 0)
            return -1;
    return 0;
}

static int read_paths(struct reader *r, const struct node *value, const char *where, struct rule *rule)
{
    const struct node *const *items;
    size_t count = as_list(&value, &items);
    if (count == 0 || count > MOST_GLOBS)
        return reader_fail(r, value, "%s.path: expected 1 to %d patterns", where, MOST_GLOBS);
    rule->globs = policy_allocate(r->policy, count * sizeof *rule->globs);
    struct glob *glob = malloc(sizeof *glob);
    if (!rule->globs || !glob) {
        free(glob);
        return reader_out_of_memory(r);
    }
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct node *item = items[i];
        const char *why;
        if (item->kind != NODE_SCALAR || node_is_null(item) || strlen(item->text) != item->size)
            result = reader_fail(r, item, "%s.path: expected a pattern such as \"/data/**\"", where);
        else if (glob_parse(item->text, glob, &why) < 0)
            result = reader_fail(r, item, "%s.path: '%.100s': %s", where, item->text, why);
        else if ((rule->globs[i] = policy_duplicate(r->policy, item->text, item->size)) == NULL)
            result = reader_out_of_memory(r);
        rule->glob_count += result == 0;
    }
    free(glob);
    rule->shown.about_path = true;
    return result;
}

static int read_errno(struct reader *r, const struct node *value, const char *where, int *error)
{
    uint64_t number;
    const char *why;
    if (value->kind == NODE_SCALAR) {
        *error = policy_errno_number(value->text);
        if (*error > 0)
            return 0;
        if (units_read_number(value->text, &number, &why) == 0 && number < 4096 && policy_errno_name((int)number)) {
            *error = (int)number;
            return 0;
        }
    }
    const char *names[140];
    size_t count = 0;
    for (int i = 1; i < 134; i++)
        if (policy_errno_name(i) != NULL)
            names[count++] = policy_errno_name(i);
    names[count] = NULL;
    char near[128] = "";
    return reader_fail(r, value, "%s.errno: '%.64s': expected an errno such as EACCES%s", where,
                       value->kind == NODE_SCALAR ? value->text : "",
                       value->kind == NODE_SCALAR ? reader_suggest(value->text, names, near) : near);
}

/* What only one action has: errno of deny, value of answer. */
static int read_outcome(struct reader *r, const struct node *item, const char *where, struct rule *rule)
{
    const struct node *key, *value = schema_find(item, "errno", &key);
    struct policy_rule *shown = &rule->shown;
    shown->error = shown->action == POLICY_DENY ? policy_errno_number("EPERM") : 0;
    if (value != NULL && shown->action != POLICY_DENY)
        return reader_fail(r, key, "%s: errno belongs to deny, not to %s", where, action_names[shown->action]);
    if (value != NULL && read_errno(r, value, where, &shown->error) < 0)
        return -1;
    value = schema_find(item, "value", &key);
    if (value == NULL)
        return 0;
    const char *why = "expected a number";
    if (shown->action != POLICY_ANSWER)
        return reader_fail(r, key, "%s: value belongs to answer, not to %s", where, action_names[shown->action]);
    if (value->kind != NODE_SCALAR || units_read_integer(value->text, &shown->answer, &why) < 0)
        return reader_fail(r, value, "%s.value: %s", where, why);
    if (shown->answer < 0)
        return reader_fail(r, value, "%s.value: less than 0 is an error: write deny and errno", where);
    return 0;
}

static int read_note(struct reader *r, const struct node *item, const char *where, struct rule *rule)
{
    const struct node *value = schema_find(item, "note", NULL);
    if (value == NULL)
        return 0;
    if (value->kind != NODE_SCALAR || node_is_null(value) || strlen(value->text) != value->size || value->size > 1000)
        return reader_fail(r, value, "%s.note: expected a text of at most 1000 bytes", where);
    for (const char *c = value->text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return reader_fail(r, value, "%s.note: a control character in it", where);
    rule->shown.note = policy_duplicate(r->policy, value->text, value->size);
    return rule->shown.note ? 0 : reader_out_of_memory(r);
}

static int read_rule(struct reader *r, const struct node *item, const char *where, struct rule *rule)
{
    if (schema_read(r, item, where, schema_rule, NULL) < 0)
        return -1;
    rule->shown.origin = reader_origin(r, item);
    const struct node *calls = NULL, *value, *key;
    for (size_t i = 0; i < sizeof action_names / sizeof *action_names; i++) {
        value = schema_find(item, action_names[i], &key);
        if (value != NULL && calls != NULL)
            return reader_fail(r, key, "%s: both '%s' and '%s'", where, action_names[rule->shown.action], key->text);
        if (value != NULL) {
            calls = value;
            rule->shown.action = (enum policy_action)i;
        }
    }
    if (calls == NULL)
        return reader_fail(r, item, "%s: one of deny, answer, kill, log or allow is missing", where);
    value = schema_find(item, "path", NULL);
    if (value != NULL && read_paths(r, value, where, rule) < 0)
        return -1;
    value = schema_find(item, "args", NULL);
    if (value != NULL && conditions_read(r, value, where, rule) < 0)
        return -1;
    if (read_calls(r, calls, rule) < 0 || read_outcome(r, item, where, rule) < 0 || read_note(r, item, where, rule) < 0)
        return -1;
    rule->shown.text = rule_describe(r->policy, rule);
    return rule->shown.text ? 0 : reader_out_of_memory(r);
}

/* The file's rules come before those of the files it includes, which were read before it. */
int rules_read(struct reader *r, const struct node *value)
{
    struct policy_sources *s = r->policy->sources;
    if (value->kind != NODE_SEQUENCE)
        return reader_fail(r, value, "calls: expected a list of rules");
    if (value->count + s->rule_count > MOST_RULES)
        return reader_fail(r, value, "calls: more than %d rules", MOST_RULES);
    struct rule **all = policy_allocate(r->policy, (value->count + s->rule_count + 1) * sizeof(struct rule *));
    if (all == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < value->count; i++) {
        char where[32];
        snprintf(where, sizeof where, "calls[%zu]", i);
        all[i] = policy_allocate(r->policy, sizeof *all[i]);
        if (all[i] == NULL)
            return reader_out_of_memory(r);
        if (read_rule(r, value->items[i], where, all[i]) < 0)
            return -1;
    }
    if (s->rule_count > 0)
        memcpy(all + value->count, s->rules, s->rule_count * sizeof(struct rule *));
    s->rules = all;
    s->rule_count += value->count;
    for (size_t i = 0; i < s->rule_count; i++)
        all[i]->shown.index = i;
    return 0;
}

/* ---- in words ---- */

static void put_list(FILE *f, const char *const *items, size_t count)
{
    enum { SHOWN = 6 };
    for (size_t i = 0; i < count && i < SHOWN; i++)
        fprintf(f, "%s%s", i ? ", " : "", items[i]);
    if (count > SHOWN)
        fprintf(f, " and %zu more", count - SHOWN);
}

/* "deny openat, path /data/s*, flags has O_CREAT = EACCES" */
char *rule_describe(struct policy *p, const struct rule *rule)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fprintf(f, "%s ", action_names[rule->shown.action]);
    put_list(f, rule->names, rule->name_count);
    if (rule->glob_count > 0) {
        fputs(", path ", f);
        put_list(f, rule->globs, rule->glob_count);
    }
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct condition *c = &rule->conditions[i];
        bool is_number = c->argument[0] >= '0' && c->argument[0] <= '9';
        fprintf(f, ", %s%s", is_number ? "argument " : "", c->argument);
        if (c->mask != NULL)
            fprintf(f, " & %s", c->mask);
        for (size_t j = 0; j < c->operation_count; j++) {
            fprintf(f, "%s %s ", j ? " and" : "", operator_name(c->operations[j].kind));
            put_list(f, c->operations[j].words, c->operations[j].word_count);
        }
    }
    if (rule->shown.action == POLICY_DENY)
        fprintf(f, " = %s", policy_errno_name(rule->shown.error));
    if (rule->shown.action == POLICY_ANSWER)
        fprintf(f, " = %lld", (long long)rule->shown.answer);
    char *copy = NULL;
    if (fclose(f) == 0)
        copy = policy_duplicate(p, text, size);
    free(text);
    return copy;
}

size_t policy_rule_count(const struct policy *p)
{
    return p->sources->rule_count;
}

struct policy_rule *policy_rule_at(const struct policy *p, size_t index)
{
    return &p->sources->rules[index]->shown;
}
