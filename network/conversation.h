/* What a far end tells of a conversation, beside the bytes that everybody sees: what TLS hid, what HTTP meant, what was
 * kept. Whoever records (capture, report, HAR) embeds a `conversation` first in its own struct and hands it over with the
 * connection; it must live until the far end is gone. NULL operations are not called, and a NULL conversation hears
 * nothing. Pointers are valid during the call. */
#ifndef NETWORK_CONVERSATION_H
#define NETWORK_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conversation;

/* A finished handshake, or what is known of one that failed. */
struct tls_facts {
    const char *server_name; /* SNI; "" when none was sent */
    const char *version;     /* "TLSv1.3"; "" before the handshake is through */
    const char *cipher, *alpn;
    const char *ja3, *ja4;          /* of the ClientHello: ja3 as its MD5 in hex */
    const char *ja3_text;           /* what ja3 is the digest of */
    const char *client_certificate; /* PEM; "" */
    const char *failure;            /* "" when the handshake was good */
};

struct http_header {
    const char *name, *value;
};

/* One request and the head of its answer: told when the answer begins; its body follows by http_body, then http_done. */
struct http_exchange {
    const char *method, *scheme, *host, *target, *version; /* version: "HTTP/1.1" */
    const struct http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_size;
    int status;
    const char *reason;
    const struct http_header *answer_headers;
    size_t answer_header_count;
    int64_t started, answered; /* ns of the world's clock: first byte of the request, first of the answer */
    const char *rule;          /* which answer it was: "api.yaml:12:7", or a file of `respond`; may be "" */
};

/* Something a service was given to keep. */
struct kept {
    const char *kind; /* "mail", "upload" */
    const char *name; /* as the guest said it: a file's, a mail's first recipient. Not to be trusted as a path */
    const char *note; /* "from a@b to c@d, e@f" */
    const void *bytes;
    size_t size;
};

struct conversation_ops {
    void (*plain)(struct conversation *c, bool from_guest, const void *bytes, size_t n); /* within TLS */
    void (*tls)(struct conversation *c, const struct tls_facts *facts);
    void (*key)(struct conversation *c, const char *line); /* one line of a key log, without its end */
    void (*http)(struct conversation *c, const struct http_exchange *x);
    void (*http_body)(struct conversation *c, const void *bytes, size_t n); /* of the answer, before compression */
    void (*http_done)(struct conversation *c);
    void (*kept)(struct conversation *c, const struct kept *k);
    /* Of a connection that another one announced (FTP's data): what it is for, "STOR /in/a.zip". */
    void (*serves)(struct conversation *c, const char *what);
    void (*announced)(struct conversation *c,
                      struct conversation *by); /* of one that came to the guest; by: may be NULL */
};

struct conversation {
    const struct conversation_ops *ops;
};

#define CONVERSATION_TELL(c, operation, ...)                                                                           \
    do {                                                                                                               \
        if ((c) != NULL && (c)->ops->operation != NULL)                                                                \
            (c)->ops->operation((c), ##__VA_ARGS__);                                                                   \
    } while (0)

#endif
