/* Reading a record, which anybody may have made: whole, cut off at any byte, or forged. Memory is bounded by a block and
 * by what the file really holds; no length is believed before it is checked.
 *
 * Any prefix of a record can be read. Where it ends early, reader_next says so once (READER_CUT) and gives the events
 * before; bytes that are wrong (hash chain, compression, fields) are READER_DAMAGED, named by block and event. */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "trace/event.h"

#include <sys/types.h>

struct reader;

enum reader_result {
    READER_EVENT,   /* *e is the next event */
    READER_END,     /* the record is whole, and this was all of it */
    READER_CUT,     /* the record ends here without its end: recording was cut off, or the copy was */
    READER_DAMAGED, /* the record is not what was written */
};

/* Takes fd over, also on failure; it must be a regular file (or anything that pread(2) reads). NULL: not a record, another
 * version, or out of memory; `why` (size n) gets one sentence. */
struct reader *reader_open(int fd, char *why, size_t n);
void reader_close(struct reader *r); /* NULL is allowed */

/* The next event. Its pointers are good until the next call on the reader. */
enum reader_result reader_next(struct reader *r, struct event *e);
/* Why reader_next said CUT or DAMAGED: one sentence that names block and event. */
const char *reader_why(const struct reader *r);
/* The next reader_next gives event `index` (or END behind the last). false: there is no such event in what is there. */
bool reader_seek(struct reader *r, uint64_t index);

uint64_t reader_events(const struct reader *r); /* as the blocks say that are there */
uint64_t reader_blocks(const struct reader *r);
bool reader_whole(const struct reader *r);          /* it has its tail */
const uint8_t *reader_head(const struct reader *r); /* after the last event that is there, EVENT_DIGEST bytes */

/* The MACH chunk; NULL: none. */
const uint8_t *reader_machine(const struct reader *r, size_t *n);

enum signature { SIGNATURE_NONE, SIGNATURE_GOOD, SIGNATURE_BAD };
/* key: 32 bytes of the public key that signed it. GOOD says that the head is signed, not that every event was read: read
 * the record to its END as well. */
enum signature reader_signature(const struct reader *r, uint8_t key[32]);

/* ---- kept content (CONT), for a record that stands alone ---------------------------------------------------------- */
uint64_t reader_contents(const struct reader *r); /* how many */
/* Does it hold the bytes of this hash, and how many are they? */
bool reader_has_content(const struct reader *r, const uint8_t digest[EVENT_DIGEST], size_t *size);
/* The bytes, checked against the hash, into `to`, which has room for EVENT_PIECE_SIZE. Their number; -ENOENT; -EBADMSG: they
 * are not what the hash says. */
ssize_t reader_content(struct reader *r, const uint8_t digest[EVENT_DIGEST], void *to);
/* The hash of some that are not what it says; NULL: all are. `room` has EVENT_PIECE_SIZE bytes. */
const uint8_t *reader_damaged_content(struct reader *r, void *room);
/* What it is made of besides (MANI), malloc'ed into *bytes. 0; -ENOENT: it does not stand alone; -EBADMSG; -ENOMEM. */
int reader_manifest(struct reader *r, uint8_t **bytes, size_t *n);

#endif
