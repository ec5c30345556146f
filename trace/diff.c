/* Comparing records (trace/diff.h). */
#include "trace/diff.h"

#include "kernel/sysent.h"
#include "trace/context.h"
#include "trace/decode.h"
#include "trace/json.h"
#include "trace/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTEXT_LINES = 3,
    PATH_BUCKETS = 4096,
    PATHS_MOST = 100000,
    FILES_SHOWN = 40,
    PROGRAMS = 64,
    PROGRAM_MOST = 128,
    BRIEF = 300
};

/* What both did with one path. */
struct used {
    struct used *next;
    uint64_t count[2];
    uint8_t content[2][EVENT_DIGEST]; /* hashes of its pieces, put together */
    char path[];
};

struct comparison {
    const struct diff_side *side;
    struct trace_context *context[2];
    struct event event[2];
    enum reader_result result[2];
    struct event_buffer bytes[2];
    struct { /* the last equal events; a ring */
        struct event_buffer bytes;
        uint64_t index;
    } last[CONTEXT_LINES];
    uint64_t agreed; /* how many there were */
    uint64_t calls[2][SYSENT_COUNT];
    struct used *paths[PATH_BUCKETS];
    size_t path_count;
    struct { /* what each process executes, as far as both agree; a ring */
        int32_t pid;
        char path[PROGRAM_MOST];
    } program[PROGRAMS];
    unsigned programs;
    struct { /* the given file told last, on each side: its pieces follow */
        uint64_t id;
        struct used *used;
    } file[2];
    bool failed;
};

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* One event as one line, without a newline behind it; owned by the caller. NULL: out of memory. */
static char *words(struct trace_context *c, const struct event *e)
{
    char *line = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&line, &n);
    if (to == NULL)
        return NULL;
    if (e->kind == EVENT_CALL || e->kind == EVENT_SIGNAL || e->kind == EVENT_DIED || e->kind == EVENT_REAL ||
        e->kind == EVENT_OUTSIDE) {
        struct trace_text t = {.to = to, .context = c};
        trace_text_event(&t, e);
    } else {
        trace_json_event(to, c, e);
    }
    if (fclose(to) != 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* As bytes: only the last before the records part are ever put into words. */
static void remember_event(struct comparison *c)
{
    unsigned at = c->agreed % CONTEXT_LINES;
    struct event_buffer bytes = c->last[at].bytes;
    c->last[at].bytes = c->bytes[0];
    c->last[at].index = c->event[0].index;
    c->bytes[0] = bytes;
}

static void print_last(FILE *to, struct comparison *c)
{
    for (uint64_t i = c->agreed > CONTEXT_LINES ? c->agreed - CONTEXT_LINES : 0; i < c->agreed; i++) {
        const struct event_buffer *b = &c->last[i % CONTEXT_LINES].bytes;
        struct event e = {.index = c->last[i % CONTEXT_LINES].index};
        const char *why;
        char *line = event_unpack(b->bytes, b->size, &e, &why) > 0 ? words(c->context[0], &e) : NULL;
        if (line != NULL)
            fprintf(to, "  %s\n", line);
        free(line);
    }
}

/* ---- what was used ------------------------------------------------------------------------------------------------ */

static struct used *used(struct comparison *c, const char *path, size_t n)
{
    uint32_t hash = 5381;
    for (size_t i = 0; i < n; i++)
        hash = hash * 33 ^ (unsigned char)path[i];
    struct used **bucket = &c->paths[hash % PATH_BUCKETS];
    for (struct used *u = *bucket; u != NULL; u = u->next)
        if (strlen(u->path) == n && memcmp(u->path, path, n) == 0)
            return u;
    if (c->path_count == PATHS_MOST || n > 4096)
        return NULL;
    struct used *u = calloc(1, sizeof *u + n + 1);
    if (u == NULL) {
        c->failed = true;
        return NULL;
    }
    memcpy(u->path, path, n);
    u->next = *bucket;
    *bucket = u;
    c->path_count++;
    return u;
}

static void count_path(struct comparison *c, int side, const char *path, size_t n)
{
    struct used *u = used(c, path, strnlen(path, n));
    if (u != NULL)
        u->count[side]++;
}

static void count_call(struct comparison *c, int side, const struct event *e)
{
    const struct sysent *s = sysent_get(e->call.nr);
    size_t n;
    if (s == NULL)
        return;
    c->calls[side][e->call.nr]++;
    for (int i = 0; i < s->argument_count; i++) {
        const char *path = s->argument[i] == ARG_PATH ? decode_string(e, i, &n) : NULL;
        if (path != NULL && n > 0)
            count_path(c, side, path, n);
    }
    for (unsigned i = 0; i < e->call.open_count; i++) {
        const char *name = trace_open_name(c->context[side], e->call.open[i].id);
        if (name != NULL && name[0] == '/' && e->call.open[i].argument != EVENT_OPEN_RESULT)
            count_path(c, side, name, strlen(name));
    }
}

static void see(struct comparison *c, int side)
{
    const struct event *e = &c->event[side];
    if (trace_context_see(c->context[side], e) < 0)
        c->failed = true;
    if (e->kind == EVENT_CALL)
        count_call(c, side, e);
    if (e->kind == EVENT_FILE) {
        c->file[side].id = e->file.id;
        c->file[side].used = used(c, e->file.path.text, e->file.path.size);
    }
    if (e->kind == EVENT_PIECE && c->file[side].used != NULL && c->file[side].id == e->piece.file)
        for (int i = 0; i < EVENT_DIGEST; i++)
            c->file[side].used->content[side][i] ^= (uint8_t)(e->piece.digest[i] + e->piece.number);
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct used *const *)a)->path, (*(struct used *const *)b)->path);
}

static bool differs(const struct used *u)
{
    static const uint8_t none[EVENT_DIGEST];
    bool both = memcmp(u->content[0], none, EVENT_DIGEST) != 0 && memcmp(u->content[1], none, EVENT_DIGEST) != 0;
    return u->count[0] != u->count[1] || (both && memcmp(u->content[0], u->content[1], EVENT_DIGEST) != 0);
}

static void print_calls(FILE *to, const struct comparison *c)
{
    bool any = false;
    for (uint64_t nr = 0; nr < SYSENT_COUNT; nr++) {
        if (c->calls[0][nr] == c->calls[1][nr])
            continue;
        fprintf(to, "%s  %-20s %8" PRIu64 " %8" PRIu64 "\n", any ? "" : "\ncalls                       A        B\n",
                sysent_get(nr)->name, c->calls[0][nr], c->calls[1][nr]);
        any = true;
    }
}

static void print_files(FILE *to, struct comparison *c)
{
    struct used **all = calloc(c->path_count + 1, sizeof *all);
    size_t n = 0;
    if (all == NULL) {
        c->failed = true;
        return;
    }
    for (int i = 0; i < PATH_BUCKETS; i++)
        for (struct used *u = c->paths[i]; u != NULL; u = u->next)
            if (differs(u))
                all[n++] = u;
    qsort(all, n, sizeof *all, by_path);
    for (size_t i = 0; i < n && i < FILES_SHOWN; i++) {
        fprintf(to, "%s  %8" PRIu64 " %8" PRIu64 "  ", i == 0 ? "\nfiles, by calls on them\n         A        B\n" : "",
                all[i]->count[0], all[i]->count[1]);
        decode_text(to, (const uint8_t *)all[i]->path, strlen(all[i]->path), 4096, false);
        fputs(all[i]->count[0] == all[i]->count[1] ? "  other content\n" : "\n", to);
    }
    if (n > FILES_SHOWN)
        fprintf(to, "  and %zu more\n", n - FILES_SHOWN);
    free(all);
}

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

static bool next(struct comparison *c, int side, char *why, size_t n)
{
    c->result[side] = reader_next(c->side[side].reader, &c->event[side]);
    if (c->result[side] == READER_DAMAGED)
        snprintf(why, n, "%s: %s", c->side[side].name, reader_why(c->side[side].reader));
    if (c->result[side] == READER_EVENT)
        see(c, side);
    return c->result[side] != READER_DAMAGED && !c->failed;
}

static bool same(struct comparison *c)
{
    if (c->result[0] != READER_EVENT || c->result[1] != READER_EVENT)
        return c->result[0] == c->result[1];
    for (int side = 0; side < 2; side++) {
        c->bytes[side].size = 0;
        if (event_pack(&c->bytes[side], &c->event[side]) < 0)
            c->failed = true;
    }
    return c->bytes[0].size == c->bytes[1].size && memcmp(c->bytes[0].bytes, c->bytes[1].bytes, c->bytes[0].size) == 0;
}

static void print_side(FILE *to, struct comparison *c, int side)
{
    fprintf(to, "%c ", "AB"[side]);
    if (c->result[side] == READER_EVENT) {
        char *line = words(c->context[side], &c->event[side]);
        fprintf(to, "%s\n", line != NULL ? line : "(out of memory)");
        free(line);
    } else {
        fprintf(to, "(%s)\n", c->result[side] == READER_END ? "the run is over" : reader_why(c->side[side].reader));
    }
}

static void print_parting(FILE *to, struct comparison *c)
{
    fprintf(to, "A is %s\nB is %s\nthey part at event %" PRIu64 ":\n", c->side[0].name, c->side[1].name, c->agreed);
    print_last(to, c);
    print_side(to, c, 0);
    print_side(to, c, 1);
}

static void remember_program(struct comparison *c)
{
    const struct event *e = &c->event[0];
    if (e->kind != EVENT_EXEC)
        return;
    unsigned at = c->programs++ % PROGRAMS;
    c->program[at].pid = e->exec.pid;
    snprintf(c->program[at].path, PROGRAM_MOST, "%.*s",
             (int)(e->exec.program.size < PROGRAM_MOST ? e->exec.program.size : PROGRAM_MOST), e->exec.program.text);
}

static const char *program_of(const struct comparison *c, int32_t pid)
{
    unsigned have = c->programs < PROGRAMS ? c->programs : PROGRAMS;
    for (unsigned i = 1; i <= have; i++)
        if (c->program[(c->programs - i) % PROGRAMS].pid == pid)
            return c->program[(c->programs - i) % PROGRAMS].path;
    return NULL;
}

static void print_side_briefly(FILE *to, struct comparison *c, int side)
{
    fprintf(to, "  %s: ", c->side[side].name);
    if (c->result[side] != READER_EVENT) {
        fprintf(to, "(%s)\n", c->result[side] == READER_END ? "the run is over" : reader_why(c->side[side].reader));
        return;
    }
    char *line = words(c->context[side], &c->event[side]);
    fprintf(to, "%.*s%s at %" PRId64 " ns\n", BRIEF, line != NULL ? line : "(out of memory)",
            line != NULL && strlen(line) > BRIEF ? " ..." : "", c->event[side].time);
    free(line);
}

/* On while both say the same, which `agreed` is told of each time. DIFF_DIFFERENT: they part here. */
static enum diff_result go_together(struct comparison *c, void (*agreed)(struct comparison *c), char *why, size_t n)
{
    for (;; c->agreed++) {
        if (!next(c, 0, why, n) || !next(c, 1, why, n))
            return DIFF_FAILED;
        if (!same(c))
            return DIFF_DIFFERENT;
        if (c->result[0] != READER_EVENT)
            return DIFF_SAME;
        agreed(c);
    }
}

static enum diff_result part(FILE *to, struct comparison *c, char *why, size_t n)
{
    enum diff_result result = go_together(c, remember_program, why, n);
    if (result != DIFF_DIFFERENT)
        return result;
    int side = c->result[0] == READER_EVENT ? 0 : 1;
    int32_t tid = c->event[side].tid, pid = trace_pid(c->context[side], tid);
    const char *program = program_of(c, pid);
    fprintf(to, "their records part at event %" PRIu64, c->agreed);
    if (pid != 0)
        fprintf(to, ", of process %d", pid);
    if (pid != 0 && program != NULL) {
        fputs(" (", to);
        decode_plain(to, program, strlen(program), "");
        fputc(')', to);
    }
    if (pid != 0)
        fprintf(to, ", thread %d", tid);
    fputs(":\n", to);
    print_side_briefly(to, c, 0);
    print_side_briefly(to, c, 1);
    return DIFF_DIFFERENT;
}

static enum diff_result compare(FILE *to, struct comparison *c, char *why, size_t n)
{
    enum diff_result result = go_together(c, remember_event, why, n);
    if (result != DIFF_DIFFERENT)
        return result;
    print_parting(to, c);
    for (int side = 0; side < 2; side++)
        while (c->result[side] == READER_EVENT)
            if (!next(c, side, why, n))
                return DIFF_FAILED;
    print_calls(to, c);
    print_files(to, c);
    return DIFF_DIFFERENT;
}

static enum diff_result with_contexts(FILE *to, const struct diff_side side[2], char *why, size_t n,
                                      enum diff_result (*run)(FILE *to, struct comparison *c, char *why, size_t n))
{
    enum diff_result result = DIFF_FAILED;
    struct comparison *c = calloc(1, sizeof *c);
    snprintf(why, n, "out of memory");
    if (c != NULL) {
        c->side = side;
        c->context[0] = trace_context_new();
        c->context[1] = trace_context_new();
        if (c->context[0] != NULL && c->context[1] != NULL)
            result = run(to, c, why, n);
        if (c->failed)
            result = DIFF_FAILED;
        for (int i = 0; i < 2; i++) {
            trace_context_free(c->context[i]);
            event_buffer_free(&c->bytes[i]);
        }
        for (int i = 0; i < CONTEXT_LINES; i++)
            event_buffer_free(&c->last[i].bytes);
        for (int i = 0; i < PATH_BUCKETS; i++)
            for (struct used *u = c->paths[i], *after; u != NULL; u = after) {
                after = u->next;
                free(u);
            }
    }
    free(c);
    return result;
}

enum diff_result trace_diff(FILE *to, const struct diff_side side[2], char *why, size_t n)
{
    return with_contexts(to, side, why, n, compare);
}

enum diff_result trace_part(FILE *to, const struct diff_side side[2], char *why, size_t n)
{
    return with_contexts(to, side, why, n, part);
}
