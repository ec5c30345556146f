/* Every attempt of a guest's to reach somebody: what the report lists, the export keeps and the capture draws. */
#ifndef NETWORK_ATTEMPTS_H
#define NETWORK_ATTEMPTS_H

#include "network/conversation.h"
#include "policy/network.h"

#include <jansson.h>
#include <sodium.h>

enum attempt_kind { ATTEMPT_STREAM, ATTEMPT_DATAGRAMS, ATTEMPT_NAME };

struct attempts;
struct capture_flow;
struct http_record;

/* Bytes that are kept for the export. */
struct attempt_file {
    struct attempt_file *next;
    char *name; /* below the attempt's own directory; safe as a path */
    char *bytes;
    size_t size, room;
    bool cut; /* there was more */
};

struct attempt {
    struct conversation conversation; /* first */
    struct attempts *list;
    struct attempt *next;
    size_t number; /* from 1 */
    enum attempt_kind kind;
    bool listed;  /* in the report; else it is only drawn */
    int64_t time; /* of the world's clock, ns since 1970 */
    int32_t pid;
    char process[16];
    const char *call;
    char *name; /* the guest's name for it; NULL: none */
    uint8_t from_ip[16], ip[16];
    uint16_t from_port, port;
    const struct network_rule *rule; /* NULL: the default, or what is built in */
    const char *outcome;             /* "connected", "refused" ... */
    uint64_t bytes[2];               /* 0: the guest's, 1: the far side's */
    crypto_hash_sha256_state hash[2];
    struct attempt_file *sides[2], *files; /* NULL: not kept */
    json_t *tls, *urls, *kept;             /* NULL: none */
    size_t part_of;                        /* the number of the attempt that announced this one; 0: none did */
    bool untold;                           /* more was said of it than all attempts together may hold */
    char *serves;                          /* what it is for, said by who announced it; NULL */
    int question;                          /* ATTEMPT_NAME: the type that was asked for */
    json_t *answers;                       /* ATTEMPT_NAME: what it was told */
    bool arrives;                          /* from beyond, to a guest that listens (`from_ip`) */
    struct capture_flow *flow;             /* NULL: no capture */
    struct http_record *http;              /* the exchange under way, for the HAR; NULL: none */
};

struct attempts_caller { /* who makes the call in progress */
    int32_t pid;
    char process[16];
    const char *call;
};

struct capture;
struct har;

struct attempts_config {
    int64_t (*now)(void *context);
    void (*caller)(void *context, struct attempts_caller *out);
    void *context;
    struct capture *capture; /* NULL: none */
    struct har *har;
    bool keep; /* bytes, for the export */
};

struct attempts *attempts_new(const struct attempts_config *config); /* NULL: out of memory */
void attempts_free(struct attempts *l);                              /* NULL is allowed */
/* NULL: too many, or out of memory; then nothing of it is told but that it was. */
struct attempt *attempt_new(struct attempts *l, enum attempt_kind kind, bool listed);
void attempt_bytes(struct attempt *a, bool guest, const void *bytes, size_t n);
void attempt_over(struct attempt *a); /* nothing more comes; one that is not listed is freed */
/* Another attempt announced it: it is listed, and decided by that one's rule. announced: NULL: nobody knows which. */
void attempt_belongs(struct attempt *a, const struct attempt *announced);
void attempt_list(struct attempt *a);    /* one that was not to be listed is, before anything passed */
void attempts_ended(struct attempts *l); /* capture and HAR are closed now: nothing is drawn any more */
struct capture *attempts_capture(const struct attempts *l);
/* The array of the report. */
json_t *attempts_json(struct attempts *l);
/* Each file kept: "0001-api.example.com-443/sent". 0, or what `put` said. */
int attempts_each_file(struct attempts *l, int (*put)(void *context, const char *name, const void *bytes, size_t n),
                       void *context);

#endif
