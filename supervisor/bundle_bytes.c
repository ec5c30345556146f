/* The bytes that a replay's world has of the host (supervisor/bundle.h): each file a sealed memory of its own, put together of pieces that
 * the record carries or, of one that does not stand alone, that are here and have the recorded hash (supervisor/bundle_places.h). What was
 * checked is the copy, which nobody can write to any more. */
#include "supervisor/bundle_inner.h"
#include "supervisor/bundle_places.h"

#include "network/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int new_file(uint64_t size)
{
    int fd = memfd_create("terrarium-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
        close(fd);
        fd = -1;
    }
    return fd < 0 ? -errno : fd;
}

/* A file whose pieces are being put together: where those are that are not in the record. */
struct source {
    char guest[2 * VFS_PATH_MAX]; /* its path in the world; "": nobody knows */
    bool secret;
    bool opened; /* fd is a descriptor, or -errno */
    int fd;
};

static void source_close(const struct source *s)
{
    if (s->opened && s->fd >= 0)
        close(s->fd);
}

static void source_of_file(const struct bundled *b, uint64_t ino, struct source *s)
{
    struct cursor c, m;
    *s = (struct source){0};
    if (!bundled_entry(b, BUNDLE_FILE, ino, 0, "", &c))
        return;
    uint64_t mount = cursor_unsigned(&c);
    char *path = bundled_text(&c);
    s->secret = cursor_bool(&c);
    char *at = !c.bad && bundled_entry(b, BUNDLE_MOUNT, mount, 0, "", &m) ? bundled_text(&m) : NULL;
    bool fits = at != NULL && path != NULL &&
                snprintf(s->guest, sizeof s->guest, "%s%s%s%s", mount >= FIXTURES_FIRST ? "network:" : "",
                         strcmp(at, "/") == 0 && *path != '\0' ? "" : at, *path != '\0' ? "/" : "",
                         path) < (int)sizeof s->guest;
    if (!fits)
        s->guest[0] = '\0';
    free(path);
    free(at);
}

static void source_of_archive(const char *at, struct source *s)
{
    *s = (struct source){0};
    if (strlen(at) < sizeof s->guest)
        snprintf(s->guest, sizeof s->guest, "%s", at);
}

/* Bytes that are not in the record: n from `at` on, if they are here and what they were. */
static int read_here(struct bundled *b, struct source *s, uint64_t at, size_t n, const uint8_t *digest)
{
    if (b->places == NULL || s->guest[0] == '\0')
        return -EIO;
    if (!s->opened) {
        s->opened = true;
        s->fd = place_open(b->places, s->guest);
    }
    return s->fd < 0 ? s->fd : place_read(s->fd, at, n, digest, b->piece);
}

/* What a secret held is nowhere: the guest is given zeros, and the replay goes on until it has read them. */
static int put_piece(struct bundled *b, int fd, struct source *s, uint64_t size, uint64_t number, uint64_t length,
                     const uint8_t *digest)
{
    uint64_t at = number * EVENT_PIECE_SIZE;
    if (number > INT64_MAX / EVENT_PIECE_SIZE - 1 || at >= size || length > EVENT_PIECE_SIZE || length > size - at)
        return -EIO;
    ssize_t n = reader_content(b->reader, digest, b->piece);
    if (n == -ENOENT) {
        int here = read_here(b, s, at, (size_t)length, digest);
        if (here < 0 && s->secret)
            return 0;
        if (here < 0 && b->changed == NULL)
            b->changed = strdup(s->guest);
        n = here < 0 ? here : (ssize_t)length;
    }
    if (n == -EBADMSG && b->damaged[0] == '\0')
        (void)snprintf(b->damaged, sizeof b->damaged, "%s", s->guest[0] != '\0' ? s->guest : "a file");
    if (n < 0 || (uint64_t)n != length)
        return -EIO;
    return pwrite(fd, b->piece, (size_t)n, (off_t)at) == n ? 0 : -EIO;
}

static size_t first_piece(const struct bundled *b, uint64_t ino)
{
    const struct found first = {.kind = BUNDLE_PIECE, .number = ino, .text = (const uint8_t *)""};
    size_t low = 0, high = b->count;
    while (low < high) { /* the first that is not before it */
        size_t middle = (low + high) / 2;
        if (bundled_order(&b->entries[middle], &first) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool read_piece(const struct found *f, uint64_t *length, const uint8_t **digest)
{
    struct cursor c = f->rest;
    size_t n;
    *length = cursor_unsigned(&c);
    *digest = cursor_bytes(&c, &n);
    return !c.bad && n == EVENT_DIGEST && *length <= EVENT_PIECE_SIZE;
}

int bundled_file(struct view *w, const struct view_file *f)
{
    struct bundled *b = bundled_of(w);
    struct source source;
    int fd = new_file(f->size), error = fd < 0 ? fd : 0;
    source_of_file(b, f->ino, &source);
    for (size_t i = first_piece(b, f->ino);
         error == 0 && i < b->count && b->entries[i].kind == BUNDLE_PIECE && b->entries[i].number == f->ino; i++) {
        const uint8_t *digest;
        uint64_t length;
        error = read_piece(&b->entries[i], &length, &digest)
                    ? put_piece(b, fd, &source, f->size, b->entries[i].second, length, digest)
                    : -EIO;
    }
    source_close(&source);
    if (error < 0 && fd >= 0)
        close(fd);
    return error < 0 ? error : memfd_sealed(fd);
}

struct archive {
    uint64_t size;
    uint32_t pieces, next;
    struct cursor digests;
};

static bool read_archive(struct cursor c, struct archive *a)
{
    a->size = cursor_unsigned(&c);
    a->pieces = cursor_array(&c);
    a->next = 0;
    a->digests = c;
    return !c.bad && a->size <= INT64_MAX && a->pieces == (a->size + EVENT_PIECE_SIZE - 1) / EVENT_PIECE_SIZE;
}

/* The hash of the next piece, and its length. NULL: it is no hash. */
static const uint8_t *next_piece(struct archive *a, uint64_t *length)
{
    size_t n;
    uint64_t left = a->size - (uint64_t)a->next++ * EVENT_PIECE_SIZE;
    const uint8_t *digest = cursor_bytes(&a->digests, &n);
    *length = left < EVENT_PIECE_SIZE ? left : EVENT_PIECE_SIZE;
    return a->digests.bad || n != EVENT_DIGEST ? NULL : digest;
}

int bundled_archive(struct view *w, const char *at, int none)
{
    struct bundled *b = bundled_of(w);
    struct cursor c;
    struct archive a;
    struct source source;
    if (!bundled_entry(b, BUNDLE_ARCHIVE, 0, 0, at, &c))
        return -ENOENT;
    if (!read_archive(c, &a))
        return -EIO;
    int fd = new_file(a.size), error = fd < 0 ? fd : 0;
    source_of_archive(at, &source);
    while (error == 0 && a.next < a.pieces) {
        uint64_t length, number = a.next;
        const uint8_t *digest = next_piece(&a, &length);
        error = digest != NULL ? put_piece(b, fd, &source, a.size, number, length, digest) : -EIO;
    }
    source_close(&source);
    if (error < 0 && fd >= 0)
        close(fd);
    return error < 0 ? error : memfd_sealed(fd);
}

/* ---- what is not in the record ------------------------------------------------------------------------------------------------- */

/* 0: it is in the record, or here as it was. */
static int look_for(struct bundled *b, struct source *s, uint64_t number, uint64_t length, const uint8_t *digest)
{
    size_t size;
    if (reader_has_content(b->reader, digest, &size) || s->secret)
        return 0;
    return number <= INT64_MAX / EVENT_PIECE_SIZE - 1
               ? read_here(b, s, number * EVENT_PIECE_SIZE, (size_t)length, digest)
               : -EIO;
}

struct missing {
    size_t count;
    void (*tell)(void *context, const char *file, const char *what);
    void *context;
};

static void tell(struct missing *m, const struct source *s, int error)
{
    m->count++;
    m->tell(m->context, s->guest[0] != '\0' ? s->guest : "a file without a name",
            error == -ESTALE                        ? "changed"
            : error == -ENOENT || error == -ENOTDIR ? "missing"
                                                    : strerror(-error));
}

static void look_for_files(struct bundled *b, struct missing *m)
{
    for (size_t i = first_piece(b, 0); i < b->count && b->entries[i].kind == BUNDLE_PIECE;) {
        uint64_t ino = b->entries[i].number;
        struct source s;
        int error = 0;
        source_of_file(b, ino, &s);
        for (; i < b->count && b->entries[i].kind == BUNDLE_PIECE && b->entries[i].number == ino; i++) {
            const uint8_t *digest;
            uint64_t length;
            if (error == 0 && read_piece(&b->entries[i], &length, &digest))
                error = look_for(b, &s, b->entries[i].second, length, digest);
        }
        source_close(&s);
        if (error < 0)
            tell(m, &s, error);
    }
}

static void look_for_archive(struct bundled *b, const struct found *f, struct missing *m)
{
    char at[VFS_PATH_MAX];
    struct archive a;
    struct source s;
    int error = 0;
    snprintf(at, sizeof at, "%.*s", (int)(f->size < sizeof at ? f->size : 0), (const char *)f->text);
    if (!read_archive(f->rest, &a))
        return; /* said where it is used */
    source_of_archive(at, &s);
    while (error == 0 && a.next < a.pieces) {
        uint64_t length, number = a.next;
        const uint8_t *digest = next_piece(&a, &length);
        if (digest != NULL)
            error = look_for(b, &s, number, length, digest);
    }
    source_close(&s);
    if (error < 0)
        tell(m, &s, error);
}

size_t bundled_find(struct bundled *b, const struct bundle_places *places,
                    void (*say)(void *context, const char *file, const char *what), void *context)
{
    struct missing m = {.tell = say, .context = context};
    b->places = places;
    look_for_files(b, &m);
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].kind == BUNDLE_ARCHIVE)
            look_for_archive(b, &b->entries[i], &m);
    return m.count;
}

const char *bundled_damaged(const struct bundled *b)
{
    return b->damaged[0] != '\0' ? b->damaged : NULL;
}

const char *bundled_changed(const struct bundled *b)
{
    return b->changed;
}
