/* The commands: each takes the words behind its name and answers with the exit status. Its own words go to stdout, what
 * went wrong to stderr in one line. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

enum { STATUS_FAILED = 125 };

int command_run(int argc, char **argv);    /* argv[0] is "run" or "exec" */
int command_policy(int argc, char **argv); /* check, explain, show */
int command_trace(int argc, char **argv);  /* a record as text, JSON or a page */
int command_diff(int argc, char **argv);   /* two records */
int command_keygen(int argc, char **argv); /* a key to sign records with */
int command_doctor(int argc, char **argv); /* what this machine offers */
int command_replay(int argc, char **argv); /* a recorded run again */
int command_verify(int argc, char **argv); /* the same run several times */

/* "terrarium: " and one line to stderr. Returns STATUS_FAILED. */
int command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
