/* What bundle_give.c (the manifest and what it says) and bundle_bytes.c (the bytes of files) share. Nobody else includes this. */
#ifndef SUPERVISOR_BUNDLE_INNER_H
#define SUPERVISOR_BUNDLE_INNER_H

#include "supervisor/bundle.h"
#include "trace/cursor.h"

/* An entry by what it is asked for: kind, then number (a mount, an ino, a stream), then text (a path) or second number. */
struct found {
    enum bundle_entry kind;
    uint64_t number, second;
    const uint8_t *text;
    size_t size;
    struct cursor rest; /* behind those */
};

struct bundled {
    struct view view; /* first: the VFS knows this */
    struct reader *reader;
    uint8_t *manifest;
    size_t size;
    struct found *entries; /* sorted */
    size_t count, room;
    uint8_t *piece; /* room for one */
    char **argv;
    char *script;
    char *policy;
    const struct bundle_places *places; /* NULL: nobody looked for anything */
    char *changed;
    char damaged[2 *
                 VFS_PATH_MAX]; /* the file whose bytes in the record are not what their hash says; "": none was met */
};

static inline struct bundled *bundled_of(struct view *w)
{
    return (struct bundled *)w;
}

int bundled_order(const void *one, const void *other); /* of two struct found */
/* The entry; false: there is none. *rest is a cursor of the caller's own. */
bool bundled_entry(const struct bundled *b, enum bundle_entry kind, uint64_t number, uint64_t second, const char *text,
                   struct cursor *rest);
char *bundled_text(struct cursor *c); /* malloc'ed; NULL: it is none */

/* bundle_bytes.c: what the view gives */
int bundled_file(struct view *w, const struct view_file *f);
int bundled_archive(struct view *w, const char *at, int none);

#endif
