// rooms: vfs
/* Paths, permissions and names: path_resolution(7), openat2(2), credentials(7), inode(7), getdents64(2). */
#include "vfs_fixture.h"

#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/xattr.h>

static int setup(void **state)
{
    struct world_fixture *w = fixture_new(0, 0);
    assert_int_equal(vfs_put_file(w->vfs, "/d/e/file", "text", 4, 0644, 0, 0), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/d/to_e", "e"), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/d/absolute", "/d/e/file"), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/d/up", ".."), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/d/dangling", "nothing"), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/d/loop", "loop"), 0);
    assert_int_equal(vfs_put_dir(w->vfs, "/home", 0755, 1000, 1000), 0);
    assert_int_equal(vfs_put_dir(w->vfs, "/tmp", 01777, 0, 0), 0);
    *state = w;
    return 0;
}

/* ---- walking -------------------------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    struct world_fixture *w = *state;
    static char long_name[300], long_path[5000];
    memset(long_name, 'n', 256);
    for (size_t i = 0; i + 3 < 4200; i += 2)
        memcpy(long_path + i, "./", 2);
    static const struct {
        const char *path;
        int error;
        unsigned flags;
    } cases[] = {
        {"/", 0, 0},
        {"//d///e//file", 0, 0},
        {"/d/e/file/", -ENOTDIR, 0},
        {"/d/e/file/.", -ENOTDIR, 0},
        {"/d/e/", 0, 0},
        {"/d/to_e/file", 0, 0},
        {"/d/to_e/", 0, WALK_NOFOLLOW}, /* the slash follows all the same */
        {"/d/absolute/", -ENOTDIR, 0},
        {"/d/up/d/up/d/e/../../d/absolute", 0, 0},
        {"/../../d", 0, 0},
        {"", -ENOENT, 0},
        {"", 0, WALK_EMPTY_PATH},
        {"/none/..", -ENOENT, 0},
        {"/d/dangling", -ENOENT, 0},
        {"/d/dangling", 0, WALK_NOFOLLOW},
        {"/d/loop", -ELOOP, 0},
        {"/d/loop/x", -ELOOP, WALK_NOFOLLOW},
        {"/d/e/file", -ENOTDIR, WALK_DIRECTORY},
        {long_name, -ENAMETOOLONG, 0},
        {long_path, -ENAMETOOLONG, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dentry *d = NULL;
        int error = vfs_walk(&w->at, cases[i].path, cases[i].flags, &d);
        if (error != cases[i].error)
            fail_msg("\"%.40s\": %d, not %d", cases[i].path, error, cases[i].error);
        if (!error)
            dentry_put(d);
    }
}

/* path_resolution(7): 40 symlinks and no more. */
static void test_forty_links(void **state)
{
    struct world_fixture *w = *state;
    char name[16], target[16];
    make_file(&w->at, "/l0", "end");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "/l%d", i);
        snprintf(target, sizeof target, "l%d", i - 1);
        assert_int_equal(vfs_symlink(&w->at, target, name), 0);
    }
    assert_string_equal(text_of(&w->at, "/l40"), "end");
    assert_int_equal(stat_error(&w->at, "/l41"), -ELOOP);
}

static void test_resolve_flags(void **state)
{
    struct world_fixture *w = *state;
    struct dentry *d;
    char why[64];
    assert_int_equal(vfs_mount_memory(w->vfs, "/d/mount", 0755, 0, 0, 0, why, sizeof why), 0);
    assert_int_equal(vfs_walk(&w->at, "/d", 0, &d), 0);
    struct place in_d = w->at;
    in_d.start = d;
    static const struct {
        const char *path;
        uint64_t resolve;
        int error;
    } cases[] = {
        {"e/file", RESOLVE_BENEATH, 0},
        {"to_e/file", RESOLVE_BENEATH, 0},
        {"e/../e/file", RESOLVE_BENEATH, 0},
        {"../d/e/file", RESOLVE_BENEATH, -EXDEV},
        {"/d/e/file", RESOLVE_BENEATH, -EXDEV},
        {"absolute", RESOLVE_BENEATH, -EXDEV},
        {"up", RESOLVE_BENEATH, -EXDEV},
        {"/e/file", RESOLVE_IN_ROOT, 0},
        {"../../e/file", RESOLVE_IN_ROOT, 0},
        {"absolute", RESOLVE_IN_ROOT, -ENOENT}, /* it is /d/e/file below /d now */
        {"to_e/file", RESOLVE_NO_SYMLINKS, -ELOOP},
        {"e/file", RESOLVE_NO_SYMLINKS, 0},
        {"mount", RESOLVE_NO_XDEV, -EXDEV},
        {"mount/..", 0, 0},
        {"e", RESOLVE_BENEATH | RESOLVE_IN_ROOT, -EINVAL},
        {"e", 0x1000, -EINVAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file *f = NULL;
        int error = vfs_open(&in_d, cases[i].path, O_RDONLY, 0, cases[i].resolve, &f);
        if (error != cases[i].error)
            fail_msg("%s %lx: %d, not %d", cases[i].path, (long)cases[i].resolve, error, cases[i].error);
        if (!error)
            file_put(f);
    }
    dentry_put(d);
}

static void test_chroot(void **state)
{
    struct world_fixture *w = *state;
    struct dentry *d, *outside;
    char buf[64];
    assert_int_equal(vfs_walk(&w->at, "/d", 0, &d), 0);
    struct place jail = w->at;
    jail.root = jail.start = d;
    assert_string_equal(text_of(&jail, "/../../e/file"), "text");
    assert_int_equal(stat_error(&jail, "/home"), -ENOENT);
    assert_int_equal(stat_error(&jail, "/up/home"), -ENOENT);
    assert_int_equal(vfs_walk(&w->at, "/home", 0, &outside), 0);
    assert_int_equal(dentry_path(d, d, buf, sizeof buf), 1);
    assert_string_equal(buf, "/");
    assert_true(dentry_path(outside, d, buf, sizeof buf) > 0);
    assert_string_equal(buf, "(unreachable)/home");
    dentry_put(outside);
    dentry_put(d);
}

static void test_names_of_dentries(void **state)
{
    struct world_fixture *w = *state;
    char buf[64], tiny[8];
    struct file *f = open_as(&w->at, "/d/e/file", O_RDONLY, 0);
    assert_int_equal(file_name(f, w->at.root, buf, sizeof buf), 9);
    assert_string_equal(buf, "/d/e/file");
    assert_int_equal(file_name(f, w->at.root, tiny, sizeof tiny), -ERANGE);
    assert_int_equal(vfs_rename(&w->at, "/d", &w->at, "/home/other", 0), 0);
    file_name(f, w->at.root, buf, sizeof buf);
    assert_string_equal(buf, "/home/other/e/file");
    assert_int_equal(vfs_unlink(&w->at, "/home/other/e/file"), 0);
    file_name(f, w->at.root, buf, sizeof buf);
    assert_string_equal(buf, "/home/other/e/file (deleted)");
    assert_int_equal(read_at(f, buf, sizeof buf, 0), 4); /* unlinked but open */
    file_put(f);
}

/* A guest that goes ever deeper must not run the supervisor out of stack. */
static void test_depth(void **state)
{
    struct world_fixture *w = *state;
    struct dentry *here, *next;
    struct place at = w->at;
    assert_int_equal(vfs_walk(&at, "/home", 0, &here), 0);
    for (int i = 0; i < 50000; i++) {
        at.start = here;
        assert_int_equal(vfs_mkdir(&at, "x", 0755), 0);
        assert_int_equal(vfs_walk(&at, "x", 0, &next), 0);
        dentry_put(here);
        here = next;
    }
    char buf[4096];
    assert_int_equal(dentry_path(here, w->at.root, buf, sizeof buf), -ERANGE);
    assert_int_equal(vfs_rename(&w->at, "/home/x", &at, "x/y", 0), -EINVAL); /* into its own depth */
    dentry_put(here);
}

/* ---- permissions ---------------------------------------------------------------------------------------------- */

static void test_permissions(void **state)
{
    struct world_fixture *w = *state;
    const struct place *guest = &w->as_guest;
    assert_int_equal(open_error(guest, "/d/new", O_WRONLY | O_CREAT), -EACCES);
    assert_int_equal(open_error(guest, "/d/e/file", O_WRONLY), -EACCES);
    assert_int_equal(open_error(guest, "/d/e/file", O_RDONLY), 0);
    assert_int_equal(open_error(guest, "/d/e/file", O_RDONLY | O_TRUNC), -EACCES);
    assert_int_equal(vfs_access(guest, "/d/e/file", W_OK, 0), -EACCES);
    assert_int_equal(vfs_access(&w->at, "/d/e/file", X_OK, 0), -EACCES); /* not even the superuser */
    assert_int_equal(vfs_chmod(guest, "/d/e/file", 0, 0777), -EPERM);
    assert_int_equal(vfs_utimens(guest, "/d/e/file", 0, NULL), -EACCES);
    assert_int_equal(vfs_chmod(&w->at, "/d", 0, 0600), 0);
    assert_int_equal(stat_error(guest, "/d/e/file"), -EACCES); /* search */
    assert_int_equal(vfs_chmod(&w->at, "/d", 0, 0711), 0);
    assert_int_equal(open_error(guest, "/d", O_RDONLY), -EACCES); /* reading it */
    assert_int_equal(open_error(guest, "/d", O_PATH), 0);
    assert_int_equal(stat_error(guest, "/d/e/file"), 0);
    /* The owner's bits bind the owner, although others may. */
    make_file(guest, "/home/mine", "x");
    assert_int_equal(vfs_chmod(guest, "/home/mine", 0, 0077), 0);
    assert_int_equal(open_error(guest, "/home/mine", O_RDONLY), -EACCES);
    assert_int_equal(open_error(guest, "/home/mine", O_RDONLY | O_NOATIME), -EACCES);
    assert_int_equal(open_error(guest, "/d/e/file", O_RDONLY | O_NOATIME), -EPERM);
    /* Groups. */
    assert_int_equal(vfs_chown(&w->at, "/d/e/file", 0, 0, 50), 0);
    assert_int_equal(vfs_chmod(&w->at, "/d/e/file", 0, 0660), 0);
    assert_int_equal(open_error(guest, "/d/e/file", O_RDWR), -EACCES);
    w->guest.groups[w->guest.ngroups++] = 50;
    assert_int_equal(open_error(guest, "/d/e/file", O_RDWR), 0);
}

static void test_sticky(void **state)
{
    struct world_fixture *w = *state;
    make_file(&w->at, "/tmp/roots", "x");
    make_file(&w->as_guest, "/tmp/mine", "x");
    assert_int_equal(vfs_unlink(&w->as_guest, "/tmp/roots"), -EPERM);
    assert_int_equal(vfs_rename(&w->as_guest, "/tmp/mine", &w->as_guest, "/tmp/roots", 0), -EPERM);
    assert_int_equal(vfs_rename(&w->as_guest, "/tmp/roots", &w->as_guest, "/home/x", 0), -EPERM);
    assert_int_equal(vfs_unlink(&w->as_guest, "/tmp/mine"), 0);
}

static void test_setid_bits(void **state)
{
    struct world_fixture *w = *state;
    const struct place *guest = &w->as_guest;
    /* A setgid directory gives its group on, and its bit to directories. */
    assert_int_equal(vfs_mkdir(&w->at, "/shared", 0777), 0);
    assert_int_equal(vfs_chown(&w->at, "/shared", 0, 0, 77), 0);
    assert_int_equal(vfs_chmod(&w->at, "/shared", 0, 02777), 0);
    make_file(guest, "/shared/f", "x");
    assert_int_equal(vfs_mkdir(guest, "/shared/sub", 0755), 0);
    assert_int_equal(stat_of(guest, "/shared/f", 0).stx_gid, 77);
    assert_int_equal(stat_of(guest, "/shared/sub", 0).stx_gid, 77);
    assert_int_equal(stat_of(guest, "/shared/sub", 0).stx_mode, S_IFDIR | 02755);
    /* Who is not in the group does not set its bit. */
    assert_int_equal(vfs_chmod(guest, "/shared/f", 0, 02755), 0);
    assert_int_equal(stat_of(guest, "/shared/f", 0).stx_mode, S_IFREG | 0755);
    /* Writing, truncating and giving away clear setuid. */
    make_file(guest, "/home/s", "x");
    assert_int_equal(vfs_chmod(guest, "/home/s", 0, 06755), 0);
    struct file *f = open_as(guest, "/home/s", O_WRONLY, 0);
    assert_int_equal(put_text(f, "y"), 1);
    file_put(f);
    assert_int_equal(stat_of(guest, "/home/s", 0).stx_mode, S_IFREG | 0755);
    assert_int_equal(vfs_chmod(guest, "/home/s", 0, 04755), 0);
    assert_int_equal(vfs_truncate(guest, "/home/s", 0, NULL), 0);
    assert_int_equal(stat_of(guest, "/home/s", 0).stx_mode, S_IFREG | 0755);
    assert_int_equal(vfs_chmod(guest, "/home/s", 0, 04755), 0);
    assert_int_equal(vfs_chown(&w->at, "/home/s", 0, 5, 5), 0);
    assert_int_equal(stat_of(guest, "/home/s", 0).stx_mode, S_IFREG | 0755);
    assert_int_equal(vfs_chown(guest, "/home/mine", 0, 0, 0), -ENOENT);
    make_file(guest, "/home/mine", "x");
    assert_int_equal(vfs_chown(guest, "/home/mine", 0, 0, (uint32_t)-1), -EPERM);
    assert_int_equal(vfs_chown(guest, "/home/mine", 0, (uint32_t)-1, 99), -EPERM);
    assert_int_equal(vfs_chown(guest, "/home/mine", 0, (uint32_t)-1, 1000), 0);
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static void test_open_flags(void **state)
{
    struct world_fixture *w = *state;
    char buf[64];
    assert_int_equal(open_error(&w->at, "/d/e/file", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
    assert_int_equal(open_error(&w->at, "/d/dangling", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
    assert_int_equal(open_error(&w->at, "/d/dangling", O_CREAT | O_WRONLY), 0); /* creates what it leads to */
    assert_int_equal(stat_error(&w->at, "/d/nothing"), 0);
    assert_int_equal(open_error(&w->at, "/d/absolute", O_RDONLY | O_NOFOLLOW), -ELOOP);
    assert_int_equal(open_error(&w->at, "/d/absolute", O_PATH | O_NOFOLLOW), 0);
    assert_int_equal(open_error(&w->at, "/d", O_WRONLY), -EISDIR);
    assert_int_equal(open_error(&w->at, "/d", O_RDONLY | O_CREAT), -EISDIR);
    assert_int_equal(open_error(&w->at, "/d/e/file", O_DIRECTORY), -ENOTDIR);
    assert_int_equal(open_error(&w->at, "/d", O_TMPFILE | O_RDONLY), -EINVAL);

    struct file *f = open_as(&w->at, "/d/e/file", O_PATH, 0);
    struct io io = io_over_buffer(buf, sizeof buf);
    assert_int_equal(file_read(f, &io, NULL), -EBADF);
    assert_int_equal(file_getdents(f, NULL), -EBADF);
    file_put(f);
    f = open_as(&w->at, "/d/e/file", O_WRONLY | O_APPEND, 0);
    assert_int_equal(write_at(f, "+", 1, 0), 1); /* pwrite(2), BUGS: appends */
    assert_int_equal(read_at(f, buf, 1, 0), -EBADF);
    file_put(f);
    assert_string_equal(text_of(&w->at, "/d/e/file"), "text+");
    /* A file without a name gets one. */
    f = open_as(&w->at, "/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_int_equal(put_text(f, "late"), 4);
    assert_string_equal(list_of(&w->at, "/tmp"), "");
    assert_int_equal(vfs_link_file(f, &w->at, "/tmp/named"), 0);
    assert_string_equal(text_of(&w->at, "/tmp/named"), "late");
    file_put(f);
    f = open_as(&w->at, "/tmp", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    assert_int_equal(vfs_link_file(f, &w->at, "/tmp/never"), -ENOENT);
    file_put(f);
}

/* ---- listing ---- */

static void test_listing_while_it_changes(void **state)
{
    struct world_fixture *w = *state;
    char path[32];
    struct names names = {.stop_after = 52}; /* with "." and ".." */
    struct dirent_sink sink = {.emit = names_emit, .context = &names};
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/home/%02d", i);
        make_file(&w->at, path, "");
    }
    struct file *f = open_as(&w->at, "/home", O_RDONLY, 0);
    assert_int_equal(file_getdents(f, &sink), 0);
    for (int i = 0; i < 100; i++) { /* every even one goes, also the one it stopped at */
        snprintf(path, sizeof path, "/home/%02d", i);
        if (i % 2 == 0)
            assert_int_equal(vfs_unlink(&w->at, path), 0);
    }
    make_file(&w->at, "/home/late", "");
    names = (struct names){0};
    int64_t middle = file_seek(f, 0, SEEK_CUR);
    assert_int_equal(file_getdents(f, &sink), 0);
    assert_int_equal(names.count, 26);
    assert_non_null(strstr(names.text, "51 53 55 "));
    assert_non_null(strstr(names.text, "99 late "));
    char first[2048];
    strcpy(first, names.text);
    names = (struct names){0};
    assert_true(file_seek(f, middle, SEEK_SET) == middle); /* seekdir(3) */
    assert_int_equal(file_getdents(f, &sink), 0);
    assert_string_equal(names.text, first);
    file_put(f);
    assert_int_equal(vfs_mkdir(&w->at, "/tmp/gone", 0755), 0);
    f = open_as(&w->at, "/tmp/gone", O_RDONLY, 0);
    assert_int_equal(vfs_rmdir(&w->at, "/tmp/gone"), 0);
    assert_int_equal(file_getdents(f, &sink), -ENOENT);
    file_put(f);
}

static void test_mounts_in_the_tree(void **state)
{
    struct world_fixture *w = *state;
    char why[128] = "";
    assert_int_equal(vfs_mount_memory(w->vfs, "/d/m/deep", 0755, 0, 0, 0, why, sizeof why), 0);
    assert_int_equal(vfs_rmdir(&w->at, "/d/m/deep"), -EBUSY);
    assert_int_equal(vfs_rmdir(&w->at, "/d/m"), -ENOTEMPTY);
    assert_int_equal(vfs_rename(&w->at, "/d/m/deep", &w->at, "/d/m/x", 0), -EBUSY);
    make_file(&w->at, "/d/m/deep/f", "x");
    assert_int_equal(vfs_rename(&w->at, "/d/m/deep/f", &w->at, "/d/f", 0), -EXDEV);
    assert_int_equal(vfs_link(&w->at, "/d/m/deep/f", 0, &w->at, "/d/f"), -EXDEV);
    assert_true(stat_of(&w->at, "/d/m/deep", 0).stx_dev_minor != stat_of(&w->at, "/d/m", 0).stx_dev_minor);
    assert_int_equal(vfs_mount_memory(w->vfs, "relative", 0755, 0, 0, 0, why, sizeof why), -EINVAL);
    assert_int_equal(vfs_mount_memory(w->vfs, "/d/../x", 0755, 0, 0, 0, why, sizeof why), -EINVAL);
    assert_int_equal(vfs_mount_memory(w->vfs, "/d/to_e/below", 0755, 0, 0, 0, why, sizeof why), 0); /* by a link */
    assert_int_equal(stat_error(&w->at, "/d/e/below"), 0);
}

/* ---- attributes ---- */

static void test_times(void **state)
{
    struct world_fixture *w = *state;
    struct timespec times[2] = {{.tv_sec = 5, .tv_nsec = 6}, {.tv_nsec = UTIME_OMIT}};
    struct statx before = stat_of(&w->at, "/d/e/file", 0), after;
    assert_int_equal(vfs_utimens(&w->at, "/d/e/file", 0, times), 0);
    after = stat_of(&w->at, "/d/e/file", 0);
    assert_int_equal(after.stx_atime.tv_sec, 5);
    assert_int_equal(after.stx_atime.tv_nsec, 6);
    assert_int_equal(after.stx_mtime.tv_sec, before.stx_mtime.tv_sec);
    assert_true(after.stx_ctime.tv_sec > before.stx_ctime.tv_sec);
    times[1].tv_nsec = 1000000000;
    assert_int_equal(vfs_utimens(&w->at, "/d/e/file", 0, times), -EINVAL);
    times[1] = (struct timespec){.tv_sec = -3, .tv_nsec = 1}; /* before the epoch */
    assert_int_equal(vfs_utimens(&w->at, "/d/e/file", 0, times), 0);
    after = stat_of(&w->at, "/d/e/file", 0);
    assert_true(after.stx_mtime.tv_sec == -3);
    assert_int_equal(after.stx_mtime.tv_nsec, 1);
    /* relatime: the first read after a change moves the access time, the second does not. */
    make_file(&w->at, "/tmp/f", "x");
    struct statx made = stat_of(&w->at, "/tmp/f", 0);
    text_of(&w->at, "/tmp/f");
    struct statx once = stat_of(&w->at, "/tmp/f", 0);
    text_of(&w->at, "/tmp/f");
    assert_true(once.stx_atime.tv_sec > made.stx_atime.tv_sec);
    assert_true(stat_of(&w->at, "/tmp/f", 0).stx_atime.tv_sec == once.stx_atime.tv_sec);
}

static void test_xattrs(void **state)
{
    struct world_fixture *w = *state;
    const struct place *at = &w->at, *guest = &w->as_guest;
    static char big[65537];
    char buf[64];
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "user.one", "1", 1, XATTR_REPLACE), -ENODATA);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "user.one", "1", 1, XATTR_CREATE), 0);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "user.one", "1", 1, XATTR_CREATE), -EEXIST);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "trusted.t", "secret", 6, 0), 0);
    assert_int_equal(vfs_getxattr(at, "/d/e/file", 0, "user.one", NULL, 0), 1);
    assert_int_equal(vfs_getxattr(at, "/d/e/file", 0, "trusted.t", buf, 3), -ERANGE);
    assert_int_equal(vfs_getxattr(guest, "/d/e/file", 0, "trusted.t", buf, sizeof buf), -ENODATA);
    assert_int_equal(vfs_listxattr(at, "/d/e/file", 0, NULL, 0), 19);
    assert_int_equal(vfs_listxattr(guest, "/d/e/file", 0, buf, sizeof buf), 9);
    assert_string_equal(buf, "user.one");
    assert_int_equal(vfs_setxattr(guest, "/d/e/file", 0, "user.two", "2", 1, 0), -EACCES);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "none", "1", 1, 0), -EOPNOTSUPP);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "", "1", 1, 0), -ERANGE);
    assert_int_equal(vfs_setxattr(at, "/d/e/file", 0, "user.big", big, sizeof big, 0), -E2BIG);
    assert_int_equal(vfs_setxattr(at, "/d/up", WALK_NOFOLLOW, "user.x", "1", 1, 0), -EPERM);
    assert_int_equal(vfs_removexattr(at, "/d/e/file", 0, "user.one"), 0);
    assert_int_equal(vfs_removexattr(at, "/d/e/file", 0, "user.one"), -ENODATA);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_paths),
        CASE(test_forty_links),
        CASE(test_resolve_flags),
        CASE(test_chroot),
        CASE(test_names_of_dentries),
        CASE(test_depth),
        CASE(test_permissions),
        CASE(test_sticky),
        CASE(test_setid_bits),
        CASE(test_open_flags),
        CASE(test_listing_while_it_changes),
        CASE(test_mounts_in_the_tree),
        CASE(test_times),
        CASE(test_xattrs),
    };
    return cmocka_run_group_tests_name("vfs: paths, permissions, names", tests, NULL, NULL);
}
