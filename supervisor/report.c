/* The report, by jansson. Its fields are documented in docs/report.md. */
#include "supervisor/report.h"

#include "kernel/describe.h"
#include "network/internet.h"
#include "policy/units.h"
#include "supervisor/deadlock.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/inputs.h"
#include "supervisor/limits.h"
#include "supervisor/recording.h"
#include "supervisor/untrapped.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_LIMIT = 124, PATHS_MOST = 100000 };

static const char *verdict_name(enum verdict v)
{
    static const char *const name[] = {
        [VERDICT_OK] = "ok",
        [VERDICT_EXIT] = "exit",
        [VERDICT_SIGNAL] = "signal",
        [VERDICT_CPU] = "cpu",
        [VERDICT_WALL] = "wall",
        [VERDICT_MEMORY] = "memory",
        [VERDICT_OUTPUT] = "output",
        [VERDICT_PROCESSES] = "processes",
        [VERDICT_FILES] = "files",
        [VERDICT_FILE_COUNT] = "files",
        [VERDICT_DEADLOCK] = "deadlock",
        [VERDICT_KILLED] = "killed",
        [VERDICT_INTERNAL] = "internal",
    };
    return name[v];
}

/* How the first program ended, when nothing ended the world before it. */
static enum verdict final_verdict(const struct world *w)
{
    if (w->verdict != VERDICT_OK)
        return w->verdict;
    if (WIFSIGNALED(w->init_status))
        return VERDICT_SIGNAL;
    return WEXITSTATUS(w->init_status) != 0 ? VERDICT_EXIT : VERDICT_OK;
}

const char *report_verdict(const struct world *w)
{
    return verdict_name(final_verdict(w));
}

int report_exit_status(const struct world *w)
{
    switch (final_verdict(w)) {
    case VERDICT_OK:
        return 0;
    case VERDICT_EXIT:
        return WEXITSTATUS(w->init_status);
    case VERDICT_SIGNAL:
        return 128 + WTERMSIG(w->init_status);
    case VERDICT_KILLED: /* by the signal that ended terrarium; or by a rule, as by SIGKILL */
        return 128 + (w->init_status != 0 ? w->init_status : SIGKILL);
    case VERDICT_INTERNAL:
        return 125;
    default:
        return EXIT_LIMIT;
    }
}

static void add(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value);
}

static json_t *used_allowed(double used, double allowed)
{
    json_t *o = json_object();
    add(o, "used", json_real(used));
    add(o, "allowed", allowed > 0 ? json_real(allowed) : json_null());
    return o;
}

static json_t *counted(uint64_t used, uint64_t allowed)
{
    json_t *o = json_object();
    add(o, "used", json_integer((json_int_t)used));
    add(o, "allowed", allowed > 0 ? json_integer((json_int_t)allowed) : json_null());
    return o;
}

static json_t *limits(const struct holder *h)
{
    const struct policy_limits *allowed = &h->world->policy->limits;
    struct limits_usage used;
    struct vfs_usage files;
    limits_usage(h, &used);
    vfs_usage(h->world->vfs, &files);
    json_t *o = json_object();
    json_t *cpu = used_allowed((double)used.cpu / 1e9, (double)allowed->cpu / 1e9);
    add(cpu, "counted", h->world->clock.real ? json_null() : json_real((double)used.counted / 1e9));
    add(o, "cpu", cpu);
    add(o, "wall", used_allowed((double)used.wall / 1e9, (double)allowed->wall / 1e9));
    add(o, "memory", counted(used.memory_peak, allowed->memory));
    add(o, "output", counted(h->world->output_bytes, allowed->output));
    add(o, "processes", counted(used.processes_peak, allowed->processes));
    add(o, "files", counted(files.bytes_peak, allowed->files));
    add(o, "file_count", counted(files.nodes_peak, allowed->file_count));
    add(o, "open_files", counted(files.descriptors_peak, allowed->open_files));
    return o;
}

void report_limit(const struct holder *h, char *text, size_t size)
{
    const struct policy_limits *allowed = &h->world->policy->limits;
    char room[UNITS_ROOM];
    const char *name = verdict_name(h->world->verdict), *most = "";
    switch (h->world->verdict) {
    case VERDICT_CPU:
        most = units_print_duration(allowed->cpu, room);
        break;
    case VERDICT_WALL:
        most = units_print_duration(allowed->wall, room);
        break;
    case VERDICT_MEMORY:
        most = units_print_size(allowed->memory, room);
        break;
    case VERDICT_OUTPUT:
        most = units_print_size(allowed->output, room);
        break;
    case VERDICT_PROCESSES:
        snprintf(room, sizeof room, "%" PRIu64, allowed->processes);
        most = room;
        break;
    case VERDICT_FILES:
        most = units_print_size(allowed->files, room);
        break;
    case VERDICT_FILE_COUNT:
        name = "file_count";
        snprintf(room, sizeof room, "%" PRIu64, allowed->file_count);
        most = room;
        break;
    case VERDICT_DEADLOCK:
        snprintf(text, size, "ended: a deadlock, every task waits for ever");
        deadlock_tell(h, text, size);
        return;
    default:
        *text = '\0';
        return;
    }
    snprintf(text, size, "ended by the limit %s=%s", name, most);
    if (h->deadlock != NULL) {
        snprintf(text + strlen(text), size - strlen(text), ": a deadlock");
        deadlock_tell(h, text, size);
    }
}

static json_t *calls(const struct world *w)
{
    json_t *all = json_object();
    for (uint64_t nr = 0; nr < SYSENT_COUNT; nr++) {
        const struct call_counter *n = &w->counters[nr];
        if (n->calls == 0)
            continue;
        json_t *o = json_object();
        add(o, "calls", json_integer((json_int_t)n->calls));
        if (n->failed != 0)
            add(o, "failed", json_integer((json_int_t)n->failed));
        if (n->denied != 0)
            add(o, "denied", json_integer((json_int_t)n->denied));
        add(all, sysent_get(nr)->name, o);
    }
    return all;
}

/* Calls that exist in Linux and not here, or not at all. */
static json_t *unknown(const struct world *w)
{
    json_t *all = json_object();
    for (uint64_t nr = 0; nr < SYSENT_COUNT; nr++)
        if (w->counters[nr].calls != 0 && stub_table[nr] == NULL)
            add(all, sysent_get(nr)->name, json_integer((json_int_t)w->counters[nr].calls));
    if (w->unknown_calls != 0)
        add(all, "(no such number)", json_integer((json_int_t)w->unknown_calls));
    if (w->foreign_calls != 0)
        add(all, "(foreign ABI: int 0x80 or x32)", json_integer((json_int_t)w->foreign_calls));
    return all;
}

static json_t *denied(const struct world *w)
{
    json_t *all = json_array();
    for (size_t i = 0; i < w->denial_count; i++) {
        const struct denial *d = &w->denials[i];
        json_t *o = json_object(), *rule = json_object();
        add(o, "call", d->example != NULL ? json_string(d->example) : json_null());
        add(o, "count", json_integer((json_int_t)d->count));
        add(rule, "file", json_string(d->rule->origin.file != NULL ? d->rule->origin.file : ""));
        add(rule, "line", json_integer(d->rule->origin.line));
        add(rule, "text", json_string(d->rule->text != NULL ? d->rule->text : ""));
        add(o, "rule", rule);
        if (d->rule->note != NULL)
            add(o, "note", json_string(d->rule->note));
        (void)json_array_append_new(all, o);
    }
    return all;
}

/* Of bytes that a guest chose: what is not UTF-8 comes as \xff. */
static json_t *text_of(const char *bytes)
{
    json_t *text = json_string(bytes); /* NULL: it is no UTF-8 */
    if (text == NULL) {
        char escaped[4 * 4096 + 1];
        size_t n = 0;
        for (const unsigned char *c = (const unsigned char *)bytes; *c != '\0' && n + 5 < sizeof escaped; c++)
            n += (size_t)snprintf(escaped + n, sizeof escaped - n, *c < 0x80 ? "%c" : "\\x%02x", *c);
        text = json_string(escaped);
    }
    return text;
}

struct file_lists {
    json_t *list[4];
    size_t count;
};

static int add_path(void *context, enum change_kind kind, const char *path, const struct statx *st)
{
    struct file_lists *l = context;
    if (l->count++ >= PATHS_MOST)
        return 1;
    (void)json_array_append_new(l->list[kind], text_of(path));
    return 0;
}

static json_t *files(const struct world *w)
{
    struct file_lists l = {{json_array(), json_array(), json_array(), json_array()}, 0};
    (void)vfs_each_change(w->vfs, add_path, &l);
    json_t *o = json_object();
    add(o, "created", l.list[CHANGE_CREATED]);
    add(o, "written", l.list[CHANGE_MODIFIED]);
    add(o, "deleted", l.list[CHANGE_DELETED]);
    add(o, "read", l.list[CHANGE_READ]);
    if (l.count > PATHS_MOST)
        add(o, "truncated", json_true());
    return o;
}

static json_t *reasons(const struct world *w)
{
    json_t *all = json_array();
    for (size_t i = 0; i < w->not_reproducible_count; i++)
        (void)json_array_append_new(all, json_string(w->not_reproducible[i]));
    return all;
}

/* Instructions that tell of the machine and that nothing here can answer: a program that uses them sees the machine. */
static json_t *untrapped(const struct holder *h)
{
    json_t *all = json_array();
    if (!h->tsc_answered && !h->world->clock.real)
        (void)json_array_append_new(all, json_string("RDTSC"));
    for (size_t i = 0; i < 4; i++)
        (void)json_array_append_new(all, json_string((const char *const[]){"CPUID", "RDRAND", "RDSEED", "RDPID"}[i]));
    return all;
}

static bool has_text(const json_t *all, const char *text)
{
    size_t i;
    json_t *one;
    json_array_foreach(all, i, one) if (strcmp(json_string_value(one), text) == 0) return true;
    return false;
}

/* By instruction: the files that have it, in the order in which they were mapped. */
static json_t *untrapped_in(const struct holder *h)
{
    json_t *all = json_object();
    for (unsigned i = 0; i < UNTRAPPED_COUNT; i++) {
        json_t *files = json_array();
        for (const struct untrapped_file *u = h->untrapped; u != NULL; u = u->next)
            if ((u->found >> i & 1) != 0 && !has_text(files, u->path))
                (void)json_array_insert_new(files, 0, text_of(u->path));
        if (json_array_size(files) > 0)
            add(all, untrapped_name(i), files);
        else
            json_decref(files);
    }
    return all;
}

static json_t *confined(const struct confinement *c)
{
    json_t *o = json_object();
    add(o, "seccomp", json_boolean(c->seccomp));
    add(o, "no_new_privs", json_boolean(c->no_new_privs));
    add(o, "no_capabilities", json_boolean(c->no_capabilities));
    add(o, "not_dumpable", json_boolean(c->not_dumpable));
    add(o, "landlock_abi", json_integer(c->landlock_abi));
    return o;
}

static json_t *deadlock(const struct holder *h)
{
    json_t *all = json_array();
    for (size_t i = 0; i < h->deadlock_count; i++) {
        const struct waiting *w = &h->deadlock[i];
        char at[32];
        size_t length;
        json_t *o = json_object();
        add(o, "process", json_integer(w->pid));
        add(o, "thread", json_integer(w->tid));
        add(o, "name", text_of(w->name));
        add(o, "call", json_string(w->call));
        snprintf(at, sizeof at, "%#" PRIx64, w->futex);
        add(o, "futex", w->futex != 0 ? json_string(at) : json_null());
        add(o, "held_by", w->held_by != 0 ? json_integer(w->held_by) : json_null());
        if (w->holder_gone)
            add(o, "holder_gone", json_true());
        const char *place = deadlock_place(w, &length);
        add(o, "at", place != NULL ? json_stringn(place, length) : json_null());
        json_t *stack = json_array();
        for (const char *line = w->stack, *end; line != NULL; line = *end != '\0' ? end + 1 : NULL) {
            end = strchrnul(line, '\n');
            (void)json_array_append_new(stack, json_stringn(line, (size_t)(end - line)));
        }
        add(o, "stack", stack);
        (void)json_array_append_new(all, o);
    }
    return all;
}

/* What counts the work of code that makes no calls, if anything does. */
static json_t *counter(const struct holder *h)
{
    json_t *o = json_object();
    add(o, "name", h->count_sites != 0 ? json_string("eval-breaker checks") : json_null());
    add(o, "patched", json_integer(h->count_sites));
    add(o, "checks", json_integer((json_int_t)h->world->checks));
    add(o, "stops", json_integer((json_int_t)h->count_stops));
    add(o, "ns_per_check", json_integer(CLOCK_CHECK_NS));
    return o;
}

static json_t *recorded(const struct holder *h)
{
    const struct record *r = recording_file(h->recording);
    char hex[2 * EVENT_DIGEST + 1];
    if (r == NULL)
        return json_null();
    json_t *o = json_object();
    add(o, "head", json_string(sodium_bin2hex(hex, sizeof hex, record_head(r), EVENT_DIGEST)));
    add(o, "events", json_integer((json_int_t)record_events(r)));
    add(o, "bytes", json_integer((json_int_t)record_bytes(r)));
    add(o, "signed", json_boolean(recording_signed(h->recording)));
    add(o, "complete", json_boolean(record_error(r) == 0));
    return o;
}

static json_t *text_or_null(const char *text)
{
    return text != NULL && *text != '\0' ? json_string(text) : json_null();
}

static json_t *inputs(const struct holder *h)
{
    struct inputs_told told;
    json_t *o = json_object();
    inputs_tell(h, &told);
    add(o, "digest", json_string(told.digest));
    add(o, "terrarium", json_string(TERRARIUM_VERSION));
    add(o, "interpreter", text_or_null(told.interpreter));
    add(o, "tree", json_string(told.tree));
    add(o, "tree_is_of", json_string(told.tree_of_contents ? "contents" : "names, sizes and times"));
    add(o, "policy", text_or_null(h->world->policy->digest));
    add(o, "arguments", json_string(told.arguments));
    add(o, "cpu", text_or_null(told.cpu));
    add(o, "features", json_string(told.features));
    add(o, "kernel", text_or_null(told.kernel));
    inputs_told_free(&told);
    return o;
}

static json_t *build(const struct holder *h)
{
    const struct world *w = h->world;
    json_t *o = json_object();
    add(o, "terrarium", json_integer(1));
    add(o, "verdict", json_string(report_verdict(w)));
    add(o, "exit", json_integer(report_exit_status(w)));
    if (final_verdict(w) == VERDICT_SIGNAL)
        add(o, "signal", json_integer(WTERMSIG(w->init_status)));
    add(o, "limits", limits(h));
    add(o, "reproducible", json_boolean(w->not_reproducible_count == 0));
    add(o, "not_reproducible_because", reasons(w));
    add(o, "untrapped", untrapped(h));
    add(o, "untrapped_in", untrapped_in(h));
    add(o, "policy", json_string(w->policy->path != NULL ? w->policy->path : "(built in)"));
    add(o, "policy_digest", w->policy->digest != NULL ? json_string(w->policy->digest) : json_null());
    add(o, "events", json_integer((json_int_t)w->events));
    add(o, "clock_reads", json_integer((json_int_t)(w->clock_reads - w->lent_calls)));
    add(o, "lent_calls", json_integer((json_int_t)w->lent_calls));
    add(o, "counter", counter(h));
    if (h->deadlock != NULL)
        add(o, "deadlock", deadlock(h));
    add(o, "schedule", json_integer((json_int_t)w->policy->schedule_seed));
    add(o, "stops", json_integer((json_int_t)h->stops));
    add(o, "notices", json_integer((json_int_t)h->notices));
    add(o, "calls", calls(w));
    add(o, "denied", denied(w));
    add(o, "unknown", unknown(w));
    add(o, "files", files(w));
    add(o, "network", h->internet != NULL ? attempts_json(internet_attempts(h->internet)) : json_array());
    add(o, "confinement", confined(&h->confinement));
    add(o, "inputs", inputs(h));
    add(o, "record", recorded(h));
    return o;
}

int report_write(const struct holder *h, struct run_error *e)
{
    json_t *o = build(h);
    int result = 0;
    if (json_dumpf(o, h->report, JSON_INDENT(2)) < 0 || fputc('\n', h->report) == EOF || fflush(h->report) == EOF) {
        snprintf(e->text, sizeof e->text, "the report could not be written: %s", strerror(errno));
        result = -1;
    }
    json_decref(o);
    return result;
}
