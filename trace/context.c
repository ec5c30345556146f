/* What is remembered of a record while it is read (trace/context.h). */
#include "trace/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETS = 8192,
    WAYS = 8, /* names of open files: the one used least recently of its set goes */
    NAME_MOST = 512,
    RULES_MOST = 4096,
    TASKS_MOST = 1 << 14, /* slots; a power of two */
};

struct open_name {
    uint64_t id, used;
    char *name; /* NULL: free */
};

struct task_pid {
    int32_t tid, pid; /* tid 0: free */
};

struct trace_context {
    struct open_name *sets[SETS]; /* of WAYS, made when they are needed */
    uint64_t uses;
    struct trace_rule *rules; /* by index; action NULL: not told */
    size_t rule_count;
    struct task_pid *tasks; /* TASKS_MOST, by tid: a later one with the same slot takes it */
};

struct trace_context *trace_context_new(void)
{
    struct trace_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->tasks = calloc(TASKS_MOST, sizeof *c->tasks);
    if (c->tasks != NULL)
        return c;
    trace_context_free(c);
    return NULL;
}

static void free_rule(struct trace_rule *r)
{
    free(r->action);
    free(r->text);
    free(r->note);
    *r = (struct trace_rule){0};
}

void trace_context_free(struct trace_context *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SETS; i++) {
        for (size_t k = 0; c->sets[i] != NULL && k < WAYS; k++)
            free(c->sets[i][k].name);
        free(c->sets[i]);
    }
    for (size_t i = 0; i < c->rule_count; i++)
        free_rule(&c->rules[i]);
    free(c->rules);
    free(c->tasks);
    free(c);
}

static char *copy(const struct event_text *t, size_t most)
{
    return strndup(t->text, t->size < most ? t->size : most);
}

static int see_open(struct trace_context *c, const struct event *e)
{
    struct open_name **where = &c->sets[e->open.id % SETS];
    if (*where == NULL && (*where = calloc(WAYS, sizeof **where)) == NULL)
        return -ENOMEM;
    struct open_name *set = *where, *place = set;
    for (struct open_name *o = set; o < set + WAYS; o++) {
        if (o->name == NULL || o->id == e->open.id) {
            place = o;
            break;
        }
        if (o->used < place->used)
            place = o;
    }
    free(place->name);
    *place = (struct open_name){e->open.id, ++c->uses, copy(&e->open.name, NAME_MOST)};
    return place->name != NULL ? 0 : -ENOMEM;
}

static int see_rule(struct trace_context *c, const struct event *e)
{
    size_t index = e->rule.index;
    if (index >= RULES_MOST)
        return 0;
    if (index >= c->rule_count) {
        struct trace_rule *more = realloc(c->rules, (index + 1) * sizeof *more);
        if (more == NULL)
            return -ENOMEM;
        memset(more + c->rule_count, 0, (index + 1 - c->rule_count) * sizeof *more);
        c->rules = more;
        c->rule_count = index + 1;
    }
    struct trace_rule *r = &c->rules[index];
    free_rule(r);
    *r = (struct trace_rule){e->rule.line, copy(&e->rule.action, 16), copy(&e->rule.text, NAME_MOST),
                             copy(&e->rule.note, NAME_MOST)};
    return r->action != NULL && r->text != NULL && r->note != NULL ? 0 : -ENOMEM;
}

int trace_context_see(struct trace_context *c, const struct event *e)
{
    switch (e->kind) {
    case EVENT_OPEN:
        return see_open(c, e);
    case EVENT_RULE:
        return see_rule(c, e);
    case EVENT_BORN:
        c->tasks[(uint32_t)e->tid % TASKS_MOST] = (struct task_pid){e->tid, e->born.pid};
        return 0;
    default:
        return 0;
    }
}

const char *trace_open_name(struct trace_context *c, uint64_t id)
{
    struct open_name *set = c->sets[id % SETS];
    for (struct open_name *o = set; set != NULL && o < set + WAYS; o++)
        if (o->name != NULL && o->id == id) {
            o->used = ++c->uses;
            return o->name;
        }
    return NULL;
}

const struct trace_rule *trace_rule(const struct trace_context *c, uint32_t number)
{
    return number >= 1 && number <= c->rule_count && c->rules[number - 1].action != NULL ? &c->rules[number - 1] : NULL;
}

int32_t trace_pid(const struct trace_context *c, int32_t tid)
{
    const struct task_pid *t = &c->tasks[(uint32_t)tid % TASKS_MOST];
    return t->tid == tid && tid != 0 ? t->pid : 0;
}
