/* Giving a world what a record kept of the host (supervisor/bundle.h). The manifest may be anybody's: it is read in place, every
 * field is checked where it is used, and what it does not hold is -ENOENT to the guest. Bytes are
 * supervisor/bundle_bytes.c's. */
#include "supervisor/bundle_inner.h"

#include "trace/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the manifest ----------------------------------------------------------------------------------------------------------- */

int bundled_order(const void *one, const void *other)
{
    const struct found *a = one, *b = other;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    int texts = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return texts != 0 ? texts : a->size < b->size ? -1 : a->size > b->size;
}

/* The fields an entry is found by. */
enum { ENTRIES_MOST = 4 << 20 }; /* of a manifest: more are not what a run asked of a machine */

static bool read_key(struct cursor *c, struct found *f)
{
    static const struct {
        bool number, second, text;
    } keys[BUNDLE_ENTRIES] = {
        [BUNDLE_STREAM] = {true, false, false},   [BUNDLE_MOUNT] = {true, false, false},
        [BUNDLE_STATUS] = {true, false, true},    [BUNDLE_NAMES] = {true, false, true},
        [BUNDLE_LINK] = {true, false, true},      [BUNDLE_PIECE] = {true, true, false},
        [BUNDLE_ARCHIVE] = {false, false, true},  [BUNDLE_HOST_LINK] = {false, false, true},
        [BUNDLE_HOST_HAS] = {false, false, true}, [BUNDLE_FILE] = {true, false, false},
    };
    uint64_t kind = cursor_unsigned(c);
    if (c->bad || kind == 0 || kind >= BUNDLE_ENTRIES)
        return false;
    *f = (struct found){.kind = (enum bundle_entry)kind, .text = (const uint8_t *)""};
    if (keys[kind].number)
        f->number = cursor_unsigned(c);
    if (keys[kind].second)
        f->second = cursor_unsigned(c);
    if (keys[kind].text)
        f->text = cursor_bytes(c, &f->size);
    f->rest = *c;
    return !c->bad;
}

static bool read_manifest(struct bundled *b)
{
    struct cursor c = cursor_over(b->manifest, b->size);
    while (c.at < c.end) {
        if (b->count == ENTRIES_MOST)
            return false;
        if (b->count == b->room) {
            size_t room = b->room == 0 ? 1024 : b->room * 2;
            struct found *more = realloc(b->entries, room * sizeof *more);
            if (more == NULL)
                return false;
            b->entries = more;
            b->room = room;
        }
        struct cursor inside = c;
        (void)cursor_array(&inside);
        cursor_skip(&c);
        if (c.bad && !reader_whole(b->reader))
            break; /* the record ends in this one */
        if (inside.bad || c.bad || !read_key(&inside, &b->entries[b->count]))
            return false;
        b->entries[b->count++].rest.end = c.at;
    }
    if (b->count > 0)
        qsort(b->entries, b->count, sizeof *b->entries, bundled_order);
    return true;
}

bool bundled_entry(const struct bundled *b, enum bundle_entry kind, uint64_t number, uint64_t second, const char *text,
                   struct cursor *rest)
{
    const struct found wanted = {
        .kind = kind, .number = number, .second = second, .text = (const uint8_t *)text, .size = strlen(text)};
    const struct found *f = b->count == 0 ? NULL : bsearch(&wanted, b->entries, b->count, sizeof wanted, bundled_order);
    if (f == NULL)
        return false;
    *rest = f->rest;
    return true;
}

char *bundled_text(struct cursor *c)
{
    size_t n;
    const uint8_t *text = cursor_bytes(c, &n);
    if (c->bad || memchr(text, '\0', n) != NULL)
        return NULL;
    return strndup((const char *)text, n);
}

/* The errno at the cursor, as -errno. What nobody saw is not there. */
static int read_error(struct cursor *c)
{
    uint64_t error = cursor_unsigned(c);
    return c->bad || error > 4095 ? -EIO : -(int)error;
}

static int read_status(struct cursor *c, struct view_status *s)
{
    int error = read_error(c);
    if (error < 0)
        return error;
    if (cursor_array(c) < BUNDLE_STATUS_FIELDS)
        return -EIO;
    s->mode = (uint32_t)cursor_unsigned(c);
    s->uid = (uint32_t)cursor_unsigned(c);
    s->gid = (uint32_t)cursor_unsigned(c);
    s->nlink = (uint32_t)cursor_unsigned(c);
    s->size = cursor_unsigned(c);
    s->rdev = cursor_unsigned(c);
    s->atime = cursor_signed(c);
    s->mtime = cursor_signed(c);
    s->ctime = cursor_signed(c);
    s->btime = cursor_signed(c);
    s->dev = cursor_unsigned(c);
    s->ino = cursor_unsigned(c);
    return c->bad || s->size > INT64_MAX ? -EIO : 0;
}

/* ---- what the VFS asks ------------------------------------------------------------------------------------------------------- */

static int give_mounted(struct view *w, uint32_t mount, const char *at, struct view_status *root, int error)
{
    struct cursor c;
    if (!bundled_entry(bundled_of(w), BUNDLE_MOUNT, mount, 0, "", &c))
        return -ENOENT;
    char *where = bundled_text(&c);
    bool same = where != NULL && strcmp(where, at) == 0;
    free(where);
    error = same ? read_status(&c, root) : -ENOENT;
    return error == 0 && !S_ISREG(root->mode) && !S_ISDIR(root->mode) ? -EIO : error;
}

static int give_status(struct view *w, uint32_t mount, const char *path, struct view_status *s, int error)
{
    struct cursor c;
    return bundled_entry(bundled_of(w), BUNDLE_STATUS, mount, 0, path, &c) ? read_status(&c, s) : -ENOENT;
}

static bool good_name(const char *name)
{
    return name != NULL && *name != '\0' && strlen(name) <= VFS_NAME_MAX && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int give_names(struct view *w, uint32_t mount, const char *path, struct view_names *names, int error)
{
    struct cursor c;
    if (!bundled_entry(bundled_of(w), BUNDLE_NAMES, mount, 0, path, &c))
        return -ENOENT;
    error = read_error(&c);
    uint32_t words = error == 0 ? cursor_array(&c) : 0;
    if (error < 0)
        return error;
    names->names = calloc((size_t)words / 2 + 1, sizeof *names->names);
    if (names->names == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i + 1 < words; i += 2) {
        char *name = bundled_text(&c);
        uint64_t type = cursor_unsigned(&c);
        if (!good_name(name) || c.bad || type > 255) {
            free(name);
            return -EIO;
        }
        names->names[names->count++] = (struct view_name){name, (uint8_t)type};
    }
    return 0;
}

static int read_target(struct cursor *c, char **target)
{
    int error = read_error(c);
    if (error < 0)
        return error;
    *target = bundled_text(c);
    return *target == NULL || strlen(*target) >= VFS_PATH_MAX ? -EIO : 0;
}

static int give_link(struct view *w, uint32_t mount, const char *path, char **target, int error)
{
    struct cursor c;
    return bundled_entry(bundled_of(w), BUNDLE_LINK, mount, 0, path, &c) ? read_target(&c, target) : -ENOENT;
}

static int give_host_link(struct view *w, const char *path, char **target, int error)
{
    struct cursor c;
    return bundled_entry(bundled_of(w), BUNDLE_HOST_LINK, 0, 0, path, &c) ? read_target(&c, target) : -ENOENT;
}

static bool give_host_has(struct view *w, const char *path, bool there)
{
    struct cursor c;
    return bundled_entry(bundled_of(w), BUNDLE_HOST_HAS, 0, 0, path, &c) && cursor_bool(&c);
}

/* ---- what the run was ----------------------------------------------------------------------------------------------------------- */

const char *bundled_policy(const struct bundled *b, size_t *n)
{
    *n = strlen(b->policy);
    return b->policy;
}

int bundled_rule_line(const struct bundled *b, bool of_network, size_t rule)
{
    struct cursor c;
    if (!bundled_entry(b, BUNDLE_POLICY, 0, 0, "", &c))
        return 0;
    cursor_skip(&c);
    if (of_network)
        cursor_skip(&c);
    uint32_t n = cursor_array(&c);
    for (size_t i = 0; i < rule && i < n; i++)
        cursor_skip(&c);
    uint64_t line = rule < n ? cursor_unsigned(&c) : 0;
    return c.bad || line > INT32_MAX ? 0 : (int)line;
}

int bundled_request(const struct bundled *b, struct run_request *r)
{
    struct cursor c;
    if (b->argv == NULL || !bundled_entry(b, BUNDLE_REQUEST, 0, 0, "", &c))
        return -EBADMSG;
    r->is_exec = cursor_bool(&c);
    r->script = b->script;
    r->argc = 0;
    while (b->argv[r->argc] != NULL)
        r->argc++;
    r->argv = (const char *const *)b->argv;
    return r->is_exec && r->argc == 0 ? -EBADMSG : 0;
}

/* argv and script, once, as strings. */
static bool read_request(struct bundled *b)
{
    struct cursor c;
    if (!bundled_entry(b, BUNDLE_REQUEST, 0, 0, "", &c))
        return false;
    (void)cursor_bool(&c);
    if (!cursor_nil(&c) && ((b->script = bundled_text(&c)) == NULL || !good_name(b->script)))
        return false;
    uint32_t n = cursor_array(&c);
    b->argv = calloc((size_t)n + 1, sizeof *b->argv);
    if (b->argv == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if ((b->argv[i] = bundled_text(&c)) == NULL)
            return false;
    return true;
}

static bool read_policy(struct bundled *b)
{
    struct cursor c;
    return bundled_entry(b, BUNDLE_POLICY, 0, 0, "", &c) && (b->policy = bundled_text(&c)) != NULL;
}

int bundled_interpreter(const struct bundled *b, struct interpreter *i)
{
    struct cursor c;
    *i = (struct interpreter){0};
    if (!bundled_entry(b, BUNDLE_INTERPRETER, 0, 0, "", &c))
        return -ENOENT;
    i->path = bundled_text(&c);
    uint32_t trees = cursor_array(&c);
    bool good = i->path != NULL && i->path[0] == '/' && !c.bad && trees <= INTERPRETER_TREES;
    for (uint32_t k = 0; good && k < trees; k++) {
        i->tree[k] = bundled_text(&c);
        i->trees += i->tree[k] != NULL;
        good = i->tree[k] != NULL && i->tree[k][0] == '/';
    }
    if (good)
        return 0;
    interpreter_free(i);
    return -ENOENT;
}

int bundled_stream(const struct bundled *b, int number, struct host_stream_past *past)
{
    struct cursor c;
    if (!bundled_entry(b, BUNDLE_STREAM, (uint64_t)number, 0, "", &c) || cursor_array(&c) < 7)
        return -EBADMSG;
    past->open = cursor_unsigned(&c) != 0;
    past->type = (uint32_t)cursor_unsigned(&c) & S_IFMT;
    past->is_tty = cursor_unsigned(&c) != 0;
    past->flags = (int)(cursor_unsigned(&c) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    past->size = cursor_unsigned(&c);
    past->offset = cursor_unsigned(&c);
    past->rdev = cursor_unsigned(&c);
    return c.bad || past->size > INT64_MAX || past->offset > INT64_MAX ? -EBADMSG : 0;
}

/* ---- beginning and end -------------------------------------------------------------------------------------------------------------- */

struct bundled *bundled_open(struct reader *r, char *why, size_t n)
{
    static const struct view gives = {
        .gives = true,
        .mounted = give_mounted,
        .status = give_status,
        .names = give_names,
        .link = give_link,
        .file = bundled_file,
        .archive = bundled_archive,
        .host_link = give_host_link,
        .host_has = give_host_has,
    };
    struct bundled *b = calloc(1, sizeof *b);
    if (b == NULL) {
        reader_close(r);
        snprintf(why, n, "out of memory");
        return NULL;
    }
    b->view = gives;
    b->reader = r;
    int error = reader_manifest(r, &b->manifest, &b->size);
    if (error == -ENOENT) {
        snprintf(why, n, "it stops before the first of what the run saw of its machine");
    } else if (error < 0 || (b->piece = malloc(EVENT_PIECE_SIZE)) == NULL || !read_manifest(b) || !read_policy(b) ||
               !read_request(b)) {
        snprintf(why, n, "its manifest is damaged");
    } else {
        return b;
    }
    bundled_free(b);
    return NULL;
}

struct view *bundled_view(struct bundled *b)
{
    return (struct view *)b;
}

void bundled_free(struct bundled *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; b->argv != NULL && b->argv[i] != NULL; i++)
        free(b->argv[i]);
    free(b->argv);
    free(b->script);
    free(b->policy);
    free(b->changed);
    free(b->piece);
    free(b->entries);
    free(b->manifest);
    reader_close(b->reader);
    free(b);
}
