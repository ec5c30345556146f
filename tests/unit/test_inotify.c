// rooms: vfs
/* inotify beside the kernel's: the same walk through a small tree, told twice. */
#include "tests/unit/files.h"

#include "vfs/node.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { WATCHES = 6 };

struct twins {
    struct vfs *v;
    struct cred root;
    struct place at;
    struct file *file;
    int fd;
    char host[64]; /* a directory; our paths are the same below the root */
};

static const char *host(struct twins *t, const char *path)
{
    static char text[4][200];
    static int n;
    char *s = text[n++ % 4];
    snprintf(s, 200, "%s%s", t->host, path);
    return s;
}

static void twins_make(struct twins *t)
{
    *t = (struct twins){.v = test_vfs(), .host = "/tmp/test_inotify_XXXXXX"};
    t->root.capabilities = UINT64_MAX;
    t->at = (struct place){.vfs = t->v, .cred = &t->root, .root = vfs_root(t->v), .start = vfs_root(t->v)};
    assert_non_null(mkdtemp(t->host));
    assert_int_equal(inotify_new(t->v, IN_NONBLOCK, &t->file), 0);
    t->fd = inotify_init1(IN_NONBLOCK);
    assert_int_equal(vfs_mkdir(&t->at, "/d", 0755), native(mkdir(host(t, "/d"), 0755)));
    assert_int_equal(vfs_mkdir(&t->at, "/e", 0755), native(mkdir(host(t, "/e"), 0755)));
}

static void twins_end(struct twins *t)
{
    char command[100];
    file_put(t->file);
    close(t->fd);
    assert_int_equal(t->v->watches, 0);
    vfs_free(t->v);
    snprintf(command, sizeof command, "rm -r %s", t->host);
    assert_int_equal(system(command), 0);
}

static int watch(struct twins *t, const char *path, uint32_t mask)
{
    struct dentry *d = NULL;
    assert_int_equal(vfs_walk(&t->at, path, 0, &d), 0);
    int mine = inotify_add(t->file, d, mask);
    dentry_put(d);
    assert_int_equal(mine, native(inotify_add_watch(t->fd, host(t, path), mask)));
    return mine;
}

static void show(const char *who, const char *bytes, ssize_t n)
{
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(bytes + at);
        print_message("%s wd %d mask %x cookie %u name %s\n", who, e->wd, e->mask, e->cookie, e->len ? e->name : "");
        at += (ssize_t)(sizeof *e + e->len);
    }
}

/* Cookies are numbers of the kernel's own: what matters is which are the same. */
static void renumber(char *bytes, ssize_t n)
{
    uint32_t seen[100], count = 0;
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (void *)(bytes + at);
        uint32_t i = 0;
        while (e->cookie && i < count && seen[i] != e->cookie)
            i++;
        if (e->cookie && i == count && count < 100)
            seen[count++] = e->cookie;
        if (e->cookie)
            e->cookie = i + 1;
        at += (ssize_t)(sizeof *e + e->len);
    }
}

static void same_events(struct twins *t)
{
    static char mine[65536] __attribute__((aligned(8))), theirs[65536] __attribute__((aligned(8)));
    int unread;
    assert_int_equal(control(t->file, FIONREAD, &unread), 0);
    ssize_t a = get(t->file, mine, sizeof mine), b = native(read(t->fd, theirs, sizeof theirs));
    renumber(mine, a);
    renumber(theirs, b);
    if (a != b || (a > 0 && memcmp(mine, theirs, (size_t)a))) {
        show("here  ", mine, a);
        show("native", theirs, b);
    }
    assert_int_equal(a, b);
    assert_int_equal(unread, a > 0 ? a : 0);
    if (a > 0)
        assert_memory_equal(mine, theirs, a);
}

static struct file *ours(struct twins *t, const char *path, int flags)
{
    struct file *f = NULL;
    assert_int_equal(vfs_open(&t->at, path, flags, 0644, 0, &f), 0);
    return f;
}

static void a_file_lives_and_dies(void **state)
{
    struct twins t;
    char c[8];
    twins_make(&t);
    watch(&t, "/d", IN_ALL_EVENTS);
    struct file *f = ours(&t, "/d/file", O_RDWR | O_CREAT);
    int fd = open(host(&t, "/d/file"), O_RDWR | O_CREAT, 0644);
    same_events(&t);
    watch(&t, "/d/file", IN_ALL_EVENTS);
    for (int i = 0; i < 3; i++) /* the same thrice in a row is one */
        assert_int_equal(give(f, "abc", 3), native(write(fd, "abc", 3)));
    same_events(&t);
    assert_int_equal(file_seek(f, 0, SEEK_SET), native(lseek(fd, 0, SEEK_SET)));
    assert_int_equal(get(f, c, 8), native(read(fd, c, 8)));
    assert_int_equal(file_truncate(f, 1), native(ftruncate(fd, 1)));
    same_events(&t);
    assert_int_equal(vfs_chmod(&t.at, "/d/file", 0, 0600), native(chmod(host(&t, "/d/file"), 0600)));
    same_events(&t);
    assert_int_equal(vfs_link(&t.at, "/d/file", 0, &t.at, "/d/second"),
                     native(link(host(&t, "/d/file"), host(&t, "/d/second"))));
    same_events(&t);
    assert_int_equal(vfs_unlink(&t.at, "/d/second"), native(unlink(host(&t, "/d/second"))));
    same_events(&t);
    file_put(f);
    close(fd);
    same_events(&t);
    assert_int_equal(vfs_unlink(&t.at, "/d/file"), native(unlink(host(&t, "/d/file"))));
    same_events(&t);
    assert_int_equal(inotify_remove(t.file, 2), native(inotify_rm_watch(t.fd, 2)));
    assert_int_equal(inotify_remove(t.file, 1), native(inotify_rm_watch(t.fd, 1)));
    same_events(&t);
    twins_end(&t);
}

static void names_move(void **state)
{
    struct twins t;
    twins_make(&t);
    file_put(ours(&t, "/d/a", O_RDWR | O_CREAT));
    close(open(host(&t, "/d/a"), O_RDWR | O_CREAT, 0644));
    file_put(ours(&t, "/e/old", O_RDWR | O_CREAT));
    close(open(host(&t, "/e/old"), O_RDWR | O_CREAT, 0644));
    watch(&t, "/d", IN_ALL_EVENTS);
    watch(&t, "/e", IN_ALL_EVENTS);
    watch(&t, "/d/a", IN_ALL_EVENTS);
    watch(&t, "/e/old", IN_ALL_EVENTS);
    assert_int_equal(vfs_rename(&t.at, "/d/a", &t.at, "/d/b", 0), native(rename(host(&t, "/d/a"), host(&t, "/d/b"))));
    same_events(&t);
    assert_int_equal(vfs_rename(&t.at, "/d/b", &t.at, "/e/old", 0),
                     native(rename(host(&t, "/d/b"), host(&t, "/e/old"))));
    same_events(&t);
    assert_int_equal(vfs_mkdir(&t.at, "/d/sub", 0755), native(mkdir(host(&t, "/d/sub"), 0755)));
    watch(&t, "/d/sub", IN_ALL_EVENTS);
    assert_int_equal(vfs_rename(&t.at, "/d/sub", &t.at, "/e/sub", 0),
                     native(rename(host(&t, "/d/sub"), host(&t, "/e/sub"))));
    same_events(&t);
    assert_int_equal(vfs_symlink(&t.at, "nowhere", "/e/sub/link"), native(symlink("nowhere", host(&t, "/e/sub/link"))));
    assert_int_equal(vfs_unlink(&t.at, "/e/sub/link"), native(unlink(host(&t, "/e/sub/link"))));
    same_events(&t);
    assert_int_equal(vfs_rmdir(&t.at, "/e/sub"), native(rmdir(host(&t, "/e/sub"))));
    same_events(&t);
    twins_end(&t);
}

static void masks(void **state)
{
    struct twins t;
    twins_make(&t);
    int wd = watch(&t, "/d", IN_CREATE);
    assert_int_equal(watch(&t, "/d", IN_DELETE | IN_MASK_ADD), wd);
    watch(&t, "/d", IN_CREATE | IN_MASK_CREATE); /* EEXIST */
    assert_int_equal(vfs_mkdir(&t.at, "/d/x", 0755), native(mkdir(host(&t, "/d/x"), 0755)));
    assert_int_equal(vfs_rmdir(&t.at, "/d/x"), native(rmdir(host(&t, "/d/x"))));
    same_events(&t);
    assert_int_equal(watch(&t, "/d", IN_DELETE | IN_ONESHOT), wd); /* replaces */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vfs_mkdir(&t.at, "/d/x", 0755), native(mkdir(host(&t, "/d/x"), 0755)));
        assert_int_equal(vfs_rmdir(&t.at, "/d/x"), native(rmdir(host(&t, "/d/x"))));
    }
    same_events(&t);
    file_put(ours(&t, "/d/f", O_RDWR | O_CREAT));
    close(open(host(&t, "/d/f"), O_RDWR | O_CREAT, 0644));
    watch(&t, "/d/f", IN_ALL_EVENTS | IN_ONLYDIR); /* ENOTDIR */
    watch(&t, "/d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    struct file *f = ours(&t, "/d/f", O_RDWR);
    int fd = open(host(&t, "/d/f"), O_RDWR);
    assert_int_equal(vfs_unlink(&t.at, "/d/f"), native(unlink(host(&t, "/d/f"))));
    same_events(&t);
    assert_int_equal(give(f, "x", 1), native(write(fd, "x", 1))); /* a name that is gone is not told of */
    file_put(f);
    close(fd);
    same_events(&t);
    twins_end(&t);
}

static void the_queue_is_bounded(void **state)
{
    struct twins t;
    struct listener l;
    twins_make(&t);
    watch(&t, "/d", IN_CREATE | IN_DELETE);
    assert_int_equal(listen_to(&l, t.file), 0);
    for (int i = 0; i < 9000; i++) {
        vfs_mkdir(&t.at, "/d/x", 0755);
        vfs_rmdir(&t.at, "/d/x");
    }
    assert_int_equal(l.woken, 16385);
    listen_end(&l);
    char bytes[32];
    for (int i = 0; i < 16384; i++) {
        assert_int_equal(get(t.file, bytes, 31), -EINVAL);
        assert_int_equal(get(t.file, bytes, 32), 32);
    }
    assert_int_equal(get(t.file, bytes, 32), 16);
    struct inotify_event over;
    memcpy(&over, bytes, sizeof over);
    assert_int_equal(over.wd, -1);
    assert_int_equal(over.mask, IN_Q_OVERFLOW);
    assert_int_equal(get(t.file, bytes, 32), -EAGAIN);
    vfs_mkdir(&t.at, "/d/x", 0755);
    assert_int_equal(get(t.file, bytes, 32), 32);
    twins_end(&t);
}

/* What many instances hold is the supervisor's memory: one name told to all of them must not cost without end. */
static void a_world_is_bounded(void **state)
{
    enum { INSTANCES = 128 };
    struct vfs *v = test_vfs();
    struct cred root = {.capabilities = UINT64_MAX};
    struct place at = {.vfs = v, .cred = &root, .root = vfs_root(v), .start = vfs_root(v)};
    struct file *files[INSTANCES], *one_more;
    struct dentry *d = NULL;
    char bytes[32];
    struct inotify_event last;
    assert_int_equal(vfs_mkdir(&at, "/d", 0755), 0);
    assert_int_equal(vfs_walk(&at, "/d", 0, &d), 0);
    for (int i = 0; i < INSTANCES; i++) {
        assert_int_equal(inotify_new(v, IN_NONBLOCK, &files[i]), 0);
        assert_true(inotify_add(files[i], d, IN_CREATE | IN_DELETE) > 0);
    }
    dentry_put(d);
    assert_int_equal(inotify_new(v, 0, &one_more), -EMFILE);
    for (int i = 0; i < 1000; i++) {
        vfs_mkdir(&at, "/d/x", 0755);
        vfs_rmdir(&at, "/d/x");
    }
    assert_int_equal(v->objects.inotify_queued, (1 << 17) + INSTANCES);
    for (int i = 0; i < INSTANCES; i++) { /* each is told that it missed something */
        while (get(files[i], bytes, sizeof bytes) > 0)
            memcpy(&last, bytes, sizeof last);
        assert_int_equal(last.mask, IN_Q_OVERFLOW);
    }
    assert_int_equal(v->objects.inotify_queued, 0);
    file_put(files[0]);
    assert_int_equal(inotify_new(v, 0, &files[0]), 0);
    for (int i = 0; i < INSTANCES; i++)
        file_put(files[i]);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_lives_and_dies), cmocka_unit_test(names_move),         cmocka_unit_test(masks),
        cmocka_unit_test(the_queue_is_bounded),  cmocka_unit_test(a_world_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
