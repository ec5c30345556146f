/* The values from which answers are made: patterns, bytes, pairs, JSON. A regex is compiled here, so that what is wrong
 * with it is said with its line; its memory is the policy's, by PCRE2's own allocation hooks. */
#include "policy/network_internal.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "policy/schema.h"
#include "policy/units.h"

enum { MOST_REGEX = 4096 };

static void *regex_allocate(size_t size, void *context)
{
    return policy_allocate(context, size);
}

static void regex_free(void *memory, void *context)
{
    /* with the policy */
}

static int read_regex(struct reader *r, const struct node *value, const char *where, struct policy_pattern *out)
{
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s.regex: expected a text", where);
    if (value->size > MOST_REGEX)
        return reader_fail(r, value, "%s.regex: longer than %d bytes", where, MOST_REGEX);
    pcre2_general_context *memory = pcre2_general_context_create(regex_allocate, regex_free, r->policy);
    pcre2_compile_context *context = memory != NULL ? pcre2_compile_context_create(memory) : NULL;
    if (context == NULL)
        return reader_out_of_memory(r);
    pcre2_set_parens_nest_limit(context, 50);
    int error;
    PCRE2_SIZE at;
    out->code = pcre2_compile((PCRE2_SPTR)value->text, value->size, PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C, &error,
                              &at, context);
    if (out->code == NULL) {
        PCRE2_UCHAR words[128] = "";
        pcre2_get_error_message(error, words, sizeof words);
        return reader_fail(r, value, "%s.regex: %s, at character %zu", where, words, (size_t)at + 1);
    }
    out->kind = PATTERN_REGEX;
    out->bytes = policy_duplicate(r->policy, value->text, value->size);
    out->size = value->size;
    return out->bytes ? 0 : reader_out_of_memory(r);
}

static int hexadecimal(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static int read_hex(struct reader *r, const struct node *value, const char *where, struct policy_bytes *out)
{
    char *bytes = policy_allocate(r->policy, value->size / 2 + 1);
    if (bytes == NULL)
        return reader_out_of_memory(r);
    size_t digits = 0;
    for (size_t i = 0; i < value->size; i++) {
        if (isspace((unsigned char)value->text[i]))
            continue;
        int digit = hexadecimal(value->text[i]);
        if (digit < 0)
            return reader_fail(r, value, "%s.hex: expected pairs of 0-9 and a-f, such as \"00 ff\"", where);
        bytes[digits / 2] = (char)(bytes[digits / 2] << 4 | digit);
        digits++;
    }
    if (digits % 2 != 0)
        return reader_fail(r, value, "%s.hex: half a byte at the end", where);
    *out = (struct policy_bytes){.bytes = bytes, .size = digits / 2};
    return 0;
}

static int read_text(struct reader *r, const struct node *value, const char *where, struct policy_bytes *out)
{
    if (value->kind != NODE_SCALAR)
        return reader_fail(r, value, "%s: expected a text", where);
    if (node_is_null(value))
        return reader_fail(r, value, "%s: a value is missing (no bytes at all are \"\")", where);
    out->bytes = policy_duplicate(r->policy, value->text, value->size);
    out->size = value->size;
    return out->bytes ? 0 : reader_out_of_memory(r);
}

/* The one key of {text:}, {hex:}, {base64:} and, where it may be, {regex:}. */
static const struct node *form_of(struct reader *r, const struct node *value, const char *where, bool regex,
                                  const char **name)
{
    static const char *const forms[] = {"text", "hex", "base64", "regex", NULL};
    const char *list = regex ? "text, hex, base64 or regex" : "text, hex or base64";
    if (value->kind == NODE_MAPPING && value->count == 2)
        for (size_t i = 0; forms[i] != NULL && (regex || i < 3); i++)
            if (strcmp(value->items[0]->text, forms[i]) == 0) {
                *name = forms[i];
                return value->items[1];
            }
    if (value->kind == NODE_MAPPING && value->count >= 2)
        reader_fail(r, value->items[value->count == 2 ? 0 : 2], "%s: expected a text, or one of %s", where, list);
    else
        reader_fail(r, value, "%s: expected a text, or one of %s", where, list);
    return NULL;
}

int bytes_read(struct reader *r, const struct node *value, const char *where, struct policy_bytes *out)
{
    if (value->kind == NODE_SCALAR)
        return read_text(r, value, where, out);
    const char *form;
    const struct node *content = form_of(r, value, where, false, &form);
    if (content == NULL)
        return -1;
    if (content->kind != NODE_SCALAR)
        return reader_fail(r, content, "%s.%s: expected a text", where, form);
    if (strcmp(form, "text") == 0)
        return read_text(r, content, where, out);
    if (strcmp(form, "hex") == 0)
        return read_hex(r, content, where, out);
    char *bytes;
    const char *why;
    if (units_read_base64(content->text, content->size, &bytes, &out->size, &why) < 0)
        return reader_fail(r, content, "%s.base64: %s", where, why);
    out->bytes = policy_duplicate(r->policy, bytes, out->size);
    free(bytes);
    return out->bytes ? 0 : reader_out_of_memory(r);
}

int pattern_read(struct reader *r, const struct node *value, const char *where, struct policy_pattern *out)
{
    struct policy_bytes bytes = {0};
    if (value->kind == NODE_MAPPING) {
        const char *form;
        const struct node *content = form_of(r, value, where, true, &form);
        if (content == NULL)
            return -1;
        if (strcmp(form, "regex") == 0)
            return read_regex(r, content, where, out);
    }
    if (bytes_read(r, value, where, &bytes) < 0)
        return -1;
    bool star = value->kind == NODE_SCALAR && bytes.size > 0 && memchr(bytes.bytes, '*', bytes.size) != NULL;
    *out = (struct policy_pattern){star ? PATTERN_GLOB : PATTERN_TEXT, bytes.bytes, bytes.size, NULL};
    return 0;
}

int pairs_read(struct reader *r, const struct node *value, const char *where, bool exact, struct policy_pair **out,
               size_t *count)
{
    if (value->kind != NODE_MAPPING)
        return reader_fail(r, value, "%s: expected names and values", where);
    if (value->count / 2 > MOST_PAIRS)
        return reader_fail(r, value, "%s: more than %d of them", where, MOST_PAIRS);
    *count = value->count / 2;
    *out = policy_allocate(r->policy, (*count + 1) * sizeof **out);
    if (*out == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < *count; i++) {
        const struct node *name = value->items[2 * i], *v = value->items[2 * i + 1];
        struct policy_pair *p = &(*out)[i];
        char there[256];
        snprintf(there, sizeof there, "%.150s.%.60s", where, name->text);
        p->name = policy_duplicate(r->policy, name->text, name->size);
        if (p->name == NULL)
            return reader_out_of_memory(r);
        if (exact) {
            struct policy_bytes text = {0};
            if (read_text(r, v, there, &text) < 0)
                return -1;
            p->pattern = (struct policy_pattern){PATTERN_TEXT, text.bytes, text.size, NULL};
        } else if (pattern_read(r, v, there, &p->pattern) < 0) {
            return -1;
        }
    }
    return 0;
}

static json_t *scalar_to_json(const struct node *n)
{
    if (!n->plain)
        return json_stringn(n->text, n->size);
    if (node_is_null(n))
        return json_null();
    if (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)
        return json_boolean(n->text[0] == 't');
    /* Numbers as JSON writes them: 010, 0x1f and .5 stay texts. */
    json_t *number = json_loadb(n->text, n->size, JSON_DECODE_ANY, NULL);
    if (number != NULL && json_is_number(number) && (isdigit((unsigned char)n->text[0]) || n->text[0] == '-'))
        return number;
    json_decref(number);
    return json_stringn(n->text, n->size);
}

/* Its depth and size are bounded by the reading of nodes. NULL: out of memory, or a text that is not UTF-8. */
static json_t *to_json(const struct node *n)
{
    if (n->kind == NODE_SCALAR)
        return scalar_to_json(n);
    json_t *all = n->kind == NODE_SEQUENCE ? json_array() : json_object();
    for (size_t i = 0; all != NULL && i < n->count; i += n->kind == NODE_SEQUENCE ? 1 : 2) {
        int failed = n->kind == NODE_SEQUENCE ? json_array_append_new(all, to_json(n->items[i]))
                                              : json_object_set_new(all, n->items[i]->text, to_json(n->items[i + 1]));
        if (failed) {
            json_decref(all);
            all = NULL;
        }
    }
    return all;
}

int json_read(struct reader *r, const struct node *value, const char *where, char **out)
{
    json_t *json = to_json(value);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (text == NULL)
        return reader_fail(r, value, "%s: cannot be written as JSON", where);
    *out = policy_duplicate(r->policy, text, strlen(text));
    free(text);
    return *out ? 0 : reader_out_of_memory(r);
}
