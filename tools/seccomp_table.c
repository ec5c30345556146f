/* seccomp_table: the programs of supervisor/seccomp_program.h on stdout, as C. Run by the Makefile. */
#include "supervisor/seccomp_program.h"

#include "policy/policy.h"
#include "supervisor/confine.h"
#include "supervisor/filter.h"

#include <stdio.h>
#include <stdlib.h>

/* What is being made is not there yet. */
const struct sock_fprog seccomp_known[SECCOMP_KNOWN_COUNT];

/* Of a policy made by hand, which has none. */
bool policy_has_rules(const struct policy *p, int nr)
{
    return false;
}

static int compile(enum seccomp_known which, struct sock_fprog *out)
{
    const struct policy policy = {.trap_all = which == SECCOMP_GUEST_TRAP_ALL};
    if (which == SECCOMP_GUEST || which == SECCOMP_GUEST_TRAP_ALL)
        return filter_compile(&policy, out);
    return confine_program(which == SECCOMP_SUPERVISOR_EXPORTING, -1, out);
}

int main(void)
{
    struct sock_fprog program[SECCOMP_KNOWN_COUNT] = {0};
    puts("/* Made by tools/seccomp_table.c. */\n#include \"supervisor/seccomp_program.h\"\n");
    for (int i = 0; i < SECCOMP_KNOWN_COUNT; i++) {
        if (compile((enum seccomp_known)i, &program[i]) < 0)
            continue;
        printf("static const struct sock_filter program_%d[] = {\n", i);
        for (unsigned k = 0; k < program[i].len; k++) {
            const struct sock_filter *f = &program[i].filter[k];
            printf("    {0x%x, %u, %u, 0x%x},\n", f->code, f->jt, f->jf, f->k);
        }
        puts("};\n");
    }
    puts("const struct sock_fprog seccomp_known[SECCOMP_KNOWN_COUNT] = {");
    for (int i = 0; i < SECCOMP_KNOWN_COUNT; i++) {
        if (program[i].len > 0)
            printf("    [%d] = {sizeof program_%d / sizeof *program_%d, (struct sock_filter *)program_%d},\n", i, i, i,
                   i);
        free(program[i].filter);
    }
    puts("};");
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
