/* The counter in the supervisor's own thread (prctl(2), PR_SET_TSC). */
#include "supervisor/tsc_own.h"

#include <linux/prctl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

enum { GENERAL_PROTECTION = 13 }; /* REG_TRAPNO: Intel SDM, volume 3A, table 6-1 */

static const uint8_t rdtsc[] = {0x0f, 0x31}, rdtscp[TSC_INSTRUCTION_MOST] = {0x0f, 0x01, 0xf9};

static struct sigaction before; /* a signal arrives at a process: this belongs to no world */
static bool forbidden;

size_t tsc_instruction(const uint8_t *code, ssize_t n)
{
    if (n >= (ssize_t)sizeof rdtsc && memcmp(code, rdtsc, sizeof rdtsc) == 0)
        return sizeof rdtsc;
    return n >= (ssize_t)sizeof rdtscp && memcmp(code, rdtscp, sizeof rdtscp) == 0 ? sizeof rdtscp : 0;
}

/* Of an instruction that was fetched and refused, so that it can be read; its third byte only where there is one. */
static size_t refused(const uint8_t *code)
{
    return tsc_instruction(code, code[0] == rdtscp[0] && code[1] == rdtscp[1] ? sizeof rdtscp : sizeof rdtsc);
}

static void answer(greg_t *registers, size_t length)
{
    uint32_t low, high, processor;
    (void)prctl(PR_SET_TSC, PR_TSC_ENABLE);
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(processor));
    (void)prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    registers[REG_RAX] = low;
    registers[REG_RDX] = high;
    if (length == sizeof rdtscp)
        registers[REG_RCX] = processor;
    registers[REG_RIP] += (greg_t)length;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    bool general = info->si_code == SI_KERNEL && registers[REG_TRAPNO] == GENERAL_PROTECTION;
    size_t length = general ? refused((const uint8_t *)registers[REG_RIP]) : 0;
    if (length > 0) {
        answer(registers, length);
        return;
    }
    sigaction(SIGSEGV, &before, NULL); /* what faulted does so again */
    if (info->si_code <= 0)
        (void)raise(signal);
}

void tsc_forbid(void)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    if (forbidden || sigaction(SIGSEGV, &action, &before) < 0)
        return;
    forbidden = true;
    (void)prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
}

void tsc_allow(void)
{
    if (!forbidden)
        return;
    forbidden = false;
    (void)prctl(PR_SET_TSC, PR_TSC_ENABLE);
    sigaction(SIGSEGV, &before, NULL);
}
