// rooms: vfs
/* Archives as mounts, what a run changed, and the export of it. */
#include "vfs_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>
#include <time.h>

static int setup(void **state)
{
    struct world_fixture *w = fixture_new(16 << 20, 0);
    fixture_host_directory(w);
    *state = w;
    return 0;
}

/* ---- writing archives as an attacker would -------------------------------------------------------------------- */

struct entry {
    const char *path;
    uint32_t mode;
    const char *text; /* content, or a symlink's target */
    const char *hardlink;
    int64_t size; /* what the header says, when it is not the text's length */
};

#define FILE_ENTRY(where, bits, content)                                                                               \
    {                                                                                                                  \
        .path = where, .mode = S_IFREG | (bits), .text = content                                                       \
    }
#define LINK_ENTRY(where, to)                                                                                          \
    {                                                                                                                  \
        .path = where, .mode = S_IFLNK | 0777, .text = to                                                              \
    }
#define HARD_ENTRY(where, to)                                                                                          \
    {                                                                                                                  \
        .path = where, .mode = S_IFREG | 0640, .hardlink = to                                                          \
    }
#define HOLE_ENTRY(where, bytes)                                                                                       \
    {                                                                                                                  \
        .path = where, .mode = S_IFREG | 0644, .text = "x", .size = bytes                                              \
    }

static const char *make_archive(struct world_fixture *w, const char *name, const struct entry *entries, size_t n)
{
    const char *path = host_path(w, name);
    struct archive *a = archive_write_new();
    if (strstr(name, ".zip"))
        archive_write_set_format_zip(a);
    else if (strstr(name, ".cpio"))
        archive_write_set_format_cpio_newc(a);
    else
        archive_write_set_format_pax_restricted(a);
    if (strstr(name, ".zst"))
        archive_write_add_filter_zstd(a);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        const struct entry *s = &entries[i];
        size_t length = s->text && S_ISREG(s->mode) ? strlen(s->text) : 0;
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, s->path);
        archive_entry_set_mode(e, s->mode);
        archive_entry_set_uid(e, 7);
        archive_entry_set_gid(e, 8);
        archive_entry_set_mtime(e, 1600000000, 5);
        archive_entry_set_size(e, s->size ? s->size : (la_int64_t)length);
        if (S_ISLNK(s->mode))
            archive_entry_set_symlink(e, s->text);
        archive_entry_set_ino(e, s->hardlink ? 2 : (la_int64_t)i + 1); /* cpio tells hard links by number */
        archive_entry_set_nlink(e, i == 1 || s->hardlink ? 2 : 1);
        if (s->hardlink)
            archive_entry_set_hardlink(e, s->hardlink);
        if (s->size)
            archive_entry_sparse_add_entry(e, 0, (la_int64_t)length);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        if (length)
            assert_int_equal(archive_write_data(a, s->text, length), length);
        archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
    return path;
}

static void mount_one(struct world_fixture *w, const char *at, const char *archive, enum mount_mode mode)
{
    char why[512] = "";
    int error = vfs_mount_tar(w->vfs, at, archive, mode, why, sizeof why);
    if (error)
        print_error("%s\n", why);
    assert_int_equal(error, 0);
}

static const struct entry ordinary[] = {
    {.path = "./", .mode = S_IFDIR | 0755},   FILE_ENTRY("dir/deep/file", 0640, "content"),
    {.path = "dir/", .mode = S_IFDIR | 0700}, LINK_ENTRY("link", "dir/deep/file"),
    HARD_ENTRY("second", "dir/deep/file"),    {.path = "fifo", .mode = S_IFIFO | 0600},
    FILE_ENTRY("/absolute", 0644, "below"),   FILE_ENTRY("twice", 0644, "first"),
    FILE_ENTRY("twice", 0644, "last"),        FILE_ENTRY("empty", 04755, NULL),
};

static void test_formats(void **state)
{
    struct world_fixture *w = *state;
    static const char *const names[] = {"a.tar", "a.tar.zst", "a.cpio"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mount_one(w, "/t", make_archive(w, names[i], ordinary, sizeof ordinary / sizeof *ordinary), MOUNT_READ_ONLY);
        assert_string_equal(text_of(&w->at, "/t/link"), "content");
        assert_string_equal(text_of(&w->at, "/t/second"), "content");
        assert_string_equal(text_of(&w->at, "/t/twice"), "last");
        assert_string_equal(text_of(&w->at, "/t/absolute"), "below");
        struct statx s = stat_of(&w->at, "/t/second", 0);
        assert_int_equal(s.stx_nlink, 2);
        assert_int_equal(s.stx_uid, 7);
        assert_int_equal(s.stx_gid, 8);
        assert_int_equal(s.stx_mode, S_IFREG | 0640);
        assert_int_equal(s.stx_mtime.tv_sec, 1600000000);
        assert_int_equal(stat_of(&w->at, "/t/dir", 0).stx_mode, S_IFDIR | 0700);
        assert_int_equal(stat_of(&w->at, "/t/empty", 0).stx_mode, S_IFREG | 04755);
        assert_true(S_ISFIFO(stat_of(&w->at, "/t/fifo", 0).stx_mode));
        assert_int_equal(open_error(&w->at, "/t/twice", O_RDWR), -EROFS);
        assert_int_equal(vfs_unlink(&w->at, "/t/twice"), -EROFS);
    }
    static const struct entry zipped[] = {FILE_ENTRY("z/a.txt", 0644, "zipped")};
    mount_one(w, "/z", make_archive(w, "a.zip", zipped, 1), MOUNT_READ_ONLY);
    assert_string_equal(text_of(&w->at, "/z/z/a.txt"), "zipped");
}

static void test_mapped_and_copied_on_write(void **state)
{
    struct world_fixture *w = *state;
    mount_one(w, "/t", make_archive(w, "a.tar", ordinary, sizeof ordinary / sizeof *ordinary), MOUNT_COPY_ON_WRITE);
    struct file *f = open_as(&w->at, "/t/twice", O_RDWR, 0);
    struct file_mapping m;
    assert_int_equal(file_map(f, 0, 4096, false, &m), 0);
    assert_int_equal(m.offset % 4096, 0);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, m.fd, (off_t)m.offset);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_memory_equal(map, "last\0\0\0", 8);
    munmap(map, 4096);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, (off_t)m.offset),
                     MAP_FAILED); /* sealed */
    assert_int_equal(write_at(f, "LA", 2, 0), 2);
    file_put(f);
    assert_string_equal(text_of(&w->at, "/t/twice"), "LAst");
    make_file(&w->at, "/t/second", "both");
    assert_string_equal(text_of(&w->at, "/t/dir/deep/file"), "both");
}

static void test_hostile_archives(void **state)
{
    struct world_fixture *w = *state;
    static const struct hostile {
        struct entry entries[2];
        const char *word; /* of `why` */
    } cases[] = {
        {{FILE_ENTRY("a", 0644, "x"), FILE_ENTRY("a/../../etc/passwd", 0644, "x")}, "a/../../etc/passwd"},
        {{LINK_ENTRY("link", "/etc"), FILE_ENTRY("link/passwd", 0644, "x")}, "link/passwd"},
        {{FILE_ENTRY("file", 0644, "x"), FILE_ENTRY("file/below", 0644, "x")}, "file/below"},
        {{FILE_ENTRY("a", 0644, "x"), HARD_ENTRY("hard", "/etc/passwd")}, "hard"},
        {{FILE_ENTRY("a", 0644, "x"), HOLE_ENTRY("huge", 1ll << 60)}, "huge"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[512] = "";
        const char *archive = make_archive(w, "bad.tar", cases[i].entries, 2);
        assert_true(vfs_mount_tar(w->vfs, "/bad", archive, MOUNT_READ_ONLY, why, sizeof why) < 0);
        if (!strstr(why, cases[i].word) || !strstr(why, "bad.tar"))
            fail_msg("case %zu: why is: %s", i, why);
        assert_int_equal(stat_error(&w->at, "/bad"), -ENOENT);
    }
    /* Directories that only paths name are names too: 520 entries, a million of them. */
    static char paths[520][4002];
    static struct entry deep[520];
    for (size_t i = 0; i < 520; i++) {
        int n = snprintf(paths[i], sizeof paths[i], "%zu", 100 + i);
        memset(paths[i] + n, 'a', sizeof paths[i] - (size_t)n - 1);
        for (size_t at = (size_t)n; at < sizeof paths[i] - 1; at += 2)
            paths[i][at] = '/';
        deep[i] = (struct entry)FILE_ENTRY(paths[i], 0644, "x");
        deep[i].mode = S_IFDIR | 0755;
    }
    char why[512] = "";
    const char *many = make_archive(w, "deep.tar.zst", deep, 520);
    assert_true(vfs_mount_tar(w->vfs, "/bad", many, MOUNT_READ_ONLY, why, sizeof why) == -EFBIG);
    assert_non_null(strstr(why, "a million names"));
    host_put(w, "list.mtree", "#mtree\n./shadow type=file contents=/etc/passwd\n");
    assert_true(vfs_mount_tar(w->vfs, "/bad", host_path(w, "list.mtree"), MOUNT_READ_ONLY, why, sizeof why) < 0);
    host_put(w, "noise", "this is no archive at all");
    assert_true(vfs_mount_tar(w->vfs, "/bad", host_path(w, "noise"), MOUNT_READ_ONLY, why, sizeof why) < 0);
    /* A large hole within bounds costs nothing. */
    static const struct entry hole[] = {HOLE_ENTRY("hole", 1ll << 38)};
    mount_one(w, "/hole", make_archive(w, "hole.tar", hole, 1), MOUNT_READ_ONLY);
    assert_true(stat_of(&w->at, "/hole/hole", 0).stx_size == 1ull << 38);
    char byte = 1;
    struct file *f = open_as(&w->at, "/hole/hole", O_RDONLY, 0);
    assert_int_equal(read_at(f, &byte, 1, (1ull << 38) - 1), 1);
    assert_int_equal(byte, 0);
    file_put(f);
}

/* ---- changes -------------------------------------------------------------------------------------------------- */

static int note(void *context, enum change_kind kind, const char *path, const struct statx *st)
{
    static const char letters[] = {
        [CHANGE_CREATED] = '+', [CHANGE_MODIFIED] = '~', [CHANGE_DELETED] = '-', [CHANGE_READ] = 'r'};
    char *text = context;
    assert_true((st == NULL) == (kind == CHANGE_DELETED));
    sprintf(text + strlen(text), "%c%s ", letters[kind], path);
    return 0;
}

static const char *changes(struct world_fixture *w)
{
    static char text[8192];
    *text = 0;
    assert_int_equal(vfs_each_change(w->vfs, note, text), 0);
    return text;
}

static void mount_host_tree(struct world_fixture *w)
{
    char why[256];
    assert_int_equal(mkdir(host_path(w, "tree"), 0755), 0);
    assert_int_equal(mkdir(host_path(w, "tree/d"), 0755), 0);
    assert_int_equal(mkdir(host_path(w, "tree/d/e"), 0755), 0);
    host_put(w, "tree/a", "a");
    host_put(w, "tree/b", "b");
    host_put(w, "tree/c", "c");
    host_put(w, "tree/d/e/f", "f");
    assert_int_equal(vfs_mount_host(w->vfs, "/box", host_path(w, "tree"), MOUNT_COPY_ON_WRITE, why, sizeof why), 0);
}

static void test_changes(void **state)
{
    struct world_fixture *w = *state;
    mount_host_tree(w);
    assert_int_equal(vfs_put_file(w->vfs, "/etc/given", "x", 1, 0644, 0, 0), 0);
    assert_string_equal(changes(w), "");
    assert_int_equal(stat_error(&w->at, "/box/a"), 0);
    list_of(&w->at, "/box/d");
    assert_string_equal(changes(w), ""); /* looking is nothing */

    assert_string_equal(text_of(&w->at, "/box/a"), "a");
    make_file(&w->at, "/box/new", "n");
    assert_int_equal(vfs_chmod(&w->at, "/box/b", 0, 0600), 0);
    assert_int_equal(vfs_unlink(&w->at, "/box/c"), 0);
    make_file(&w->at, "/box/gone", "g");
    assert_int_equal(vfs_unlink(&w->at, "/box/gone"), 0);
    assert_string_equal(changes(w), "r/box/a ~/box/b -/box/c +/box/new ");

    assert_int_equal(vfs_rename(&w->at, "/box/d", &w->at, "/box/moved", 0), 0);
    assert_string_equal(changes(w),
                        "r/box/a ~/box/b -/box/c -/box/d +/box/moved +/box/moved/e +/box/moved/e/f +/box/new ");
    assert_int_equal(vfs_rename(&w->at, "/box/new", &w->at, "/box/a", 0), 0); /* a file saved by renaming */
    assert_int_equal(vfs_mkdir(&w->at, "/box/c", 0755), 0);                   /* a file that became a directory */
    assert_int_equal(vfs_unlink(&w->at, "/etc/given"), 0);
    assert_string_equal(changes(w), "~/box/a ~/box/b -/box/c +/box/c -/box/d +/box/moved +/box/moved/e "
                                    "+/box/moved/e/f -/etc/given ");
}

/* ---- export --------------------------------------------------------------------------------------------------- */

static void change_things(struct world_fixture *w)
{
    mount_host_tree(w);
    assert_int_equal(vfs_unlink(&w->at, "/box/c"), 0);
    make_file(&w->at, "/box/a", "changed");
    assert_int_equal(vfs_mkdir(&w->at, "/out", 0755), 0);
    make_file(&w->at, "/out/suid", "s");
    assert_int_equal(vfs_chmod(&w->at, "/out/suid", 0, 04751), 0);
    assert_int_equal(vfs_link(&w->at, "/out/suid", 0, &w->at, "/out/twin"), 0);
    assert_int_equal(vfs_symlink(&w->at, "/etc", "/out/escape"), 0);
    struct file *f = open_as(&w->at, "/out/sparse", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write_at(f, "end", 3, 1 << 20), 3);
    file_put(f);
    struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 1}, {.tv_sec = 2000, .tv_nsec = 2}};
    assert_int_equal(vfs_chmod(&w->at, "/out", 0, 0555), 0);
    assert_int_equal(vfs_utimens(&w->at, "/out", 0, times), 0);
    assert_int_equal(vfs_utimens(&w->at, "/out/sparse", 0, times), 0);
}

static void test_export_to_a_directory(void **state)
{
    struct world_fixture *w = *state;
    struct stat st, twin;
    char why[512] = "", text[64] = "";
    change_things(w);
    char to[256];
    snprintf(to, sizeof to, "%s", host_path(w, "export"));
    for (int again = 0; again < 2; again++) { /* the second one finds the first */
        int error = vfs_export(w->vfs, to, NULL, why, sizeof why);
        if (error)
            print_error("%s\n", why);
        assert_int_equal(error, 0);
        assert_int_equal(lstat(host_path(w, "export/out"), &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0555);
        assert_int_equal(st.st_mtim.tv_sec, 2000);
        assert_int_equal(lstat(host_path(w, "export/out/sparse"), &st), 0);
        assert_int_equal(st.st_mtim.tv_nsec, 2);
        assert_int_equal(st.st_size, (1 << 20) + 3);
        assert_true(st.st_blocks * 512 < 1 << 20);
        assert_int_equal(lstat(host_path(w, "export/out/suid"), &st), 0);
        assert_int_equal(lstat(host_path(w, "export/out/twin"), &twin), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0751); /* not setuid on the host */
        assert_int_equal(st.st_ino, twin.st_ino);
        assert_int_equal(readlink(host_path(w, "export/out/escape"), text, sizeof text), 4);
        assert_int_equal(access(host_path(w, "export/box/b"), F_OK), -1);
        if (geteuid() != 0)
            break; /* a directory without write permission stops an ordinary user's second export */
    }
    FILE *list = fopen(host_path(w, "export/.deleted"), "r");
    assert_non_null(list);
    assert_non_null(fgets(text, sizeof text, list));
    assert_string_equal(text, "box/c\n");
    assert_null(fgets(text, sizeof text, list));
    fclose(list);
}

/* What an earlier run left there as a symlink is not gone through. */
static void test_export_follows_nothing(void **state)
{
    struct world_fixture *w = *state;
    char why[512] = "", to[256];
    snprintf(to, sizeof to, "%s", host_path(w, "export"));
    assert_int_equal(mkdir(to, 0755), 0);
    assert_int_equal(mkdir(host_path(w, "victim"), 0755), 0);
    assert_int_equal(symlink("../victim", host_path(w, "export/out")), 0);
    assert_int_equal(vfs_mkdir(&w->at, "/out", 0755), 0);
    make_file(&w->at, "/out/file", "x");
    assert_true(vfs_export(w->vfs, to, NULL, why, sizeof why) < 0);
    assert_non_null(strstr(why, "out"));
    assert_int_equal(access(host_path(w, "victim/file"), F_OK), -1);
}

/* Far deeper than a path can be long: what has a whole path is there, and it costs no more than it holds. */
static void test_export_of_a_deep_tree(void **state)
{
    enum { DEPTH = 3000, NAMED = 2047, SIDES = 100, SIDE = 80 };
    struct world_fixture *w = *state;
    struct place p = w->at;
    char why[512] = "";
    struct dentry *d;
    dentry_get(p.start);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(vfs_mkdir(&p, "m", 0755), 0);
        if (i % SIDES == 0) { /* beside it, further down than the exporter goes back up at once */
            char side[2 * SIDE + 2] = "";
            for (int k = 0; k < SIDE; k++) {
                strcat(side, k == 0 ? "b" : "/b");
                assert_int_equal(vfs_mkdir(&p, side, 0711), 0);
            }
            make_file(&p, "z", "beside");
        }
        assert_int_equal(vfs_walk(&p, "m", 0, &d), 0);
        dentry_put(p.start);
        p.start = d;
    }
    dentry_put(p.start);
    assert_int_equal(vfs_export(w->vfs, host_path(w, "out"), NULL, why, sizeof why), 0);
    int fd = open(host_path(w, "out"), O_PATH | O_DIRECTORY), depth = 0;
    for (int below; (below = openat(fd, "m", O_PATH | O_DIRECTORY)) >= 0; fd = below, depth++) {
        struct stat st;
        if (depth % SIDES == 0 && depth < NAMED - 2 * SIDE) {
            assert_int_equal(fstatat(fd, "z", &st, 0), 0);
            assert_int_equal(st.st_size, 6);
            assert_int_equal(fstatat(fd, "b/b/b/b/b/b/b/b", &st, 0), 0);
            assert_int_equal(st.st_mode & 0777, 0711);
        }
        close(fd);
    }
    close(fd);
    assert_int_equal(depth, NAMED);
}

static void test_export_to_an_archive(void **state)
{
    struct world_fixture *w = *state;
    char why[512] = "", to[256], expected[1024] = "";
    change_things(w);
    snprintf(to, sizeof to, "%s", host_path(w, "export.tar.zst"));
    assert_int_equal(vfs_export(w->vfs, to, NULL, why, sizeof why), 0);
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    archive_read_support_filter_all(a);
    archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_filename(a, to, 10240), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        strcat(expected, archive_entry_pathname(e));
        strcat(expected, " ");
        if (!strcmp(archive_entry_pathname(e), "out/suid"))
            assert_int_equal(archive_entry_mode(e), S_IFREG | 04751);
        if (!strcmp(archive_entry_pathname(e), "out/twin"))
            assert_string_equal(archive_entry_hardlink(e), "out/suid");
        if (!strcmp(archive_entry_pathname(e), "out/sparse"))
            assert_int_equal(archive_entry_size(e), (1 << 20) + 3);
    }
    archive_read_free(a);
    assert_string_equal(expected, "box/a out/ out/escape out/sparse out/suid out/twin .deleted ");
    /* What was exported can be mounted. */
    mount_one(w, "/back", to, MOUNT_READ_ONLY);
    assert_string_equal(text_of(&w->at, "/back/box/a"), "changed");
    assert_string_equal(text_of(&w->at, "/back/.deleted"), "box/c\n");
    struct file *f = open_as(&w->at, "/back/out/sparse", O_RDONLY, 0);
    char end[4] = "";
    assert_int_equal(read_at(f, end, 3, 1 << 20), 3);
    assert_string_equal(end, "end");
    file_put(f);
}

static void test_the_list_gives_way(void **state)
{
    struct world_fixture *w = *state;
    char why[512], to[256];
    assert_int_equal(vfs_put_file(w->vfs, "/line\nbreak\\", "x", 1, 0644, 0, 0), 0);
    assert_int_equal(vfs_unlink(&w->at, "/line\nbreak\\"), 0);
    make_file(&w->at, "/.deleted", "the guest's own");
    snprintf(to, sizeof to, "%s", host_path(w, "e.tar"));
    assert_int_equal(vfs_export(w->vfs, to, NULL, why, sizeof why), 0);
    mount_one(w, "/back", to, MOUNT_READ_ONLY);
    assert_string_equal(text_of(&w->at, "/back/.deleted"), "the guest's own");
    assert_string_equal(text_of(&w->at, "/back/.deleted~"), "line\\nbreak\\\\\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_formats),
        CASE(test_mapped_and_copied_on_write),
        CASE(test_hostile_archives),
        CASE(test_changes),
        CASE(test_export_to_a_directory),
        CASE(test_export_follows_nothing),
        CASE(test_export_of_a_deep_tree),
        CASE(test_export_to_an_archive),
        CASE(test_the_list_gives_way),
    };
    return cmocka_run_group_tests_name("vfs: archives and exports", tests, NULL, NULL);
}
