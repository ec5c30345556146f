/* known_sites FILE...: the table of supervisor/count/known.h on stdout, of those FILEs whose checks, or library, are understood. Run by the Makefile
 * over the interpreters of the machine that builds, so that a start with one of them need not learn what was known before. */
#include "supervisor/count/known.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What is being made is not there yet. */
const struct known_file known_files[1];
const size_t known_file_count = 0;

static ssize_t read_file(void *context, uint64_t offset, void *to, size_t n)
{
    return pread(*(const int *)context, to, n, (off_t)offset);
}

static void put_bytes(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s0x%02x", i > 0 ? ", " : "", bytes[i]);
}

static void put_sites(int index, const struct code_site *site, uint32_t count)
{
    printf("static const struct code_site sites_%d[] = {\n", index);
    for (uint32_t i = 0; i < count; i++) {
        printf("    {0x%llx, %u, {", (unsigned long long)site[i].address, site[i].length);
        put_bytes(site[i].bytes, site[i].length);
        printf("}, %u},\n", site[i].relative_at);
    }
    printf("};\n");
}

static void put_kinds(int index, const struct code_takes *t)
{
    printf("static const uint8_t kind_%d[] = {", index);
    for (uint32_t i = 0; i < t->count; i++)
        printf("%s%d", i > 0 ? ", " : "", t->kind[i]);
    printf("};\n");
}

int main(int argc, char **argv)
{
    static struct known_file known[64];
    static bool has_kinds[64];
    static struct code_sites sites;
    static struct code_takes takes;
    int count = 0;
    printf("/* Made by tools/known_sites.c. */\n#include \"supervisor/count/known.h\"\n\n");
    for (int i = 1; i < argc && count < 64; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        struct code_file f = {.read = read_file, .context = &fd};
        if (fd < 0)
            continue;
        bool open_file = code_file_open(&f) == 0 && known_identity(&f, known[count].identity);
        if (open_file && sites_learn(&f, &sites) == 0) {
            known[count].displacement = sites.displacement;
            known[count].size = sites.size;
            put_sites(count++, sites.site, sites.count);
        } else if (open_file && takes_learn(&f, &takes) == 0) {
            has_kinds[count] = true;
            put_kinds(count, &takes);
            put_sites(count++, takes.site, takes.count);
        }
        code_file_close(&f);
        close(fd);
    }
    printf("\nconst struct known_file known_files[] = {\n");
    for (int i = 0; i < count; i++) {
        printf("    {{");
        put_bytes(known[i].identity, KNOWN_IDENTITY);
        printf("}, %d, %u, sizeof sites_%d / sizeof *sites_%d, sites_%d, ", known[i].displacement, known[i].size, i, i,
               i);
        if (has_kinds[i])
            printf("kind_%d},\n", i);
        else
            printf("NULL},\n");
    }
    printf("    {{0}, 0, 0, 0, NULL, NULL},\n};\nconst size_t known_file_count = %d;\n", count);
    return 0;
}
