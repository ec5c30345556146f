/* Calls on paths of every kind. */
#include "sweep.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/un.h>
#include <sys/xattr.h>

enum { DIRECTORY = 20, DIR_OPATH, FILE_FD, FILE_OPATH, LINK_OPATH, PIPE, LOCKED, LAST };

static char name_255[256], name_256[257], path_4095[4096], path_4096[4097];

static void remove_tree(int at, const char *name)
{
    fchmodat(at, name, 0700, 0);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlinkat(fd, e->d_name, 0) != 0)
            remove_tree(fd, e->d_name);
    if (d)
        closedir(d);
    unlinkat(at, name, AT_REMOVEDIR);
}

static int home;

static void put(int fd, int at)
{
    if (fd < 0 || dup2(fd, at) != at)
        exit(3);
    close(fd);
}

static void file(const char *name, int mode)
{
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    if (write(fd, "hello", 5) != 5 || fchmod(fd, mode))
        exit(4);
    close(fd);
}

static void make(void)
{
    fchmod(home, 0755);
    remove_tree(home, "t");
    umask(022);
    if (fchdir(home) || mkdir("t", 0755) || chdir("t"))
        exit(5);
    file("f", 0644);
    file("x", 0755);
    file("secret", 0);
    mkdir("d", 0755), mkdir("e", 0755), mkdir("locked", 0755), mkdir("read only", 0755);
    file("d/y", 0600), file("locked/z", 0644), file("read only/z", 0644);
    chmod("read only", 0555);
    symlink("f", "l"), symlink("d", "ld"), symlink("none", "dang"), symlink("loop", "loop"), symlink("d/", "slashed");
    mkfifo("fifo", 0644);
    mknod("sock", S_IFSOCK | 0644, 0);
    put(open("d", O_RDONLY), DIRECTORY);
    put(open("d", O_PATH), DIR_OPATH);
    put(open("f", O_RDWR), FILE_FD);
    put(open("f", O_PATH), FILE_OPATH);
    put(open("l", O_PATH | O_NOFOLLOW), LINK_OPATH);
    put(open("locked", O_RDONLY), LOCKED);
    chmod("locked", 0);
}

static void made(long result, const long *a)
{
    make();
}

static void opened(long result, const long *a)
{
    close((int)result);
    if (a[1] & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
        make();
}

static void opened_at(long result, const long *a)
{
    close((int)result);
    if (a[2] & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
        make();
}

static void opened_how(long result, const long *a)
{
    close((int)result);
    make();
}

static void moved(long result, const long *a)
{
    if (fchdir(home) || chdir("t"))
        exit(6);
}

/* Each a pointer: sweep's arguments are numbers. */
#define P(text)                                                                                                        \
    {                                                                                                                  \
        text, (long)(text)                                                                                             \
    }
#define BAD                                                                                                            \
    {"NULL", 0}, {"nowhere", NOWHERE}, {"edge", EDGE},                                                                 \
    {                                                                                                                  \
        "kernel", KERNEL                                                                                               \
    }
#define OBJECTS                                                                                                        \
    P("f"), P("d"), P("e"), P("l"), P("ld"), P("dang"), P("loop"), P("fifo"), P("sock"), P("secret"), P("locked")
LIST(paths, OBJECTS, P("x"), P("slashed"), P("locked/z"), P("read only/z"), P("read only/none"), P("none"), P("f/"),
     P("d/"), P("e/"), P("l/"), P("ld/"), P("dang/"), P("loop/"), P("none/"), P("slashed/"), P("f/x"), P("f/."),
     P("f/.."), P("d/."), P("d/.."), P("d/../f"), P("."), P(".."), P("./"), P("/"), P("//"), P(""), P("none/x"),
     P("dang/x"), P("loop/x"), P("ld/y"), P("fifo/"), P("l/."), P("ld/."), P("/dev/null"), P("/dev/null/"),
     {"255 bytes", (long)name_255}, {"256 bytes", (long)name_256}, {"path of 4095", (long)path_4095},
     {"path of 4096", (long)path_4096}, BAD);
LIST(few, OBJECTS, P("none"), P("f/"), P("d/"), P("ld/"), P("dang/"), P("none/"), P("d/y"), P("."), P(".."), P("d/."),
     P(""), P("locked/z"), P("read only/z"), P("none/x"), P("/"), {"256 bytes", (long)name_256}, {"NULL", 0});
LIST(at_paths, P("y"), P("none"), P(""), P("/dev/null"), P(".."), P("."), {"nowhere", NOWHERE},
     {"256 bytes", (long)name_256});
LIST(fds, {"AT_FDCWD", AT_FDCWD}, V(DIRECTORY), V(DIR_OPATH), V(FILE_FD), V(FILE_OPATH), V(LINK_OPATH), V(PIPE),
     V(LOCKED), {"closed", 99}, {"-1", -1}, {"DIRECTORY with junk above", DIRECTORY | 3L << 32});
/* Where a call names two places, one of them is right: which of two errors is told is nobody's business. */
LIST(sources, P("f"), P("d"), P("l"), P("fifo"), P("d/y"), P("e/"));
LIST(targets, P("new"), P("d/new"), P("e"), P("f"), P("ld"), P("new/"), P("dang"));
LIST(bad_targets, P("none/x"), P("f/x"), P(""), P("."), P("locked/new"), P("read only/new"), P("read only/z"),
     P("/new"), P("/"), {"256 bytes", (long)name_256}, {"NULL", 0}, {"nowhere", NOWHERE});
LIST(at_sources, P("y"), P(".."), P("."));
LIST(bad_at_sources, P("none"), P(""), P("."), {"nowhere", NOWHERE}, {"256 bytes", (long)name_256});
LIST(here, V(DIRECTORY));
LIST(other_paths, P("new"), P("d/new"), P("e"), P("f"), P("d"), P("none/x"), P("new/"), P("dang"), P(""), {"NULL", 0});

LIST(modes, {"0", 0}, {"0644", 0644}, {"07777", 07777}, {"-1", -1}, {"0170000", 0170000});
LIST(some_modes, {"0755", 0755}, {"07777", 07777}, {"-1", -1});
LIST(nodes, {"0", 0}, {"REG", S_IFREG | 0644}, {"FIFO", S_IFIFO | 0644}, {"SOCK", S_IFSOCK | 07777}, {"BLK", S_IFBLK},
     {"DIR", S_IFDIR}, {"LNK", S_IFLNK}, {"0170000", 0170000}, {"junk above", S_IFREG | 1L << 20});
LIST(accesses, {"F", 0}, {"X", 1}, {"W", 2}, {"R", 4}, {"RWX", 7}, {"8", 8}, {"-1", -1},
     {"R with junk above", 4 | 1L << 32});
#define NB(x)                                                                                                          \
    {                                                                                                                  \
#x, (long)(O_NONBLOCK | (x))                                                                                   \
    }
LIST(opens, NB(O_RDONLY), NB(O_WRONLY), NB(O_RDWR), NB(3), NB(O_CREAT), NB(O_CREAT | O_EXCL),
     NB(O_CREAT | O_WRONLY | O_TRUNC), NB(O_TRUNC), NB(O_DIRECTORY), NB(O_NOFOLLOW), NB(O_PATH),
     NB(O_PATH | O_NOFOLLOW), NB(O_PATH | O_DIRECTORY | O_WRONLY), NB(O_PATH | O_CREAT), NB(O_CREAT | O_NOFOLLOW),
     NB(O_TMPFILE), NB(O_TMPFILE | O_RDWR), NB(O_TMPFILE | O_WRONLY | O_EXCL), NB(O_TMPFILE | O_RDWR | O_CREAT),
     NB(O_NOATIME), NB(O_RDWR | O_DIRECTORY), NB(O_SYNC), NB(O_ASYNC), NB(O_APPEND | O_WRONLY),
     NB(O_CREAT | O_EXCL | O_NOFOLLOW), NB(1L << 31), NB(1L << 27), NB(1L << 32), NB(O_EXCL));
LIST(few_opens, NB(O_RDONLY), NB(O_CREAT | O_WRONLY), NB(O_PATH), NB(O_TMPFILE | O_RDWR), NB(O_DIRECTORY));
LIST(few_ids, {"-1", -1}, {"0", 0});
LIST(out_only, {"OUT", OUT});
LIST(few_accesses, {"F", 0}, {"X", 1}, {"RW", 6}, {"8", 8});
LIST(few_sizes, {"0", 0}, {"1", 1}, {"4096", 4096});
LIST(few_flags, {"0", 0}, {"NOFOLLOW", 0x100}, {"EMPTY_PATH", 0x1000}, {"bit 16", 0x10000});
LIST(ids, {"-1", -1}, {"mine", 1000}, {"0", 0}, {"65536", 65536});
LIST(sizes, {"0", 0}, {"1", 1}, {"-1", -1}, {"4096", 4096}, {"2^31", 1L << 31}, {"2^32", 1L << 32},
     {"2^32+5", (1L << 32) + 5});
LIST(lengths, {"0", 0}, {"10", 10}, {"-1", -1}, {"LONG_MAX", INT64_MAX});
LIST(outs, {"OUT", OUT}, {"nowhere", NOWHERE});
LIST(at_flags, {"0", 0}, {"NOFOLLOW", 0x100}, {"EMPTY_PATH", 0x1000}, {"REMOVEDIR", 0x200}, {"FOLLOW", 0x400},
     {"NO_AUTOMOUNT", 0x800}, {"FORCE|DONT_SYNC", 0x6000}, {"bit 16", 0x10000}, {"junk above", 1L << 32});
LIST(masks, {"0", 0}, {"BASIC", 0x7ff}, {"reserved", 1L << 31}, {"-1", -1}, {"junk above", 1L << 32});
/* Not WHITEOUT, for overlay filesystems. */
LIST(rename_flags, {"0", 0}, {"NOREPLACE", 1}, {"EXCHANGE", 2}, {"both", 3}, {"8", 8}, {"junk above", 1L << 32});
LIST(few_rename_flags, {"NOREPLACE", 1}, {"EXCHANGE", 2});
/* Not EMPTY_PATH, which needs no privilege since Linux 6.10. */
LIST(link_flags, {"0", 0}, {"FOLLOW", 0x400}, {"NOFOLLOW", 0x100}, {"junk above", 1L << 32});
LIST(cwd, {"AT_FDCWD", AT_FDCWD});
LIST(permission, {"0644", 0644});

#define TIMES (IN + 0x100)
LIST(times, {"NULL", 0}, {"now", TIMES}, {"omit", TIMES + 32}, {"bad", TIMES + 64}, {"negative", TIMES + 96},
     {"omit and bad", TIMES + 128}, {"ordinary", TIMES + 160}, {"nowhere", NOWHERE});

static void set_times(void)
{
    const struct timespec made[] = {{0, UTIME_NOW},  {5, UTIME_NOW},  {0, UTIME_OMIT}, {5, UTIME_OMIT},
                                    {0, 1000000000}, {0, 0},          {0, -1},         {0, 0},
                                    {0, UTIME_OMIT}, {0, 1000000000}, {-5, 999999},    {1L << 33, 0}};
    memcpy((void *)TIMES, made, sizeof made);
}

#define HOW (IN + 0x400)
#define HOW_AT(i) (HOW + 32 * (i))
LIST(hows, {"plain", HOW_AT(0)}, {"unknown flag", HOW_AT(1)}, {"mode without O_CREAT", HOW_AT(2)},
     {"bad mode", HOW_AT(3)}, {"unknown resolve", HOW_AT(4)}, {"BENEATH|IN_ROOT", HOW_AT(5)}, {"BENEATH", HOW_AT(6)},
     {"IN_ROOT", HOW_AT(7)}, {"NO_SYMLINKS", HOW_AT(8)}, {"NO_XDEV", HOW_AT(9)}, {"O_PATH|O_WRONLY", HOW_AT(10)},
     {"create", HOW_AT(11)}, {"NO_MAGICLINKS", HOW_AT(12)}, {"tail", HOW_AT(13)}, {"nowhere", NOWHERE}, {"NULL", 0});
LIST(how_sizes, {"24", 24}, {"23", 23}, {"0", 0}, {"32", 32}, {"4097", 4097}, {"-1", -1});
LIST(how_size, {"24", 24});
LIST(plain_how, {"plain", HOW_AT(0)}, {"tail", HOW_AT(13)}, {"nowhere", NOWHERE});

static void set_hows(void)
{
    const uint64_t nb = O_NONBLOCK;
    const uint64_t made[][4] = {{nb},
                                {nb | 1UL << 40},
                                {nb, 0600},
                                {nb | O_CREAT, 010600},
                                {nb, 0, 64},
                                {nb, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT},
                                {nb, 0, RESOLVE_BENEATH},
                                {nb, 0, RESOLVE_IN_ROOT},
                                {nb, 0, RESOLVE_NO_SYMLINKS},
                                {nb, 0, RESOLVE_NO_XDEV},
                                {O_PATH | O_WRONLY},
                                {nb | O_CREAT | O_RDWR, 0600},
                                {nb, 0, RESOLVE_NO_MAGICLINKS},
                                {nb, 0, 0, 1}};
    memcpy((void *)HOW, made, sizeof made);
}

LIST(names, P("user.a"), P("user.b"), P("user."), P("user"), P("trusted.a"), P("security.a"), P("unknown.a"), P(""),
     {"255 bytes", (long)name_255}, {"256 bytes", (long)name_256}, {"nowhere", NOWHERE}, {"NULL", 0});
LIST(few_names, P("user.a"), P("trusted.a"), P(""));
/* Which error is told first of a bad descriptor and of a bad name is another since Linux 6.13; pipes here have no attributes. */
LIST(keepers, V(DIRECTORY), V(FILE_FD), V(LOCKED));
LIST(value_sizes, {"0", 0}, {"4", 4}, {"65537", 65537}, {"-1", -1});
LIST(xattr_flags, {"0", 0}, {"CREATE", 1}, {"REPLACE", 2}, {"both", 3}, {"4", 4}, {"junk above", 1L << 32});
LIST(some_objects, P("f"), P("d"), P("l"), P("dang"), P("fifo"), P("secret"), P("none"), P("/dev/null"), P("/"), P(""));
LIST(few_objects, P("f"), P("l"));
/* Nobody mounts here, whatever is asked for. */
LIST(umount_flags, {"0", 0}, {"DETACH", 2});
LIST(null, {"NULL", 0});
LIST(types, P("tmpfs"), P("none"), {"NULL", 0});
LIST(mount_flags, {"0", 0}, {"BIND", 4096}, {"REMOUNT", 32}, {"MOVE", 8192});

static const struct row rows[] = {
    {ROW(stat, paths, outs), SHOW, NULL},
    {ROW(lstat, paths, outs), SHOW, NULL},
    {ROW(access, paths, accesses), SHOW, NULL},
    {ROW(open, paths, opens, some_modes), HIDE, opened},
    {ROW(creat, other_paths, some_modes), HIDE, opened_how},
    {ROW(readlink, paths, outs, sizes), SHOW | BYTES, NULL},
    {ROW(statfs, paths, outs), SHOW, NULL},
    {ROW(chdir, paths), SHOW, moved},
    {ROW(chroot, paths), SHOW, NULL},
    {ROW(mkdir, paths, some_modes), SHOW, made},
    {ROW(rmdir, paths), SHOW, made},
    {ROW(unlink, paths), SHOW, made},
    {ROW(mknod, paths, nodes), SHOW, made},
    {ROW(chmod, paths, modes), SHOW, made},
    {ROW(chown, paths, ids, ids), SHOW, made},
    {ROW(lchown, paths, ids, ids), SHOW, made},
    {ROW(truncate, paths, lengths), SHOW, made},
    {ROW(utime, paths, times), SHOW, made},
    {ROW(utimes, paths, times), SHOW, made},
    {ROW(symlink, paths, other_paths), SHOW, made},
    {ROW(symlink, other_paths, paths), SHOW, made},
    {ROW(rename, paths, targets), SHOW, made},
    {ROW(rename, sources, bad_targets), SHOW, made},
    {ROW(link, paths, targets), SHOW, made},
    {ROW(link, sources, bad_targets), SHOW, made},
    {ROW(renameat2, cwd, few, cwd, targets, rename_flags), SHOW, made},
    {ROW(renameat2, here, at_sources, fds, targets, few_rename_flags), SHOW, made},
    {ROW(renameat2, fds, bad_at_sources, cwd, targets, few_rename_flags), SHOW, made},
    {ROW(linkat, cwd, few, cwd, targets, link_flags), SHOW, made},
    {ROW(linkat, here, at_sources, fds, targets, link_flags), SHOW, made},
    {ROW(linkat, fds, bad_at_sources, cwd, targets, link_flags), SHOW, made},
    {ROW(openat, fds, at_paths, few_opens, permission), HIDE, opened_at},
    {ROW(openat2, cwd, paths, hows, how_size), HIDE, opened_how},
    {ROW(openat2, fds, at_paths, plain_how, how_sizes), HIDE, opened_how},
    {ROW(newfstatat, fds, at_paths, outs, at_flags), SHOW, NULL},
    {ROW(statx, fds, at_paths, at_flags, masks, out_only), SHOW, NULL},
    {ROW(faccessat2, fds, at_paths, few_accesses, at_flags), SHOW, NULL},
    {ROW(mkdirat, fds, at_paths, permission), SHOW, made},
    {ROW(mknodat, fds, at_paths, permission), SHOW, made},
    {ROW(unlinkat, fds, at_paths, at_flags), SHOW, made},
    {ROW(symlinkat, few_objects, fds, at_paths), SHOW, made},
    {ROW(readlinkat, fds, at_paths, outs, few_sizes), SHOW | BYTES, NULL},
    {ROW(fchmodat, fds, at_paths, some_modes), SHOW, made},
    {ROW(fchownat, fds, at_paths, few_ids, ids, few_flags), SHOW, made},
    {ROW(utimensat, fds, at_paths, times, few_flags), SHOW, made},
    {ROW(futimesat, fds, at_paths, times), SHOW, made},
    {ROW(fchdir, fds), SHOW, moved},
    {ROW(setxattr, some_objects, names, outs, value_sizes, xattr_flags), SHOW, made},
    {ROW(lsetxattr, some_objects, few_names, outs, value_sizes, zero), SHOW, made},
    {ROW(fsetxattr, keepers, few_names, outs, value_sizes, zero), SHOW, made},
    {ROW(getxattr, some_objects, names, outs, value_sizes), SHOW, NULL},
    {ROW(fgetxattr, keepers, few_names, outs, value_sizes), SHOW, NULL},
    {ROW(listxattr, some_objects, outs, value_sizes), SHOW, NULL},
    {ROW(flistxattr, keepers, outs, value_sizes), SHOW, NULL},
    {ROW(removexattr, some_objects, names), SHOW, NULL},
    {ROW(fremovexattr, keepers, few_names), SHOW, NULL},
    {ROW(umount2, few_objects, umount_flags), SHOW, NULL},
    {ROW(mount, few_objects, few_objects, types, mount_flags, null), SHOW, NULL},
    {ROW(pivot_root, few_objects, few_objects), SHOW, NULL},
    {ROW(getcwd, outs, sizes), HIDE, NULL},
    {ROW(umask, modes), SHOW, NULL},
};

int main(int argc, char **argv)
{
    sweep_begin(argc, argv);
    memset(name_255, 'n', 255), memset(name_256, 'n', 256);
    for (int i = 0; i < 2047; i++)
        memcpy(path_4095 + 2 * i, "./", 2);
    memcpy(path_4096, path_4095, sizeof path_4095);
    path_4095[4094] = 'f';
    memcpy(path_4096 + 4094, "/f", 2);
    mkdir("w", 0755);
    home = fcntl(open("w", O_RDONLY), F_DUPFD, 60);
    int p[2];
    if (pipe(p))
        return 7;
    put(p[0], PIPE);
    memset((void *)EDGE, 'd', 4);
    set_times();
    set_hows();
    make();
    SWEEP(rows);
    remove_tree(home, "t");
    return fflush(stdout);
}
