/* The bytes of files that a run uses, for its record (supervisor/bundle_keeping.h): each piece is read and hashed once, by the worker, which
 * puts what is to be kept into the record and makes the entry. */
#include "supervisor/bundle_keeping.h"

#include "supervisor/worker.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t piece_key(uint64_t ino, uint64_t number)
{
    return (ino << 24 | (number & 0xffffff)) + 1;
}

static struct kept_piece **piece_place(struct kept_piece **pieces, size_t room, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);
    while (pieces[at] != NULL && pieces[at]->key != key)
        at = (at + 1) & (room - 1);
    return &pieces[at];
}

/* It, when it is new; else NULL. */
static struct kept_piece *new_piece(struct bundle *b, uint64_t key)
{
    if (b->piece_room > 0 && *piece_place(b->pieces, b->piece_room, key) != NULL)
        return NULL;
    if (b->piece_count * 2 >= b->piece_room) {
        size_t room = b->piece_room == 0 ? 256 : b->piece_room * 2;
        struct kept_piece **more = calloc(room, sizeof *more);
        if (more == NULL) {
            b->error = -ENOMEM;
            return NULL;
        }
        for (size_t i = 0; i < b->piece_room; i++)
            if (b->pieces[i] != NULL)
                *piece_place(more, room, b->pieces[i]->key) = b->pieces[i];
        free(b->pieces);
        b->pieces = more;
        b->piece_room = room;
    }
    struct kept_piece *k = calloc(1, sizeof *k);
    if (k == NULL) {
        b->error = -ENOMEM;
        return NULL;
    }
    k->key = key;
    b->piece_count++;
    *piece_place(b->pieces, b->piece_room, key) = k;
    return k;
}

const uint8_t *bundle_piece(const struct bundle *b, uint64_t ino, uint64_t number, uint64_t *size)
{
    const struct kept_piece *k =
        b->piece_room > 0 ? *piece_place(b->pieces, b->piece_room, piece_key(ino, number)) : NULL;
    if (k != NULL)
        *size = k->size;
    return k != NULL ? k->digest : NULL;
}

/* Sorted, by insertion: a bundle has thousands of pieces, not millions. */
static bool content_is_new(struct bundle *b, const uint8_t digest[EVENT_DIGEST])
{
    struct digest_set *s = &b->contents;
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = memcmp(s->digest[middle], digest, EVENT_DIGEST);
        if (order == 0)
            return false;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (s->count == s->room) {
        size_t room = s->room == 0 ? 256 : s->room * 2;
        void *more = realloc(s->digest, room * EVENT_DIGEST);
        if (more == NULL) {
            b->error = -ENOMEM;
            return false;
        }
        s->digest = more;
        s->room = room;
    }
    memmove(s->digest + low + 1, s->digest + low, (s->count - low) * EVENT_DIGEST);
    memcpy(s->digest[low], digest, EVENT_DIGEST);
    s->count++;
    return true;
}

/* n bytes at `offset` of fd, hashed while they are near, and into the record that stands alone. How many there were. */
static size_t keep_bytes(struct bundle *b, int fd, uint64_t offset, size_t n, bool secret, uint8_t digest[EVENT_DIGEST])
{
    enum { NEAR = 64 << 10 };
    bool kept = b->request->bundle && !secret;
    crypto_generichash_state hash;
    size_t done = 0;
    crypto_generichash_init(&hash, NULL, 0, EVENT_DIGEST);
    while (done < n) {
        uint8_t *to = b->piece + (kept ? done : 0); /* what is only hashed stays in the processor's cache */
        ssize_t got = pread(fd, to, n - done < NEAR ? n - done : NEAR, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        crypto_generichash_update(&hash, to, (size_t)got);
        done += (size_t)got;
    }
    crypto_generichash_final(&hash, digest, EVENT_DIGEST);
    if (kept && content_is_new(b, digest)) {
        int error = record_content(b->record, digest, b->piece, done);
        if (error < 0)
            b->error = error;
    }
    return done;
}

/* Where it lies, once: for whoever has to find its bytes elsewhere. */
static void keep_file(struct bundle *b, const struct view_file *f, bool secret)
{
    char buffer[VFS_PATH_MAX];
    int fresh = number_set_add(&b->files, f->ino);
    const char *path = fresh > 0 ? view_path(f, buffer, sizeof buffer) : NULL;
    if (fresh < 0)
        b->error = fresh;
    if (path == NULL)
        return;
    msgpack_packer p = bundle_entry(b, BUNDLE_FILE, 4);
    msgpack_pack_uint64(&p, f->ino);
    msgpack_pack_uint32(&p, f->mount);
    bundle_pack_text(&p, path);
    if (secret)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

static int append_piece(void *data, const char *bytes, size_t n)
{
    struct bundle *b = data;
    if (b->error == 0 && event_buffer_append(&b->piece_entries, bytes, n) < 0)
        b->error = -ENOMEM;
    return b->error;
}

/* A piece that is used, for the worker. */
struct piece_job {
    struct bundle *bundle;
    struct kept_piece *kept;
    int fd;
    uint64_t ino, number;
    struct stat before;
    bool secret;
};

static bool same_times(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whether somebody wrote to the file between its use and now: what was hashed need not be what was used. */
static bool still_the_same(const struct piece_job *j)
{
    struct stat st;
    return fstat(j->fd, &st) == 0 && st.st_size == j->before.st_size && same_times(&st.st_mtim, &j->before.st_mtim);
}

static void keep_piece(void *job)
{
    struct piece_job *j = job;
    struct bundle *b = j->bundle;
    struct kept_piece *k = j->kept;
    if (keep_bytes(b, j->fd, j->number * EVENT_PIECE_SIZE, k->size, j->secret, k->digest) != k->size)
        b->error = -EIO; /* they were there when the piece was used */
    if (!still_the_same(j))
        b->changed = true;
    msgpack_packer p;
    msgpack_packer_init(&p, b, append_piece);
    msgpack_pack_array(&p, 5);
    msgpack_pack_int(&p, BUNDLE_PIECE);
    msgpack_pack_uint64(&p, j->ino);
    msgpack_pack_uint64(&p, j->number);
    msgpack_pack_uint64(&p, k->size);
    bundle_pack_bytes(&p, k->digest, sizeof k->digest);
    close(j->fd);
    free(j);
}

/* How many bytes of the piece can be read: all, nearly always, which its last byte says. What cannot be read the guest meets the same
 * error at, and has no bytes of it. */
static size_t readable(int fd, uint64_t at, uint64_t size)
{
    size_t n = size - at < EVENT_PIECE_SIZE ? (size_t)(size - at) : EVENT_PIECE_SIZE, done = 0;
    char bytes[4096];
    if (pread(fd, bytes, 1, (off_t)(at + n - 1)) == 1)
        return n;
    for (ssize_t got; done < n; done += (size_t)got)
        if ((got = pread(fd, bytes, n - done < sizeof bytes ? n - done : sizeof bytes, (off_t)(at + done))) <= 0)
            break;
    return done;
}

static void use_piece(struct bundle *b, const struct view_file *f, int fd, uint64_t number)
{
    struct kept_piece *k = new_piece(b, piece_key(f->ino, number));
    struct piece_job *j = k != NULL ? malloc(sizeof *j) : NULL;
    if (k == NULL)
        return;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (j == NULL || own < 0) {
        b->error = j == NULL ? -ENOMEM : -errno;
        free(j);
        if (own >= 0)
            close(own);
        return;
    }
    *j = (struct piece_job){.bundle = b, .kept = k, .fd = own, .ino = f->ino, .number = number};
    j->secret = b->secret != NULL && b->secret(b->context, f->ino);
    if (fstat(fd, &j->before) < 0)
        b->error = -errno;
    k->size = readable(fd, number * EVENT_PIECE_SIZE, f->size);
    keep_file(b, f, j->secret);
    worker_do(b->worker, keep_piece, j);
}

void bundle_keep_used(struct view *w, const struct view_file *f, int fd, uint64_t offset, uint64_t length)
{
    struct bundle *b = bundle_of(w);
    if (b->record == NULL || b->error < 0 || offset >= f->size)
        return;
    uint64_t end = length > f->size - offset ? f->size : offset + length;
    for (uint64_t number = offset / EVENT_PIECE_SIZE; number * EVENT_PIECE_SIZE < end && b->goes_on(b->context);
         number++)
        use_piece(b, f, fd, number);
}

/* An archive is mounted before the record is there: it is read when that begins. */
int bundle_keep_archive(struct view *w, const char *at, int fd)
{
    struct bundle *b = bundle_of(w);
    struct kept_archive *more = reallocarray(b->archives, b->archive_count + 1, sizeof *more);
    if (more == NULL)
        b->error = -ENOMEM;
    else
        b->archives = more;
    if (b->error < 0)
        return fd;
    struct kept_archive *a = &b->archives[b->archive_count++];
    a->at = strdup(at);
    a->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (a->at == NULL || a->fd < 0)
        b->error = a->at == NULL ? -ENOMEM : -errno;
    return fd;
}

static void store_archive(struct bundle *b, const struct kept_archive *a)
{
    struct stat st;
    uint8_t digest[EVENT_DIGEST];
    if (fstat(a->fd, &st) < 0) {
        b->error = -errno;
        return;
    }
    uint64_t size = (uint64_t)st.st_size, pieces = (size + EVENT_PIECE_SIZE - 1) / EVENT_PIECE_SIZE;
    msgpack_packer p = bundle_entry(b, BUNDLE_ARCHIVE, 3);
    bundle_pack_text(&p, a->at);
    msgpack_pack_uint64(&p, size);
    msgpack_pack_array(&p, pieces);
    for (uint64_t i = 0, at = 0; i < pieces && b->error == 0; i++, at += EVENT_PIECE_SIZE) {
        (void)keep_bytes(b, a->fd, at, size - at < EVENT_PIECE_SIZE ? (size_t)(size - at) : EVENT_PIECE_SIZE, false,
                         digest);
        bundle_pack_bytes(&p, digest, sizeof digest);
    }
}

void bundle_store_archives(struct bundle *b)
{
    for (size_t i = 0; i < b->archive_count && b->error == 0; i++)
        store_archive(b, &b->archives[i]);
}

void bundle_forget_pieces(struct bundle *b)
{
    for (size_t i = 0; i < b->archive_count; i++) {
        free(b->archives[i].at);
        if (b->archives[i].fd >= 0)
            close(b->archives[i].fd);
    }
    free(b->archives);
    for (size_t i = 0; i < b->piece_room; i++)
        free(b->pieces[i]);
    free(b->pieces);
    event_buffer_free(&b->piece_entries);
    free(b->contents.digest);
    free(b->piece);
}
