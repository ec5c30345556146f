/* A run, from a request to an exit status: the order in which everything else in this room is used. */
#include "supervisor/supervisor.h"

#include "supervisor/bundle.h"
#include "supervisor/ceilings.h"
#include "supervisor/connector.h"
#include "supervisor/count/patch.h"
#include "supervisor/deadlock.h"
#include "supervisor/ends.h"
#include "supervisor/fast_clock.h"
#include "supervisor/glass/glass.h"
#include "supervisor/inputs.h"
#include "supervisor/launch.h"
#include "supervisor/lending.h"
#include "supervisor/limits.h"
#include "supervisor/loop.h"
#include "supervisor/machine.h"
#include "supervisor/maps.h"
#include "supervisor/network.h"
#include "supervisor/recording.h"
#include "supervisor/replaying.h"
#include "supervisor/report.h"
#include "supervisor/setup.h"
#include "supervisor/tick.h"
#include "supervisor/tsc_own.h"
#include "supervisor/untrapped.h"
#include "network/internet.h"
#include "stubs/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_SELF = 125 };

/* One world, one CPU: a stop costs a quarter of what it does when the two sides run on different ones. */
static void pin(struct holder *h)
{
    cpu_set_t one;
    h->cpu = sched_getcpu();
    if (h->cpu < 0 || sched_getaffinity(0, sizeof h->cpus, &h->cpus) < 0) {
        h->cpu = -1;
        return;
    }
    CPU_ZERO(&one);
    CPU_SET(h->cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        h->cpu = -1;
}

/* The heap that nearly every run comes to, with its pages: a fault for each would cost more than all else that is done with it. */
static void warm_heap(void)
{
    enum { HEAP = 256 << 10, KEPT = 2 << 20 };
    const uintptr_t page = 4096;
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20); /* all three, for setting one keeps libc from moving the others */
    (void)mallopt(M_TRIM_THRESHOLD, KEPT);
    (void)mallopt(M_TOP_PAD, HEAP / 2);
    (void)mallopt(M_ARENA_MAX, 1); /* the worker's few calls are worth no heap of their own */
    char *heap = malloc(HEAP);
    /* cppcheck-suppress uninitdata ; an address */
    uintptr_t from = ((uintptr_t)heap + page - 1) / page * page;
    if (heap != NULL)
        (void)madvise((void *)from, HEAP - page,
                      MADV_POPULATE_WRITE); /* before Linux 5.14 there is none: then they come one by one */
    free(heap);
}

static bool export_is_archive(const char *path)
{
    const char *name = strrchr(path, '/');
    return strstr(name != NULL ? name : path, ".tar") != NULL;
}

static int load_program(struct holder *h, const struct run_request *r, struct task *first, const char *program,
                        struct run_error *e)
{
    struct world *w = h->world;
    struct exec_arguments arguments;
    const struct place at = {w->vfs, &first->cred, first->fs->root, first->fs->cwd};
    int error = setup_arguments(w, r, program, &arguments);
    if (error == 0) {
        if (h->report != NULL)
            inputs_begin(h->inputs, program, &arguments);
        recording_begin(h->recording, r, program, &arguments, first, &h->cpus, h->cpu);
        error = exec_start(first, &at, program, &arguments);
    }
    exec_arguments_free(&arguments);
    if (error == 0)
        return 0;
    if (recording_says(h->recording, e))
        return -1;
    if (error == -ENOEXEC)
        snprintf(e->text, sizeof e->text, "%s: not a program for this machine (x86-64 ELF, or a script with #!)",
                 program);
    else if (error == -EADDRINUSE)
        snprintf(e->text, sizeof e->text,
                 "%s: it is linked to addresses that the sandbox needs itself (below 0x%x, or where its stack is); "
                 "link it elsewhere, or as "
                 "a position-independent executable",
                 program, (unsigned)GLASS_END);
    else if (error == -ELIBBAD || error == -ENOENT)
        snprintf(e->text, sizeof e->text, "%s: it, or the interpreter it names, is not in the world: %s", program,
                 strerror(-error));
    else
        snprintf(e->text, sizeof e->text, "%s: cannot be executed: %s", program, strerror(-error));
    return -1;
}

/* What is written after the run is opened before it: later the supervisor may not create files. */
static int prepare_outputs(struct holder *h, const struct run_request *r, struct run_error *e)
{
    if (r->report != NULL) {
        h->report = strcmp(r->report, "-") == 0 ? stderr : fopen(r->report, "we");
        if (h->report == NULL) {
            snprintf(e->text, sizeof e->text, "report %s: %s", r->report, strerror(errno));
            return -1;
        }
    }
    if (recording_open(h->world, r, h->secrets, &h->recording, e) < 0)
        return -1;
    if (r->export_to == NULL)
        return 0;
    if (export_is_archive(r->export_to) && vfs_load_archives() < 0) {
        snprintf(e->text, sizeof e->text, "export %s: %s", r->export_to, strerror(ELIBACC));
        return -1;
    }
    int made = export_is_archive(r->export_to) ? open(r->export_to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                                               : mkdir(r->export_to, 0777);
    if (made < 0 && errno != EEXIST) {
        snprintf(e->text, sizeof e->text, "export %s: %s", r->export_to, strerror(errno));
        return -1;
    }
    if (made > 0)
        close(made);
    return 0;
}

static int start(struct holder *h, const struct run_request *r, struct bundle *bundle, struct run_error *e)
{
    char *program = NULL;
    struct task *first = NULL;
    int result = -1;
    if (network_start(h, r, setup_view(bundle, r), e) == 0 &&
        setup_tree(h->world, r, network_contents(h), bundle, &program, e) == 0 &&
        setup_first(h->world, r, bundle, &first, e) == 0 && setup_secrets(h->world, h->secrets, e) == 0) {
        if (prepare_outputs(h, r, e) == 0) {
            if (bundle != NULL)
                recording_bundles(h->recording, bundle);
            confine_files(r->export_to, &h->confinement);
            if (launch_first(h, first, e) == 0 && load_program(h, r, first, program, e) == 0)
                result = confine_self(r->export_to != NULL, network_connector(h), &h->confinement, e);
        }
    }
    if (result == 0)
        sched_ready(first);
    free(program);
    return result;
}

static void say_not_reproducible(const struct world *w, struct run_error *e)
{
    size_t n = (size_t)snprintf(e->text, sizeof e->text, "the run is not reproducible");
    for (size_t i = 0; i < w->not_reproducible_count && n < sizeof e->text; i++)
        n += (size_t)snprintf(e->text + n, sizeof e->text - n, "; %s", w->not_reproducible[i]);
}

static int finish(struct holder *h, const struct run_request *r, struct run_error *e)
{
    int status = report_exit_status(h->world);
    report_limit(h, e->notice, sizeof e->notice);
    char why[512] = "";
    struct export_more more;
    const struct export_more *network = network_export(h, &more);
    if (h->report != NULL)
        inputs_end(h->inputs, h->world);
    int error = r->export_to != NULL ? vfs_export(h->world->vfs, r->export_to, network, why, sizeof why) : 0;
    if (error < 0) {
        snprintf(e->text, sizeof e->text, "export %s: %s", r->export_to, why[0] != '\0' ? why : strerror(-error));
        status = EXIT_SELF;
    }
    if (network_finish(h, e) < 0)
        status = EXIT_SELF;
    if (recording_finish(h->recording, report_verdict(h->world), status, e) < 0)
        status = EXIT_SELF;
    if (h->report != NULL && report_write(h, e) < 0)
        status = EXIT_SELF;
    if (r->require_reproducible && h->world->not_reproducible_count > 0 && e->text[0] == '\0') {
        say_not_reproducible(h->world, e);
        status = EXIT_SELF;
    }
    return status;
}

/* What a replay comes to: the run's own status, unless it went another way. */
static int finish_again(const struct replaying *again, int status, struct run_error *e)
{
    if (replaying_diverged(again, e->text, sizeof e->text))
        return EXIT_SELF;
    return replaying_stopped(again) ? 0 : status;
}

int supervisor_run(const struct run_request *r, struct run_error *e)
{
    struct inputs inputs = {0};
    struct secrets secrets = {0};
    struct holder h = {.socket = -1, .listener = -1, .cpu = -1, .inputs = &inputs, .secrets = &secrets};
    struct bundle *bundle = NULL;
    int status = EXIT_SELF;
    *e = (struct run_error){0};
    if (sodium_init() < 0) {
        snprintf(e->text, sizeof e->text, "libsodium cannot start");
        return EXIT_SELF;
    }
    pin(&h); /* before memory is touched: what ran on two processors has to tell both of each page it takes away */
    warm_heap();
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error of the guest's write */
    void (*size_before)(int) = signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow, or of the record's */
    h.world = world_new(r->policy, &ptrace_machine, &h);
    if (r->record != NULL)
        bundle = bundle_new(r);
    if (r->again != NULL)
        h.ceilings = ceilings_new(&r->policy->limits, r->ceilings);
    if (h.world == NULL || limits_new(&h) < 0 || (r->again != NULL && h.ceilings == NULL) || fast_clock_new(&h) < 0 ||
        lending_new(&h, fast_clock_behind(&h)) < 0 || (r->record != NULL && bundle == NULL)) {
        snprintf(e->text, sizeof e->text, "out of memory");
    } else {
        h.world->verbose = r->verbose;
        h.world->again = r->again;
        limits_of_caller(h.world);
        h.inspection = r->inspection;
        if (r->again != NULL)
            replaying_begin(r->again, h.world);
        tick_start();
        if (start(&h, r, bundle, e) == 0) {
            loop_run(&h);
            status = finish(&h, r, e);
            if (r->again != NULL)
                status = finish_again(r->again, status, e);
        } else {
            ends_kill_all(&h);
        }
        tsc_allow();
        tick_stop();
    }
    if (h.socket >= 0)
        close(h.socket);
    if (h.listener >= 0)
        close(h.listener);
    if (h.report != NULL && h.report != stderr)
        fclose(h.report);
    recording_free(h.recording);
    inputs_free(&inputs);
    free(secrets.ino);
    maps_forget_all(&h);
    limits_free(&h);
    ceilings_free(h.ceilings);
    lending_free(&h);
    fast_clock_free(&h);
    patch_forget_all(&h);
    deadlock_forget(&h);
    untrapped_forget_all(&h);
    world_free(h.world);
    internet_free(h.internet);
    connector_free(h.connector);
    bundle_free(bundle);
    signal(SIGPIPE, pipe_before);
    signal(SIGXFSZ, size_before);
    return status;
}
