/* The command line's word over the policy's: the same schema and the same readers as a file's, "(command line)" as the
 * origin, and the option's name where a file's messages have file, line and column. */
#include "policy/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/lists.h"
#include "policy/network.h"
#include "policy/network_content.h"
#include "policy/schema.h"

static struct reader option_reader(struct policy *p, const char *option, struct policy_error *error)
{
    return (struct reader){.policy = p, .error = error, .file = "(command line)", .option = option};
}

/* One value of a table by its name; `where` is for messages. */
static int set_by_name(struct reader *r, const struct schema_key *keys, const char *where, const char *name,
                       const char *text)
{
    struct node value = {.kind = NODE_SCALAR, .plain = true, .text = (char *)text, .size = strlen(text)};
    const char *names[32];
    size_t count = 0;
    for (const struct schema_key *k = keys; k->name != NULL; k++) {
        if (count < 31)
            names[count++] = k->name;
        if (strcmp(k->name, name) != 0)
            continue;
        if (schema_read_value(r, &value, where, k, r->policy) < 0)
            return -1;
        return schema_remember(r, k, &value);
    }
    names[count] = NULL;
    char near[128];
    return reader_fail(r, NULL, "unknown key '%.100s'%s", name, reader_suggest(name, names, near));
}

int policy_set(struct policy *p, const char *option, const char *key, const char *value, struct policy_error *error)
{
    struct reader r = option_reader(p, option, error);
    const struct schema_key *keys = schema_policy;
    const char *dot = strchr(key, '.');
    if (dot == NULL)
        return set_by_name(&r, keys, "", key, value);
    for (; keys->name != NULL; keys++)
        if (keys->keys != NULL && strlen(keys->name) == (size_t)(dot - key) &&
            strncmp(keys->name, key, (size_t)(dot - key)) == 0)
            return set_by_name(&r, keys->keys, keys->name, dot + 1, value);
    return reader_fail(&r, NULL, "unknown key '%.100s'", key);
}

int policy_set_limits(struct policy *p, const char *text, struct policy_error *error)
{
    struct reader r = option_reader(p, "--limit", error);
    char *copy = policy_duplicate(p, text, strlen(text));
    if (copy == NULL)
        return reader_out_of_memory(&r);
    char *rest = copy;
    for (char *part; (part = strsep(&rest, ",")) != NULL;) {
        char *value = strchr(part, '=');
        if (value == NULL)
            return reader_fail(&r, NULL, "'%.100s': expected NAME=VALUE,... such as cpu=10s,memory=256MiB", part);
        *value++ = '\0';
        if (set_by_name(&r, schema_limits, "limits", part, value) < 0)
            return -1;
    }
    return 0;
}

/* Reads an "at" of the command line, and adds the mount. */
static int add_mount(struct reader *r, struct policy_mount *m, const char *at)
{
    m->origin = (struct policy_origin){.file = r->file};
    m->at = policy_duplicate(r->policy, at, strlen(at));
    if (m->at == NULL || m->source == NULL)
        return reader_out_of_memory(r);
    if (*m->source == '\0')
        return reader_fail(r, NULL, "the host's path is empty");
    const char *wrong = schema_normalise(m->at);
    if (wrong != NULL)
        return reader_fail(r, NULL, "'%.100s': %s", at, wrong);
    return lists_add_mount(r, NULL, m);
}

int policy_add_mount(struct policy *p, const char *text, struct policy_error *error)
{
    struct reader r = option_reader(p, "--mount", error);
    struct policy_mount m = {.kind = POLICY_MOUNT_HOST};
    char *copy = policy_duplicate(p, text, strlen(text));
    if (copy == NULL)
        return reader_out_of_memory(&r);
    /* From the right, so that a host path may have colons in it. */
    char *colon = strrchr(copy, ':');
    if (colon != NULL && (strcmp(colon, ":ro") == 0 || strcmp(colon, ":cow") == 0)) {
        m.copy_on_write = strcmp(colon, ":cow") == 0;
        *colon = '\0';
        colon = strrchr(copy, ':');
    }
    if (colon == NULL)
        return reader_fail(&r, NULL, "'%.200s': expected HOST:GUEST[:ro|cow]", text);
    if (colon[1] != '/' && strchr(copy, ':') != colon)
        return reader_fail(&r, NULL, "'%.100s': expected ro (read-only) or cow (copy-on-write)", colon + 1);
    *colon = '\0';
    m.source = copy;
    return add_mount(&r, &m, colon + 1);
}

int policy_add_image(struct policy *p, const char *text, struct policy_error *error)
{
    struct reader r = option_reader(p, "--image", error);
    struct policy_mount m = {.kind = POLICY_MOUNT_TAR};
    char *copy = policy_duplicate(p, text, strlen(text));
    if (copy == NULL)
        return reader_out_of_memory(&r);
    char *colon = strrchr(copy, ':');
    const char *at = "/";
    if (colon != NULL && colon[1] == '/') {
        *colon = '\0';
        at = colon + 1;
    }
    m.source = copy;
    m.copy_on_write = strcmp(at, "/") == 0; /* a whole system has a /tmp and a /box to write in */
    return add_mount(&r, &m, at);
}

int policy_add_environment(struct policy *p, const char *text, struct policy_error *error)
{
    struct reader r = option_reader(p, "--env", error);
    const char *equals = strchr(text, '=');
    if (equals == NULL)
        return reader_fail(&r, NULL, "'%.100s': expected NAME=VALUE", text);
    char *name = policy_duplicate(p, text, (size_t)(equals - text));
    if (name == NULL)
        return reader_out_of_memory(&r);
    return lists_add_environment(&r, NULL, name, equals + 1);
}

static int check_source(const char *path, mode_t wanted, struct policy_origin origin, struct policy_error *error)
{
    struct reader r = {.error = error, .file = origin.file};
    struct node at = {.line = origin.line, .column = origin.column};
    struct stat st;
    if (stat(path, &st) < 0)
        return reader_fail(&r, &at, "cannot read %.500s: %s", path, strerror(errno));
    if ((st.st_mode & S_IFMT) != wanted && wanted == S_IFDIR && S_ISREG(st.st_mode))
        return 0; /* one file mounted on its own */
    if ((st.st_mode & S_IFMT) != wanted)
        return reader_fail(&r, &at, "%.500s is not a %s", path, wanted == S_IFDIR ? "directory" : "regular file");
    return 0;
}

int policy_check_sources(const struct policy *p, struct policy_error *error)
{
    for (size_t i = 0; i < p->mount_count; i++) {
        const struct policy_mount *m = &p->mounts[i];
        if (m->kind != POLICY_MOUNT_MEMORY &&
            check_source(m->source, m->kind == POLICY_MOUNT_HOST ? S_IFDIR : S_IFREG, m->origin, error) < 0)
            return -1;
    }
    for (size_t i = 0; i < p->file_count; i++)
        if (p->files[i].kind == POLICY_FILE_HOST &&
            check_source(p->files[i].bytes, S_IFREG, p->files[i].origin, error) < 0)
            return -1;
    for (size_t i = 0; p->network != NULL && i < p->network->rule_count; i++) {
        const struct network_rule *rule = p->network->rules[i];
        if (rule->content == NULL || rule->content->path == NULL)
            continue;
        mode_t wanted = rule->content->kind == CONTENT_RESPOND ? S_IFDIR : S_IFREG;
        if (check_source(rule->content->path, wanted, rule->content->origin, error) < 0)
            return -1;
    }
    return 0;
}
