/* `terrarium verify`: the same run several times, each with what must not matter disturbed (cli/again.c), and the first thing
 * that differs. Exit status: 0 all the same, 1 not, 125 it could not be tried. */
#include "cli/again.h"
#include "cli/commands.h"
#include "cli/compare.h"
#include "cli/options.h"
#include "cli/schedules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNS_DEFAULT = 3, RUNS_MOST = 10000, SCHEDULE_WORD = 32 };

struct verify {
    unsigned runs;
    bool schedules;               /* each run is of another schedule */
    char schedule[SCHEDULE_WORD]; /* seed=N of the run to come; "": as the words say */
    bool load, is_exec;
    const char *directory;                     /* temporary, of its own */
    char *words[3 + OPTION_GIVEN_MAX * 2 + 8]; /* the run's, before the guest's; owned */
    int word_count;
    char **guest; /* borrowed from argv, but for the script */
    int guest_count;
    char *script; /* owned */
};

static int help(void)
{
    printf(
        "usage: terrarium verify [-n N | --schedules N] [--load] [--exec] [OPTIONS of run] [--] PYTHON-ARGS...\n\n"
        "Runs N times what 'terrarium run' (or, with --exec, 'terrarium exec') would run, each time with another "
        "environment,\ndirectory, CPU, limits and rhythm of its input, and says what the runs differ in.\n\n"
        "  %-13s how many runs (default %d)\n  %-13s try N orders of threads and processes, and say what outcomes they "
        "have,\n                with a seed for each\n  %-13s beside busy loops in every second run\n  %-13s the words "
        "are "
        "a program and its arguments, as exec's\n\n"
        "Compared: exit status, stdout, stderr, what was exported, verdict, calls, denials and files of the "
        "reports.\nExit status: 0: all the same; 1: they differ; 125: it could not be tried.\n",
        "-n N", RUNS_DEFAULT, "--schedules N", "--load", "--exec");
    return 0;
}

/* ---- the words of a run ------------------------------------------------------------------------------------------------- */

/* A host path that means the same from any directory. */
static char *absolute(const char *path)
{
    char here[PATH_MAX], *out = NULL;
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL)
        return strdup(path);
    return asprintf(&out, "%s/%s", here, path) < 0 ? NULL : out;
}

/* The option's value from any directory: several are host paths, or begin with one. */
static char *value_from_anywhere(enum option_id id, const char *value)
{
    switch (id) {
    case OPTION_MOUNT:
    case OPTION_IMAGE:
    case OPTION_SIGN:
        return absolute(value);
    case OPTION_PYTHON: /* a bare name is looked for along PATH */
        return strchr(value, '/') != NULL ? absolute(value) : strdup(value);
    case OPTION_POLICY: /* a bare name is a profile's */
        return strpbrk(value, "/.") != NULL ? absolute(value) : strdup(value);
    default:
        return strdup(value);
    }
}

static bool add_word(struct verify *v, char *word)
{
    v->words[v->word_count] = word;
    v->word_count += word != NULL;
    return word != NULL;
}

static int collect_options(struct verify *v, const struct options *o)
{
    bool good = add_word(v, strdup("terrarium")) && add_word(v, strdup(v->is_exec ? "exec" : "run"));
    for (size_t i = 0; good && i < o->count; i++) {
        enum option_id id = o->given[i].id;
        if (id == OPTION_RECORD || id == OPTION_REPORT || id == OPTION_EXPORT || id == OPTION_CAPTURE ||
            id == OPTION_HAR)
            return command_fail("verify: %s is verify's own business here", option_table[id].name);
        good = add_word(v, strdup(option_table[id].name));
        if (good && option_table[id].value != NULL)
            good = add_word(v, value_from_anywhere(id, o->given[i].value));
    }
    return good ? 0 : command_fail("out of memory");
}

static int collect_guest(struct verify *v, int count, char **words)
{
    v->guest_count = count;
    v->guest = calloc((size_t)count + 1, sizeof *v->guest);
    if (v->guest == NULL)
        return command_fail("out of memory");
    if (count > 0)
        memcpy(v->guest, words, (size_t)count * sizeof *words);
    int script = v->is_exec ? -1 : options_script(count, words);
    if (script < 0)
        return 0;
    if (access(words[script], R_OK) != 0)
        return command_fail("%s: %s", words[script], strerror(errno));
    v->guest[script] = v->script = absolute(words[script]);
    return v->script != NULL ? 0 : command_fail("out of memory");
}

static int take_number(struct verify *v, const char *option, const char *number)
{
    char *end;
    long runs = strtol(number, &end, 10);
    if (*number == '\0' || *end != '\0' || runs < 2 || runs > RUNS_MOST)
        return command_fail("verify: %s '%s': expected a number from 2 to %d", option, number, RUNS_MOST);
    v->runs = (unsigned)runs;
    return 0;
}

/* verify's own options are taken out, and what is left is run's. 0, or a status with its line said. */
static int parse(struct verify *v, int argc, char **argv, bool *wants_help)
{
    char **rest = calloc((size_t)argc + 1, sizeof *rest), error[256];
    struct options o;
    if (rest == NULL)
        return command_fail("out of memory");
    int n = 0, i = 1, status = 0;
    v->runs = RUNS_DEFAULT;
    rest[n++] = argv[0];
    for (; status == 0 && i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--load") == 0) {
            v->load = true;
        } else if (strcmp(argv[i], "--exec") == 0) {
            v->is_exec = true;
        } else if (strcmp(argv[i], "--schedules") == 0) {
            v->schedules = true;
            status = take_number(v, "--schedules", i + 1 < argc ? argv[++i] : "");
        } else if (strncmp(argv[i], "-n", 2) == 0) {
            status = take_number(v, "-n", argv[i][2] != '\0' ? argv[i] + 2 : i + 1 < argc ? argv[++i] : "");
        } else {
            rest[n++] = argv[i];
            if (options_takes_word(argv[i]) && i + 1 < argc)
                rest[n++] = argv[++i];
        }
    }
    for (; i < argc; i++)
        rest[n++] = argv[i];
    if (status == 0 && options_parse(&o, n, rest, 1, error, sizeof error) < 0)
        status = command_fail("verify: %s (see 'terrarium verify --help')", error);
    if (status == 0 && (*wants_help = options_value(&o, OPTION_HELP) != NULL) == false) {
        if (o.rest == n && (v->is_exec || !o.separated))
            status = command_fail("verify: nothing to run (see 'terrarium verify --help')");
        else if ((status = collect_options(v, &o)) == 0)
            status = collect_guest(v, n - o.rest, rest + o.rest);
    }
    free(rest);
    return status;
}

/* ---- the runs ------------------------------------------------------------------------------------------------------------- */

static char *numbered(const struct verify *v, const char *name, unsigned number, const char *suffix)
{
    char *out;
    return asprintf(&out, "%s/%s-%u%s", v->directory, name, number, suffix) < 0 ? NULL : out;
}

/* What runs get as stdin: the caller's own file opened anew, or what stands in a pipe, kept. A terminal is no input that
 * could be given twice. *start: as again_request's. */
static int take_input(int64_t *start)
{
    struct stat st;
    *start = 0;
    if (fstat(0, &st) < 0 || isatty(0))
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)) {
        off_t at = lseek(0, 0, SEEK_CUR);
        *start = at > 0 ? at : 0;
        return fcntl(0, F_DUPFD_CLOEXEC, 3);
    }
    FILE *kept = tmpfile();
    static char bytes[65536];
    for (ssize_t got; kept != NULL && (got = read(0, bytes, sizeof bytes)) > 0;)
        if (fwrite(bytes, 1, (size_t)got, kept) != (size_t)got)
            return -1;
    if (kept == NULL || fflush(kept) == EOF)
        return -1;
    *start = -1;
    int fd = fcntl(fileno(kept), F_DUPFD_CLOEXEC, 3);
    fclose(kept);
    return fd;
}

static int run_once(struct verify *v, unsigned number, int input, int64_t start, int *status)
{
    char *report = numbered(v, "report", number, ""), *export = numbered(v, "export", number, ".tar");
    char *record = v->schedules ? NULL : numbered(v, "record", number, "");
    int count = v->word_count + 9 + v->guest_count, n = 0;
    char **argv = calloc((size_t)count + 1, sizeof *argv);
    int error = -ENOMEM;
    if (report != NULL && export != NULL && argv != NULL && (v->schedules || record != NULL)) {
        for (int i = 0; i < v->word_count; i++)
            argv[n++] = v->words[i];
        if (v->schedule[0] != '\0') {
            argv[n++] = "--schedule";
            argv[n++] = v->schedule;
        }
        argv[n++] = "--report";
        argv[n++] = report;
        argv[n++] = "--export";
        argv[n++] = export;
        if (record != NULL) {
            argv[n++] = "--record";
            argv[n++] = record;
        }
        argv[n++] = "--";
        for (int i = 0; i < v->guest_count; i++)
            argv[n++] = v->guest[i];
        struct again_result result;
        error = again_run(&(struct again_request){argv, input, start, v->directory, number, v->load}, &result);
        *status = result.status;
        if (error == 0 && again_interrupted() != 0)
            error = -EINTR;
    }
    free(argv);
    free(report);
    free(export);
    free(record);
    return error;
}

static void remove_run(const struct verify *v, unsigned number)
{
    static const char *const names[][2] = {
        {"out", ""}, {"err", ""}, {"report", ""}, {"record", ""}, {"export", ".tar"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = numbered(v, names[i][0], number, names[i][1]);
        if (path != NULL)
            (void)unlink(path);
        free(path);
    }
}

/* What the run said on stderr: why it could not be done. */
static void pass_on_errors(const struct verify *v, unsigned number)
{
    char *path = numbered(v, "err", number, ""), line[2048];
    FILE *f = path != NULL ? fopen(path, "re") : NULL;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        fputs(line, stderr);
    if (f != NULL)
        fclose(f);
    free(path);
}

static int cannot_run(struct verify *v, unsigned number, int error)
{
    remove_run(v, number);
    return again_interrupted() != 0
               ? 128 + again_interrupted()
               : command_fail("verify: run %u could not be started: %s", number + 1, strerror(-error));
}

static int compare_all(struct verify *v, int input, int64_t start)
{
    int first = 0, status;
    for (unsigned i = 0; i < v->runs; i++) {
        int error = run_once(v, i, input, start, &status);
        if (error < 0)
            return cannot_run(v, i, error);
        if (i == 0) {
            first = status;
            if (status == STATUS_FAILED && !compare_has_report(v->directory, 0)) {
                pass_on_errors(v, 0);
                return STATUS_FAILED;
            }
            continue;
        }
        bool same = compare_runs(stdout, v->directory, 0, i, first, status);
        if (!same) {
            remove_run(v, i);
            return 1;
        }
        remove_run(v, i);
    }
    compare_summary(stdout, v->directory, v->runs, first);
    return 0;
}

/* One run of a schedule. 0, or a status with its line said. */
static int run_schedule(struct verify *v, unsigned seed, unsigned number, int input, int64_t start, int *status)
{
    snprintf(v->schedule, sizeof v->schedule, "seed=%u", seed);
    int error = run_once(v, number, input, start, status);
    if (error < 0)
        return cannot_run(v, number, error);
    if (*status != STATUS_FAILED || compare_has_report(v->directory, number))
        return 0;
    pass_on_errors(v, number);
    return STATUS_FAILED;
}

/* Every schedule once, then the first of each outcome once more, differently disturbed. */
static int explore(struct verify *v, int input, int64_t start)
{
    struct schedules *s = schedules_new();
    int status, result = s != NULL ? 0 : command_fail("out of memory");
    unsigned number = 0, seed;
    for (seed = 1; result == 0 && seed <= v->runs; seed++, number++) {
        result = run_schedule(v, seed, number, input, start, &status);
        if (result == 0 && schedules_note(s, v->directory, number, seed, status) < 0)
            result = command_fail("verify: too many outcomes");
        remove_run(v, number);
    }
    for (size_t i = 0; result == 0 && (seed = schedules_seed(s, i)) != 0; i++, number++) {
        result = run_schedule(v, seed, number, input, start, &status);
        if (result == 0 && !schedules_same(s, v->directory, number, i, status)) {
            printf("seed=%u had another outcome when it was run again\n", seed);
            result = 1;
        }
        remove_run(v, number);
    }
    if (result == 0) {
        result = schedules_seed(s, 1) != 0;
        schedules_tell(stdout, s);
    }
    schedules_free(s);
    return result;
}

int command_verify(int argc, char **argv)
{
    struct verify v = {0};
    bool wants_help = false;
    int status = parse(&v, argc, argv, &wants_help);
    if (status == 0 && wants_help) {
        status = help();
    } else if (status == 0) {
        const char *base = getenv("TMPDIR");
        char directory[PATH_MAX];
        int64_t start;
        snprintf(directory, sizeof directory, "%s/terrarium-verify-XXXXXX",
                 base != NULL && *base == '/' ? base : "/tmp");
        again_listen();
        v.directory = mkdtemp(directory);
        int input = v.directory != NULL ? take_input(&start) : -1;
        if (input < 0)
            status = command_fail("verify: %s: %s", directory, strerror(errno));
        else
            status = v.schedules ? explore(&v, input, start) : compare_all(&v, input, start);
        if (input >= 0)
            close(input);
        if (v.directory != NULL) {
            remove_run(&v, 0);
            (void)rmdir(v.directory);
        }
    }
    for (int i = 0; i < v.word_count; i++)
        free(v.words[i]);
    free(v.guest);
    free(v.script);
    if (again_interrupted() != 0) { /* whoever waits for this process is told how it ended */
        (void)signal(again_interrupted(), SIG_DFL);
        (void)raise(again_interrupted());
    }
    return status;
}
