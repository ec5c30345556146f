/* `terrarium replay`: a recorded run again, out of its record alone. */
#include "cli/commands.h"
#include "policy/policy.h"
#include "supervisor/inspect/inspect.h"
#include "supervisor/replaying.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay_options {
    const char *record, *until, *files, *report, *capture, *har;
    struct policy *limits; /* --limit, as if a policy said them; NULL: not said */
    bool maps, stack, shell, gdb, help;
    struct bundle_place *mount; /* --mount; NULL: none */
    size_t mounts;
};

#define TEXT(member) offsetof(struct replay_options, member), true, false
#define SWITCH(member) offsetof(struct replay_options, member), false, false
#define MANY 0, true, true

enum { OPTION_MOUNT, OPTION_LIMIT };

static const struct replay_option {
    const char *name, *value;
    size_t at;
    bool is_text, many;
    const char *help;
} replay_options[] = {
    {"--mount", "HOST:GUEST", MANY,
     "of a record without --bundle: what lay at GUEST in the world is HOST here (as often as needed)"},
    {"--limit", "LIMITS", MANY,
     "what the replay may take of this machine: cpu=10s,wall=1m,memory=1GiB,processes=64,files=1GiB (none: no limit)"},
    {"--until", "WHERE", TEXT(until),
     "stop behind an event (its number), at a time of the world (1.5s, 20ms), or behind the Nth call of a name "
     "(openat#3)"},
    {"--files", "DIR|TAR", TEXT(files), "write out what the run had created, changed or deleted until then"},
    {"--maps", NULL, SWITCH(maps), "the memory of every process there, as /proc/PID/maps has it"},
    {"--stack", NULL, SWITCH(stack), "the Python stack of every thread there (CPython 3.8 to 3.13)"},
    {"--shell", NULL, SWITCH(shell), "a prompt there, to ask and to go on from (help tells the commands)"},
    {"--gdb", NULL, SWITCH(gdb),
     "gdb there; or, in a pipe, gdb's remote protocol: target remote | terrarium replay --gdb ..."},
    {"--report", "FILE", TEXT(report), "write the report (JSON); - is stderr"},
    {"--capture", "FILE", TEXT(capture), "write the run's conversations as packets (pcapng)"},
    {"--har", "FILE", TEXT(har), "write the run's HTTP (HAR)"},
};
enum { OPTIONS = sizeof replay_options / sizeof *replay_options };

static int help(void)
{
    printf(
        "usage: terrarium replay [OPTIONS] FILE\n\n"
        "Runs the run of a record again, on this or another machine: every event is compared with the recorded one, "
        "stdout\n"
        "and stderr are written again. Of a record made with --bundle nothing of this machine is looked at; of another "
        "the\n"
        "files that the run read must be here as they were: the interpreter where it was, a script in the current "
        "directory,\n"
        "anything where --mount says.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct replay_option *o = &replay_options[i];
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        printf("  %-18s %s\n", left, o->help);
    }
    printf("\nExit status: the run's own; 0 when it was stopped by --until; 125 at the first event that is not as "
           "recorded.\n");
    return 0;
}

/* HOST may have a ':' in it; what follows the last is a path of the world or of the network. */
static bool add_mount(struct replay_options *o, const char *value)
{
    const char *colon = strrchr(value, ':');
    if (colon != NULL && colon - value >= 8 && memcmp(colon - 8, ":network", 8) == 0)
        colon -= 8;
    char *host = colon != NULL && colon > value ? strndup(value, (size_t)(colon - value)) : NULL;
    struct bundle_place *more = reallocarray(o->mount, o->mounts + 1, sizeof *more);
    if (more != NULL)
        o->mount = more;
    if (host != NULL && more != NULL && (colon[1] == '/' || strncmp(colon + 1, "network:", 8) == 0)) {
        o->mount[o->mounts++] = (struct bundle_place){host, colon + 1};
        return true;
    }
    free(host);
    return command_fail("replay: --mount %s: expected HOST:GUEST, GUEST as it is in the world (/data)", value), false;
}

#define N CEILING_NOT_SAID
static const struct policy_limits not_said = {N, N, N, N, N, N, N, N};
#undef N

/* Read as a policy's. */
static bool add_limits(struct replay_options *o, const char *value)
{
    struct policy_error wrong;
    if (o->limits == NULL && policy_load(NULL, NULL, &o->limits, &wrong) == 0)
        o->limits->limits = not_said;
    if (o->limits == NULL || policy_set_limits(o->limits, value, &wrong) < 0)
        return command_fail("%s", wrong.text), false;
    const struct policy_limits *l = &o->limits->limits;
    if (l->output == CEILING_NOT_SAID && l->open_files == CEILING_NOT_SAID && l->file_count == CEILING_NOT_SAID)
        return true;
    return command_fail("replay: --limit: output, open_files and file_count are the record's own"), false;
}

/* How many words the option at argv[0] takes; 0: said what is wrong with it. */
static int take(struct replay_options *o, char **argv)
{
    size_t k = 0, length = strcspn(argv[0], "=");
    while (k < OPTIONS &&
           (strlen(replay_options[k].name) != length || strncmp(argv[0], replay_options[k].name, length) != 0))
        k++;
    if (k == OPTIONS)
        return command_fail("replay: unknown option '%s' (see 'terrarium replay --help')", argv[0]), 0;
    bool joined = argv[0][length] == '=';
    char *to = (char *)o + replay_options[k].at;
    if (!replay_options[k].is_text) {
        if (joined)
            return command_fail("replay: %s takes no value", replay_options[k].name), 0;
        *(bool *)to = true;
        return 1;
    }
    const char *value = joined ? argv[0] + length + 1 : argv[1];
    if (value == NULL)
        return command_fail("replay: %s needs a value (see 'terrarium replay --help')", replay_options[k].name), 0;
    if ((k == OPTION_MOUNT && !add_mount(o, value)) || (k == OPTION_LIMIT && !add_limits(o, value)))
        return 0;
    if (!replay_options[k].many)
        *(const char **)(void *)to = value;
    return joined ? 1 : 2;
}

static int parse(struct replay_options *o, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
            return 0;
        }
        if (argv[i][0] != '-') {
            if (o->record != NULL)
                return command_fail("replay: one record at a time");
            o->record = argv[i++];
            continue;
        }
        int words = take(o, argv + i);
        if (words == 0)
            return STATUS_FAILED;
        i += words;
    }
    if (o->record == NULL)
        return command_fail("replay: no record named (see 'terrarium replay --help')");
    if ((o->maps || o->stack) && o->until == NULL)
        return command_fail("replay: --maps and --stack: of which moment? (--until WHERE)");
    if (o->shell && o->gdb)
        return command_fail("replay: one of --shell and --gdb");
    if (o->gdb && (o->maps || o->stack))
        return command_fail("replay: --gdb has `monitor maps` and `monitor stack`");
    return 0;
}

static int read_until(const struct replay_options *o, struct replaying_until *until)
{
    char why[256];
    *until = (struct replaying_until){.by_event = o->shell || o->gdb}; /* without a word: at the beginning */
    if (o->until == NULL || replaying_until_parse(o->until, until, why, sizeof why) == 0)
        return 0;
    return command_fail("replay: --until: %s", why);
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

struct watched {
    struct replaying *again;
    struct inspection *inspection; /* NULL: nobody looks */
};

static void watch(void *context, const struct event *e)
{
    struct watched *w = context;
    replaying_watch(w->again, e);
    if (w->inspection != NULL)
        inspection_watch(w->inspection, e);
}

/* gdb has the pipe: what the run writes to its stdout goes to stderr, beside gdb's own words. */
static bool open_pipe(struct inspect_request *q)
{
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    q->in = in >= 0 ? fdopen(in, "r") : NULL;
    q->out = out >= 0 ? fdopen(out, "w") : NULL;
    return q->in != NULL && q->out != NULL && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
}

static int look(const struct replay_options *o, struct inspection **out)
{
    struct inspect_request q = {
        .maps = o->maps, .stack = o->stack, .shell = o->shell, .gdb = o->gdb, .in = stdin, .out = stdout};
    *out = NULL;
    if (!q.maps && !q.stack && !q.shell && !q.gdb)
        return 0;
    if (q.gdb && !open_pipe(&q))
        return command_fail("replay: --gdb: %s", strerror(errno));
    *out = inspection_new(&q);
    return *out != NULL ? 0 : command_fail("out of memory");
}

static void put_quoted(FILE *f, const char *word)
{
    fputc('\'', f);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (const char[]){*word, '\0'}, f);
    fputc('\'', f);
}

/* A person asked: gdb is started, which starts this program again, behind a pipe. */
static int hand_over_to_gdb(const struct replay_options *o)
{
    char self[PATH_MAX], *command = NULL;
    size_t size;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    FILE *f = n > 0 ? open_memstream(&command, &size) : NULL;
    if (f == NULL)
        return command_fail("replay: --gdb: %s", strerror(errno));
    self[n] = '\0';
    fputs("target remote | ", f);
    put_quoted(f, self);
    fputs(" replay --gdb ", f);
    if (o->until != NULL) {
        fputs("--until ", f);
        put_quoted(f, o->until);
        fputc(' ', f);
    }
    for (size_t i = 0; i < o->mounts; i++) {
        fputs("--mount ", f);
        put_quoted(f, o->mount[i].host);
        fputc(':', f);
        put_quoted(f, o->mount[i].guest);
        fputc(' ', f);
    }
    put_quoted(f, o->record);
    if (fclose(f) != 0)
        return command_fail("out of memory");
    /* It takes as long as the replay does until the moment: gdb would ask again after 2 s, and take the answers for each other's. */
    execlp("gdb", "gdb", "-q", "-iex", "set auto-load off", "-iex", "set remotetimeout 3600", "-ex", command,
           (char *)NULL);
    free(command);
    return command_fail("replay: --gdb: gdb: %s", strerror(errno));
}

/* ---- running -------------------------------------------------------------------------------------------------------- */

static struct reader *open_record(const char *path, char *why, size_t n)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): parse() lets nobody through without a record */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, n, "%s", strerror(errno));
        return NULL;
    }
    return reader_open(fd, why, n);
}

/* ---- what is not in the record ------------------------------------------------------------------------------------------ */

static void tell_missing(void *record, const char *file, const char *what)
{
    fprintf(stderr, "terrarium: replay: %s: %s: %s\n", (const char *)record, file, what);
}

/* The script of a run was named by its caller: it is looked for where we were called. */
static int find_files(const struct replay_options *o, const struct policy *p, const struct run_request *r,
                      struct bundled *b, struct bundle_places *places, char *script, size_t size)
{
    places->place = calloc(o->mounts + 1, sizeof *places->place);
    if (places->place == NULL)
        return command_fail("out of memory");
    if (r->script != NULL) {
        snprintf(script, size, "%s/%s", strcmp(p->cwd, "/") == 0 ? "" : p->cwd, r->script);
        places->place[places->count++] = (struct bundle_place){r->script, script};
    }
    for (size_t i = 0; i < o->mounts; i++)
        places->place[places->count++] = o->mount[i];
    size_t missing = bundled_find(b, places, tell_missing, (void *)o->record);
    return missing == 0
               ? 0
               : command_fail(
                     "replay: %s: %zu file%s that the run read %s not here as recorded, and the record was made "
                     "without --bundle (--mount HOST:GUEST says where a file or directory is)",
                     o->record, missing, missing == 1 ? "" : "s", missing == 1 ? "is" : "are");
}

static int run_again(const struct replay_options *o, struct reader *events, struct bundled *b,
                     const struct replaying_until *until)
{
    struct run_request r = {.ceilings = o->limits != NULL ? &o->limits->limits : &not_said,
                            .report = o->report,
                            .export_to = o->files,
                            .capture = o->capture,
                            .har = o->har};
    struct policy_error wrong;
    struct run_error e = {0};
    struct policy *p = NULL;
    size_t size;
    const char *text = bundled_policy(b, &size);
    if (policy_load_text(o->record, text, size, &p, &wrong) < 0 || policy_compile(p, &wrong) < 0) {
        policy_free(p);
        return command_fail("replay: the policy of the record: %s", wrong.text);
    }
    int status;
    struct replaying *again = NULL;
    struct watched watched = {0};
    struct bundle_places places = {0};
    char script[PATH_MAX];
    r.policy = p;
    r.watch = watch;
    r.watch_context = &watched;
    if (bundled_request(b, &r) < 0) {
        status = command_fail("replay: %s: what was run is not in it", o->record);
    } else if ((status = find_files(o, p, &r, b, &places, script, sizeof script)) != 0) {
        ;
    } else if ((r.again = watched.again = again = replaying_new(events, b, until)) == NULL) {
        status = command_fail("out of memory");
    } else if ((status = look(o, &watched.inspection)) == 0) {
        r.inspection = watched.inspection;
        status = supervisor_run(&r, &e);
        if (e.text[0] != '\0' && bundled_damaged(b) != NULL)
            status = command_fail("replay: %s: the record is damaged: behind event %" PRIu64
                                  ", bytes of %s are not what their hash says",
                                  o->record, replaying_events(again), bundled_damaged(b));
        else if (e.text[0] != '\0' && bundled_changed(b) != NULL)
            status = command_fail("replay: %s: %s: changed while it was replayed", o->record, bundled_changed(b));
        else if (e.text[0] != '\0')
            status = command_fail("replay: %s: %s", o->record, e.text);
        else if (o->until != NULL)
            fprintf(stderr,
                    replaying_stopped(again) ? "terrarium: stopped behind %" PRIu64 " events\n"
                                             : "terrarium: the run ended before that, behind %" PRIu64 " events\n",
                    replaying_events(again));
    }
    inspection_free(watched.inspection);
    replaying_free(again);
    policy_free(p);
    free(places.place);
    return status;
}

static int replay(struct replay_options *o, int argc, char **argv)
{
    struct replaying_until until;
    char why[512];
    int status = parse(o, argc, argv);
    if (status != 0)
        return status;
    if (o->help)
        return help();
    status = read_until(o, &until);
    if (status != 0)
        return status;
    if (o->gdb && isatty(STDIN_FILENO))
        return hand_over_to_gdb(o);
    struct reader *events = open_record(o->record, why, sizeof why);
    struct reader *kept = events != NULL ? open_record(o->record, why, sizeof why) : NULL;
    struct bundled *b = kept != NULL ? bundled_open(kept, why, sizeof why) : NULL;
    status = b != NULL ? run_again(o, events, b, &until) : command_fail("replay: %s: %s", o->record, why);
    bundled_free(b);
    reader_close(events);
    return status;
}

int command_replay(int argc, char **argv)
{
    struct replay_options o = {0};
    int status = replay(&o, argc, argv);
    policy_free(o.limits);
    for (size_t i = 0; i < o.mounts; i++)
        free((char *)o.mount[i].host);
    free(o.mount);
    return status;
}
