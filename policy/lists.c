/* Mounts, files, environment and the other sections that are more than scalars (policy/lists.h). What a later file
 * says about the same path or name replaces what an earlier one said; twice in one file is a mistake. */
#include "policy/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema.h"
#include "policy/units.h"

enum { MOST_MOUNTS = 1000, MOST_ENVIRONMENT = 4000 };

int lists_read_version(struct reader *r, const struct node *value)
{
    if (value->kind != NODE_SCALAR || strcmp(value->text, "1") != 0)
        return reader_fail(r, value, "terrarium: this version reads policies of version 1");
    return 0;
}

int lists_read_clock(struct reader *r, const struct node *value)
{
    struct policy *p = r->policy;
    if (value->kind == NODE_SCALAR) {
        if (strcmp(value->text, "real") != 0)
            return reader_fail(r, value,
                               "clock: '%.100s': expected real, or a mapping such as {start: 2024-01-01T00:00:00Z}",
                               value->text);
        p->clock.real = true;
        return 0;
    }
    p->clock.real = false;
    return schema_read(r, value, "clock", schema_clock, p);
}

int lists_add_mount(struct reader *r, const struct node *at, const struct policy_mount *mount)
{
    struct policy *p = r->policy;
    for (size_t i = 0; i < p->mount_count; i++) {
        struct policy_mount *m = &p->mounts[i];
        if (strcmp(m->at, mount->at) != 0)
            continue;
        if (m->origin.file == r->file && m->origin.line > 0)
            return reader_fail(r, at, "%s is mounted twice (first in line %d)", mount->at, m->origin.line);
        *m = *mount;
        return 0;
    }
    if (p->mount_count >= MOST_MOUNTS)
        return reader_fail(r, at, "more than %d mounts", MOST_MOUNTS);
    if (policy_grow(p, &p->mounts, p->mount_count, &p->sources->mount_room, sizeof *p->mounts) < 0)
        return reader_out_of_memory(r);
    p->mounts[p->mount_count++] = *mount;
    return 0;
}

/* Which one of several keys a mapping has: its index, or -1 and an error when none or more than one is there. */
static int only_one(struct reader *r, const struct node *mapping, const char *where, const char *const *names,
                    const struct node **value)
{
    int found = -1;
    char list[128] = "";
    for (int i = 0; names[i] != NULL; i++) {
        const struct node *key, *v = schema_find(mapping, names[i], &key);
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " or ", names[i]);
        if (v == NULL)
            continue;
        if (found >= 0)
            return reader_fail(r, key, "%s: both '%s' and '%s'", where, names[found], names[i]);
        found = i;
        *value = v;
    }
    if (found < 0)
        return reader_fail(r, mapping, "%s: one of %s is missing", where, list);
    return found;
}

/* `absent: true` says it; `absent: false` would say nothing. */
static int must_be_true(struct reader *r, const struct node *value, const char *where, const char *name)
{
    if (value->kind != NODE_SCALAR || !value->plain || strcmp(value->text, "true") != 0)
        return reader_fail(r, value, "%s.%s: expected true", where, name);
    return 0;
}

static int read_mount(struct reader *r, const struct node *item, const char *where)
{
    static const char *const kinds[] = {"host", "tar", "memory", NULL};
    static const enum mount_kind kind_of[] = {POLICY_MOUNT_HOST, POLICY_MOUNT_TAR, POLICY_MOUNT_MEMORY};
    struct policy_mount m = {.origin = reader_origin(r, item)};
    if (schema_read(r, item, where, schema_mount, &m) < 0)
        return -1;
    const struct node *value, *key;
    int kind = only_one(r, item, where, kinds, &value);
    if (kind < 0)
        return -1;
    m.kind = kind_of[kind];
    if (m.at == NULL)
        return reader_fail(r, item, "%s: the key 'at' is missing", where);
    if (m.kind == POLICY_MOUNT_MEMORY) {
        if (must_be_true(r, value, where, "memory") < 0)
            return -1;
        if (schema_find(item, "mode", &key) != NULL)
            return reader_fail(r, key, "%s: a memory mount has no mode: it is the guest's own", where);
        m.copy_on_write = true;
    } else if (!m.copy_on_write && schema_find(item, "quota", &key) != NULL) {
        return reader_fail(r, key, "%s: a read-only mount needs no quota (mode: cow?)", where);
    }
    return lists_add_mount(r, item, &m);
}

int lists_read_mounts(struct reader *r, const struct node *value)
{
    if (value->kind != NODE_SEQUENCE)
        return reader_fail(r, value, "mounts: expected a list");
    for (size_t i = 0; i < value->count; i++) {
        char where[32];
        snprintf(where, sizeof where, "mounts[%zu]", i);
        if (read_mount(r, value->items[i], where) < 0)
            return -1;
    }
    return 0;
}

/* A scalar's bytes, NUL and all. */
static int read_bytes(struct reader *r, const struct node *value, const char *where, struct policy_file *f)
{
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s: expected a text", where);
    if (node_is_null(value))
        return reader_fail(r, value, "%s: a value is missing (an empty file is \"\")", where);
    f->bytes = policy_duplicate(r->policy, value->text, value->size);
    f->size = value->size;
    return f->bytes ? 0 : reader_out_of_memory(r);
}

static int read_base64(struct reader *r, const struct node *value, const char *where, struct policy_file *f)
{
    char *bytes;
    const char *why;
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s: expected a text", where);
    if (units_read_base64(value->text, value->size, &bytes, &f->size, &why) < 0)
        return reader_fail(r, value, "%s.base64: %s", where, why);
    f->bytes = policy_duplicate(r->policy, bytes, f->size);
    free(bytes);
    return f->bytes ? 0 : reader_out_of_memory(r);
}

/* What a mapping below `files:` says about its path. */
static int read_file_keys(struct reader *r, const struct node *value, const char *where, struct policy_file *f)
{
    enum { TEXT, BASE64, HOST, LINK, ABSENT, DIRECTORY };
    static const char *const kinds[] = {"text", "base64", "file", "link", "absent", "directory", NULL};
    if (schema_read(r, value, where, schema_file, f) < 0)
        return -1;
    const struct node *content, *key;
    int kind = only_one(r, value, where, kinds, &content);
    switch (kind) {
    case TEXT:
        if (read_bytes(r, content, where, f) < 0)
            return -1;
        break;
    case BASE64:
        if (read_base64(r, content, where, f) < 0)
            return -1;
        break;
    case HOST:
        f->kind = POLICY_FILE_HOST;
        f->size = strlen(f->bytes);
        break;
    case LINK:
        f->kind = POLICY_FILE_LINK;
        f->size = strlen(f->bytes);
        if (f->size == 0 || f->size >= 4096) /* symlink(2): ENOENT, ENAMETOOLONG */
            return reader_fail(r, content, "%s.link: a link leads to 1 to 4095 bytes of path", where);
        break;
    case ABSENT:
        f->kind = POLICY_FILE_ABSENT;
        break;
    case DIRECTORY:
        f->kind = POLICY_FILE_DIRECTORY;
        break;
    default:
        return -1;
    }
    if (kind >= ABSENT && must_be_true(r, content, where, kinds[kind]) < 0)
        return -1;
    if (kind == ABSENT && value->count > 2) {
        key = value->items[value->items[0] == content || value->items[1] == content ? 2 : 0];
        return reader_fail(r, key, "%s: what is absent has no '%s'", where, key->text);
    }
    if (kind == LINK && schema_find(value, "mode", &key) != NULL)
        return reader_fail(r, key, "%s: a link has no mode", where);
    if (kind >= LINK && f->secret)
        return reader_fail(r, value, "%s: only a file's content can be secret", where);
    return 0;
}

static int read_file(struct reader *r, const struct node *name, const struct node *value)
{
    struct policy *p = r->policy;
    struct policy_file f = {.kind = POLICY_FILE_BYTES, .uid = -1, .gid = -1, .origin = reader_origin(r, name)};
    char where[256];
    snprintf(where, sizeof where, "files[%.200s]", name->text);
    f.path = policy_duplicate(p, name->text, name->size);
    if (f.path == NULL)
        return reader_out_of_memory(r);
    const char *wrong = schema_normalise(f.path);
    if (wrong != NULL)
        return reader_fail(r, name, "%s: %s", where, wrong);
    if (f.path[1] == '\0')
        return reader_fail(r, name, "%s: the root is a directory already", where);
    if (value->kind == NODE_MAPPING) {
        if (read_file_keys(r, value, where, &f) < 0)
            return -1;
    } else if (read_bytes(r, value, where, &f) < 0) {
        return -1;
    }
    if (policy_grow(p, &p->files, p->file_count, &p->sources->file_room, sizeof *p->files) < 0)
        return reader_out_of_memory(r);
    p->files[p->file_count++] = f;
    return 0;
}

int lists_read_files(struct reader *r, const struct node *value)
{
    if (value->kind != NODE_MAPPING)
        return reader_fail(r, value, "files: expected paths and what they hold");
    for (size_t i = 0; i + 1 < value->count; i += 2)
        if (read_file(r, value->items[i], value->items[i + 1]) < 0)
            return -1;
    return 0;
}

int lists_add_environment(struct reader *r, const struct node *at, const char *name, const char *value)
{
    struct policy *p = r->policy;
    size_t length = strlen(name);
    if (length == 0 || strchr(name, '=') != NULL)
        return reader_fail(r, at, "environment: '%.100s' is no variable's name", name);
    char *text = policy_format(p, "%s=%s", name, value);
    if (text == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < p->environment_count; i++)
        if (strncmp(p->environment[i], text, length + 1) == 0) {
            p->environment[i] = text;
            p->sources->environment_origins[i] = reader_origin(r, at);
            return 0;
        }
    if (p->environment_count >= MOST_ENVIRONMENT)
        return reader_fail(r, at, "more than %d variables in the environment", MOST_ENVIRONMENT);
    size_t room = p->sources->environment_room;
    if (policy_grow(p, &p->environment, p->environment_count, &room, sizeof *p->environment) < 0 ||
        policy_grow(p, &p->sources->environment_origins, p->environment_count, &p->sources->environment_room,
                    sizeof *p->sources->environment_origins) < 0)
        return reader_out_of_memory(r);
    p->sources->environment_origins[p->environment_count] = reader_origin(r, at);
    p->environment[p->environment_count++] = text;
    return 0;
}

int lists_read_environment(struct reader *r, const struct node *value)
{
    if (value->kind != NODE_MAPPING)
        return reader_fail(r, value, "environment: expected names and values");
    for (size_t i = 0; i + 1 < value->count; i += 2) {
        const struct node *name = value->items[i], *v = value->items[i + 1];
        if (v->kind != NODE_SCALAR || strlen(v->text) != v->size)
            return reader_fail(r, v, "environment.%.100s: expected a text", name->text);
        if (node_is_null(v))
            return reader_fail(r, v, "environment.%.100s: a value is missing (an empty one is \"\")", name->text);
        if (lists_add_environment(r, v, name->text, v->text) < 0)
            return -1;
    }
    return 0;
}

static int by_place(const void *a, const void *b)
{
    return strcmp(((const struct policy_mount *)a)->at, ((const struct policy_mount *)b)->at);
}

/* Pointers into the array as it was read: of two with the same path the one that was said later comes later. */
static int by_path(const void *a, const void *b)
{
    const struct policy_file *x = *(struct policy_file *const *)a, *y = *(struct policy_file *const *)b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x > y) - (x < y);
}

int lists_settle(struct reader *r)
{
    struct policy *p = r->policy;
    if (p->mount_count > 1)
        qsort(p->mounts, p->mount_count, sizeof *p->mounts, by_place);
    if (p->file_count < 2)
        return 0;
    struct policy_file **order = malloc(p->file_count * sizeof(struct policy_file *));
    struct policy_file *settled = policy_allocate(p, p->file_count * sizeof *settled);
    if (order == NULL || settled == NULL) {
        free(order);
        return reader_out_of_memory(r);
    }
    for (size_t i = 0; i < p->file_count; i++)
        order[i] = &p->files[i];
    qsort(order, p->file_count, sizeof *order, by_path);
    size_t count = 0;
    int result = 0;
    for (size_t i = 0; i < p->file_count && result == 0; i++) {
        if (count == 0 || strcmp(settled[count - 1].path, order[i]->path) != 0) {
            settled[count++] = *order[i];
            continue;
        }
        if (settled[count - 1].origin.file == order[i]->origin.file) {
            struct reader there = *r;
            there.file = order[i]->origin.file;
            struct node at = {.line = order[i]->origin.line, .column = order[i]->origin.column};
            result = reader_fail(&there, &at, "files: %s stands here twice (first in line %d)", order[i]->path,
                                 settled[count - 1].origin.line);
        }
        settled[count - 1] = *order[i];
    }
    free(order);
    p->files = settled;
    p->file_count = count;
    p->sources->file_room = count;
    return result;
}
