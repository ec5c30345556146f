/* ELF files (elf(5)) of the VFS: read, checked, and turned into a list of mappings. Every number in them is hostile. */
#ifndef SUPERVISOR_ELF_H
#define SUPERVISOR_ELF_H

#include "vfs/vfs.h"

#include <stdbool.h>
#include <stdint.h>

enum { ELF_SEGMENTS_MAX = 32, ELF_INTERPRETER_MAX = 256 };

struct elf_segment {      /* page-aligned, without load bias */
    uint64_t address;     /* of the mapping */
    uint64_t file_offset; /* page-aligned */
    uint64_t file_length; /* bytes to map from the file, rounded up to pages; 0: all of it is zero */
    uint64_t zero_from;   /* the first byte that must read zero (end of the file's bytes) */
    uint64_t end;         /* page-aligned end of memory */
    int protection;       /* PROT_* */
};

struct elf_image {
    bool relocatable; /* ET_DYN: may be mapped anywhere */
    bool executable_stack;
    uint64_t entry, low, high, headers, alignment; /* headers: address of the program headers; without bias */
    uint16_t header_size, header_count;
    uint64_t brk; /* end of the last segment */
    uint32_t segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX];
    char interpreter[ELF_INTERPRETER_MAX]; /* PT_INTERP, or "" */
};

/* 0; -ENOEXEC: no ELF file of this machine's (also a 32-bit one); -errno of reading. */
int elf_read(struct file *f, struct elf_image *out);

#endif
