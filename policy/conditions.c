/* `args:` of a rule (policy/conditions.h, docs/policy.md "Arguments"). */
#include "policy/conditions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/arguments.h"
#include "policy/schema.h"

enum { MOST_WORDS = 256 /* in one list */, ROOM_FOR_WHY = 512 };

static const char *const operator_names[] = {
    [OPERATOR_IS] = "is",   [OPERATOR_NOT] = "not",         [OPERATOR_FROM] = "from",   [OPERATOR_TO] = "to",
    [OPERATOR_HAS] = "has", [OPERATOR_HAS_ANY] = "has_any", [OPERATOR_LACKS] = "lacks",
};

const struct schema_key schema_operations[] = {
    {.name = "is", .type = SCHEMA_OTHER},
    {.name = "not", .type = SCHEMA_OTHER},
    {.name = "from", .type = SCHEMA_OTHER},
    {.name = "to", .type = SCHEMA_OTHER},
    {.name = "has", .type = SCHEMA_OTHER},
    {.name = "has_any", .type = SCHEMA_OTHER},
    {.name = "lacks", .type = SCHEMA_OTHER},
    {.name = "mask", .type = SCHEMA_OTHER},
    {.name = NULL},
};

const char *operator_name(enum operator_kind kind)
{
    return operator_names[kind];
}

/* ---- reading ---- */

static const char *read_word(struct reader *r, const struct node *value, const char *where)
{
    if (value->kind != NODE_SCALAR || node_is_null(value) || strlen(value->text) != value->size || value->size == 0) {
        reader_fail(r, value, "%s: expected a number or a constant", where);
        return NULL;
    }
    const char *word = policy_duplicate(r->policy, value->text, value->size);
    if (word == NULL)
        reader_out_of_memory(r);
    return word;
}

/* One value or a list of them. */
static int read_operation(struct reader *r, const struct node *value, const char *where, enum operator_kind kind,
                          struct operation *out)
{
    const struct node *const *items = (const struct node *const *)value->items;
    size_t count = value->count;
    if (value->kind == NODE_SCALAR) {
        items = &value;
        count = 1;
    } else if (value->kind != NODE_SEQUENCE || kind == OPERATOR_FROM || kind == OPERATOR_TO) {
        return reader_fail(r, value, "%s: expected %s", where,
                           kind == OPERATOR_FROM || kind == OPERATOR_TO ? "one value" : "a value or a list of values");
    }
    if (count == 0 || count > MOST_WORDS)
        return reader_fail(r, value, "%s: expected 1 to %d values", where, MOST_WORDS);
    *out = (struct operation){.kind = kind, .origin = reader_origin(r, value)};
    out->words = policy_allocate(r->policy, count * sizeof *out->words);
    if (out->words == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i < count; i++) {
        out->words[i] = read_word(r, items[i], where);
        if (out->words[i] == NULL)
            return -1;
    }
    out->word_count = count;
    return 0;
}

static int read_condition(struct reader *r, const struct node *name, const struct node *value, const char *where,
                          struct condition *out)
{
    *out = (struct condition){.origin = reader_origin(r, name)};
    out->argument = policy_duplicate(r->policy, name->text, name->size);
    size_t most = value->kind == NODE_MAPPING ? value->count / 2 : 1;
    out->operations = policy_allocate(r->policy, (most + 1) * sizeof *out->operations);
    if (out->argument == NULL || out->operations == NULL)
        return reader_out_of_memory(r);
    if (value->kind != NODE_MAPPING) {
        out->operation_count = 1;
        return read_operation(r, value, where, OPERATOR_IS, &out->operations[0]);
    }
    if (schema_read(r, value, where, schema_operations, NULL) < 0)
        return -1;
    bool compares = true;
    for (size_t i = 0; i + 1 < value->count; i += 2) {
        const char *key = value->items[i]->text;
        const struct node *v = value->items[i + 1];
        if (strcmp(key, "mask") == 0) {
            out->mask = read_word(r, v, where);
            if (out->mask == NULL)
                return -1;
            continue;
        }
        enum operator_kind kind = OPERATOR_IS;
        while (strcmp(operator_names[kind], key) != 0)
            kind++;
        compares = compares && (kind == OPERATOR_IS || kind == OPERATOR_NOT);
        if (read_operation(r, v, where, kind, &out->operations[out->operation_count++]) < 0)
            return -1;
    }
    if (out->operation_count == 0)
        return reader_fail(r, value, "%s: no comparison: is, not, from, to, has, has_any or lacks", where);
    if (out->mask != NULL && !compares)
        return reader_fail(r, value, "%s: mask goes with is and not alone", where);
    return 0;
}

int conditions_read(struct reader *r, const struct node *value, const char *where, struct rule *rule)
{
    if (value->kind != NODE_MAPPING || value->count == 0)
        return reader_fail(r, value, "%s.args: expected arguments and values, such as {flags: {has: O_CREAT}}", where);
    rule->conditions = policy_allocate(r->policy, value->count / 2 * sizeof *rule->conditions);
    if (rule->conditions == NULL)
        return reader_out_of_memory(r);
    for (size_t i = 0; i + 1 < value->count; i += 2) {
        char path[160];
        snprintf(path, sizeof path, "%s.args.%.64s", where, value->items[i]->text);
        if (read_condition(r, value->items[i], value->items[i + 1], path, &rule->conditions[rule->condition_count++]) <
            0)
            return -1;
    }
    return 0;
}

/* ---- boxes ---- */

void boxes_free(struct boxes *b)
{
    free(b->list);
    *b = (struct boxes){0};
}

bool box_holds(const struct box *b, const uint64_t argument[SYSENT_ARGUMENTS])
{
    for (int i = 0; i < SYSENT_ARGUMENTS; i++)
        if ((argument[i] & b->mask[i]) != b->value[i])
            return false;
    return true;
}

static int add_box(struct boxes *b, const struct box *box, char *why)
{
    if (b->count == BOXES_MOST) {
        snprintf(why, ROOM_FOR_WHY, "too many alternatives: more than %d", BOXES_MOST);
        return -1;
    }
    if (b->count == b->room) {
        size_t room = b->room ? b->room * 2 : 4;
        struct box *more = realloc(b->list, room * sizeof *more);
        if (more == NULL) {
            snprintf(why, ROOM_FOR_WHY, "out of memory");
            return -1;
        }
        b->list = more;
        b->room = room;
    }
    b->list[b->count++] = *box;
    return 0;
}

/* What both say; false: nothing can. */
static bool intersect(const struct box *x, const struct box *y, struct box *out)
{
    for (int i = 0; i < SYSENT_ARGUMENTS; i++) {
        if ((x->value[i] ^ y->value[i]) & x->mask[i] & y->mask[i])
            return false;
        out->mask[i] = x->mask[i] | y->mask[i];
        out->value[i] = x->value[i] | y->value[i];
    }
    return true;
}

/* *all becomes the boxes that lie in one of *all and in one of more. */
static int narrow(struct boxes *all, const struct boxes *more, char *why)
{
    struct boxes result = {0};
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = 0; j < more->count; j++) {
            struct box both;
            if (intersect(&all->list[i], &more->list[j], &both) && add_box(&result, &both, why) < 0) {
                boxes_free(&result);
                return -1;
            }
        }
    boxes_free(all);
    *all = result;
    return 0;
}

struct target {
    int index;
    struct argument_width width;
    struct boxes boxes;
    char *why;
};

static int add_bits(struct target *t, uint64_t mask, uint64_t value)
{
    struct box b = {0};
    b.mask[t->index] = mask;
    b.value[t->index] = value & mask;
    return add_box(&t->boxes, &b, t->why);
}

/* from <= argument <= to, unsigned: the aligned blocks it is made of, at most two for each bit. */
static int add_range(struct target *t, uint64_t from, uint64_t to)
{
    while (from <= to) {
        uint64_t block = 1; /* 0 stands for 2^64 */
        while (block != 0 && (from & block) == 0 && from + (2 * block - 1) <= to && from + (2 * block - 1) >= from &&
               2 * block - 1 <= t->width.mask)
            block *= 2;
        uint64_t last = from + (block - 1);
        if (add_bits(t, t->width.mask & ~(block - 1), from) < 0)
            return -1;
        if (last == UINT64_MAX)
            break;
        from = last + 1;
    }
    return 0;
}

/* The same where the highest bit is a sign: negative numbers are the upper half of the unsigned ones. */
static int add_signed_range(struct target *t, uint64_t from, uint64_t to)
{
    uint64_t sign = t->width.mask ^ t->width.mask >> 1;
    bool from_negative = from & sign, to_negative = to & sign;
    if (from_negative && !to_negative) {
        if (add_range(t, from, t->width.mask) < 0)
            return -1;
        from = 0;
    } else if (!from_negative && to_negative) {
        return 0;
    }
    return add_range(t, from, to);
}

/* argument & mask != value: it differs first, from the top, at one of the mask's bits. */
static int add_unequal(struct target *t, uint64_t mask, uint64_t value)
{
    uint64_t above = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t one = 1ULL << bit;
        if (!(mask & one))
            continue;
        above |= one;
        if (add_bits(t, above, (value ^ one) & above) < 0)
            return -1;
    }
    return 0;
}

static int one_word(struct target *t, enum operator_kind kind, uint64_t mask, uint64_t value)
{
    uint64_t sign = t->width.mask ^ t->width.mask >> 1;
    uint64_t least = t->width.is_signed ? sign : 0, most = t->width.is_signed ? sign - 1 : t->width.mask;
    switch (kind) {
    case OPERATOR_IS:
        return add_bits(t, mask, value);
    case OPERATOR_NOT:
        return add_unequal(t, mask, value);
    case OPERATOR_FROM:
        return t->width.is_signed ? add_signed_range(t, value, most) : add_range(t, value, most);
    case OPERATOR_TO:
        return t->width.is_signed ? add_signed_range(t, least, value) : add_range(t, least, value);
    case OPERATOR_HAS:
    case OPERATOR_HAS_ANY:
        return add_bits(t, value, value);
    default: /* OPERATOR_LACKS */
        return add_bits(t, value, 0);
    }
}

/* One word of one operation as boxes over t's argument. */
static int word_boxes(struct target *t, int nr, const struct condition *c, enum operator_kind kind, const char *word)
{
    uint64_t value, mask = t->width.mask;
    if (argument_read(nr, t->index, word, &value, t->why) < 0)
        return -1;
    if (c->mask != NULL) {
        if (argument_read(nr, t->index, c->mask, &mask, t->why) < 0)
            return -1;
        if (mask == 0 || value & ~mask) {
            snprintf(t->why, ROOM_FOR_WHY, "'%.64s' has bits that the mask '%.64s' leaves out: nothing could match",
                     word, c->mask);
            return -1;
        }
    }
    if (kind >= OPERATOR_HAS && value == 0) {
        snprintf(t->why, ROOM_FOR_WHY, "'%.64s' is 0: no bits to look for (use is, or mask and is)", word);
        return -1;
    }
    return one_word(t, kind, mask, value);
}

/* is and has_any: one of the words holds; the others: all do. */
static int operation_boxes(struct target *t, int nr, const struct condition *c, const struct operation *o,
                           struct boxes *all)
{
    bool any = o->kind == OPERATOR_IS || o->kind == OPERATOR_HAS_ANY;
    int result = 0;
    for (size_t i = 0; i < o->word_count && result == 0; i++) {
        result = word_boxes(t, nr, c, o->kind, o->words[i]);
        if (result == 0 && (!any || i + 1 == o->word_count)) {
            result = narrow(all, &t->boxes, t->why);
            t->boxes.count = 0;
        }
    }
    return result;
}

int conditions_boxes(const struct rule *rule, int nr, struct boxes *out, struct policy_origin *origin, char *why)
{
    static const struct box everything;
    *out = (struct boxes){0};
    *origin = rule->shown.origin;
    int result = add_box(out, &everything, why);
    for (size_t i = 0; i < rule->condition_count && result == 0; i++) {
        const struct condition *c = &rule->conditions[i];
        const char *words;
        *origin = c->origin;
        struct target t = {.index = argument_index(nr, c->argument, &words), .why = why};
        if (t.index < 0) {
            snprintf(why, ROOM_FOR_WHY, "args '%.64s' of %s: %s", c->argument, sysent_get((uint64_t)nr)->name, words);
            result = -1;
            break;
        }
        t.width = argument_width(nr, t.index);
        for (size_t j = 0; j < c->operation_count && result == 0; j++) {
            *origin = c->operations[j].origin;
            result = operation_boxes(&t, nr, c, &c->operations[j], out);
        }
        boxes_free(&t.boxes);
    }
    if (result == 0 && out->count == 0) {
        snprintf(why, ROOM_FOR_WHY, "the conditions contradict each other: nothing could match");
        result = -1;
    }
    if (result < 0)
        boxes_free(out);
    return result;
}
