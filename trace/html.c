/* A record as a page (trace/html.h): trace/page.html with the events in the place of its only mark. */
#include "trace/html.h"

#include "kernel/sysent.h"
#include "policy/policy.h"
#include "trace/decode.h"
#include "trace/json.h"
#include "trace/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern const char trace_page[], trace_page_end[];
__asm__(".pushsection .rodata\n"
        ".global trace_page, trace_page_end\n"
        "trace_page: .incbin \"trace/page.html\"\n"
        "trace_page_end: .byte 0\n"
        ".popsection\n");

static const char mark[] = "/*DATA*/";
enum { PROCESSES_MOST = 4096, PROGRAMS_MOST = 8, REALS_MOST = 32 };

struct process {
    int32_t pid;
    bool ended;
    int32_t status;
    uint32_t program_count;
    char *program[PROGRAMS_MOST];
};

struct page {
    FILE *to;
    struct trace_context *context;
    struct event *event;
    struct trace_text text; /* its stream is `line` */
    struct process *processes;
    size_t process_count;
    char *real[REALS_MOST];
    size_t real_count;
    uint64_t rows;
    bool left_out, failed;
    char *run; /* the facts as JSON, or NULL */
    char *verdict;
    int32_t status;
    bool has_end;
};

/* ---- what stands beside the rows ---------------------------------------------------------------------------------- */

static struct process *process_of(struct page *p, int32_t pid)
{
    for (size_t i = p->process_count; i > 0; i--)
        if (p->processes[i - 1].pid == pid)
            return &p->processes[i - 1];
    if (p->process_count == PROCESSES_MOST)
        return NULL;
    struct process *more = realloc(p->processes, (p->process_count + 1) * sizeof *more);
    if (more == NULL) {
        p->failed = true;
        return NULL;
    }
    p->processes = more;
    more[p->process_count] = (struct process){.pid = pid};
    return &more[p->process_count++];
}

static void see_exec(struct page *p, const struct event *e)
{
    struct process *process = process_of(p, e->exec.pid);
    if (process == NULL || process->program_count == PROGRAMS_MOST)
        return;
    char *name = strndup(e->exec.program.text, e->exec.program.size);
    if (name == NULL)
        p->failed = true;
    else
        process->program[process->program_count++] = name;
}

static void see_run(struct page *p, const struct event *e)
{
    size_t n = 0;
    FILE *to = p->run == NULL ? open_memstream(&p->run, &n) : NULL;
    if (to == NULL)
        return;
    trace_json_event(to, p->context, e);
    if (fclose(to) != 0)
        p->failed = true;
}

static void see(struct page *p, const struct event *e)
{
    struct process *process;
    switch (e->kind) {
    case EVENT_RUN:
        see_run(p, e);
        break;
    case EVENT_BORN:
        (void)process_of(p, e->born.pid);
        break;
    case EVENT_EXEC:
        see_exec(p, e);
        break;
    case EVENT_DIED:
        process = e->died.last ? process_of(p, e->died.pid) : NULL;
        if (process != NULL) {
            process->ended = true;
            process->status = e->died.status;
        }
        break;
    case EVENT_REAL:
        if (p->real_count < REALS_MOST &&
            (p->real[p->real_count] = strndup(e->real.what.text, e->real.what.size)) != NULL)
            p->real_count++;
        break;
    case EVENT_END:
        free(p->verdict);
        p->verdict = strndup(e->end.verdict.text, e->end.verdict.size);
        p->status = e->end.status;
        p->has_end = p->verdict != NULL;
        break;
    default:
        break;
    }
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void print_files(struct page *p, const struct event *e)
{
    const struct sysent *s = e->kind == EVENT_CALL ? sysent_get(e->call.nr) : NULL;
    bool any = false;
    fputc('[', p->to);
    for (int i = 0; s != NULL && i < s->argument_count; i++) {
        size_t n;
        const char *path = s->argument[i] == ARG_PATH ? decode_string(e, i, &n) : NULL;
        if (path == NULL || n == 0)
            continue;
        fputs(any ? "," : "", p->to);
        trace_json_text(p->to, path, n);
        any = true;
    }
    for (unsigned i = 0; s != NULL && i < e->call.open_count && !any; i++) {
        const char *name = trace_open_name(p->context, e->call.open[i].id);
        if (name == NULL || name[0] != '/')
            continue;
        trace_json_text(p->to, name, strlen(name));
        any = true;
    }
    fputc(']', p->to);
}

static int trouble(const struct page *p, const struct event *e)
{
    if (e->kind != EVENT_CALL)
        return 0;
    const struct trace_rule *r = trace_rule(p->context, e->call.rule);
    if (r != NULL && strcmp(r->action, "allow") != 0 && strcmp(r->action, "log") != 0)
        return 2;
    return e->call.has_result && e->call.result < 0 && e->call.result >= -4095;
}

static void print_row(struct page *p, const struct event *e)
{
    char *line = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&line, &n);
    if (to == NULL) {
        p->failed = true;
        return;
    }
    struct trace_text *t = &p->text;
    *t = (struct trace_text){.to = to, .context = p->context};
    trace_text_event(t, e);
    if (fclose(to) != 0) {
        p->failed = true;
    } else if (n > 0 && p->rows == HTML_EVENTS_MOST) {
        p->left_out = true;
    } else if (n > 0) {
        const struct sysent *s = e->kind == EVENT_CALL ? sysent_get(e->call.nr) : NULL;
        size_t from = strspn(line, "0123456789-"); /* the task has a column of its own */
        from += strspn(line + from, " ");
        fprintf(p->to, "%s[%" PRIu64 ",%" PRId64 ",%d,%d,%d,\"%s\",", p->rows++ > 0 ? ",\n" : "", e->index, e->time,
                e->tid, trace_pid(p->context, e->tid), s != NULL ? (int)s->family : -1,
                s != NULL ? s->name : event_kind_name(e->kind));
        trace_json_text(p->to, line + from, n - from - 1);
        fputc(',', p->to);
        print_files(p, e);
        fprintf(p->to, ",%d]", trouble(p, e));
    }
    free(line);
}

static enum reader_result print_rows(struct page *p, struct reader *r, const struct trace_filter *filter)
{
    enum reader_result result;
    fputs("{rows: [\n", p->to);
    while ((result = reader_next(r, p->event)) == READER_EVENT && !p->failed) {
        if (trace_context_see(p->context, p->event) < 0)
            p->failed = true;
        see(p, p->event);
        if (p->event->kind != EVENT_BLOCK && trace_filter_takes(filter, p->context, p->event))
            print_row(p, p->event);
    }
    fputs("]", p->to);
    return result;
}

static void print_processes(struct page *p)
{
    fputs(",\nprocesses: [", p->to);
    for (size_t i = 0; i < p->process_count; i++) {
        const struct process *process = &p->processes[i];
        fprintf(p->to, "%s{pid: %d, programs: [", i > 0 ? ",\n" : "", process->pid);
        for (uint32_t k = 0; k < process->program_count; k++) {
            fputs(k > 0 ? "," : "", p->to);
            trace_json_text(p->to, process->program[k], strlen(process->program[k]));
        }
        if (!process->ended)
            fputs("], ended: \"\"}", p->to);
        else if (WIFSIGNALED(process->status))
            fprintf(p->to, "], ended: \"signal %d\"}", WTERMSIG(process->status));
        else
            fprintf(p->to, "], ended: \"exit %d\"}", WEXITSTATUS(process->status));
    }
    fputs("]", p->to);
}

static void print_rest(struct page *p, const struct reader *r, enum reader_result result)
{
    print_processes(p);
    fputs(",\nreal: [", p->to);
    for (size_t i = 0; i < p->real_count; i++) {
        fputs(i > 0 ? "," : "", p->to);
        trace_json_text(p->to, p->real[i], strlen(p->real[i]));
    }
    fprintf(p->to, "],\nrun: (%s).run, events: %" PRIu64 ", left_out: %s, head: \"", p->run != NULL ? p->run : "{}",
            reader_events(r), p->left_out ? "true" : "false");
    for (int i = 0; i < EVENT_DIGEST; i++)
        fprintf(p->to, "%02x", reader_head(r)[i]);
    fputs("\", why: ", p->to);
    trace_json_text(p->to, result == READER_END ? "" : reader_why(r), result == READER_END ? 0 : strlen(reader_why(r)));
    if (p->has_end && result == READER_END) {
        fprintf(p->to, ", end: {status: %d, verdict: ", p->status);
        trace_json_text(p->to, p->verdict, strlen(p->verdict));
        fputc('}', p->to);
    }
    fputc('}', p->to);
}

static void release(struct page *p)
{
    for (size_t i = 0; i < p->process_count; i++)
        for (uint32_t k = 0; k < p->processes[i].program_count; k++)
            free(p->processes[i].program[k]);
    for (size_t i = 0; i < p->real_count; i++)
        free(p->real[i]);
    free(p->processes);
    free(p->run);
    free(p->verdict);
    free(p->event);
    trace_context_free(p->context);
}

int trace_html(struct reader *r, const char *path, const struct trace_filter *filter, enum reader_result *result,
               char *why, size_t n)
{
    struct page *p = calloc(1, sizeof *p);
    const char *at = memmem(trace_page, (size_t)(trace_page_end - trace_page), mark, sizeof mark - 1);
    int error = 0;
    *result = READER_END;
    if (p != NULL) {
        p->event = malloc(sizeof *p->event);
        p->context = trace_context_new();
        p->failed = p->event == NULL || p->context == NULL;
    }
    if (p == NULL || p->failed || at == NULL) {
        snprintf(why, n, "out of memory");
        error = -1;
    } else if ((p->to = fopen(path, "we")) == NULL) {
        snprintf(why, n, "%s: %s", path, strerror(errno));
        error = -1;
    } else {
        fwrite(trace_page, 1, (size_t)(at - trace_page), p->to);
        *result = print_rows(p, r, filter);
        print_rest(p, r, *result);
        fputs(at + sizeof mark - 1, p->to);
        bool bad = ferror(p->to) != 0;
        if (fclose(p->to) != 0 || bad || p->failed) {
            snprintf(why, n, "%s: %s", path, p->failed ? "out of memory" : strerror(errno));
            error = -1;
        }
    }
    if (p != NULL)
        release(p);
    free(p);
    return error;
}
