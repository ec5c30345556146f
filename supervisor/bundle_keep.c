/* Keeping what a run sees of the host (supervisor/bundle.h): each answer of the host becomes an entry of the manifest, and each piece of a
 * file that is used, by its hash; with --bundle its bytes become kept content of the record, once. Bytes are read and hashed by the worker,
 * and entries go to the record with the block of events that follows them, so that what is there of a record can be run again. */
#include "supervisor/bundle_keeping.h"

#include "policy/network.h"
#include "supervisor/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- entries ------------------------------------------------------------------------------------------------------------- */

static int append(void *data, const char *bytes, size_t n)
{
    struct bundle *b = data;
    if (b->error == 0 && event_buffer_append(&b->manifest, bytes, n) < 0)
        b->error = -ENOMEM;
    return b->error;
}

msgpack_packer bundle_entry(struct bundle *b, enum bundle_entry kind, size_t elements)
{
    msgpack_packer p;
    msgpack_packer_init(&p, b, append);
    msgpack_pack_array(&p, elements + 1);
    msgpack_pack_int(&p, kind);
    return p;
}

void bundle_pack_bytes(msgpack_packer *p, const void *bytes, size_t n)
{
    msgpack_pack_bin(p, n);
    msgpack_pack_bin_body(p, bytes, n);
}

void bundle_pack_text(msgpack_packer *p, const char *text)
{
    if (text != NULL)
        bundle_pack_bytes(p, text, strlen(text));
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
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_MOUNT, 4);
    msgpack_pack_uint32(&p, mount);
    bundle_pack_text(&p, at);
    pack_status(bundle_of(w), &p, root, error);
    return error;
}

static int keep_status(struct view *w, uint32_t mount, const char *path, struct view_status *s, int error)
{
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_STATUS, 4);
    msgpack_pack_uint32(&p, mount);
    bundle_pack_text(&p, path);
    pack_status(bundle_of(w), &p, s, error);
    return error;
}

static int keep_names(struct view *w, uint32_t mount, const char *path, struct view_names *names, int error)
{
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_NAMES, 4);
    msgpack_pack_uint32(&p, mount);
    bundle_pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    msgpack_pack_array(&p, error < 0 ? 0 : names->count * 2);
    for (size_t i = 0; error == 0 && i < names->count; i++) {
        bundle_pack_text(&p, names->names[i].name);
        msgpack_pack_uint8(&p, names->names[i].type);
    }
    return error;
}

static int keep_link(struct view *w, uint32_t mount, const char *path, char **target, int error)
{
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_LINK, 4);
    msgpack_pack_uint32(&p, mount);
    bundle_pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    bundle_pack_text(&p, error < 0 ? NULL : *target);
    return error;
}

static int keep_host_link(struct view *w, const char *path, char **target, int error)
{
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_HOST_LINK, 3);
    bundle_pack_text(&p, path);
    msgpack_pack_int(&p, -error);
    bundle_pack_text(&p, error < 0 ? NULL : *target);
    return error;
}

static bool keep_host_has(struct view *w, const char *path, bool there)
{
    msgpack_packer p = bundle_entry(bundle_of(w), BUNDLE_HOST_HAS, 2);
    bundle_pack_text(&p, path);
    if (there)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
    return there;
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
    msgpack_packer k = bundle_entry(b, BUNDLE_POLICY, 3);
    bundle_pack_text(&k, text);
    keep_lines(&k, policy_rule_count(p), rule_origin, p);
    keep_lines(&k, p->network != NULL ? p->network->rule_count : 0, network_origin, p);
    free(text);
}

static void keep_request(struct bundle *b, const struct run_request *r)
{
    const char *script = r->script != NULL ? strrchr(r->script, '/') : NULL;
    msgpack_packer p = bundle_entry(b, BUNDLE_REQUEST, 3);
    if (r->is_exec)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
    bundle_pack_text(&p, script != NULL ? script + 1 : r->script);
    msgpack_pack_array(&p, (size_t)r->argc);
    for (int i = 0; i < r->argc; i++)
        bundle_pack_text(&p, r->argv[i]);
}

void bundle_interpreter(struct bundle *b, const struct interpreter *i)
{
    msgpack_packer p = bundle_entry(b, BUNDLE_INTERPRETER, 2);
    bundle_pack_text(&p, i->path);
    msgpack_pack_array(&p, (size_t)i->trees);
    for (int k = 0; k < i->trees; k++)
        bundle_pack_text(&p, i->tree[k]);
}

void bundle_stream(struct bundle *b, int number, const struct host_stream_past *past)
{
    const uint64_t fields[] = {past->open, past->type,   past->is_tty, (uint64_t)past->flags,
                               past->size, past->offset, past->rdev};
    msgpack_packer p = bundle_entry(b, BUNDLE_STREAM, 2);
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
        .used = bundle_keep_used,
        .archive = bundle_keep_archive,
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

void bundle_begin(struct bundle *b, struct record *record, struct worker *worker,
                  bool (*secret)(void *context, uint64_t ino), bool (*goes_on)(void *context), void *context)
{
    b->record = record;
    b->secret = secret;
    b->goes_on = goes_on;
    b->context = context;
    keep_policy(b, b->request->policy);
    keep_request(b, b->request);
    bundle_store_archives(b);
    b->worker = worker; /* from here on it has the record's file */
}

struct entries_job {
    struct bundle *bundle;
    struct event_buffer entries;
};

static void write_entries(void *job)
{
    struct entries_job *j = job;
    struct bundle *b = j->bundle;
    int error = b->error == 0 ? event_buffer_append(&j->entries, b->piece_entries.bytes, b->piece_entries.size) : 0;
    b->piece_entries.size = 0;
    if (b->error == 0 && error == 0)
        error = record_manifest(b->record, j->entries.bytes, j->entries.size);
    if (error < 0)
        b->error = error;
    event_buffer_free(&j->entries);
    free(j);
}

void bundle_give(struct bundle *b)
{
    struct entries_job *j = malloc(sizeof *j);
    if (j == NULL) {
        b->error = -ENOMEM;
        return;
    }
    *j = (struct entries_job){b, b->manifest};
    b->manifest = (struct event_buffer){0};
    worker_do(b->worker, write_entries, j);
}

int bundle_error(const struct bundle *b)
{
    return b->error;
}

bool bundle_changed(struct bundle *b)
{
    return atomic_exchange(&b->changed, false);
}

struct view *bundle_view(struct bundle *b)
{
    return (struct view *)b;
}

void bundle_free(struct bundle *b)
{
    if (b == NULL)
        return;
    number_set_free(&b->files);
    free(b->links);
    bundle_forget_pieces(b);
    event_buffer_free(&b->manifest);
    free(b);
}
