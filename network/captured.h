/* The conversations of a capture that this project wrote (network/capture.c), read back: `exchange: FILE.pcapng`. TCP and UDP; the
 * bytes as they passed, or what was said within TLS, which the capture holds too. The file may be anybody's: whatever does not hold
 * together is an error that says at which byte. network/captured.c reads, network/captured_end.c gives again. */
#ifndef NETWORK_CAPTURED_H
#define NETWORK_CAPTURED_H

#include "network/internal.h"

struct captured;

bool captured_is_one(const void *bytes, size_t n); /* it begins as a pcapng does; else it may be a HAR */
/* Owns the bytes (malloc'ed), also when it fails: NULL with one sentence in why. */
struct captured *captured_read(char *bytes, size_t n, char *why, size_t size);
void captured_free(struct captured *r);

/* Where the file first speaks TLS to one of these ports: its plain text cannot be given again. -1: nowhere. */
ssize_t captured_tls_at(const struct captured *r, uint16_t first_port, uint16_t last_port);

/* The far side of the next conversation with that name and port (a name the file does not know: with that address): the first that was
 * not given yet; when all were, the last. *tls: what it is within. NULL: there is none, or no memory. */
struct far_end *captured_end_new(struct contents *cs, struct captured *r, const struct content_peer *peer,
                                 enum content_tls *tls);

/* ---- between the two ---- */

enum {
    CAPTURED_BUCKETS = 1 << 14,
    EVENT_FIN = 1,
    EVENT_RST = 4 /* as TCP has them */,
    EVENT_TLS = 64 /* it begins here */
};

struct event {
    struct event *next;
    const uint8_t *bytes; /* within the file */
    uint32_t size;
    bool guest; /* who began the connection */
    uint8_t flags;
};

struct events {
    struct event *first, **end;
};

struct talked {
    struct talked *next, *same_bucket;
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    bool datagram;
    uint32_t expected[2]; /* the sequence number of each side's next byte; 0: the guest's */
    bool heard[2];        /* it is known */
    struct events wire;   /* as it passed */
    struct events plain;  /* from a ClientHello on: the same until then, and what was said within TLS */
    ssize_t tls_at;       /* where that stands in the file; -1: nowhere */
    bool is_tls;          /* the handshake came to its end: `plain` is what was said */
    bool over, given;
};

struct captured_name {
    struct captured_name *next;
    uint8_t ip[16];
    const char *name; /* within the file */
};

struct captured {
    uint8_t *bytes;
    struct talked *first, **end, *buckets[CAPTURED_BUCKETS];
    size_t count, name_count;
    struct captured_name *names;
    uint8_t hash_key[16]; /* secret; no result depends on it */
    unsigned interfaces;
    bool keeps_plain;
};

#endif
