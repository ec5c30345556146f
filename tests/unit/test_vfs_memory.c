// rooms: vfs
/* Memory files: sparse pages, quotas, seals, mappings, and what 100,000 of them cost. */
#include "vfs_fixture.h"

#include "vfs/memory.h"

#include <linux/falloc.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct vfs_usage usage_of(const struct world_fixture *w)
{
    struct vfs_usage u;
    vfs_usage(w->vfs, &u);
    return u;
}

static int small_setup(void **state)
{
    *state = fixture_new(1 << 20, 20);
    return 0;
}

/* A hole that begins behind the buffer of a small file (it is 64 bytes, the page 4,096). */
static void test_cut_behind_a_small_buffer(void **state)
{
    struct world_fixture *w = *state;
    char bytes[4096];
    struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(write_at(f, "data", 4, 0), 4);
    assert_int_equal(file_truncate(f, 4000), 0);
    assert_int_equal(file_truncate(f, 3900), 0);
    assert_int_equal(file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3000, 5000), 0);
    assert_int_equal(read_at(f, bytes, sizeof bytes, 0), 3900);
    assert_memory_equal(bytes, "data\0\0\0", 8);
    file_put(f);
}

/* Bytes that were cut off must not come back when the file grows again. */
static void test_old_bytes_do_not_return(void **state)
{
    struct world_fixture *w = *state;
    static const uint64_t cuts[] = {0, 1, 63, 64, 100, 4095, 4096, 4097, 65535, 65536, 65537, 100000};
    static char bytes[200000], back[200000];
    memset(bytes, 0xee, sizeof bytes);
    for (int mapped = 0; mapped < 2; mapped++) {
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
            struct file_mapping m;
            assert_int_equal(write_at(f, bytes, sizeof bytes, 0), sizeof bytes);
            if (mapped)
                assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
            assert_int_equal(file_truncate(f, cuts[i]), 0);
            assert_int_equal(file_truncate(f, sizeof bytes), 0);
            assert_int_equal(read_at(f, back, sizeof back, 0), sizeof back);
            for (size_t at = 0; at < sizeof back; at++)
                assert_int_equal((uint8_t)back[at], at < cuts[i] ? 0xee : 0);
            file_put(f);
        }
    }
}

/* A write whose source faults half way leaves no byte of the supervisor's in the file. */
static ssize_t get_some(struct io *io, void *to, size_t n)
{
    size_t *left = io->context;
    if (*left == 0)
        return -EFAULT;
    size_t got = n < *left ? n : *left;
    memset(to, 'x', got);
    *left -= got;
    io->left -= got;
    return (ssize_t)got;
}

static void test_write_that_faults(void **state)
{
    struct world_fixture *w = *state;
    for (size_t readable = 0; readable < 12000; readable += 1500) {
        struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
        /* Memory that was used before and holds something. */
        char *dirt = malloc(65544);
        memset(dirt, 0x55, 65544);
        free(dirt);
        size_t left = readable;
        struct io io = {.get = get_some, .left = 20000, .context = &left};
        assert_int_equal(file_write(f, &io, NULL), readable ? (ssize_t)readable : -EFAULT);
        assert_int_equal(file_truncate(f, 30000), 0);
        static char back[30000];
        assert_int_equal(read_at(f, back, sizeof back, 0), sizeof back);
        for (size_t at = 0; at < sizeof back; at++)
            assert_int_equal(back[at], at < readable ? 'x' : 0);
        file_put(f);
    }
}

static void test_holes_cost_nothing(void **state)
{
    struct world_fixture *w = *state;
    struct file *f = open_as(&w->at, "/sparse", O_RDWR | O_CREAT, 0644);
    assert_int_equal(file_truncate(f, INT64_MAX), 0);
    assert_int_equal(file_truncate(f, (uint64_t)INT64_MAX + 1), -EINVAL);
    assert_int_equal(write_at(f, "x", 1, INT64_MAX - 1), 1);
    assert_int_equal(write_at(f, "xy", 2, INT64_MAX), -EFBIG);
    assert_int_equal(write_at(f, "x", 1, 1ull << 40), 1);
    struct statx s;
    assert_int_equal(file_stat(f, &s), 0);
    assert_int_equal(s.stx_blocks, 16);
    assert_true(usage_of(w).bytes <= 3 * 4096);
    assert_true(file_seek(f, 5, SEEK_DATA) == 1ll << 40);
    assert_true(file_seek(f, 5, SEEK_HOLE) == 5);
    assert_true(file_seek(f, 1ll << 40, SEEK_HOLE) == (1ll << 40) + 4096);
    assert_int_equal(file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, INT64_MAX), 0);
    assert_int_equal(usage_of(w).bytes, 4096); /* the last page is not whole, so it stays: tmpfs */
    assert_int_equal(file_truncate(f, 0), 0);
    assert_true(file_seek(f, 0, SEEK_DATA) == -ENXIO);
    assert_int_equal(usage_of(w).bytes, 0);
    assert_int_equal(file_allocate(f, 0, 0, 1ull << 40), -ENOSPC); /* more than the quota, and at once */
    assert_int_equal(usage_of(w).bytes, 0);
    file_put(f);
}

/* What was reserved beyond the end is taken, is its file's own to write to whatever the quota says, and goes with a cut at the end. */
static void test_reserved_beyond_the_end(void **state)
{
    struct world_fixture *w = *state;
    static char bytes[900 * 1024];
    for (int mapped = 0; mapped < 2; mapped++) {
        struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
        struct file *other = open_as(&w->at, "/other", O_RDWR | O_CREAT | O_TRUNC, 0644);
        struct file_mapping m;
        struct statx s;
        if (mapped == 1)
            assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
        assert_int_equal(file_allocate(f, FALLOC_FL_KEEP_SIZE, 0, sizeof bytes), 0);
        assert_int_equal(file_stat(f, &s), 0);
        assert_int_equal(s.stx_size, 0);
        assert_int_equal(s.stx_blocks, sizeof bytes / 512);
        assert_true(usage_of(w).bytes >= sizeof bytes);
        assert_int_equal(file_seek(f, 0, SEEK_DATA), -ENXIO);
        assert_int_equal(write_at(other, bytes, 124 * 1024, 0), 124 * 1024);
        assert_int_equal(write_at(other, bytes, 4096, 124 * 1024), -ENOSPC);
        for (size_t at = 0; at < sizeof bytes / 2; at += 50 * 1024)
            assert_int_equal(write_at(f, bytes, 50 * 1024, at), 50 * 1024);
        assert_int_equal(file_stat(f, &s), 0);
        assert_int_equal(s.stx_blocks, sizeof bytes / 512);
        assert_int_equal(file_truncate(f, sizeof bytes / 2), 0);
        assert_int_equal(file_stat(f, &s), 0);
        assert_int_equal(s.stx_size, sizeof bytes / 2);
        assert_int_equal(s.stx_blocks, (sizeof bytes / 2 + 4095) / 4096 * 8);
        assert_int_equal(write_at(other, bytes, 4096, 124 * 1024), 4096);
        file_put(other);
        file_put(f);
    }
}

static void test_quota_of_bytes(void **state)
{
    struct world_fixture *w = *state;
    static char bytes[2 << 20];
    struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(write_at(f, bytes, sizeof bytes, 0), 1 << 20); /* to the last byte of the quota */
    assert_int_equal(write_at(f, "x", 1, 1 << 20), -ENOSPC);
    assert_int_equal(write_at(f, "x", 1, 1000), 1); /* what is there can be written again */
    assert_true(usage_of(w).quota_hit);
    assert_int_equal(usage_of(w).bytes, 1 << 20);
    file_put(f);
    f = open_as(&w->at, "/f", O_RDONLY, 0);
    assert_int_equal(vfs_unlink(&w->at, "/f"), 0);
    assert_int_equal(usage_of(w).bytes, 1 << 20); /* still open */
    file_put(f);
    assert_int_equal(usage_of(w).bytes, 0);
    assert_int_equal(usage_of(w).bytes_peak, 1 << 20);
    /* Given files are free, what the guest adds to them is not. */
    assert_int_equal(vfs_put_file(w->vfs, "/given", bytes, sizeof bytes, 0644, 0, 0), 0);
    assert_int_equal(usage_of(w).bytes, 0);
    f = open_as(&w->at, "/given", O_WRONLY, 0);
    assert_int_equal(write_at(f, bytes, 8192, sizeof bytes), 8192);
    assert_int_equal(usage_of(w).bytes, 8192);
    file_put(f);
    assert_int_equal(vfs_unlink(&w->at, "/given"), 0);
    assert_int_equal(usage_of(w).bytes, 0);
}

static void test_quota_of_nodes(void **state)
{
    struct world_fixture *w = *state;
    char path[32];
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        assert_int_equal(i % 2 ? vfs_mkdir(&w->at, path, 0755) : vfs_symlink(&w->at, "x", path), 0);
    }
    assert_int_equal(vfs_mkdir(&w->at, "/more", 0755), -ENOSPC);
    assert_int_equal(open_error(&w->at, "/more", O_CREAT | O_WRONLY), -ENOSPC);
    assert_int_equal(vfs_unlink(&w->at, "/f0"), 0);
    assert_int_equal(vfs_mkdir(&w->at, "/more", 0755), 0);
}

/* A name more of a file is memory too, and no node goes by it. */
static void test_links_count(void **state)
{
    struct world_fixture *w = *state;
    uint64_t before = usage_of(w).nodes;
    make_file(&w->at, "/one", "x");
    assert_int_equal(vfs_link(&w->at, "/one", 0, &w->at, "/two"), 0);
    assert_int_equal(vfs_link(&w->at, "/two", 0, &w->at, "/three"), 0);
    assert_int_equal(usage_of(w).nodes, before + 3);
    assert_int_equal(vfs_rename(&w->at, "/three", &w->at, "/four", 0), 0);
    assert_int_equal(vfs_unlink(&w->at, "/one"), 0);
    assert_int_equal(vfs_unlink(&w->at, "/four"), 0);
    assert_int_equal(vfs_unlink(&w->at, "/two"), 0);
    assert_int_equal(usage_of(w).nodes, before);
    make_file(&w->at, "/one", "x");
    char name[32];
    int error = 0;
    for (int i = 0; i < 1000 && error == 0; i++) {
        snprintf(name, sizeof name, "/link%d", i);
        error = vfs_link(&w->at, "/one", 0, &w->at, name);
    }
    assert_int_equal(error, -ENOSPC);
}

/* Of a mapped file what was reserved and never written is there already, whatever the quota says. As a tmpfs of 64 KiB has it. */
static void test_quota_of_reserved_pages(void **state)
{
    struct world_fixture *w = *state;
    char why[64];
    static char bytes[64 * 1024];
    struct file_mapping m;
    struct statx s;
    assert_int_equal(vfs_mount_memory(w->vfs, "/tmp", 01777, 0, 0, sizeof bytes, why, sizeof why), 0);
    struct file *f = open_as(&w->at, "/tmp/f", O_RDWR | O_CREAT, 0644);
    struct file *other = open_as(&w->at, "/tmp/other", O_RDWR | O_CREAT, 0644);
    assert_int_equal(file_truncate(f, 15 * 4096), 0);
    assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
    assert_int_equal(file_allocate(f, FALLOC_FL_KEEP_SIZE, 4095, 4097), 0);
    assert_int_equal(write_at(f, bytes, 2 * 4096, 8 * 4096), 2 * 4096);
    assert_int_equal(write_at(other, bytes, 11 * 4096, 0), 11 * 4096); /* one page is left */
    assert_int_equal(file_allocate(f, 0, 4095, 100), 0);
    assert_int_equal(file_allocate(f, 0, 0, 3 * 4096), 0); /* the last one */
    assert_int_equal(file_allocate(f, FALLOC_FL_KEEP_SIZE, 0, 4 * 4096), -ENOSPC);
    assert_int_equal(write_at(f, bytes, 100, 4097), 100);
    assert_int_equal(write_at(f, bytes, 3 * 4096, 4096), 2 * 4096);
    assert_int_equal(write_at(f, bytes, 1, 5 * 4096), -ENOSPC);
    assert_int_equal(file_stat(f, &s), 0);
    assert_int_equal(s.stx_blocks, 5 * 8);
    assert_int_equal(s.stx_size, 15 * 4096);
    assert_int_equal(file_truncate(other, 9 * 4096), 0);
    assert_int_equal(file_allocate(f, 0, 14 * 4096, 3 * 4096), -ENOSPC); /* all or none */
    assert_int_equal(file_stat(f, &s), 0);
    assert_int_equal(s.stx_blocks, 5 * 8);
    file_put(other);
    file_put(f);
}

static void test_quota_of_a_mount(void **state)
{
    struct world_fixture *w = *state;
    char why[64];
    static char bytes[64 * 1024];
    assert_int_equal(vfs_mount_memory(w->vfs, "/tmp", 01777, 0, 0, 32 * 1024, why, sizeof why), 0);
    struct file *f = open_as(&w->as_guest, "/tmp/f", O_RDWR | O_CREAT, 0644);
    struct vfs_statfs s;
    assert_int_equal(write_at(f, bytes, sizeof bytes, 0), 32 * 1024);
    assert_int_equal(vfs_statfs(&w->at, "/tmp", 0, &s), 0);
    assert_int_equal(s.blocks, 8);
    assert_int_equal(s.bavail, 0);
    file_put(f);
}

static void test_shared_mapping(void **state)
{
    struct world_fixture *w = *state;
    struct file_mapping a, b, read_only;
    struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644), *reader;
    assert_int_equal(put_text(f, "before"), 6);
    assert_int_equal(file_map(f, 0, 4096, true, &a), 0);
    assert_true(a.writable);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_string_equal(map, "before");
    assert_int_equal(write_at(f, "AFTER", 5, 0), 5); /* write(2) is seen in the mapping, and the other way round */
    assert_string_equal(map, "AFTERe");
    map[5] = 'R';
    assert_string_equal(text_of(&w->at, "/f"), "AFTERR");
    assert_int_equal(file_map(f, 0, 4096, true, &b), 0);
    assert_int_equal(a.key, b.key);
    reader = open_as(&w->at, "/f", O_RDONLY, 0);
    assert_int_equal(file_map(reader, 0, 4096, true, &read_only), 0);
    assert_false(read_only.writable);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, read_only.fd, 0), MAP_FAILED);
    file_put(reader);
    reader = open_as(&w->at, "/f", O_WRONLY, 0);
    assert_int_equal(file_map(reader, 0, 4096, false, &read_only), -EACCES);
    file_put(reader);
    munmap(map, 4096);
    file_put(f);
}

static void test_seals(void **state)
{
    struct world_fixture *w = *state;
    struct file *f = memfd_new(w->vfs, "name", MFD_ALLOW_SEALING);
    char buf[64], *map;
    struct file_mapping m;
    assert_true(file_name(f, w->at.root, buf, sizeof buf) > 0);
    assert_string_equal(buf, "/memfd:name (deleted)");
    assert_int_equal(put_text(f, "sealed"), 6);
    assert_int_equal(memfd_seals(f), 0);
    assert_int_equal(memfd_add_seals(f, F_SEAL_GROW), 0);
    assert_int_equal(write_at(f, "xx", 2, 5), -EPERM);
    assert_int_equal(write_at(f, "x", 1, 5), 1);
    assert_int_equal(file_truncate(f, 7), -EPERM);
    assert_int_equal(file_allocate(f, 0, 0, 100), -EPERM);
    assert_int_equal(memfd_add_seals(f, F_SEAL_SHRINK), 0);
    assert_int_equal(file_truncate(f, 5), -EPERM);
    assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(memfd_add_seals(f, F_SEAL_WRITE), -EBUSY); /* somebody could still write */
    munmap(map, 4096);
    assert_int_equal(memfd_add_seals(f, F_SEAL_WRITE | F_SEAL_SEAL), 0);
    assert_int_equal(write_at(f, "x", 1, 0), -EPERM);
    assert_int_equal(file_map(f, 0, 4096, true, &m), 0);
    assert_false(m.writable);
    assert_int_equal(memfd_add_seals(f, F_SEAL_GROW), -EPERM);
    assert_int_equal(memfd_seals(f), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL);
    file_put(f);
    f = memfd_new(w->vfs, "plain", 0);
    assert_int_equal(memfd_seals(f), F_SEAL_SEAL);
    assert_int_equal(memfd_add_seals(f, F_SEAL_GROW), -EPERM);
    file_put(f);
    f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(memfd_seals(f), F_SEAL_SEAL); /* mm/shmem.c, shmem_get_inode */
    assert_int_equal(memfd_add_seals(f, F_SEAL_GROW), -EPERM);
    file_put(f);
}

static void test_collapse(void **state)
{
    struct world_fixture *w = *state;
    static char bytes[40 * 4096], back[sizeof bytes];
    struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i / 4096 + 1);
    assert_int_equal(write_at(f, bytes, sizeof bytes, 0), sizeof bytes);
    assert_int_equal(file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10 * 4096, 20 * 4096), 0);
    assert_int_equal(file_allocate(f, FALLOC_FL_COLLAPSE_RANGE, 100, 4096), -EINVAL);
    assert_int_equal(file_allocate(f, FALLOC_FL_COLLAPSE_RANGE, 39 * 4096, 4096), -EINVAL);
    assert_int_equal(file_allocate(f, FALLOC_FL_COLLAPSE_RANGE, 4096, 2 * 4096), 0);
    assert_int_equal(read_at(f, back, sizeof back, 0), sizeof bytes - 2 * 4096);
    for (size_t page = 0; page < 38; page++) {
        size_t was = page < 1 ? page : page + 2;
        assert_int_equal(back[page * 4096 + 7], was >= 10 && was < 30 ? 0 : (char)(was + 1));
    }
    assert_true(file_seek(f, 8 * 4096, SEEK_DATA) == 28 * 4096);
    file_put(f);
}

/* The promise: 100,000 small files cost the supervisor at most 100 MiB in all. */
static void test_many_small_files(void **state)
{
    struct world_fixture *w = *state;
    char path[64];
    struct mallinfo2 before = mallinfo2();
    assert_int_equal(vfs_mkdir(&w->at, "/d", 0755), 0);
    for (int i = 0; i < 100000; i++) {
        snprintf(path, sizeof path, "/d/small_file_number_%06d", i);
        make_file(&w->at, path, "a few words, as small files have them\n");
    }
    struct mallinfo2 after = mallinfo2();
    size_t cost = after.uordblks - before.uordblks + after.hblkhd - before.hblkhd;
    if (after.uordblks) /* a sanitizer's allocator does not say */
        assert_in_range(cost, 10 << 20, 100 << 20);
    for (int i = 0; i < 100000; i += 7) {
        snprintf(path, sizeof path, "/d/small_file_number_%06d", i);
        assert_int_equal(vfs_unlink(&w->at, path), 0);
    }
    assert_int_equal(stat_error(&w->at, "/d/small_file_number_000007"), -ENOENT);
    assert_int_equal(stat_error(&w->at, "/d/small_file_number_000008"), 0);
}

/* A large file is in a memfd, unless descriptors are scarce: nobody can tell. */
static void test_large_files_with_and_without_descriptors(void **state)
{
    static const struct {
        uint64_t at;
        size_t n;
    } written[] = {{0, 100}, {70000, 9}, {255 * 1024, 4096}, {300000, 65536}, {900000, 1}, {4096, 8192}};
    struct rlimit before, scarce;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    static char content[2][900001];
    uint64_t bytes[2], pages[2];
    int64_t found[2][7];
    for (int few = 0; few < 2; few++) {
        void *fresh;
        assert_int_equal(small_setup(&fresh), 0);
        struct world_fixture *w = fresh;
        struct file *f = open_as(&w->at, "/large", O_RDWR | O_CREAT, 0644);
        scarce = before;
        scarce.rlim_cur = few ? 7 : before.rlim_cur;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &scarce), 0);
        for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
            static char block[65536];
            memset(block, 'a' + (int)i, written[i].n);
            assert_int_equal(write_at(f, block, written[i].n, written[i].at), written[i].n);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 310000, 20000), 0);
        assert_int_equal(read_at(f, content[few], sizeof content[few], 0), sizeof content[few]);
        for (int i = 0; i < 6; i++)
            found[few][i] = file_seek(f, 60000 * i, i % 2 ? SEEK_HOLE : SEEK_DATA);
        bytes[few] = usage_of(w).bytes;
        struct statx st;
        assert_int_equal(file_stat(f, &st), 0);
        pages[few] = st.stx_blocks;
        assert_int_equal(write_at(f, content[few], sizeof content[few], 0), sizeof content[few]);
        found[few][6] = write_at(f, content[few], sizeof content[few], 900001); /* the quota is 1 MiB */
        assert_in_range(found[few][6], 4096, 1 << 20);
        file_put(f);
        fixture_teardown(&fresh);
    }
    assert_memory_equal(content[0], content[1], sizeof content[0]);
    assert_memory_equal(found[0], found[1], sizeof found[0]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_int_equal(pages[0], pages[1]);
}

/* Bytes that this process has in memory. */
static size_t resident(void)
{
    unsigned long size, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &pages), 2);
    fclose(f);
    return pages * PAGE;
}

/* A page that is punched out of a file is in nobody's account: nor is it in memory. */
static void test_punched_pages_leave_memory(void **state)
{
    enum { FILES = 200, PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
    struct world_fixture *w = *state;
    static char bytes[PAGES_MOST];
    size_t before = resident();
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < FILES; i++) {
        char path[16];
        snprintf(path, sizeof path, "/%d", i);
        struct file *f = open_as(&w->at, path, O_RDWR | O_CREAT, 0644);
        assert_int_equal(write_at(f, bytes, sizeof bytes, 0), sizeof bytes);
        for (uint64_t page = 0; page < PAGES_MOST / PAGE; page++) {
            if (i % 2 == 0 && page % CHUNK_PAGES != 0)
                assert_int_equal(file_allocate(f, PUNCH, page * PAGE, PAGE), 0);
            if (i % 2 == 1 && page % CHUNK_PAGES == 0)
                assert_int_equal(file_allocate(f, PUNCH, page * PAGE + 100, CHUNK - 200), 0);
        }
        assert_int_equal(read_at(f, bytes, sizeof bytes, 0), sizeof bytes);
        for (size_t at = 0; at < sizeof bytes; at++)
            if (bytes[at] != (at % CHUNK < (i % 2 ? 100 : PAGE) || (i % 2 && at % CHUNK >= CHUNK - 100) ? 'x' : 0))
                fail_msg("file %d, byte %zu", i, at);
        memset(bytes, 'x', sizeof bytes);
        file_put(f);
    }
    assert_in_range(usage_of(w).bytes, FILES * PAGES_MOST / CHUNK_PAGES, 2 * FILES * PAGES_MOST / CHUNK_PAGES);
    if (mallinfo2().uordblks) /* a sanitizer's allocator keeps what is freed for a while */
        assert_in_range(resident(), 0, before + 2 * usage_of(w).bytes + (4 << 20));
}

/* What fallocate(2) reserved is a hole to SEEK_DATA until it is written, as on tmpfs(5); it takes room, in pages and in a memfd. */
static void test_reserved_is_no_data(void **state)
{
    struct world_fixture *w = *state;
    struct file *f = open_as(&w->at, "/f", O_RDWR | O_CREAT, 0644);
    assert_int_equal(file_allocate(f, 0, 8192, 40960), 0);
    assert_int_equal(file_seek(f, 0, SEEK_DATA), -ENXIO);
    assert_int_equal(write_at(f, "y", 1, 12288 + 5), 1);
    for (int memfd = 0; memfd < 2; memfd++) {
        assert_int_equal(file_seek(f, 0, SEEK_DATA), 12288);
        assert_int_equal(file_seek(f, 12288, SEEK_HOLE), 16384);
        char bytes[8] = "unread";
        assert_int_equal(read_at(f, bytes, 7, 20000), 7);
        assert_memory_equal(bytes, "\0\0\0\0\0\0\0", 7);
        struct statx st;
        assert_int_equal(file_stat(f, &st), 0);
        assert_int_equal(st.stx_blocks, 80);
        assert_int_equal(usage_of(w).bytes, 40960);
        struct file_mapping m;
        assert_int_equal(file_map(f, 0, 4096, true, &m), 0); /* a memfd from here on */
    }
    file_put(f);
}

/* The account of a memfd is kept without asking the host where that can be: it must say what the host says, whatever was done. */
static void test_account_of_a_large_file(void **state)
{
    static char block[70000];
    for (int round = 0; round < 2; round++) {
        struct world_fixture *w = fixture_new(round ? 1 << 20 : 0, 0);
        struct file *f = open_as(&w->at, "/large", O_RDWR | O_CREAT, 0644);
        uint32_t chance = 1;
        assert_int_equal(write_at(f, block, sizeof block, 300000), sizeof block); /* a memfd from here on */
        for (int i = 0; i < 2000; i++) {
            chance = chance * 1664525 + 1013904223;
            uint64_t at = (chance >> 8) % (1100 * 1024), n = (chance >> 4) % 5 ? (chance >> 16) % 9000 : sizeof block;
            if (i % 9 == 3)
                assert_int_equal(file_truncate(f, at), 0);
            else if (i % 9 == 6)
                assert_int_equal(file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, n + 1), 0);
            else
                (void)write_at(f, block, n, i % 3 ? at : (uint64_t)file_seek(f, 0, SEEK_END));
            uint64_t said = usage_of(w).bytes;
            vfs_recount(w->vfs, SIZE_MAX);
            assert_int_equal(said, usage_of(w).bytes);
            struct statx st;
            assert_int_equal(file_stat(f, &st), 0);
            assert_int_equal(st.stx_blocks * 512, said);
            if (round)
                assert_in_range(said, 0, 1 << 20);
        }
        file_put(f);
        void *done = w;
        fixture_teardown(&done);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, small_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_cut_behind_a_small_buffer),
        CASE(test_old_bytes_do_not_return),
        CASE(test_write_that_faults),
        SMALL(test_holes_cost_nothing),
        SMALL(test_quota_of_bytes),
        SMALL(test_reserved_beyond_the_end),
        SMALL(test_quota_of_nodes),
        SMALL(test_links_count),
        SMALL(test_quota_of_a_mount),
        SMALL(test_quota_of_reserved_pages),
        CASE(test_shared_mapping),
        CASE(test_seals),
        CASE(test_collapse),
        CASE(test_many_small_files),
        CASE(test_large_files_with_and_without_descriptors),
        CASE(test_punched_pages_leave_memory),
        CASE(test_reserved_is_no_data),
        cmocka_unit_test(test_account_of_a_large_file),
    };
    return cmocka_run_group_tests_name("vfs: memory files", tests, NULL, NULL);
}
