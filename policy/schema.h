/* The schema as data: which keys there are, of which type, where each value goes. The reader, `policy show` and the
 * test of docs/policy.schema.json walk the same tables. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "policy/internal.h"

enum schema_type {
    SCHEMA_TEXT,       /* char *: any text without NUL */
    SCHEMA_NAME,       /* char *: a user's name */
    SCHEMA_HOSTNAME,   /* char * */
    SCHEMA_GUEST_PATH, /* char *: absolute, normalised */
    SCHEMA_HOST_PATH,  /* char *: made absolute against the policy's directory */
    SCHEMA_PROGRAM,    /* char *: a host path, or a bare name looked for along PATH */
    SCHEMA_ID,         /* uint32_t */
    SCHEMA_OWNER,      /* int64_t: an id, -1 when not said */
    SCHEMA_MODE,       /* uint32_t, octal */
    SCHEMA_NUMBER,     /* uint64_t */
    SCHEMA_BOOL,       /* bool */
    SCHEMA_SIZE,       /* uint64_t, bytes; 0: not said */
    SCHEMA_DURATION,   /* int64_t, ns */
    SCHEMA_LIMIT_SIZE,
    SCHEMA_LIMIT_DURATION,
    SCHEMA_LIMIT_COUNT, /* uint64_t; "none" is 0 */
    SCHEMA_TIME,        /* int64_t, ns since 1970 */
    SCHEMA_RATE,        /* double */
    SCHEMA_ACCESS,      /* bool: ro or cow */
    SCHEMA_TRAP,        /* bool: default or all */
    SCHEMA_CPU,         /* bool: host or baseline */
    SCHEMA_MAPPING,     /* more keys below, for the same object */
    SCHEMA_OTHER,       /* has a reader of its own */
};

struct schema_key {
    const char *name;
    enum schema_type type;
    size_t offset;                                           /* of the value in the object */
    const struct schema_key *keys;                           /* SCHEMA_MAPPING's */
    int (*read)(struct reader *r, const struct node *value); /* SCHEMA_OTHER's; may be NULL: read by the caller */
};

extern const struct schema_key schema_policy[];     /* a file's top; the object is struct policy */
extern const struct schema_key schema_limits[];     /* below `limits:` and of --limit; likewise */
extern const struct schema_key schema_clock[];      /* below `clock:`; likewise */
extern const struct schema_key schema_mount[];      /* an item of `mounts:`; struct policy_mount */
extern const struct schema_key schema_file[];       /* a value of `files:`; struct policy_file */
extern const struct schema_key schema_rule[];       /* an item of `calls:` */
extern const struct schema_key schema_network[];    /* an item of `network:`; struct network_rule */
extern const struct schema_key schema_operations[]; /* of a condition below `args:` */

/* Reads a mapping's keys into object. where: "mounts[0]", "" at the top. Keys of type
 * SCHEMA_OTHER without a reader are known, and left to the caller (schema_find). */
int schema_read(struct reader *r, const struct node *mapping, const char *where, const struct schema_key *keys,
                void *object);
/* One value by its key. */
int schema_read_value(struct reader *r, const struct node *value, const char *where, const struct schema_key *key,
                      void *object);
/* The value of a key in a mapping node, or NULL; *key_node, if wanted, is the key itself. */
const struct node *schema_find(const struct node *mapping, const char *name, const struct node **key_node);
/* Where a scalar of the policy was said; file "(built in)" if nowhere. */
struct policy_origin schema_origin(const struct policy *p, const struct schema_key *key);
int schema_remember(struct reader *r, const struct schema_key *key, const struct node *at);
/* An absolute guest path in its normal form, in place. NULL, or what is wrong with it. */
const char *schema_normalise(char *path);
/* A host path against the reader's directory; NULL: out of memory. */
char *schema_host_path(struct reader *r, const char *path);

#endif
