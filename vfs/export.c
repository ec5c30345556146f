/* What the run created, changed or deleted, written out: exactly that, in path order. Paths that are gone are listed in
 * a file `.deleted` (see vfs/vfs.h). */
#include "vfs/export.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 * 1024 };

/* The first path of a node with several names. */
struct linked {
    const struct node *node;
    char path[];
};

struct export
{
    struct exporter *to;
    char *deleted; /* the list's text */
    size_t deleted_size;
    FILE *list;
    void *linked; /* tsearch(3) tree of struct linked */
};

int export_data(struct node *n, int (*put)(void *context, const void *bytes, size_t size, uint64_t offset),
                void *context)
{
    char *buffer = malloc(BLOCK);
    uint64_t at = 0;
    int error = buffer ? 0 : -ENOMEM;
    while (!error && at < n->size) {
        int64_t data = n->ops->seek_data ? n->ops->seek_data(n, at, false) : (int64_t)at;
        if (data < 0)
            break;
        int64_t end = n->ops->seek_data ? n->ops->seek_data(n, (uint64_t)data, true) : (int64_t)n->size;
        if (end <= data)
            break;
        at = (uint64_t)data;
        while (!error && at < (uint64_t)end) {
            size_t want = (uint64_t)end - at < BLOCK ? (size_t)((uint64_t)end - at) : BLOCK;
            struct io io = io_over_buffer(buffer, want);
            ssize_t got = n->ops->read(n, &io, at);
            if (got <= 0) { /* a host file that became shorter meanwhile */
                error = got < 0 ? (int)got : -EIO;
                break;
            }
            error = put(context, buffer, (size_t)got, at);
            at += (uint64_t)got;
        }
    }
    free(buffer);
    return error;
}

static int by_node(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct linked *)a)->node, right = (uintptr_t)((const struct linked *)b)->node;
    return left < right ? -1 : left > right;
}

/* *hard: where this node was written already. */
static int remember(struct export *x, const struct node *n, const char *path, const char **hard)
{
    *hard = NULL;
    if (n->nlink < 2 || node_is(n, S_IFDIR))
        return 0;
    size_t length = strlen(path) + 1;
    struct linked *l = malloc(sizeof *l + length);
    if (!l)
        return -ENOMEM;
    l->node = n;
    memcpy(l->path, path, length);
    struct linked **found = tsearch(l, &x->linked, by_node);
    if (!found || *found != l) {
        if (found)
            *hard = (*found)->path;
        free(l);
        return found ? 0 : -ENOMEM;
    }
    return 0;
}

static int each(void *context, enum change_kind kind, const char *path, struct dentry *d)
{
    struct export *x = context;
    const char *hard;
    path++; /* the leading slash */
    if (kind == CHANGE_READ)
        return 0;
    if (kind == CHANGE_DELETED) {
        for (; *path; path++) {
            if (*path == '\n' || *path == '\\')
                fputc('\\', x->list);
            fputc(*path == '\n' ? 'n' : *path, x->list);
        }
        fputc('\n', x->list);
        return ferror(x->list) ? -ENOMEM : 0;
    }
    int error = remember(x, d->node, path, &hard);
    return error ? error : x->to->put(x->to, path, d->node, hard);
}

/* `wanted`, or, should the guest have made a file of that name, the first name with more tildes that is free. */
static void free_name(struct vfs *v, const char *wanted, char *name, size_t n)
{
    snprintf(name, n, "%s", wanted);
    for (size_t length = strlen(name); length + 1 < n; length++) {
        struct dentry *d;
        int error = dentry_child(v->root, name, length, name_hash(v, name, length), &d, NULL);
        if (error || !d)
            return;
        dentry_put(d);
        name[length] = '~';
        name[length + 1] = 0;
    }
}

/* One of what comes besides, below the directory that was chosen for all of them. */
struct beside {
    struct exporter *to;
    char directory[64];
};

static int put_beside(void *context, const char *path, const void *bytes, size_t n)
{
    const struct beside *b = context;
    char *whole;
    if (asprintf(&whole, "%s/%s", b->directory, path) < 0)
        return -ENOMEM;
    int error = b->to->put_text(b->to, whole, n ? bytes : "", n);
    free(whole);
    return error;
}

static int write_beside(struct vfs *v, struct export *x, const struct export_more *more)
{
    struct beside b = {.to = x->to};
    free_name(v, more->directory, b.directory, sizeof b.directory);
    return more->each(more->context, put_beside, &b);
}

static int write_all(struct vfs *v, struct export *x, const struct export_more *more)
{
    char name[64];
    int error = changes_walk(v, each, x);
    if (fflush(x->list))
        error = error ? error : -ENOMEM;
    if (!error && x->deleted_size) {
        free_name(v, ".deleted", name, sizeof name);
        error = x->to->put_text(x->to, name, x->deleted, x->deleted_size);
    }
    if (!error && more)
        error = write_beside(v, x, more);
    return error ? error : x->to->finish(x->to);
}

int vfs_export(struct vfs *v, const char *to, const struct export_more *more, char *why, size_t n)
{
    struct export x = {0};
    *why = 0;
    x.to = export_is_archive(to) ? export_archive_new(to, why, n) : export_directory_new(to, why, n);
    if (!x.to)
        return -EIO;
    x.list = open_memstream(&x.deleted, &x.deleted_size);
    int error = x.list ? write_all(v, &x, more) : -ENOMEM;
    if (error)
        snprintf(why, n, "%s", *x.to->why ? x.to->why : strerror(-error));
    if (x.list)
        fclose(x.list);
    free(x.deleted);
    tdestroy(x.linked, free);
    x.to->free(x.to);
    return error;
}
