/* Fuzzes the policy: any bytes as a YAML text. What loads must compile or say why; then every decision must be the one
 * of the rules asked one by one, and what `show` prints must read back as the same policy.
 *
 *   make fuzz-policy FUZZ_SECONDS=60 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/sysent.h"
#include "policy/explain.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char file_name[32];
static int file = -1;

static struct policy *load(const void *text, size_t size, struct policy_error *e)
{
    struct policy *p;
    if (file < 0) {
        file = memfd_create("policy", 0);
        snprintf(file_name, sizeof file_name, "/dev/fd/%d", file);
    }
    if (ftruncate(file, 0) < 0 || pwrite(file, text, size, 0) != (ssize_t)size)
        abort();
    if (policy_load(file_name, NULL, &p, e) < 0) {
        if (e->text[0] == '\0' || strchr(e->text, '\n') != NULL)
            abort(); /* an error is one line */
        return NULL;
    }
    return p;
}

/* Calls whose arguments and paths are made of the input's own bytes: what its rules are likely to speak of. */
static void compare_decisions(const struct policy *p, const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/", "/a", "/a/b", "/data/secret/k1", "/data/secret", "/x.py", NULL};
    for (int nr = 0, asked = 0; nr < SYSENT_COUNT && asked < 200; nr++) {
        if (!policy_has_rules(p, nr))
            continue;
        for (int i = 0; i < 7; i++, asked++) {
            struct policy_query q = {.nr = nr, .path = {paths[i], paths[(i + nr) % 7]}};
            for (int j = 0; j < 6; j++) {
                uint8_t byte = data[(size_t)(nr * 7 + i * 6 + j) % size];
                q.argument[j] = byte < 128   ? byte & 15
                                : byte < 192 ? 1ULL << (byte & 63)
                                             : (uint64_t) - (int64_t)(byte & 15);
            }
            if (policy_decide(p, &q) != explain_decide(p, &q))
                abort();
        }
    }
}

static void compare_shown(const struct policy *p)
{
    struct policy_error e = {""};
    char *first = policy_show(p);
    if (first == NULL)
        return;
    struct policy *again = load(first, strlen(first), &e);
    if (again == NULL) {
        fprintf(stderr, "%s\n%s\n", first, e.text);
        abort();
    }
    if (again->mount_count != p->mount_count || again->file_count != p->file_count ||
        again->environment_count != p->environment_count || again->seed != p->seed ||
        memcmp(&again->limits, &p->limits, sizeof p->limits) != 0 || again->clock.rate != p->clock.rate ||
        again->clock.start != p->clock.start || again->clock.per_event != p->clock.per_event)
        abort();
    for (size_t i = 0; i < p->file_count; i++)
        if (strcmp(again->files[i].path, p->files[i].path) != 0 || again->files[i].size != p->files[i].size ||
            (p->files[i].size > 0 && memcmp(again->files[i].bytes, p->files[i].bytes, p->files[i].size) != 0))
            abort();
    policy_free(again);
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_error e = {""};
    struct policy *p = size > 0 ? load(data, size, &e) : NULL;
    if (p == NULL)
        return 0;
    if (policy_compile(p, &e) == 0)
        compare_decisions(p, data, size);
    compare_shown(p);
    policy_free(p);
    return 0;
}
