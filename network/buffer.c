/* See buffer.h. */
#include "network/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bytes_reserve(void *bytes, size_t *room, size_t need)
{
    void **where = bytes;
    size_t more = *room > 0 ? *room : 4096;
    while (more < need)
        more *= 2;
    if (more == *room)
        return true;
    void *moved = realloc(*where, more);
    if (moved == NULL)
        return false;
    *where = moved;
    *room = more;
    return true;
}

void buffer_init(struct buffer *b, struct account *account, size_t most)
{
    *b = (struct buffer){.account = account, .most = most};
}

static bool make_room(struct buffer *b, size_t n)
{
    if (n > b->most - b->size)
        return false;
    if (b->start + b->size + n <= b->room)
        return true;
    if (b->start > 0) {
        memmove(b->bytes, b->bytes + b->start, b->size);
        b->start = 0;
        if (b->size + n <= b->room)
            return true;
    }
    size_t room = b->room > 0 ? b->room : 256;
    while (room < b->size + n)
        room *= 2;
    if (!account_take(b->account, room - b->room))
        return false;
    char *bytes = realloc(b->bytes, room);
    if (bytes == NULL) {
        b->account->used -= room - b->room;
        return false;
    }
    b->bytes = bytes;
    b->room = room;
    return true;
}

bool buffer_add(struct buffer *b, const void *bytes, size_t n)
{
    if (n == 0)
        return true;
    if (!make_room(b, n))
        return false;
    memcpy(b->bytes + b->start + b->size, bytes, n);
    b->size += n;
    return true;
}

bool buffer_format(struct buffer *b, const char *format, ...)
{
    char text[512], *all = text;
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (n < 0)
        return false;
    if ((size_t)n >= sizeof text) {
        va_start(list, format);
        n = vasprintf(&all, format, list);
        va_end(list);
        if (n < 0)
            return false;
    }
    bool added = buffer_add(b, all, (size_t)n);
    if (all != text)
        free(all);
    return added;
}

void buffer_drop(struct buffer *b, size_t n)
{
    b->start += n;
    b->size -= n;
    if (b->size == 0)
        b->start = 0;
}

void buffer_clear(struct buffer *b)
{
    b->account->used -= b->room;
    free(b->bytes);
    buffer_init(b, b->account, b->most);
}
