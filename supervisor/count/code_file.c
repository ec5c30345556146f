/* Reading what the dynamic linker reads: System V ABI, "Dynamic Linking"; the GNU hash table as glibc's dl-lookup.c walks it. */
#include "supervisor/count/code_file.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADERS_MOST = 64,
    DYNAMIC_MOST = 128,
    CHAIN_MOST = 4096,          /* symbols of one hash bucket */
    RELOCATIONS_MOST = 1 << 19, /* 12 MiB of them */
    SLOTS_MOST = 1 << 14,       /* of the procedure linkage table, which is searched from end to end: 3.8 has 1,645 */
    NAME_MOST = 64,
    BLOCK = 1 << 12,
    BLOCKS = 256,
};

/* A read costs microseconds, and the analysis asks for a few bytes thousands of times. */
struct code_blocks {
    struct {
        uint64_t offset; /* in the file, plus one; 0: nothing is here */
        uint32_t size;
        uint8_t *bytes; /* BLOCK of them, or NULL: of most files hardly any is looked at */
    } block[BLOCKS];
};

static const uint8_t *block_at(const struct code_file *f, uint64_t offset, size_t *left)
{
    uint64_t start = offset / BLOCK * BLOCK;
    size_t slot = start / BLOCK % BLOCKS;
    if (f->blocks->block[slot].offset != start + 1) {
        uint8_t *bytes = f->blocks->block[slot].bytes;
        if (bytes == NULL)
            bytes = f->blocks->block[slot].bytes = malloc(BLOCK);
        ssize_t got = bytes != NULL ? f->read(f->context, start, bytes, BLOCK) : -ENOMEM;
        f->blocks->block[slot].offset = start + 1;
        f->blocks->block[slot].size = got < 0 || got > BLOCK ? 0 : (uint32_t)got;
    }
    uint32_t size = f->blocks->block[slot].size;
    *left = size > offset - start ? size - (offset - start) : 0;
    return *left > 0 ? f->blocks->block[slot].bytes + (offset - start) : NULL;
}

static bool read_all(const struct code_file *f, uint64_t offset, void *to, size_t n)
{
    uint8_t *at = to;
    while (n >= BLOCK) { /* the loop, the relocations: once each */
        ssize_t got = f->read(f->context, offset, at, n);
        if (got <= 0 || (size_t)got > n)
            return false;
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    while (n > 0) {
        size_t left;
        const uint8_t *from = block_at(f, offset, &left);
        if (left == 0)
            return false;
        size_t part = left < n ? left : n;
        memcpy(at, from, part);
        at += part;
        offset += part;
        n -= part;
    }
    return true;
}

static const struct code_segment *segment_of(const struct code_file *f, uint64_t address)
{
    for (uint32_t i = 0; i < f->segment_count; i++)
        if (address >= f->segment[i].address && address - f->segment[i].address < f->segment[i].size)
            return &f->segment[i];
    return NULL;
}

bool code_file_bytes(const struct code_file *f, uint64_t address, void *to, size_t n)
{
    const struct code_segment *s = segment_of(f, address);
    return s != NULL && n <= s->size - (address - s->address) && read_all(f, s->offset + (address - s->address), to, n);
}

bool code_file_executable(const struct code_file *f, uint64_t address)
{
    const struct code_segment *s = segment_of(f, address);
    return s != NULL && s->executable;
}

static void take_dynamic(struct code_file *f, const Elf64_Dyn *d)
{
    switch (d->d_tag) {
    case DT_SYMTAB:
        f->symbols = d->d_un.d_ptr;
        break;
    case DT_STRTAB:
        f->strings = d->d_un.d_ptr;
        break;
    case DT_STRSZ:
        f->string_size = d->d_un.d_val;
        break;
    case DT_GNU_HASH:
        f->gnu_hash = d->d_un.d_ptr;
        break;
    case DT_JMPREL:
        f->plt_relocations = d->d_un.d_ptr;
        break;
    case DT_PLTRELSZ:
        f->plt_relocation_size = d->d_un.d_val;
        break;
    case DT_RELA:
        f->relocations = d->d_un.d_ptr;
        break;
    case DT_RELASZ:
        f->relocation_size = d->d_un.d_val;
        break;
    default:
        break;
    }
}

static int read_dynamic(struct code_file *f, const Elf64_Phdr *h)
{
    Elf64_Dyn d[DYNAMIC_MOST];
    size_t count = h->p_filesz / sizeof *d;
    if (count > DYNAMIC_MOST)
        count = DYNAMIC_MOST;
    if (!read_all(f, h->p_offset, d, count * sizeof *d))
        return -ENOEXEC;
    for (size_t i = 0; i < count && d[i].d_tag != DT_NULL; i++)
        take_dynamic(f, &d[i]);
    return f->symbols != 0 && f->strings != 0 && f->gnu_hash != 0 ? 0 : -ENOEXEC;
}

int code_file_open(struct code_file *f)
{
    const uint64_t limit = UINT64_C(1) << 47;
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr table[HEADERS_MOST];
    } start;
    const Elf64_Phdr *dynamic = NULL;
    *f = (struct code_file){.read = f->read, .context = f->context, .blocks = calloc(1, sizeof *f->blocks)};
    if (f->blocks == NULL)
        return -ENOMEM;
    if (!read_all(f, 0, &start.head, sizeof start.head))
        return -ENOEXEC;
    const Elf64_Ehdr *e = &start.head;
    if (memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
        e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum > HEADERS_MOST ||
        !read_all(f, e->e_phoff, start.table, e->e_phnum * sizeof(Elf64_Phdr)))
        return -ENOEXEC;
    for (unsigned i = 0; i < e->e_phnum; i++) {
        const Elf64_Phdr *h = &start.table[i];
        if (h->p_type == PT_DYNAMIC)
            dynamic = h;
        if (h->p_type != PT_LOAD || h->p_filesz == 0)
            continue;
        if (f->segment_count == CODE_SEGMENTS_MAX || h->p_vaddr >= limit || h->p_filesz >= limit ||
            h->p_offset >= limit)
            return -ENOEXEC;
        f->segment[f->segment_count++] =
            (struct code_segment){h->p_vaddr, h->p_offset, h->p_filesz, (h->p_flags & PF_X) != 0};
    }
    return dynamic == NULL ? -ENOEXEC : read_dynamic(f, dynamic);
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t h = 5381;
    for (; *name != '\0'; name++)
        h = h * 33 + (uint8_t)*name;
    return h;
}

static bool symbol_at(const struct code_file *f, uint32_t index, Elf64_Sym *out)
{
    return code_file_bytes(f, f->symbols + (uint64_t)index * sizeof *out, out, sizeof *out);
}

static bool is_named(const struct code_file *f, const Elf64_Sym *s, const char *name)
{
    char found[NAME_MOST];
    size_t n = strlen(name) + 1;
    return n <= sizeof found && s->st_name < f->string_size && code_file_bytes(f, f->strings + s->st_name, found, n) &&
           memcmp(found, name, n) == 0;
}

bool code_file_symbol(const struct code_file *f, const char *name, struct code_symbol *out)
{
    struct {
        uint32_t buckets, first, bloom_words, shift;
    } table;
    uint32_t hash = gnu_hash(name), bucket, entry;
    uint64_t bloom;
    if (!code_file_bytes(f, f->gnu_hash, &table, sizeof table) || table.buckets == 0 || table.bloom_words == 0)
        return false;
    uint64_t at = f->gnu_hash + sizeof table;
    if (!code_file_bytes(f, at + hash / 64 % table.bloom_words * 8, &bloom, sizeof bloom) ||
        (bloom >> hash % 64 & 1) == 0 || (bloom >> (hash >> table.shift % 32) % 64 & 1) == 0)
        return false;
    at += (uint64_t)table.bloom_words * 8;
    if (!code_file_bytes(f, at + hash % table.buckets * UINT64_C(4), &bucket, sizeof bucket) || bucket < table.first)
        return false;
    at += (uint64_t)table.buckets * 4;
    for (uint32_t i = bucket; i - bucket < CHAIN_MOST; i++) {
        Elf64_Sym s;
        if (!code_file_bytes(f, at + (uint64_t)(i - table.first) * 4, &entry, sizeof entry))
            return false;
        if ((entry | 1) == (hash | 1) && symbol_at(f, i, &s) && is_named(f, &s, name)) {
            *out = (struct code_symbol){s.st_value, s.st_size};
            return s.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s.st_info) == STT_FUNC;
        }
        if ((entry & 1) != 0)
            return false;
    }
    return false;
}

/* A table of relocations, in memory of its own. NULL: there is none, or it cannot be read. */
static Elf64_Rela *read_relocations(const struct code_file *f, uint64_t address, uint64_t size, uint64_t most)
{
    if (size < sizeof(Elf64_Rela) || size > most * sizeof(Elf64_Rela))
        return NULL;
    Elf64_Rela *all = malloc(size);
    if (all != NULL && !code_file_bytes(f, address, all, size)) {
        free(all);
        all = NULL;
    }
    return all;
}

uint64_t code_file_plt_target(struct code_file *f, uint64_t slot)
{
    if (f->plt == NULL)
        f->plt = read_relocations(f, f->plt_relocations, f->plt_relocation_size, SLOTS_MOST);
    const Elf64_Rela *all = f->plt;
    for (uint64_t i = 0; all != NULL && i < f->plt_relocation_size / sizeof *all; i++) {
        Elf64_Sym s;
        if (all[i].r_offset != slot)
            continue;
        bool bound = ELF64_R_TYPE(all[i].r_info) == R_X86_64_JUMP_SLOT &&
                     symbol_at(f, (uint32_t)ELF64_R_SYM(all[i].r_info), &s) && s.st_shndx != SHN_UNDEF;
        return bound ? s.st_value : 0;
    }
    return 0;
}

void code_file_close(struct code_file *f)
{
    free(f->plt);
    for (size_t i = 0; f->blocks != NULL && i < BLOCKS; i++)
        free(f->blocks->block[i].bytes);
    free(f->blocks);
    f->plt = NULL;
    f->blocks = NULL;
}

bool code_file_relative(const struct code_file *f, uint64_t from, uint64_t to,
                        void (*each)(void *context, uint64_t address), void *context)
{
    uint64_t count = f->relocation_size / sizeof(Elf64_Rela);
    Elf64_Rela *all = read_relocations(f, f->relocations, f->relocation_size, RELOCATIONS_MOST);
    if (all == NULL)
        return count == 0;
    for (uint64_t i = 0; i < count; i++)
        if (ELF64_R_TYPE(all[i].r_info) == R_X86_64_RELATIVE && (uint64_t)all[i].r_addend >= from &&
            (uint64_t)all[i].r_addend < to)
            each(context, (uint64_t)all[i].r_addend);
    free(all);
    return true;
}
