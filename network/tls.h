/* TLS as a far end that wraps another: OpenSSL in memory, with the world's chance, clock and authority. It never sees a
 * socket, a file or the host's configuration. */
#ifndef NETWORK_TLS_H
#define NETWORK_TLS_H

#include "network/chance.h"
#include "network/internal.h"

#include <openssl/ssl.h>

/* Wraps `inner`, which it owns from now on (also on failure: NULL, and inner is gone). Without `at_once` the bytes pass as
 * they are until the inner end calls tls_begin: STARTTLS. */
struct far_end *tls_wrap(struct contents *cs, struct far_end *inner, const struct content_peer *peer, bool at_once);
void tls_begin(struct far_end *inner);
void tls_heard_by(struct far_end *wrapped, struct conversation *c); /* of one that was wrapped before it was known */

/* What all TLS of a world shares (network/authority.c). */
struct tls_world {
    struct contents *contents;
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *standard, *ours;
    struct chance *chance; /* whose turn it is to draw */
    EVP_PKEY *authority_key, *server_key;
    X509 *authority;
    char *pem;
    SSL_CTX *server;
    struct certificate {
        struct certificate *next;
        char *name;
        X509 *x509;
    } * certificates;
    unsigned certificate_count;
};

struct tls_world *tls_world_of(struct contents *cs); /* made at the first use; NULL: out of memory */
void tls_world_free(struct tls_world *t);
/* The certificate for a name or an address as text; owned by t. NULL: none can be made. */
X509 *tls_certificate(struct tls_world *t, const char *name);

/* A generator that draws from *source for every random number of the library (network/tls_random.c). */
bool tls_random_install(struct tls_world *t);

/* What a ClientHello says of the client that sent it. */
struct client_hello {
    char server_name[256];
    char ja3[33], ja4[40];
    char ja3_text[2048];
};
/* bytes: the beginning of a stream. 1: *out is filled; 0: more is needed; -1: it is no ClientHello. */
int client_hello_read(const unsigned char *bytes, size_t n, struct client_hello *out);

#endif
