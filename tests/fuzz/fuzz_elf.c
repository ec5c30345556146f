/* Fuzzes the ELF loader's reading: any bytes as a program. What it accepts must be a list of mappings that can be made:
 * page-aligned, ascending, apart, within the address space, and an entry, headers and interpreter inside what it says.
 *
 *   make fuzz-elf FUZZ_SECONDS=60 */
#include "tests/unit/vfs_fixture.h"

#include "supervisor/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct elf_image *e)
{
    uint64_t end = 0;
    if (e->segment_count == 0 || e->segment_count > ELF_SEGMENTS_MAX || e->low != e->segment[0].address ||
        e->high != e->segment[e->segment_count - 1].end || e->alignment == 0 ||
        (e->alignment & (e->alignment - 1)) != 0)
        abort();
    for (uint32_t i = 0; i < e->segment_count; i++) {
        const struct elf_segment *s = &e->segment[i];
        if (s->address % 4096 != 0 || s->end % 4096 != 0 || s->file_offset % 4096 != 0 || s->file_length % 4096 != 0)
            abort();
        if (s->address < end || s->end <= s->address || s->end > UINT64_C(1) << 49)
            abort();
        if (s->zero_from < s->address || s->zero_from > s->end || s->file_length > s->end - s->address)
            abort();
        end = s->end;
    }
    if (memchr(e->interpreter, '\0', sizeof e->interpreter) == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world_fixture *w = fixture_new(4 << 20, 100);
    struct elf_image image;
    struct file *f;
    vfs_put_file(w->vfs, "/program", (const char *)data, size, 0755, 0, 0);
    if (vfs_open(&w->at, "/program", O_RDONLY, 0, 0, &f) < 0)
        abort();
    if (elf_read(f, &image) == 0)
        check(&image);
    file_put(f);
    vfs_free(w->vfs);
    free(w);
    return 0;
}
