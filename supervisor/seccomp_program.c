#include "supervisor/seccomp_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int seccomp_program_known(enum seccomp_known which, struct sock_fprog *out)
{
    const struct sock_fprog *known = &seccomp_known[which];
    if (known->len == 0)
        return -ENOENT;
    size_t size = known->len * sizeof *known->filter;
    struct sock_filter *copy = malloc(size);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, known->filter, size);
    *out = (struct sock_fprog){.len = known->len, .filter = copy};
    return 0;
}

/* libseccomp 2.5 exports to a descriptor only. */
int seccomp_program_export(scmp_filter_ctx ctx, struct sock_fprog *out)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = seccomp_export_bpf(ctx, fd);
    off_t size = lseek(fd, 0, SEEK_END);
    struct sock_filter *program = NULL;
    if (error == 0 && (size <= 0 || size % (off_t)sizeof *program != 0 || size / (off_t)sizeof *program > BPF_MAXINSNS))
        error = -E2BIG;
    if (error == 0 && (program = malloc((size_t)size)) == NULL)
        error = -ENOMEM;
    if (error == 0 && pread(fd, program, (size_t)size, 0) != size)
        error = -EIO;
    close(fd);
    if (error < 0) {
        free(program);
        return error;
    }
    *out = (struct sock_fprog){.len = (unsigned short)(size / (off_t)sizeof *program), .filter = program};
    return 0;
}
