/* Writing a record. Every event is packed, hashed into the chain and put into a block; a block goes to the file,
 * compressed, when it is full or when record_flush says so. What is in the file at any moment can be read.
 *
 * Knows nothing of worlds and tasks: events come as struct event, and the file is a descriptor. No error is passed over:
 * the first one stays, and every later call returns it.
 *
 * Blocks may be written elsewhere (another thread): then an error shows at a later event, and what is in the file is known when all
 * jobs are done, as behind record_flush and record_finish. */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

#include "trace/event.h"

struct record;

/* Who does jobs, one behind the other: those that are given here, and others of the caller's in between. */
struct record_elsewhere {
    void (*later)(void *context, void (*job)(void *), void *argument); /* NULL: everything is done at once */
    void (*wait)(void *context);                                       /* until all jobs are done; NULL: they are */
    void (*before_block)(
        void *context); /* a block is about to be given: what is to stand before it in the file; NULL: nothing */
    void *context;
};

/* Begins a record in fd (open for writing, empty), which it owns from now on, also on failure. NULL: out of memory. fd -1:
 * nothing is written, but the chain and its head are as if it were. */
struct record *record_begin(int fd);
void record_set_elsewhere(struct record *r, const struct record_elsewhere *e); /* before the first event */
/* Facts about the machine (a msgpack map) that are no part of the chain: two runs with one head are the same run wherever
 * they ran. At most once, before the first event. */
int record_machine(struct record *r, const void *map, size_t n);
/* The next event; its index is filled in. A piece's digest may be known `later`: it stays where it is, and a job that was given before
 * puts it there. 0, -errno of the file, -ENOMEM, -E2BIG (more than EVENT_MOST bytes). */
int record_add(struct record *r, struct event *e);
/* In a job, or when there are none: bytes kept by their hash (BLAKE2b-256), for a record that stands alone. Whoever calls keeps apart what
 * was stored already. n <= EVENT_PIECE_SIZE. */
int record_content(struct record *r, const uint8_t digest[EVENT_DIGEST], const void *bytes, size_t n);
/* In a job, or when there are none: more of what the run saw of its machine. */
int record_manifest(struct record *r, const void *bytes, size_t n);
void record_settle(struct record *r);      /* all jobs are done */
void record_close_block(struct record *r); /* what was added so far is on its way to the file */
/* What was added so far goes to the file. */
int record_flush(struct record *r);
/* No more events: index, signature (secret: an Ed25519 secret key of 64 bytes, or NULL) and tail are written. */
int record_finish(struct record *r, const uint8_t *secret);

int record_error(const struct record *r); /* 0, or the first -errno */
uint64_t record_events(const struct record *r);
/* When all jobs are done: */
uint64_t record_bytes(const struct record *r);   /* in the file so far */
uint64_t record_written(const struct record *r); /* events in the file so far: what a reader will find after an error */
const uint8_t *
record_head(const struct record *r); /* the chain's value after the last event in the file, EVENT_DIGEST bytes */
void record_free(struct record *r);  /* closes the file; NULL is allowed */

#endif
