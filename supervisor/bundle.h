/* What a run saw of the host is kept in its record (vfs/view.h), and given again by a replay: attributes, lists and links always, the bytes
 * of files in a record that stands alone (--bundle). Of another record they are looked for on the replay's machine, and taken where
 * their hash is the recorded one (supervisor/bundle_places.c). How it is written is in docs/record-format.md, "MANI". */
#ifndef SUPERVISOR_BUNDLE_H
#define SUPERVISOR_BUNDLE_H

#include "kernel/world.h"
#include "supervisor/interpreter.h"
#include "supervisor/supervisor.h"
#include "trace/event.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "vfs/view.h"

/* ---- keeping (supervisor/bundle_keep.c) ---------------------------------------------------------------------------------- */

struct bundle;
struct worker;

struct bundle *bundle_new(const struct run_request *r); /* NULL: out of memory */
/* The hash of a piece that was used, which the worker puts there, and its size. NULL: it is of no file of the host. */
const uint8_t *bundle_piece(const struct bundle *b, uint64_t ino, uint64_t number, uint64_t *size);
/* From now on bytes go to the record as they are used, by the worker (NULL: at once); what was used before is told now. secret: whose bytes
 * are never kept. goes_on: asked between pieces, for a file may be large; false: no more of them. */
void bundle_begin(struct bundle *b, struct record *record, struct worker *worker,
                  bool (*secret)(void *context, uint64_t ino), bool (*goes_on)(void *context), void *context);
void bundle_give(struct bundle *b);       /* what was seen so far, to the record: before each of its blocks */
int bundle_error(const struct bundle *b); /* 0, or the first -errno */
bool bundle_changed(struct bundle *b);    /* a file was written to before its bytes were hashed; said once */
void bundle_interpreter(struct bundle *b, const struct interpreter *i);
void bundle_stream(struct bundle *b, int number, const struct host_stream_past *past);
struct view *bundle_view(struct bundle *b);
char *bundle_policy_text(const struct policy *p); /* supervisor/bundle_policy.c; NULL: out of memory */
void bundle_free(struct bundle *b);               /* NULL is allowed */

/* ---- giving (supervisor/bundle_give.c) ----------------------------------------------------------------------------------- */

struct bundled;

/* Where on this machine what lies at `guest` in the world is (`network:N`, `network:/N`: the Nth file or tree that `network:` answers from).
 * The longest `guest` that a path begins with counts; without one a path is where it is in the world. */
struct bundle_place {
    const char *host, *guest;
};

struct bundle_places {
    struct bundle_place *place;
    size_t count;
};

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
/* Bytes that are not in the record: where they lie on this machine, and whether they are what they were. Each file that is not is told, by
 * its path in the world. How many. Before the view is used; places stays good as long as b. */
size_t bundled_find(struct bundled *b, const struct bundle_places *places,
                    void (*tell)(void *context, const char *file, const char *what), void *context);
const char *bundled_damaged(
    const struct bundled *b); /* a file whose bytes in the record are not what their hash says; NULL: none was met */
const char *bundled_changed(const struct bundled *b); /* a file that is not what it was any more; NULL: none was met */
void bundled_free(struct bundled *b);                 /* NULL is allowed */

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
    BUNDLE_FILE,        /* ino, mount, path, is it secret: whose pieces were used */
    BUNDLE_ENTRIES,
};
enum { BUNDLE_STATUS_FIELDS = 12 };

#endif
