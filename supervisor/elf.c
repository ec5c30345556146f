/* Reading ELF headers. Model of what is checked: the kernel's fs/binfmt_elf.c. */
#include "supervisor/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE UINT64_C(4096)
#define PAGE_DOWN(x) ((x) & ~(PAGE - 1))
#define PAGE_UP(x) PAGE_DOWN((x) + PAGE - 1)
#define ADDRESS_LIMIT (UINT64_C(1) << 47)

static int read_at(struct file *f, void *to, size_t n, uint64_t position)
{
    struct io io = io_over_buffer(to, n);
    while (io.left > 0) {
        ssize_t got = file_read(f, &io, &position);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return -ENOEXEC;
    }
    return 0;
}

static int protection_of(uint32_t flags)
{
    return ((flags & PF_R) != 0 ? PROT_READ : 0) | ((flags & PF_W) != 0 ? PROT_WRITE : 0) |
           ((flags & PF_X) != 0 ? PROT_EXEC : 0);
}

static int add_segment(struct elf_image *image, const Elf64_Phdr *h)
{
    if (image->segment_count == ELF_SEGMENTS_MAX || h->p_filesz > h->p_memsz || h->p_memsz > ADDRESS_LIMIT ||
        h->p_vaddr > ADDRESS_LIMIT || h->p_offset > ADDRESS_LIMIT || h->p_vaddr % PAGE != h->p_offset % PAGE)
        return -ENOEXEC;
    if (h->p_memsz == 0)
        return 0;
    struct elf_segment s = {
        .address = PAGE_DOWN(h->p_vaddr),
        .file_offset = PAGE_DOWN(h->p_offset),
        .file_length = h->p_filesz == 0 ? 0 : PAGE_UP(h->p_vaddr + h->p_filesz) - PAGE_DOWN(h->p_vaddr),
        .zero_from = h->p_vaddr + h->p_filesz,
        .end = PAGE_UP(h->p_vaddr + h->p_memsz),
        .protection = protection_of(h->p_flags),
    };
    if (image->segment_count > 0 && s.address < image->segment[image->segment_count - 1].end)
        return -ENOEXEC; /* they must ascend and not overlap */
    if (image->segment_count == 0)
        image->low = s.address;
    image->high = s.end;
    image->brk = h->p_vaddr + h->p_memsz;
    image->segment[image->segment_count++] = s;
    return 0;
}

static int read_interpreter(struct file *f, const Elf64_Phdr *h, struct elf_image *out)
{
    if (h->p_filesz < 2 || h->p_filesz > ELF_INTERPRETER_MAX)
        return -ENOEXEC;
    int error = read_at(f, out->interpreter, h->p_filesz, h->p_offset);
    return error < 0 ? error : out->interpreter[h->p_filesz - 1] == '\0' ? 0 : -ENOEXEC;
}

int elf_read(struct file *f, struct elf_image *out)
{
    Elf64_Ehdr head;
    memset(out, 0, sizeof *out);
    int error = read_at(f, &head, sizeof head, 0);
    if (error < 0)
        return error;
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_machine != EM_X86_64 || (head.e_type != ET_EXEC && head.e_type != ET_DYN) ||
        head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum == 0 || head.e_phnum > 128)
        return -ENOEXEC;
    Elf64_Phdr table[128];
    error = read_at(f, table, head.e_phnum * sizeof *table, head.e_phoff);
    if (error < 0)
        return error;
    out->relocatable = head.e_type == ET_DYN;
    out->entry = head.e_entry;
    out->header_size = head.e_phentsize;
    out->header_count = head.e_phnum;
    out->alignment = PAGE;
    for (unsigned i = 0; error == 0 && i < head.e_phnum; i++) {
        const Elf64_Phdr *h = &table[i];
        if (h->p_type == PT_LOAD) {
            error = add_segment(out, h);
            if (h->p_offset <= head.e_phoff && head.e_phoff < h->p_offset + h->p_filesz)
                out->headers = h->p_vaddr + (head.e_phoff - h->p_offset);
            if (h->p_align > out->alignment && h->p_align <= (UINT64_C(1) << 30) &&
                (h->p_align & (h->p_align - 1)) == 0)
                out->alignment = h->p_align;
        } else if (h->p_type == PT_INTERP && out->interpreter[0] == '\0') {
            error = read_interpreter(f, h, out);
        } else if (h->p_type == PT_GNU_STACK) {
            out->executable_stack = (h->p_flags & PF_X) != 0;
        }
    }
    if (error < 0)
        return error;
    return out->segment_count > 0 && out->high - out->low < ADDRESS_LIMIT / 2 ? 0 : -ENOEXEC;
}
