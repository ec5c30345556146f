/* A YAML text as a small tree with positions: what libyaml's events say, bounded. Knows nothing of what the keys mean.
 *
 * Anchors and aliases work: an alias is the same node again, and its weight is counted again, so that a few lines
 * cannot stand for a billion nodes. Merge keys, tags and several documents in one text are errors, not surprises. */
#ifndef POLICY_NODES_H
#define POLICY_NODES_H

#include <stdbool.h>
#include <stddef.h>

enum {
    NODES_MOST_BYTES = 16 << 20, /* of one text */
    NODES_MOST_NODES = 1000000,  /* of one text, aliases counted as often as they stand for something */
    NODES_MOST_DEPTH = 24,       /* the schema needs 5 */
};

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
    enum node_kind kind;
    int line, column; /* from 1 */
    bool plain;       /* a scalar without quotes: only these can be true, null or a number */
    char *text;       /* scalar: size bytes and a NUL behind them */
    size_t size;
    struct node **items; /* sequence: its items; mapping: key, value, key, value ... with scalar keys, none twice */
    size_t count;        /* of items */
    size_t weight;       /* nodes from here down, through aliases too */
    int height;          /* levels from here down, 1 for a scalar */
};

struct node_memory; /* every node of one text, freed at once */

struct node_problem {
    int line, column; /* from 1; 0: nowhere */
    char text[256];
};

/* 0 with *root and *memory (nodes_free's), or -1 with *problem. An empty text has the root NULL. */
int nodes_read(const char *text, size_t size, struct node **root, struct node_memory **memory,
               struct node_problem *problem);
void nodes_free(struct node_memory *memory);

/* "nothing": a plain scalar that is empty, ~ or null. */
bool node_is_null(const struct node *n);

#endif
