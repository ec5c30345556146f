/* The growing text buffer that synthetic files are written into. Running out of memory is remembered, not reported at
 * each line: whoever reads the text asks `failed` once. */
#include "vfs/synthetic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 64 << 20 }; /* no file of /proc is longer: what a guest makes long must not cost more */

/* Room for n bytes more, and a NUL that vsnprintf(3) wants. */
static bool reserve(struct text *t, size_t n)
{
    if (t->failed || n > TEXT_MOST - t->size) {
        t->failed = true;
        return false;
    }
    size_t need = t->size + n + 1, room = t->room ? t->room : 256;
    while (room < need)
        room *= 2;
    if (room == t->room)
        return true;
    char *bytes = realloc(t->bytes, room);
    if (!bytes) {
        t->failed = true;
        return false;
    }
    t->bytes = bytes;
    t->room = room;
    return true;
}

void text_add(struct text *t, const void *bytes, size_t n)
{
    if (n == 0 || !reserve(t, n))
        return;
    memcpy(t->bytes + t->size, bytes, n);
    t->size += n;
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0)
        t->failed = true;
    else if (reserve(t, (size_t)n))
        t->size += (size_t)vsnprintf(t->bytes + t->size, (size_t)n + 1, format, again);
    va_end(again);
}

void text_free(struct text *t)
{
    free(t->bytes);
    *t = (struct text){0};
}
