/* What a decision of the policy costs, with few rules and with many: nanoseconds a call, medians of interleaved rounds.
 * One bare stop is about 12 us; 5 % of it, the most that 10,000 rules may cost, is 600 ns.
 *
 *   make bench-policy */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy.h"

enum { ROUNDS = 15, CALLS = 20000, DIFFERENT_PATHS = 1000 };

static char paths[DIFFERENT_PATHS][96];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* `count` rules: paths, paths with a condition, arguments alone. The calls measured match none of them but the last. */
static struct policy *with_rules(int count, double *seconds)
{
    char name[] = "/tmp/bench-policy-XXXXXX";
    FILE *f = fdopen(mkstemp(name), "w");
    if (f == NULL)
        exit(1);
    fprintf(f, "terrarium: 1\ncalls:\n");
    for (int i = 0; i + 1 < count; i++)
        switch (i % 4) {
        case 0:
            fprintf(f, "  - {deny: openat, path: \"/data/tests/case%d/**\", errno: EACCES}\n", i);
            break;
        case 1:
            fprintf(f, "  - {deny: \"*\", path: \"/usr/lib/**/secret%d*\"}\n", i);
            break;
        case 2:
            fprintf(f, "  - {deny: openat, path: \"/usr/lib/python3/mod%d.py\", args: {flags: {has: O_CREAT}}}\n", i);
            break;
        default:
            fprintf(f, "  - {deny: kill, args: {0: %d}}\n", i + 10);
        }
    fprintf(f, "  - {log: openat, path: /nowhere}\n");
    fclose(f);
    struct policy *p;
    struct policy_error e;
    double start = now();
    if (policy_load(name, NULL, &p, &e) < 0 || policy_compile(p, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    *seconds = (now() - start) / 1e9;
    unlink(name);
    return p;
}

static double measure(const struct policy *p)
{
    double start = now();
    size_t decided = 0;
    for (int i = 0; i < CALLS; i++) {
        struct policy_query q = {.nr = SYS_openat, .argument = {0, 0, O_CLOEXEC}, .path = {paths[i % DIFFERENT_PATHS]}};
        decided += policy_decide(p, &q) != NULL;
    }
    double each = (now() - start) / CALLS;
    return decided == 0 ? each : -1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const int counts[] = {1, 10, 100, 1000, 10000};
    enum { COUNTS = sizeof counts / sizeof *counts };
    struct policy *p[COUNTS];
    double load[COUNTS], ns[COUNTS][ROUNDS];
    for (int i = 0; i < DIFFERENT_PATHS; i++)
        snprintf(paths[i], sizeof paths[i],
                 "/usr/lib/python3.11/site-packages/package%d/__pycache__/module.cpython-311.pyc", i);
    for (int i = 0; i < COUNTS; i++)
        p[i] = with_rules(counts[i], &load[i]);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < COUNTS; i++)
            ns[i][round] = measure(p[i]);
    printf("%8s %16s %18s\n", "rules", "load+compile ms", "ns per decision");
    for (int i = 0; i < COUNTS; i++) {
        qsort(ns[i], ROUNDS, sizeof(double), by_value);
        printf("%8d %16.1f %18.0f\n", counts[i], load[i] * 1e3, ns[i][ROUNDS / 2]);
        policy_free(p[i]);
    }
    return 0;
}
