/* Fuzzes archives as mounts: any bytes as what libarchive reads. Whatever is in it stays below the place of the mount, can be
 * walked through, read and written over, and the tree can be exported again.
 *
 *   make fuzz-tar FUZZ_SECONDS=60 */
#include "tests/unit/vfs_fixture.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visited;

struct seen {
    char names[40][256];
    int count;
};

static int add_name(struct dirent_sink *sink, const char *name, uint64_t ino, uint8_t type, uint64_t next_cookie)
{
    struct seen *s = sink->context;
    if (strlen(name) == 0 || strlen(name) > 255 || strchr(name, '/') != NULL)
        abort();
    if (s->count == 40)
        return -ENOSPC;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        strcpy(s->names[s->count++], name);
    return 0;
}

static void visit_file(struct file *f)
{
    char bytes[4096];
    uint64_t position = 0;
    for (int i = 0; i < 4; i++) {
        struct io io = io_over_buffer(bytes, sizeof bytes);
        if (file_read(f, &io, &position) <= 0)
            break;
    }
}

static void visit(struct world_fixture *w, const char *path, int depth)
{
    struct file *f;
    struct statx st;
    char target[VFS_PATH_MAX];
    if (depth > 8 || ++visited > 500 || vfs_stat(&w->at, path, WALK_NOFOLLOW, &st) < 0)
        return;
    if (S_ISLNK(st.stx_mode)) {
        (void)vfs_readlink(&w->at, path, WALK_NOFOLLOW, target, sizeof target);
        (void)vfs_stat(&w->at, path, 0, &st);
        return;
    }
    if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode))
        return;
    if (vfs_open(&w->at, path, S_ISDIR(st.stx_mode) ? O_RDONLY | O_DIRECTORY : O_RDONLY, 0, 0, &f) < 0)
        return;
    struct seen *s = calloc(1, sizeof *s);
    if (S_ISDIR(st.stx_mode)) {
        struct dirent_sink sink = {.emit = add_name, .context = s};
        (void)file_getdents(f, &sink);
    } else {
        visit_file(f);
    }
    file_put(f);
    for (int i = 0; i < s->count; i++) {
        char below[VFS_PATH_MAX];
        if (snprintf(below, sizeof below, "%s/%s", path, s->names[i]) < (int)sizeof below)
            visit(w, below, depth + 1);
    }
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    char name[64], why[512] = "";
    if (file < 0)
        file = memfd_create("archive", 0);
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(name, sizeof name, "/dev/fd/%d", file);
    struct world_fixture *w = fixture_new(4 << 20, 2000);
    vfs_put_dir(w->vfs, "/m", 0777, 0, 0);
    vfs_put_file(w->vfs, "/outside", "untouched", 9, 0644, 0, 0);
    int error = vfs_mount_tar(w->vfs, "/m", name, size % 2 ? MOUNT_READ_ONLY : MOUNT_COPY_ON_WRITE, why, sizeof why);
    if (error < 0 && why[0] == '\0' && error != -ENOMEM && error != -ENOSPC && error != -EDQUOT)
        abort(); /* an error is said in words */
    visited = 0;
    visit(w, "/m", 0);
    struct statx st;
    if (vfs_stat(&w->at, "/outside", WALK_NOFOLLOW, &st) < 0 || st.stx_size != 9)
        abort();
    (void)vfs_rename(&w->at, "/m/a", &w->at, "/m/b", 0);
    (void)vfs_truncate(&w->at, "/m/a", 3, NULL);
    vfs_free(w->vfs);
    free(w);
    return 0;
}
