/* The conversations of a capture that this project wrote (network/capture.c), read back: `exchange: FILE.pcapng`. TCP alone; the
 * bytes as they passed, so those within TLS stay what they are. The file may be anybody's: whatever does not hold together is an
 * error that says at which byte. */
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

/* The far side of the next conversation with that address and port: the first that was not given yet; when all were, the
 * last. NULL: there is none, or no memory. */
struct far_end *captured_end_new(struct contents *cs, struct captured *r, const struct sockaddr_storage *to);

#endif
