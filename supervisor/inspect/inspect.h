/* Looking at a replay that stands where it was to stop: mappings, Python stacks, files, by a prompt, or by gdb. The guest is read, never
 * changed: what goes on from there is still the recorded run. */
#ifndef SUPERVISOR_INSPECT_INSPECT_H
#define SUPERVISOR_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct event;
struct holder;
struct inspection;

struct inspect_request {
    bool maps, stack; /* written to `out` where the replay stops */
    bool shell;       /* a prompt: commands from `in` */
    bool gdb;         /* gdb's remote protocol over `in` and `out` */
    FILE *in, *out;
};

struct inspection *inspection_new(const struct inspect_request *request); /* NULL: out of memory */
void inspection_free(struct inspection *i);                               /* NULL is allowed */
/* Beside replaying_watch: keeps the last events for the prompt. */
void inspection_watch(struct inspection *i, const struct event *e);

/* The replay stands where it was to stop. True: it goes on from here, to another place; false: it ends. */
bool inspection_stop(struct inspection *i, struct holder *h);
/* While it goes on, at each tick: gdb's ^C brings it to a stop behind the next event, and a gdb that is gone ends it. */
void inspection_tick(struct inspection *i, struct holder *h);
/* The world ended: as the run did, or because nobody let it go on. Before its processes are killed. */
void inspection_end(struct inspection *i, struct holder *h);

#endif
