/* The same run again, as a child process, with what must not matter disturbed: for `terrarium verify`. */
#ifndef CLI_AGAIN_H
#define CLI_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

struct again_request {
    char *const *argv;   /* what to execute: argv[0] is "terrarium"; host paths in it are absolute */
    int input;           /* stdin as a descriptor, read from `input_start` on */
    int64_t input_start; /* its offset, when it can seek; -1: what has been read of it stands in `input` as a file, and
                            * the run gets it through a pipe */
    const char *directory; /* where the run leaves its files; names end in -NUMBER */
    unsigned number;       /* from 0: run 0 is undisturbed, each other one is disturbed in its own way */
    bool load;             /* beside busy loops, in every second run */
};

/* What one run left: files of the directory are out-N, err-N, and whatever argv names. */
struct again_result {
    int status; /* what terrarium exited with; 128+N: it was killed by signal N itself */
};

/* 0, or -errno when it could not even be started. A signal that ends terrarium (again_interrupted) ends the run. */
int again_run(const struct again_request *r, struct again_result *out);

/* From now on SIGINT, SIGTERM and SIGHUP end the run, and not this process, which has something to clear away. */
void again_listen(void);
int again_interrupted(void); /* the signal that came, or 0 */

#endif
