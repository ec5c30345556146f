/* Given files in a record (supervisor/recording_inner.h): bytes that are there without the guest (a mount's, the policy's) are not kept
 * but named, by file and offset, once the piece of the file that they are in was named by its hash. */
#include "supervisor/recording_inner.h"

#include "supervisor/bundle.h"
#include "supervisor/replaying.h"
#include "supervisor/tick.h"
#include "supervisor/worker.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
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

static struct used *new_used(struct recording *r)
{
    if (r->used_count == r->used_room) {
        size_t room = r->used_room == 0 ? 256 : r->used_room * 2;
        struct used *more = realloc(r->used, room * sizeof *more);
        if (more == NULL) {
            recording_failed(r, -ENOMEM);
            return NULL;
        }
        r->used = more;
        r->used_room = room;
    }
    r->used[r->used_count] = (struct used){0};
    return &r->used[r->used_count++];
}

bool recording_tree(struct recording *r, uint8_t digest[EVENT_DIGEST])
{
    crypto_generichash_state tree;
    if (r == NULL)
        return false;
    worker_wait(r->worker);
    crypto_generichash_init(&tree, NULL, 0, EVENT_DIGEST);
    for (size_t i = 0; i < r->used_count; i++) {
        const struct used *u = &r->used[i];
        if (u->path != NULL) {
            crypto_generichash_update(&tree, (const uint8_t *)u->path, strlen(u->path) + 1);
            continue;
        }
        crypto_generichash_update(&tree, (const uint8_t *)&u->number, sizeof u->number);
        crypto_generichash_update(&tree, u->digest != NULL ? u->digest : u->own, EVENT_DIGEST);
    }
    crypto_generichash_final(&tree, digest, EVENT_DIGEST);
    return true;
}

void recording_forget_used(struct recording *r)
{
    for (size_t i = 0; i < r->used_count; i++)
        free(r->used[i].path);
    free(r->used);
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
    struct used *u = new_used(r);
    if (u != NULL && (u->path = strdup(path)) == NULL)
        recording_failed(r, -ENOMEM);
    recording_tell(r, e);
}

/* A piece of the host's is hashed once, by whoever keeps what is seen of the host: one byte read of it is enough to be told. Any other
 * is hashed here. */
static uint64_t hash_piece(struct recording *r, struct file *f, const struct file_given *g, struct used *u)
{
    uint64_t at = u->number * EVENT_PIECE_SIZE, size;
    if (r->bundle != NULL && file_given_read(f, at, r->piece, 1) > 0 &&
        (u->digest = bundle_piece(r->bundle, g->ino, u->number, &size)) != NULL)
        return size;
    ssize_t n = file_given_read(f, at, r->piece, EVENT_PIECE_SIZE);
    if (n < 0)
        n = 0; /* unreadable now: the guest meets the same error, and has no bytes of it */
    crypto_generichash(u->own, EVENT_DIGEST, r->piece, (size_t)n, NULL, 0);
    return (uint64_t)n;
}

static void name_piece(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                       uint64_t number)
{
    int fresh = number_set_add(&r->pieces, (g->ino << 24 | (number & 0xffffff)) + 1);
    if (fresh <= 0) {
        if (fresh < 0)
            recording_failed(r, fresh);
        return;
    }
    if (!recording_goes_on(r))
        return;
    name_file(r, t, f, g);
    struct used *u = new_used(r);
    if (u == NULL)
        return;
    u->number = number;
    uint64_t n = hash_piece(r, f, g, u);
    struct event *e = recording_event(r, EVENT_PIECE, t->tid);
    e->piece.file = g->ino;
    e->piece.number = number;
    e->piece.size = n;
    e->piece.later = u->digest != NULL && r->worker != NULL;
    e->piece.digest = u->digest != NULL ? u->digest : u->own;
    recording_tell(r, e);
}

void recording_name_pieces(struct recording *r, const struct task *t, struct file *f, const struct file_given *g,
                           uint64_t offset, uint64_t length)
{
    uint64_t end = length > g->size - (offset < g->size ? offset : g->size) ? g->size : offset + length;
    for (uint64_t at = offset / EVENT_PIECE_SIZE; at * EVENT_PIECE_SIZE < end && !r->world->ending; at++)
        name_piece(r, t, f, g, at);
}
