/* The guest's mappings, read from the host's /proc/PID/smaps or maps and told in the world's terms: names and inode numbers of
 * the VFS, nothing of the glass pages. */
#include "supervisor/maps.h"

#include "supervisor/count/patch.h"
#include "supervisor/exec.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/glass.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { NAMES_MOST = 4096 };

struct mapped_name {
    struct mapped_name *next;
    dev_t device; /* the host's */
    ino_t inode;
    uint64_t world_inode;
    uint32_t major, minor;
    char path[];
};

void maps_remember(struct holder *h, const struct file_mapping *m, struct file *f, const struct dentry *root)
{
    struct stat st;
    struct statx seen;
    char path[VFS_PATH_MAX + 16];
    if (f == NULL || fstat(m->fd, &st) < 0 || file_stat(f, &seen) < 0 || file_name(f, root, path, sizeof path) < 0)
        return;
    for (const struct mapped_name *n = h->names; n != NULL; n = n->next)
        if (n->device == st.st_dev && n->inode == st.st_ino && strcmp(n->path, path) == 0)
            return;
    size_t size = strlen(path) + 1;
    struct mapped_name *n = h->name_count < NAMES_MOST ? malloc(sizeof *n + size) : NULL;
    if (n == NULL)
        return;
    *n = (struct mapped_name){.next = h->names,
                              .device = st.st_dev,
                              .inode = st.st_ino,
                              .world_inode = seen.stx_ino,
                              .major = seen.stx_dev_major,
                              .minor = seen.stx_dev_minor};
    memcpy(n->path, path, size);
    h->names = n;
    h->name_count++;
}

void maps_forget_all(struct holder *h)
{
    while (h->names != NULL) {
        struct mapped_name *n = h->names;
        h->names = n->next;
        free(n);
    }
    h->name_count = 0;
}

static void set_name(const struct holder *h, const struct mm *mm, struct memory_map *m, unsigned major, unsigned minor,
                     ino_t inode)
{
    const dev_t device = makedev(major, minor);
    m->name = "";
    m->ino = 0;
    if (fast_clock_is(h, device, inode) || (inode == h->glass_inode && device == h->glass_device)) {
        m->name = fast_clock_is(h, device, inode) ? "[vvar]" : "[vdso]";
        m->backed = false;
        m->offset = 0;
        return;
    }
    if (inode == 0) {
        if (m->start < mm->stack_top && m->end > mm->stack_bottom)
            m->name = "[stack]";
        else if (m->start < mm->brk && m->end > mm->brk_start && mm->brk > mm->brk_start)
            m->name = "[heap]";
        return;
    }
    for (const struct mapped_name *n = h->names; n != NULL; n = n->next) {
        if (n->device != device || n->inode != inode)
            continue;
        m->name = n->path;
        m->ino = n->world_inode;
        m->dev_major = n->major;
        m->dev_minor = n->minor;
        return;
    }
    if (m->shared)
        m->name = "/dev/zero (deleted)"; /* shared anonymous memory is a file of the kernel's */
}

/* One line of maps(5). False: it is none. */
static bool parse_line(const char *line, const struct holder *h, const struct mm *mm, struct memory_map *m)
{
    unsigned major, minor;
    unsigned long inode;
    char mode[8];
    *m = (struct memory_map){0};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %lu", &m->start, &m->end, mode, &m->offset, &major,
               &minor, &inode) != 7)
        return false;
    m->protection =
        (mode[0] == 'r' ? PROT_READ : 0) | (mode[1] == 'w' ? PROT_WRITE : 0) | (mode[2] == 'x' ? PROT_EXEC : 0);
    m->shared = mode[3] == 's';
    m->backed = inode != 0;
    m->cached = inode != 0 && makedev(major, minor) != h->glass_device; /* ours are memory files */
    set_name(h, mm, m, major, minor, inode);
    return true;
}

/* What keeps the kernel from choosing (supervisor/exec.h), or what the guest's own mappings left of it. */
static bool is_reserved(const struct memory_map *m)
{
    return m->start >= EXEC_MMAP_TOP && m->protection == PROT_NONE && strcmp(m->name, "[vdso]") == 0; /* by its file */
}

bool maps_reserved(const struct task *t, uint64_t start, uint64_t end)
{
    const struct tracee *tracee = t->machine;
    char path[64], line[4096 + 256];
    struct memory_map m;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)tracee->real);
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = parse_line(line, tracee->holder, t->mm, &m) && m.start <= start && end <= m.end && is_reserved(&m);
    if (f != NULL)
        fclose(f);
    return found;
}

int maps_each(struct task *t, bool with_resident, int (*each)(void *context, const struct memory_map *m), void *context)
{
    const struct tracee *tracee = t->machine;
    char path[64], line[4096 + 256];
    if (tracee == NULL || t->mm == NULL)
        return -ESRCH;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)tracee->real, with_resident ? "smaps" : "maps");
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -ENOSYS;
    struct memory_map m, next;
    bool have = false;
    int result = 0;
    while (result == 0 && fgets(line, sizeof line, f) != NULL) {
        unsigned long kb;
        if (parse_line(line, tracee->holder, t->mm, &next)) {
            if (have)
                result = each(context, &m);
            m = next;
            have = m.start >= GLASS_END && m.start < (UINT64_C(1) << 47) && !is_reserved(&m) &&
                   !patch_is_ours(t->mm, m.start, m.end);
        } else if (have && sscanf(line, m.shared && !m.cached ? "Rss: %lu kB" : "Anonymous: %lu kB", &kb) == 1) {
            m.resident = kb * 1024;
        }
    }
    if (result == 0 && have)
        result = each(context, &m);
    fclose(f);
    return result;
}

/* Its own pages alone: how many of a file's are there is a matter of the host's page cache. */
uint64_t maps_resident(struct task *t)
{
    const struct tracee *tracee = t->machine;
    char path[64];
    unsigned long size, resident, shared;
    uint64_t own = 0;
    if (tracee == NULL)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)tracee->real);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu %lu", &size, &resident, &shared) == 3 && resident > shared)
        own = (uint64_t)(resident - shared) * 4096;
    fclose(f);
    return own;
}
