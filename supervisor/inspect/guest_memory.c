/* Reading a stopped guest's memory (supervisor/inspect/guest_memory.h), and looking up a symbol as the guest's own loader does: by
 * the hash table that PT_DYNAMIC names (System V ABI, "Dynamic Section"; DT_GNU_HASH as binutils writes it). */
#include "supervisor/inspect/guest_memory.h"

#include <elf.h>
#include <string.h>

enum {
    HEADERS_MOST = 32,
    DYNAMIC_MOST = 128,
    CHAIN_MOST = 4096,
    NAME_MOST = 64,
    PAGE = 4096,
};

struct tracee *guest_stopped(const struct process *p)
{
    for (struct task *t = p->threads; t != NULL; t = t->next_thread) {
        struct tracee *tracee = t->machine;
        if (tracee != NULL && tracee->where != TRACEE_RUNNING && tracee->where != TRACEE_GONE)
            return tracee;
    }
    return NULL;
}

bool guest_read(struct guest_memory *g, uint64_t address, void *to, size_t n)
{
    size_t cost = 1 + n / PAGE; /* of a page and of eight bytes it is the same */
    if (g->reads_left < cost || address == 0)
        return false;
    g->reads_left -= (unsigned)cost;
    return tracee_read(g->tracee, address, to, n) == (ssize_t)n;
}

uint64_t guest_word(struct guest_memory *g, uint64_t address)
{
    uint64_t word;
    return guest_read(g, address, &word, sizeof word) ? word : 0;
}

struct tables {
    uint64_t symbols, names, hash;
};

static uint64_t dynamic_section(struct guest_memory *g, uint64_t base, uint64_t *bias)
{
    Elf64_Ehdr header;
    uint64_t dynamic = 0;
    bool loaded = false;
    if (!guest_read(g, base, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > HEADERS_MOST)
        return 0;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr p;
        if (!guest_read(g, base + header.e_phoff + i * sizeof p, &p, sizeof p))
            return 0;
        if (p.p_type == PT_LOAD && !loaded) {
            *bias = base - (p.p_vaddr & ~UINT64_C(4095));
            loaded = true;
        }
        if (p.p_type == PT_DYNAMIC)
            dynamic = p.p_vaddr;
    }
    return loaded && dynamic != 0 ? dynamic + *bias : 0;
}

/* glibc's loader has made them addresses, musl's leaves them as they are in the file. */
static uint64_t placed(uint64_t value, uint64_t bias)
{
    return value < bias ? value + bias : value;
}

static bool find_tables(struct guest_memory *g, uint64_t dynamic, uint64_t bias, struct tables *out)
{
    *out = (struct tables){0};
    for (unsigned i = 0; i < DYNAMIC_MOST; i++) {
        Elf64_Dyn d;
        if (!guest_read(g, dynamic + i * sizeof d, &d, sizeof d) || d.d_tag == DT_NULL)
            break;
        if (d.d_tag == DT_SYMTAB)
            out->symbols = placed(d.d_un.d_ptr, bias);
        else if (d.d_tag == DT_STRTAB)
            out->names = placed(d.d_un.d_ptr, bias);
        else if (d.d_tag == DT_GNU_HASH)
            out->hash = placed(d.d_un.d_ptr, bias);
    }
    return out->symbols != 0 && out->names != 0 && out->hash != 0;
}

static uint32_t hash_of(const char *name)
{
    uint32_t h = 5381;
    for (; *name != '\0'; name++)
        h = h * 33 + (uint8_t)*name;
    return h;
}

static bool is_named(struct guest_memory *g, uint64_t at, const char *name)
{
    char there[NAME_MOST];
    size_t n = strlen(name) + 1;
    return n <= sizeof there && guest_read(g, at, there, n) && memcmp(there, name, n) == 0;
}

uint64_t guest_symbol(struct guest_memory *g, uint64_t base, const char *name)
{
    struct tables t;
    uint64_t bias = 0, dynamic = dynamic_section(g, base, &bias);
    struct {
        uint32_t buckets, first, bloom, shift;
    } header = {0};
    if (dynamic == 0 || !find_tables(g, dynamic, bias, &t) || !guest_read(g, t.hash, &header, sizeof header) ||
        header.buckets == 0)
        return 0;
    uint64_t buckets = t.hash + sizeof header + UINT64_C(8) * header.bloom,
             chain = buckets + UINT64_C(4) * header.buckets;
    uint32_t wanted = hash_of(name), at, link = 0;
    if (!guest_read(g, buckets + UINT64_C(4) * (wanted % header.buckets), &at, sizeof at) || at < header.first)
        return 0;
    for (unsigned i = 0; i < CHAIN_MOST && (link & 1) == 0; i++, at++) {
        Elf64_Sym s;
        if (!guest_read(g, chain + UINT64_C(4) * (at - header.first), &link, sizeof link))
            return 0;
        if ((link | 1) == (wanted | 1) && guest_read(g, t.symbols + UINT64_C(24) * at, &s, sizeof s) &&
            is_named(g, t.names + s.st_name, name))
            return s.st_value != 0 ? s.st_value + bias : 0;
    }
    return 0;
}
