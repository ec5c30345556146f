/* msgpack in place (trace/cursor.h). https://github.com/msgpack/msgpack/blob/master/spec.md */
#include "trace/cursor.h"

#include <string.h>

enum { DEPTH_MOST = 16 };

static uint64_t fail(struct cursor *c)
{
    c->bad = true;
    c->at = c->end;
    return 0;
}

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* A big-endian number of n bytes behind the type byte. */
static uint64_t number(struct cursor *c, size_t n)
{
    uint64_t value = 0;
    if (left(c) < 1 + n)
        return fail(c);
    for (size_t i = 1; i <= n; i++)
        value = value << 8 | c->at[i];
    c->at += 1 + n;
    return value;
}

enum cursor_type cursor_type(const struct cursor *c)
{
    if (c->bad || c->at == c->end)
        return CURSOR_NONE;
    uint8_t b = *c->at;
    if (b <= 0x7f || (b >= 0xcc && b <= 0xcf))
        return CURSOR_UNSIGNED;
    if (b >= 0xe0 || (b >= 0xd0 && b <= 0xd3))
        return CURSOR_SIGNED;
    if (b <= 0x8f || b == 0xde || b == 0xdf)
        return CURSOR_MAP;
    if (b <= 0x9f || b == 0xdc || b == 0xdd)
        return CURSOR_ARRAY;
    if (b <= 0xbf || (b >= 0xd9 && b <= 0xdb))
        return CURSOR_TEXT;
    switch (b) {
    case 0xc0:
        return CURSOR_NIL;
    case 0xc2:
    case 0xc3:
        return CURSOR_BOOL;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return CURSOR_BYTES;
    case 0xc1:
        return CURSOR_NONE;
    default:
        return CURSOR_OTHER;
    }
}

uint64_t cursor_unsigned(struct cursor *c)
{
    if (cursor_type(c) != CURSOR_UNSIGNED)
        return fail(c);
    if (*c->at <= 0x7f)
        return *c->at++;
    return number(c, (size_t)1 << (*c->at - 0xcc));
}

int64_t cursor_signed(struct cursor *c)
{
    if (cursor_type(c) == CURSOR_UNSIGNED) {
        uint64_t value = cursor_unsigned(c);
        return value <= INT64_MAX ? (int64_t)value : (int64_t)fail(c);
    }
    if (cursor_type(c) != CURSOR_SIGNED)
        return (int64_t)fail(c);
    if (*c->at >= 0xe0)
        return (int8_t)*c->at++;
    switch (*c->at) {
    case 0xd0:
        return (int8_t)number(c, 1);
    case 0xd1:
        return (int16_t)number(c, 2);
    case 0xd2:
        return (int32_t)number(c, 4);
    default:
        return (int64_t)number(c, 8);
    }
}

bool cursor_bool(struct cursor *c)
{
    if (cursor_type(c) != CURSOR_BOOL)
        return fail(c) != 0;
    return *c->at++ == 0xc3;
}

bool cursor_nil(struct cursor *c)
{
    if (cursor_type(c) != CURSOR_NIL)
        return false;
    c->at++;
    return true;
}

static uint32_t count(struct cursor *c, enum cursor_type type, uint8_t small, uint8_t wide, size_t each)
{
    if (cursor_type(c) != type)
        return (uint32_t)fail(c);
    uint32_t n = *c->at < wide ? (uint32_t)(*c->at++ - small) : (uint32_t)number(c, *c->at == wide ? 2 : 4);
    return n <= left(c) / each ? n : (uint32_t)fail(c);
}

uint32_t cursor_array(struct cursor *c)
{
    return count(c, CURSOR_ARRAY, 0x90, 0xdc, 1);
}

uint32_t cursor_map(struct cursor *c)
{
    return count(c, CURSOR_MAP, 0x80, 0xde, 2);
}

static const uint8_t *stretch(struct cursor *c, uint64_t length, size_t *n)
{
    *n = 0;
    if (c->bad || length > left(c)) {
        fail(c);
        return c->end;
    }
    const uint8_t *here = c->at;
    c->at += length;
    *n = (size_t)length;
    return here;
}

const uint8_t *cursor_bytes(struct cursor *c, size_t *n)
{
    if (cursor_type(c) != CURSOR_BYTES)
        return stretch(c, UINT64_MAX, n);
    return stretch(c, number(c, (size_t)1 << (*c->at - 0xc4)), n);
}

const char *cursor_text(struct cursor *c, size_t *n)
{
    if (cursor_type(c) != CURSOR_TEXT)
        return (const char *)stretch(c, UINT64_MAX, n);
    uint64_t length = *c->at <= 0xbf ? (uint64_t)(*c->at++ - 0xa0) : number(c, (size_t)1 << (*c->at - 0xd9));
    return (const char *)stretch(c, length, n);
}

/* The bytes behind the type byte of a float or an extension. */
static uint64_t other_length(struct cursor *c)
{
    uint8_t b = *c->at;
    if (b == 0xca || b == 0xcb)
        return b == 0xca ? 4 : 8;
    if (b >= 0xd4 && b <= 0xd8)
        return 1 + ((uint64_t)1 << (b - 0xd4));
    uint64_t n =
        number(c, (size_t)1 << (b - 0xc7)); /* ext 8, 16, 32: now at the type, which takes the type byte's place */
    return n;
}

/* How many things stand inside the one that the cursor passes. */
static uint64_t pass(struct cursor *c)
{
    size_t n;
    switch (cursor_type(c)) {
    case CURSOR_ARRAY:
        return cursor_array(c);
    case CURSOR_MAP:
        return (uint64_t)cursor_map(c) * 2;
    case CURSOR_BYTES:
        cursor_bytes(c, &n);
        return 0;
    case CURSOR_TEXT:
        cursor_text(c, &n);
        return 0;
    case CURSOR_UNSIGNED:
        cursor_unsigned(c);
        return 0;
    case CURSOR_SIGNED:
        cursor_signed(c);
        return 0;
    case CURSOR_NIL:
    case CURSOR_BOOL:
        c->at++;
        return 0;
    case CURSOR_OTHER: {
        uint64_t length = other_length(c);
        stretch(c, c->bad ? 0 : length + 1, &n);
        return 0;
    }
    default:
        return fail(c);
    }
}

void cursor_skip(struct cursor *c)
{
    uint64_t open[DEPTH_MOST] = {1};
    int depth = 0;
    while (!c->bad && depth >= 0) {
        if (open[depth] == 0) {
            depth--;
            continue;
        }
        open[depth]--;
        uint64_t inside = pass(c);
        if (inside == 0)
            continue;
        if (++depth == DEPTH_MOST) {
            fail(c);
            return;
        }
        open[depth] = inside;
    }
}

bool cursor_find(struct cursor *c, const char *key)
{
    size_t length = strlen(key), n;
    uint32_t pairs = cursor_map(c);
    for (uint32_t i = 0; i < pairs && !c->bad; i++) {
        if (cursor_type(c) == CURSOR_TEXT) {
            const char *name = cursor_text(c, &n);
            if (!c->bad && n == length && memcmp(name, key, n) == 0)
                return true;
        } else {
            cursor_skip(c);
        }
        cursor_skip(c);
    }
    return false;
}
