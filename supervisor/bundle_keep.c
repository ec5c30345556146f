/* Keeping what a run sees of the host (supervisor/bundle.h): each answer of the host becomes an entry of the manifest, and each piece of a
 * file that is used, by its hash; with --bundle its bytes become kept content of the record, once. */
#include "supervisor/bundle.h"

#include "policy/network.h"
#include "supervisor/number_set.h"
#include "trace/event.h"

#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct digest_set {
    uint8_t (*digest)[EVENT_DIGEST];
    size_t count, room;
};

struct kept_piece { /* a place of an open table; key 0: free */
    uint64_t key, size;
    uint8_t digest[EVENT_DIGEST];
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
    struct event_buffer manifest;
    int error;
    struct number_set files;
    struct kept_piece *pieces;
    size_t piece_count, piece_room; /* room: a power of two, half full at most */
    struct digest_set contents;
    struct link_number *links;
    size_t link_count, link_room; /* room: as of pieces */
    struct kept_archive *archives;
    size_t archive_count;
    uint8_t *piece; /* room for one */
    bool (*secret)(void *context, uint64_t ino);
    bool (*goes_on)(void *context);
    void *context;
};

static struct bundle *of(struct view *w)
{
    return (struct bundle *)w;
}

/* ---- entries ------------------------------------------------------------------------------------------------------------- */

static int append(void *data, const char *bytes, size_t n)
{
    struct bundle *b = data;
    if (b->error == 0)
        b->error = event_buffer_append(&b->manifest, bytes, n);
    return b->error;
}

static msgpack_packer entry(struct bundle *b, enum bundle_entry kind, size_t elements)
{
    msgpack_packer p;
    msgpack_packer_init(&p, b, append);
    msgpack_pack_array(&p, elements + 1);
    msgpack_pack_int(&p, kind);
    return p;
}

static void pack_bytes(msgpack_packer *p, const void *bytes, size_t n)
{
    msgpack_pack_bin(p, n);
    msgpack_pack_bin_body(p, bytes, n);
}

static void pack_text(msgpack_packer *p, const char *text)
{
    if (text != NULL)
        pack_bytes(p, text, strlen(text));
    else
        msgpack_pack_nil(p);
}

static struct link_number *link_place(struct link_number *links, size_t room, uint64_t dev, uint64_t ino)
{
    size_t at = (size_t)((ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);
    while (links[at].number != 0 && (links[at].dev != dev || links[at].ino != ino))
        at = (at + 1) & (room - 1);
    return &links[at];
}

/* The host's inode numbers are nobody's business: which names are of one file is what counts. */
static uint64_t link_number(struct bundle *b, const struct view_status *s)
{
    if (S_ISDIR(s->mode) || s->nlink < 2)
        return 0;
    if (b->link_count * 2 >= b->link_room) {
        size_t room = b->link_room == 0 ? 64 : b->link_room * 2;
        struct link_number *more = calloc(room, sizeof *more);
        if (more == NULL) {
            b->error = -ENOMEM;
            return 0;
        }
        for (size_t i = 0; i < b->link_room; i++)
            if (b->links[i].number != 0)
                *link_place(more, room, b->links[i].dev, b->links[i].ino) = b->links[i];
        free(b->links);
        b->links = more;
        b->link_room = room;
    }
    struct link_number *l = link_place(b->links, b->link_room, s->dev, s->ino);
    if (l->number == 0)
        *l = (struct link_number){s->dev, s->ino, ++b->link_count};
    return l->number;
}

static void pack_status(struct bundle *b, msgpack_packer *p, const struct view_status *s, int error)
{
    msgpack_pack_int(p, -error);
    if (error < 0) {
        msgpack_pack_nil(p);
        return;
    }
    const uint64_t plain[] = {s->mode, s->uid, s->gid, s->nlink, s->size, s->rdev};
    const int64_t times[] = {s->atime, s->mtime, s->ctime, s->btime};
    msgpack_pack_array(p, BUNDLE_STATUS_FIELDS);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        msgpack_pack_uint64(p, plain[i]);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        msgpack_pack_int64(p, times[i]);
    msgpack_pack_uint64(p, 0);
    msgpack_pack_uint64(p, link_number(b, s));
}

static int keep_mounted(struct view *w, uint32_t mount, const char *at, struct view_status *root, int error)
{
    msgpack_packer p = entry(of(w), BUNDLE_MOUNT, 4);
    msgpack_pack_uint32(&p, mount);
    pack_text(&p, at);
    pack_status(of(w), &p, root, error);
    return error;
}

static int keep_status(struct view *w, uint32_t mount, const char *path, struct view_status *s, int error)
{
    msgpack_packer p = entry(of(w), BUNDLE_STATUS, 4);
    msgpack_pack_uint32(&p, mount);
    pack_text(&p, path);
    pack_status(of(w), &p, s, error);
    return error;
}

static int keep_names(struct view *w, uint32_t mount, const char *path, struct view_names *names, int error)
{
    msgpack_packer p = entry(of(w), BUNDLE_NAMES, 4);
    msgpack_pack_uint32(&p, mount);
    pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    msgpack_pack_array(&p, error < 0 ? 0 : names->count * 2);
    for (size_t i = 0; error == 0 && i < names->count; i++) {
        pack_text(&p, names->names[i].name);
        msgpack_pack_uint8(&p, names->names[i].type);
    }
    return error;
}

static int keep_link(struct view *w, uint32_t mount, const char *path, char **target, int error)
{
    msgpack_packer p = entry(of(w), BUNDLE_LINK, 4);
    msgpack_pack_uint32(&p, mount);
    pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    pack_text(&p, error < 0 ? NULL : *target);
    return error;
}

static int keep_host_link(struct view *w, const char *path, char **target, int error)
{
    msgpack_packer p = entry(of(w), BUNDLE_HOST_LINK, 3);
    pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    pack_text(&p, error < 0 ? NULL : *target);
    return error;
}

static bool keep_host_has(struct view *w, const char *path, bool there)
{
    msgpack_packer p = entry(of(w), BUNDLE_HOST_HAS, 2);
    pack_text(&p, path);
    if (there)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
    return there;
}

/* ---- bytes --------------------------------------------------------------------------------------------------------------- */

static uint64_t piece_key(uint64_t ino, uint64_t number)
{
    return (ino << 24 | (number & 0xffffff)) + 1;
}

static struct kept_piece *piece_place(struct kept_piece *pieces, size_t room, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);
    while (pieces[at].key != 0 && pieces[at].key != key)
        at = (at + 1) & (room - 1);
    return &pieces[at];
}

/* Its place, when it is new; else NULL. */
static struct kept_piece *new_piece(struct bundle *b, uint64_t key)
{
    struct kept_piece *p;
    if (b->piece_room > 0 && piece_place(b->pieces, b->piece_room, key)->key == key)
        return NULL;
    if (b->piece_count * 2 >= b->piece_room) {
        size_t room = b->piece_room == 0 ? 256 : b->piece_room * 2;
        struct kept_piece *more = calloc(room, sizeof *more);
        if (more == NULL) {
            b->error = -ENOMEM;
            return NULL;
        }
        for (size_t i = 0; i < b->piece_room; i++)
            if (b->pieces[i].key != 0)
                *piece_place(more, room, b->pieces[i].key) = b->pieces[i];
        free(b->pieces);
        b->pieces = more;
        b->piece_room = room;
    }
    p = piece_place(b->pieces, b->piece_room, key);
    p->key = key;
    b->piece_count++;
    return p;
}

bool bundle_piece(const struct bundle *b, uint64_t ino, uint64_t number, uint8_t digest[EVENT_DIGEST], uint64_t *size)
{
    uint64_t key = piece_key(ino, number);
    const struct kept_piece *p = b->piece_room > 0 ? piece_place(b->pieces, b->piece_room, key) : NULL;
    if (p == NULL || p->key != key)
        return false;
    memcpy(digest, p->digest, EVENT_DIGEST);
    *size = p->size;
    return true;
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

/* Bytes at `offset` of fd, at most a piece and not behind `size`: their hash, and themselves into the record that stands alone. Their
 * number. */
static size_t keep_piece(struct bundle *b, int fd, uint64_t offset, uint64_t size, bool secret,
                         uint8_t digest[EVENT_DIGEST])
{
    size_t n = 0, most = size - offset < EVENT_PIECE_SIZE ? (size_t)(size - offset) : EVENT_PIECE_SIZE;
    while (n < most) {
        ssize_t got = pread(fd, b->piece + n, most - n, (off_t)(offset + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break; /* unreadable: the guest meets the same error, and has no bytes of it */
        n += (size_t)got;
    }
    crypto_generichash(digest, EVENT_DIGEST, b->piece, n, NULL, 0);
    if (b->request->bundle && !secret && content_is_new(b, digest)) {
        int error = record_content(b->record, digest, b->piece, n);
        if (error < 0)
            b->error = error;
    }
    return n;
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
    msgpack_packer p = entry(b, BUNDLE_FILE, 4);
    msgpack_pack_uint64(&p, f->ino);
    msgpack_pack_uint32(&p, f->mount);
    pack_text(&p, path);
    if (secret)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

static void keep_used(struct view *w, const struct view_file *f, int fd, uint64_t offset, uint64_t length)
{
    struct bundle *b = of(w);
    if (b->record == NULL || b->error < 0 || offset >= f->size)
        return;
    uint64_t end = length > f->size - offset ? f->size : offset + length;
    for (uint64_t number = offset / EVENT_PIECE_SIZE; number * EVENT_PIECE_SIZE < end && b->goes_on(b->context);
         number++) {
        struct kept_piece *k = new_piece(b, piece_key(f->ino, number));
        if (k == NULL)
            continue;
        bool secret = b->secret != NULL && b->secret(b->context, f->ino);
        keep_file(b, f, secret);
        k->size = keep_piece(b, fd, number * EVENT_PIECE_SIZE, f->size, secret, k->digest);
        msgpack_packer p = entry(b, BUNDLE_PIECE, 4);
        msgpack_pack_uint64(&p, f->ino);
        msgpack_pack_uint64(&p, number);
        msgpack_pack_uint64(&p, k->size);
        pack_bytes(&p, k->digest, sizeof k->digest);
    }
}

/* An archive is mounted before the record is there: it is read when that begins. */
static int keep_archive(struct view *w, const char *at, int fd)
{
    struct bundle *b = of(w);
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
    msgpack_packer p = entry(b, BUNDLE_ARCHIVE, 3);
    pack_text(&p, a->at);
    msgpack_pack_uint64(&p, size);
    msgpack_pack_array(&p, pieces);
    for (uint64_t i = 0; i < pieces && b->error == 0; i++) {
        (void)keep_piece(b, a->fd, i * EVENT_PIECE_SIZE, size, false, digest);
        pack_bytes(&p, digest, sizeof digest);
    }
}

/* ---- what the run is ------------------------------------------------------------------------------------------------------- */

static void keep_lines(msgpack_packer *p, size_t n, struct policy_origin (*origin)(const struct policy *p, size_t i),
                       const struct policy *of)
{
    msgpack_pack_array(p, n);
    for (size_t i = 0; i < n; i++)
        msgpack_pack_int(p, origin(of, i).line);
}

static struct policy_origin rule_origin(const struct policy *p, size_t i)
{
    return policy_rule_at(p, i)->origin;
}

static struct policy_origin network_origin(const struct policy *p, size_t i)
{
    return p->network->rules[i]->origin;
}

static void keep_policy(struct bundle *b, const struct policy *p)
{
    char *text = bundle_policy_text(p);
    if (text == NULL) {
        b->error = -ENOMEM;
        return;
    }
    msgpack_packer k = entry(b, BUNDLE_POLICY, 3);
    pack_text(&k, text);
    keep_lines(&k, policy_rule_count(p), rule_origin, p);
    keep_lines(&k, p->network != NULL ? p->network->rule_count : 0, network_origin, p);
    free(text);
}

static void keep_request(struct bundle *b, const struct run_request *r)
{
    const char *script = r->script != NULL ? strrchr(r->script, '/') : NULL;
    msgpack_packer p = entry(b, BUNDLE_REQUEST, 3);
    if (r->is_exec)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
    pack_text(&p, script != NULL ? script + 1 : r->script);
    msgpack_pack_array(&p, (size_t)r->argc);
    for (int i = 0; i < r->argc; i++)
        pack_text(&p, r->argv[i]);
}

void bundle_interpreter(struct bundle *b, const struct interpreter *i)
{
    msgpack_packer p = entry(b, BUNDLE_INTERPRETER, 2);
    pack_text(&p, i->path);
    msgpack_pack_array(&p, (size_t)i->trees);
    for (int k = 0; k < i->trees; k++)
        pack_text(&p, i->tree[k]);
}

void bundle_stream(struct bundle *b, int number, const struct host_stream_past *past)
{
    const uint64_t fields[] = {past->open, past->type,   past->is_tty, (uint64_t)past->flags,
                               past->size, past->offset, past->rdev};
    msgpack_packer p = entry(b, BUNDLE_STREAM, 2);
    msgpack_pack_int(&p, number);
    msgpack_pack_array(&p, sizeof fields / sizeof *fields);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        msgpack_pack_uint64(&p, fields[i]);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------------ */

struct bundle *bundle_new(const struct run_request *r)
{
    static const struct view told = {
        .mounted = keep_mounted,
        .status = keep_status,
        .names = keep_names,
        .link = keep_link,
        .used = keep_used,
        .archive = keep_archive,
        .host_link = keep_host_link,
        .host_has = keep_host_has,
    };
    struct bundle *b = calloc(1, sizeof *b);
    if (b == NULL || (b->piece = malloc(EVENT_PIECE_SIZE)) == NULL) {
        free(b);
        return NULL;
    }
    b->view = told;
    b->request = r;
    return b;
}

void bundle_begin(struct bundle *b, struct record *record, bool (*secret)(void *context, uint64_t ino),
                  bool (*goes_on)(void *context), void *context)
{
    b->record = record;
    b->secret = secret;
    b->goes_on = goes_on;
    b->context = context;
    keep_policy(b, b->request->policy);
    keep_request(b, b->request);
    for (size_t i = 0; i < b->archive_count && b->error == 0; i++)
        store_archive(b, &b->archives[i]);
}

int bundle_finish(struct bundle *b)
{
    if (b->error == 0)
        b->error = record_manifest(b->record, b->manifest.bytes, b->manifest.size);
    return b->error;
}

struct view *bundle_view(struct bundle *b)
{
    return (struct view *)b;
}

void bundle_free(struct bundle *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->archive_count; i++) {
        free(b->archives[i].at);
        if (b->archives[i].fd >= 0)
            close(b->archives[i].fd);
    }
    free(b->archives);
    number_set_free(&b->files);
    free(b->pieces);
    free(b->contents.digest);
    free(b->links);
    free(b->piece);
    event_buffer_free(&b->manifest);
    free(b);
}
