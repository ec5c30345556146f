/* /proc/PID/maps, smaps, smaps_rollup, and the sums for stat, statm and status. The mappings are the machine's to tell;
 * it shows the guest's own, by the guest's names. */
#include "stubs/proc/proc.h"

#include "kernel/mappings.h"

#include <string.h>
#include <sys/mman.h>

static bool has_memory(const struct subject *who)
{
    return who->task && who->task->state != TASK_DEAD && who->task->mm && who->world->machine->maps;
}

static bool named(const struct memory_map *m, const char *name)
{
    return m->name && strcmp(m->name, name) == 0;
}

static int add_use(void *context, const struct memory_map *m)
{
    struct memory_use *use = context;
    uint64_t length = m->end - m->start;
    use->size += length;
    if (named(m, "[stack]"))
        use->stack += length;
    else if (m->protection & PROT_WRITE && !m->shared)
        use->data += length;
    if (m->protection & PROT_EXEC && m->name && m->name[0] == '/')
        use->text += length;
    return 0;
}

void memory_use(const struct subject *who, struct memory_use *out)
{
    memset(out, 0, sizeof *out);
    if (!has_memory(who))
        return;
    (void)mappings_each(who->task, false, add_use, out);
    out->resident = mappings_resident(who->task, out->text + out->data + out->stack); /* the most that can be */
}

static void map_line(struct text *out, const struct memory_map *m)
{
    size_t before = out->size;
    text_printf(out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)m->start,
                (unsigned long long)m->end, m->protection & PROT_READ ? 'r' : '-',
                m->protection & PROT_WRITE ? 'w' : '-', m->protection & PROT_EXEC ? 'x' : '-', m->shared ? 's' : 'p',
                (unsigned long long)m->offset, m->dev_major, m->dev_minor, (unsigned long long)m->ino);
    if (m->name && *m->name) {
        enum { NAME_COLUMN = 73 };
        size_t width = out->size - before;
        text_printf(out, "%*s", width < NAME_COLUMN ? (int)(NAME_COLUMN - width) : 1, "");
        for (const char *p = m->name; *p; p++) /* a newline in a name must not end the line (fs/seq_file.c) */
            if (*p == '\n')
                text_add(out, "\\012", 4);
            else
                text_add(out, p, 1);
    }
    text_add(out, "\n", 1);
}

static int add_map(void *context, const struct memory_map *m)
{
    map_line(context, m);
    return 0;
}

static void figures(struct text *out, const struct memory_map *m, uint64_t size)
{
    unsigned long long resident = m->resident / 1024, shared = m->shared ? resident : 0, own = resident - shared;
    if (size)
        text_printf(out, "Size:           %8llu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n",
                    (unsigned long long)size / 1024);
    text_printf(out, "Rss:            %8llu kB\nPss:            %8llu kB\nPss_Dirty:      %8llu kB\n", resident,
                resident, own);
    text_printf(out,
                "Shared_Clean:   %8llu kB\nShared_Dirty:   %8u kB\nPrivate_Clean:  %8u kB\nPrivate_Dirty:  %8llu kB\n",
                shared, 0u, 0u, own);
    text_printf(out, "Referenced:     %8llu kB\nAnonymous:      %8llu kB\n", resident, own);
    static const char *const zero[] = {"LazyFree",      "AnonHugePages",  "ShmemPmdMapped",
                                       "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb",
                                       "Swap",          "SwapPss",        "Locked"};
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        text_printf(out, "%s:%*u kB\n", zero[i], (int)(23 - strlen(zero[i])), 0u);
}

static int add_smap(void *context, const struct memory_map *m)
{
    struct text *out = context;
    map_line(out, m);
    figures(out, m, m->end - m->start);
    text_printf(out, "THPeligible:    0\nVmFlags:%s%s%s%s mr mw me ac\n", m->protection & PROT_READ ? " rd" : "",
                m->protection & PROT_WRITE ? " wr" : "", m->protection & PROT_EXEC ? " ex" : "",
                m->shared ? " sh" : "");
    return 0;
}

/* Everything of the address space as one mapping. */
static int add_rollup(void *context, const struct memory_map *m)
{
    struct memory_map *all = context;
    if (all->end == 0)
        all->start = m->start;
    all->end = m->end;
    all->resident += m->resident;
    return 0;
}

static int begin(const struct synthetic *s, const struct cred *c, struct subject *who)
{
    if (!subject_of(s, who))
        return -ESRCH;
    return subject_open_to(who, c) ? 0 : -EACCES;
}

int proc_maps(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    int error = begin(s, c, &who);
    if (error || !has_memory(&who))
        return error;
    return mappings_each(who.task, false, add_map, out);
}

int proc_smaps(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    int error = begin(s, c, &who);
    if (error || !has_memory(&who))
        return error;
    return mappings_each(who.task, true, add_smap, out);
}

int proc_smaps_rollup(const struct synthetic *s, const struct cred *c, struct text *out)
{
    struct subject who;
    struct memory_map all = {.name = "[rollup]"};
    int error = begin(s, c, &who);
    if (error)
        return error;
    if (!has_memory(&who))
        return -ESRCH;
    error = mappings_each(who.task, true, add_rollup, &all);
    map_line(out, &all);
    figures(out, &all, 0);
    return error;
}
