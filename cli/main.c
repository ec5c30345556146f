/* What people type: finds the command and hands it its words. */
#include "cli/commands.h"
#include "supervisor/supervisor.h"
#include "trace/decode.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer's search for leaks at the end needs to trace itself, which a confined supervisor may not; unit tests do it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", command_run, "run Python in a world of its own"},
    {"exec", command_run, "run any program of the world"},
    {"policy", command_policy, "check, explain or show a policy"},
    {"doctor", command_doctor, "what this machine offers, and what it means for runs"},
    {"replay", command_replay, "run a record again"},
    {"trace", command_trace, "print a record"},
    {"diff", command_diff, "compare two records"},
    {"verify", command_verify, "run several times and compare"},
    {"keygen", command_keygen, "make a key to sign records with"},
};

int command_fail(const char *format, ...)
{
    char text[4096]; /* what it says may be named by a guest, or by somebody's record */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs("terrarium: ", stderr);
    decode_plain(stderr, text, strlen(text), "");
    fputc('\n', stderr);
    return STATUS_FAILED;
}

static int help(void)
{
    printf("Terrarium: a sealed glass world for Python.\n\nusage: terrarium COMMAND ...\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].help);
    printf("\n'terrarium COMMAND --help' says more. Begin with: terrarium run -- -c 'import os; "
           "print(os.listdir(\"/\"))'\n");
    return 0;
}

/* A standard stream that the caller closed: no file of ours may come to lie there, where the guest would have it for its own.
 * Whoever asks finds a descriptor that neither reads nor writes (O_PATH), and takes it for what it stands for. */
static void keep_closed(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/", O_PATH | O_CLOEXEC); /* the lowest free number: this one */
}

/* The caller's limit of the stack is as little ours as it is the guest's (setrlimit(2)): what is there grows up to what it is then. False: it
 * cannot be more. */
static bool make_room(void)
{
    const rlim_t usual = 8 << 20, least = 1 << 20;
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur >= usual)
        return true;
    limit.rlim_cur = limit.rlim_max < usual ? limit.rlim_max : usual;
    if (limit.rlim_cur < least)
        limit.rlim_cur = limit.rlim_max = usual; /* which root may */
    return setrlimit(RLIMIT_STACK, &limit) == 0;
}

int main(int argc, char **argv)
{
    keep_closed();
    if (!make_room())
        return command_fail("the limit of the stack (ulimit -s) is too small: 1 MiB is needed");
    if (argc < 2)
        return command_fail("no command (see 'terrarium --help')");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("terrarium %s\n", TERRARIUM_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return command_fail("unknown command '%s' (see 'terrarium --help')", argv[1]);
}
