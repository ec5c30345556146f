/* A record that stands alone: what the run saw of the host is kept in it (vfs/view.h), and given again by a replay. How it is
 * written is in docs/record-format.md, "MANI". */
#ifndef SUPERVISOR_BUNDLE_H
#define SUPERVISOR_BUNDLE_H

#include "kernel/world.h"
#include "supervisor/interpreter.h"
#include "supervisor/supervisor.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "vfs/view.h"

/* ---- keeping (supervisor/bundle_keep.c) ---------------------------------------------------------------------------------- */

struct bundle;

struct bundle *bundle_new(const struct run_request *r); /* NULL: out of memory */
/* From now on bytes go to the record as they are used; what was used before is told now. secret: whose bytes are not kept. */
void bundle_begin(struct bundle *b, struct record *record, bool (*secret)(void *context, uint64_t ino), void *context);
int bundle_finish(struct bundle *b); /* before record_finish: 0 or -errno */
void bundle_interpreter(struct bundle *b, const struct interpreter *i);
void bundle_stream(struct bundle *b, int number, const struct host_stream_past *past);
struct view *bundle_view(struct bundle *b);
char *bundle_policy_text(const struct policy *p); /* supervisor/bundle_policy.c; NULL: out of memory */
void bundle_free(struct bundle *b);               /* NULL is allowed */

/* ---- giving (supervisor/bundle_give.c) ----------------------------------------------------------------------------------- */

struct bundled;

/* From a record, which may be anybody's; takes the reader over. NULL with one sentence in why. */
struct bundled *bundled_open(struct reader *r, char *why, size_t n);
const char *bundled_policy(const struct bundled *b, size_t *n); /* the policy in force, as YAML */
/* Where a rule of `calls:` stood, or of `network:`; 0: nobody knows */
int bundled_rule_line(const struct bundled *b, bool of_network, size_t rule);
int bundled_request(const struct bundled *b,
                    struct run_request *r); /* argv, is_exec, script: good as long as b. -EBADMSG */
int bundled_interpreter(const struct bundled *b, struct interpreter *i);                /* 0, -ENOENT, -ENOMEM */
int bundled_stream(const struct bundled *b, int number, struct host_stream_past *past); /* 0, -EBADMSG */
struct view *bundled_view(struct bundled *b);
void bundled_free(struct bundled *b); /* NULL is allowed */

/* What an entry of the manifest is: the first element of its array. */
enum bundle_entry {
    BUNDLE_POLICY = 1,  /* text, [line of each rule], [line of each rule of network:] */
    BUNDLE_REQUEST,     /* is it exec's, script or nil, [argv] */
    BUNDLE_INTERPRETER, /* path, [trees] */
    BUNDLE_STREAM,      /* 0 to 2, [open, type, terminal, flags, size, offset, device] */
    BUNDLE_MOUNT,       /* mount, at, error, [status] or nil */
    BUNDLE_STATUS,      /* mount, path, error, [status] or nil */
    BUNDLE_NAMES,       /* mount, path, error, [name, type, ...] */
    BUNDLE_LINK,        /* mount, path, error, target or nil */
    BUNDLE_PIECE,       /* ino, number, size, hash */
    BUNDLE_ARCHIVE,     /* at, size, [hash of each piece] */
    BUNDLE_HOST_LINK,   /* path, error, target or nil */
    BUNDLE_HOST_HAS,    /* path, is it there */
    BUNDLE_ENTRIES,
};
enum { BUNDLE_STATUS_FIELDS = 12 };

#endif
