/* Bytes that a record names and does not carry, on this machine (supervisor/bundle_places.h). What a record says of paths may be anybody's
 * words: it leads to nothing but regular files of a disk, whose bytes go nowhere before their hash was that of the record. */
#include "supervisor/bundle_places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* "" for the path itself, what follows it from its '/' on; NULL: it is not below. */
static const char *below(const char *path, const char *guest)
{
    size_t n = strlen(guest);
    if (n > 0 && guest[n - 1] == '/')
        n--;
    return strncmp(path, guest, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

static bool find(const struct bundle_places *p, const char *guest, char host[PATH_MAX])
{
    const char *best = guest[0] == '/' ? guest : NULL, *from = "";
    size_t longest = 0;
    for (size_t i = 0; p != NULL && i < p->count; i++) {
        const char *rest = below(guest, p->place[i].guest);
        if (rest == NULL || strlen(p->place[i].guest) < longest)
            continue;
        longest = strlen(p->place[i].guest);
        from = p->place[i].host;
        best = rest;
    }
    return best != NULL && snprintf(host, PATH_MAX, "%s%s", from, best) < PATH_MAX;
}

/* Reading these is asking the kernel something: a read may do more than tell bytes. */
static bool is_kernels(int fd)
{
    static const unsigned long kinds[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,      DEBUGFS_MAGIC,
                                          TRACEFS_MAGIC,       SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC,
                                          CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,     SELINUX_MAGIC};
    struct statfs s;
    if (fstatfs(fd, &s) < 0)
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((unsigned long)s.f_type == kinds[i])
            return true;
    return false;
}

int place_open(const struct bundle_places *p, const char *guest)
{
    char host[PATH_MAX];
    struct stat seen, opened;
    if (!find(p, guest, host))
        return -ENOENT;
    int path = open(host, O_PATH | O_CLOEXEC); /* opens no device, wakes no FIFO */
    if (path < 0)
        return -errno;
    bool plain = fstat(path, &seen) == 0 && S_ISREG(seen.st_mode) && !is_kernels(path);
    close(path);
    int fd = plain ? open(host, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (fd < 0)
        return plain ? -errno : -ENOENT;
    if (fstat(fd, &opened) == 0 && opened.st_dev == seen.st_dev && opened.st_ino == seen.st_ino)
        return fd;
    close(fd);
    return -ENOENT;
}

int place_read(int fd, uint64_t at, size_t n, const uint8_t digest[EVENT_DIGEST], uint8_t *to)
{
    uint8_t got[EVENT_DIGEST];
    for (size_t done = 0; done < n;) {
        ssize_t read = pread(fd, to + done, n - done, (off_t)(at + done));
        if (read < 0 && errno == EINTR)
            continue;
        if (read <= 0)
            return -ESTALE;
        done += (size_t)read;
    }
    crypto_generichash(got, sizeof got, to, n, NULL, 0);
    return memcmp(got, digest, sizeof got) == 0 ? 0 : -ESTALE;
}
