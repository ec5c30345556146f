/* `terrarium replay`: a recorded run again, out of its record alone. */
#include "cli/commands.h"
#include "kernel/sysent.h"
#include "policy/policy.h"
#include "supervisor/replaying.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay_options {
    const char *record, *until, *files, *report, *capture, *har;
    bool help;
};

static int help(void)
{
    printf(
        "usage: terrarium replay [OPTIONS] FILE\n\n"
        "Runs the run of a record again (made with --record FILE --bundle), on this or another machine: nothing of "
        "this\n"
        "machine is looked at, every event is compared with the recorded one, stdout and stderr are written again.\n\n"
        "  %-18s stop behind an event (its number), at a time of the world (1.5s, 20ms), or behind the\n"
        "  %-18s Nth call of a name (openat#3)\n"
        "  %-18s write out what the run had created, changed or deleted until then\n"
        "  %-18s write the report (JSON); - is stderr\n"
        "  %-18s write its conversations as packets (pcapng)\n"
        "  %-18s write its HTTP (HAR)\n\n"
        "Exit status: the run's own; 0 when it was stopped by --until; 125 at the first event that is not as "
        "recorded.\n",
        "--until WHERE", "", "--files DIR|TAR", "--report FILE", "--capture FILE", "--har FILE");
    return 0;
}

static int parse(struct replay_options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"--until", &o->until},
                   {"--files", &o->files},
                   {"--report", &o->report},
                   {"--capture", &o->capture},
                   {"--har", &o->har}};
    enum { OPTIONS = sizeof options / sizeof *options };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
            return 0;
        }
        size_t k = 0, length = strcspn(argv[i], "=");
        while (k < OPTIONS && (strlen(options[k].name) != length || strncmp(argv[i], options[k].name, length) != 0))
            k++;
        if (k < OPTIONS && argv[i][length] == '=')
            *options[k].value = argv[i] + length + 1;
        else if (k < OPTIONS && i + 1 < argc)
            *options[k].value = argv[++i];
        else if (k < OPTIONS)
            return command_fail("replay: %s needs a value (see 'terrarium replay --help')", options[k].name);
        else if (argv[i][0] == '-')
            return command_fail("replay: unknown option '%s' (see 'terrarium replay --help')", argv[i]);
        else if (o->record != NULL)
            return command_fail("replay: one record at a time");
        else
            o->record = argv[i];
    }
    return o->record != NULL ? 0 : command_fail("replay: no record named (see 'terrarium replay --help')");
}

/* "1200", "1.5s", "20ms", "openat#3" */
static int parse_until(const char *text, struct replaying_until *out)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    *out = (struct replaying_until){0};
    const char *hash = text != NULL ? strchr(text, '#') : NULL;
    char *end;
    if (text == NULL)
        return 0;
    if (hash != NULL) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(hash - text), text);
        int nr = sysent_number(name);
        out->call = (uint64_t)nr;
        out->count = strtoull(hash + 1, &end, 10);
        if (nr < 0)
            return command_fail("replay: --until: no system call is named '%s'", name);
        return *end == '\0' && out->count > 0
                   ? 0
                   : command_fail("replay: --until '%s': expected a number behind '#'", text);
    }
    double number = strtod(text, &end);
    if (end != text && *end == '\0' && strspn(text, "0123456789") == strlen(text)) {
        out->by_event = true;
        out->event = strtoull(text, NULL, 10);
        return 0;
    }
    for (size_t i = 0; end != text && number >= 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0 || number * units[i].ns > 9e18)
            continue;
        out->by_time = true;
        out->time = (int64_t)(number * units[i].ns);
        return 0;
    }
    return command_fail("replay: --until '%s': expected the number of an event, a time such as 1.5s, or CALL#N", text);
}

static struct reader *open_record(const char *path, char *why, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, n, "%s", strerror(errno));
        return NULL;
    }
    return reader_open(fd, why, n);
}

static int run_again(const struct replay_options *o, struct reader *events, struct bundled *b,
                     const struct replaying_until *until)
{
    struct run_request r = {.report = o->report, .export_to = o->files, .capture = o->capture, .har = o->har};
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
    r.policy = p;
    r.watch = replaying_watch;
    if (bundled_request(b, &r) < 0) {
        status = command_fail("replay: %s: what was run is not in it", o->record);
    } else if ((r.again = r.watch_context = again = replaying_new(events, b, until)) == NULL) {
        status = command_fail("out of memory");
    } else {
        status = supervisor_run(&r, &e);
        if (e.text[0] != '\0')
            status = command_fail("replay: %s: %s", o->record, e.text);
        else if (o->until != NULL)
            fprintf(stderr,
                    replaying_stopped(again) ? "terrarium: stopped behind %" PRIu64 " events\n"
                                             : "terrarium: the run ended before that, behind %" PRIu64 " events\n",
                    replaying_events(again));
    }
    replaying_free(again);
    policy_free(p);
    return status;
}

int command_replay(int argc, char **argv)
{
    struct replay_options o = {0};
    struct replaying_until until;
    char why[512];
    int status = parse(&o, argc, argv);
    if (status != 0)
        return status;
    if (o.help)
        return help();
    status = parse_until(o.until, &until);
    if (status != 0)
        return status;
    struct reader *events = open_record(o.record, why, sizeof why);
    struct reader *kept = events != NULL ? open_record(o.record, why, sizeof why) : NULL;
    struct bundled *b = kept != NULL ? bundled_open(kept, why, sizeof why) : NULL;
    status = b != NULL ? run_again(&o, events, b, &until) : command_fail("replay: %s: %s", o.record, why);
    bundled_free(b);
    reader_close(events);
    return status;
}
