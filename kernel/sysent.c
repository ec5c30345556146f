/* The table of kernel/sysent.def, made readable. Pure data and look-ups. */
#include "kernel/sysent.h"

#include <string.h>

#define COUNT_(a, b, c, d, e, f, g, n, ...) n
#define COUNT(...) COUNT_(_, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define KINDS0() 0
#define KINDS1(a) ARG_##a
#define KINDS2(a, b) ARG_##a, ARG_##b
#define KINDS3(a, b, c) ARG_##a, ARG_##b, ARG_##c
#define KINDS4(a, b, c, d) ARG_##a, ARG_##b, ARG_##c, ARG_##d
#define KINDS5(a, b, c, d, e) ARG_##a, ARG_##b, ARG_##c, ARG_##d, ARG_##e
#define KINDS6(a, b, c, d, e, f) ARG_##a, ARG_##b, ARG_##c, ARG_##d, ARG_##e, ARG_##f
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define SYSCALL(nr, call, fam, answer, kern, ...)                                                                      \
    [nr] = {.name = #call,                                                                                             \
            .stub = #answer,                                                                                           \
            .family = FAMILY_##fam,                                                                                    \
            .kernel = KERNEL_##kern,                                                                                   \
            .argument_count = COUNT(__VA_ARGS__),                                                                      \
            .argument = {JOIN(KINDS, COUNT(__VA_ARGS__))(__VA_ARGS__)}},

static const struct sysent table[SYSENT_COUNT] = {
#include "kernel/sysent.def"
};

const struct sysent *sysent_get(uint64_t nr)
{
    if (nr >= SYSENT_COUNT || table[nr].name == NULL)
        return NULL;
    return &table[nr];
}

enum { PLACES = 1024 }; /* more than twice the names */

/* FNV-1a. */
static uint32_t place_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash % PLACES;
}

/* Numbers and one more by name: a policy asks some fifty thousand times where it has ten thousand rules. */
static const uint16_t *by_name(void)
{
    static uint16_t places[PLACES];
    static bool filled;
    for (int nr = 0; nr < SYSENT_COUNT && !filled; nr++) {
        if (table[nr].name == NULL)
            continue;
        uint32_t at = place_of(table[nr].name);
        while (places[at] != 0)
            at = (at + 1) % PLACES;
        places[at] = (uint16_t)(nr + 1);
    }
    filled = true;
    return places;
}

int sysent_number(const char *name)
{
    const uint16_t *places = by_name();
    for (uint32_t at = place_of(name); places[at] != 0; at = (at + 1) % PLACES)
        if (strcmp(table[places[at] - 1].name, name) == 0)
            return places[at] - 1;
    return -1;
}

size_t sysent_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t la = strlen(a), lb = strlen(b), row[LONGEST + 1];
    if (la > LONGEST || lb > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

const char *sysent_nearest(const char *name)
{
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2; /* farther is no help */
    for (int nr = 0; nr < SYSENT_COUNT; nr++) {
        if (table[nr].name == NULL)
            continue;
        size_t d = sysent_distance(name, table[nr].name);
        if (d < least) {
            least = d;
            nearest = table[nr].name;
        }
    }
    return nearest;
}
