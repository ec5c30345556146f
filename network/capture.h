/* `--capture FILE.pcapng`: every conversation as packets, drawn as if there had been wires: one to each side of loopback, and
 * one from eth0 to a gateway. (draft-ietf-opsawg-pcapng) */
#ifndef NETWORK_CAPTURE_H
#define NETWORK_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct capture;
struct attempt;

/* What is drawn of one connection; part of an attempt. */
struct capture_flow {
    uint32_t next[2]; /* sequence numbers: 0 of who began, 1 of the other */
    bool open, ended[2];
};

/* What a guest says fills the caller's disk: no file is larger. */
#define CAPTURE_MOST (UINT64_C(1) << 30)

/* file: opened before the supervisor confines itself; closed by capture_free. most: bytes it may have. NULL: out of memory, or it cannot be
 * written. */
struct capture *capture_new(FILE *file, uint64_t most, int64_t (*now)(void *context), void *context);
int capture_free(
    struct capture *c); /* 0, -errno of the first write that failed, or -EFBIG: it ends where there was no more room */

/* One line of a key log, before or after the packets it opens. */
void capture_key(struct capture *c, const char *line);

/* What the bytes on the wire do not say, in blocks of a type for local use (draft-ietf-opsawg-pcapng, section 4) that other readers pass
 * over: one at the file's beginning says that plain text is kept; then what was said within TLS, first of it nothing. Its body: both
 * addresses and ports as the conversation began, whether the guest says it, how many bytes, and they. In the file's byte order. */
enum { CAPTURE_PLAIN = 0x80545250u, CAPTURE_PLAIN_HEADER = 44 };
void capture_plain(struct capture *c, const struct attempt *a, bool guest, const void *bytes, size_t n);
/* The guest knows an address by this name: a Name Resolution Block. */
void capture_name(struct capture *c, const uint8_t ip[16], const char *name);

/* Of a stream: the SYN; the handshake's rest; bytes; FIN; RST (first: by who began). */
void capture_syn(struct capture *c, struct attempt *a);
void capture_open(struct capture *c, struct attempt *a);
void capture_refused(struct capture *c, struct attempt *a);
void capture_stream(struct capture *c, struct attempt *a, bool first, const void *bytes, size_t n, bool urgent);
void capture_finish(struct capture *c, struct attempt *a, bool first);
void capture_reset(struct capture *c, struct attempt *a, bool first);
void capture_datagram(struct capture *c, const struct attempt *a, bool first, const void *bytes, size_t n);
/* ICMP "port unreachable" to the datagram that was sent last. */
void capture_unreachable(struct capture *c, const struct attempt *a);

#endif
