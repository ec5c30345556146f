/* `terrarium policy check|explain|show`. */
#include "cli/commands.h"
#include "cli/profiles.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int usage(void)
{
    printf("usage: terrarium policy check FILE...                      is it a policy? every error with file, line, "
           "column\n"
           "       terrarium policy explain [--policy FILE] CALL [ARGS...]   which line decides a call, and what the "
           "guest gets\n"
           "       terrarium policy show [--policy FILE]               the whole policy in force, each value with its "
           "origin\n");
    return 0;
}

static int check(int argc, char **argv)
{
    if (argc < 2)
        return command_fail("policy check: no file named");
    for (int i = 1; i < argc; i++) {
        struct policy *p;
        int status = load(argv[i], &p);
        if (status != 0)
            return status;
        policy_free(p);
        printf("%s: a good policy\n", argv[i]);
    }
    return 0;
}

int command_policy(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0)
        return argc < 2 ? command_fail("policy: check, explain or show? (see 'terrarium policy --help')") : usage();
    argc--;
    argv++;
    if (strcmp(argv[0], "check") == 0)
        return check(argc, argv);
    const char *file = NULL;
    int at = 1;
    if (at + 1 < argc && strcmp(argv[at], "--policy") == 0) {
        file = argv[at + 1];
        at += 2;
    }
    bool show = strcmp(argv[0], "show") == 0;
    if (!show && strcmp(argv[0], "explain") != 0)
        return command_fail("policy: unknown command '%s' (check, explain or show)", argv[0]);
    if (show && file == NULL && at < argc)
        file = argv[at];
    struct policy *p;
    int status = load(file, &p);
    if (status != 0)
        return status;
    struct policy_error e;
    char *text = NULL;
    if (show)
        text = policy_show(p);
    else if (policy_explain(p, argc - at, (const char *const *)argv + at, &text, &e) < 0)
        status = command_fail("%s", e.text);
    if (text != NULL)
        fputs(text, stdout);
    free(text);
    policy_free(p);
    return status;
}
