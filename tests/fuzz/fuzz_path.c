/* Fuzzes the tree: walks, creations, links, renames and removals by any text. After each step: a path that leads somewhere leads
 * to the place that says it has that path; and whoever is not root is where his root directory is.
 *
 *   make fuzz-path FUZZ_SECONDS=60 */
#include "tests/unit/vfs_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const uint8_t *bytes;
    size_t size, at;
};

static unsigned choose(struct text *t, unsigned n)
{
    return t->at < t->size ? t->bytes[t->at++] % n : 0;
}

/* Components from a few names, so that they meet; now and then any bytes. */
static void make_path(struct text *t, char *to, size_t room)
{
    static const char *const names[] = {
        "a", "b", "c", ".", "..", "", "link", "a/b", "../a", "dir", "very-long-name-that-goes-on"};
    size_t n = 0, count = choose(t, 12);
    if (choose(t, 2))
        to[n++] = '/';
    for (size_t i = 0; i < count && n + 64 < room; i++) {
        unsigned which = choose(t, 14);
        if (which < sizeof names / sizeof *names) {
            n += (size_t)sprintf(to + n, "%s", names[which]);
        } else {
            for (unsigned k = choose(t, 40); k > 0 && t->at < t->size; k--)
                if (t->bytes[t->at] != 0)
                    to[n++] = (char)t->bytes[t->at++];
                else
                    t->at++;
        }
        if (choose(t, 8) != 0)
            to[n++] = '/';
    }
    if (choose(t, 40) == 39)
        while (n < room - 1)
            to[n] = "a/"[n % 2], n++;
    to[n] = '\0';
}

static void check_walk(const struct place *at, const char *path, unsigned flags)
{
    struct dentry *d, *again;
    char name[VFS_PATH_MAX];
    if (vfs_walk(at, path, flags, &d) < 0)
        return;
    const struct place from_root = {at->vfs, at->cred, at->root, at->root};
    ssize_t length = dentry_path(d, at->root, name, sizeof name);
    if (length > 0 && name[0] != '/' && strncmp(name, "(unreachable)", 13) != 0)
        abort();
    if (length > 0 && name[0] == '/' && strstr(name, " (deleted)") == NULL &&
        vfs_walk(&from_root, name, WALK_NOFOLLOW, &again) == 0) {
        if (again != d)
            abort();
        dentry_put(again);
    }
    dentry_put(d);
}

static void step(struct text *t, const struct place *at)
{
    char one[VFS_PATH_MAX + 200], two[VFS_PATH_MAX + 200], out[256];
    struct statx st;
    struct file *f;
    make_path(t, one, sizeof one);
    make_path(t, two, sizeof two);
    unsigned flags = choose(t, 8);
    switch (choose(t, 16)) {
    case 0:
        (void)vfs_mkdir(at, one, 0777);
        break;
    case 1:
        (void)vfs_symlink(at, two[0] != '\0' ? two : "x", one);
        break;
    case 2:
    case 3:
        (void)vfs_rename(at, one, at, two, choose(t, 3));
        break;
    case 4:
        (void)vfs_link(at, one, flags & WALK_NOFOLLOW, at, two);
        break;
    case 5:
        (void)vfs_unlink(at, one);
        break;
    case 6:
        (void)vfs_rmdir(at, one);
        break;
    case 7:
        if (vfs_open(at, one, O_RDWR | O_CREAT | (choose(t, 2) ? O_EXCL : 0), 0666, 0, &f) == 0) {
            struct io io = io_over_buffer(two, 20);
            (void)file_write(f, &io, NULL);
            file_put(f);
        }
        break;
    case 8:
        if (vfs_open(at, one, (int)(choose(t, 4) | choose(t, 256) << 8 | choose(t, 256) << 16), 0666, choose(t, 32),
                     &f) == 0)
            file_put(f);
        break;
    case 9:
        (void)vfs_readlink(at, one, flags, out, sizeof out);
        break;
    case 10:
        (void)vfs_truncate(at, one, (uint64_t)choose(t, 256) << choose(t, 40), NULL);
        break;
    case 11:
        (void)vfs_setxattr(at, one, flags, "user.a", two, choose(t, 200), (int)choose(t, 3));
        break;
    case 12:
        (void)vfs_chmod(at, one, flags, choose(t, 256) << 4);
        break;
    default:
        (void)vfs_stat(at, one, flags, &st);
    }
    check_walk(at, one, flags & (WALK_NOFOLLOW | WALK_EMPTY_PATH));
    check_walk(at, two, flags & WALK_NOFOLLOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text t = {data, size, 0};
    struct world_fixture *w = fixture_new(1 << 20, 500);
    struct dentry *jail = NULL;
    vfs_put_dir(w->vfs, "/dir", 0777, 1000, 1000);
    vfs_put_dir(w->vfs, "/a", 0777, 1000, 1000);
    vfs_put_symlink(w->vfs, "/link", "a/../dir/b");
    (void)vfs_mount_memory(w->vfs, "/dir/b", 0777, 1000, 1000, 1 << 16, (char[200]){""}, 200);
    while (t.at < t.size) {
        struct place at = choose(&t, 2) ? w->at : w->as_guest;
        struct dentry *start = NULL;
        char path[VFS_PATH_MAX + 200];
        make_path(&t, path, sizeof path);
        if (vfs_walk(&w->at, path, WALK_DIRECTORY, &start) == 0)
            at.start = start;
        if (jail == NULL && choose(&t, 10) == 9 && vfs_walk(&w->at, "/a", WALK_DIRECTORY, &jail) < 0)
            jail = NULL;
        if (jail != NULL && choose(&t, 2))
            at.root = jail;
        step(&t, &at);
        dentry_put(start);
    }
    dentry_put(jail);
    vfs_free(w->vfs);
    free(w);
    return 0;
}
