/* An ELF file as the analysis of its code needs it: bytes by virtual address, exported symbols, which function a PLT entry calls, and
 * what relocations point to. Every number in it is hostile: all reading is by explicit offset, and bounded. */
#ifndef SUPERVISOR_COUNT_CODE_FILE_H
#define SUPERVISOR_COUNT_CODE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CODE_SEGMENTS_MAX = 16 };

struct code_file {
    /* Up to n bytes of the file from offset on; how many, or -errno. */
    ssize_t (*read)(void *context, uint64_t offset, void *to, size_t n);
    void *context;
    uint32_t segment_count;
    struct code_segment {
        uint64_t address, offset, size; /* what of it the file holds */
        bool executable;
    } segment[CODE_SEGMENTS_MAX];
    uint64_t symbols, strings, string_size,
        gnu_hash; /* virtual addresses (and a size) of the dynamic section's tables; 0: none */
    uint64_t plt_relocations, plt_relocation_size, relocations, relocation_size;
    void *plt;                  /* the former, once they were asked for */
    struct code_blocks *blocks; /* of the file, as they were read */
};

struct code_symbol {
    uint64_t address, size;
};

/* Fill everything below `context`. 0; -ENOEXEC: no x86-64 ELF file with a dynamic symbol table; -ENOMEM. Then, or not, close. */
int code_file_open(struct code_file *f);
void code_file_close(struct code_file *f);
/* All n bytes at a virtual address. False: the file does not hold them. */
bool code_file_bytes(const struct code_file *f, uint64_t address, void *to, size_t n);
bool code_file_executable(const struct code_file *f, uint64_t address);
/* The function that the file exports by this name. */
bool code_file_symbol(const struct code_file *f, const char *name, struct code_symbol *out);
/* The address of the function of this file that the PLT's slot at `slot` is bound to by name. 0: it is not one. */
uint64_t code_file_plt_target(struct code_file *f, uint64_t slot);
/* Every address in [from, to) that a relative relocation puts into the file's data. False: they cannot all be read. */
bool code_file_relative(const struct code_file *f, uint64_t from, uint64_t to,
                        void (*each)(void *context, uint64_t address), void *context);

#endif
