/* The export's two halves: vfs/export.c decides what is written, export_directory.c and export_archive.c write it. Inside
 * the room. */
#ifndef VFS_EXPORT_H
#define VFS_EXPORT_H

#include "vfs/node.h"

/* A place to write to. Paths are relative to the world's root, without a leading slash. */
struct exporter {
    /* One created or modified path; hard: an earlier path of the same node, or NULL. 0 or -errno. */
    int (*put)(struct exporter *x, const char *path, struct node *n, const char *hard);
    /* A file that is no node of the world: path as above. */
    int (*put_text)(struct exporter *x, const char *path, const char *text, size_t n);
    int (*finish)(struct exporter *x); /* directories get their modes and times, the archive its end */
    void (*free)(struct exporter *x);
    char why[512]; /* one sentence when something failed */
};

struct exporter *export_directory_new(const char *to, char *why, size_t n);
struct exporter *export_archive_new(const char *to, char *why, size_t n);
bool export_is_archive(const char *to); /* by the end of its name */

/* Bytes of a regular file, data stretches only: calls put for each, in order. */
int export_data(struct node *n, int (*put)(void *context, const void *bytes, size_t size, uint64_t offset),
                void *context);

#endif
