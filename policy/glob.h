/* A path pattern of a rule, taken apart.
 *
 *   *      any bytes within one name            ?  one byte of a name       [a-z] [!a-z]  one byte of a name
 *   **     whole names, any number, none too: it stands alone between slashes
 *   \x     x itself
 *
 * A pattern begins with '/' or with '**' (which is '/' and anything). Two stars at the end are the directory itself and
 * all below it: who hides a tree rarely wants its list of names left readable. A slash and one star more leave the
 * directory itself out. */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum glob_kind {
    GLOB_BYTE,
    GLOB_ANY,   /* any byte but '/' */
    GLOB_CLASS, /* one of a set, never '/' */
    GLOB_STAR,  /* any number of bytes but '/' */
    GLOB_DEEP,  /* "" or '/' and anything; what follows, if anything, begins with '/' */
};

struct glob_item {
    enum glob_kind kind;
    uint8_t byte;    /* GLOB_BYTE */
    uint64_t set[4]; /* GLOB_CLASS */
};

enum { GLOB_LONGEST = 4096, GLOB_MOST_STARS = 16 };

struct glob {
    size_t count;
    struct glob_item items[GLOB_LONGEST + 1];
};

/* 0, or -1 with *why: what is wrong with the pattern, in words. */
int glob_parse(const char *text, struct glob *out, const char **why);
bool glob_item_takes(const struct glob_item *item, uint8_t byte); /* BYTE, ANY and CLASS */

/* One pattern against one path, item by item: what explain uses, and what the automaton is tested against.
 * path: absolute and normalised. */
bool glob_matches(const struct glob *g, const char *path);

#endif
