/* Calls on descriptors of every kind. */
#include "sweep.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <linux/fs.h>

enum {
    RDWR = 20,
    RDONLY,
    WRONLY,
    APPEND,
    OPATH,
    DIRECTORY,
    DIR_OPATH,
    EMPTY_READ,
    EMPTY_WRITE,
    HELD_READ,
    HELD_WRITE,
    BROKEN_WRITE,
    ENDED_READ,
    STREAM,
    PAIR,
    PAIR_HELD,
    DATAGRAM,
    EVENT,
    TIMER,
    EPOLL,
    INOTIFY,
    SIGNALS,
    MEMORY,
    SEALED,
    DEV_NULL,
    ZERO,
    FULL,
    FIFO,
    LAST
};
#define FILES V(RDWR), V(RDONLY), V(WRONLY), V(APPEND), V(OPATH), V(DIRECTORY), V(DIR_OPATH)
#define PIPES V(EMPTY_READ), V(EMPTY_WRITE), V(HELD_READ), V(BROKEN_WRITE), V(ENDED_READ), V(FIFO)
#define SOCKETS V(STREAM), V(PAIR), V(PAIR_HELD), V(DATAGRAM)
#define OTHERS V(EVENT), V(TIMER), V(INOTIFY), V(SIGNALS)
#define MEMORY_FILES V(MEMORY), V(SEALED)
#define DEVICES V(DEV_NULL), V(ZERO), V(FULL)
#define NONE                                                                                                           \
    {"closed", 99}, {"-1", -1}, {"AT_FDCWD", -100}, {"huge", 0x7fffffff}, {"RDWR with junk above", RDWR | 5L << 32},   \
    {                                                                                                                  \
        "negative", INT32_MIN                                                                                          \
    }
LIST(fds, FILES, PIPES, SOCKETS, OTHERS, V(EPOLL), MEMORY_FILES, DEVICES, NONE);
LIST(without_epoll, FILES, PIPES, SOCKETS, OTHERS, MEMORY_FILES, DEVICES,
     NONE); /* which knows ioctls since Linux 6.9 */
LIST(owned, FILES, PIPES, SOCKETS, MEMORY_FILES, DEVICES,
     NONE); /* without anonymous inodes, which have other modes since Linux 6.15 */
LIST(not_regular, V(OPATH), V(DIRECTORY), PIPES, SOCKETS, OTHERS, DEVICES, {"closed", 99},
     {"-1", -1}); /* tmpfs has O_DIRECT since Linux 6.6 */
LIST(with_flags, V(RDWR), V(RDONLY), V(WRONLY), V(APPEND), V(OPATH), PIPES, SOCKETS, MEMORY_FILES, V(DEV_NULL),
     {"closed", 99});
LIST(few, V(RDWR), V(APPEND), V(OPATH), V(DIRECTORY), V(EMPTY_READ), V(EMPTY_WRITE), V(HELD_READ), V(BROKEN_WRITE),
     V(ENDED_READ), V(PAIR), V(PAIR_HELD), V(STREAM), V(EVENT), V(EPOLL), V(MEMORY), V(SEALED), V(DEV_NULL), V(ZERO),
     V(FULL), V(WRONLY), V(RDONLY), {"closed", 99});

static char content[10000];

static void put(int fd, int at)
{
    if (fd == at)
        return;
    if (dup2(fd, at) != at) {
        perror("dup2");
        exit(3);
    }
    close(fd);
}

static void put_pair(const int p[2], int first, int second)
{
    put(p[0], first), put(p[1], second);
}

/* What is opened together, and from its beginning again after a call that changed it. */

static void open_files(void)
{
    for (int fd = RDWR; fd <= OPATH; fd++)
        close(fd);
    unlink("f");
    put(open("f", O_RDWR | O_CREAT | O_NONBLOCK, 0644), RDWR);
    if (write(RDWR, content, sizeof content) != sizeof content)
        exit(4);
    lseek(RDWR, 5, SEEK_SET);
    put(open("f", O_RDONLY), RDONLY);
    put(open("f", O_WRONLY), WRONLY);
    put(open("f", O_RDWR | O_APPEND), APPEND);
    put(open("f", O_PATH), OPATH);
}

static void open_directory(void)
{
    chmod("d", 0755);
    put(open("d", O_RDONLY | O_DIRECTORY), DIRECTORY);
    put(open("d", O_PATH), DIR_OPATH);
}

static void open_empty_pipe(void)
{
    int p[2];
    pipe2(p, O_NONBLOCK), put_pair(p, EMPTY_READ, EMPTY_WRITE);
}

static void open_held_pipe(void)
{
    int p[2];
    pipe2(p, O_NONBLOCK), put_pair(p, HELD_READ, HELD_WRITE);
    write(HELD_WRITE, "0123456789", 10);
}

static void open_half_pipes(void)
{
    int p[2];
    pipe2(p, O_NONBLOCK), put(p[1], BROKEN_WRITE), close(p[0]);
    pipe2(p, O_NONBLOCK), put(p[0], ENDED_READ), close(p[1]);
}

static void open_sockets(void)
{
    int p[2];
    put(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), STREAM);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), put_pair(p, PAIR, PAIR_HELD);
    write(PAIR, "0123456789", 10);
    put(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), DATAGRAM);
}

static void open_counters(void)
{
    sigset_t none;
    sigemptyset(&none);
    put(eventfd(3, EFD_NONBLOCK), EVENT);
    put(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER);
    put(epoll_create1(0), EPOLL);
    put(inotify_init1(IN_NONBLOCK), INOTIFY);
    put(signalfd(-1, &none, SFD_NONBLOCK), SIGNALS);
}

static void open_memory_files(void)
{
    put(memfd_create("m", MFD_ALLOW_SEALING), MEMORY);
    write(MEMORY, content, 5000);
    put(memfd_create("s", MFD_ALLOW_SEALING), SEALED);
    write(SEALED, content, 5000);
    fcntl(SEALED, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

static void open_devices(void)
{
    put(open("/dev/null", O_RDWR), DEV_NULL);
    put(open("/dev/zero", O_RDWR), ZERO);
    put(open("/dev/full", O_RDWR), FULL);
    close(FIFO);
    chmod("fifo", 0644);
    put(open("fifo", O_RDWR | O_NONBLOCK), FIFO);
}

static const struct {
    int last; /* the first is the one after the last of the group before */
    void (*open)(void);
} groups[] = {{OPATH, open_files},          {DIR_OPATH, open_directory},   {EMPTY_WRITE, open_empty_pipe},
              {HELD_WRITE, open_held_pipe}, {ENDED_READ, open_half_pipes}, {DATAGRAM, open_sockets},
              {SIGNALS, open_counters},     {SEALED, open_memory_files},   {FIFO, open_devices}};

static void make(long fd)
{
    if ((int)fd < RDWR)
        return;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if ((int)fd <= groups[i].last) {
            groups[i].open();
            return;
        }
    }
}

static void make_all(void)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        groups[i].open();
}

static void made(long result, const long *a)
{
    make(a[0]);
}

LIST(buffers, {"OUT", OUT}, {"NULL", 0}, {"read only", READ_ONLY}, {"nowhere", NOWHERE}, {"edge", EDGE},
     {"kernel", KERNEL});
LIST(lengths, {"0", 0}, {"1", 1}, {"7", 7}, {"8", 8}, {"4096", 4096}, {"65536", 65536}, {"-1", -1}, {"2^31", 1L << 31},
     {"LONG_MAX", INT64_MAX});
LIST(some_lengths, {"0", 0}, {"8", 8}, {"-1", -1}, {"LONG_MAX", INT64_MAX}, {"65536", 65536});
LIST(few_lengths, {"0", 0}, {"8", 8}, {"-1", -1});
LIST(few_offsets, {"0", 0}, {"-1", -1}, {"LONG_MAX-2", INT64_MAX - 2});
LIST(few_buffers, {"OUT", OUT}, {"nowhere", NOWHERE});
LIST(few_counts, {"0", 0}, {"2", 2}, {"2^32+1", 1 + (1L << 32)});

LIST(offsets, {"0", 0}, {"3", 3}, {"9999", 9999}, {"10001", 10001}, {"-1", -1}, {"LONG_MIN", INT64_MIN},
     {"LONG_MAX", INT64_MAX}, {"LONG_MAX-9", INT64_MAX - 9});
LIST(whences, {"SET", 0}, {"CUR", 1}, {"END", 2}, {"DATA", 3}, {"HOLE", 4}, {"5", 5}, {"-1", -1},
     {"SET with junk above", 7L << 32});

/* Vectors. */
#define VECTORS (IN + 0x100)
LIST(vectors, {"two", VECTORS}, {"bad second", VECTORS + 32}, {"bad first", VECTORS + 64}, {"negative", VECTORS + 96},
     {"sum too long", VECTORS + 128}, {"empty at nowhere", VECTORS + 160}, {"empty at kernel", VECTORS + 192},
     {"NULL", 0}, {"nowhere", NOWHERE});
LIST(vector_counts, {"0", 0}, {"1", 1}, {"2", 2}, {"1025", 1025}, {"-1", -1}, {"2^32", 1L << 32},
     {"2^32+1", 1 + (1L << 32)});
LIST(low, {"0", 0}, {"-1", -1}, {"20000", 20000});
/* Not NOWAIT, which tmpfs has not, and no bit that a newer Linux gave a meaning. */
LIST(rw_flags, {"0", 0}, {"HIPRI", 1}, {"DSYNC", 2}, {"SYNC", 4}, {"APPEND", 16}, {"bit 31", 1L << 31},
     {"above", 1L << 32});
LIST(one_vector, {"two", VECTORS});
LIST(two, {"2", 2});

static void set_vectors(void)
{
    struct iovec *v = (struct iovec *)VECTORS;
    const struct iovec made[] = {{(void *)OUT, 3},         {(void *)(OUT + 100), 9}, {(void *)OUT, 3},
                                 {(void *)NOWHERE, 9},     {(void *)NOWHERE, 3},     {(void *)OUT, 9},
                                 {(void *)OUT, -1UL},      {(void *)OUT, 3},         {(void *)OUT, INT64_MAX},
                                 {(void *)OUT, INT64_MAX}, {(void *)NOWHERE, 0},     {(void *)OUT, 9},
                                 {(void *)KERNEL, 0},      {(void *)OUT, 9}};
    memcpy(v, made, sizeof made);
}

LIST(questions, V(F_GETFD), V(F_GETFL), V(F_GETOWN), V(F_GETSIG), V(F_GETLEASE), V(F_GETPIPE_SZ), V(F_GET_SEALS),
     {"F_GETLK64 of 32 bits", 12}, {"F_CANCELLK", 1029}, {"77", 77}, {"-1", -1},
     {"F_GETFD with junk above", 1 | 1L << 40});
LIST(commands, V(F_DUPFD), V(F_SETFD), V(F_SETSIG), V(F_SETLEASE), V(F_DUPFD_CLOEXEC), V(F_SETPIPE_SZ), V(F_ADD_SEALS));
LIST(numbers, {"0", 0}, {"1", 1}, {"-1", -1}, {"2", 2}, {"5000", 5000}, {"2^31", 1L << 31}, {"64", 64}, {"65", 65},
     {"2^20+1", (1L << 20) + 1});
LIST(set_flags, V(F_SETFL));
LIST(status_flags, {"0", 0}, V(O_DIRECT), {"all", 0x1ffff}, {"-1", -1}, V(O_NOATIME), V(O_ASYNC));
LIST(lock_commands, V(F_GETLK), V(F_SETLK), V(F_OFD_GETLK), V(F_OFD_SETLK));
LIST(set_owner, V(F_SETOWN));
LIST(owners, {"0", 0}, {"INT_MIN", INT32_MIN}, {"2^31", 1L << 31}, {"2^30", 1L << 30}, {"-2^30", -(1L << 30)});
LIST(owner_commands, {"F_SETOWN_EX", 15}, {"F_GETOWN_EX", 16}, {"F_GETOWNER_UIDS", 17});
#define LOCKS (IN + 0x400)
LIST(locks, {"lock", LOCKS}, {"lock of type 9", LOCKS + 64}, {"lock of whence 9", LOCKS + 128},
     {"lock of pid 5", LOCKS + 192}, {"lock that is negative", LOCKS + 256}, {"nowhere", NOWHERE}, {"NULL", 0});
#define OWNERS (IN + 0x600)
LIST(owner_structs, {"of type 7", OWNERS}, {"none", OWNERS + 8}, {"absent", OWNERS + 16}, {"negative", OWNERS + 24},
     {"nowhere", NOWHERE}, {"NULL", 0}, {"read only", READ_ONLY});

static void set_locks(void)
{
    const struct flock made[] = {{.l_type = F_RDLCK},
                                 {.l_type = 9},
                                 {.l_type = F_WRLCK, .l_whence = 9},
                                 {.l_type = F_RDLCK, .l_pid = 5},
                                 {.l_type = F_RDLCK, .l_start = -9}};
    for (size_t i = 0; i < 5; i++)
        memcpy((void *)(LOCKS + 64 * i), &made[i], sizeof made[i]);
    memcpy((void *)OWNERS, (int[]){7, 1, 1, 0, 1, 1 << 30, 2, -5}, 32);
}

LIST(ioctls, V(FIONREAD), V(FIONBIO), V(FIOASYNC), V(FIOCLEX), V(FIONCLEX), V(TCGETS), V(TCSETS), V(TIOCGWINSZ),
     V(TIOCSWINSZ), V(TIOCGPGRP), V(TIOCSPGRP), V(TIOCGSID), V(TIOCSCTTY), V(TIOCNOTTY), V(TIOCSTI), V(TIOCOUTQ),
     V(TIOCGPTN), V(FIOQSIZE), V(FIGETBSZ), V(FIBMAP), {"12345", 12345}, {"0", 0}, {"-1", -1},
     {"FIONREAD with junk above", FIONREAD | 1L << 32});
LIST(ioctl_arguments, {"IN", IN}, {"0", 0}, {"nowhere", NOWHERE}, {"read only", READ_ONLY});

LIST(modes, {"0644", 0644}, {"07777", 07777}, {"-1", -1}, {"0170000", 0170000});
LIST(ids, {"-1", -1}, {"65536", 65536}, {"0", 0}, {"mine", 1000});
LIST(lengths_of_files, {"0", 0}, {"10", 10}, {"10000", 10000}, {"20000", 20000}, {"-1", -1}, {"LONG_MAX", INT64_MAX});
/* Not what few filesystems know (COLLAPSE, ZERO, INSERT, UNSHARE): tmpfs has none of them, inside there are all. */
LIST(fallocate_modes, {"0", 0}, {"KEEP", 1}, {"PUNCH", 2}, {"PUNCH|KEEP", 3}, {"bit 10", 1024}, {"-1", -1});
LIST(fallocate_offsets, {"0", 0}, {"4096", 4096}, {"-1", -1}, {"LONG_MAX", INT64_MAX});
/* None that tmpfs might fulfil at the cost of all memory. */
LIST(fallocate_lengths, {"0", 0}, {"5000", 5000}, {"-1", -1}, {"8192", 8192});
LIST(flocks, {"SH", LOCK_SH | LOCK_NB}, {"EX", LOCK_EX | LOCK_NB}, {"UN", LOCK_UN}, {"0", 0}, {"SH|EX", 3 | LOCK_NB},
     {"MAND", LOCK_MAND | LOCK_NB}, {"-1", -1}, {"SH with junk above", LOCK_SH | LOCK_NB | 1L << 32}, {"4", 4},
     {"UN|16", 24});
LIST(advices, {"0", 0}, {"5", 5}, {"6", 6}, {"-1", -1});
LIST(sync_flags, {"0", 0}, {"7", 7}, {"8", 8}, {"-1", -1});
LIST(dup_flags, {"0", 0}, {"CLOEXEC", O_CLOEXEC}, {"1", 1}, {"NONBLOCK", O_NONBLOCK},
     {"CLOEXEC with junk above", O_CLOEXEC | 1L << 32});
LIST(targets, {"90", 90}, {"RDWR", RDWR}, {"-1", -1}, {"1024", 1 << 20}, {"90 with junk above", 90 | 1L << 32});
LIST(firsts, {"90", 90}, {"RDWR", RDWR}, {"-1", 0xffffffff}, {"2000", 2000});
LIST(lasts, {"95", 95}, {"RDWR", RDWR}, {"-1", 0xffffffff}, {"0", 0});
LIST(range_flags, {"0", 0}, {"CLOEXEC", 4}, {"UNSHARE", 2}, {"1", 1}, {"8", 8}, {"both", 6});
LIST(dents_lengths, {"0", 0}, {"23", 23}, {"24", 24}, {"4096", 4096}, {"-1", -1}, {"2^31", 1L << 31});

static void duplicated(long result, const long *a)
{
    if ((int)a[1] == 90)
        close(90);
    else
        make(a[1]);
}

static void closed(long result, const long *a)
{
    close((int)result);
}

static void commanded(long result, const long *a)
{
    if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC)
        close((int)result);
    else
        make(a[0]);
}

static void locked(long result, const long *a)
{
    set_locks(); /* an answer stands where the question stood */
    make(a[0]);
}

static void range_closed(long result, const long *a)
{
    if (a[2] & 4)
        for (int fd = RDWR; fd < LAST; fd++)
            fcntl(fd, F_SETFD, 0);
    else
        make_all();
}

/* Between two descriptors. */
LIST(sources, V(RDWR), V(RDONLY), V(WRONLY), V(OPATH), V(DIRECTORY), V(HELD_READ), V(EMPTY_READ), V(EMPTY_WRITE),
     V(ENDED_READ), V(PAIR_HELD), V(STREAM), V(EVENT), V(SEALED), {"closed", 99});
LIST(sinks, V(RDWR), V(APPEND), V(RDONLY), V(OPATH), V(DIRECTORY), V(EMPTY_WRITE), V(HELD_READ), V(BROKEN_WRITE),
     V(PAIR), V(STREAM), V(EVENT), V(MEMORY), V(SEALED), V(DEV_NULL), V(FULL), {"closed", 99});
#define OFFSETS (IN + 0x800)
LIST(places, {"NULL", 0}, {"at 3", OFFSETS}, {"at -1", OFFSETS + 8}, {"at LONG_MAX", OFFSETS + 16},
     {"nowhere", NOWHERE}, {"read only", READ_ONLY});
LIST(no_place, {"NULL", 0});
LIST(five, {"5", 5});
LIST(few_places, {"NULL", 0}, {"at 3", OFFSETS}, {"nowhere", NOWHERE});
LIST(move_lengths, {"0", 0}, {"5", 5});
LIST(splice_flags, {"NONBLOCK", 2}, {"NONBLOCK with junk above", 2 | 1L << 33}, {"bit 7", 128});
LIST(nonblock, {"NONBLOCK", 2});
LIST(copy_flags, {"0", 0}, {"4", 4});
/* Not the one that is bad after its first piece: natively some pages are taken, inside none. */
LIST(spliced_vectors, {"two", VECTORS}, {"negative", VECTORS + 96}, {"sum too long", VECTORS + 128},
     {"empty at nowhere", VECTORS + 160}, {"empty at kernel", VECTORS + 192}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(vmsplice_flags, {"NONBLOCK", 2}, {"GIFT", 8 | 2}, {"bit 7", 128});

static void set_offsets(void)
{
    memcpy((void *)OFFSETS, (int64_t[]){3, -1, INT64_MAX}, 24);
}

static void all_moved(long result, const long *a)
{
    set_offsets();
    make(a[0]), make(a[1]), make(a[2]);
}

static const struct row rows[] = {
    {ROW(read, fds, buffers, lengths), SHOW | BYTES, made},
    {ROW(write, fds, buffers, some_lengths), SHOW, made},
    {ROW(pread64, fds, few_buffers, some_lengths, offsets), SHOW | BYTES, made},
    {ROW(pwrite64, fds, few_buffers, some_lengths, offsets), SHOW, made},
    {ROW(readv, fds, vectors, vector_counts), SHOW | BYTES, made},
    {ROW(writev, fds, vectors, vector_counts), SHOW, made},
    {ROW(preadv, few, vectors, few_counts, low, zero), SHOW | BYTES, made},
    {ROW(pwritev, few, vectors, few_counts, low, zero), SHOW, made},
    {ROW(preadv2, with_flags, one_vector, two, low, zero, rw_flags), SHOW | BYTES, made},
    {ROW(pwritev2, with_flags, one_vector, two, low, zero, rw_flags), SHOW, made},
    {ROW(vmsplice, fds, spliced_vectors, few_counts, vmsplice_flags), SHOW, made},
    {ROW(sendfile, sinks, sources, places, move_lengths), SHOW, all_moved},
    {ROW(splice, sources, few_places, sinks, few_places, five, nonblock), SHOW, all_moved},
    {ROW(splice, sources, no_place, sinks, no_place, move_lengths, splice_flags), SHOW, all_moved},
    {ROW(tee, fds, sinks, move_lengths, splice_flags), SHOW, all_moved},
    {ROW(copy_file_range, sources, few_places, sinks, few_places, five, copy_flags), SHOW, all_moved},
    {ROW(lseek, fds, offsets, whences), SHOW, made},
    {ROW(ftruncate, fds, lengths_of_files), SHOW, made},
    {ROW(fsync, fds), SHOW, made},
    {ROW(fdatasync, fds), SHOW, made},
    {ROW(syncfs, fds), SHOW, made},
    {ROW(sync_file_range, fds, few_offsets, few_lengths, sync_flags), SHOW, made},
    {ROW(fstat, fds, out), SHOW, made},
    {ROW(fstatfs, fds, out), SHOW, made},
    {ROW(getdents64, fds, buffers, dents_lengths), HIDE, made},
    {ROW(getdents, fds, few_buffers, dents_lengths), HIDE, made},
    {ROW(fallocate, few, fallocate_modes, fallocate_offsets, fallocate_lengths), SHOW, made},
    {ROW(readahead, fds, few_offsets, few_lengths), SHOW, made},
    {ROW(fadvise64, fds, few_offsets, few_lengths, advices), SHOW, made},
    {ROW(flock, fds, flocks), SHOW, made},
    {ROW(fcntl, fds, questions, numbers), SHOW, made},
    {ROW(fcntl, fds, commands, numbers), HIDE, commanded},
    {ROW(fcntl, not_regular, set_flags, status_flags), SHOW, made},
    {ROW(fcntl, fds, lock_commands, locks), SHOW, locked},
    {ROW(fcntl, fds, set_owner, owners), SHOW, made},
    {ROW(fcntl, fds, owner_commands, owner_structs), SHOW, locked},
    {ROW(ioctl, without_epoll, ioctls, ioctl_arguments), SHOW, made},
    {ROW(fchmod, owned, modes), SHOW, made},
    {ROW(fchown, owned, ids, ids), SHOW, made},
    {ROW(dup, fds), HIDE, closed},
    {ROW(dup2, fds, targets), SHOW, duplicated},
    {ROW(dup3, fds, targets, dup_flags), SHOW, duplicated},
    {ROW(close, fds), SHOW, made},
    {ROW(close_range, firsts, lasts, range_flags), SHOW, range_closed},
};

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = "abcdefghijklmnopqrstuvwxyz\n"[i % 27];
    mkdir("d", 0755);
    close(open("d/x", O_CREAT | O_WRONLY, 0644));
    mkfifo("fifo", 0644);
    set_vectors();
    set_locks();
    set_offsets();
    make_all();
    SWEEP(rows);
    return fflush(stdout);
}
