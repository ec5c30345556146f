/* Policies as texts in a directory of their own, which is the working directory while a test runs. */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/policy.h"

static inline int enter_directory(void **state)
{
    char *name = strdup("/tmp/policy-test-XXXXXX");
    if (mkdtemp(name) == NULL || chdir(name) < 0)
        return -1;
    *state = name;
    return 0;
}

static inline int leave_directory(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    int result = chdir("/") < 0 || system(command) != 0 ? -1 : 0;
    free(*state);
    return result;
}

static inline void put_bytes(const char *name, const char *bytes, size_t size)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline void put_file(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static const char *const no_profiles[] = {"profiles", NULL};

/* The text as p.yaml, loaded and compiled. */
static inline struct policy *must_load(const char *text)
{
    struct policy *p;
    struct policy_error e = {""};
    put_file("p.yaml", text);
    if (policy_load("p.yaml", no_profiles, &p, &e) < 0 || policy_compile(p, &e) < 0)
        fail_msg("%s", e.text);
    return p;
}

#endif
