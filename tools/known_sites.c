/* known_sites FILE...: the table of supervisor/count/known.h on stdout, of those FILEs whose checks are understood. Run by the Makefile
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

static void put_sites(int index, const struct code_sites *s)
{
    printf("static const struct code_site sites_%d[] = {\n", index);
    for (uint32_t i = 0; i < s->count; i++) {
        printf("    {0x%llx, %u, {", (unsigned long long)s->site[i].address, s->site[i].length);
        put_bytes(s->site[i].bytes, s->site[i].length);
        printf("}, %u},\n", s->site[i].relative_at);
    }
    printf("};\n");
}

int main(int argc, char **argv)
{
    static struct known_file known[64];
    static struct code_sites sites;
    int count = 0;
    printf("/* Made by tools/known_sites.c. */\n#include \"supervisor/count/known.h\"\n\n");
    for (int i = 1; i < argc && count < 64; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        struct code_file f = {.read = read_file, .context = &fd};
        if (fd < 0)
            continue;
        if (code_file_open(&f) == 0 && sites_learn(&f, &sites) == 0 && known_identity(&f, known[count].identity)) {
            known[count].displacement = sites.displacement;
            known[count].size = sites.size;
            put_sites(count++, &sites);
        }
        code_file_close(&f);
        close(fd);
    }
    printf("\nconst struct known_file known_files[] = {\n");
    for (int i = 0; i < count; i++) {
        printf("    {{");
        put_bytes(known[i].identity, KNOWN_IDENTITY);
        printf("}, %d, %u, sizeof sites_%d / sizeof *sites_%d, sites_%d},\n", known[i].displacement, known[i].size, i,
               i, i);
    }
    printf("    {{0}, 0, 0, 0, NULL},\n};\nconst size_t known_file_count = %d;\n", count);
    return 0;
}
