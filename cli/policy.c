/* `terrarium policy check|explain|show`. */
#include "cli/commands.h"
#include "cli/profiles.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* path NULL: the built-in policy. 0, or STATUS_FAILED with the reason said. */
static int load(const char *path, struct policy **p)
{
    struct policy_error e;
    char *directories[PROFILES_MAX];
    profiles_directories(directories);
    int result = policy_load(path, (const char *const *)directories, p, &e);
    profiles_free(directories);
    if (result == 0 && policy_compile(*p, &e) < 0) {
        policy_free(*p);
        result = -1;
    }
    return result == 0 ? 0 : command_fail("%s", e.text);
}

static int check(const char *file, int argc, char **argv)
{
    struct policy_error e;
    if (argc < 1)
        return command_fail("policy check: no file named (see 'terrarium policy --help')");
    for (int i = 0; i < argc; i++) {
        struct policy *p;
        int status = load(argv[i], &p);
        if (status != 0)
            return status;
        if (policy_check_sources(p, &e) < 0)
            status = command_fail("%s", e.text);
        policy_free(p);
        if (status != 0)
            return status;
        printf("%s: a good policy\n", argv[i]);
    }
    return 0;
}

static int explain(const char *file, int argc, char **argv)
{
    struct policy *p;
    struct policy_error e = {0};
    char *text;
    int status = load(file, &p);
    if (status != 0)
        return status;
    if (policy_explain(p, argc, (const char *const *)argv, &text, &e) < 0) {
        status = command_fail("%s", e.text);
    } else {
        fputs(text, stdout);
        free(text);
    }
    policy_free(p);
    return status;
}

static int show(const char *file, int argc, char **argv)
{
    struct policy *p;
    if (argc > 1 || (argc == 1 && file != NULL))
        return command_fail("policy show: one policy at a time");
    int status = load(argc == 1 ? argv[0] : file, &p);
    if (status != 0)
        return status;
    char *text = policy_show(p);
    if (text != NULL)
        fputs(text, stdout);
    else
        status = command_fail("out of memory");
    free(text);
    policy_free(p);
    return status;
}

static const struct {
    const char *name;
    int (*run)(const char *file, int argc, char **argv);
    bool takes_policy; /* --policy FILE before its words */
    const char *usage, *help;
} commands[] = {
    {"check", check, false, "check FILE...",
     "Is it a policy? The first mistake, with file, line and column; are the files it names there?"},
    {"explain", explain, true, "explain [--policy FILE] CALL [ARGS...]",
     "Which line decides this call, and what would the guest get? ARGS in the call's order, or NAME=VALUE:\n"
     "  terrarium policy explain --policy grading openat /etc/shadow O_RDONLY"},
    {"show", show, true, "show [--policy FILE]", "The whole policy in force, each value with where it came from."},
};

static int help(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("%s terrarium policy %s\n", i == 0 ? "usage:" : "      ", commands[i].usage);
    printf("\nFILE is a policy (docs/policy.md) or the name of a profile: grading, forensic, offline.\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("\n%s: %s\n", commands[i].name, commands[i].help);
    return 0;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int command_policy(int argc, char **argv)
{
    if (argc < 2)
        return command_fail("policy: check, explain or show? (see 'terrarium policy --help')");
    if (asks_for_help(argv[1]) || (argc > 2 && asks_for_help(argv[2])))
        return help();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        int at = 2;
        const char *file = NULL;
        if (commands[i].takes_policy && at < argc && strcmp(argv[at], "--policy") == 0) {
            if (at + 1 >= argc)
                return command_fail("policy %s: --policy needs a value: FILE", argv[1]);
            file = argv[at + 1];
            at += 2;
        } else if (commands[i].takes_policy && at < argc && strncmp(argv[at], "--policy=", 9) == 0) {
            file = argv[at++] + 9;
        }
        if (at < argc && argv[at][0] == '-' && argv[at][1] == '-')
            return command_fail("policy %s: unknown option '%s' (see 'terrarium policy --help')", argv[1], argv[at]);
        return commands[i].run(file, argc - at, argv + at);
    }
    return command_fail("policy: unknown command '%s' (check, explain or show)", argv[1]);
}
