/* Parsing options by the table below. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

const struct option_entry option_table[OPTION_COUNT] = {
    [OPTION_POLICY] = {"--policy", "FILE", false,
                       "the world's policy (docs/policy.md), or a profile: grading, forensic, offline"},
    [OPTION_PYTHON] = {"--python", "PATH", false, "the interpreter (default: python3 on PATH)"},
    [OPTION_SEED] = {"--seed", "N", false, "seed of everything random in the world"},
    [OPTION_SCHEDULE] = {"--schedule", "seed=N", false,
                         "another order of threads and processes, as N says; 0: the ordinary one"},
    [OPTION_RECORD] = {"--record", "FILE", false, "keep every event of the run"},
    [OPTION_SIGN] = {"--sign", "KEY", false, "sign the record (a file made by 'terrarium keygen')"},
    [OPTION_TRACE] = {"--trace", NULL, false, "print each call on stderr as it happens, as strace -f -y does"},
    [OPTION_BUNDLE] = {"--bundle", NULL, false,
                       "keep in the record all that the run saw of this machine: it can be replayed anywhere"},
    [OPTION_REPORT] = {"--report", "FILE", false, "write the report (JSON); - is stderr"},
    [OPTION_MOUNT] = {"--mount", "HOST:GUEST[:ro|cow]", true,
                      "show a host file or directory in the world (default: ro)"},
    [OPTION_IMAGE] = {"--image", "TAR[:GUEST]", true, "show an archive's tree in the world (default: as /)"},
    [OPTION_CWD] = {"--cwd", "DIR", false, "working directory in the world (default: /box)"},
    [OPTION_ENV] = {"--env", "NAME=VALUE", true, "an environment variable"},
    [OPTION_LIMIT] = {"--limit", "NAME=VALUE,...", true,
                      "cpu=10s,wall=30s,memory=256MiB,output=1MiB,processes=32,files=64MiB"},
    [OPTION_EXPORT] = {"--export", "DIR|FILE.tar", false, "write out what the run created, changed or deleted"},
    [OPTION_CAPTURE] = {"--capture", "FILE.pcapng", false, "write every conversation as packets, for Wireshark"},
    [OPTION_HAR] = {"--har", "FILE", false, "write the HTTP of the run as an HTTP Archive"},
    [OPTION_TRAP] = {"--trap", "all", false, "let the kernel answer no call itself"},
    [OPTION_QUIET] = {"--quiet", NULL, false, "say nothing but errors"},
    [OPTION_VERBOSE] = {"--verbose", NULL, false, "say each kind of denial once, as it happens"},
    [OPTION_REPRODUCIBLE] = {"--require-reproducible", NULL, false,
                             "end with status 125 when the run cannot be had again"},
    [OPTION_HELP] = {"--help", NULL, false, "this text"},
};

static int find(const char *word, size_t length)
{
    for (int id = 0; id < OPTION_COUNT; id++)
        if (strlen(option_table[id].name) == length && strncmp(option_table[id].name, word, length) == 0)
            return id;
    if (length == 2 && strncmp(word, "-h", 2) == 0)
        return OPTION_HELP;
    return -1;
}

/* The entry whose name shares the most letters from the start, for "did you mean". */
static const char *nearest(const char *word)
{
    const char *best = NULL;
    size_t most = 3; /* "--" and one letter say nothing */
    for (int id = 0; id < OPTION_COUNT; id++) {
        size_t n = 0;
        while (word[n] != '\0' && word[n] == option_table[id].name[n])
            n++;
        if (n > most) {
            most = n;
            best = option_table[id].name;
        }
    }
    return best;
}

const char *options_value(const struct options *o, enum option_id id)
{
    for (size_t i = o->count; i > 0; i--)
        if (o->given[i - 1].id == id)
            return o->given[i - 1].value;
    return NULL;
}

static int complain(const char *word, char *error, size_t n)
{
    const char *near = nearest(word);
    if (near != NULL)
        snprintf(error, n, "unknown option '%s' (did you mean '%s'?)", word, near);
    else
        snprintf(error, n, "unknown option '%s'; what is for python3 goes behind '--'", word);
    return -1;
}

int options_parse(struct options *o, int argc, char *const *argv, int first, char *error, size_t n)
{
    int at = first;
    *o = (struct options){0};
    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        const char *word = argv[at];
        if (strcmp(word, "--") == 0) {
            o->separated = true;
            at++;
            break;
        }
        size_t length = strcspn(word, "=");
        int id = find(word, length);
        if (id < 0)
            return complain(word, error, n);
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        if (option_table[id].value == NULL && value != NULL) {
            snprintf(error, n, "%s takes no value", option_table[id].name);
            return -1;
        }
        if (option_table[id].value != NULL && value == NULL && ++at < argc)
            value = argv[at];
        if (option_table[id].value != NULL && value == NULL) {
            snprintf(error, n, "%s needs a value: %s", option_table[id].name, option_table[id].value);
            return -1;
        }
        if (!option_table[id].repeats && options_value(o, (enum option_id)id) != NULL) {
            snprintf(error, n, "%s is given twice", option_table[id].name);
            return -1;
        }
        if (o->count == OPTION_GIVEN_MAX) {
            snprintf(error, n, "more than %d options", OPTION_GIVEN_MAX);
            return -1;
        }
        o->given[o->count].id = (enum option_id)id;
        o->given[o->count++].value = value != NULL ? value : "";
    }
    o->rest = at;
    return 0;
}

bool options_takes_word(const char *word)
{
    int id = find(word, strlen(word));
    return id >= 0 && option_table[id].value != NULL;
}

/* What one word of python3's options means (Python/getopt.c): letters may stand together, and the value of -W and -X
 * behind them or in the next word. */
enum word { WORD_FLAGS, WORD_WITH_NEXT, WORD_ENDS };

static enum word python_word(const char *word)
{
    if (strncmp(word, "--", 2) == 0)
        return strcmp(word, "--check-hash-based-pycs") == 0 ? WORD_WITH_NEXT : WORD_FLAGS;
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        if (*letter == 'c' || *letter == 'm')
            return WORD_ENDS;
        if (*letter == 'W' || *letter == 'X')
            return letter[1] == '\0' ? WORD_WITH_NEXT : WORD_FLAGS;
    }
    return WORD_FLAGS;
}

int options_script(int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        if (argv[i][1] == '\0')
            return -1;
        if (strcmp(argv[i], "--") == 0)
            return i + 1 < argc ? i + 1 : -1;
        enum word w = python_word(argv[i]);
        if (w == WORD_ENDS)
            return -1;
        i += w == WORD_WITH_NEXT;
    }
    return -1;
}
