/* Recording a run (supervisor/recording.h): beginning, end, and the facts that stand at its head. */
#include "supervisor/recording_inner.h"

#include "supervisor/bundle.h"
#include "supervisor/inputs.h"
#include "supervisor/worker.h"
#include "trace/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- telling ------------------------------------------------------------------------------------------------------ */

void recording_failed(struct recording *r, int error)
{
    if (r->error == 0)
        r->error = error;
    world_end(r->world, VERDICT_INTERNAL);
}

struct event *recording_event(struct recording *r, enum event_kind kind, int32_t tid)
{
    struct event *e = &r->event;
    memset(e, 0, offsetof(struct event, segment));
    e->kind = kind;
    e->time = clock_elapsed(&r->world->clock);
    e->tid = tid;
    return e;
}

/* A file's bytes are hashed a little later than they are used. */
static void look_for_changes(struct recording *r)
{
    static const char what[] = "files: a file of the machine was written to while the run used it";
    if (r->bundle == NULL || !bundle_changed(r->bundle))
        return;
    world_not_reproducible(r->world, what); /* which tells */
    if (r->world->recorder == NULL)
        r->recorder.real(&r->recorder, what);
}

/* By counted time, which is the same in every run: no block has events of two of its stretches, whenever that is seen. */
void recording_computed(struct recording *r)
{
    enum { STRETCH = 250 * 1000 * 1000 };
    if (r == NULL || r->record == NULL || r->world->clock.real || r->world->cpu / STRETCH == r->stretch)
        return;
    r->stretch = r->world->cpu / STRETCH;
    record_close_block(r->record);
}

void recording_tell(struct recording *r, struct event *e)
{
    int error = 0;
    recording_computed(r);
    if (r->record == NULL)
        e->index = r->events++;
    else if (r->error == 0)
        error = record_add(r->record, e);
    if (error == 0 && r->bundle != NULL)
        error = bundle_error(r->bundle);
    if (error < 0)
        recording_failed(r, error);
    else if (r->watch != NULL)
        r->watch(r->watch_context, e);
    look_for_changes(r);
}

/* Before a block: its events may speak of what was seen since the last. */
static void before_block(void *recording)
{
    struct recording *r = recording;
    if (r->bundle != NULL)
        bundle_give(r->bundle);
}

static void later(void *recording, void (*job)(void *), void *argument)
{
    worker_do(((struct recording *)recording)->worker, job, argument);
}

static void wait_for_worker(void *recording)
{
    worker_wait(((struct recording *)recording)->worker);
}

/* ---- beginning and end --------------------------------------------------------------------------------------------- */

int recording_open(struct world *w, const struct run_request *request, const struct secrets *secrets,
                   struct recording **out, struct run_error *e)
{
    *out = NULL;
    if (request->record == NULL && request->watch == NULL)
        return 0;
    int fd = -1;
    if (request->record != NULL && (fd = open(request->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0) {
        snprintf(e->text, sizeof e->text, "record %s: %s", request->record, strerror(errno));
        return -1;
    }
    struct recording *r = calloc(1, sizeof *r);
    struct record *record = fd >= 0 ? record_begin(fd) : NULL;
    if (r != NULL) {
        *r = (struct recording){.world = w,
                                .record = record,
                                .watch = request->watch,
                                .watch_context = request->watch_context,
                                .secrets = secrets,
                                .sign = request->sign};
        recording_calls_tell(&r->recorder);
        recording_events_tell(&r->recorder);
        r->piece = malloc(EVENT_PIECE_SIZE);
        r->path = request->record != NULL ? strdup(request->record) : NULL;
    }
    if (r == NULL || (fd >= 0 && record == NULL) || r->piece == NULL) {
        snprintf(e->text, sizeof e->text, "out of memory");
        if (r == NULL)
            record_free(record);
        recording_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

/* What of the machine a run may depend on without the world's doing; no part of what makes two runs the same. */
static void machine_facts(struct recording *r)
{
    struct utsname u;
    struct facts f;
    char *model = inputs_cpu_fact("model name"), *features = inputs_cpu_fact("flags");
    facts_begin(&f);
    facts_text(&f, "cpu", model);
    facts_text(&f, "features", features);
    facts_text(&f, "kernel", uname(&u) == 0 ? u.release : NULL);
    facts_end(&f);
    int error = f.error < 0 ? f.error : record_machine(r->record, f.buffer.bytes, f.buffer.size);
    if (error < 0)
        recording_failed(r, error);
    event_buffer_free(&f.buffer);
    free(model);
    free(features);
}

/* What the run is, as far as its own outcome depends on it. */
static void run_facts(struct facts *f, const struct world *w, const struct run_request *request, const char *program,
                      const struct exec_arguments *a)
{
    const struct policy *p = w->policy;
    size_t n = (size_t)a->argc + a->envc, at = 0;
    const char **words = calloc(n + 1, sizeof *words);
    if (words == NULL) {
        f->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        words[i] = a->bytes + at;
        at += strlen(words[i]) + 1;
    }
    facts_text(f, "terrarium", TERRARIUM_VERSION);
    facts_text(f, "policy", p->digest);
    facts_text(f, "program", program);
    facts_texts(f, "argv", a->argc, words);
    facts_texts(f, "environment", a->envc, words + a->argc);
    facts_text(f, "cwd", p->cwd);
    facts_unsigned(f, "seed", p->seed);
    facts_number(f, "start", w->clock.epoch);
    facts_number(f, "per_event", p->clock.per_event);
    facts_text(f, "clock", p->clock.real ? "real" : "virtual");
    if (p->clock.real)
        facts_number(f, "boot", w->clock.boot);
    facts_text(f, "script",
               request->script == NULL                 ? NULL
               : strrchr(request->script, '/') != NULL ? strrchr(request->script, '/') + 1
                                                       : request->script);
    free(words);
}

static bool goes_on(void *context)
{
    return recording_goes_on(context);
}

static bool is_secret(void *context, uint64_t ino)
{
    return recording_is_secret(context, ino);
}

void recording_bundles(struct recording *r, struct bundle *b)
{
    r->bundle = b;
}

void recording_begin(struct recording *r, const struct run_request *request, const char *program,
                     const struct exec_arguments *arguments, const struct task *first, const cpu_set_t *cpus, int cpu)
{
    if (r == NULL)
        return;
    struct world *w = r->world;
    struct facts f;
    if (r->record != NULL)
        machine_facts(r);
    /* Whoever watches wants to know everything at once. */
    r->worker = r->record != NULL && r->watch == NULL ? worker_new(cpus, cpu) : NULL;
    if (r->bundle != NULL)
        bundle_begin(r->bundle, r->record, r->worker, is_secret, goes_on, r);
    const struct record_elsewhere elsewhere = {later, wait_for_worker, before_block, r};
    if (r->record != NULL)
        record_set_elsewhere(r->record, &elsewhere);
    facts_begin(&f);
    run_facts(&f, w, request, program, arguments);
    facts_end(&f);
    if (f.error < 0) {
        recording_failed(r, f.error);
    } else {
        struct event *e = recording_event(r, EVENT_RUN, 0);
        e->run.map = f.buffer.bytes;
        e->run.size = f.buffer.size;
        recording_tell(r, e);
    }
    event_buffer_free(&f.buffer);
    w->recorder = &r->recorder;
    for (size_t i = 0; i < w->not_reproducible_count; i++)
        r->recorder.real(&r->recorder, w->not_reproducible[i]);
    r->recorder.born(&r->recorder, (struct task *)first, NULL, 0);
}

void recording_stop(struct recording *r)
{
    if (r == NULL)
        return;
    r->world->recorder = NULL;
    for (struct process *p = r->world->processes; p != NULL; p = p->next)
        for (struct task *t = p->threads; t != NULL; t = t->next_thread)
            t->call.recorded = NULL;
}

bool recording_says(const struct recording *r, struct run_error *e)
{
    if (r == NULL || r->error == 0)
        return false;
    snprintf(e->text, sizeof e->text, "record %s: %s; it holds the first %llu events of the run",
             r->path != NULL ? r->path : "", strerror(-r->error),
             r->record != NULL ? (unsigned long long)record_written(r->record) : 0);
    return true;
}

int recording_finish(struct recording *r, const char *verdict, int status, struct run_error *e)
{
    if (r == NULL)
        return 0;
    worker_wait(r->worker);
    look_for_changes(r);
    struct event *end = recording_event(r, EVENT_END, 0);
    end->end.verdict = recording_text(verdict, 32);
    end->end.status = status;
    end->end.wait_status = r->world->init_status;
    recording_tell(r, end);
    if (r->error == 0 && r->record != NULL)
        r->error = record_flush(r->record);
    worker_wait(r->worker);
    if (r->error == 0 && r->bundle != NULL)
        r->error = bundle_error(r->bundle);
    if (r->error == 0 && r->record != NULL)
        r->error = record_finish(r->record, r->sign);
    return recording_says(r, e) ? -1 : 0;
}

const struct record *recording_file(const struct recording *r)
{
    return r != NULL ? r->record : NULL;
}

bool recording_signed(const struct recording *r)
{
    return r->sign != NULL;
}

void recording_free(struct recording *r)
{
    if (r == NULL)
        return;
    if (r->world->recorder == &r->recorder)
        recording_stop(r);
    worker_free(r->worker);
    recording_calls_free(r);
    recording_forget_used(r);
    number_set_free(&r->opens);
    number_set_free(&r->files);
    number_set_free(&r->pieces);
    number_set_free(&r->rules);
    free(r->piece);
    free(r->path);
    record_free(r->record);
    free(r);
}
