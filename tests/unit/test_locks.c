// rooms: vfs
/* Record locks and flock beside the kernel's. Natively every owner is an open file description (F_OFD_*), which cuts
 * and joins stretches as process locks do. */
#include "tests/unit/files.h"

#include "vfs/fdtable.h"
#include "vfs/node.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>

enum { OWNERS = 3 };

struct twins {
    struct vfs *v;
    struct file *file[OWNERS];
    int fd[OWNERS];
    char owner[OWNERS];
};

static struct file *open_ours(struct vfs *v, const char *path, int flags)
{
    static const struct cred root = {.capabilities = UINT64_MAX};
    struct place at = {.vfs = v, .cred = &root, .root = vfs_root(v), .start = vfs_root(v)};
    struct file *f = NULL;
    assert_int_equal(vfs_open(&at, path, flags, 0600, 0, &f), 0);
    return f;
}

static void twins_make(struct twins *t)
{
    char path[64];
    t->v = test_vfs();
    int fd = memfd_create("locks", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (int i = 0; i < OWNERS; i++) {
        t->file[i] = open_ours(t->v, "/locks", O_RDWR | O_CREAT);
        t->fd[i] = open(path, O_RDWR);
        assert_true(t->fd[i] >= 0);
    }
    close(fd);
}

static void twins_end(struct twins *t)
{
    for (int i = 0; i < OWNERS; i++) {
        file_put(t->file[i]);
        close(t->fd[i]);
    }
    assert_null(t->v->objects.lock_edges);
    vfs_free(t->v);
}

static void random_range(struct flock *l, uint64_t *seed)
{
    *l = (struct flock){.l_type = (short)(chance(seed) % 3), .l_whence = SEEK_SET};
    l->l_start = chance(seed) % 40;
    l->l_len = chance(seed) % 5 ? 1 + chance(seed) % 12 : 0;
    if (chance(seed) % 8 == 0)
        l->l_len = -(off_t)(chance(seed) % 12);
}

static void compare_locks(uint64_t seed, bool ofd)
{
    struct twins t;
    twins_make(&t);
    for (int step = 0; step < 600; step++) {
        struct flock mine, theirs;
        int who = (int)(chance(&seed) % OWNERS);
        random_range(&mine, &seed);
        theirs = mine;
        void *owner = ofd ? NULL : &t.owner[who];
        if (chance(&seed) % 3) {
            assert_int_equal(lock_set(t.file[who], &mine, owner, who, false, NULL),
                             native(fcntl(t.fd[who], F_OFD_SETLK, &theirs)));
            continue;
        }
        if (mine.l_type == F_UNLCK)
            mine.l_type = theirs.l_type = F_WRLCK;
        int a = lock_get(t.file[who], &mine, owner, who), b = (int)native(fcntl(t.fd[who], F_OFD_GETLK, &theirs));
        assert_int_equal(a, b);
        if (a)
            continue;
        /* Which of several conflicting locks is told depends on the order of a list: only whether there is one. */
        assert_int_equal(mine.l_type == F_UNLCK, theirs.l_type == F_UNLCK);
    }
    /* What everybody holds in the end, byte by byte. */
    for (int who = 0; who < OWNERS; who++) {
        for (int byte = 0; byte < 80; byte++) {
            for (short type = F_RDLCK; type <= F_WRLCK; type++) {
                struct flock mine = {.l_type = type, .l_start = byte, .l_len = 1}, theirs = mine;
                assert_int_equal(lock_get(t.file[who], &mine, ofd ? NULL : &t.owner[who], who), 0);
                assert_int_equal(fcntl(t.fd[who], F_OFD_GETLK, &theirs), 0);
                assert_int_equal(mine.l_type == F_UNLCK, theirs.l_type == F_UNLCK);
            }
        }
    }
    twins_end(&t);
}

static void stretches_are_cut_and_joined(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        compare_locks(seed, seed % 2);
}

static void what_a_lock_looks_like(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = open_ours(v, "/f", O_RDWR | O_CREAT), *reader = open_ours(v, "/f", O_RDONLY),
                *writer = open_ours(v, "/f", O_WRONLY);
    char a, b;
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -5, .l_len = 0};
    give(f, "0123456789", 10);
    assert_int_equal(lock_set(f, &l, &a, 11, false, NULL), 0);
    l = (struct flock){.l_type = F_RDLCK, .l_len = 6};
    assert_int_equal(lock_get(f, &l, &b, 12), 0);
    assert_int_equal(l.l_type, F_WRLCK);
    assert_int_equal(l.l_start, 5);
    assert_int_equal(l.l_len, 0);
    assert_int_equal(l.l_pid, 11);
    l = (struct flock){.l_type = F_WRLCK, .l_len = 5};
    assert_int_equal(lock_set(f, &l, NULL, 11, false, NULL), 0);
    l = (struct flock){.l_type = F_WRLCK, .l_len = 5};
    assert_int_equal(lock_get(f, &l, &b, 12), 0);
    assert_int_equal(l.l_pid, -1);
    assert_int_equal(l.l_len, 5);
    l = (struct flock){.l_type = F_WRLCK};
    assert_int_equal(lock_set(reader, &l, &b, 12, false, NULL), -EBADF);
    l.l_type = F_RDLCK;
    assert_int_equal(lock_set(writer, &l, &b, 12, false, NULL), -EBADF);
    l.l_type = 7;
    assert_int_equal(lock_set(f, &l, &b, 12, false, NULL), -EINVAL);
    assert_int_equal(lock_get(f, &l, &b, 12), -EINVAL);
    l = (struct flock){.l_type = F_RDLCK, .l_whence = 9};
    assert_int_equal(lock_set(f, &l, &b, 12, false, NULL), -EINVAL);
    l = (struct flock){.l_type = F_RDLCK, .l_start = -1};
    assert_int_equal(lock_set(f, &l, &b, 12, false, NULL), -EINVAL);
    l = (struct flock){.l_type = F_RDLCK, .l_start = INT64_MAX, .l_len = 2};
    assert_int_equal(lock_set(f, &l, &b, 12, false, NULL), -EOVERFLOW);
    l = (struct flock){.l_type = F_RDLCK, .l_start = 5, .l_len = -6};
    assert_int_equal(lock_set(f, &l, &b, 12, false, NULL), -EINVAL);
    file_put(f);
    file_put(reader);
    file_put(writer);
    vfs_free(v);
}

struct heard {
    struct waiter waiter;
    int woken;
};

static void hear(struct waiter *w, uint32_t events)
{
    ((struct heard *)w->context)->woken++;
}

static void wait_on(struct heard *h, struct waitq *q)
{
    assert_non_null(q);
    *h = (struct heard){.waiter = {.wake = hear, .context = h}};
    waitq_add(q, &h->waiter);
}

static void closing_gives_process_locks_up(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = open_ours(v, "/f", O_RDWR | O_CREAT), *same = open_ours(v, "/f", O_RDWR);
    struct fdtable *t = fdtable_new(10);
    char other;
    struct flock all = {.l_type = F_WRLCK};
    struct waitq *q = NULL;
    struct heard h;
    int fd = fdtable_install(t, f, 0, false), second = fdtable_install(t, same, 0, false);
    assert_int_equal(lock_set(f, &all, t, 1, false, NULL), 0);
    assert_int_equal(lock_set(f, &all, &other, 2, true, &q), -EAGAIN);
    wait_on(&h, q);
    assert_int_equal(fdtable_close(t, second, t), 0); /* any descriptor of the file, not the one that locked */
    assert_int_equal(h.woken, 1);
    waiter_remove(&h.waiter);
    assert_int_equal(lock_set(f, &all, &other, 2, true, &q), 0);
    assert_null(v->objects.lock_edges);

    /* Those of a description end with the description. */
    all.l_type = F_UNLCK;
    lock_set(f, &all, &other, 2, false, NULL);
    all.l_type = F_WRLCK;
    assert_int_equal(lock_set(f, &all, NULL, 1, false, NULL), 0);
    same = open_ours(v, "/f", O_RDWR);
    assert_int_equal(lock_set(same, &all, &other, 2, false, &q), -EAGAIN);
    file_get(f);
    assert_int_equal(fdtable_close(t, fd, t), 0);
    assert_int_equal(lock_set(same, &all, &other, 2, false, &q), -EAGAIN);
    file_put(f);
    assert_int_equal(lock_set(same, &all, &other, 2, false, &q), 0);
    file_put(same);
    assert_int_equal(v->objects.lock_records, 1); /* nobody closed a descriptor as `other` */
    fdtable_put(t);
    vfs_free(v);
}

static int set_byte(struct file *f, char *owner, int byte, struct waitq **q)
{
    struct flock l = {.l_type = F_WRLCK, .l_start = byte, .l_len = 1};
    return lock_set(f, &l, owner, 1, true, q);
}

static void circles_are_found(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = open_ours(v, "/f", O_RDWR | O_CREAT);
    char p[4];
    struct waitq *q;
    for (int i = 0; i < 3; i++)
        assert_int_equal(set_byte(f, &p[i], i, &q), 0);
    assert_int_equal(set_byte(f, &p[0], 1, &q), -EAGAIN);
    assert_int_equal(set_byte(f, &p[1], 2, &q), -EAGAIN);
    assert_int_equal(set_byte(f, &p[3], 0, &q), -EAGAIN); /* no circle: a tail */
    assert_int_equal(set_byte(f, &p[2], 0, &q), -EDEADLK);
    lock_wait_ended(v, &p[1]); /* a signal */
    assert_int_equal(set_byte(f, &p[2], 0, &q), -EAGAIN);
    assert_int_equal(set_byte(f, &p[1], 2, &q), -EDEADLK);
    for (int i = 0; i < 4; i++)
        lock_wait_ended(v, &p[i]);
    assert_null(v->objects.lock_edges);
    file_put(f);
    vfs_free(v);
}

static void flock_behaves_as_the_kernels(void **state)
{
    static const int operations[] = {LOCK_SH, LOCK_EX, LOCK_UN, LOCK_SH};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct twins t;
        uint64_t s = seed;
        twins_make(&t);
        for (int step = 0; step < 300; step++) {
            int who = (int)(chance(&s) % OWNERS), operation = operations[chance(&s) % 4];
            assert_int_equal(lock_flock(t.file[who], operation, NULL), native(flock(t.fd[who], operation | LOCK_NB)));
        }
        twins_end(&t);
    }
}

static void flock_wakes_and_ends(void **state)
{
    struct vfs *v = test_vfs();
    struct file *a = open_ours(v, "/f", O_RDONLY | O_CREAT), *b = open_ours(v, "/f", O_RDONLY);
    struct waitq *q = NULL;
    struct heard h;
    assert_int_equal(lock_flock(a, 12, &q), -EINVAL);
    assert_int_equal(lock_flock(a, LOCK_EX, &q), 0);
    assert_int_equal(lock_flock(b, LOCK_SH, &q), -EAGAIN);
    wait_on(&h, q);
    assert_int_equal(lock_flock(a, LOCK_SH, &q), 0);
    assert_int_equal(h.woken, 1);
    assert_int_equal(lock_flock(b, LOCK_SH, &q), 0);
    assert_int_equal(lock_flock(b, LOCK_EX, &q), -EAGAIN);
    assert_int_equal(h.woken, 2); /* the failed upgrade lost b's lock */
    file_put(a);
    assert_int_equal(h.woken, 3);
    waiter_remove(&h.waiter);
    assert_int_equal(lock_flock(b, LOCK_EX, &q), 0);
    file_put(b);
    vfs_free(v);
}

static void locks_are_bounded(void **state)
{
    struct vfs *v = test_vfs();
    struct file *f = open_ours(v, "/f", O_RDWR | O_CREAT);
    char owner;
    int error = 0, i;
    for (i = 0; i < 70000 && !error; i++) {
        struct flock l = {.l_type = F_RDLCK, .l_start = (off_t)1 << 40, .l_len = 1};
        l.l_start -= 2 * i; /* the newest is found first: this loop stays linear */
        v->objects.lock_records += 1000;
        error = lock_set(f, &l, &owner, 1, false, NULL);
    }
    assert_int_equal(error, -ENOLCK);
    v->objects.lock_records -= 1000u * (uint32_t)i;
    assert_int_equal(v->objects.lock_records, i - 1);
    file_put(f);
    vfs_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_are_cut_and_joined),
        cmocka_unit_test(what_a_lock_looks_like),
        cmocka_unit_test(closing_gives_process_locks_up),
        cmocka_unit_test(circles_are_found),
        cmocka_unit_test(flock_behaves_as_the_kernels),
        cmocka_unit_test(flock_wakes_and_ends),
        cmocka_unit_test(locks_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
