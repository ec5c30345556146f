/* A replay's ceilings (supervisor/ceilings.h). */
#include "supervisor/ceilings.h"

#include "policy/units.h"
#include "supervisor/limits.h"
#include "supervisor/replaying.h"
#include "supervisor/supervisor.h"
#include "supervisor/tick.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t second = 1000000000, mebibyte = 1 << 20;
enum {
    PROCESSES_MOST = 4096,   /* where the record allows more */
    WITHOUT_EVENT_MOST = 600 /* s of CPU time */
};

struct ceilings {
    uint64_t cpu, wall, memory, processes, files; /* 0: none */
    uint64_t without_event;                       /* ns of CPU time from one event to the next; 0: none */
    uint64_t passed;             /* ns of ticks: while somebody looks at a replay that stands, there are none */
    uint64_t events, events_cpu; /* how many there were at the last look that found a new one, and what they took */
};

static uint64_t number_in(const char *path, const char *key)
{
    unsigned long long value = 0;
    char line[128];
    FILE *f = fopen(path, "re");
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &value) == 1;
    if (f != NULL)
        (void)fclose(f);
    return found ? value : UINT64_MAX;
}

/* Three quarters of what the machine, or the container, has left. */
static uint64_t memory_here(void)
{
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable:"), most = number_in("/sys/fs/cgroup/memory.max", ""),
             used = number_in("/sys/fs/cgroup/memory.current", "");
    uint64_t left = kib != UINT64_MAX ? kib * 1024 : UINT64_MAX;
    if (most != UINT64_MAX && used != UINT64_MAX && most - (used < most ? used : most) < left)
        left = most - (used < most ? used : most);
    return left != UINT64_MAX ? left / 4 * 3 : 0;
}

/* factor × what was recorded, and more; 0: nothing was. */
static uint64_t scaled(uint64_t recorded, uint64_t factor, uint64_t more)
{
    uint64_t most;
    bool too_much = __builtin_mul_overflow(recorded, factor, &most) || __builtin_add_overflow(most, more, &most);
    return recorded == 0 ? 0 : too_much ? UINT64_MAX : most;
}

static uint64_t lesser(uint64_t a, uint64_t b) /* 0: none */
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

static uint64_t chosen(uint64_t said, uint64_t otherwise)
{
    return said != CEILING_NOT_SAID ? said : otherwise;
}

struct ceilings *ceilings_new(const struct policy_limits *recorded, const struct policy_limits *said)
{
    struct ceilings *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    /* Behind counted CPU time real time stands with three times as much and a second (supervisor/limits.c): twice that. */
    c->cpu = chosen(said->cpu, scaled(recorded->cpu, 6, 2 * second));
    c->without_event = said->cpu == CEILING_NOT_SAID && c->cpu == 0 ? WITHOUT_EVENT_MOST * second : 0;
    c->wall = chosen(said->wall, scaled(recorded->wall, 10, 60 * second));
    /* Between two looks a guest can touch 100 MiB: what the run touched before it was ended, the replay may. */
    c->memory = chosen(said->memory, lesser(scaled(recorded->memory, 2, 256 * mebibyte), memory_here()));
    c->processes = chosen(said->processes, lesser(recorded->processes, PROCESSES_MOST));
    c->files = chosen(said->files, recorded->files);
    return c;
}

void ceilings_free(struct ceilings *c)
{
    free(c);
}

static void refuse(struct holder *h, const char *option, const char *what, const char *most)
{
    char text[256];
    snprintf(text, sizeof text, "it may take %s of %s here (--limit %s=... says otherwise)", most, what, option);
    replaying_refuse(h->world->again, text);
}

static bool over_cpu(struct holder *h, struct ceilings *c, uint64_t cpu)
{
    char room[UNITS_ROOM];
    uint64_t events = replaying_events(h->world->again);
    if (events != c->events) {
        c->events = events;
        c->events_cpu = cpu;
    }
    if (c->cpu != 0 && cpu > c->cpu) {
        refuse(h, "cpu", "CPU time", units_print_duration(c->cpu, room));
        return true;
    }
    if (c->without_event == 0 || cpu - c->events_cpu <= c->without_event)
        return false;
    refuse(h, "cpu", "CPU time without an event", units_print_duration(c->without_event, room));
    return true;
}

void ceilings_check(struct holder *h)
{
    struct ceilings *c = h->ceilings;
    struct vfs_usage files;
    char room[UNITS_ROOM];
    c->passed += (uint64_t)tick_period();
    if (over_cpu(h, c, limits_take_cpu(h)))
        return;
    vfs_usage(h->world->vfs, &files);
    if (c->wall != 0 && c->passed > c->wall) {
        refuse(h, "wall", "time", units_print_duration(c->wall, room));
    } else if (limits_take_memory(h, c->memory)) {
        refuse(h, "memory", "memory", units_print_size(c->memory, room));
    } else if (c->files != 0 && files.bytes > c->files) {
        refuse(h, "files", "files", units_print_size(c->files, room));
    } else if (c->processes != 0 && h->world->task_count > c->processes) {
        snprintf(room, sizeof room, "%" PRIu64, c->processes);
        refuse(h, "processes", "processes and threads", room);
    }
}
