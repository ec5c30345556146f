// rooms: vfs
/* Filesystems that are data, and descriptor tables. */
#include "vfs_fixture.h"

#include "vfs/fdtable.h"
#include "vfs/synthetic.h"

/* ---- a little proc: /self -> 7, /version, /N/status, /N/fd (magic), for 1 and 7 ---- */

struct little_world {
    struct world_fixture *fixture;
    struct file *open;  /* where /N/fd/0 leads: no path */
    struct dentry *cwd; /* where /N/cwd leads */
    int produced;
    char stored[64];
};

static int version_text(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct little_world *w = s->world;
    text_printf(out, "version %d of %lu\n", ++w->produced, (unsigned long)s->key);
    return 0;
}

static ssize_t version_store(const struct synthetic *s, const struct cred *c, const char *bytes, size_t n)
{
    struct little_world *w = s->world;
    snprintf(w->stored, sizeof w->stored, "%s", bytes);
    return (ssize_t)n;
}

static int secret_text(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return c->fsuid == 0 ? 0 : -EPERM;
}

static ssize_t self_link(const struct synthetic *s, const struct cred *c, char *buf, size_t n)
{
    return snprintf(buf, n, "7");
}

static int fd_magic(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file)
{
    struct little_world *w = s->world;
    file_get(w->open);
    *open_file = w->open;
    return 0;
}

static int cwd_magic(const struct synthetic *s, const struct cred *c, struct dentry **to, struct file **open_file)
{
    struct little_world *w = s->world;
    dentry_get(w->cwd);
    *to = w->cwd;
    return 0;
}

static const struct synthetic_entry process_entries[] = {
    {.name = "status", .mode = S_IFREG | 0444, .text = version_text},
    {.name = "fd0", .mode = S_IFLNK | 0777, .magic = fd_magic},
    {.name = "cwd", .mode = S_IFLNK | 0777, .magic = cwd_magic},
    {0},
};
static const struct synthetic_entry process_entry = {.mode = S_IFDIR | 0555, .children = process_entries};

static int root_lookup(const struct synthetic *s, const char *name, struct synthetic *child,
                       const struct synthetic_entry **entry)
{
    if (strcmp(name, "1") && strcmp(name, "7"))
        return -ENOENT;
    child->key = (uint64_t)atoi(name);
    *entry = &process_entry;
    return 0;
}

static int root_list(const struct synthetic *s, uint64_t *at, char *name, size_t n, uint32_t *mode)
{
    if (*at > 1)
        return -ENOENT;
    snprintf(name, n, "%d", *at ? 7 : 1);
    *mode = S_IFDIR | 0555;
    return 0;
}

static const struct synthetic_entry root_entries[] = {
    {.name = "self", .mode = S_IFLNK | 0777, .link = self_link},
    {.name = "version", .mode = S_IFREG | 0644, .text = version_text, .store = version_store},
    {.name = "secret", .mode = S_IFREG | 0444, .text = secret_text},
    {0},
};
static const struct synthetic_entry root_entry = {
    .mode = S_IFDIR | 0555, .children = root_entries, .lookup = root_lookup, .list = root_list};

static int setup(void **state)
{
    struct little_world *w = calloc(1, sizeof *w);
    char why[64];
    w->fixture = fixture_new(0, 0);
    struct vfs *v = w->fixture->vfs;
    assert_int_equal(vfs_mount_fs(v, "/proc", synthetic_fs_new(v, "proc", w, &root_entry), why, sizeof why), 0);
    w->open = eventfd_new(v, 0, 0);
    assert_int_equal(vfs_put_file(v, "/home/file", "at home", 7, 0644, 0, 0), 0);
    assert_int_equal(vfs_walk(&w->fixture->at, "/home", 0, &w->cwd), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct little_world *w = *state;
    void *fixture = w->fixture;
    file_put(w->open);
    dentry_put(w->cwd);
    fixture_teardown(&fixture);
    free(w);
    return 0;
}

static void test_entries(void **state)
{
    struct little_world *w = *state;
    const struct place *at = &w->fixture->at;
    assert_string_equal(list_of(at, "/proc"), "self version secret 1 7 ");
    assert_string_equal(text_of(at, "/proc/self/status"), "version 1 of 7\n");
    assert_string_equal(text_of(at, "/proc/1/status"), "version 2 of 1\n");
    assert_int_equal(stat_error(at, "/proc/2"), -ENOENT);
    assert_int_equal(stat_error(at, "/proc/2"), -ENOENT);
    uint64_t ino = stat_of(at, "/proc/7/status", 0).stx_ino;
    assert_int_equal(stat_of(at, "/proc/self/status", 0).stx_ino, ino); /* by its place, at every look */
    assert_true(stat_of(at, "/proc/1/status", 0).stx_ino != ino);
    assert_int_equal(open_error(&w->fixture->as_guest, "/proc/secret", O_RDONLY), -EPERM);
    assert_int_equal(open_error(at, "/proc/self/status", O_WRONLY), -EACCES);
    assert_int_equal(open_error(at, "/proc/new", O_WRONLY | O_CREAT), -EACCES);
    assert_int_equal(vfs_mkdir(at, "/proc/new", 0755), -EPERM);
    assert_int_equal(vfs_unlink(at, "/proc/version"), -EPERM);
    assert_int_equal(vfs_rename(at, "/proc/version", at, "/proc/x", 0), -EPERM);
}

/* A reader with a small buffer sees one text; starting anew makes a new one. */
static void test_one_text_for_one_reader(void **state)
{
    struct little_world *w = *state;
    struct file *f = open_as(&w->fixture->at, "/proc/version", O_RDWR, 0);
    char text[32] = "";
    for (int i = 0; i < 13; i++)
        assert_int_equal(read_at(f, text + i, 1, (uint64_t)i), 1);
    assert_string_equal(text, "version 1 of ");
    assert_int_equal(read_at(f, text, 9, 0), 9);
    assert_memory_equal(text, "version 2", 9);
    assert_int_equal(put_text(f, "stored"), 6);
    assert_string_equal(w->stored, "stored");
    file_put(f);
}

static void test_magic_links(void **state)
{
    struct little_world *w = *state;
    const struct place *at = &w->fixture->at;
    char buf[64];
    assert_string_equal(text_of(at, "/proc/self/cwd/file"), "at home");
    assert_int_equal(vfs_readlink(at, "/proc/self/cwd", 0, buf, sizeof buf), 5);
    assert_memory_equal(buf, "/home", 5);
    assert_int_equal(vfs_readlink(at, "/proc/self/fd0", 0, buf, sizeof buf), 20);
    assert_memory_equal(buf, "anon_inode:[eventfd]", 20);
    assert_int_equal(stat_of(at, "/proc/self/fd0", 0).stx_ino, w->open->id);
    assert_int_equal(stat_error(at, "/proc/self/fd0/x"), -ENOTDIR);
    struct file *f = NULL;
    assert_int_equal(vfs_open(at, "/proc/self/cwd", O_RDONLY, 0, 2 /* RESOLVE_NO_MAGICLINKS */, &f), -ELOOP);
}

static void test_policy_over_synthetic(void **state)
{
    struct little_world *w = *state;
    const struct place *at = &w->fixture->at;
    char why[64];
    assert_int_equal(vfs_put_file(w->fixture->vfs, "/proc/version", "given", 5, 0444, 0, 0), 0);
    assert_int_equal(vfs_put_file(w->fixture->vfs, "/proc/more", "more", 4, 0444, 0, 0), 0);
    assert_int_equal(vfs_put_absent(w->fixture->vfs, "/proc/secret"), 0);
    assert_int_equal(vfs_mount_memory(w->fixture->vfs, "/proc/7/mount", 0755, 0, 0, 0, why, sizeof why), 0);
    assert_string_equal(text_of(at, "/proc/version"), "given");
    assert_int_equal(stat_error(at, "/proc/secret"), -ENOENT);
    assert_string_equal(list_of(at, "/proc"), "self version 1 7 more ");
    assert_string_equal(list_of(at, "/proc/self"), "status fd0 cwd mount ");
}

/* ---- descriptors ---- */

static void test_descriptors(void **state)
{
    struct little_world *w = *state;
    struct vfs *v = w->fixture->vfs;
    struct fdtable *t = fdtable_new(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(fdtable_install(t, eventfd_new(v, 0, 0), 0, i % 2), i);
    struct file *extra = eventfd_new(v, 0, 0);
    assert_int_equal(fdtable_install(t, extra, 0, false), -EMFILE);
    assert_int_equal(fdtable_install(t, extra, 100, false), -EINVAL);
    assert_int_equal(fdtable_install(t, extra, -1, false), -EINVAL);
    assert_int_equal(fdtable_replace(t, 100, extra, false), -EBADF);
    assert_int_equal(fdtable_replace(t, -1, extra, false), -EBADF);
    assert_int_equal(fdtable_close(t, 70, t), 0);
    assert_int_equal(fdtable_close(t, 70, t), -EBADF);
    assert_int_equal(fdtable_close(t, 3, t), 0);
    assert_int_equal(fdtable_install(t, extra, 5, true), 70); /* F_DUPFD: the lowest free one from there on */
    file_get(extra);
    assert_int_equal(fdtable_install(t, extra, 0, false), 3);
    assert_int_equal(extra->references, 2);

    struct fdtable *copy = fdtable_copy(t);
    assert_int_equal(extra->references, 4);
    fdtable_close_on_exec(copy, copy);
    assert_int_equal(fdtable_count(copy), 50);
    assert_null(fdtable_file(copy, 70));
    assert_non_null(fdtable_file(copy, 3));
    assert_int_equal(fdtable_close_range(copy, 10, UINT32_MAX, false, copy), 0);
    assert_int_equal(fdtable_next(copy, 9), -1);
    assert_int_equal(fdtable_close_range(copy, 5, 4, false, copy), -EINVAL);
    assert_int_equal(fdtable_close_range(copy, 0, 2, true, copy), 0);
    assert_true(fdtable_cloexec(copy, 0));
    fdtable_set_limit(copy, 2);
    assert_non_null(fdtable_file(copy, 3)); /* what is above a lowered limit stays */
    fdtable_put(copy);
    assert_int_equal(extra->references, 2);
    fdtable_get(t);
    fdtable_put(t);
    assert_int_equal(fdtable_count(t), 100);
    fdtable_put(t);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_entries),     CASE(test_one_text_for_one_reader),
        CASE(test_magic_links), CASE(test_policy_over_synthetic),
        CASE(test_descriptors),
    };
    return cmocka_run_group_tests_name("vfs: synthetic filesystems, descriptors", tests, NULL, NULL);
}
