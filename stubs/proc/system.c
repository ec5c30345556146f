/* The files of /proc that speak of the whole world: one processor, the policy's memory, the world's clock (proc(5)). */
#include "stubs/proc/proc.h"
#include "kernel/release.h"
#include "stubs/processes.h"

#include <time.h>

enum { NS_PER_TICK = 1000000000 / PROC_TICKS };

int proc_empty(const struct synthetic *s, const struct cred *c, struct text *out)
{
    return 0;
}

int proc_version(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "%s version %s (terrarium@terrarium) (gcc) %s\n", KERNEL_SYSNAME, KERNEL_RELEASE, KERNEL_VERSION);
    return 0;
}

int proc_kernel_cmdline(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "quiet\n");
    return 0;
}

/* CPU time of all that ran, ns. */
static int64_t cpu_of_all(const struct world *w)
{
    int64_t sum = 0;
    for (const struct process *p = w->processes; p; p = p->next)
        sum += process_cpu(p);
    return sum;
}

int proc_uptime(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct world *w = s->world;
    int64_t up = clock_read(&w->clock, CLOCK_BOOTTIME), idle = up - cpu_of_all(w);
    if (idle < 0)
        idle = 0;
    text_printf(out, "%lld.%02lld %lld.%02lld\n", (long long)(up / 1000000000), (long long)(up / 10000000 % 100),
                (long long)(idle / 1000000000), (long long)(idle / 10000000 % 100));
    return 0;
}

/* How many threads can run, and how many there are. */
static void count_threads(const struct world *w, unsigned *running, unsigned *all)
{
    *running = *all = 0;
    for (const struct process *p = w->processes; p; p = p->next)
        for (const struct task *t = p->threads; t; t = t->next_thread) {
            *running += t->state == TASK_READY;
            (*all)++;
        }
}

int proc_loadavg(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct world *w = s->world;
    unsigned running, all;
    count_threads(w, &running, &all);
    text_printf(out, "0.00 0.00 0.00 %u/%u %d\n", running, all, w->next_pid > 1 ? w->next_pid - 1 : 1);
    return 0;
}

/* As sysinfo(2) says it: the policy's memory, a quarter of it in use, whatever the guest touches. */
int proc_meminfo(const struct synthetic *s, const struct cred *c, struct text *out)
{
    uint64_t total = machine_memory(s->world) / 1024, left = total / 4 * 3, used = total - left, cached = 0;
    const struct {
        const char *name;
        uint64_t kib;
    } lines[] = {
        {"MemTotal", total},
        {"MemFree", left},
        {"MemAvailable", left},
        {"Buffers", 0},
        {"Cached", cached},
        {"SwapCached", 0},
        {"Active", used},
        {"Inactive", cached},
        {"Unevictable", 0},
        {"Mlocked", 0},
        {"SwapTotal", 0},
        {"SwapFree", 0},
        {"Dirty", 0},
        {"Writeback", 0},
        {"AnonPages", used},
        {"Mapped", 0},
        {"Shmem", cached},
        {"KReclaimable", 0},
        {"Slab", 0},
        {"SReclaimable", 0},
        {"SUnreclaim", 0},
        {"KernelStack", 0},
        {"PageTables", 0},
        {"CommitLimit", total},
        {"Committed_AS", used},
        {"VmallocTotal", 34359738367},
        {"VmallocUsed", 0},
        {"VmallocChunk", 0},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0];
         i++) /* fs/proc/meminfo.c: padded to 16, then 8 wide or as wide as it is */
        text_printf(out, "%s:%*s%8llu kB\n", lines[i].name, (int)(15 - __builtin_strlen(lines[i].name)), "",
                    (unsigned long long)lines[i].kib);
    text_printf(out, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
                     "HugePages_Surp:        0\nHugepagesize:       2048 kB\n");
    return 0;
}

/* One processor without a name of the host's. The flags are what every x86-64 has: what a program may use beyond them
 * it asks the CPUID instruction, which no kernel can hide here. */
int proc_cpuinfo(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out,
                "processor\t: 0\nvendor_id\t: Terrarium\ncpu family\t: 6\nmodel\t\t: 1\n"
                "model name\t: Terrarium virtual CPU\nstepping\t: 1\ncpu MHz\t\t: 1000.000\ncache size\t: 1024 KB\n"
                "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\n"
                "initial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 1\nwp\t\t: yes\n"
                "flags\t\t: fpu tsc msr pae cx8 cmov fxsr sse sse2 syscall nx lm constant_tsc\n"
                "bugs\t\t:\nbogomips\t: 2000.00\nclflush size\t: 64\ncache_alignment\t: 64\n"
                "address sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n");
    return 0;
}

int proc_system_stat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    const struct world *w = s->world;
    unsigned running, all;
    long long up = clock_read(&w->clock, CLOCK_BOOTTIME) / NS_PER_TICK, used = cpu_of_all(w) / NS_PER_TICK;
    long long idle = up > used ? up - used : 0;
    long long boot = (clock_read(&w->clock, CLOCK_REALTIME) - clock_read(&w->clock, CLOCK_BOOTTIME)) / 1000000000;
    count_threads(w, &running, &all);
    for (int cpu = -1; cpu < 1; cpu++)
        text_printf(out, cpu < 0 ? "cpu  %lld 0 0 %lld 0 0 0 0 0 0\n" : "cpu0 %lld 0 0 %lld 0 0 0 0 0 0\n", used, idle);
    text_printf(out,
                "intr 0\nctxt %llu\nbtime %lld\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n"
                "softirq 0 0 0 0 0 0 0 0 0 0 0\n",
                (unsigned long long)w->events, boot, w->next_pid > 1 ? w->next_pid - 1 : 1, running);
    return 0;
}

int proc_filesystems(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\toverlay\n");
    return 0;
}

int proc_swaps(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

int proc_vmstat(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out,
                "nr_free_pages 0\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\noom_kill 0\n");
    return 0;
}

int proc_partitions(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "major minor  #blocks  name\n\n");
    return 0;
}

int proc_devices(const struct synthetic *s, const struct cred *c, struct text *out)
{
    text_printf(out, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\n"
                     "Block devices:\n");
    return 0;
}
