/* From libyaml's events to a tree of nodes (policy/nodes.h). Events rather than libyaml's own documents: the bounds
 * must hold while reading, not after. */
#include "policy/nodes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct block {
    struct block *next;
    max_align_t data[];
};

struct node_memory {
    struct block *blocks;
};

struct anchor {
    char *name;
    struct node *node;
    struct anchor *next;
};

/* A collection whose end has not come yet. */
struct frame {
    struct node *node;
    const char *anchor;
    size_t room;
};

struct builder {
    struct node_memory *memory;
    struct node_problem *problem;
    struct frame stack[NODES_MOST_DEPTH];
    int depth;
    size_t nodes;
    struct anchor *anchors;
    struct node *root;
};

static void *allocate(struct node_memory *m, size_t size)
{
    struct block *b = calloc(1, sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->next = m->blocks;
    m->blocks = b;
    return b->data;
}

void nodes_free(struct node_memory *m)
{
    if (m == NULL)
        return;
    for (struct block *b = m->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(m);
}

bool node_is_null(const struct node *n)
{
    static const char *const nothing[] = {"", "~", "null", "Null", "NULL"};
    if (n->kind != NODE_SCALAR || !n->plain)
        return false;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (strcmp(n->text, nothing[i]) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 4, 5))) static int fail(struct builder *b, size_t line, size_t column, const char *format,
                                                      ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(b->problem->text, sizeof b->problem->text, format, list);
    va_end(list);
    b->problem->line = (int)line;
    b->problem->column = (int)column;
    return -1;
}

static int fail_at(struct builder *b, yaml_mark_t at, const char *text)
{
    return fail(b, at.line + 1, at.column + 1, "%s", text);
}

static struct node *new_node(struct builder *b, enum node_kind kind, yaml_mark_t at)
{
    struct node *n = allocate(b->memory, sizeof *n);
    if (n == NULL) {
        fail(b, 0, 0, "out of memory");
        return NULL;
    }
    n->kind = kind;
    n->line = (int)at.line + 1;
    n->column = (int)at.column + 1;
    n->weight = 1;
    n->height = 1;
    return n;
}

static char *duplicate(struct builder *b, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = allocate(b->memory, n);
    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

/* Names a finished node: an alias inside its own anchor would be a cycle, so it is no node before its end. */
static int remember(struct builder *b, const char *name, struct node *n)
{
    if (name == NULL)
        return 0;
    struct anchor *a = allocate(b->memory, sizeof *a);
    if (a == NULL)
        return fail(b, 0, 0, "out of memory");
    a->name = duplicate(b, name);
    if (a->name == NULL)
        return fail(b, 0, 0, "out of memory");
    a->node = n;
    a->next = b->anchors; /* the newest first: an anchor may be given again */
    b->anchors = a;
    return 0;
}

/* Puts a finished node where it belongs: into the innermost open collection, or at the root. */
static int place(struct builder *b, struct node *n, yaml_mark_t at)
{
    b->nodes += n->weight;
    if (b->nodes > NODES_MOST_NODES)
        return fail(b, at.line + 1, at.column + 1, "more than %d values, aliases counted", NODES_MOST_NODES);
    if (b->depth + n->height > NODES_MOST_DEPTH)
        return fail(b, at.line + 1, at.column + 1, "nested deeper than %d levels", NODES_MOST_DEPTH);
    if (b->depth == 0) {
        b->root = n;
        return 0;
    }
    struct frame *f = &b->stack[b->depth - 1];
    struct node *parent = f->node;
    if (parent->kind == NODE_MAPPING && parent->count % 2 == 0) {
        if (n->kind != NODE_SCALAR)
            return fail_at(b, at, "a key must be a word");
        if (strlen(n->text) != n->size)
            return fail_at(b, at, "a NUL byte in a key");
        if (n->plain && strcmp(n->text, "<<") == 0)
            return fail_at(b, at, "merge keys (<<) are not part of a policy: use include");
    }
    if (parent->count == f->room) {
        size_t room = f->room ? f->room * 2 : 8;
        struct node **items = allocate(b->memory, room * sizeof *items);
        if (items == NULL)
            return fail(b, 0, 0, "out of memory");
        if (parent->count)
            memcpy(items, parent->items, parent->count * sizeof *items);
        parent->items = items;
        f->room = room;
    }
    parent->items[parent->count++] = n;
    parent->weight += n->weight;
    if (n->height >= parent->height)
        parent->height = n->height + 1;
    return 0;
}

static int add_scalar(struct builder *b, yaml_event_t *e)
{
    struct node *n = new_node(b, NODE_SCALAR, e->start_mark);
    if (n == NULL)
        return -1;
    if (e->data.scalar.tag != NULL)
        return fail_at(b, e->start_mark, "tags (!) are not part of a policy");
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->size = e->data.scalar.length;
    n->text = allocate(b->memory, n->size + 1);
    if (n->text == NULL)
        return fail(b, 0, 0, "out of memory");
    memcpy(n->text, e->data.scalar.value, n->size);
    if (remember(b, (const char *)e->data.scalar.anchor, n) < 0)
        return -1;
    return place(b, n, e->start_mark);
}

static int add_alias(struct builder *b, yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (struct anchor *a = b->anchors; a != NULL; a = a->next)
        if (strcmp(a->name, name) == 0)
            return place(b, a->node, e->start_mark);
    return fail(b, e->start_mark.line + 1, e->start_mark.column + 1,
                "no value before this one has the anchor &%.64s (a text that begins with * needs quotes)", name);
}

static int open_collection(struct builder *b, enum node_kind kind, const yaml_char_t *anchor, const yaml_char_t *tag,
                           yaml_mark_t at)
{
    if (tag != NULL)
        return fail_at(b, at, "tags (!) are not part of a policy");
    if (b->depth + 1 >= NODES_MOST_DEPTH)
        return fail(b, at.line + 1, at.column + 1, "nested deeper than %d levels", NODES_MOST_DEPTH);
    struct frame *f = &b->stack[b->depth];
    *f = (struct frame){.node = new_node(b, kind, at)};
    if (f->node == NULL)
        return -1;
    if (anchor != NULL) {
        f->anchor = duplicate(b, (const char *)anchor);
        if (f->anchor == NULL)
            return fail(b, 0, 0, "out of memory");
    }
    b->depth++;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    int order = strcmp(x->text, y->text);
    if (order == 0)
        order = x->line != y->line ? (x->line < y->line ? -1 : 1) : (x->column > y->column) - (x->column < y->column);
    return order;
}

/* libyaml does not mind a key that stands twice; here the second would silently win. */
static int check_keys(struct builder *b, const struct node *mapping)
{
    size_t count = mapping->count / 2;
    if (count < 2)
        return 0;
    struct node **keys = malloc(count * sizeof *keys);
    if (keys == NULL)
        return fail(b, 0, 0, "out of memory");
    for (size_t i = 0; i < count; i++)
        keys[i] = mapping->items[2 * i];
    qsort(keys, count, sizeof *keys, by_text);
    int result = 0;
    for (size_t i = 1; i < count && result == 0; i++)
        if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
            result = fail(b, (size_t)keys[i]->line, (size_t)keys[i]->column,
                          "duplicate key '%.100s' (first in line %d)", keys[i]->text, keys[i - 1]->line);
    free(keys);
    return result;
}

static int close_collection(struct builder *b)
{
    if (b->depth == 0)
        return fail(b, 0, 0, "an end without a beginning");
    struct frame *f = &b->stack[--b->depth];
    struct node *n = f->node;
    if (n->kind == NODE_MAPPING && check_keys(b, n) < 0)
        return -1;
    if (remember(b, f->anchor, n) < 0)
        return -1;
    /* The children were counted as they came; only the collection itself is new. */
    b->nodes -= n->weight - 1;
    return place(b, n, (yaml_mark_t){.line = (size_t)n->line - 1, .column = (size_t)n->column - 1});
}

static int take(struct builder *b, yaml_event_t *e, int *documents)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents > 1 ? fail_at(b, e->start_mark, "a second document: a policy is one") : 0;
    case YAML_SCALAR_EVENT:
        return add_scalar(b, e);
    case YAML_ALIAS_EVENT:
        return add_alias(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(b, NODE_SEQUENCE, e->data.sequence_start.anchor, e->data.sequence_start.tag,
                               e->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, NODE_MAPPING, e->data.mapping_start.anchor, e->data.mapping_start.tag, e->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(b);
    default:
        return 0;
    }
}

/* libyaml's own words, and where they hide a common slip, the slip's name. */
static int fail_as_parser(struct builder *b, const yaml_parser_t *parser, const char *text, size_t size)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return fail(b, 0, 0, "out of memory");
    const char *words = parser->problem ? parser->problem : "not YAML";
    size_t line = parser->problem_mark.line, column = parser->problem_mark.column;
    if (parser->error == YAML_READER_ERROR) {
        /* A reader's problem has a byte offset only. */
        line = column = 0;
        for (size_t i = 0; i < parser->problem_offset && i < size; i++) {
            column = text[i] == '\n' ? 0 : column + 1;
            line += text[i] == '\n';
        }
        return fail(b, line + 1, column + 1, "%s", words);
    }
    const char *hint = "";
    if (strstr(words, "cannot start any token"))
        hint = " (a tab, or a text that begins with @, % or ` and needs quotes)";
    else if (parser->context && strstr(parser->context, "alias"))
        hint = " (a text that begins with * needs quotes)";
    return fail(b, line + 1, column + 1, "%s%s%s%s", words, parser->context ? " " : "",
                parser->context ? parser->context : "", hint);
}

int nodes_read(const char *text, size_t size, struct node **root, struct node_memory **memory,
               struct node_problem *problem)
{
    struct builder b = {.memory = calloc(1, sizeof *b.memory), .problem = problem};
    *root = NULL;
    *memory = NULL;
    if (b.memory == NULL)
        return fail(&b, 0, 0, "out of memory");
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        free(b.memory);
        return fail(&b, 0, 0, "out of memory");
    }
    int result = 0, documents = 0;
    bool ended = false;
    if (size > NODES_MOST_BYTES)
        result = fail(&b, 0, 0, "larger than %d MiB", NODES_MOST_BYTES >> 20);
    /* The text is UTF-8 and nothing else: a byte order mark of UTF-16 must not make it another text. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    while (result == 0 && !ended) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            result = fail_as_parser(&b, &parser, text, size);
            break;
        }
        ended = e.type == YAML_STREAM_END_EVENT;
        result = take(&b, &e, &documents);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    if (result < 0) {
        nodes_free(b.memory);
        return -1;
    }
    *root = b.root;
    *memory = b.memory;
    return 0;
}
