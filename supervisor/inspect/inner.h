/* What the files of supervisor/inspect/ share. */
#ifndef SUPERVISOR_INSPECT_INNER_H
#define SUPERVISOR_INSPECT_INNER_H

#include "supervisor/inspect/inspect.h"
#include "supervisor/tracee.h"

enum { EVENTS_KEPT = 64 };

struct inspection {
    struct inspect_request request;
    struct trace_text *text; /* the prompt's: events as lines, the last of them in `line` */
    char *line[EVENTS_KEPT]; /* owned; a ring */
    unsigned lines;          /* ever */
    bool gdb_waits;          /* gdb said continue, and was not told how it ended */
    bool no_ack;             /* gdb and we trust the pipe */
};

/* The mappings of each process, as /proc/PID/maps has them. (inspect.c) */
void inspect_maps(struct world *w, FILE *out);
/* One line: behind which event, at what time. (inspect.c) */
void inspect_where(struct holder *h, FILE *out);
/* `where` is what --until takes. False, with a sentence on out: it goes nowhere. (inspect.c) */
bool inspect_go_on(struct holder *h, const char *where, FILE *out);
/* To the run's own end. False: it is there. */
bool inspect_go_to_end(struct holder *h);

/* The next byte of whoever asks. Signals that come meanwhile are acted upon. False: nobody asks any more. (inspect.c) */
bool inspect_get(const struct inspection *i, struct holder *h, char *c);

bool inspect_shell(struct inspection *i, struct holder *h); /* shell.c */
bool inspect_gdb(struct inspection *i, struct holder *h);   /* gdb.c */

#endif
