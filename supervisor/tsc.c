/* RDTSC and RDTSCP (Intel SDM, volume 2B). A faulting one costs a signal-delivery-stop; each moves the clock as a call does, so
 * that a loop that waits for the counter ends. IA32_TSC_AUX, which Linux sets to the CPU's number, reads as 0. */
#include "supervisor/tsc.h"

#include "kernel/recorder.h"
#include "supervisor/tsc_own.h"

#include <linux/prctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

void tsc_try(void)
{
    __asm__ volatile("rdtsc" ::: "eax", "edx");
}

/* Of the one that a tracee stands at. */
static size_t length_of(struct tracee *t)
{
    uint8_t code[TSC_INSTRUCTION_MOST] = {0};
    if (tracee_load_registers(t) < 0)
        return 0;
    return tsc_instruction(code, tracee_read(t, t->regs.rip, code, sizeof code));
}

void tsc_settle(struct tracee *t)
{
    const uint64_t argument[6] = {PR_SET_TSC, PR_TSC_ENABLE};
    if (t->holder->tsc_answered)
        tsc_forbid();
    else
        (void)tracee_inject(t, SYS_prctl, argument);
}

bool tsc_tried(struct tracee *t)
{
    size_t length = length_of(t);
    if (length == 0)
        return false;
    t->regs.rip += length;
    t->changed = true;
    t->holder->tsc_answered = true;
    return true;
}

bool tsc_emulate(struct tracee *t)
{
    size_t length = length_of(t);
    if (length == 0)
        return false;
    struct world *w = t->task->world;
    task_event(t->task);
    uint64_t now = (uint64_t)clock_read(&w->clock, CLOCK_MONOTONIC);
    if (w->clock.real)
        record(w, told, TOLD_TSC, clock_elapsed(&w->clock));
    t->regs.rax = (uint32_t)now;
    t->regs.rdx = now >> 32;
    if (length > 2) /* RDTSCP */
        t->regs.rcx = 0;
    t->regs.rip += length;
    t->changed = true;
    return true;
}
