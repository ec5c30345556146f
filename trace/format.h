/* The bytes of a record's file, as docs/record-format.md specifies them: a header, then chunks. All numbers are
 * little-endian. */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include "trace/event.h"

#include <string.h>

#define RECORD_MAGIC "\211TREC\r\n\032"
#define RECORD_CHAIN_START "terrarium record 1"      /* hashed: the chain's value before the first event */
#define RECORD_SIGNED "terrarium record signature 2" /* what is signed begins with it */

enum {
    RECORD_VERSION = 1,
    RECORD_MAGIC_SIZE = 8,
    RECORD_HEADER = 16,      /* magic, u16 version, u16 and u32 zero */
    RECORD_CHUNK_HEADER = 8, /* char type[4], u32 size of what follows */
    RECORD_BLOCK_HEADER =
        80, /* EVTS: u64 first event, u32 events, u32 bytes, chain before [32], after [32]; then zstd */
    RECORD_CONTENT_HEADER = 40, /* CONT: digest [32], u64 bytes; then zstd */
    RECORD_MANIFEST_HEADER = 8, /* MANI: u64 bytes; then zstd */
    RECORD_INDEX_ENTRY = 24,    /* INDX: u64 offset of the block's chunk, u64 first event, i64 its time */
    RECORD_SIGNATURE = 96,      /* SIGN: public key [32], signature [64] */
    RECORD_TAIL = 64, /* TAIL: u64 offset of the index, u64 events, head [32], u64 offset of this chunk, magic [8] */
    RECORD_BLOCK_FIRST =
        16 << 10, /* the first block has this many bytes of events, a later one as many as all before it … */
    RECORD_BLOCK_TARGET = 256 << 10,                      /* … but no more than this … */
    RECORD_BLOCK_MOST = RECORD_BLOCK_TARGET + EVENT_MOST, /* … so that it never holds more than these */
    RECORD_MANIFEST_MOST = 256 << 20, /* of all parts of a manifest together: hundreds of thousands of files */
    RECORD_CHUNK_MOST = 2 << 20,      /* of EVTS, CONT, MANI and MACH: longer is no record */
};

static inline uint64_t record_number(const uint8_t *at, unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = n; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

static inline void record_put_number(uint8_t *at, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

/* What a signature is over. machine: the hash of the MACH chunk, manifest: of all MANI chunks, one behind the other; zero when there is none. */
enum { RECORD_SIGNED_SIZE = sizeof RECORD_SIGNED - 1 + EVENT_DIGEST + 8 + 2 * EVENT_DIGEST };

static inline void record_signed_text(uint8_t text[RECORD_SIGNED_SIZE], const uint8_t head[EVENT_DIGEST],
                                      uint64_t events, const uint8_t machine[EVENT_DIGEST],
                                      const uint8_t manifest[EVENT_DIGEST])
{
    memcpy(text, RECORD_SIGNED, sizeof RECORD_SIGNED - 1);
    text += sizeof RECORD_SIGNED - 1;
    memcpy(text, head, EVENT_DIGEST);
    record_put_number(text + EVENT_DIGEST, events, 8);
    memcpy(text + EVENT_DIGEST + 8, machine, EVENT_DIGEST);
    memcpy(text + EVENT_DIGEST + 8 + EVENT_DIGEST, manifest, EVENT_DIGEST);
}

#endif
