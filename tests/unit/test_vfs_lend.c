// rooms: vfs
/* Lending a file: what goes into the window, what may be done there, and what becomes of the file when it is returned. */
#include "vfs_fixture.h"

#include "vfs/lend.h"

#include <sys/inotify.h>

enum { WINDOW = 65536 };

static uint8_t window[WINDOW];

static bool lends(struct file *f, uint32_t ahead, struct file_loan *out)
{
    memset(window, 0xee, sizeof window);
    return file_lend(f, window, sizeof window, ahead, WINDOW, out);
}

static void what_is_ahead_stands_in_the_window(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    make_file(&w->at, "/a", "abcdefgh");
    struct file *f = open_as(&w->at, "/a", O_RDONLY, 0);
    assert_int_equal(file_seek(f, 2, SEEK_SET), 2);
    assert_true(lends(f, 4, &l));
    assert_int_equal(l.base, 2);
    assert_int_equal(l.length, 4);
    assert_true(l.read && !l.end && !l.append);
    assert_memory_equal(window, "cdef\xee", 5);
    assert_true(lends(f, WINDOW, &l));
    assert_int_equal(l.length, 6);
    assert_true(l.read && l.end && !l.append);
    assert_int_equal(l.stat.stx_size, 8);
    assert_true(lends(f, 0, &l)); /* what is known of it, but none of its bytes */
    assert_int_equal(l.length, 0);
    assert_true(!l.read && !l.end);
    assert_int_equal(file_seek(f, 8, SEEK_SET), 8);
    assert_true(lends(f, 0, &l));
    assert_true(l.read && l.end && !l.append);
    assert_int_equal(file_seek(f, 9, SEEK_SET), 9); /* behind the end nothing is read, and a write leaves a hole */
    assert_true(lends(f, WINDOW, &l));
    assert_true(!l.end && !l.append);
    file_put(f);
    f = open_as(&w->at, "/a", O_WRONLY, 0);
    assert_true(lends(f, WINDOW, &l));
    assert_true(!l.read && !l.end && !l.append);
    assert_int_equal(*window, 0xee);
    file_put(f);
}

static void the_host_s_bytes_too(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    char why[256];
    fixture_host_directory(w);
    host_put(w, "a", "of the host");
    assert_int_equal(vfs_mount_host(w->vfs, "/h", w->directory, MOUNT_READ_ONLY, why, sizeof why), 0);
    struct file *f = open_as(&w->at, "/h/a", O_RDONLY, 0);
    assert_true(lends(f, WINDOW, &l));
    assert_true(l.read && l.end && !l.append && l.accessed);
    assert_memory_equal(window, "of the host\xee", 12);
    file_put(f);
}

static void what_was_written_is_written(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    struct file *f = open_as(&w->at, "/a", O_RDWR | O_CREAT, 0644);
    assert_true(lends(f, WINDOW, &l));
    assert_true(l.read && l.end && l.append);
    assert_int_equal(l.room, WINDOW);
    memset(window, 'x', 5000);
    const int64_t then = w->time / 1000000000 * 1000000000 + 3600ll * 1000000000;
    struct file_return r = {.position = 5000, .written_at = then + 77, .written = window, .n = 5000};
    assert_int_equal(file_returned(f, &r), 0);
    assert_int_equal(f->position, 5000);
    struct statx s = stat_of(&w->at, "/a", 0);
    assert_int_equal(s.stx_size, 5000);
    assert_int_equal(s.stx_mtime.tv_sec * 1000000000ll + s.stx_mtime.tv_nsec, then + 77);
    assert_int_equal(s.stx_ctime.tv_nsec, 77);
    r = (struct file_return){.position = 3, .read_at = then + 78};
    assert_int_equal(file_returned(f, &r), 0);
    assert_int_equal(f->position, 3);
    s = stat_of(&w->at, "/a", 0);
    assert_int_equal(s.stx_atime.tv_nsec, 78);
    assert_int_equal(s.stx_mtime.tv_nsec, 77);
    file_put(f);
}

/* The time of access moves with the first read after a change, and then not for a day: whoever asks fstat(2) must know. */
static void whether_a_read_shows_is_said(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    char byte;
    make_file(&w->at, "/a", "abc");
    struct file *f = open_as(&w->at, "/a", O_RDONLY, 0);
    assert_true(lends(f, WINDOW, &l) && !l.accessed);
    assert_int_equal(read_at(f, &byte, 1, 0), 1);
    assert_true(lends(f, WINDOW, &l) && l.accessed);
    w->time += 23ll * 3600 * 1000000000; /* a loan lasts less than an hour */
    assert_true(lends(f, WINDOW, &l) && !l.accessed);
    file_put(f);
}

static void what_somebody_would_notice_is_not_lent(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    struct file_mapping m;
    struct file *inotify;
    make_file(&w->at, "/a", "abc");
    make_file(&w->at, "/b", "abc");
    struct file *append = open_as(&w->at, "/a", O_RDWR | O_APPEND, 0), *f = open_as(&w->at, "/a", O_RDWR, 0),
                *b = open_as(&w->at, "/b", O_RDWR, 0), *path = open_as(&w->at, "/a", O_PATH, 0);
    assert_false(lends(append, WINDOW, &l));
    assert_false(lends(path, WINDOW, &l));
    assert_true(lends(f, WINDOW, &l));
    assert_int_equal(file_map(f, 0, 4096, false, &m), 0);
    assert_false(lends(f, WINDOW, &l));
    assert_true(lends(b, WINDOW, &l));
    assert_int_equal(inotify_new(w->vfs, 0, &inotify), 0);
    assert_true(inotify_add(inotify, b->dentry, IN_ACCESS) >= 0);
    assert_false(lends(b, WINDOW, &l));
    file_put(inotify);
    assert_true(lends(b, WINDOW, &l));
    struct file *sealed = memfd_new(w->vfs, "m", 2 /* MFD_ALLOW_SEALING */);
    assert_true(lends(sealed, WINDOW, &l) && !l.append);
    file_put(sealed);
    file_put(append);
    file_put(f);
    file_put(b);
    file_put(path);
}

static int take_any(struct dirent_sink *s, const char *name, uint64_t ino, uint8_t type, uint64_t next)
{
    return 0;
}

static void of_a_directory_is_lent_what_is_known_and_that_it_ends(void **state)
{
    struct world_fixture *w = *state;
    struct file_loan l;
    struct dirent_sink all = {.emit = take_any};
    make_file(&w->at, "/a", "abc");
    struct file *d = open_as(&w->at, "/", O_RDONLY | O_DIRECTORY, 0);
    assert_true(lends(d, WINDOW, &l) && !l.read && !l.end && !l.append && !l.listed && S_ISDIR(l.stat.stx_mode));
    assert_int_equal(file_getdents(d, &all), 0);
    assert_true(lends(d, WINDOW, &l) && l.listed && l.base == d->position);
    make_file(&w->at, "/b", "abc");
    assert_true(lends(d, WINDOW, &l) && !l.listed);
    file_put(d);
}

static void what_a_path_leads_to_is_steady(void **state)
{
    struct world_fixture *w = *state;
    struct statx st;
    struct file_mapping m;
    bool steady;
    make_file(&w->at, "/a", "abc");
    assert_true(vfs_stat_steady(&w->at, "/a", 0, &st, &steady) == 0 && steady && st.stx_size == 3);
    assert_true(vfs_stat_steady(&w->at, "/", 0, &st, &steady) == 0 && steady && S_ISDIR(st.stx_mode));
    assert_true(vfs_stat_steady(&w->at, "/nothing", 0, &st, &steady) == -ENOENT && !steady);
    assert_int_equal(vfs_symlink(&w->at, "/a", "/l"), 0);
    assert_true(vfs_stat_steady(&w->at, "/l", 0, &st, &steady) == 0 && steady && st.stx_size == 3);
    assert_true(vfs_stat_steady(&w->at, "/l", WALK_NOFOLLOW, &st, &steady) == 0 && !steady);
    uint64_t before = vfs_changes(w->vfs);
    struct file *f = open_as(&w->at, "/a", O_RDWR, 0);
    assert_true(vfs_changes(w->vfs) == before);
    assert_int_equal(write_at(f, "more", 4, 1), 4);
    assert_true(vfs_changes(w->vfs) > before);
    assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
    assert_true(vfs_stat_steady(&w->at, "/a", 0, &st, &steady) == 0 && !steady);
    file_put(f);
}

static void room_is_lent_where_a_quota_has_it(void **state)
{
    struct world_fixture *w = fixture_new(400000, 0);
    struct file_loan l;
    (void)state;
    struct file *f = open_as(&w->at, "/a", O_RDWR | O_CREAT, 0644);
    assert_true(lends(f, 0, &l) && l.append);
    static uint8_t much[230000];
    assert_int_equal(write_at(f, much, sizeof much, 0), sizeof much);
    assert_int_equal(file_seek(f, 0, SEEK_END), sizeof much);
    assert_true(lends(f, 0, &l) && !l.append);
    struct vfs_usage usage;
    vfs_usage(w->vfs, &usage);
    assert_false(usage.quota_hit); /* the question hits nothing */
    file_put(f);
    void *fixture = w;
    fixture_teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_ahead_stands_in_the_window, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_host_s_bytes_too, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_was_written_is_written, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(whether_a_read_shows_is_said, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_somebody_would_notice_is_not_lent, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(of_a_directory_is_lent_what_is_known_and_that_it_ends, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_path_leads_to_is_steady, fixture_setup, fixture_teardown),
        cmocka_unit_test(room_is_lent_where_a_quota_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
