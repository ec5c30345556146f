// rooms: policy kernel/sysent
/* docs/policy.schema.json and docs/policy.md have every key of the parser's tables, and the schema no other. Run from
 * the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "policy/schema.h"

static json_t *schema;
static char *prose;

static int open_documents(void **state)
{
    json_error_t error;
    FILE *f = fopen("docs/policy.md", "r");
    size_t size = 0;
    schema = json_load_file("docs/policy.schema.json", JSON_DECODE_INT_AS_REAL, &error) /* 2^64 - 1 */;
    if (schema == NULL || f == NULL || getdelim(&prose, &size, '\0', f) < 0)
        return -1;
    return fclose(f);
}

static int close_documents(void **state)
{
    json_decref(schema);
    free(prose);
    return 0;
}

/* The properties at one place of the schema are exactly the table's keys, and the prose speaks of each. */
static void compare(const char *where, json_t *properties, const struct schema_key *keys)
{
    size_t count = 0;
    assert_non_null(properties);
    for (const struct schema_key *k = keys; k->name != NULL; k++, count++) {
        char quoted[64];
        if (json_object_get(properties, k->name) == NULL)
            fail_msg("%s: the JSON schema has no '%s'", where, k->name);
        /* `key`, `parent.key`, and in examples `key: true` */
        snprintf(quoted, sizeof quoted, "%s", k->name);
        bool spoken_of = false;
        for (const char *at = prose; !spoken_of && (at = strstr(at, quoted)) != NULL; at++)
            spoken_of = at > prose && strchr("`.{ ", at[-1]) != NULL && strchr("`: ", at[strlen(quoted)]) != NULL;
        if (!spoken_of)
            fail_msg("%s: docs/policy.md says nothing of '%s'", where, k->name);
    }
    assert_int_equal(json_object_size(properties), count);
}

static json_t *below(json_t *root, const char *name, const char *then)
{
    return json_object_get(json_object_get(root, name), then);
}

static void test_tables(void **state)
{
    json_t *top = json_object_get(schema, "properties"), *definitions = json_object_get(schema, "definitions");
    compare("the top", top, schema_policy);
    for (const struct schema_key *k = schema_policy; k->name != NULL; k++)
        if (k->type == SCHEMA_MAPPING)
            compare(k->name, below(top, k->name, "properties"), k->keys);
    compare("clock", json_object_get(json_array_get(below(top, "clock", "oneOf"), 1), "properties"), schema_clock);
    compare("mounts", below(definitions, "mount", "properties"), schema_mount);
    compare("files", below(definitions, "file", "properties"), schema_file);
    compare("calls", below(definitions, "rule", "properties"), schema_rule);
    compare("network", below(definitions, "network_rule", "properties"), schema_network);
    compare("args", below(definitions, "condition", "properties"), schema_operations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, open_documents, close_documents);
}
