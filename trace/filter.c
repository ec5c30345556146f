/* Filters (trace/filter.h): a recursive descent into an array of nodes, evaluated for each event. */
#include "trace/filter.h"

#include "kernel/sysent.h"
#include "policy/policy.h"
#include "trace/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MOST = 256, DEPTH_MOST = 32, VALUE_MOST = 512 };

enum test { TEST_PID, TEST_TID, TEST_CALL, TEST_PATH, TEST_TIME, TEST_RESULT, TEST_RULE, TEST_KIND, TEST_EVENT, TESTS };
static const char *const test_names[TESTS] = {"pid", "tid", "call", "path", "time", "result", "rule", "kind", "event"};
static const char *const families[] = {"%file",    "%memory", "%process", "%signal", "%time",
                                       "%network", "%ipc",    "%poll",    "%sched",  "%system"};

enum relation { IS, IS_NOT, LESS, AT_MOST, MORE, AT_LEAST };

struct node {
    enum { NODE_TEST, NODE_AND, NODE_OR, NODE_NOT } what;
    int left, right; /* nodes */
    enum test test;
    enum relation relation;
    char *value;    /* words between commas, owned */
    int64_t number; /* of a test that compares */
};

struct trace_filter {
    struct node node[NODES_MOST];
    int count, root;
};

struct parser {
    const char *text, *at;
    struct trace_filter *filter;
    char *why;
    size_t n;
    int depth;
};

static int fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct parser *p, const char *format, ...)
{
    char what[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(p->why, p->n, "filter, column %zu: %s", (size_t)(p->at - p->text) + 1, what);
    return -1;
}

/* ---- parsing ------------------------------------------------------------------------------------------------------ */

static void spaces(struct parser *p)
{
    p->at += strspn(p->at, " \t\n");
}

/* A word of the language at the cursor, as long as it stands alone. */
static bool word(struct parser *p, const char *name)
{
    size_t n = strlen(name);
    spaces(p);
    if (strncmp(p->at, name, n) != 0 || (p->at[n] != '\0' && strchr(" \t\n(", p->at[n]) == NULL))
        return false;
    p->at += n;
    return true;
}

static int add_node(struct parser *p, struct node n)
{
    if (p->filter->count == NODES_MOST) {
        free(n.value);
        return fail(p, "more than %d tests", NODES_MOST);
    }
    p->filter->node[p->filter->count] = n;
    return p->filter->count++;
}

/* The one behind the next comma; NULL: there is none. */
static const char *next_word(const char *at)
{
    const char *comma = strchr(at, ',');
    return comma != NULL ? comma + 1 : NULL;
}

static bool listed(const char *list, const char *what, size_t n)
{
    for (const char *at = list; at != NULL; at = next_word(at)) {
        size_t length = strcspn(at, ",");
        if (length == n && strncmp(at, what, n) == 0)
            return true;
    }
    return false;
}

static int64_t whole(const char *text, char **end)
{
    errno = 0;
    return strtoll(text, end, 0);
}

static int read_time(struct parser *p, struct node *n)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    char *end;
    double value = strtod(n->value, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != n->value; i++)
        if (strcmp(end, units[i].name) == 0 && value >= 0 && value * units[i].ns < 9e18) {
            n->number = (int64_t)(value * units[i].ns + 0.5);
            return 0;
        }
    return fail(p, "'%.60s' is no time: a number and one of ns, us, ms, s, m, h, d", n->value);
}

static int check_calls(struct parser *p, const struct node *n)
{
    for (const char *at = n->value; at != NULL; at = next_word(at)) {
        size_t length = strcspn(at, ",");
        char name[64];
        bool family = false;
        snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), at);
        for (size_t i = 0; i < sizeof families / sizeof *families; i++)
            family = family || strcmp(name, families[i]) == 0;
        if (family || sysent_number(name) >= 0)
            continue;
        const char *near = sysent_nearest(name);
        return name[0] == '%'
                   ? fail(p,
                          "no family '%s' (there are %%file, %%memory, %%process, %%signal, %%time, %%network, "
                          "%%ipc, %%poll, %%sched, %%system)",
                          name)
               : near != NULL ? fail(p, "no call '%s' (did you mean '%s'?)", name, near)
                              : fail(p, "no call '%s'", name);
    }
    return 0;
}

static int check_kinds(struct parser *p, const struct node *n)
{
    for (const char *at = n->value; at != NULL; at = next_word(at)) {
        size_t length = strcspn(at, ",");
        bool known = false;
        for (int k = 1; k < EVENT_KINDS; k++) {
            const char *name = event_kind_name((enum event_kind)k);
            known = known || (strlen(name) == length && strncmp(name, at, length) == 0);
        }
        if (!known)
            return fail(p, "no kind '%.*s' of event", (int)length, at);
    }
    return 0;
}

static int check_numbers(struct parser *p, struct node *n)
{
    for (const char *at = n->value; at != NULL; at = next_word(at)) {
        char *end;
        n->number = whole(at, &end);
        if (end == at || (*end != ',' && *end != '\0') || errno != 0)
            return fail(p, "%s: '%.60s' is no number", test_names[n->test], n->value);
    }
    return 0;
}

static int check_result(struct parser *p, struct node *n)
{
    char *end;
    n->number = whole(n->value, &end);
    if (end != n->value && *end == '\0' && errno == 0)
        return 0;
    if (n->relation > IS_NOT)
        return fail(p, "result: '%.60s' is no number", n->value);
    for (const char *at = n->value; at != NULL; at = next_word(at)) {
        size_t length = strcspn(at, ",");
        bool known = (length == 2 && strncmp(at, "ok", 2) == 0) || (length == 5 && strncmp(at, "error", 5) == 0);
        for (int error = 1; error < 4096 && !known; error++) {
            const char *name = policy_errno_name(error);
            known = name != NULL && strlen(name) == length && strncmp(name, at, length) == 0;
        }
        if (!known)
            return fail(p, "result: '%.*s' is neither ok, error, a number nor the name of an error", (int)length, at);
    }
    return 0;
}

static int check_test(struct parser *p, struct node *n)
{
    bool compares = n->test == TEST_TIME || n->test == TEST_EVENT || n->test == TEST_RESULT || n->test == TEST_PID ||
                    n->test == TEST_TID;
    if (!compares && n->relation > IS_NOT)
        return fail(p, "%s can be = or != only", test_names[n->test]);
    switch (n->test) {
    case TEST_TIME:
        return read_time(p, n);
    case TEST_CALL:
        return check_calls(p, n);
    case TEST_KIND:
        return check_kinds(p, n);
    case TEST_RESULT:
        return check_result(p, n);
    case TEST_PATH:
    case TEST_RULE:
        return 0;
    default:
        return check_numbers(p, n);
    }
}

static int read_relation(struct parser *p, enum relation *r)
{
    static const struct {
        const char *text;
        enum relation relation;
    } relations[] = {{"!=", IS_NOT}, {"<=", AT_MOST}, {">=", AT_LEAST}, {"=", IS}, {"<", LESS}, {">", MORE}};
    spaces(p);
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        size_t n = strlen(relations[i].text);
        if (strncmp(p->at, relations[i].text, n) == 0) {
            *r = relations[i].relation;
            p->at += n;
            return 0;
        }
    }
    return fail(p, "expected =, !=, <, <=, > or >=");
}

/* Up to a space or a closing parenthesis, or between quotes. */
static char *read_value(struct parser *p)
{
    spaces(p);
    char quote = *p->at == '\'' || *p->at == '"' ? *p->at : '\0';
    const char *from = p->at + (quote != '\0');
    size_t n = quote != '\0' ? strcspn(from, quote == '"' ? "\"" : "'") : strcspn(from, " \t\n)");
    if (quote != '\0' && from[n] == '\0') {
        fail(p, "the quote is not closed");
        return NULL;
    }
    if (n == 0 || n > VALUE_MOST) {
        fail(p, n == 0 ? "expected a value" : "the value is too long");
        return NULL;
    }
    char *value = strndup(from, n);
    if (value == NULL)
        fail(p, "out of memory");
    p->at = from + n + (quote != '\0');
    return value;
}

static int read_test(struct parser *p)
{
    struct node n = {.what = NODE_TEST, .test = TESTS};
    spaces(p);
    size_t length = strspn(p->at, "abcdefghijklmnopqrstuvwxyz");
    for (int i = 0; i < TESTS; i++)
        if (strlen(test_names[i]) == length && strncmp(p->at, test_names[i], length) == 0)
            n.test = (enum test)i;
    if (*p->at == '\0')
        return fail(p, "expected a test, such as call=openat");
    if (n.test == TESTS)
        return fail(p, "no test '%.*s' (there are pid, tid, call, path, time, result, rule, kind, event)",
                    length > 0 ? (int)length : 1, p->at);
    p->at += length;
    if (read_relation(p, &n.relation) < 0)
        return -1;
    const char *value_at = p->at;
    n.value = read_value(p);
    if (n.value == NULL)
        return -1;
    const char *after = p->at;
    p->at = value_at; /* where an error is */
    if (check_test(p, &n) < 0) {
        free(n.value);
        return -1;
    }
    p->at = after;
    return add_node(p, n);
}

static int read_or(struct parser *p);

static int read_unary(struct parser *p)
{
    int inner;
    if (++p->depth > DEPTH_MOST)
        return fail(p, "nested deeper than %d", DEPTH_MOST);
    if (word(p, "not")) {
        inner = read_unary(p);
        inner = inner < 0 ? -1 : add_node(p, (struct node){.what = NODE_NOT, .left = inner});
    } else if (spaces(p), *p->at == '(') {
        p->at++;
        inner = read_or(p);
        spaces(p);
        if (inner >= 0 && *p->at++ != ')') {
            p->at--;
            inner = fail(p, "expected ')'");
        }
    } else {
        inner = read_test(p);
    }
    p->depth--;
    return inner;
}

static int read_and(struct parser *p)
{
    int left = read_unary(p);
    while (left >= 0 && word(p, "and")) {
        int right = read_unary(p);
        left = right < 0 ? -1 : add_node(p, (struct node){.what = NODE_AND, .left = left, .right = right});
    }
    return left;
}

static int read_or(struct parser *p)
{
    int left = read_and(p);
    while (left >= 0 && word(p, "or")) {
        int right = read_and(p);
        left = right < 0 ? -1 : add_node(p, (struct node){.what = NODE_OR, .left = left, .right = right});
    }
    return left;
}

struct trace_filter *trace_filter_parse(const char *text, char *why, size_t n)
{
    struct trace_filter *f = calloc(1, sizeof *f);
    struct parser p = {.text = text, .at = text, .filter = f, .why = why, .n = n};
    if (f == NULL) {
        snprintf(why, n, "out of memory");
        return NULL;
    }
    if (strlen(text) > FILTER_MOST)
        f->root = fail(&p, "longer than %d bytes", FILTER_MOST);
    else
        f->root = read_or(&p);
    spaces(&p);
    if (f->root >= 0 && *p.at != '\0')
        f->root = fail(&p, "expected 'and', 'or' or the end");
    if (f->root >= 0)
        return f;
    trace_filter_free(f);
    return NULL;
}

void trace_filter_free(struct trace_filter *f)
{
    for (int i = 0; f != NULL && i < f->count; i++)
        free(f->node[i].value);
    free(f);
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

/* `*` and `?` within a name, `**` anything; a pattern that ends in two stars takes the directory itself, too. */
static bool matches(const char *pattern, size_t length, const char *text, size_t n)
{
    const char *p = pattern, *p_end = pattern + length, *t = text, *t_end = text + n;
    const char *retry_p = NULL, *retry_t = NULL, *deep_p = NULL, *deep_t = NULL;
    if (length >= 3 && strncmp(p_end - 3, "/**", 3) == 0 && n == length - 3 && memcmp(pattern, text, n) == 0)
        return true;
    for (;;) {
        if (p < p_end && *p == '*') {
            bool deep = p + 1 < p_end && p[1] == '*';
            p += deep ? 2 : 1;
            if (deep) {
                deep_p = p;
                deep_t = t;
                retry_p = NULL;
            } else {
                retry_p = p;
                retry_t = t;
            }
            continue;
        }
        if (t == t_end && p == p_end)
            return true;
        if (t < t_end && p < p_end && (*p == *t || (*p == '?' && *t != '/'))) {
            p++;
            t++;
            continue;
        }
        if (retry_p != NULL && retry_t < t_end && *retry_t != '/') {
            p = retry_p;
            t = ++retry_t;
        } else if (deep_p != NULL && deep_t < t_end) {
            p = deep_p;
            t = ++deep_t;
            retry_p = NULL;
        } else {
            return false;
        }
    }
}

static bool path_listed(const char *list, const char *text, size_t n)
{
    for (const char *at = list; at != NULL; at = next_word(at))
        if (matches(at, strcspn(at, ","), text, n))
            return true;
    return false;
}

static bool path_test(const char *list, struct trace_context *c, const struct event *e)
{
    if (e->kind == EVENT_EXEC)
        return path_listed(list, e->exec.program.text, e->exec.program.size);
    if (e->kind == EVENT_FILE)
        return path_listed(list, e->file.path.text, e->file.path.size);
    if (e->kind == EVENT_OPEN)
        return path_listed(list, e->open.name.text, e->open.name.size);
    if (e->kind != EVENT_CALL)
        return false;
    const struct sysent *s = sysent_get(e->call.nr);
    for (int i = 0; s != NULL && i < s->argument_count; i++) {
        size_t n;
        const char *path = s->argument[i] == ARG_PATH ? decode_string(e, i, &n) : NULL;
        if (path != NULL && path_listed(list, path, n))
            return true;
    }
    for (unsigned i = 0; i < e->call.open_count; i++) {
        const char *name = trace_open_name(c, e->call.open[i].id);
        if (name != NULL && path_listed(list, name, strlen(name)))
            return true;
    }
    return false;
}

static bool call_test(const char *list, const struct event *e)
{
    if (e->kind != EVENT_CALL && e->kind != EVENT_BLOCK)
        return false;
    const struct sysent *s = sysent_get(e->call.nr);
    return s != NULL &&
           (listed(list, s->name, strlen(s->name)) || listed(list, families[s->family], strlen(families[s->family])));
}

static bool compare(const struct node *n, int64_t value)
{
    char text[24];
    switch (n->relation) {
    case LESS:
        return value < n->number;
    case AT_MOST:
        return value <= n->number;
    case MORE:
        return value > n->number;
    case AT_LEAST:
        return value >= n->number;
    default:
        snprintf(text, sizeof text, "%lld", (long long)value);
        return value == n->number || listed(n->value, text, strlen(text));
    }
}

static bool result_test(const struct node *n, const struct event *e)
{
    if (e->kind != EVENT_CALL || !e->call.has_result)
        return false;
    int64_t result = e->call.result;
    bool error = result < 0 && result >= -4095;
    if (n->relation > IS_NOT)
        return compare(n, result);
    const char *name = error ? policy_errno_name((int)-result) : NULL;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)result);
    return (name != NULL && listed(n->value, name, strlen(name))) || listed(n->value, number, strlen(number)) ||
           (error ? listed(n->value, "error", 5) : listed(n->value, "ok", 2));
}

static bool rule_test(const char *list, struct trace_context *c, const struct event *e)
{
    uint32_t number = e->kind == EVENT_CALL ? e->call.rule : 0;
    const struct trace_rule *r = trace_rule(c, number);
    char line[16];
    if (number == 0)
        return listed(list, "none", 4);
    snprintf(line, sizeof line, "%u", r != NULL ? r->line : 0);
    return listed(list, "any", 3) ||
           (r != NULL && (listed(list, r->action, strlen(r->action)) || listed(list, line, strlen(line))));
}

static bool test(const struct node *n, struct trace_context *c, const struct event *e)
{
    const char *kind = event_kind_name(e->kind);
    switch (n->test) {
    case TEST_PID:
        return compare(n, trace_pid(c, e->tid));
    case TEST_TID:
        return compare(n, e->tid);
    case TEST_CALL:
        return call_test(n->value, e);
    case TEST_PATH:
        return path_test(n->value, c, e);
    case TEST_TIME:
        return compare(n, e->time);
    case TEST_RESULT:
        return result_test(n, e);
    case TEST_RULE:
        return rule_test(n->value, c, e);
    case TEST_KIND:
        return listed(n->value, kind, strlen(kind));
    default:
        return compare(n, (int64_t)e->index);
    }
}

static bool holds(const struct trace_filter *f, int at, struct trace_context *c, const struct event *e)
{
    const struct node *n = &f->node[at];
    switch (n->what) {
    case NODE_AND:
        return holds(f, n->left, c, e) && holds(f, n->right, c, e);
    case NODE_OR:
        return holds(f, n->left, c, e) || holds(f, n->right, c, e);
    case NODE_NOT:
        return !holds(f, n->left, c, e);
    default:
        return test(n, c, e) != (n->relation == IS_NOT);
    }
}

bool trace_filter_takes(const struct trace_filter *f, struct trace_context *c, const struct event *e)
{
    return f == NULL || holds(f, f->root, c, e);
}
