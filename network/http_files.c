/* `respond: DIR`: HTTP from a directory of files. The directory is a mount of the network's own tree, which no guest can
 * reach; a walk in it starts and ends at its root, so that neither ".." nor a symlink leaves it.
 *
 * DIR/_status/404 (or 404.html, 404.json, 404.txt) is the body of every answer with that status. */
#include "network/http.h"

#include "vfs/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_HASHED = 4 << 20, MOST_LISTED = 10000, TAGS = 256 /* remembered */, TAG_ROOM = 24 };

struct http_files {
    struct http_handler handler;
    struct contents *contents;
    struct dentry *root; /* referenced */
    struct cred cred;
    char *name; /* as the policy says it */
    struct tag {
        uint64_t ino; /* of the fixtures' tree, whose files are what they were when they were first seen; 0: none */
        char text[TAG_ROOM];
    } tags[TAGS];
};

static struct place place_of(const struct http_files *f)
{
    return (struct place){f->contents->fixtures, &f->cred, f->root, f->root};
}

static bool reserved(const char *path)
{
    return strncmp(path, "/_status", 8) == 0 && (path[8] == '/' || path[8] == '\0');
}

/* A regular file: 0 with an open file, or -errno. */
static int open_regular(struct http_files *f, const char *path, struct file **file, struct statx *st)
{
    const struct place at = place_of(f);
    int error = vfs_stat(&at, path, 0, st);
    if (error == 0 && !S_ISREG(st->stx_mode))
        error = -EACCES;
    return error == 0 ? vfs_open(&at, path, O_RDONLY, 0, 0, file) : error;
}

static void own_status(struct http_files *f, struct http_answer *a, int status)
{
    static const char *const endings[] = {"", ".html", ".json", ".txt"};
    http_answer_status(a, status);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char path[64];
        struct file *file = NULL;
        struct statx st;
        snprintf(path, sizeof path, "/_status/%d%s", status, endings[i]);
        if (open_regular(f, path, &file, &st) < 0)
            continue;
        struct http_answer own;
        http_answer_init(&own, a->account);
        own.status = status;
        own.file = file;
        own.size = st.stx_size;
        http_answer_header(&own, "Content-Type", "%s", i == 0 ? "text/html; charset=utf-8" : http_type_of(path));
        memcpy(own.rule, a->rule, sizeof own.rule);
        http_answer_release(a);
        *a = own;
        return;
    }
}

/* ---- validators and ranges -------------------------------------------------------------------------------------------- */

/* By content where that is cheap, so that a copy of the fixtures is the same server. */
static void make_etag(struct file *file, const struct statx *st, char etag[TAG_ROOM])
{
    unsigned char digest[8];
    char hex[2 * sizeof digest + 1];
    crypto_generichash_state state;
    uint64_t at = 0;
    crypto_generichash_init(&state, NULL, 0, 16);
    while (st->stx_size <= MOST_HASHED && at < st->stx_size) {
        unsigned char buffer[16384];
        struct io io = io_over_buffer(buffer, sizeof buffer);
        ssize_t n = file_read(file, &io, &at);
        if (n <= 0)
            break;
        crypto_generichash_update(&state, buffer, (size_t)n);
    }
    const int64_t facts[3] = {(int64_t)st->stx_size, st->stx_size <= MOST_HASHED ? 0 : st->stx_mtime.tv_sec, 0};
    crypto_generichash_update(&state, (const unsigned char *)facts, sizeof facts);
    unsigned char whole[16];
    crypto_generichash_final(&state, whole, sizeof whole);
    memcpy(digest, whole, sizeof digest);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    snprintf(etag, TAG_ROOM, "\"%s\"", hex);
}

/* Hashed once, and not for every request. */
static const char *etag_of(struct http_files *f, struct file *file, const struct statx *st)
{
    struct tag *tag = &f->tags[st->stx_ino % TAGS];
    if (tag->ino != st->stx_ino) {
        make_etag(file, st, tag->text);
        tag->ino = st->stx_ino;
    }
    return tag->text;
}

/* If-Match, If-None-Match: a list of tags, or *. weak: W/ counts as the same (RFC 9110, 8.8.3.2). */
static bool names_tag(const char *list, const char *etag, bool weak)
{
    if (strcmp(list, "*") == 0)
        return true;
    size_t n = strlen(etag);
    for (const char *at = list; (at = strstr(at, etag)) != NULL; at += n)
        if (weak || at == list || at[-1] != '/')
            return true;
    return false;
}

/* RFC 9110, 13.2.2: 0: go on, else the status. */
static int precondition(const struct http_request *q, const char *etag, int64_t modified)
{
    int64_t date;
    const char *match = http_header(q, "if-match"), *none = http_header(q, "if-none-match"),
               *since = http_header(q, "if-modified-since"), *unmodified = http_header(q, "if-unmodified-since");
    if (match != NULL && !names_tag(match, etag, false))
        return 412;
    if (match == NULL && unmodified != NULL && http_date_read(unmodified, &date) && modified > date)
        return 412;
    if (none != NULL)
        return names_tag(none, etag, true) ? 304 : 0;
    return since != NULL && http_date_read(since, &date) && modified <= date ? 304 : 0;
}

static bool read_number(const char **at, uint64_t *value)
{
    const char *start = *at;
    *value = 0;
    while (**at >= '0' && **at <= '9') {
        if (*value > UINT64_MAX / 10 - 1)
            return false;
        *value = *value * 10 + (uint64_t)(*(*at)++ - '0');
    }
    return *at > start;
}

/* One range of bytes (RFC 9110, 14.1.2): 1: take it, 0: answer the whole, -1: it lies outside. Several are answered whole,
 * which a server may. */
static int read_range(const char *text, uint64_t size, uint64_t *first, uint64_t *count)
{
    uint64_t last;
    if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL)
        return 0;
    text += 6;
    if (*text == '-') {
        text++;
        if (!read_number(&text, &last) || *text != '\0')
            return 0;
        if (last == 0 || size == 0)
            return -1;
        *count = last < size ? last : size;
        *first = size - *count;
        return 1;
    }
    if (!read_number(&text, first) || *text++ != '-')
        return 0;
    if (*text == '\0')
        last = size - 1;
    else if (!read_number(&text, &last) || *text != '\0' || last < *first)
        return 0;
    if (*first >= size)
        return -1;
    *count = (last < size ? last + 1 : size) - *first;
    return 1;
}

static void answer_file(struct http_files *f, const struct http_request *q, const char *path, struct file *file,
                        const struct statx *st, struct http_answer *a)
{
    char date[HTTP_DATE_ROOM];
    const char *etag = etag_of(f, file, st);
    int64_t modified = st->stx_mtime.tv_sec;
    http_answer_header(a, "ETag", "%s", etag);
    http_answer_header(a, "Last-Modified", "%s", http_date(modified * 1000000000, date));
    http_answer_header(a, "Accept-Ranges", "bytes");
    int status = precondition(q, etag, modified);
    if (status == 304 || status == 412) {
        file_put(file);
        a->status = status;
        a->no_body = true;
        return;
    }
    http_answer_header(a, "Content-Type", "%s", http_type_of(path));
    const char *range = http_header(q, "range"), *condition = http_header(q, "if-range");
    a->file = file;
    a->size = st->stx_size;
    if (range == NULL || (condition != NULL && strcmp(condition, etag) != 0 && strcmp(condition, date) != 0))
        return;
    uint64_t first, count;
    int taken = read_range(range, st->stx_size, &first, &count);
    if (taken > 0) {
        a->status = 206;
        a->offset = first;
        a->size = count;
        http_answer_header(a, "Content-Range", "bytes %lu-%lu/%llu", first, first + count - 1, st->stx_size);
    } else if (taken < 0) {
        uint64_t size = st->stx_size;
        http_answer_release(a);
        own_status(f, a, 416);
        http_answer_header(a, "Content-Range", "bytes */%lu", size);
    }
}

/* ---- directories --------------------------------------------------------------------------------------------------------- */

struct listing {
    char *names[MOST_LISTED];
    size_t count;
};

static int emit(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next)
{
    struct listing *l = s->context;
    if (name[0] == '.' || strcmp(name, "_status") == 0 || l->count == MOST_LISTED)
        return 0;
    char *text = NULL;
    if (asprintf(&text, "%s%s", name, type == DT_DIR ? "/" : "") >= 0)
        l->names[l->count++] = text;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_escaped(struct buffer *page, const char *text, bool url)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    for (; *text != '\0'; text++) {
        if (url && strchr(plain, *text) == NULL)
            buffer_format(page, "%%%02X", (unsigned char)*text);
        else if (!url && strchr("<>&\"'", *text) != NULL)
            buffer_format(page, "&#%d;", *text);
        else
            buffer_add(page, text, 1);
    }
}

static void answer_listing(struct http_files *f, const char *path, struct http_answer *a)
{
    const struct place at = place_of(f);
    struct listing *l = calloc(1, sizeof *l);
    struct dirent_sink sink = {.emit = emit, .context = l};
    struct file *directory;
    struct buffer page;
    buffer_init(&page, &f->contents->account, 8 << 20);
    if (l != NULL && vfs_open(&at, path, O_RDONLY | O_DIRECTORY, 0, 0, &directory) == 0) {
        file_getdents(directory, &sink);
        file_put(directory);
        qsort(l->names, l->count, sizeof *l->names, by_name);
    }
    buffer_format(&page, "<!DOCTYPE html>\n<html><head><title>Index of ");
    add_escaped(&page, path, false);
    buffer_format(&page, "</title></head>\n<body><h1>Index of ");
    add_escaped(&page, path, false);
    buffer_format(&page, "</h1>\n<ul>\n");
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        buffer_format(&page, "<li><a href=\"");
        add_escaped(&page, l->names[i], true);
        buffer_format(&page, "\">");
        add_escaped(&page, l->names[i], false);
        buffer_format(&page, "</a></li>\n");
        free(l->names[i]);
    }
    buffer_format(&page, "</ul></body></html>\n");
    http_answer_text(a, "text/html; charset=utf-8", buffer_bytes(&page), page.size);
    buffer_clear(&page);
    free(l);
}

static void answer_directory(struct http_files *f, const struct http_request *q, struct http_answer *a)
{
    char path[VFS_PATH_MAX];
    struct file *file;
    struct statx st;
    size_t n = strlen(q->path);
    if (q->path[n - 1] != '/') { /* relative links of the page would lead elsewhere */
        struct buffer to;
        buffer_init(&to, &f->contents->account, 4 * VFS_PATH_MAX);
        add_escaped(&to, q->path, true);
        http_answer_header(a, "Location", "%.*s/%s%s", (int)to.size, buffer_bytes(&to), q->query != NULL ? "?" : "",
                           q->query != NULL ? q->query : "");
        buffer_clear(&to);
        http_answer_status(a, 301);
        return;
    }
    snprintf(path, sizeof path, "%sindex.html", q->path);
    if (open_regular(f, path, &file, &st) == 0)
        answer_file(f, q, path, file, &st, a);
    else
        answer_listing(f, q->path, a);
}

/* ---- the handler ----------------------------------------------------------------------------------------------------------- */

static void answer(struct http_handler *h, const struct http_request *q, struct http_answer *a)
{
    struct http_files *f = (struct http_files *)h;
    const struct place at = place_of(f);
    struct statx st;
    struct file *file;
    snprintf(a->rule, sizeof a->rule, "%s", f->name);
    bool options = strcmp(q->method, "OPTIONS") == 0;
    if (options || (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0)) {
        own_status(f, a, options ? 204 : 405);
        http_answer_header(a, "Allow", "GET, HEAD, OPTIONS");
        return;
    }
    int error = reserved(q->path) || strlen(q->path) + 16 > VFS_PATH_MAX ? -ENOENT : vfs_stat(&at, q->path, 0, &st);
    if (error == 0 && S_ISDIR(st.stx_mode))
        return answer_directory(f, q, a);
    if (error == 0 && q->path[strlen(q->path) - 1] == '/')
        error = -ENOENT;
    if (error == 0)
        error = open_regular(f, q->path, &file, &st);
    if (error == 0)
        answer_file(f, q, q->path, file, &st, a);
    else
        own_status(f, a, error == -EACCES ? 403 : 404);
}

static void release(struct http_handler *h)
{
    struct http_files *f = (struct http_files *)h;
    dentry_put(f->root);
    free(f->name);
    free(f);
}

struct http_handler *http_files_new(struct contents *cs, const char *directory, char *why, size_t size)
{
    char mounted[32];
    if (contents_mount(cs, directory, mounted, why, size) < 0)
        return NULL;
    struct http_files *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->handler = (struct http_handler){answer, release};
    f->contents = cs;
    f->cred.capabilities = ~UINT64_C(0);
    f->name = strdup(directory);
    const struct place at = {cs->fixtures, &f->cred, vfs_root(cs->fixtures), vfs_root(cs->fixtures)};
    int error = vfs_walk(&at, mounted, WALK_DIRECTORY, &f->root);
    if (error < 0 || f->name == NULL) {
        snprintf(why, size, "%s", strerror(error < 0 ? -error : ENOMEM));
        free(f->name);
        free(f);
        return NULL;
    }
    return &f->handler;
}
