/* `policy show`: the whole policy in force as YAML that reads back as the same policy, each value with where it came
 * from as a comment. */
#include "policy/internal.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema.h"
#include "policy/show.h"
#include "policy/units.h"

void show_origin(FILE *f, struct policy_origin o)
{
    fprintf(f, "  # %s", o.file);
    if (o.line > 0)
        fprintf(f, ":%d", o.line);
    fputc('\n', f);
}

/* The code point that begins here, and its length in bytes; -1: not UTF-8. */
static int32_t decode(const char *text, size_t size, size_t *length)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)text[0];
    size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;
    *length = 1;
    if (more >= size)
        return -1;
    int32_t point = more == 0 ? c : c & (0x3f >> more);
    for (size_t i = 1; i <= more; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return -1;
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if (point < least[more] || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
        return -1;
    *length = more + 1;
    return point;
}

/* What libyaml's reader lets through as it is (YAML 1.1, c-printable). */
static bool is_printable(int32_t point)
{
    return (point >= ' ' && point < 127) || (point >= 0xa0 && point < 0xd800) ||
           (point >= 0xe000 && point <= 0xfffd && point != 0xfeff) || point >= 0x10000;
}

/* YAML's double-quoted form. */
void show_quoted(FILE *f, const char *text, size_t size)
{
    fputc('"', f);
    for (size_t i = 0, length; i < size; i += length) {
        int32_t point = decode(text + i, size - i, &length);
        if (point == '"' || point == '\\')
            fprintf(f, "\\%c", point);
        else if (point == '\n')
            fputs("\\n", f);
        else if (point == '\t')
            fputs("\\t", f);
        else if (point < 0) /* a host path may be such; it reads back as another one */
            fprintf(f, "\\x%02x", (unsigned char)text[i]);
        else if (!is_printable(point))
            fprintf(f, "\\U%08x", (unsigned)point);
        else
            fwrite(text + i, 1, length, f);
    }
    fputc('"', f);
}

void show_text(FILE *f, const char *text)
{
    show_quoted(f, text, strlen(text));
}

/* Words that need no quotes in YAML, nor in the flow style the rules are written in. */
static void put_word(FILE *f, const char *text)
{
    bool plain = *text != '\0' &&
                 strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == strlen(text) &&
                 text[0] != '-' && text[0] != '.';
    if (plain)
        fputs(text, f);
    else
        show_text(f, text);
}

/* What a quoted text can hold; else it is written as base64. */
bool show_is_text(const char *bytes, size_t size)
{
    for (size_t i = 0, length; i < size; i += length)
        if (decode(bytes + i, size - i, &length) < 0)
            return false;
    return true;
}

static void put_limit(FILE *f, uint64_t value, char *(*print)(uint64_t, char *))
{
    char buffer[UNITS_ROOM];
    fputs(value == 0 ? "none" : print(value, buffer), f);
}

static char *print_count(uint64_t value, char *buffer)
{
    snprintf(buffer, UNITS_ROOM, "%" PRIu64, value);
    return buffer;
}

static void put_value(FILE *f, const struct schema_key *key, const void *field)
{
    char buffer[UNITS_ROOM];
    switch (key->type) {
    case SCHEMA_ID:
        fprintf(f, "%" PRIu32, *(const uint32_t *)field);
        break;
    case SCHEMA_NUMBER:
        fprintf(f, "%" PRIu64, *(const uint64_t *)field);
        break;
    case SCHEMA_DURATION:
        fputs(units_print_duration((uint64_t) * (const int64_t *)field, buffer), f);
        break;
    case SCHEMA_LIMIT_SIZE:
        put_limit(f, *(const uint64_t *)field, units_print_size);
        break;
    case SCHEMA_LIMIT_DURATION:
        put_limit(f, *(const uint64_t *)field, units_print_duration);
        break;
    case SCHEMA_LIMIT_COUNT:
        put_limit(f, *(const uint64_t *)field, print_count);
        break;
    case SCHEMA_TIME:
        fputs(units_print_time(*(const int64_t *)field, buffer), f);
        break;
    case SCHEMA_RATE:
        fputs(units_print_rate(*(const double *)field, buffer), f);
        break;
    case SCHEMA_TRAP:
        fputs(*(const bool *)field ? "all" : "default", f);
        break;
    case SCHEMA_CPU:
        fputs(*(const bool *)field ? "baseline" : "host", f);
        break;
    default: /* the texts */
        show_text(f, *(char *const *)field);
    }
}

static bool is_unset_text(const struct schema_key *key, const void *field)
{
    return key->type == SCHEMA_PROGRAM && *(char *const *)field == NULL;
}

static void put_scalars(FILE *f, const struct policy *p, const struct schema_key *keys, const char *indent)
{
    for (const struct schema_key *k = keys; k->name != NULL; k++) {
        const char *field = (const char *)p + k->offset;
        if (k->type == SCHEMA_MAPPING) {
            fprintf(f, "%s:\n", k->name);
            put_scalars(f, p, k->keys, "  ");
        } else if (k->type != SCHEMA_OTHER && !is_unset_text(k, field)) {
            fprintf(f, "%s%s: ", indent, k->name);
            put_value(f, k, field);
            show_origin(f, schema_origin(p, k));
        }
    }
}

static void put_clock(FILE *f, const struct policy *p)
{
    if (p->clock.real) {
        const struct schema_key *k = schema_policy;
        while (strcmp(k->name, "clock") != 0)
            k++;
        fputs("clock: real", f);
        show_origin(f, schema_origin(p, k));
        return;
    }
    fputs("clock:\n", f);
    put_scalars(f, p, schema_clock, "  ");
}

static void put_mounts(FILE *f, const struct policy *p)
{
    static const char *const kinds[] = {"host", "tar", "memory"};
    char buffer[UNITS_ROOM];
    if (p->mount_count > 0)
        fputs("mounts:\n", f);
    for (size_t i = 0; i < p->mount_count; i++) {
        const struct policy_mount *m = &p->mounts[i];
        fputs("  - {at: ", f);
        show_text(f, m->at);
        fprintf(f, ", %s: ", kinds[m->kind]);
        if (m->kind == POLICY_MOUNT_MEMORY)
            fputs("true", f);
        else
            show_text(f, m->source);
        if (m->kind != POLICY_MOUNT_MEMORY)
            fprintf(f, ", mode: %s", m->copy_on_write ? "cow" : "ro");
        if (m->quota_bytes > 0)
            fprintf(f, ", quota: %s", units_print_size(m->quota_bytes, buffer));
        fputc('}', f);
        show_origin(f, m->origin);
    }
}

void show_base64(FILE *f, const char *bytes, size_t size)
{
    size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (text != NULL)
        fprintf(f, "\"%s\"",
                sodium_bin2base64(text, room, (const unsigned char *)bytes, size, sodium_base64_VARIANT_ORIGINAL));
    free(text);
}

static void put_content(FILE *f, const struct policy_file *file)
{
    switch (file->kind) {
    case POLICY_FILE_ABSENT:
        fputs("absent: true", f);
        break;
    case POLICY_FILE_DIRECTORY:
        fputs("directory: true", f);
        break;
    case POLICY_FILE_LINK:
        fputs("link: ", f);
        show_text(f, file->bytes);
        break;
    case POLICY_FILE_HOST:
        fputs("file: ", f);
        show_text(f, file->bytes);
        break;
    case POLICY_FILE_BYTES:
        if (show_is_text(file->bytes, file->size)) {
            fputs("text: ", f);
            show_quoted(f, file->bytes, file->size);
        } else {
            fputs("base64: ", f);
            show_base64(f, file->bytes, file->size);
        }
    }
}

static void put_files(FILE *f, const struct policy *p)
{
    if (p->file_count > 0)
        fputs("files:\n", f);
    for (size_t i = 0; i < p->file_count; i++) {
        const struct policy_file *file = &p->files[i];
        fputs("  ", f);
        show_text(f, file->path);
        fputs(": {", f);
        put_content(f, file);
        if (file->mode != 0)
            fprintf(f, ", mode: 0%o", file->mode);
        if (file->uid >= 0)
            fprintf(f, ", uid: %" PRId64, file->uid);
        if (file->gid >= 0)
            fprintf(f, ", gid: %" PRId64, file->gid);
        fputs(file->secret ? ", secret: true}" : "}", f);
        show_origin(f, file->origin);
    }
}

static void put_environment(FILE *f, const struct policy *p)
{
    if (p->environment_count > 0)
        fputs("environment:\n", f);
    for (size_t i = 0; i < p->environment_count; i++) {
        const char *equals = strchr(p->environment[i], '=');
        fputs("  ", f);
        show_quoted(f, p->environment[i], (size_t)(equals - p->environment[i]));
        fputs(": ", f);
        show_text(f, equals + 1);
        show_origin(f, p->sources->environment_origins[i]);
    }
}

static void put_list(FILE *f, const char *const *items, size_t count)
{
    if (count != 1)
        fputc('[', f);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : "", f);
        put_word(f, items[i]);
    }
    if (count != 1)
        fputc(']', f);
}

static void put_condition(FILE *f, const struct condition *c)
{
    put_word(f, c->argument);
    fputs(": {", f);
    if (c->mask != NULL) {
        fputs("mask: ", f);
        put_word(f, c->mask);
        fputs(", ", f);
    }
    for (size_t i = 0; i < c->operation_count; i++) {
        fprintf(f, "%s%s: ", i ? ", " : "", operator_name(c->operations[i].kind));
        put_list(f, c->operations[i].words, c->operations[i].word_count);
    }
    fputc('}', f);
}

static void put_rule(FILE *f, const struct rule *rule)
{
    fprintf(f, "  - {%s: ", rule_action_name(rule->shown.action));
    put_list(f, rule->names, rule->name_count);
    if (rule->glob_count > 0) {
        fputs(", path: ", f);
        put_list(f, rule->globs, rule->glob_count);
    }
    if (rule->condition_count > 0)
        fputs(", args: {", f);
    for (size_t i = 0; i < rule->condition_count; i++) {
        fputs(i ? ", " : "", f);
        put_condition(f, &rule->conditions[i]);
    }
    if (rule->condition_count > 0)
        fputc('}', f);
    if (rule->shown.action == POLICY_DENY)
        fprintf(f, ", errno: %s", policy_errno_name(rule->shown.error));
    if (rule->shown.action == POLICY_ANSWER)
        fprintf(f, ", value: %" PRId64, rule->shown.answer);
    if (rule->shown.note != NULL) {
        fputs(", note: ", f);
        show_text(f, rule->shown.note);
    }
    fputc('}', f);
    show_origin(f, rule->shown.origin);
}

char *policy_show(const struct policy *p)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fprintf(f, "# The policy in force. Digest of what was read: %s\nterrarium: 1\n", p->digest);
    put_scalars(f, p, schema_policy, "");
    put_clock(f, p);
    put_mounts(f, p);
    put_files(f, p);
    put_environment(f, p);
    show_network(f, p);
    if (p->sources->rule_count > 0)
        fputs("calls:\n", f);
    for (size_t i = 0; i < p->sources->rule_count; i++)
        put_rule(f, p->sources->rules[i]);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
