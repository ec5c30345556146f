/* Keys that records are signed with (Ed25519), as files: a secret one, for its owner alone, and a public one beside it. */
#ifndef TRACE_KEY_H
#define TRACE_KEY_H

#include <stddef.h>
#include <stdint.h>

enum { KEY_SECRET = 64, KEY_PUBLIC = 32 };

/* Writes a new pair to `path` (mode 0600) and `path`.pub; neither may exist. 0, or -1 with why (size n). */
int key_make(const char *path, char *why, size_t n);
int key_read_secret(const char *path, uint8_t secret[KEY_SECRET], char *why, size_t n);
int key_read_public(const char *path, uint8_t public_key[KEY_PUBLIC], char *why, size_t n); /* of either file */

#endif
