/* msgpack read in place: a cursor over bytes that somebody else may have made. It allocates nothing, so that a length
 * which lies costs nothing: msgpack-c's own unpacker reserves an array by the number its header claims. */
#ifndef TRACE_CURSOR_H
#define TRACE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *at, *end;
    bool bad; /* something was not as asked: everything read since is zero */
};

static inline struct cursor cursor_over(const void *bytes, size_t n)
{
    return (struct cursor){(const uint8_t *)bytes, (const uint8_t *)bytes + n, false};
}

enum cursor_type {
    CURSOR_NONE, /* nothing (more) there, or no msgpack */
    CURSOR_NIL,
    CURSOR_BOOL,
    CURSOR_UNSIGNED,
    CURSOR_SIGNED, /* negative */
    CURSOR_BYTES,
    CURSOR_TEXT,
    CURSOR_ARRAY,
    CURSOR_MAP,
    CURSOR_OTHER, /* floats, extensions: skipped only */
};
enum cursor_type cursor_type(const struct cursor *c);

uint64_t cursor_unsigned(struct cursor *c);
int64_t cursor_signed(struct cursor *c); /* also of an unsigned that fits */
bool cursor_bool(struct cursor *c);
bool cursor_nil(struct cursor *c); /* true, and past it, when it is nil; else nothing happens */
/* The number of elements, or of pairs, that follow; each is at least a byte, so more than what is left is bad. */
uint32_t cursor_array(struct cursor *c);
uint32_t cursor_map(struct cursor *c);
/* Bytes or text, in place. */
const uint8_t *cursor_bytes(struct cursor *c, size_t *n);
const char *cursor_text(struct cursor *c, size_t *n);
/* Past one thing, whatever is in it; deeper than 16 is bad. */
void cursor_skip(struct cursor *c);
/* The cursor stands at a map: past `key`, if the map has it. */
bool cursor_find(struct cursor *c, const char *key);

#endif
