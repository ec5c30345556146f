/* The schema's tables, and the one function that reads a mapping by them (policy/schema.h, docs/policy.md). */
#include "policy/schema.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lists.h"
#include "policy/units.h"

#define IN(member) offsetof(struct policy, member)

static const struct schema_key user_keys[] = {
    {.name = "name", .type = SCHEMA_NAME, .offset = IN(user.name)},
    {.name = "uid", .type = SCHEMA_ID, .offset = IN(user.uid)},
    {.name = "gid", .type = SCHEMA_ID, .offset = IN(user.gid)},
    {.name = "home", .type = SCHEMA_GUEST_PATH, .offset = IN(user.home)},
    {.name = "shell", .type = SCHEMA_GUEST_PATH, .offset = IN(user.shell)},
    {.name = NULL},
};

static const struct schema_key random_keys[] = {
    {.name = "seed", .type = SCHEMA_NUMBER, .offset = IN(seed)},
    {.name = NULL},
};

static const struct schema_key schedule_keys[] = {
    {.name = "seed", .type = SCHEMA_NUMBER, .offset = IN(schedule_seed)},
    {.name = NULL},
};

const struct schema_key schema_clock[] = {
    {.name = "start", .type = SCHEMA_TIME, .offset = IN(clock.start)},
    {.name = "rate", .type = SCHEMA_RATE, .offset = IN(clock.rate)},
    {.name = "per_event", .type = SCHEMA_DURATION, .offset = IN(clock.per_event)},
    {.name = NULL},
};

const struct schema_key schema_limits[] = {
    {.name = "cpu", .type = SCHEMA_LIMIT_DURATION, .offset = IN(limits.cpu)},
    {.name = "wall", .type = SCHEMA_LIMIT_DURATION, .offset = IN(limits.wall)},
    {.name = "memory", .type = SCHEMA_LIMIT_SIZE, .offset = IN(limits.memory)},
    {.name = "output", .type = SCHEMA_LIMIT_SIZE, .offset = IN(limits.output)},
    {.name = "processes", .type = SCHEMA_LIMIT_COUNT, .offset = IN(limits.processes)},
    {.name = "files", .type = SCHEMA_LIMIT_SIZE, .offset = IN(limits.files)},
    {.name = "open_files", .type = SCHEMA_LIMIT_COUNT, .offset = IN(limits.open_files)},
    {.name = "file_count", .type = SCHEMA_LIMIT_COUNT, .offset = IN(limits.file_count)},
    {.name = NULL},
};

const struct schema_key schema_policy[] = {
    {.name = "terrarium", .type = SCHEMA_OTHER, .read = lists_read_version},
    {.name = "include", .type = SCHEMA_OTHER}, /* load.c reads it before the others */
    {.name = "python", .type = SCHEMA_PROGRAM, .offset = IN(python)},
    {.name = "hostname", .type = SCHEMA_HOSTNAME, .offset = IN(hostname)},
    {.name = "cwd", .type = SCHEMA_GUEST_PATH, .offset = IN(cwd)},
    {.name = "user", .type = SCHEMA_MAPPING, .keys = user_keys},
    {.name = "clock", .type = SCHEMA_OTHER, .read = lists_read_clock, .keys = schema_clock},
    {.name = "random", .type = SCHEMA_MAPPING, .keys = random_keys},
    {.name = "schedule", .type = SCHEMA_MAPPING, .keys = schedule_keys},
    {.name = "trap", .type = SCHEMA_TRAP, .offset = IN(trap_all)},
    {.name = "cpu", .type = SCHEMA_CPU, .offset = IN(cpu_baseline)},
    {.name = "limits", .type = SCHEMA_MAPPING, .keys = schema_limits},
    {.name = "mounts", .type = SCHEMA_OTHER, .read = lists_read_mounts, .keys = schema_mount},
    {.name = "files", .type = SCHEMA_OTHER, .read = lists_read_files, .keys = schema_file},
    {.name = "environment", .type = SCHEMA_OTHER, .read = lists_read_environment},
    {.name = "network", .type = SCHEMA_OTHER, .read = lists_read_network, .keys = schema_network},
    {.name = "calls", .type = SCHEMA_OTHER, .read = rules_read, .keys = schema_rule},
    {.name = NULL},
};

const struct schema_key schema_mount[] = {
    {.name = "at", .type = SCHEMA_GUEST_PATH, .offset = offsetof(struct policy_mount, at)},
    {.name = "host", .type = SCHEMA_HOST_PATH, .offset = offsetof(struct policy_mount, source)},
    {.name = "tar", .type = SCHEMA_HOST_PATH, .offset = offsetof(struct policy_mount, source)},
    {.name = "memory", .type = SCHEMA_OTHER},
    {.name = "mode", .type = SCHEMA_ACCESS, .offset = offsetof(struct policy_mount, copy_on_write)},
    {.name = "quota", .type = SCHEMA_SIZE, .offset = offsetof(struct policy_mount, quota_bytes)},
    {.name = NULL},
};

const struct schema_key schema_file[] = {
    {.name = "text", .type = SCHEMA_OTHER},
    {.name = "base64", .type = SCHEMA_OTHER},
    {.name = "file", .type = SCHEMA_HOST_PATH, .offset = offsetof(struct policy_file, bytes)},
    {.name = "link", .type = SCHEMA_TEXT, .offset = offsetof(struct policy_file, bytes)},
    {.name = "absent", .type = SCHEMA_OTHER},
    {.name = "directory", .type = SCHEMA_OTHER},
    {.name = "mode", .type = SCHEMA_MODE, .offset = offsetof(struct policy_file, mode)},
    {.name = "uid", .type = SCHEMA_OWNER, .offset = offsetof(struct policy_file, uid)},
    {.name = "gid", .type = SCHEMA_OWNER, .offset = offsetof(struct policy_file, gid)},
    {.name = "secret", .type = SCHEMA_BOOL, .offset = offsetof(struct policy_file, secret)},
    {.name = NULL},
};

struct policy_origin reader_origin(const struct reader *r, const struct node *at)
{
    return (struct policy_origin){.file = r->file, .line = at ? at->line : 0, .column = at ? at->column : 0};
}

int reader_fail(struct reader *r, const struct node *at, const char *format, ...)
{
    char *text = r->error->text;
    size_t room = sizeof r->error->text;
    int length = at != NULL && at->line > 0 ? snprintf(text, room, "%.400s:%d:%d: ", r->file, at->line, at->column)
                                            : snprintf(text, room, "%.400s: ", r->option ? r->option : r->file);
    va_list list;
    va_start(list, format);
    vsnprintf(text + length, room - (size_t)length, format, list);
    va_end(list);
    for (; *text != '\0'; text++) /* one line, and nothing a terminal would act on */
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
    return -1;
}

int reader_out_of_memory(struct reader *r)
{
    return reader_fail(r, NULL, "out of memory");
}

char *reader_suggest(const char *word, const char *const *candidates, char *buffer)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 3 + 2; /* farther is no help */
    for (; *candidates != NULL; candidates++) {
        size_t d = sysent_distance(word, *candidates);
        /* Of two as near, the one that begins alike. */
        if (d < least || (d == least && nearest != NULL && nearest[0] != word[0] && **candidates == word[0])) {
            least = d;
            nearest = *candidates;
        }
    }
    buffer[0] = '\0';
    if (nearest != NULL)
        snprintf(buffer, 128, " (did you mean '%s'?)", nearest);
    return buffer;
}

const struct node *schema_find(const struct node *mapping, const char *name, const struct node **key_node)
{
    for (size_t i = 0; i + 1 < mapping->count; i += 2)
        if (strcmp(mapping->items[i]->text, name) == 0) {
            if (key_node != NULL)
                *key_node = mapping->items[i];
            return mapping->items[i + 1];
        }
    return NULL;
}

int schema_remember(struct reader *r, const struct schema_key *key, const struct node *at)
{
    struct policy_sources *s = r->policy->sources;
    if (policy_grow(r->policy, &s->set, s->set_count, &s->set_room, sizeof *s->set) < 0)
        return reader_out_of_memory(r);
    s->set[s->set_count++] = (struct set_value){.key = key, .origin = reader_origin(r, at)};
    return 0;
}

struct policy_origin schema_origin(const struct policy *p, const struct schema_key *key)
{
    const struct policy_sources *s = p->sources;
    for (size_t i = s->set_count; i > 0; i--)
        if (s->set[i - 1].key == key)
            return s->set[i - 1].origin;
    return (struct policy_origin){.file = "(built in)"};
}

const char *schema_normalise(char *path)
{
    if (path[0] != '/')
        return "expected an absolute path of the guest, such as /data";
    if (strlen(path) >= PATH_MAX)
        return "a path longer than 4095 bytes";
    char *out = path;
    for (const char *in = path; *in != '\0';) {
        while (*in == '/')
            in++;
        size_t length = strcspn(in, "/");
        if (length == 0)
            break;
        if (length > NAME_MAX)
            return "a path with a name longer than 255 bytes";
        if ((length == 1 && in[0] == '.') || (length == 2 && in[0] == '.' && in[1] == '.'))
            return "a path of the guest has no '.' or '..' in it";
        *out++ = '/';
        memmove(out, in, length);
        out += length;
        in += length;
    }
    if (out == path)
        *out++ = '/';
    *out = '\0';
    return NULL;
}

char *schema_host_path(struct reader *r, const char *path)
{
    if (path[0] == '/' || r->directory == NULL)
        return policy_duplicate(r->policy, path, strlen(path));
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/'; path++)
            ;
    if (path[0] == '\0' || strcmp(path, ".") == 0)
        return policy_duplicate(r->policy, r->directory, strlen(r->directory));
    return policy_format(r->policy, "%s%s%s", r->directory, r->directory[strlen(r->directory) - 1] == '/' ? "" : "/",
                         path);
}

/* The readers of one scalar. text: NUL-terminated and free of NUL. 0, or -1 with *why: "expected ...". */

static int read_text(struct reader *r, const char *text, void *field, const char **why)
{
    *(char **)field = policy_duplicate(r->policy, text, strlen(text));
    *why = "out of memory";
    return *(char **)field ? 0 : -1;
}

static bool all_of(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int read_name(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected a user's name: small letters, digits, _ and -, at most 32";
    if (strlen(text) > 32 || !all_of(text, LOWER DIGITS "_-") || text[0] == '-' || strspn(text, DIGITS) > 0 || !*text)
        return -1;
    return read_text(r, text, field, why);
}

static int read_hostname(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected a host name: letters, digits, '-' and '.', at most 64";
    if (*text == '\0' || strlen(text) > 64 || !all_of(text, LOWER UPPER DIGITS "-.") || text[0] == '-' ||
        text[0] == '.')
        return -1;
    return read_text(r, text, field, why);
}

static int read_guest_path(struct reader *r, const char *text, void *field, const char **why)
{
    if (read_text(r, text, field, why) < 0)
        return -1;
    *why = schema_normalise(*(char **)field);
    return *why ? -1 : 0;
}

static int read_host_path(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected a path of the host";
    if (*text == '\0' || strlen(text) >= PATH_MAX)
        return -1;
    *(char **)field = schema_host_path(r, text);
    *why = "out of memory";
    return *(char **)field ? 0 : -1;
}

static int read_program(struct reader *r, const char *text, void *field, const char **why)
{
    if (strchr(text, '/') == NULL && *text != '\0')
        return read_text(r, text, field, why);
    return read_host_path(r, text, field, why);
}

static int read_id(struct reader *r, const char *text, void *field, const char **why)
{
    uint64_t value;
    int result = units_read_number(text, &value, why);
    if (result < 0 || value >= UINT32_MAX) { /* (uid_t)-1 means "leave as it is" in chown(2) and setreuid(2) */
        *why = "expected an id between 0 and 4294967294";
        return -1;
    }
    *(uint32_t *)field = (uint32_t)value;
    return 0;
}

static int read_owner(struct reader *r, const char *text, void *field, const char **why)
{
    uint32_t id;
    if (read_id(r, text, &id, why) < 0)
        return -1;
    *(int64_t *)field = id;
    return 0;
}

static int read_mode(struct reader *r, const char *text, void *field, const char **why)
{
    return units_read_mode(text, field, why);
}

static int read_number(struct reader *r, const char *text, void *field, const char **why)
{
    return units_read_number(text, field, why);
}

static int read_bool(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected true or false";
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return -1;
    *(bool *)field = is_true;
    return 0;
}

static int read_size(struct reader *r, const char *text, void *field, const char **why)
{
    return units_read_size(text, field, why);
}

static int read_duration(struct reader *r, const char *text, void *field, const char **why)
{
    uint64_t value;
    if (units_read_duration(text, &value, why) < 0)
        return -1;
    *(int64_t *)field = (int64_t)value;
    return 0;
}

/* 0 is "no limit" inside; nobody who writes `processes: 0` means that. */
static int read_limit(const char *text, void *field, const char **why,
                      int (*read)(const char *, uint64_t *, const char **))
{
    uint64_t value = 0;
    if (strcmp(text, "none") != 0) {
        if (read(text, &value, why) < 0)
            return -1;
        *why = "a limit is more than 0: 'none' lifts it";
        if (value == 0)
            return -1;
    }
    *(uint64_t *)field = value;
    return 0;
}

static int read_limit_size(struct reader *r, const char *text, void *field, const char **why)
{
    return read_limit(text, field, why, units_read_size);
}

static int read_limit_duration(struct reader *r, const char *text, void *field, const char **why)
{
    return read_limit(text, field, why, units_read_duration);
}

static int read_limit_count(struct reader *r, const char *text, void *field, const char **why)
{
    return read_limit(text, field, why, units_read_number);
}

static int read_time(struct reader *r, const char *text, void *field, const char **why)
{
    return units_read_time(text, field, why);
}

static int read_rate(struct reader *r, const char *text, void *field, const char **why)
{
    return units_read_rate(text, field, why);
}

static int read_choice(const char *text, void *field, const char *no, const char *yes)
{
    bool is_yes = strcmp(text, yes) == 0;
    if (!is_yes && strcmp(text, no) != 0)
        return -1;
    *(bool *)field = is_yes;
    return 0;
}

static int read_access(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected ro (read-only) or cow (copy-on-write)";
    return read_choice(text, field, "ro", "cow");
}

static int read_trap(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected default or all";
    return read_choice(text, field, "default", "all");
}

static int read_cpu(struct reader *r, const char *text, void *field, const char **why)
{
    *why = "expected host or baseline";
    return read_choice(text, field, "host", "baseline");
}

static const struct {
    int (*read)(struct reader *r, const char *text, void *field, const char **why);
    bool quotes; /* the value may stand in quotes: it is text */
} types[] = {
    [SCHEMA_TEXT] = {read_text, true},
    [SCHEMA_NAME] = {read_name, true},
    [SCHEMA_HOSTNAME] = {read_hostname, true},
    [SCHEMA_GUEST_PATH] = {read_guest_path, true},
    [SCHEMA_HOST_PATH] = {read_host_path, true},
    [SCHEMA_PROGRAM] = {read_program, true},
    [SCHEMA_ID] = {read_id, false},
    [SCHEMA_OWNER] = {read_owner, false},
    [SCHEMA_MODE] = {read_mode, true},
    [SCHEMA_NUMBER] = {read_number, false},
    [SCHEMA_BOOL] = {read_bool, false},
    [SCHEMA_SIZE] = {read_size, true},
    [SCHEMA_DURATION] = {read_duration, true},
    [SCHEMA_LIMIT_SIZE] = {read_limit_size, true},
    [SCHEMA_LIMIT_DURATION] = {read_limit_duration, true},
    [SCHEMA_LIMIT_COUNT] = {read_limit_count, false},
    [SCHEMA_TIME] = {read_time, true},
    [SCHEMA_RATE] = {read_rate, false},
    [SCHEMA_ACCESS] = {read_access, true},
    [SCHEMA_TRAP] = {read_trap, true},
    [SCHEMA_CPU] = {read_cpu, true},
};

static const char *join(char *buffer, size_t room, const char *where, const char *name)
{
    snprintf(buffer, room, "%s%s%s", where, *where ? "." : "", name);
    return buffer;
}

int schema_read_value(struct reader *r, const struct node *value, const char *where, const struct schema_key *key,
                      void *object)
{
    char path[256];
    join(path, sizeof path, where, key->name);
    if (key->type == SCHEMA_MAPPING)
        return schema_read(r, value, path, key->keys, object);
    if (key->type == SCHEMA_OTHER)
        return key->read != NULL ? key->read(r, value) : 0;
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s: expected one value, not a %s", path,
                           value->kind == NODE_SEQUENCE ? "list" : "mapping");
    if (node_is_null(value))
        return reader_fail(r, value, "%s: a value is missing", path);
    if (strlen(value->text) != value->size)
        return reader_fail(r, value, "%s: a NUL byte in it", path);
    const char *why;
    if (!value->plain && !types[key->type].quotes)
        return reader_fail(r, value, "%s: \"%.100s\" is a text: write it without quotes", path, value->text);
    if (types[key->type].read(r, value->text, (char *)object + key->offset, &why) < 0)
        return reader_fail(r, value, "%s: '%.100s': %s", path, value->text, why);
    return 0;
}

int schema_read(struct reader *r, const struct node *mapping, const char *where, const struct schema_key *keys,
                void *object)
{
    if (mapping->kind != NODE_MAPPING)
        return reader_fail(r, mapping, "%s: expected keys and values", *where ? where : "the policy");
    for (size_t i = 0; i + 1 < mapping->count; i += 2) {
        const struct node *name = mapping->items[i], *value = mapping->items[i + 1];
        const struct schema_key *key = keys;
        while (key->name != NULL && strcmp(key->name, name->text) != 0)
            key++;
        if (key->name == NULL) {
            const char *names[32];
            size_t count = 0;
            for (key = keys; key->name != NULL && count < 31; key++)
                names[count++] = key->name;
            names[count] = NULL;
            char near[128];
            return reader_fail(r, name, "unknown key '%.100s' %s%s%s", name->text, *where ? "in " : "at the top", where,
                               reader_suggest(name->text, names, near));
        }
        if (schema_read_value(r, value, where, key, object) < 0)
            return -1;
        if (object == r->policy && key->type != SCHEMA_MAPPING && schema_remember(r, key, value) < 0)
            return -1;
    }
    return 0;
}
