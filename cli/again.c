/* One run of `terrarium verify`: a child with another environment, date, directory, CPU, layout, timing of its input, limits and load than
 * the one before it. Nothing of that is an input of a run, so nothing of it may show. */
#include "cli/again.h"

#include "cli/date.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_LOOPS = 8,
    DATE_STEP = (39 * 24 + 5) * 3600, /* s: another year soon, another time of day */
    DRIBBLE = 997,                    /* bytes of input at a time */
    DRIBBLE_PAUSES = 50,              /* pauses of a millisecond in all, however long the input is */
};

/* ---- signals ------------------------------------------------------------------------------------------------------------ */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING = sizeof ending / sizeof *ending };
static volatile sig_atomic_t interrupted, running; /* running: the run's process, 0: none */

static void on_signal(int signal)
{
    interrupted = signal;
    if (running > 0)
        (void)kill(running, SIGTERM); /* it may have been told of ^C too, and its guest may not mind that */
}

void again_listen(void)
{
    const struct sigaction listen = {.sa_handler = on_signal}; /* no SA_RESTART: waitpid(2) must return */
    for (size_t i = 0; i < ENDING; i++) {
        struct sigaction before;
        if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(ending[i], &listen, NULL);
    }
}

int again_interrupted(void)
{
    return interrupted;
}

/* In a child: they are its own again. What came until now ends it. */
static void stop_listening(void)
{
    for (size_t i = 0; i < ENDING; i++) {
        struct sigaction now;
        if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler == on_signal)
            (void)signal(ending[i], SIG_DFL);
    }
    if (interrupted != 0)
        _exit(125);
}

/* ---- the disturbances ------------------------------------------------------------------------------------------------ */

/* Variables that programs and C libraries listen to. The guest's environment is made from the policy: it sees none. */
static void disturb_environment(unsigned number)
{
    char padding[4096];
    size_t n = (number * 769U) % sizeof padding;
    memset(padding, 'x', n);
    padding[n] = '\0';
    (void)setenv("TERRARIUM_VERIFY_PADDING", padding, 1);
    (void)setenv("LANG", number % 2 ? "tr_TR.UTF-8" : "C", 1);
    (void)setenv("LC_ALL", "POSIX", 1);
    (void)setenv("TZ", number % 2 ? "Pacific/Kiritimati" : "America/Caracas", 1);
    (void)setenv("PYTHONHASHSEED", number % 2 ? "1" : "random", 1);
    (void)setenv("PYTHONPATH", "/nonexistent", 1);
    (void)setenv("COLUMNS", number % 2 ? "20" : "200", 1);
    char date[32];
    snprintf(date, sizeof date, "%" PRId64, (number % 2 ? 1 : -1) * (int64_t)number * DATE_STEP);
    (void)setenv(DATE_VARIABLE, date, 1);
    (void)setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
}

static void disturb_cpu(unsigned number)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) < 0 || CPU_COUNT(&all) < 2)
        return;
    int skip = (int)(number % (unsigned)CPU_COUNT(&all)), cpu = -1;
    do
        while (!CPU_ISSET(++cpu, &all))
            ;
    while (skip-- > 0);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

static void disturb_process(unsigned number)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0) {
        rlim_t soft = (rlim_t)(4 + number % 3) << 20;
        limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
        (void)setrlimit(RLIMIT_STACK, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t soft = 1024 + number % 7;
        limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    /* Another layout of the supervisor's own: by chance, or the same addresses for all that chance had apart. */
    (void)personality(number % 2 ? ADDR_NO_RANDOMIZE : PER_LINUX);
    (void)umask(number % 2 ? 077 : 0);
    (void)setpriority(PRIO_PROCESS, 0, (int)(number % 5));
    for (unsigned i = 0; i < number % 4; i++)
        (void)!open("/dev/null", O_RDONLY); /* another number for every descriptor that comes after */
    const struct timespec later = {.tv_nsec = (long)(number * 7919 % 50) * 1000000};
    (void)nanosleep(&later, NULL);
}

/* ---- its streams -------------------------------------------------------------------------------------------------------- */

/* The caller's input once more, into a pipe, in another rhythm: at once, or in small pieces. */
__attribute__((noreturn)) static void feed(int from, int to, bool dribble)
{
    static char bytes[65536];
    off_t at = 0;
    int pauses = DRIBBLE_PAUSES;
    signal(SIGPIPE, SIG_DFL); /* a run that does not read it all is no error */
    for (ssize_t n; (n = pread(from, bytes, dribble ? DRIBBLE : sizeof bytes, at)) > 0; at += n) {
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(to, bytes + done, (size_t)(n - done))) <= 0)
                _exit(0);
        const struct timespec pause = {.tv_nsec = 1000000};
        if (dribble && pauses-- > 0)
            (void)nanosleep(&pause, NULL);
    }
    _exit(0);
}

/* In the child: a description of its own of the caller's file, or the pipe that is fed. */
static int open_input(const struct again_request *r, int pipe_end)
{
    if (r->input_start < 0)
        return pipe_end;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", r->input);
    int fd = open(path, O_RDONLY);
    if (fd >= 0)
        (void)lseek(fd, r->input_start, SEEK_SET);
    return fd;
}

static int create(const struct again_request *r, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%u", r->directory, name, r->number);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
}

__attribute__((noreturn)) static void child(const struct again_request *r, int pipe_end)
{
    stop_listening();
    int in = open_input(r, pipe_end), out = create(r, "out"), err = create(r, "err");
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(125);
    for (int fd = 3; fd < 64; fd++)
        (void)close(fd);
    if (r->number > 0) {
        disturb_environment(r->number);
        disturb_process(r->number);
        if (chdir(r->number % 2 ? "/" : r->directory) < 0)
            _exit(125);
    }
    disturb_cpu(r->number);
    execv("/proc/self/exe", r->argv);
    _exit(125);
}

/* ---- load ------------------------------------------------------------------------------------------------------------------ */

static void load_start(pid_t loops[BUSY_LOOPS])
{
    for (int i = 0; i < BUSY_LOOPS; i++) {
        loops[i] = fork();
        if (loops[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                __asm__ volatile("");
        }
    }
}

static void load_stop(const pid_t loops[BUSY_LOOPS])
{
    for (int i = 0; i < BUSY_LOOPS; i++) {
        if (loops[i] <= 0)
            continue;
        (void)kill(loops[i], SIGKILL);
        (void)waitpid(loops[i], NULL, 0);
    }
}

int again_run(const struct again_request *r, struct again_result *out)
{
    pid_t loops[BUSY_LOOPS] = {0}, feeder = 0;
    int ends[2] = {-1, -1}, status = 0, error = 0;
    bool loaded = r->load && r->number % 2 == 1;
    if (loaded)
        load_start(loops); /* before the pipe is there: a loop that held its end would keep it open */
    if (r->input_start < 0 && pipe2(ends, O_CLOEXEC) < 0)
        error = -errno;
    pid_t run = error == 0 ? fork() : -1;
    if (run == 0)
        child(r, ends[0]);
    if (run > 0 && ends[0] >= 0) {
        close(ends[0]); /* or the feeder would be its own reader */
        ends[0] = -1;
        feeder = fork();
        if (feeder == 0)
            feed(r->input, ends[1], r->number % 2 == 1);
    }
    if (error == 0 && (run < 0 || feeder < 0))
        error = -errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    running = run;
    if (run > 0 && interrupted != 0)
        (void)kill(run, SIGTERM);
    while (run > 0 && waitpid(run, &status, 0) < 0 && errno == EINTR)
        ;
    running = 0;
    if (feeder > 0) {
        (void)kill(feeder, SIGKILL);
        (void)waitpid(feeder, NULL, 0);
    }
    if (loaded)
        load_stop(loops);
    out->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return error;
}
