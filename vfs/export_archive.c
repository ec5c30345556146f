/* The export as a tar (pax), compressed as its name says. Owners are the world's ids; nothing in it comes from the
 * host: the same run gives the same bytes. Sockets cannot be told and are left out. */
#include "vfs/export.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct archive_exporter {
    struct exporter base;
    struct archive *archive;
    uint64_t at; /* in the file being written: holes are said by zeros */
    int fd;
};

static const struct suffix {
    const char *end;
    int (*filter)(struct archive *a);
} suffixes[] = {
    {".tar", archive_write_add_filter_none},  {".tar.gz", archive_write_add_filter_gzip},
    {".tgz", archive_write_add_filter_gzip},  {".tar.zst", archive_write_add_filter_zstd},
    {".tar.xz", archive_write_add_filter_xz},
};

static const struct suffix *suffix_of(const char *to)
{
    size_t length = strlen(to);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t n = strlen(suffixes[i].end);
        if (length > n && !strcmp(to + length - n, suffixes[i].end))
            return &suffixes[i];
    }
    return NULL;
}

bool export_is_archive(const char *to)
{
    return suffix_of(to);
}

static int failed(struct archive_exporter *x, const char *path)
{
    const char *problem = archive_error_string(x->archive);
    snprintf(x->base.why, sizeof x->base.why, "cannot write %.300s into the archive: %s", path,
             problem ? problem : "?");
    return -EIO;
}

static int write_zeros(struct archive_exporter *x, uint64_t to)
{
    static const char zeros[64 * 1024];
    while (x->at < to) {
        size_t n = to - x->at < sizeof zeros ? (size_t)(to - x->at) : sizeof zeros;
        la_ssize_t put = archive_write_data(x->archive, zeros, n);
        if (put <= 0)
            return -EIO;
        x->at += (uint64_t)put;
    }
    return 0;
}

static int write_stretch(void *context, const void *bytes, size_t size, uint64_t offset)
{
    struct archive_exporter *x = context;
    const char *from = bytes;
    int error = write_zeros(x, offset);
    while (!error && size > 0) {
        la_ssize_t put = archive_write_data(x->archive, from, size);
        if (put <= 0)
            return -EIO;
        from += put;
        size -= (size_t)put;
        x->at += (uint64_t)put;
    }
    return error;
}

/* Where the data is: the pax format writes only that, so that a file of holes does not become one of zeros. */
static int add_sparse(struct archive_entry *e, struct node *n)
{
    if (!n->ops->seek_data || n->ops->seek_data(n, 0, true) == (int64_t)n->size)
        return 0;
    for (uint64_t at = 0; at < n->size;) {
        int64_t data = n->ops->seek_data(n, at, false);
        if (data < 0) {
            archive_entry_sparse_add_entry(e, (la_int64_t)n->size, 0);
            break;
        }
        int64_t hole = n->ops->seek_data(n, (uint64_t)data, true);
        if (hole <= data)
            return -EIO;
        archive_entry_sparse_add_entry(e, data, hole - data);
        at = (uint64_t)hole;
    }
    return 0;
}

static int add_xattr(void *context, const char *name, const void *value, size_t size)
{
    archive_entry_xattr_add_entry(context, name, value, size);
    return 0;
}

static int describe(struct archive_entry *e, const char *path, struct node *n, const char *hard)
{
    struct statx st;
    node_stat(n, &st);
    archive_entry_set_pathname(e, path);
    archive_entry_set_mode(e, (mode_t)n->mode);
    archive_entry_set_uid(e, n->uid);
    archive_entry_set_gid(e, n->gid);
    archive_entry_set_mtime(e, st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec);
    archive_entry_set_atime(e, st.stx_atime.tv_sec, st.stx_atime.tv_nsec);
    archive_entry_set_rdev(e, (dev_t)n->rdev);
    archive_entry_set_size(e, 0);
    if (hard) {
        archive_entry_set_hardlink(e, hard);
        return 0;
    }
    xattr_each(n, add_xattr, e);
    if (node_is(n, S_IFREG)) {
        archive_entry_set_size(e, (la_int64_t)n->size);
        return add_sparse(e, n);
    }
    if (node_is(n, S_IFLNK)) {
        const char *target;
        char *owned;
        int error = node_readlink(n, NULL, &target, &owned);
        if (error)
            return error;
        archive_entry_set_symlink(e, target);
        free(owned);
    }
    return 0;
}

static int archive_put(struct exporter *base, const char *path, struct node *n, const char *hard)
{
    struct archive_exporter *x = (struct archive_exporter *)base;
    if (node_is(n, S_IFSOCK))
        return 0;
    struct archive_entry *e = archive_entry_new();
    int error = e ? describe(e, path, n, hard) : -ENOMEM;
    if (!error && archive_write_header(x->archive, e) < ARCHIVE_WARN)
        error = failed(x, path);
    x->at = 0;
    if (!error && !hard && node_is(n, S_IFREG)) {
        error = export_data(n, write_stretch, x);
        if (!error)
            error = write_zeros(x, n->size);
        if (error)
            failed(x, path);
    }
    archive_entry_free(e);
    return error;
}

static int archive_put_text(struct exporter *base, const char *name, const char *text, size_t n)
{
    struct archive_exporter *x = (struct archive_exporter *)base;
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return -ENOMEM;
    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFREG | 0644);
    archive_entry_set_mtime(e, 0, 0);
    archive_entry_set_size(e, (la_int64_t)n);
    int error = archive_write_header(x->archive, e) < ARCHIVE_WARN ? -EIO : 0;
    x->at = 0;
    if (!error)
        error = write_stretch(x, text, n, 0);
    archive_entry_free(e);
    return error ? failed(x, name) : 0;
}

static int archive_finish(struct exporter *base)
{
    struct archive_exporter *x = (struct archive_exporter *)base;
    return archive_write_close(x->archive) == ARCHIVE_OK ? 0 : failed(x, "the end");
}

static void exporter_free(struct exporter *base)
{
    struct archive_exporter *x = (struct archive_exporter *)base;
    archive_write_free(x->archive);
    close(x->fd);
    free(x);
}

struct exporter *export_archive_new(const char *to, char *why, size_t n)
{
    struct archive_exporter *x = calloc(1, sizeof *x);
    struct archive *a = x ? archive_write_new() : NULL;
    if (!a) {
        free(x);
        snprintf(why, n, "out of memory");
        return NULL;
    }
    x->base = (struct exporter){
        .put = archive_put, .put_text = archive_put_text, .finish = archive_finish, .free = exporter_free};
    x->archive = a;
    x->fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (x->fd < 0) {
        snprintf(why, n, "cannot make %s: %s", to, strerror(errno));
    } else if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK || suffix_of(to)->filter(a) != ARCHIVE_OK) {
        snprintf(why, n, "%s: %s", to, archive_error_string(a));
    } else {
        (void)archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY"); /* names are bytes */
        (void)archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
        if (archive_write_open_fd(a, x->fd) == ARCHIVE_OK)
            return &x->base;
        snprintf(why, n, "%s: %s", to, archive_error_string(a));
    }
    archive_write_free(a);
    if (x->fd >= 0)
        close(x->fd);
    free(x);
    return NULL;
}
