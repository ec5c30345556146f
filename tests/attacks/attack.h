/* What the attack programs share: raw calls, and lines of `name value` that tests compare. */
#ifndef ATTACK_H
#define ATTACK_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing between us and the instruction: rax as it is given, and the kernel's own result. */
static inline long raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#define RAW(nr, ...) RAW_(nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define RAW_(nr, a, b, c, d, e, f, ...)                                                                                \
    raw(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))

static inline const char *word(long result)
{
    static char text[8][32];
    static int turn;
    char *to = text[turn++ % 8];
    if (result < 0 && result > -4096)
        snprintf(to, 32, "%s", strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "?");
    else
        snprintf(to, 32, "ok");
    return to;
}

#define IS(argument) (strcmp(mode, argument) == 0)

/* A fault in what is tried is an outcome like any other. */
static sigjmp_buf tried;
static volatile int caught;
static void on_fault(int signal)
{
    caught = signal;
    siglongjmp(tried, 1);
}
static inline void catch_faults(void)
{
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGSYS, SIGFPE};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &(struct sigaction){.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER}, NULL);
}
#define TRY (caught = 0, sigsetjmp(tried, 1) == 0)
#define SAY(name, result) (printf("%s %s\n", name, TRY ? word((long)(result)) : "fault"), fflush(stdout))
#endif
