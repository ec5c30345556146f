/* Calls on memory: an arena with pieces of every kind, which is laid out again after each call that may have changed it. */
#include "sweep.h"

#include <sys/ipc.h>
#include <sys/shm.h>

enum { FILE_RW = 20, FILE_R, FILE_W, DIRECTORY, OPATH, PIPE, ZERO, DEV_NULL, SEALED, MEMORY, LAST };
#define ARENA 0x30000000L
enum {
    WRITABLE = 0,
    READABLE = 4,
    HOLE = 6,
    SHARED_FILE = 8,
    PRIVATE_FILE = 12,
    SHARED_MEMORY = 16,
    BEHIND = 18,
    ARENA_PAGES = 64
};
#define AT(page) (ARENA + (page)*PAGE)

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

static void lay(int page, int pages, int protection, int flags, int fd)
{
    if (mmap((void *)AT(page), pages * PAGE, protection, flags | MAP_FIXED, fd, 0) != (void *)AT(page))
        exit(4);
}

static void make(void)
{
    munmap((void *)ARENA, ARENA_PAGES * PAGE);
    lay(WRITABLE, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    lay(READABLE, 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    lay(SHARED_FILE, 4, PROT_READ | PROT_WRITE, MAP_SHARED, FILE_RW);
    lay(PRIVATE_FILE, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE, FILE_R);
    lay(SHARED_MEMORY, 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static void made(long result, const long *a)
{
    make();
}

static long length_of(const long *a)
{
    return (a[1] + PAGE - 1) & -PAGE;
}

static void mapped(long result, const long *a)
{
    munmap((void *)result, length_of(a));
    if (result >= ARENA && result < AT(ARENA_PAGES))
        make();
}

static void remapped(long result, const long *a)
{
    if (result != -1)
        munmap((void *)result, (a[2] + PAGE - 1) & -PAGE);
    make();
}

static void unlocked(long result, const long *a)
{
    munlockall();
}

LIST(fds, {"-1", -1}, V(FILE_RW), V(FILE_R), V(FILE_W), V(DIRECTORY), V(OPATH), V(PIPE), V(ZERO), V(DEV_NULL),
     V(SEALED), V(MEMORY), {"closed", 99});
LIST(no_fd, {"-1", -1});
LIST(one_file, V(FILE_RW));
LIST(offsets, {"0", 0}, {"4096", 4096}, {"1", 1}, {"-4096", -4096}, {"LONG_MAX-4095", INT64_MAX - 4095});
LIST(places, {"NULL", 0}, {"writable", AT(WRITABLE)}, {"hole", AT(HOLE)}, {"behind", AT(BEHIND)},
     {"writable+1", AT(WRITABLE) + 1}, {"kernel", KERNEL}, {"-4096", -4096}, {"end", BEYOND});
LIST(anywhere, {"NULL", 0}, {"behind", AT(BEHIND)});
LIST(behind, {"behind", AT(BEHIND)});
LIST(lengths, {"0", 0}, {"1", 1}, {"4096", 4096}, {"5 pages", 5 * PAGE}, {"-1", -1}, {"-4096", -4096},
     {"2^57", 1L << 57});
LIST(few_lengths, {"4096", 4096}, {"0", 0}, {"-1", -1});
LIST(one_page, {"4096", 4096});
LIST(protections, {"NONE", 0}, {"R", 1}, {"W", 2}, {"RW", 3}, {"X", 4}, {"SEM", 8}, {"bit 4", 16},
     {"GROWSDOWN", PROT_GROWSDOWN | 1}, {"both", PROT_GROWSDOWN | PROT_GROWSUP | 1}, {"-1", -1},
     {"R with junk above", 1 | 1L << 32});
LIST(few_protections, {"R", 1}, {"RW", 3}); /* the filesystem may be mounted without programs */
LIST(executable, {"RX", 5});
LIST(nameless, V(SEALED), V(MEMORY));
LIST(one_protection, {"RW", 3});
#define A(x) (MAP_PRIVATE | MAP_ANONYMOUS | (x))
LIST(map_flags, {"0", 0}, {"ANONYMOUS", MAP_ANONYMOUS}, {"PRIVATE|ANONYMOUS", A(0)},
     {"SHARED|ANONYMOUS", MAP_SHARED | MAP_ANONYMOUS}, {"VALIDATE|ANONYMOUS", MAP_SHARED_VALIDATE | MAP_ANONYMOUS},
     {"type 4", 4 | MAP_ANONYMOUS}, {"type 15", 15 | MAP_ANONYMOUS}, {"FIXED", A(MAP_FIXED)},
     {"FIXED_NOREPLACE", A(MAP_FIXED_NOREPLACE)}, {"FIXED|FIXED_NOREPLACE", A(MAP_FIXED | MAP_FIXED_NOREPLACE)},
     {"GROWSDOWN", A(MAP_GROWSDOWN)}, {"NORESERVE", A(MAP_NORESERVE)}, {"POPULATE", A(MAP_POPULATE)},
     {"STACK", A(MAP_STACK)}, {"bit 22", A(1 << 22)}, {"junk above", A(1L << 32)},
     {"SHARED GROWSDOWN", MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN});
LIST(file_flags, {"PRIVATE", MAP_PRIVATE}, {"SHARED", MAP_SHARED}, {"VALIDATE", MAP_SHARED_VALIDATE},
     {"VALIDATE|bit 22", MAP_SHARED_VALIDATE | 1 << 22}, {"SHARED|bit 22", MAP_SHARED | 1 << 22},
     {"VALIDATE|SYNC", MAP_SHARED_VALIDATE | MAP_SYNC}, {"FIXED", MAP_PRIVATE | MAP_FIXED},
     {"SHARED|FIXED", MAP_SHARED | MAP_FIXED}, {"0", 0}, {"4", 4});

LIST(pieces, {"writable", AT(WRITABLE)}, {"writable+1", AT(WRITABLE) + 1}, {"last writable", AT(WRITABLE + 3)},
     {"readable", AT(READABLE)}, {"hole", AT(HOLE)}, {"shared file", AT(SHARED_FILE)},
     {"private file", AT(PRIVATE_FILE)}, {"shared memory", AT(SHARED_MEMORY)}, {"NULL", 0}, {"kernel", KERNEL},
     {"-4096", -4096}, {"end", BEYOND});
LIST(piece_lengths, {"0", 0}, {"1", 1}, {"2 pages", 2 * PAGE}, {"10 pages", 10 * PAGE}, {"-1", -1}, {"-4096", -4096},
     {"2^57", 1L << 57});
LIST(advised_lengths, {"0", 0}, {"1", 1}, {"2 pages", 2 * PAGE}, {"10 pages", 10 * PAGE}, {"-1", -1});
LIST(old_lengths, {"0", 0}, {"1 page", PAGE}, {"2 pages", 2 * PAGE}, {"6 pages", 6 * PAGE}, {"-1", -1});
LIST(new_lengths, {"0", 0}, {"1 page", PAGE}, {"5 pages", 5 * PAGE}, {"-1", -1});
LIST(remap_flags, {"0", 0}, {"MAYMOVE", 1}, {"FIXED", 2}, {"MAYMOVE|FIXED", 3}, {"DONTUNMAP", 4},
     {"MAYMOVE|DONTUNMAP", 5}, {"8", 8});
LIST(destinations, {"behind", AT(BEHIND)}, {"behind+1", AT(BEHIND) + 1}, {"writable", AT(WRITABLE)},
     {"kernel", KERNEL});
LIST(sync_flags, {"0", 0}, {"ASYNC", 1}, {"INVALIDATE", 2}, {"SYNC", 4}, {"ASYNC|SYNC", 5}, {"8", 8}, {"-1", -1});
/* Not what depends on how the kernel was configured (KSM, huge pages) or came later than Linux 6.1. */
LIST(advices, {"NORMAL", 0}, {"RANDOM", 1}, {"SEQUENTIAL", 2}, {"WILLNEED", 3}, {"DONTNEED", 4}, {"5", 5}, {"FREE", 8},
     {"REMOVE", 9}, {"DONTFORK", 10}, {"DOFORK", 11}, {"DONTDUMP", 16}, {"DODUMP", 17}, {"WIPEONFORK", 18},
     {"KEEPONFORK", 19}, {"COLD", 20}, {"PAGEOUT", 21}, {"POPULATE_READ", 22}, {"POPULATE_WRITE", 23}, {"99", 99},
     {"-1", -1}, {"NORMAL with junk above", 1L << 32});
LIST(outs, {"OUT", OUT}, {"NULL", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY}, {"kernel", KERNEL});
LIST(lock_lengths, {"0", 0}, {"1", 1}, {"2 pages", 2 * PAGE}, {"10 pages", 10 * PAGE}, {"-1", -1}, {"2^57", 1L << 57});
LIST(lock_flags, {"0", 0}, {"ONFAULT", 1}, {"2", 2}, {"-1", -1}, {"junk above", 1L << 32});
LIST(all_flags, {"0", 0}, {"ONFAULT", 4}, {"8", 8}, {"-1", -1}, {"FUTURE|8", 10});

/* Segments. */
LIST(keys, {"PRIVATE", 0}, {"none", 0x7a3b5c1d}, {"junk above", 1L << 32});
LIST(segment_sizes, {"4096", 4096}, {"0", 0}, {"1", 1}, {"-1", -1});
LIST(get_flags, {"0", 0}, {"CREAT", IPC_CREAT | 0600}, {"EXCL", IPC_EXCL | 0600}, {"0600", 0600});
static struct value segments[5];
LIST(attach_places, {"NULL", 0}, {"behind", AT(BEHIND)}, {"behind+1", AT(BEHIND) + 1}, {"writable", AT(WRITABLE)},
     {"kernel", KERNEL});
LIST(attach_flags, {"0", 0}, {"RDONLY", SHM_RDONLY}, {"RND", SHM_RND}, {"REMAP", SHM_REMAP},
     {"REMAP|RND", SHM_REMAP | SHM_RND}, {"EXEC", SHM_EXEC}, {"1", 1}, {"bit 20", 1 << 20});
LIST(shm_commands, {"IPC_STAT", IPC_STAT}, {"SHM_STAT", 13}, {"IPC_SET", IPC_SET}, {"SHM_LOCK", SHM_LOCK},
     {"SHM_UNLOCK", SHM_UNLOCK}, {"99", 99}, {"-1", -1}, {"IPC_STAT with junk above", IPC_STAT | 1L << 32});

static void got(long result, const long *a)
{
    shmctl((int)result, IPC_RMID, NULL);
}

static void attached(long result, const long *a)
{
    shmdt((void *)result);
    if (result >= ARENA && result < AT(ARENA_PAGES))
        make();
}

static const struct row rows[] = {
    {ROW(mmap, places, lengths, one_protection, map_flags, no_fd, zero), HIDE, mapped},
    {ROW(mmap, behind, one_page, protections, map_flags, no_fd, zero), HIDE, mapped},
    {ROW(mmap, anywhere, few_lengths, few_protections, file_flags, fds, zero), HIDE, mapped},
    {ROW(mmap, behind, few_lengths, one_protection, file_flags, one_file, offsets), HIDE, mapped},
    {ROW(mmap, behind, one_page, executable, file_flags, nameless, zero), HIDE, mapped},
    {ROW(munmap, pieces, piece_lengths), SHOW, made},
    {ROW(mprotect, pieces, piece_lengths, protections), ALWAYS, made},
    {ROW(mremap, pieces, old_lengths, new_lengths, remap_flags, destinations), HIDE | ALWAYS, remapped},
    {ROW(msync, pieces, piece_lengths, sync_flags), SHOW, NULL},
    {ROW(madvise, pieces, advised_lengths, advices), ALWAYS, made},
    {ROW(mincore, pieces, piece_lengths, outs), SHOW, NULL},
    {ROW(mlock, pieces, lock_lengths), ALWAYS, unlocked},
    {ROW(munlock, pieces, lock_lengths), SHOW, NULL},
    {ROW(mlock2, pieces, lock_lengths, lock_flags), ALWAYS, unlocked},
    {ROW(mlockall, all_flags), ALWAYS, unlocked},
    {ROW(shmget, keys, segment_sizes, get_flags), HIDE, got},
    {ROW(shmat, segments, attach_places, attach_flags), HIDE, attached},
    {ROW(shmdt, pieces), SHOW, NULL},
    {ROW(shmctl, segments, shm_commands, outs), HIDE, NULL},
};

static void heap(void)
{
    const long start = syscall(SYS_brk, 0L);
    const long wanted[] = {start + 1, start + PAGE,       start, start - 1, -1,
                           KERNEL,    start + (1L << 46), 1,     NOWHERE,   start + (1L << 31)};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        printf("brk %zu: %ld\n", i, syscall(SYS_brk, wanted[i]) - start);
}

int main(int argc, char **argv)
{
    int p[2];
    sweep_begin(argc, argv);
    limit(RLIMIT_MEMLOCK, 1 << 16);
    mkdir("d", 0755);
    put(open("f", O_RDWR | O_CREAT, 0644), FILE_RW);
    if (ftruncate(FILE_RW, 4 * PAGE) || pipe(p))
        return 5;
    put(open("f", O_RDONLY), FILE_R);
    put(open("f", O_WRONLY), FILE_W);
    put(open("d", O_RDONLY), DIRECTORY);
    put(open("f", O_PATH), OPATH);
    put(p[0], PIPE);
    put(open("/dev/zero", O_RDWR), ZERO);
    put(open("/dev/null", O_RDWR), DEV_NULL);
    put(memfd_create("s", MFD_ALLOW_SEALING), SEALED);
    put(memfd_create("m", MFD_ALLOW_SEALING), MEMORY);
    if (ftruncate(SEALED, 2 * PAGE) || fcntl(SEALED, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) ||
        ftruncate(MEMORY, 2 * PAGE))
        return 6;
    make();
    const int segment = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600), denied = shmget(IPC_PRIVATE, PAGE, IPC_CREAT);
    segments[0] = (struct value){"segment", segment};
    segments[1] = (struct value){"denied", denied};
    segments[2] = (struct value){"-1", -1};
    segments[3] = (struct value){"absent", 0x7fffffff};
    SWEEP(rows);
    heap();
    shmctl(segment, IPC_RMID, NULL);
    shmctl(denied, IPC_RMID, NULL);
    return fflush(stdout);
}
