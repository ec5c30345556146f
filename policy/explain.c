/* `policy explain`: which line decides a call, said in words. It asks the rules one after the other, in the order they
 * are written in: the compiled ones (policy/compile.c) must agree, and the tests compare.
 *
 * What was not said on the command line (an argument, the path) is unknown, not zero: a rule that depends on it is told
 * as an "if". */
#include "policy/internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "policy/arguments.h"
#include "policy/conditions.h"
#include "policy/explain.h"
#include "policy/glob.h"
#include "policy/network.h"
#include "policy/schema.h"

enum verdict { NO, PERHAPS, YES };

/* The call as far as it was said. */
struct question {
    int nr;
    const struct sysent *sysent;
    uint64_t argument[SYSENT_ARGUMENTS];
    bool known[SYSENT_ARGUMENTS];
    char *path[2];
    int path_arguments; /* how many the call has */
};

static enum verdict ask_paths(const struct rule *rule, const struct question *q)
{
    if (rule->glob_count == 0)
        return YES;
    struct glob *g = malloc(sizeof *g);
    enum verdict v = NO;
    const char *why;
    for (int i = 0; i < q->path_arguments && i < 2 && v != YES; i++)
        if (q->path[i] == NULL)
            v = PERHAPS;
    for (size_t i = 0; g != NULL && i < rule->glob_count && v != YES; i++) {
        if (glob_parse(rule->globs[i], g, &why) < 0)
            continue;
        for (int j = 0; j < 2; j++)
            if (q->path[j] != NULL && glob_matches(g, q->path[j]))
                v = YES;
    }
    free(g);
    return v;
}

static enum verdict ask_box(const struct box *b, const struct question *q)
{
    enum verdict v = YES;
    for (int i = 0; i < SYSENT_ARGUMENTS; i++) {
        if (b->mask[i] == 0)
            continue;
        if (!q->known[i])
            v = PERHAPS;
        else if ((q->argument[i] & b->mask[i]) != b->value[i])
            return NO;
    }
    return v;
}

static enum verdict ask_rule(const struct rule *rule, const struct question *q)
{
    if (!(rule->calls[q->nr / 64] >> (q->nr % 64) & 1))
        return NO;
    enum verdict paths = ask_paths(rule, q), arguments = NO;
    if (paths == NO || rule->condition_count == 0)
        return paths;
    struct boxes boxes;
    struct policy_origin origin;
    char why[512];
    if (conditions_boxes(rule, q->nr, &boxes, &origin, why) < 0)
        return NO;
    for (size_t i = 0; i < boxes.count && arguments != YES; i++) {
        enum verdict v = ask_box(&boxes.list[i], q);
        if (v > arguments)
            arguments = v;
    }
    boxes_free(&boxes);
    return arguments < paths ? arguments : paths;
}

const struct policy_rule *explain_decide(const struct policy *p, const struct policy_query *query)
{
    struct question q = {.nr = query->nr, .sysent = sysent_get((uint64_t)query->nr)};
    if (q.sysent == NULL)
        return NULL;
    for (int i = 0; i < SYSENT_ARGUMENTS; i++) {
        q.argument[i] = query->argument[i];
        q.known[i] = true;
    }
    for (int i = 0; i < 2; i++)
        q.path[i] = (char *)query->path[i];
    for (size_t i = 0; i < p->sources->rule_count; i++) /* no path_arguments: what is NULL is no path */
        if (ask_rule(p->sources->rules[i], &q) == YES)
            return &p->sources->rules[i]->shown;
    return NULL;
}

/* ---- what was asked ---- */

static int fail(struct policy_error *error, const char *format, const char *a, const char *b)
{
    snprintf(error->text, sizeof error->text, format, a, b);
    return -1;
}

static char *absolute(const struct policy *p, const char *word)
{
    char *path;
    int length = word[0] == '/' ? asprintf(&path, "%s", word) : asprintf(&path, "%s/%s", p->cwd, word);
    return length < 0 ? NULL : path;
}

/* The next argument that a bare word can stand for: no pointer, no directory to start from. */
static int next_argument(const struct sysent *s, int from)
{
    for (; from < s->argument_count; from++)
        switch (s->argument[from]) {
        case ARG_STR:
        case ARG_PTR:
        case ARG_ARGV:
        case ARG_SOCKADDR:
        case ARG_DIRFD:
            continue;
        default:
            return from;
        }
    return -1;
}

static int set_value(struct question *q, int index, const char *text, struct policy_error *error)
{
    char why[WHY_ROOM];
    if (argument_read(q->nr, index, text, &q->argument[index], why) < 0)
        return fail(error, "policy explain: %s%s", why, "");
    q->known[index] = true;
    return 0;
}

/* Words in the order of the call's arguments: a path for a path, a value for a value; NAME=VALUE for any of them. */
static int read_question(const struct policy *p, struct question *q, int argc, const char *const *argv,
                         struct policy_error *error)
{
    int at = 0, paths = 0;
    for (int i = 0; i < q->sysent->argument_count; i++)
        q->path_arguments += q->sysent->argument[i] == ARG_PATH;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *equals = strchr(word, '=');
        bool is_path = word[0] == '/' || word[0] == '.';
        if (equals != NULL && !is_path) {
            char name[64] = "";
            const char *why;
            if ((size_t)(equals - word) < sizeof name)
                memcpy(name, word, (size_t)(equals - word));
            int index = argument_index(q->nr, name, &why);
            if (index < 0)
                return fail(error, "policy explain: '%s': %s", word, why);
            if (set_value(q, index, equals + 1, error) < 0)
                return -1;
            continue;
        }
        int value = next_argument(q->sysent, at);
        if (is_path || (value >= 0 && q->sysent->argument[value] == ARG_PATH)) {
            if (paths >= q->path_arguments || paths >= 2)
                return fail(error, "policy explain: %s takes no path for '%s'", q->sysent->name, word);
            q->path[paths] = absolute(p, word);
            const char *wrong = q->path[paths] ? schema_normalise(q->path[paths]) : "out of memory";
            paths++;
            if (wrong != NULL)
                return fail(error, "policy explain: '%s': %s", word, wrong);
            while (at < q->sysent->argument_count && q->sysent->argument[at] != ARG_PATH)
                at++;
            at++;
            continue;
        }
        if (value < 0)
            return fail(error, "policy explain: %s has no argument for '%s'", q->sysent->name, word);
        if (set_value(q, value, word, error) < 0)
            return -1;
        at = value + 1;
    }
    return 0;
}

/* ---- what is answered ---- */

static void put_origin(FILE *f, struct policy_origin o)
{
    if (o.line > 0)
        fprintf(f, "%s:%d:%d", o.file, o.line, o.column);
    else
        fputs(o.file, f);
}

static void put_call(FILE *f, const struct question *q)
{
    int path = 0;
    fprintf(f, "%s(", q->sysent->name);
    for (int i = 0; i < q->sysent->argument_count; i++) {
        bool is_path = q->sysent->argument[i] == ARG_PATH && path < 2;
        if (i > 0)
            fputs(", ", f);
        if (is_path && q->path[path] != NULL)
            fprintf(f, "\"%s\"", q->path[path]);
        else if (q->known[i])
            fprintf(f, "%#llx", (unsigned long long)q->argument[i]);
        else
            fputs("?", f);
        path += is_path;
    }
    fputs(")", f);
}

/* Stubs that always answer the same (stubs/refused.c), in the words of what the guest gets. */
static const struct {
    const char *stub, *words;
} fixed_answers[] = {
    {"NONE", "ENOSYS (Function not implemented), and counted as unknown in the report"},
    {"absent", "ENOSYS (Function not implemented): this world's kernel is built without it"},
    {"refused", "EPERM (Operation not permitted): nobody in the world has the privilege"},
    {"no_handles", "EOPNOTSUPP (Operation not supported): the world's files have no handles"},
};

/* What the guest gets when no rule stands in the way. */
static void put_built_in(FILE *f, const struct policy *p, const struct question *q)
{
    const struct sysent *s = q->sysent;
    bool trapped = p->trap_all || policy_has_rules(p, q->nr);
    const char *fixed = NULL;
    for (size_t i = 0; i < sizeof fixed_answers / sizeof *fixed_answers; i++)
        if (strcmp(fixed_answers[i].stub, s->stub) == 0)
            fixed = fixed_answers[i].words;
    if (s->kernel == KERNEL_ALLOW && !trapped)
        fputs("answered by the kernel itself: it only touches the caller's own state (built in: kernel/sysent.def)", f);
    else if (fixed != NULL)
        fprintf(f, "%s (built in: kernel/sysent.def)", fixed);
    else
        fprintf(
            f, "answered by stub %s%s (built in: kernel/sysent.def)", s->stub,
            s->kernel == KERNEL_BY_ARG && !trapped
                ? ", or by the kernel itself where the arguments show that only the caller's own memory or state is "
                  "touched"
                : "");
}

static void put_outcome(FILE *f, const struct policy *p, const struct question *q, const struct policy_rule *rule)
{
    switch (rule->action) {
    case POLICY_DENY:
        fprintf(f, "denied with %s (%s)", policy_errno_name(rule->error), strerrordesc_np(rule->error));
        break;
    case POLICY_ANSWER:
        fprintf(f, "answered with %lld, and nothing is done", (long long)rule->answer);
        break;
    case POLICY_KILL:
        fputs("ends the run, with the verdict 'killed'", f);
        break;
    case POLICY_LOG:
        fputs("noted in the report, and ", f);
        put_built_in(f, p, q);
        break;
    case POLICY_ALLOW:
        put_built_in(f, p, q);
        break;
    }
    fputs("\n      by ", f);
    put_origin(f, rule->origin);
    fprintf(f, ": %s\n", rule->text);
    if (rule->note != NULL)
        fprintf(f, "      note: %s\n", rule->note);
}

/* Is `path` the place itself or below it? */
static bool is_within(const char *path, const char *place)
{
    size_t length = strlen(place);
    if (length == 1)
        return true;
    return strncmp(path, place, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static void put_place(FILE *f, const struct policy *p, const char *path)
{
    static const char *const file_kinds[] = {
        [POLICY_FILE_BYTES] = "a file with the text given", [POLICY_FILE_ABSENT] = "absent",
        [POLICY_FILE_LINK] = "a symbolic link to ",         [POLICY_FILE_DIRECTORY] = "a directory",
        [POLICY_FILE_HOST] = "a file with the content of ",
    };
    for (size_t i = p->file_count; i > 0; i--) {
        const struct policy_file *file = &p->files[i - 1];
        if (!is_within(path, file->path) || (file->kind != POLICY_FILE_ABSENT && strcmp(path, file->path) != 0))
            continue;
        bool leads = file->kind == POLICY_FILE_LINK || file->kind == POLICY_FILE_HOST;
        fprintf(f, "  %s is %s%s (", file->path, file_kinds[file->kind], leads ? file->bytes : "");
        put_origin(f, file->origin);
        fputs(")\n", f);
        return;
    }
    for (size_t i = p->mount_count; i > 0; i--) { /* the deepest is the last that holds the path */
        static const char *const kinds[] = {"host", "tar", "memory"};
        const struct policy_mount *m = &p->mounts[i - 1];
        if (!is_within(path, m->at))
            continue;
        fprintf(f, "  %s lies in the mount %s: %s%s%s, %s (", path, m->at, kinds[m->kind], m->source ? " " : "",
                m->source ? m->source : "", m->copy_on_write ? "writable" : "read-only");
        put_origin(f, m->origin);
        fputs(")\n", f);
        return;
    }
    fprintf(f, "  no line of the policy speaks of %s: it exists if the built-in world has it\n", path);
}

/* As kernel/judge.c has it; what stands at the name is unknown here, so it may be a directory. */
static const struct policy_rule *keeps_name(const struct policy *p, const struct question *q)
{
    unsigned lost = policy_names_lost(q->nr, q->argument);
    bool link = q->nr == SYS_link || q->nr == SYS_linkat;
    const struct policy_rule *bars = NULL;
    for (int i = 0; i < 2 && bars == NULL; i++)
        if ((lost >> i & 1) != 0 && q->path[0] != NULL && q->path[1] != NULL)
            bars = policy_bars_name(p, q->path[i], q->path[1 - i], !link);
    return bars;
}

static void answer(FILE *f, const struct policy *p, const struct question *q)
{
    enum { MOST_IFS = 20 };
    const struct policy_rule *decides = NULL;
    size_t ifs = 0;
    put_call(f, q);
    fputc('\n', f);
    for (size_t i = 0; i < p->sources->rule_count && decides == NULL; i++) {
        const struct policy_rule *rule = &p->sources->rules[i]->shown;
        enum verdict v = ask_rule(p->sources->rules[i], q);
        if (v == YES)
            decides = rule;
        if (v != PERHAPS || ifs++ >= MOST_IFS)
            continue;
        fputs("  if what is not given here fits: ", f);
        put_outcome(f, p, q, rule);
    }
    if (ifs > MOST_IFS)
        fprintf(f, "  ... and %zu more rules that depend on what is not given here\n", ifs - MOST_IFS);
    fputs(ifs > 0 ? "  else: " : "  ", f);
    const struct policy_rule *bars = decides == NULL || decides->action == POLICY_LOG ? keeps_name(p, q) : NULL;
    if (bars != NULL) {
        decides = bars;
        fputs("the old name is one that a rule forbids by, or has such names below it (docs/policy.md \"Paths\"):\n  ",
              f);
    }
    if (decides != NULL) {
        put_outcome(f, p, q, decides);
    } else {
        put_built_in(f, p, q);
        fputc('\n', f);
    }
    if (decides == NULL || decides->action == POLICY_LOG || decides->action == POLICY_ALLOW)
        for (int i = 0; i < 2; i++)
            if (q->path[i] != NULL)
                put_place(f, p, q->path[i]);
}

int policy_explain(const struct policy *p, int argc, const char *const *argv, char **text, struct policy_error *error)
{
    *text = NULL;
    if (argc < 1)
        return fail(error, "policy explain: which call? (%s%s)", "such as: policy explain openat /etc/shadow", "");
    size_t size;
    FILE *f = open_memstream(text, &size);
    int about_network = f != NULL ? network_explain(p, argc, argv, f, error) : 1;
    if (f != NULL && fclose(f) != 0)
        return fail(error, "policy explain: %s%s", "out of memory", "");
    if (about_network <= 0) {
        if (about_network < 0) {
            free(*text);
            *text = NULL;
        }
        return about_network;
    }
    free(*text);
    *text = NULL;
    struct question q = {.nr = sysent_number(argv[0])};
    if (q.nr < 0) {
        const char *near = strlen(argv[0]) < 64 ? sysent_nearest(argv[0]) : NULL;
        char suggestion[128] = "";
        if (near != NULL)
            snprintf(suggestion, sizeof suggestion, " (did you mean '%s'?)", near);
        return fail(error, "policy explain: no system call is named '%.64s'%s", argv[0], suggestion);
    }
    q.sysent = sysent_get((uint64_t)q.nr);
    int result = read_question(p, &q, argc - 1, argv + 1, error);
    f = result == 0 ? open_memstream(text, &size) : NULL;
    if (f != NULL) {
        answer(f, p, &q);
        if (fclose(f) != 0)
            f = NULL;
    }
    if (result == 0 && f == NULL)
        result = fail(error, "policy explain: %s%s", "out of memory", "");
    free(q.path[0]);
    free(q.path[1]);
    return result;
}
