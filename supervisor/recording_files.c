/* Given files in a record (supervisor/recording_inner.h): bytes that are there without the guest (a mount's, the policy's) are not kept
 * but named, by file and offset, once the piece of the file that they are in was named by its hash. */
#include "supervisor/recording_inner.h"

#include "supervisor/bundle.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"

#include <sodium.h>
#include <string.h>

bool recording_is_secret(const struct recording *r, uint64_t ino)
{
    for (size_t i = 0; i < r->secrets->count; i++)
        if (r->secrets->ino[i] == ino)
            return true;
    return false;
}

bool recording_goes_on(struct recording *r)
{
    if (tick_came())
        tick_take(r->world->machine_context);
    return !r->world->ending && (r->world->again == NULL || replaying_names(r->world->again));
}

static void name_file(struct recording *r, const struct task *t, struct file *f, const struct file_given *g)
{
    char path[VFS_PATH_MAX];
    int fresh = number_set_add(&r->files, g->ino);
    if (fresh < 0)
        recording_failed(r, fresh);
    if (fresh <= 0)
        return;
    if (f->dentry == NULL || dentry_path(f->dentry, vfs_root(r->world->vfs), path, sizeof path) < 0)
        path[0] = '\0';
    struct event *e = recording_event(r, EVENT_FILE, t->tid);
    e->file.id = g->ino;
    e->file.size = g->size;
    e->file.path = recording_text(path, sizeof path);
    e->file.secret = recording_is_secret(r, g->ino);
    crypto_generichash_update(&r->tree, (const uint8_t *)path, strlen(path) + 1);
    recording_tell(r, e);
}

/* A piece of the host's is hashed once, by whoever keeps what is seen of the host: one byte read of it is enough to be told. */
static uint64_t hash_piece(struct recording *r, struct file *f, const struct file_given *g, uint64_t number,
                           uint8_t digest[EVENT_DIGEST])
{
    uint64_t at = number * EVENT_PIECE_SIZE, size;
    if (r->bundle != NULL && file_given_read(f, at, r->piece, 1) > 0 &&
        bundle_piece(r->bundle, g->ino, number, digest, &size))
        return size;
    ssize_t n = file_given_read(f, at, r->piece, EVENT_PIECE_SIZE);
    if (n < 0)
        n = 0; /* unreadable now: the guest meets the same error, and has no bytes of it */
    crypto_generichash(digest, EVENT_DIGEST, r->piece, (size_t)n, NULL, 0);
    return (uint64_t)n;
}

static void name_piece(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                       uint64_t number)
{
    uint8_t digest[EVENT_DIGEST];
    int fresh = number_set_add(&r->pieces, (g->ino << 24 | (number & 0xffffff)) + 1);
    if (fresh <= 0) {
        if (fresh < 0)
            recording_failed(r, fresh);
        return;
    }
    if (!recording_goes_on(r))
        return;
    name_file(r, t, f, g);
    uint64_t n = hash_piece(r, f, g, number, digest);
    struct event *e = recording_event(r, EVENT_PIECE, t->tid);
    e->piece.file = g->ino;
    e->piece.number = number;
    e->piece.size = n;
    e->piece.digest = digest;
    crypto_generichash_update(&r->tree, (const uint8_t *)&number, sizeof number);
    crypto_generichash_update(&r->tree, digest, sizeof digest);
    recording_tell(r, e);
}

void recording_name_pieces(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                           uint64_t offset, uint64_t length)
{
    uint64_t end = length > g->size - (offset < g->size ? offset : g->size) ? g->size : offset + length;
    for (uint64_t at = offset / EVENT_PIECE_SIZE; at * EVENT_PIECE_SIZE < end && !r->world->ending; at++)
        name_piece(r, t, f, g, at);
}
