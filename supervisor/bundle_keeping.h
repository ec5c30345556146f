/* What bundle_keep.c (entries of the manifest, beginning and end) and bundle_pieces.c (the bytes of files) share. Nobody else includes this. */
#ifndef SUPERVISOR_BUNDLE_KEEPING_H
#define SUPERVISOR_BUNDLE_KEEPING_H

#include "supervisor/bundle.h"
#include "supervisor/number_set.h"

#include <errno.h>
#include <msgpack.h>
#include <stdatomic.h>

struct digest_set {
    uint8_t (*digest)[EVENT_DIGEST];
    size_t count, room;
};

struct kept_piece {
    uint64_t key, size;
    uint8_t digest[EVENT_DIGEST]; /* of the worker, once its job is done */
};

struct
    link_number { /* a place of an open table: files with several names, their numbers on the host, and what they are called here */
    uint64_t dev, ino, number; /* number 0: free */
};

struct kept_archive {
    char *at;
    int fd;
};

struct bundle {
    struct view view; /* first: the VFS knows this */
    const struct run_request *request;
    struct record *record;
    struct worker *worker;        /* borrowed; NULL: there is none */
    struct event_buffer manifest; /* entries since the last block */
    _Atomic int error;
    struct number_set files;
    struct kept_piece **pieces;     /* an open table */
    size_t piece_count, piece_room; /* room: a power of two, half full at most */
    struct link_number *links;
    size_t link_count, link_room; /* room: as of pieces */
    struct kept_archive *archives;
    size_t archive_count;
    bool (*secret)(void *context, uint64_t ino);
    bool (*goes_on)(void *context);
    void *context;

    /* Of jobs. */
    struct event_buffer piece_entries; /* since the last block */
    struct digest_set contents;
    uint8_t *piece; /* room for one */
    _Atomic bool changed;
};

static inline struct bundle *bundle_of(struct view *w)
{
    return (struct bundle *)w;
}

/* bundle_keep.c: an entry is begun; its fields follow. */
msgpack_packer bundle_entry(struct bundle *b, enum bundle_entry kind, size_t elements);
void bundle_pack_bytes(msgpack_packer *p, const void *bytes, size_t n);
void bundle_pack_text(msgpack_packer *p, const char *text); /* NULL: nil */

/* bundle_pieces.c: of the view, and at its ends */
void bundle_keep_used(struct view *w, const struct view_file *f, int fd, uint64_t offset, uint64_t length);
int bundle_keep_archive(struct view *w, const char *at, int fd);
void bundle_store_archives(struct bundle *b);
void bundle_forget_pieces(struct bundle *b);

#endif
