/* The machine as the guest is told of it: uname(2), sysinfo(2), getrandom(2). All of it fixed, or from the policy and
 * the seed. */
#include "kernel/release.h"
#include "stubs/processes.h"
#include "stubs/stubs.h"

#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int64_t stub_uname(struct call *c)
{
    uint64_t personality = c->task->process->personality;
    struct utsname name = {
        .sysname = KERNEL_SYSNAME, .release = KERNEL_RELEASE, .version = KERNEL_VERSION, .machine = KERNEL_MACHINE};
    if ((personality & PER_MASK) == PER_LINUX32)
        strcpy(name.machine, "i686");
    if ((personality & UNAME26) != 0)
        strcpy(name.release, "2.6.61-terrarium"); /* 6.1 as a 2.6: kernel/sys.c, override_release */
    strcpy(name.domainname, KERNEL_DOMAIN);
    snprintf(name.nodename, sizeof name.nodename, "%s", c->world->policy->hostname);
    return call_write(c, c->arg[0], &name, sizeof name);
}

uint64_t machine_memory(const struct world *w)
{
    return w->policy->limits.memory != 0 ? w->policy->limits.memory : UINT64_C(1) << 30;
}

/* A machine with the memory that the policy allows. Free memory does not change: what the guest touches is known to the
 * host kernel only, and not the same twice. */
int64_t stub_sysinfo(struct call *c)
{
    struct world *w = c->world;
    uint64_t total = machine_memory(w);
    struct sysinfo info = {
        .uptime = (long)(clock_read(&w->clock, CLOCK_BOOTTIME) / 1000000000),
        .totalram = total,
        .freeram = total / 4 * 3,
        .bufferram = 0,
        .procs = (unsigned short)(w->task_count + 1),
        .mem_unit = 1,
    };
    return call_write(c, c->arg[0], &info, sizeof info);
}

enum { RANDOM_MOST = 33554431, RANDOM_CHUNK = 4096 }; /* getrandom(2): "a maximum of 33554431 bytes" */

int64_t stub_getrandom(struct call *c)
{
    uint64_t flags = c->arg[2] & UINT32_MAX;
    uint8_t bytes[RANDOM_CHUNK];
    if ((flags & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0 ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    size_t wanted = c->arg[1] < RANDOM_MOST ? c->arg[1] : RANDOM_MOST, done = 0;
    while (done < wanted && !(done > 256 && call_interrupted(c))) {
        size_t n = wanted - done < sizeof bytes ? wanted - done : sizeof bytes;
        random_bytes(&c->world->random, RANDOM_GUEST, bytes, n);
        ssize_t put = call_write_some(c, c->arg[0] + done, bytes, n);
        done += put > 0 ? (size_t)put : 0;
        if (put < (ssize_t)n)
            return done > 0 ? (int64_t)done : -EFAULT;
    }
    return (int64_t)done;
}
