/* Bytes that wait: a queue that grows to a limit, on the account of the whole network. What a guest can make the
 * supervisor remember is bounded twice: by connection, and by world. */
#ifndef NETWORK_BUFFER_H
#define NETWORK_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* What all connections of a world hold together. */
struct account {
    size_t used, most;
};

/* false: it would be more than all may hold. What was taken is given back by subtracting it. */
static inline bool account_take(struct account *a, size_t n)
{
    if (a->used > a->most || n > a->most - a->used)
        return false;
    a->used += n;
    return true;
}

struct buffer {
    char *bytes;
    size_t start, size, room; /* what counts: bytes[start .. start + size) */
    size_t most;              /* of its own */
    struct account *account;
};

/* A heap array of bytes, for what grows and never shrinks: as large as `need`, by doubling. false: no memory, and nothing changed. */
bool bytes_reserve(void *bytes, size_t *room, size_t need);

void buffer_init(struct buffer *b, struct account *account, size_t most);
bool buffer_add(struct buffer *b, const void *bytes, size_t n); /* all or nothing: false beyond a limit */
bool buffer_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_drop(struct buffer *b, size_t n); /* from the front */
void buffer_clear(struct buffer *b);          /* empties it, and gives the memory back */

static inline const char *buffer_bytes(const struct buffer *b)
{
    return b->bytes + b->start;
}

#endif
