/* Writing a record. Every event is packed, hashed into the chain and put into a block; a block goes to the file,
 * compressed, when it is full or when record_flush says so. What is in the file at any moment can be read.
 *
 * Knows nothing of worlds and tasks: events come as struct event, and the file is a descriptor. No error is passed over:
 * the first one stays, and every later call returns it. */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

#include "trace/event.h"

struct record;

/* Begins a record in fd (open for writing, empty), which it owns from now on, also on failure. NULL: out of memory. fd -1:
 * nothing is written, but the chain and its head are as if it were. */
struct record *record_begin(int fd);
/* Facts about the machine (a msgpack map) that are no part of the chain: two runs with one head are the same run wherever
 * they ran. At most once, before the first event. */
int record_machine(struct record *r, const void *map, size_t n);
/* The next event; its index is filled in. 0, -errno of the file, -ENOMEM, -E2BIG (more than EVENT_MOST bytes). */
int record_add(struct record *r, struct event *e);
/* Bytes kept by their hash (BLAKE2b-256), for a record that stands alone. Whoever calls keeps apart what was stored
 * already. n <= EVENT_PIECE_SIZE. */
int record_content(struct record *r, const uint8_t digest[EVENT_DIGEST], const void *bytes, size_t n);
/* What a record that stands alone is made of besides its contents; once, before record_finish. */
int record_manifest(struct record *r, const void *bytes, size_t n);
/* What was added so far goes to the file. */
int record_flush(struct record *r);
/* No more events: index, signature (secret: an Ed25519 secret key of 64 bytes, or NULL) and tail are written. */
int record_finish(struct record *r, const uint8_t *secret);

int record_error(const struct record *r); /* 0, or the first -errno */
uint64_t record_events(const struct record *r);
uint64_t record_bytes(const struct record *r);   /* in the file so far */
uint64_t record_written(const struct record *r); /* events in the file so far: what a reader will find after an error */
const uint8_t *record_head(const struct record *r); /* the chain's value after the last event, EVENT_DIGEST bytes */
void record_free(struct record *r);                 /* closes the file; NULL is allowed */

#endif
