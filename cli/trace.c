/* `terrarium trace`, `diff` and `keygen`: what one does with a record without running anything. */
#include "cli/commands.h"
#include "trace/diff.h"
#include "trace/filter.h"
#include "trace/html.h"
#include "trace/json.h"
#include "trace/key.h"
#include "trace/reader.h"
#include "trace/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The record ends early, or the signature is not good: what there was to say was said. */
enum { STATUS_INCOMPLETE = 1 };

struct trace_options {
    const char *file, *html, *filter, *public_key;
    bool json, json_lines, times;
};

static const struct trace_option {
    const char *name, *value, *help;
} trace_options[] = {
    {"--json", NULL, "one array of all events, with everything they hold"},
    {"--jsonl", NULL, "the same, an object a line"},
    {"--html", "OUT", "one self-contained page: timeline, processes, files, denials"},
    {"--filter", "EXPR", "only events that it takes, such as 'call=%file and result=error'"},
    {"--times", NULL, "virtual seconds behind the PID"},
    {"--verify-signature", "KEY", "only check: is all of it as it was when KEY (FILE.pub) signed it?"},
};

static int trace_help(void)
{
    printf("usage: terrarium trace FILE [OPTIONS]\n\nPrints a record, by the conventions of strace(1) -f -y: PID "
           "call(arguments) = result.\n\n");
    for (size_t i = 0; i < sizeof trace_options / sizeof *trace_options; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", trace_options[i].name, trace_options[i].value != NULL ? " " : "",
                 trace_options[i].value != NULL ? trace_options[i].value : "");
        printf("  %-26s %s\n", left, trace_options[i].help);
    }
    printf("\nA filter is made of tests joined by and, or, not and ( ):\n"
           "  pid=2  tid=3  call=openat,%%network  path=/etc/**  time>=1.5s  result=ENOENT  result=ok  result=error\n"
           "  rule=any  rule=deny  kind=signal  event<100\n"
           "\nExit status: 0; 1 when the record ends before its run did; 125 when it is no record or was damaged, or "
           "with\n"
           "--verify-signature when not all of it is as KEY signed it. stderr then says up to which event and why.\n");
    return 0;
}

/* 0, 1: go on; -1: said. */
static int take_option(struct trace_options *o, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    if (word[0] != '-' || word[1] == '\0') {
        if (o->file != NULL)
            return command_fail("trace: one record, not two: %s", word), -1;
        o->file = word;
        return 0;
    }
    for (size_t at = 0; at < sizeof trace_options / sizeof *trace_options; at++) {
        const struct trace_option *known = &trace_options[at];
        size_t n = strlen(known->name);
        if (strncmp(word, known->name, n) != 0 || (word[n] != '\0' && word[n] != '='))
            continue;
        const char *value = word[n] == '=' ? word + n + 1 : NULL;
        if (known->value == NULL && value != NULL)
            return command_fail("trace: %s takes no value", known->name), -1;
        if (known->value != NULL && value == NULL && (value = *i + 1 < argc ? argv[++*i] : NULL) == NULL)
            return command_fail("trace: %s needs a value: %s", known->name, known->value), -1;
        const char **texts[] = {NULL, NULL, &o->html, &o->filter, NULL, &o->public_key};
        bool *switches[] = {&o->json, &o->json_lines, NULL, NULL, &o->times, NULL};
        if (texts[at] != NULL)
            *texts[at] = value;
        else
            *switches[at] = true;
        return 0;
    }
    return command_fail("trace: unknown option '%s' (see 'terrarium trace --help')", word), -1;
}

static struct reader *open_record(const char *command, const char *path)
{
    char why[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        command_fail("%s: %s: %s", command, path, strerror(errno));
        return NULL;
    }
    struct reader *r = reader_open(fd, why, sizeof why);
    if (r == NULL)
        command_fail("%s: %s: %s", command, path, why);
    return r;
}

/* What became of reading to the end, as an exit status. */
static int outcome(const char *path, const struct reader *r, enum reader_result result)
{
    if (result == READER_END)
        return 0;
    fflush(stdout);
    fprintf(stderr, "terrarium: %s: %s\n", path, reader_why(r));
    return result == READER_CUT ? STATUS_INCOMPLETE : STATUS_FAILED;
}

static int print(struct reader *r, const struct trace_options *o, const struct trace_filter *filter, struct event *e)
{
    struct trace_context *c = trace_context_new();
    struct trace_text *text = calloc(1, sizeof *text);
    enum reader_result result = READER_END;
    bool any = false;
    if (c == NULL || text == NULL) {
        trace_context_free(c);
        free(text);
        return command_fail("out of memory");
    }
    text->to = stdout;
    text->context = c;
    text->times = o->times;
    if (o->json)
        fputs("[\n", stdout);
    while (!ferror(stdout) && (result = reader_next(r, e)) == READER_EVENT) {
        if (trace_context_see(c, e) < 0) {
            command_fail("out of memory");
            break;
        }
        if (!trace_filter_takes(filter, c, e))
            continue;
        if (!o->json && !o->json_lines) {
            trace_text_event(text, e);
            continue;
        }
        fputs(any && o->json ? ",\n" : "", stdout);
        trace_json_event(stdout, c, e);
        fputs(o->json_lines ? "\n" : "", stdout);
        any = true;
    }
    trace_text_end(text);
    if (o->json)
        fputs(any ? "\n]\n" : "]\n", stdout);
    trace_context_free(c);
    free(text);
    if (fflush(stdout) != 0 || ferror(stdout))
        return errno == EPIPE ? 128 + 13 : command_fail("trace: standard output: %s", strerror(errno));
    return outcome(o->file, r, result);
}

static int verify_signature(struct reader *r, const struct trace_options *o, struct event *e)
{
    uint8_t wanted[KEY_PUBLIC], key[KEY_PUBLIC];
    char why[512], hex[2 * EVENT_DIGEST + 1];
    enum reader_result result;
    if (key_read_public(o->public_key, wanted, why, sizeof why) < 0)
        return command_fail("trace: %s", why);
    while ((result = reader_next(r, e)) == READER_EVENT)
        ;
    if (result != READER_END) {
        (void)outcome(o->file, r, result);
        return STATUS_FAILED; /* whose all of it is nobody can say */
    }
    enum signature signature = reader_signature(r, key);
    if (signature == SIGNATURE_GOOD && memcmp(key, wanted, sizeof key) == 0) {
        void *room = malloc(EVENT_PIECE_SIZE);
        const uint8_t *damaged = room != NULL ? reader_damaged_content(r, room) : NULL;
        free(room);
        if (room == NULL)
            return command_fail("out of memory");
        if (damaged != NULL)
            return command_fail("%s: the content %s is not what its hash says", o->file,
                                sodium_bin2hex(hex, sizeof hex, damaged, EVENT_DIGEST));
        printf("%s: signed by %s: %" PRIu64 " events, head %s\n", o->file, o->public_key, reader_events(r),
               sodium_bin2hex(hex, sizeof hex, reader_head(r), EVENT_DIGEST));
        return 0;
    }
    return command_fail("%s: %s", o->file,
                        signature == SIGNATURE_NONE  ? "not signed"
                        : signature == SIGNATURE_BAD ? "the signature is not of this record"
                                                     : "signed by another key");
}

int command_trace(int argc, char **argv)
{
    struct trace_options o = {0};
    char why[512];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return trace_help();
        if (take_option(&o, argc, argv, &i) < 0)
            return STATUS_FAILED;
    }
    if (o.file == NULL)
        return command_fail("trace: no record named (see 'terrarium trace --help')");
    if (o.json + o.json_lines + (o.html != NULL) + (o.public_key != NULL) > 1)
        return command_fail("trace: one of --json, --jsonl, --html and --verify-signature");
    if (sodium_init() < 0)
        return command_fail("libsodium cannot start");
    struct trace_filter *filter = NULL;
    if (o.filter != NULL && (filter = trace_filter_parse(o.filter, why, sizeof why)) == NULL)
        return command_fail("trace: %s", why);
    struct reader *r = open_record("trace", o.file);
    struct event *e = malloc(sizeof *e);
    int status = STATUS_FAILED;
    if (r != NULL && e == NULL)
        status = command_fail("out of memory");
    else if (r != NULL && o.public_key != NULL)
        status = verify_signature(r, &o, e);
    else if (r != NULL && o.html != NULL) {
        enum reader_result result;
        status = trace_html(r, o.html, filter, &result, why, sizeof why) < 0 ? command_fail("trace: %s", why)
                                                                             : outcome(o.file, r, result);
    } else if (r != NULL)
        status = print(r, &o, filter, e);
    free(e);
    reader_close(r);
    trace_filter_free(filter);
    return status;
}

int command_diff(int argc, char **argv)
{
    char why[512];
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf(
            "usage: terrarium diff A B\n\nCompares two records. Exit status: 0 when they are the same run; 1 when not: "
            "the first event that differs,\n"
            "and then what each did more or less of, by call and by file; 125 when one is no record or was damaged.\n");
        return 0;
    }
    if (argc != 3)
        return command_fail("diff: two records, please (see 'terrarium diff --help')");
    if (sodium_init() < 0)
        return command_fail("libsodium cannot start");
    struct diff_side side[2] = {{.name = argv[1]}, {.name = argv[2]}};
    int status = STATUS_FAILED;
    if ((side[0].reader = open_record("diff", argv[1])) != NULL &&
        (side[1].reader = open_record("diff", argv[2])) != NULL) {
        enum diff_result result = trace_diff(stdout, side, why, sizeof why);
        status = result == DIFF_SAME ? 0 : result == DIFF_DIFFERENT ? 1 : command_fail("diff: %s", why);
    }
    reader_close(side[0].reader);
    reader_close(side[1].reader);
    return status;
}

int command_keygen(int argc, char **argv)
{
    char why[512];
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: terrarium keygen FILE\n\nMakes a key to sign records with ('terrarium run --record R --sign "
               "FILE'): FILE is the secret one, FILE.pub the\n"
               "public one, which 'terrarium trace R --verify-signature FILE.pub' asks for. Neither may exist.\n");
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-')
        return command_fail("keygen: a file to make, please (see 'terrarium keygen --help')");
    return key_make(argv[1], why, sizeof why) < 0 ? command_fail("keygen: %s", why) : 0;
}
