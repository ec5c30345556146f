/* A set of numbers by open addressing (supervisor/number_set.h): half full at most, a power of two of places. */
#include "supervisor/number_set.h"

#include <errno.h>
#include <stdlib.h>

enum { ROOM_LEAST = 64 };

static size_t place(const struct number_set *s, uint64_t number)
{
    size_t at = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (s->room - 1);
    while (s->slot[at] != 0 && s->slot[at] != number)
        at = (at + 1) & (s->room - 1);
    return at;
}

static int grow(struct number_set *s)
{
    struct number_set more = {.room = s->room == 0 ? ROOM_LEAST : s->room * 2, .count = s->count};
    more.slot = calloc(more.room, sizeof *more.slot);
    if (more.slot == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->room; i++)
        if (s->slot[i] != 0)
            more.slot[place(&more, s->slot[i])] = s->slot[i];
    free(s->slot);
    *s = more;
    return 0;
}

int number_set_add(struct number_set *s, uint64_t number)
{
    if (s->room > 0 && s->slot[place(s, number)] == number)
        return 0;
    if (s->count * 2 >= s->room && grow(s) < 0)
        return -ENOMEM;
    s->slot[place(s, number)] = number;
    s->count++;
    return 1;
}

void number_set_free(struct number_set *s)
{
    free(s->slot);
    *s = (struct number_set){0};
}
