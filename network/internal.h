/* What the files of network/ share and nobody else sees. */
#ifndef NETWORK_INTERNAL_H
#define NETWORK_INTERNAL_H

#include "network/buffer.h"
#include "network/content.h"

struct http_handler;
struct captured;
struct tls_world;
struct vfs;

enum {
    CONTENTS_MOST_MEMORY = 512 << 20,   /* bytes that all connections of a world hold */
    CONTENTS_MOST_EXCHANGE = 256 << 20, /* of a file that is given again */
    CONTENTS_MOST_ENDS = 20000,         /* connections at a time */
};

/* A content of the policy made ready. */
struct prepared {
    struct prepared *next;
    const struct policy_content *content;
    struct http_handler *handler; /* respond, http, exchange of a HAR */
    struct captured *captured;    /* exchange of a capture */
    bool started;                 /* serve */
};

enum content_tls { CONTENT_CLEAR, CONTENT_TLS, CONTENT_TLS_LATER /* when the inner end says so */ };

struct contents {
    struct contents_config config;
    struct account account;
    struct prepared *prepared;
    struct vfs *fixtures; /* host trees that answers come from, each mounted at a number; no guest reaches it */
    unsigned fixture_count, file_count;
    uint32_t ends;             /* far ends that exist */
    uint64_t connections;      /* so far: each has its own chance */
    struct tls_world *tls;     /* made at the first use */
    struct expected *expected; /* connections that a far end awaits: FTP's data */
    uint32_t next_expected;    /* the port after the last */
};

/* A connection that a far end awaits at a port of its own (FTP's data). Kept within whoever waits. */
struct expected {
    struct expected *next;
    struct sockaddr_storage to;
    struct far_end *end;
    struct conversation *announced; /* the conversation that told of it; NULL: nobody hears it */
    struct conversation *met;       /* its own, once it has come */
    const char *host;               /* within TLS, with a certificate for this name; NULL: in the clear */
    bool waiting;
};
/* At the address of `like`, at a port of the world's choice, which is returned; 0: none is free. */
uint16_t expect(struct contents *cs, struct expected *x, const struct sockaddr_storage *like, struct far_end *end,
                struct conversation *announced);
void expect_cancel(struct contents *cs, struct expected *x);
/* The other way round: `end` connects to a guest that listens, from port 20 of `like`. It is told `opened` before this returns and x is
 * filled. 0, or -errno: nobody listens there, and end is gone. */
int arrive(struct contents *cs, struct expected *x, const struct sockaddr_storage *guest,
           const struct sockaddr_storage *like, struct far_end *end, struct conversation *announced);

int64_t contents_now(const struct contents *cs);

/* Mounts a host directory or file among the fixtures; *at (32 bytes) is where. 0 or -errno. */
int contents_mount(struct contents *cs, const char *source, char *at, char *why, size_t size);
/* The whole of a prepared file, for scripts: at most `most` bytes. malloc'ed; NULL with why. */
char *contents_read_file(struct contents *cs, const char *source, size_t most, size_t *size, char *why,
                         size_t why_size);

/* Does a pattern hold? whole: of all the bytes; else anywhere in them, and *end is where the match ended. groups: as
 * PCRE2 gives them, start and end of each of 10; may be NULL. */
bool pattern_matches(const struct policy_pattern *p, const char *bytes, size_t n);
bool pattern_finds(const struct policy_pattern *p, const char *bytes, size_t n, size_t *end, size_t groups[20]);

#endif
