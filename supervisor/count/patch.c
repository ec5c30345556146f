/* Sites are learned from the file once a run, and checked against the guest's bytes before anything is written. Everything is written by
 * the supervisor while the task stands in an injected call, so no half of a patch is ever executed. */
#include "supervisor/count/patch.h"

#include "supervisor/count/known.h"
#include "supervisor/count/trampoline.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/clock_page.h"
#include "supervisor/glass/glass.h"
#include "supervisor/glass/lent_page.h"
#include "supervisor/lending.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define PAGE_DOWN(x) ((x) & ~(PAGE - 1))
#define PAGE_UP(x) PAGE_DOWN((x) + PAGE - 1)

enum { LEARNED_MOST = 1024, STRETCH_MOST = 1 << 20 };

/* supervisor/glass/image.S */
extern const uint8_t lent_image[], lent_image_end[];

static size_t lent_size(void)
{
    return (uintptr_t)lent_image_end - (uintptr_t)lent_image;
}

struct learned {
    struct learned *next;
    uint64_t key;             /* of the file's node */
    uint64_t low;             /* its lowest address */
    uint64_t shift;           /* address less file offset, of the segment that the sites are in */
    bool interpreter;         /* it is CPython, whether its checks are understood or not */
    struct code_sites *sites; /* its checks; or NULL */
    struct code_takes *takes; /* its semaphores and calls; or NULL */
};

/* ---- what is known of a file ---------------------------------------------------------------------------------------- */

struct source { /* the file's bytes, behind a descriptor that may hold others before them */
    int fd;
    uint64_t offset;
};

static ssize_t read_source(void *context, uint64_t offset, void *to, size_t n)
{
    const struct source *s = context;
    return pread(s->fd, to, n, (off_t)(s->offset + offset));
}

/* Of a file that has something to patch. */
static void learn_places(struct learned *l, const struct code_file *f, const struct code_site *first)
{
    l->low = PAGE_DOWN(f->segment[0].address);
    for (uint32_t i = 0; i < f->segment_count; i++)
        if (first->address - f->segment[i].address < f->segment[i].size)
            l->shift = f->segment[i].address - f->segment[i].offset;
}

static void learn_checks(struct learned *l, struct code_file *f)
{
    struct code_sites *sites = malloc(sizeof *sites);
    int error = sites == NULL ? -ENOMEM : known_sites(f, sites) ? 0 : sites_learn(f, sites);
    l->interpreter = error != -ENOENT;
    if (error == 0) {
        l->sites = sites;
        learn_places(l, f, &sites->site[0]);
    } else {
        free(sites);
    }
}

static void learn_takes(struct learned *l, struct code_file *f)
{
    struct code_takes *takes = malloc(sizeof *takes);
    if (takes != NULL && (known_takes(f, takes) || takes_learn(f, takes) == 0)) {
        l->takes = takes;
        learn_places(l, f, &takes->site[0]);
    } else {
        free(takes);
    }
}

static void learn(struct learned *l, const struct file_mapping *m, uint64_t offset)
{
    struct source source = {m->fd, offset};
    struct code_file f = {.read = read_source, .context = &source};
    if (code_file_open(&f) == 0) {
        learn_checks(l, &f);
        if (l->sites == NULL)
            learn_takes(l, &f);
    }
    code_file_close(&f);
}

static struct learned *learned_of(struct holder *h, const struct file_mapping *m, uint64_t offset)
{
    uint32_t count = 0;
    for (struct learned *l = h->learned; l != NULL; l = l->next, count++)
        if (l->key == m->key && m->lasting)
            return l;
    struct learned *l = count < LEARNED_MOST ? calloc(1, sizeof *l) : NULL;
    if (l == NULL)
        return NULL;
    learn(l, m, offset);
    l->key = m->key;
    l->next = h->learned;
    h->learned = l;
    return l;
}

void patch_forget_all(struct holder *h)
{
    while (h->learned != NULL) {
        struct learned *l = h->learned;
        h->learned = l->next;
        free(l->sites);
        free(l->takes);
        free(l);
    }
}

/* ---- one mapping ------------------------------------------------------------------------------------------------------ */

struct patch {
    struct tracee *tracee;
    const struct code_site *site;
    uint32_t site_count;
    const uint8_t *kind;      /* of each site, when they are a C library's (enum takes_kind); NULL: they are checks */
    uint64_t address, length; /* the mapping */
    uint64_t bias;            /* runtime address less the file's */
    uint32_t first, count;    /* the sites that lie in it whole */
    uint64_t low;             /* where the whole file's image begins: before it nothing is mapped, mostly */
    uint64_t trampolines, trampolines_length;
    uint64_t answers;     /* address of the code for lent files, behind the trampolines; 0: there is none */
    uint8_t *text, *code; /* what the text becomes, a stretch behind the other; the trampolines */
};

static int64_t inject_at(const struct patch *p, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    const uint64_t argument[6] = {a, b, c, d, e, f};
    return tracee_inject(p->tracee, nr, argument);
}

static int64_t inject(const struct patch *p, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    return inject_at(p, nr, a, b, c, d, e, 0);
}

static bool failed(int64_t result)
{
    return result < 0 && result > -4096;
}

static void find_sites(struct patch *p)
{
    for (uint32_t i = 0; i < p->site_count; i++) {
        uint64_t at = p->site[i].address + p->bias;
        if (at < p->address || at + p->site[i].length > p->address + p->length)
            continue;
        if (p->count++ == 0)
            p->first = i;
    }
}

/* Some of the sites are calls that may be answered without one. */
static bool has_calls(const struct patch *p)
{
    for (uint32_t i = 0; p->kind != NULL && i < p->count; i++)
        if (p->kind[p->first + i] == TAKES_CALL)
            return true;
    return false;
}

/* The clock page where absolute addresses of 32 bits reach it, and room for trampolines within a jump of the text. */
static bool map_places(struct patch *p)
{
    const struct handed_table *table = p->tracee->task->mm->machine;
    /* Whether files are lent or not: what a process has in memory shall not tell. */
    const size_t lent = has_calls(p) ? lent_size() : 0;
    if (table->patched_count == 0 && failed(inject(p, SYS_mmap, GLASS_COUNTER, CLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE,
                                                   MAP_SHARED | MAP_FIXED, GLASS_CLOCK)))
        return false;
    p->trampolines_length = PAGE_UP((uint64_t)p->count * TRAMPOLINE_SIZE + lent);
    int64_t got = inject(p, SYS_mmap, p->low - p->trampolines_length, p->trampolines_length, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX);
    if (failed(got))
        return false;
    p->trampolines = (uint64_t)got;
    if (lent != 0 && lending_possible(p->tracee->holder) &&
        !failed(inject_at(p, SYS_mmap, GLASS_LENT, LENT_PAGE_SIZE + LENT_WINDOW_SMALL, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED | MAP_POPULATE, GLASS_CLOCK, GLASS_LENT - GLASS_COUNTER)))
        p->answers = p->trampolines + (uint64_t)p->count * TRAMPOLINE_SIZE;
    return true;
}

static bool build_one(const struct patch *p, uint32_t i, uint8_t jump[SITE_BYTES_MAX])
{
    const struct code_site *s = &p->site[p->first + i];
    uint64_t at = p->trampolines + (uint64_t)i * TRAMPOLINE_SIZE;
    uint8_t *to = p->code + (size_t)i * TRAMPOLINE_SIZE;
    if (p->kind == NULL)
        return trampoline_build(s, s->address + p->bias, at, GLASS_COUNTER + offsetof(struct clock_page, left), to,
                                jump);
    if (p->kind[p->first + i] == TAKES_CALL)
        return trampoline_build_call(s, s->address + p->bias, at, GLASS_LENT + offsetof(struct lent_page, fd),
                                     GLASS_LENT + offsetof(struct lent_page, names_fd), p->answers, to, jump);
    return trampoline_build_take(s, p->kind[p->first + i] == TAKES_GIVE, s->address + p->bias, at,
                                 GLASS_COUNTER + offsetof(struct clock_page, name), to, jump);
}

/* It stays as it is. */
static bool left_alone(const struct patch *p, uint32_t i)
{
    return p->kind != NULL && p->kind[p->first + i] == TAKES_CALL && p->answers == 0;
}

/* Sites from the i-th on that one piece of text holds, which is read and written at once: between two of them less lies than a page.
 * How many there are; the text's address and length. */
static uint32_t stretch(const struct patch *p, uint32_t i, uint64_t *from, size_t *size)
{
    const struct code_site *s = &p->site[p->first];
    uint32_t n = 1;
    while (i + n < p->count && s[i + n].address - s[i + n - 1].address < PAGE)
        n++;
    *from = s[i].address + p->bias;
    *size = s[i + n - 1].address + s[i + n - 1].length - s[i].address;
    return n;
}

/* The sites' text in our memory, with the jumps in it. False: the guest's bytes are not the file's, or a place is too far away. */
static bool build_stretch(struct patch *p, uint32_t i, uint32_t n, uint8_t *text)
{
    const struct code_site *first = &p->site[p->first + i];
    for (uint32_t k = 0; k < n; k++) {
        const struct code_site *s = first + k;
        uint8_t *at = text + (s->address - first->address), jump[SITE_BYTES_MAX];
        if (memcmp(at, s->bytes, s->length) != 0)
            return false;
        if (left_alone(p, i + k))
            continue;
        if (!build_one(p, i + k, jump))
            return false;
        memcpy(at, jump, s->length);
    }
    return true;
}

/* Both texts, in our memory. */
static bool build(struct patch *p)
{
    uint64_t from;
    size_t size, all = 0;
    for (uint32_t i = 0; i < p->count; i += stretch(p, i, &from, &size), all += size)
        ;
    if (all > STRETCH_MOST)
        return false;
    p->text = malloc(all);
    p->code = malloc(p->trampolines_length);
    if (p->text == NULL || p->code == NULL)
        return false;
    memset(p->code, 0xcc, p->trampolines_length);
    if (p->answers != 0)
        memcpy(p->code + (p->answers - p->trampolines), lent_image, lent_size());
    uint8_t *text = p->text;
    for (uint32_t i = 0, n; i < p->count; i += n, text += size) {
        n = stretch(p, i, &from, &size);
        if (tracee_read(p->tracee, from, text, size) != (ssize_t)size || !build_stretch(p, i, n, text))
            return false;
    }
    return true;
}

/* All of it, or nothing. */
static bool write_text(const struct patch *p)
{
    if (tracee_write(p->tracee, p->trampolines, p->code, p->trampolines_length) != (ssize_t)p->trampolines_length ||
        failed(inject(p, SYS_mprotect, p->trampolines, p->trampolines_length, PROT_READ | PROT_EXEC, 0, 0)) ||
        failed(inject(p, SYS_mprotect, p->address, p->length, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0)))
        return false;
    bool written = true;
    const uint8_t *text = p->text;
    uint64_t from;
    size_t size;
    for (uint32_t i = 0, n; i < p->count && written; i += n, text += size) {
        n = stretch(p, i, &from, &size);
        written = tracee_write(p->tracee, from, text, size) == (ssize_t)size;
    }
    /* The whole mapping, so that it stays one. */
    (void)inject(p, SYS_mprotect, p->address, p->length, PROT_READ | PROT_EXEC, 0, 0);
    return written;
}

void patch_mapped(struct tracee *t, uint64_t address, uint64_t length, const struct file_mapping *m, struct file *f)
{
    struct handed_table *table = t->task->mm->machine;
    struct file_mapping start;
    if (!fast_clock_counts(t->holder) || table->patched_count == PATCHED_MAX ||
        file_map(f, 0, PAGE, false, &start) < 0 || start.fd != m->fd || start.offset > m->offset)
        return;
    const struct learned *l = learned_of(t->holder, m, start.offset);
    if (l == NULL)
        return;
    table->interprets = table->interprets || l->interpreter;
    struct patch p = {.tracee = t, .address = address, .length = PAGE_UP(length)};
    if (l->sites != NULL) {
        p.site = l->sites->site;
        p.site_count = l->sites->count;
    } else if (l->takes != NULL && table->interprets) {
        p.site = l->takes->site;
        p.site_count = l->takes->count;
        p.kind = l->takes->kind;
    }
    p.bias = address - (m->offset - start.offset) - l->shift;
    p.low = l->low + p.bias;
    find_sites(&p);
    if (p.count == 0 || !map_places(&p))
        return;
    if (build(&p) && write_text(&p)) {
        table->patched[table->patched_count].trampolines = p.trampolines;
        table->patched[table->patched_count].length = p.trampolines_length;
        table->patched[table->patched_count].answers = p.answers;
        table->patched[table->patched_count].counts = p.kind == NULL;
        table->lent = table->lent || p.answers != 0;
        table->patched[table->patched_count++].count = p.count;
        if (p.kind == NULL)
            t->holder->count_sites = p.count;
    } else {
        (void)inject(&p, SYS_munmap, p.trampolines, p.trampolines_length, 0, 0, 0);
    }
    free(p.text);
    free(p.code);
}

/* ---- questions --------------------------------------------------------------------------------------------------------- */

bool patch_is_count(const struct mm *m, uint64_t rip)
{
    const struct handed_table *table = m->machine;
    for (uint32_t i = 0; i < table->patched_count; i++)
        if (table->patched[i].counts && trampoline_calls(table->patched[i].trampolines, table->patched[i].count, rip))
            return true;
    return false;
}

bool patch_counts(const struct mm *m)
{
    const struct handed_table *table = m != NULL ? m->machine : NULL;
    for (uint32_t i = 0; table != NULL && i < table->patched_count; i++)
        if (table->patched[i].counts)
            return true;
    return false;
}

bool patch_is_ours(const struct mm *m, uint64_t start, uint64_t end)
{
    const struct handed_table *table = m->machine;
    for (uint32_t i = 0; table != NULL && i < table->patched_count; i++)
        if (start == table->patched[i].trampolines && end == start + table->patched[i].length)
            return true;
    return false;
}

bool patch_is_lent_code(const struct mm *m, uint64_t rip)
{
    const struct handed_table *table = m != NULL ? m->machine : NULL;
    for (uint32_t i = 0; table != NULL && i < table->patched_count; i++)
        if (table->patched[i].answers != 0 && rip - table->patched[i].answers < lent_size())
            return true;
    return false;
}
