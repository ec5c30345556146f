/* Path patterns: reading one, and matching one the plain way (policy/glob.h). */
#include "policy/glob.h"

#include <stdlib.h>
#include <string.h>

static void set_add(uint64_t *set, uint8_t byte)
{
    set[byte / 64] |= 1ULL << (byte % 64);
}

static bool set_has(const uint64_t *set, uint8_t byte)
{
    return set[byte / 64] >> (byte % 64) & 1;
}

/* After '[': the set, and where reading goes on; NULL: no end in sight. */
static const char *read_class(const char *c, struct glob_item *item)
{
    bool negated = *c == '!' || *c == '^';
    c += negated;
    bool first = true;
    for (; *c != ']' || first; first = false) {
        if (*c == '\\' && c[1] != '\0')
            c++;
        if (*c == '\0' || *c == '/')
            return NULL;
        uint8_t from = (uint8_t)*c++, to = from;
        if (c[0] == '-' && c[1] != ']' && c[1] != '\0' && c[1] != '/') {
            c++;
            if (*c == '\\' && c[1] != '\0')
                c++;
            to = (uint8_t)*c++;
        }
        if (from > to)
            return NULL;
        for (unsigned byte = from; byte <= to; byte++)
            set_add(item->set, (uint8_t)byte);
    }
    if (negated)
        for (int i = 0; i < 4; i++)
            item->set[i] = ~item->set[i];
    item->set['/' / 64] &= ~(1ULL << ('/' % 64));
    item->set[0] &= ~1ULL; /* no path holds a NUL */
    return c + 1;
}

/* The name that begins at c is "." or ".." or empty: no path in its normal form has one. */
static bool is_no_name(const char *c)
{
    size_t length = strcspn(c, "/");
    return length == 0 || (length == 1 && c[0] == '.') || (length == 2 && c[0] == '.' && c[1] == '.');
}

static int add_item(struct glob *g, struct glob_item item, const char **why)
{
    *why = "a pattern longer than 4096 bytes";
    if (g->count >= GLOB_LONGEST)
        return -1;
    g->items[g->count++] = item;
    return 0;
}

int glob_parse(const char *text, struct glob *g, const char **why)
{
    g->count = 0;
    *why = "a pattern begins with '/' or with '**'";
    if (text[0] != '/' && strcmp(text, "**") != 0 && strncmp(text, "**/", 3) != 0)
        return -1;
    if (strcmp(text, "/") == 0) /* the root is the empty path here: see glob_matches */
        return 0;
    int stars = 0;
    const char *c = text;
    while (*c != '\0') {
        if (*c == '/' || c == text) {
            bool slash = *c == '/';
            c += slash;
            *why = *c == '\0' ? "no path ends with '/': add ** for all that is below"
                              : "no path has an empty name, '.' or '..' in it";
            if (is_no_name(c))
                return -1;
            struct glob_item item = {.kind = GLOB_BYTE, .byte = '/'};
            if (c[0] == '*' && c[1] == '*') {
                *why = "'**' stands alone between slashes";
                if (c[2] != '\0' && c[2] != '/')
                    return -1;
                c += 2;
                item.kind = GLOB_DEEP;
                stars++;
                while (c[0] == '/' && c[1] == '*' && c[2] == '*' && (c[3] == '/' || c[3] == '\0'))
                    c += 3; /* twice any number is any number */
            }
            if (add_item(g, item, why) < 0)
                return -1;
            continue;
        }
        struct glob_item item = {.kind = GLOB_BYTE, .byte = (uint8_t)*c};
        switch (*c) {
        case '*':
            *why = "'**' stands alone between slashes";
            if (c[1] == '*')
                return -1;
            item.kind = GLOB_STAR;
            stars++;
            c++;
            break;
        case '?':
            item.kind = GLOB_ANY;
            c++;
            break;
        case '[':
            item.kind = GLOB_CLASS;
            *why = "'[' without its ']' (\\[ is the character itself)";
            c = read_class(c + 1, &item);
            if (c == NULL)
                return -1;
            break;
        case '{':
        case '}':
            *why = "braces are no pattern here: give a list of patterns (\\{ is the character itself)";
            return -1;
        case '\\':
            *why = "a '\\' at the end";
            if (c[1] == '\0' || c[1] == '/')
                return -1;
            item.byte = (uint8_t)c[1];
            c += 2;
            break;
        default:
            c++;
        }
        if (add_item(g, item, why) < 0)
            return -1;
    }
    *why = "more than 16 stars in one pattern";
    return stars > GLOB_MOST_STARS ? -1 : 0;
}

bool glob_item_takes(const struct glob_item *item, uint8_t byte)
{
    switch (item->kind) {
    case GLOB_BYTE:
        return item->byte == byte;
    case GLOB_ANY:
        return byte != '/';
    case GLOB_CLASS:
        return set_has(item->set, byte);
    default:
        return false;
    }
}

/* Dynamic programming over (item, byte): no backtracking, so no pattern is slow. The root is the empty path, so that
 * every other path is '/' NAME repeated. */
struct positions {
    bool at[GLOB_LONGEST + 1];     /* the items before this one took the bytes so far */
    bool inside[GLOB_LONGEST + 1]; /* this item is a DEEP that took its '/' and goes on */
};

/* What may be empty, or may end here, lets the next item begin. */
static void skip_empty(const struct glob *g, struct positions *p)
{
    for (size_t i = 0; i < g->count; i++)
        if ((p->at[i] && (g->items[i].kind == GLOB_STAR || g->items[i].kind == GLOB_DEEP)) || p->inside[i])
            p->at[i + 1] = true;
}

static void take_byte(const struct glob *g, const struct positions *now, struct positions *then, uint8_t byte)
{
    memset(then->at, 0, g->count + 1);
    memset(then->inside, 0, g->count + 1);
    for (size_t i = 0; i < g->count; i++) {
        const struct glob_item *item = &g->items[i];
        if (item->kind == GLOB_DEEP)
            then->inside[i] = now->inside[i] || (now->at[i] && byte == '/');
        else if (item->kind == GLOB_STAR)
            then->at[i] = then->at[i] || (now->at[i] && byte != '/');
        else if (now->at[i] && glob_item_takes(item, byte))
            then->at[i + 1] = true;
    }
}

bool glob_matches(const struct glob *g, const char *path)
{
    struct positions *both = calloc(2, sizeof *both);
    if (both == NULL)
        return false;
    struct positions *now = both, *then = both + 1;
    now->at[0] = true;
    skip_empty(g, now);
    for (const char *c = strcmp(path, "/") == 0 ? "" : path; *c != '\0'; c++) {
        take_byte(g, now, then, (uint8_t)*c);
        skip_empty(g, then);
        struct positions *swap = now;
        now = then;
        then = swap;
    }
    bool matched = now->at[g->count];
    free(both);
    return matched;
}
