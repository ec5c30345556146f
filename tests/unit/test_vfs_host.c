// rooms: vfs
/* Host directories and files as mounts: what is seen, what is never followed, what copy-on-write keeps from the host.
 */
#include "vfs_fixture.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

static void mount(struct world_fixture *w, const char *at, const char *name, enum mount_mode mode)
{
    char why[256] = "";
    int error = vfs_mount_host(w->vfs, at, host_path(w, name), mode, why, sizeof why);
    if (error)
        print_error("%s\n", why);
    assert_int_equal(error, 0);
}

static int setup(void **state)
{
    struct world_fixture *w = fixture_new(1 << 20, 0);
    fixture_host_directory(w);
    host_put(w, "a.txt", "first");
    host_put(w, "c.txt", "third");
    assert_int_equal(mkdir(host_path(w, "b"), 0755), 0);
    host_put(w, "b/inner", "deep");
    assert_int_equal(symlink("b/inner", host_path(w, "link")), 0);
    assert_int_equal(symlink("/etc/passwd", host_path(w, "absolute")), 0);
    assert_int_equal(symlink("../../../../../../etc/passwd", host_path(w, "upward")), 0);
    *state = w;
    return 0;
}

static void test_read_only(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/data", "", MOUNT_READ_ONLY);
    assert_string_equal(text_of(&w->at, "/data/a.txt"), "first");
    assert_string_equal(text_of(&w->at, "/data/b/../b/inner"), "deep");
    assert_string_equal(text_of(&w->at, "/data/link"), "deep");
    assert_string_equal(list_of(&w->at, "/data"), "a.txt absolute b c.txt link upward ");
    assert_int_equal(stat_error(&w->at, "/data/none"), -ENOENT);
    assert_int_equal(stat_error(&w->at, "/data/none"), -ENOENT); /* remembered */
    assert_int_equal(stat_error(&w->at, "/data/a.txt/x"), -ENOTDIR);
    assert_int_equal(open_error(&w->at, "/data/a.txt", O_WRONLY), -EROFS);
    assert_int_equal(open_error(&w->at, "/data/new", O_WRONLY | O_CREAT), -EROFS);
    assert_int_equal(open_error(&w->at, "/data/a.txt", O_RDONLY | O_TRUNC), -EROFS);
    assert_int_equal(vfs_mkdir(&w->at, "/data/d", 0755), -EROFS);
    assert_int_equal(vfs_mkdir(&w->at, "/data/b", 0755), -EEXIST);
    assert_int_equal(vfs_unlink(&w->at, "/data/a.txt"), -EROFS);
    assert_int_equal(vfs_unlink(&w->at, "/data/none"), -ENOENT);
    assert_int_equal(vfs_rename(&w->at, "/data/a.txt", &w->at, "/data/z", 0), -EROFS);
    assert_int_equal(vfs_chmod(&w->at, "/data/a.txt", 0, 0600), -EROFS);
    assert_int_equal(vfs_access(&w->at, "/data/a.txt", W_OK, 0), -EROFS);
    assert_int_equal(vfs_access(&w->at, "/data/a.txt", R_OK, 0), 0);
}

static void test_host_is_not_reached_by_links(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/data", "", MOUNT_READ_ONLY);
    assert_int_equal(open_error(&w->at, "/data/absolute", O_RDONLY), -ENOENT);
    assert_int_equal(open_error(&w->at, "/data/upward", O_RDONLY), -ENOENT);
    assert_int_equal(open_error(&w->at, "/data/../../../../etc/passwd", O_RDONLY), -ENOENT);
    assert_int_equal(vfs_put_file(w->vfs, "/etc/passwd", "the world's", 11, 0644, 0, 0), 0);
    assert_string_equal(text_of(&w->at, "/data/absolute"), "the world's");
    assert_string_equal(text_of(&w->at, "/data/upward"), "the world's");
}

/* A directory that was seen becomes a symlink on the host: it is not followed afterwards. */
static void test_race_with_the_host(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/data", "", MOUNT_READ_ONLY);
    assert_int_equal(stat_error(&w->at, "/data/b"), 0);
    assert_int_equal(unlink(host_path(w, "b/inner")), 0);
    assert_int_equal(rmdir(host_path(w, "b")), 0);
    assert_int_equal(symlink("/etc", host_path(w, "b")), 0);
    assert_true(open_error(&w->at, "/data/b/passwd", O_RDONLY) < 0);
    assert_int_equal(stat_error(&w->at, "/data/a.txt"), 0);
    assert_int_equal(unlink(host_path(w, "a.txt")), 0);
    assert_int_equal(symlink("/etc/passwd", host_path(w, "a.txt")), 0);
    struct file *f = NULL;
    char text[16];
    if (vfs_open(&w->at, "/data/a.txt", O_RDONLY, 0, 0, &f) == 0) { /* the descriptor is opened when it is needed */
        assert_true(read_at(f, text, sizeof text, 0) < 0);
        file_put(f);
    }
}

static void test_copy_on_write(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/box", "", MOUNT_COPY_ON_WRITE);
    struct statx before = stat_of(&w->at, "/box/a.txt", 0);
    struct file *f = open_as(&w->at, "/box/a.txt", O_RDWR, 0);
    assert_int_equal(write_at(f, "X", 1, 2), 1);
    file_put(f);
    assert_string_equal(text_of(&w->at, "/box/a.txt"), "fiXst");
    struct statx after = stat_of(&w->at, "/box/a.txt", 0);
    assert_int_equal(before.stx_ino, after.stx_ino);
    assert_true(after.stx_mtime.tv_sec != before.stx_mtime.tv_sec);

    assert_int_equal(vfs_unlink(&w->at, "/box/c.txt"), 0);
    assert_int_equal(stat_error(&w->at, "/box/c.txt"), -ENOENT);
    assert_string_equal(list_of(&w->at, "/box"), "a.txt absolute b link upward ");
    assert_int_equal(vfs_rename(&w->at, "/box/b", &w->at, "/box/moved", 0), 0);
    assert_string_equal(text_of(&w->at, "/box/moved/inner"), "deep");
    assert_int_equal(stat_error(&w->at, "/box/b/inner"), -ENOENT);
    make_file(&w->at, "/box/c.txt", "again");
    assert_string_equal(list_of(&w->at, "/box"), "a.txt absolute link upward moved c.txt ");

    char text[16] = "";
    FILE *host = fopen(host_path(w, "a.txt"), "r");
    assert_non_null(fgets(text, sizeof text, host));
    fclose(host);
    assert_string_equal(text, "first");
    assert_int_equal(access(host_path(w, "c.txt"), F_OK), 0);
    assert_int_equal(access(host_path(w, "b/inner"), F_OK), 0);
}

static void test_copy_meets_the_quota(void **state)
{
    struct world_fixture *w = *state;
    int fd = open(host_path(w, "large"), O_WRONLY | O_CREAT, 0644);
    static char bytes[2 << 20];
    memset(bytes, 7, sizeof bytes);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    mount(w, "/box", "", MOUNT_COPY_ON_WRITE);
    struct file *f = open_as(&w->at, "/box/large", O_RDWR, 0);
    assert_int_equal(write_at(f, "x", 1, 0), -ENOSPC);
    char byte;
    assert_int_equal(read_at(f, &byte, 1, sizeof bytes - 1), 1); /* still there, and still the host's */
    assert_int_equal(byte, 7);
    file_put(f);
    struct vfs_usage usage;
    vfs_usage(w->vfs, &usage);
    assert_int_equal(usage.bytes, 0);
    assert_true(usage.quota_hit);
    assert_int_equal(vfs_truncate(&w->at, "/box/large", 10, NULL), 0); /* what is cut off is not copied */
    assert_int_equal(stat_of(&w->at, "/box/large", 0).stx_size, 10);
}

static void test_special_files(void **state)
{
    struct world_fixture *w = *state;
    assert_int_equal(mkfifo(host_path(w, "fifo"), 0666), 0);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%ssock", w->directory);
    assert_int_equal(bind(s, (struct sockaddr *)&name, sizeof name), 0);
    close(s);
    mount(w, "/data", "", MOUNT_COPY_ON_WRITE);
    assert_int_equal(open_error(&w->at, "/data/fifo", O_RDONLY | O_NONBLOCK), -EACCES);
    assert_int_equal(open_error(&w->at, "/data/sock", O_RDONLY), -EACCES);
    assert_true(S_ISFIFO(stat_of(&w->at, "/data/fifo", 0).stx_mode));
}

static void test_hard_links_and_ids(void **state)
{
    struct world_fixture *w = *state;
    assert_int_equal(link(host_path(w, "a.txt"), "/tmp/test_vfs_link"), 0);
    assert_int_equal(rename("/tmp/test_vfs_link", host_path(w, "b/same")), 0);
    mount(w, "/box", "", MOUNT_COPY_ON_WRITE);
    assert_int_equal(stat_of(&w->at, "/box/a.txt", 0).stx_ino, stat_of(&w->at, "/box/b/same", 0).stx_ino);
    make_file(&w->at, "/box/b/same", "both");
    assert_string_equal(text_of(&w->at, "/box/a.txt"), "both");
    assert_int_equal(stat_of(&w->at, "/box/a.txt", 0).stx_uid, 1000); /* the caller's is the guest's … */
    mount(w, "/shown", "", MOUNT_READ_ONLY);
    assert_int_equal(stat_of(&w->at, "/shown/a.txt", 0).stx_uid,
                     geteuid() == 0 ? 0 : 1000); /* … but root's that it may not change */
}

static void test_mapping(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/box", "", MOUNT_COPY_ON_WRITE);
    struct file *f = open_as(&w->at, "/box/a.txt", O_RDWR, 0);
    struct file_mapping private, shared;
    assert_int_equal(file_map(f, 0, 4096, false, &private), 0);
    assert_false(private.writable);
    char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, private.fd, (off_t) private.offset);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_memory_equal(map, "first", 5);
    munmap(map, 4096);
    assert_int_equal(file_map(f, 0, 4096, true, &shared), 0);
    assert_true(shared.writable);
    assert_int_not_equal(shared.key, private.key);
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared.fd, (off_t)shared.offset);
    assert_ptr_not_equal(map, MAP_FAILED);
    map[0] = 'F';
    file_put(f);
    assert_string_equal(text_of(&w->at, "/box/a.txt"), "First");
    munmap(map, 4096);
}

static void test_single_file(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/box/script.py", "a.txt", MOUNT_COPY_ON_WRITE);
    assert_string_equal(list_of(&w->at, "/box"), "script.py ");
    assert_string_equal(text_of(&w->at, "/box/script.py"), "first");
    assert_int_equal(vfs_unlink(&w->at, "/box/script.py"), -EBUSY);
    assert_int_equal(vfs_rename(&w->at, "/box/script.py", &w->at, "/box/x", 0), -EBUSY);
    make_file(&w->at, "/box/script.py", "changed");
    assert_string_equal(text_of(&w->at, "/box/script.py"), "changed");
    make_file(&w->at, "/box/beside", "new");
    char why[128];
    assert_int_equal(vfs_mount_host(w->vfs, "/x", "/dev/null", MOUNT_READ_ONLY, why, sizeof why), -EINVAL);
    assert_int_equal(vfs_mount_host(w->vfs, "/x", "/nonexistent", MOUNT_READ_ONLY, why, sizeof why), -ENOENT);
    assert_non_null(strstr(why, "/nonexistent"));
}

static void test_inline_over_a_mount(void **state)
{
    struct world_fixture *w = *state;
    mount(w, "/", "", MOUNT_COPY_ON_WRITE);
    fixture_reroot(w);
    assert_int_equal(vfs_put_file(w->vfs, "/a.txt", "inline", 6, 0644, 0, 0), 0);
    assert_int_equal(vfs_put_absent(w->vfs, "/c.txt"), 0);
    assert_int_equal(vfs_put_absent(w->vfs, "/b/nothing"), 0);
    assert_int_equal(vfs_put_symlink(w->vfs, "/b/l", "../a.txt"), 0);
    assert_string_equal(text_of(&w->at, "/b/l"), "inline");
    assert_int_equal(stat_error(&w->at, "/c.txt"), -ENOENT);
    assert_string_equal(list_of(&w->at, "/"), "a.txt absolute b link upward ");
    make_file(&w->at, "/c.txt", "mine");
    assert_int_equal(vfs_unlink(&w->at, "/c.txt"), 0);
    assert_int_equal(stat_error(&w->at, "/c.txt"), -ENOENT); /* the host's does not come back */
}

/* 5,000 absent names, 600 files read: nothing that is kept per name or per descriptor grows without end. */
static void test_many_names(void **state)
{
    struct world_fixture *w = *state;
    char name[64];
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "b/f%d", i);
        host_put(w, name, name);
    }
    mount(w, "/data", "", MOUNT_READ_ONLY);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "/data/b/none%d", i);
        assert_int_equal(stat_error(&w->at, name), -ENOENT);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 600; i++) {
            snprintf(name, sizeof name, "/data/b/f%d", i);
            assert_string_equal(text_of(&w->at, name), name + strlen("/data/"));
        }
    }
    int open_fds = 0;
    for (int fd = 0; fd < 1024; fd++)
        open_fds += fcntl(fd, F_GETFD) >= 0;
    assert_in_range(open_fds, 200, 300);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_read_only),
        CASE(test_host_is_not_reached_by_links),
        CASE(test_race_with_the_host),
        CASE(test_copy_on_write),
        CASE(test_copy_meets_the_quota),
        CASE(test_special_files),
        CASE(test_hard_links_and_ids),
        CASE(test_mapping),
        CASE(test_single_file),
        CASE(test_inline_over_a_mount),
        CASE(test_many_names),
    };
    return cmocka_run_group_tests_name("vfs: host mounts", tests, NULL, NULL);
}
