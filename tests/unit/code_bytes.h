/* A file's bytes as the rooms that learn of code read them: whole in memory, so that a test can damage them first. */
#ifndef TESTS_UNIT_CODE_BYTES_H
#define TESTS_UNIT_CODE_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bytes {
    uint8_t *at;
    size_t size;
};

/* A code_file's `read`. */
static inline ssize_t read_bytes(void *context, uint64_t offset, void *to, size_t n)
{
    const struct bytes *b = context;
    if (offset >= b->size)
        return 0;
    size_t part = b->size - offset < n ? b->size - offset : n;
    memcpy(to, b->at + offset, part);
    return (ssize_t)part;
}

/* For a test's `load`: *state is the file's bytes, until unload. */
static inline int load_file(void **state, const char *path)
{
    struct bytes *b = calloc(1, sizeof *b);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(b != NULL && fd >= 0 && fstat(fd, &st) == 0);
    b->size = (size_t)st.st_size; /* NOLINT(clang-analyzer-core.uninitialized.Assign): an assertion does not return */
    b->at = malloc(b->size);
    assert_non_null(b->at);
    assert_int_equal(read(fd, b->at, b->size), b->size);
    close(fd);
    *state = b;
    return 0;
}

static inline int unload(void **state)
{
    struct bytes *b = *state;
    free(b->at);
    free(b);
    return 0;
}

#endif
