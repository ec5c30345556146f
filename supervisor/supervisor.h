/* The entry to the room that holds the guest: one request in, one exit status out. All that cli/ knows of supervisor/,
 * and all that a run is made of besides the policy.
 *
 * The policy is the one truth about the world: what the command line said over it (--python, --seed, --cwd, --limit,
 * --mount, --image, --env) has been put into it, with "(command line)" as its origin, and policy_compile() has been
 * called. The request adds only what is no part of the world: what to start, and where the outcome goes.
 *
 * Everything here is owned by the caller, and must stay as it is until supervisor_run() returns. */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy;
struct policy_limits;
struct replaying;
struct inspection;
struct event;

#define TERRARIUM_VERSION "0.1"

#define CEILING_NOT_SAID UINT64_MAX

struct run_request {
    const struct policy *policy; /* compiled, in force */
    bool is_exec;                /* `exec`: argv[0] is a program of the VFS, looked for along the guest's PATH;
                                  * `run`: the program is policy->python (NULL: python3 on PATH) */
    int argc;
    const char *const *argv; /* the guest's argv, NULL-terminated, argv[0] included. `run`: argv[0] is the interpreter
                              * as the guest is to see it, and a script stands in it by its last component */
    const char *script;      /* host path of `run script.py`'s script, which appears alone, under its last component,
                              * in policy->cwd; NULL: none (-c, -m, stdin, the REPL, exec). A directory or a zip file
                              * that python3 could run appears likewise. */
    const char *report;      /* host path of the report (JSON), "-": stderr, NULL: none */
    const char *export_to;   /* host path of a directory or of a .tar: what the guest created or changed; NULL: none */
    const char *capture;     /* host path: the conversations as packets (pcapng); NULL: none */
    const char *har;         /* host path: the HTTP of the run (HAR); NULL: none */
    const char *record;      /* host path of the record; NULL: none */
    bool bundle;             /* the record is to stand alone */
    const struct policy_limits *ceilings; /* of a replay (supervisor/ceilings.h): in each field what the caller said, or
                                           * CEILING_NOT_SAID */
    struct replaying *again; /* not a run but one that is run again, out of its record (supervisor/replaying.h) */
    struct inspection
        *inspection;     /* who looks at a replay where it stops (supervisor/inspect/inspect.h); NULL: nobody */
    const uint8_t *sign; /* an Ed25519 secret key (64 bytes) to sign the record with; NULL: it is not signed */
    void (*watch)(void *context, const struct event *e); /* sees each event as it happens; NULL: nobody */
    void *watch_context;
    bool quiet;                /* no words of terrarium's own but errors */
    bool verbose;              /* each denial once, as it happens, on stderr */
    bool require_reproducible; /* a run that is not is an error */
};

/* What a person is told, each one sentence without "terrarium: " before it and newline behind, or empty. */
struct run_error {
    char text[1024];   /* why terrarium itself could not do its work */
    char notice[1024]; /* which limit ended the run */
};

/* Runs the guest to its end and leaves no process behind. Returns the status terrarium exits with: the guest's own,
 * 128+N for signal N, 124 with e->notice filled when a limit ended it; 125 with e->text filled when terrarium could not
 * do its work. Writes nothing to stderr itself but the report ("-"), what a `forward:` rule opens and, if
 * verbose, the denials. */
int supervisor_run(const struct run_request *r, struct run_error *e);

#endif
