/* `terrarium run` and `terrarium exec`: the command line's word is put over the policy's, then the supervisor takes
 * over. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/profiles.h"
#include "policy/policy.h"
#include "supervisor/supervisor.h"
#include "trace/key.h"
#include "trace/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void help(const char *command, bool is_exec)
{
    printf("usage: terrarium %s [OPTIONS] %s\n\n", command,
           is_exec ? "-- PROGRAM ARGS..." : "[--] PYTHON-ARGS...   (as python3 would take them)");
    printf("%s\n\n",
           is_exec ? "Runs a program of the world's file tree."
                   : "Runs Python in a world of its own: a script, -c CODE, -m MODULE, - (stdin), or the prompt.");
    for (int id = 0; id < OPTION_COUNT; id++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", option_table[id].name, option_table[id].value != NULL ? " " : "",
                 option_table[id].value != NULL ? option_table[id].value : "");
        printf("  %-30s %s\n", left, option_table[id].help);
    }
    printf("\nExit status: the program's own; 128+N when signal N killed it; 124 when a limit ended it; 125 when "
           "terrarium could "
           "not\ndo its work, with one line on stderr.\n");
}

/* What each option does to the policy; the others are of the request. */
static int apply(struct policy *p, const struct options *o, struct policy_error *e)
{
    static const char *const scalars[OPTION_COUNT] = {
        [OPTION_PYTHON] = "python", [OPTION_SEED] = "random.seed", [OPTION_SCHEDULE] = "schedule.seed",
        [OPTION_CWD] = "cwd",       [OPTION_TRAP] = "trap",
    };
    static int (*const lists[OPTION_COUNT])(struct policy *, const char *, struct policy_error *) = {
        [OPTION_MOUNT] = policy_add_mount,
        [OPTION_IMAGE] = policy_add_image,
        [OPTION_ENV] = policy_add_environment,
        [OPTION_LIMIT] = policy_set_limits,
    };
    for (size_t i = 0; i < o->count; i++) {
        enum option_id id = o->given[i].id;
        const char *value = o->given[i].value;
        if (id == OPTION_SCHEDULE) {
            if (strncmp(value, "seed=", 5) != 0) {
                snprintf(e->text, sizeof e->text, "--schedule: '%s': expected seed=N", value);
                return -1;
            }
            value += 5;
        }
        if (scalars[id] != NULL && policy_set(p, option_table[id].name, scalars[id], value, e) < 0)
            return -1;
        if (lists[id] != NULL && lists[id](p, value, e) < 0)
            return -1;
    }
    return policy_compile(p, e);
}

/* --trace: what is printed of each event. */
struct watched {
    struct trace_text *text;
    bool failed;
};

static void watch(void *context, const struct event *e)
{
    struct watched *w = context;
    if (trace_context_see(w->text->context, e) < 0)
        w->failed = true;
    trace_text_event(w->text, e);
}

static void watch_end(struct watched *w)
{
    if (w->text == NULL)
        return;
    trace_text_end(w->text);
    fflush(stderr);
    if (w->failed)
        (void)command_fail("--trace: out of memory: some names are missing");
    trace_context_free(w->text->context);
    free(w->text);
}

/* --sign and --trace. 0, or -1: said. */
static int prepare_record(struct run_request *r, const struct options *o, struct watched *w, uint8_t key[KEY_SECRET])
{
    const char *sign = options_value(o, OPTION_SIGN);
    char why[512];
    if (sign != NULL && r->record == NULL)
        return command_fail("--sign: only a record can be signed (--record FILE)"), -1;
    if (sign != NULL && key_read_secret(sign, key, why, sizeof why) < 0)
        return command_fail("--sign: %s", why), -1;
    r->sign = sign != NULL ? key : NULL;
    if (options_value(o, OPTION_TRACE) == NULL)
        return 0;
    w->text = calloc(1, sizeof *w->text);
    if (w->text != NULL)
        w->text->context = trace_context_new();
    if (w->text == NULL || w->text->context == NULL)
        return command_fail("out of memory"), -1;
    w->text->to = stderr;
    setvbuf(stderr, NULL, _IOLBF, 1 << 16); /* a write for each line, not for each word of it */
    r->watch = watch;
    r->watch_context = w;
    return 0;
}

static int start(const struct policy *p, const struct options *o, int argc, char **argv, bool is_exec)
{
    int words = argc - o->rest, n = 0;
    const char **guest = calloc((size_t)words + 2, sizeof *guest);
    if (guest == NULL)
        return command_fail("out of memory");
    struct run_request r = {
        .policy = p,
        .is_exec = is_exec,
        .report = options_value(o, OPTION_REPORT),
        .export_to = options_value(o, OPTION_EXPORT),
        .record = options_value(o, OPTION_RECORD),
        .capture = options_value(o, OPTION_CAPTURE),
        .har = options_value(o, OPTION_HAR),
        .bundle = options_value(o, OPTION_BUNDLE) != NULL,
        .quiet = options_value(o, OPTION_QUIET) != NULL,
        .verbose = options_value(o, OPTION_VERBOSE) != NULL,
        .require_reproducible = options_value(o, OPTION_REPRODUCIBLE) != NULL,
    };
    if (!is_exec)
        guest[n++] = "python3";
    int script = is_exec ? -1 : options_script(words, argv + o->rest);
    for (int i = 0; i < words; i++) {
        guest[n] = argv[o->rest + i];
        if (i == script) {
            r.script = guest[n];
            const char *slash = strrchr(guest[n], '/');
            guest[n] = slash != NULL && slash[1] != '\0' ? slash + 1 : guest[n];
        }
        n++;
    }
    r.argc = n;
    r.argv = guest;
    struct run_error e = {0};
    struct watched watched = {0};
    uint8_t key[KEY_SECRET];
    int status;
    if (prepare_record(&r, o, &watched, key) < 0)
        status = STATUS_FAILED;
    else if (r.script != NULL && access(r.script, R_OK) != 0)
        status = command_fail("%s: %s", r.script, strerror(errno));
    else {
        status = supervisor_run(&r, &e);
        if (e.notice[0] != '\0' && !r.quiet)
            fprintf(stderr, "terrarium: %s\n", e.notice);
        if (e.text[0] != '\0')
            status = command_fail("%s", e.text);
    }
    watch_end(&watched);
    explicit_bzero(key, sizeof key);
    free(guest);
    return status;
}

int command_run(int argc, char **argv)
{
    bool is_exec = strcmp(argv[0], "exec") == 0;
    struct options o;
    struct policy_error e;
    struct policy *p;
    if (options_parse(&o, argc, argv, 1, e.text, sizeof e.text) < 0)
        return command_fail("%s: %s (see 'terrarium %s --help')", argv[0], e.text, argv[0]);
    if (options_value(&o, OPTION_HELP) != NULL) {
        help(argv[0], is_exec);
        return 0;
    }
    if (options_value(&o, OPTION_BUNDLE) != NULL && options_value(&o, OPTION_RECORD) == NULL)
        return command_fail("--bundle: there is no record to put it into (--record FILE)");
    if (is_exec && o.rest >= argc)
        return command_fail("exec: no program named (see 'terrarium exec --help')");
    char *directories[PROFILES_MAX];
    profiles_directories(directories);
    int loaded = policy_load(options_value(&o, OPTION_POLICY), (const char *const *)directories, &p, &e);
    profiles_free(directories);
    if (loaded < 0)
        return command_fail("%s", e.text);
    int status;
    if (apply(p, &o, &e) < 0 || policy_check_sources(p, &e) < 0)
        status = command_fail("%s", e.text);
    else
        status = start(p, &o, argc, argv, is_exec);
    policy_free(p);
    return status;
}
