// rooms: vfs
/* Random sequences of file operations, made twice: in the vfs and, by the kernel, in a directory of the host. Every
 * call must return the same, and the two trees must be alike at the end of every round. The host's tmpfs is the model,
 * so that holes and fallocate(2) are comparable too; without one any directory does, and those operations are left out.
 *
 * No path climbs: a ".." follows a directory of the tree, symlink targets have none. */
#include "vfs_fixture.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

enum { ROUNDS = 60, STEPS = 500, SIZE_MOST = 200 * 1024 };

struct pair {
    struct world_fixture *w;
    int native; /* the host directory */
    bool tmpfs;
    bool cow; /* half way the vfs goes on with a host mount: no FIFOs (the host's do not open), no owners
                    * (they are mapped), links of directories are not counted */
    uint64_t seed, random;
    char log[512]; /* the last call, for the message */
};

static uint32_t pick(struct pair *p, uint32_t n)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (uint32_t)(p->random >> 33) % n;
}

static void random_path(struct pair *p, char *path)
{
    static const char *const names[] = {"a", "b", "c", "d", "link", "long_name_that_is_not_inline_anywhere"};
    uint32_t depth = 1 + pick(p, 3);
    *path = 0;
    for (uint32_t i = 0; i < depth; i++) {
        if (i)
            strcat(path, "/");
        strcat(path, names[pick(p, 6)]);
        if (i + 1 < depth && pick(p, 12) == 0)
            strcat(path, "/..");
        if (pick(p, 20) == 0)
            strcat(path, "/.");
    }
    if (pick(p, 25) == 0)
        strcat(path, "/");
}

static void compare(struct pair *p, int64_t native, int64_t ours)
{
    if (ours != native)
        fail_msg("seed %lu: %s: %ld (%s), the kernel says %ld (%s)", (unsigned long)p->seed, p->log, (long)ours,
                 strerror(ours < 0 ? (int)-ours : 0), (long)native, strerror(native < 0 ? (int)-native : 0));
}

/* The kernel's answer first, and its errno taken before the vfs makes calls of its own. */
#define same(p, ours, native)                                                                                          \
    do {                                                                                                               \
        int64_t kernel_says = (native);                                                                                \
        kernel_says = kernel_says < 0 ? -errno : kernel_says;                                                          \
        compare(p, kernel_says, ours);                                                                                 \
    } while (0)
#define LOG(...) snprintf(p->log, sizeof p->log, __VA_ARGS__)

/* ---- operations on names -------------------------------------------------------------------------------------- */

static void try_names(struct pair *p)
{
    static const unsigned flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
    struct place *at = &p->w->at;
    char one[128], two[128];
    random_path(p, one);
    random_path(p, two);
    uint32_t how = pick(p, 4);
    switch (pick(p, 7)) {
    case 0:
        LOG("mkdir %s", one);
        same(p, vfs_mkdir(at, one, 0755), mkdirat(p->native, one, 0755));
        break;
    case 1:
        LOG("rmdir %s", one);
        same(p, vfs_rmdir(at, one), unlinkat(p->native, one, AT_REMOVEDIR));
        break;
    case 2:
        LOG("unlink %s", one);
        same(p, vfs_unlink(at, one), unlinkat(p->native, one, 0));
        break;
    case 3:
        LOG("symlink %s at %s", two, one);
        if (!strstr(two, ".."))
            same(p, vfs_symlink(at, two, one), symlinkat(two, p->native, one));
        break;
    case 4:
        LOG("link %s %s%s", one, two, how == 0 ? " following" : "");
        same(p, vfs_link(at, one, how == 0 ? 0 : WALK_NOFOLLOW, at, two),
             linkat(p->native, one, p->native, two, how == 0 ? AT_SYMLINK_FOLLOW : 0));
        break;
    case 5:
        LOG("mknod %s", one);
        if (!p->cow)
            same(p, vfs_mknod(at, one, S_IFIFO | 0640, 0), mknodat(p->native, one, S_IFIFO | 0640, 0));
        break;
    default:
        LOG("rename %s %s %u", one, two, flags[how]);
        same(p, vfs_rename(at, one, at, two, flags[how]),
             syscall(SYS_renameat2, p->native, one, p->native, two, flags[how]));
    }
}

/* ---- operations on files -------------------------------------------------------------------------------------- */

static void compare_holes(struct pair *p, struct file *f, int fd, uint64_t size)
{
    int64_t at = (int64_t)pick(p, (uint32_t)size + 2);
    for (int whence = SEEK_DATA; whence <= SEEK_HOLE; whence++) {
        LOG("lseek %ld %d", (long)at, whence);
        same(p, file_seek(f, at, whence), lseek(fd, at, whence));
    }
}

static void use_file(struct pair *p, struct file *f, int fd, int flags)
{
    static char bytes[64 * 1024], ours[64 * 1024], native[64 * 1024];
    uint64_t offset = pick(p, SIZE_MOST), size = 1 + pick(p, sizeof bytes);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    switch (pick(p, p->tmpfs ? 6 : 4)) {
    case 0:
        size = pick(p, 4) ? 1 + size % 200 : size;
        memset(bytes, 1 + (int)pick(p, 255), size);
        LOG("write %lu at %lu, flags %x", (unsigned long)size, (unsigned long)offset, (unsigned)flags);
        if (flags & O_APPEND) { /* at the end: there is a limit to how large a file may get */
            if ((uint64_t)st.st_size > SIZE_MOST)
                break;
            same(p, put_text(f, "appended"), write(fd, "appended", 8));
        } else {
            same(p, write_at(f, bytes, size, offset), pwrite(fd, bytes, size, (off_t)offset));
        }
        break;
    case 1:
        LOG("ftruncate %lu", (unsigned long)offset);
        same(p, file_truncate(f, offset), ftruncate(fd, (off_t)offset));
        break;
    case 2:
    case 3: {
        LOG("read %lu at %lu", (unsigned long)size, (unsigned long)offset);
        ssize_t got;
        same(p, read_at(f, ours, size, offset), (got = pread(fd, native, size, (off_t)offset)));
        if (got > 0)
            assert_memory_equal(ours, native, got);
        break;
    }
    case 4: {
        static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    FALLOC_FL_PUNCH_HOLE};
        int mode = modes[pick(p, 4)];
        LOG("fallocate %x %lu %lu", (unsigned)mode, (unsigned long)offset, (unsigned long)size);
        same(p, file_allocate(f, mode, offset, size), fallocate(fd, mode, (off_t)offset, (off_t)size));
        break;
    }
    default:
        compare_holes(p, f, fd, (uint64_t)st.st_size);
    }
    if (pick(p, 10) == 0 && (flags & O_ACCMODE) == O_RDWR) { /* from here on its bytes are in a memfd */
        struct file_mapping m;
        assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
    }
}

static void try_files(struct pair *p)
{
    static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    static const int extra[] = {0,
                                O_CREAT,
                                O_CREAT,
                                O_CREAT | O_EXCL,
                                O_TRUNC,
                                O_APPEND | O_CREAT,
                                O_DIRECTORY,
                                O_NOFOLLOW,
                                O_CREAT | O_NOFOLLOW,
                                O_PATH,
                                O_PATH | O_NOFOLLOW,
                                O_CREAT | O_DIRECTORY,
                                O_TMPFILE};
    char path[128];
    random_path(p, path);
    int flags = access[pick(p, 4)] | extra[pick(p, sizeof extra / sizeof *extra)] | O_NONBLOCK;
    struct file *f = NULL;
    LOG("open %s %x", path, (unsigned)flags);
    int fd;
    same(p, vfs_open(&p->w->at, path, flags, 0644, 0, &f), (fd = openat(p->native, path, flags, 0644)) < 0 ? -1 : 0);
    if (fd < 0)
        return;
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (int i = 0; i < 4 && S_ISREG(st.st_mode) && !(flags & O_PATH); i++)
        use_file(p, f, fd, flags);
    file_put(f);
    close(fd);
}

static void try_attributes(struct pair *p)
{
    char path[128], ours[256], native[256];
    random_path(p, path);
    uint32_t mode = pick(p, 010000);
    switch (pick(p, 5)) {
    case 0:
        LOG("chmod %s %o", path, mode);
        same(p, vfs_chmod(&p->w->at, path, 0, mode | 0700), fchmodat(p->native, path, mode | 0700, 0));
        break;
    case 1:
        LOG("readlink %s", path);
        ssize_t got;
        same(p, vfs_readlink(&p->w->at, path, 0, ours, sizeof ours),
             (got = readlinkat(p->native, path, native, sizeof native)));
        if (got > 0)
            assert_memory_equal(ours, native, got);
        break;
    case 2:
        LOG("chown %s", path);
        if (!p->cow)
            same(p, vfs_chown(&p->w->at, path, WALK_NOFOLLOW, 5, 6),
                 fchownat(p->native, path, 5, 6, AT_SYMLINK_NOFOLLOW));
        break;
    case 3:
        LOG("access %s", path);
        same(p, vfs_access(&p->w->at, path, X_OK, 0), faccessat(p->native, path, X_OK, 0));
        break;
    default: {
        struct statx s;
        struct stat st;
        LOG("stat %s", path);
        int error;
        same(p, vfs_stat(&p->w->at, path, 0, &s), (error = fstatat(p->native, path, &st, 0)));
        if (!error) {
            assert_int_equal(s.stx_mode, st.st_mode);
            if (!p->cow || !S_ISDIR(st.st_mode))
                assert_int_equal(s.stx_nlink, st.st_nlink);
        }
    }
    }
}

/* ---- the trees ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a listing in one line, sorted. */
static void sort_names(char *text)
{
    char *names[512], copy[8192];
    size_t n = 0;
    strcpy(copy, text);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "))
        names[n++] = name;
    qsort(names, n, sizeof *names, by_name);
    *text = 0;
    for (size_t i = 0; i < n; i++) {
        strcat(text, names[i]);
        strcat(text, " ");
    }
}

static void compare_contents(struct pair *p, const char *path)
{
    static char ours[SIZE_MOST * 2], native[SIZE_MOST * 2];
    struct file *f = open_as(&p->w->at, path, O_RDONLY, 0);
    int fd = openat(p->native, path, O_RDONLY);
    ssize_t n = pread(fd, native, sizeof native, 0);
    assert_int_equal(read_at(f, ours, sizeof ours, 0), n);
    assert_memory_equal(ours, native, n);
    close(fd);
    file_put(f);
}

static void compare_trees(struct pair *p, const char *path, int depth)
{
    char ours[8192], native[8192] = "", child[512], target[2][256];
    assert_in_range(depth, 0, 60);
    strcpy(ours, list_of(&p->w->at, path));
    DIR *d = fdopendir(openat(p->native, path, O_RDONLY | O_DIRECTORY));
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            strcat(native, e->d_name);
            strcat(native, " ");
        }
    }
    closedir(d);
    sort_names(ours);
    sort_names(native);
    assert_string_equal(ours, native);
    char *rest = native;
    for (char *name; (name = strtok_r(rest, " ", &rest));) {
        struct statx s;
        struct stat st;
        snprintf(child, sizeof child, "%.200s/%s", path, name);
        s = stat_of(&p->w->at, child, WALK_NOFOLLOW);
        assert_int_equal(fstatat(p->native, child, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(s.stx_mode, st.st_mode);
        if (!p->cow || !S_ISDIR(st.st_mode))
            assert_int_equal(s.stx_nlink, st.st_nlink);
        if (!p->cow || s.stx_uid != 1000) /* what was there before is the guest's */
            assert_int_equal(s.stx_uid, st.st_uid);
        if (!S_ISDIR(st.st_mode))
            assert_int_equal(s.stx_size, st.st_size);
        if (p->tmpfs && S_ISREG(st.st_mode))
            assert_int_equal(s.stx_blocks, st.st_blocks);
        if (S_ISREG(st.st_mode))
            compare_contents(p, child);
        if (S_ISLNK(st.st_mode)) {
            memset(target, 0, sizeof target);
            vfs_readlink(&p->w->at, child, 0, target[0], sizeof target[0]);
            assert_true(readlinkat(p->native, child, target[1], sizeof target[1]) > 0);
            assert_string_equal(target[0], target[1]);
        }
        if (S_ISDIR(st.st_mode))
            compare_trees(p, child, depth + 1);
    }
}

/* ---- rounds ---- */

static void open_native(struct pair *p, char base[64])
{
    struct statfs fs;
    strcpy(base, "/dev/shm/test_vfs_XXXXXX");
    if (!mkdtemp(base)) {
        strcpy(base, "/tmp/test_vfs_XXXXXX");
        assert_non_null(mkdtemp(base));
    }
    p->native = open(base, O_RDONLY | O_DIRECTORY);
    assert_true(p->native >= 0);
    p->tmpfs = !fstatfs(p->native, &fs) && fs.f_type == TMPFS_MAGIC;
}

static void remove_native(const char *base)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", base);
    assert_int_equal(system(command), 0);
}

/* cow: half way the vfs mounts a copy of what was made so far, so that whiteouts and promotion take part. */
static void one_round(uint64_t seed, bool cow)
{
    struct pair pair = {.seed = seed, .cow = cow, .random = 0x9e3779b97f4a7c15ull * (seed + 1)}, *p = &pair;
    char base[64], copy[64] = "", command[256], why[256];
    open_native(p, base);
    p->w = fixture_new(0, 0);
    for (int i = 0; i < STEPS; i++) {
        if (cow && i == STEPS / 2) {
            strcpy(copy, "/tmp/test_vfs_XXXXXX");
            assert_non_null(mkdtemp(copy));
            snprintf(command, sizeof command, "cp -a --sparse=never %s/. %s", base, copy);
            assert_int_equal(system(command), 0);
            assert_int_equal(vfs_mount_host(p->w->vfs, "/", copy, MOUNT_COPY_ON_WRITE, why, sizeof why), 0);
            fixture_reroot(p->w);
            p->tmpfs = false;
        }
        uint32_t kind = pick(p, 10);
        if (kind < 5)
            try_names(p);
        else if (kind < 9)
            try_files(p);
        else
            try_attributes(p);
    }
    compare_trees(p, ".", 0);
    close(p->native);
    struct world_fixture *w = p->w;
    void *state = w;
    fixture_teardown(&state);
    remove_native(base);
    if (*copy)
        remove_native(copy);
}

static void test_memory(void **state)
{
    if (geteuid() != 0)
        skip(); /* the tree's superuser against an ordinary user: permissions would differ */
    for (uint64_t seed = 0; seed < ROUNDS; seed++)
        one_round(seed, false);
}

static void test_copy_on_write(void **state)
{
    if (geteuid() != 0)
        skip();
    for (uint64_t seed = 1000; seed < 1000 + ROUNDS; seed++)
        one_round(seed, true);
}

int main(void)
{
    umask(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_copy_on_write),
    };
    return cmocka_run_group_tests_name("vfs: against the kernel", tests, NULL, NULL);
}
