/* What people type: finds the command and hands it its words. A command answers with the exit status. */
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

enum { STATUS_FAILED = 125 };

int main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[1], "policy") != 0 || strcmp(argv[2], "check") != 0) {
        fprintf(stderr, "terrarium: usage: terrarium policy check FILE\n");
        return STATUS_FAILED;
    }
    struct policy *p;
    struct policy_error e;
    if (policy_load(argv[3], NULL, &p, &e) < 0) {
        fprintf(stderr, "terrarium: %s\n", e.text);
        return STATUS_FAILED;
    }
    printf("%s: ok\n", argv[3]);
    policy_free(p);
    return 0;
}
