/* What the unit tests of vfs/ share: a world without processes, and the few words they say again and again. */
#ifndef TESTS_UNIT_VFS_FIXTURE_H
#define TESTS_UNIT_VFS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vfs/objects.h"
#include "vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world_fixture {
    struct vfs *vfs;
    int64_t time; /* ns; moves one second with every look */
    struct cred root, guest;
    struct place at;       /* root of the tree, as the superuser */
    struct place as_guest; /* the same, as uid 1000 */
    char directory[64];    /* a host directory of the test's own, with a slash at the end */
};

static inline int64_t fixture_now(void *context)
{
    struct world_fixture *w = context;
    return w->time += 1000000000;
}

static inline struct world_fixture *fixture_new(uint64_t bytes, uint64_t nodes)
{
    struct world_fixture *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->time = 1700000000ll * 1000000000;
    struct vfs_config config = {.now = fixture_now,
                                .context = w,
                                .quota_bytes = bytes,
                                .quota_nodes = nodes,
                                .guest_uid = 1000,
                                .guest_gid = 1000};
    w->vfs = vfs_new(&config);
    assert_non_null(w->vfs);
    w->root.capabilities = UINT64_MAX;
    w->guest = (struct cred){
        .uid = 1000, .euid = 1000, .suid = 1000, .fsuid = 1000, .gid = 1000, .egid = 1000, .sgid = 1000, .fsgid = 1000};
    w->at = (struct place){.vfs = w->vfs, .cred = &w->root, .root = vfs_root(w->vfs), .start = vfs_root(w->vfs)};
    w->as_guest = w->at;
    w->as_guest.cred = &w->guest;
    return w;
}

/* After a mount at "/" the root is another. */
static inline void fixture_reroot(struct world_fixture *w)
{
    w->at.root = w->at.start = w->as_guest.root = w->as_guest.start = vfs_root(w->vfs);
}

static inline int fixture_setup(void **state)
{
    *state = fixture_new(0, 0);
    return 0;
}

static inline void fixture_host_directory(struct world_fixture *w)
{
    strcpy(w->directory, "/tmp/test_vfs_XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    strcat(w->directory, "/");
}

static inline int fixture_teardown(void **state)
{
    struct world_fixture *w = *state;
    vfs_free(w->vfs);
    if (*w->directory) {
        char command[192];
        snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", w->directory, w->directory);
        assert_int_equal(system(command), 0);
    }
    free(w);
    return 0;
}

/* A file on the host below the fixture's directory. */
static inline void host_put(struct world_fixture *w, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", w->directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static inline const char *host_path(struct world_fixture *w, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s", w->directory, name);
    return path;
}

static inline struct file *open_as(const struct place *at, const char *path, int flags, uint32_t mode)
{
    struct file *f = NULL;
    int error = vfs_open(at, path, flags, mode, 0, &f);
    if (error)
        print_error("open %s: %s\n", path, strerror(-error));
    assert_int_equal(error, 0);
    return f;
}

static inline int open_error(const struct place *at, const char *path, int flags)
{
    struct file *f = NULL;
    int error = vfs_open(at, path, flags, 0644, 0, &f);
    if (!error)
        file_put(f);
    return error;
}

static inline ssize_t put_text(struct file *f, const char *text)
{
    struct io io = io_over_buffer((void *)text, strlen(text));
    return file_write(f, &io, NULL);
}

static inline ssize_t read_at(struct file *f, void *buf, size_t n, uint64_t offset)
{
    struct io io = io_over_buffer(buf, n);
    return file_read(f, &io, &offset);
}

static inline ssize_t write_at(struct file *f, const void *buf, size_t n, uint64_t offset)
{
    struct io io = io_over_buffer((void *)buf, n);
    return file_write(f, &io, &offset);
}

static inline void make_file(const struct place *at, const char *path, const char *text)
{
    struct file *f = open_as(at, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_int_equal(put_text(f, text), strlen(text));
    file_put(f);
}

/* The text of a small file, in a static buffer. */
static inline const char *text_of(const struct place *at, const char *path)
{
    static char text[4096];
    struct file *f = open_as(at, path, O_RDONLY, 0);
    ssize_t n = read_at(f, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = 0;
    file_put(f);
    return text;
}

static inline struct statx stat_of(const struct place *at, const char *path, unsigned flags)
{
    struct statx s;
    assert_int_equal(vfs_stat(at, path, flags, &s), 0);
    return s;
}

static inline int stat_error(const struct place *at, const char *path)
{
    struct statx s;
    return vfs_stat(at, path, 0, &s);
}

/* The names of a directory in listing order, each followed by a blank, without "." and "..". */
struct names {
    char text[8192];
    int stop_after; /* 0: never */
    int count;
};

static inline int names_emit(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next_cookie)
{
    struct names *names = s->context;
    if (names->stop_after && names->count >= names->stop_after)
        return 1;
    assert_true(ino > 0);
    names->count++;
    if (strcmp(name, ".") && strcmp(name, "..")) {
        strcat(names->text, name);
        strcat(names->text, " ");
    }
    return 0;
}

static inline const char *list_of(const struct place *at, const char *path)
{
    static struct names names;
    memset(&names, 0, sizeof names);
    struct dirent_sink sink = {.emit = names_emit, .context = &names};
    struct file *f = open_as(at, path, O_RDONLY | O_DIRECTORY, 0);
    assert_int_equal(file_getdents(f, &sink), 0);
    file_put(f);
    return names.text;
}

#endif
