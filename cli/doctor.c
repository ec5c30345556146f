/* `terrarium doctor`: what this machine offers, found out by trying it. Each line is one thing tried, in a process of
 * its own and under a time limit, so that nothing tried here can hang or hurt what follows; behind it stands what it
 * means for runs. The things themselves are in supervisor/probes.c. */
#include "cli/commands.h"
#include "supervisor/probes.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 3000 };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The outcome from the child's pipe, whole or not at all. */
static bool read_outcome(int fd, struct probe_outcome *out)
{
    int64_t end = now_ms() + LIMIT_MS;
    size_t count = 0;
    while (count < sizeof *out) {
        int64_t left = end - now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        ssize_t n = read(fd, (char *)out + count, sizeof *out - count);
        if (n <= 0)
            return false;
        count += (size_t)n;
    }
    out->detail[sizeof out->detail - 1] = '\0';
    return true;
}

static void try_probe(const struct probe *probe, struct probe_outcome *out)
{
    int pipe_end[2];
    *out = (struct probe_outcome){0};
    if (pipe(pipe_end) < 0) {
        snprintf(out->detail, sizeof out->detail, "not tried: %s", strerror(errno));
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pipe_end[0]);
        probe->run(out);
        ssize_t written = write(pipe_end[1], out, sizeof *out);
        _exit(written == sizeof *out ? 0 : 1);
    }
    close(pipe_end[1]);
    if (pid < 0)
        snprintf(out->detail, sizeof out->detail, "not tried: %s", strerror(errno));
    else if (!read_outcome(pipe_end[0], out))
        *out = (struct probe_outcome){.detail = "no answer within 3 s, or ended by a signal"};
    close(pipe_end[0]);
    if (pid > 0) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}

static const char *word(const struct probe *probe, const struct probe_outcome *out)
{
    return out->there ? "ok" : probe->required ? "FAILED" : "missing";
}

static void print_line(const struct probe *probe, const struct probe_outcome *out)
{
    printf("%-8s %-18s %s%s%s\n", word(probe, out), probe->name, out->detail, out->there ? "" : ": ",
           out->there ? "" : probe->without);
}

static int print_json(const struct probe_outcome *outcomes, bool possible)
{
    json_t *list = json_array(), *root = json_object();
    for (size_t i = 0; i < probe_count; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "name", json_string(probes[i].name));
        json_object_set_new(one, "there", json_boolean(outcomes[i].there));
        json_object_set_new(one, "required", json_boolean(probes[i].required));
        json_object_set_new(one, "detail", json_string(outcomes[i].detail));
        if (!outcomes[i].there)
            json_object_set_new(one, "consequence", json_string(probes[i].without));
        json_array_append_new(list, one);
    }
    json_object_set_new(root, "runs_are_possible", json_boolean(possible));
    json_object_set_new(root, "tried", list);
    int result = json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return result;
}

int command_doctor(int argc, char **argv)
{
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            printf("usage: terrarium doctor [--json]\n\n"
                   "Tries what runs need of this machine, and says in one line each what is there and what it means.\n"
                   "Exit status: 0 when runs are possible, else 125.\n");
            return 0;
        } else {
            return command_fail("doctor: unknown option '%s' (see 'terrarium doctor --help')", argv[i]);
        }
    }
    struct probe_outcome *outcomes = calloc(probe_count, sizeof *outcomes);
    const char *first_missing = NULL;
    if (outcomes == NULL)
        return command_fail("out of memory");
    for (size_t i = 0; i < probe_count; i++) {
        try_probe(&probes[i], &outcomes[i]);
        if (!json)
            print_line(&probes[i], &outcomes[i]);
        if (probes[i].required && !outcomes[i].there && first_missing == NULL)
            first_missing = probes[i].name;
    }
    if (json && print_json(outcomes, first_missing == NULL) < 0)
        first_missing = "the output";
    free(outcomes);
    fflush(stdout);
    return first_missing == NULL ? 0 : command_fail("runs are not possible here: %s", first_missing);
}
